"""`relative`: some days, working days or hours before or after a date of a record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, final

import pydantic
from pydantic import Field

from crmrules.expr import Expression
from crmrules.kpi.standing import Figure
from crmrules.policy.sequence import Names
from crmrules.triggers.asked import RecordRule
from crmrules.triggers.context import Answer, Context
from crmrules.triggers.facts import Record
from crmrules.triggers.offset import Offset
from crmrules.triggers.options import Time
from crmrules.triggers.trigger import kind


@kind
@final
class Relative(RecordRule):
    """Fires once for each record and each value of its date.

    field: the date, or several, of which the first that is there counts. before, after: how far from it,
    one of them. time: of day, in place of that of the field. if: a condition on the record, which has to
    hold when it fires, whatever held before. A record that gets another date has another reminder; the
    same date written again has none.
    """

    kind: Literal["relative"] = "relative"
    field: Names
    before: Offset | None = None
    after: Offset | None = None
    time: Time | None = None
    condition: Annotated[str | None, Field(alias="if")] = None
    lookback: Offset = Offset(working_days=3)

    step: ClassVar[str] = "due"
    named: ClassVar[tuple[str, ...]] = ("record", "date")
    messages: ClassVar[Mapping[str, str]] = {
        "en": "{record} of {subject}: the date is {date}, this was due on {due}.",
        "zh": "{subject} 的 {record}：日期为 {date}，提醒时间 {due}。",
    }

    @pydantic.model_validator(mode="after")
    def _one_side(self) -> Relative:
        if (self.before is None) == (self.after is None):
            raise ValueError("it lies on one side of the date: write before: {days: 2}, or after: {days: 2}")
        if not self.field:
            raise ValueError("`field` is empty: name the date of the record")
        distance = self.before or self.after
        if self.time is not None and distance is not None and distance.exact is not None:
            raise ValueError("hours and minutes lead to a time of their own: leave `time` out")
        return self

    @property
    def fields_read(self) -> Mapping[str, tuple[str, ...]]:
        """The fields that it names, by key."""
        return {**super().fields_read, "field": self.field}

    @property
    def conditions(self) -> Mapping[str, str]:
        """Its condition."""
        return {"if": self.condition} if self.condition else {}

    def answers(self, context: Context) -> Iterator[Answer]:
        """One for each of the subject's records with a date."""
        for record in context.facts.all(self.source, by=self.about, coming=True):
            date = next((record[each] for each in self.field if record[each] is not None), None)
            if isinstance(date, dt.date):
                yield self.answer(context, record, date)

    def answer(self, context: Context, record: Record, date: dt.date) -> Answer:
        """What is said of one record."""
        distance, side = (self.before, -1) if self.before is not None else (self.after, 1)
        assert distance is not None
        due = distance.moment(date, side, context.zone, context.calendar, self.time)
        word = "before" if side < 0 else "after"
        reason = f"{self.source} {record.id}: {distance} {word} {date:%Y-%m-%d}"
        basis: dict[str, Figure | None] = {"record": str(record.id), "date": date}
        anchor = f"{record.id}:{date.isoformat()}"
        fired = Answer.fired(reason, basis, anchor=anchor)
        timed = self.timed(context, due, fired)
        if timed.outcome == "fired" and self.condition is not None:
            source = context.facts.known.table(self.source).source
            holds = Expression.parse(self.condition, source).function(record)
            if holds is not True:
                said = "is not known" if holds is None else "does not hold"
                known = None if holds is None else False
                return Answer.when(known, f"{reason}: {self.condition} {said}", basis, anchor=anchor)
        return timed
