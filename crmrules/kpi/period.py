"""Periods: bounded spans of days with a key that sorts, such as `2026-11`, `FY2026-Q4`, `2026-W05`.

A `Period` is a value: the n-th of its `Periods`. What these are, months or weeks or a table, is in
`calendar_periods`, `week_periods` and `period_table`; `period_kinds` reads them from a declaration.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from dataclasses import dataclass
from functools import total_ordering
from typing import TYPE_CHECKING, Literal, final

from pydantic import BaseModel

from crmrules.errors import CrmRulesError, shown
from crmrules.fields import Frozen

if TYPE_CHECKING:
    import numpy as np
    from narwhals import Expr
    from numpy.typing import NDArray

Unit = Literal["day", "week", "semi_month", "month", "quarter", "half", "year"]

EPOCH = dt.date(1970, 1, 1).toordinal()
FIRST, LAST = dt.date.min.toordinal() - EPOCH, dt.date.max.toordinal() - EPOCH


class Periods(BaseModel):
    """A way to cut time into periods, numbered so that neighbours differ by one and gaps can be seen.

    Every day lies in one period, or for a table in one or none.
    """

    model_config = Frozen

    @property
    @abstractmethod
    def name(self) -> str:
        """What one of them is called, such as `fiscal quarter`."""

    @property
    @abstractmethod
    def example(self) -> str:
        """How a key looks, for errors."""

    @property
    def months(self) -> int:
        """How many months a period has, 0 where it is not made of months."""
        return 0

    @property
    def most(self) -> int:
        """How many a card has at most, ten years of days or 50 of others; beyond, a date is mistyped."""
        return 600

    @property
    def needs_days(self) -> bool:
        """Whether a period is told from the day, for which the month is not enough."""
        return True

    @abstractmethod
    def index_of(self, day: dt.date) -> int | None:
        """The number of the period in which a day lies, None in a gap."""

    @abstractmethod
    def indexes(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for days since 1970 (NaN stays NaN); half a number more than that of the period before
        for a day in a gap."""

    def of_columns(self, days: Expr, months: Expr) -> Expr | None:
        """The same by arithmetic on columns, days since 1970 or months since January of year 0; None where
        there is no arithmetic."""
        return None

    @abstractmethod
    def days_of(self, index: int) -> tuple[int, int]:
        """First and last day of a period, in days since 1970."""

    @abstractmethod
    def key_of(self, index: int) -> str:
        """The key of a period."""

    @abstractmethod
    def index_of_key(self, key: str) -> int | None:
        """The number of the period that a key names, None if it names none."""

    @abstractmethod
    def year_of(self, index: int) -> str:
        """The name of the year to which a period belongs."""

    @abstractmethod
    def first_of_year(self, index: int) -> int:
        """The number of the first period of the same year."""

    @abstractmethod
    def a_year_before(self, index: int) -> int | None:
        """The number of the same period of the year before, None if there is none."""

    @abstractmethod
    def by(self, unit: Unit) -> Periods:
        """The periods of another unit that go by the same year."""

    @property
    def reach(self) -> tuple[int, int]:
        """The numbers of the first and the last period that there are."""
        first, last = self.index_of(dt.date.min), self.index_of(dt.date.max)
        assert first is not None
        assert last is not None
        return first, last

    def at(self, index: int) -> Period | None:
        """The period of a number, None beyond the first and last day of the calendar, or of the table."""
        first, last = self.reach
        return Period(self, index) if first <= index <= last else None

    def of(self, day: dt.date) -> Period:
        """The period in which a day lies. Raises CrmRulesError (P102) for a day in a gap of a table."""
        plain = day.date() if isinstance(day, dt.datetime) else day
        index = self.index_of(plain)
        if index is None:
            raise CrmRulesError("P102", f"{plain} lies in no period", hint=self.around(plain))
        return Period(self, index)

    def around(self, day: dt.date) -> str:
        """What to do about a day in a gap."""
        return f"add a period that holds {day}"

    def parse(self, key: str) -> Period:
        """The period that a key names. Raises CrmRulesError (P101) for any other key."""
        index = self.index_of_key(key)
        if index is None:
            raise CrmRulesError("P101", f"{shown(key)} is not a {self.name}", hint=self.example)
        return Period(self, index)

    def same(self, period: Period) -> Period | None:
        """The period of this kind that has the same days, None if there is none.

        So a month is a month, whether its year starts in January or in April.
        """
        if period.periods == self:
            return period
        index = self.index_of(period.start)
        found = None if index is None else Period(self, index)
        return found if found and (found.start, found.end) == (period.start, period.end) else None

    def relative(
        self, day: dt.date, offset: int, length: int = 1, *, year_to_date: bool = False
    ) -> tuple[dt.date, dt.date]:
        """First and last day of the `length` periods that begin `offset` periods after that of a day.

        year_to_date: from the first period of the last one's year on. Raises CrmRulesError (P102) beyond
        the calendar or the table.

        >>> from crmrules.kpi.calendar_periods import calendar
        >>> [*map(str, calendar("week").relative(dt.date(2016, 12, 30), 1, 2))]
        ['2017-01-02', '2017-01-15']
        """
        if length < 1:
            raise CrmRulesError("P102", f"{length} periods have no days", hint="write a length from 1 on")
        place = self.of(day).index + offset
        first, last = self.at(place), self.at(place + length - 1)
        if first is None or last is None:
            raise CrmRulesError(
                "P102", f"there are no {length} periods {offset} after {day}", hint="take a smaller offset"
            )
        return (last.year_to_date[0] if year_to_date else first).start, last.end


