"""What a trigger is told, and what it answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final
from zoneinfo import ZoneInfo

from crmrules.fields import Source
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.kpi.period import Period
from crmrules.kpi.standing import Figure, Result, Standing
from crmrules.kpi.workdays import days_between
from crmrules.triggers.decision import Outcome
from crmrules.triggers.facts import Facts, Record, SubjectFacts

if TYPE_CHECKING:
    from crmrules.triggers.outbox.records import Event
    from crmrules.triggers.trigger import TriggerRule

NOTHING = Facts({}, {})


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What a trigger says of a subject: made by `fired`, `not_met`, `no_data` or `when`.

    reason: why, in words. basis: the figures that decided; a message can name them. anchor: what this
    answer is about within the period, such as the id of a record and its date: the same anchor tells
    nobody twice, another one is another reminder. due: when it came due, local or with a zone; the
    period of the reminder is the one that this day lies in.
    """

    outcome: Outcome
    reason: str
    basis: Mapping[str, Figure | None] = field(default_factory=dict)
    anchor: str = ""
    due: dt.datetime | None = None
    code: str = ""
    people: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fired(
        cls,
        reason: str,
        basis: Mapping[str, Figure | None] | None = None,
        *,
        anchor: str = "",
        due: dt.datetime | None = None,
        people: Mapping[str, str] | None = None,
    ) -> Answer:
        """The condition holds. people: who is told beside those that the roster knows, by role."""
        return cls("fired", reason, basis or {}, anchor, due, "FIRED", people or {})

    @classmethod
    def not_met(
        cls, reason: str, basis: Mapping[str, Figure | None] | None = None, *, anchor: str = ""
    ) -> Answer:
        """The condition does not hold."""
        return cls("not_met", reason, basis or {}, anchor, None, "NOT_MET")

    @classmethod
    def no_data(
        cls, reason: str, basis: Mapping[str, Figure | None] | None = None, *, anchor: str = ""
    ) -> Answer:
        """What it takes to say it is not known. It neither fires nor ends what has fired."""
        return cls("no_data", reason, basis or {}, anchor, None, "NO_DATA")

    @classmethod
    def when(
        cls,
        holds: bool | None,
        reason: str,
        basis: Mapping[str, Figure | None] | None = None,
        *,
        anchor: str = "",
    ) -> Answer:
        """Fired where it holds, not met where it does not, no data where it is None."""
        if holds is None:
            return cls.no_data(reason, basis, anchor=anchor)
        return (cls.fired if holds else cls.not_met)(reason, basis, anchor=anchor)


@final
@dataclass(frozen=True, slots=True)
class Context:
    """What a trigger may look at; it looks at nothing else.

    subject: whom or what it is asked about. period: which one. as_of: the moment, with the zone of the
    rulebook. facts: the subject's records. standing: the subject's row of the card, None for a trigger
    without a model. people: who stands around the subject, by role. calendar: the working days.
    """

    subject: str
    period: Period
    as_of: dt.datetime
    facts: SubjectFacts
    standing: Standing | None = None
    people: Mapping[str, str] = field(default_factory=dict)
    calendar: Calendar = WEEKDAYS_ALONE

    @property
    def today(self) -> dt.date:
        """The day, by the local clock."""
        return self.as_of.date()

    @property
    def zone(self) -> ZoneInfo:
        """Whose clock it is."""
        zone = self.as_of.tzinfo
        return zone if isinstance(zone, ZoneInfo) else ZoneInfo("UTC")

    def result(self, indicator: str) -> Result | None:
        """What an indicator came to, None where the row has none of that name."""
        return self.standing.results.get(indicator) if self.standing else None

    def days_between(self, first: dt.date | Record | None, last: dt.date | Record | None) -> int | None:
        """How many days lie from one to another, of records their dates; None where one is not known."""
        return self._between(first, last, None)

    def workdays_between(self, first: dt.date | Record | None, last: dt.date | Record | None) -> int | None:
        """How many working days there are after the first, up to the last; None where one is not known.

        Raises CalendarCoverageError (W101).
        """
        return self._between(first, last, self.calendar)

    def _between(
        self, first: dt.date | Record | None, last: dt.date | Record | None, calendar: Calendar | None
    ) -> int | None:
        start = first.day if isinstance(first, Record) else first
        end = last.day if isinstance(last, Record) else last
        return None if start is None or end is None else days_between(start, end, calendar=calendar)


@final
@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is beside the rows of a card, for the triggers that need it.

    facts: the records of the sources. sources: as they are declared. people: the roster. calendars: by the
    names that triggers give. triggers: those that others are made of. events: what the host published.
    """

    facts: Facts = NOTHING
    sources: Mapping[str, Source] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    triggers: Mapping[str, TriggerRule] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @classmethod
    def of(
        cls,
        sources: Mapping[str, Source],
        data: Mapping[str, object],
        people: Mapping[str, Mapping[str, str]] | None = None,
        *,
        calendars: Mapping[str, Calendar] | None = None,
        triggers: Mapping[str, TriggerRule] | None = None,
        events: tuple[Event, ...] = (),
    ) -> Surroundings:
        """Those of declared sources and the host's data for them, by name."""
        return cls(Facts(sources, data), sources, people or {}, calendars or {}, triggers or {}, events)
