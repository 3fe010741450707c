"""Targets: what an indicator is held against, as a rulebook declares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from crmrules import money
from crmrules.errors import CrmRulesError, FieldError, did_you_mean
from crmrules.fields import Frozen, Source
from crmrules.kpi.presence import JOINED, LEFT, LeaveTable, Prorate, RampField
from crmrules.kpi.spread import Spread
from crmrules.policy.dated import DAY, unfit
from crmrules.types import Kind

Path = tuple[str | int, ...]
Problem = tuple[Path, CrmRulesError]
Per = Literal["month", "quarter", "half", "year"]
MissingTarget = Literal["skip", "zero", "error"]
"""What becomes of an indicator without target: left out (weights renormalised), no points, an error."""

EVERYBODY = "*"
"""The subject of a row that is for all who have no row of their own, nor one of their team."""

AMOUNT: tuple[Kind, ...] = ("number", "money")
TEXT: tuple[Kind, ...] = ("text",)
MONTHS = frozenset(map(str, range(1, 13)))
POSITIVE = "a target of 0 or less cannot be attained: leave it out where there is none"


class Terms(BaseModel):
    """How an amount becomes the target of a period.

    per: the length that one amount is for, where no row names its period; the periods of the model if not
    said. spread: how an amount for more than one period is divided among them. finer: amounts for less than
    a period are an `error`, or add up to it under `sum`, once all of them are there. digits: decimals of
    the parts, which add up exactly; those of the money, if it is money. ramp: shares of the target for the
    first months of newcomers. prorate: whether the target is counted only for the days from `joined` to
    `left` on the roster, without absences, by calendar or working days. leave: the table of absences.
    """

    model_config = ConfigDict(**Frozen, validate_by_name=True, validate_by_alias=True)

    per: Per | None = None
    spread: Spread | None = None
    finer: Literal["error", "sum"] = "error"
    digits: Annotated[int, Field(ge=0, le=money.MOST_DIGITS)] | None = None
    ramp: RampField | None = None
    prorate: Prorate = "none"
    leave: LeaveTable | None = None

    @pydantic.model_validator(mode="after")
    def _check_terms(self) -> Terms:
        if self.leave is not None and self.prorate == "none":
            raise ValueError(
                "`leave` tells of absences, and nothing is prorated by them: write prorate: calendar_days"
            )
        return self

    def tables(self) -> Iterator[tuple[Path, str]]:
        """The sources beside the records that it reads, each with the way to where it is named."""
        if self.leave is not None:
            yield ("leave", "table"), self.leave.table

    def problems(self, sources: Mapping[str, Source], roster: Source | None) -> Iterator[Problem]:
        """Everything that does not fit the declared sources, with the way to it."""
        for path, name in self.tables():
            if name not in sources:
                hint = did_you_mean(name, sources)
                yield path, CrmRulesError("B212", f"there is no source `{name}`", hint=hint)
        if self.leave is not None and self.leave.table in sources:
            yield from ((("leave", *path), error) for path, error in self._leave_problems(sources))
        roles = {field.role: name for name, field in roster.fields.items()} if roster else {}
        if self.ramp is not None and JOINED not in roles:
            yield ("ramp",), _no_role(roster, JOINED, "a ramp begins")
        if self.prorate != "none" and self.leave is None and not {JOINED, LEFT} & {*roles}:
            yield ("prorate",), _no_role(roster, JOINED, "days are counted from")
        for role in (JOINED, LEFT):
            used = self.ramp is not None or self.prorate != "none"
            if roster and used and role in roles and (error := unfit(roster, roles[role], DAY)):
                yield ("ramp" if self.prorate == "none" else "prorate",), error

    def _leave_problems(self, sources: Mapping[str, Source]) -> Iterator[tuple[Path, FieldError]]:
        assert self.leave is not None
        yield from self.leave.problems(sources[self.leave.table])


@final
class Figure(Terms):
    """A target that is the same for everybody before it is prorated: a number, or an expression.

    >>> Figure(value=1_200_000, per="year", spread="even").value
    1200000.0
    """

    value: float | str

    @pydantic.model_validator(mode="after")
    def _check(self) -> Figure:
        if isinstance(self.value, float) and not 0 < self.value < float("inf"):
            raise ValueError(POSITIVE)
        if isinstance(self.value, str) and (self.per or self.spread):
            raise ValueError(
                "an expression is computed for each period: leave `per` and `spread` out, or write a number"
            )
        return self


def _columns(value: object) -> object:
    """Field by key of period; a year is a number in YAML."""
    if isinstance(value, list | tuple):
        return {str(each): str(each) for each in value}
    return {str(key): each for key, each in value.items()} if isinstance(value, Mapping) else value


def _kind_of_columns(value: object) -> str:
    return "field" if isinstance(value, str) else "fields"


Columns = Annotated[
    Annotated[str, Tag("field")]
    | Annotated[
        dict[str, str],
        BeforeValidator(_columns, json_schema_input_type=dict[str, str] | list[str | int]),
        Tag("fields"),
    ],
    Discriminator(_kind_of_columns),
]


@final
class QuotaTable(Terms):
    """A target for each subject from a table beside the records.

    >>> long = QuotaTable.model_validate(
    ...     {"table": "quotas", "subject": "person", "period": "month", "indicator": "kpi", "value": "quota"})
    >>> wide = QuotaTable.model_validate(
    ...     {"table": "plan", "subject": "person", "value": {"2026-01": "jan", "2026-02": "feb"}})

    table: its source. value: its field with the amount, or for each period a field (`{2026-01: jan}`, or
    `[2026-01, 2026-02]` where they are called as the periods), or for each month of the year in `period`
    (`{"1": jan}`). subject: its field with whom a row is for, or
    a list of fields where the model's subject has several keys. A row without one is for the members of its
    `team`, by the roster, each of whom gets the amount; a row for `*`, or for nobody, is for all who have
    neither; then comes `default`. period: its field with the key of a period, or a date in it. indicator:
    its field with the name of the indicator; other rows are left out.
    from, to: its date fields of rows that hold from one day to another, both included. A row without `to`
    holds until the next one begins. change: what a change within a period means: its days are weighed, by
    calendar or working days, or the `first` or the `last` amount is that of the whole period. not_positive:
    a target of 0 or less is `unknown`, so that nothing is attained, or an `error`.
    """

    table: str
    value: Columns
    subject: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    team: str | None = None
    period: str | None = None
    indicator: str | None = None
    start: Annotated[str | None, Field(alias="from")] = None
    end: Annotated[str | None, Field(alias="to")] = None
    change: Literal["calendar_days", "working_days", "first", "last"] = "calendar_days"
    default: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    not_positive: Literal["unknown", "error"] = "unknown"

    @pydantic.model_validator(mode="after")
    def _check(self) -> QuotaTable:
        if not self.value:
            raise ValueError("no field is named: write value: {2026-01: january}")
        if isinstance(self.value, dict) and (self.period is not None) != (self.value.keys() <= MONTHS):
            raise ValueError(
                "columns are for periods of their own, or for months of the year in `period`: "
                'write value: {2026-01: january} without `period`, or value: {"1": january} with it'
            )
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that name the subject together; none for a table that is for everybody."""
        if self.subject is None:
            return ()
        return (self.subject,) if isinstance(self.subject, str) else self.subject

    @property
    def fields(self) -> list[str]:
        """The fields of the table that it reads."""
        values = [self.value] if isinstance(self.value, str) else [*self.value.values()]
        named = (*self.keys, self.team, self.period, self.indicator, self.start, self.end)
        return [*dict.fromkeys([*(each for each in named if each is not None), *values])]

    def tables(self) -> Iterator[tuple[Path, str]]:
        yield ("table",), self.table
        yield from super().tables()

    def problems(self, sources: Mapping[str, Source], roster: Source | None) -> Iterator[Problem]:
        yield from super().problems(sources, roster)
        if self.team is not None and self.table in sources and self.team in sources[self.table].fields:
            role = role_of(sources[self.table], self.team)
            known = [*roster.fields] if roster else []
            known += [field.role for field in roster.fields.values() if field.role] if roster else []
            if role not in known:
                yield (
                    ("team",),
                    CrmRulesError(
                        "M104",
                        f"the roster knows no `{role}`",
                        hint=did_you_mean(role, known) or "declare the roster",
                    ),
                )
        if (source := sources.get(self.table)) is None:
            return
        for path, field, kinds in self._expected():
            if (error := unfit(source, field, kinds)) is not None:
                yield path, error
            elif field == self.value and self.digits is not None and source.schema[field].kind == "money":
                yield (
                    ("digits",),
                    CrmRulesError(
                        "F113",
                        f"field `{field}` is {source.schema[field]}, which tells the decimals",
                        hint="leave `digits` out",
                    ),
                )

    def _expected(self) -> Iterator[tuple[Path, str, tuple[Kind, ...]]]:
        yield from ((("subject",), field, TEXT) for field in self.keys)
        for name, field in (("team", self.team), ("indicator", self.indicator)):
            if field is not None:
                yield (name,), field, TEXT
        if self.period is not None:
            yield ("period",), self.period, ("text", "number", *DAY)
        for name, field in (("from", self.start), ("to", self.end)):
            if field is not None:
                yield (name,), field, DAY
        if isinstance(self.value, str):
            yield ("value",), self.value, AMOUNT
        else:
            yield from ((("value", key), field, AMOUNT) for key, field in self.value.items())


