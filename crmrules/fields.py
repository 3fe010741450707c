"""Declared fields and sources; what the host's columns and values become."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Annotated, Any, Literal, final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict

from crmrules import money
from crmrules.errors import CrmRulesError, FieldError, closest, did_you_mean, shown
from crmrules.types import EXPECTED, Scalar, Type, Unfit, fit, unwrapped

Frozen = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

_NAME = re.compile(r"[^\W\d_]\w*\Z")
SAMPLE = dt.datetime(2026, 1, 31, 18)
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@final
class Field(BaseModel):
    """A typed field of a source, and how the host's column becomes it.

    type: text, number, money(2) (with its decimals), date, datetime or bool.
    column: the host's name for it, if that is another one. role: `id`, `subject` and `date` are what the
    library looks for; on a roster any role names a person around the subject, such as `manager`. A text
    field with a role takes whole numbers as their digits, since ids often are numbers.
    required: a missing value is an error. format: how text becomes a date (`%d-%m-%Y`); ISO if not said.
    replace: dirty values and what they mean. one_of: all that a text field may hold.
    rounding: `half_even` rounds money with more decimals than declared, which is otherwise an error.
    clock: what timestamps without a zone show: `local` time, or `UTC`. Those with a zone tell it themselves;
    both come to local time by the zone of the source.
    """

    model_config = Frozen

    type: str
    column: str | None = None
    role: str | None = None
    required: bool = False
    format: str | None = None
    replace: dict[str, str] = {}
    one_of: tuple[str, ...] = ()
    rounding: money.Rounding = "error"
    clock: Literal["local", "UTC"] = "local"

    @pydantic.model_validator(mode="after")
    def _check(self) -> Field:
        declared = Type.parse(self.type)
        if self.one_of and declared.kind != "text":
            raise ValueError("`one_of` goes with text fields: write type: text, or leave it out")
        if self.format is not None:
            if declared.kind not in ("date", "datetime"):
                raise ValueError("`format` goes with dates: write type: date, or leave it out")
            if "%Y" not in self.format and "%y" not in self.format:
                raise ValueError("a format without a year: write it like %d-%m-%Y")
        if self.clock != "local" and declared.kind != "datetime":
            raise ValueError("`clock` goes with timestamps: write type: datetime, or leave it out")
        if self.rounding != "error" and declared.kind != "money":
            raise ValueError("`rounding` goes with money: write type: money(2), or leave it out")
        return self

    @cached_property
    def declared(self) -> Type:
        """The type as a value."""
        found = Type.parse(self.type)
        return Type(found.kind, found.digits, found.nullable and not self.required, self.one_of)

    def convert(self, value: object, zone: ZoneInfo | None = None) -> Scalar:
        """The host's value as expressions compute with it; text is parsed. Raises Unfit or NotMoney.

        zone: the one to whose local time timestamps come that tell or show another.
        """
        declared = self.declared
        if self.takes_digits and value is not None and type(whole := unwrapped(value)) is int:
            value = str(whole)
        if type(value) is str:
            value = self.replace.get(value, value)
            if declared.kind != "text":
                value = value.strip()
                value = None if not value else self._parsed(value)
        value = _plain(value)
        if type(value) is dt.datetime:
            value = self._local(value, zone)
        result = fit(value, declared.kind, declared.digits, rounding=self.rounding)
        if result is None and not declared.nullable:
            raise Unfit("a value is required")
        if self.one_of and result is not None and result not in self.one_of:
            near = closest(str(result), self.one_of)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise Unfit(f"expected one of {', '.join(map(repr, self.one_of[:12]))}{meant}")
        return result

    def _local(self, moment: dt.datetime, zone: ZoneInfo | None) -> dt.datetime:
        if moment.tzinfo is None and self.clock == "local":
            return moment
        if self.declared.kind != "datetime":
            raise Unfit("it carries a time zone; declare the field as datetime")
        if zone is None:
            told = "it carries a time zone" if moment.tzinfo is not None else "it is in UTC"
            raise Unfit(
                f"{told}, and nothing says where its day is; write zone: at the source or the rulebook"
            )
        try:
            known = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
            return known.astimezone(zone).replace(tzinfo=None, fold=0)
        except (ValueError, TypeError, OverflowError) as reason:
            raise Unfit(f"its time zone cannot be read: {reason}") from None

    @property
    def takes_digits(self) -> bool:
        """Whether whole numbers are taken as text: for ids of records and people."""
        return self.role is not None and self.declared.kind == "text"

    def _parsed(self, text: str) -> object:
        kind = self.declared.kind
        try:
            if kind == "date":
                if self.format:
                    return dt.datetime.strptime(text, self.format).date()
                return dt.date.fromisoformat(text)
            if kind == "datetime":
                return (
                    dt.datetime.strptime(text, self.format)
                    if self.format
                    else dt.datetime.fromisoformat(text)
                )
            if kind == "bool":
                return _WORDS[text.lower()]
            if not text.isascii() or "_" in text:
                raise ValueError
            return Decimal(text)
        except (ValueError, KeyError, InvalidOperation):
            raise Unfit(f"expected {self.expectation}") from None

    @property
    def expectation(self) -> str:
        """What a value should look like, for errors."""
        kind = self.declared.kind
        if kind in ("date", "datetime"):
            shape = self.format or ("%Y-%m-%d" if kind == "date" else "%Y-%m-%d %H:%M")
            return f"{EXPECTED[kind]} like {SAMPLE:{shape}}"
        if kind == "money":
            return f"an amount with at most {self.declared.digits} decimals"
        if kind == "bool":
            return "true or false, yes or no, 1 or 0"
        return "text or a whole number" if self.takes_digits else EXPECTED[kind]


def _plain(value: object) -> object:
    """What `fit` would warn of, fail at or read wrongly, made plain; Unfit for what no type takes."""
    exact = type(value)
    if exact is Decimal and value.is_nan():  # type: ignore[attr-defined]
        raise Unfit("it is not a number")
    module = exact.__module__
    if module == "numpy" and exact.__name__ == "datetime64":
        return value.astype("datetime64[us]").item()  # type: ignore[attr-defined]
    if exact.__name__ == "Timestamp" and module.startswith("pandas"):
        return _plain(value.to_pydatetime(warn=False))  # type: ignore[attr-defined]
    return value


def _zone(value: object) -> object:
    try:
        if isinstance(value, str):
            ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"{shown(value)} is no time zone: write one such as Asia/Shanghai or UTC") from None
    return value


Zone = Annotated[str, BeforeValidator(_zone)]
"""The name of a time zone, as the IANA data have it."""


def _field(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


def _day(value: object) -> object:
    if type(value) is str and len(value) == 10:
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    if type(value) is not dt.date:
        raise ValueError(f"{shown(value)} is no day: write it as 2026-01-31")
    return value


Day = Annotated[dt.date, BeforeValidator(_day, json_schema_input_type=str)]
"""A day in a declaration, ISO text or a date; whole numbers, which could mean anything, are refused."""

_PERCENT = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*%\s*\Z")


def _share(value: object) -> object:
    if type(value) is bool:
        raise ValueError(f"{str(value).lower()} is no number: write one such as 0.8 or 80%")
    found = _PERCENT.match(value) if isinstance(value, str) else None
    return float(Decimal(found[1]) / 100) if found else value


_Written = (
    Annotated[float, pydantic.Field(gt=0)]
    | Annotated[str, pydantic.Field(pattern=r"^\s*\d+(\.\d+)?\s*%\s*$")]
)
Share = Annotated[
    float,
    pydantic.Field(gt=0, allow_inf_nan=False),
    BeforeValidator(_share, json_schema_input_type=_Written),
]
"""A share of the target, above 0: 0.5, or "50%"."""

Number = Annotated[
    float,
    pydantic.Field(allow_inf_nan=False),
    BeforeValidator(
        _share,
        json_schema_input_type=float | Annotated[str, pydantic.Field(pattern=r"^\s*-?\d+(\.\d+)?\s*%\s*$")],
    ),
]
"""A number of any sign, which may be written as a percent: -0.05, or "-5%"."""


OnBadRow = Literal["error", "quarantine"]


@final
class Source(BaseModel):
    """A named table of records with declared fields.

    >>> deals = Source(name="deals", fields={"id": {"type": "text", "role": "id"}, "value": "money(2)"})
    >>> deals.schema["value"]
    Type(kind='money', digits=2, nullable=True, values=())

    on_bad_row: `error` stops at the first value that does not fit its field; `quarantine` sets such rows
    aside and returns them with the reason. zone: where local time is, by which timestamps with a zone of
    their own, or in UTC, fall on a day; that of the rulebook if not said.
    """

    model_config = Frozen

    name: str = "records"
    fields: dict[str, Annotated[Field, BeforeValidator(_field, json_schema_input_type=str | Field)]]
    on_bad_row: OnBadRow = "error"
    zone: Zone | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Source:
        if not self.fields:
            raise ValueError("a source needs at least one field: write order_id: text")
        for name in self.fields:
            if name.strip() != name or not name or "`" in name or name.startswith(("_", "@")):
                raise ValueError(f"{name!r} cannot be the name of a field: begin it with a letter")
        for role in ("id", "subject", "date"):
            if len(having := [name for name, field in self.fields.items() if field.role == role]) > 1:
                raise ValueError(
                    f"the role `{role}` is given to {' and '.join(having)}: only one can have it"
                )
        if (date := self.role("date")) and self.fields[date].declared.kind not in ("date", "datetime"):
            raise ValueError(
                f"the role `date` is given to {date}, which is {self.fields[date].type}: declare it as date"
            )
        if (subject := self.role("subject")) and self.fields[subject].declared.kind != "text":
            raise ValueError(
                f"the role `subject` is given to {subject}, which is {self.fields[subject].type}: "
                "declare it as text, which takes whole numbers too"
            )
        return self

    @cached_property
    def schema(self) -> dict[str, Type]:  # type: ignore[override]
        """The fields' types, by name."""
        return {name: field.declared for name, field in self.fields.items()}

    @cached_property
    def local(self) -> ZoneInfo | None:
        """The zone of local time, None if none is said."""
        return None if self.zone is None else ZoneInfo(self.zone)

    def role(self, role: str) -> str | None:
        """The name of the field that has a role, None if there is none."""
        return next((name for name, field in self.fields.items() if field.role == role), None)

    def column(self, name: str) -> str:
        """The host's name for a field."""
        return self.fields[name].column or name

    def rebound(self, **changes: Mapping[str, object]) -> Source:
        """The same source over other host columns: for each field, what is different there.

        >>> deals = Source(fields={"closed": "date"})
        >>> deals.rebound(closed={"column": "close_date", "format": "%d-%m-%Y"}).column("closed")
        'close_date'

        Raises FieldError (F102) for a field that is not declared.
        """
        for name in changes:
            if name not in self.fields:
                raise self.unknown_field(name)
        fields = {
            name: Field(**{**field.model_dump(), **changes.get(name, {})})
            for name, field in self.fields.items()
        }
        return Source(name=self.name, fields=fields, on_bad_row=self.on_bad_row, zone=self.zone)

    def unknown_field(self, name: str) -> FieldError:
        """The error for a field that is not declared."""
        return FieldError(
            "F102",
            f"source `{self.name}` has no field `{name}`",
            source=self.name,
            field=name,
            hint=did_you_mean(name, self.fields),
        )

    def bad_value(self, name: str, value: object, row: object, reason: object) -> FieldError:
        """The error for a value that does not fit its field."""
        column = self.column(name)
        where = f"column `{column}`" + (f" (field `{name}`)" if column != name else "")
        return FieldError(
            "F104",
            f"source `{self.name}`, {where}, row {shown(row)}: {shown(value)}: {reason}",
            source=self.name,
            field=name,
            column=column,
            row=row,
            value=value,
            reason=str(reason),
            hint=f"it is declared as {self.fields[name].type}: write {self.fields[name].expectation}, "
            "or set on_bad_row: quarantine",
        )

    def missing_columns(self, present: Iterable[str], needed: Iterable[str]) -> FieldError | None:
        """The error for fields without a column, None if there is a column for each."""
        columns = [each for each in present if type(each) is str]
        missing = [name for name in needed if self.column(name) not in columns]
        if not missing:
            return None
        column = self.column(missing[0])
        listed = ", ".join(f"`{self.column(name)}`" for name in missing)
        return FieldError(
            "F101",
            f"source `{self.name}` has no column {listed}",
            source=self.name,
            field=missing[0],
            column=column,
            hint=f"{did_you_mean(column, columns)}; or write `column:` at field `{missing[0]}`".removeprefix(
                "; or "
            ),
        )


@final
class BadRow(BaseModel):
    """A row that was set aside: which one, which field, and why.

    row: its id, or its position where it has none; position: its place in the table, from 0; record: the
    whole row.
    """

    model_config = Frozen

    source: str
    position: int
    row: Any
    field: str
    value: Any
    reason: str
    record: dict[Any, Any]


def bind_record(
    source: Source, record: Mapping[str, object], row: object, needed: Iterable[str]
) -> dict[str, Scalar]:
    """A host's record as expressions compute with it: the needed fields, under their names.

    Raises FieldError (F103, F104) for a field that is missing or does not fit.
    """
    bound: dict[str, Scalar] = {}
    for name in needed:
        column = source.column(name)
        try:
            value = record[column]
        except KeyError:
            error = source.missing_columns([key for key in record if type(key) is str], [name])
            assert error is not None
            raise error from None
        try:
            bound[name] = source.fields[name].convert(value, source.local)
        except (Unfit, money.NotMoney) as reason:
            missing = type(value) is float and value != value
            raise source.bad_value(name, None if missing else value, row, reason) from None
    return bound


__all__ = ["BadRow", "CrmRulesError", "Day", "Field", "Number", "Share", "Source", "bind_record"]
