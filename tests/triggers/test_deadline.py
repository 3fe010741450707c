"""When a deadline is due."""

import datetime as dt
from zoneinfo import ZoneInfo

import pydantic
import pytest

from crmrules import CrmRulesError
from crmrules.kpi.calendar import China, Extended, Overridden, Weekdays
from crmrules.kpi.period import Period
from crmrules.kpi.standing import Result, Standing
from crmrules.triggers import Behind, Decision, Due

RIGA = ZoneInfo("Europe/Riga")


@pytest.mark.parametrize(
    ("period", "day", "expected"),
    [
        ("2021-03", 27, "2021-03-27T03:15:00+02:00"),
        ("2021-03", 28, "2021-03-28T04:00:00+03:00"),
        ("2021-03", 29, "2021-03-29T03:15:00+03:00"),
        ("2021-10", 30, "2021-10-30T03:15:00+03:00"),
        ("2021-10", 31, "2021-10-31T03:15:00+03:00"),
        ("2021-11", 1, "2021-11-01T03:15:00+02:00"),
    ],
)
def test_a_skipped_time_is_the_end_of_the_gap_and_a_repeated_one_is_its_first(period, day, expected):
    due = Due(day=day, time=dt.time(3, 15))
    assert due.instant(Period.parse(period), RIGA).isoformat() == expected


@pytest.mark.parametrize("day", [31, -1])
@pytest.mark.parametrize(
    ("period", "expected"),
    [("2025-01", 31), ("2025-02", 28), ("2028-02", 29), ("2025-03", 31), ("2025-04", 30)],
)
def test_a_day_beyond_the_month_is_its_last(day, period, expected):
    assert Due(day=day).date(Period.parse(period)).day == expected


def evaluated(due: Due, now: dt.datetime) -> Decision:
    result = Result("sales", 1.0, 100.0, 0.01)
    row = Standing("plan", "u7", Period.parse("2021-10"), {"sales": result})
    return Behind(indicator="sales", share=0.5, by=due).evaluate("t", row, now, RIGA)


def test_an_hour_that_the_clock_shows_twice_is_later_the_second_time():
    due = Due(day=31, time="03:15")
    again = dt.datetime(2021, 10, 31, 3, 10, tzinfo=RIGA, fold=1)
    assert evaluated(due, again.replace(fold=0)).outcome == "not_due"
    assert evaluated(due, again).outcome == "fired"
    assert evaluated(due, again).late_by == dt.timedelta(minutes=55)


def test_a_day_with_a_change_of_the_clock_is_late_by_its_real_hours():
    decision = evaluated(Due(day=30, time="18:00"), dt.datetime(2021, 10, 31, 18, tzinfo=RIGA))
    assert decision.late_by == dt.timedelta(hours=25)


def test_before_its_moment_a_reminder_is_not_late():
    decision = evaluated(Due(day=30), dt.datetime(2021, 10, 1, tzinfo=RIGA))
    assert (decision.outcome, decision.late_by) == ("not_due", dt.timedelta())


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        (Due(day=20), "2026-10-20"),
        (Due(day=20, month=3), "2026-12-20"),
        (Due(day=-1), "2026-12-31"),
        (Due(day=31, month=2), "2026-11-30"),
        (Due(day=-366), "2026-10-01"),
        (Due(day=92), "2026-12-31"),
        (Due(day=93), "2026-12-31"),
    ],
)
def test_a_day_of_a_quarter_counts_from_its_first_or_from_that_of_a_month(due, expected):
    assert due.date(Period.parse("2026-Q4")).isoformat() == expected


def test_a_day_that_a_zone_left_out_gives_way_to_the_next():
    # Samoa went from 29 to 31 December 2011, to the other side of the date line.
    moment = Due(day=30, time="18:00").instant(Period.parse("2011-12"), ZoneInfo("Pacific/Apia"))
    assert moment.isoformat() == "2011-12-31T00:00:00+14:00"


def test_a_gap_of_half_an_hour_ends_on_the_half_hour():
    moment = Due(day=6, time="02:15").instant(Period.parse("2024-10"), ZoneInfo("Australia/Lord_Howe"))
    assert moment.isoformat() == "2024-10-06T02:30:00+11:00"


