"""What differs between DataFrame engines, and how it is evened out. Nothing else knows an engine.

After this module every frame looks alike: text columns hold text and all others float64: money in whole
units, dates as days and timestamps as microseconds since 1970, yes and no as 1 and 0.
Measured on narwhals 2.29, pandas 3.1, Polars 2.1, PyArrow 26, DuckDB 2.0.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from crmrules.errors import CrmRulesError, FieldError, shown
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    import narwhals as nw
    import numpy as np
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

    Frame = nw.DataFrame[Any] | nw.LazyFrame[Any]

MILLISECONDS_A_DAY = 86_400_000.0
EPOCH = dt.date(1970, 1, 1).toordinal()
MICROSECONDS_A_DAY = 86_400_000_000
ROW = "@row"
"""The position of a row in the frame that came in."""
PLACE = "@place"


def carried(value: Scalar) -> float | str | None:
    """A value as a bound frame holds it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dt.datetime):
        return float((value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1))
    if isinstance(value, dt.date):
        return float(value.toordinal() - EPOCH)
    return float(value)


def delivered(value: float | str | None, of: Type) -> Scalar:
    """The other way round: what a bound frame holds, as an expression over a record gives it."""
    if value is None or isinstance(value, str) or value != value:
        return None if not isinstance(value, str) else value
    match of.kind:
        case "date":
            return dt.date.fromordinal(int(value) + EPOCH)
        case "datetime":
            return dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=int(value))
        case "bool":
            return value == 1.0
        case "money":
            return int(value)
    return float(value)


def is_frame(data: object) -> bool:
    """Whether the data is a frame of some engine, rather than records."""
    return any(hasattr(type(data), name) for name in ("columns", "collect_schema", "column_names"))


def wrap(data: object, source: str) -> Frame:
    """The frame of any engine as a narwhals one. Raises FieldError (F106) for what is none."""
    import narwhals as nw
    from narwhals.exceptions import NarwhalsError

    try:
        frame: Any = nw.from_native(data)
        frame.collect_schema()
    except TypeError:
        raise FieldError(
            "F106",
            f"source `{source}` got {shown(data)}, which is no frame",
            source=source,
            hint="pass a pandas or Polars frame, a PyArrow table, or a list of dicts",
        ) from None
    except (NarwhalsError, ValueError) as reason:
        raise FieldError("F106", f"source `{source}`: {reason}", source=source) from None
    if is_lazy(frame) and not (frame.implementation.is_polars() or is_relation(frame)):
        raise FieldError(
            "F107",
            f"source `{source}` is a lazy frame of {frame.implementation.name.title()}, which is not known "
            "to give the same figures",
            source=source,
            hint="collect it first, into Polars, pandas or PyArrow",
        )
    return frame  # type: ignore[no-any-return]


def is_lazy(frame: Frame) -> TypeGuard[nw.LazyFrame[Any]]:
    """Whether the frame has still to be computed."""
    import narwhals as nw

    return isinstance(frame, nw.LazyFrame)


def collected(frame: Frame) -> nw.DataFrame[Any]:
    """The frame, computed."""
    return frame.collect() if is_lazy(frame) else frame  # type: ignore[return-value]


def with_zones_read(frame: Frame, columns: Collection[str]) -> Frame:
    """The frame with timestamps in UTC where narwhals 2.29 does not know their type.

    So it is in pandas with a zone whose name has more than letters and a slash: America/New_York.
    """
    import narwhals as nw

    if not frame.implementation.is_pandas_like():
        return frame
    schema = frame.collect_schema()
    native: Any = frame.to_native()
    unread = [name for name in columns if schema[name] == nw.Unknown and hasattr(native[name].dtype, "tz")]
    if not unread:
        return frame
    return nw.from_native(native.assign(**{name: native[name].dt.tz_convert("UTC") for name in unread}))  # type: ignore[no-any-return]


