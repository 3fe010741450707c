"""Grades: a letter for a score, by bands of points, by quotas of people, or by percentile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, BeforeValidator, Field

from crmrules.errors import did_you_mean
from crmrules.fields import Frozen
from crmrules.kpi.rank import PercentileOf, percentiles, placed
from crmrules.kpi.rounding import rounded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Name = Annotated[str, Field(min_length=1)]
Graded = tuple[str | None, ...]


@final
class Grade(BaseModel):
    """A band of scores: from `at_least` points on. The last band has none and takes all the rest."""

    model_config = Frozen

    grade: Name
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None


def _sound(bands: tuple[Grade, ...]) -> tuple[Grade, ...]:
    if bands[-1].at_least is not None:
        raise ValueError(
            f"scores below {bands[-1].at_least:g} have no grade: "
            "leave `at_least` out at the last grade, which then takes all the rest"
        )
    if any(band.at_least is None for band in bands[:-1]):
        raise ValueError("only the last grade goes without `at_least`: say from how many points on")
    bounds = [band.at_least for band in bands[:-1] if band.at_least is not None]
    for upper, lower in pairwise(bounds):
        if lower >= upper:
            raise ValueError(
                f"grades go from the highest down, {lower:g} cannot follow {upper:g}: "
                "put the grade with the most points first"
            )
    if len({band.grade for band in bands}) < len(bands):
        raise ValueError("two grades have the same name: rename one")
    return bands


SoundBands = Annotated[tuple[Grade, ...], Field(min_length=1), pydantic.AfterValidator(_sound)]


@final
class Bands(BaseModel):
    """Grades by points, highest first.

    >>> bands = Bands(bands=[{"grade": "A", "at_least": 90}, {"grade": "B"}])
    >>> bands.graded([90, 89.99, float("nan")])
    ('A', 'B', None)
    """

    model_config = Frozen

    kind: Literal["bands"] = "bands"
    bands: SoundBands

    @property
    def names(self) -> tuple[str, ...]:
        """The grades, best first."""
        return tuple(band.grade for band in self.bands)

    def graded(self, scores: Any, groups: Any = None, order: Sequence[Any] = ()) -> Graded:
        """The grade of each score; None where it is unknown. Groups and order change nothing."""
        import numpy as np

        points = rounded(scores)
        bounds = rounded([band.at_least for band in reversed(self.bands[:-1])])
        places = len(bounds) - np.searchsorted(bounds, points, side="right")
        return _named(self.names, np.where(np.isnan(points), -1, places))


@final
class Percentile(BaseModel):
    """Grades by percentile: where a score stands among those of the same period, 0 to 100.

    bands: in percent, highest first. of: how equal scores stand, see `crmrules.kpi.rank.percentiles`.
    within: a role of the roster, such as `team`, for the percentile among those who share it.

    >>> best_half = Percentile(bands=[{"grade": "A", "at_least": 50}, {"grade": "B"}])
    >>> best_half.graded([70, 95, 80, 90])
    ('B', 'A', 'B', 'A')
    """

    model_config = Frozen

    kind: Literal["percentile"] = "percentile"
    bands: SoundBands
    of: PercentileOf = "middle"
    within: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The grades, best first."""
        return tuple(band.grade for band in self.bands)

    def graded(self, scores: Any, groups: Any = None, order: Sequence[Any] = ()) -> Graded:
        """The grade of each score within its group; None where it is unknown."""
        return Bands(bands=self.bands).graded(percentiles(scores, groups, self.of))


