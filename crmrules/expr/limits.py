"""Limits that a host sets tighter than the language's own, for all that is parsed and checked within a block.

The language's own limits keep Python's parser and the stack safe, and are no choice. These are policy: what a
host lets its tenants write. They are kept for the present context, so that a rulebook is loaded under them
without any of its parts having to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import final

from crmrules.errors import ExpressionError
from crmrules.expr import tree


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that each expression may have.

    characters: of its text. parts and depth: of its tree, where a list counts as one part. listed: values of
    a list. literal: characters of a constant text. integer: the size of a constant number. cost: steps a
    record. The defaults are the language's own limits; a larger one changes nothing.
    """

    characters: int = 4_096
    parts: int = 400
    depth: int = 40
    listed: int = 1_000
    literal: int = 256
    integer: float = 2.0**1023
    cost: int = 2_000

    def refuse_beyond(self, text: str, node: tree.Node) -> None:
        """Raise ExpressionError (E001) for the first part of a parsed text that is beyond a limit."""
        if len(text) > self.characters:
            _refuse(text, node, f"the expression has {len(text):,} characters", self.characters)
        for parts, (part, depth) in enumerate(_levels(node, 1), start=1):
            if parts > self.parts:
                _refuse(text, part, "the expression has too many parts", self.parts)
            if depth > self.depth:
                _refuse(text, part, "the expression is nested too deep", self.depth)
            if isinstance(part, tree.Membership) and len(part.values) > self.listed:
                _refuse(text, part, f"a list of {len(part.values):,} values", self.listed)
            for constant in _constants(part):
                value = constant.value
                if isinstance(value, str) and len(value) > self.literal:
                    _refuse(text, constant, f"a text of {len(value)} characters", self.literal)
                if type(value) is float and abs(value) > self.integer:
                    _refuse(text, constant, "the number is too large", self.integer)


_CURRENT: ContextVar[Limits | None] = ContextVar("limits of expressions", default=None)


def current() -> Limits | None:
    """The limits of the present context, None for the language's own."""
    return _CURRENT.get()


@contextmanager
def limited(limits: Limits) -> Iterator[Limits]:
    """All expressions that are parsed in the block, those of a rulebook too, keep to these limits.

    >>> from crmrules.expr import Expression, ExpressionError, Limits, limited
    >>> with limited(Limits(parts=20, cost=100)):
    ...     expression = Expression.parse("amount / target", {"amount": "number", "target": "number"})
    """
    token = _CURRENT.set(limits)
    try:
        yield limits
    finally:
        _CURRENT.reset(token)


def _levels(node: tree.Node, depth: int) -> Iterator[tuple[tree.Node, int]]:
    """The node and all below it with their depth, the values of lists left out."""
    yield node, depth
    below = (node.operand,) if isinstance(node, tree.Membership) else tree.children(node)
    for child in below:
        yield from _levels(child, depth + 1)


def _constants(node: tree.Node) -> tuple[tree.Constant, ...]:
    if isinstance(node, tree.Membership):
        return node.values
    return (node,) if isinstance(node, tree.Constant) else ()


def _refuse(text: str, node: tree.Node, message: str, most: float) -> None:
    shown = f"{most:,.0f}" if most < 1e16 else f"{most:g}"
    raise ExpressionError("E001", f"{message}, {shown} is the most here", text=text, span=node.span)
