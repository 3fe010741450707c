"""Lookup tables: points by the row that fits a value, as in a spreadsheet."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.kpi.pieces import (
    Laid,
    Monotone,
    On,
    Pair,
    Piece,
    Pieces,
    Points,
    Side,
    TierPart,
    check_ascending,
    check_shares,
    number,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORDS = {"at_most": "up to", "at_least": "from", "exact": "exactly"}


@final
class Table(BaseModel):
    """Points by the row that fits: the natural form where lower is better.

    rows: pairs of a value and its points, the lowest value first. match: `at_most`, the first row whose
    value is not exceeded ("up to 30 days: 100"); `at_least`, the last row whose value is reached ("from
    90 %: 80"); `exact`, the row of that value. otherwise: the points where no row fits.

    >>> cycle = Table(on="value", match="at_most", rows=[[30, 100], [35, 90], [45, 60]], otherwise=0)
    >>> cycle.points([12, 30, 30.5, 45, 46]).tolist()
    [100.0, 100.0, 90.0, 60.0, 0.0]
    """

    model_config = Laid

    kind: Literal["table"] = "table"
    on: On
    match: Literal["at_most", "at_least", "exact"]
    rows: Annotated[tuple[Pair, ...], Field(min_length=1)]
    otherwise: Points
    monotone: Monotone | None = None

    by: ClassVar[None] = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Table:
        check_shares((at for at, _ in self.rows), self.on)
        check_ascending([at for at, _ in self.rows], "the rows", self._percent)
        if self.monotone and self.match == "exact":
            raise ValueError(
                "between exact values there is nothing that could rise or fall: leave `monotone` out"
            )
        self._laid.check(self.monotone, False, self._percent)
        return self

    @property
    def cap(self) -> float:
        """The most points of any row."""
        return max(self.otherwise, *(points for _, points in self.rows))

    @property
    def bounded_above(self) -> bool:
        """Whether there is a most that it can give: always."""
        return True

    @property
    def _percent(self) -> bool:
        return self.on == "attainment"

    @cached_property
    def _laid(self) -> Pieces:
        steps: list[
            tuple[float, float, Side]
        ]  # from where on, how many points, to which side the bound belongs
        if self.match == "at_most":
            after = [*(points for _, points in self.rows[1:]), self.otherwise]
            first = self.rows[0][1]
            steps = [(at, points, "upper") for (at, _), points in zip(self.rows, after, strict=True)]
        elif self.match == "at_least":
            first = self.otherwise
            steps = [(at, points, "lower") for at, points in self.rows]
        else:
            first = self.otherwise
            steps = []
            for at, points in self.rows:
                steps += [(at, points, "lower"), (at, self.otherwise, "upper")]
        bounds = [-math.inf, *(at for at, _, _ in steps), math.inf]
        levels = [first, *(points for _, points, _ in steps)]
        lines = [Piece(bounds[at], bounds[at + 1], 0.0, level) for at, level in enumerate(levels)]
        return Pieces(lines, [side for _, _, side in steps])

    def points(self, values: Any, by: Any = None) -> NDArray[np.float64]:
        """The points for each value; what is missing (NaN) stays so."""
        return self._laid.values(values)

    def breakdown(self, value: float, by: float | None = None) -> tuple[TierPart, ...]:
        """The row that fits, as the one part; empty for NaN."""
        if math.isnan(value):
            return ()
        place = int(self._laid.places(value))
        line = self._laid.pieces[place]
        row = {"at_most": place, "at_least": place - 1, "exact": place // 2 if place % 2 else -1}[self.match]
        fits = 0 <= row < len(self.rows)
        label = f"{_WORDS[self.match]} {number(self.rows[row][0], self._percent)}" if fits else "otherwise"
        lower, upper = (bound if math.isfinite(bound) else None for bound in (line.lower, line.upper))
        return (TierPart(label, lower, upper, value, None, line.y),)

    def describe(self) -> str:
        """The table in one line, for a statement.

        >>> Table(on="value", match="at_most", rows=[[30, 100], [35, 90]], otherwise=0).describe()
        'table, up to 30: 100; up to 35: 90; otherwise: 0'
        """
        rows = [
            f"{_WORDS[self.match]} {number(at, self._percent)}: {number(points)}" for at, points in self.rows
        ]
        return f"table, {'; '.join(rows)}; otherwise: {number(self.otherwise)}"
