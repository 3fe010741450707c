"""The engine: it evaluates what changed and what came due, and keeps what occurs, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, final
from zoneinfo import ZoneInfo

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.period import Period, Periods
from crmrules.kpi.standing import Standing
from crmrules.triggers.combined import CombinedRule
from crmrules.triggers.context import Surroundings
from crmrules.triggers.delivering import envelope, repeated
from crmrules.triggers.evaluation import Evaluation, Subjects
from crmrules.triggers.group import Group, due_or_none, groups_of, groups_of_book, periods_of
from crmrules.triggers.history import History
from crmrules.triggers.intent import fingerprint_of, key_of
from crmrules.triggers.outbox.protocol import Session, Store, committed
from crmrules.triggers.outbox.records import Delivery, Event, Instance, Occurrence, Silence
from crmrules.triggers.remind import zone_of
from crmrules.triggers.report import Around, Book, Facts, People, Reader, Report, Request
from crmrules.triggers.screening import candidates
from crmrules.triggers.state import Clock
from crmrules.triggers.trigger import TriggerRule

if TYPE_CHECKING:
    from crmrules.kpi.scorecard import Scorecard

ASKED_FOR = "ASKED_FOR"
OF_A_CARD = 20_000
"""How many subjects of a card are looked at in one transaction, at least."""
EVERYBODY = "@everybody"
"""The subject of the row that remembers for which rules and deadlines everybody was looked at."""


@final
class Engine:
    """Evaluates triggers, remembers their states in a store, and tells each thing once.

    triggers: by name; or use `Engine.of` with a rulebook. store: where states and deliveries are kept.
    read: how people stand at a moment (`Request`); without it only `evaluate` works. zone: where local times
    are. period: by what the triggers' periods go, one for all or by model. people: for each person facts
    such as `locale` and `zone`, a mapping or a function that gives it. around: what there is beside the rows,
    for triggers that look at records or calendars, or a function that gives it as of a moment. channels: of
    triggers that name none.
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
        batch: int = 500,
    ) -> None:
        self.triggers = dict(triggers)
        self.store = store
        self.tenant = tenant
        self.zone = zone_of(zone)
        self.clock = Clock(self.zone, calendar or WEEKDAYS_ALONE)
        self.locale = locale
        self.channels = tuple(channels)
        self.health: dict[str, str] = {}
        self._read = read
        self._people = people
        self._around = around
        self._roster: Facts = {}
        self._batch = batch
        month = CalendarPeriods(unit="month")
        periods = period if isinstance(period, Mapping) else {}
        general = period if isinstance(period, Periods) else month
        self._groups = groups_of(self.triggers, periods, general)
        self._combined = any(isinstance(rule, CombinedRule) for rule in self.triggers.values())
        self._digests = {name: rule.digest_of for name, rule in self.triggers.items()}

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
        batch: int = 500,
    ) -> Engine:
        """The engine of a rulebook's triggers."""
        engine = cls(
            book.triggers, store, read=read, zone=book.zone, tenant=tenant, calendar=calendar, people=people,
            around=around, locale=book.locale, channels=channels, batch=batch,
        )  # fmt: skip
        engine._groups = groups_of_book(book.triggers, book.models)
        return engine

    # what a host calls

    def tick(self, now: dt.datetime) -> Report:
        """Look at everybody who was marked, at what came due, and at everybody where rules are new.

        now: the moment of the evaluation, with a zone or local; the same for all of the tick. Raises
        CrmRulesError (T302) without a way to read, and whatever that raises: what was marked then stays so.
        """
        moment = self._moment(now)
        report = Report(moment)
        while self._commit(report, self._marked):
            pass
        while self._commit(report, self._published):
            pass
        self._woken(report)
        for group in self._groups:
            self._swept(group, report)
        self._commit(report, self._sealed)
        self.health |= report.failures
        return report

    def evaluate(self, card: Scorecard, now: dt.datetime) -> Report:
        """Look at everybody on a card, by the card's own figures, in the periods that are open.

        For hosts that score everybody anyway: columns are compared whole, and only what changes is looked
        at by itself. The card has to be scored as of `now`, and nobody else should evaluate meanwhile.
        """
        moment = self._moment(now)
        report = Report(moment)
        for group in self._groups:
            if group.model not in (None, card.name):
                continue
            period = self._open(group, moment)
            if period is None:
                continue
            with self.store.transaction() as session:
                wanted, names = self._unswept(session, group, period, moment)
                found = candidates(self, session, group, card, period, moment, names)
            for start in range(0, len(found), self._batch):
                part = dict(found[start : start + self._batch])
                self._commit(report, partial(self._of_card, card, group, period, part))
            self._remember(report, wanted)
        self._commit(report, self._sealed)
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

    # one transaction each

    def _commit(self, report: Report, work: Callable[[Session, Report], int]) -> int:
        """Run work in a transaction of its own; its report counts once it is committed."""

        def attempt(session: Session) -> tuple[int, Report]:
            part = Report(report.now)
            return work(session, part), part

        count, part = committed(self.store, attempt)
        report.add(part)
        return count

    def _of_card(
        self,
        card: Scorecard,
        group: Group,
        period: Period,
        subjects: Subjects,
        session: Session,
        report: Report,
    ) -> int:
        session.lock(subjects, tenant=self.tenant)
        standings = {subject: card.standing(subject, period) for subject in subjects}
        self.evaluation(session, group, period, report, card.roster.people).run(standings, subjects)
        return 0

    def _marked(self, session: Session, report: Report) -> int:
        marks = session.claim(self._batch, tenant=self.tenant)
        for group in self._groups:
            wanted: dict[Period, set[str]] = {}
            for mark in marks:
                for period in periods_of(mark.period, group.periods, report.now.astimezone(self.zone).date()):
                    wanted.setdefault(period, set()).add(mark.subject)
            for period, subjects in sorted(wanted.items()):
                around = self._around_them(session, group, period, subjects, report)
                self._evaluate(session, group, period, dict.fromkeys(subjects | around), report)
        return len(marks)

    def _around_them(
        self, session: Session, group: Group, period: Period, subjects: set[str], report: Report
    ) -> set[str]:
        """Whose figures move with those of the subjects, as a manager's do in a model by managers; locked."""
        people = self._known(None)
        if group.own or not people:
            return set()
        found = {who for each in subjects for who in people.get(each, {}).values() if who} - subjects
        session.lock(found, tenant=self.tenant)
        return found

    def _published(self, session: Session, report: Report) -> int:
        """Look at what the host has published; it is taken when this is committed."""
        events = tuple(session.events(self._batch, tenant=self.tenant))
        for group in self._groups if events else ():
            names = {name for name, rule in group.rules.items() if rule.by_event}
            if not names:
                continue
            period = self._open(group, report.now)
            if period is None:
                continue
            session.lock({each.subject for each in events if each.subject}, tenant=self.tenant)
            people: Facts = {}
            if group.own:
                rows = self._own_rows(group, report.now, report, events)
            else:
                about = frozenset(each.subject for each in events if each.subject)
                rows, people = self.rows(Request(group.model, period, report.now, about))
            standings = {each.subject: each for each in rows if each.period == period}
            session.lock(standings, tenant=self.tenant)
            subjects = dict.fromkeys(standings, names)
            self.evaluation(session, group, period, report, people, events).run(standings, subjects)
        return len(events)

    def _woken(self, report: Report) -> None:
        with self.store.transaction() as session:
            due = session.active(until=report.now, tenant=self.tenant)
        waiting = [each for each in due if each.subject != EVERYBODY]
        for each in due:
            if each.subject == EVERYBODY:
                self._overdue(each, report)
        for start in range(0, len(waiting), self._batch):
            part = waiting[start : start + self._batch]
            self._commit(report, partial(self._wake, part))

    def _overdue(self, marker: Instance, report: Report) -> None:
        """A deadline that came due in a period that is over by now, while nothing ran."""
        for group in self._groups:
            own = fingerprint_of(EVERYBODY, group.model or "", marker.trigger, self.tenant)
            known = group.periods.index_of_key(marker.period) is not None
            if own != marker.fingerprint or marker.trigger not in group.rules or not known:
                continue
            period = group.periods.parse(marker.period)
            if report.now < self.clock.end_of(period):
                return
            done = replace(marker, wake=None, data={**marker.data, "due": report.now.isoformat()})
            self._sweep_all(group, period, {marker.trigger}, [done], report)
            return
        self._remember(report, [replace(marker, wake=None)])

    def _wake(self, waiting: Sequence[Instance], session: Session, report: Report) -> int:
        session.lock({each.subject for each in waiting}, tenant=self.tenant)
        kept = session.instances([(each.fingerprint, each.period) for each in waiting])
        asked, touched = [*kept], set[tuple[str, str]]()
        for group in self._groups:
            wanted: dict[str, dict[str, set[str]]] = {}
            for key, each in [*kept.items()]:
                if self._belongs(each, group):
                    wanted.setdefault(each.period, {}).setdefault(each.subject, set()).add(each.trigger)
                    del kept[key]
            for period, subjects in sorted(wanted.items()):
                touched |= self._evaluate(session, group, group.periods.parse(period), subjects, report)
        self._orphaned(session, [*kept.values()], report)
        self._unsaid(session, {*asked} - touched - {*kept}, report)
        return 0

    def _unsaid(self, session: Session, keys: set[tuple[str, str]], report: Report) -> None:
        """Of what has nothing to say any more, as an event that is over, nothing is asked again."""
        for each in session.instances(sorted(keys)).values():
            if each.wake is not None and each.wake <= report.now:
                session.save([replace(each, state="closed", wake=None)])

    def _belongs(self, instance: Instance, group: Group) -> bool:
        rule = group.rules.get(instance.trigger)
        if rule is None or group.periods.index_of_key(instance.period) is None:
            return False
        about = str(instance.data.get("about", ""))
        own = group.fingerprint(instance.trigger, instance.subject, self.tenant, about)
        return own == instance.fingerprint

    def _orphaned(self, session: Session, instances: Iterable[Instance], report: Report) -> None:
        """States of triggers that are not in the rules any more, or have begun anew: they end."""
        for each in instances:
            session.save([replace(each, state="closed", wake=None)])
            for step in each.data.get("told", ()):
                key = key_of(each.fingerprint, each.period, each.episode, step)
                session.withdraw(key, "the trigger is not in the rules any more")

    def _swept(self, group: Group, report: Report) -> None:
        """Look at everybody where a rule is new or changed, a period has begun, or a deadline is due."""
        period = self._open(group, report.now)
        if period is None:
            return
        with self.store.transaction() as session:
            wanted, names = self._unswept(session, group, period, report.now)
        self._sweep_all(group, period, names, wanted, report)

    def _sweep_all(
        self, group: Group, period: Period, names: set[str], wanted: list[Instance], report: Report
    ) -> None:
        if not names:
            return
        found = () if group.own else self._asked(Request(group.model, period, report.now))
        everybody: list[tuple[str, set[str] | None]]
        batch = self._batch
        if isinstance(found, Iterable):
            rows = self._own_rows(group, report.now, report) if group.own else found
            there = {each.subject for each in rows if each.period == period}
            everybody = [(subject, names) for subject in sorted(there)]
        else:
            # A card is scored as a whole each time, so that few large batches cost less than many small ones.
            batch = max(batch, OF_A_CARD)
            with self.store.transaction() as session:
                changed = candidates(self, session, group, found, period, report.now, names)
            everybody = [(subject, few) for subject, each in changed if (few := names & (each or names))]
        for start in range(0, len(everybody), batch):
            subjects = dict(everybody[start : start + batch])
            self._commit(report, partial(self._sweep, group, period, subjects))
        self._remember(report, wanted)

    def _open(self, group: Group, now: dt.datetime) -> Period | None:
        """The period that is open at a moment; none in a gap between those of a table."""
        index = group.periods.index_of(now.astimezone(self.zone).date())
        return None if index is None else group.periods.at(index)

    def _sweep(
        self, group: Group, period: Period, subjects: Subjects, session: Session, report: Report
    ) -> int:
        session.lock(subjects, tenant=self.tenant)
        self._evaluate(session, group, period, subjects, report)
        return 0

    def _unswept(
        self, session: Session, group: Group, period: Period, now: dt.datetime
    ) -> tuple[list[Instance], set[str]]:
        """The rows that remember the sweeps, as they will be, and the triggers that need one."""
        keys = {
            name: (fingerprint_of(EVERYBODY, group.model or "", name, self.tenant), str(period))
            for name in group.rules
        }
        kept = session.instances(keys.values())
        changed, names = [], set()
        rules = self.surrounded(group, now)
        for name, key in keys.items():
            rule = rules[name]
            due = due_or_none(rule, period, self.zone)
            came_due = due.astimezone(dt.UTC).isoformat() if due is not None and due <= now else None
            data = {"rule": self._digests[name], "due": came_due}
            before = kept.get(key) or Instance(*key, name, EVERYBODY, tenant=self.tenant)
            if before.data != data:
                # Where nothing runs until the period is over, its deadline is still not forgotten.
                wake = due.astimezone(dt.UTC) if due is not None and not came_due else None
                changed.append(replace(before, data=data, wake=wake))
                names.add(name)
            elif rule.by_time:
                names.add(name)
        return changed, names

    def _remember(self, report: Report, swept: list[Instance]) -> None:
        """Remember a sweep, unless somebody else has done so meanwhile."""

        def work(session: Session, report: Report) -> int:
            session.lock([EVERYBODY], tenant=self.tenant)
            kept = session.instances([(each.fingerprint, each.period) for each in swept])
            revisions = {key: each.revision for key, each in kept.items()}
            session.save(
                replace(each, revision=revisions.get((each.fingerprint, each.period), 0)) for each in swept
            )
            return 0

        if swept:
            self._commit(report, work)

    def _sealed(self, session: Session, report: Report) -> int:
        """Close the digests whose time has come."""
        windows: dict[str, list[Delivery]] = {}
        for each in session.deliveries(status="waiting", digest="*", tenant=self.tenant):
            if each.digest is not None and each.deliver_after <= report.now:
                windows.setdefault(each.digest, []).append(each)
        for window, members in windows.items():
            made = envelope(window, members, self.tenant)
            if session.seal([each.id for each in members], made):
                report.deliveries.append(made)
        return 0

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
        return Evaluation(self, session, group, period, report, self._known(people), events)

    def _known(self, people: Facts | None) -> Facts:
        given = self._people() if callable(self._people) else self._people
        return {**(self._roster if people is None else people), **(given or {})}

    def _evaluate(
        self, session: Session, group: Group, period: Period, subjects: Subjects, report: Report
    ) -> set[tuple[str, str]]:
        if report.now.astimezone(self.zone).date() < period.start:
            return set()
        rows, people = self._rows_of(group, period, report, frozenset(subjects))
        standings = {each.subject: each for each in rows if each.subject in subjects}
        evaluation = self.evaluation(session, group, period, report, people)
        evaluation.run(standings, subjects)
        return evaluation.touched

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

    def _rows_of(
        self, group: Group, period: Period, report: Report, subjects: frozenset[str] | None = None
    ) -> tuple[list[Standing], Facts]:
        moment = report.now
        if not group.own:
            return self.rows(Request(group.model, period, moment, subjects))
        wanted = [each for each in self._own_rows(group, moment, report) if each.period == period]
        return [each for each in wanted if subjects is None or each.subject in subjects], {}

    def _own_rows(
        self, group: Group, moment: dt.datetime, report: Report, events: tuple[Event, ...] = ()
    ) -> list[Standing]:
        """The rows of triggers that find their subjects themselves; of one that fails none."""
        rows: list[Standing] = []
        for name, rule in self.surrounded(group, moment, events).items():
            try:
                rows += rule.own_rows(moment.astimezone(self.zone), self.zone)
            except Exception as error:
                report.failures[name] = f"{type(error).__name__}: {error}"
        return rows

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
        found = self._asked(request)
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

    def _asked(self, request: Request) -> Scorecard | Iterable[Standing]:
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