def numbered(frame: Frame) -> Frame:
    """The frame with the position of each row as `@row`."""
    import narwhals as nw

    if ROW in frame.collect_schema().names():
        return frame
    if not is_lazy(frame):
        return frame.with_row_index(ROW)  # type: ignore[call-arg]
    if frame.implementation.is_polars():
        # narwhals asks for an order here, since not every lazy engine has one; Polars does.
        return nw.from_native(frame.to_native().with_row_index(ROW))  # type: ignore[no-any-return]
    if is_relation(frame):
        # The order in which a table or file is read. Two readings of one relation may differ in it: a frame
        # in which rows are found again has to be pulled first.
        native: Any = frame.to_native()
        return nw.from_native(native.project(f'*, row_number() over () - 1 as "{ROW}"'))  # type: ignore[no-any-return]
    raise no_order()


def no_order() -> FieldError:
    """The error for an engine that gives rows in any order."""
    return FieldError(
        "F107",
        "this engine has no order of rows",
        hint="collect the frame first: `.pl()` or `.arrow()` of a DuckDB relation",
    )


def is_relation(frame: Frame) -> TypeGuard[nw.LazyFrame[Any]]:
    """Whether the frame is one of DuckDB: lazy, calls no Python, and has no order of rows."""
    return frame.implementation.is_duckdb()


def pulled(frame: Frame) -> Frame:
    """The frame where Python can look at it: a relation of DuckDB is fetched, others stay as they are."""
    import narwhals as nw

    if not is_relation(frame):
        return frame
    polars = installed("polars")
    return frame.collect(nw.Implementation.POLARS if polars else nw.Implementation.PYARROW)


def installed(name: str) -> bool:
    """Whether an optional library is there, without loading it."""
    return name in sys.modules or importlib.util.find_spec(name) is not None


def beside(host: Frame, derived: Frame) -> Frame:
    """The rows of `host` that `derived` has, with its columns, in their order and with their index.

    Both have `@row`, in `derived` as a float.
    """
    import narwhals as nw

    if is_lazy(host):
        numbers = nw.col(ROW).cast(nw.Float64)
        return host.with_columns(numbers).join(derived, on=ROW, how="inner").sort(ROW)  # type: ignore[arg-type]
    computed = collected(derived).sort(ROW)
    if len(computed) < len(host):  # type: ignore[arg-type]
        host = host.filter(nw.col(ROW).cast(nw.Float64).is_in(computed[ROW].to_list()))
    return host.with_columns(*(computed[name] for name in computed.columns if name != ROW))


def deferred(frame: Frame) -> object:
    """The host's frame again, lazily where that makes it faster."""
    return (frame.lazy() if frame.implementation.is_polars() else frame).to_native()


def first_true(frame: Frame, conditions: Sequence[nw.Expr]) -> NDArray[np.int64]:
    """For each row the position of the first condition that is true, or how many there are."""
    import narwhals as nw
    import numpy as np

    if frame.implementation.is_polars():
        position = nw.lit(len(conditions), nw.Int32)
        for at in range(len(conditions) - 1, -1, -1):
            position = nw.when(conditions[at]).then(nw.lit(at, nw.Int32)).otherwise(position)
        # A literal by itself would be one row long.
        rows = position if conditions else nw.all().is_null()
        return collected(frame.select(rows.alias("@at")))["@at"].to_numpy().astype(np.int64)
    names = [f"@{at}" for at in range(len(conditions))]
    found = collected(
        frame.select(
            *(each.fill_null(value=False).alias(name) for name, each in zip(names, conditions, strict=True))
        )
    )
    tests = [found[name].to_numpy().astype(bool) for name in names]
    return np.select(tests, [*range(len(tests))], len(tests))


