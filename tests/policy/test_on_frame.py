"""A policy over frames names the first record that it refuses, as a list of records does."""

import datetime as dt
from typing import Any

import pytest

from crmrules import Policy, RecordError, Source

FIELDS: dict[str, Any] = {
    "number": {"type": "text", "role": "id"}, "who": {"type": "text", "role": "subject"},
    "day": {"type": "date", "role": "date"}, "part": "number", "customer": "text",
}  # fmt: skip
POLICY = Policy(
    rules=[{"name": "formula", "when": "nth >= 1", "credit": "part", "because": "so"}],
    default=1,
    sequences={"nth": {"per": "customer", "by": "day"}},
)


def rows() -> list[dict[str, Any]]:
    # numbered the other way round than they come, so that whatever sorts them would name another one
    return [
        {
            "number": f"N{9 - at}", "who": "Ann", "day": dt.date(2026, 1, 20 - at), "part": part,
            "customer": "ZYXW"[at],
        }
        for at, part in enumerate([0.5, 2.0, 3.0, None])
    ]  # fmt: skip


def test_the_first_of_several_bad_records_is_named(engine: Any) -> None:
    for ask in (POLICY.credit, POLICY.lines, POLICY.summary):
        with pytest.raises(RecordError) as caught:
            ask(engine(rows()), Source(fields=FIELDS))
        assert (caught.value.code, caught.value.message) == (
            "C301",
            "record 'N8': `formula` gives the credit 2",
        )
        assert caught.value.hint == "a credit is 0 to 1: write clip(…, 0, 1)"


def test_a_record_without_an_id_is_named_by_its_place(engine: Any) -> None:
    source = Source(fields={name: kind for name, kind in FIELDS.items() if name != "number"})
    policy = Policy(
        rules=[{"name": "formula", "when": "not is_null(who)", "credit": "part", "because": "so"}], default=1
    )
    with pytest.raises(RecordError) as caught:
        policy.credit(engine(rows()), source)
    assert caught.value.message.startswith("record 1: ")


def test_a_missing_value_says_what_to_write(engine: Any) -> None:
    with pytest.raises(RecordError) as caught:
        POLICY.credit(engine(rows()[3:]), Source(fields=FIELDS))
    assert caught.value.code == "C302"
    assert (
        caught.value.message == "record 'N6': the credit of `formula` is not known, since a value is missing"
    )
    assert "coalesce" in caught.value.hint
