"""Conditions and credits that an integrator writes in Python: pure functions of declared fields.

They become functions of the expression language, so they have types, missing values, explanations and
columns like any other, and rules name them: in a text, `acme_strategic(customer, amount)`, in YAML,
`custom: acme_strategic`, in Python by calling what the decorator gives.
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, final

from crmrules import money
from crmrules.errors import CrmRulesError, RecordError, did_you_mean, shown
from crmrules.expr import tree
from crmrules.expr.functions import FUNCTIONS, register
from crmrules.expr.signature import Constants, Function
from crmrules.frames import plain
from crmrules.policy.condition import Condition, FieldReference, constant, operand
from crmrules.types import Kind, Type

if TYPE_CHECKING:
    import narwhals as nw

Nulls = Literal["propagate", "own"]
Body = Callable[..., object]
Column = Callable[..., "nw.Expr"]

_KINDS: dict[type, Kind] = {bool: "bool", int: "number", float: "number", str: "text", dt.date: "date"}
_NOT_GIVEN = inspect.Parameter.empty


@final
class Custom:
    """A registered function: its name, its fields with their types, its parameters with their defaults."""

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Type],
        body: Body,
        result: Literal["bool", "number"],
        nulls: Nulls,
        column: Column | None,
    ) -> None:
        self.name = name
        self.fields = fields
        self.body = body
        self.result = result
        self.nulls = nulls
        self.column = column
        self.parameters = _parameters(name, fields, body)

    def __call__(self, *given: object) -> object:
        """The value for one record's fields, as expressions ask for it. Raises RecordError."""
        values = [_handed(value, of) for value, of in zip(given, self.fields.values(), strict=False)]
        named = dict(zip(self.parameters, given[len(self.fields) :], strict=False))
        try:
            result = plain(self.body(*values, **named))
        except Exception as reason:
            raise self.failed(values, f"raised {type(reason).__name__}: {reason}") from reason
        if result is None and self.nulls == "propagate":
            return None
        if self.result == "bool":
            if type(result) is bool:
                return result
            raise self.failed(values, f"gave {shown(result)}, expected True or False")
        if type(result) in (int, float, Decimal) and 0 <= (share := float(result)) <= 1:  # type: ignore[arg-type]
            return share
        raise self.failed(values, f"gave {shown(result)}, expected a credit from 0 to 1")

    def in_columns(self, *given: object) -> nw.Expr:
        """The same over narwhals columns."""
        assert self.column is not None
        named = dict(zip(self.parameters, given[len(self.fields) :], strict=False))
        return self.column(*given[: len(self.fields)], **named)

    def failed(self, values: Sequence[object], what: str) -> RecordError:
        record = ", ".join(f"{name} {shown(value)}" for name, value in zip(self.fields, values, strict=True))
        hint = "the function has to cope with every record whose fields are there"
        return RecordError("C310", f"`{self.name}` {what}, for the record with {record}", hint=hint)

    def call(self, given: Mapping[str, object]) -> tree.Call:
        """The call with its declared fields, or others in their place, and with parameters."""
        for name in given:
            if name not in self.fields and name not in self.parameters:
                known = [*self.fields, *self.parameters]
                raise CrmRulesError(
                    "C103", f"`{self.name}` has no parameter `{name}`", hint=did_you_mean(name, known)
                )
        arguments = [operand(given[name], name) if name in given else tree.Name(name) for name in self.fields]
        last = max((at for at, name in enumerate(self.parameters) if name in given), default=-1)
        for at, (name, default) in enumerate(self.parameters.items()):
            if name in given or at < last or default is _NOT_GIVEN:
                if (value := given.get(name, default)) is _NOT_GIVEN:
                    raise CrmRulesError("C103", f"`{self.name}` needs `{name}`", hint=f"{name}=…")
                arguments.append(constant(value, name))
        return tree.Call(self.name, tuple(arguments))

    def __str__(self) -> str:
        fields = ", ".join(f"{name}: {declared}" for name, declared in self.fields.items())
        way = "record by record" if self.column is None else "in columns"
        return f"{self.name}({fields}), {way} in frames"


