"""The way of pandas frames and lists of records through Polars, which sums several times as fast, to the same
figures.

Only the columns that are needed are taken, and only where nothing can change on the way: numbers, dates and
timestamps of numpy, text, categories of text, and what Arrow or pandas' masked arrays hold. With anything
else in a needed column, such as decimals or dates as objects, pandas computes by itself, and so it does for
small frames, where the way costs more than it saves. Records go that way where each field has values of one
Python type, the one that is declared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crmrules import frames
from crmrules.fields import Field, Source

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

LEAST_ROWS = 500
"""From how many rows on the way is taken."""

_alone: ContextVar[bool] = ContextVar("pandas_alone", default=False)

NUMPY = {"f": (4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,)}
"""Kinds of numpy with the sizes, in bytes, that Polars has too."""


@contextmanager
def pandas_alone() -> Iterator[None]:
    """Within it, frames of pandas are computed by pandas, and records by Python, even where Polars is
    installed.

    >>> with pandas_alone():
    ...     card = book.score({"orders": orders})  # doctest: +SKIP
    """
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def through_polars(frame: frames.Frame, columns: Iterable[object]) -> pl.DataFrame | None:
    """Those columns of a pandas frame in Polars; None where pandas has to compute by itself."""
    if not frame.implementation.is_pandas() or _alone.get() or not frames.installed("polars"):
        return None
    host: Any = frame.to_native()
    if len(host) < LEAST_ROWS:
        return None
    import polars as pl

    taken = {}
    for name in columns:
        if (series := _taken(host[name])) is None:
            return None
        taken[name] = series
    return pl.DataFrame(taken)


def records_through_polars(
    source: Source, records: Sequence[object], fields: Iterable[str]
) -> pl.DataFrame | None:
    """Those fields of records in Polars; None where they have to be looked at one by one."""
    if len(records) < LEAST_ROWS or _alone.get() or not frames.installed("polars"):
        return None
    if {*map(type, records)} != {dict}:
        return None
    import polars as pl

    taken = {}
    for name in fields:
        host = source.column(name)
        try:
            series = _of_values(source.fields[name], [record[host] for record in records])  # type: ignore[index]
        except (KeyError, OverflowError, TypeError, pl.exceptions.PolarsError):
            return None
        if series is None:
            return None
        taken[host] = series
    return pl.DataFrame(taken)


def _of_values(field: Field, values: list[Any]) -> pl.Series | None:
    """The values of a field, None where they are not of the type that it is declared as."""
    import polars as pl

    kinds = {*map(type, values)} - {type(None)}
    match field.declared.kind:
        case "text" if kinds <= {str}:
            return pl.Series(values, dtype=pl.String)
        case "number" | "money" if kinds <= {float}:
            return pl.Series(values, dtype=pl.Float64)
        case "number" | "money" if kinds <= {int}:
            return pl.Series(values, dtype=pl.Int64)
        case "money" if kinds <= {Decimal}:
            digits = field.declared.digits
            if any(-value.as_tuple().exponent > digits for value in values if value is not None):
                return None
            return pl.Series(values, dtype=pl.Decimal(38, digits))
        case "date" if kinds <= {dt.date}:
            return pl.Series(values, dtype=pl.Date)
        case "date" | "datetime" if kinds <= {dt.datetime} and field.clock == "local":
            if any(value.tzinfo is not None for value in values if value is not None):
                return None
            return pl.Series(values, dtype=pl.Datetime("us"))
        case "bool" if kinds <= {bool}:
            return pl.Series(values, dtype=pl.Boolean)
    return None


def _taken(column: pd.Series[Any]) -> pl.Series | None:
    """A column as Polars holds it, None where it might not stay the same."""
    import numpy as np
    import polars as pl

    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        if dtype.itemsize in NUMPY.get(dtype.kind, ()):
            return pl.Series(column.to_numpy())
        if dtype.kind == "M":
            # Polars has no seconds.
            moments = column.to_numpy()
            return pl.Series(moments.astype("datetime64[ms]") if dtype == "datetime64[s]" else moments)
        if dtype.kind != "O":
            return None
    return _by_arrow(column)


def _by_arrow(column: pd.Series[Any]) -> pl.Series | None:
    import numpy as np
    import pandas as pd
    import polars as pl

    if not frames.installed("pyarrow"):
        return None
    import pyarrow as pa

    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        # Arrow would take bytes for text.
        if pd.api.types.infer_dtype(column, skipna=True) != "string":
            return None
        array = pa.Array.from_pandas(column, type=pa.large_string())
    elif isinstance(dtype, pd.CategoricalDtype):
        if pd.api.types.infer_dtype(dtype.categories, skipna=False) != "string":
            return None
        array = pa.Array.from_pandas(column)
    elif isinstance(dtype, pd.StringDtype | pd.ArrowDtype) or hasattr(dtype, "numpy_dtype"):
        array = pa.Array.from_pandas(column)
    else:
        return None
    return pl.Series(pl.from_arrow(array)) if _is_plain(array.type) else None


def _is_plain(of: Any) -> bool:
    """Whether Polars has the type of Arrow too."""
    import pyarrow.types as types

    if types.is_dictionary(of):
        return _is_plain(of.value_type)
    if types.is_timestamp(of):
        return of.tz is None and of.unit != "s"
    tests = (types.is_string, types.is_large_string, types.is_boolean, types.is_integer, types.is_date32)
    return (
        any(test(of) for test in tests)
        or types.is_float32(of)
        or types.is_float64(of)
        or types.is_decimal128(of)
    )
