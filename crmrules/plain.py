"""Records of plain values bound column by column, which is much faster than value by value.

A column whose values all are of just the types that need no second look is taken or converted as a whole.
Where one is not, or does not fit, nothing is bound here: the careful way then tells which value, and why.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from crmrules import money
from crmrules.fields import Field, Source
from crmrules.types import LARGEST_INTEGER, Scalar, Unfit

NONE = type(None)
_AS_THEY_ARE: Mapping[str, frozenset[type]] = {
    "text": frozenset({str, NONE}),
    "bool": frozenset({bool, NONE}),
    "date": frozenset({dt.date, NONE}),
}
_AMOUNTS = frozenset({float, int, Decimal, NONE})
_NUMBERS = frozenset({float, int, NONE})


def bound_plainly(
    source: Source, records: Sequence[Mapping[str, object]], names: Sequence[str]
) -> list[dict[str, Scalar]] | None:
    """The needed fields of each record, under their names; None where the careful way has to be gone.

    Gives just what `bind_record` gives.
    """
    columns: list[list[Any]] = []
    for name in names:
        column = source.column(name)
        try:
            values = [record[column] for record in records]
        except (KeyError, TypeError, AttributeError):
            return None
        bound = _bound(source.fields[name], values)
        if bound is None:
            return None
        columns.append(bound)
    if not columns:
        return None
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _bound(field: Field, values: list[Any]) -> list[Any] | None:
    declared = field.declared
    found = {*map(type, values)}
    if field.replace or (NONE in found and not declared.nullable):
        return None
    kind = declared.kind
    if kind == "date" and found == {str} and not field.format:
        return _dates(values)
    if kind in _AS_THEY_ARE and found <= _AS_THEY_ARE[kind]:
        known = not field.one_of or {*values} <= {*field.one_of, None}
        return values if known else None
    if kind == "number" and found <= _NUMBERS:
        return _numbers(values, found)
    if kind == "money" and found <= {Decimal, NONE}:
        return money.scaled_decimals(values, declared.digits)
    if kind == "money" and found <= _AMOUNTS:
        amounts = _amounts(values, declared.digits, field.rounding)
        # NaN is missing, which a field that is declared `not null` refuses.
        return None if amounts is not None and None in amounts and not declared.nullable else amounts
    return None


def _numbers(values: list[Any], found: set[type]) -> list[float | None] | None:
    known = values if NONE not in found else [value for value in values if value is not None]
    if known and not (min(known) >= -LARGEST_INTEGER and max(known) <= LARGEST_INTEGER):
        return None
    if any(value != value for value in known):
        return None
    if found == {float}:
        return values
    return [None if value is None else float(value) for value in values]


def _dates(texts: list[str]) -> list[dt.date] | None:
    try:
        return [dt.date.fromisoformat(text) for text in texts]
    except ValueError:
        return None


def _amounts(values: list[Any], digits: int, rounding: money.Rounding) -> list[int | None] | None:
    try:
        return [
            None if value is None or value != value else money.scaled(value, digits, rounding=rounding)
            for value in values
        ]
    except (money.NotMoney, ArithmeticError, Unfit):
        return None
