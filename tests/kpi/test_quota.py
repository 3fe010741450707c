"""The rows of a table of targets: keys of periods, whom they are for, and the units of their amounts."""

import datetime as dt
from typing import Any

import pytest

from crmrules.errors import CrmRulesError, FieldError
from crmrules.fields import Source
from crmrules.kpi.calendar_periods import CalendarPeriods, calendar
from crmrules.kpi.quota import Keys, Quotas, Rows, in_units
from crmrules.kpi.target import Figure, QuotaTable

MONTHLY = Keys(calendar("month"))
FIELDS = {"who": "text", "month": "date", "year": "number", "quota": "number", "exact": "money(2)"}
SOURCE = Source(name="plan", fields=FIELDS)


def read(rows: list[dict[str, Any]], money: int | None = None, **table: Any) -> Quotas:
    declared = QuotaTable.model_validate({"table": "plan", "subject": "who", **table})
    return Quotas.of(declared, SOURCE, Rows(SOURCE, rows, declared.fields), "revenue", MONTHLY, money)


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [
        ("2026-11", "2026-11-01", "2026-11-30"),
        ("2026-Q4", "2026-10-01", "2026-12-31"),
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-W53", "2026-12-28", "2027-01-03"),
        ("2026-11-20", "2026-11-20", "2026-11-20"),
    ],
)
def test_a_key_may_be_of_any_length(key: str, first: str, last: str) -> None:
    whole = MONTHLY.whole(key)
    assert (str(whole.start), str(whole.end), whole.key) == (first, last, key)


def test_a_year_is_that_of_the_card() -> None:
    fiscal = Keys(CalendarPeriods(unit="month", year_starts=4))
    assert str(fiscal.whole("FY2027").start) == "2026-04-01"
    assert str(fiscal.whole("2026-11").start) == "2026-11-01"
    assert str(fiscal.around(dt.date(2026, 2, 1), "year").start) == "2025-04-01"
    with pytest.raises(CrmRulesError) as caught:
        fiscal.whole("2026")
    assert caught.value.code == "P101"


def test_a_date_is_in_its_month_or_in_the_length_that_is_declared() -> None:
    rows = [{"who": "Ann", "month": "2026-11-01", "quota": 5}]
    [monthly] = read(rows, period="month", value="quota").wholes
    [yearly] = read(rows, period="month", value="quota", per="year").wholes
    assert (monthly.key, yearly.key) == ("2026-11", "2026")


def test_a_year_may_be_a_number() -> None:
    [whole] = read([{"who": "Ann", "year": 2026, "quota": 5}], period="year", value="quota").wholes
    assert whole.key == "2026"


@pytest.mark.parametrize(
    ("quota", "digits", "declared", "expected"),
    [
        (12.34, 2, None, (1234, 2)),  # of an indicator that is money
        (12.345, 2, None, (12.345, None)),  # with more decimals than it has: nothing is rounded unasked
        (12.345, None, 2, (1235, 2)),  # half away from zero, as declared
        (12.345, None, None, (12.345, None)),
    ],
)
def test_amounts_are_rounded_only_where_that_is_declared(
    quota: float, digits: int | None, declared: int | None, expected: tuple[float, int | None]
) -> None:
    found = read([{"who": "Ann", "quota": quota}], digits, value="quota", digits=declared)
    [[row]] = found.own["Ann"].values()
    assert (row.amount, found.digits) == expected


def test_money_stays_in_its_own_units() -> None:
    found = read([{"who": "Ann", "exact": "12.34"}], None, value="exact")
    [[row]] = found.own["Ann"].values()
    assert (row.amount, found.digits, row.text) == (1234, 2, "plan row 0")


def test_a_number_for_everybody_is_a_default() -> None:
    [[row]] = Quotas.constant(Figure(value=12.5), 2).default.values()
    assert row.amount == 1250


def test_an_id_names_a_row() -> None:
    source = Source(name="plan", fields={**FIELDS, "number": {"type": "text", "role": "id"}})
    declared = QuotaTable.model_validate({"table": "plan", "subject": "who", "value": "quota"})
    rows = Rows(source, [{"number": "Q-7", "who": "Ann", "quota": 1}], declared.fields)
    [[row]] = Quotas.of(declared, source, rows, "revenue", MONTHLY, None).own["Ann"].values()
    assert row.text == "plan row Q-7"


def test_a_month_that_a_shorter_period_has_not_is_an_error() -> None:
    rows = [{"who": "Ann", "month": "2026-11-01", "quota": 5}]
    with pytest.raises(FieldError, match="has no month 3") as caught:
        read(rows, period="month", value={3: "quota"})
    assert caught.value.code == "Q102"


@pytest.mark.parametrize(
    ("amount", "units"), [(0.0, 0), (0.005, 1), (-0.005, -1), (1.005, 101), (2.675, 268)]
)
def test_a_half_is_one_as_it_is_written(amount: float, units: int) -> None:
    assert in_units(amount, 2) == units
