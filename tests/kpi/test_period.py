"""Periods of every kind: keys that sort, spans that tile the days, years and parts."""

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError, Period
from crmrules.kpi.calendar_periods import CalendarPeriods, calendar
from crmrules.kpi.period import Periods, between
from crmrules.kpi.period_table import PeriodTable
from crmrules.kpi.week_periods import WeekPeriods
from crmrules.kpi.workdays import days_between

UNITS = ["day", "week", "semi_month", "month", "quarter", "half", "year"]
DAYS = st.dates(dt.date(3, 1, 1), dt.date(9990, 12, 31))

FISCAL = [
    CalendarPeriods(unit=unit, year_starts=start, year_named=named)
    for unit in ("month", "quarter", "half", "year")
    for start, named in [(1, "ends"), (4, "ends"), (4, "starts"), (7, "starts"), (12, "ends")]
]
SUMMED = [CalendarPeriods(unit=unit, year_starts=4) for unit in ("day", "semi_month", "month")]
ENDS = [
    ("last saturday of january", "starts"),
    ("saturday nearest the end of january", "ends"),
    ("last sunday of december", None),
    ("friday nearest the end of december", None),
    ("wednesday nearest the end of june", "starts"),
    ("last monday of november", "ends"),
]
WEEKS = [
    WeekPeriods(weeks=weeks, unit=unit, year_ends=ends, year_named=named, week_53=long)
    for (ends, named), weeks, long in zip(
        ENDS, ["4-5-4", "4-4-5", "5-4-4", "13", "13", "4-4-5"], [None, 1, 6, None, 2, 12], strict=True
    )
    for unit in ("week", "month", "quarter", "half", "year")
    if weeks != "13" or unit != "month"
]
SYSTEMS: list[Periods] = [*map(calendar, UNITS), *FISCAL, *SUMMED, *WEEKS]


@pytest.fixture(params=SYSTEMS, ids=lambda each: " ".join(map(str, each.model_dump().values())))
def periods(request: pytest.FixtureRequest) -> Periods:
    """Each way to cut time in turn."""
    return request.param


@given(day=DAYS)
def test_a_day_lies_in_one_period_and_its_neighbours_touch_it(day: dt.date) -> None:
    for periods in SYSTEMS:
        period = periods.of(day)
        assert period.start <= day <= period.end
        assert day in period
        assert period.previous.end + dt.timedelta(days=1) == period.start
        assert period.end + dt.timedelta(days=1) == period.following.start
        assert period.days == (period.end - period.start).days + 1


@given(day=DAYS)
def test_a_key_names_the_period(day: dt.date) -> None:
    for periods in SYSTEMS:
        period = periods.of(day)
        assert periods.parse(str(period)) == period


@given(days=st.lists(DAYS, min_size=2, max_size=6))
def test_keys_sort_as_the_periods_do(days: list[dt.date]) -> None:
    for periods in SYSTEMS:
        found = [periods.of(day) for day in days]
        assert sorted(map(str, found)) == [*map(str, sorted(found))]
        assert [period.start for period in sorted(found)] == sorted(period.start for period in found)


def test_neighbours_sort_by_their_keys(periods: Periods) -> None:
    period = periods.of(dt.date(2019, 11, 20))
    listed = between(period, Period(periods, period.index + 400))
    assert [*map(str, listed)] == sorted({*map(str, listed)})


@given(days=st.lists(DAYS, max_size=6))
def test_arrays_of_days_have_the_same_periods(days: list[dt.date]) -> None:
    since = np.array([(day - dt.date(1970, 1, 1)).days for day in days] + [np.nan])
    for periods in SYSTEMS:
        found = periods.indexes(since)
        assert found[:-1].tolist() == [periods.of(day).index for day in days]
        assert np.isnan(found[-1])


@given(day=DAYS)
def test_the_year_to_date_begins_with_the_year_and_ends_with_the_period(day: dt.date) -> None:
    for periods in SYSTEMS:
        period = periods.of(day)
        so_far = period.year_to_date
        assert so_far[-1] == period
        assert {each.year for each in (so_far[0], so_far[-1])} == {period.year}
        assert so_far[0].previous.year < period.year
        before = period.same_last_year
        if before is not None:
            assert before.year == so_far[0].previous.year
            assert 300 < (period.start - before.start).days < 400


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("day", [dt.date.min, dt.date.max])
def test_the_calendar_begins_and_ends(unit: str, day: dt.date) -> None:
    period = Period.of(day, unit)
    assert day in period
    assert (period.previous is None) == (day == dt.date.min)
    assert (period.following is None) == (day == dt.date.max)
    assert Period.parse(str(period)) == period
    assert period.year_to_date[-1] == period


