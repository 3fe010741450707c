"""One evaluation of some subjects in one period, within a transaction of the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final
from zoneinfo import ZoneInfo

from crmrules.kpi.period import Period
from crmrules.kpi.standing import Standing
from crmrules.triggers.decision import Decision
from crmrules.triggers.delivering import ZONE, deliveries
from crmrules.triggers.group import Group, due_or_none
from crmrules.triggers.intent import Intent, fingerprint_of, key_of
from crmrules.triggers.outbox.protocol import Session
from crmrules.triggers.outbox.records import Delivery, Event, Instance, Occurrence, Outcome, Silence
from crmrules.triggers.remind import retraction, told
from crmrules.triggers.state import RUNNING, Obstacle, Transition, advance, is_idle
from crmrules.triggers.trigger import TriggerRule

if TYPE_CHECKING:
    from crmrules.triggers.engine import Engine
    from crmrules.triggers.report import Report

Subjects = Mapping[str, "set[str] | None"]
"""Who is looked at, and by which triggers; all where none are named."""

RETRY = dt.timedelta(minutes=10)
"""How soon a trigger that failed is tried again."""

MISSING = 2
"""So many times a subject is missing until it counts as gone."""

INSTANT = dt.timedelta(microseconds=1)
HEARD = ("leased", "delivered", "collected")
"""The deliveries that somebody may have read."""


@final
@dataclass(frozen=True, slots=True)
class Said:
    """What a trigger says of one thing about a subject; `error` where it failed."""

    about: str
    period: Period
    decision: Decision | None = None
    error: str = ""


class Evaluation:
    """What is read once for all subjects, and what is written at the end."""

    def __init__(
        self,
        engine: Engine,
        session: Session,
        group: Group,
        period: Period,
        report: Report,
        people: Mapping[str, Mapping[str, str]],
        events: tuple[Event, ...] = (),
    ) -> None:
        self.engine, self.session, self.group, self.period = engine, session, group, period
        self.report, self.people, self.now = report, people, report.now
        end = engine.clock.end_of(period)
        self.rules = engine.surrounded(group, self.now, events)
        self.moment = min(self.now, end - INSTANT)
        """When triggers are asked: of a period that is over, at its end."""
        self.touched: set[tuple[str, str]] = set()
        """The states of which something was said."""
        self.fingerprints: dict[tuple[str, str, str], str] = {}
        self.silences: list[Silence] = []
        self.instances: dict[tuple[str, str], Instance] = {}
        self.occurrences: list[Occurrence] = []
        self.changed: list[tuple[TriggerRule, Instance, Transition | None]] = []
        self.states: dict[tuple[str, str], Instance] = {}

    def run(self, standings: Mapping[str, Standing], subjects: Subjects) -> None:
        """Evaluate the subjects, and keep what comes of it."""
        self.silences = self.session.silences(self.now, tenant=self.engine.tenant)
        pairs = [
            (name, subject)
            for subject in sorted(subjects)
            for name in self.rules
            if (names := subjects[subject]) is None or name in names
        ]
        said = {(name, subject): self.asked(name, standings.get(subject)) for name, subject in pairs}
        keys = {
            (self.fingerprint(name, subject, about), str(period))
            for (name, subject), answers in said.items()
            for about, period in {("", self.period), *((each.about, each.period) for each in answers)}
        }
        # What inhibits may not be evaluated itself this time.
        keys |= {
            (self.fingerprint(other, subject), str(self.period))
            for name, subject in pairs
            for other in self.rules[name].inhibited_by
        }
        self.instances = self.session.instances(keys)
        at_due = self.standings_at_due(standings, pairs)
        for name, subject in pairs:
            for answer in said[name, subject]:
                self.one(name, subject, answer, at_due.get((name, subject)))
            if subject not in standings:
                self.missing(name, subject)
        self.write()

    def fingerprint(self, name: str, subject: str, about: str = "") -> str:
        key = (name, subject, about)
        if key not in self.fingerprints:
            self.fingerprints[key] = self.group.fingerprint(name, subject, self.engine.tenant, about)
        return self.fingerprints[key]

    def instance(self, name: str, subject: str, about: str = "", period: Period | None = None) -> Instance:
        key = (self.fingerprint(name, subject, about), str(period or self.period))
        data = {"about": about} if about else {}
        return self.instances.get(key) or Instance(*key, name, subject, data=data, tenant=self.engine.tenant)

    def asked(self, name: str, standing: Standing | None) -> list[Said]:
        """What a trigger says of a row, or that it failed; nothing of a row that it is not about."""
        rule = self.rules[name]
        zone = self.engine.zone
        if standing is None or not (self.group.own or rule.concerns(standing)):
            return []
        self.report.evaluated += 1
        try:
            found = [*rule.decisions(name, standing, self.moment.astimezone(zone), zone)]
        except Exception as error:
            # A stranger's trigger may raise anything, and breaks no other.
            return [Said("", self.period, error=f"{type(error).__name__}: {error}")]
        self.report.answered.add(name)
        said = []
        for each in found:
            own = each.step.removeprefix(f"{rule.step}:") if each.step not in rule.step_names else ""
            why = each.reason if each.code == "TRIGGER_FAILED" else ""
            said.append(Said(own, each.standing.period, each, why))
        return said

    def standings_at_due(
        self, standings: Mapping[str, Standing], pairs: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], Standing]:
        """How those stood when a deadline was due, about whom it was not decided then."""
        dues = {name: due for name, rule in self.rules.items() if (due := self.past_due(rule))}
        wanted: dict[dt.datetime, list[tuple[str, str]]] = {}
        for name, subject in pairs:
            if name in dues and subject in standings:
                data = self.instance(name, subject).data
                if not data.get("told") and data.get("due") != dues[name].isoformat():
                    wanted.setdefault(dues[name], []).append((name, subject))
        found: dict[tuple[str, str], Standing] = {}
        for due, late in wanted.items():
            rows = self.engine.rows_at(self.group, self.period, due, {subject for _, subject in late})
            found |= {(name, subject): rows[subject] for name, subject in late if subject in rows}
        return found

    def past_due(self, rule: TriggerRule) -> dt.datetime | None:
        """When a deadline was due whose figures at that moment count; None for any other trigger."""
        if rule.evaluate_as_of == "now" or not self.engine.reads:
            return None
        due = due_or_none(rule, self.period, self.engine.zone)
        return due.astimezone(dt.UTC) if due is not None and due < self.now else None

    # one trigger and one subject

    def one(self, name: str, subject: str, said: Said, at_due: Standing | None) -> None:
        """What comes of what a trigger says of one subject."""
        rule = self.rules[name]
        instance = self.instance(name, subject, said.about, said.period)
        self.touched.add((instance.fingerprint, instance.period))
        if said.error:
            self.failed(name, rule, instance, said.error)
        decision = said.decision
        if decision is None or is_idle(rule, instance, decision):
            return
        obstacle = self.obstacle(name, rule, instance, decision)
        clock, then = self.engine.clock, None
        try:
            if at_due is not None and decision.scheduled_at is not None:
                then = rule.evaluate(name, at_due, decision.scheduled_at, clock.zone)
            made = advance(rule, instance, decision, self.now, clock, at_due=then, obstacle=obstacle)
        except Exception as error:
            self.failed(name, rule, instance, f"{type(error).__name__}: {error}")
            return
        after = made.instance
        if not said.error and (instance.data.get("failures") or instance.data.get("missing")):
            kept = {key: value for key, value in after.data.items() if key not in ("failures", "missing")}
            after = replace(after, data=kept)
        if not said.about:
            self.states[subject, name] = after
        self.occurrences += made.occurrences
        if not said.error and (after != instance or made.occurrences or made.over):
            self.changed.append((rule, after, made))

    def obstacle(
        self, name: str, rule: TriggerRule, instance: Instance, decision: Decision
    ) -> Obstacle | None:
        """What keeps a trigger from telling anybody now: inhibition before silence before cooldown."""
        if decision.outcome != "fired" and instance.state not in RUNNING:
            return None
        for other in rule.inhibited_by:
            state = self.states.get((instance.subject, other)) or self.instance(other, instance.subject)
            if state.state in ("firing", "recovering"):
                return Obstacle("INHIBITED", f"`{other}` fires already", anchor=f"{other}:{state.episode}")
        for silence in self.silences:
            if silence.trigger in ("", name) and silence.subject in ("", instance.subject):
                why = f": {silence.reason}" if silence.reason else ""
                reason = f"silenced{f' by {silence.by}' if silence.by else ''} until {silence.until}{why}"
                return Obstacle("SILENCED", reason, silence.until, silence.id)
        if rule.cooldown is not None and instance.state not in ("firing", "recovering"):
            return self.cooling(name, rule, instance)
        return None

    def cooling(self, name: str, rule: TriggerRule, instance: Instance) -> Obstacle | None:
        assert rule.cooldown is not None
        clock = self.engine.clock
        since = rule.cooldown.before(self.now, clock.zone, clock.calendar) - dt.timedelta(days=1)
        occurred = self.session.occurrences(
            subject=instance.subject, trigger=name, since=since, tenant=self.engine.tenant
        )
        # What was withdrawn before anybody heard of it was not told.
        unheard = {_episode(each) for each in occurred if each.outcome == "withdrawn"}
        told = [
            each.evaluated_at
            for each in occurred
            if each.outcome == "fired"
            and not each.step.startswith("again:")
            and _episode(each) not in unheard
        ]
        until = clock.after(max(told), rule.cooldown) if told else self.now
        if until <= self.now:
            return None
        return Obstacle(
            "COOLDOWN", f"told of it already, cooling down until {until}", until, until.isoformat()
        )

    def failed(self, name: str, rule: TriggerRule, instance: Instance, why: str) -> None:
        """A trigger that failed is recorded once a day, and tried again."""
        self.report.failures[name] = why
        count = int(instance.data.get("failures", 0)) + 1
        data = {**instance.data, "failures": count}
        self.changed.append((rule, replace(instance, data=data, wake=self.now + RETRY), None))
        everybody = fingerprint_of(name, self.group.model or "", "", self.engine.tenant)
        self.occurrences.append(
            Occurrence(
                key_of(everybody, str(self.period), 0, "health", self.now.date().isoformat()),
                everybody, name, instance.subject, str(self.period), 0, "health", "failed",
                "TRIGGER_FAILED", why[:500], self.now, tenant=self.engine.tenant,
            )
        )  # fmt: skip

    def missing(self, name: str, subject: str) -> None:
        """A subject that is not among the rows: after the second time it counts as gone."""
        rule = self.rules[name]
        instance = self.instances.get((self.fingerprint(name, subject), str(self.period)))
        if instance is None or instance.state not in RUNNING:
            return
        self.touched.add((instance.fingerprint, instance.period))
        if self.now >= self.engine.clock.end_of(self.period):
            self.changed.append((rule, replace(instance, state="closed", wake=None), None))
            return
        count = int(instance.data.get("missing", 0)) + 1
        if count < MISSING:
            again = replace(instance, data={**instance.data, "missing": count}, wake=self.now + INSTANT)
            self.changed.append((rule, again, None))
            return
        self.changed.append((rule, replace(instance, state="closed", wake=None), None))
        reason = f"{subject} is not among those who are judged any more"
        self.end(instance, "withdrawn", "SUBJECT_GONE", reason, "gone")
        for step in instance.data.get("told", ()):
            self.session.withdraw(
                key_of(instance.fingerprint, instance.period, instance.episode, step), reason
            )

    # keeping it

    def write(self) -> None:
        """Keep what occurred, what is remembered, and what is to be delivered: all or nothing."""
        retractions: dict[str, list[Delivery]] = {}
        for place, (rule, instance, made) in enumerate(self.changed):
            if made is None or not made.over:
                continue
            told, unheard = self.take_back(rule, instance, made)
            retractions |= told
            if unheard:
                unsaid = replace(instance, data={**instance.data, "unheard": True})
                self.changed[place] = (rule, unsaid, made)
        new = self.session.record(self.occurrences)
        self.session.save(instance for _, instance, _ in self.changed)
        self.report.occurrences += [each for each in self.occurrences if each.key in new]
        sent: list[Delivery] = []
        for rule, _, made in self.changed:
            for key, decision in made.decisions.items() if made is not None else ():
                if key in new:
                    sent += self.sent(rule, key, decision)
        for key, taken_back in retractions.items():
            if key in new:
                sent += taken_back
        self.session.enqueue(sent)
        self.report.deliveries += sent

    def sent(self, rule: TriggerRule, key: str, decision: Decision) -> list[Delivery]:
        """Whom an occurrence is told."""
        roles: Iterable[str] = rule.tell
        if decision.step.startswith("escalate:"):
            roles = [rule.escalation[int(decision.step.partition(":")[2]) - 1].to]
        engine = self.engine
        found = told(rule, decision, key, roles, self.people, locale=engine.locale, tenant=engine.tenant)
        self.report.intents += found
        return self.deliveries(rule, found)

    def deliveries(self, rule: TriggerRule, intents: list[Intent]) -> list[Delivery]:
        engine = self.engine
        expires = engine.clock.after(self.now, rule.expires) if rule.expires else None
        zones = {}
        for each in intents:
            name = self.people.get(each.recipient.id, {}).get(ZONE)
            if name:
                # A mistyped zone of one person keeps nobody from being told.
                with suppress(ValueError, OSError, KeyError):
                    zones[each.recipient.id] = ZoneInfo(name)
        return deliveries(rule, intents, self.now, zones, engine.zone, engine.channels, expires)

    def take_back(
        self, rule: TriggerRule, instance: Instance, made: Transition
    ) -> tuple[dict[str, list[Delivery]], bool]:
        """What was told does not hold any more: what to send for it by the key of its occurrence, and whether
        nobody had been told yet."""
        kept = rule.quiet is not None and rule.quiet.release_check == "none"
        reason = f"the condition does not hold any more: {made.decision.reason}"
        found: list[Delivery] = []
        for key in made.over:
            if kept:
                found += self.session.deliveries(occurrence=key, tenant=self.engine.tenant)
            else:
                found += self.session.withdraw(key, reason)
        heard = [each for each in found if each.status in HEARD]
        code = "CONDITION_NO_LONGER_TRUE"
        if not heard and any(each.status == "withdrawn" for each in found):
            self.end(instance, "withdrawn", code, f"{reason}; nobody had been told yet", "withdraw")
            return {}, True
        # Of a period that is over nobody is told any more.
        if rule.on_correction == "silent" or not heard or instance.state == "closed":
            self.end(instance, "resolved", code, reason, "resolve")
            return {}, False
        key = self.end(instance, "retracted", code, reason, "retract")
        intents = [retraction(rule, made.decision, key, each, self.engine.tenant) for each in heard]
        # Those who were told are told, on the same channels; a night's rest holds for them too.
        sent = [
            replace(
                delivery,
                payload={**delivery.payload, "type": "crmrules.reminder.retracted.v1",
                         "data": {**delivery.payload["data"], "supersedes": each.id}},
            )
            for intent, each in zip(intents, heard, strict=True)
            for delivery in self.deliveries(rule.model_copy(update={"channels": (each.channel,)}), [intent])
        ]  # fmt: skip
        return {key: sent}, False

    def end(self, instance: Instance, outcome: Outcome, code: str, reason: str, step: str) -> str:
        """Record how something ended; returns the key."""
        it = instance
        key = key_of(it.fingerprint, it.period, it.episode, step)
        self.occurrences.append(
            Occurrence(
                key, it.fingerprint, it.trigger, it.subject, it.period, it.episode, step, outcome, code,
                reason, self.now, tenant=it.tenant,
            )
        )  # fmt: skip
        return key


def _episode(occurrence: Occurrence) -> tuple[str, str, int]:
    return occurrence.fingerprint, occurrence.period, occurrence.episode
