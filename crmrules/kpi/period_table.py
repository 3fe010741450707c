"""Periods by a table: each with its key, first and last day."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, final

import pydantic
from pydantic import BaseModel, BeforeValidator, Field

from crmrules.errors import CrmRulesError, shown
from crmrules.fields import Day, Frozen
from crmrules.kpi.calendar_periods import calendar
from crmrules.kpi.period import EPOCH, Periods, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Key = Annotated[
    str,
    BeforeValidator(
        lambda value: str(value) if type(value) is int else value, json_schema_input_type=str | int
    ),
    Field(min_length=1),
]
"""Text, or a whole number as its digits: YAML reads 2026 as a number."""


@final
class Row(BaseModel):
    """A period of a table: its key, its first and last day, and the year to which it belongs."""

    model_config = Frozen

    key: Key
    first: Day
    last: Day
    year: Key | None = None

    @pydantic.model_validator(mode="after")
    def _forwards(self) -> Row:
        if self.last < self.first:
            raise ValueError(
                f"period {shown(self.key)} ends on {self.last}, before it begins on {self.first}: "
                "write the first day first"
            )
        return self


@final
class PeriodTable(Periods):
    """Periods that are listed, in the order of time.

    gaps: `allowed` where not every day lies in a period; a record in a gap is an error all the same, as is
    one before the first or after the last period. The keys sort as the periods do. With a `year` for every
    row, sums since the start of the year and comparisons with the year before know where it starts.

    >>> term = PeriodTable(table=[{"key": "T1", "first": "2026-01-05", "last": "2026-03-31"}])
    >>> str(term.of(dt.date(2026, 2, 1))), term.parse("T1").days
    ('T1', 86)
    """

    table: Annotated[tuple[Row, ...], Field(min_length=1)]
    gaps: Literal["refused", "allowed"] = "refused"

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> PeriodTable:
        keys = [row.key for row in self.table]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise ValueError(f"two periods have the key {shown(twice[0])}: rename one")
        for one, other in pairwise(self.table):
            if other.first <= one.last:
                if other.last < one.first:
                    raise ValueError(
                        f"period {shown(other.key)} is before {shown(one.key)}: list them in order"
                    )
                raise ValueError(
                    f"the periods {shown(one.key)} and {shown(other.key)} overlap: {shown(other.key)} must "
                    f"begin after {one.last}"
                )
            if other.key <= one.key:
                raise ValueError(
                    f"the key {shown(other.key)} sorts before {shown(one.key)}, which is earlier: "
                    "take keys that sort as the periods do, such as 2026-C01"
                )
            if self.gaps == "refused" and other.first - one.last > dt.timedelta(days=1):
                raise ValueError(
                    f"there is a gap between {shown(one.key)} and {shown(other.key)}: close it, or write "
                    "gaps: allowed"
                )
        years = [row.year for row in self.table]
        if None in years and any(years):
            row = self.table[years.index(None)]
            raise ValueError(f"period {shown(row.key)} has no `year` and others have: give all one, or none")
        blocks = [new for new, before in zip(years, [None, *years], strict=False) if new != before]
        if again := [year for year in blocks if year is not None and blocks.count(year) > 1]:
            raise ValueError(
                f"the periods of the year {shown(again[0])} do not follow each other: mend `year`"
            )
        return self

    @property
    def name(self) -> str:
        return "period of the table"

    @property
    def example(self) -> str:
        return f"write one of its keys, {self.table[0].key} to {self.table[-1].key}"

    @property
    def most(self) -> int:
        return len(self.table)

    @cached_property
    def _firsts(self) -> list[int]:
        return [row.first.toordinal() - EPOCH for row in self.table]

    @cached_property
    def _lasts(self) -> list[int]:
        return [row.last.toordinal() - EPOCH for row in self.table]

    @property
    def reach(self) -> tuple[int, int]:
        return 0, len(self.table) - 1

    def index_of(self, day: dt.date) -> int | None:
        since = day.toordinal() - EPOCH
        index = bisect_right(self._firsts, since) - 1
        return index if index >= 0 and since <= self._lasts[index] else None

    def indexes(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        index = np.searchsorted(self._firsts, days, side="right") - 1
        inside = (index >= 0) & (days <= np.array(self._lasts)[np.maximum(index, 0)])
        return np.where(np.isnan(days), np.nan, np.where(inside, index, index + 0.5))

    def around(self, day: dt.date) -> str:
        later = bisect_right(self._firsts, day.toordinal() - EPOCH)
        last, first = self.table[later - 1], self.table[min(later, len(self.table) - 1)]
        if later == 0:
            return f"the table begins with {first.key} on {first.first}: add a row for that day"
        if later == len(self.table):
            return f"the table ends with {last.key} on {last.last}: add a row for that day"
        return f"{last.key} ends on {last.last} and {first.key} begins on {first.first}: add a row between"

    def days_of(self, index: int) -> tuple[int, int]:
        return self._firsts[index], self._lasts[index]

    def key_of(self, index: int) -> str:
        return self.table[index].key

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {row.key: index for index, row in enumerate(self.table)}

    def index_of_key(self, key: str) -> int | None:
        return self._numbers.get(key)

    def year_of(self, index: int) -> str:
        year = self.table[index].year
        if year is None:
            raise CrmRulesError(
                "P104",
                f"the table of periods does not say to which year {shown(self.table[index].key)} belongs",
                hint='write it at every row: {key: …, first: …, last: …, year: "2026"}',
            )
        return year

    @cached_property
    def _starts_of_years(self) -> list[int]:
        years = [row.year for row in self.table]
        return [index for index, year in enumerate(years) if not index or year != years[index - 1]]

    def first_of_year(self, index: int) -> int:
        self.year_of(index)
        return self._starts_of_years[bisect_right(self._starts_of_years, index) - 1]

    def a_year_before(self, index: int) -> int | None:
        start = self.first_of_year(index)
        place = self._starts_of_years.index(start)
        if place == 0:
            return None
        found = self._starts_of_years[place - 1] + index - start
        return found if found < start else None

    def by(self, unit: Unit) -> Periods:
        return calendar(unit)
