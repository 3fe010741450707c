"""Fields by expression: the same in records and on every engine, money to the cent."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crmrules import CrmRulesError, RecordError, Source, frames
from crmrules.binding import bind_frame, bind_records
from crmrules.policy.derived import (
    Derivation,
    DerivedField,
    DerivedFields,
    derive_frame,
    derive_records,
    problems,
    schema_with,
)

SOURCE = Source(
    fields={
        "id": {"type": "text", "role": "id"},
        "amount": "money(2)",
        "tax": "money(2)",
        "rate": "number",
        "kind": "text",
        "day": "date",
    }
)
SCHEMA = {
    "id": pl.String(),
    "amount": pl.Float64(),
    "tax": pl.Float64(),
    "rate": pl.Float64(),
    "kind": pl.String(),
    "day": pl.Date(),
}
ENGINES = ("pandas", "pandas over Arrow", "Polars", "Polars lazy", "PyArrow")
Made = Mapping[str, Callable[[pl.DataFrame], Any]]
FIELDS = TypeAdapter(DerivedFields).validate_python(
    {
        # Written before what it reads.
        "half_of_net": {"value": "net * 0.5", "type": "money(2)"},
        "to_even": {"value": "net * 0.5", "type": "money(2)", "rounding": "half_even"},
        "rated": {"value": "amount * rate", "type": "money(2)"},
        "net": "amount - tax",
        "plain": "amount * rate",
        "large": "net > 10",
        "words": "'large' if large else kind",
        "later": "add_days(day, 10)",
    }
)
cents = st.none() | st.integers(-10_000_000, 10_000_000)
rows_of_records = st.lists(
    st.fixed_dictionaries(
        {
            "amount": cents.map(lambda units: None if units is None else units / 100),
            "tax": cents.map(lambda units: None if units is None else units / 100),
            "rate": st.none() | st.integers(0, 10_000).map(lambda parts: parts / 10_000),
            "kind": st.sampled_from(["a", None]),
            "day": st.none() | st.dates(),
        }
    ),
    min_size=1,
    max_size=30,
).map(lambda rows: [{"id": f"o{at}", **row} for at, row in enumerate(rows)])


def of_records(rows: list[dict[str, Any]], fields: dict[str, DerivedField] = FIELDS) -> list[dict[str, Any]]:
    bound = bind_records(SOURCE, rows, [*SOURCE.fields]).rows
    derive_records(bound, fields, SOURCE.schema, id_field="id")
    return bound


def of_frame(frame: Any, fields: dict[str, DerivedField] = FIELDS) -> list[dict[str, Any]]:
    bound = bind_frame(SOURCE, frame, [*SOURCE.fields]).frame
    derived = derive_frame(bound, fields, SOURCE.schema, id_field="id")
    assert frames.is_lazy(derived) == frames.is_lazy(bound)
    schema = schema_with(SOURCE.schema, fields)
    return [
        {name: frames.delivered(value, schema[name]) for name, value in row.items()}  # type: ignore[arg-type]
        for row in frames.rows_of(derived)
    ]


def exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def rounded(value: Decimal | None, how: str = ROUND_HALF_UP) -> int | None:
    return None if value is None else int((value * 100).quantize(Decimal(1), how))


@given(rows=rows_of_records)
def test_derived_money_is_what_decimals_make_of_it(rows: list[dict[str, Any]]) -> None:
    for row, found in zip(rows, of_records(rows), strict=True):
        amount, tax, rate = exact(row["amount"]), exact(row["tax"]), exact(row["rate"])
        net = None if amount is None or tax is None else amount - tax
        assert found["net"] == rounded(net)
        assert found["half_of_net"] == rounded(None if net is None else net / 2)
        assert found["to_even"] == rounded(None if net is None else net / 2, ROUND_HALF_EVEN)
        assert found["rated"] == rounded(None if amount is None or rate is None else amount * rate)
        assert found["words"] == ("large" if net is not None and net > 10 else row["kind"])


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=8)
@given(rows=rows_of_records)
def test_frames_derive_what_records_derive(
    from_polars: Made, engine: str, rows: list[dict[str, Any]]
) -> None:
    assert of_frame(from_polars[engine](pl.DataFrame(rows, SCHEMA))) == of_records(rows)


def test_fields_may_be_written_in_any_order() -> None:
    turned = dict(reversed(FIELDS.items()))
    row = {"id": "o1", "amount": 12.35, "tax": 1.0, "rate": 0.5, "kind": "a", "day": None}
    assert of_records([row], turned) == of_records([row])


def test_the_types_follow_from_the_expressions() -> None:
    found = {name: str(kind) for name, kind in schema_with(SOURCE.schema, FIELDS).items()}
    assert (found["net"], found["plain"], found["rated"], found["later"]) == (
        "money(2)", "number", "money(2)", "date",
    )  # fmt: skip
    derivation = Derivation(FIELDS, SOURCE.schema)
    assert {*derivation.fields} == {"amount", "tax", "rate", "kind", "day"}


def test_a_circle_is_refused_with_its_names() -> None:
    fields = {"a": DerivedField(value="b + 1"), "b": DerivedField(value="c"), "c": DerivedField(value="a")}
    [(path, error)] = problems(fields, SOURCE.schema)
    assert error.code == "S104"
    assert path[0] in fields
    for name in fields:
        assert f"`{name}`" in str(error)
    [(_, error)] = problems({"a": DerivedField(value="a + 1")}, SOURCE.schema)
    assert "`a` reads itself" in str(error)


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"net": {"value": "amuont - tax"}}, "E101", "did you mean `amount`"),
        ({"net": {"value": "sum(amount)"}}, "E105", "use it as a measure"),
        ({"amount": {"value": "tax"}}, "S102", "`amount` is a field already"),
        ({"net": {"value": "kind", "type": "money(2)"}}, "E102", "the value is text"),
        ({"net": {"value": "amount", "type": "money(3)"}}, "E102", "declared as money(3)"),
        ({"net": {"value": "amount -"}}, "E004", "amount -"),
    ],
)
def test_what_does_not_fit_is_one_error(fields: dict[str, Any], code: str, said: str) -> None:
    declared = TypeAdapter(DerivedFields).validate_python(fields)
    [(_, error)] = problems(declared, SOURCE.schema)
    assert error.code == code
    assert said in str(error)
    with pytest.raises(CrmRulesError):
        Derivation(declared, SOURCE.schema)


def test_a_mistake_brings_no_follow_up_mistakes() -> None:
    fields = {
        "a": DerivedField(value="amuont"),
        "b": DerivedField(value="a * 2"),
        "c": DerivedField(value="taxx"),
    }
    assert sorted(path for path, _ in problems(fields, SOURCE.schema)) == [("a", "value"), ("c", "value")]


def test_only_money_is_made_of_a_number() -> None:
    with pytest.raises(ValidationError, match="write money"):
        DerivedField(value="amount", type="text")


@pytest.mark.parametrize("engine", ["dicts", *ENGINES])
def test_money_that_cannot_be_carried_exactly_is_refused_with_its_record(
    from_polars: Made, engine: str
) -> None:
    fields = {"huge": DerivedField(value="rate * 1e20", type="money(2)")}
    row = {"id": "o1", "amount": None, "tax": None, "rate": None, "kind": None, "day": None}
    rows = [row, {**row, "id": "o2", "rate": 2.0}]
    made = rows if engine == "dicts" else from_polars[engine](pl.DataFrame(rows, SCHEMA))
    derive = of_records if engine == "dicts" else of_frame
    with pytest.raises(RecordError, match="field `huge`, record 'o2'"):
        derive(made, fields)
