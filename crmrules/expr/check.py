"""A tree against declared fields: names, types, nulls, limits and cost, before anything runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, assert_never, final

from crmrules import money
from crmrules.errors import ExpressionError, closest, did_you_mean
from crmrules.expr import habits, tree, wording
from crmrules.expr.bounds import may_overflow
from crmrules.expr.functions import AGGREGATES, FUNCTIONS, NUMERIC, Function
from crmrules.expr.limits import current
from crmrules.expr.tree import Node
from crmrules.types import BOOL, DATE, DATETIME, DURATION, NULL, NUMBER, TEXT, Kind, Type

DEAREST = 2_000

_OF: Mapping[Kind, Type] = {each.kind: each for each in (TEXT, NUMBER, BOOL, DATE, DATETIME, DURATION)}
_OF_CONSTANT: Mapping[type, Type] = {
    bool: BOOL.required(),
    float: NUMBER.required(),
    str: TEXT.required(),
    dt.date: DATE.required(),
    dt.datetime: DATETIME.required(),
    type(None): NULL,
}
_CONDITION = (BOOL.required(), BOOL)
_ARITHMETIC = (NUMBER.required(), NUMBER)

Schema = Mapping[str, Type]
_Inner = (
    tree.Negative
    | tree.Arithmetic
    | tree.Comparison
    | tree.Membership
    | tree.Not
    | tree.Logic
    | tree.Choice
    | tree.Call
    | tree.Aggregate
    | tree.Past
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A tree that fits the fields, with what is known of each node.

    types: by `id` of the node. operands: the type in which a comparison compares, by `id`.
    fields: the names that are read; schema: their types. cost: the steps of a column run for each
    record, an upper bound.
    """

    tree: Node
    text: str
    types: Mapping[int, Type]
    operands: Mapping[int, Type]
    fields: tuple[str, ...]
    schema: Schema
    cost: int

    def type_of(self, node: Node) -> Type:
        return self.types[id(node)]

    @property
    def type(self) -> Type:
        return self.types[id(self.tree)]


def check(
    node: tree.Node,
    fields: Schema,
    *,
    text: str = "",
    measures: Schema | None = None,
    budget: int = DEAREST,
    one_record: bool = False,
    past: bool = False,
) -> Checked:
    """The checked tree. `measures` are the names allowed outside aggregates; without it, none are allowed
    beside an aggregate, and a tree without aggregates is about one record's `fields`. `budget` is the most
    that a record may cost; `one_record` says that there is nothing to aggregate; `past`
    that parts over other periods are allowed, and looked at like the rest.

    Raises ExpressionError: E101 unknown name, E102 types that do not go together, E104 wrong arguments,
    E105 aggregates where none can be, E107 too dear.
    """
    grouped = not one_record and (measures is not None or has_aggregate(node))
    checker = _Checker(text or tree.text(node), fields, measures, grouped=grouped, one_record=one_record)
    checker.past = past
    checker.visit(node)
    cost = checker.steps
    limits = current()
    budget = budget if limits is None else min(budget, limits.cost)
    if cost > budget:
        message = f"the expression costs {cost:,} steps a record, {budget:,} is the most"
        checker.refuse("E107", message, node, "make parts of it measures or fields of their own")
    read = tuple(checker.read)
    return Checked(node, checker.text, checker.types, checker.operands, read, checker.read, cost)


def has_aggregate(node: tree.Node) -> bool:
    """Whether the tree looks at many records."""
    return isinstance(node, tree.Aggregate) or any(map(has_aggregate, tree.children(node)))


