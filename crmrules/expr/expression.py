"""An expression: a text, checked against declared fields, that can be computed and explained."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, Protocol, final
from weakref import ref

from crmrules import money
from crmrules.errors import ExpressionError, Span
from crmrules.expr import tree
from crmrules.expr.check import DEAREST, Checked, Schema, check
from crmrules.expr.gate import LONGEST_EXPRESSION
from crmrules.expr.limits import Limits, current
from crmrules.expr.parse import parse
from crmrules.expr.record import values_of
from crmrules.expr.scalar import compile_record
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    import narwhals as nw

    from crmrules.expr.traced import Step


Value = float | str | bool | Decimal | dt.date | None
Evaluate = Callable[[Mapping[str, object]], Value]
Interpreter = Literal["compile", "simpleeval"]
_DECLARATIONS = (str, Type)


class HasSchema(Protocol):
    """Anything that declares fields, such as a source."""

    @property
    def schema(self) -> Schema: ...


@final
class Expression:
    """A formula or condition over the fields of one record.

    >>> margin = Expression.parse("(amount - cost) / amount", {"amount": "number", "cost": "number"})
    >>> margin({"amount": 200, "cost": 150})
    0.25
    >>> print(margin({"amount": 0, "cost": 150}))
    None

    `fields` are the names that it reads, `type` what comes out, `cost` its steps for each record at
    most; `str()` gives the canonical text, which parses back to the same tree.
    """

    __slots__ = {
        "__call__": "The value for one record; None where it is unknown. Money comes as a Decimal.",
        "__weakref__": None,
        "checked": "The checked tree.",
        "interpreter": "`compile` or `simpleeval`.",
    }
    # An attribute and not a method, since a method would cost every record a second call.
    __call__: Evaluate

    def __init__(self, checked: Checked, interpreter: Interpreter = "compile") -> None:
        self.checked = checked
        self.interpreter = interpreter
        # The weak reference avoids a cycle, which only a collection would free.
        self.__call__ = partial(_first_call, ref(self))

    @classmethod
    def parse(
        cls,
        text: str,
        fields: Mapping[str, str | Type] | HasSchema,
        *,
        budget: int = DEAREST,
        interpreter: Interpreter = "compile",
    ) -> Expression:
        """The expression of a text over declared fields: a mapping of name to type, or a source.

        Types are `text`, `number`, `money(2)`, `date`, `datetime` and `bool`, each with `not null` behind
        it if no value is ever missing. `budget` is the most steps that a record may cost; `interpreter`
        is `compile`, or `simpleeval` for hosts that forbid Python's `compile` (25 times slower, same
        values). The same text over the same fields gives the same object again.
        Raises ExpressionError, which shows the place in the text.
        """
        if type(text) is not str:
            raise ExpressionError("E004", "an expression is a text", text="", span=Span(0, 1))
        declared = fields if isinstance(fields, Mapping) else fields.schema
        for each in declared.values():
            if not isinstance(each, _DECLARATIONS):
                Type.parse(each)
        if len(text) > LONGEST_EXPRESSION:
            parse(text)
        return _parsed(text, tuple(declared.items()), budget, interpreter, current())

    @property
    def tree(self) -> tree.Node:
        """What the text says, as a value."""
        return self.checked.tree

    @property
    def fields(self) -> tuple[str, ...]:
        """The names that the expression reads."""
        return self.checked.fields

    @property
    def type(self) -> Type:
        """What comes out."""
        return self.checked.type

    @property
    def cost(self) -> int:
        """How many steps a record costs at most."""
        return self.checked.cost

    @property
    def function(self) -> Evaluate:
        """What a call of the expression calls, as a plain function: for loops in which every nanosecond
        counts. Compiled when first needed."""
        if isinstance(self.__call__, partial):
            self.__call__ = self._compiled()
        return self.__call__

    def _compiled(self) -> Evaluate:
        checked, digits = self.checked, self.type.digits
        if self.interpreter == "compile":
            function = compile_record(checked)
        else:
            from crmrules.expr.traced import interpreted

            def function(record: Mapping[str, object]) -> Scalar:
                return interpreted(checked, values_of(checked, record))

        if self.type.kind != "money":
            return function

        def amount(record: Mapping[str, object]) -> Decimal | None:
            units = function(record)
            return money.amount(units, digits) if type(units) is int else None

        return amount

    def trace(self, record: Mapping[str, object]) -> Step:
        """The value of every part, with its text, for explanations."""
        from crmrules.expr.traced import trace

        return trace(self.checked, values_of(self.checked, record))[1]

    def column(self) -> nw.Expr:
        """The value as a narwhals expression over a frame that a source has bound."""
        from crmrules.expr.column import value_column

        return value_column(self.checked)

    def __str__(self) -> str:
        return tree.text(self.tree)

    def __repr__(self) -> str:
        return f"Expression.parse({str(self)!r}, {dict(_declared(self.checked))!r})"

    def __eq__(self, other: object) -> bool:
        """Whether both say the same over the same fields, and so give the same for every record."""
        return isinstance(other, Expression) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self.tree)

    def _said(self) -> tuple[object, ...]:
        return self.tree, self.checked.schema, self.interpreter

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.checked.text, dict(self.checked.schema), self.cost, self.interpreter)


def _restored(text: str, schema: Schema, cost: int, interpreter: Interpreter) -> Expression:
    """A pickled expression, read and checked anew, so that a pickle holds nothing but text and types."""
    return Expression.parse(text, schema, budget=cost, interpreter=interpreter)


def _declared(checked: Checked) -> Iterator[tuple[str, str]]:
    for name in checked.fields:
        declared = checked.schema[name]
        yield name, f"{declared}" + ("" if declared.nullable else " not null")


def _first_call(called: ref[Expression], record: Mapping[str, object]) -> Value:
    expression = called()
    assert expression is not None
    return expression.function(record)


@lru_cache(maxsize=1024)
def _parsed(
    text: str,
    fields: tuple[tuple[str, str | Type], ...],
    budget: int,
    interpreter: Interpreter,
    limits: Limits | None,  # which parse and check look up themselves; here they tell results apart
) -> Expression:
    checked = check(parse(text), _schema(fields), text=text, budget=budget, one_record=True)
    return Expression(checked, interpreter)


@lru_cache(maxsize=64)
def _schema(fields: tuple[tuple[str, str | Type], ...]) -> Schema:
    return schema_of(dict(fields))


def schema_of(fields: Mapping[str, str | Type] | HasSchema) -> Schema:
    """Declared fields as a mapping of name to type."""
    if isinstance(fields, Mapping):
        return {
            name: declared if isinstance(declared, Type) else Type.parse(declared)
            for name, declared in fields.items()
        }
    return fields.schema
