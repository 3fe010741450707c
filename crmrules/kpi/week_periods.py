"""Fiscal years of 52 or 53 whole weeks: 4-4-5 and its kin, and quarters of 13 weeks."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, final

import pydantic
from pydantic import BeforeValidator, Field

from crmrules.errors import shown
from crmrules.kpi.calendar_periods import FISCAL_FORMS, FISCAL_KEYS, YearNamed, calendar
from crmrules.kpi.period import EPOCH, Periods, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_ANCHOR = re.compile(
    rf"(?:last (?P<last>{'|'.join(WEEKDAYS)}) of|(?P<nearest>{'|'.join(WEEKDAYS)}) nearest the end of)"
    rf" (?P<month>{'|'.join(MONTH_NAMES)})\Z"
)
_WAYS = "write it as `last saturday of january`, or `saturday nearest the end of january`"
_PER_YEAR = {"month": 12, "quarter": 4, "half": 2, "year": 1}
_OF_WEEKS = {"4-4-5": (4, 4, 5) * 4, "4-5-4": (4, 5, 4) * 4, "5-4-4": (5, 4, 4) * 4, "13": (13,) * 4}

WeekUnit = Literal["week", "month", "quarter", "half", "year"]


class Anchor(NamedTuple):
    """On which day a year ends: a weekday (from 0 for Monday), the last of a month or nearest its end."""

    weekday: int
    month: int
    nearest: bool

    def end(self, year: int) -> int:
        """The last day of the year that ends in, or nearest to, that month of a calendar year; since 1970."""
        eras, within = divmod(year, 400)
        year, month = within + 400, self.month
        following = dt.date(year + month // 12, month % 12 + 1, 1)
        last = following.toordinal() - 1
        back = (last - 1 - self.weekday) % 7
        day = last - back + (7 if self.nearest and back > 3 else 0)
        return day - EPOCH + (eras - 1) * 146_097


@cache
def _starts(anchor: Anchor) -> list[int]:
    return [anchor.end(year - 1) + 1 for year in range(10_003)]


@final
class WeekPeriods(Periods):
    """Years of whole weeks, and what they are made of.

    weeks: how many the three months of a quarter have, or `13` for quarters without months. unit: `week`,
    `month`, `quarter`, `half` or `year`. year_ends: the day; the week starts on the day after, and a year
    has 53 weeks when the day comes 371 days after the one before. year_named: by the calendar year in which
    the year `starts` or `ends`; where it is counted from about January to December they are the same.
    week_53: which month of the year has the 53rd week, or with `weeks: 13` which quarter; the last if not
    said. Keys are `FY2026-W01`, `FY2026-P01`, `FY2026-Q1`, `FY2026-H1`, `FY2026`.

    Source: the 4-5-4 calendar of the National Retail Federation; 26 CFR 1.441-2 for the two ways to end.

    >>> ends = "saturday nearest the end of january"
    >>> retail = WeekPeriods(weeks="4-5-4", year_ends=ends, year_named="starts")
    >>> year = retail.by("year").parse("FY2023")
    >>> year.start.isoformat(), year.end.isoformat(), year.days // 7
    ('2023-01-29', '2024-02-03', 53)
    """

    weeks: Annotated[
        Literal["4-4-5", "4-5-4", "5-4-4", "13"],
        BeforeValidator(
            lambda value: "13" if value == 13 and type(value) is int else value,
            json_schema_input_type=Literal["4-4-5", "4-5-4", "5-4-4", "13", 13],
        ),
    ]
    year_ends: str
    unit: WeekUnit = "month"
    year_named: YearNamed | None = None
    week_53: Annotated[int, Field(ge=1, le=12)] | None = None

    @pydantic.field_validator("year_ends")
    @classmethod
    def _readable(cls, text: str) -> str:
        if not _ANCHOR.match(text):
            raise ValueError(f"{shown(text)} is no day on which years end: {_WAYS}")
        return text

    @pydantic.model_validator(mode="after")
    def _fits(self) -> WeekPeriods:
        if self.weeks == "13" and self.unit == "month":
            raise ValueError("quarters of 13 weeks have no months: write unit: quarter, or weeks: 4-4-5")
        if self.weeks == "13" and (self.week_53 or 4) > 4:
            raise ValueError("with quarters of 13 weeks, `week_53` is a quarter: write 1 to 4")
        if self.year_named is None and self.anchor.month != 12:
            raise ValueError(
                "a fiscal year that starts in one calendar year and ends in the next is called by one of "
                "them: write year_named: ends, or year_named: starts"
            )
        return self

    @cached_property
    def anchor(self) -> Anchor:
        """On which day a year ends."""
        found = _ANCHOR.match(self.year_ends)
        assert found is not None
        weekday = WEEKDAYS.index(found["last"] or found["nearest"])
        return Anchor(weekday, MONTH_NAMES.index(found["month"]) + 1, found["last"] is None)

    @property
    def name(self) -> str:
        return f"fiscal {self.unit}"

    @property
    def example(self) -> str:
        return f"write it as {FISCAL_FORMS[self.unit].format(2026, 2)}"

    @property
    def months(self) -> int:
        return 0 if self.weeks == "13" or self.unit == "week" else 12 // _PER_YEAR[self.unit]

    @property
    def most(self) -> int:
        return 2_610 if self.unit == "week" else 600

    @cached_property
    def _starts(self) -> list[int]:
        """The first day of each year, from year 0 on."""
        return _starts(self.anchor)

    @cached_property
    def _key(self) -> re.Pattern[str]:
        return re.compile(FISCAL_KEYS[self.unit] + r"\Z", re.ASCII)

    @cached_property
    def _behind(self) -> int:
        """How much earlier a year is called than the calendar year near whose month it ends."""
        return 1 if self.year_named == "starts" and self.anchor.month < 12 else 0

    @cached_property
    def _bounds(self) -> dict[int, list[int]]:
        """For years of 52 and of 53 weeks, the weeks before each period and before the end."""
        lengths = _OF_WEEKS[self.weeks]
        longest = (self.week_53 or len(lengths)) - 1
        found = {}
        for weeks in (52, 53):
            parts = [each + (weeks == 53 and place == longest) for place, each in enumerate(lengths)]
            size = 1 if self.unit == "week" else len(parts) // _PER_YEAR[self.unit]
            found[weeks] = [0, *accumulate(parts)][::size]
        return found

    def _length(self, year: int) -> int:
        return (self._starts[year + 1] - self._starts[year]) // 7

    def _year_of_day(self, day: int) -> int:
        return bisect_right(self._starts, day) - 1

    @cached_property
    def _week_0(self) -> int:
        """Where weeks are counted from; all start on the same day of the week."""
        return self._starts[0]

    def index_of(self, day: dt.date) -> int:
        since = day.toordinal() - EPOCH
        if self.unit == "week":
            return (since - self._week_0) // 7
        year = self._year_of_day(since)
        week = (since - self._starts[year]) // 7
        place = bisect_right(self._bounds[self._length(year)], week) - 1
        return year * _PER_YEAR[self.unit] + place

    def indexes(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        if self.unit == "week":
            return np.floor((days - self._week_0) / 7.0)
        unknown = np.isnan(days)
        since = np.where(unknown, 0.0, days).astype(np.int64)
        starts = np.array(self._starts)
        year = np.searchsorted(starts, since, side="right") - 1
        week = (since - starts[year]) // 7
        long = starts[year + 1] - starts[year] > 52 * 7
        place = np.where(
            long,
            np.searchsorted(self._bounds[53], week, side="right"),
            np.searchsorted(self._bounds[52], week, side="right"),
        )
        found = (year * _PER_YEAR[self.unit] + place - 1).astype(np.float64)
        return np.where(unknown, np.nan, found)

    def days_of(self, index: int) -> tuple[int, int]:
        if self.unit == "week":
            first = self._week_0 + index * 7
            return first, first + 6
        year, place = divmod(index, _PER_YEAR[self.unit])
        bounds = self._bounds[self._length(year)]
        start = self._starts[year]
        return start + bounds[place] * 7, start + bounds[place + 1] * 7 - 1

    def _placed(self, index: int) -> tuple[int, int]:
        """The year of a period, and its place in it from 0."""
        if self.unit != "week":
            return divmod(index, _PER_YEAR[self.unit])
        day = self._week_0 + index * 7
        year = self._year_of_day(day)
        return year, (day - self._starts[year]) // 7

    def _index_at(self, year: int, place: int) -> int | None:
        if self.unit != "week":
            return year * _PER_YEAR[self.unit] + place
        if not 0 <= year < len(self._starts) - 1 or not 0 <= place < self._length(year):
            return None
        return (self._starts[year] - self._week_0) // 7 + place

    def key_of(self, index: int) -> str:
        year, place = self._placed(index)
        return FISCAL_FORMS[self.unit].format(year - self._behind, place + 1)

    def index_of_key(self, key: str) -> int | None:
        found = self._key.match(key)
        if not found:
            return None
        index = self._index_at(
            int(found["year"]) + self._behind, int(found.groupdict().get("number") or 1) - 1
        )
        return None if index is None or self.at(index) is None else index

    def year_of(self, index: int) -> str:
        return f"FY{self._placed(index)[0] - self._behind:04d}"

    def first_of_year(self, index: int) -> int:
        found = self._index_at(self._placed(index)[0], 0)
        assert found is not None
        return found

    def a_year_before(self, index: int) -> int | None:
        year, place = self._placed(index)
        return self._index_at(year - 1, place)

    def by(self, unit: Unit) -> Periods:
        known: Sequence[str] = ("week", "quarter", "half", "year", *([] if self.weeks == "13" else ["month"]))
        return WeekPeriods(**{**self.model_dump(), "unit": unit}) if unit in known else calendar(unit)
