"""Fields and values of records that say who did what about a customer, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from crmrules.errors import FieldError, did_you_mean
from crmrules.fields import Source
from crmrules.types import Kind, Scalar


def whole(value: object) -> object:
    """A whole number as such, so that a record's id looks on every engine as the host wrote it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def text_of(value: Scalar) -> str:
    """A key or a person as text; whole numbers as their digits."""
    return str(whole(value))


def day_of(moment: Scalar) -> dt.date:
    """The day of a date or of a time."""
    assert isinstance(moment, dt.date)
    return moment.date() if isinstance(moment, dt.datetime) else moment


def unfit(source: Source, name: str, kinds: Sequence[Kind]) -> FieldError | None:
    """The error for a field that a source lacks, or that is of none of the kinds, if any are said."""
    if name not in source.fields:
        hint = did_you_mean(name, source.fields)
        said = f"source `{source.name}` has no field `{name}`"
        return FieldError("F102", said, source=source.name, field=name, hint=hint)
    declared = source.schema[name]
    if not kinds or declared.kind in (*kinds, "null"):
        return None
    said = f"source `{source.name}`, field `{name}` is {declared}, expected {' or '.join(kinds)}"
    return FieldError("L101", said, source=source.name, field=name, hint=f"declare it as {kinds[0]}")


def counted(number: int, what: str) -> str:
    """A number of things, in words: 1 record, 2 records."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
