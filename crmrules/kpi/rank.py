"""Ranks: who stands where among those of the same period, or of the same team, and how that moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import pydantic
from pydantic import BaseModel

from crmrules.fields import Frozen
from crmrules.kpi.rounding import rounded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Ties = Literal["min", "max", "average", "dense", "order"]
PercentileOf = Literal["below", "at_or_below", "middle", "inclusive"]


@final
class Ranking(BaseModel):
    """How equal scores share a rank, and within what.

    ties: of four people with 90, 80, 80 and 70 points the two have rank 2 (`min`, as in sports), 3 (`max`)
    or 2.5 (`average`), and the last has rank 4; with `dense` they have rank 2 and the last rank 3. With
    `order` the expressions of `order` decide one after the other, the higher value first (`-returns` for
    the lower); who is equal in all of them shares the better rank.
    within: a role of the roster, such as `team` or `manager`, for a second rank among those who share it.
    """

    model_config = Frozen

    ties: Ties = "min"
    order: tuple[str, ...] = ()
    within: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Ranking:
        if self.ties == "order" and not self.order:
            raise ValueError("nothing says what breaks a tie: write order: [revenue]")
        if self.order and self.ties != "order":
            raise ValueError(f"`order` does nothing with ties: {self.ties}: write ties: order")
        return self


@final
@dataclass(frozen=True, slots=True)
class Placed:
    """Known scores in order: by group, the highest first.

    rows: their positions in the column. first, last: the places, from 0, of the first and the last who is
    equal. level: how many different scores in the group are higher. size: how many the group has.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    level: NDArray[np.int64]
    size: NDArray[np.int64]


def placed(scores: Any, groups: Any = None, order: Sequence[Any] = ()) -> Placed:
    """Where each known score stands within its group; unknown scores (NaN) stand nowhere.

    scores: rounded first, see `rounded`. groups: a whole number for each row, -1 for one that stands
    nowhere; without it all are one group. order: columns that break ties, one after the other, the higher
    value first and the unknown last.
    """
    import numpy as np

    points = rounded(scores)
    group = np.zeros(len(points), dtype=np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
    rows = np.flatnonzero(~np.isnan(points) & (group >= 0))
    # An unknown value, as infinitely little, comes last and equals another one.
    columns = [-points[rows]] + [
        np.nan_to_num(-np.asarray(each, dtype=np.float64)[rows], nan=np.inf, posinf=np.inf, neginf=-np.inf)
        for each in order
    ]
    sorting = np.lexsort((*reversed(columns), group[rows]))
    rows = rows[sorting]
    count = len(rows)
    if not count:
        nothing = np.zeros(0, dtype=np.int64)
        return Placed(nothing, nothing, nothing, nothing, nothing)
    opens = _changes(group[rows])
    differs = opens.copy()
    for column in columns:
        differs |= _changes(column[sorting])
    begins = np.flatnonzero(opens)
    sizes = np.diff(np.append(begins, count))
    start, size = np.repeat(begins, sizes), np.repeat(sizes, sizes)
    tied = np.flatnonzero(differs)
    lengths = np.diff(np.append(tied, count))
    first = np.repeat(tied, lengths) - start
    level = np.cumsum(differs)
    return Placed(rows, first, first + np.repeat(lengths, lengths) - 1, level - level[start], size)


def ranks(
    scores: Any, groups: Any = None, ties: Ties = "min", order: Sequence[Any] = ()
) -> NDArray[np.float64]:
    """The rank of each score within its group, 1 for the highest; NaN where the score is unknown.

    See `Ranking` for `ties` and `placed` for the columns.

    >>> ranks([80, 90, 70, 80]).tolist()
    [2.0, 1.0, 4.0, 2.0]
    >>> ranks([80, 90, 70, 80], ties="dense").tolist()
    [2.0, 1.0, 3.0, 2.0]
    """
    import numpy as np

    where = placed(scores, groups, order if ties == "order" else ())
    found = np.full(len(np.asarray(scores)), np.nan)
    match ties:
        case "max":
            found[where.rows] = where.last + 1
        case "average":
            found[where.rows] = (where.first + where.last) / 2 + 1
        case "dense":
            found[where.rows] = where.level + 1
        case _:
            found[where.rows] = where.first + 1
    return found


def percentiles(scores: Any, groups: Any = None, of: PercentileOf = "middle") -> NDArray[np.float64]:
    """What part of its group stands below each score, 0 to 100; NaN where the score is unknown.

    With n in the group, b below and e equal (itself included): `below` 100 b / n; `at_or_below`
    100 (b + e) / n; `middle` 100 (b + e / 2) / n, the percentile rank of test statistics; `inclusive`
    100 b / (n - 1), as PERCENTRANK.INC of spreadsheets has it, and 100 for somebody alone.

    >>> percentiles([80, 90, 70, 80]).tolist()
    [50.0, 87.5, 12.5, 50.0]
    >>> percentiles([80, 90, 70, 80], of="inclusive").round(2).tolist()
    [33.33, 100.0, 0.0, 33.33]
    """
    import numpy as np

    where = placed(scores, groups)
    below, equal = where.size - 1 - where.last, where.last - where.first + 1
    found = np.full(len(np.asarray(scores)), np.nan)
    match of:
        case "below":
            share = below / where.size
        case "at_or_below":
            share = (below + equal) / where.size
        case "middle":
            share = (below + equal / 2) / where.size
        case "inclusive":
            share = np.where(where.size > 1, below / np.maximum(where.size - 1, 1), 1.0)
    found[where.rows] = 100.0 * share
    return found


def numbered(values: Iterable[object]) -> NDArray[np.int64]:
    """A number for each different value, as a column of groups: -1 for None.

    >>> numbered(["North", "South", None, "North"]).tolist()
    [0, 1, -1, 0]
    """
    import numpy as np

    numbers: dict[object, int] = {None: -1}
    return np.array([numbers.setdefault(value, len(numbers) - 1) for value in values], dtype=np.int64)


def within(*columns: Any) -> NDArray[np.int64]:
    """The groups of those who agree in every column, such as period and team; -1 where one is -1.

    >>> within([0, 0, 1, 1], [0, 1, 1, -1]).tolist()
    [0, 1, 3, -1]
    """
    import numpy as np

    numbers = [np.asarray(each, dtype=np.int64) for each in columns]
    group = numbers[0]
    for column in numbers[1:]:
        among = int(column.max(initial=0)) + 1
        group = np.where((group < 0) | (column < 0), -1, group * among + column)
    return group


@final
@dataclass(frozen=True, slots=True)
class Movement:
    """Against the previous period: score in points, rank in places, more for up; NaN where nothing is known.

    previous: the row of the previous period, -1 where there is none.
    """

    score: NDArray[np.float64]
    rank: NDArray[np.float64]
    previous: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64]) -> Movement:
        """The same for some of the rows; `previous` still counts all of them."""
        return Movement(self.score[rows], self.rank[rows], self.previous[rows])


