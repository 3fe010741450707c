"""Periods of the calendar, with years that start in any month."""

import calendar as stdlib
import datetime as dt

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.calendar_periods import CalendarPeriods, calendar

MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}


@given(st.dates(), st.sampled_from([*MONTHS]))
def test_what_is_made_of_months_has_their_days(day: dt.date, unit: str) -> None:
    period = calendar(unit).of(day)
    first = (day.month - 1) // MONTHS[unit] * MONTHS[unit] + 1
    months = range(first, first + MONTHS[unit])
    assert period.days == sum(stdlib.monthrange(day.year, month)[1] for month in months)
    assert period.start == dt.date(day.year, first, 1)


@given(st.dates(dt.date(2, 1, 1), dt.date(9998, 12, 31)))
def test_weeks_are_those_of_iso(day: dt.date) -> None:
    year, week, _ = day.isocalendar()
    period = calendar("week").of(day)
    assert str(period) == f"{year:04d}-W{week:02d}"
    assert period.start.isoweekday() == 1
    assert period.year == f"{year:04d}"


@pytest.mark.parametrize(
    ("day", "key"), [(1, "2022-01-A"), (15, "2022-01-A"), (16, "2022-01-B"), (31, "2022-01-B")]
)
def test_a_semi_month_ends_on_the_15th_or_with_the_month(day: int, key: str) -> None:
    """AC-16: of invoices on 1, 16 and 31 January there are two settlements, the second to the 31st."""
    period = calendar("semi_month").of(dt.date(2022, 1, day))
    assert str(period) == key
    assert period.end == dt.date(2022, 1, 15 if key.endswith("A") else 31)


@pytest.mark.parametrize(
    ("unit", "first", "last"),
    [
        ("month", "2022-08-01", "2022-08-31"),
        ("quarter", "2022-07-01", "2022-09-30"),
        ("half", "2022-07-01", "2022-12-31"),
        ("year", "2022-01-01", "2022-12-31"),
    ],
)
def test_the_periods_of_the_20th_of_august(unit: str, first: str, last: str) -> None:
    """AC-16."""
    period = calendar(unit).of(dt.date(2022, 8, 20))
    assert (period.start.isoformat(), period.end.isoformat()) == (first, last)


@pytest.mark.parametrize(
    ("unit", "starts", "named", "day", "key", "first", "last"),
    [
        ("year", 4, "ends", "2026-03-31", "FY2026", "2025-04-01", "2026-03-31"),
        ("year", 4, "starts", "2026-03-31", "FY2025", "2025-04-01", "2026-03-31"),
        ("quarter", 4, "ends", "2026-04-01", "FY2027-Q1", "2026-04-01", "2026-06-30"),
        ("quarter", 10, "ends", "2025-10-01", "FY2026-Q1", "2025-10-01", "2025-12-31"),
        ("quarter", 2, "starts", "2026-01-31", "FY2025-Q4", "2025-11-01", "2026-01-31"),
        ("half", 7, "ends", "2026-02-01", "FY2026-H2", "2026-01-01", "2026-06-30"),
        ("month", 4, "ends", "2026-03-15", "FY2026-P12", "2026-03-01", "2026-03-31"),
        ("month", 4, None, "2026-03-15", "2026-03", "2026-03-01", "2026-03-31"),
        ("quarter", 1, "ends", "2026-03-15", "FY2026-Q1", "2026-01-01", "2026-03-31"),
    ],
)
def test_fiscal_years_are_called_as_declared(
    unit: str, starts: int, named: str | None, day: str, key: str, first: str, last: str
) -> None:
    periods = CalendarPeriods(unit=unit, year_starts=starts, year_named=named)
    period = periods.of(dt.date.fromisoformat(day))
    assert (str(period), period.start.isoformat(), period.end.isoformat()) == (key, first, last)


@pytest.mark.parametrize(
    ("unit", "first"), [("day", "2026-04-01"), ("semi_month", "2026-04-A"), ("month", "2026-04")]
)
def test_periods_with_plain_keys_are_summed_up_from_the_start_of_the_fiscal_year(
    unit: str, first: str
) -> None:
    period = CalendarPeriods(unit=unit, year_starts=4).of(dt.date(2027, 2, 20))
    assert str(period.year_to_date[0]) == first
    assert period.year == "2026"


def test_the_parts_of_a_fiscal_year_are_fiscal() -> None:
    year = CalendarPeriods(unit="year", year_starts=4, year_named="ends").parse("FY2026")
    assert [*map(str, year.parts("quarter"))] == [f"FY2026-Q{number}" for number in (1, 2, 3, 4)]
    assert str(year.parts("month")[0]) == "FY2026-P01"
    assert str(year.parts("semi_month")[0]) == "2025-04-A"
    assert len(year.parts("day")) == 365


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"unit": "week", "year_starts": 4}, "4-4-5"),
        ({"unit": "week", "year_named": "ends"}, "4-4-5"),
        ({"unit": "semi_month", "year_named": "ends"}, "leave `year_named` out"),
        ({"unit": "quarter", "year_starts": 4}, "write year_named: ends, or year_named: starts"),
        ({"unit": "quarter", "year_starts": 13}, "less than or equal to 12"),
        ({"unit": "decade"}, "'half'"),
        ({"unit": "month", "starts": 4}, "Extra inputs"),
    ],
)
def test_what_does_not_go_together_is_refused(declared: dict[str, object], reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        CalendarPeriods.model_validate(declared)
