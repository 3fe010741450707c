"""Where local times are and which days are working days, for all that is counted from a moment on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import final
from zoneinfo import ZoneInfo

from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.kpi.period import Period
from crmrules.triggers.duration import Duration, local_instant


@final
@dataclass(frozen=True, slots=True)
class Clock:
    """Where local times are, and which days are working days."""

    zone: ZoneInfo
    calendar: Calendar = WEEKDAYS_ALONE

    def after(self, moment: dt.datetime, duration: Duration, times: int = 1) -> dt.datetime:
        """The moment so much later, in UTC."""
        return duration.after(moment, self.zone, self.calendar, times=times)

    def end_of(self, period: Period) -> dt.datetime:
        """The first moment after a period, in UTC."""
        return _end_of(period.end, self.zone)


@lru_cache(maxsize=256)
def _end_of(last: dt.date, zone: ZoneInfo) -> dt.datetime:
    if last == dt.date.max:
        return dt.datetime.max.replace(tzinfo=dt.UTC)
    return local_instant(dt.datetime.combine(last + dt.timedelta(days=1), dt.time()), zone)