def movement(scores: Any, ranks: Any, subjects: Any, periods: Any, groups: Any = None) -> Movement:
    """How each row moved against the same subject's row of the period before.

    subjects: a number for each row, see `numbered`; periods: its period's index, consecutive periods one
    apart. groups: the team of each row, where ranks are within teams: places in different teams have
    nothing to say to each other, so that who changed the team has no movement of rank.

    >>> moved = movement([70, 90, 80, 85], [2, 1, 2, 1], [0, 1, 0, 1], [5, 5, 6, 6])
    >>> moved.score.tolist(), moved.rank.tolist()
    ([nan, nan, 10.0, -5.0], [nan, nan, 0.0, 0.0])
    """
    import numpy as np

    who, when = np.asarray(subjects, dtype=np.int64), np.asarray(periods, dtype=np.int64)
    points, places = np.asarray(scores, dtype=np.float64), np.asarray(ranks, dtype=np.float64)
    if not len(who):
        return Movement(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))
    # A subject's rows are neighbours when sorted, the previous period's right before.
    order = np.lexsort((when, who))
    follows = np.zeros(len(order), dtype=bool)
    follows[1:] = (who[order][1:] == who[order][:-1]) & (when[order][1:] == when[order][:-1] + 1)
    previous = np.full(len(order), -1, dtype=np.int64)
    previous[order[follows]] = order[np.flatnonzero(follows) - 1]
    known = previous >= 0
    change = rounded(np.where(known, rounded(points) - rounded(points)[previous], np.nan))
    same = known if groups is None else known & (np.asarray(groups) == np.asarray(groups)[previous])
    return Movement(change, np.where(same, places[previous] - places, np.nan) + 0.0, previous)


def _changes(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Where another value begins than in the row before."""
    import numpy as np

    changes = np.ones(len(column), dtype=bool)
    changes[1:] = column[1:] != column[:-1]
    return changes
