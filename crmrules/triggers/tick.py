"""One round of the engine: what was marked, published or came due, each in a transaction of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from crmrules.kpi.period import Period
from crmrules.kpi.standing import Standing
from crmrules.triggers.delivering import envelope
from crmrules.triggers.evaluation import Subjects
from crmrules.triggers.group import EVERYBODY, Group, due_or_none, periods_of
from crmrules.triggers.health import look_after
from crmrules.triggers.intent import fingerprint_of, key_of
from crmrules.triggers.outbox.protocol import Session, committed
from crmrules.triggers.outbox.records import Delivery, Event, Instance
from crmrules.triggers.report import Facts, Report, Request
from crmrules.triggers.screening import candidates

if TYPE_CHECKING:
    from crmrules.kpi.scorecard import Scorecard
    from crmrules.triggers.engine import Engine

OF_A_CARD = 20_000
"""How many subjects of a card are looked at in one transaction, at least."""
LOOKBACK = 12
"""So many periods back deadlines are found that came due while nothing ran at all."""


class Tick:
    """A moment at which the engine looks; `report` says what came of it."""

    def __init__(self, engine: Engine, now: dt.datetime) -> None:
        self.engine, self.report = engine, Report(now)
        self.roster_asked = False

    def run(self) -> Report:
        """Look at whoever was marked, at what was published and came due, and at everybody where rules are
        new; last, digests are closed."""
        report = self.report
        while self._commit(report, self._marked):
            pass
        while self._commit(report, self._published):
            pass
        self._woken(report)
        for group in self.engine.groups:
            self._swept(group, report)
        self._commit(report, self._ended)
        return report

    def of_card(self, card: Scorecard) -> Report:
        """Look at everybody on a card, by its own figures."""
        report, engine = self.report, self.engine
        for group in engine.groups:
            period = self._open(group, report.now)
            if period is None or group.own or group.model not in (None, card.name):
                continue
            with engine.store.transaction() as session:
                wanted, names = self._unswept(session, group, period, report.now)
                found = candidates(engine, session, group, card, period, report.now, names)
            batch = max(engine.batch, OF_A_CARD)
            for start in range(0, len(found), batch):
                part = dict(found[start : start + batch])
                self._commit(report, partial(self._of_card, card, group, period, part))
            self._remember(report, wanted)
        self._commit(report, self._ended)
        return report

    # one transaction each

    def _commit(self, report: Report, work: Callable[[Session, Report], int]) -> int:
        """Run work in a transaction of its own; its report counts once it is committed."""

        def attempt(session: Session) -> tuple[int, Report]:
            part = Report(report.now)
            return work(session, part), part

        count, part = committed(self.engine.store, attempt)
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
        session.lock(subjects, tenant=self.engine.tenant)
        standings = {subject: card.standing(subject, period) for subject in subjects}
        self.engine.evaluation(session, group, period, report, card.roster.people).run(standings, subjects)
        return 0

    def _marked(self, session: Session, report: Report) -> int:
        marks = session.claim(self.engine.batch, tenant=self.engine.tenant)
        for group in self.engine.groups:
            wanted: dict[Period, set[str]] = {}
            for mark in marks:
                for period in periods_of(
                    mark.period, group.periods, report.now.astimezone(self.engine.zone).date()
                ):
                    wanted.setdefault(period, set()).add(mark.subject)
            for period, subjects in sorted(wanted.items()):
                around = self._around_them(session, group, period, subjects, report)
                self._evaluate(session, group, period, dict.fromkeys(subjects | around), report)
        return len(marks)

    def _around_them(
        self, session: Session, group: Group, period: Period, subjects: set[str], report: Report
    ) -> set[str]:
        """Whose figures move with those of the subjects, as a manager's do in a model by managers; locked."""
        if group.own:
            return set()
        people = self.engine.known(None)
        if not people and not self.roster_asked and self.engine.reads:
            # An engine that has just been started has not read the roster yet.
            self.roster_asked = True
            self.engine.rows(Request(group.model, period, report.now, frozenset(subjects)))
            people = self.engine.known(None)
        found = {who for each in subjects for who in people.get(each, {}).values() if who} - subjects
        session.lock(found, tenant=self.engine.tenant)
        return found

    def _published(self, session: Session, report: Report) -> int:
        """Look at what the host has published; it is taken when this is committed."""
        events = tuple(session.events(self.engine.batch, tenant=self.engine.tenant))
        for group in self.engine.groups if events else ():
            names = {name for name, rule in group.rules.items() if rule.by_event}
            if not names:
                continue
            period = self._open(group, report.now)
            if period is None:
                continue
            session.lock({each.subject for each in events if each.subject}, tenant=self.engine.tenant)
            people: Facts = {}
            if group.own:
                rows = self._own_rows(group, report.now, report, events)
            else:
                about = frozenset(each.subject for each in events if each.subject)
                rows, people = self.engine.rows(Request(group.model, period, report.now, about))
            standings = {each.subject: each for each in rows if each.period == period}
            session.lock(standings, tenant=self.engine.tenant)
            subjects = dict.fromkeys(standings, names)
            self.engine.evaluation(session, group, period, report, people, events).run(standings, subjects)
        return len(events)

    def _woken(self, report: Report) -> None:
        with self.engine.store.transaction() as session:
            due = session.active(until=report.now, tenant=self.engine.tenant)
        waiting = [each for each in due if each.subject != EVERYBODY]
        for each in due:
            if each.subject == EVERYBODY:
                self._overdue(each, report)
        for start in range(0, len(waiting), self.engine.batch):
            part = waiting[start : start + self.engine.batch]
            self._commit(report, partial(self._wake, part))

    def _overdue(self, marker: Instance, report: Report) -> None:
        """A deadline that came due in a period that is over by now, while nothing ran."""
        for group in self.engine.groups:
            own = fingerprint_of(EVERYBODY, group.model or "", marker.trigger, self.engine.tenant)
            known = group.periods.index_of_key(marker.period) is not None
            if own != marker.fingerprint or marker.trigger not in group.rules or not known:
                continue
            period = group.periods.parse(marker.period)
            if report.now < self.engine.clock.end_of(period):
                return
            done = replace(marker, wake=None, data={**marker.data, "due": report.now.isoformat()})
            self._sweep_all(group, period, {marker.trigger}, [done], report)
            return
        self._remember(report, [replace(marker, wake=None)])

    def _wake(self, waiting: Sequence[Instance], session: Session, report: Report) -> int:
        session.lock({each.subject for each in waiting}, tenant=self.engine.tenant)
        kept = session.instances([(each.fingerprint, each.period) for each in waiting])
        asked, touched = [*kept], set[tuple[str, str]]()
        for group in self.engine.groups:
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
        own = group.fingerprint(instance.trigger, instance.subject, self.engine.tenant, about)
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
        with self.engine.store.transaction() as session:
            wanted, names = self._unswept(session, group, period, report.now)
            skipped = self._skipped(session, group, period, wanted, report.now)
        for past, markers in skipped:
            self._sweep_all(group, past, {each.trigger for each in markers}, markers, report)
        self._sweep_all(group, period, names, wanted, report)

    def _skipped(
        self, session: Session, group: Group, period: Period, wanted: list[Instance], now: dt.datetime
    ) -> list[tuple[Period, list[Instance]]]:
        """The periods in which nothing ran at all, earliest first, and their deadlines, as remembered then.

        They lie between the one that has begun and the last one in which the engine looked; before that the
        rule may not have been there.
        """
        begun = [each for each in wanted if not each.revision and group.rules[each.trigger].is_deadline]
        past: list[Period] = []
        while begun and len(past) < LOOKBACK and (before := (past or [period])[-1].previous) is not None:
            past.append(before)
        kept = session.instances((each.fingerprint, str(there)) for each in begun for there in past)
        found: dict[Period, list[Instance]] = {}
        for each in begun:
            known = [place for place, there in enumerate(past) if (each.fingerprint, str(there)) in kept]
            for there in past[: min(known, default=0)]:
                if due_or_none(group.rules[each.trigger], there, self.engine.zone) is not None:
                    data = {**each.data, "due": now.isoformat()}
                    marker = replace(each, period=str(there), data=data, wake=None)
                    found.setdefault(there, []).append(marker)
        return sorted(found.items())

    def _sweep_all(
        self, group: Group, period: Period, names: set[str], wanted: list[Instance], report: Report
    ) -> None:
        if not names:
            return
        found = () if group.own else self.engine.asked(Request(group.model, period, report.now))
        everybody: list[tuple[str, set[str] | None]]
        batch = self.engine.batch
        if isinstance(found, Iterable):
            rows = self._own_rows(group, report.now, report) if group.own else found
            there = {each.subject for each in rows if each.period == period}
            everybody = [(subject, names) for subject in sorted(there)]
        else:
            # A card is scored as a whole each time, so that few large batches cost less than many small ones.
            batch = max(batch, OF_A_CARD)
            with self.engine.store.transaction() as session:
                changed = candidates(self.engine, session, group, found, period, report.now, names)
            everybody = [(subject, few) for subject, each in changed if (few := names & (each or names))]
        for start in range(0, len(everybody), batch):
            subjects = dict(everybody[start : start + batch])
            self._commit(report, partial(self._sweep, group, period, subjects))
        self._remember(report, wanted)

    def _open(self, group: Group, now: dt.datetime) -> Period | None:
        """The period that is open at a moment; none in a gap between those of a table."""
        index = group.periods.index_of(now.astimezone(self.engine.zone).date())
        return None if index is None else group.periods.at(index)

    def _sweep(
        self, group: Group, period: Period, subjects: Subjects, session: Session, report: Report
    ) -> int:
        session.lock(subjects, tenant=self.engine.tenant)
        self._evaluate(session, group, period, subjects, report)
        return 0

    def _unswept(
        self, session: Session, group: Group, period: Period, now: dt.datetime
    ) -> tuple[list[Instance], set[str]]:
        """The rows that remember the sweeps, as they will be, and the triggers that need one."""
        keys = {
            name: (fingerprint_of(EVERYBODY, group.model or "", name, self.engine.tenant), str(period))
            for name in group.rules
        }
        kept = session.instances(keys.values())
        changed, names = [], set()
        rules = self.engine.surrounded(group, now)
        for name, key in keys.items():
            rule = rules[name]
            due = due_or_none(rule, period, self.engine.zone)
            came_due = due.astimezone(dt.UTC).isoformat() if due is not None and due <= now else None
            data = {"rule": self.engine.digests[name], "due": came_due}
            before = kept.get(key) or Instance(*key, name, EVERYBODY, tenant=self.engine.tenant)
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
            session.lock([EVERYBODY], tenant=self.engine.tenant)
            kept = session.instances([(each.fingerprint, each.period) for each in swept])
            revisions = {key: each.revision for key, each in kept.items()}
            session.save(
                replace(each, revision=revisions.get((each.fingerprint, each.period), 0)) for each in swept
            )
            return 0

        if swept:
            self._commit(report, work)

    def _ended(self, session: Session, report: Report) -> int:
        """Close digests, and look after triggers that fail."""
        occurrences, sent = look_after(self.engine, session, self.report)
        report.occurrences += occurrences
        report.deliveries += sent
        return self._sealed(session, report)

    def _sealed(self, session: Session, report: Report) -> int:
        """Close the digests whose time has come."""
        windows: dict[str, list[Delivery]] = {}
        for each in session.deliveries(status="waiting", digest="*", tenant=self.engine.tenant):
            if each.digest is not None and each.deliver_after <= report.now:
                windows.setdefault(each.digest, []).append(each)
        for window, members in windows.items():
            made = envelope(window, members, self.engine.tenant)
            if session.seal([each.id for each in members], made):
                report.deliveries.append(made)
        return 0

    # evaluating

    def _evaluate(
        self, session: Session, group: Group, period: Period, subjects: Subjects, report: Report
    ) -> set[tuple[str, str]]:
        if report.now.astimezone(self.engine.zone).date() < period.start:
            return set()
        rows, people = self._rows_of(group, period, report, frozenset(subjects))
        standings = {each.subject: each for each in rows if each.subject in subjects}
        evaluation = self.engine.evaluation(session, group, period, report, people)
        evaluation.run(standings, subjects)
        return evaluation.touched

    def _rows_of(
        self, group: Group, period: Period, report: Report, subjects: frozenset[str] | None = None
    ) -> tuple[list[Standing], Facts]:
        moment = report.now
        if not group.own:
            return self.engine.rows(Request(group.model, period, moment, subjects))
        wanted = [each for each in self._own_rows(group, moment, report) if each.period == period]
        return [each for each in wanted if subjects is None or each.subject in subjects], {}

    def _own_rows(
        self, group: Group, moment: dt.datetime, report: Report, events: tuple[Event, ...] = ()
    ) -> list[Standing]:
        """The rows of triggers that find their subjects themselves; of one that fails none."""
        rows: list[Standing] = []
        for name, rule in self.engine.surrounded(group, moment, events).items():
            try:
                rows += rule.own_rows(moment.astimezone(self.engine.zone), self.engine.zone)
            except Exception as error:
                report.failures[name] = f"{type(error).__name__}: {error}"
        return rows
