"""An expression over many records as elementary aggregates and an expression over their results."""

from __future__ import annotations

from dataclasses import dataclass
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
        if not isinstance(part, tree.Aggregate):
            return tree.rebuilt(part, outer)
        name = names.setdefault(part, f"@{len(names)}")
        aggregates[name] = part
        return tree.Name(name, part.span)

    lowered = outer(node)
    return Lowered(aggregates, lowered)
