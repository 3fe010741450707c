"""The engine: it evaluates what changed and what came due, and keeps what occurs, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, final
from zoneinfo import ZoneInfo

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.period import Period, Periods
from crmrules.kpi.standing import Standing
from crmrules.triggers.clock import Clock
from crmrules.triggers.combined import CombinedRule
from crmrules.triggers.context import Surroundings
from crmrules.triggers.delivering import repeated
from crmrules.triggers.evaluation import Evaluation
from crmrules.triggers.group import Group, groups_of, groups_of_book
from crmrules.triggers.history import History
from crmrules.triggers.intent import key_of
from crmrules.triggers.outbox.protocol import Session, Store, committed
from crmrules.triggers.outbox.records import Event, Instance, Occurrence, Silence
from crmrules.triggers.remind import zone_of
from crmrules.triggers.report import Around, Book, Facts, People, Reader, Report, Request
from crmrules.triggers.tick import Tick
from crmrules.triggers.trigger import TriggerRule

if TYPE_CHECKING:
    from crmrules.kpi.scorecard import Scorecard

ASKED_FOR = "ASKED_FOR"


@final
class Engine:
    """Evaluates triggers, remembers their states in a store, and tells each thing once.

    triggers: by name; or use `Engine.of` with a rulebook. store: where states and deliveries are kept.
    read: how people stand at a moment (`Request`); without it only `evaluate` works. zone: where local times
    are. period: by what the triggers' periods go, one for all or by model. people: for each person facts
    such as `locale` and `zone`, a mapping or a function that gives it. around: what there is beside the rows,
    for triggers that look at records or calendars, or a function that gives it as of a moment. channels: of
    triggers that name none.
    maintainers: the ids of those who are told where a trigger has failed in three ticks running.
    batch: how many subjects are looked at in one transaction.

    Several engines can work on one store at once. Nothing here looks at a clock.

    Raises CrmRulesError (T301) for a trigger that is inhibited by one that does not belong to it.
    """

    def __init__(
        self,
        triggers: Mapping[str, TriggerRule],
        store: Store,
        *,
        read: Reader | None = None,
        zone: ZoneInfo | str = "UTC",
        tenant: str = "",
        calendar: Calendar | None = None,
        period: Periods | Mapping[str, Periods] | None = None,
        people: People = None,
        around: Around = None,
        locale: str = "en",
        channels: Sequence[str] = ("default",),
        maintainers: Sequence[str] = (),
        batch: int = 500,
    ) -> None:
        self.triggers = dict(triggers)
        self.store = store
        self.tenant = tenant
        self.zone = zone_of(zone)
        self.clock = Clock(self.zone, calendar or WEEKDAYS_ALONE)
        self.locale = locale
        self.channels = tuple(channels)
        self.maintainers = tuple(dict.fromkeys(maintainers))
        self.health: dict[str, str] = {}
        self._read = read
        self._people = people
        self._around = around
        self._roster: Facts = {}
        self.batch = batch
        month = CalendarPeriods(unit="month")
        periods = period if isinstance(period, Mapping) else {}
        general = period if isinstance(period, Periods) else month
        self.groups = groups_of(self.triggers, periods, general)
        self._combined = any(isinstance(rule, CombinedRule) for rule in self.triggers.values())
        self.digests = {name: rule.digest_of for name, rule in self.triggers.items()}

    @classmethod
    def of(
        cls,
        book: Book,
        store: Store,
        *,
        read: Reader | None = None,
        tenant: str = "",
        calendar: Calendar | None = None,
        people: People = None,
        around: Around = None,
        channels: Sequence[str] = ("default",),
        maintainers: Sequence[str] = (),
        batch: int = 500,
    ) -> Engine:
        """The engine of a rulebook's triggers."""
        engine = cls(
            book.triggers, store, read=read, zone=book.zone, tenant=tenant, calendar=calendar, people=people,
            around=around, locale=book.locale, channels=channels, maintainers=maintainers, batch=batch,
        )  # fmt: skip
        engine.groups = groups_of_book(book.triggers, book.models)
        return engine

    # what a host calls

    def tick(self, now: dt.datetime) -> Report:
        """Look at everybody who was marked, at what came due, and at everybody where rules are new.

        now: the moment of the evaluation, with a zone or local; the same for all of the tick. Raises
        CrmRulesError (T302) without a way to read, and whatever that raises: what was marked then stays so.
        """
        report = Tick(self, self._moment(now)).run()
        self.health |= report.failures
        return report

    def evaluate(self, card: Scorecard, now: dt.datetime) -> Report:
        """Look at everybody on a card, by the card's own figures, in the periods that are open.

        For hosts that score everybody anyway: columns are compared whole, and only what changes is looked
        at by itself. The card has to be scored as of `now`, and nobody else should evaluate meanwhile.
        """
        report = Tick(self, self._moment(now)).of_card(card)
        self.health |= report.failures
        return report

    def acknowledge(
        self,
        subject: str,
        by: str,
        now: dt.datetime,
        *,
        trigger: str | None = None,
        period: str | None = None,
    ) -> int:
        """Somebody takes on what fires for a subject: repeats and escalations stop. Returns how many."""
        moment = self._moment(now)

        def work(session: Session) -> int:
            session.lock([subject], tenant=self.tenant)
            found = [
                each
                for each in session.active(trigger, tenant=self.tenant)
                if each.subject == subject and period in (None, each.period) and each.fired_at is not None
            ]
            session.save(replace(each, acknowledged=by) for each in found)
            session.record(_acknowledged(each, by, moment) for each in found)
            return len(found)

        return committed(self.store, work)

    def send_again(
        self, subject: str, trigger: str, by: str, now: dt.datetime, *, period: str | None = None
    ) -> int:
        """Tell those who were told last once more, because somebody asks for it; returns how many.

        It is recorded as that, and changes nothing of what is told by itself. Raises CrmRulesError (T303).
        """
        self._named(trigger)
        moment = self._moment(now)

        def work(session: Session) -> int:
            session.lock([subject], tenant=self.tenant)
            fired = [
                each
                for each in session.occurrences(
                    subject=subject, trigger=trigger, period=period, tenant=self.tenant
                )
                if each.outcome == "fired" and each.code != ASKED_FOR
            ]
            if not fired:
                return 0
            last, step = fired[-1], f"again:{moment.isoformat()}"
            key = key_of(last.fingerprint, last.period, last.episode, step)
            reason = f"{by} asked for it: {last.reason}"
            again = replace(
                last, key=key, step=step, code=ASKED_FOR, reason=reason, evaluated_at=moment,
                scheduled_at=None, caused_by=last.key,
            )  # fmt: skip
            told = session.deliveries(occurrence=last.key, tenant=self.tenant)
            if not session.record([again]):
                return 0
            return session.enqueue(repeated(each, key, moment) for each in told)

        return committed(self.store, work)

    def _named(self, trigger: str) -> None:
        if trigger not in self.triggers:
            raise CrmRulesError(
                "T303", f"there is no trigger `{trigger}`", hint=did_you_mean(trigger, self.triggers)
            )

    def silence(
        self,
        since: dt.datetime,
        until: dt.datetime,
        *,
        trigger: str = "",
        subject: str = "",
        by: str = "",
        reason: str = "",
    ) -> str:
        """Tell nobody for a while, of a trigger, of a subject, or of all; returns the id of the silence.

        What would have fired meanwhile is recorded, and fires afterwards if it still holds.
        """
        if trigger:
            self._named(trigger)
        first, last = self._moment(since), self._moment(until)
        parts = "|".join([self.tenant, trigger, subject, first.isoformat(), last.isoformat()])
        id = sha256(parts.encode()).hexdigest()[:32]
        with self.store.transaction() as session:
            session.silence(Silence(id, first, last, trigger, subject, by, reason, self.tenant))
        return id

    def history(self, subject: str, *, trigger: str | None = None, period: str | None = None) -> History:
        """Why somebody was told, or not: all that occurred, oldest first, and where it stands."""
        with self.store.transaction() as session:
            occurred = session.occurrences(
                subject=subject, trigger=trigger, period=period, tenant=self.tenant
            )
            sent = {
                each.key: session.deliveries(occurrence=each.key, tenant=self.tenant) for each in occurred
            }
            running = [
                each
                for each in session.active(trigger, tenant=self.tenant)
                if each.subject == subject and period in (None, each.period)
            ]
        return History(subject, tuple(occurred), sent, tuple(running), self.zone)

    # evaluating

    def evaluation(
        self,
        session: Session,
        group: Group,
        period: Period,
        report: Report,
        people: Facts | None = None,
        events: tuple[Event, ...] = (),
    ) -> Evaluation:
        """One evaluation of some subjects in a period, within a transaction."""
        return Evaluation(self, session, group, period, report, self.known(people), events)

    def known(self, people: Facts | None) -> Facts:
        given = self._people() if callable(self._people) else self._people
        return {**(self._roster if people is None else people), **(given or {})}

    def surrounded(
        self, group: Group, moment: dt.datetime, events: tuple[Event, ...] = ()
    ) -> Mapping[str, TriggerRule]:
        """The triggers of a group with what there is beside the rows at a moment."""
        if self._around is None and not events and not self._combined:
            return group.rules
        around = self._around(moment) if callable(self._around) else self._around or Surroundings()
        around = replace(around, triggers=around.triggers or self.triggers, events=events)
        return {name: rule.within(around) for name, rule in group.rules.items()}

    @property
    def reads(self) -> bool:
        """Whether the engine can ask how people stood at another moment."""
        return self._read is not None

    def rows_at(
        self, group: Group, period: Period, moment: dt.datetime, subjects: Collection[str]
    ) -> dict[str, Standing]:
        """How people stood at a moment."""
        rows, _ = self.rows(Request(group.model, period, moment, frozenset(subjects)))
        return {each.subject: each for each in rows}

    def rows(self, request: Request) -> tuple[list[Standing], Mapping[str, Mapping[str, str]]]:
        """The rows that a request asks for, and the people of the roster that came with them.

        Raises CrmRulesError (T302) where the engine was given no way to read them.
        """
        found = self.asked(request)
        period = request.period
        standings = found if isinstance(found, Iterable) else _of_card(found, request)
        people: Facts = {} if isinstance(found, Iterable) else self._roster
        rows = [
            each
            for each in standings
            if each.period == period
            and request.model in (None, each.model)
            and (request.subjects is None or each.subject in request.subjects)
        ]
        if len({each.model for each in rows}) > 1:
            models = ", ".join(sorted({each.model for each in rows}))
            raise CrmRulesError(
                "T304",
                f"rows of several models ({models}) for triggers that name none",
                hint="write at each trigger of which model it is: model: …",
            )
        return rows, people

    def asked(self, request: Request) -> Scorecard | Iterable[Standing]:
        if self._read is None:
            raise CrmRulesError(
                "T302",
                "the engine does not know how people stand",
                hint="give it a way to read: Engine(…, read=lambda request: book.score(…))",
            )
        found = self._read(request)
        if not isinstance(found, Iterable):
            self._roster = found.roster.people
        return found

    def _moment(self, now: dt.datetime) -> dt.datetime:
        local = now.replace(tzinfo=self.zone) if now.tzinfo is None else now
        return local.astimezone(dt.UTC)


def _of_card(card: Scorecard, request: Request) -> Iterator[Standing]:
    """The rows of a card that are asked for; of a few subjects only theirs are made."""
    if request.subjects is None:
        yield from card.standings()
        return
    there = {*card.subjects}
    if request.period in card.periods:
        for subject in sorted(there & request.subjects):
            yield card.standing(subject, request.period)


def _acknowledged(instance: Instance, by: str, now: dt.datetime) -> Occurrence:
    key = key_of(instance.fingerprint, instance.period, instance.episode, "acknowledge", by)
    return Occurrence(
        key, instance.fingerprint, instance.trigger, instance.subject, instance.period, instance.episode,
        "acknowledge", "acknowledged", "ACKNOWLEDGED", f"{by} has taken it on", now, tenant=instance.tenant,
    )  # fmt: skip
