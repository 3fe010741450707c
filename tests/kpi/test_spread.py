"""Amounts over days and months: parts add up to the whole, to the smallest unit, however it is cut."""

import calendar as gregorian
import datetime as dt
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crmrules.errors import CrmRulesError
from crmrules.kpi.calendar import Weekdays
from crmrules.kpi.spread import DAY, Days, Spread, Spreading, Whole, part

d = dt.date.fromisoformat
YEAR = Whole("2026", d("2026-01-01"), d("2026-12-31"))
DECLARED: TypeAdapter[Any] = TypeAdapter(Spread)
MONTHS = [(dt.date(2026, month, 1), dt.date(2026, month, gregorian.monthrange(2026, month)[1]))
          for month in range(1, 13)]  # fmt: skip
SEASON = {1: 8.5, 2: 7, 3: 10, 4: 9, 5: 8, 6: 8.5, 7: 6, 8: 5, 9: 10, 10: 9, 11: 9, 12: 10}
units = st.integers(-(10**12), 10**12)
spreads = st.sampled_from(["even", "calendar_days", "working_days", SEASON])
cuts = st.lists(st.integers(1, 364), unique=True, max_size=12)


def spread(spread: Any) -> Spreading:
    return Spreading(DECLARED.validate_python(spread), Days(Weekdays()))


def cut(at: list[int], whole: Whole = YEAR) -> list[tuple[dt.date, dt.date]]:
    """The whole in spans that begin so many days after its first."""
    starts = [whole.start + DAY * each for each in [0, *sorted(at)]] + [whole.end + DAY]
    return [(first, following - DAY) for first, following in pairwise(starts)]


@given(units, spreads, cuts)
def test_parts_of_money_add_up_to_the_whole_however_it_is_cut(amount: int, how: Any, at: list[int]) -> None:
    found = [part(amount, 2, spread(how).stretch(YEAR, *span)) for span in cut(at)]
    assert sum(found) == amount


@given(units, spreads)
def test_no_month_is_a_unit_away_from_its_exact_share(amount: int, how: Any) -> None:
    for span in MONTHS:
        before, after = spread(how).stretch(YEAR, *span)
        assert abs(part(amount, 2, (before, after)) - amount * (after - before)) <= 1


@given(units, spreads)
def test_a_quarter_is_the_sum_of_its_months(amount: int, how: Any) -> None:
    for at in range(0, 12, 3):
        quarter = part(amount, 2, spread(how).stretch(YEAR, MONTHS[at][0], MONTHS[at + 2][1]))
        assert quarter == sum(
            part(amount, 2, spread(how).stretch(YEAR, *each)) for each in MONTHS[at : at + 3]
        )


@given(st.floats(0.01, 1e9), spreads, cuts)
def test_parts_of_numbers_add_up_but_for_the_last_digits(amount: float, how: Any, at: list[int]) -> None:
    found = [part(amount, None, spread(how).stretch(YEAR, *span)) for span in cut(at)]
    assert sum(found) == pytest.approx(amount, rel=1e-12)


def test_even_is_the_same_for_each_month() -> None:
    assert [part(1_200_000.0, None, spread("even").stretch(YEAR, *each)) for each in MONTHS] == [100_000] * 12


def test_even_is_the_same_for_each_day_within_a_month_and_where_there_are_no_months() -> None:
    week = d("2026-03-02"), d("2026-03-08")
    assert part(12 * 31.0, None, spread("even").stretch(YEAR, *week)) == pytest.approx(7)
    weeks = Whole("FY2026", d("2026-01-05"), d("2027-01-03"))
    assert part(364.0, None, spread("even").stretch(weeks, *week)) == 7


def test_by_working_days_a_month_takes_its_share_of_them() -> None:
    # Weekdays counted by hand: February 2026 has 20, the year 261.
    assert part(261.0, None, spread("working_days").stretch(YEAR, *MONTHS[1])) == 20


def test_ac55_a_seasonality_table_totals_100() -> None:
    # AC-55: 12 x 100/12 is accepted (100.0 when rounded to 2 decimals), other totals are rejected.
    DECLARED.validate_python(dict.fromkeys(range(1, 13), 100 / 12))
    with pytest.raises(ValidationError, match=r"total 99\.96, not 100"):
        DECLARED.validate_python(dict.fromkeys(range(1, 13), 8.33))


def test_ac55_a_quarter_takes_the_sum_of_its_months() -> None:
    # AC-55: even table, quarter share 25 %, target 30,000 -> 7,500; the fiscal year starts in April.
    fiscal = Whole("FY2027", d("2026-04-01"), d("2027-03-31"))
    table = spread(dict.fromkeys(range(1, 13), 100 / 12))
    for first, last in (("2026-04-01", "2026-06-30"), ("2027-01-01", "2027-03-31")):
        assert part(30_000.0, None, table.stretch(fiscal, d(first), d(last))) == 7_500
        assert part(30_000_00, 2, table.stretch(fiscal, d(first), d(last))) == 7_500_00


def test_shares_are_those_of_the_calendar_month_whenever_the_year_starts() -> None:
    fiscal = Whole("FY2027", d("2026-04-01"), d("2027-03-31"))
    january = d("2027-01-01"), d("2027-01-31")
    assert part(1000.0, None, spread(SEASON).stretch(fiscal, *january)) == pytest.approx(85)


def test_a_quarter_is_divided_in_the_proportions_of_its_months() -> None:
    quarter = Whole("2026-Q1", d("2026-01-01"), d("2026-03-31"))
    found = [part(255_00, 2, spread(SEASON).stretch(quarter, *each)) for each in MONTHS[:3]]
    assert found == [85_00, 70_00, 100_00]


def test_ac51_a_part_of_a_month() -> None:
    # AC-51: a February budget of 20, asked for 02-01 to 02-21 -> 15.
    february = d("2017-02-01"), d("2017-02-28")
    assert part(20.0, None, Days().stretch(february, d("2017-02-01"), d("2017-02-21"))) == 15


@pytest.mark.parametrize(
    ("how", "whole", "why"),
    [
        ({1: 100}, Whole("2026-Q4", d("2026-10-01"), d("2026-12-31")), "all 0"),
        (SEASON, Whole("2026-P01", d("2026-01-05"), d("2026-02-01")), "not made of whole months"),
        ("working_days", Whole("2026-01-03", d("2026-01-03"), d("2026-01-04")), "no working day"),
    ],
)
def test_what_is_nowhere_defined_is_an_error(how: Any, whole: Whole, why: str) -> None:
    with pytest.raises(CrmRulesError, match=why) as caught:
        spread(how).stretch(whole, whole.start, whole.start)
    assert caught.value.code == "Q108"


def test_days_without_working_days_are_divided_by_calendar_days() -> None:
    weekend = d("2026-01-03"), d("2026-01-04")
    assert Days(Weekdays()).stretch(weekend, weekend[0], weekend[0]) == (0, Fraction(1, 2))


@given(st.dates(d("2020-01-01"), d("2030-12-31")), st.integers(-3, 400))
def test_working_days_are_those_counted_one_by_one(first: dt.date, length: int) -> None:
    last = first + DAY * length
    counted = [first + DAY * each for each in range(length + 1)]
    assert Days(Weekdays()).count(first, last) == len([day for day in counted if day.isoweekday() < 6])


@pytest.mark.parametrize("wrong", [{0: 100}, {13: 100}, {1: -1, 2: 101}, {}, "weekly", {1: float("nan")}])
def test_what_is_no_spread_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        DECLARED.validate_python(wrong)
