"""Yes/no tests of a record as values that compose, whether written in Python, as text or as data."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, NoReturn, final

from pydantic_core import core_schema

from crmrules.errors import CrmRulesError, shown
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.parse import parse
from crmrules.frames import plain
from crmrules.policy.meaning import Meaning, meaning
from crmrules.types import LARGEST_INTEGER

Value = str | float | int | bool | Decimal | dt.date | dt.datetime


@final
class Condition:
    """A test of one record, which is true, false or unknown.

    >>> counted = field("order_type").isin("standard", "repeat") & ~(field("customer_type") == "house")
    >>> print(counted)
    order_type in ('standard', 'repeat') and customer_type != 'house'
    >>> counted == Condition.parse("customer_type != 'house' and order_type in ('repeat', 'standard')")
    True

    Conditions are equal when they mean the same, in whatever words: see `crmrules.policy.meaning`. `tree` is
    what was written, word by word; `str()` gives a text that parses back to the same tree.
    """

    __slots__ = ("_from_text", "_meaning", "text", "tree")

    def __init__(self, node: tree.Node, text: str = "") -> None:
        self.tree = node
        self.text = text or tree.text(node)
        self._from_text = bool(text)
        self._meaning: Meaning | None = None

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition of a text. Raises ExpressionError."""
        return cls(parse(text), text)

    @classmethod
    def of(cls, data: object) -> Condition:
        """The condition of a text, of data as YAML and JSON hold it, of a yes/no field, or of a condition.

        Data is a mapping of field to what it must be, all of which must hold: a value, a list of values, or
        tests: `is`, `not`, `in`, `above`, `at_least`, `below`, `at_most`, `between: [low, high]`, `is_null`,
        `startswith`, `endswith`, `contains`. A value is a text, a number, true, false, a date,
        `{date: "2026-01-31"}`, or `{field: name}` for another field. `all`, `any` and `not` join whole
        conditions, `custom` asks a registered function (see `custom_condition`).

        >>> print(Condition.of({"order_type": ["standard", "repeat"], "amount": {"above": 100}}))
        order_type in ('standard', 'repeat') and amount > 100

        Raises ExpressionError for a text, CrmRulesError (C101) for data that is no condition.
        """
        if isinstance(data, Condition):
            return data
        if isinstance(data, str):
            return cls.parse(data)
        if isinstance(data, FieldReference):
            return cls(data.node)
        from crmrules.policy.written import condition_of_data

        return cls(condition_of_data(data))

    def check(self, schema: Schema) -> Checked:
        """The condition against declared fields. Raises ExpressionError for one that is no condition."""
        # What was put together in Python or as data has no places yet, and no limits were looked at.
        node = self.tree if self._from_text else parse(self.text)
        checked = check(node, schema, text=self.text)
        if checked.type.kind not in ("bool", "null"):
            # The checker says it best itself: as the operand of `not`.
            check(tree.Not(node, node.span), schema, text=self.text)
        return checked

    def __and__(self, other: object) -> Condition:
        return Condition(tree.joined("and", (self.tree, _joinable(other, "&"))))

    def __rand__(self, other: object) -> Condition:
        return Condition(tree.joined("and", (_joinable(other, "&"), self.tree)))

    def __or__(self, other: object) -> Condition:
        return Condition(tree.joined("or", (self.tree, _joinable(other, "|"))))

    def __ror__(self, other: object) -> Condition:
        return Condition(tree.joined("or", (_joinable(other, "|"), self.tree)))

    def __invert__(self) -> Condition:
        return Condition(tree.negated(self.tree))

    def __bool__(self) -> NoReturn:
        _no_truth("a condition")

    @property
    def meaning(self) -> Meaning:
        """What equality compares: the same for conditions that say the same."""
        if self._meaning is None:
            self._meaning = meaning(self.tree)
        return self._meaning

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return False
        return self.tree == other.tree or self.meaning == other.meaning

    def __hash__(self) -> int:
        return hash(self.meaning)

    def __reduce__(self) -> tuple[object, ...]:
        return (Condition.parse, (self.text,)) if self._from_text else (Condition, (self.tree,))

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

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        if type(name) is not str or not name.strip() or name != name.strip() or "`" in name or "\n" in name:
            raise CrmRulesError(
                "C102", f"{shown(name)} cannot be the name of a field", hint="field('amount')"
            )
        self.node = tree.Name(name)

    def _compared(self, operator: tree.ComparisonOperator, value: object) -> Condition:
        return Condition(tree.Comparison(operator, self.node, operand(value, self.node.name)))

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

    def isin(self, *values: Value | list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]) -> Condition:
        """Whether the field holds one of the values, which are given one by one or as one list."""
        listed: tuple[Any, ...] = values
        if len(values) == 1 and isinstance(values[0], list | tuple | set | frozenset):
            one = values[0]
            listed = (*one,) if isinstance(one, list | tuple) else (*sorted(one, key=repr),)
        if not listed:
            raise CrmRulesError(
                "C102", "isin needs at least one value", hint="name the values: isin('a', 'b')"
            )
        return Condition(member(self.node, listed))

    def between(self, low: Value | FieldReference, high: Value | FieldReference) -> Condition:
        """Whether the field lies between two values, both included."""
        return (self >= low) & (self <= high)

    def is_null(self) -> Condition:
        """Whether the field is missing."""
        return Condition(tree.Call("is_null", (self.node,)))

    def not_null(self) -> Condition:
        """Whether the field is there."""
        return ~self.is_null()

    def startswith(self, prefix: str) -> Condition:
        """Whether the text begins so."""
        return Condition(text_test("starts_with", self.node, prefix))

    def endswith(self, suffix: str) -> Condition:
        """Whether the text ends so."""
        return Condition(text_test("ends_with", self.node, suffix))

    def contains(self, part: str) -> Condition:
        """Whether the text holds a part, letter by letter."""
        return Condition(text_test("contains", self.node, part))

    def __and__(self, other: object) -> Condition:
        return Condition.of(self) & other

    def __rand__(self, other: object) -> Condition:
        return Condition.of(self).__rand__(other)

    def __or__(self, other: object) -> Condition:
        return Condition.of(self) | other

    def __ror__(self, other: object) -> Condition:
        return Condition.of(self).__ror__(other)

    def __invert__(self) -> Condition:
        return ~Condition.of(self)

    def __bool__(self) -> NoReturn:
        _no_truth("a field")

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError(f"write {self!r}.contains(…) for a part of a text, {self!r}.isin(…) for a list")

    def __repr__(self) -> str:
        return f"field({self.node.name!r})"


