"""Expressions as columns."""

import narwhals as nw
import polars as pl
import pytest

from crmrules.expr import Expression
from crmrules.expr.column import condition_column
from crmrules.frames import columns_of, delivered

FRAME = nw.from_native(pl.DataFrame({"x": [1.0, None, -0.0], "m": [150.0, None, 0.0]}))
FIELDS = {"x": "number", "m": "money(2)"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x + 1", [2.0, None, 1.0]),
        ("1 / x", [1.0, None, None]),
        ("m + 1", [250.0, None, 100.0]),
        ("m * 2", [3.0, None, 0.0]),
        ("x > 0", [1.0, None, 0.0]),
        ("x in (0, 5)", [0.0, None, 1.0]),
        ("is_null(x)", [0.0, 1.0, 0.0]),
    ],
)
def test_values_are_those_of_a_bound_frame(text: str, values: list[float | None]) -> None:
    column = Expression.parse(text, FIELDS).column()
    assert FRAME.select(column.alias("v"))["v"].to_list() == values


def test_a_null_condition_is_not_true() -> None:
    for text in ("x > 0", "not x <= 0"):
        mask = condition_column(Expression.parse(text, FIELDS).checked)
        assert FRAME.filter(mask)["x"].to_list() == [1.0]


@pytest.mark.parametrize(
    "text",
    ["contains('a.b', '.')", "upper('ß')", "1 / 0", "1 / 0 > 1", "date(2026, 1, 31) < date('2026-02-01')"],
)
def test_what_no_field_takes_part_in_is_computed_once(text: str) -> None:
    expression = Expression.parse(f"coalesce({text}, {text})", FIELDS)
    for frame in (FRAME.to_native(), FRAME.to_arrow(), FRAME.to_pandas()):
        selected = nw.from_native(frame).select(nw.col("x"), v=expression.column())
        values = {delivered(value, expression.type) for value in columns_of(selected)["v"]}  # type: ignore[arg-type]
        assert values == {expression({})}


def test_a_divisor_that_happens_to_be_one_constant_divides_correctly() -> None:
    hundredths = [float(units) for units in range(1_000)]
    for text in ("x / (100 if x >= 0 else 7)", "x / (None if x < 0 else 100)", "x / coalesce(100, x)"):
        column = Expression.parse(text, FIELDS).column()
        found = nw.from_native(pl.DataFrame({"x": hundredths})).select(v=column)["v"].to_list()
        assert found == [units / 100.0 for units in hundredths]


def test_polars_divides_by_a_constant_as_if_it_multiplied_by_the_reciprocal() -> None:
    # The reason for `frames.over`; when this fails, Polars rounds correctly and `over` can go.
    hundredths = [float(units) for units in range(1_000)]
    divided = pl.DataFrame({"x": hundredths}).select(pl.col("x") / 100.0)["x"].to_list()
    assert divided != [units / 100.0 for units in hundredths]
