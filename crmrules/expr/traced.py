"""Tree to the value of every node, by a hardened simpleeval.

simpleeval gets a Python tree that is written anew from the checked one, with operators and functions that
know what a missing value is; it never sees a text. It is the interpretation behind every explanation, the
one for hosts that forbid `compile`, and the reference that the other two are tested against.
"""

from __future__ import annotations

import ast
import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import final

from simpleeval import SimpleEval

from crmrules import money
from crmrules.expr import tree
from crmrules.expr.check import Checked, may_overflow
from crmrules.expr.functions import FUNCTIONS
from crmrules.expr.hosted import callable_of
from crmrules.types import NUMBER, Scalar, Type

_NOT_SEEN = object()


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One part of an expression with the value it had: the part's text, its value, the parts below it.

    Money is a Decimal here; `seen` is False for a part that did not matter, such as the side of
    `if … else` that was not taken.
    """

    text: str
    value: float | str | bool | Decimal | dt.date | None
    below: tuple[Step, ...] = ()
    seen: bool = True

    def __iter__(self) -> Iterator[Step]:
        yield self
        for step in self.below:
            yield from step

    def __str__(self) -> str:
        lines = [f"{self.text} → {readable(self.value) if self.seen else 'not needed'}"]
        for step in self.below:
            if step.below or not _is_constant(step):
                lines += [f"  {line}" for line in str(step).split("\n")]
        return "\n".join(lines)


def readable(value: object) -> str:
    """A value as an explanation shows it."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.10g}" if abs(value) < 1e15 else f"{value:g}"
    return f"{value:,}" if isinstance(value, Decimal) else str(value)


def shown_value(value: Scalar, of: Type) -> float | str | bool | Decimal | dt.date | None:
    """A computed value as a person sees it: whole units of money as an amount."""
    if of.kind == "money" and value is not None:
        assert isinstance(value, int)
        return money.amount(value, of.digits)
    return value


def _is_constant(step: Step) -> bool:
    return step.text == tree.constant(step.value) if not isinstance(step.value, Decimal) else False


def trace(checked: Checked, values: Mapping[str, Scalar]) -> tuple[Scalar, Step]:
    """The value, computed as `compile_record` with `bound` does, and how it came about."""
    evaluator = _Evaluator(checked, values)
    result = evaluator.eval("", previously_parsed=evaluator.python)
    return result, evaluator.step(checked.tree)


def interpreted(checked: Checked, values: Mapping[str, Scalar]) -> Scalar:
    """The value alone, for hosts that forbid `compile`."""
    evaluator = _Evaluator(checked, values)
    return evaluator.eval("", previously_parsed=evaluator.python)  # type: ignore[no-any-return]


def _known(function: Callable[..., object]) -> Callable[..., object]:
    def propagating(*values: object) -> object:
        return None if any(value is None for value in values) else function(*values)

    return propagating


def _over(numerator: float, divisor: float) -> float | None:
    return numerator / divisor if divisor and math.isfinite(divisor) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


_OPERATORS: dict[type[ast.AST], Callable[..., object]] = {
    ast.Add: _known(lambda x, y: x + y),
    ast.Sub: _known(lambda x, y: x - y),
    ast.Mult: _known(lambda x, y: x * y),
    ast.Div: _known(_over),
    ast.USub: _known(lambda x: -x),
    ast.Not: _known(lambda x: not x),
    ast.Eq: _known(lambda x, y: x == y),
    ast.NotEq: _known(lambda x, y: x != y),
    ast.Lt: _known(lambda x, y: x < y),
    ast.LtE: _known(lambda x, y: x <= y),
    ast.Gt: _known(lambda x, y: x > y),
    ast.GtE: _known(lambda x, y: x >= y),
    ast.In: _known(lambda x, y: x in y),
}
_PYTHON_OPERATORS: dict[str, ast.operator | ast.cmpop] = {
    "+": ast.Add(),
    "-": ast.Sub(),
    "*": ast.Mult(),
    "/": ast.Div(),
    "==": ast.Eq(),
    "!=": ast.NotEq(),
    "<": ast.Lt(),
    "<=": ast.LtE(),
    ">": ast.Gt(),
    ">=": ast.GtE(),
}
_FUNCTIONS: dict[str, Callable[..., object]] = {
    "number from money": _known(lambda units, factor: units / factor),
    "finer money": _known(lambda units, factor: units * factor),
    "days apart": _known(lambda later, earlier: float(later.toordinal() - earlier.toordinal())),
    "finite": _known(_finite),
}


