"""Rules that can never decide, where that can be proved, each with the reason in a sentence.

A rule is dead when no record can meet its condition, or, where the first match decides, when earlier rules
take every record that could. The proof goes over diagrams (see `diagram`) of what the conditions say about
the stretches of each field, with missing values as a stretch of their own, and with what is known of the
fields: those that are never missing, and the values of those that are enumerated. Whatever a diagram does
not see is taken as possible, so that no rule is accused wrongly; some dead ones go unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, final

from crmrules.expr import tree
from crmrules.expr.check import Schema
from crmrules.policy.condition import Condition
from crmrules.policy.diagram import FALSE, TRUE, Diagram, TooLarge
from crmrules.policy.meaning import Drawing

LONGEST_SHOWN = 80
MOST_VALUES_SHOWN = 6

Item = TypeVar("Item")
Fact = tuple[Literal["is never missing", "holds only"], str]


@final
@dataclass(frozen=True, slots=True)
class Dead:
    """A rule that can never decide.

    position: of the rule, from 0. kind: `contradiction`, its condition can never be true, or `shadowed`, the
    earlier rules at the positions `by` take all its records. reason: a sentence for people.
    """

    position: int
    kind: Literal["contradiction", "shadowed"]
    by: tuple[int, ...]
    reason: str

    def __str__(self) -> str:
        return self.reason


def dead_rules(
    conditions: Sequence[Condition], schema: Schema, *, combine: str = "first", names: Sequence[str] = ()
) -> list[Dead]:
    """The rules that can never decide, in order.

    conditions: one for each rule, in the order in which rules are asked, each fit for the schema. combine:
    only under `first` does an earlier rule take records from a later one. names: of the rules.

    >>> from crmrules.policy import field
    >>> kind, amount = field("kind"), field("amount")
    >>> rules = [kind == "sample", (amount > 5) & (amount < 3), (kind == "sample") & (amount > 0)]
    >>> for dead in dead_rules(rules, {}, names=["samples"]):
    ...     print(dead)
    rule 2 can never match: `amount > 5` and `amount < 3` are never true together
    rule 3 can never decide: rule 1 (samples) already takes every record with kind == 'sample' and amount > 0
    """
    proof = _Proof([condition.tree for condition in conditions], schema, names)
    return [dead for at in range(len(conditions)) if (dead := proof.dead(at, first=combine == "first"))]


@final
class _Proof:
    def __init__(self, trees: list[tree.Node], schema: Schema, names: Sequence[str]) -> None:
        self.trees = trees
        self.schema = schema
        self.names = names
        self.points = _texts(trees)
        for name, declared in schema.items():
            if declared.values:
                self.points.setdefault(name, set()).update(declared.values)
        read = dict.fromkeys(name for each in trees for name in tree.names(each) if name in schema)
        self.facts: list[Fact] = []
        for name in read:
            if not schema[name].nullable:
                self.facts.append(("is never missing", name))
            if schema[name].values:
                self.facts.append(("holds only", name))
        self.drawing = self.draw(self.facts)
        self.possible = self.domain(self.drawing, self.facts)
        self.alive: dict[int, Diagram] = {}

    def draw(self, facts: Iterable[Fact]) -> Drawing:
        return Drawing({name for fact, name in facts if fact == "is never missing"}, self.points)

    def domain(self, drawing: Drawing, facts: Iterable[Fact]) -> Diagram:
        """Where the enumerated fields hold what they can hold, or nothing."""
        result = TRUE
        for fact, name in facts:
            if fact == "holds only":
                values = tuple(map(tree.Constant, self.schema[name].values))
                inside = drawing.condition(tree.Membership(tree.Name(name), values))
                result = drawing.diagrams.both(result, drawing.diagrams.changed(inside, (FALSE, TRUE, TRUE)))
        return result

    def dead(self, at: int, *, first: bool) -> Dead | None:
        if self.impossible([self.trees[at]], (), self.facts):
            return Dead(at, "contradiction", (), self.contradiction(at))
        if not first:
            return None
        diagrams = self.drawing.diagrams
        diagrams.refresh()
        try:
            mine = diagrams.both(self.possible, diagrams.sure(self.drawing.condition(self.trees[at])))
            left = mine
            for taken in self.alive.values():
                left = diagrams.both(left, diagrams.opposite(taken))
        except TooLarge:
            return None
        if left == FALSE:
            return self.shadowed(at)
        self.alive[at] = mine
        return None

    def impossible(self, parts: Sequence[tree.Node], taken: Sequence[int], facts: Sequence[Fact]) -> bool:
        """Whether, by these facts, no record meets all parts and is left by the rules that take theirs."""
        drawing = self.draw(facts)
        diagrams = drawing.diagrams
        try:
            left = self.domain(drawing, facts)
            for part in parts:
                left = diagrams.both(left, diagrams.sure(drawing.condition(part)))
            for position in taken:
                sure = diagrams.sure(drawing.condition(self.trees[position]))
                left = diagrams.both(left, diagrams.opposite(sure))
        except TooLarge:
            return False
        return left == FALSE

    def contradiction(self, at: int) -> str:
        node = self.trees[at]
        parts = node.operands if isinstance(node, tree.Logic) and node.operator == "and" else (node,)
        core = _least(parts, lambda fewer: self.impossible(fewer, (), self.facts))
        facts = _least(self.facts, lambda fewer: self.impossible(core, (), fewer))
        together = " together" if len(core) > 1 else ""
        verb = "are" if len(core) > 1 else "is"
        said = _listed(f"`{_short(part)}`" for part in core)
        return f"{self.rule(at)} can never match: {said} {verb} never true{together}{self.since(facts)}"

    def shadowed(self, at: int) -> Dead:
        node = [self.trees[at]]
        alone = (each for each in self.alive if self.impossible(node, [each], self.facts))
        if (one := next(alone, None)) is not None:
            by = [one]
        else:
            by = _least([*self.alive][::-1], lambda fewer: self.impossible(node, fewer, self.facts))[::-1]
        facts = _least(self.facts, lambda fewer: self.impossible(node, by, fewer))
        which = (
            f"every record with {_short(node[0])}" if node[0] != tree.Constant(value=True) else "every record"
        )
        if len(by) == 1:
            who = f"{self.rule(by[0])} already takes"
        else:
            who = f"rules {_listed(self.rule(each).removeprefix('rule ') for each in by)} already take"
        reason = f"{self.rule(at)} can never decide: {who} {which}{self.since(facts)}"
        return Dead(at, "shadowed", tuple(by), reason)

    def rule(self, at: int) -> str:
        number = f"rule {at + 1}"
        name = self.names[at] if at < len(self.names) else ""
        return f"{number} ({name})" if name and name != number else number

    def since(self, facts: Sequence[Fact]) -> str:
        said = [f"`{name}` {fact}{self.values(name) if fact == 'holds only' else ''}" for fact, name in facts]
        return f", since {_listed(said)}" if said else ""

    def values(self, name: str) -> str:
        values = [repr(value) for value in self.schema[name].values]
        more = [f"{len(values) - MOST_VALUES_SHOWN} more"] if len(values) > MOST_VALUES_SHOWN else []
        return " " + _listed(values[:MOST_VALUES_SHOWN] + more)


def _texts(trees: Iterable[tree.Node]) -> dict[str, set[str]]:
    """The texts that each field is compared with."""
    found: dict[str, set[str]] = {}
    for node in (part for each in trees for part in tree.walk(each)):
        match node:
            case tree.Comparison(_, tree.Name(name), tree.Constant(str() as text)):
                found.setdefault(name, set()).add(text)
            case tree.Comparison(_, tree.Constant(str() as text), tree.Name(name)):
                found.setdefault(name, set()).add(text)
            case tree.Membership(tree.Name(name), values):
                texts = (each.value for each in values if isinstance(each.value, str))
                found.setdefault(name, set()).update(texts)
    return found


def _least(items: Sequence[Item], holds: Callable[[list[Item]], bool]) -> list[Item]:
    """As few of the items as still hold together; the first ones go first."""
    kept = [*items]
    for item in items:
        if holds(fewer := [each for each in kept if each is not item]):
            kept = fewer
    return kept


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _short(node: tree.Node) -> str:
    written = tree.text(node)
    return written if len(written) <= LONGEST_SHOWN else written[:LONGEST_SHOWN] + "…"


__all__ = ["Dead", "dead_rules"]
