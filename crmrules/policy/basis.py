"""Short forms for what nearly every company declares: which documents count, on what amount, on which day.

Each stands for rules or derived fields that could be written out; `rules` and `derived` write them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, final

import pydantic
from pydantic import BaseModel, BeforeValidator

from crmrules.errors import CrmRulesError, FieldError, did_you_mean, shown
from crmrules.expr import tree
from crmrules.expr.check import Schema
from crmrules.fields import Frozen, Source
from crmrules.policy.condition import Condition, field
from crmrules.policy.derived import DerivedField, Rounding
from crmrules.types import Type

if TYPE_CHECKING:
    from crmrules.policy.rules import Rule

Text = Annotated[str, pydantic.Field(min_length=1)]


@final
class Counted(BaseModel):
    """Which states of a document, or which documents, count: all others get no credit, each with a reason.

    >>> because = {"draft": "a draft binds nobody"}
    >>> states = Counted(field="state", counted=["submitted", "closed"], because=because)
    >>> for rule in states.rules(Source(fields={"state": "text"}).schema):
    ...     print(rule.when, "→", rule.because)
    state == 'draft' → a draft binds nobody
    is_null(state) → `state` is missing
    state not in ('submitted', 'closed') → only submitted and closed count

    field: the field that tells. counted: its values that count. because: why others don't, in words for
    people; a value that is not named here gets a plain reason.
    """

    model_config = Frozen

    field: str
    counted: Annotated[tuple[Text, ...], pydantic.Field(min_length=1)]
    because: dict[str, Text] = {}

    @pydantic.model_validator(mode="after")
    def _check(self) -> Counted:
        for value in self.because:
            if value in self.counted:
                raise ValueError(f"{shown(value)} counts and has a reason not to: take it out of one of both")
        return self

    def rules(self, schema: Schema) -> tuple[Rule, ...]:
        """The rules that it stands for, to be a level by themselves: who is not excluded counts whole.

        A field that is declared with `one_of` gets a rule for each value that does not count.
        Raises FieldError (F102) for an unknown field, (C110) for a value that it never holds.
        """
        from crmrules.policy.rules import Rule

        found = _known(self.field, schema)
        if found.values:
            for value in (*self.counted, *self.because):
                if value not in found.values:
                    raise FieldError(
                        "C110",
                        f"`{self.field}` never holds {shown(value)}",
                        field=self.field,
                        hint=did_you_mean(value, found.values),
                    )
        only = f"only {_and(self.counted)} {'counts' if len(self.counted) == 1 else 'count'}"
        others = [value for value in found.values if value not in self.counted]
        excluded = [
            (f"{self.field} {value}", field(self.field) == value, self.because.get(value, only))
            for value in dict.fromkeys((*self.because, *others))
        ]
        if found.nullable:
            excluded.append((f"no {self.field}", field(self.field).is_null(), f"`{self.field}` is missing"))
        if not found.values:
            excluded.append((f"other {self.field}", ~field(self.field).isin(*self.counted), only))
        return tuple(
            Rule(name=name, when=when, credit=0, because=because) for name, when, because in excluded
        )


@final
class Delay(BaseModel):
    """The day on which a record counts, where that is some days after a date of its own.

    >>> cheques = Delay(date="due_date", days=10, when="payment == 'cheque'")
    >>> paid_on = {"type": "date", "role": "date"}
    >>> source = Source(fields={"paid_on": paid_on, "due_date": "date", "payment": "text"})
    >>> print(cheques.derived(source).value)
    add_days(due_date, 10) if payment == 'cheque' else paid_on

    date: the field from which the days run. when: only records for which this is known to hold are delayed;
    all if it is not said. The others count on the source's own date. field: the name of the derived date,
    by which records are put into periods and held against a cut-off: what counts after it is not counted.
    A delayed record whose `date` is missing has no day on which it counts.
    """

    model_config = Frozen

    date: str
    days: Annotated[int, pydantic.Field(ge=0, le=4000)]
    when: Condition | None = None
    field: str = "counts_on"

    def derived(self, source: Source) -> DerivedField:
        """The derived date. Raises FieldError (F102) for an unknown field, CrmRulesError (M101) for a source
        without a date of its own."""
        if self.date not in source.fields:
            raise source.unknown_field(self.date)
        own = source.role("date")
        days = tree.Constant(float(self.days))
        later: tree.Node = tree.Call("add_days", (tree.Name(self.date), days))
        if self.when is not None:
            if own is None:
                raise CrmRulesError(
                    "M101",
                    f"source `{source.name}` has no field with the role `date`, "
                    "on which records count that are not delayed",
                    hint="write `role: date` at the field that tells the day of a record",
                )
            plain: tree.Node = tree.Name(own)
            if source.schema[own].kind == "datetime":
                plain = tree.Call("start_of", (plain, tree.Constant("day")))
            later = tree.Choice(self.when.tree, later, plain)
        return DerivedField(value=tree.text(later))


class _Part(BaseModel):
    model_config = Frozen

    amount: str = "amount"


@final
class Net(_Part):
    """The amount without what is taken off it, such as tax and discount; one that is missing is none."""

    less: Annotated[tuple[str, ...], pydantic.Field(min_length=1)]


@final
class Margin(_Part):
    """The amount without its cost; where the cost is missing, so is the margin."""

    cost: str = "cost"


@final
class Received(_Part):
    """The part of the amount that is paid: amount × paid / invoiced, at least nothing and at most the whole.

    Where nothing is paid yet, or nothing is invoiced (missing or 0), nothing is received.
    """

    paid: str = "paid"
    invoiced: str = "invoiced"


def _expression(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


FORMS = ("value", "net", "margin", "received", "quantity")


@final
class Basis(BaseModel):
    """On what a record counts (计提基数): exactly one of these, as a derived field by the name of `field`.

    >>> received = Basis(received=Received(amount="amount", paid="paid", invoiced="invoiced"))
    >>> source = Source(fields=dict.fromkeys(["amount", "paid", "invoiced"], "money(2)"))
    >>> print(received.derived(source.schema).value)
    amount if paid / invoiced >= 1 else amount * paid / invoiced if paid / invoiced > 0 else amount * 0

    value: any expression. net: amount without tax, discount … margin: amount without cost. received: amount
    in proportion to what is paid. quantity: a field that counts pieces.
    type, rounding: as with any derived field; `received` of money is money of as many digits.
    """

    model_config = Frozen

    value: str | None = None
    net: Net | None = None
    margin: Margin | None = None
    received: Received | None = None
    quantity: str | None = None
    type: str | None = None
    rounding: Rounding = "half_away"
    field: str = "basis"

    @pydantic.model_validator(mode="after")
    def _check(self) -> Basis:
        said = [name for name in FORMS if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(
                f"say one of {', '.join(FORMS)}" + (f", not {' and '.join(said)}" if said else "")
            )
        return self

    def derived(self, schema: Schema) -> DerivedField:
        """The derived field. Raises FieldError (F102) for an unknown field."""
        if self.value is not None:
            return DerivedField(value=self.value, type=self.type, rounding=self.rounding)
        node, declared = self._node(), self.type
        for name in tree.names(node):
            _known(name, schema)
        if self.received is not None and declared is None:
            found = schema[self.received.amount]
            declared = str(found) if found.kind == "money" else None
        return DerivedField(value=tree.text(node), type=declared, rounding=self.rounding)

    def _node(self) -> tree.Node:
        zero, one = tree.Constant(0.0), tree.Constant(1.0)
        if self.net is not None:
            node: tree.Node = tree.Name(self.net.amount)
            for name in self.net.less:
                node = tree.Arithmetic("-", node, tree.Call("coalesce", (tree.Name(name), zero)))
            return node
        if self.margin is not None:
            return tree.Arithmetic("-", tree.Name(self.margin.amount), tree.Name(self.margin.cost))
        if self.received is not None:
            amount, paid = tree.Name(self.received.amount), tree.Name(self.received.paid)
            invoiced = tree.Name(self.received.invoiced)
            part = tree.Arithmetic("/", paid, invoiced)
            in_proportion = tree.Arithmetic("/", tree.Arithmetic("*", amount, paid), invoiced)
            nothing = tree.Arithmetic("*", amount, zero)
            some = tree.Choice(tree.Comparison(">", part, zero), in_proportion, nothing)
            return tree.Choice(tree.Comparison(">=", part, one), amount, some)
        assert self.quantity is not None
        return tree.Name(self.quantity)


BasisForm = Annotated[Basis, BeforeValidator(_expression, json_schema_input_type=str | Basis)]
"""A basis, or its expression alone."""


def _known(name: str, schema: Schema) -> Type:
    if name not in schema:
        raise FieldError("F102", f"there is no field `{name}`", field=name, hint=did_you_mean(name, schema))
    return schema[name]


def _and(values: tuple[str, ...]) -> str:
    *others, last = values
    return f"{', '.join(others)} and {last}" if others else last


__all__ = ["Basis", "BasisForm", "Counted", "Delay", "Margin", "Net", "Received"]
