"""Triggers that are asked with a context: about each row of a card, or each subject of a source."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import PrivateAttr

from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.expr import Expression
from crmrules.fields import Source
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.period import Period
from crmrules.kpi.period_kinds import DeclaredPeriods
from crmrules.kpi.standing import Standing
from crmrules.triggers.context import Answer, Context, Surroundings
from crmrules.triggers.decision import Decision
from crmrules.triggers.facts import SUBJECT, SubjectFacts, field_of
from crmrules.triggers.offset import Offset
from crmrules.triggers.trigger import TriggerRule, period_state

OWNER = "owner"


class AskedRule(TriggerRule):
    """A trigger that reads a context: the subject's records beside its figures.

    It is asked about the rows of a card where it has a model or an indicator. Where it has a source alone,
    about every subject that the records name.

    about: the field of the source that names the subject, if it is not the one with the role `subject`; a
    customer is as good a subject as a salesperson. owner: the field that names whoever is in charge, which
    gives the roles `owner` and those around them, such as their `manager`. period: what reminders about a
    source's subjects are counted by. calendar: the name of the one that knows the working days.
    """

    indicator: str = ""
    source: str | None = None
    about: str | None = None
    owner: str | None = None
    period: DeclaredPeriods = CalendarPeriods(unit="month")
    calendar: str | None = None

    by_time: ClassVar[bool] = True
    own_roles: ClassVar[tuple[str, ...]] = (OWNER,)

    _around: Surroundings = PrivateAttr(default_factory=Surroundings)

    def answers(self, context: Context) -> Iterable[Answer]:
        """What it says of a subject; nothing where there is nothing to say."""
        raise NotImplementedError

    def subjects(self, around: Surroundings) -> Iterable[str]:
        """Whom it is asked about where it has no model."""
        return around.facts.by(self.source, self.about) if self.source else ()

    def problems(self, sources: Mapping[str, Source]) -> Iterator[tuple[tuple[str, ...], CrmRulesError]]:
        """The source, fields and conditions that there are not, with the way to them."""
        if self.source is None:
            return
        if self.source not in sources:
            hint = did_you_mean(self.source, sources)
            yield ("source",), CrmRulesError("B212", f"there is no source `{self.source}`", hint=hint)
            return
        source = sources[self.source]
        if self.about is None and source.role(SUBJECT) is None and self.by_source:
            hint = "write about: and the field that names the subject"
            yield ("source",), CrmRulesError("T402", f"`{self.source}` has no role `subject`", hint=hint)
        for key, names in self.fields_read.items():
            for name in names:
                if error := _unknown_field(source, name):
                    yield (key,), error
        for key, text in self.conditions.items():
            try:
                found = Expression.parse(text, source)
            except CrmRulesError as error:
                yield (key,), error
            else:
                if found.type.kind != "bool":
                    hint = "write a comparison, such as amount > 0"
                    yield (key,), CrmRulesError("T410", f"{shown(text)} is no condition", hint=hint)

    @property
    def fields_read(self) -> Mapping[str, tuple[str, ...]]:
        """The fields or roles of its source that it names, by key."""
        return {key: (name,) for key, name in (("about", self.about), ("owner", self.owner)) if name}

    @property
    def conditions(self) -> Mapping[str, str]:
        """The conditions on a record that it has, by key."""
        return {}

    @property
    def by_source(self) -> bool:
        """Whether it is asked about the subjects of its source rather than the rows of a card."""
        return self.source is not None and self.model is None and not self.indicator

    def within(self, around: Surroundings) -> AskedRule:
        """The same trigger with what there is beside the card."""
        found = self.model_copy()
        found._around = around
        return found

    def concerns(self, standing: Standing) -> bool:
        """Whether it is asked about a row of a card."""
        if self.by_source or self.model not in (None, standing.model):
            return False
        return not self.indicator or self.indicator in standing.results

    def own_rows(self, now: dt.datetime, zone: ZoneInfo) -> Iterator[Standing]:
        """A row for each subject of the source, in the period that is open.

        Raises CrmRulesError (T401, T402) for a source without data and a field that it does not have.
        """
        if not self.by_source:
            return
        open_now = self.period.of(now.astimezone(zone).date())
        what = self.about or SUBJECT
        for subject in sorted({*self.subjects(self._around)}):
            yield Standing(what, subject, open_now, {}, people=self._people(subject))

    def decisions(
        self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo
    ) -> Iterator[Decision]:
        """What it decides about one row: one decision for each thing that there is to say."""
        state = period_state(standing, now, zone)
        if state is not None:
            over = "is over" if state == "closed" else "has not begun"
            code, reason = f"PERIOD_{state.upper()}", f"{standing.period} {over}"
            yield Decision(name, standing, self.step, state, code, reason, now)
            return
        for answer in self.answers(self.context(standing, now, zone)):
            yield self.decided(name, standing, answer, now, zone)

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """All that it decides about one row in one: fired if one has, with the first reason."""
        found = [*self.decisions(name, standing, now, zone)]
        for outcome in ("fired", "no_data", "not_due", "missed"):
            for each in found:
                if each.outcome == outcome:
                    return each
        if found:
            return found[0]
        return Decision(
            name, standing, self.step, "not_met", "NOTHING_TO_SAY", "there is no such record", now
        )

    def context(self, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Context:
        """What it is told about a row."""
        local = now.astimezone(zone)
        return Context(
            standing.subject,
            standing.period,
            local,
            SubjectFacts(self._around.facts, standing.subject, local.replace(tzinfo=None)),
            None if self.by_source else standing,
            standing.people,
            self.named_calendar(self._around.calendars),
        )

    def decided(
        self, name: str, standing: Standing, answer: Answer, now: dt.datetime, zone: ZoneInfo
    ) -> Decision:
        """The decision of an answer: its period is that of the day on which it came due."""
        due = answer.due
        if due is not None and due.tzinfo is None:
            due = due.replace(tzinfo=zone)
        period = standing.period if due is None else self.period_of(standing, due.astimezone(zone).date())
        row = standing
        if period != standing.period or answer.people:
            row = replace(standing, period=period, people={**standing.people, **answer.people})
        step = f"{self.step}:{answer.anchor}" if answer.anchor else self.step
        code = answer.code or answer.outcome.upper()
        return Decision(name, row, step, answer.outcome, code, answer.reason, now, answer.basis, due)

    def period_of(self, standing: Standing, day: dt.date) -> Period:
        """The period in which a day lies, of the row's kind."""
        return standing.period.periods.of(day)

    def named_calendar(self, calendars: Mapping[str, Calendar]) -> Calendar:
        """The calendar that it names, weekdays if it names none. Raises CrmRulesError (W104)."""
        if self.calendar is None:
            return WEEKDAYS_ALONE
        if self.calendar not in calendars:
            hint = did_you_mean(self.calendar, calendars) if calendars else "declare it under `calendars:`"
            raise CrmRulesError("W104", f"there is no calendar `{self.calendar}`", hint=hint)
        return calendars[self.calendar]

    def _people(self, subject: str) -> Mapping[str, str]:
        """Who stands around a subject of the source: its owner and those around the owner, else its own."""
        roster = self._around.people
        if self.owner is None or self.source is None:
            return roster.get(subject, {})
        field = self._owner_field
        records = self._around.facts.by(self.source, self.about).get(subject, ())
        owners = [str(record[field]) for record in records if record[field] is not None]
        return {OWNER: owners[-1], **roster.get(owners[-1], {})} if owners else {}

    @property
    def _owner_field(self) -> str:
        assert self.source is not None
        assert self.owner is not None
        return field_of(self._around.facts.table(self.source).source, self.owner)


