"""A source for data that comes without one: the fields as the frame or the values have them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal

from crmrules import binding, frames
from crmrules.errors import FieldError, did_you_mean
from crmrules.fields import Field, Source


def infer(records: object, needed: Iterable[str]) -> Source:
    """A source with the needed fields, typed as the data is.

    Text stays text: a date or an amount that is written as text has to be declared. A field without a
    single value goes with every type. Raises FieldError (F101) for a field that is not there.
    """
    needed = [*needed]
    if binding.is_records(records):
        listed: list[Mapping[str, object]] = binding.records_of(records)
        kinds = {name: _kind_of_values(row.get(name) for row in listed) for name in needed}
        present = [key for row in listed[:1] for key in row]
    else:
        kinds, present = _kinds_of_frame(records, needed)
    for name in needed:
        if name not in present:
            raise FieldError(
                "F101", f"the records have no field `{name}`", field=name, hint=did_you_mean(name, present)
            )
    fields = {name: Field(type=kinds[name]) for name in needed}
    return Source.model_construct(name="records", fields=fields, on_bad_row="error")


def _kind_of_values(values: Iterable[object]) -> str:
    for value in values:
        if frames.plain(value) is None:
            continue
        if isinstance(value, bool):
            return "bool"
        if isinstance(value, dt.datetime):
            return "datetime" if value.time() != dt.time() else "date"
        if isinstance(value, dt.date):
            return "date"
        if isinstance(value, Decimal):
            exponent = value.as_tuple().exponent
            return f"money({min(6, max(2, -exponent if isinstance(exponent, int) else 0))})"
        return "text" if isinstance(value, str) else "number"
    return "null"


def _kinds_of_frame(records: object, needed: list[str]) -> tuple[dict[str, str], list[str]]:
    import narwhals as nw

    frame = frames.wrap(records, "records")
    schema = frame.collect_schema()
    kinds: dict[str, str] = {}
    for name in needed:
        dtype = schema.get(name)
        if dtype is None:
            continue
        if dtype in (nw.Object, nw.Unknown) or _is_empty(frame, name, dtype):
            kinds[name] = _kind_of_values(frames.columns_of(frame.select(name))[name])
        elif dtype == nw.Boolean:
            kinds[name] = "bool"
        elif dtype == nw.Date:
            kinds[name] = "date"
        elif dtype == nw.Datetime:
            midnight = frame.select(
                nw.when(frames.has_time_of_day(nw.col(name), frames.days(nw.col(name), frame), frame))
                .then(1)
                .otherwise(0)
                .max()
                .alias("x")
            )
            kinds[name] = "datetime" if frames.rows_of(midnight)[0]["x"] else "date"
        elif dtype.is_decimal():
            kinds[name] = f"money({min(6, getattr(dtype, 'scale', 2))})"
        else:
            kinds[name] = "number" if dtype.is_numeric() else "text"
    return kinds, schema.names()


def _is_empty(frame: frames.Frame, name: str, dtype: object) -> bool:
    """Whether narwhals takes a column for text that is one of pandas' objects without a single value."""
    import narwhals as nw

    if dtype != nw.String or not frame.implementation.is_pandas_like():
        return False
    return bool(frames.collected(frame)[name].is_null().all())
