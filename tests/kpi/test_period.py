"""Periods: keys that sort, spans that tile the calendar."""

import calendar
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError, Period
from crmrules.kpi.period import between

UNITS = ["month", "quarter", "year"]
MONTHS = {"month": 1, "quarter": 3, "year": 12}


@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        ("2026-11", dt.date(2026, 11, 1), dt.date(2026, 11, 30)),
        ("2024-02", dt.date(2024, 2, 1), dt.date(2024, 2, 29)),
        ("1900-02", dt.date(1900, 2, 1), dt.date(1900, 2, 28)),
        ("2000-02", dt.date(2000, 2, 1), dt.date(2000, 2, 29)),
        ("2026-Q1", dt.date(2026, 1, 1), dt.date(2026, 3, 31)),
        ("2026-Q4", dt.date(2026, 10, 1), dt.date(2026, 12, 31)),
        ("2026", dt.date(2026, 1, 1), dt.date(2026, 12, 31)),
        ("0001", dt.date(1, 1, 1), dt.date(1, 12, 31)),
        ("9999-12", dt.date(9999, 12, 1), dt.date(9999, 12, 31)),
        ("9999-Q4", dt.date(9999, 10, 1), dt.date(9999, 12, 31)),
        ("9999", dt.date(9999, 1, 1), dt.date(9999, 12, 31)),
    ],
)
def test_a_key_names_a_span_of_days(key: str, start: dt.date, end: dt.date) -> None:
    period = Period.parse(key)
    assert (period.start, period.end) == (start, end)
    assert str(period) == key
    assert start in period
    assert end in period


@pytest.mark.parametrize(
    "key",
    [
        "", "26", "2026-13", "2026-00", "2026-1", "2026-Q0", "2026-Q5", "2026-q1", "2026Q1", "0000",
        "0000-01", "0000-Q1", "2026-11-03", " 2026", "2026\n", "2026-11\n", "-2026", "12026", "２０２６",
        "2026-１１", "2026-Q", "next month", "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_with_the_forms_that_are(key: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        Period.parse(key)
    assert caught.value.code == "P101"
    assert "2026-Q4" in caught.value.hint
    assert len(str(caught.value)) < 300


@given(st.dates(), st.sampled_from(UNITS))
def test_the_period_of_a_day_holds_the_day_and_is_named_by_its_key(day: dt.date, unit: str) -> None:
    period = Period.of(day, unit)
    assert day in period
    assert Period.parse(str(period)) == period
    length = (period.end - period.start).days + 1
    first = (day.month - 1) // MONTHS[unit] * MONTHS[unit] + 1
    assert length == sum(
        calendar.monthrange(day.year, month)[1] for month in range(first, first + MONTHS[unit])
    )


@given(st.dates(max_value=dt.date(9998, 12, 31)), st.sampled_from(UNITS))
def test_periods_tile_the_calendar(day: dt.date, unit: str) -> None:
    period = Period.of(day, unit)
    assert period.following.start - period.end == dt.timedelta(days=1)
    assert period.following.index == period.index + 1
    assert period.end not in period.following
    assert period < period.following


@given(st.lists(st.dates(), min_size=2, max_size=8), st.sampled_from(UNITS))
def test_keys_sort_as_the_calendar_does(days: list[dt.date], unit: str) -> None:
    periods = [Period.of(day, unit) for day in days]
    assert sorted(map(str, periods)) == [*map(str, sorted(periods))]
    assert [period.start for period in sorted(periods)] == sorted(period.start for period in periods)


def test_between_holds_both_ends_and_no_gap() -> None:
    listed = between(Period.parse("2025-11"), Period.parse("2026-02"))
    assert [*map(str, listed)] == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert between(Period.parse("2026"), Period.parse("2026")) == [Period.parse("2026")]


@pytest.mark.parametrize(
    ("key", "number", "month"),
    [
        ("2026-Q4", 1, "2026-10"),
        ("2026-Q4", 3, "2026-12"),
        ("2026", 12, "2026-12"),
        ("2026-05", 1, "2026-05"),
    ],
)
def test_the_nth_month_of_a_period(key: str, number: int, month: str) -> None:
    assert str(Period.parse(key).month(number)) == month


def test_periods_are_keys_of_dictionaries_and_differ_by_unit() -> None:
    seen = {Period.parse("2026-01"): 1, Period.parse("2026-Q1"): 2, Period.parse("2026"): 3}
    assert len(seen) == 3
    assert seen[Period.of(dt.date(2026, 1, 15), "quarter")] == 2
