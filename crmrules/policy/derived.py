"""Fields by expression: what a record says only when some of its fields are put together."""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NoReturn, final

import pydantic
from pydantic import BaseModel, BeforeValidator

from crmrules import frames, money
from crmrules.errors import ExpressionError, FieldError, RecordError, shown
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check, has_aggregate
from crmrules.expr.column import value_column
from crmrules.expr.parse import parse
from crmrules.expr.scalar import compile_record
from crmrules.fields import Frozen
from crmrules.types import NULL, Scalar, Type

_EXACT, _WHOLE = "@exact", "@whole"
Rounding = Literal["half_away", "half_even"]


@final
class DerivedField(BaseModel):
    """A field that is computed from others of the same record.

    >>> net = DerivedField(value="amount - discount")
    >>> part = DerivedField(value="net * 0.3", type="money(2)")
    >>> rows = [{"amount": 10_05, "discount": 5}]
    >>> schema = {"amount": Type.parse("money(2)"), "discount": Type.parse("money(2)")}
    >>> derive_records(rows, {"part": part, "net": net}, schema)
    >>> rows[0]["net"], rows[0]["part"]
    (1000, 300)

    value: an expression over the source's fields, sequences and other derived fields, in any order.
    type: `money(2)` makes money of a number, which a product or a quotient of money is: it is rounded to the
    smallest unit, with a half going away from zero or, under `half_even`, to the even one. Sums and
    differences of money are money by themselves, and exact.
    """

    model_config = Frozen

    value: str
    type: str | None = None
    rounding: Rounding = "half_away"

    @pydantic.model_validator(mode="after")
    def _check(self) -> DerivedField:
        if self.declared is not None and self.declared.kind != "money":
            raise ValueError("`type` turns a number into money: write money(2), or leave it out")
        return self

    @property
    def declared(self) -> Type | None:
        """The type that is asked for."""
        return Type.parse(self.type) if self.type is not None else None