@final
class Forced(BaseModel):
    """Forced distribution: so many percent of the people get each grade, best first.

    shares: percent by grade, which total 100 (compared at two decimals): `{A: 20, B: 70, C: 10}`.
    rounding: of 9 people 20 % are 1.8. `largest_remainder` rounds all down and gives who is left over to
    the grades with the largest fractions, of equal ones to the better (A 2, B 6, C 1); `down_from_top`
    rounds every grade but the last down, and the last takes all the rest (A 1, B 6, C 2).
    ties: who has the same score as somebody on the other side of a boundary goes up with him
    (`together_up`) or takes him down (`together_down`), so that more or fewer get the grade than planned;
    with `order` the expressions of `order` decide, the higher value first, and who is equal in all of them
    goes up. within: a role of the roster, such as `team`, to distribute among those who share it.
    smallest_group: a group of fewer people is not distributed; all of it get the grade `in_smaller`, or
    none. People without a score have no grade and do not count.

    >>> curve = Forced(shares={"A": 20, "B": 70, "C": 10})
    >>> curve.counts(9)
    (2, 6, 1)
    >>> "".join(curve.graded([91, 88, 85, 80, 77, 70, 66, 60, 52, 40]))
    'AABBBBBBBC'
    """

    model_config = Frozen

    kind: Literal["forced"] = "forced"
    shares: Annotated[dict[Name, Annotated[float, Field(ge=0, le=100)]], Field(min_length=1)]
    rounding: Literal["largest_remainder", "down_from_top"] = "largest_remainder"
    ties: Literal["together_up", "together_down", "order"] = "together_up"
    order: tuple[str, ...] = ()
    within: str | None = None
    smallest_group: Annotated[int, Field(ge=1)] = 1
    in_smaller: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Forced:
        total = sum(map(_written, self.shares.values()))
        if round(total, 2) != 100:
            raise ValueError(f"the shares total {float(total):g}: write percents that total 100")
        if self.ties == "order" and not self.order:
            raise ValueError("nothing says what breaks a tie: write order: [revenue]")
        if self.order and self.ties != "order":
            raise ValueError(f"`order` does nothing with ties: {self.ties}: write ties: order")
        if self.in_smaller is not None and self.in_smaller not in self.shares:
            raise ValueError(
                f"`{self.in_smaller}` is none of the grades: {did_you_mean(self.in_smaller, self.shares)}"
            )
        if self.in_smaller is not None and self.smallest_group == 1:
            raise ValueError("no group is smaller than one: write smallest_group: 5, or leave in_smaller out")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The grades, best first."""
        return tuple(self.shares)

    def counts(self, people: int) -> tuple[int, ...]:
        """How many of so many people get each grade where no scores are equal; they add up to all."""
        shares = [*map(_written, self.shares.values())]
        exact = [people * share / sum(shares) for share in shares]
        counts = [*map(math.floor, exact)]
        left = people - sum(counts)
        if self.rounding == "down_from_top":
            counts[-1] += left
            return tuple(counts)
        # Sorting is stable, so that the better of two equal fractions comes first.
        for place in sorted(range(len(counts)), key=lambda each: counts[each] - exact[each])[:left]:
            counts[place] += 1
        return tuple(counts)

    def graded(self, scores: Any, groups: Any = None, order: Sequence[Any] = ()) -> Graded:
        """The grade of each score within its group; None where it is unknown.

        order: the values of the declared `order`, a column for each, the higher first.
        """
        import numpy as np

        if len(order) < len(self.order):
            raise ValueError(f"{len(self.order)} columns break ties, {len(order)} are given: pass `order`")
        where = placed(scores, groups, order if self.ties == "order" else ())
        place = where.last if self.ties == "together_down" else where.first
        grades = np.full(len(np.asarray(scores)), -1, dtype=np.int64)
        smaller = -1 if self.in_smaller is None else self.names.index(self.in_smaller)
        for size in np.unique(where.size).tolist():
            ends = np.array([*accumulate(self.counts(size))])
            members = where.size == size
            found = np.searchsorted(ends, place[members], side="right")
            grades[where.rows[members]] = smaller if size < self.smallest_group else found
        return _named(self.names, grades)


def _written(share: float) -> Fraction:
    """A percent as it is written: 0.1 is a tenth."""
    return Fraction(repr(share))


def _named(names: Sequence[str], places: NDArray[np.int64]) -> Graded:
    listed = [*names, None]  # the last one for -1
    return tuple([listed[place] for place in places.tolist()])


def _listed(value: object) -> object:
    """A list of bands is the short form."""
    return {"kind": "bands", "bands": value} if isinstance(value, list | tuple) else value


Grades = Annotated[
    Annotated[Bands | Percentile | Forced, Field(discriminator="kind")],
    BeforeValidator(_listed, json_schema_input_type=tuple[Grade, ...] | Bands | Percentile | Forced),
]
"""Bands as a list, or a mapping whose `kind` says which way grades come about."""
