"""Fiscal years of 52 or 53 weeks."""

import calendar as stdlib
import datetime as dt

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError
from crmrules.kpi.week_periods import MONTH_NAMES, WEEKDAYS, WeekPeriods

RETAIL = WeekPeriods(
    weeks="4-5-4", unit="month", year_ends="saturday nearest the end of january", year_named="starts"
)


@pytest.mark.parametrize(
    ("year", "first", "last", "weeks"),
    [
        (2017, "2017-01-29", "2018-02-03", 53),
        (2018, "2018-02-04", "2019-02-02", 52),
        (2022, "2022-01-30", "2023-01-28", 52),
        (2023, "2023-01-29", "2024-02-03", 53),
        (2024, "2024-02-04", "2025-02-01", 52),
    ],
)
def test_the_years_of_the_retail_calendar(year: int, first: str, last: str, weeks: int) -> None:
    """The 4-5-4 calendar as the National Retail Federation publishes it."""
    period = RETAIL.by("year").parse(f"FY{year}")
    assert (period.start.isoformat(), period.end.isoformat(), period.days) == (first, last, weeks * 7)
    assert len(period.parts("week")) == weeks
    lengths = [part.days // 7 for part in period.parts("month")]
    assert lengths == [4, 5, 4] * 3 + [4, 5, 4 if weeks == 52 else 5]


@given(
    st.integers(1900, 2200), st.sampled_from(WEEKDAYS), st.sampled_from(MONTH_NAMES), st.booleans()
)  # fmt: skip
def test_a_year_ends_on_the_declared_day(year: int, weekday: str, month: str, nearest: bool) -> None:
    ends = f"{weekday} nearest the end of {month}" if nearest else f"last {weekday} of {month}"
    periods = WeekPeriods(weeks="13", unit="year", year_ends=ends, year_named="ends")
    end = periods.parse(f"FY{year}").end
    number = MONTH_NAMES.index(month) + 1
    last = dt.date(year, number, stdlib.monthrange(year, number)[1])
    assert WEEKDAYS[end.weekday()] == weekday
    assert (abs((end - last).days) <= 3) if nearest else (0 <= (last - end).days <= 6)
    assert periods.parse(f"FY{year}").days in (364, 371)


@pytest.mark.parametrize(("long", "lengths"), [(None, [13, 13, 13, 14]), (1, [14, 13, 13, 13])])
def test_the_53rd_week_goes_to_the_declared_quarter(long: int | None, lengths: list[int]) -> None:
    periods = WeekPeriods(
        weeks="13", unit="year", year_ends="last saturday of december", week_53=long
    )  # fmt: skip
    year = periods.parse("FY2022")
    assert year.days == 371
    assert [quarter.days // 7 for quarter in year.parts("quarter")] == lengths
    assert [quarter.days // 7 for quarter in year.following.parts("quarter")] == [13, 13, 13, 13]


def test_the_53rd_week_has_none_in_the_year_before() -> None:
    weeks = RETAIL.by("week")
    assert weeks.parse("FY2023-W53").same_last_year is None
    assert weeks.parse("FY2024-W52").same_last_year == weeks.parse("FY2023-W52")
    assert weeks.parse("FY2024-W01").previous == weeks.parse("FY2023-W53")
    assert RETAIL.parse("FY2024-P12").same_last_year == RETAIL.parse("FY2023-P12")


def test_quarters_of_13_weeks_have_no_months() -> None:
    quarter = WeekPeriods(weeks="13", unit="quarter", year_ends="last saturday of december").parse(
        "FY2022-Q1"
    )
    assert quarter.periods.months == 0
    with pytest.raises(CrmRulesError) as caught:
        quarter.parts("month")
    assert caught.value.code == "P103"
    assert len(quarter.parts("week")) == 13


def test_parts_of_weeks_are_whole_days() -> None:
    assert len(RETAIL.parse("FY2023-P01").parts("day")) == 28


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weeks": "4-4-4"}, "4-5-4"),
        ({"year_ends": "first saturday of january"}, "last saturday of january"),
        ({"year_ends": "last caturday of january"}, "last saturday of january"),
        ({"year_named": None}, "year_named: ends"),
        ({"weeks": 13, "unit": "month"}, "unit: quarter"),
        ({"weeks": 13, "unit": "quarter", "week_53": 5}, "1 to 4"),
        ({"week_53": 13}, "less than or equal to 12"),
        ({"unit": "day"}, "'week'"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], reason: str) -> None:
    declared = {"weeks": "4-4-5", "year_ends": "last saturday of january", "year_named": "ends", **changes}
    with pytest.raises(pydantic.ValidationError, match=reason):
        WeekPeriods.model_validate(declared)
