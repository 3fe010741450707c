"""Functions of dates. A timestamp counts with its day.

In columns a date is its number of days since 1970, and most of this is arithmetic on whole numbers, since
engines have few functions of dates in common.
"""

from __future__ import annotations

import calendar
import datetime as dt
from typing import TYPE_CHECKING

from crmrules.expr.signature import MOMENTS, NUMBERS, Function, one_of

if TYPE_CHECKING:
    import narwhals as nw

SPANS = ("day", "week", "month", "quarter", "year")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_FIRST_DAY, _LAST_DAY = -719_162.0, 2_932_896.0
"""1 January 1 and 31 December 9999 in days since 1970, the first and the last date there is."""


def _days_of_months(months: nw.Expr) -> nw.Expr:
    """The first day of a month that is counted from January of year 0.

    Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    """
    from crmrules.frames import floored

    since_march = months - 2.0
    year = floored(since_march, 12.0)
    before = floored((since_march - year * 12.0) * 153.0 + 2.0, 5.0)
    leaps = floored(year, 4.0) - floored(year, 100.0) + floored(year, 400.0)
    return year * 365.0 + leaps + before - 719_468.0


def _part(days: nw.Expr, name: str) -> nw.Expr:
    """The year, month or day, by the engine's own calendar: eager engines compute a part of a formula again
    at each use, and civil_from_days uses its parts too often."""
    import narwhals as nw

    from crmrules.frames import MICROSECONDS_A_DAY

    known = days.fill_null(0.0).cast(nw.Int64) * MICROSECONDS_A_DAY
    part = getattr(known.cast(nw.Datetime("us")).dt, name)().cast(nw.Float64)
    return nw.when(~days.is_null()).then(part)


def _months(days: nw.Expr) -> nw.Expr:
    return _year_column(days) * 12.0 + _month_column(days) - 1.0


def _year_column(days: nw.Expr) -> nw.Expr:
    return _part(days, "year")


def _month_column(days: nw.Expr) -> nw.Expr:
    return _part(days, "month")


def _quarter_column(days: nw.Expr) -> nw.Expr:
    from crmrules.frames import floored

    return floored(_month_column(days) - 1.0, 3.0) + 1.0


def _day_column(days: nw.Expr) -> nw.Expr:
    return _part(days, "day")


def _weekday_column(days: nw.Expr) -> nw.Expr:
    from crmrules.frames import floored

    # 1 January 1970 was a Thursday.
    since_monday = days + 3.0
    return since_monday - floored(since_monday, 7.0) * 7.0 + 1.0


def _plain(moment: dt.date) -> dt.date:
    return dt.date(moment.year, moment.month, moment.day)


