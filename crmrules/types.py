"""The types of fields and expressions, and the one place that knows which Python value fits which type."""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import ModuleType
from typing import Literal, final

from crmrules import money
from crmrules.errors import CrmRulesError, did_you_mean, shown

Kind = Literal["text", "number", "money", "date", "datetime", "bool", "duration", "null"]
Scalar = str | float | int | bool | dt.date | dt.datetime | None

DECLARABLE = ("text", "number", "money(2)", "date", "datetime", "bool")
LARGEST_INTEGER = 2**53
SHORTEST_TIME = dt.time(microsecond=1000)
LAST_MOMENT = dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=LARGEST_INTEGER // 1000)
FIRST_MOMENT = dt.datetime(1970, 1, 1) - dt.timedelta(milliseconds=LARGEST_INTEGER // 1000)

_TYPE = re.compile(r"(?P<kind>[a-z]+)(?:\((?P<digits>[0-9]{1,2})\))?(?P<required>\s+not\s+null)?\Z")


@final
@dataclass(frozen=True, slots=True)
class Type:
    """What a field or an expression holds.

    digits: decimals of money; nullable: whether a value may be missing; values: what an enumerated
    text field may hold, empty for any text.

    >>> Type.parse("money(2) not null")
    Type(kind='money', digits=2, nullable=False, values=())
    """

    kind: Kind
    digits: int = 0
    nullable: bool = True
    values: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Type:
        """The type that a declaration such as `number`, `money(2)` or `date not null` names.

        Raises CrmRulesError (F001) for anything else.
        """
        found = _TYPE.match(text.strip()) if type(text) is str else None
        kind = found["kind"] if found else ""
        digits = int(found["digits"]) if found and found["digits"] else None
        known = kind in ("text", "number", "date", "datetime", "bool", "null") and digits is None
        if known or (kind == "money" and digits is not None and digits <= money.MOST_DIGITS):
            assert found
            return cls(kind, digits or 0, nullable=not found["required"])  # type: ignore[arg-type]
        if kind == "money":
            hint = f"say how many decimals the money has, 0 to {money.MOST_DIGITS}: money(2)"
        else:
            hint = did_you_mean(text if type(text) is str else "", DECLARABLE)
        raise CrmRulesError("F001", f"{shown(text)} is not a type of field", hint=hint)

    def required(self) -> Type:
        """The same type without missing values."""
        return replace(self, nullable=False)

    def optional(self) -> Type:
        """The same type, of which a value may be missing."""
        return replace(self, nullable=True)

    def __str__(self) -> str:
        return f"money({self.digits})" if self.kind == "money" else self.kind


TEXT, NUMBER, BOOL = Type("text"), Type("number"), Type("bool")
DATE, DATETIME, DURATION, NULL = Type("date"), Type("datetime"), Type("duration"), Type("null")


class Unfit(ValueError):
    """A value does not fit a type; `str()` says why, without the place."""


def fit(value: object, kind: Kind, digits: int = 0, *, rounding: money.Rounding = "error") -> Scalar:
    """The value as expressions compute with it, if it is of that type; None and NaN are missing.

    Numbers become floats, money a scaled integer, timestamps keep their clock time. Raises Unfit.
    Nothing of a stranger's class is called: what is not a plain Python, numpy or pandas value is unfit.
    """
    if value is None:
        return None
    exact = type(value)
    if id(exact) not in _PLAIN:
        value = unwrapped(value)
        exact = type(value)
    if value is None or (exact is float and value != value):
        return None
    match kind:
        case "text" if exact is str:
            return value  # type: ignore[return-value]
        case "bool" if exact is bool:
            return value  # type: ignore[return-value]
        case "number" if exact in _NUMBERS:
            return _number(value)  # type: ignore[arg-type]
        case "money" if exact in _NUMBERS:
            return money.scaled(value, digits, rounding=rounding)  # type: ignore[arg-type]
        case "date" if exact is dt.date:
            return value  # type: ignore[return-value]
        case "date" if exact is dt.datetime:
            if value.time() >= SHORTEST_TIME:  # type: ignore[attr-defined]
                raise Unfit("it has a time of day; declare the field as datetime")
            return value.date()  # type: ignore[attr-defined, no-any-return]
        case "datetime" if exact is dt.datetime:
            if value.tzinfo is not None:  # type: ignore[attr-defined]
                raise Unfit("it carries a time zone; pass the local clock time without one")
            if not FIRST_MOMENT <= value <= LAST_MOMENT:  # type: ignore[operator]
                raise Unfit("times are carried in microseconds, which reach from 1684 to 2255")
            return value  # type: ignore[return-value]
        case _:
            raise Unfit(f"expected {EXPECTED[kind]}")


EXPECTED: Mapping[str, str] = {
    "text": "text",
    "number": "a number",
    "money": "an amount of money",
    "date": "a date",
    "datetime": "a date with a time",
    "bool": "true or false",
    "null": "no value",
}
_NUMBERS = frozenset({int, float, Decimal})
_PLAIN = frozenset(map(id, (str, int, float, bool, Decimal, dt.date, dt.datetime)))
"""By `id`: to compare or hash a stranger's class would call what its metaclass says of that."""


def unwrapped(value: object) -> object:
    """A numpy or pandas scalar as the Python value it stands for; anything else is refused.

    The classes are compared themselves: a stranger's class can call itself what it likes.
    """
    exact = type(value)
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and issubclass(exact, numpy.generic):
        if issubclass(exact, numpy.timedelta64):
            raise Unfit("it is a length of time")
        moment = issubclass(exact, numpy.datetime64)
        value = _moment(value, numpy) if moment else numpy.generic.item(value)
    elif pandas is not None and (value is pandas.NaT or value is pandas.NA):
        return None
    elif pandas is not None and exact is pandas.Timestamp:
        value = value.to_pydatetime(warn=False)  # type: ignore[attr-defined]
    if value is not None and id(type(value)) not in _PLAIN:
        raise Unfit("it is not a plain value")
    return value


def _moment(value: object, numpy: ModuleType) -> object:
    """A timestamp of numpy, which by itself is an integer where its unit is the nanosecond."""
    moment = numpy.generic.item(numpy.generic.astype(value, "datetime64[us]"))
    if type(moment) is int:
        raise Unfit("it is beyond the years 1 to 9999")
    return moment


def _number(value: int | float | Decimal) -> float:
    if isinstance(value, int) and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        raise Unfit("whole numbers beyond 2^53 lose digits; declare the field as text")
    if type(value) is Decimal and value.is_snan():
        raise Unfit("it is not a number")
    number = float(value)
    if number != number:
        raise Unfit("it is not a number")
    if math.isinf(number):
        raise Unfit("it is not finite")
    return number