@pytest.mark.parametrize("day", [0, 367, -367])
def test_there_is_no_such_day(day):
    with pytest.raises(pydantic.ValidationError, match="the last day is -1"):
        Due(day=day)


@pytest.mark.parametrize("time", [1080, "6 pm", "18:00Z", 18.0])
def test_a_time_is_a_local_time_of_day_in_quotes(time):
    with pytest.raises(pydantic.ValidationError, match="time of day"):
        Due(day=1, time=time)


def of_china(now: str, **by: object) -> Decision:
    row = Standing("plan", "u7", Period.parse("2026-02"), {"sales": Result("sales", 1.0, 100.0, 0.01)})
    due = Due.model_validate({"calendar": "cn", **by})
    trigger = Behind(indicator="sales", share=0.5, by=due).with_calendars({"cn": China(), "de": Weekdays()})
    shanghai = ZoneInfo("Asia/Shanghai")
    return trigger.evaluate("t", row, dt.datetime.fromisoformat(now).replace(tzinfo=shanghai), shanghai)


def test_a_deadline_goes_by_the_calendar_that_it_names():
    # trigger_timelines.md, S21: the 20th of February 2026 is a holiday, the working day before it the 14th.
    assert of_china("2026-02-13T23:00", day=20, shift="preceding").outcome == "not_due"
    assert of_china("2026-02-14T00:00", day=20, shift="preceding").outcome == "fired"
    assert of_china("2026-02-23T23:00", day=20, shift="following").outcome == "not_due"
    assert of_china("2026-02-24T00:00", day=20, shift="following").outcome == "fired"


def test_a_calendar_that_is_named_has_to_be_given():
    row = Standing("plan", "u7", Period.parse("2026-02"), {"sales": Result("sales", 1.0, 100.0, 0.01)})
    trigger = Behind(indicator="sales", share=0.5, by=Due(working_day=5, calendar="cn"))
    with pytest.raises(CrmRulesError, match="no calendar `cn`") as caught:
        trigger.evaluate("t", row, dt.datetime(2026, 2, 20, tzinfo=RIGA), RIGA)
    assert caught.value.code == "W104"
    with pytest.raises(CrmRulesError, match="there is `ch`"):
        trigger.with_calendars({"ch": China()})
    unnamed = Behind(indicator="sales", share=0.5, by=Due(working_day=5)).with_calendars({"cn": China()})
    assert unnamed.evaluate("t", row, dt.datetime(2026, 2, 6, tzinfo=RIGA), RIGA).outcome == "fired"


def test_a_period_without_the_day_is_never_due():
    decision = evaluated(Due(day=32, overflow="skip"), dt.datetime(2021, 10, 31, tzinfo=RIGA))
    assert (decision.outcome, decision.code, decision.scheduled_at) == ("not_due", "NO_SUCH_DAY", None)


def test_what_is_due_after_its_period_says_so():
    # 31 October 2021 is a Sunday.
    late = Due(day=31, shift="following")
    decision = evaluated(late, dt.datetime(2021, 11, 1, 9, tzinfo=RIGA))
    assert decision.outcome == "closed"
    assert "before it is due, at 2021-11-01" in decision.reason
    modified = Due(day=31, shift="modified_following")
    assert evaluated(modified, dt.datetime(2021, 10, 29, 9, tzinfo=RIGA)).outcome == "fired"


def test_days_that_are_only_assumed_are_said():
    guess = Overridden(Extended(China()), frozenset([dt.date(2099, 1, 1)]))
    row = Standing("plan", "u7", Period.parse("2099-01"), {"sales": Result("sales", 1.0, 100.0, 0.01)})
    trigger = Behind(indicator="sales", share=0.5, by=Due(working_day=1, calendar="cn"))
    decision = trigger.with_calendars({"cn": guess}).evaluate(
        "t", row, dt.datetime(2099, 1, 5, tzinfo=RIGA), RIGA
    )
    assert decision.outcome == "fired"
    assert "all weekdays there are taken as working days" in decision.reason
