"""`data_quality`: records that were entered late, lack something, or are odd."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, final

import pydantic

from crmrules.errors import CrmRulesError
from crmrules.expr import Expression
from crmrules.fields import Source
from crmrules.kpi.standing import Figure
from crmrules.policy.sequence import Names
from crmrules.triggers.asked import RecordRule
from crmrules.triggers.context import Answer, Context
from crmrules.triggers.facts import Record, field_of
from crmrules.triggers.offset import Offset
from crmrules.triggers.trigger import kind

DATE = "date"


@kind
@final
class DataQuality(RecordRule):
    """Fires once for each record and each thing that is wrong with it.

    late: entered more than so long after it happened; happened and recorded name the two dates, the first
    being the field with the role `date` if not said. missing: fields that have to have a value. odd: a
    condition that holds for records that can hardly be right, such as `amount <= 0 or amount > 10000000`.
    """

    kind: Literal["data_quality"] = "data_quality"
    late: Offset | None = None
    happened: str = DATE
    recorded: str | None = None
    missing: Names = ()
    odd: str | None = None

    step: ClassVar[str] = "quality"
    named: ClassVar[tuple[str, ...]] = ("record", "problem", "days", "happened", "recorded")
    messages: ClassVar[Mapping[str, str]] = {
        "en": "Please look at {record} of {subject}: {problem}.",
        "zh": "请检查 {subject} 的 {record}：{problem}。",
    }

    @pydantic.model_validator(mode="after")
    def _something(self) -> DataQuality:
        if self.late is None and not self.missing and self.odd is None:
            raise ValueError(
                "it looks for nothing: write late: {days: 3}, missing: amount, or odd: amount <= 0"
            )
        if (self.late is None) != (self.recorded is None):
            raise ValueError("`late` goes with `recorded`: name the field that says when it was entered")
        return self

    @property
    def fields_read(self) -> Mapping[str, tuple[str, ...]]:
        """The fields that it names, by key."""
        dates = {"happened": self.happened if self.happened != DATE else None, "recorded": self.recorded}
        named = {key: (name,) for key, name in dates.items() if name}
        return {**super().fields_read, **named, "missing": self.missing}

    @property
    def conditions(self) -> Mapping[str, str]:
        """What is odd."""
        return {"odd": self.odd} if self.odd else {}

    def answers(self, context: Context) -> Iterator[Answer]:
        """One for each thing that is wrong with each of the subject's records."""
        for record in context.facts.all(self.source, by=self.about, coming=True):
            source = context.facts.known.table(self.source).source
            happened, recorded = self._dates(source, record)
            moment = recorded or happened
            for what, problem, more in self._problems(context, source, record, happened, recorded):
                basis: dict[str, Figure | None] = {"record": str(record.id), "problem": problem, **more}
                basis |= {"happened": happened, "recorded": recorded}
                said = f"{self.source} {record.id}: {problem}"
                answer = Answer.fired(said, basis, anchor=f"{record.id}:{what}")
                yield answer if moment is None else self.timed(context, _moment(context, moment), answer)

    def in_language(self, basis: Mapping[str, Figure | None], language: str) -> Mapping[str, Figure | None]:
        """What is wrong, in Chinese."""
        if language != "zh" or basis.get("problem") is None:
            return {}
        if basis.get("days") is not None and self.late is not None:
            return {"problem": f"晚录入 {basis['days']} 天，超过 {self.late.in_chinese}"}
        absent = {f"{name} is missing": f"缺少 {name}" for name in self.missing}
        return {"problem": absent.get(str(basis["problem"]), basis["problem"])}

    def _problems(
        self,
        context: Context,
        source: Source,
        record: Record,
        happened: dt.date | None,
        recorded: dt.date | None,
    ) -> Iterator[tuple[str, str, dict[str, Figure | None]]]:
        if self.late is not None and happened is not None and recorded is not None:
            latest = self.late.moment(happened, 1, context.zone, context.calendar)
            by_day = self.late.exact is None
            entered = _moment(context, recorded)
            if entered.date() > latest.date() if by_day else entered > latest:
                days = (entered.date() - _moment(context, happened).date()).days
                yield "late", f"entered {days} days late, more than {self.late}", {"days": days}
        for name in self.missing:
            if record[field_of(source, name)] in (None, ""):
                yield f"missing {name}", f"{name} is missing", {}
        if self.odd is not None and Expression.parse(self.odd, source).function(record) is True:
            yield "odd", f"{self.odd}", {}

    def _dates(self, source: Source, record: Record) -> tuple[dt.date | None, dt.date | None]:
        if self.happened == DATE and source.role(DATE) is None:
            return None, self._date(source, record, self.recorded)
        return self._date(source, record, self.happened), self._date(source, record, self.recorded)

    def _date(self, source: Source, record: Record, name: str | None) -> dt.date | None:
        value = record[field_of(source, name)] if name is not None else None
        if value is None or isinstance(value, dt.date):
            return value
        hint = "declare it as a date"
        raise CrmRulesError("T408", f"`{name}` of `{self.source}` is no date", hint=hint)


def _moment(context: Context, day: dt.date) -> dt.datetime:
    if isinstance(day, dt.datetime):
        return day.replace(tzinfo=context.zone)
    return dt.datetime.combine(day, dt.time(), context.zone)
