"""Tree to pieces of Python source.

The source is written anew from the checked tree, never from the caller's text, so it holds nothing but the
few shapes below. A condition is written in its *is-true* form, and `not` turns it into the *is-false* form
of its operand; both are plain yes or no, so Kleene logic costs no third value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never, final

from crmrules import money
from crmrules.expr import tree
from crmrules.expr.bounds import may_overflow
from crmrules.expr.check import Checked
from crmrules.expr.functions import FUNCTIONS
from crmrules.expr.hosted import callable_of
from crmrules.types import NUMBER, Type

DEEPEST_PIECE = 12


@final
@dataclass(frozen=True, slots=True)
class Code:
    """A piece of Python: `atomic` may be repeated at no cost, `nullable` may be None."""

    text: str
    nullable: bool
    atomic: bool = False


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
class Writer:
    """Writes the parts of one checked tree.

    locals: the Python name of each field. constants: what the source refers to by name. ahead: lines that
    belong before the piece. short: a writer for values that are all there and of ordinary size, so that
    neither nulls nor overflows need a test.
    """

    def __init__(self, checked: Checked, *, short: bool = False) -> None:
        self.checked = checked
        self.short = short
        self.types = checked.types
        self.locals = {name: f"f{position}" for position, name in enumerate(checked.fields)}
        self.constants: dict[str, object] = {}
        self.temporaries = 0
        self.ahead: list[str] = []

    def temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    def named(self, value: object) -> str:
        name = f"{'s' if self.short else 'k'}{len(self.constants)}"
        self.constants[name] = value
        return name

    def guarded(self, codes: Sequence[Code], build: Callable[..., str]) -> Code:
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
            return Code(f"({built})", nullable=False)
        return Code(f"(None if {' or '.join(dict.fromkeys(tests))} else {built})", nullable=True)

    # values

    def value(self, node: tree.Node, wanted: Type | None = None) -> Code:
        """The value of a node, in the wanted type if that is another one."""
        return self.shallow(self.plain_or_converted(node, wanted))

    def shallow(self, code: Code) -> Code:
        """The piece, or a local that holds it if it is nested so deep that Python's compiler could run out
        of a small thread's stack. To compute it ahead is safe, since no piece ever raises."""
        if code.text.count("(") <= DEEPEST_PIECE or _depth(code.text) <= DEEPEST_PIECE:
            return code
        name = self.temporary()
        self.ahead.append(f"{name} = {code.text}")
        return Code(name, code.nullable, atomic=True)

    def plain_or_converted(self, node: tree.Node, wanted: Type | None) -> Code:
        code = self.plain_value(node)
        found = self.types[id(node)]
        if wanted is None or wanted.kind == "null" or found.kind == "null":
            return code
        if wanted.kind == "number" and found.kind == "money":
            return self.guarded([code], lambda x: f"{x} / {10**found.digits}.0")
        if wanted.kind == "money" and found.kind == "number":
            assert isinstance(node, tree.Constant)
            assert isinstance(node.value, float)
            return Code(repr(money.scaled(node.value, wanted.digits)), nullable=False, atomic=True)
        if wanted.kind == "money" and wanted.digits > found.digits:
            return self.guarded([code], lambda x: f"{x} * {10 ** (wanted.digits - found.digits)}")
        return code

    def plain_value(self, node: tree.Node) -> Code:
        found = self.types[id(node)]
        match node:
            case tree.Constant(value):
                plain = isinstance(value, str | float | bool | None)
                written = repr(value) if plain else self.named(value)
                written = f"({written})" if written.startswith("-") else written
                return Code(written, nullable=value is None, atomic=True)
            case tree.Name(name):
                return Code(self.locals[name], found.nullable and not self.short, atomic=True)
            case tree.Negative() | tree.Arithmetic():
                code = self.arithmetic(node)
                if found.kind != "number" or not may_overflow(node, self.types, ordinary=self.short):
                    return code
                # What is not finite has no difference from itself.
                name = self.temporary()
                unknown = f"({name} := {code.text})"
                unknown += f" is None or {name} - {name}" if code.nullable else f" - {name}"
                return Code(f"(None if {unknown} else {name})", nullable=True)
            case tree.Choice(condition, then, otherwise):
                one, other = self.value(then, found), self.value(otherwise, found)
                text = f"({one.text} if {self.true(condition)} else {other.text})"
                return Code(text, one.nullable or other.nullable)
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
            case tree.Aggregate() | tree.Past():
                raise AssertionError("aggregates are lowered before a record is looked at")
        assert_never(node)

    def arithmetic(self, node: tree.Node) -> Code:
        """Sums and products without the overflow test: what is not finite stays so up to the top, since
        only a division could make it finite again, and a division tests its divisor."""
        return self.shallow(self.plain_arithmetic(node))

    def plain_arithmetic(self, node: tree.Node) -> Code:
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
        if self.short and isinstance(node.right, tree.Name):
            return self.guarded(codes, lambda x, y: f"{x} / {y}")
        name = divisor.text if divisor.atomic else self.temporary()
        divided = self.guarded([codes[0]], lambda x: f"{x} / {name}")
        first = divisor.text if divisor.atomic else f"({name} := {divisor.text})"
        test = f"{first} is None or {name} == 0.0" if divisor.nullable else f"{first} == 0.0"
        return Code(f"(None if {test} else {divided.text})", nullable=True)

    def call(self, node: tree.Call, found: Type) -> Code:
        row = FUNCTIONS[node.function]
        function = self.named(callable_of(row, node, found, self.checked.text))
        common = found if row.result == "common" else None
        if row.name == "is_null":
            code = self.value(node.arguments[0])
            return Code(f"({code.text} is None)" if code.nullable else "False", nullable=False)
        codes = []
        for argument in node.arguments:
            kind = self.types[id(argument)].kind
            codes.append(self.value(argument, common or (NUMBER if kind == "money" else None)))
        if row.nulls == "own":
            return Code(f"{function}({', '.join(code.text for code in codes)})", found.nullable)
        code = self.guarded(codes, lambda *names: f"{function}({', '.join(names)})")
        return Code(code.text, nullable=True) if row.partial else code

    def logic(self, node: tree.Logic) -> Code:
        if not self.types[id(node)].nullable:
            return Code(self.true(node), nullable=False)
        codes = [self.value(operand) for operand in node.operands]
        if not any(code.nullable for code in codes):
            return Code(f"({f' {node.operator} '.join(code.text for code in codes)})", nullable=False)
        decisive, otherwise = ("False", "True") if node.operator == "and" else ("True", "False")
        decided: list[str] = []
        unknown: list[str] = []
        for code in codes:
            name = code.text if code.atomic else self.temporary()
            first = name if code.atomic else f"({name} := {code.text})"
            # Python warns of a comparison by `is` with a literal, which a constant may be.
            plain = first if node.operator == "or" else f"not {first}"
            decided.append(f"{first} is {decisive}" if code.nullable else plain)
            if code.nullable:
                unknown.append(f"{name} is None")
        text = f"({decisive} if {' or '.join(decided)} else None if {' or '.join(unknown)} else {otherwise})"
        return Code(text, nullable=True)

    # conditions

    def compared(
        self, node: tree.Comparison, operator: tree.ComparisonOperator
    ) -> tuple[list[Code], Callable[..., str]]:
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
        return self.shallow(Code(self.plain_tested(node, wanted=wanted), nullable=False)).text

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

    def known(self, codes: Sequence[Code], build: Callable[..., str]) -> str:
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