@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        ("2026-11-03", dt.date(2026, 11, 3), dt.date(2026, 11, 3)),
        ("2026-W01", dt.date(2025, 12, 29), dt.date(2026, 1, 4)),
        ("2020-W53", dt.date(2020, 12, 28), dt.date(2021, 1, 3)),
        ("2026-11-A", dt.date(2026, 11, 1), dt.date(2026, 11, 15)),
        ("2026-11-B", dt.date(2026, 11, 16), dt.date(2026, 11, 30)),
        ("2024-02-B", dt.date(2024, 2, 16), dt.date(2024, 2, 29)),
        ("2026-11", dt.date(2026, 11, 1), dt.date(2026, 11, 30)),
        ("1900-02", dt.date(1900, 2, 1), dt.date(1900, 2, 28)),
        ("2000-02", dt.date(2000, 2, 1), dt.date(2000, 2, 29)),
        ("2026-Q1", dt.date(2026, 1, 1), dt.date(2026, 3, 31)),
        ("2026-Q4", dt.date(2026, 10, 1), dt.date(2026, 12, 31)),
        ("2026-H1", dt.date(2026, 1, 1), dt.date(2026, 6, 30)),
        ("2026-H2", dt.date(2026, 7, 1), dt.date(2026, 12, 31)),
        ("2026", dt.date(2026, 1, 1), dt.date(2026, 12, 31)),
        ("0001", dt.date(1, 1, 1), dt.date(1, 12, 31)),
        ("9999-12", dt.date(9999, 12, 1), dt.date(9999, 12, 31)),
        ("9999", dt.date(9999, 1, 1), dt.date(9999, 12, 31)),
    ],
)
def test_a_key_of_the_calendar_names_a_span_of_days(key: str, start: dt.date, end: dt.date) -> None:
    period = Period.parse(key)
    assert (period.start, period.end) == (start, end)
    assert str(period) == key