@final
class _Checker:
    def __init__(
        self, text: str, fields: Schema, measures: Schema | None, *, grouped: bool, one_record: bool
    ) -> None:
        self.text = text
        self.fields = fields
        self.grouped = grouped
        self.one_record = one_record
        self.schema: Schema = measures or {} if grouped else fields
        self.within = ""
        self.types: dict[int, Type] = {}
        self.operands: dict[int, Type] = {}
        self.read: dict[str, Type] = {}
        self.steps = 0
        self.untested: dict[int, int] = {}
        self.overflowing: set[int] = set()
        self.past = False

    def refuse(
        self, code: str, message: str, node: tree.Node, hint: str = "", names: list[str] | None = None
    ) -> NoReturn:
        raise ExpressionError(
            code, message, text=self.text, span=node.span, hint=hint, suggestions=names or ()
        )

    def visit(self, node: tree.Node) -> Type:
        outside, self.steps = self.steps, 0
        if isinstance(node, tree.Constant):
            found = _OF_CONSTANT[type(node.value)]
        else:
            found = self.name(node) if isinstance(node, tree.Name) else self.type_of(node)
        self.types[id(node)] = found
        self.steps = outside + (self.cost_of(node, self.steps) if self.steps else 1)
        return found

    def cost_of(self, node: tree.Node, below: int) -> int:
        """Steps of a column run. What a null or overflow test looks at is computed twice, so chains of
        such tests double at each level; the limit on cost is what bounds them."""
        match node:
            case tree.Arithmetic() | tree.Negative():
                untested = self.untested[id(node)]
                return 2 + 2 * untested if id(node) in self.overflowing else untested
            case tree.Comparison(operator, left) if operator == "!=" or self.types[id(left)].kind == "bool":
                return 2 + 2 * below
            case tree.Call(function):
                return FUNCTIONS[function].cost * (1 + below)
        return 1 + below

    def cost_of_arithmetic(self, node: tree.Arithmetic, left: int, right: int) -> int:
        """The steps without the test for overflow, which only the whole of a sum or product needs."""
        left = self.untested.get(id(node.left), left)
        if node.operator != "/":
            return 1 + left + self.untested.get(id(node.right), right)
        return 3 + (left if isinstance(node.right, tree.Constant) else 2 * left + 2 * right)

    def type_of(self, node: _Inner) -> Type:
        match node:
            case tree.Negative(operand):
                found = self.visit(operand)
                self.untested[id(node)] = 1 + self.untested.get(id(operand), self.steps)
                if id(operand) in self.overflowing:
                    self.overflowing.add(id(node))
                return found if found.kind in NUMERIC else self.unfit(node, operand, found, "a number")
            case tree.Arithmetic():
                return self.arithmetic(node)
            case tree.Comparison():
                return self.comparison(node)
            case tree.Membership():
                return self.membership(node)
            case tree.Not(operand):
                return self.condition(operand)
            case tree.Logic(_, operands):
                nullable = [self.condition(operand).nullable for operand in operands]
                return _CONDITION[any(nullable)]
            case tree.Choice(condition, then, otherwise):
                self.condition(condition)
                return self.common(node, (then, otherwise), "the two sides of `if … else`")
            case tree.Call():
                return self.call(node)
            case tree.Aggregate():
                return self.aggregate(node)
            case tree.Past(_, operand) if self.past:
                return self.visit(operand).optional()
            case tree.Past(function):
                self.refuse(
                    "E110",
                    f"`{function}` looks at other periods, and there are none here",
                    node,
                    "write it in the value or the target of an indicator",
                )
        assert_never(node)

    def name(self, node: tree.Name) -> Type:
        schema = self.schema if not self.within else self.fields
        if (found := schema.get(node.name)) is not None:
            self.read[node.name] = found
            return found
        if self.grouped and not self.within and node.name in self.fields:
            self.refuse(
                "E105",
                f"`{node.name}` is a field of a record and stands outside an aggregate",
                node,
                f"write for example sum({node.name})",
            )
        self.unknown_name(node)

    def unknown_name(self, node: tree.Name, hint: str = "") -> NoReturn:
        schema = self.schema if not self.within else self.fields
        names = closest(node.name, schema)
        if not names:
            hint = hint or habits.of_value(node.name)
            if not hint and node.name in FUNCTIONS:
                hint = f"it is a function: {FUNCTIONS[node.name].example}"
        near = did_you_mean(node.name, schema) if names or not hint else ""
        self.refuse("E101", f"unknown name `{node.name}`", node, f"{near} {hint}".strip(), names)

    def refuse_unquoted(self, name: tree.Name, beside: tree.Name) -> None:
        """Refuse a name that no field has where it is compared with a text: it was meant as one."""
        schema = self.schema if not self.within else self.fields
        if name.name not in schema:
            known = schema.get(beside.name)
            if known is not None and known.kind == "text" and not habits.of_value(name.name):
                self.unknown_name(name, f"write '{name.name}' for a text")

    def condition(self, node: tree.Node) -> Type:
        found = self.visit(node)
        if found.kind not in ("bool", "null"):
            self.unfit(node, node, found, "a condition (yes or no)")
        return _CONDITION[found.nullable]

    def unfit(self, place: tree.Node, operand: tree.Node, found: Type, expected: str) -> NoReturn:
        hint = wording.hint_to_fit(place, found, expected)
        self.refuse(
            "E102", f"{wording.named(operand)} is {wording.a(found)}, expected {expected}", operand, hint
        )

    def arithmetic(self, node: tree.Arithmetic) -> Type:
        left, steps = self.visit(node.left), self.steps
        right = self.visit(node.right)
        self.untested[id(node)] = self.cost_of_arithmetic(node, steps, self.steps - steps)
        plain = left.kind == right.kind == "number"
        if not plain and (other := self.beyond_numbers(node, left, right)) is not None:
            return other
        nullable = left.nullable or right.nullable
        if node.operator == "/" and not (isinstance(node.right, tree.Constant) and node.right.value):
            nullable = True
        if may_overflow(node, self.types):
            self.overflowing.add(id(node))
            nullable = True
        return _ARITHMETIC[nullable]

    def beyond_numbers(self, node: tree.Arithmetic, left: Type, right: Type) -> Type | None:
        """The type of dates, durations and amounts of money, None where a number comes out of them."""
        moments = ("date", "datetime")
        nullable = left.nullable or right.nullable
        if node.operator == "-" and left.kind in moments and right.kind in moments:
            return Type("duration", nullable=nullable)
        if node.operator == "-" and (left.kind in moments or right.kind in moments):
            other, found = (node.right, right) if left.kind in moments else (node.left, left)
            if found.kind != "null":
                self.unfit(node, other, found, "a date")
        for side, found in ((node.left, left), (node.right, right)):
            if found.kind not in ("number", "money", "null", "duration") or (
                found.kind == "duration" and not left.kind == right.kind == "duration"
            ):
                self.unfit(node, side, found, "a number")
        if node.operator in ("+", "-"):
            shared = self.shared(node.left, node.right)
            if shared is not None and shared.kind in ("money", "duration"):
                return Type(shared.kind, shared.digits, nullable)
        return None

    def comparison(self, node: tree.Comparison) -> Type:
        if isinstance(node.left, tree.Name) and isinstance(node.right, tree.Name):
            self.refuse_unquoted(node.left, node.right)
            self.refuse_unquoted(node.right, node.left)
        left, right = self.visit(node.left), self.visit(node.right)
        for side in (node.left, node.right):
            if isinstance(side, tree.Constant) and side.value is None:
                self.refuse("E102", "nothing compares with None", node, "write is_null(x) or not is_null(x)")
        shared = self.shared(node.left, node.right)
        if shared is None:
            hint = wording.hint_to_compare(node, {left.kind, right.kind})
            self.refuse("E102", f"{wording.a(left)} cannot be compared with {wording.a(right)}", node, hint)
        self.operands[id(node)] = shared
        if node.operator not in ("==", "!=") and left.kind == "bool":
            self.refuse("E102", "yes and no have no order", node, "compare with == or !=")
        for enumerated, constant in ((left, node.right), (right, node.left)):
            self.known_value(enumerated, constant)
        return _CONDITION[left.nullable or right.nullable]

    def known_value(self, enumerated: Type, constant: tree.Node) -> None:
        if not enumerated.values or not isinstance(constant, tree.Constant):
            return
        value = constant.value
        if isinstance(value, str) and value not in enumerated.values:
            names = closest(value, enumerated.values)
            hint = (
                f"did you mean '{names[0]}'?"
                if names
                else f"it holds {', '.join(map(repr, enumerated.values[:12]))}"
            )
            self.refuse("E108", f"the field never holds {value!r}", constant, hint, names)

    def membership(self, node: tree.Membership) -> Type:
        operand = self.visit(node.operand)
        compared = operand
        for value in node.values:
            self.visit(value)
            shared = self.shared(node.operand, value)
            if shared is None:
                found = self.types[id(value)]
                self.refuse(
                    "E102", f"{wording.a(found)} in a list that is compared with {wording.a(operand)}", value
                )
            compared = shared if compared.kind != "number" else compared
            self.known_value(operand, value)
        self.operands[id(node)] = compared
        return _CONDITION[operand.nullable]

    def call(self, node: tree.Call) -> Type:
        row = FUNCTIONS[node.function]
        count = len(node.arguments)
        if count < row.required or (count > len(row.parameters) and not row.variadic):
            self.refuse(
                "E104",
                f"`{row.name}` takes {wording.how_many(row)}, not {count}",
                node,
                f"for example {row.example}",
            )
        for position, argument in enumerate(node.arguments):
            allowed = row.parameters[min(position, len(row.parameters) - 1)]
            found = self.visit(argument)
            money_as_number = found.kind == "money" and "number" in allowed
            if found.kind not in allowed and found.kind != "null" and not money_as_number:
                self.unfit(node, argument, found, wording.listed(allowed))
        for argument in node.arguments[row.constants_from :] if row.constants_from is not None else ():
            self.fixed(row, argument)
        nullable = row.partial or any(self.types[id(argument)].nullable for argument in node.arguments)
        if row.nulls == "own":
            nullable = row.result == "common" and all(self.types[id(a)].nullable for a in node.arguments)
        if row.result == "common":
            shared = self.common(node, node.arguments, f"the values of `{row.name}`")
            return Type(shared.kind, shared.digits, nullable)
        return Type(row.result, nullable=nullable)

    def fixed(self, row: Function, node: tree.Node) -> None:
        constants = row.constants
        value = node.value if isinstance(node, tree.Constant) else None
        if constants is not None and not constants.fits(value):
            self.refuse(
                "E104",
                f"`{row.name}` takes {constants.words} here, as a constant",
                node,
                "write the constant itself",
            )

    def aggregate(self, node: tree.Aggregate) -> Type:
        if self.one_record:
            hint = "use it as a measure or an indicator"
            self.refuse("E105", "an aggregate looks at many records, here is only one", node, hint)
        if self.within:
            self.refuse("E105", f"`{node.function}` stands inside `{self.within}`", node, "aggregate once")
        row = AGGREGATES[node.function]
        self.within = node.function
        found = self.visit(node.argument) if node.argument is not None else NUMBER.required()
        if node.argument is not None and found.kind not in row.parameter:
            self.unfit(node, node.argument, found, wording.listed(row.parameter))
        if node.where is not None:
            self.condition(node.where)
        self.within = ""
        kind: Kind = found.kind if row.result == "same" else row.result
        if node.function == "mean" and found.kind == "duration":
            kind = "duration"
        return Type(kind, found.digits if kind == "money" else 0, nullable=row.empty is None)

    def common(self, place: tree.Node, nodes: tuple[tree.Node, ...], what: str) -> Type:
        found = [self.types.get(id(node)) or self.visit(node) for node in nodes]
        nullable = any(each.nullable for each in found)

        shared: Type | None = NULL
        for node in nodes:
            shared = _shared(shared, self.as_money(node, found)) if shared is not None else None
        if shared is None:
            kinds = " and ".join(dict.fromkeys(wording.a(each) for each in found))
            self.refuse("E102", f"{what} must be of one type, here are {kinds}", place)
        return Type(shared.kind, shared.digits, nullable)

    def shared(self, left: tree.Node, right: tree.Node) -> Type | None:
        found = [self.types[id(left)], self.types[id(right)]]
        if found[0].kind != "money" and found[1].kind != "money":
            return _shared(*found)
        return _shared(self.as_money(left, found), self.as_money(right, found))

    def as_money(self, node: tree.Node, beside: list[Type]) -> Type:
        """A plain number that is exact in the money it meets is money, so that exactness is not lost."""
        found = self.types[id(node)]
        digits = max((other.digits for other in beside if other.kind == "money"), default=None)
        return (
            Type("money", digits, nullable=False) if digits is not None and is_amount(node, digits) else found
        )


def is_amount(node: tree.Node, digits: int) -> bool:
    """Whether the node is a constant that is exact with so many decimals."""
    if not isinstance(node, tree.Constant) or type(node.value) is not float:
        return False
    try:
        money.scaled(node.value, digits)
    except money.NotMoney:
        return False
    return True


def _shared(left: Type, right: Type) -> Type | None:
    if left.kind == "null" or right.kind == "null":
        return right if left.kind == "null" else left
    if left.kind == right.kind:
        return Type("money", max(left.digits, right.digits)) if left.kind == "money" else _OF[left.kind]
    return NUMBER if {left.kind, right.kind} == {"money", "number"} else None


__all__ = ["DURATION", "Checked", "Schema", "check", "has_aggregate", "is_amount", "may_overflow"]
