"""`schedule`: moments of the calendar, through clock changes and ends of months."""

import datetime as dt
from typing import Any

import pytest

from crmrules import Period
from crmrules.kpi import Standing
from crmrules.kpi.calendar import China
from crmrules.triggers import Decision, Offset, Schedule, Surroundings, evaluate, intents


def decided(rule: Schedule, now: dt.datetime | str, zone: str = "UTC", **more: Any) -> Decision:
    moment = dt.datetime.fromisoformat(now) if isinstance(now, str) else now
    around = Surroundings.of({}, {}, **more)
    (decision,) = evaluate({"then": rule}, [], moment, zone, around=around)
    return decision


def slots(rule: Schedule, first: str, last: str, zone: str = "UTC", hours: int = 1, **more: Any) -> list[str]:
    """The moments at which it fires, looked at by the hour; each as often as it has another id."""
    moment, end = dt.datetime.fromisoformat(first), dt.datetime.fromisoformat(last)
    found: dict[str, str] = {}
    while moment <= end:
        decision = decided(rule, moment.replace(tzinfo=dt.UTC), zone, **more)
        for each in intents([decision], {"then": rule}, {}):
            assert decision.scheduled_at is not None
            found.setdefault(each.id, decision.scheduled_at.isoformat(timespec="minutes"))
        moment += dt.timedelta(hours=hours)
    return [*found.values()]


def daily(**by: Any) -> Schedule:
    return Schedule.model_validate({"by": {"day": 1, **by}, "every": "day", "whom": ["u7"]})


def test_a_time_of_day_through_changes_of_the_clock() -> None:
    # trigger_timelines.md, S16, Europe/Riga.
    rule = daily(time="03:15")
    assert slots(rule, "2021-03-27T02:00", "2021-03-29T12:00", "Europe/Riga") == [
        "2021-03-27T03:15+02:00",
        "2021-03-28T04:00+03:00",
        "2021-03-29T03:15+03:00",
    ]
    assert slots(rule, "2021-10-30T02:00", "2021-11-01T12:00", "Europe/Riga") == [
        "2021-10-30T03:15+03:00",
        "2021-10-31T03:15+03:00",
        "2021-11-01T03:15+02:00",
    ]


def monthly(**by: Any) -> Schedule:
    return Schedule.model_validate({"by": by, "every": "month", "whom": ["u7"]})


def days(rule: Schedule, first: str, last: str, **more: Any) -> list[str]:
    return [each[5:10] for each in slots(rule, first, last, hours=12, **more)]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ({"day": 31}, ["01-31", "02-28", "03-31", "04-30", "05-31"]),
        ({"day": -1}, ["01-31", "02-28", "03-31", "04-30", "05-31"]),
        ({"day": 31, "overflow": "skip"}, ["01-31", "03-31", "05-31"]),
    ],
)
def test_the_end_of_months(by: dict[str, Any], expected: list[str]) -> None:
    # S18: never 02-28, 03-28, 04-28.
    assert days(monthly(**by), "2025-01-31T00:00", "2025-05-31T12:00") == expected


def test_the_29th_of_february_where_there_is_one() -> None:
    # S18.
    rule = Schedule.model_validate(
        {"by": {"month": 2, "day": 29, "overflow": "skip"}, "every": "year", "whom": ["u7"]}
    )
    found = slots(rule, "2025-01-01T00:00", "2029-01-01T00:00", hours=24)
    assert [each[:10] for each in found] == ["2028-02-29"]


def test_the_20th_or_the_working_day_after_it() -> None:
    # S21: the 20th of February 2026 is a holiday, the working day after it the 24th; the 20th of September
    # is a Sunday on which people work.
    rule = monthly(day=20, shift="following", calendar="cn", time="09:00")
    rule = rule.model_copy(update={"calendar": "cn"})
    calendars = {"cn": China()}
    assert days(rule, "2026-02-14T00:00", "2026-02-28T00:00", calendars=calendars) == ["02-24"]
    assert days(rule, "2026-09-14T00:00", "2026-09-30T00:00", calendars=calendars) == ["09-20"]


def test_what_nobody_looked_at_is_told_late_the_last_alone() -> None:
    rule = daily(time="18:00")
    decision = decided(rule, "2026-11-20T09:00")
    assert (decision.outcome, decision.late_by) == ("fired", dt.timedelta(hours=15))
    assert str(decision.standing.period) == "2026-11-19"
    weekly = Schedule.model_validate({"by": {"day": 1, "time": "09:00"}, "every": "week", "whom": ["u7"]})
    assert decided(weekly, "2026-11-17T09:00").outcome == "fired"
    (missed,) = [decided(weekly, "2026-11-17T09:01")]
    assert (missed.outcome, missed.reason) == (
        "missed",
        "it was due at 2026-11-16 09:00, more than 1 day ago",
    )
    patient = weekly.model_copy(update={"lookback": Offset(days=7)})
    assert decided(patient, "2026-11-23T08:59").outcome == "fired"


def test_what_is_new_tells_nothing_of_what_was_due_before() -> None:
    # trigger_timelines.md, S22: a monthly report that is new on 13 January 2020 comes first on 1 February, a
    # weekly one on Monday the 20th.
    monthly_report = monthly(day=1, time="09:00")
    weekly = Schedule.model_validate({"by": {"day": 1, "time": "09:00"}, "every": "week", "whom": ["u7"]})
    assert slots(monthly_report, "2020-01-13T10:00", "2020-02-02T00:00") == ["2020-02-01T09:00+00:00"]
    assert slots(weekly, "2020-01-14T10:00", "2020-01-21T00:00") == ["2020-01-20T09:00+00:00"]


def test_whom_it_is_about() -> None:
    rule = Schedule.model_validate({"by": {"day": 1}})
    around = Surroundings.of({}, {}, {"u7": {}, "u8": {}})
    now = dt.datetime(2026, 11, 2)
    found = evaluate({"then": rule}, [], now, "UTC", around=around)
    assert [each.standing.subject for each in found] == ["u7", "u8"]
    rows = [Standing("sales", "u9", Period.parse("2026-11"), {})]
    of_model = rule.model_copy(update={"model": "sales"})
    assert [
        each.standing.subject for each in evaluate({"then": of_model}, rows, now, "UTC", around=around)
    ] == ["u9"]


def test_its_message_says_when_it_was_due() -> None:
    rule = daily(time="18:00")
    decision = decided(rule, "2026-11-20T18:00")
    assert [intents([decision], {"then": rule}, {}, locale=each)[0].text for each in ("en", "zh")] == [
        "then for u7: it was due on 20 Nov 2026 18:00.",
        "u7：then，时间 2026年11月20日 18:00。",
    ]