@final
class CustomCondition:
    """A registered condition; calling it gives the condition that asks it. See `custom_condition`."""

    def __init__(self, custom: Custom) -> None:
        self.custom = custom

    def __call__(self, **given: object) -> Condition:
        """The condition with its declared fields; `given` are parameters, or other fields to take."""
        return Condition(self.custom.call(given))

    def __repr__(self) -> str:
        return f"<custom condition {self.custom}>"


@final
class CustomCredit:
    """A registered credit; calling it gives the text that stands as a rule's credit. See `custom_credit`."""

    def __init__(self, custom: Custom) -> None:
        self.custom = custom

    def __call__(self, **given: object) -> str:
        """The expression with its declared fields; `given` are parameters, or other fields to take."""
        return tree.text(self.custom.call(given))

    def __repr__(self) -> str:
        return f"<custom credit {self.custom}>"


def custom_condition(
    name: str, *, fields: Mapping[str, str], nulls: Nulls = "propagate", column: Column | None = None
) -> Callable[[Body], CustomCondition]:
    """Register a function of a record's fields as a condition, for the whole process.

    name: as rules write it; begin it with your own, `acme_strategic`, since names are shared. fields: what
    the function takes, in its order, with types: text comes as str, a number as float, money(2) as Decimal,
    dates as such. Its keyword-only arguments are parameters that a rule may set to constants.
    nulls: with `propagate` the condition is unknown where a field is missing, and the function may say None
    for unknown; with `own` the function is asked with None and has to decide.
    column: the same over narwhals columns (money as a float), if there is one; without it, frames are gone
    through record by record, which a PerRecordWarning says.

    The function must be pure: the same fields give the same answer, and it may be asked about any record.
    One that raises or gives something else than yes or no stops the run with a RecordError (C310) that
    names function and record. Raises CrmRulesError (C103) for a declaration that does not fit the function.

    >>> @custom_condition("doc_strategic", fields={"customer": "text", "amount": "money(2)"})
    ... def strategic(customer, amount, *, least=1000):
    ...     return customer.startswith("S") and amount >= least
    >>> print(strategic(least=500) | Condition.of({"custom": "doc_strategic"}))
    doc_strategic(customer, amount, 500) or doc_strategic(customer, amount)
    """
    return lambda body: CustomCondition(_registered(name, fields, body, "bool", nulls, column))


def custom_credit(
    name: str, *, fields: Mapping[str, str], nulls: Nulls = "propagate", column: Column | None = None
) -> Callable[[Body], CustomCredit]:
    """Register a function of a record's fields as a credit, 0 to 1, for the whole process.

    Everything as with `custom_condition`; in a rule it is an expression such as `acme_margin(amount, cost)`.

    >>> @custom_credit("doc_margin", fields={"amount": "money(2)", "cost": "money(2)"})
    ... def margin(amount, cost):
    ...     return max(0, min(1, (amount - cost) / amount)) if amount else 0
    >>> margin()
    'doc_margin(amount, cost)'
    """
    return lambda body: CustomCredit(_registered(name, fields, body, "number", nulls, column))


def custom_call(data: object) -> tree.Node:
    """What `custom:` means in YAML: a name, or a name with its parameters. Raises CrmRulesError (C103)."""
    name: object = data
    given: object = {}
    if isinstance(data, Mapping) and len(data) == 1:
        name, given = next(iter(data.items()))
    if type(name) is not str or not isinstance(given, Mapping):
        hint = "custom: acme_strategic, or custom: {acme_strategic: {least: 500}}"
        raise CrmRulesError("C103", f"{shown(data)} is no custom condition", hint=hint)
    custom = _CUSTOM.get(name)
    if custom is None:
        hint = "; or ".join(
            filter(None, (did_you_mean(name, _CUSTOM), "import the module that registers it"))
        )
        raise CrmRulesError("C103", f"no custom condition `{name}` is registered", hint=hint)
    return custom.call({str(key): _in_data(value) for key, value in given.items()})


def by_record(conditions: Sequence[Condition]) -> list[str]:
    """The names of the functions for which frames are gone through record by record."""
    parts = (part for condition in conditions for part in tree.walk(condition.tree))
    called = dict.fromkeys(part.function for part in parts if isinstance(part, tree.Call))
    return [name for name in called if (row := FUNCTIONS.get(name)) and row.column is None]


