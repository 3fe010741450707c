"""Records bound column by column are what they are bound to value by value, or are left to that way."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.fields import Source, bind_record
from crmrules.plain import bound_plainly

FIELDS: dict[str, Any] = {
    "id": {"type": "text", "role": "id"},
    "who": {"type": "text not null"},
    "kind": {"type": "text", "one_of": ["won", "lost"]},
    "day": "date",
    "paid": "bool",
    "hours": "number",
    "amount": "money(2)",
    "rounded": {"type": "money(1)", "rounding": "half_even"},
}
SOURCE = Source.model_validate({"name": "deals", "fields": FIELDS})
NAMES = [*FIELDS]
plain_values: dict[str, Any] = {
    "id": st.none() | st.text(max_size=3),
    "who": st.text(min_size=1, max_size=3),
    "kind": st.sampled_from(["won", "lost", None]),
    "day": st.none() | st.dates(),
    "paid": st.none() | st.booleans(),
    "hours": st.none() | st.floats(-1e9, 1e9) | st.integers(-(2**53), 2**53),
    "amount": st.none() | st.decimals(-(10**9), 10**9, places=2),
    "rounded": st.none() | st.floats(-1e6, 1e6) | st.integers(-1000, 1000),
}
odd_values: dict[str, Any] = {
    "who": st.sampled_from([None, 7, "x"]),
    "kind": st.sampled_from(["win", "won"]),
    "day": st.sampled_from(["2026-01-31", "2026-02-30", dt.datetime(2026, 1, 1), dt.date(2026, 1, 1)]),
    "hours": st.sampled_from([float("nan"), float("inf"), True, "3", 2**53 + 1, 1.0]),
    "amount": st.sampled_from([Decimal("1.005"), Decimal("NaN"), Decimal(2**60), "1.00", 0.1 + 0.2, 1]),
}
whole = st.lists(st.fixed_dictionaries(plain_values), min_size=1, max_size=5)


def one_by_one(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [bind_record(SOURCE, record, at, NAMES) for at, record in enumerate(records)]


@given(whole)
def test_plain_records_are_bound_as_one_by_one(records: list[dict[str, Any]]) -> None:
    found = bound_plainly(SOURCE, records, NAMES)
    wanted = one_by_one(records)
    assert found is None or [*map(repr, found)] == [*map(repr, wanted)]


@given(whole, st.data())
def test_odd_values_are_never_bound_otherwise(records: list[dict[str, Any]], data: st.DataObject) -> None:
    for name, values in odd_values.items():
        if data.draw(st.booleans()):
            records[0][name] = data.draw(values)
    found = bound_plainly(SOURCE, records, NAMES)
    if found is not None:
        assert [*map(repr, found)] == [*map(repr, one_by_one(records))]


def test_what_is_common_is_bound_at_once() -> None:
    record = {"id": "1", "who": "Ann", "kind": "won", "day": "2026-01-31", "paid": None}
    record |= {"hours": 2.5, "amount": Decimal("12.34"), "rounded": 1.25}
    assert bound_plainly(SOURCE, [record], NAMES) == one_by_one([record])


@pytest.mark.parametrize("change", [{"who": None}, {"kind": "win"}, {"hours": float("nan")}, {"amount": "x"}])
def test_what_needs_a_closer_look_is_left(change: dict[str, object]) -> None:
    record = {"id": "1", "who": "Ann", "kind": "won", "day": None, "paid": None}
    record |= {"hours": 2.5, "amount": Decimal("12.34"), "rounded": 1.25}
    assert bound_plainly(SOURCE, [{**record, **change}], NAMES) is None


def test_a_missing_amount_is_no_amount_where_one_is_required() -> None:
    required = Source.model_validate({"name": "deals", "fields": {"amount": "money(2) not null"}})
    assert bound_plainly(required, [{"amount": 1.5}], ["amount"]) == [{"amount": 150}]
    assert bound_plainly(required, [{"amount": 1.5}, {"amount": float("nan")}], ["amount"]) is None


def test_a_missing_field_is_left_to_the_careful_way() -> None:
    assert bound_plainly(SOURCE, [{"who": "Ann"}], NAMES) is None
