"""Quotas laid over periods: the same as a computation day by day."""

import datetime as dt
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules.errors import FieldError
from crmrules.fields import Source
from crmrules.kpi.calendar import Weekdays
from crmrules.kpi.calendar_periods import calendar
from crmrules.kpi.laid import Laid
from crmrules.kpi.period import Period
from crmrules.kpi.quota import Keys, Quotas, Rows, whole_of
from crmrules.kpi.spread import Days
from crmrules.kpi.target import QuotaTable

SOURCE = Source(name="plan", fields={"who": "text", "period": "text", "since": "date", "quota": "money(2)"})
MONTHS = [Period.parse(f"2026-{month:02}") for month in range(1, 13)]


def laid(rows: list[dict[str, Any]], **terms: Any) -> Laid:
    table = {"table": "plan", "subject": "who", "value": "quota", **terms}
    declared = QuotaTable.model_validate(table)
    keys = Keys(calendar("month"))
    quotas = Quotas.of(declared, SOURCE, Rows(SOURCE, rows, declared.fields), "revenue", keys, None)
    return Laid(quotas, keys, Days(Weekdays()))


def rows(*given: tuple[str | None, str | None, float]) -> list[dict[str, Any]]:
    return [{"who": "Ann", "period": key, "since": since, "quota": quota} for key, since, quota in given]


def days_of(period: Period) -> list[dt.date]:
    return [period.start + dt.timedelta(days=each) for each in range(period.days)]


@given(
    st.dictionaries(st.dates(dt.date(2026, 1, 1), dt.date(2026, 6, 30)), st.integers(0, 10**7), min_size=1)
)
@settings(max_examples=60)
def test_dated_rows_weigh_by_the_amount_of_each_day(amounts: dict[dt.date, int]) -> None:
    over = laid(rows(*((None, str(day), cents / 100) for day, cents in amounts.items())), **{"from": "since"})
    for month in MONTHS:
        total = Fraction(0)
        covered = False
        for day in days_of(month):
            known = [since for since in amounts if since <= day]
            if known:
                covered = True
                total += Fraction(amounts[max(known)], month.days)
        found = over.at(over.quotas.own["Ann"], whole_of(month))
        assert (found is not None) == covered
        if found is not None:
            assert found.amount is not None
            assert abs(found.amount - total) <= Fraction(1, 2)


@given(st.integers(1, 10**9), st.sampled_from(["even", "calendar_days", "working_days"]))
@settings(max_examples=60)
def test_quarters_of_a_year_are_the_sums_of_their_months(cents: int, spread: str) -> None:
    over = laid(rows(("2026", None, cents / 100)), period="period", spread=spread)
    held = over.quotas.own["Ann"]
    months = [over.at(held, whole_of(month)) for month in MONTHS]
    amounts = [each.amount for each in months if each is not None and each.amount is not None]
    assert sum(amounts) == cents
    for number in range(4):
        quarter = over.at(held, whole_of(Period.parse(f"2026-Q{number + 1}")))
        assert quarter is not None
        assert quarter.amount == sum(amounts[3 * number : 3 * number + 3])


def test_a_quarter_beside_one_of_its_months_is_refused() -> None:
    over = laid(rows(("2026-Q1", None, 3), ("2026-02", None, 1)), period="period", spread="even")
    assert over.at(over.quotas.own["Ann"], whole_of(MONTHS[0])) is not None
    with pytest.raises(FieldError, match="one is for 2026-Q1, the other for 2026-02") as caught:
        over.at(over.quotas.own["Ann"], whole_of(MONTHS[1]))
    assert caught.value.code == "Q107"