def role_of(source: Source, field: str) -> str:
    """Under which role the roster tells what a field of a table is called by."""
    return source.fields[field].role or field


def _no_role(roster: Source | None, role: str, what: str) -> CrmRulesError:
    if roster is None:
        return CrmRulesError(
            "M101",
            f"there is no roster, and {what} the day in its field with the role `{role}`",
            hint="declare the source that tells who is judged: roster: team",
        )
    return CrmRulesError(
        "M101",
        f"the roster `{roster.name}` has no field with the role `{role}`, and {what} its day",
        hint=f"write `role: {role}` at the field that tells it",
    )


def _kind_of_target(value: object) -> str:
    if isinstance(value, QuotaTable) or (isinstance(value, Mapping) and "table" in value):
        return "table"
    if isinstance(value, str):
        return "expression"
    return "figure" if isinstance(value, Mapping | Figure) else "number"


Target = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False), Tag("number")]
    | Annotated[str, Field(min_length=1), Tag("expression")]
    | Annotated[Figure, Tag("figure")]
    | Annotated[QuotaTable, Tag("table")],
    Discriminator(_kind_of_target),
]
"""A number, an expression over measures, or one of both with its terms; or a table of quotas."""

Declared = float | str | Figure | QuotaTable


def expression_of(target: Declared | None) -> str | None:
    """The text that a target is computed by, None if it is none."""
    if isinstance(target, Figure):
        target = target.value
    return target if isinstance(target, str) else None


def tables(target: Declared | None) -> Iterator[tuple[Path, str]]:
    """The sources beside the records that a target reads, each with the way to where it is named."""
    if isinstance(target, Terms):
        yield from target.tables()


def problems(
    target: Declared | None, sources: Mapping[str, Source], roster: Source | None = None
) -> Iterator[Problem]:
    """Everything that does not fit between a target and the declared sources, with the way to it."""
    if isinstance(target, Terms):
        yield from target.problems(sources, roster)


__all__ = ["Figure", "MissingTarget", "QuotaTable", "Target", "Terms", "expression_of", "problems", "tables"]