def _start_of(moment: dt.date, span: str) -> dt.date:
    if span == "day":
        return _plain(moment)
    if span == "week":
        return dt.date.fromordinal(moment.toordinal() - moment.weekday())
    length = _MONTHS[span]
    return dt.date(moment.year, (moment.month - 1) // length * length + 1, 1)


def _end_of(moment: dt.date, span: str) -> dt.date | None:
    if span == "day":
        return _plain(moment)
    if span == "week":
        last = moment.toordinal() - moment.weekday() + 6
        return dt.date.fromordinal(last) if last <= dt.date.max.toordinal() else None
    length = _MONTHS[span]
    month = (moment.month - 1) // length * length + length
    return dt.date(moment.year, month, calendar.monthrange(moment.year, month)[1])


def _start_column(days: nw.Expr, span: str) -> nw.Expr:
    from crmrules.frames import floored

    if span == "day":
        return days
    if span == "week":
        return days - _weekday_column(days) + 1.0
    length = float(_MONTHS[span])
    return _days_of_months(floored(_months(days), length) * length)


def _end_column(days: nw.Expr, span: str) -> nw.Expr:
    import narwhals as nw

    from crmrules.frames import floored

    if span == "day":
        return days
    if span == "week":
        last = days - _weekday_column(days) + 7.0
        return nw.when(last <= _LAST_DAY).then(last)
    length = float(_MONTHS[span])
    return _days_of_months(floored(_months(days), length) * length + length) - 1.0


def _months_between(start: dt.date, end: dt.date) -> float:
    if end.toordinal() < start.toordinal():
        return 0.0 - _months_between(end, start)
    whole = (end.year - start.year) * 12 + end.month - start.month
    last = calendar.monthrange(end.year, end.month)[1]
    return float(whole - (end.day < min(start.day, last)))


def _months_between_column(start: nw.Expr, end: nw.Expr) -> nw.Expr:
    import narwhals as nw

    forth, back = _months_forth(start, end), -_months_forth(end, start)
    return nw.when(end >= start).then(forth).otherwise(nw.when(end < start).then(back))


def _months_forth(start: nw.Expr, end: nw.Expr) -> nw.Expr:
    import narwhals as nw

    whole = _months(end) - _months(start)
    short = (_day_column(end) < _day_column(start)) & (_day_column(end + 1.0) > 1.0)
    return nw.when(short).then(whole - 1.0).otherwise(whole)


def _add_days(moment: dt.date, days: float) -> dt.date | None:
    if not days.is_integer():
        return None
    ordinal = moment.toordinal() + int(days)
    return dt.date.fromordinal(ordinal) if 1 <= ordinal <= dt.date.max.toordinal() else None


def _add_days_column(moment: nw.Expr, days: nw.Expr) -> nw.Expr:
    import narwhals as nw

    later = moment + days
    within = (days.floor() == days) & (later >= _FIRST_DAY) & (later <= _LAST_DAY)
    return nw.when(within).then(later)


def _date(year: float, month: float, day: float) -> dt.date | None:
    if not (year.is_integer() and month.is_integer() and day.is_integer()):
        return None
    try:
        return dt.date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None


def _date_column(year: nw.Expr, month: nw.Expr, day: nw.Expr) -> nw.Expr:
    import narwhals as nw

    whole = (year.floor() == year) & (month.floor() == month) & (day.floor() == day)
    within = (year >= 1.0) & (year <= 9999.0) & (month >= 1.0) & (month <= 12.0) & (day >= 1.0)
    months = nw.when(whole & within).then(year * 12.0 + month - 1.0)
    days = _days_of_months(months) + day - 1.0
    return nw.when(days < _days_of_months(months + 1.0)).then(days)


ROWS = (
    Function(
        "days",
        (frozenset({"duration"}),),
        "number",
        lambda x: x,
        lambda x: x,
        "The number of days from one date to another.",
        "days(date('2026-03-01') - date('2026-02-01'))",
    ),
    Function(
        "months_between",
        (MOMENTS, MOMENTS),
        "number",
        _months_between,
        _months_between_column,
        "Whole months from the first date to the second; the 31st is reached on a shorter month's last day.",
        "months_between(date('2026-01-31'), date('2026-02-28'))",
        required=2,
        whole_days=True,
        cost=60,
        in_sql=False,
    ),
    Function(
        "add_days",
        (MOMENTS, NUMBERS),
        "date",
        _add_days,
        _add_days_column,
        "The date so many whole days later, or earlier; missing for part of a day and beyond the calendar.",
        "add_days(date('2026-01-31'), 10)",
        required=2,
        partial=True,
        whole_days=True,
        cost=4,
    ),
    Function(
        "year",
        (MOMENTS,),
        "number",
        lambda x: float(x.year),
        _year_column,
        "The year.",
        "year(date('2026-11-23'))",
        whole_days=True,
        cost=8,
        in_sql=False,
    ),
    Function(
        "quarter",
        (MOMENTS,),
        "number",
        lambda x: float((x.month + 2) // 3),
        _quarter_column,
        "The quarter of the calendar year, 1 to 4.",
        "quarter(date('2026-11-23'))",
        whole_days=True,
        cost=14,
        in_sql=False,
    ),
    Function(
        "month",
        (MOMENTS,),
        "number",
        lambda x: float(x.month),
        _month_column,
        "The month, 1 to 12.",
        "month(date('2026-11-23'))",
        whole_days=True,
        cost=12,
        in_sql=False,
    ),
    Function(
        "day",
        (MOMENTS,),
        "number",
        lambda x: float(x.day),
        _day_column,
        "The day of the month, 1 to 31.",
        "day(date('2026-11-23'))",
        whole_days=True,
        cost=14,
        in_sql=False,
    ),
    Function(
        "weekday",
        (MOMENTS,),
        "number",
        lambda x: float(x.isoweekday()),
        _weekday_column,
        "The day of the week: 1 for Monday to 7 for Sunday.",
        "weekday(date('2026-11-23'))",
        whole_days=True,
        cost=4,
    ),
    Function(
        "start_of",
        (MOMENTS, frozenset({"text"})),
        "date",
        _start_of,
        _start_column,
        "The first day of the day, week (from Monday), month, quarter or year.",
        "start_of(date('2026-11-23'), 'quarter')",
        required=2,
        constants_from=1,
        constants=one_of(SPANS),
        whole_days=True,
        cost=14,
        in_sql=False,
    ),
    Function(
        "end_of",
        (MOMENTS, frozenset({"text"})),
        "date",
        _end_of,
        _end_column,
        "The last day of the day, week (to Sunday), month, quarter or year.",
        "end_of(date('2026-11-23'), 'quarter')",
        required=2,
        constants_from=1,
        constants=one_of(SPANS),
        partial=True,
        whole_days=True,
        cost=14,
        in_sql=False,
    ),
    Function(
        "date",
        (NUMBERS, NUMBERS, NUMBERS),
        "date",
        _date,
        _date_column,
        "The date of a year, month and day; missing if there is none. Or a constant: date('2026-01-31').",
        "date(2026, 1, 31)",
        required=3,
        partial=True,
        cost=16,
    ),
)
