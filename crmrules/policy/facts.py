"""Fields and values of records that say who did what about a customer, and when."""

from __future__ import annotations

import datetime as dt

from crmrules.types import Scalar


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


def counted(number: int, what: str) -> str:
    """A number of things, in words: 1 record, 2 records."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
