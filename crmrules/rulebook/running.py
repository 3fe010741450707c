"""A rulebook at work in a host: what the engine asks for, answered from the host's tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import final

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.kpi.calendar import Calendar
from crmrules.kpi.roster import Roster
from crmrules.kpi.scorecard import Scorecard
from crmrules.rulebook.book import Rulebook
from crmrules.triggers.asked import AskedRule
from crmrules.triggers.combined import CombinedRule
from crmrules.triggers.context import Surroundings
from crmrules.triggers.pacing import OffPace
from crmrules.triggers.report import Facts, Request
from crmrules.triggers.trigger import TriggerRule

Tables = Mapping[str, object]
Data = Tables | Callable[[dt.datetime], Tables]
"""The host's table for each source, or a function that reads them as of a moment."""


@final
class Host:
    """Cards, records and the roster of a host, each read anew when the engine asks.

    Nothing is kept from one question to the next: the engine asks after it has locked whom it looks at, and
    what was read before may lack the order for which somebody was marked.
    """

    def __init__(self, book: Rulebook, data: Data) -> None:
        if not isinstance(data, Mapping) and not callable(data):
            what = "data is {source: table}, or a function of a moment that returns it"
            raise TypeError(f"{what}, not {type(data).__name__}")
        self._book, self._data = book, data
        self._calendars = book.working if book.calendars else {}
        self._records = any(_reads_records(each, book.triggers) for each in book.triggers.values())
        self._people: Facts = {}

    def read(self, request: Request) -> Scorecard:
        """How people stand."""
        data, moment = self._tables(request.as_of)
        card = self._book.score(data, model=request.model, period=request.period, now=moment)
        self._people = card.roster.people
        return card

    def around(self, as_of: dt.datetime) -> Surroundings:
        """What there is beside the card: the tables are only read where a trigger looks at records."""
        book = self._book
        if not self._records:
            return Surroundings(sources=book.sources, calendars=self._calendars, triggers=book.triggers)
        data, _ = self._tables(as_of)
        if book.roster is not None and book.roster in data:
            self._people = Roster.of(book.sources[book.roster], data[book.roster]).people
        return Surroundings.of(
            book.sources, data, self._people, calendars=self._calendars, triggers=book.triggers
        )

    def people(self) -> Facts:
        """The roster, as it was read last."""
        return self._people

    def calendar(self, name: str | None) -> Calendar | None:
        """A calendar of the rulebook. Raises CrmRulesError (W104)."""
        if name is None:
            return None
        if name not in self._calendars:
            known = self._calendars
            hint = did_you_mean(name, known) if known else "declare it under `calendars:`"
            raise CrmRulesError("W104", f"there is no calendar `{name}`", hint=hint)
        return self._calendars[name]

    def _tables(self, as_of: dt.datetime) -> tuple[Tables, dt.datetime]:
        moment = self._book.local(as_of)
        return (self._data(moment) if callable(self._data) else self._data), moment


def _reads_records(rule: TriggerRule, triggers: Mapping[str, TriggerRule]) -> bool:
    """Whether a trigger, or one that it is made of, looks at records or the roster beside the card."""
    if isinstance(rule, CombinedRule):
        parts: Iterable[TriggerRule] = rule.within(Surroundings(triggers=triggers)).parts
        return any(_reads_records(each, triggers) for each in parts)
    return isinstance(rule, AskedRule) and not isinstance(rule, OffPace)
