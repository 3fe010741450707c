"""Periods: bounded spans of days with a key that sorts, such as `2026-11`, `2026-Q4`, `2026`."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Literal, final

from crmrules.errors import CrmRulesError, shown

Unit = Literal["month", "quarter", "year"]
MONTHS: dict[Unit, int] = {"month": 1, "quarter": 3, "year": 12}

_KEY = re.compile(r"(?P<year>\d{4})(?:-(?:Q(?P<quarter>[1-4])|(?P<month>0[1-9]|1[0-2])))?\Z", re.ASCII)


@final
@total_ordering
@dataclass(frozen=True, slots=True)
class Period:
    """A month, quarter or year of the calendar.

    `index` counts the units since year 0, so that neighbours differ by one and gaps can be seen.

    >>> quarter = Period.parse("2026-Q4")
    >>> quarter.start, quarter.end
    (datetime.date(2026, 10, 1), datetime.date(2026, 12, 31))
    >>> str(quarter.following)
    '2027-Q1'
    """

    unit: Unit
    index: int

    @classmethod
    def parse(cls, key: str) -> Period:
        """The period that a key names.

        Raises CrmRulesError (P101) for anything but `2026`, `2026-Q4` or `2026-11`.
        """
        found = _KEY.match(key)
        if not found or found["year"] == "0000":
            raise CrmRulesError(
                "P101",
                f"{shown(key)} is not a period",
                hint="write a month as 2026-11, a quarter as 2026-Q4, a year as 2026",
            )
        year = int(found["year"])
        if found["quarter"]:
            return cls("quarter", year * 4 + int(found["quarter"]) - 1)
        if found["month"]:
            return cls("month", year * 12 + int(found["month"]) - 1)
        return cls("year", year)

    @classmethod
    def of(cls, day: dt.date, unit: Unit) -> Period:
        """The period of that unit in which the day lies."""
        return cls.of_month(day.year * 12 + day.month - 1, unit)

    @classmethod
    def of_month(cls, month: int, unit: Unit) -> Period:
        """The period of that unit in which a month lies; months count from January of year 0."""
        return cls(unit, month // MONTHS[unit])

    @property
    def start(self) -> dt.date:
        """The first day."""
        year, month = divmod(self.index * MONTHS[self.unit], 12)
        return dt.date(year, month + 1, 1)

    @property
    def end(self) -> dt.date:
        """The last day."""
        if self.following.index * MONTHS[self.unit] >= 120_000:
            return dt.date.max
        return self.following.start - dt.timedelta(days=1)

    @property
    def following(self) -> Period:
        """The next period of the same unit."""
        return Period(self.unit, self.index + 1)

    @property
    def year(self) -> int:
        """The year in which the period lies."""
        return self.index * MONTHS[self.unit] // 12

    @property
    def same_last_year(self) -> Period | None:
        """The same period one year before."""
        return Period(self.unit, self.index - 12 // MONTHS[self.unit])

    def month(self, number: int) -> Period:
        """The n-th month of the period, from 1."""
        return Period("month", self.index * MONTHS[self.unit] + number - 1)

    def __contains__(self, day: dt.date) -> bool:
        return self.start <= day <= self.end

    def __lt__(self, other: Period) -> bool:
        return (self.start, self.unit) < (other.start, other.unit)

    def __str__(self) -> str:
        if self.unit == "year":
            return f"{self.index:04d}"
        if self.unit == "quarter":
            return f"{self.index // 4:04d}-Q{self.index % 4 + 1}"
        return f"{self.index // 12:04d}-{self.index % 12 + 1:02d}"


def between(first: Period, last: Period) -> list[Period]:
    """All periods from the first to the last, both included."""
    return [Period(first.unit, index) for index in range(first.index, last.index + 1)]
