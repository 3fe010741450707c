"""A tier of a table, and how tiers join."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, final

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from crmrules.fields import Frozen, Number
from crmrules.kpi.pieces import TOLERANCE, Points, number, span


@final
class Tier(BaseModel):
    """One tier: from where to where, and what it brings.

    from, to: either may be left out where the neighbour says it; the first tier without `from` takes all
    below, the last has no `to`. rate: points for each unit of what is paid on (0.03 or "3%"); or points.
    retroactive: once this tier is reached, all that lies below it is paid at its rate, too.
    """

    model_config = ConfigDict(**Frozen, validate_by_name=True, validate_by_alias=True)

    lower: Annotated[Number | None, Field(alias="from")] = None
    upper: Annotated[Number | None, Field(alias="to")] = None
    rate: Number | None = None
    points: Points | None = None
    retroactive: bool = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> Tier:
        if (self.rate is None) == (self.points is None):
            raise ValueError("a tier has either a rate or points: write rate: 3%, or points: 100")
        if self.lower is not None and self.upper is not None and self.upper <= self.lower:
            raise ValueError(
                f"the tier {span(self.lower, self.upper, False)} is empty: let `to` be above `from`"
            )
        return self

    @property
    def figure(self) -> float:
        """The rate or the points, whichever is declared."""
        figure = self.points if self.rate is None else self.rate
        assert figure is not None
        return figure


def joints(tiers: Sequence[Tier], percent: bool) -> list[float]:
    """The boundaries between tiers, each where one ends and the next begins.

    Raises ValueError for gaps, overlaps, empty tiers, a wrong order and a last tier that ends.
    """
    found = [_joint(before, after, percent) for before, after in pairwise(tiers)]
    ends = [tiers[0].lower, *found]
    for low, high in pairwise(end for end in ends if end is not None):
        if high - low <= 2 * TOLERANCE * max(1.0, abs(low), abs(high)):
            raise ValueError(
                f"the tier {span(low, high, percent)} is empty: let the tiers go from the lowest up"
            )
    if tiers[-1].upper is not None:
        raise ValueError(
            f"what is above {number(tiers[-1].upper, percent)} has no tier: "
            "leave `to` out at the last tier, which then takes all the rest"
        )
    return found


def _joint(before: Tier, after: Tier, percent: bool) -> float:
    end, begin = before.upper, after.lower
    first, second = (f"the tier {span(each.lower, each.upper, percent)}" for each in (before, after))
    if end is None:
        if begin is None:
            raise ValueError(f"where {first} ends is not said: write `to`, or `from` at the next tier")
        return begin
    if begin is not None and begin != end:
        meet = f"let the second begin where the first ends, from: {end:.12g}"
        if begin > end:
            raise ValueError(f"there is a gap between {first} and {second}: {meet}")
        raise ValueError(f"{first} and {second} overlap: {meet}")
    return end
