"""The course of one trigger for one subject in one period: from what holds to what occurs.

A trigger says what holds at a moment (`Decision`); `advance` makes of it, and of what is remembered
(`Instance`), what occurs now and what is remembered next. It reads no clock and keeps nothing.

    inactive → pending (`for`, or held back) → firing → recovering (`keep`) → resolved; closed at the end
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, final

from crmrules.triggers.clock import Clock
from crmrules.triggers.decision import Decision
from crmrules.triggers.intent import key_of
from crmrules.triggers.options import After
from crmrules.triggers.outbox.records import Instance, Occurrence, Outcome
from crmrules.triggers.trigger import TriggerRule

RUNNING = ("pending", "firing", "recovering")


@final
@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nobody is told for now. until: when it ends, None where nobody knows. anchor: tells it from others
    of its code, so that each is recorded once."""

    code: str
    reason: str
    until: dt.datetime | None = None
    anchor: str = ""


@final
@dataclass(frozen=True, slots=True)
class Transition:
    """What comes of one evaluation.

    instance: what is remembered from now on. occurrences: what occurred, and what did not and why.
    over: the keys of what was told and does not hold any more. decision: what holds now. decisions: what is
    told with each fired occurrence, by key.
    """

    instance: Instance
    occurrences: tuple[Occurrence, ...]
    over: tuple[str, ...]
    decision: Decision
    decisions: dict[str, Decision]


def advance(
    rule: TriggerRule,
    instance: Instance,
    decision: Decision,
    now: dt.datetime,
    clock: Clock,
    *,
    at_due: Decision | None = None,
    obstacle: Obstacle | None = None,
) -> Transition:
    """What comes of what a trigger says at a moment.

    decision: what holds now; for a period that is over, what held at its end, with `now` after it. at_due:
    what a deadline said of the figures of the moment when it was due, where it is evaluated later.
    obstacle: why nobody may be told now.

    The same instance, decision and moment always give the same transition; after it, the same again gives
    nothing new.
    """
    course = _Course(rule, instance, decision, now.astimezone(dt.UTC), clock, obstacle)
    if course.is_over:
        course.close(at_due)
    elif decision.outcome != "not_due" and decision.outcome != "closed":
        if decision.outcome == "missed":
            if not course.data.get("told") and "due" not in course.data:
                course.settled("missed", decision.code, decision.reason)
        elif course.is_open_deadline:
            course.settle_deadline(at_due or decision)
        elif decision.outcome == "no_data":
            course.met = False
        elif course.level or course.stands:
            course.hold()
        else:
            course.fail()
        course.follow_up()
        course.sleep()
    else:
        course.sleep()
    return course.transition()


def is_idle(rule: TriggerRule, instance: Instance, decision: Decision) -> bool:
    """Whether nothing can come of a decision: it does not hold, and never did. Most of them are."""
    return (
        not instance.revision
        and decision.outcome in ("not_met", "no_data", "not_due")
        and rule.initial == "fire"
        and not rule.is_deadline
    )