def _short(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


DerivedFields = dict[
    str, Annotated[DerivedField, BeforeValidator(_short, json_schema_input_type=str | DerivedField)]
]
"""Derived fields by name, each written as an expression alone or with its type and rounding."""


Path = tuple[str, ...]


@final
class Derivation:
    """Derived fields on a schema, each after those that it reads.

    schema: the given fields and the derived ones. fields: the given ones that are read.
    Raises ExpressionError or FieldError for what does not fit: see `problems`.
    """

    def __init__(self, declared: Mapping[str, DerivedField], schema: Schema) -> None:
        self.steps, found = _checked(declared, schema)
        for _, error in found:
            raise error
        self.schema: Schema = {**schema, **{step.name: step.type for step in self.steps}}
        read = [name for step in self.steps for name in step.checked.fields]
        self.fields = tuple(name for name in dict.fromkeys(read) if name in schema)

    def of_frame(self, frame: frames.Frame, *, id_field: str | None = None) -> frames.Frame:
        """The bound frame with the derived fields. id_field: by which an error names a record.

        Raises RecordError (S105) for an amount of money that is too large.
        """
        import narwhals as nw

        for step in self.steps:
            value = value_column(step.checked)
            if not step.rounded:
                frame = frame.with_columns(value.alias(step.name))
                continue
            frame = frame.with_columns((value * 10.0**step.type.digits).alias(_EXACT))
            too_large = nw.col(_EXACT).abs() > float(money.LARGEST)
            for row in frames.rows_of(frame.filter(too_large).head(1)):
                step.refuse(row.get(id_field or frames.ROW))
            frame = _rounded(frame, step.name, step.rounding)
        return frame

    def of_records(self, rows: Iterable[dict[str, Scalar]], *, id_field: str | None = None) -> None:
        """The same for bound records: the fields are put into them."""
        listed = [*rows]
        for step in self.steps:
            evaluate = compile_record(step.checked, bound=True)
            for position, row in enumerate(listed):
                value = evaluate(row)
                if step.rounded and isinstance(value, float):
                    exact = value * 10.0**step.type.digits
                    if not abs(exact) <= money.LARGEST:
                        step.refuse(row.get(id_field) if id_field else position)
                    value = _whole(exact, step.rounding)
                row[step.name] = value


def problems(
    declared: Mapping[str, DerivedField], schema: Schema
) -> list[tuple[Path, ExpressionError | FieldError]]:
    """Everything that does not fit the fields, with the way to it."""
    return _checked(declared, schema)[1]


def schema_with(schema: Schema, declared: Mapping[str, DerivedField]) -> Schema:
    """The given fields and the derived ones, of which those that do not fit have no type yet."""
    steps, _ = _checked(declared, schema)
    return {**schema, **dict.fromkeys(declared, NULL), **{step.name: step.type for step in steps}}


def derive_frame(
    frame: frames.Frame, declared: Mapping[str, DerivedField], schema: Schema, *, id_field: str | None = None
) -> frames.Frame:
    """The bound frame with the derived fields; see `Derivation.of_frame`."""
    return Derivation(declared, schema).of_frame(frame, id_field=id_field)


def derive_records(
    rows: Iterable[dict[str, Scalar]],
    declared: Mapping[str, DerivedField],
    schema: Schema,
    *,
    id_field: str | None = None,
) -> None:
    """The same for bound records; see `Derivation.of_records`."""
    Derivation(declared, schema).of_records(rows, id_field=id_field)


@final
class _Step:
    def __init__(self, name: str, field: DerivedField, schema: Schema) -> None:
        self.name = name
        self.checked = _value(field, schema)
        found, wanted = self.checked.type, field.declared
        self.rounded = wanted is not None and found.kind == "number"
        self.rounding = field.rounding
        self.type = found
        if wanted is not None:
            self.type = Type(wanted.kind, wanted.digits, found.nullable)

    def refuse(self, row: object) -> NoReturn:
        where = "a record" if row is None else f"record {shown(row)}"
        raise RecordError(
            "S105",
            f"field `{self.name}`, {where}: the amount is too large to be carried exactly",
            hint="leave `type` out, so that it stays a number",
        )


def _value(field: DerivedField, schema: Schema) -> Checked:
    """A field's expression against the fields that it may read. Raises ExpressionError."""
    node = parse(field.value)
    if has_aggregate(node):
        aggregate = next(part for part in tree.walk(node) if isinstance(part, tree.Aggregate))
        raise ExpressionError(
            "E105",
            "an aggregate looks at many records, here is only one",
            text=field.value,
            span=aggregate.span,
            hint="use it as a measure or an indicator",
        )
    checked = check(node, schema, text=field.value)
    found, wanted = checked.type, field.declared
    if (
        wanted is not None
        and found.kind != "number"
        and (found.kind, found.digits) != ("money", wanted.digits)
    ):
        raise ExpressionError(
            "E102",
            f"the value is {found}, and the field is declared as {wanted}",
            text=field.value,
            span=node.span,
            hint="only a number becomes money: leave `type` out",
        )
    return checked


def _checked(
    declared: Mapping[str, DerivedField], schema: Schema
) -> tuple[list[_Step], list[tuple[Path, ExpressionError | FieldError]]]:
    """The fields in the order of what they read, and what does not fit."""
    found: list[tuple[Path, ExpressionError | FieldError]] = []
    steps: list[_Step] = []
    for name in declared:
        if name in schema:
            error = FieldError("S102", f"`{name}` is a field already", field=name, hint="choose another name")
            found.append(((name,), error))
    try:
        order = _order(declared)
    except FieldError as error:
        return [], [*found, ((error.field, "value"), error)]
    known = {**schema, **dict.fromkeys(declared, NULL)}
    for name in order:
        try:
            step = _Step(name, declared[name], known)
        except ExpressionError as error:
            found.append(((name, "value"), error))
            continue
        steps.append(step)
        known[name] = step.type
    return steps, found


def _order(declared: Mapping[str, DerivedField]) -> list[str]:
    """The names, each after those that it reads. Raises FieldError (S104) where there is no such order."""
    reads: dict[str, list[str]] = {}
    for name, field in declared.items():
        try:
            names = tree.names(parse(field.value))
        except ExpressionError:
            names = ()  # which is told when it is checked
        reads[name] = [each for each in names if each in declared]
    try:
        return [*graphlib.TopologicalSorter(reads).static_order()]
    except graphlib.CycleError as reason:
        cycle = [str(name) for name in reversed(reason.args[1])]
    way = " → ".join(f"`{name}`" for name in cycle)
    raise FieldError(
        "S104",
        f"derived fields read each other in a circle: {way}"
        if len(cycle) > 2
        else f"`{cycle[0]}` reads itself",
        field=cycle[0],
        hint="one of them has to come from fields of the source alone",
    )


def _whole(exact: float, rounding: Rounding) -> int:
    """Whole units; a half as `money.credited` knows it."""
    size = abs(exact)
    whole = math.floor(size)
    rest = size - whole
    up = rest >= money.HALF
    if rounding == "half_even" and rest <= 1.0 - money.HALF:
        up = up and whole % 2 == 1
    whole += up
    return whole if exact >= 0.0 else -whole


def _rounded(frame: frames.Frame, name: str, rounding: Rounding) -> frames.Frame:
    """`_whole` of the column of exact values, under another name.

    Step by step: an expression that uses another one twice has it computed twice on most engines.
    """
    import narwhals as nw

    exact, whole = nw.col(_EXACT), nw.col(_WHOLE)
    frame = frame.with_columns(exact.abs().floor().alias(_WHOLE))
    rest = exact.abs() - whole
    up = rest >= money.HALF
    if rounding == "half_even":
        odd = whole - (whole * 0.5).floor() * 2.0
        up = up & ((rest > 1.0 - money.HALF) | (odd > 0.0))
    frame = frame.with_columns(nw.when(up).then(whole + 1.0).otherwise(whole).alias(_WHOLE))
    signed = nw.when(exact < 0.0).then(0.0 - whole).otherwise(whole)
    return frame.with_columns(signed.alias(name)).drop(_EXACT, _WHOLE)


__all__ = [
    "Derivation",
    "DerivedField",
    "DerivedFields",
    "derive_frame",
    "derive_records",
    "problems",
    "schema_with",
]
