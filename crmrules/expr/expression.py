"""An expression: a text, checked against declared fields, that can be computed and explained."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, final

from crmrules.errors import ExpressionError, Span
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check, has_aggregate
from crmrules.expr.parse import parse
from crmrules.expr.scalar import Evaluate, compile_record
from crmrules.types import Scalar, Type, fit

if TYPE_CHECKING:
    import narwhals as nw

    from crmrules.expr.traced import Step


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

    def __init__(self, checked: Checked) -> None:
        self.checked = checked

    @classmethod
    def parse(cls, text: str, fields: Mapping[str, str | Type] | HasSchema) -> Expression:
        """The expression of a text over declared fields: a mapping of name to type, or a source.

        Types are `text`, `number`, `money(2)`, `date`, `datetime` and `bool`, each with `not null` behind
        it if no value is ever missing. Raises ExpressionError, which shows the place in the text.
        """
        if type(text) is not str:
            raise ExpressionError("E004", "an expression is a text", text="", span=Span(0, 1))
        schema = schema_of(fields)
        node = parse(text)
        if has_aggregate(node):
            raise ExpressionError(
                "E105",
                "an aggregate looks at many records, here is only one",
                text=text,
                span=next(part.span for part in tree.walk(node) if isinstance(part, tree.Aggregate)),
                hint="use it as a measure or an indicator",
            )
        return cls(check(node, schema, text=text))

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

    @cached_property
    def _evaluate(self) -> Evaluate:
        return compile_record(self.checked)

    def __call__(self, record: Mapping[str, object]) -> float | str | bool | Decimal | dt.date | None:
        """The value for one record; None where it is unknown. Money comes as a Decimal.

        Raises FieldError if a field is missing from the record or holds another type than declared.
        """
        result = self._evaluate(record)
        if type(result) is int:
            from crmrules import money

            return money.amount(result, self.type.digits)
        return result

    def trace(self, record: Mapping[str, object]) -> Step:
        """The value of every part, with its text, for explanations."""
        from crmrules.expr.traced import trace

        self._evaluate(record)
        schema = self.checked.schema
        values: dict[str, Scalar] = {
            name: fit(record[name], schema[name].kind, schema[name].digits) for name in self.fields
        }
        return trace(self.checked, values)[1]

    def column(self) -> nw.Expr:
        """The value as a narwhals expression over a frame that a source has bound."""
        from crmrules.expr.column import value_column

        return value_column(self.checked)

    def __str__(self) -> str:
        return tree.text(self.tree)

    def __repr__(self) -> str:
        return f"Expression({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.tree == other.tree and self.type == other.type

    def __hash__(self) -> int:
        return hash(self.tree)


def schema_of(fields: Mapping[str, str | Type] | HasSchema) -> Schema:
    """Declared fields as a mapping of name to type."""
    if isinstance(fields, Mapping):
        return {
            name: declared if isinstance(declared, Type) else Type.parse(declared)
            for name, declared in fields.items()
        }
    return fields.schema
