"""`schedule`: a moment of the calendar, whatever the figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Literal, final

from crmrules.kpi.period import Period, Periods
from crmrules.kpi.period_kinds import DeclaredPeriods
from crmrules.kpi.standing import Standing
from crmrules.triggers.asked import AskedRule
from crmrules.triggers.context import Answer, Context, Surroundings
from crmrules.triggers.due import Due
from crmrules.triggers.offset import Offset
from crmrules.triggers.trigger import kind

DEEPEST = 50
"""So many periods back a moment is looked for, where most of them have none, as the 29th of February."""


@kind
@final
class Schedule(AskedRule):
    """Fires once in each period, when its moment has come.

    by: the moment within the period. every: the periods; those of the model if not said, months without one.
    Without a model it is about everybody in the roster, or those in `whom`. lookback: so long after its
    moment it still fires, also when the next period has begun; later it is `missed`, so that a trigger that
    is new does not tell of what was due before. Of several moments that nobody looked at, the last counts.
    """

    kind: Literal["schedule"] = "schedule"
    by: Due
    every: DeclaredPeriods | None = None
    whom: tuple[str, ...] = ()
    lookback: Offset = Offset(days=1)

    step: ClassVar[str] = "due"
    messages: ClassVar[Mapping[str, str]] = {
        "en": "{trigger} for {subject}: it was due on {due}.",
        "zh": "{subject}：{trigger}，时间 {due}。",
    }

    def check(self, periods: Periods) -> None:
        """Refuse a month beyond the period."""
        self.by.refuse_beyond(self.every or periods)

    @property
    def by_source(self) -> bool:
        """Whether it is about other subjects than those of a card."""
        return self.model is None and not self.indicator

    def subjects(self, around: Surroundings) -> Iterable[str]:
        """Those who are named, or of the source, or all in the roster."""
        return self.whom or (super().subjects(around) if self.source else around.people)

    def answers(self, context: Context) -> Iterator[Answer]:
        """One: the last moment that has come, or the next one."""
        periods = self.every or context.period.periods
        current = periods.of(context.today)
        last = self._last(context, current)
        if last is None:
            due = self._due(context, current)
            said = f"it is due at {due:%Y-%m-%d %H:%M}" if due else f"{current} has no day on which it is due"
            yield Answer("not_due", said, code="NOT_DUE", due=due)
            return
        said = f"it was due at {last:%Y-%m-%d %H:%M}"
        latest = self.lookback.moment(last.replace(tzinfo=None), 1, context.zone, context.calendar)
        if context.as_of.astimezone(dt.UTC) > latest.astimezone(dt.UTC):
            yield Answer("missed", f"{said}, more than {self.lookback} ago", code="MISSED", due=last)
        else:
            yield Answer.fired(said, due=last)

    def period_of(self, standing: Standing, day: dt.date) -> Period:
        """The period whose moment it is, which a shift may have moved out of it."""
        periods = self.every or standing.period.periods
        found = periods.of(day)
        for each in (found, found.previous, found.following):
            moved = self.by.date(each, self.named_calendar(self._around.calendars)) if each else None
            if each is not None and moved == day:
                return each
        return found

    def _last(self, context: Context, current: Period) -> dt.datetime | None:
        """The last moment that has come."""
        period: Period | None = current.following or current
        for _ in range(DEEPEST):
            if period is None:
                return None
            due = self._due(context, period)
            if due is not None and due.astimezone(dt.UTC) <= context.as_of.astimezone(dt.UTC):
                return due
            period = period.previous
        return None

    def _due(self, context: Context, period: Period) -> dt.datetime | None:
        return self.by.instant(period, context.zone, context.calendar)
