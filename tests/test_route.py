"""Pandas frames go through Polars where nothing can change on the way, and only there."""

import datetime as dt
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crmrules import FieldError, Source, route
from crmrules.binding import bind_frame, bind_records
from crmrules.frames import carried, rows_of, wrap
from crmrules.route import pandas_alone, records_through_polars, through_polars


def arrow(values: list[Any], of: Any) -> Any:
    return pd.Series(values, dtype=pd.ArrowDtype(of))


MOMENTS = ["2026-01-31 23:59:59.123456789", None, "1969-12-31 00:00:00.000000001"]
DAYS = ["2026-01-31", None, "1969-12-31"]
AS_THEY_ARE: dict[str, tuple[str, Any]] = {
    "floats": ("number", pd.Series([1.5, np.nan, -0.0])),
    "small floats": ("number", pd.Series([1.5, np.nan, -0.0], dtype="float32")),
    "integers": ("number", pd.Series([1, 2**53, -7])),
    "unsigned": ("number", pd.Series([1, 2**53, 7], dtype="uint64")),
    "masked integers": ("number", pd.Series([1, None, 3], dtype="Int64")),
    "masked floats": ("number", pd.Series([1.5, None, 3], dtype="Float64")),
    "booleans": ("bool", pd.Series([True, False, True])),
    "masked booleans": ("bool", pd.Series([True, None, False], dtype="boolean")),
    "seconds": ("date", pd.Series(DAYS, dtype="datetime64[s]")),
    "nanoseconds": ("datetime", pd.to_datetime(pd.Series(MOMENTS))),
    "text": ("text", pd.Series(["a", None, "样品"], dtype="str")),
    "text of Python": ("text", pd.Series(["a", None, "样品"], dtype=pd.StringDtype("python"))),
    "objects": ("text", pd.Series(["a", None, "样品"], dtype=object)),
    "objects with NaN": ("text", pd.Series(["a", np.nan, "样品"], dtype=object)),
    "categories": ("text", pd.Series(["a", None, "样品"], dtype="category")),
    "dates of Arrow": ("date", arrow([dt.date(2026, 1, 31), None, dt.date(1969, 12, 31)], pa.date32())),
    "text of Arrow": ("text", arrow(["a", None, "b"], pa.string())),
    "decimals of Arrow": ("money(2)", arrow([Decimal("1.25"), None, Decimal(-3)], pa.decimal128(9, 2))),
    "amounts": ("money(2)", pd.Series([0.1, np.nan, 7.39])),
    "numbers as text": ("money(2)", pd.Series(["0.10", None, "7.39"], dtype=object)),
}  # fmt: skip
BY_PANDAS: dict[str, Any] = {
    "decimals": pd.Series([Decimal("1.25"), None]),
    "dates": pd.Series([dt.date(2026, 1, 31), None]),
    "numbers and text": pd.Series([1, "a"], dtype=object),
    "bytes and text": pd.Series([b"a", "a"], dtype=object),
    "bytes": pd.Series([b"a", b"b"], dtype=object),
    "booleans and missing": pd.Series([True, None], dtype=object),
    "categories of numbers": pd.Series([1, 2], dtype="category"),
    "categories of both": pd.Series([1, "a"], dtype="category"),
    "time zones": pd.Series(["2026-01-31", None], dtype="datetime64[ns, UTC]"),
    "spans": pd.Series([1, 2], dtype="timedelta64[s]"),
    "periods": pd.Series(["2026-01", "2026-02"], dtype="period[M]"),
    "half floats": pd.Series([1.5, 2.0], dtype="float16"),
    "times of Arrow": arrow([dt.time(1), None], pa.time64("us")),
    "sparse": pd.Series([1.0, 2.0], dtype="Sparse[float64]"),
}


@pytest.fixture(autouse=True)
def small_frames_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "LEAST_ROWS", 0)


def taken(column: Any) -> Any:
    return through_polars(wrap(pd.DataFrame({"x": column}), "x"), ["x"])


def bound(source: Source, frame: pd.DataFrame) -> list[dict[str, object]]:
    return rows_of(bind_frame(source, frame, source.fields, month=True, figures=True).frame)


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_a_column_that_goes_through_polars_is_bound_as_by_pandas(name: str) -> None:
    kind, column = AS_THEY_ARE[name]
    source = Source(name="records", fields={"x": kind, "other": "number"})
    frame = pd.DataFrame({"x": column, "other": [1.0, 2.0, 3.0], "left": [{}, [], b""]}, index=[5, 5, 7])
    assert taken(column) is not None
    by_polars = bound(source, frame)
    with pandas_alone():
        assert not bind_frame(source, frame, ["x"], figures=True).frame.implementation.is_polars()
        assert by_polars == bound(source, frame)


