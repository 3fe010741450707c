"""Expressions over measures, ready to be computed: what they read, of their own period and of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from crmrules.errors import ExpressionError
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.parse import parse
from crmrules.kpi.feed import Feed


@final
@dataclass(frozen=True, slots=True)
class Window:
    """Several periods taken as one: the year up to a period, or the last `count` of them."""

    function: Literal["ytd", "rolling"]
    count: int = 0


@final
@dataclass(frozen=True, slots=True)
class Earlier:
    """A part of an expression that looks at other periods than its own."""

    function: str
    count: int
    operand: Prepared

    @property
    def window(self) -> Window | None:
        """The periods that are taken as one, None where the value of another period is taken as it is."""
        match self.function:
            case "ytd":
                return Window("ytd")
            case "rolling":
                return Window("rolling", self.count)
        return None


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A measure, or an expression over measures. feed: where it has aggregates of its own, whose.

    earlier: its parts over other periods, by the name that `checked` reads them under, which is their text.
    """

    text: str
    checked: Checked
    feed: Feed | None = None
    earlier: Mapping[str, Earlier] = field(default_factory=dict)

    @property
    def reads(self) -> set[str]:
        """The names that it reads, in whatever period."""
        found = {name for name in self.checked.fields if name not in self.earlier}
        return found.union(*(each.operand.reads for each in self.earlier.values()))

    def windowed(self) -> Iterator[str]:
        """The names that it reads over several periods taken as one."""
        for each in self.earlier.values():
            yield from each.operand.reads if each.window else each.operand.windowed()


def prepared(text: str, schema: Schema, feed: Feed | None = None) -> Prepared:
    """An expression over the names of a schema, or with aggregates of a feed. Raises ExpressionError."""
    node = parse(text)
    if feed is not None:
        node, schema = feed.add(node, text)
    found = _prepared(node, text, schema, feed)
    if feed is not None:
        for name in found.windowed():
            feed.keep(name)
    return found


def _prepared(node: tree.Node, text: str, schema: Schema, feed: Feed | None) -> Prepared:
    parts: dict[str, tree.Past] = {}
    lifted = _lifted(node, parts)
    earlier = {name: _earlier(each, text, schema, feed) for name, each in parts.items()}
    # What lies before the first period is not known.
    types = {name: each.operand.checked.type.optional() for name, each in earlier.items()}
    return Prepared(text, check(lifted, {}, text=text, measures={**schema, **types}), feed, earlier)


def _earlier(past: tree.Past, text: str, schema: Schema, feed: Feed | None) -> Earlier:
    found = Earlier(past.function, past.count or 1, _prepared(past.operand, text, schema, feed))
    inner = next((part for part in tree.walk(past.operand) if isinstance(part, tree.Past)), None)
    if found.window and inner is not None:
        raise ExpressionError(
            "E110",
            f"`{inner.function}` stands inside `{past.function}`",
            text=text,
            span=inner.span,
            hint=f"write it the other way round: {inner.function}({past.function}(x))",
        )
    return found


def _lifted(node: tree.Node, parts: dict[str, tree.Past]) -> tree.Node:
    """The tree with a name in the place of each part over other periods."""
    if isinstance(node, tree.Past):
        name = tree.text(node)
        parts[name] = node
        return tree.Name(name, node.span)
    return tree.rebuilt(node, lambda child: _lifted(child, parts))
