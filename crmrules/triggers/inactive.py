"""`inactive`: somebody has been silent for long, or longer than usual."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from statistics import median
from typing import Annotated, ClassVar, Literal, final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import Field

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.fields import Source
from crmrules.triggers.asked import RecordRule
from crmrules.triggers.context import Answer, Context, Surroundings
from crmrules.triggers.due import instant_of
from crmrules.triggers.facts import Record
from crmrules.triggers.offset import Offset
from crmrules.triggers.options import Severity
from crmrules.triggers.trigger import kind

ONE = dt.timedelta(days=1)


@kind
@final
class Inactive(RecordRule):
    """Fires once for each silence: a record ends it, and the next silence is another.

    silent: how long: so many whole days, working days or months have passed without a record; or hours,
    counted from the time of the last one. usual: in place of it, so many times the subject's own usual
    interval, the median of the days between its records; `intervals` of these have to be known. at_least:
    with `usual`, never earlier than after so long. among: the source of those who can be silent without
    any record; the silence of such a one begins on the date that it has there.

    The median is taken since one long pause or two orders of one week do not move it.
    """

    kind: Literal["inactive"] = "inactive"
    silent: Offset | None = None
    usual: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    at_least: Offset | None = None
    intervals: Annotated[int, Field(ge=1)] = 3
    among: str | None = None
    severity: Severity = "warning"

    step: ClassVar[str] = "silent"
    named: ClassVar[tuple[str, ...]] = ("last", "days", "usual_days")
    messages: ClassVar[Mapping[str, str]] = {
        "en": "{subject} has been silent for {days} days, since {last}.",
        "zh": "{subject} 自 {last} 以来已有 {days} 天没有动静。",
    }

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Inactive:
        if (self.silent is None) == (self.usual is None):
            raise ValueError(
                "how long is long: write silent: {days: 90}, or usual: 2 for twice the usual interval"
            )
        if self.at_least is not None and self.usual is None:
            raise ValueError("`at_least` goes with `usual`: leave it out, or write silent in its place")
        if self.at_least is not None and self.at_least.exact is not None:
            raise ValueError("the usual interval is in days: write at_least: {days: 14}")
        return self

    def problems(self, sources: Mapping[str, Source]) -> Iterator[tuple[tuple[str, ...], CrmRulesError]]:
        """Those of its own, and a source of `among` that there is not."""
        yield from super().problems(sources)
        if self.among is not None and self.among not in sources:
            hint = did_you_mean(self.among, sources)
            yield ("among",), CrmRulesError("B212", f"there is no source `{self.among}`", hint=hint)

    def subjects(self, around: Surroundings) -> Iterable[str]:
        """Those with records, and those who could have some."""
        found = {*super().subjects(around)}
        if self.among is not None:
            found |= {*around.facts.by(self.among, self.about)}
        return found

    def answers(self, context: Context) -> Iterator[Answer]:
        """One: how long it has been silent, against how long it may be."""
        records = context.facts.all(self.source, by=self.about)
        last = records[-1] if records else self._beginning(context)
        if last is None or last.day is None:
            yield Answer.no_data(f"nothing is known of {context.subject}")
            return
        since = last.day
        days = (context.today - _plain(since)).days
        basis: dict[str, float | dt.date | None] = {"last": since, "days": days}
        usual = None
        if self.usual is not None:
            usual = usual_interval(records, self.intervals)
            basis["usual_days"] = usual
            if usual is None:
                yield Answer.no_data(f"{context.subject} has no usual interval yet", basis)
                return
        due = self._due(context, since, usual)
        told = f", usually every {usual:g} days" if usual is not None else ""
        reason = f"{context.subject} has been silent for {days} days, since {_plain(since)}{told}"
        answer = self.timed(context, due, Answer.fired(reason, basis, anchor=since.isoformat()))
        if answer.outcome == "not_due":
            yield Answer.not_met(
                f"{reason}; too long from {due:%Y-%m-%d %H:%M} on", basis, anchor=answer.anchor
            )
        else:
            yield answer

    def _beginning(self, context: Context) -> Record | None:
        return context.facts.last(self.among, by=self.about) if self.among else None

    def _due(self, context: Context, since: dt.date, usual: float | None) -> dt.datetime:
        zone, calendar = context.zone, context.calendar
        if self.silent is not None and self.silent.exact is not None:
            return self.silent.moment(since, 1, zone, calendar)
        last = _plain(since)
        ends = [each.day(last, 1, calendar) for each in (self.silent, self.at_least) if each is not None]
        if usual is not None and self.usual is not None:
            ends.append(last + ONE * math.ceil(round(usual * self.usual, 9)))
        return _morning_after(max(ends), zone)


def usual_interval(records: Iterable[Record], least: int) -> float | None:
    """The median of the days between the days with records; None of fewer than so many."""
    days = sorted({_plain(each.day) for each in records if each.day is not None})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return float(median(gaps)) if len(gaps) >= least else None


def _morning_after(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """When a whole day has passed."""
    return instant_of(day + ONE, dt.time(), zone)


def _plain(day: dt.date) -> dt.date:
    return day.date() if isinstance(day, dt.datetime) else day
