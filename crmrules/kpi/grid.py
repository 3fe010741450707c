"""The rows of a card: everybody on the roster or in the records, in every period between first and last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

from crmrules.errors import RecordError
from crmrules.kpi.feed import Cut, Totals
from crmrules.kpi.period import Period, between

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Grid:
    """The rows of a card: each subject in each period, period by period.

    >>> april, may = Period.parse("2026-04"), Period.parse("2026-05")
    >>> grid = Grid(("Ann", "Bo"), (april, may))
    >>> len(grid), grid[2][0], str(grid[2][1])
    (4, 'Ann', '2026-05')
    """

    subjects: tuple[str, ...]
    periods: tuple[Period, ...]

    def __len__(self) -> int:
        return len(self.subjects) * len(self.periods)

    def __getitem__(self, row: int) -> tuple[str, Period]:
        period, subject = divmod(range(len(self))[row], len(self.subjects))
        return self.subjects[subject], self.periods[period]

    @cached_property
    def keys(self) -> tuple[tuple[str, Period], ...]:
        """Subject and period of each row."""
        return tuple((subject, period) for period in self.periods for subject in self.subjects)

    @cached_property
    def _starts(self) -> dict[Period, int]:
        """The first row of each period."""
        return {period: place * len(self.subjects) for place, period in enumerate(self.periods)}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {subject: place for place, subject in enumerate(self.subjects)}

    def row(self, subject: str, period: Period) -> int | None:
        """The row of a subject in a period, None where there is none."""
        start, place = self._starts.get(period), self._places.get(subject)
        return None if start is None or place is None else start + place

    def last(self, count: int) -> tuple[Grid, slice]:
        """The grid of the last so many periods, and where its rows are in this one."""
        periods = self.periods[len(self.periods) - count :]
        return Grid(self.subjects, periods), slice(len(self) - count * len(self.subjects), None)

    def rows(self, totals: Totals) -> NDArray[np.int64]:
        """For each row of the card the position of its aggregates, -1 where it has none."""
        import numpy as np

        found = np.full(len(self), -1, dtype=np.int64)
        if totals.subjects:
            within = np.array([*map(self._places.__getitem__, totals.subjects)], dtype=np.int64)
            since = totals.periods - self.periods[0].index
            found[since * len(self.subjects) + within] = np.arange(len(within))
        return found


def grid_of(totals: Sequence[Totals], cut: Cut, also: Iterable[tuple[str | None, Period]] = ()) -> Grid:
    """A row for everybody on the roster or in the records, in every period from the first to the last.

    also: subjects and periods beside those of the records.
    """
    rows = [*also]
    subjects = {*cut.grouping.subjects}.union(*(each.subjects for each in totals))
    subjects |= {subject for subject, _ in rows if subject is not None}
    if cut.period is not None:
        periods = [cut.period]
    else:
        indexes = {index for each in totals for index in {*each.periods.tolist()}}
        indexes |= {period.index for _, period in rows}
        if cut.through is not None:
            indexes.add(cut.through.index)
        elif cut.until is not None:
            latest = cut.periods.index_of(cut.until)
            indexes |= set() if latest is None else {latest}
        periods = _between(min(indexes), max(indexes), cut) if indexes else []
    return Grid(tuple(sorted(subjects)), tuple(periods))


def _between(first: int, last: int, cut: Cut) -> list[Period]:
    """All periods from the first to the last. Raises RecordError (M106) for a span that no company has."""
    span = Period(cut.periods, first), Period(cut.periods, last)
    if last - first >= cut.periods.most:
        raise RecordError(
            "M106",
            f"the records reach from {span[0]} to {span[1]}",
            hint="mend the date that is mistyped, or name one period",
        )
    return between(*span)
