"""Functions that the host has registered: what they raise becomes an error of this library, what they give
is looked at before it is used, and without an implementation for columns they run record by record."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from crmrules.errors import CrmRulesError, ExpressionError, class_name, shown
from crmrules.expr import tree
from crmrules.expr.signature import Function
from crmrules.frames import by_record, carried, delivered
from crmrules.types import EXPECTED, Scalar, Type, Unfit, fit

if TYPE_CHECKING:
    import narwhals as nw


class PerRecordWarning(UserWarning):
    """A column is computed record by record, since a function has no implementation for columns."""


def callable_of(row: Function, node: tree.Call, found: Type, text: str) -> Callable[..., Scalar]:
    """The scalar implementation as interpretations call it: a host's is watched, at no cost to the others."""
    if not row.hosted:
        return row.scalar  # type: ignore[return-value]
    # Money comes as whole units, and leaves so; a duration is a number of days.
    kind = "number" if found.kind == "duration" else found.kind

    def refuse(message: str, reason: Exception | None = None) -> ExpressionError:
        error = ExpressionError("E109", message, text=text, span=node.span, hint="mend the host's function")
        error.__cause__ = reason
        return error

    def watched(*values: object) -> Scalar:
        try:
            result = row.scalar(*values)
        except CrmRulesError:
            raise  # it says already what was wrong
        except Exception as reason:
            raise refuse(f"`{row.name}` raised {class_name(type(reason))}", reason) from reason
        if type(result) is float and not math.isfinite(result):
            result = None
        try:
            fitting = result if kind == "money" and type(result) is int else fit(result, kind)
        except (Unfit, ValueError):
            raise refuse(f"`{row.name}` gave {shown(result)}, expected {EXPECTED[kind]}") from None
        if fitting is None and not (row.partial or (row.nulls == "own" and found.nullable)):
            raise refuse(f"`{row.name}` gave nothing, and is not declared `partial`")
        return fitting

    return watched


def column_of(
    row: Function,
    call: Callable[..., Scalar],
    arguments: Sequence[nw.Expr | float | str | None],
    types: Sequence[Type],
    found: Type,
) -> nw.Expr:
    """A call as a column of a bound frame, computed record by record, which is said by a warning.

    arguments: columns, and plain values for what is the same in every record, as bound frames hold them.
    """
    warnings.warn(
        f"`{row.name}` has no implementation for columns and is computed record by record",
        PerRecordWarning,
        stacklevel=2,
    )
    columns = {
        place: each for place, each in enumerate(arguments) if not isinstance(each, float | str | None)
    }
    constants = [each if isinstance(each, float | str) else None for each in arguments]

    def of_record(given: Sequence[float | str | None]) -> float | str | None:
        values = [*constants]
        for place, value in zip(columns, given, strict=True):
            values[place] = value
        plain = [delivered(each, of) for each, of in zip(values, types, strict=True)]
        if row.nulls == "propagate" and None in plain:
            return None
        return carried(call(*plain))

    return by_record([*columns.values()], of_record, text=found.kind == "text")
