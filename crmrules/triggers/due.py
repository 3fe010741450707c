"""When something is due: a moment within a period, or some days before or after a date."""

from __future__ import annotations

import datetime as dt
from calendar import monthrange
from typing import Annotated, Literal, final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticKnownError

from crmrules.errors import CrmRulesError
from crmrules.fields import Frozen
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.kpi.period import Period, Periods
from crmrules.kpi.workdays import ONE, Shift, add_working_days, nth_working_day, shift

Overflow = Literal["clamp", "skip", "next"]


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

    day: the day of the period, from 1; working_day: its n-th working day instead. With `month` the day of
    that month of the period (from 1). Negative days count from the end: -1 is the last one.

    overflow: what becomes of a day that the period does not have, such as the 31st of February. `clamp`, if
    nothing is said, takes its last day (the 28th or 29th); `skip` leaves the period out; `next` goes on
    counting into the days after it for working days, and takes the first of them for others.

    shift: where a `day` goes that is no working day: `preceding`, `following`, `modified_following` (the
    one after, unless it lies in another month) or `modified_preceding`. calendar: the name of the one that
    knows the working days; weekdays if none is named. What is due after the end of a period is too late
    for whoever asks whether it is open, so the end of a month is best shifted by `modified_following`.

    time: of day; midnight at the start of the day if not said.

    >>> Due(day=-1, time="18:00").instant(Period.parse("2026-11"), ZoneInfo("Asia/Shanghai")).isoformat()
    '2026-11-30T18:00:00+08:00'
    >>> from crmrules.kpi.calendar import China
    >>> Due(day=20, shift="preceding").date(Period.parse("2026-02"), China())
    datetime.date(2026, 2, 14)
    """

    model_config = ConfigDict(
        **Frozen, json_schema_extra={"oneOf": [{"required": ["day"]}, {"required": ["working_day"]}]}
    )

    working_day: int | None = None  # stands first, so that `day` knows whether it is missing
    day: Annotated[int | None, Field(validate_default=True)] = None
    month: Annotated[int, Field(ge=1, le=12)] | None = None
    overflow: Overflow = "clamp"
    shift: Shift = "none"
    calendar: str | None = None
    time: Annotated[dt.time, BeforeValidator(_time, json_schema_input_type=str)] = dt.time()

    @pydantic.field_validator("day", "working_day")
    @classmethod
    def _not_zero(cls, day: int | None) -> int | None:
        if day is not None and (day == 0 or not -366 <= day <= 366):
            raise ValueError("a day is 1 to 366, or -1 to -366 from the end: the last day is -1")
        return day

    @pydantic.field_validator("day")
    @classmethod
    def _one_of_them(cls, day: int | None, info: pydantic.ValidationInfo) -> int | None:
        other = info.data.get("working_day", 0)  # not there if it is misshapen, which is told already
        if day is None and other is None:
            raise PydanticKnownError("missing")
        if day is not None and other:
            raise ValueError("a date has either a day or a working day: take one of them out")
        return day

    @pydantic.field_validator("time")
    @classmethod
    def _local(cls, time: dt.time) -> dt.time:
        if time.tzinfo is not None:
            raise ValueError("a time of day is local: write it without a zone")
        return time

    @pydantic.model_validator(mode="after")
    def _check(self) -> Due:
        if self.working_day is not None and self.shift != "none":
            raise ValueError("a working day needs no `shift`: leave it out, or write `day` in its place")
        if self.calendar is not None and not self.by_calendar:
            raise ValueError("a `calendar` goes with `working_day` or `shift`: write shift: preceding")
        if self.overflow == "next" and (self.day or self.working_day or 0) < 0:
            raise ValueError("days that count from the end have no `next`: write overflow: clamp, or skip")
        return self

    @property
    def by_calendar(self) -> bool:
        """Whether a calendar has a say in it."""
        return self.working_day is not None or self.shift != "none"

    def refuse_beyond(self, periods: Periods) -> None:
        """Raise CrmRulesError (T104) for a month that the periods do not have."""
        if self.month is not None and self.month > periods.months:
            raise CrmRulesError(
                "T104",
                f"a {periods.name} has no month {self.month}",
                hint=f"write 1 to {periods.months}, or leave it out" if periods.months else "leave it out",
            )

    def date(self, period: Period, calendar: Calendar = WEEKDAYS_ALONE) -> dt.date | None:
        """The day of a period; None where it has none, see `overflow`, or nobody works in it.

        Raises CrmRulesError (T104) for a month that it does not have, CalendarCoverageError (W101).
        """
        self.refuse_beyond(period.periods)
        span = period if self.month is None else period.month(self.month)
        if self.working_day is not None:
            return self._nth_working_day(span.start, span.end, self.working_day, calendar)
        assert self.day is not None
        length = (span.end - span.start).days + 1
        place = self.day if self.day > 0 else length + 1 + self.day
        if not 1 <= place <= length:
            if self.overflow == "skip":
                return None
            place = min(max(place, 1), length) if self.overflow == "clamp" else length + 1
        return shift(calendar, span.start + ONE * (place - 1), self.shift)

    def _nth_working_day(self, first: dt.date, last: dt.date, n: int, calendar: Calendar) -> dt.date | None:
        found = nth_working_day(calendar, first, last, n)
        if found is not None or self.overflow == "skip":
            return found
        if self.overflow == "next":
            return add_working_days(calendar, first - ONE, n)
        return nth_working_day(calendar, first, last, -1 if n > 0 else 1)

    def instant(
        self, period: Period, zone: ZoneInfo, calendar: Calendar = WEEKDAYS_ALONE
    ) -> dt.datetime | None:
        """The moment in a zone, see `instant_of`; None where the period has no such day, see `date`."""
        day = self.date(period, calendar)
        return None if day is None else instant_of(day, self.time, zone)


def instant_of(day: dt.date, time: dt.time, zone: ZoneInfo) -> dt.datetime:
    """The moment at which the clock of a zone shows a time of a day.

    A time that the clock skips is the first that it shows after the gap; one that it shows twice is the
    first of the two.

    >>> instant_of(dt.date(2021, 3, 28), dt.time(3, 15), ZoneInfo("Europe/Riga")).isoformat()
    '2021-03-28T04:00:00+03:00'
    """
    local = dt.datetime.combine(day, time)
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


@final
class Distance(BaseModel):
    """How far a day lies from another: in days, working days or months, one of them.

    Months keep the day of the month, or take the last one where there is none; always from the first day,
    never month by month, which would lose the 31st for good.

    >>> Distance(working_days=3).before(dt.date(2026, 11, 9))
    datetime.date(2026, 11, 4)
    >>> [str(Distance(months=n).after(dt.date(2025, 1, 31))) for n in (1, 2)]
    ['2025-02-28', '2025-03-31']
    """

    model_config = Frozen

    days: Annotated[int, Field(ge=0, le=36_600)] | None = None
    working_days: Annotated[int, Field(ge=0, le=10_000)] | None = None
    months: Annotated[int, Field(ge=0, le=1_200)] | None = None

    @pydantic.model_validator(mode="after")
    def _one_of_them(self) -> Distance:
        if sum(each is not None for each in (self.days, self.working_days, self.months)) != 1:
            raise ValueError("a distance is in one unit: write days: 3, working_days: 3 or months: 3")
        return self

    def after(self, day: dt.date, calendar: Calendar = WEEKDAYS_ALONE) -> dt.date:
        """The day so far after a day. Raises CalendarCoverageError (W101)."""
        return self._away(day, 1, calendar)

    def before(self, day: dt.date, calendar: Calendar = WEEKDAYS_ALONE) -> dt.date:
        """The day so far before a day. Raises CalendarCoverageError (W101)."""
        return self._away(day, -1, calendar)

    def _away(self, day: dt.date, side: int, calendar: Calendar) -> dt.date:
        if self.working_days is not None:
            return add_working_days(calendar, day, side * self.working_days)
        day = dt.date(day.year, day.month, day.day)  # of a timestamp, its day
        if self.months is None:
            return day + ONE * (side * (self.days or 0))
        year, month = divmod(day.year * 12 + day.month - 1 + side * self.months, 12)
        return dt.date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
