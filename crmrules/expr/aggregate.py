"""An expression over many records as elementary aggregates and an expression over their results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

from crmrules.expr import tree


@final
@dataclass(frozen=True, slots=True)
class Lowered:
    """`outer` reads the aggregates as the names `@0`, `@1`, …; each aggregate is listed once."""

    aggregates: dict[str, tree.Aggregate]
    outer: tree.Node


def lower(node: tree.Node, known: dict[str, tree.Aggregate] | None = None) -> Lowered:
    """Pull the aggregates out; those that several expressions share (`known`) are computed once."""
    aggregates = {} if known is None else known
    names = {aggregate: name for name, aggregate in aggregates.items()}

    def outer(part: tree.Node) -> tree.Node:
        match part:
            case tree.Aggregate():
                name = names.setdefault(part, f"@{len(names)}")
                aggregates[name] = part
                return tree.Name(name, part.span)
            case tree.Negative(operand) | tree.Not(operand):
                return replace(part, operand=outer(operand))
            case tree.Arithmetic(_, left, right) | tree.Comparison(_, left, right):
                return replace(part, left=outer(left), right=outer(right))
            case tree.Membership(operand):
                return replace(part, operand=outer(operand))
            case tree.Logic(_, operands):
                return replace(part, operands=tuple(outer(operand) for operand in operands))
            case tree.Choice(condition, then, otherwise):
                return replace(part, condition=outer(condition), then=outer(then), otherwise=outer(otherwise))
            case tree.Call(_, arguments):
                return replace(part, arguments=tuple(outer(argument) for argument in arguments))
        return part

    lowered = outer(node)
    return Lowered(aggregates, lowered)
