"""`behind`: by a date within the period an indicator is still below a share of its target."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, ClassVar, Literal, final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, BeforeValidator, Field

from crmrules.errors import CrmRulesError
from crmrules.fields import Frozen, Share
from crmrules.kpi.period import Period, Periods
from crmrules.kpi.standing import Standing
from crmrules.triggers.decision import Decision, Outcome
from crmrules.triggers.trigger import (
    Severity,
    TriggerRule,
    basis,
    figures,
    kind,
    no_data,
    period_state,
    reached,
)


def _time(value: object) -> object:
    """YAML 1.2 leaves 18:00 a text; a time needs no seconds."""
    if isinstance(value, str):
        try:
            return dt.time.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no time of day: write it as 18:00") from None
    if not isinstance(value, dt.time):
        # YAML 1.1 reads 18:00 as 1080, which would pass for seconds.
        raise ValueError('a time of day is a text: write it as "18:00", in quotes')
    return value


@final
class Due(BaseModel):
    """A moment within a period, by the local clock.

    day: the day of the period, from 1; with `month` the day of that month of the period (from 1).
    Negative days count from the end: -1 is the last. A day beyond the end is the last one, so that the
    31st of a February is the 28th or 29th. time: of day; midnight at the start of the day if not said.

    >>> Due(day=-1, time="18:00").instant(Period.parse("2026-11"), ZoneInfo("Asia/Shanghai")).isoformat()
    '2026-11-30T18:00:00+08:00'
    """

    model_config = Frozen

    day: int
    month: Annotated[int, Field(ge=1, le=12)] | None = None
    time: Annotated[dt.time, BeforeValidator(_time, json_schema_input_type=str)] = dt.time()

    @pydantic.field_validator("day")
    @classmethod
    def _not_zero(cls, day: int) -> int:
        if day == 0 or not -366 <= day <= 366:
            raise ValueError("a day is 1 to 366, or -1 to -366 from the end: the last day is -1")
        return day

    @pydantic.field_validator("time")
    @classmethod
    def _local(cls, time: dt.time) -> dt.time:
        if time.tzinfo is not None:
            raise ValueError("a time of day is local: write it without a zone")
        return time

    def refuse_beyond(self, periods: Periods) -> None:
        """Raise CrmRulesError (T104) for a month that the periods do not have."""
        if self.month is not None and self.month > periods.months:
            raise CrmRulesError(
                "T104",
                f"a {periods.name} has no month {self.month}",
                hint=f"write 1 to {periods.months}, or leave it out" if periods.months else "leave it out",
            )

    def date(self, period: Period) -> dt.date:
        """The day of a period. Raises CrmRulesError (T104) for a month that it does not have."""
        self.refuse_beyond(period.periods)
        span = period if self.month is None else period.month(self.month)
        days = (span.end - span.start).days + 1
        place = self.day if self.day > 0 else days + 1 + self.day
        return span.start + dt.timedelta(days=min(max(place, 1), days) - 1)

    def instant(self, period: Period, zone: ZoneInfo) -> dt.datetime:
        """The moment in a zone. A time that the clock skips is the first that it shows after the gap; one
        that it shows twice is the first of the two."""
        local = dt.datetime.combine(self.date(period), self.time)
        moment = local.replace(tzinfo=zone, fold=0)
        shown = moment.astimezone(dt.UTC).astimezone(zone)
        if shown.replace(tzinfo=None) == local:
            return moment
        # In a gap the two folds stand for the offsets before and after it; the gap ends where they meet.
        before = moment.utcoffset() or dt.timedelta()
        after = local.replace(tzinfo=zone, fold=1).utcoffset() or dt.timedelta()
        low, high = (local - max(before, after)), (local - min(before, after))
        while high - low > dt.timedelta(seconds=1):
            middle = low + (high - low) / 2
            offset = middle.replace(tzinfo=dt.UTC).astimezone(zone).utcoffset()
            low, high = (middle, high) if offset == before else (low, middle)
        return high.replace(microsecond=0, tzinfo=dt.UTC).astimezone(zone)


@kind
@final
class Behind(TriggerRule):
    """Fires once the moment has come, while the period is open and the indicator is below the share."""

    kind: Literal["behind"] = "behind"
    share: Share
    by: Due
    severity: Severity = "warning"

    step: ClassVar[str] = "due"

    def check(self, periods: Periods) -> None:
        """Refuse a month beyond the period."""
        self.by.refuse_beyond(periods)

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """Fired or not, at a moment; exactly the opposite of `reached` at the same share."""
        result = self.result(standing)
        due = self.by.instant(standing.period, zone)

        def decided(outcome: Outcome, code: str, reason: str) -> Decision:
            found = basis(result, self.share)
            return Decision(name, standing, self.step, outcome, code, reason, now, found, due)

        state = period_state(standing, now, zone)
        if state == "closed":
            return decided("closed", "PERIOD_CLOSED", f"{standing.period} is over")
        if now.astimezone(dt.UTC) < due:  # within one zone Python compares the clocks, not the moments
            return decided("not_due", "NOT_DUE", f"it is due at {due:%Y-%m-%d %H:%M}")
        met = reached(result, self.share)
        if met is None:
            return decided("no_data", "NO_DATA", no_data(result))
        if met:
            return decided("not_met", "AT_TARGET_AT_DEADLINE", figures(result, self.share))
        return decided("fired", "BELOW_TARGET_AT_DEADLINE", figures(result, self.share))
