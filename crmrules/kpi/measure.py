"""Measures: aggregates of credited records, for each subject and period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never, final

from pydantic import BaseModel

from crmrules import money
from crmrules.expr import tree
from crmrules.expr.check import Checked
from crmrules.fields import Frozen
from crmrules.types import Scalar, Type

Operation = Literal["sum", "total", "count", "min", "max", "distinct"]


@final
class Measure(BaseModel):
    """A named aggregate of the records that a policy credits.

    value: an expression with aggregates, such as `sum(amount, where=order_type == 'repeat')`.
    `sum` adds what is credited, amount x credit; all other aggregates look at the records that have any
    credit, each of them whole. policy: whose records; without one, all records of `source` count wholly.
    """

    model_config = Frozen

    value: str
    policy: str | None = None
    source: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Slot:
    """One elementary sum, count or extreme that every engine can compute.

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

    def value(self, slots: Mapping[Slot, Scalar]) -> Scalar:
        """The aggregate's value from the values of its slots."""
        numbers = [slots[slot] for slot in self.slots]
        first = numbers[0]
        match self.aggregate.function:
            case "mean":
                count = numbers[1]
                assert isinstance(count, float)
                if count == 0.0:
                    return None
                digits = self.argument_type.digits if self.argument_type else 0
                assert isinstance(first, float | int)
                return (first / 10**digits if digits else float(first)) / count
            case "min" | "max":
                return first if numbers[1] else None
        return first

    @property
    def empty(self) -> Scalar:
        """The value over no records."""
        return self.value(dict.fromkeys(self.slots, 0 if self.type.kind == "money" else 0.0))


def aggregated(checked: Checked, aggregate: tree.Aggregate) -> Aggregated:
    """The slots of one aggregate of a checked expression."""
    argument, where = aggregate.argument, aggregate.where
    operations: tuple[Operation, ...]
    match aggregate.function:
        case "sum" | "count":
            operations = (aggregate.function,)
        case "mean":
            operations = ("total", "count")
        case "min" | "max":
            operations = (aggregate.function, "count")
        case "nunique":
            operations = ("distinct",)
        case _:
            raise AssertionError(f"no slots for {aggregate.function}")
    slots = tuple(Slot(operation, argument, where) for operation in operations)
    argument_type = checked.type_of(argument) if argument is not None else None
    return Aggregated(aggregate, slots, checked.type_of(aggregate), argument_type)


def part(checked: Checked, node: tree.Node) -> Checked:
    """A part of a checked expression about single records, by itself."""
    names = tree.names(node)
    return Checked(node, checked.text, checked.types, checked.operands, names, checked.schema, checked.cost)


@final
class Tally:
    """The slots of one subject and period, record by record, in plain Python."""

    __slots__ = ("seen", "values")

    def __init__(self, slots: int) -> None:
        self.values: list[Scalar] = [None] * slots
        self.seen: dict[int, set[Scalar]] = {}

    def add(self, position: int, operation: Operation, value: Scalar, credit: float) -> None:
        """Take one record's value in; the caller has seen to it that the record is meant."""
        before = self.values[position]
        match operation:
            case "count":
                self.values[position] = (before or 0.0) + 1.0  # type: ignore[operator]
            case "sum" | "total":
                share = credit if operation == "sum" else 1.0
                if isinstance(value, int):
                    added: float | int = money.credited(value, share)
                else:
                    added = value * share  # type: ignore[operator]
                self.values[position] = added if before is None else before + added  # type: ignore[operator]
            case "min":
                self.values[position] = value if before is None else min(before, value)  # type: ignore[type-var]
            case "max":
                self.values[position] = value if before is None else max(before, value)  # type: ignore[type-var]
            case "distinct":
                self.seen.setdefault(position, set()).add(value)
                self.values[position] = float(len(self.seen[position]))
            case _:
                assert_never(operation)