class _Course:
    """One evaluation under way."""

    def __init__(
        self,
        rule: TriggerRule,
        instance: Instance,
        decision: Decision,
        now: dt.datetime,
        clock: Clock,
        obstacle: Obstacle | None,
    ) -> None:
        self.rule, self.before, self.decision, self.now = rule, instance, decision, now
        self.clock, self.obstacle = clock, obstacle
        self.instance = instance
        # Of a trigger that says several things of a subject, each has a step of its own.
        self.names = rule.step_names if len(rule.step_names) > 1 else (decision.step,)
        self.data: dict[str, Any] = dict(instance.data)
        self.renumber()
        self.occurrences: list[Occurrence] = []
        self.decisions: dict[str, Decision] = {}
        self.over: list[str] = []
        self.until: list[dt.datetime] = []
        self.raw = decision.level or int(decision.outcome == "fired")
        held = max(self.raw, decision.held)
        stands = instance.state in ("firing", "recovering", "closed")
        running: int = self.data.get("level", 0) if stands else 0
        # A level that was reached is kept down to its reset; below that, the level is what the value says.
        self.level = running if self.raw < running <= held else self.raw
        self.met = self.level > 0
        self.just_fired = False

    def renumber(self) -> None:
        """Levels that were reached keep their names, not their places, where a rule has others now."""
        kept = self.data.pop("steps", None)
        if kept is None or tuple(kept) == self.names:
            return
        for which in ("level", "top"):
            reached = {*kept[: self.data.get(which, 0)]}
            self.data[which] = max(
                (place for place, step in enumerate(self.names, 1) if step in reached), default=0
            )

    @property
    def is_over(self) -> bool:
        """Whether the period is over; what comes due by a date of its own waits for no period's end."""
        dated = not self.rule.is_deadline and self.decision.scheduled_at is not None
        if dated and self.decision.outcome in ("fired", "missed") and not self.data.get("told"):
            return False
        return self.now >= self.clock.end_of(self.decision.standing.period)

    @property
    def stands(self) -> bool:
        """Whether what fired is about the moment when it was due, whatever came later."""
        return self.rule.is_deadline and self.rule.evaluate_as_of == "due" and bool(self.data.get("told"))

    # what the condition does

    def hold(self) -> None:
        """The condition holds."""
        if self.instance.state == "resolved" and not self.begins_anew():
            return
        if self.instance.state in ("firing", "recovering"):
            self.change(state="firing")
            self.data.pop("left", None)
            self.data["level"] = max(self.level, int(self.stands))
            if self.level > self.data.get("top", 0):
                self.announce(self.now)
            return
        since = self.instance.since or self.now
        slot = self.clock.after(since, self.rule.lasting) if self.rule.lasting else since
        self.wait_or_fire(since, max(slot, self.not_before()))

    def begins_anew(self) -> bool:
        """Whether anything comes of its holding again: a new episode, or the same one going on."""
        told, rearm = self.data.get("told"), self.rule.rearm
        if not told:
            return "due" not in self.data or self.rule.recheck == "on_change"
        if self.data.get("unheard") or rearm == "on_resolve":
            pause = None
        elif isinstance(rearm, After):
            pause = self.clock.after(self.instance.fired_at or self.now, rearm.after)
        else:
            # The same episode goes on; who was told knows already.
            self.change(state="firing")
            return True
        self.data = {name: value for name, value in self.data.items() if name in ("due", "about")}
        if pause is not None:
            self.data["pause"] = pause.isoformat()
        self.change(
            state="inactive",
            episode=self.instance.episode + 1,
            since=None,
            fired_at=None,
            acknowledged=None,
        )
        return True

    def not_before(self) -> dt.datetime:
        pause = self.data.get("pause")
        return dt.datetime.fromisoformat(pause) if pause else dt.datetime.min.replace(tzinfo=dt.UTC)

    def wait_or_fire(self, since: dt.datetime, slot: dt.datetime) -> None:
        if self.now < slot:
            self.change(state="pending", since=since)
            self.until.append(slot)
            return
        if self.rule.initial == "arm" and not self.before.revision:
            self.change(state="firing", since=since)
            self.data |= {"level": self.level, "top": self.level}
            self.note("suppressed", "TRUE_FROM_THE_BEGINNING", f"{self.decision.reason} from the beginning")
            return
        if self.obstacle is not None:
            self.change(state="pending", since=since)
            self.hold_back(self.steps()[-1])
            return
        self.change(state="firing", since=since, fired_at=slot if self.rule.lasting else self.now)
        self.data.pop("pause", None)
        self.announce(slot)
        self.just_fired = True

    def hold_back(self, step: str) -> None:
        assert self.obstacle is not None
        self.note("suppressed", self.obstacle.code, self.obstacle.reason, step, self.obstacle.anchor)
        self.data["held"] = self.obstacle.code
        self.until.append(self.obstacle.until or self.now)

    def steps(self) -> tuple[str, ...]:
        """The steps of the levels that are reached and not announced."""
        return self.names[self.data.get("top", 0) : self.level] or self.names[:1]

    def announce(self, slot: dt.datetime) -> None:
        """Tell of the levels that are new: of the highest, or of each."""
        steps = self.steps()
        if self.obstacle is not None:
            self.hold_back(steps[-1])
            return
        each = getattr(self.rule, "announce", "highest") == "each"
        said = [*self.decision.lower, self.decision][-len(steps) :]
        scheduled = self.decision.scheduled_at or (slot if self.rule.lasting else None)
        highest = key_of(self.instance.fingerprint, self.instance.period, self.instance.episode, steps[-1])
        for step, decision in zip(steps, said, strict=True):
            if each or step == steps[-1]:
                self.tell(step, decision, scheduled)
            else:
                reason = f"{decision.reason}; {steps[-1]} tells more"
                self.note("superseded", "HIGHER_LEVEL_REACHED", reason, step, caused_by=highest)
        self.data |= {"level": self.level, "top": max(self.level, self.data.get("top", 0))}
        self.data.pop("held", None)

    def tell(self, step: str, decision: Decision, scheduled: dt.datetime | None = None) -> None:
        decision = replace(decision, step=step, scheduled_at=scheduled)
        made = self.occurrence("fired", decision.code, decision.reason, step, scheduled_at=scheduled)
        self.occurrences.append(made)
        self.decisions[made.key] = decision
        self.data["told"] = [*self.data.get("told", ()), step]

    def fail(self) -> None:
        """The condition does not hold."""
        match self.instance.state:
            case "pending":
                self.change(state="resolved" if self.data.get("told") else "inactive", since=None)
                self.data.pop("held", None)
            case "firing" if self.rule.keep is not None:
                self.change(state="recovering")
                self.data["left"] = self.now.isoformat()
            case "firing":
                self.resolve()
            case "recovering":
                left = dt.datetime.fromisoformat(self.data["left"])
                if self.rule.keep is None or self.now >= self.clock.after(left, self.rule.keep):
                    self.resolve()
            case "inactive" if self.rule.initial == "arm" and not self.before.revision:
                self.data["armed"] = True
            case _:
                pass

    def resolve(self) -> None:
        self.change(state="resolved", since=None)
        self.data.pop("left", None)
        self.data["level"] = 0
        self.over += [
            key_of(self.instance.fingerprint, self.instance.period, self.instance.episode, step)
            for step in self.data.get("told", ())
        ]

    # deadlines

    @property
    def is_open_deadline(self) -> bool:
        due = self.decision.scheduled_at
        return (
            self.rule.is_deadline
            and due is not None
            and not self.data.get("told")
            and self.data.get("due") != due.astimezone(dt.UTC).isoformat()
        )

    def settle_deadline(self, at_due: Decision) -> None:
        """The time of a deadline has come, and nothing was decided of it yet."""
        now, due = self.decision, self.decision.scheduled_at
        assert due is not None
        mode = self.rule.evaluate_as_of
        late = str(self.now - due.astimezone(dt.UTC))
        if self.rule.grace is not None and self.now > self.clock.after(due, self.rule.grace):
            self.settled("missed", "PAST_GRACE", f"it was evaluated {late} after its time: {at_due.reason}")
        elif mode != "now" and at_due.outcome == "no_data":
            self.note("no_data", at_due.code, at_due.reason)
        elif mode != "now" and at_due.outcome != "fired":
            self.settled("not_met", at_due.code, at_due.reason)
        elif mode != "due" and now.outcome == "no_data":
            self.note("no_data", now.code, now.reason)
        elif mode != "due" and now.outcome != "fired":
            settled: Outcome = "not_met" if mode == "now" else "recovered_before_delivery"
            self.settled(settled, now.code, now.reason)
        else:
            self.decision = at_due if mode == "due" else now
            self.level = self.raw = 1
            # What is told is late by as much as it was evaluated after its time.
            self.decision = replace(self.decision, evaluated_at=now.evaluated_at)
            self.wait_or_fire(self.instance.since or self.now, self.not_before())
            if self.data.get("told"):
                self.data["due"] = due.astimezone(dt.UTC).isoformat()
        self.met = self.instance.state == "firing"

    def settled(self, outcome: Outcome, code: str, reason: str) -> None:
        due = self.decision.scheduled_at
        self.note(outcome, code, reason)
        self.data["due"] = due.astimezone(dt.UTC).isoformat() if due else ""
        self.data.pop("held", None)
        self.change(state="resolved", since=None)

    # what follows

    def follow_up(self) -> None:
        """Repeats and escalations that came due while it fires."""
        fired = self.instance.fired_at
        if self.instance.state != "firing" or not self.met or fired is None or not self.data.get("told"):
            return
        acknowledged = self.instance.acknowledged is not None
        if self.rule.repeat is not None:
            repeat = self.rule.repeat
            told = self.data.get("repeats", 0)
            slots: list[tuple[str, dt.datetime]] = []
            while told + len(slots) < repeat.max:
                slot = self.clock.after(fired, repeat.every, told + len(slots) + 1)
                if slot > self.now:
                    self.until.append(slot)
                    break
                slots.append((f"repeat:{told + len(slots) + 1}", slot))
            self.data["repeats"] = told + len(slots)
            self.came_due(slots, acknowledged and repeat.until == "acknowledged", told_now=self.just_fired)
        escalated = self.data.get("escalated", 0)
        due = []
        for number, escalation in enumerate(self.rule.escalation[escalated:], escalated + 1):
            slot = self.clock.after(fired, escalation.after)
            if slot > self.now:
                self.until.append(slot)
                break
            due.append((f"escalate:{number}", slot))
        if due:
            self.data["escalated"] = escalated + len(due)
            last = self.rule.escalation[escalated + len(due) - 1]
            self.came_due(due, acknowledged and last.unless == "acknowledged")

    def came_due(
        self, slots: list[tuple[str, dt.datetime]], acknowledged: bool, *, told_now: bool = False
    ) -> None:
        for step, slot in slots:
            if acknowledged:
                who = self.instance.acknowledged
                self.note("suppressed", "ACKNOWLEDGED", f"{who} has taken it on", step, scheduled_at=slot)
            elif self.obstacle is not None and self.obstacle.code != "COOLDOWN":
                self.note("suppressed", self.obstacle.code, self.obstacle.reason, step, scheduled_at=slot)
            elif told_now:
                reason = "it fired in the same evaluation"
                self.note("superseded", "FIRED_AT_ONCE", reason, step, scheduled_at=slot)
            elif self.rule.misfire == "coalesce" and step != slots[-1][0]:
                reason = f"{slots[-1][0]} came due as well before it was evaluated"
                self.note("superseded", "COALESCED", reason, step, scheduled_at=slot)
            else:
                self.tell(step, self.decision, slot)

    # the end

    def close(self, at_due: Decision | None) -> None:
        """The period is over: nobody is told any more, unless `late_fire_within` allows it."""
        told, state = self.data.get("told"), self.instance.state
        if state == "closed" and ("closed" in self.data or told):
            if self.is_corrected:
                self.resolve()
            self.change(state="closed", wake=None)
            return
        end = self.clock.end_of(self.decision.standing.period)
        within = self.rule.late_fire_within
        late = within is not None and self.now <= self.clock.after(end, within)
        if self.is_corrected:
            self.resolve()
        elif self.is_open_deadline:
            due = at_due or self.decision
            if due.outcome == "fired" and late:
                self.fire_late(due)
            elif due.outcome == "fired":
                self.note(
                    "missed", "PERIOD_CLOSED", f"the period ended before it was evaluated: {due.reason}"
                )
            elif due.outcome in ("not_met", "no_data"):
                self.note(due.outcome, due.code, due.reason)
        elif not told and self.decision.scheduled_at is None and self.raw:
            if self.data.get("held"):
                reason = f"the period ended while it was held back ({self.data['held']}): "
                self.note("missed", "PERIOD_CLOSED", reason + self.decision.reason)
            elif late:
                self.fire_late(self.decision)
            elif state != "pending":
                reason = f"it came to hold after the period was over: {self.decision.reason}"
                self.note("would_have_fired", "PERIOD_CLOSED", reason)
        if self.occurrences or state == "pending":
            self.data["closed"] = True
        if self.occurrences or state in RUNNING:
            self.change(state="closed")
        self.change(wake=None)

    @property
    def is_corrected(self) -> bool:
        """Whether what was told did not hold any more when the period ended, as is known by now."""
        ended = self.decision.outcome == "not_met" and not self.level
        return ended and bool(self.data.get("told") and self.data.get("level")) and not self.stands

    def fire_late(self, decision: Decision) -> None:
        end = self.clock.end_of(self.decision.standing.period)
        self.change(fired_at=self.now)
        self.data |= {"level": max(self.raw, 1), "top": max(self.raw, 1)}
        for step in self.names[max(self.raw, 1) - 1 :][:1]:
            self.tell(step, replace(decision, evaluated_at=self.now), decision.scheduled_at or end)

    # writing it down

    def sleep(self) -> None:
        """Say when it has to be looked at again."""
        if self.instance.state == "recovering" and self.rule.keep is not None:
            left = dt.datetime.fromisoformat(self.data["left"])
            self.until.append(self.clock.after(left, self.rule.keep))
        if self.instance.state not in RUNNING:
            self.change(wake=None)
            return
        end = self.clock.end_of(self.decision.standing.period)
        if self.decision.outcome == "no_data" and self.before.wake is not None:
            self.until.append(self.before.wake)
        self.change(wake=min([*self.until, end]))

    def change(self, **what: Any) -> None:
        self.instance = replace(self.instance, **what)

    def note(
        self,
        outcome: Outcome,
        code: str,
        reason: str,
        step: str = "",
        anchor: str = "",
        *,
        caused_by: str | None = None,
        scheduled_at: dt.datetime | None = None,
    ) -> None:
        """Record what did not fire, once for each reason."""
        due = scheduled_at or self.decision.scheduled_at
        told_apart = anchor or (due.astimezone(dt.UTC).isoformat() if due else "")
        self.occurrences.append(
            self.occurrence(
                outcome,
                code,
                reason,
                step or self.names[0],
                anchor=f"{outcome}:{code}:{told_apart}",
                caused_by=caused_by,
                scheduled_at=due,
            )
        )

    def occurrence(
        self,
        outcome: Outcome,
        code: str,
        reason: str,
        step: str,
        *,
        anchor: str = "",
        caused_by: str | None = None,
        scheduled_at: dt.datetime | None = None,
    ) -> Occurrence:
        it = self.instance
        return Occurrence(
            key_of(it.fingerprint, it.period, it.episode, step, anchor),
            it.fingerprint,
            it.trigger,
            it.subject,
            it.period,
            it.episode,
            step,
            outcome,
            code,
            reason,
            self.now,
            scheduled_at.astimezone(dt.UTC) if scheduled_at else None,
            {name: None if each is None else str(each) for name, each in self.decision.basis.items()},
            caused_by,
            it.tenant,
        )

    def transition(self) -> Transition:
        if "top" in self.data and len(self.names) > 1:
            self.data["steps"] = [*self.names]
        return Transition(
            replace(self.instance, data=self.data),
            tuple(self.occurrences),
            tuple(self.over),
            self.decision,
            self.decisions,
        )