def with_chosen(frame: Frame, values: Mapping[str, Sequence[Any]], positions: NDArray[np.int64]) -> Frame:
    """The computed frame with further columns: for each row the value at its position."""
    import narwhals as nw

    columns = []
    for name, listed in values.items():
        dtype = nw.String() if isinstance(listed[0], str) else nw.Float64()
        column = nw.new_series(name, listed, dtype, backend=frame.implementation)[positions]
        if frame.implementation.is_pandas_like():
            native: Any = column.to_native()
            column = nw.from_native(native.set_axis(frame.to_native().index), series_only=True)
        columns.append(column)
    return frame.with_columns(*columns)


def joined(
    frame: Frame, other: Frame, left_on: str, right_on: str, how: Literal["left", "semi"] = "left"
) -> Frame:
    """The bound frame beside which, or of which, those rows stand whose key is in the other one."""
    import narwhals as nw

    names = frame.collect_schema()
    if frame.implementation.is_pyarrow() and names[left_on] == nw.String:
        # PyArrow has two types of text, and joins no two columns of different ones.
        frame = frame.with_columns(nw.col(left_on).cast(nw.String))
        other = other.with_columns(nw.col(right_on).cast(nw.String))
    return frame.join(other, left_on=left_on, right_on=right_on, how=how)  # type: ignore[arg-type]


def columns_of(frame: Frame) -> dict[str, list[object]]:
    """The columns as lists of Python values, with None for whatever the engine calls missing."""
    taken = collected(frame)
    # By position: pandas may call its columns by numbers, which `taken[…]` takes for rows.
    values = ([plain(value) for value in column.to_list()] for column in taken.iter_columns())
    return dict(zip(taken.columns, values, strict=True))


