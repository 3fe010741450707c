"""When something is due: with shifts, working days, days that a month does not have, and distances."""

import datetime as dt
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.errors import CalendarCoverageError
from crmrules.kpi.calendar import China, Country, Weekdays
from crmrules.kpi.period import Period
from crmrules.triggers import Distance, Due
from crmrules.triggers.due import instant_of


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


CHINA = China()
both_of_china = pytest.mark.parametrize("china", [CHINA, Country("CN")], ids=["chinesecalendar", "holidays"])


@both_of_china
@pytest.mark.parametrize(
    ("month", "preceding", "following"),
    [
        ("2025-04", "2025-04-18", "2025-04-21"),
        ("2025-09", "2025-09-19", "2025-09-22"),
        ("2026-02", "2026-02-14", "2026-02-24"),
        ("2026-06", "2026-06-18", "2026-06-22"),
        ("2026-09", "2026-09-20", "2026-09-20"),
        ("2026-12", "2026-12-18", "2026-12-21"),
    ],
)
def test_the_twentieth_shifts_to_a_working_day_of_china(china, month, preceding, following):
    # trigger_timelines.md, S21
    period = Period.parse(month)
    assert Due(day=20, shift="preceding").date(period, china) == day(preceding)
    assert Due(day=20, shift="following").date(period, china) == day(following)
    assert Due(day=20).date(period, china) == day(f"{month}-20")


@pytest.mark.parametrize(
    ("shift", "january", "october"),
    [
        ("preceding", "2025-01-27", "2026-10-30"),
        ("following", "2025-02-05", "2026-11-02"),
        ("modified_following", "2025-01-27", "2026-10-30"),
        ("modified_preceding", "2025-01-27", "2026-10-30"),
    ],
)
def test_the_last_day_of_a_month_shifts_in_china(shift, january, october):
    # trigger_timelines.md, S21
    due = Due(day=-1, shift=shift)
    assert due.date(Period.parse("2025-01"), CHINA) == day(january)
    assert due.date(Period.parse("2026-10"), CHINA) == day(october)


def test_without_a_calendar_the_weekend_alone_is_shifted():
    due = Due(day=20, shift="preceding")
    assert due.date(Period.parse("2026-02")) == day("2026-02-20")
    assert due.date(Period.parse("2026-09")) == day("2026-09-18")


@both_of_china
@pytest.mark.parametrize(
    ("month", "expected"), [("2025-02", "2025-02-10"), ("2025-10", "2025-10-14"), ("2026-10", "2026-10-13")]
)
def test_the_fifth_working_day_in_china(china, month, expected):
    # trigger_timelines.md, S21
    assert Due(working_day=5).date(Period.parse(month), china) == day(expected)


def test_the_last_working_days_count_from_the_end():
    january = Period.parse("2025-01")
    assert Due(working_day=-1).date(january, CHINA) == day("2025-01-27")
    assert Due(working_day=-2).date(january, CHINA) == day("2025-01-26")  # a Sunday, made up for
    assert Due(working_day=-1, month=1).date(Period.parse("2026-Q4"), CHINA) == day("2026-10-30")
    assert Due(working_day=1).date(Period.parse("2026-Q4"), CHINA) == day("2026-10-08")


@pytest.mark.parametrize(
    ("overflow", "expected"), [("clamp", "2026-10-30"), ("skip", None), ("next", "2026-11-11")]
)
def test_a_working_day_that_a_month_does_not_have(overflow, expected):
    # October 2026 has 18 working days in China; the eighth one of November is on the 11th.
    found = Due(working_day=26, overflow=overflow).date(Period.parse("2026-10"), CHINA)
    assert found == (expected and day(expected))


def test_a_period_in_which_nobody_works_has_no_working_day():
    week = Period.parse("2026-W08")
    assert Due(working_day=1).date(week, CHINA) is None
    assert Due(working_day=1).instant(week, ZoneInfo("Asia/Shanghai"), CHINA) is None
    assert Due(working_day=1, overflow="next").date(week, CHINA) == day("2026-02-24")


def months(first: str, count: int) -> list[Period]:
    start = Period.parse(first)
    return [Period(start.periods, start.index + n) for n in range(count)]


def dates(due: Due, periods: list[Period]) -> list[str]:
    return [str(found)[5:] for period in periods if (found := due.date(period)) is not None]


def test_month_ends_by_the_way_a_day_overflows():
    # trigger_timelines.md, S18
    year = months("2025-01", 8)
    assert dates(Due(day=31, overflow="skip"), year) == ["01-31", "03-31", "05-31", "07-31", "08-31"]
    assert dates(Due(day=31), year)[1:5] == ["02-28", "03-31", "04-30", "05-31"]
    assert dates(Due(day=-1), year)[:5] == ["01-31", "02-28", "03-31", "04-30", "05-31"]
    assert dates(Due(day=31, overflow="next"), year)[:5] == ["01-31", "03-01", "03-31", "05-01", "05-31"]


def test_a_leap_day_that_is_skipped_comes_back_after_four_years():
    # trigger_timelines.md, S18
    leap = Due(day=29, month=2, overflow="skip")
    found = [each for each in (leap.date(Period.parse(str(year))) for year in range(2025, 2030)) if each]
    assert found == [day("2028-02-29")]


