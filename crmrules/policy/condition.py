"""Yes/no tests of a record as values that compose, whether written in Python, as text or as data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, final

from pydantic_core import core_schema

from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.parse import parse

Value = str | float | int | bool | Decimal | dt.date | dt.datetime


@final
class Condition:
    """A test of one record, which is true, false or unknown.

    >>> counted = field("order_type").isin("standard", "repeat") & ~(field("customer_type") == "house")
    >>> print(counted)
    order_type in ('standard', 'repeat') and customer_type != 'house'
    >>> counted == Condition.parse("order_type in ('standard', 'repeat') and customer_type != 'house'")
    True
    """

    __slots__ = ("text", "tree")

    def __init__(self, node: tree.Node, text: str = "") -> None:
        self.tree = node
        self.text = text or tree.text(node)

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition of a text. Raises ExpressionError."""
        return cls(parse(text), text)

    @classmethod
    def of(cls, data: object) -> Condition:
        """The condition of a text, of data as YAML holds it, or of a condition.

        Data is a mapping of field to what it must be, all of which must hold: a value, a list of values,
        or tests (`is`, `not`, `in`, `above`, `at_least`, `below`, `at_most`, `missing`). `all`, `any` and
        `not` join whole conditions.

        >>> print(Condition.of({"order_type": ["standard", "repeat"], "amount": {"above": 100}}))
        order_type in ('standard', 'repeat') and amount > 100

        Raises ExpressionError for a text, CrmRulesError (C101) for data that is no condition.
        """
        if isinstance(data, Condition):
            return data
        if isinstance(data, str):
            return cls.parse(data)
        return cls(_of_data(data))

    def check(self, schema: Schema) -> Checked:
        """The condition against declared fields. Raises ExpressionError for one that is no condition."""
        checked = check(self.tree, schema, text=self.text)
        if checked.type.kind not in ("bool", "null"):
            # The checker says it best itself: as the operand of `not`.
            check(tree.Not(self.tree, self.tree.span), schema, text=self.text)
        return checked

    def __and__(self, other: Condition) -> Condition:
        return Condition(tree.joined("and", (self.tree, other.tree)))

    def __or__(self, other: Condition) -> Condition:
        return Condition(tree.joined("or", (self.tree, other.tree)))

    def __invert__(self) -> Condition:
        return Condition(tree.negated(self.tree))

    def __bool__(self) -> bool:
        raise TypeError("a condition is neither true nor false by itself: join conditions with &, | and ~")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(self.tree)

    def __str__(self) -> str:
        return tree.text(self.tree)

    def __repr__(self) -> str:
        return f"Condition({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.of, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        return {
            "description": "A text such as `amount > 100`, or field: value, all of which must hold.",
            "anyOf": [{"type": "string"}, {"type": "object"}, {"type": "boolean"}],
        }


@final
class FieldReference:
    """A field in a condition written in Python; see `field`."""

    __slots__ = ("_node",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self._node = tree.Name(name)

    def _compared(self, operator: tree.ComparisonOperator, value: object) -> Condition:
        return Condition(tree.Comparison(operator, self._node, _constant(value)))

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compared("==", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compared("!=", value)

    def __lt__(self, value: object) -> Condition:
        return self._compared("<", value)

    def __le__(self, value: object) -> Condition:
        return self._compared("<=", value)

    def __gt__(self, value: object) -> Condition:
        return self._compared(">", value)

    def __ge__(self, value: object) -> Condition:
        return self._compared(">=", value)

    def isin(self, *values: Value) -> Condition:
        """Whether the field holds one of the values."""
        if not values:
            raise CrmRulesError(
                "C102", "isin needs at least one value", hint="name the values: isin('a', 'b')"
            )
        return Condition(tree.Membership(self._node, tuple(map(_listed, values))))

    def between(self, low: Value, high: Value) -> Condition:
        """Whether the field lies between two values, both included."""
        return (self >= low) & (self <= high)

    def is_null(self) -> Condition:
        """Whether the field is missing."""
        return Condition(tree.Call("is_null", (self._node,)))

    def __repr__(self) -> str:
        return f"field({self._node.name!r})"


def field(name: str) -> FieldReference:
    """A field, to compare it with values.

    >>> print(field("amount").between(100, 200) | field("customer").is_null())
    amount >= 100 and amount <= 200 or is_null(customer)
    """
    return FieldReference(name)


def always() -> Condition:
    """The condition that holds for every record."""
    return Condition(tree.Constant(value=True))


def _constant(value: object) -> tree.Node:
    if isinstance(value, FieldReference):
        return value._node
    if type(value) in (int, float, Decimal):
        return tree.Constant(float(value))  # type: ignore[arg-type]
    if type(value) in (str, bool, dt.date, dt.datetime):
        return tree.Constant(value)  # type: ignore[arg-type]
    raise CrmRulesError(
        "C102", f"{shown(value)} cannot be compared with a field", hint="use text, numbers or dates"
    )


def _listed(value: object) -> tree.Constant:
    constant = _constant(value)
    assert isinstance(constant, tree.Constant)
    return constant


_COMPARISONS: dict[str, tree.ComparisonOperator] = {
    "is": "==",
    "above": ">",
    "at_least": ">=",
    "below": "<",
    "at_most": "<=",
}
_TESTS = (*_COMPARISONS, "not", "in", "missing")
_JOINS: dict[str, Literal["and", "or"]] = {"all": "and", "any": "or"}


def _of_data(data: object) -> tree.Node:
    if isinstance(data, bool):
        return tree.Constant(data)
    if not isinstance(data, Mapping) or not data:
        raise CrmRulesError(
            "C101",
            f"{shown(data)} is no condition",
            hint="write a text such as amount > 100, or field: value",
        )
    return tree.joined("and", [_of_entry(str(key), value) for key, value in data.items()])


def _of_entry(key: str, value: object) -> tree.Node:
    if key in _JOINS:
        if not isinstance(value, list) or not value:
            raise CrmRulesError("C101", f"`{key}` takes a list of conditions", hint=f"{key}: [first, second]")
        return tree.joined(_JOINS[key], [Condition.of(each).tree for each in value])
    if key == "not":
        return tree.negated(Condition.of(value).tree)
    name = tree.Name(key)
    if isinstance(value, Mapping):
        tests = [_of_test(name, str(test), bound) for test, bound in value.items()]
        if not tests:
            raise CrmRulesError("C101", f"`{key}` has no test", hint=f"{key}: value")
        return tree.joined("and", tests)
    return _equal(name, value)


def _equal(name: tree.Name, value: object) -> tree.Node:
    if isinstance(value, list):
        if not value:
            raise CrmRulesError("C101", f"the list of `{name.name}` is empty", hint="name at least one value")
        return tree.Membership(name, tuple(map(_listed, value)))
    return tree.Comparison("==", name, _constant(value))


def _of_test(name: tree.Name, test: str, bound: object) -> tree.Node:
    if test in _COMPARISONS:
        return tree.Comparison(_COMPARISONS[test], name, _constant(bound))
    if test == "in":
        return _equal(name, bound if isinstance(bound, list) else [bound])
    if test == "not":
        return tree.negated(_equal(name, bound))
    if test == "missing" and isinstance(bound, bool):
        missing = tree.Call("is_null", (name,))
        return missing if bound else tree.negated(missing)
    raise CrmRulesError(
        "C101", f"`{test}` is no test of `{name.name}`", hint=did_you_mean(test, _TESTS) or "missing: true"
    )


__all__ = ["Condition", "FieldReference", "always", "field"]
