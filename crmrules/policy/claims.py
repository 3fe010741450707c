"""Claims (报备) as dated facts, and for how long they protect: who holds what, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, final, get_args

import pydantic
from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer

from crmrules import binding, frames
from crmrules.errors import FieldError, RecordError, did_you_mean, shown
from crmrules.fields import Frozen, Source
from crmrules.policy.dated import unfit
from crmrules.policy.facts import day_of, text_of, whole
from crmrules.policy.holders import Holders
from crmrules.policy.holding import Event, Fact, Fold, Terms, Window
from crmrules.policy.sequence import Names
from crmrules.types import Kind, Scalar

EVENTS: tuple[str, ...] = get_args(Event)

_WINDOW = re.compile(r"\s*(\d{1,4})\s*(?:(days?|天|日)|(months?|个月|月)|(years?|年))\s*\Z")
_EXPECTED = "a window is written in days or months: 90 days, 6 months"


def _window(value: object) -> object:
    if isinstance(value, Window):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9999:
        return Window(days=value)
    found = _WINDOW.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no length of time: {_EXPECTED}")
    count = int(found[1])
    return Window(days=count) if found[2] else Window(months=count * (12 if found[4] else 1))


Length = Annotated[
    Window,
    BeforeValidator(_window, json_schema_input_type=int | str),
    PlainSerializer(str, return_type=str),
]
Count = Annotated[int, Field(ge=0)]


@final
class Claims(BaseModel):
    """How claims on customers are read from a source of facts, and what they protect.

    >>> import datetime as dt
    >>> rule = Claims(customer="customer", who="agent", when="day", event="what", valid=7)
    >>> held = rule.resolve([
    ...     {"customer": "ACME", "agent": "Ann", "day": dt.date(2026, 3, 1), "what": "register"},
    ...     {"customer": "ACME", "agent": "Bo", "day": dt.date(2026, 3, 5), "what": "register"},
    ... ])
    >>> print(held.explain("ACME"))
    ACME
      2026-03-01  granted  register by Ann: until 2026-03-08
      2026-03-05  refused  register by Bo: Ann holds it, until 2026-03-08
      2026-03-09  lapsed   lapse by Ann: valid for 7 days from 2026-03-01; in the pool from 2026-03-09

    customer, who, when, event: the fields with the customer's key, the person, the day and what was done:
    `register`, `pick` (from the pool), `renew`, `follow_up`, `deposit`, `deal`, `transfer`, `release` or
    `expire`. events: the host's words for them. order: fields that order facts of one moment, before the
    record's id. Further fields, where there are such facts: `to` (the new owner of a transfer), `until`
    (the end of the contract of a deal), and yes or no: `deposit`, `effective` (a follow-up that reached the
    customer), `hidden` (a deal that was kept from the owner), `exempt` (does not count for the capacity).

    A window is days (`90 days`) or months (`6 months`) after the day it is counted from; its last day is
    still protected, and the customer is in the pool (公海) on the day after. A fact works from its own day
    on: who releases a customer does not hold it on that day.

    valid: from the registration or renewal. with_deposit: instead, from the deposit. contact_within: the
    claim lapses unless an effective contact by its owner follows within so long, each time again.
    after_contract: once there is a deal, from the end of its contract, whatever else lapses; a deal without
    such an end makes the customer the owner's for good. renewals: how often a claim may be renewed.

    reclaim_after: days from the last owner's loss until the same person may claim again. capacity: how many
    customers a person may hold, exempt ones not counted; capacities: for single people. picks_a_day: how
    many a person may pick from the pool on one calendar day. substitute_share: what somebody else who closes
    a deal gets of its day; the owner gets the rest, and all where it was hidden.
    """

    model_config = Frozen

    customer: str
    who: str
    when: str
    event: str
    source: str | None = None
    events: dict[str, Event] = {}
    order: Names = ()
    to: str | None = None
    until: str | None = None
    deposit: str | None = None
    effective: str | None = None
    hidden: str | None = None
    exempt: str | None = None
    valid: Length | None = None
    with_deposit: Length | None = None
    contact_within: Length | None = None
    after_contract: Length | None = None
    renewals: Count | None = None
    reclaim_after: Count = 0
    capacity: Count | None = None
    capacities: dict[str, Count] = {}
    picks_a_day: Count | None = None
    substitute_share: Annotated[float, Field(ge=0, le=1)] | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Claims:
        if self.with_deposit is not None and self.valid is None:
            raise ValueError("`with_deposit` goes with `valid`: say how long a claim is valid without one")
        if self.after_contract is not None and self.until is None:
            raise ValueError("`after_contract` goes with `until`: name the field with the contract's end")
        return self

    @property
    def terms(self) -> Terms:
        """What is declared, without the fields."""
        return Terms(**{name: getattr(self, name) for name in Terms.__slots__})

    def _fields(self) -> Iterator[tuple[str, str, tuple[Kind, ...]]]:
        """The declared fields: under which name, which field, and of which kinds it may be."""
        kinds: Mapping[str, tuple[Kind, ...]] = {
            **dict.fromkeys(("customer", "who", "to"), ("text", "number")),
            "event": ("text",),
            **dict.fromkeys(("when", "until"), ("date", "datetime")),
            **dict.fromkeys(("deposit", "effective", "hidden", "exempt"), ("bool",)),
        }
        for part, allowed in kinds.items():
            if (name := getattr(self, part)) is not None:
                yield part, name, allowed

    def problems(self, source: Source) -> Iterator[tuple[tuple[str | int, ...], FieldError]]:
        """Everything that does not fit a source, with the way to it."""
        for part, name, allowed in self._fields():
            if (error := unfit(source, name, allowed)) is not None:
                yield (part,), error
        for name in self.order:
            if name not in source.fields:
                yield ("order",), source.unknown_field(name)

    def resolve(self, facts: object, source: Source | None = None) -> Holders:
        """Who holds which customer on which day.

        facts: a frame of any engine or a list of dicts, in any order: they are taken by their day or time,
        then by the fields of `order` and the record's id. Without a source, the fields are taken as the
        data has them.

        Raises FieldError for a field that is missing or does not fit and for an unknown event (L201),
        RecordError (L202) where two facts about one customer or person are of one moment and nothing
        declared orders them.
        """
        if source is None:
            from crmrules.policy.infer import infer

            facts = binding.records_of(facts) if binding.is_records(facts) else facts
            source = infer(facts, [*(name for _, name, _ in self._fields()), *self.order])
        for _, error in self.problems(source):
            raise error
        needed = [*(name for _, name, _ in self._fields()), *self.order]
        bound = binding.bind_table(source, facts, needed)
        read: list[tuple[tuple[object, ...], Fact]] = []
        left_out: list[tuple[object, str]] = []
        for row, record in zip(bound.rows, map(whole, bound.ids), strict=True):
            fact = self._fact(source, row, record)
            if isinstance(fact, str):
                left_out.append((record, fact))
            else:
                read.append((self._moment(source, row), fact))
        read.sort(key=lambda each: each[0])
        limited = self.capacity is not None or bool(self.capacities) or self.picks_a_day is not None
        refuse_ties(read, limited)
        fold = Fold(self.terms)
        fold.run(fact for _, fact in read)
        return Holders(
            tuple(sorted(fold.spells, key=lambda spell: (spell.customer, spell.first))),
            tuple(fold.steps),
            tuple(fold.closings),
            self.substitute_share or 0.0,
            tuple(left_out),
            bound.quarantined,
            numeric=source.schema[self.customer].kind == "number",
            origin=facts,
        )

    def _fact(self, source: Source, row: Mapping[str, Scalar], record: object) -> Fact | str:
        """The fact of a row, or why it is none."""
        said = {part: row[name] for part, name, _ in self._fields()}
        event = said["event"]
        if event is None:
            return f"`{self.event}` is missing"
        known: Mapping[str, str] = self.events or {name: name for name in EVENTS}
        if event not in known:
            raise FieldError(
                "L201",
                f"source `{source.name}`, row {shown(record)}: {shown(event)} is no event of a claim",
                source=source.name,
                field=self.event,
                row=record,
                value=event,
                hint=f"{did_you_mean(str(event), known)}, or name it under `events`",
            )
        kind: Any = known[str(event)]
        needed = ["customer", "when", *(["to"] if kind == "transfer" else ["who"])]
        for part in needed:
            if said.get(part) is None:
                field = getattr(self, part)
                return f"`{field}` is missing" if field else f"a transfer needs `{part}`: name its field"
        until = said.get("until")
        to = None if said.get("to") is None else text_of(said["to"])
        return Fact(
            customer=text_of(said["customer"]),
            who=to or "" if said["who"] is None else text_of(said["who"]),
            day=day_of(said["when"]),
            event=kind,
            to=to,
            until=None if until is None else day_of(until),
            deposit=said.get("deposit") is True,
            # A follow-up of which nothing is known is taken as one that reached nobody.
            effective=self.effective is None or said["effective"] is True,
            hidden=said.get("hidden") is True,
            exempt=said.get("exempt") is True,
            record=record,
        )

    def _moment(self, source: Source, row: Mapping[str, Scalar]) -> tuple[object, ...]:
        id_field = source.role("id")
        ties = [*self.order, *([id_field] if id_field else [])]
        values = [row[name] for name in ties]
        return (frames.carried(row[self.when]), *((value is None, value) for value in values))


_OF_CAPACITY = frozenset({"register", "pick", "transfer", "release", "expire"})


def refuse_ties(read: Sequence[tuple[tuple[object, ...], Fact]], limited: bool) -> None:
    """Raises RecordError (L202) for facts of one moment whose order would decide something.

    limited: whether it matters in which order a person claims several customers.
    """
    for _, listed in groupby(read, key=lambda each: each[0]):
        seen: dict[tuple[str, str], Fact] = {}
        for _, fact in listed:
            about = [("customer", fact.customer)]
            if limited and fact.event in _OF_CAPACITY:
                about += [("person", who) for who in (fact.who, fact.to) if who]
            for each in about:
                if (other := seen.setdefault(each, fact)) is not fact:
                    raise RecordError(
                        "L202",
                        f"two facts about the {each[0]} {shown(each[1])} tie on {fact.day}: "
                        f"{other.event} and {fact.event}",
                        hint="name the fields that order them under `order`, or give the field that "
                        "identifies a record the role `id`",
                    )
