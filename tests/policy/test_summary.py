"""Counted and excluded, by rule."""

from decimal import Decimal
from typing import Any

import pytest

from crmrules import FieldError, Policy, Source

SOURCE = Source(
    fields={
        "number": {"type": "text", "role": "id"}, "who": {"type": "text", "role": "subject"},
        "kind": "text", "amount": "money(2)", "hours": "number",
    }
)  # fmt: skip
POLICY = Policy(
    rules=[
        {"name": "samples", "when": "kind == 'sample'", "credit": 0, "because": "samples are free"},
        {"name": "half", "when": "kind == 'half'", "credit": 0.5, "because": "service counts half"},
    ],
    default={"credit": 1, "because": "all others count"},
)
ROWS = [
    {"number": f"N{at}", "who": "Ann", "kind": kind, "amount": Decimal(amount), "hours": hours}
    for at, (kind, amount, hours) in enumerate(
        [("sample", "10.00", 1.0), ("half", "0.01", 2.0), ("half", "-0.01", None), (None, "5.55", 0.5)]
    )
]


def test_each_rule_has_its_records_and_its_money(engine: Any) -> None:
    found = POLICY.summary(engine(ROWS), SOURCE)
    assert [
        (each.rule, each.counted, each.partly, each.excluded, each.amount, each.credited, each.left_out)
        for each in found.rules
    ] == [
        ("samples", 0, 0, 1, Decimal("10.00"), 0, Decimal("10.00")),
        # half a cent is rounded away from zero, so what is excluded of 0.01 is nothing
        ("half", 0, 2, 0, 0, 0, 0),
        ("default", 1, 0, 0, Decimal("5.55"), Decimal("5.55"), 0),
    ]
    assert (found.field, found.total.records, found.total.credited) == ("amount", 4, Decimal("5.55"))


def test_another_amount_is_summed_by_name(engine: Any) -> None:
    total = POLICY.summary(engine(ROWS), SOURCE, amount="hours").total
    assert (total.amount, total.credited, total.left_out) == (3.5, 1.5, 2.0)


def test_an_amount_that_is_none_is_refused(engine: Any) -> None:
    for name, hint in (("hour", "did you mean `hours`?"), ("kind", "`amount`, `hours`")):
        with pytest.raises(FieldError) as caught:
            POLICY.summary(engine(ROWS), SOURCE, amount=name)
        assert (caught.value.code, caught.value.message) == ("F102", f"there is no amount `{name}`")
        assert hint in caught.value.hint


def test_records_without_money_are_counted(engine: Any) -> None:
    source = Source(fields={name: SOURCE.fields[name] for name in ("number", "who", "kind")})
    found = POLICY.summary(engine(ROWS), source)
    assert (found.field, found.total.records, found.total.partly) == ("", 4, 2)
    assert "Counted" not in str(found)


def test_nothing_at_all_is_a_summary_too() -> None:
    found = POLICY.summary([], SOURCE)
    assert (found.rules, found.total.records, found.total.amount) == ((), 0, 0)
    assert "all" in str(found)


def test_a_summary_is_read_in_words() -> None:
    text = str(POLICY.summary(ROWS, SOURCE))
    for words in (
        "Counted",
        "Excluded",
        "samples are free",
        "service counts half",
        "all others count",
        "5.55",
    ):
        assert words in text


def test_the_notebook_escapes_reasons() -> None:
    policy = Policy(default={"credit": 1, "because": "<script>"})
    assert "<script>" not in policy.summary(ROWS, SOURCE)._repr_html_()