@final
class _Evaluator(SimpleEval):  # type: ignore[misc]
    def __init__(self, checked: Checked, values: Mapping[str, Scalar]) -> None:
        names = {name: values[name] for name in checked.fields}
        super().__init__(operators=_OPERATORS, functions={**_FUNCTIONS}, names=names, allowed_attrs={})
        self.nodes = {
            ast.Constant: self._eval_constant,
            ast.Name: self._eval_name,
            ast.UnaryOp: self._eval_unaryop,
            ast.BinOp: self._eval_binop,
            ast.BoolOp: self._eval_boolop,
            ast.Compare: self._eval_compare,
            ast.IfExp: self._eval_ifexp,
            ast.Call: self._eval_call,
        }
        self.checked = checked
        self.seen: dict[int, object] = {}
        self.written: dict[int, tree.Node] = {}
        self.python = self.write(checked.tree)

    def _eval(self, node: ast.expr) -> object:
        result = super()._eval(node)
        written = self.written.get(id(node))
        if written is not None:
            self.seen[id(written)] = result
        return result

    def _eval_boolop(self, node: ast.BoolOp) -> bool | None:
        """Kleene: simpleeval's own stops at the first value that is not true, a missing one too."""
        values = [self._eval(value) for value in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in values:
            return decisive
        return None if None in values else not decisive

    # the checked tree as a Python tree

    def write(self, node: tree.Node, wanted: Type | None = None) -> ast.expr:
        python = self.write_plain(node)
        self.written[id(python)] = node
        found = self.checked.types[id(node)]
        if wanted is None or wanted.kind == found.kind == "number":
            return python
        if wanted.kind == "number" and found.kind == "money":
            return _call("number from money", python, ast.Constant(10**found.digits))
        if wanted.kind == "money" and isinstance(node, tree.Constant) and isinstance(node.value, float):
            return ast.Constant(money.scaled(node.value, wanted.digits))
        if wanted.kind == "money" and found.kind == "money" and wanted.digits > found.digits:
            return _call("finer money", python, ast.Constant(10 ** (wanted.digits - found.digits)))
        return python

    def write_plain(self, node: tree.Node) -> ast.expr:
        found = self.checked.types[id(node)]
        match node:
            case tree.Constant(value):
                return ast.Constant(value)  # type: ignore[arg-type]
            case tree.Name(name):
                return ast.Name(name)
            case tree.Negative() | tree.Arithmetic():
                python = self.write_arithmetic(node)
                overflows = found.kind == "number" and may_overflow(node, self.checked.types)
                return _call("finite", python) if overflows else python
            case tree.Choice(condition, then, otherwise):
                return ast.IfExp(self.write(condition), self.write(then, found), self.write(otherwise, found))
            case tree.Comparison(operator, left, right):
                shared = self.checked.operands[id(node)]
                compared = _PYTHON_OPERATORS[operator]
                assert isinstance(compared, ast.cmpop)
                return ast.Compare(self.write(left, shared), [compared], [self.write(right, shared)])
            case tree.Membership(operand, values):
                shared = self.checked.operands[id(node)]
                members = frozenset(ast_value(self.write(value, shared)) for value in values)
                return ast.Compare(self.write(operand, shared), [ast.In()], [ast.Constant(members)])  # type: ignore[arg-type]
            case tree.Not(operand):
                return ast.UnaryOp(ast.Not(), self.write(operand))
            case tree.Logic(operator, operands):
                word = ast.And() if operator == "and" else ast.Or()
                return ast.BoolOp(word, [self.write(operand) for operand in operands])
            case tree.Call(function, arguments):
                row = FUNCTIONS[function]
                implementation = callable_of(row, node, found, self.checked.text)
                name = function if not row.hosted else f"{function} at {node.span.start}"
                self.functions[name] = implementation if row.nulls == "own" else _known(implementation)
                common = found if row.result == "common" else None
                kinds = [self.checked.types[id(argument)].kind for argument in arguments]
                wanted = [common or (NUMBER if kind == "money" else None) for kind in kinds]
                written = [self.write(each, want) for each, want in zip(arguments, wanted, strict=True)]
                return _call(name, *written)
        raise AssertionError("aggregates are lowered before a record is looked at")

    def write_arithmetic(self, node: tree.Negative | tree.Arithmetic) -> ast.expr:
        types = self.checked.types
        found = types[id(node)]
        if isinstance(node, tree.Negative):
            return ast.UnaryOp(ast.USub(), self.write(node.operand))
        if found.kind == "duration" and types[id(node.left)].kind != "duration":
            return _call("days apart", self.write(node.left), self.write(node.right))
        wanted = found if found.kind in ("money", "duration") else NUMBER
        operator = _PYTHON_OPERATORS[node.operator]
        assert isinstance(operator, ast.operator)
        return ast.BinOp(self.write(node.left, wanted), operator, self.write(node.right, wanted))

    def step(self, node: tree.Node) -> Step:
        found = self.checked.types[id(node)]
        value = self.seen.get(id(node), _NOT_SEEN)
        if isinstance(node, tree.Constant):
            value = node.value
        below = [] if isinstance(node, tree.Constant) else [self.step(child) for child in tree.children(node)]
        if value is _NOT_SEEN:
            return Step(tree.text(node), None, tuple(below), seen=False)
        return Step(tree.text(node), shown_value(value, found), tuple(below))  # type: ignore[arg-type]


def ast_value(node: ast.expr) -> object:
    """The value of a constant."""
    assert isinstance(node, ast.Constant)
    return node.value


def _call(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(function), [*arguments], [])
