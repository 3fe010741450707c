"""The host's table as a bound one: declared names, one shape on every engine, bad rows found first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

from crmrules import frames, money
from crmrules.errors import FieldError, shown
from crmrules.fields import BadRow, Field, Source, bind_record
from crmrules.plain import bound_plainly
from crmrules.route import through_polars
from crmrules.types import LARGEST_INTEGER, Scalar, Unfit

if TYPE_CHECKING:
    import narwhals as nw

MONTH = "@month"
"""Months since year 0 of the field with the role `date`."""

Records = Sequence[Mapping[str, object]]


@final
@dataclass(frozen=True, slots=True)
class BoundFrame:
    """A frame with a column for each needed field, and the rows that were set aside."""

    frame: frames.Frame
    quarantined: tuple[BadRow, ...]


@final
@dataclass(frozen=True, slots=True)
class BoundRecords:
    """Records with a value for each needed field, their ids and positions, and the rows set aside."""

    rows: list[dict[str, Scalar]]
    ids: list[object]
    positions: list[int]
    quarantined: tuple[BadRow, ...]


def is_records(data: object) -> bool:
    """Whether the data is a list of records rather than a frame."""
    return isinstance(data, list | tuple) or (
        not frames.is_frame(data)
        and isinstance(data, Iterable)
        and not isinstance(data, str | bytes | Mapping)
    )


def records_of(data: object) -> list[Mapping[str, object]]:
    """Data that `is_records` holds for, as a list, so that it can be gone through more than once."""
    assert isinstance(data, Iterable)
    return [*data]


def bind_records(
    source: Source, records: Iterable[Mapping[str, object]], needed: Iterable[str]
) -> BoundRecords:
    """Records, one dict each. Raises FieldError for a record that does not fit, or sets it aside."""
    names = _with_id(source, needed)
    records = [*records]
    id_field = source.role("id")
    if all(type(record) is dict for record in records):
        plain = bound_plainly(source, records, names)
        if plain is not None:
            places = [*range(len(records))]
            column = source.column(id_field) if id_field else ""
            named = [record.get(column, at) for at, record in enumerate(records)] if id_field else places
            return BoundRecords(plain, named, places, ())
    rows: list[dict[str, Scalar]] = []
    ids: list[object] = []
    positions: list[int] = []
    bad: list[BadRow] = []
    for position, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise FieldError(
                "F106",
                f"source `{source.name}`, row {position}: {shown(record)} is no record",
                hint="pass dicts",
            )
        row = record.get(source.column(id_field), position) if id_field else position
        try:
            bound = bind_record(source, record, row, names)
        except FieldError as error:
            if source.on_bad_row == "error" or error.code != "F104":
                raise
            bad.append(_set_aside(source, error, position, record))
            continue
        rows.append(bound)
        ids.append(row)
        positions.append(position)
    return BoundRecords(rows, ids, positions, tuple(bad))


def bind_table(source: Source, data: object, needed: Iterable[str]) -> BoundRecords:
    """A table that is small beside the records, a frame of any engine or records, read into records."""
    if is_records(data):
        return bind_records(source, records_of(data), needed)
    names = _with_id(source, needed)
    bound = bind_frame(source, data, names, numbered=True)
    rows: list[dict[str, Scalar]] = []
    positions: list[int] = []
    for values in frames.rows_of(bound.frame):
        positions.append(int(values.pop(frames.ROW)))  # type: ignore[call-overload]
        rows.append({name: frames.delivered(values[name], source.schema[name]) for name in names})  # type: ignore[arg-type]
    id_field = source.role("id")
    ids: list[object] = [row[id_field] for row in rows] if id_field else [*positions]
    return BoundRecords(rows, ids, positions, bound.quarantined)


def bind_frame(
    source: Source,
    data: object,
    needed: Iterable[str],
    *,
    month: bool = False,
    numbered: bool = False,
    in_sql: bool = False,
    figures: bool = False,
    coded: Collection[str] = (),
) -> BoundFrame:
    """A frame of any engine. Only the columns of the needed fields are looked at.

    month: with the month of the date as `@month`; numbered: with the position of each row as `@row`.
    in_sql: a relation of DuckDB stays one, where the columns are of the fields' types; otherwise the columns
    that are looked at are fetched. figures: no row goes back to the host, so that a large pandas frame may
    become one of Polars. coded: fields of text that are only compared with constants or grouped by, which
    pandas then holds as categories.

    Raises FieldError: F101 no such column, F104 a value that does not fit (unless set aside), F106 no frame.
    """
    frame = frames.wrap(data, source.name)
    names = [*dict.fromkeys(needed)]
    columns = frame.collect_schema().names()
    date = source.role("date") if month else None
    read = [*names, date] if date is not None else names
    if error := source.missing_columns(columns, read):
        raise error
    if taken := [name for name in columns if isinstance(name, str) and name.startswith("@")]:
        raise FieldError("F110", f"the frame has a column {shown(taken[0])}", hint="rename it: @ is reserved")
    if figures and (other := through_polars(frame, dict.fromkeys(map(source.column, read)))) is not None:
        binder = _Binder(source, frames.wrap(other.lazy(), source.name))
        selected = binder.selected(names, date, numbered=numbered)
        if not binder.finds_bad():  # which are shown, or set aside, as the host has them
            return BoundFrame(binder.frame.select(*selected), ())
    if frames.is_relation(frame) and (numbered or not in_sql or needs_python(source, read, frame)):
        frame = frames.pulled(
            frame.select(*dict.fromkeys(map(source.column, _with_id(source, read, columns))))
        )
    frame = frames.with_zones_read(frame, [*map(source.column, read)])
    binder = _Binder(source, frame, coded if frame.implementation.is_pandas() else ())
    selected = binder.selected(names, date, numbered=numbered)
    good, quarantined = binder.checked()
    return BoundFrame(good.select(*selected), quarantined)


def bind_unchecked(
    source: Source, frame: frames.Frame, names: Sequence[str], *, month: bool
) -> tuple[frames.Frame, frames.Frame | None]:
    """A lazy frame bound without looking at its values, of which none needs Python, and a row that tells
    whether some do not fit, None where all do. The arguments are those of `bind_frame`."""
    binder = _Binder(source, frame)
    names = [*dict.fromkeys(names)]
    selected = binder.selected(names, source.role("date") if month else None, numbered=False)
    return frame.select(*selected), binder.any_bad()


def needs_python(source: Source, names: Iterable[str], frame: frames.Frame) -> bool:
    """Whether some of the fields are in columns that only Python can read, value by value."""
    import narwhals as nw

    schema: Any = frame.collect_schema()
    relation = frames.is_relation(frame)
    for name in names:
        field, dtype = source.fields[name], schema[source.column(name)]
        if field.declared.kind == "text" and dtype in (nw.Categorical, nw.Enum):
            continue
        if field.takes_digits and dtype.is_integer():
            continue
        if not _is_native(field, dtype) or (relation and dtype == nw.Datetime and dtype.time_unit == "ns"):
            return True
        if field.declared.kind == "money" and dtype.is_decimal() and dtype.scale > field.declared.digits:
            return True
    return False


class Table(NamedTuple):
    """A table beside the records, with what it is declared as."""

    source: Source
    data: object


def declared_tables(
    sources: Mapping[str, Source], data: Mapping[str, object], needed: Iterable[str]
) -> dict[str, object]:
    """The needed tables, of those that there are, with what they are declared as."""
    return {
        name: Table(sources[name], data[name]) if name in sources else data[name]
        for name in needed
        if name in data
    }


def _with_id(source: Source, needed: Iterable[str], columns: Collection[object] | None = None) -> list[str]:
    id_field = source.role("id")
    known = id_field is not None and (columns is None or source.column(id_field) in columns)
    return [*dict.fromkeys([*([id_field] if id_field and known else []), *needed])]


def _is_native(field: Field, dtype: Any, zone: str | None = None) -> bool:
    """Whether the engine itself has the field's type, or one like it; zone: where local time is."""
    import narwhals as nw

    match field.declared.kind:
        case "text":
            return bool(dtype == nw.String)
        case "number" | "money":
            return bool(dtype.is_numeric() or dtype.is_decimal())
        case "date":
            return bool(dtype == nw.Date or (dtype == nw.Datetime and dtype.time_zone is None))
        case "datetime":
            return bool(dtype == nw.Datetime and (zone is not None or _is_local(field, dtype)))
    return bool(dtype == nw.Boolean)


