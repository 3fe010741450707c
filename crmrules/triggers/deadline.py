"""`behind`: by a date within the period an indicator is still below a share of its target."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar, Literal, final
from zoneinfo import ZoneInfo

from pydantic import PrivateAttr

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.fields import Share
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar, guessed
from crmrules.kpi.period import Period, Periods
from crmrules.kpi.standing import Standing
from crmrules.triggers.decision import Decision, Outcome
from crmrules.triggers.due import Due
from crmrules.triggers.options import Severity
from crmrules.triggers.trigger import (
    TriggerRule,
    basis,
    figures,
    kind,
    no_data,
    period_state,
    reached,
)


@kind
@final
class Behind(TriggerRule):
    """Fires once the moment has come, while the period is open and the indicator is below the share."""

    kind: Literal["behind"] = "behind"
    share: Share
    by: Due
    severity: Severity = "warning"

    step: ClassVar[str] = "due"

    _calendar: Calendar | None = PrivateAttr(default=None)

    def with_calendars(self, calendars: Mapping[str, Calendar]) -> Behind:
        """The same trigger by the calendar that its date names. Raises CrmRulesError (W104) without it."""
        found = self.model_copy()
        found._calendar = _named(self.by.calendar, calendars)
        return found

    def check(self, periods: Periods) -> None:
        """Refuse a month beyond the period."""
        self.by.refuse_beyond(periods)

    def due_in(self, period: Period, zone: ZoneInfo) -> dt.datetime | None:
        """When it is due in a period; None where the period has no such day."""
        return self.by.instant(period, zone, self._calendar or _named(self.by.calendar, {}))

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """Fired or not, at a moment; exactly the opposite of `reached` at the same share."""
        result = self.result(standing)
        calendar = self._calendar or _named(self.by.calendar, {})
        period = standing.period
        due = self.due_in(period, zone)
        assumed = (
            guessed(calendar, *sorted((period.start, due.date()))) if due and self.by.by_calendar else ""
        )

        def decided(outcome: Outcome, code: str, reason: str) -> Decision:
            found = basis(result, self.share)
            told = f"{reason}; {assumed}" if assumed else reason
            return Decision(name, standing, self.step, outcome, code, told, now, found, due)

        state = period_state(standing, now, zone)
        if state == "closed":
            late = due is not None and due.date() > period.end
            beyond = f" before it is due, at {due:%Y-%m-%d %H:%M}" if late else ""
            return decided("closed", "PERIOD_CLOSED", f"{period} is over{beyond}")
        if due is None:
            return decided("not_due", "NO_SUCH_DAY", f"{period} has no day on which it is due")
        if now.astimezone(dt.UTC) < due:  # within one zone Python compares the clocks, not the moments
            return decided("not_due", "NOT_DUE", f"it is due at {due:%Y-%m-%d %H:%M}")
        met = reached(result, self.share)
        if met is None:
            return decided("no_data", "NO_DATA", no_data(result))
        if met:
            return decided("not_met", "AT_TARGET_AT_DEADLINE", figures(result, self.share))
        return decided("fired", "BELOW_TARGET_AT_DEADLINE", figures(result, self.share))


def _named(name: str | None, calendars: Mapping[str, Calendar]) -> Calendar:
    """The calendar of a name, weekdays if none is named."""
    if name is None:
        return WEEKDAYS_ALONE
    if name not in calendars:
        hint = did_you_mean(name, calendars) if calendars else "declare it under `calendars:`"
        raise CrmRulesError("W104", f"there is no calendar `{name}`", hint=hint)
    return calendars[name]
