"""What a condition means, whatever its words: equal for conditions that say the same of every record.

A condition is drawn as a diagram (see `diagram`) that asks for each *term*, a field or a formula over fields,
where its value lies between the constants that it is compared with. So `x in (1, 2)` is `x == 1 or x == 2`,
`not (x > 3)` is `x <= 3` and `not (a and b)` is `not a or not b`; but `a or not a` is not the same as true,
since it is unknown where `a` is.

What it does not see: terms are taken as free of one another, so that `x + y > 3` and `y + x > 3` are
different, as are `a < b and b < c` and the same with `a < c` beside it. Equal is therefore always right,
different may be too careful. A diagram of more than `MOST_STEPS` is given up: then conditions are equal up
to order, repetition, brackets and the place of `not` alone.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Collection, Hashable, Iterable, Mapping
from functools import lru_cache, reduce
from typing import final

from crmrules import money
from crmrules.errors import ExpressionError
from crmrules.expr import tree
from crmrules.expr.check import check
from crmrules.expr.functions import BUILT_IN, FUNCTIONS
from crmrules.expr.scalar import compile_record
from crmrules.policy.diagram import FALSE, TRUE, UNKNOWN, Diagram, Diagrams, Position, TooLarge

Meaning = Hashable

_KINDS: dict[type, int] = {bool: 0, float: 1, str: 2, dt.date: 3, dt.datetime: 4}
_MIRRORED: dict[tree.ComparisonOperator, tree.ComparisonOperator] = {
    "==": "==",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
_STARTS: dict[tree.ComparisonOperator, tuple[Diagram, ...]] = {
    "==": (FALSE, TRUE, FALSE),
    "!=": (TRUE, FALSE, TRUE),
    "<": (TRUE, FALSE, FALSE),
    "<=": (TRUE, TRUE, FALSE),
    ">": (FALSE, FALSE, TRUE),
    ">=": (FALSE, TRUE, TRUE),
}
"""Where a comparison with a constant leads: below it, at it, above it."""


def meaning(node: tree.Node) -> Meaning:
    """What equality of conditions compares."""
    try:
        drawing = Drawing()
        return drawing.diagrams.key(drawing.condition(node))
    except TooLarge:
        return _form(node, wanted=True)


@final
class Drawing:
    """Diagrams that share their steps.

    required: fields that are never missing. points: texts at which functions of a text field are computed
    rather than taken as free, by field.
    """

    def __init__(
        self, required: Collection[str] = (), points: Mapping[str, Collection[str]] | None = None
    ) -> None:
        self.required = required
        self.points = points or {}
        self.diagrams = Diagrams()

    def condition(self, node: tree.Node) -> Diagram:
        """The diagram of a condition."""
        match node:
            case tree.Constant(value):
                return UNKNOWN if value is None else TRUE if value is True else FALSE
            case tree.Not(operand):
                return self.diagrams.opposite(self.condition(operand))
            case tree.Logic(operator, operands):
                join = self.diagrams.both if operator == "and" else self.diagrams.either
                return reduce(join, map(self.condition, operands))
            case tree.Comparison(operator, left, right):
                return self.comparison(operator, left, right)
            case tree.Membership(operand, values):
                return self.membership(operand, values)
            case tree.Choice(condition, then, otherwise):
                return self.diagrams.choice(*map(self.condition, (condition, then, otherwise)))
            case tree.Call("is_null", (operand,)):
                return self.missing(operand)
            case tree.Call("starts_with", (operand, tree.Constant(str() as prefix))):
                return self.lies(operand, *_stretch(prefix))
        return self.lies(node, _around(True), (FALSE, TRUE, FALSE))

    def comparison(self, operator: tree.ComparisonOperator, left: tree.Node, right: tree.Node) -> Diagram:
        if _is_condition(left) or _is_condition(right):
            same = self.diagrams.same(self.condition(left), self.condition(right))
            return same if operator == "==" else self.diagrams.opposite(same)
        left, right = _folded(left), _folded(right)
        if isinstance(left, tree.Constant) or (
            not isinstance(right, tree.Constant) and tree.text(left) > tree.text(right)
        ):
            left, right, operator = right, left, _MIRRORED[operator]
        if _is_odd(left, right):
            return self.odd(operator, left, right)
        if isinstance(right, tree.Constant):
            if right.value is None:
                return UNKNOWN
            return self.lies(left, _around(right.value), _STARTS[operator])
        if left == right:
            return self.unless(self.missing(left), _STARTS[operator][1])
        apart = self.diagrams.step(f"{tree.text(left)} against {tree.text(right)}", *_free(_STARTS[operator]))
        return self.unless(self.diagrams.either(self.missing(left), self.missing(right)), apart)

    def odd(self, operator: tree.ComparisonOperator, left: tree.Node, right: tree.Node) -> Diagram:
        """A comparison of its own, related to nothing but its opposite."""
        turned = operator in ("!=", ">", ">=")
        alone = tree.Comparison(tree.INVERSE[operator] if turned else operator, left, right)
        found = self.diagrams.step(tree.text(alone), *_free((FALSE, TRUE, FALSE)))
        found = self.unless(self.diagrams.either(self.missing(left), self.missing(right)), found)
        return self.diagrams.opposite(found) if turned else found

    def membership(self, operand: tree.Node, values: tuple[tree.Constant, ...]) -> Diagram:
        if _is_condition(operand) or _is_odd(operand, *values) or any(type(v.value) is bool for v in values):
            return reduce(self.diagrams.either, (self.comparison("==", operand, value) for value in values))
        cuts = sorted({cut for value in values for cut in _around(value.value)})
        return self.lies(operand, cuts, [FALSE, *[TRUE, FALSE] * (len(cuts) // 2)])

    def lies(self, node: tree.Node, cuts: Iterable[Position], along: Iterable[Diagram]) -> Diagram:
        """Where a value leads, by the stretch that it lies in; unknown where it is missing."""
        cuts, along = tuple(cuts), tuple(along)
        match node:
            case tree.Constant(None):
                return UNKNOWN
            case tree.Constant(value):
                return along[bisect_right(cuts, _around(value)[0])]
            case tree.Choice(condition, then, otherwise):
                sides = (self.lies(side, cuts, along) for side in (then, otherwise))
                return self.diagrams.choice(self.condition(condition), *sides)
            case tree.Call("coalesce" | "if_null", (first, *others)):
                result = self.lies(first, cuts, along)
                if not others:
                    return result
                rest = self.lies(tree.Call("coalesce", tuple(others)), cuts, along)
                return self.diagrams.choice(self.missing(first), rest, result)
            case tree.Call(_, (tree.Name(name), *rest)) if name in self.points and node.function in _OF_TEXTS:
                if all(isinstance(each, tree.Constant) for each in rest):
                    return self.at_points(node, name, cuts, along)
        if not self.is_derived(node):
            return self.diagrams.step(tree.text(node), UNKNOWN, cuts, along)
        return self.unless(self.missing(node), self.diagrams.step(tree.text(node), along[0], cuts, along))

    def at_points(
        self, node: tree.Call, name: str, cuts: tuple[Position, ...], along: tuple[Diagram, ...]
    ) -> Diagram:
        """A function of a text field, computed where the field is one of the texts that are known."""
        function = FUNCTIONS[node.function].scalar
        constants = [each.value for each in node.arguments[1:] if isinstance(each, tree.Constant)]
        free = self.diagrams.step(tree.text(node), along[0], cuts, along)
        places: list[Position] = []
        ends = [free]
        for point in sorted(self.points[name]):
            places += _around(point)
            ends += [along[bisect_right(cuts, _around(function(point, *constants))[0])], free]
        return self.unless(self.missing(node), self.lies(tree.Name(name), places, ends))

    def is_derived(self, node: tree.Node) -> bool:
        """Whether the value is missing just where some other is, or never."""
        match node:
            case tree.Name(name):
                return name in self.required
            case tree.Negative():
                return True
            case tree.Call(function) if function in FUNCTIONS:
                row = FUNCTIONS[function]
                return row.nulls == "propagate" and not row.partial
        return False

    def missing(self, node: tree.Node) -> Diagram:
        """Whether a value is missing, which is always known."""
        match node:
            case tree.Constant(value):
                return TRUE if value is None else FALSE
            case tree.Choice(condition, then, otherwise) if not _is_condition(node):
                return self.diagrams.choice(
                    self.condition(condition), self.missing(then), self.missing(otherwise)
                )
            case tree.Call("coalesce" | "if_null", arguments):
                return reduce(self.diagrams.both, map(self.missing, arguments))
            case _ if self.is_derived(node):
                return reduce(self.diagrams.either, map(self.missing, _needed(node)), FALSE)
        if _is_condition(node):
            return self.diagrams.changed(self.condition(node), (FALSE, TRUE, FALSE))
        return self.diagrams.step(tree.text(node), TRUE, (), (FALSE,))

    def unless(self, missing: Diagram, found: Diagram) -> Diagram:
        """What was found, unknown where something is missing."""
        return self.diagrams.choice(missing, UNKNOWN, found)


_OF_TEXTS = frozenset(
    row.name for row in BUILT_IN if row.parameters[0] == frozenset({"text"}) and row.nulls == "propagate"
)


def _needed(node: tree.Node) -> tuple[tree.Node, ...]:
    return () if isinstance(node, tree.Name) else tree.children(node)


def _is_condition(node: tree.Node) -> bool:
    match node:
        case tree.Constant(value):
            return type(value) is bool
        case tree.Comparison() | tree.Membership() | tree.Not() | tree.Logic():
            return True
        case tree.Choice(_, then, otherwise):
            return _is_condition(then) or _is_condition(otherwise)
        case tree.Call(function) if function in FUNCTIONS:
            return FUNCTIONS[function].result == "bool"
    return False


def _folded(node: tree.Node) -> tree.Node:
    """A formula without fields as its value: `12 * 1000` is 12000."""
    if isinstance(node, tree.Constant) or any(
        isinstance(p, tree.Name | tree.Aggregate) for p in tree.walk(node)
    ):
        return node
    try:
        value = compile_record(check(node, {}))({})
    except ExpressionError:
        return node
    return node if _is_odd_number(value) else tree.Constant(value)


def _around(value: object) -> tuple[Position, Position]:
    """Just before a value and just behind it."""
    value = value + 0.0 if type(value) is float else value
    kind = _KINDS.get(type(value), 5)
    return (kind, value, 0), (kind, value, 1)


def _stretch(prefix: str) -> tuple[tuple[Position, ...], tuple[Diagram, ...]]:
    """Texts that begin so lie together: from the prefix to the first text behind all of them."""
    start, after = (_KINDS[str], prefix, 0), prefix.rstrip(chr(0x10FFFF))
    if not prefix:
        return (), (TRUE,)
    if not after:
        return (start,), (FALSE, TRUE)
    return (start, (_KINDS[str], after[:-1] + chr(ord(after[-1]) + 1), 0)), (FALSE, TRUE, FALSE)


def _free(ends: tuple[Diagram, ...]) -> tuple[Diagram, tuple[Position, Position], tuple[Diagram, ...]]:
    """A term that is never missing: below, at or above something."""
    return ends[0], _around(0.0), ends


def _is_odd(*nodes: tree.Node) -> bool:
    """Whether there is a number that money of some digits takes for one beside it.

    An amount within a millionth of its smallest unit counts as exact (`money.FLOAT_SLACK`), so 0.1 + 0.2 is
    0.3 in money and is not as a number. What the number means depends on the field then, and a comparison
    with it is kept as a term by itself.
    """
    parts = (part for node in nodes for part in tree.walk(node))
    return any(isinstance(part, tree.Constant) and _is_odd_number(part.value) for part in parts)


@lru_cache(maxsize=4096)
def _is_odd_number(value: object) -> bool:
    if type(value) is not float:
        return False
    for digits in range(money.MOST_DIGITS + 1):
        try:
            if money.scaled(value, digits) / 10**digits != value:
                return True
        except money.NotMoney:
            continue
    return False


def _form(node: tree.Node, *, wanted: bool) -> Meaning:
    """The condition with `not` at its comparisons, and neither order nor repetition in `and` and `or`."""
    match node:
        case tree.Not(operand):
            return _form(operand, wanted=not wanted)
        case tree.Logic(operator, operands):
            word = operator if wanted else {"and": "or", "or": "and"}[operator]
            return _joined(word, [_form(operand, wanted=wanted) for operand in operands])
        case tree.Comparison(operator, left, right):
            operator = operator if wanted else tree.INVERSE[operator]
            sides = tree.text(left), tree.text(right)
            if isinstance(left, tree.Constant) or (
                not isinstance(right, tree.Constant) and sides[0] > sides[1]
            ):
                return _MIRRORED[operator], sides[1], sides[0]
            return operator, *sides
        case tree.Membership(operand, values):
            each = [tree.Comparison("==", operand, value) for value in values]
            parts = [_form(comparison, wanted=wanted) for comparison in each]
            return _joined("or" if wanted else "and", parts)
    return "is" if wanted else "is not", tree.text(node)


def _joined(word: str, parts: list[Meaning]) -> Meaning:
    flat: set[Meaning] = set()
    for part in parts:
        same = isinstance(part, tuple) and part[0] == word and isinstance(part[1], frozenset)
        flat |= part[1] if same else {part}  # type: ignore[index]
    return flat.pop() if len(flat) == 1 else (word, frozenset(flat))
