"""Target bands: full points between two values, fewer on either side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, final

import pydantic
from pydantic import BaseModel, Discriminator, Field, Tag

from crmrules.fields import Frozen, Number
from crmrules.kpi.pieces import (
    Laid,
    On,
    Piece,
    Pieces,
    Points,
    TierPart,
    check_limits,
    check_shares,
    held,
    limited,
    number,
    span,
    with_limits,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
class Loss(BaseModel):
    """So many points less for each so much outside the band: `{lose: 5, each: 2}`."""

    model_config = Frozen

    lose: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    each: Annotated[Number, Field(gt=0)] = 1.0


Outside = Annotated[
    Annotated[Literal["drop", "hold"], Tag("one word")] | Annotated[Loss, Tag("a loss")],
    Discriminator(lambda value: "a loss" if isinstance(value, Mapping | Loss) else "one word"),
]
"""What is outside a band: `drop`, no points; `hold`, still all; or a loss in proportion to the distance."""


@final
class Band(BaseModel):
    """Full points between two values, both included; what is outside loses points as declared for its side.

    score: the points within the band. floor: the least, however far outside.

    points(x) = max(score - lose x distance / each, floor)

    >>> days = Band(on="value", lower=28, upper=32, below="hold", above={"lose": 5, "each": 1})
    >>> days.points([20, 28, 30, 32, 33.5, 90]).tolist()
    [100.0, 100.0, 100.0, 100.0, 92.5, 0.0]
    """

    model_config = Laid

    kind: Literal["band"] = "band"
    on: On
    lower: Annotated[Number, Field(alias="from")]
    upper: Annotated[Number, Field(alias="to")]
    score: Points = 100.0
    below: Outside
    above: Outside
    floor: Points = 0.0

    by: ClassVar[None] = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Band:
        if self.upper < self.lower:
            raise ValueError(
                f"the band from {self.lower:g} to {self.upper:g} is empty: let `to` be above `from`"
            )
        check_shares([self.lower, self.upper], self.on)
        check_limits(self.floor, self.score)
        return self

    @property
    def cap(self) -> float:
        """The most points: those within the band."""
        return self.score

    @property
    def bounded_above(self) -> bool:
        """Whether there is a most that it can give: always."""
        return True

    @cached_property
    def _laid(self) -> Pieces:
        lines = [
            self._side(self.below, -math.inf, self.lower, self.lower, 1.0),
            Piece(self.lower, self.upper, self.lower, self.score),
            self._side(self.above, self.upper, math.inf, self.upper, -1.0),
        ]
        return Pieces(lines, ["lower", "upper"])

    def _side(self, outside: Outside, lower: float, upper: float, end: float, sign: float) -> Piece:
        if isinstance(outside, Loss):
            return Piece(lower, upper, end, self.score, sign * outside.lose / outside.each)
        return Piece(lower, upper, end, self.score if outside == "hold" else self.floor)

    def points(self, values: Any, by: Any = None) -> NDArray[np.float64]:
        """The points for each value; what is missing (NaN) stays so."""
        return limited(self._laid.values(values), self.floor, None)

    def breakdown(self, value: float, by: float | None = None) -> tuple[TierPart, ...]:
        """The points of the band and what the distance from it takes; empty for NaN."""
        if math.isnan(value):
            return ()
        place = int(self._laid.places(value))
        within = span(self.lower, self.upper, self.on == "attainment")
        full = TierPart(f"band {within}", self.lower, self.upper, value, None, self.score)
        if place == 1:
            return (full,)
        line = self._laid.pieces[place]
        end = self.lower if place == 0 else self.upper
        lost = TierPart(
            f"{'below' if place == 0 else 'above'} {number(end, self.on == 'attainment')}",
            None if place == 0 else end,
            end if place == 0 else None,
            abs(value - end),
            -abs(line.slope) if line.slope else None,
            line.at(value) - self.score,
        )
        return held([full, lost], self.floor, None)

    def describe(self) -> str:
        """The band in one line, for a statement.

        >>> Band(on="value", lower=28, upper=32, below="hold", above={"lose": 5, "each": 1}).describe()
        'band 28 to 32: 100; below still 100; above 5 less for each 1; floor 0'
        """
        percent = self.on == "attainment"
        words = [f"band {span(self.lower, self.upper, percent)}: {number(self.score)}"]
        for where, outside in (("below", self.below), ("above", self.above)):
            if isinstance(outside, Loss):
                words.append(f"{where} {number(outside.lose)} less for each {number(outside.each, percent)}")
            else:
                words.append(
                    f"{where} {f'still {number(self.score)}' if outside == 'hold' else number(self.floor)}"
                )
        return with_limits(words, self.floor, None)
