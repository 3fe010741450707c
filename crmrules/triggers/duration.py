"""Lengths of time as they are written in rules: `30 min`, `2 days`, `3 working days`."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Annotated, Literal, final
from zoneinfo import ZoneInfo

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from crmrules.errors import shown
from crmrules.kpi.calendar import Calendar
from crmrules.kpi.workdays import add_working_days
from crmrules.triggers.due import instant_of

Unit = Literal["minute", "hour", "day", "week", "working day"]

_UNITS: dict[str, Unit] = {
    "min": "minute", "minute": "minute", "minutes": "minute", "分钟": "minute",
    "h": "hour", "hour": "hour", "hours": "hour", "小时": "hour",
    "day": "day", "days": "day", "天": "day",
    "week": "week", "weeks": "week", "周": "week",
    "working day": "working day", "working days": "working day", "个工作日": "working day",
    "工作日": "working day",
}  # fmt: skip
_WRITTEN = re.compile(r"\s*([0-9]{1,6})\s*(\w+(?: \w+)?)\s*\Z")
_EXPECTED = "write a length of time as 30 min, 6 hours, 2 days, 1 week or 3 working days"


@final
@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time.

    Minutes and hours pass by themselves; days and weeks lead to the same time of day by the local clock,
    working days to the same time on the n-th working day after.

    >>> Duration.parse("2 days"), str(Duration.parse("90min"))
    (Duration(count=2, unit='day'), '90 min')
    """

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: object) -> Duration:
        """The duration that a text says; ValueError for any other."""
        found = _WRITTEN.match(text) if isinstance(text, str) else None
        unit = _UNITS.get(" ".join(found[2].split())) if found else None
        if found is None or unit is None:
            raise ValueError(f"{shown(text)} is no length of time: {_EXPECTED}")
        return cls(int(found[1]), unit)

    def after(
        self, moment: dt.datetime, zone: ZoneInfo, calendar: Calendar, *, times: int = 1
    ) -> dt.datetime:
        """The moment that lies so much later, in UTC.

        times: so many of the duration; counted from the moment itself, so that the 3rd of them is where
        three single steps by the clock would lead. Raises CalendarCoverageError (W101).

        >>> from crmrules.kpi.calendar import Weekdays
        >>> riga = ZoneInfo("Europe/Riga")
        >>> friday = dt.datetime(2026, 11, 20, 18, tzinfo=riga)
        >>> Duration.parse("2 working days").after(friday, riga, Weekdays()).astimezone(riga).isoformat()
        '2026-11-24T18:00:00+02:00'
        """
        count = self.count * times
        if self.unit in ("minute", "hour"):
            exact = dt.timedelta(minutes=count) if self.unit == "minute" else dt.timedelta(hours=count)
            return moment.astimezone(dt.UTC) + exact
        local = moment.astimezone(zone).replace(tzinfo=None)
        if self.unit == "working day":
            day = add_working_days(calendar, local.date(), count)
        else:
            day = local.date() + dt.timedelta(days=count * (7 if self.unit == "week" else 1))
        return local_instant(dt.datetime.combine(day, local.time()), zone)

    def before(self, moment: dt.datetime, zone: ZoneInfo, calendar: Calendar) -> dt.datetime:
        """The moment that lies so much earlier, in UTC."""
        return Duration(-self.count, self.unit).after(moment, zone, calendar)

    def __str__(self) -> str:
        if self.unit == "minute":
            return f"{self.count} min"
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


def local_instant(local: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The moment of a local time, in UTC; see `instant_of`."""
    return instant_of(local.date(), local.time(), zone).astimezone(dt.UTC)


def _schema(_source: object, _handler: object) -> core_schema.CoreSchema:
    return core_schema.no_info_before_validator_function(
        lambda value: value if isinstance(value, Duration) else Duration.parse(value),
        core_schema.is_instance_schema(Duration),
        serialization=core_schema.to_string_ser_schema(),
        json_schema_input_schema=core_schema.str_schema(),
    )


Lasting = Annotated[Duration, GetPydanticSchema(_schema)]
"""A duration in a declaration, as text."""
