"""Binding a frame of any engine says the same as binding its rows one by one."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crmrules import FieldError, Source
from crmrules.binding import MONTH, bind_frame, bind_records
from crmrules.frames import carried, is_relation, rows_of

COLUMNS: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "floats": (
        pl.Float64(),
        st.floats() | st.integers(-(10**6), 10**6).map(lambda cents: cents / 100) | st.just(1.115),
    ),
    "integers": (
        pl.Int64(),
        st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53, 2**53 + 1, 2**50, -7]),
    ),
    "small integers": (pl.Int32(), st.integers(-(2**31), 2**31 - 1)),
    "unsigned": (pl.UInt64(), st.integers(0, 2**64 - 1) | st.sampled_from([2**53, 2**53 + 1, 2**63])),
    "decimals": (
        pl.Decimal(20, 2),
        st.decimals(-(10**14), 10**14, places=2)
        | st.sampled_from([Decimal("7.39"), Decimal(2**50) / 100, Decimal(2**50 + 1) / 100]),
    ),
    "fine decimals": (
        pl.Decimal(20, 8),
        st.decimals(-(10**9), 10**9, places=8) | st.just(Decimal("0.00000001")),
    ),
    "texts": (
        pl.String(),
        st.text(max_size=4)
        | st.sampled_from(["", " ", "1.5", "0.125", "sNaN", "nan", "inf", "1e400", "yes", "2026-01-31", "١"])
        | st.dates().map(str),
    ),
    "categories": (pl.Categorical(), st.sampled_from(["a", "1", "2026-01-31", "no"])),
    "dates": (pl.Date(), st.dates(dt.date(1600, 1, 1), dt.date(2300, 1, 1))),
    "times": (
        pl.Datetime("us"),
        st.datetimes(dt.datetime(1680, 1, 1), dt.datetime(2260, 1, 1))
        | st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1)).map(
            lambda day: dt.datetime(day.year, day.month, day.day)
        ),
    ),
    "zoned": (
        pl.Datetime("us", "UTC"),
        st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC)),
    ),
    "truths": (pl.Boolean(), st.booleans()),
    "nothing": (pl.Null(), st.none()),
}
TYPES = ("text", "number", "money(0)", "money(2)", "money(6)", "date", "datetime", "bool", "number not null")
ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "pandas": lambda frame: frame.to_pandas(),
    "pandas objects": lambda frame: pd.DataFrame(
        {name: pd.Series(frame[name].to_list(), dtype=object) for name in frame.columns}
    ).set_axis([7 + row // 2 for row in range(len(frame))]),
    "pandas over Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
    "Polars": lambda frame: frame,
    "Polars lazy": lambda frame: frame.lazy(),
    "PyArrow": lambda frame: frame.to_arrow(),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[pl.DataFrame, str, str]:
    kind = draw(st.sampled_from([*COLUMNS]))
    dtype, values = COLUMNS[kind]
    column = draw(st.lists(st.none() | values, max_size=6))
    frame = pl.DataFrame({"value": pl.Series(column, dtype=dtype)})
    rounding = draw(st.sampled_from(["error", "half_even"]))
    return frame, draw(st.sampled_from(TYPES)), rounding


def source_of(declared: str, rounding: str, on_bad_row: str) -> Source:
    field = {"type": declared, **({"rounding": rounding} if declared.startswith("money") else {})}
    if declared.endswith("not null"):
        field = {"type": declared}
    return Source(fields={"value": field}, on_bad_row=on_bad_row)


@pytest.mark.parametrize("engine", [*ENGINES])
@given(table=tables())
def test_a_frame_is_bound_as_its_rows_are(engine: str, table: tuple[pl.DataFrame, str, str]) -> None:
    frame, declared, rounding = table
    # numpy has no dates: pandas holds them as timestamps.
    assume(not (engine == "pandas" and declared == "datetime" and frame["value"].dtype == pl.Date))
    # nor missing whole numbers: they come as floats.
    assume(not (engine == "pandas" and frame["value"].dtype.is_integer() and frame["value"].null_count()))
    source = source_of(declared, rounding, "quarantine")
    rows = [{"value": value} for value in frame["value"].to_list()]
    by_row = bind_records(source, rows, ["value"])
    by_frame = bind_frame(source, ENGINES[engine](frame), ["value"])
    wanted = [carried(row["value"]) for row in by_row.rows]
    assert [row["value"] for row in rows_of(by_frame.frame)] == wanted
    said = [(bad.row, bad.field, bad.reason) for bad in by_row.quarantined]
    assert [(bad.row, bad.field, bad.reason) for bad in by_frame.quarantined] == said
    if said:
        strict = source_of(declared, rounding, "error")
        with pytest.raises(FieldError) as from_rows:
            bind_records(strict, rows, ["value"])
        with pytest.raises(FieldError) as from_frame:
            bind_frame(strict, ENGINES[engine](frame), ["value"])
        assert from_frame.value.reason == from_rows.value.reason
        assert (from_frame.value.code, from_frame.value.row) == ("F104", from_rows.value.row)


# relations of DuckDB


ORDERS = Source(
    name="orders",
    fields={
        "number": {"type": "text", "role": "id"},
        "day": {"type": "date", "role": "date"},
        "at": "datetime",
        "amount": "money(2)",
        "paid": {"type": "bool"},
        "kind": {"type": "text", "one_of": ("order", "return")},
    },
)


def relation(amount: str, **types: str) -> Any:
    """Two orders, the second one empty; types: of columns other than text, date, timestamp and boolean."""
    types = {
        "number": "varchar",
        "day": "date",
        "at": "timestamp",
        "paid": "boolean",
        "kind": "varchar",
        **types,
    }
    first = {"number": "'A1'", "day": "'2026-01-31'", "paid": "true", "kind": "'order'"}
    first["at"] = "'1969-12-31 23:59:59.123456'"
    one = [f"{value}::{types[name]} as {name}" for name, value in first.items()]
    return duckdb.sql(
        f"select {', '.join(one)}, {amount} as amount union all select 'A2', null, null, null, null, null"
    )


@pytest.mark.parametrize(
    "held",
    [
        relation("12.34::decimal(9, 2)"),
        relation("12.34::double", day="timestamp", kind="enum('order', 'return')"),
        relation("12.340::decimal(9, 3)"),  # more digits than the field: by Python
        relation("'12.34'", at="timestamp_ns", day="varchar"),
    ],
)
@pytest.mark.parametrize("in_sql", [True, False])
def test_a_relation_is_bound_as_its_rows_are(held: Any, in_sql: bool) -> None:
    bound = bind_frame(ORDERS, held, ORDERS.fields, month=True, in_sql=in_sql)
    first, second = rows_of(bound.frame)
    assert first == {
        "number": "A1",
        "day": float((dt.date(2026, 1, 31) - dt.date(1970, 1, 1)).days),
        "at": -876_544.0,
        "amount": 1234.0,
        "paid": 1.0,
        "kind": "order",
        MONTH: 2026.0 * 12,
    }
    assert {value for name, value in second.items() if name != "number"} == {None}


def test_a_relation_of_fitting_types_stays_one() -> None:
    held = relation("12.34::decimal(9, 2)")
    assert is_relation(bind_frame(ORDERS, held, ORDERS.fields, in_sql=True).frame)
    assert not is_relation(bind_frame(ORDERS, held, ORDERS.fields).frame)
    assert not is_relation(bind_frame(ORDERS, held, ORDERS.fields, numbered=True, in_sql=True).frame)


@pytest.mark.parametrize(
    "amount", ["12.345::double", "12.345::decimal(9, 3)", "'12,34'", "1e15", "'inf'::double"]
)
def test_a_bad_value_of_a_relation_is_named(amount: str) -> None:
    held = relation(amount)
    with pytest.raises(FieldError, match="`amount`") as caught:
        bind_frame(ORDERS, held, ORDERS.fields, in_sql=True)
    assert (caught.value.code, caught.value.row) == ("F104", "A1")


def test_a_bad_value_of_a_relation_is_set_aside() -> None:
    source = ORDERS.model_copy(update={"on_bad_row": "quarantine"})
    bound = bind_frame(source, relation("12.345::double"), source.fields, in_sql=True)
    assert [row["number"] for row in rows_of(bound.frame)] == ["A2"]
    assert [(each.row, each.position, each.field) for each in bound.quarantined] == [("A1", 0, "amount")]