def test_months_are_counted_from_the_anchor():
    # trigger_timelines.md, S18: chained additions would stay at the 28th
    january, december = day("2025-01-31"), day("2014-12-31")
    found = [str(Distance(months=n).after(january))[5:] for n in range(1, 5)]
    assert found == ["02-28", "03-31", "04-30", "05-31"]
    found = [str(Distance(months=n).after(december))[5:] for n in range(4)]
    assert found == ["12-31", "01-31", "02-28", "03-31"]
    assert Distance(months=1).before(day("2025-03-31")) == day("2025-02-28")
    assert Distance(months=14).before(january) == day("2023-11-30")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-03-27", "2021-03-27T03:15:00+02:00"),
        ("2021-03-28", "2021-03-28T04:00:00+03:00"),
        ("2021-10-31", "2021-10-31T03:15:00+03:00"),
        ("2021-11-01", "2021-11-01T03:15:00+02:00"),
    ],
)
def test_a_day_has_one_moment_for_a_time(text, expected):
    # trigger_timelines.md, S16
    assert instant_of(day(text), dt.time(3, 15), ZoneInfo("Europe/Riga")).isoformat() == expected


def test_a_shifted_day_has_the_clock_of_its_own_date():
    # The last Sunday of March, with its gap, becomes the Monday after it.
    due = Due(day=28, shift="following", time="03:15")
    found = due.instant(Period.parse("2021-03"), ZoneInfo("Europe/Riga"), Weekdays())
    assert found is not None
    assert found.isoformat() == "2021-03-29T03:15:00+03:00"


def test_the_next_working_day_may_be_a_sunday():
    # trigger_timelines.md, S21
    assert Distance(working_days=1).after(day("2025-01-24"), CHINA) == day("2025-01-26")
    assert Distance(working_days=1).before(day("2025-09-28"), CHINA) == day("2025-09-26")
    assert Distance(days=1).after(day("2025-01-24"), CHINA) == day("2025-01-25")


def test_nothing_is_due_beyond_a_calendar():
    last = CHINA.coverage[1]
    with pytest.raises(CalendarCoverageError):
        Due(working_day=5).date(Period.parse(f"{last.year + 1}-02"), CHINA)
    with pytest.raises(CalendarCoverageError):
        Distance(working_days=1).after(last, CHINA)


def test_a_distance_from_a_timestamp_is_from_its_day():
    moment = dt.datetime(2026, 11, 6, 18)
    for distance in (Distance(days=3), Distance(working_days=1)):
        assert distance.after(moment) == day("2026-11-09")
    assert Distance(months=1).after(moment) == day("2026-12-06")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, r"day\n  Field required"),
        ({"day": None}, r"day\n  Field required"),
        ({"day": 20, "working_day": 5}, "either a day or a working day"),
        ({"working_day": 0}, "the last day is -1"),
        ({"working_day": 5, "shift": "preceding"}, "needs no `shift`"),
        ({"day": 20, "calendar": "cn"}, "shift: preceding"),
        ({"day": -1, "overflow": "next"}, "overflow: clamp"),
        ({"working_day": -30, "overflow": "next"}, "overflow: clamp"),
        ({"day": 20, "shift": "before"}, "modified_following"),
    ],
)
def test_what_does_not_go_together_is_refused(fields, said):
    with pytest.raises(pydantic.ValidationError, match=said):
        Due(**fields)


@pytest.mark.parametrize("fields", [{}, {"days": 3, "months": 1}, {"days": -1}])
def test_a_distance_has_one_unit_and_no_sign(fields):
    with pytest.raises(pydantic.ValidationError):
        Distance(**fields)


@given(st.dates(day("2020-01-01"), day("2026-06-30")), st.integers(0, 20))
def test_a_distance_in_days_leads_back(start, n):
    assert Distance(days=n).before(Distance(days=n).after(start)) == start
    if CHINA.is_working_day(start):
        assert Distance(working_days=n).before(Distance(working_days=n).after(start, CHINA), CHINA) == start


@given(st.integers(2020 * 12, 2026 * 12 + 9), st.integers(1, 31), st.sampled_from(["preceding", "following"]))
def test_a_shifted_day_is_a_working_day_on_its_side(month, number, how):
    period = Period.parse(f"{month // 12}-{month % 12 + 1:02d}")
    plain, moved = Due(day=number).date(period), Due(day=number, shift=how).date(period, CHINA)
    assert CHINA.is_working_day(moved)
    assert moved <= plain if how == "preceding" else moved >= plain


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"day": 20, "shift": "preceding", "calendar": "cn", "time": "18:00"}, True),
        ({"working_day": -1, "month": 3}, True),
        ({}, False),
        ({"shift": "preceding"}, False),
        ({"day": 20, "working_day": 5}, False),
        ({"day": 20, "overflow": "wrap"}, False),
    ],
)
def test_editors_accept_what_is_a_date(fields, fits):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra `dev`")
    assert jsonschema.Draft202012Validator(Due.model_json_schema()).is_valid(fields) is fits
    if fits:
        assert Due(**fields)
    else:
        with pytest.raises(pydantic.ValidationError):
            Due(**fields)
