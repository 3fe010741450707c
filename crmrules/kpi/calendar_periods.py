"""Periods of the calendar: days, ISO weeks, semi-months, months and what is made of months.

The year may start in any month. Keys sort as the periods do.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Literal, final

import pydantic
from pydantic import Field

from crmrules.errors import CrmRulesError, shown
from crmrules.kpi.period import EPOCH, Period, Periods, Unit

if TYPE_CHECKING:
    import numpy as np
    from narwhals import Expr
    from numpy.typing import NDArray

YearNamed = Literal["starts", "ends"]
"""Which of the two calendar years, that a fiscal year touches, it is called by."""

MONTHS: Mapping[str, int] = {"month": 1, "quarter": 3, "half": 6, "year": 12}

_KEYS: Mapping[str, str] = {
    "day": r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<number>\d\d)",
    "week": r"(?P<year>\d{4})-W(?P<number>\d\d)",
    "semi_month": r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<number>[AB])",
    "month": r"(?P<year>\d{4})-(?P<number>0[1-9]|1[0-2])",
    "quarter": r"(?P<year>\d{4})-Q(?P<number>[1-4])",
    "half": r"(?P<year>\d{4})-H(?P<number>[12])",
    "year": r"(?P<year>\d{4})",
}
FISCAL_KEYS: Mapping[str, str] = {
    "week": r"FY(?P<year>\d{4})-W(?P<number>\d\d)",
    "month": r"FY(?P<year>\d{4})-P(?P<number>0[1-9]|1[0-2])",
    "quarter": r"FY(?P<year>\d{4})-Q(?P<number>[1-4])",
    "half": r"FY(?P<year>\d{4})-H(?P<number>[12])",
    "year": r"FY(?P<year>\d{4})",
}
FISCAL_FORMS: Mapping[str, str] = {
    "week": "FY{:04d}-W{:02d}",
    "month": "FY{:04d}-P{:02d}",
    "quarter": "FY{:04d}-Q{}",
    "half": "FY{:04d}-H{}",
    "year": "FY{:04d}",
}
_EXAMPLES: Mapping[str, str] = {
    "day": "2026-11-03",
    "week": "2026-W45",
    "semi_month": "2026-11-A (to the 15th) or 2026-11-B",
    "month": "2026-11",
    "quarter": "2026-Q4",
    "half": "2026-H2",
    "year": "2026",
}


@final
class CalendarPeriods(Periods):
    """Days, ISO weeks, semi-months (to the 15th, and the rest), months, quarters, halves or years.

    year_starts: the month in which the year starts, for quarters, halves and years, and for what is summed
    up since then. year_named: by which calendar year a fiscal year is called, where it touches two: the one
    in which it `starts` or `ends`. With it the keys are `FY2026`, `FY2026-H1`, `FY2026-Q1`, `FY2026-P01`;
    days, semi-months, and months without it, keep the keys of the calendar.

    >>> fiscal = CalendarPeriods(unit="quarter", year_starts=4, year_named="ends")
    >>> str(fiscal.of(dt.date(2026, 5, 1))), fiscal.parse("FY2027-Q1").start
    ('FY2027-Q1', datetime.date(2026, 4, 1))
    """

    unit: Unit = "month"
    year_starts: Annotated[int, Field(ge=1, le=12)] = 1
    year_named: YearNamed | None = None

    @pydantic.model_validator(mode="after")
    def _fiscal(self) -> CalendarPeriods:
        if self.unit == "week" and (self.year_starts != 1 or self.year_named):
            raise ValueError(
                "ISO weeks go by the year of ISO: leave `year_starts` and `year_named` out, "
                "or write weeks: 4-4-5 for weeks of a fiscal year"
            )
        if self.unit in ("day", "semi_month") and self.year_named:
            raise ValueError(f"the keys of a {self.name} are those of the calendar: leave `year_named` out")
        if self.unit in ("quarter", "half", "year") and self.year_starts != 1 and not self.year_named:
            raise ValueError(
                "a fiscal year that starts in one calendar year and ends in the next is called by one of "
                "them: write year_named: ends, or year_named: starts"
            )
        return self

    @property
    def name(self) -> str:
        """Such as `month` or `fiscal quarter`."""
        plain = self.unit.replace("_", "-")
        return f"fiscal {plain}" if self.year_named else plain

    @property
    def example(self) -> str:
        if self.year_named:
            return f"write it as {FISCAL_FORMS[self.unit].format(2026, 2)}"
        return f"write it as {_EXAMPLES[self.unit]}"

    @property
    def months(self) -> int:
        return MONTHS.get(self.unit, 0)

    @property
    def most(self) -> int:
        return {"day": 3_660, "week": 2_610, "semi_month": 1_200}.get(self.unit, 600)

    @property
    def needs_days(self) -> bool:
        return self.unit not in MONTHS

    @cached_property
    def _a_year(self) -> int:
        """How many periods a year has, where it is always as many."""
        return 24 if self.unit == "semi_month" else 12 // self.months

    @cached_property
    def _key(self) -> re.Pattern[str]:
        return re.compile((FISCAL_KEYS if self.year_named else _KEYS)[self.unit] + r"\Z", re.ASCII)

    @cached_property
    def _ahead(self) -> int:
        """How much later a year is called than the calendar year in which it starts."""
        return 1 if self.year_named == "ends" and self.year_starts > 1 else 0

    def index_of(self, day: dt.date) -> int:
        if self.unit == "day":
            return day.toordinal() - EPOCH
        if self.unit == "week":
            return (day.toordinal() - EPOCH + 3) // 7
        month = day.year * 12 + day.month - self.year_starts
        return month * 2 + (day.day > 15) if self.unit == "semi_month" else month // self.months

    def of_columns(self, days: Expr, months: Expr) -> Expr | None:
        from crmrules import frames

        match self.unit:
            case "day":
                return days
            case "week":
                return frames.floored(days + 3.0, 7.0)
            case "semi_month":
                return None
        months = months if self.year_starts == 1 else months - float(self.year_starts - 1)
        return months if self.months == 1 else frames.floored(months, float(self.months))

    def indexes(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        if self.unit == "day":
            return days
        if self.unit == "week":
            return np.floor((days + 3.0) / 7.0)
        unknown = np.isnan(days)
        day = np.where(unknown, 0.0, days).astype(np.int64).astype("datetime64[D]")
        start = day.astype("datetime64[M]")
        month = start.astype(np.int64) + 1970 * 12 - (self.year_starts - 1)
        if self.unit == "semi_month":
            found = month * 2 + ((day - start.astype("datetime64[D]")).astype(np.int64) >= 15)
        else:
            found = month // self.months
        return np.where(unknown, np.nan, found.astype(np.float64))

    def days_of(self, index: int) -> tuple[int, int]:
        if self.unit == "day":
            return index, index
        if self.unit == "week":
            return index * 7 - 3, index * 7 + 3
        if self.unit == "semi_month":
            month = index // 2 + self.year_starts - 1
            start = _first_of(month)
            return (start + 15, _first_of(month + 1) - 1) if index % 2 else (start, start + 14)
        month = index * self.months + self.year_starts - 1
        return _first_of(month), _first_of(month + self.months) - 1

    def key_of(self, index: int) -> str:
        if self.unit in ("day", "week"):
            day = _day(self.days_of(index)[0])
            return "{:04d}-W{:02d}".format(*day.isocalendar()) if self.unit == "week" else day.isoformat()
        year, number = divmod(index, self._a_year)
        if self.year_named:
            return FISCAL_FORMS[self.unit].format(year + self._ahead, number + 1)
        if self.unit == "semi_month":
            year, month = divmod(index // 2 + self.year_starts - 1, 12)
            return f"{year:04d}-{month + 1:02d}-{'AB'[index % 2]}"
        if self.unit == "month":
            year, month = divmod(index + self.year_starts - 1, 12)
            return f"{year:04d}-{month + 1:02d}"
        return (
            f"{year:04d}"
            + {"quarter": "-Q", "half": "-H", "year": ""}[self.unit]
            + ("" if self.unit == "year" else str(number + 1))
        )

    def index_of_key(self, key: str) -> int | None:
        found = self._key.match(key)
        if not found:
            return None
        part = found.groupdict()
        year = int(part["year"])
        try:
            if self.unit == "week":
                return self.index_of(dt.date.fromisocalendar(year, int(part["number"]), 1))
            if self.unit == "day":
                return self.index_of(dt.date(year, int(part["month"]), int(part["number"])))
            if self.unit == "semi_month":
                return self.index_of(dt.date(year, int(part["month"]), 1 if part["number"] == "A" else 16))
            if self.unit == "month" and not self.year_named:
                return self.index_of(dt.date(year, int(part["number"]), 1))
        except ValueError:
            return None
        index = (year - self._ahead) * self._a_year + int(part.get("number") or 1) - 1
        return index if self.at(index) else None

    def year_of(self, index: int) -> str:
        if self.unit == "week":
            return f"{_day(self.days_of(index)[0]).isocalendar().year:04d}"
        year = self._year(index) + self._ahead
        return f"FY{year:04d}" if self.year_named else f"{year:04d}"

    def _year(self, index: int) -> int:
        """The calendar year in which the year of a period starts."""
        if self.unit != "day":
            return index // self._a_year
        day = _day(index)
        return day.year - (day.month < self.year_starts)

    def first_of_year(self, index: int) -> int:
        if self.unit == "week":
            year = _day(self.days_of(index)[0]).isocalendar().year
            return self.index_of(dt.date.fromisocalendar(year, 1, 1))
        if self.unit == "day":
            return _first_of(self._year(index) * 12 + self.year_starts - 1)
        return index - index % self._a_year

    def a_year_before(self, index: int) -> int | None:
        if self.unit not in ("day", "week"):
            return index - self._a_year
        day = _day(self.days_of(index)[0])
        try:
            if self.unit == "day":
                return self.index_of(day.replace(year=day.year - 1))
            year, week, _ = day.isocalendar()
            return self.index_of(dt.date.fromisocalendar(year - 1, week, 1))
        except ValueError:
            return None

    def by(self, unit: Unit) -> CalendarPeriods:
        if unit == "week":
            return calendar("week")
        named = None if unit in ("day", "semi_month") else self.year_named
        if unit in ("quarter", "half", "year") and self.year_starts != 1 and named is None:
            named = "ends"
        return CalendarPeriods(unit=unit, year_starts=self.year_starts, year_named=named)


@cache
def calendar(unit: Unit) -> CalendarPeriods:
    """The periods of a unit by the calendar year."""
    return CalendarPeriods(unit=unit)


def parse(key: str) -> Period:
    """The period of the calendar that a key names, whatever its unit; see `Period.parse`."""
    for unit in _KEYS:
        periods = calendar(unit)
        index = periods.index_of_key(key)
        if index is not None:
            return Period(periods, index)
    forms = ", ".join(f"a {unit.replace('_', '-')} as {form}" for unit, form in _EXAMPLES.items())
    raise CrmRulesError("P101", f"{shown(key)} is not a period", hint=f"write {forms}")


def _day(since: int) -> dt.date:
    return dt.date.fromordinal(since + EPOCH)


def _first_of(month: int) -> int:
    """The first day of a month, both since 1970 and year 0; 400 years have always as many days."""
    eras, within = divmod(month, 4800)
    day = dt.date(within // 12 + 400, within % 12 + 1, 1)
    return day.toordinal() - EPOCH + (eras - 1) * 146_097
