"""Who held which customer on which day: the ownership that decides credit, and how it came about."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from crmrules import frames
from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.fields import BadRow
from crmrules.policy.dated import Unowned
from crmrules.policy.facts import counted
from crmrules.policy.holding import Closing, Spell, Step
from crmrules.policy.ownership import Ownership
from crmrules.policy.timeline import Span, Timeline
from crmrules.tables import MOST_ROWS, Shown, Table, cell
from crmrules.types import NUMBER, TEXT

Owners = tuple[tuple[str, float], ...]


@final
@dataclass(frozen=True, slots=True)
class Stretch:
    """Owners and their shares from the first to the last day, both included; None while nothing ends it."""

    customer: str
    first: dt.date
    last: dt.date | None
    owners: Owners


@final
@dataclass(frozen=True, repr=False)
class Holders(Shown):
    """The result of `Claims.resolve`: shows itself as a table of who held what.

    spells: by customer and day. steps: what every fact and every lapse did, in their order. left_out: rows
    without customer, person or day, with the reason. quarantined: rows that did not fit their fields.
    numeric: whether the customers' keys are numbers.
    """

    spells: tuple[Spell, ...]
    steps: tuple[Step, ...]
    closings: tuple[Closing, ...] = ()
    substitute_share: float = 0.0
    left_out: tuple[tuple[object, str], ...] = ()
    quarantined: tuple[BadRow, ...] = ()
    numeric: bool = False
    origin: object = None

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """The owners of each customer by days; on the day of a substitute's deal there are several."""
        closed: dict[str, list[Closing]] = {}
        for closing in self.closings:
            closed.setdefault(closing.customer, []).append(closing)
        found: list[Stretch] = []
        for spell in self.spells:
            found += _cut(spell, closed.get(spell.customer, ()), self.substitute_share)
        return tuple(found)

    @cached_property
    def width(self) -> int:
        """How many owners a customer has at most on one day."""
        return max((len(each.owners) for each in self.stretches), default=0)

    @cached_property
    def timeline(self) -> Timeline:
        """Owner and share by turns, `width` times, for each customer: what crediting looks up."""
        spans = []
        for each in self.stretches:
            value: tuple[Any, ...] = tuple(part for owner in each.owners for part in owner)
            padded = value + (None,) * (2 * self.width - len(value))
            key = float(each.customer) if self.numeric else each.customer
            spans.append(Span.between(key, each.first, each.last, padded))
        return Timeline.of_spans(spans, (TEXT, NUMBER) * self.width, table="claims")

    def ownership(self, fallback: Unowned = "error") -> Ownership:
        """The owners as crediting takes them; fallback: of a record whose customer nobody holds."""
        return Ownership(self.timeline, self.width, "claims", "customer", fallback)

    @cached_property
    def _by_customer(self) -> dict[str, list[Stretch]]:
        found: dict[str, list[Stretch]] = {}
        for each in self.stretches:
            found.setdefault(each.customer, []).append(each)
        return found

    def payees_at(self, customer: str, day: dt.date) -> Owners:
        """Who gets the credit of a day: the owner, with the substitutes on the day of their deal."""
        listed = self._by_customer.get(customer, [])
        at = bisect_right(listed, day, key=lambda each: each.first) - 1
        if at < 0 or ((last := listed[at].last) is not None and day > last):
            return ()
        return listed[at].owners

    def holder(self, customer: str, day: dt.date) -> str | None:
        """Who holds a customer on a day, None while it is in the pool."""
        owners = self.payees_at(customer, day)
        return owners[0][0] if owners else None

    def pool_date(self, customer: str) -> dt.date | None:
        """The first day after the last claim on a customer; None where it does not end or never was.

        Raises CrmRulesError (L203) for a customer without any fact.
        """
        self._known(customer)
        listed = self._by_customer.get(customer)
        last = listed[-1].last if listed else None
        return None if last is None else last + dt.timedelta(days=1)

    def explain(self, customer: str) -> str:
        """Everything that happened to a customer, and why; raises as `pool_date` does."""
        self._known(customer)
        return "\n".join([customer, *(f"  {step}" for step in self.steps if step.customer == customer)])

    def _known(self, customer: str) -> None:
        known = {step.customer for step in self.steps}
        if customer not in known:
            raise CrmRulesError(
                "L203", f"there is no claim on {shown(customer)}", hint=did_you_mean(customer, known)
            )

    def to_native(self) -> object:
        """The owners by days as a frame of the engine that the facts came in; pandas for lists of dicts.

        Columns: customer, owner, share, from, to (the last day, missing while nothing ends it): the table
        of owners that crediting takes.
        """
        rows = [(each, owner, share) for each in self.stretches for owner, share in each.owners]
        columns: dict[str, Sequence[object]] = {
            "customer": [float(each.customer) if self.numeric else each.customer for each, _, _ in rows],
            "owner": [owner for _, owner, _ in rows],
            "share": [share for _, _, share in rows],
            "from": [each.first for each, _, _ in rows],
            "to": [each.last for each, _, _ in rows],
        }
        kind = "number" if self.numeric else "text"
        kinds = {"customer": kind, "owner": "text", "share": "number", "from": "date", "to": "date"}
        return frames.like(self.origin, columns, kinds)

    def trace(self) -> object:
        """Every step as a frame of the same kind: what each fact did and why, and what lapsed."""
        columns: dict[str, Sequence[object]] = {
            name: [getattr(step, name) for step in self.steps]
            for name in ("day", "customer", "who", "event", "outcome", "because")
        }
        columns["record"] = [None if step.record is None else str(step.record) for step in self.steps]
        return frames.like(self.origin, columns, dict.fromkeys(columns, "text") | {"day": "date"})

    def table(self, most: int | None = None) -> Table:
        """Who held what, for reading; at most so many rows."""
        customers = len({spell.customer for spell in self.spells})
        refused = sum(step.outcome == "refused" for step in self.steps)
        title = f"Claims: {counted(customers, 'customer')} held, {refused:,} refused"
        table = Table(title, ["Customer", "Owner", "From", "To", "Began", "Ended"], (4,))
        for spell in self.spells[:most]:
            dates = [cell(spell.first), cell(spell.last)]
            table.add([spell.customer, spell.who, *dates, spell.began, spell.ended])
        return table

    @property
    def notes(self) -> list[str]:
        """What was not used, in sentences."""
        said = [f"left out: record {shown(record)}: {reason}" for record, reason in self.left_out[:10]]
        if len(self.left_out) > 10:
            said.append(f"and {len(self.left_out) - 10:,} more: see `left_out`")
        if self.quarantined:
            said.append(f"set aside: {len(self.quarantined):,}; see `quarantined`")
        if len(self.spells) > MOST_ROWS:
            said.append(f"the first {MOST_ROWS} are shown; `table()` has all")
        return said


def _cut(spell: Spell, closings: Iterable[Closing], share: float) -> Iterator[Stretch]:
    """A spell in stretches of the same owners."""
    one = dt.timedelta(days=1)
    first: dt.date | None = spell.first
    substitutes: dict[dt.date, dict[str, None]] = {}
    for closing in closings:
        if spell.first <= closing.day and (spell.last is None or closing.day <= spell.last):
            substitutes.setdefault(closing.day, {})[closing.who] = None
    for day, people in sorted(substitutes.items()):
        others = [who for who in people if who != spell.who]
        if not others:
            continue
        assert first is not None
        if first < day:
            yield Stretch(spell.customer, first, day - one, ((spell.who, 1.0),))
        shared = tuple((who, share / len(others)) for who in others)
        yield Stretch(spell.customer, day, day, ((spell.who, 1.0 - share), *shared))
        first = day + one
    assert first is not None
    if spell.last is None or first <= spell.last:
        yield Stretch(spell.customer, first, spell.last, ((spell.who, 1.0),))
