"""Running tests of rules: the engine with a store in memory, and a host that does what the test says."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, final
from zoneinfo import ZoneInfo

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.kpi.scorecard import Scorecard
from crmrules.kpi.standing import Standing
from crmrules.rulebook.trial import Case, Every, Expectation, Rules, Step, TrialFile
from crmrules.rulebook.trial_check import case_misfits
from crmrules.triggers import Decision, Engine, Event, Intent, Report, Request, Surroundings, evaluate
from crmrules.triggers.outbox.memory import MemoryStore
from crmrules.triggers.outbox.records import Dirty, Occurrence

Data = dict[str, list[dict[str, Any]]]


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What a tick brought: what occurred, who is told, and what every trigger says at that moment, which is
    only asked for where a test looks at it."""

    at: dt.datetime
    occurrences: tuple[Occurrence, ...]
    intents: tuple[Intent, ...]
    decisions: Callable[[], list[Decision]]
    pending: frozenset[tuple[str, str]]


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a test: nothing in `differences` if it passed."""

    case: Case
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.differences

    def __str__(self) -> str:
        lines = [f"{'ok' if self.passed else 'FAILED'}  {self.case.name}"]
        return "\n".join(
            [*lines, *(f"    {line}" for each in self.differences for line in each.splitlines())]
        )


def run(tests: TrialFile, rules: Rules) -> list[Outcome]:
    """Run all tests of a file, each from its beginning; one that cannot run has failed, with the error."""
    return [_tried(case, rules, tests) for case in tests.tests]


def _tried(case: Case, rules: Rules, tests: TrialFile) -> Outcome:
    try:
        return run_case(case, rules, tests.records, tests.calendar)
    except CrmRulesError as error:
        return Outcome(case, (str(error),))


def run_case(
    case: Case,
    rules: Rules,
    records: Mapping[str, list[dict[str, Any]]] | None = None,
    calendar: str | None = None,
) -> Outcome:
    """Run one test. Raises CrmRulesError (T501) where it names what there is not."""
    for _, error in case_misfits(case, rules.book):
        raise error
    host = _Host(rules, case, records or {}, calendar)
    return Outcome(case, tuple(_differences(case, [*host.live()])))


@final
@dataclass(frozen=True, slots=True)
class _World:
    """What the host knows from a moment on."""

    since: dt.datetime
    rules: Rules
    data: Data
    events: tuple[Event, ...]


@final
@dataclass
class _Host:
    rules: Rules
    case: Case
    common: Mapping[str, list[dict[str, Any]]]
    calendar: str | None = None
    store: MemoryStore = field(default_factory=MemoryStore)
    worlds: list[_World] = field(default_factory=list)
    channels: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.rules.book.zone)
        first = _World(self.local(self.case.start), self.rules, self.empty(), ())
        for records in (self.common, self.case.records):
            first = self.added(first, records)
        self.worlds.append(first)
        self.engine = self.started()

    def live(self) -> Iterator[Seen]:
        """Live through the test, tick by tick."""
        self.mark(self.worlds[0], "start")
        steps = [*self.case.timeline]
        for tick in self.ticks():
            while steps and self.local(steps[0].at) <= tick:
                self.happen(steps.pop(0))
            yield self.look(tick)

    def ticks(self) -> Iterator[dt.datetime]:
        """When the engine looks: not while it is down."""
        ticks = self.case.ticks
        for local in _every(ticks, self.case.start) if isinstance(ticks, Every) else sorted(ticks):
            if not any(span.start <= local < span.end for span in self.case.downtime):
                yield self.local(local)

    def look(self, tick: dt.datetime) -> Seen:
        report: Report = self.engine.tick(tick)
        self.channels |= {each.channel for each in report.deliveries}
        if self.case.deliver:
            self.relay(tick)
        with self.store.transaction() as session:
            pending = {(each.trigger, each.subject) for each in session.active() if each.state == "pending"}
        said = cache(partial(self.said, self.worlds[-1], tick))
        return Seen(tick, tuple(report.occurrences), tuple(report.intents), said, frozenset(pending))

    def said(self, world: _World, tick: dt.datetime) -> list[Decision]:
        """What every trigger says of every row."""
        rows = [row for card in self.cards(world, tick) for row in card.standings()]
        return evaluate(world.rules.book.triggers, rows, tick, self.zone, around=self.around(tick))

    def relay(self, now: dt.datetime) -> None:
        """Hand over what is due, so that what is corrected later has been heard."""
        for channel in self.channels:
            for each in self.store.lease(channel, now, seconds=60, most=10_000):
                if each.status == "leased":
                    self.store.settle(each, "delivered")

    # what happens

    def happen(self, step: Step) -> None:
        moment, before = self.local(step.at), self.worlds[-1]
        copied = {name: [*rows] for name, rows in before.data.items()}
        world = _World(moment, before.rules, copied, before.events)
        world = self.added(world, step.add)
        for source, records in step.change.items():
            for key, fields in records.items():
                place = self.place(world, source, key)
                world.data[source][place] = {**world.data[source][place], **fields}
        for source, keys in step.remove.items():
            for key in keys:
                del world.data[source][self.place(world, source, key)]
        rules, events = world.rules, world.events
        if step.target:
            rules = rules.with_targets(step.target)
        if step.rules:
            rules = rules.changed(step.rules)
        if step.event is not None:
            event = Event("test", time=moment, **step.event.model_dump())
            events = (*events, event)
            self.store.publish([event])
        world = _World(moment, rules, world.data, events)
        self.worlds.append(world)
        if rules is not before.rules:
            self.engine = self.started()
        if step.acknowledge is not None:
            told = step.acknowledge
            self.engine.acknowledge(told.subject, told.by, moment, trigger=told.trigger)
        if step.silence is not None:
            quiet = step.silence
            until, of = self.local(quiet.until), {"trigger": quiet.trigger, "subject": quiet.subject}
            self.engine.silence(moment, until, reason=quiet.reason, **of)
        if step.add or step.change or step.remove or step.target:
            self.mark(before, "before")
            self.mark(world, "after")

    def mark(self, world: _World, cause: str) -> None:
        """Mark whoever is on a card, in every period of it."""
        for card in self.cards(world, None):
            self.store.mark([Dirty(row.subject, str(row.period), cause) for row in card.standings()])

    def added(self, world: _World, records: Mapping[str, list[dict[str, Any]]]) -> _World:
        data = {name: [*rows] for name, rows in world.data.items()}
        for source, rows in records.items():
            declared = self.source(world, source)
            columns = dict.fromkeys(declared.column(name) for name in declared.fields)
            data[source] += [{**columns, **row} for row in rows]
        return _World(world.since, world.rules, data, world.events)

    def place(self, world: _World, source: str, key: str) -> int:
        declared = self.source(world, source)
        name = declared.role("id")
        if name is None:
            hint = "give a field the role `id`, so that a test can change its records"
            raise CrmRulesError("T501", f"the source `{source}` has no field with the role `id`", hint=hint)
        ids = [str(row[declared.column(name)]) for row in world.data[source]]
        if key not in ids:
            hint = did_you_mean(key, ids) if ids else "add it first"
            raise CrmRulesError("T501", f"`{source}` has no record `{key}`", hint=hint)
        return ids.index(key)

    def source(self, world: _World, name: str) -> Any:
        sources = world.rules.book.sources
        if name not in sources:
            raise CrmRulesError("T501", f"there is no source `{name}`", hint=did_you_mean(name, sources))
        return sources[name]

    # what the engine reads

    def started(self) -> Engine:
        book = (self.worlds[-1].rules if self.worlds else self.rules).book
        if self.calendar is not None and self.calendar not in book.calendars:
            hint = did_you_mean(self.calendar, book.calendars)
            raise CrmRulesError("T501", f"there is no calendar `{self.calendar}`", hint=hint)
        return Engine.of(
            book,
            self.store,
            read=self.read,
            people=self.people,
            around=self.around,
            calendar=book.working[self.calendar] if self.calendar else None,
            channels=("test",),
        )

    def world(self, moment: dt.datetime) -> _World:
        place = bisect_right([each.since for each in self.worlds], moment.astimezone(self.zone))
        return self.worlds[max(place - 1, 0)]

    def read(self, request: Request) -> Scorecard | Iterable[Standing]:
        world = self.world(request.as_of)
        models = [request.model] if request.model else [*world.rules.book.models]
        cards = [world.rules.book.score(world.data, model=name, now=request.as_of) for name in models]
        return cards[0] if len(cards) == 1 else [row for card in cards for row in card.standings()]

    def cards(self, world: _World, now: dt.datetime | None) -> list[Scorecard]:
        return [world.rules.book.score(world.data, model=name, now=now) for name in world.rules.book.models]

    def people(self) -> Mapping[str, Mapping[str, str]]:
        world = self.worlds[-1]
        return next((card.roster.people for card in self.cards(world, None)), {})

    def around(self, moment: dt.datetime) -> Surroundings:
        world = self.world(moment)
        book = world.rules.book
        return Surroundings.of(
            book.sources, world.data, self.people(),
            calendars=book.working, triggers=book.triggers, events=world.events,
        )  # fmt: skip

    def local(self, moment: dt.datetime) -> dt.datetime:
        return moment.replace(tzinfo=self.zone)

    def empty(self) -> Data:
        return {name: [] for name in self.rules.book.sources}


def _every(ticks: Every, start: dt.datetime) -> Iterator[dt.datetime]:
    from crmrules.kpi.calendar import WEEKDAYS_ALONE

    first, times = ticks.start or start, 0
    moment = first
    utc = ZoneInfo("UTC")
    while moment <= ticks.until:
        yield moment
        times += 1
        later = ticks.every.after(first.replace(tzinfo=utc), utc, WEEKDAYS_ALONE, times=times)
        moment = later.replace(tzinfo=None)
        if moment <= first:
            raise CrmRulesError("T501", "ticks every 0 minutes never end", hint="write every: 1 hour")


# what was expected, and what came of it


def _differences(case: Case, seen: list[Seen]) -> Iterator[str]:
    used: set[str] = set()
    for expected in case.expect:
        problem = _missing(expected, seen, used)
        if problem:
            yield problem
    for each in seen:
        for occurrence in each.occurrences:
            fired = occurrence.outcome == "fired" and occurrence.trigger not in case.ignore
            if fired and occurrence.key not in used:
                to = ", ".join(intent.recipient.id for intent in each.intents if intent.key == occurrence.key)
                yield (
                    f"at {each.at:%Y-%m-%d %H:%M} nobody expected\n"
                    f"  found     {_told(occurrence)}" + (f"  to {to}" if to else "")
                )


def _missing(expected: Expectation, seen: list[Seen], used: set[str]) -> str:
    """What is wrong with an expectation; nothing if it is met."""
    looked = [each for each in seen if expected.at in (None, each.at.replace(tzinfo=None))]
    at = f"at {expected.at:%Y-%m-%d %H:%M} " if expected.at else ""
    if not looked:
        return f"{at}nobody looked: there is no such tick\n  expected  {expected}"
    mine = [
        (each, occurrence)
        for each in looked
        for occurrence in each.occurrences
        if (occurrence.trigger, occurrence.subject) == (expected.trigger, expected.subject)
    ]
    if expected.outcome == "none":
        if not mine:
            return ""
        return "\n".join([f"{at}expected  {expected}", *(f"  found     {_told(each)}" for _, each in mine)])
    near: list[str] = []
    for each, occurrence in mine:
        if occurrence.outcome != expected.outcome or occurrence.key in used:
            continue
        problems = [*_unlike(expected, each, occurrence)]
        if not problems:
            used.add(occurrence.key)
            return ""
        near += problems
    if expected.outcome != "fired" and any(_says(expected, each) for each in looked):
        return ""
    lines = [f"{at}expected  {expected}", *(f"  but       {each}" for each in near)]
    lines += [f"  found     {_told(each)}" for _, each in mine if not near]
    if not mine:
        lines += _said(expected, looked[-1])
    return "\n".join(lines)


def _unlike(expected: Expectation, seen: Seen, occurrence: Occurrence) -> Iterator[str]:
    intents = [each for each in seen.intents if each.key == occurrence.key]
    if expected.step not in (None, occurrence.step):
        yield f"its step is {occurrence.step}"
    if expected.period not in (None, occurrence.period):
        yield f"its period is {occurrence.period}"
    to = sorted(each.recipient.id for each in intents)
    if expected.to is not None and to != sorted(expected.to):
        yield f"it goes to {', '.join(to) or 'nobody'}"
    if expected.message is not None and not any(expected.message in each.text for each in intents):
        yield f"its message is {intents[0].text if intents else 'missing'}"
    if expected.late_by is not None:
        late = max((each.late_by for each in intents), default=dt.timedelta())
        start = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
        from crmrules.kpi.calendar import WEEKDAYS_ALONE

        if expected.late_by.after(start, ZoneInfo("UTC"), WEEKDAYS_ALONE) - start != late:
            yield f"it is late by {late}"


def _says(expected: Expectation, seen: Seen) -> bool:
    """Whether that is what the trigger says at a moment, or the state that it is in."""
    if expected.outcome == "pending":
        return (expected.trigger, expected.subject) in seen.pending
    return any(
        each.outcome == expected.outcome and expected.period in (None, str(each.standing.period))
        for each in seen.decisions()
        if (each.trigger, each.standing.subject) == (expected.trigger, expected.subject)
    )


def _said(expected: Expectation, seen: Seen) -> list[str]:
    found = [
        f"  found     {each.outcome:<10}  {each.trigger}  {each.standing.subject}: {each.reason}"
        for each in seen.decisions()
        if (each.trigger, each.standing.subject) == (expected.trigger, expected.subject)
        and each.outcome != "closed"
    ]
    return found or [f"  found     nothing about {expected.subject}"]


def _told(occurrence: Occurrence) -> str:
    return f"{occurrence.outcome:<10}  {occurrence.trigger}  {occurrence.subject}: {occurrence.reason}"