@final
@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """One of its `periods`, by its number.

    >>> quarter = Period.parse("2026-Q4")
    >>> quarter.start, quarter.end, quarter.days
    (datetime.date(2026, 10, 1), datetime.date(2026, 12, 31), 92)
    >>> str(quarter.following), str(quarter.same_last_year)
    ('2027-Q1', '2025-Q4')
    >>> [str(each) for each in quarter.parts("month")]
    ['2026-10', '2026-11', '2026-12']
    """

    periods: Periods
    index: int

    @classmethod
    def parse(cls, key: str) -> Period:
        """The period of the calendar that a key names; `Periods.parse` knows the keys of fiscal years.

        Raises CrmRulesError (P101) for anything but a day, week, semi-month, month, quarter, half or year.
        """
        from crmrules.kpi.calendar_periods import parse

        return parse(key)

    @classmethod
    def of(cls, day: dt.date, unit: Unit) -> Period:
        """The period of the calendar, of that unit, in which the day lies."""
        from crmrules.kpi.calendar_periods import calendar

        return calendar(unit).of(day)

    @property
    def unit(self) -> str:
        """What it is called: `month`, `fiscal quarter`."""
        return self.periods.name

    @property
    def start(self) -> dt.date:
        """The first day."""
        return dt.date.fromordinal(max(self.periods.days_of(self.index)[0], FIRST) + EPOCH)

    @property
    def end(self) -> dt.date:
        """The last day."""
        return dt.date.fromordinal(min(self.periods.days_of(self.index)[1], LAST) + EPOCH)

    @property
    def days(self) -> int:
        """How many days it has, both ends counted."""
        return (self.end - self.start).days + 1

    @property
    def following(self) -> Period | None:
        """The next period, None where the calendar or the table ends."""
        return self.periods.at(self.index + 1)

    @property
    def previous(self) -> Period | None:
        """The period before, None where the calendar or the table begins."""
        return self.periods.at(self.index - 1)

    @property
    def year(self) -> str:
        """The year it belongs to, such as `2026` or `FY2026`; an ISO week belongs to the year of its
        Thursday. Raises CrmRulesError (P104) for a table that tells no years."""
        return self.periods.year_of(self.index)

    @property
    def year_to_date(self) -> list[Period]:
        """The periods of its year, from the first up to itself. Raises CrmRulesError (P104), see `year`."""
        first = max(self.periods.first_of_year(self.index), self.periods.reach[0])
        return between(Period(self.periods, first), self)

    @property
    def same_last_year(self) -> Period | None:
        """The period in the same place of the year before; None where there is none, as for the 53rd week
        or the 29th of February. Raises CrmRulesError (P104), see `year`."""
        index = self.periods.a_year_before(self.index)
        return None if index is None else self.periods.at(index)

    def parts(self, into: Unit | Periods) -> list[Period]:
        """The shorter periods of which it is made, by their unit or of any kind.

        Raises CrmRulesError (P103) if they do not fit, as weeks do not fit into months.
        """
        periods = into if isinstance(into, Periods) else self.periods.by(into)
        first, last = periods.index_of(self.start), periods.index_of(self.end)
        if first is not None and last is not None:
            found = between(Period(periods, first), Period(periods, last))
            if (found[0].start, found[-1].end) == (self.start, self.end):
                return found
        raise CrmRulesError(
            "P103", f"{self} is not made of whole {periods.name}s", hint="take days, which always fit"
        )

    def month(self, number: int) -> Period:
        """The n-th month of the period, from 1. Raises CrmRulesError (P103) if it is not made of months."""
        return self.parts("month")[number - 1]

    def __contains__(self, day: dt.date) -> bool:
        return self.start <= day <= self.end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Period):
            return NotImplemented
        return self.index == other.index and (self.periods is other.periods or self.periods == other.periods)

    def __hash__(self) -> int:
        return hash(self.index)

    def __lt__(self, other: Period) -> bool:
        if self.periods is other.periods:
            return self.index < other.index
        return (self.start, self.end, self.unit) < (other.start, other.end, other.unit)

    def __str__(self) -> str:
        return self.periods.key_of(self.index)


def between(first: Period, last: Period) -> list[Period]:
    """All periods from the first to the last, both included; of one kind."""
    return [Period(first.periods, index) for index in range(first.index, last.index + 1)]