def rows_of(frame: Frame) -> list[dict[str, object]]:
    """The rows as dicts of Python values."""
    columns = columns_of(frame)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: object) -> object:
    """A value with NaN, NaT and NA turned into None."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    exact = type(value)
    if exact.__module__ == "numpy" and hasattr(exact, "item") and exact.__name__ != "datetime64":
        value = value.item()  # type: ignore[attr-defined]
    elif exact.__name__ == "Timestamp" and exact.__module__.startswith("pandas"):
        value = value.to_pydatetime(warn=False)  # type: ignore[attr-defined]
    return None if type(value) is float and value != value else value


def unique(frame: Frame, column: str) -> list[object]:
    """The different values of a column, missing ones left out."""
    import narwhals as nw

    values = collected(frame.select(nw.col(column)).unique())[column].to_list()
    return [value for value in map(plain, values) if value is not None]


def codes(column: nw.Series[Any]) -> NDArray[np.int64]:
    """The same number for the same text, by what each engine has for it; missing ones have any number."""
    import numpy as np

    native: Any = column.to_native()
    if column.implementation.is_pandas_like():
        found = native.factorize()[0]
    elif column.implementation.is_polars():
        import polars as pl

        found = native.cast(pl.Categorical).to_physical().fill_null(0).to_numpy()
    else:
        found = (
            native.combine_chunks().dictionary_encode().indices.fill_null(0).to_numpy(zero_copy_only=False)
        )
    return np.asarray(found, dtype=np.int64)


def mapped(column: nw.Expr, values: Mapping[Any, float | str], *, text: bool) -> nw.Expr:
    """Each value replaced by what it is mapped to; the others become missing."""
    import narwhals as nw

    dtype = nw.String if text else nw.Float64
    if not values:
        # A literal by itself would be one row long.
        return nw.when(column.is_null()).then(nw.lit(None, dtype))
    return column.replace_strict([*values], [*values.values()], default=None, return_dtype=dtype)


def looked_up(
    frame: Frame,
    place: nw.Expr,
    find: Callable[[NDArray[np.float64]], NDArray[np.int32]],
    columns: Mapping[str, Sequence[float | str | None]],
    texts: Collection[str],
) -> Frame:
    """The frame with further columns: of each list, the entry that `find` gives for the row's `place`.

    texts: the columns of text, all others are of numbers. A missing place comes to `find` as NaN.
    Raises FieldError (F107) for a lazy engine that calls no Python.
    """
    import narwhals as nw
    import numpy as np

    backend = frame.implementation
    series = {
        name: nw.new_series(name, [*values], nw.String() if name in texts else nw.Float64(), backend=backend)
        for name, values in columns.items()
        if not is_lazy(frame) or backend.is_polars()
    }
    if backend.is_polars():
        import polars as pl

        # By itself, since narwhals has no function of a lazy column.
        found = pl.col(PLACE).map_batches(
            lambda values: pl.Series(find(values.to_numpy())), return_dtype=pl.Int32, is_elementwise=True
        )
        native: Any = frame.with_columns(place.alias(PLACE)).to_native().with_columns(found)
        picked = [pl.lit(each.to_native()).gather(pl.col(PLACE)).alias(name) for name, each in series.items()]
        return nw.from_native(native.with_columns(*picked).drop(PLACE))  # type: ignore[no-any-return]
    if is_lazy(frame):
        raise FieldError(
            "F107",
            "this engine looks up no dated facts",
            hint="collect the frame, or use Polars or DuckDB's Arrow",
        )
    places = frame.select(place.alias(PLACE))[PLACE]
    at = find(np.asarray(places.cast(nw.Float64).to_numpy(), dtype=np.float64))
    return frame.with_columns(*(each[at].alias(name) for name, each in series.items()))


def computed(
    frame: Frame, column: nw.Expr, function: Callable[[NDArray[np.float64]], NDArray[np.float64]], name: str
) -> Frame:
    """The frame with a further column of numbers: what a function of arrays makes of one, NaN is missing.

    Raises FieldError (F107) for a lazy engine that calls no Python.
    """
    import narwhals as nw
    import numpy as np

    backend = frame.implementation
    if backend.is_polars():
        import polars as pl

        # By itself, since narwhals has no function of a lazy column.
        found = pl.col(PLACE).map_batches(
            lambda values: pl.Series(function(values.to_numpy()), dtype=pl.Float64),
            return_dtype=pl.Float64,
            is_elementwise=True,
        )
        native: Any = frame.with_columns(column.alias(PLACE)).to_native()
        return nw.from_native(native.with_columns(found.fill_nan(None).alias(name)).drop(PLACE))  # type: ignore[no-any-return]
    if is_lazy(frame):
        raise FieldError(
            "F107",
            "this engine finds no weeks, semi-months or listed periods",
            hint="collect the frame, or use Polars or DuckDB's Arrow",
        )
    values = frame.select(column.cast(nw.Float64).alias(PLACE))[PLACE]
    given = np.asarray(values.to_numpy(), dtype=np.float64)
    series = nw.new_series(name, function(given), nw.Float64(), backend=backend)
    if backend.is_pandas_like():
        host: Any = frame.to_native()
        series = nw.from_native(series.to_native().set_axis(host.index), series_only=True)
    return frame.with_columns(series).with_columns(nw.col(name).fill_nan(None))


def numbers(column: nw.Expr) -> nw.Expr:
    """A column of any numeric type as float64 in which NaN is missing."""
    import narwhals as nw

    return column.cast(nw.Float64).fill_nan(None)


def decimals(column: nw.Expr) -> nw.Expr:
    """A column of decimals as the nearest float64.

    By way of text: PyArrow 26 casts the decimal 7.39 to 7.390000000000001.
    """
    import narwhals as nw

    return column.cast(nw.String).cast(nw.Float64)


def half_even(column: nw.Expr) -> nw.Expr:
    """Rounded to whole numbers, halves to the even one; `round` takes PyArrow's halves up."""
    import narwhals as nw

    low = column.floor()
    rest = column - low
    odd = low - (low * 0.5).floor() * 2.0
    up = (rest > 0.5) | ((rest >= 0.5) & (odd > 0.0))
    return low + nw.when(up).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def over(column: nw.Expr, constant: float) -> nw.Expr:
    """The column divided by a constant, correctly rounded.

    Polars divides by a constant as it multiplies by the reciprocal, and 35 / 100 is then not 0.35.
    """
    return column / (column * 0.0 + constant)


