"""How far a moment lies from a record's date: in days, working days, months, hours or minutes."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Frozen
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.triggers.due import Distance, instant_of

_CHINESE = {"days": "天", "working_days": "个工作日", "months": "个月", "hours": "小时", "minutes": "分钟"}


@final
class Offset(BaseModel):
    """A distance from a date or time, in one unit.

    Days, working days and months keep the time of day by the local clock; hours and minutes pass by
    themselves, through changes of the clock too. A date is taken from its first moment.

    >>> riga = ZoneInfo("Europe/Riga")
    >>> Offset(days=2).moment(dt.datetime(2021, 3, 27, 12), -1, riga).isoformat()
    '2021-03-25T12:00:00+02:00'
    """

    model_config = Frozen

    days: Annotated[int, Field(ge=0, le=36_600)] | None = None
    working_days: Annotated[int, Field(ge=0, le=10_000)] | None = None
    months: Annotated[int, Field(ge=0, le=1_200)] | None = None
    hours: Annotated[int, Field(ge=0, le=100_000)] | None = None
    minutes: Annotated[int, Field(ge=0, le=1_000_000)] | None = None

    @pydantic.model_validator(mode="after")
    def _one_of_them(self) -> Offset:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "a distance is in one unit: write days: 3, working_days: 3, months: 3 or hours: 3"
            )
        return self

    @property
    def unit(self) -> str | None:
        """The unit that it is in."""
        return next((name for name in type(self).model_fields if getattr(self, name) is not None), None)

    @property
    def exact(self) -> dt.timedelta | None:
        """The time that passes, where it is in hours or minutes."""
        if self.hours is None and self.minutes is None:
            return None
        return dt.timedelta(hours=self.hours or 0, minutes=self.minutes or 0)

    def day(self, start: dt.date, side: int, calendar: Calendar = WEEKDAYS_ALONE) -> dt.date:
        """The day so far after a day (side 1) or before it (-1), in days, working days or months."""
        distance = Distance(days=self.days, working_days=self.working_days, months=self.months)
        return distance.after(start, calendar) if side > 0 else distance.before(start, calendar)

    def moment(
        self,
        start: dt.date,
        side: int,
        zone: ZoneInfo,
        calendar: Calendar = WEEKDAYS_ALONE,
        time: dt.time | None = None,
    ) -> dt.datetime:
        """The moment so far after a local date or time (side 1) or before it (-1).

        time: the time of day, in place of that of the start. Raises CalendarCoverageError (W101).
        """
        clock = start.time() if isinstance(start, dt.datetime) else dt.time()
        first = start.date() if isinstance(start, dt.datetime) else start
        if (exact := self.exact) is not None:
            moved = instant_of(first, clock, zone).astimezone(dt.UTC) + side * exact
            return moved.astimezone(zone)
        return instant_of(self.day(first, side, calendar), clock if time is None else time, zone)

    @property
    def in_chinese(self) -> str:
        """The same in Chinese.

        >>> Offset(working_days=3).in_chinese
        '3 个工作日'
        """
        unit = self.unit or "days"
        return f"{getattr(self, unit)} {_CHINESE[unit]}"

    def __str__(self) -> str:
        unit = self.unit or "days"
        count = getattr(self, unit)
        word = unit.replace("_", " ")
        return f"{count} {word if count != 1 else word[:-1]}"
