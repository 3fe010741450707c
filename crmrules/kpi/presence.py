"""Presence: for how much of a period people are there, and how far they are expected to be."""

from __future__ import annotations

import calendar as gregorian
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple, final

from pydantic import BaseModel, BeforeValidator, Field

from crmrules.errors import FieldError, shown
from crmrules.fields import BadRow, Frozen, Source
from crmrules.kpi.spread import ALL, DAY, Days, Stretch, part
from crmrules.policy.dated import DatedTable
from crmrules.policy.timeline import day_of, spans_of
from crmrules.types import Kind

JOINED, LEFT = "joined", "left"
"""The roles of the fields of a roster that tell the first and the last day of somebody."""

Prorate = Literal["none", "calendar_days", "working_days"]


@final
class Ramp(BaseModel):
    """What is expected of newcomers: a share of the target for each of their first months.

    shares: by month, after which the target is whole. first: whether the `joining_month` takes the first
    share, or the `following_month`; then the joining month, which is part of one, takes it too.

    >>> Ramp(shares=(0.25, 0.5)).share(dt.date(2026, 4, 16), dt.date(2026, 5, 1))
    Fraction(1, 2)
    """

    model_config = Frozen

    shares: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=1)]
    first: Literal["joining_month", "following_month"] = "joining_month"

    def share(self, joined: dt.date, day: dt.date) -> Fraction:
        """The share of the target in the month of a day, for somebody who joined on another."""
        since = (day.year - joined.year) * 12 + day.month - joined.month
        place = max(since - (self.first == "following_month"), 0)
        return Fraction(repr(self.shares[place])) if place < len(self.shares) else ALL


def _ramp(value: object) -> object:
    return {"shares": value} if isinstance(value, list | tuple) else value


RampField = Annotated[Ramp, BeforeValidator(_ramp, json_schema_input_type=list[float] | Ramp)]


@final
class LeaveTable(DatedTable):
    """Who was away from which day to which: a table with a row for each absence, both days included.

    subject: its field with the person; rows may overlap.
    """

    subject: str

    def _expected(self) -> Iterator[tuple[tuple[str | int, ...], str, tuple[Kind, ...]]]:
        yield ("subject",), self.subject, ("text",)
        yield from super()._expected()


class There(NamedTuple):
    """Days in a row on which somebody is there, and the share of the target that is expected then."""

    first: dt.date
    last: dt.date
    share: Fraction = ALL


@final
@dataclass(frozen=True, slots=True)
class Presence:
    """For each person the first and last day, and absences.

    joined, left: by person, who is missing there has always been there, or still is. away: spans with both
    days included. quarantined: rows of the table of absences that were set aside.
    """

    joined: Mapping[str, dt.date] = field(default_factory=dict)
    left: Mapping[str, dt.date] = field(default_factory=dict)
    away: Mapping[str, Sequence[tuple[dt.date, dt.date]]] = field(default_factory=dict)
    quarantined: tuple[BadRow, ...] = ()

    @classmethod
    def of(cls, people: Mapping[str, Mapping[str, str]], away: Absences | None = None) -> Presence:
        """From what a roster knows, by role.

        Raises FieldError (Q109) for what is no date or out of order.
        """
        found = cls(
            {who: _date(who, JOINED, around[JOINED]) for who, around in people.items() if JOINED in around},
            {who: _date(who, LEFT, around[LEFT]) for who, around in people.items() if LEFT in around},
            away.spans if away else {},
            away.quarantined if away else (),
        )
        for who, last in found.left.items():
            if who in found.joined and last < found.joined[who]:
                raise FieldError(
                    "Q109",
                    f"{who} joined on {found.joined[who]} and left on {last}, before that",
                    row=who,
                    field=LEFT,
                    hint="`left` is the last day, and no earlier than `joined`",
                )
        return found

    def dates(self, who: str) -> tuple[object, ...]:
        """All that is known of somebody: people with the same dates are there at the same times."""
        return self.joined.get(who), self.left.get(who), tuple(self.away.get(who, ()))

    def there(
        self, who: str, start: dt.date, end: dt.date, prorate: Prorate, ramp: Ramp | None
    ) -> list[There] | None:
        """When somebody is there between two days, in order; None where that is all the time and whole."""
        joined, left = self.joined.get(who), self.left.get(who)
        away = self.away.get(who, ())
        spans = [(start, end)]
        if prorate != "none":
            spans = [(max(start, joined or start), min(end, left or end))]
            for first, last in away:
                spans = [*_without(spans, first, last)]
        spans = [(first, last) for first, last in spans if first <= last]
        months = len(ramp.shares) + 1 if ramp else 0
        ramping = ramp is not None and joined is not None and _months_between(joined, start) < months
        if not ramping:
            return None if spans == [(start, end)] else [There(*span) for span in spans]
        assert ramp is not None
        assert joined is not None
        found = [
            There(max(first, month), min(last, _month_end(month)), ramp.share(joined, month))
            for first, last in spans
            for month in _months(first, last)
        ]
        whole = spans == [(start, end)] and all(each.share == 1 for each in found)
        return None if whole else found


