"""Measures: aggregates of credited records, for each subject and period."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

from pydantic import BaseModel

from crmrules import frames
from crmrules.expr import tree
from crmrules.expr.check import Checked
from crmrules.fields import Frozen
from crmrules.kpi.pulled import PulledOperation
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64] | NDArray[np.int64] | NDArray[Any]
    """A value for each group, as a bound frame carries it: numbers, money in whole units (whole numbers
    where they are sums), dates as days; NaN is missing."""

Credits = Literal["split", "overlay", "all"]
Operation = Literal["sum", "total", "count", "min", "max", "distinct"] | PulledOperation


@final
class Measure(BaseModel):
    """A named aggregate of the records that a policy credits.

    value: an expression with aggregates, such as `sum(amount, where=order_type == 'repeat')`.
    `sum` adds what is credited, amount x credit; all other aggregates look at the records that have any
    credit, each of them whole. policy: whose records; without one, all records of `source` count wholly.
    credits: `split` are those that share out the whole; `overlay` those beside it, for help; or `all`.
    """

    model_config = Frozen

    value: str
    policy: str | None = None
    source: str | None = None
    credits: Credits = "split"


@final
@dataclass(frozen=True, slots=True)
class Slot:
    """One elementary sum, count or extreme that every engine can compute, or one that is pulled.

    sum is of credited values, total of whole ones; distinct counts different values, missing ones apart.
    """

    operation: Operation
    argument: tree.Node | None
    where: tree.Node | None


@final
@dataclass(frozen=True, slots=True)
class Aggregated:
    """An aggregate as slots, and how its value follows from them."""

    aggregate: tree.Aggregate
    slots: tuple[Slot, ...]
    type: Type
    argument_type: Type | None

    def column(self, slots: Mapping[Slot, Column]) -> Column:
        """The aggregate's value for each group, from the values of its slots; NaN where there is none."""
        import numpy as np

        found = self._column(slots)
        # A sum that goes beyond the largest float is not known.
        return np.where(np.isfinite(found), found, np.nan) if found.dtype == np.float64 else found

    def _column(self, slots: Mapping[Slot, Column]) -> Column:
        import numpy as np

        numbers = [slots[slot] for slot in self.slots]
        first = numbers[0]
        if self.aggregate.function in ("median", "stddev") and self.argument_type:
            scaled: Column = first.astype(np.float64) / 10**self.argument_type.digits
            return scaled
        if len(numbers) == 1:
            return first
        if self.aggregate.function == "share":
            whole = numbers[1].astype(np.float64)
            shares: Column = np.divide(first, whole, out=np.full(len(whole), np.nan), where=whole != 0)
            return shares
        known = numbers[1] > 0
        if self.aggregate.function == "mean":
            digits = self.argument_type.digits if self.argument_type else 0
            total = first / 10**digits if digits else first.astype(np.float64)
            first = np.divide(total, numbers[1], out=np.full(len(total), np.nan), where=known)
        return np.where(known, first, np.nan)

    @property
    def empty(self) -> float:
        """The value over no records."""
        return 0.0 if self.aggregate.function in ("sum", "count", "nunique") else math.nan


def aggregated(checked: Checked, aggregate: tree.Aggregate) -> Aggregated:
    """The slots of one aggregate of a checked expression."""
    argument, where = aggregate.argument, aggregate.where
    operations: tuple[Operation, ...]
    match aggregate.function:
        case "sum" | "count" | "median" | "stddev" | "first" | "last":
            operations = (aggregate.function,)
        case "share":
            operations = ()
        case "mean":
            operations = ("total", "count")
        case "min" | "max":
            operations = (aggregate.function, "count")
        case "nunique":
            operations = ("distinct",)
        case _:
            raise AssertionError(f"no slots for {aggregate.function}")
    slots = tuple(Slot(operation, argument, where) for operation in operations)
    if aggregate.function == "share":
        slots = (Slot("sum", argument, where), Slot("sum", argument, None))
    argument_type = checked.type_of(argument) if argument is not None else None
    return Aggregated(aggregate, slots, checked.type_of(aggregate), argument_type)


def part(checked: Checked, node: tree.Node) -> Checked:
    """A part of a checked expression about single records, by itself."""
    names = tree.names(node)
    return Checked(node, checked.text, checked.types, checked.operands, names, checked.schema, checked.cost)


def delivered_column(column: Column, of: Type) -> list[Scalar]:
    """A column as expressions over records compute with it."""
    values: list[Any] = column.tolist()
    if column.dtype == "int64" and of.kind == "money":
        return values
    if of.kind in ("number", "duration"):
        return [None if value != value else value for value in values]
    return [frames.delivered(value, of) for value in values]