def field(name: str) -> FieldReference:
    """A field, to compare it with values and other fields. A yes/no field is a condition by itself.

    >>> print(field("amount").between(100, 200) | field("customer").is_null() & "cost < 5")
    amount >= 100 and amount <= 200 or is_null(customer) and cost < 5
    """
    return FieldReference(name)


def always() -> Condition:
    """The condition that holds for every record."""
    return Condition(tree.Constant(value=True))


def operand(value: object, beside: str) -> tree.Node:
    """What a field is compared with: another field, or a constant."""
    return value.node if isinstance(value, FieldReference) else constant(value, beside)


def constant(value: object, beside: str) -> tree.Constant:
    """A plain value as a constant; those of numpy and pandas are what they stand for. Raises C102."""
    if isinstance(value, Condition):
        raise TypeError(f"`{beside}` is compared with a condition: write (first) & (second), with brackets")
    value = plain(value)
    kind = type(value)
    if value is None:
        hint = f"write field({beside!r}).is_null(), or is_null: true in data"
        raise CrmRulesError("C102", "nothing compares with a missing value", hint=hint)
    if kind in (int, float, Decimal):
        return tree.Constant(_number(value))  # type: ignore[arg-type]
    if kind in (str, bool, dt.date, dt.datetime):
        return tree.Constant(value)  # type: ignore[arg-type]
    raise CrmRulesError(
        "C102", f"{shown(value)} cannot be compared with a field", hint="use text, numbers or dates"
    )


def _number(value: int | float | Decimal) -> float:
    if type(value) is int and abs(value) > LARGEST_INTEGER:
        raise CrmRulesError(
            "C102", "whole numbers beyond 2^53 lose digits", hint="compare with a float: 1e20"
        )
    number = float(value)
    if not -float("inf") < number < float("inf"):
        raise CrmRulesError("C102", f"{shown(value)} is not finite", hint="compare with a number")
    return number


def member(node: tree.Name, values: tuple[object, ...] | list[object]) -> tree.Membership:
    """The field in a list of constants, each once."""
    listed = []
    for value in values:
        if isinstance(value, FieldReference):
            raise CrmRulesError(
                "C102", f"a list holds constants, here is {value!r}", hint="join comparisons with |"
            )
        listed.append(constant(value, node.name))
    return tree.Membership(node, tuple(dict.fromkeys(listed)))


def text_test(function: str, node: tree.Name, part: object) -> tree.Call:
    """A test of a text's letters."""
    if type(part) is not str:
        raise CrmRulesError("C102", f"{shown(part)} is no text", hint="give letters: startswith('A')")
    return tree.Call(function, (node, tree.Constant(part)))


def _joinable(value: object, operator: str) -> tree.Node:
    if isinstance(value, Condition | FieldReference | str):
        return Condition.of(value).tree
    raise TypeError(
        f"{operator} joins conditions, here is {shown(value)}: "
        f"put brackets around each comparison, (field('a') == 1) {operator} (field('b') == 2)"
    )


def _no_truth(what: str) -> NoReturn:
    raise TypeError(
        f"{what} is neither true nor false by itself: join conditions with &, | and ~ instead of and, or and "
        "not; write (1 < field('a')) & (field('a') < 3) instead of a chain, isin(…) instead of in"
    )


__all__ = ["Condition", "FieldReference", "always", "constant", "field", "member", "operand", "text_test"]
