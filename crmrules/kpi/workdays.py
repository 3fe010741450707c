"""Counting and moving by working days: one day at a time, or whole columns of periods."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Literal

from crmrules.kpi.calendar import Calendar, plain, require_covered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Sides = Literal["both", "first", "last", "neither"]
"""Which of the two days themselves count, from one day to another."""

Shift = Literal["none", "preceding", "following", "modified_following", "modified_preceding"]
"""Where a day goes that is no working day; `modified` stays within the month."""

ONE = dt.timedelta(days=1)


def working_days(calendar: Calendar, first: dt.date, last: dt.date) -> int:
    """How many working days there are from the first to the last day, both of which count.

    None if the last is before the first. Raises CalendarCoverageError (W101).

    >>> from crmrules.kpi.calendar import Weekdays
    >>> working_days(Weekdays(), dt.date(2026, 11, 1), dt.date(2026, 11, 30))
    21
    """
    first, last = plain(first), plain(last)
    require_covered(calendar, first, last)
    return sum(calendar.is_working_day(first + ONE * n) for n in range((last - first).days + 1))


def days_between(
    start: dt.date, end: dt.date, *, calendar: Calendar | None = None, sides: Sides = "last"
) -> int:
    """How many days lie between two days: working days of a calendar, or all days without one.

    sides: which of the two days count themselves. With `last`, the default, it is how many steps of a day
    lead from the start to the end, as `end - start`. Negative where the end is before the start.

    Raises CalendarCoverageError (W101).

    >>> monday, friday = dt.date(2026, 11, 2), dt.date(2026, 11, 6)
    >>> days_between(monday, friday), days_between(monday, friday, sides="both")
    (4, 5)
    """
    start, end = plain(start), plain(end)
    if end < start:
        mirrored: dict[Sides, Sides] = {"first": "last", "last": "first"}
        return -days_between(end, start, calendar=calendar, sides=mirrored.get(sides, sides))
    first = start if sides in ("both", "first") else start.toordinal() + 1
    last = end if sides in ("both", "last") else end.toordinal() - 1
    first, last = (each if isinstance(each, int) else each.toordinal() for each in (first, last))
    if calendar is None:
        return max(last - first + 1, 0)
    if last < first:
        return 0
    return working_days(calendar, dt.date.fromordinal(first), dt.date.fromordinal(last))


def shift(calendar: Calendar, day: dt.date, how: Shift) -> dt.date:
    """The day itself if it is a working day, else the working day before (`preceding`) or after it.

    `modified_following` is the one after it, unless that lies in another month: then the one before it;
    `modified_preceding` the other way round. `none` leaves every day where it is.

    Source: business day conventions of the 2006 ISDA Definitions, section 4.12. Raises
    CalendarCoverageError (W101).

    >>> from crmrules.kpi.calendar import Weekdays
    >>> shift(Weekdays(), dt.date(2026, 10, 31), "modified_following")
    datetime.date(2026, 10, 30)
    """
    day = plain(day)
    match how:
        case "none":
            return day
        case "preceding":
            return _working_day_from(calendar, day, -ONE)
        case "following":
            return _working_day_from(calendar, day, ONE)
        case "modified_following":
            step = ONE
        case "modified_preceding":
            step = -ONE
    found = _working_day_from(calendar, day, step)
    same_month = (found.year, found.month) == (day.year, day.month)
    return found if same_month else _working_day_from(calendar, day, -step)


def add_working_days(calendar: Calendar, day: dt.date, days: int) -> dt.date:
    """The n-th working day after a day, or before it where the number is negative; 0 is the day itself.

    Raises CalendarCoverageError (W101).

    >>> from crmrules.kpi.calendar import Weekdays
    >>> add_working_days(Weekdays(), dt.date(2026, 11, 6), 2)
    datetime.date(2026, 11, 10)
    """
    day = plain(day)
    step = ONE if days > 0 else -ONE
    for _ in range(abs(days)):
        day = _working_day_from(calendar, _next(calendar, day, step), step)
    return day


def nth_working_day(calendar: Calendar, first: dt.date, last: dt.date, n: int) -> dt.date | None:
    """The n-th working day from the first to the last day, from 1, or from the end: -1 is the last one.

    None if there are not so many. Raises CalendarCoverageError (W101), ValueError for 0.

    >>> from crmrules.kpi.calendar import Weekdays
    >>> nth_working_day(Weekdays(), dt.date(2026, 11, 1), dt.date(2026, 11, 30), -1)
    datetime.date(2026, 11, 30)
    """
    if n == 0:
        raise ValueError("working days count from 1, or from -1 at the end")
    first, last = plain(first), plain(last)
    require_covered(calendar, first, last)
    start, step = (first, ONE) if n > 0 else (last, -ONE)
    left = abs(n)
    for number in range((last - first).days + 1):
        day = start + step * number
        left -= calendar.is_working_day(day)
        if not left:
            return day
    return None


def counts(calendar: Calendar | None, first: Any, last: Any) -> NDArray[np.float64]:
    """How many days there are from each first to each last day, both of which count.

    calendar: only its working days; all days without one. first, last: columns of days (dates or
    datetime64), which are broadcast; where one is missing (None, NaT), so is the count (NaN). 0 where the
    last is before the first.

    Each day of the whole stretch is asked for once, however many rows there are. Raises
    CalendarCoverageError (W101).

    >>> from crmrules.kpi.calendar import Weekdays
    >>> counts(Weekdays(), ["2026-11-01", "2026-12-01"], ["2026-11-30", "2026-12-31"]).tolist()
    [21.0, 23.0]
    """
    import numpy as np

    firsts, lasts = np.broadcast_arrays(day_numbers(first), day_numbers(last))
    unknown = np.isnan(firsts) | np.isnan(lasts)
    there = ~unknown & (firsts <= lasts)
    if calendar is None or not there.any():
        days = np.where(there, lasts - firsts + 1, 0.0)
    else:
        days = np.zeros(firsts.shape)
        days[there] = _counted(calendar, firsts[there], lasts[there])
    return np.where(unknown, np.nan, days)


def overlap(calendar: Calendar | None, first: Any, last: Any, of: tuple[Any, Any]) -> NDArray[np.float64]:
    """How many days spans have in common with others; the days count as in `counts`.

    of: the first and last days of the others. Raises CalendarCoverageError (W101).

    >>> overlap(None, "2017-02-01", "2017-02-21", of=("2017-02-10", "2017-02-28")).tolist()
    12.0
    """
    import numpy as np

    firsts = np.maximum(day_numbers(first), day_numbers(of[0]))
    lasts = np.minimum(day_numbers(last), day_numbers(of[1]))
    return counts(calendar, firsts, lasts)


def share_of(calendar: Calendar | None, first: Any, last: Any, of: tuple[Any, Any]) -> NDArray[np.float64]:
    """Which share of periods lies within spans: what a target of the period comes to there.

    first, last: of the spans; of: the first and last days of the periods; all of them count. In working
    days of the calendar, or all days without one. A period in which nobody works has no shares (NaN).

    share = days in common / days of the period. Raises CalendarCoverageError (W101).

    >>> share_of(None, "2017-02-01", "2017-02-21", of=("2017-02-01", "2017-02-28")).tolist()
    0.75
    """
    import numpy as np

    common = overlap(calendar, first, last, of)
    days = counts(calendar, *of)
    return common / np.where(days > 0, days, np.nan)


def _counted(
    calendar: Calendar, firsts: NDArray[np.float64], lasts: NDArray[np.float64]
) -> NDArray[np.float64]:
    import numpy as np

    start, end = day_of_number(firsts.min()), day_of_number(lasts.max())
    require_covered(calendar, start, end)
    working = [calendar.is_working_day(start + ONE * n) for n in range((end - start).days + 1)]
    before = np.concatenate([[0.0], np.cumsum(working, dtype=np.float64)])
    base = firsts.min()
    found: NDArray[np.float64] = before[(lasts - base + 1).astype(int)] - before[(firsts - base).astype(int)]
    return found


def day_numbers(days: Any) -> NDArray[np.float64]:
    """Days since 1970 of a column of days; NaN for what is missing.

    A timestamp counts as its day; what is such a number already stays.
    """
    import numpy as np

    if isinstance(days, dt.date):
        days = plain(days)
    elif isinstance(days, list | tuple):
        days = [plain(day) if isinstance(day, dt.date) else day for day in days]
    column = np.asarray(days)
    if column.dtype == np.float64:
        return column
    column = column.astype("datetime64[D]")
    return np.where(np.isnat(column), np.nan, column.astype(np.int64).astype(np.float64))


def day_of_number(number: float) -> dt.date:
    """The day that is so many days after 1970-01-01."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(number))


def _working_day_from(calendar: Calendar, day: dt.date, step: dt.timedelta) -> dt.date:
    """The day, or the first working day in that direction."""
    require_covered(calendar, day, day)
    while not calendar.is_working_day(day):
        day = _next(calendar, day, step)
    return day


def _next(calendar: Calendar, day: dt.date, step: dt.timedelta) -> dt.date:
    """The neighbouring day, which the calendar has to know."""
    if day == (dt.date.max if step > dt.timedelta() else dt.date.min):
        require_covered(calendar, dt.date.min, dt.date.max)
        raise OverflowError("there is no working day left in the calendar")
    day += step
    require_covered(calendar, day, day)
    return day