def _unknown_field(source: Source, name: str) -> CrmRulesError | None:
    try:
        field_of(source, name)
    except CrmRulesError as error:
        return error
    return None


class RecordRule(AskedRule):
    """A trigger that is about records: each reminder comes due by a record's own date.

    lookback: so long after it came due it is still told; later it is `missed`, so that rules that meet years
    of records tell nobody of what is long past.
    """

    source: str
    lookback: Offset = Offset(days=31)

    def timed(self, context: Context, due: dt.datetime, fired: Answer) -> Answer:
        """What fires once its moment has come: not due before it, missed long after it."""
        if context.as_of.astimezone(dt.UTC) < due.astimezone(dt.UTC):
            reason = f"it is due at {due:%Y-%m-%d %H:%M}"
            return replace(fired, outcome="not_due", code="NOT_DUE", reason=reason, due=due)
        local = due.astimezone(context.zone).replace(tzinfo=None)
        latest = self.lookback.moment(local, 1, context.zone, context.calendar)
        if context.as_of.astimezone(dt.UTC) > latest.astimezone(dt.UTC):
            reason = f"{fired.reason}; it was due at {due:%Y-%m-%d %H:%M}, more than {self.lookback} ago"
            return replace(fired, outcome="missed", code="MISSED", reason=reason, due=due)
        return replace(fired, due=due)