def floored(column: nw.Expr, constant: float) -> nw.Expr:
    """How often a constant goes into a column of whole numbers; half a unit keeps clear of the edges."""
    return ((column + 0.5) / constant).floor()


def by_record(
    columns: Sequence[nw.Expr], of_record: Callable[[Sequence[Any]], float | str | None], *, text: bool
) -> nw.Expr:
    """A column computed by a Python function of the values of each row, with None for what is missing.

    narwhals 2.29 has no function of rows: `map_batches` takes one column, and lazy engines refuse it, since
    it could depend on the order of rows. So the columns go in as a struct, and the node is said to be
    elementwise. Two columns or more need pyarrow on pandas, and two rows or more on PyArrow.
    """
    import narwhals as nw
    import numpy as np
    from narwhals._expression_parsing import ExprKind, ExprNode

    names = [str(place) for place in range(len(columns))]

    def of_batch(batch: Any) -> Any:
        rows = batch.to_list()
        given = (
            [[row] for row in rows] if len(names) == 1 else [[row[name] for name in names] for row in rows]
        )
        polars = type(batch).__module__.startswith("polars")
        try:
            found = [of_record([plain(value) for value in row]) for row in given]
        except CrmRulesError as error:
            if polars:
                raise _made_anew(error) from error
            raise
        if polars:
            import polars as pl

            return pl.Series("", found, dtype=pl.String if text else pl.Float64)
        return np.array(found, dtype=object if text else np.float64)

    together = (
        columns[0]
        if len(names) == 1
        else nw.struct(*(column.alias(name) for column, name in zip(columns, names, strict=True)))
    )
    dtype = nw.String() if text else nw.Float64()
    node = ExprNode(
        ExprKind.ELEMENTWISE, "map_batches", function=of_batch, return_dtype=dtype, returns_scalar=False
    )
    result = together._append_node(node)
    return result if text else result.fill_nan(None)


def _made_anew(error: CrmRulesError) -> CrmRulesError:
    """The error for Polars, which throws it away and makes one of the same class from its text: this class
    then gives the error itself."""

    def given(cls: type[CrmRulesError], *text: str) -> CrmRulesError:
        return error

    kind = type(error)
    again: CrmRulesError = BaseException.__new__(type(kind.__name__, (kind,), {"__new__": given}))
    again.__dict__.update(error.__dict__)
    return again


def days_of_dates(column: nw.Expr, frame: Frame) -> nw.Expr:
    """Days since 1970 of a column of dates: what Polars and Arrow hold, and what DuckDB's difference is."""
    import narwhals as nw

    number = column - nw.lit(dt.date(1970, 1, 1)) if is_relation(frame) else column.cast(nw.Int32)
    return number.cast(nw.Float64)


def days(column: nw.Expr, frame: Frame) -> nw.Expr:
    """Days since 1970 of a column of timestamps, rounded down."""
    import narwhals as nw

    if is_relation(frame):
        return days_of_dates(column.cast(nw.Date), frame)
    return floored(_milliseconds(column), MILLISECONDS_A_DAY)


def days_of_microseconds(column: nw.Expr) -> nw.Expr:
    """Days since 1970 of microseconds since 1970, rounded down."""
    return over(column, float(MICROSECONDS_A_DAY)).floor()


def has_time_of_day(column: nw.Expr, day: nw.Expr, frame: Frame) -> nw.Expr:
    """Whether a timestamp is not at midnight. day: its `days`."""
    import narwhals as nw

    if is_relation(frame):
        return column > column.cast(nw.Date).cast(nw.Datetime("us"))
    # Not `!=`: where a missing value is NaN, it differs from everything.
    return _milliseconds(column) > day * MILLISECONDS_A_DAY


