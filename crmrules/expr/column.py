"""Tree to a narwhals expression over a bound frame, for every DataFrame engine.

In a bound frame text columns hold text and all others float64: money in whole units, dates as days and
timestamps as microseconds since 1970, yes and no as 1 and 0. A missing value is null, or NaN where the
engine knows no other. A condition is compiled in its *is-true* or *is-false* form: a column of booleans in
which null counts as no, so that no engine has to hold a third value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never, final

from crmrules import money
from crmrules.expr import tree
from crmrules.expr.check import Checked, may_overflow
from crmrules.expr.functions import FUNCTIONS
from crmrules.expr.hosted import callable_of, column_of
from crmrules.expr.scalar import compile_record
from crmrules.frames import MICROSECONDS_A_DAY, carried, days_of_microseconds, over
from crmrules.types import NUMBER, Type

if TYPE_CHECKING:
    import narwhals as nw

    Operand = nw.Expr | float | str | None


def value_column(checked: Checked, *, prefix: str = "") -> nw.Expr:
    """The expression's value, as a bound frame holds it; `prefix` stands before each column's name."""
    writer = _Writer(checked, prefix)
    return writer.column(writer.value(checked.tree), checked.type)


def condition_column(checked: Checked, *, prefix: str = "") -> nw.Expr:
    """Whether the condition is true; where it is false or unknown, the column holds false or null."""
    return _Writer(checked, prefix).tested(checked.tree, wanted=True)


def is_in_sql(node: tree.Node) -> bool:
    """Whether DuckDB can compute the column, which calls no Python."""
    for each in tree.walk(node):
        if isinstance(each, tree.Call):
            row = FUNCTIONS[each.function]
            if row.hosted or row.column is None or not row.in_sql:
                return False
    return True


@final
class _Writer:
    def __init__(self, checked: Checked, prefix: str) -> None:
        import narwhals as nw

        self.nw = nw
        self.prefix = prefix
        self.checked = checked
        self.types = checked.types
        self.varying: set[int] = set()
        self.find_varying(checked.tree)

    def find_varying(self, node: tree.Node) -> bool:
        """Note which nodes read a field, by `id`; the others are the same for every record."""
        below = [self.find_varying(child) for child in tree.children(node)]
        if not any(below) and not isinstance(node, tree.Name):
            return False
        self.varying.add(id(node))
        return True

    def column(self, operand: Operand, found: Type) -> nw.Expr:
        if isinstance(operand, self.nw.Expr):
            return operand
        dtype = self.nw.String if found.kind == "text" else self.nw.Float64
        return self.nw.lit(operand, dtype)

    def value(self, node: tree.Node, wanted: Type | None = None) -> Operand:
        """A column, or a plain value where the node is a constant."""
        found = self.types[id(node)]
        operand = self.plain_value(node)
        if wanted is None or operand is None or isinstance(operand, str):
            return operand
        if wanted.kind == "number" and found.kind == "money":
            return (
                operand / 10.0**found.digits
                if isinstance(operand, float)
                else over(operand, 10.0**found.digits)
            )
        if wanted.kind == "money" and found.kind == "number":
            assert isinstance(operand, float)
            return float(money.scaled(operand, wanted.digits))
        if wanted.kind == "money" and wanted.digits > found.digits:
            return operand * float(10 ** (wanted.digits - found.digits))
        return operand

    def constant(self, node: tree.Node) -> float | str | None:
        """What is the same for every record, computed here: engines lack functions of literals."""
        if isinstance(node, tree.Constant):
            return carried(node.value)
        checked = self.checked
        alone = Checked(node, checked.text, checked.types, checked.operands, (), {}, 0)
        return carried(compile_record(alone)({}))

    def plain_value(self, node: tree.Node) -> Operand:
        if id(node) not in self.varying:
            return self.constant(node)
        nw = self.nw
        found = self.types[id(node)]
        match node:
            case tree.Name(name):
                return nw.col(self.prefix + name)
            case tree.Negative() | tree.Arithmetic():
                result = self.arithmetic(node)
                if found.kind != "number" or not may_overflow(node, self.types):
                    return result
                result = self.column(result, found)
                return nw.when(result.is_finite()).then(result)
            case tree.Choice(condition, then, otherwise):
                one = self.column(self.value(then, found), found)
                other = self.column(self.value(otherwise, found), found)
                return nw.when(self.tested(condition, wanted=True)).then(one).otherwise(other)
            case tree.Call(function) if not _tests(function):
                return self.call(node, found)
            case tree.Call() | tree.Comparison() | tree.Membership() | tree.Not() | tree.Logic():
                no = nw.when(self.tested(node, wanted=False)).then(nw.lit(0.0))
                return nw.when(self.tested(node, wanted=True)).then(nw.lit(1.0)).otherwise(no)
            case tree.Constant() | tree.Aggregate() | tree.Past():
                raise AssertionError("constants do not vary, and aggregates are lowered before")
        assert_never(node)

    def arithmetic(self, node: tree.Node) -> nw.Expr | float:
        found = self.types[id(node)]
        if id(node) not in self.varying or not isinstance(node, tree.Negative | tree.Arithmetic):
            return self.number(node, found)
        if isinstance(node, tree.Negative):
            return -self.arithmetic(node.operand)
        left, right = self.types[id(node.left)], self.types[id(node.right)]
        if found.kind == "duration" and left.kind != "duration":
            later, earlier = self.day(node.left, left), self.day(node.right, right)
            return self.column(later, NUMBER) - self.column(earlier, NUMBER)
        wanted = found if found.kind in ("money", "duration") else NUMBER
        sides = [
            self.arithmetic(side)
            if kind.kind == wanted.kind and kind.digits == wanted.digits
            else self.number(side, wanted)
            for side, kind in ((node.left, left), (node.right, right))
        ]
        match node.operator:
            case "+":
                return sides[0] + sides[1]
            case "-":
                return sides[0] - sides[1]
            case "*":
                return sides[0] * sides[1]
        divisor = self.number(node.right, NUMBER)
        if not isinstance(divisor, float):
            divisor = self.nw.when(divisor != 0.0).then(divisor)
            if any(isinstance(part, tree.Choice | tree.Call) for part in tree.walk(node.right)):
                # They may come to the same constant in every record, which is a trap: see `frames.over`.
                divisor = divisor + sides[0] * 0.0
            return sides[0] / divisor
        if not divisor:
            return self.nw.lit(None, self.nw.Float64)
        return over(self.column(sides[0], NUMBER), divisor)

    def number(self, node: tree.Node, wanted: Type) -> nw.Expr | float:
        operand = self.value(node, wanted)
        return self.nw.lit(None, self.nw.Float64) if operand is None or isinstance(operand, str) else operand

    def day(self, node: tree.Node, found: Type) -> Operand:
        if found.kind not in ("date", "datetime"):
            return self.value(node)
        moment = self.number(node, found)
        if found.kind == "date":
            return moment
        if isinstance(moment, float):
            return moment // MICROSECONDS_A_DAY
        return days_of_microseconds(moment)

    def call(self, node: tree.Call, found: Type) -> nw.Expr:
        row = FUNCTIONS[node.function]
        common = found if row.result == "common" else None
        arguments: list[Operand] = []
        types: list[Type] = []
        for position, argument in enumerate(node.arguments):
            kind = self.types[id(argument)]
            wanted = common or (NUMBER if kind.kind == "money" else None)
            if row.column is None:
                arguments.append(self.value(argument, wanted))
                types.append(wanted or kind)
                continue
            by_day = row.whole_days and kind.kind in ("date", "datetime")
            operand = self.day(argument, kind) if by_day else self.value(argument, wanted)
            plain = row.constants_from is not None and position >= row.constants_from
            shape = common or kind
            arguments.append(operand if plain else self.column(operand, shape))
        if row.column is None:
            called = callable_of(row, node, found, self.checked.text)
            return column_of(row, called, arguments, types, found)
        return row.column(*arguments)

    def tested(self, node: tree.Node, *, wanted: bool) -> nw.Expr:
        nw = self.nw
        if id(node) not in self.varying:
            return nw.lit(self.constant(node) == (1.0 if wanted else 0.0), nw.Boolean)
        match node:
            case tree.Not(operand):
                return self.tested(operand, wanted=not wanted)
            case tree.Logic(operator, operands):
                parts = [self.tested(operand, wanted=wanted) for operand in operands]
                result = parts[0]
                for part in parts[1:]:
                    result = result & part if (operator == "and") is wanted else result | part
                return result
            case tree.Comparison():
                return self.compared(node, wanted=wanted)
            case tree.Membership(operand):
                shared = self.checked.operands[id(node)]
                column = self.column(self.value(operand, shared), shared)
                values = [self.value(value, shared) for value in node.values]
                if shared.kind not in ("text", "bool"):
                    # PyArrow tells minus zero from zero here; the sum makes both one.
                    column = column + 0.0
                inside = column.is_in(values)
                return inside if wanted else ~inside & ~column.is_null()
            case tree.Choice(condition, then, otherwise):
                sides = [self.tested(side, wanted=wanted) for side in (then, otherwise)]
                return nw.when(self.tested(condition, wanted=True)).then(sides[0]).otherwise(sides[1])
            case tree.Call(function) if _tests(function):
                result = self.call(node, self.types[id(node)])
                result = result if wanted else ~result
                if FUNCTIONS[node.function].nulls == "propagate":
                    for argument in node.arguments:
                        if self.types[id(argument)].nullable:
                            tested = self.column(self.value(argument), self.types[id(argument)])
                            result = result & ~tested.is_null()
                return result
        value = self.column(self.value(node), self.types[id(node)])
        return value == (1.0 if wanted else 0.0)

    def compared(self, node: tree.Comparison, *, wanted: bool) -> nw.Expr:
        shared = self.checked.operands[id(node)]
        operator = node.operator if wanted else tree.INVERSE[node.operator]
        left: Any = self.value(node.left, shared)
        right: Any = self.value(node.right, shared)
        left = self.column(left, shared) if left is None else left
        right = self.column(right, shared) if right is None else right
        match operator:
            case "==":
                result = left == right
            case "<":
                result = left < right
            case "<=":
                result = left <= right
            case ">":
                result = left > right
            case ">=":
                result = left >= right
            case "!=":
                # Where a missing value is NaN, it differs from everything, itself included.
                result = left != right
                for side, operand in ((node.left, left), (node.right, right)):
                    if self.types[id(side)].nullable and isinstance(operand, self.nw.Expr):
                        result = result & ~operand.is_null()
        assert isinstance(result, self.nw.Expr)
        return result


def _tests(function: str) -> bool:
    """Whether the function's column is one of plain yes and no."""
    return FUNCTIONS[function].result == "bool" and FUNCTIONS[function].column is not None
