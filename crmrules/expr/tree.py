"""The nodes of an expression. Nodes are values: equal when they say the same, wherever they stand."""

from __future__ import annotations

import datetime as dt
import keyword
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, final

from crmrules.errors import Span

ArithmeticOperator = Literal["+", "-", "*", "/"]
ComparisonOperator = Literal["==", "!=", "<", "<=", ">", ">="]
ConstantValue = float | str | bool | dt.date | dt.datetime | None

INVERSE: dict[ComparisonOperator, ComparisonOperator] = {
    "==": "!=",
    "!=": "==",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
}
NOWHERE = Span(0, 0)
PAST = ("prior", "ytd", "rolling", "same_period_last_year")
"""The functions over other periods."""


@final
@dataclass(frozen=True, slots=True)
class Constant:
    """A constant. `True` and `1.0` are different literals although Python calls them equal."""

    value: ConstantValue
    span: Span = field(default=NOWHERE, compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Constant)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@final
@dataclass(frozen=True, slots=True)
class Name:
    """A field of the record, or a measure, by its name."""

    name: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Negative:
    """`-x`."""

    operand: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`x + y`, `x - y`, `x * y`, `x / y`."""

    operator: ArithmeticOperator
    left: Node
    right: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """`x < y` and its like; a chain `x < y < z` is read as `x < y and y < z`."""

    operator: ComparisonOperator
    left: Node
    right: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Membership:
    """`x in (a, b)`, with constants only."""

    operand: Node
    values: tuple[Constant, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Not:
    """`not x`."""

    operand: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Logic:
    """`x and y and z`, or the same with `or`."""

    operator: Literal["and", "or"]
    operands: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """`x if condition else y`."""

    condition: Node
    then: Node
    otherwise: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Call:
    """A function of the record's values."""

    function: str
    arguments: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function over many records; `count()` has no argument, `where` may be left out."""

    function: str
    argument: Node | None
    where: Node | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Past:
    """What an expression comes to over other periods: `prior(x)`, `ytd(x)`, `rolling(x, 3)`."""

    function: str
    operand: Node
    count: int | None = None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Node = (
    Constant
    | Name
    | Negative
    | Arithmetic
    | Comparison
    | Membership
    | Not
    | Logic
    | Choice
    | Call
    | Aggregate
    | Past
)


def negated(condition: Node) -> Node:
    """The opposite condition, in the one form in which it is kept: `not x == y` is `x != y`."""
    match condition:
        case Not(operand):
            return operand
        case Comparison(operator, left, right):
            return Comparison(INVERSE[operator], left, right, condition.span)
    return Not(condition, condition.span)


def joined(operator: Literal["and", "or"], conditions: Iterable[Node], span: Span = NOWHERE) -> Node:
    """Conditions joined by one word, without nesting the same word: `(x and y) and z` is `x and y and z`."""
    flat: list[Node] = []
    for condition in conditions:
        same = isinstance(condition, Logic) and condition.operator == operator
        flat += condition.operands if same and isinstance(condition, Logic) else [condition]
    return flat[0] if len(flat) == 1 else Logic(operator, tuple(flat), span)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order of the text."""
    match node:
        case Constant() | Name():
            return ()
        case Negative(operand) | Not(operand) | Past(_, operand):
            return (operand,)
        case Arithmetic(_, left, right) | Comparison(_, left, right):
            return (left, right)
        case Membership(operand, values):
            return (operand, *values)
        case Logic(_, operands):
            return operands
        case Choice(condition, then, otherwise):
            return (then, condition, otherwise)
        case Call(_, arguments):
            return arguments
        case Aggregate(_, argument, where):
            return tuple(part for part in (argument, where) if part is not None)


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each node directly below changed; constants of a list and what is aggregated stay."""
    match node:
        case Negative(operand) | Not(operand) | Membership(operand) | Past(_, operand):
            return replace(node, operand=change(operand))
        case Arithmetic(_, left, right) | Comparison(_, left, right):
            return replace(node, left=change(left), right=change(right))
        case Logic(_, operands):
            return replace(node, operands=tuple(map(change, operands)))
        case Choice(condition, then, otherwise):
            return replace(node, condition=change(condition), then=change(then), otherwise=change(otherwise))
        case Call(_, arguments):
            return replace(node, arguments=tuple(map(change, arguments)))
    return node


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, top first."""
    yield node
    for child in children(node):
        yield from walk(child)