def _is_local(field: Field, dtype: Any) -> bool:
    """Whether a column of timestamps shows local time."""
    return dtype.time_zone is None and field.clock == "local"


def _set_aside(source: Source, error: FieldError, position: int, record: Mapping[str, object]) -> BadRow:
    return BadRow(
        source=source.name,
        position=position,
        row=error.row,
        field=error.field,
        value=error.value,
        reason=error.reason,
        record=dict(record),
    )


@final
class _Binder:
    def __init__(self, source: Source, frame: frames.Frame, coded: Collection[str] = ()) -> None:
        import narwhals as nw

        self.nw = nw
        self.source = source
        self.frame = frame
        self.coded = {name for name in coded if not source.fields[name].replace}
        self.schema: Any = frame.collect_schema()
        self.bad: dict[str, nw.Expr] = {}
        self.values: dict[str, nw.Expr] = {}
        self.lazy = frames.is_lazy(frame)

    def selected(self, names: Sequence[str], date: str | None, *, numbered: bool) -> list[nw.Expr]:
        """The columns of the fields, with the position of each row and the month of the date, if wanted."""
        columns = [self.column(name).alias(name) for name in names]
        if numbered:
            self.frame = frames.numbered(self.frame)
            columns.append(self.nw.col(frames.ROW).cast(self.nw.Float64))
        if date is not None:
            columns.append(self.month(date).alias(MONTH))
        return columns

    def column(self, name: str) -> nw.Expr:
        if name not in self.values:
            self.values[name] = self.bound(name)
        return self.values[name]

    def bound(self, name: str) -> nw.Expr:
        nw, field = self.nw, self.source.fields[name]
        host = self.source.column(name)
        column, dtype = nw.col(host), self.schema[host]
        kind = field.declared.kind
        if dtype in (nw.Categorical, nw.Enum):
            # pandas has categories of anything; only Python tells what each value is.
            text = not self.frame.implementation.is_pandas_like() or self.categories_are_text(host)
            if text and kind == "text" and name in self.coded:
                dtype = nw.String()
            else:
                column, dtype = (column.cast(nw.String), nw.String()) if text else (column, nw.Object())
        elif kind == "text" and dtype == nw.String and name in self.coded:
            column = column.cast(nw.Categorical)
        if field.takes_digits and dtype.is_integer():
            column, dtype = column.cast(nw.String), nw.String()
        if not _is_native(field, dtype, self.source.zone):
            value = self.converted(name, field, column, dtype)
        elif kind == "text":
            value = self.text(name, field, column)
        elif kind in ("number", "money"):
            value = self.number(name, field, column, dtype)
        elif kind == "date" and dtype == nw.Date:
            value = frames.days_of_dates(column, self.frame)
        elif kind == "date":
            value = self.kept(f"@days {name}", frames.days(column, self.frame))
            self.refuse(name, frames.has_time_of_day(column, value, self.frame))
        elif kind == "datetime":
            value = frames.microseconds(self.localized(field, column, dtype), self.frame)
            self.refuse(name, value.abs() > LARGEST_INTEGER // 1000 * 1000.0)
        else:
            value = column.cast(nw.Float64)
        if not field.declared.nullable:
            self.refuse(name, value.is_null())
        return value

    def kept(self, name: str, column: nw.Expr) -> nw.Expr:
        """A column that is read more than once: pandas would compute it each time."""
        if not self.frame.implementation.is_pandas_like():
            return column
        self.frame = self.frame.with_columns(column.alias(name))
        return self.nw.col(name)

    def localized(self, field: Field, column: nw.Expr, dtype: Any) -> nw.Expr:
        """Timestamps as the clock of the source's zone shows them."""
        if _is_local(field, dtype):
            return column
        assert self.source.zone is not None
        known = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column
        return known.dt.convert_time_zone(self.source.zone).dt.replace_time_zone(None)

    def refuse(self, name: str, bad: nw.Expr) -> None:
        self.bad[name] = (self.bad[name] | bad) if name in self.bad else bad

    def text(self, name: str, field: Field, column: nw.Expr) -> nw.Expr:
        value = column
        for dirty, clean in field.replace.items():
            value = self.nw.when(column == dirty).then(self.nw.lit(clean)).otherwise(value)
        if field.one_of:
            self.refuse(name, ~value.is_in([*field.one_of]) & ~value.is_null())
        return value

    def categories_are_text(self, host: str) -> bool:
        return all(type(value) is str for value in frames.unique(self.frame, host))

    def number(self, name: str, field: Field, column: nw.Expr, dtype: Any) -> nw.Expr:
        if dtype in (self.nw.Int64, self.nw.UInt64, self.nw.Int128, self.nw.UInt128):
            # Before the cast, which takes 2^53 + 1 for 2^53, and which PyArrow refuses.
            # PyArrow compares unsigned integers with a plain literal as signed ones.
            large = column > self.nw.lit(LARGEST_INTEGER, dtype)
            if not dtype.is_unsigned_integer():
                large = large | (column < -LARGEST_INTEGER)
            self.refuse(name, large)
            if not self.frame.implementation.is_polars() and not self.nan_is_missing(name):
                column = self.nw.when(~large).then(column)
        if dtype.is_integer() or self.nan_is_missing(name):
            value = column.cast(self.nw.Float64)  # with no NaN to look for
        else:
            value = frames.decimals(column) if dtype.is_decimal() else frames.numbers(column)
        if field.declared.kind == "number":
            if not dtype.is_integer():
                self.refuse(name, value.abs() == float("inf"))
            return value
        if dtype.is_decimal() and getattr(dtype, "scale", money.MOST_DIGITS + 1) > field.declared.digits:
            return self.converted_objects(name, field)
        units = self.kept(f"@units {name}", value * float(10**field.declared.digits))
        exact = field.rounding == "error" or dtype.is_integer() or dtype.is_decimal()
        rounded = self.kept(f"@rounded {name}", units.round(0) if exact else frames.half_even(units))
        self.refuse(name, ~(rounded.abs() <= float(money.LARGEST)) & ~value.is_null())
        if field.rounding == "error" and dtype.is_float():
            self.refuse(name, (units - rounded).abs() > units.abs() * 2.0**-52 + money.FLOAT_SLACK)
        return rounded

    def nan_is_missing(self, name: str) -> bool:
        """Whether the column is one of numpy within pandas, which has no other missing value than NaN."""
        import numpy as np

        if not self.frame.implementation.is_pandas():
            return False
        native: Any = self.frame.to_native()
        return isinstance(native[self.source.column(name)].dtype, np.dtype)

    def converted(self, name: str, field: Field, column: nw.Expr, dtype: Any) -> nw.Expr:
        """By Python: what is text, or what the engine has no type for. Nothing else can fit."""
        nw, host = self.nw, self.source.column(name)
        if dtype.is_nested():
            raise FieldError(
                "F104",
                f"source `{self.source.name}`, column `{host}` holds {dtype}, expected {field.expectation}",
                source=self.source.name,
                field=name,
                column=host,
            )
        text = field.declared.kind == "text"
        if dtype == nw.Object:
            return self.converted_objects(name, field)
        if dtype != nw.String:
            known_column = frames.numbers(column) if dtype.is_float() else column
            self.refuse(name, ~known_column.is_null())
            return frames.mapped(column, {}, text=text)
        known: dict[Any, float | str] = {}
        unfit: list[Any] = []
        texts = self.frame.select(column.alias(host))
        for value in frames.unique(texts, host):
            try:
                carried = frames.carried(field.convert(value, self.source.local))
            except (Unfit, money.NotMoney):
                unfit.append(value)
                continue
            if carried is not None:
                known[value] = carried
        if unfit:
            self.refuse(name, column.is_in(unfit))
        return frames.mapped(column, known, text=text)

    def converted_objects(self, name: str, field: Field) -> nw.Expr:
        """One by one: objects need not be hashable, and their code is not called."""
        nw, host, text = self.nw, self.source.column(name), field.declared.kind == "text"
        frame = frames.collected(self.frame)
        values: list[float | str | None] = []
        unfit: list[bool] = []
        for value in frame[host].to_list():
            try:
                values.append(frames.carried(field.convert(frames.plain(value), self.source.local)))
                unfit.append(False)
            except (Unfit, money.NotMoney):
                values.append(None)
                unfit.append(True)
        dtype = nw.String() if text else nw.Float64()
        backend = frame.implementation
        column = nw.new_series(f"@{name}", values, dtype, backend=backend)
        frame = frame.with_columns(column)
        if any(unfit):
            frame = frame.with_columns(nw.new_series(f"@bad {name}", unfit, nw.Boolean(), backend=backend))
        self.frame = frame.lazy() if self.lazy else frame
        if any(unfit):
            self.refuse(name, nw.col(f"@bad {name}"))
        return nw.col(f"@{name}")

    def month(self, name: str) -> nw.Expr:
        host = self.source.column(name)
        dtype = self.schema[host]
        moments = dtype == self.nw.Datetime and _is_local(self.source.fields[name], dtype)
        if dtype == self.nw.Date or moments:
            self.column(name)  # for its checks
            return frames.months(self.nw.col(host))
        value = self.column(name)
        if self.source.fields[name].declared.kind == "datetime":
            value = frames.days_of_microseconds(value)
        return frames.months_of_days(value)

    def any_bad(self) -> frames.Frame | None:
        """A row that tells which fields have values that do not fit, None where all fit."""
        if not self.bad:
            return None
        flags = {f"@{position}": bad for position, bad in enumerate(self.bad.values())}
        return self.frame.select(*(bad.any().alias(flag) for flag, bad in flags.items()))

    def finds_bad(self) -> bool:
        """Whether some value does not fit."""
        counts = self.any_bad()
        return counts is not None and any(frames.rows_of(counts)[0].values())

    def checked(self) -> tuple[frames.Frame, tuple[BadRow, ...]]:
        """The frame without its bad rows. Raises FieldError at the first one, unless they are set aside."""
        nw = self.nw
        if not self.finds_bad():
            return self.frame, ()
        first = next(iter(self.bad.values()))
        flag = nw.when(first).then(1.0).otherwise(0.0)
        for bad in [*self.bad.values()][1:]:
            flag = flag + nw.when(bad).then(1.0).otherwise(0.0)
        frame = frames.numbered(self.frame).with_columns(flag.alias("@bad"))
        errors = [*map(self.explained, frames.rows_of(frame.filter(nw.col("@bad") > 0.0)))]
        if self.source.on_bad_row == "error":
            raise errors[0][0]
        quarantined = tuple(_set_aside(self.source, *each) for each in errors)
        return frame.filter(nw.col("@bad") == 0.0), quarantined

    def explained(self, record: dict[str, Any]) -> tuple[FieldError, int, dict[str, object]]:
        """The first bad value of a row that is known to have one, by the same conversion as a record's."""
        position = record.pop(frames.ROW)
        record = {column: value for column, value in record.items() if str(column)[:1] != "@"}
        id_field = self.source.role("id")
        row = record.get(self.source.column(id_field), position) if id_field else position
        for name in self.bad:
            value = record[self.source.column(name)]
            try:
                self.source.fields[name].convert(value, self.source.local)
            except (Unfit, money.NotMoney) as reason:
                return self.source.bad_value(name, value, row, reason), position, record
        raise AssertionError(f"row {row}: the frame and the record disagree about {record}")