@pytest.mark.parametrize(
    "key",
    [
        "", "26", "2026-13", "2026-00", "2026-1", "2026-Q0", "2026-Q5", "2026-q1", "2026Q1", "0000",
        "0000-01", "0000-Q1", "2026-11-31", "2026-W00", "2026-W54", "2025-W53", "2026-W1", "2026-11-C",
        "2026-H3", "2026-11-H1", "FY2026", " 2026", "2026\n", "2026-11\n", "-2026", "12026", "２０２６",
        "2026-１１", "2026-Q", "next month", "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_with_the_forms_that_are(key: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        Period.parse(key)
    assert caught.value.code == "P101"
    assert "2026-Q4" in caught.value.hint
    assert len(str(caught.value)) < 400


def test_a_key_of_another_kind_is_refused_with_an_example() -> None:
    fiscal = CalendarPeriods(unit="quarter", year_starts=4, year_named="ends")
    for periods, key, example in [
        (fiscal, "2026-Q4", "FY2026-Q2"),
        (calendar("week"), "2026-11", "2026-W45"),
        (WEEKS[1], "FY2026-P13", "FY2026-P02"),
        (WEEKS[0], "FY2026-W54", "FY2026-W02"),
        (PeriodTable(table=[{"key": "T1", "first": "2026-01-05", "last": "2026-03-31"}]), "T2", "T1"),
    ]:
        with pytest.raises(CrmRulesError) as caught:
            periods.parse(key)
        assert caught.value.code == "P101"
        assert periods.name in caught.value.message
        assert example in caught.value.hint


def test_a_53rd_week_is_a_key_only_of_the_years_that_have_one() -> None:
    weeks = WeekPeriods(
        weeks="4-5-4", unit="week", year_ends="saturday nearest the end of january", year_named="starts"
    )
    assert weeks.parse("FY2023-W53").end == dt.date(2024, 2, 3)
    with pytest.raises(CrmRulesError):
        weeks.parse("FY2024-W53")


@given(DAYS)
def test_a_longer_period_is_made_of_shorter_ones(day: dt.date) -> None:
    for periods in SYSTEMS:
        if periods.months:
            period = periods.of(day)
            months = period.parts("month")
            assert len(months) == periods.months
            assert (months[0].start, months[-1].end) == (period.start, period.end)
            assert all(one.following == other for one, other in pairwise(months))
            assert [period.month(number) for number in range(1, periods.months + 1)] == months


@pytest.mark.parametrize(
    ("key", "unit", "parts"),
    [
        ("2026-Q4", "month", ["2026-10", "2026-11", "2026-12"]),
        ("2026", "quarter", ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"]),
        ("2026-02", "semi_month", ["2026-02-A", "2026-02-B"]),
        ("0001-01-A", "day", [f"0001-01-{day:02d}" for day in range(1, 16)]),
        ("2026-05", "month", ["2026-05"]),
    ],
)  # fmt: skip
def test_the_parts_of_a_period(key: str, unit: str, parts: list[str]) -> None:
    assert [*map(str, Period.parse(key).parts(unit))] == parts


@pytest.mark.parametrize(("key", "unit"), [("2026-11", "week"), ("2026-W01", "month"), ("2026-11", "year")])
def test_what_does_not_fit_into_a_period_is_no_part(key: str, unit: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        Period.parse(key).parts(unit)
    assert caught.value.code == "P103"


def test_between_holds_both_ends_and_no_gap() -> None:
    listed = between(Period.parse("2025-11"), Period.parse("2026-02"))
    assert [*map(str, listed)] == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert between(Period.parse("2026"), Period.parse("2026")) == [Period.parse("2026")]


def test_periods_are_keys_of_dictionaries_and_differ_by_kind() -> None:
    fiscal = CalendarPeriods(unit="year", year_starts=4, year_named="starts")
    seen = {
        Period.parse("2026-01"): 1, Period.parse("2026-Q1"): 2, Period.parse("2026"): 3,
        fiscal.parse("FY2026"): 4,
    }  # fmt: skip
    assert len(seen) == 4
    assert seen[Period.of(dt.date(2026, 1, 15), "quarter")] == 2
    assert Period.parse("2026") != "2026"


def test_a_month_is_the_same_whenever_the_year_starts() -> None:
    fiscal = CalendarPeriods(unit="month", year_starts=4)
    assert fiscal.same(Period.parse("2026-11")) == fiscal.parse("2026-11")
    assert fiscal.same(Period.parse("2026-Q4")) is None
    assert fiscal.same(fiscal.parse("2026-11")) == fiscal.parse("2026-11")


@pytest.mark.parametrize(
    ("key", "before"),
    [
        ("2024-02-29", None), ("2025-02-28", "2024-02-28"), ("2020-W53", None), ("2021-W52", "2020-W52"),
        ("2026-11-B", "2025-11-B"), ("2026-11", "2025-11"), ("2026-Q4", "2025-Q4"), ("2026", "2025"),
        ("0001", None), ("0001-W01", None), ("0001-01-01", None),
    ],
)  # fmt: skip
def test_the_same_period_last_year(key: str, before: str | None) -> None:
    found = Period.parse(key).same_last_year
    assert found == (before and Period.parse(before))


@pytest.mark.parametrize(
    ("pivot", "unit", "offset", "length", "to_date", "span"),
    [
        ("2017-01-01", "day", -2, 1, False, ("2016-12-30", "2016-12-30")),
        ("2019-05-03", "day", -2, 1, True, ("2019-01-01", "2019-05-01")),
        ("2016-12-30", "week", 1, 2, False, ("2017-01-02", "2017-01-15")),
        ("2017-01-05", "month", 1, 1, False, ("2017-02-01", "2017-02-28")),
        ("2019-05-15", "month", -1, 1, True, ("2019-01-01", "2019-04-30")),
        ("2017-05-06", "year", 1, 1, False, ("2018-01-01", "2018-12-31")),
    ],
)
def test_periods_relative_to_a_day(
    pivot: str, unit: str, offset: int, length: int, to_date: bool, span: tuple[str, str]
) -> None:
    """AC-53."""
    found = calendar(unit).relative(dt.date.fromisoformat(pivot), offset, length, year_to_date=to_date)
    assert found == tuple(map(dt.date.fromisoformat, span))


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (-12 * 2026, 1), (12 * 8000, 1), (0, 12 * 8000)])
def test_relative_periods_beyond_the_calendar_are_refused(offset: int, length: int) -> None:
    with pytest.raises(CrmRulesError) as caught:
        calendar("month").relative(dt.date(2026, 1, 1), offset, length)
    assert caught.value.code == "P102"


def test_days_are_counted_with_both_ends_or_without_the_last() -> None:
    first, last = dt.date(2024, 2, 1), dt.date(2024, 3, 1)
    assert days_between(first, last, sides="both") == 30
    assert days_between(first, last) == 29
    assert days_between(first, first, sides="both") == 1


def test_the_period_of_a_moment_is_that_of_its_day() -> None:
    assert str(calendar("day").of(dt.datetime(2026, 11, 3, 23, 59))) == "2026-11-03"