def names(node: Node) -> tuple[str, ...]:
    """The names that the node reads, each once, in the order of the text."""
    return tuple(dict.fromkeys(part.name for part in walk(node) if isinstance(part, Name)))


def only_compared(nodes: Iterable[Node]) -> set[str]:
    """The names that the nodes read in no other way than by `==`, `!=` and `in` with constants."""
    compared, otherwise = set[str](), set[str]()

    def visit(node: Node) -> None:
        match node:
            case Comparison("==" | "!=", Name(name), Constant()) | Comparison(
                "==" | "!=", Constant(), Name(name)
            ):
                compared.add(name)
            case Membership(Name(name)):
                compared.add(name)
            case Name(name):
                otherwise.add(name)
            case _:
                for child in children(node):
                    visit(child)

    for node in nodes:
        visit(node)
    return compared - otherwise


_TIGHTNESS = {"or": 1, "and": 2, "not": 3, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6, "negative": 7}
_CHOICE, _ATOM = 0, 9


def text(node: Node, outer: int = -1) -> str:
    """The node as canonical text, which parses back to an equal node."""
    written, tightness = _written(node)
    return f"({written})" if tightness < outer else written


def _written(node: Node) -> tuple[str, int]:
    match node:
        case Constant(value):
            negative = isinstance(value, float) and value < 0
            return constant(value), _TIGHTNESS["negative"] if negative else _ATOM
        case Name(name):
            plain = name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)
            stands_for_past = name.partition("(")[0] in PAST and name.endswith(")")
            return name if plain or stands_for_past else f"`{name}`", _ATOM
        case Negative(operand):
            return f"-{text(operand, _TIGHTNESS['negative'])}", _TIGHTNESS["negative"]
        case Arithmetic(operator, left, right):
            level = _TIGHTNESS[operator]
            return f"{text(left, level)} {operator} {text(right, level + 1)}", level
        case Comparison(operator, left, right):
            level = _TIGHTNESS["compare"]
            return f"{text(left, level + 1)} {operator} {text(right, level + 1)}", level
        case Membership(operand, values) | Not(Membership(operand, values)):
            level = _TIGHTNESS["compare"]
            word = "in" if isinstance(node, Membership) else "not in"
            listed = ", ".join(text(value) for value in values) + ("," if len(values) == 1 else "")
            return f"{text(operand, level + 1)} {word} ({listed})", level
        case Not(operand):
            return f"not {text(operand, _TIGHTNESS['not'])}", _TIGHTNESS["not"]
        case Logic(operator, operands):
            level = _TIGHTNESS[operator]
            return f" {operator} ".join(text(operand, level + 1) for operand in operands), level
        case Choice(condition, then, otherwise):
            return f"{text(then, 1)} if {text(condition, 1)} else {text(otherwise)}", _CHOICE
        case Call(function, arguments):
            return f"{function}({', '.join(text(argument) for argument in arguments)})", _ATOM
        case Past(function, operand, count):
            return f"{function}({text(operand)}{'' if count is None else f', {count}'})", _ATOM
        case Aggregate(function, argument, where):
            parts = [text(argument)] if argument is not None else []
            if where is not None:
                parts.append(f"where={text(where)}")
            return f"{function}({', '.join(parts)})", _ATOM


def constant(value: ConstantValue) -> str:
    """A constant as the language writes it."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) <= 2**53 else repr(value)
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{quoted}'"
    if isinstance(value, dt.datetime):
        return f"datetime('{value.isoformat(' ')}')"
    return f"date('{value.isoformat()}')"