@pytest.mark.parametrize("name", BY_PANDAS)
def test_what_could_change_on_the_way_is_left_to_pandas(name: str) -> None:
    assert taken(BY_PANDAS[name]) is None


def test_only_large_frames_of_pandas_take_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    monkeypatch.setattr(route, "LEAST_ROWS", 3)
    assert through_polars(wrap(frame, "x"), ["x"]) is None
    monkeypatch.setattr(route, "LEAST_ROWS", 2)
    assert through_polars(wrap(frame, "x"), ["x"]) is not None
    assert through_polars(wrap(pa.table({"x": [1.0, 2.0]}), "x"), ["x"]) is None
    with pandas_alone():
        assert through_polars(wrap(frame, "x"), ["x"]) is None


def test_a_bad_value_is_named_as_the_host_has_it() -> None:
    fields = {"number": {"type": "text", "role": "id"}, "x": "money(2)"}
    frame = pd.DataFrame({"number": ["A1", "A2"], "x": [1.0, 1.005], "note": ["", "odd"]}, index=[9, 9])
    with pytest.raises(FieldError, match=r"1\.005") as caught:
        bound(Source(name="orders", fields=fields), frame)  # type: ignore[arg-type]
    assert caught.value.row == "A2"
    source = Source(name="orders", fields=fields, on_bad_row="quarantine")  # type: ignore[arg-type]
    found = bind_frame(source, frame, ["x"], figures=True)
    assert [row["x"] for row in rows_of(found.frame)] == [100.0]
    (aside,) = found.quarantined
    assert (aside.row, aside.position, aside.record["note"]) == ("A2", 1, "odd")


RECORDS: dict[str, tuple[str, list[Any], bool]] = {
    "text": ("text", ["a", None, "样品"], True),
    "text and numbers": ("text", ["a", 1, None], False),
    "numbers": ("number", [1.5, None, float("nan")], True),
    "whole numbers": ("number", [1, 2**53, None], True),
    "beyond 64 bits": ("number", [1, 2**70, None], False),
    "both": ("number", [1, 1.5, None], False),
    "yes and no": ("number", [True, 1, None], False),
    "text of numbers": ("number", ["1", "2", None], False),
    "amounts": ("money(2)", [0.1, 7.39, None], True),
    "decimals": ("money(2)", [Decimal("0.1"), Decimal("7.39"), None], True),
    "decimals with more digits": ("money(2)", [Decimal("0.1"), Decimal("7.390"), None], False),
    "no decimal": ("money(2)", [Decimal("NaN"), Decimal(1), None], False),
    "dates": ("date", [dt.date(2026, 1, 31), None, dt.date.min], True),
    "midnights": ("date", [dt.datetime(2026, 1, 31), None, None], True),
    "dates and midnights": ("date", [dt.datetime(2026, 1, 31), dt.date(2026, 1, 31), None], False),
    "moments": ("datetime", [dt.datetime(2026, 1, 31, 23, 59, 59, 999_999), None, None], True),
    "booleans": ("bool", [True, None, False], True),
    "nothing": ("text", [None, None, None], True),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_of_one_type_are_bound_as_one_by_one(name: str) -> None:
    kind, values, goes = RECORDS[name]
    source = Source(name="records", fields={"x": kind})
    records = [{"x": value} for value in values]
    frame = records_through_polars(source, records, ["x"])
    assert (frame is not None) is goes
    if frame is not None:
        bound = bind_records(source, records, ["x"])
        found = rows_of(bind_frame(source, frame, ["x"]).frame)
        assert found == [{"x": carried(row["x"])} for row in bound.rows]


def test_what_is_no_dict_with_every_field_is_looked_at_by_itself() -> None:
    source = Source(name="records", fields={"x": "text"})
    assert records_through_polars(source, [{"x": "a"}, {"y": "b"}], ["x"]) is None
    assert records_through_polars(source, [{"x": "a"}, MappingProxyType({"x": "b"})], ["x"]) is None
    assert records_through_polars(source, [], ["x"]) is None
    with pandas_alone():
        assert records_through_polars(source, [{"x": "a"}], ["x"]) is None