def _milliseconds(column: nw.Expr) -> nw.Expr:
    """Whole milliseconds since 1970 of a column of dates or timestamps."""
    import narwhals as nw

    return column.dt.timestamp("ms").cast(nw.Float64)


def microseconds(column: nw.Expr, frame: Frame) -> nw.Expr:
    """Microseconds since 1970; exact up to 2^53, beyond which PyArrow would refuse to cast them."""
    import narwhals as nw

    if is_relation(frame):  # which has no function of timestamps for it
        return (column - nw.lit(dt.datetime(1970, 1, 1))).dt.total_microseconds().cast(nw.Float64)
    within = column.dt.microsecond().cast(nw.Float64)
    return _milliseconds(column) * 1000.0 + (within - floored(within, 1000.0) * 1000.0)


def months(column: nw.Expr) -> nw.Expr:
    """Months since January of year 0 of a column of dates or timestamps."""
    import narwhals as nw

    return column.dt.year().cast(nw.Float64) * 12.0 + column.dt.month().cast(nw.Float64) - 1.0


def months_of_days(column: nw.Expr) -> nw.Expr:
    """The same of a column of days since 1970, by the civil calendar.

    Source of the formula: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    """
    since = column + 719_468.0
    era = floored(since, 146_097.0)
    day = since - era * 146_097.0
    leaps = floored(day, 1460.0) - floored(day, 36_524.0) + floored(day, 146_096.0)
    year = floored(day - leaps, 365.0)
    of_year = day - (year * 365.0 + floored(year, 4.0) - floored(year, 100.0))
    month = floored(of_year * 5.0 + 2.0, 153.0)
    return (year + era * 400.0) * 12.0 + month + 2.0


def like(data: object, columns: Mapping[str, Sequence[object]], dtypes: Mapping[str, str]) -> object:
    """A frame of the same engine as `data` (pandas where that is records), from lists and arrays.

    dtypes: `text`, `number`, `integer`, `date`, `datetime` or `bool` for each column. In numbers and
    integers NaN is missing.
    """
    import narwhals as nw

    if not is_frame(data):
        backend: Any = nw.Implementation.PANDAS
    else:
        backend = nw.from_native(data).implementation  # type: ignore[call-overload]
    if backend.is_pandas_like():
        import pandas as pd

        kinds = {"text": "str", "number": "float64", "integer": "Int64"}
        return pd.DataFrame(
            {name: pd.Series(values, dtype=kinds.get(dtypes[name])) for name, values in columns.items()}
        )
    # By each engine itself: narwhals takes as long for thirty columns as the rest of a card.
    build = _polars_column if backend is nw.Implementation.POLARS else _arrow_column
    made: Any = {name: build(values, dtypes[name]) for name, values in columns.items()}
    if backend is nw.Implementation.POLARS:
        import polars as pl

        return pl.DataFrame(made)
    import pyarrow as pa

    return pa.table(made)


def _polars_column(values: Sequence[object], dtype: str) -> pl.Series:
    import numpy as np
    import polars as pl

    if dtype in ("number", "integer"):
        numbers = pl.Series(np.asarray(values, dtype=np.float64), nan_to_null=True)
        return numbers if dtype == "number" else numbers.cast(pl.Int64)
    known: dict[str, Any] = {"text": pl.String, "date": pl.Date, "datetime": pl.Datetime("us")}
    return pl.Series(values, dtype=known.get(dtype, pl.Boolean))


def _arrow_column(values: Sequence[object], dtype: str) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    if dtype in ("number", "integer"):
        numbers = pa.array(np.asarray(values, dtype=np.float64), from_pandas=True)
        return numbers if dtype == "number" else numbers.cast(pa.int64())
    known = {"text": pa.string(), "date": pa.date32(), "datetime": pa.timestamp("us")}
    return pa.array(values, known.get(dtype, pa.bool_()))