_CUSTOM: dict[str, Custom] = {}


def _registered(
    name: str,
    fields: Mapping[str, str],
    body: Body,
    result: Literal["bool", "number"],
    nulls: Nulls,
    column: Column | None,
) -> Custom:
    if not fields:
        raise CrmRulesError("C103", f"`{name}` declares no field", hint='fields={"amount": "money(2)"}')
    declared = {field: Type.parse(of) for field, of in fields.items()}
    made = Custom(name, declared, body, result, nulls, column)
    known = _CUSTOM.get(name)
    if known is not None and _is_written_again(known, made):
        # A cell of a notebook that is run again: what holds the function already gets its new body.
        known.body, known.column = body, column
        return known
    least = len(fields) + sum(default is _NOT_GIVEN for default in made.parameters.values())
    function = Function(
        name=name,
        parameters=(
            *(frozenset({of.kind}) for of in declared.values()),
            *(frozenset({_KINDS[type(default)]}) if type(default) in _KINDS else _ANY_CONSTANT
              for default in made.parameters.values()),
        ),
        result=result,
        scalar=made,
        column=made.in_columns if column is not None else None,
        doc=inspect.cleandoc(body.__doc__ or "A host's own function."),
        example=f"{name}({', '.join(fields)})",
        required=least,
        constants_from=len(fields),
        constants=Constants("a constant", lambda value: value is not None),
        nulls=nulls,
        partial=nulls == "propagate",
        cost=20,
    )  # fmt: skip
    try:
        register(function)
    except ValueError as reason:
        hint = "choose another name, with your own before it: acme_strategic"
        raise CrmRulesError("C103", str(reason), hint=hint) from None
    _CUSTOM[name] = made
    return made


_ANY_CONSTANT: frozenset[Kind] = frozenset({"text", "number", "bool", "date", "datetime"})


def _is_written_again(known: Custom, made: Custom) -> bool:
    """Whether it is the same function of the same module, with the same declaration."""

    def said(custom: Custom) -> tuple[object, ...]:
        where = getattr(custom.body, "__module__", ""), getattr(custom.body, "__qualname__", "")
        declared = [*custom.fields.items()], custom.parameters, custom.column is None
        return where, declared, custom.result, custom.nulls

    return said(known) == said(made) and getattr(made.body, "__name__", "") != "<lambda>"


def _parameters(name: str, fields: Mapping[str, Type], body: Body) -> dict[str, object]:
    """The function's keyword-only arguments with their defaults."""
    if inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body):
        raise CrmRulesError("C103", f"`{name}` is no plain function", hint="write def, without yield")
    arguments = inspect.signature(body).parameters.values()
    positional = [
        each.name for each in arguments if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    if positional != [*fields] or any(
        each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in arguments
    ):
        raise CrmRulesError(
            "C103",
            f"the function of `{name}` takes ({', '.join(positional)}), declared are ({', '.join(fields)})",
            hint=f"def {name}({', '.join(fields)}): …; parameters stand behind a *",
        )
    named = {each.name: each.default for each in arguments if each.kind == each.KEYWORD_ONLY}
    given = [default is not _NOT_GIVEN for default in named.values()]
    if given != sorted(given):
        raise CrmRulesError(
            "C103", f"`{name}` has a parameter without default behind one with", hint="swap them"
        )
    for parameter, default in named.items():
        if default is not _NOT_GIVEN:
            constant(default, parameter)
    return named


def _handed(value: object, of: Type) -> object:
    """A field's value as the function gets it: money exactly, though expressions hand it on as a number."""
    if of.kind != "money" or value is None:
        return value
    assert isinstance(value, float)
    try:
        return money.amount(money.scaled(value, of.digits), of.digits)
    except money.NotMoney:
        return Decimal(repr(value))


def _in_data(value: object) -> object:
    if isinstance(value, Mapping) and [*value] == ["field"]:
        return FieldReference(value["field"])
    return value


__all__ = [
    "Custom",
    "CustomCondition",
    "CustomCredit",
    "by_record",
    "custom_call",
    "custom_condition",
    "custom_credit",
]
