"""Tree to a Python function of one record.

The function's source is written anew from the checked tree, never from the caller's text, so it holds
nothing but the few shapes below. A condition is compiled in its *is-true* form, and `not` turns it into the
*is-false* form of its operand; both are plain yes or no, so Kleene logic costs no third value.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, assert_never, final

from crmrules import money
from crmrules.expr import tree
from crmrules.expr.check import Checked, may_overflow
from crmrules.expr.functions import FUNCTIONS
from crmrules.expr.record import loaded, unreadable
from crmrules.types import LARGEST_INTEGER, NUMBER, Scalar, Type

DEEPEST_PIECE = 12
Evaluate = Callable[[Mapping[str, object]], Scalar]
EvaluateMany = Callable[..., list[Scalar]]


@final
@dataclass(frozen=True, slots=True)
class _Code:
    """A piece of Python: `atomic` may be repeated at no cost, `nullable` may be None."""

    text: str
    nullable: bool
    atomic: bool = False


def compile_record(checked: Checked, *, bound: bool = False) -> Evaluate:
    """A function from a record to the value of the expression.

    A record is any mapping; other keys than the fields are ignored. With `bound`, the values are taken to
    be what `fit` makes of them already (money as whole units) and are not looked at again. A record with
    a missing field or a value of another type raises FieldError (F103, F104).
    """
    writer = _Writer(checked)
    result = writer.value(checked.tree)
    ahead = [f"    {line}" for line in writer.ahead]
    lines = ["def evaluate(record):", *writer.reading(bound=bound), *ahead, f"    return {result.text}"]
    return writer.compiled(lines, "evaluate")  # type: ignore[return-value]


def compile_first(
    conditions: Sequence[Checked], *, bound: bool = True
) -> Callable[[Mapping[str, object]], int]:
    """A function from a record to the position of the first condition that is true, or how many there are."""
    schema = {name: each.schema[name] for each in conditions for name in each.fields}
    together = Checked(
        tree.Constant(None),
        "",
        {key: found for each in conditions for key, found in each.types.items()},
        {key: found for each in conditions for key, found in each.operands.items()},
        tuple(schema),
        schema,
        sum(each.cost for each in conditions),
    )
    writer = _Writer(together)
    lines = ["def evaluate(record):", *writer.reading(bound=bound)]
    for position, condition in enumerate(conditions):
        test = writer.true(condition.tree)
        lines += [f"    {line}" for line in writer.ahead]
        writer.ahead.clear()
        lines += [f"    if {test}:", f"        return {position}"]
    lines.append(f"    return {len(conditions)}")
    return writer.compiled(lines, "evaluate")  # type: ignore[return-value]


def compile_many(checked: Checked) -> EvaluateMany:
    """A function from one list of values for each name of `checked.fields` to a list of results."""
    writer = _Writer(checked)
    result = writer.value(checked.tree).text
    names = [writer.local(name) for name in checked.fields]
    columns = [f"c{position}" for position in range(len(names))]
    together = ", ".join(columns)
    over = f"{', '.join(names)}{',' if len(names) == 1 else ''} in zip({together}, strict=True)"
    lines = [f"def evaluate({together}):"]
    if not names:
        lines += [*(f"    {line}" for line in writer.ahead), f"    return [{result}]"]
    elif not writer.ahead:
        lines.append(f"    return [{result} for {over}]")
    else:
        lines += ["    results = []", f"    for {over}:", *(f"        {line}" for line in writer.ahead)]
        lines += [f"        results.append({result})", "    return results"]
    return writer.compiled(lines, "evaluate")  # type: ignore[return-value]


def _depth(text: str) -> int:
    """How deep the brackets of a piece are nested; those in texts only make it seem deeper."""
    depth = deepest = 0
    for ch in text:
        if ch == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif ch == ")":
            depth -= 1
    return deepest


@final
class _Writer:
    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.types = checked.types
        self.locals = {name: f"f{position}" for position, name in enumerate(checked.fields)}
        self.constants: dict[str, object] = {}
        self.temporaries = 0
        self.ahead: list[str] = []

    def compiled(self, lines: Sequence[str], name: str) -> object:
        space: dict[str, object] = {
            "__builtins__": {},
            "Exception": Exception,
            "zip": zip,
            "float": float,
            "str": str,
            "bool": bool,
            "int": int,
            "type": type,
            "date": dt.date,
            "datetime": dt.datetime,
            "unreadable": self.unreadable,
            "load": self.load,
            "inf": math.inf,
            **self.constants,
        }
        exec(compile("\n".join(lines), "<crmrules expression>", "exec"), space)
        return space[name]

    def local(self, name: str) -> str:
        return self.locals[name]

    def load(self, name: str, value: object) -> Scalar:
        return loaded(self.checked, name, value)

    def unreadable(self, record: object, reason: BaseException) -> NoReturn:
        unreadable(self.checked, record, reason)

    def reading(self, *, bound: bool) -> list[str]:
        """The lines that take the fields out of the record."""
        fields = self.checked.fields
        if not fields:
            return []
        lines = ["    try:", *(f"        {self.local(name)} = record[{name!r}]" for name in fields)]
        lines += ["    except Exception as reason:", "        unreadable(record, reason)"]
        return (
            lines if bound else [*lines, *(f"    {line}" for name in fields for line in self.loading(name))]
        )

    def loading(self, name: str) -> list[str]:
        """The lines that check one value; the common case costs one comparison of types."""
        local, declared = self.local(name), self.checked.schema[name]
        plain = {"text": "str", "bool": "bool", "date": "date", "number": "float"}.get(declared.kind)
        load = f"{local} = load({name!r}, {local})"
        other = f"elif {local} is not None" if declared.nullable else "else"
        if plain == "float":
            within = f"{-LARGEST_INTEGER} <= {local} <= {LARGEST_INTEGER}"
            return [
                f"if type({local}) is float:",
                f"    if not -inf < {local} < inf: {load}",
                f"elif type({local}) is int and {within}: {local} = float({local})",
                f"{other}: {load}",
            ]
        known = f" and {local} is not None" if declared.nullable else ""
        test = f"type({local}) is not {plain}{known}" if plain else f"{local} is not None"
        return [f"if {test}: {load}"] if plain or declared.nullable else [load]

    def temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    def named(self, value: object) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def guarded(self, codes: Sequence[_Code], build: Callable[..., str]) -> _Code:
        """`build` of the values, or None if one of them is None."""
        tests: list[str] = []
        names: list[str] = []
        for code in codes:
            if not code.nullable:
                names.append(code.text)
            elif code.atomic:
                tests.append(f"{code.text} is None")
                names.append(code.text)
            else:
                name = self.temporary()
                tests.append(f"({name} := {code.text}) is None")
                names.append(name)
        built = build(*names)
        if not tests:
            return _Code(f"({built})", nullable=False)
        return _Code(f"(None if {' or '.join(dict.fromkeys(tests))} else {built})", nullable=True)

    # values

    def value(self, node: tree.Node, wanted: Type | None = None) -> _Code:
        """The value of a node, in the wanted type if that is another one."""
        return self.shallow(self.plain_or_converted(node, wanted))

    def shallow(self, code: _Code) -> _Code:
        """The piece, or a local that holds it if it is nested so deep that Python's compiler could run out
        of a small thread's stack. To compute it ahead is safe, since no piece ever raises."""
        if code.text.count("(") <= DEEPEST_PIECE or _depth(code.text) <= DEEPEST_PIECE:
            return code
        name = self.temporary()
        self.ahead.append(f"{name} = {code.text}")
        return _Code(name, code.nullable, atomic=True)

    def plain_or_converted(self, node: tree.Node, wanted: Type | None) -> _Code:
        code = self.plain_value(node)
        found = self.types[id(node)]
        if wanted is None or wanted.kind == "null" or found.kind == "null":
            return code
        if wanted.kind == "number" and found.kind == "money":
            return self.guarded([code], lambda x: f"{x} / {10**found.digits}.0")
        if wanted.kind == "money" and found.kind == "number":
            assert isinstance(node, tree.Constant)
            assert isinstance(node.value, float)
            return _Code(repr(money.scaled(node.value, wanted.digits)), nullable=False, atomic=True)
        if wanted.kind == "money" and wanted.digits > found.digits:
            return self.guarded([code], lambda x: f"{x} * {10 ** (wanted.digits - found.digits)}")
        return code

    def plain_value(self, node: tree.Node) -> _Code:
        found = self.types[id(node)]
        match node:
            case tree.Constant(value):
                plain = isinstance(value, str | float | bool | None)
                written = repr(value) if plain else self.named(value)
                written = f"({written})" if written.startswith("-") else written
                return _Code(written, nullable=value is None, atomic=True)
            case tree.Name(name):
                return _Code(self.local(name), found.nullable, atomic=True)
            case tree.Negative() | tree.Arithmetic():
                code = self.arithmetic(node)
                if found.kind != "number" or not may_overflow(node, self.types):
                    return code
                name = self.temporary()
                if not code.nullable:
                    return _Code(f"({name} if -inf < ({name} := {code.text}) < inf else None)", nullable=True)
                finite = f"None if ({name} := {code.text}) is None or not -inf < {name} < inf else {name}"
                return _Code(f"({finite})", nullable=True)
            case tree.Choice(condition, then, otherwise):
                one, other = self.value(then, found), self.value(otherwise, found)
                text = f"({one.text} if {self.true(condition)} else {other.text})"
                return _Code(text, one.nullable or other.nullable)
            case tree.Call():
                return self.call(node, found)
            case tree.Comparison():
                return self.guarded(*self.compared(node, node.operator))
            case tree.Membership(operand):
                code = self.value(operand, self.checked.operands[id(node)])
                return self.guarded([code], lambda x: f"{x} in {self.members(node)}")
            case tree.Not(operand):
                code = self.value(operand)
                return self.guarded([code], lambda x: f"not {x}")
            case tree.Logic():
                return self.logic(node)
            case tree.Aggregate():
                raise AssertionError("aggregates are lowered before a record is looked at")
        assert_never(node)

    def arithmetic(self, node: tree.Node) -> _Code:
        """Sums and products without the overflow test: what is not finite stays so up to the top, since
        only a division could make it finite again, and a division tests its divisor."""
        return self.shallow(self.plain_arithmetic(node))

    def plain_arithmetic(self, node: tree.Node) -> _Code:
        found = self.types[id(node)]
        if isinstance(node, tree.Negative):
            return self.guarded([self.arithmetic(node.operand)], lambda x: f"-{x}")
        if not isinstance(node, tree.Arithmetic):
            return self.value(node, found)
        left, right = self.types[id(node.left)], self.types[id(node.right)]
        if found.kind == "duration" and left.kind != "duration":
            codes = [self.value(node.left), self.value(node.right)]
            return self.guarded(codes, lambda x, y: f"float({x}.toordinal() - {y}.toordinal())")
        wanted = found if found.kind in ("money", "duration") else NUMBER
        codes = [
            self.arithmetic(side)
            if kind.kind == wanted.kind and kind.digits == wanted.digits
            else self.value(side, wanted)
            for side, kind in ((node.left, left), (node.right, right))
        ]
        if node.operator != "/":
            return self.guarded(codes, lambda x, y: f"{x} {node.operator} {y}")
        if isinstance(node.right, tree.Constant) and node.right.value:
            return self.guarded(codes, lambda x, y: f"{x} / {y}")
        divisor = self.value(node.right, NUMBER)
        name = divisor.text if divisor.atomic else self.temporary()
        divided = self.guarded([codes[0]], lambda x: f"{x} / {name}")
        first = divisor.text if divisor.atomic else f"({name} := {divisor.text})"
        test = f"{first} is None or {name} == 0.0" if divisor.nullable else f"{first} == 0.0"
        return _Code(f"(None if {test} else {divided.text})", nullable=True)

    def call(self, node: tree.Call, found: Type) -> _Code:
        row = FUNCTIONS[node.function]
        function = self.named(row.scalar)
        common = found if row.result == "common" else None
        if row.name == "is_null":
            code = self.value(node.arguments[0])
            return _Code(f"({code.text} is None)" if code.nullable else "False", nullable=False)
        codes = []
        for argument in node.arguments:
            kind = self.types[id(argument)].kind
            codes.append(self.value(argument, common or (NUMBER if kind == "money" else None)))
        if row.nulls == "own":
            return _Code(f"{function}({', '.join(code.text for code in codes)})", found.nullable)
        code = self.guarded(codes, lambda *names: f"{function}({', '.join(names)})")
        return _Code(code.text, nullable=True) if row.partial else code

    def logic(self, node: tree.Logic) -> _Code:
        if not self.types[id(node)].nullable:
            return _Code(self.true(node), nullable=False)
        decisive, otherwise = ("False", "True") if node.operator == "and" else ("True", "False")
        decided: list[str] = []
        unknown: list[str] = []
        for operand in node.operands:
            code = self.value(operand)
            name = code.text if code.atomic else self.temporary()
            first = name if code.atomic else f"({name} := {code.text})"
            # Python warns of a comparison by `is` with a literal, which a constant may be.
            plain = first if node.operator == "or" else f"not {first}"
            decided.append(f"{first} is {decisive}" if code.nullable else plain)
            if code.nullable:
                unknown.append(f"{name} is None")
        text = f"({decisive} if {' or '.join(decided)} else None if {' or '.join(unknown)} else {otherwise})"
        return _Code(text, nullable=True)

    # conditions

    def compared(
        self, node: tree.Comparison, operator: tree.ComparisonOperator
    ) -> tuple[list[_Code], Callable[..., str]]:
        wanted = self.checked.operands[id(node)]
        codes = [self.value(node.left, wanted), self.value(node.right, wanted)]
        return codes, lambda x, y: f"{x} {operator} {y}"

    def members(self, node: tree.Membership) -> str:
        wanted = self.checked.operands[id(node)]
        values: set[object] = set()
        for value in node.values:
            if wanted.kind == "money" and isinstance(value.value, float):
                values.add(money.scaled(value.value, wanted.digits))
            else:
                values.add(value.value)
        return self.named(frozenset(values))

    def true(self, node: tree.Node) -> str:
        """Python that is truthy exactly when the condition is true."""
        return self.tested(node, wanted=True)

    def tested(self, node: tree.Node, *, wanted: bool) -> str:
        return self.shallow(_Code(self.plain_tested(node, wanted=wanted), nullable=False)).text

    def plain_tested(self, node: tree.Node, *, wanted: bool) -> str:
        match node:
            case tree.Not(operand):
                return self.tested(operand, wanted=not wanted)
            case tree.Logic(operator, operands):
                word = operator if wanted else {"and": "or", "or": "and"}[operator]
                return f"({f' {word} '.join(self.tested(each, wanted=wanted) for each in operands)})"
            case tree.Comparison(operator):
                codes, build = self.compared(node, operator if wanted else tree.INVERSE[operator])
                return self.known(codes, build)
            case tree.Membership(operand):
                code = self.value(operand, self.checked.operands[id(node)])
                word = "in" if wanted else "not in"
                return self.known([code], lambda x: f"{x} {word} {self.members(node)}")
            case tree.Choice(condition, then, otherwise):
                sides = [self.tested(side, wanted=wanted) for side in (then, otherwise)]
                return f"({sides[0]} if {self.true(condition)} else {sides[1]})"
        code = self.value(node)
        if wanted:
            return code.text
        return f"({code.text} is False)" if code.nullable else f"(not {code.text})"

    def known(self, codes: Sequence[_Code], build: Callable[..., str]) -> str:
        tests: list[str] = []
        names: list[str] = []
        for code in codes:
            if code.nullable and not code.atomic:
                name = self.temporary()
                tests.append(f"({name} := {code.text}) is not None")
                names.append(name)
            else:
                names.append(code.text)
                if code.nullable:
                    tests.append(f"{code.text} is not None")
        return f"({' and '.join([*dict.fromkeys(tests), build(*names)])})"
