"""The way of large pandas frames through Polars, which sums several times as fast, to the same figures.

Only the columns that are needed are taken, and only where nothing can change on the way: numbers, dates and
timestamps of numpy, text, categories of text, and what Arrow or pandas' masked arrays hold. With anything
else in a needed column, such as decimals or dates as objects, pandas computes by itself, and so it does for
small frames, where the way costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from crmrules import frames

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

LEAST_ROWS = 2_000
"""From how many rows on the way is taken."""

_alone: ContextVar[bool] = ContextVar("pandas_alone", default=False)

NUMPY = {"f": (4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,)}
"""Kinds of numpy with the sizes, in bytes, that Polars has too."""


@contextmanager
def pandas_alone() -> Iterator[None]:
    """Within it, frames of pandas are computed by pandas, even where Polars is installed.

    >>> with pandas_alone():
    ...     card = book.score({"orders": orders})  # doctest: +SKIP
    """
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def through_polars(frame: frames.Frame, columns: Iterable[object]) -> pl.LazyFrame | None:
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
    return pl.LazyFrame(taken)


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
