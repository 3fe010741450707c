"""Tables whose rows hold from one day to another, as a rulebook declares them: owners, reporting lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from crmrules.errors import FieldError
from crmrules.fields import Frozen, Source
from crmrules.types import Kind

Ends = Literal["on", "before"]
Overlap = Literal["error", "latest_start"]
Shares = Literal["at_most_one", "exactly_one"]

KEY: tuple[Kind, ...] = ("text", "number")
DAY: tuple[Kind, ...] = ("date", "datetime")
Problem = tuple[tuple[str | int, ...], FieldError]


class DatedTable(BaseModel):
    """A table whose rows hold from one day to another.

    table: its source. from, to: its date fields. A row without a value there holds since ever, or still; a
    timestamp counts as its day. A table without a `to` holds each row until the next one of the same key.
    ends: `on` the day in `to`, which is then the last one, or `before` it. overlap: two rows for one key
    and day are an `error`, or the one with the `latest_start` holds.
    """

    model_config = ConfigDict(**Frozen, validate_by_name=True, validate_by_alias=True)

    table: str
    start: Annotated[str | None, Field(alias="from")] = None
    end: Annotated[str | None, Field(alias="to")] = None
    ends: Ends = "on"
    overlap: Overlap = "error"

    def problems(self, table: Source) -> Iterator[Problem]:
        """Everything that does not fit the table's source, with the way to it."""
        for path, field, kinds in self._expected():
            if (error := unfit(table, field, kinds)) is not None:
                yield path, error

    def _expected(self) -> Iterator[tuple[tuple[str | int, ...], str, tuple[Kind, ...]]]:
        for name, field in (("from", self.start), ("to", self.end)):
            if field is not None:
                yield (name,), field, DAY


@final
class Transition(BaseModel):
    """How long the owner before a handover shares with the one after it, and how.

    days, months: from the first day of the new owner on; one of them. old: the share of the owner before,
    the rest goes to the new one.
    """

    model_config = Frozen

    days: Annotated[int, Field(ge=1)] | None = None
    months: Annotated[int, Field(ge=1)] | None = None
    old: Annotated[float, Field(ge=0, le=1)] = 0.5

    @pydantic.model_validator(mode="after")
    def _check(self) -> Transition:
        if (self.days is None) == (self.months is None):
            raise ValueError("say for how long, by one of `days` and `months`")
        return self


@final
class Fallback(BaseModel):
    """Who gets a record that nobody owns: a fixed payee, or the one in a field of the record."""

    model_config = Frozen

    payee: str | None = None
    field: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Fallback:
        if (self.payee is None) == (self.field is None):
            raise ValueError("name one of `payee`, such as House, and `field`, such as salesperson")
        return self


def _kind_of_fallback(value: object) -> str:
    return "word" if isinstance(value, str) else "payee"


Unowned = Annotated[
    Annotated[Literal["error", "nobody"], Tag("word")] | Annotated[Fallback, Tag("payee")],
    Discriminator(_kind_of_fallback),
]
"""What becomes of a record that nobody owns on its day: an error, no payee, or a fallback."""


@final
class OwnershipRule(DatedTable):
    """Whom a record counts for, by a table of owners with dates.

    >>> rule = OwnershipRule.model_validate(
    ...     {"table": "owners", "key": "customer", "owner": "rep", "from": "since", "to": "until",
    ...      "transition": {"days": 90, "old": 0.5}, "fallback": {"payee": "House"}}
    ... )
    >>> rule.start, rule.end
    ('since', 'until')

    key, owner: fields of the table: what is owned, such as `customer`, and by whom. share: its field with
    each owner's share, where several own at the same time; shares: how they sum on every day. transition:
    what happens after a handover. fallback: what becomes of a record that nobody owns on its day.
    record_key, record_date: the record's fields, if not the key's name and the field with the role `date`.
    """

    key: str
    owner: str
    share: str | None = None
    shares: Shares = "exactly_one"
    transition: Transition | None = None
    fallback: Unowned = "error"
    record_key: str | None = None
    record_date: str | None = None

    def _expected(self) -> Iterator[tuple[tuple[str | int, ...], str, tuple[Kind, ...]]]:
        yield ("key",), self.key, KEY
        yield ("owner",), self.owner, ("text",)
        yield from super()._expected()
        if self.share is not None:
            yield ("share",), self.share, ("number",)


@final
class TreeRule(DatedTable):
    """Who reports to whom, by a table with dates: a row for each member, with the one above.

    member, parent: its fields. A row without a parent, and whoever has no row, stands at the top.
    """

    member: str
    parent: str

    def _expected(self) -> Iterator[tuple[tuple[str | int, ...], str, tuple[Kind, ...]]]:
        yield ("member",), self.member, ("text",)
        yield ("parent",), self.parent, ("text",)
        yield from super()._expected()


def unfit(source: Source, field: str, kinds: tuple[Kind, ...]) -> FieldError | None:
    """The error for a field that the source of a dated table lacks, or that is of none of the kinds."""
    if field not in source.fields:
        return source.unknown_field(field)
    if source.schema[field].kind in (*kinds, "null"):
        return None
    hint = f"declare it as {kinds[0]}"
    if kinds == ("text",) and source.schema[field].kind == "number":
        hint += " and give it a role, such as `role: payee`: whole numbers then are taken as their digits"
    return FieldError(
        "D104",
        f"source `{source.name}`, field `{field}` is {source.schema[field]}, expected {' or '.join(kinds)}",
        source=source.name,
        field=field,
        hint=hint,
    )


__all__ = ["DatedTable", "Fallback", "OwnershipRule", "Transition", "TreeRule"]
