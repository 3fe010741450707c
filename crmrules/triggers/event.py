"""`event`: something happened to a record in the host."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, final
from zoneinfo import ZoneInfo

from crmrules.errors import CrmRulesError
from crmrules.expr import Expression
from crmrules.fields import Source
from crmrules.kpi.standing import Figure, Standing
from crmrules.policy.sequence import Names
from crmrules.triggers.asked import OWNER, RecordRule
from crmrules.triggers.context import Answer, Context
from crmrules.triggers.facts import SUBJECT, Value, field_of, readable
from crmrules.triggers.outbox.records import Event
from crmrules.triggers.trigger import kind

Happening = Literal["created", "changed", "deleted"]
PREVIOUS = "previous"


@kind
@final
class Happened(RecordRule):
    """Fires once for each event that the host publishes, if it is one that matters.

    source: what kind of record it is, which the event's type begins with: events of `deals` have the type
    `deals`, or `deals.` and anything behind. on: which happenings: created, changed or deleted. changed:
    the fields or roles of which one has to be another; `changed: subject` is a change of owner. What is
    written anew as it was is no change. before, after: conditions on the record as it was and as it is; of
    a new record there is nothing before.

    collapse: whether each event is told, or only the first of its subject on a day or in a period. The
    subject is the event's, or whoever the record names; the role `previous` is who it was before.
    """

    kind: Literal["event"] = "event"
    on: tuple[Happening, ...] = ("created", "changed")
    changed: Names = ()
    before: str | None = None
    after: str | None = None
    collapse: Literal["per_event", "per_day", "per_period"] = "per_event"

    step: ClassVar[str] = "event"
    by_time: ClassVar[bool] = False
    by_event: ClassVar[bool] = True
    own_roles: ClassVar[tuple[str, ...]] = (OWNER, PREVIOUS)
    named: ClassVar[tuple[str, ...]] = ("record", "field", "before", "after", "happened")
    messages: ClassVar[Mapping[str, str]] = {
        "en": "{record} of {subject}: {field} was {before} and is {after}, {happened}.",
        "zh": "{subject} 的 {record}：{field} 由 {before} 变为 {after}，{happened}。",
    }

    @property
    def fields_read(self) -> Mapping[str, tuple[str, ...]]:
        """The fields that it names, by key."""
        return {**super().fields_read, "changed": self.changed}

    @property
    def conditions(self) -> Mapping[str, str]:
        """Its conditions before and after."""
        return {key: text for key, text in (("before", self.before), ("after", self.after)) if text}

    def own_rows(self, now: dt.datetime, zone: ZoneInfo) -> Iterator[Standing]:
        """A row for each subject that something happened to."""
        if not self.by_source:
            return
        period = self.period.of(now.astimezone(zone).date())
        found = {self._subject(each): each for each in self._around.events if self._is_meant(each)}
        for subject in sorted(found):
            yield Standing(
                self.about or SUBJECT, subject, period, {}, people=self._around.people.get(subject, {})
            )

    def answers(self, context: Context) -> Iterator[Answer]:
        """One for each event of the subject that is of the right kind, whether it matters or not."""
        for event in sorted(self._around.events, key=lambda each: (each.time, each.source, each.id)):
            if (
                self._is_meant(event)
                and self._subject(event) == context.subject
                and event.time <= context.as_of
            ):
                yield self._answer(context, event)

    def _answer(self, context: Context, event: Event) -> Answer:
        source = self._source
        before, after = _typed(source, event.before), _typed(source, event.after)
        happening: Happening = "created" if not before else "changed" if after else "deleted"
        fields = (
            [*after]
            if happening == "created"
            else [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
        )
        wanted = [field_of(source, name) for name in self.changed]
        changed = [name for name in wanted if name in fields] if wanted else fields
        one = changed[0] if changed else None
        name = source.role("id")
        record = (after or before).get(name) if name else None
        basis: dict[str, Figure | None] = {
            "record": str(record if record is not None else event.id),
            "field": one,
            "before": before.get(one) if one else None,
            "after": after.get(one) if one else None,
            "happened": event.time.astimezone(context.zone),
        }
        anchor = self._anchor(event, context)
        reason = self._why_not(happening, changed, before, after)
        if reason is not None:
            return Answer.not_met(
                f"{event.type} {event.id}: {reason}", basis, anchor=f"{event.source}:{event.id}"
            )
        said = f"{event.type} {event.id}: {happening}" + (f", {', '.join(changed)}" if changed else "")
        owner = source.role(SUBJECT)
        people = {
            role: str(values[owner])
            for role, values in ((OWNER, after), (PREVIOUS, before))
            if owner and values.get(owner) is not None
        }
        return self.timed(context, event.time, Answer.fired(said, basis, anchor=anchor, people=people))

    def _why_not(
        self,
        happening: Happening,
        changed: list[str],
        before: Mapping[str, Value],
        after: Mapping[str, Value],
    ) -> str | None:
        if happening not in self.on:
            return f"it was {happening}"
        if not changed and happening == "changed":
            return "nothing of it changed"
        if self.changed and not changed:
            return f"{', '.join(self.changed)} did not change"
        for text, values, there in (
            (self.before, before, happening != "created"),
            (self.after, after, happening != "deleted"),
        ):
            if text is not None and there:
                record = {name: values.get(name) for name in self._source.fields}
                if Expression.parse(text, self._source).function(record) is not True:
                    return f"{text} does not hold"
        return None

    def _anchor(self, event: Event, context: Context) -> str:
        match self.collapse:
            case "per_event":
                return f"{event.source}:{event.id}"
            case "per_day":
                return str(event.time.astimezone(context.zone).date())
            case "per_period":
                return ""

    def _is_meant(self, event: Event) -> bool:
        return event.type == self.source or event.type.startswith(f"{self.source}.")

    def _subject(self, event: Event) -> str:
        source = self._source
        name = field_of(source, self.about) if self.about else source.role(SUBJECT)
        values = event.after or event.before
        found = values.get(source.column(name)) if name else None
        return str(found) if self.about and found is not None else event.subject or str(found or "")

    @property
    def _source(self) -> Source:
        sources = self._around.sources
        if self.source not in sources:
            raise CrmRulesError(
                "T401", f"there is no source `{self.source}`", hint="declare it under `sources:`"
            )
        return sources[self.source]


def _typed(source: Source, values: Mapping[str, Any]) -> dict[str, Value]:
    """The fields that an event has, as what they are declared as, so that 5, 5.0 and "5.00" are the same."""
    names = [name for name in source.fields if source.column(name) in values]
    bound = {name: source.fields[name].convert(values[source.column(name)], source.local) for name in names}
    return readable(source, bound)