def prorated(
    amount: float, digits: int | None, start: dt.date, end: dt.date, there: Sequence[There], days: Days
) -> float:
    """The part of an amount from `start` to `end` that falls on the days when somebody is there.

    Those who follow one another within a period add up to its amount, to the smallest unit.

    >>> april = dt.date(2026, 4, 1), dt.date(2026, 4, 30)
    >>> prorated(1000.0, None, *april, [There(dt.date(2026, 4, 16), april[1])], Days())
    500.0
    """
    found = 0.0 if digits is None else 0
    for first, last, share in there:
        before, after = days.stretch((start, end), first, last)
        stretch: Stretch = before * share, after * share
        found += part(amount, digits, stretch)
    return found


@final
@dataclass(frozen=True, slots=True)
class Absences:
    """The rows of a table of absences by person, and those that were set aside."""

    spans: Mapping[str, Sequence[tuple[dt.date, dt.date]]]
    quarantined: tuple[BadRow, ...] = ()

    @classmethod
    def of(cls, declared: LeaveTable, source: Source, data: object) -> Absences:
        """Raises what `DatedTable` tables do: D101 nobody, D102 no day, D104 a wrong type."""
        _, spans, quarantined = spans_of(
            source,
            data,
            key=declared.subject,
            values=[],
            start=declared.start,
            end=declared.end,
            ends=declared.ends,
            kinds={declared.subject: ("text",)},
        )
        found: dict[str, list[tuple[dt.date, dt.date]]] = {}
        for span in spans:
            found.setdefault(str(span.key), []).append((day_of(span.start), day_of(span.end - 1)))
        return cls(found, quarantined)


def _without(
    spans: list[tuple[dt.date, dt.date]], first: dt.date, last: dt.date
) -> Iterator[tuple[dt.date, dt.date]]:
    for start, end in spans:
        if last < start or end < first:
            yield start, end
            continue
        if start < first:
            yield start, first - DAY
        if last < end:
            yield last + DAY, end


def _months_between(first: dt.date, last: dt.date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month


def _month_end(month: dt.date) -> dt.date:
    return month.replace(day=gregorian.monthrange(month.year, month.month)[1])


def _months(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """The first day of each month that has one of these days."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = _month_end(month) + DAY


def _date(who: str, role: str, text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text[:10])
    except ValueError:
        raise FieldError(
            "Q109",
            f"the roster says of {shown(who)} under `{role}` {shown(text)}, which is no date",
            row=who,
            field=role,
            value=text,
            hint="declare the field as date",
        ) from None


__all__ = ["Absences", "LeaveTable", "Presence", "Prorate", "Ramp", "There", "prorated"]
