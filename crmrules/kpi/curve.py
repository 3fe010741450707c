"""Curves: what an attainment, or a value, is worth in points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, final

import pydantic
from pydantic import BaseModel, Discriminator, Field, Tag

from crmrules.fields import Frozen
from crmrules.kpi.band import Band
from crmrules.kpi.lookup import Table
from crmrules.kpi.matrix import Matrix
from crmrules.kpi.pieces import (
    Laid,
    Monotone,
    On,
    Pair,
    Piece,
    Pieces,
    TierPart,
    check_ascending,
    check_limits,
    check_shares,
    held,
    limited,
    number,
    span,
    with_limits,
)
from crmrules.kpi.pieces import Points as Amount
from crmrules.kpi.tiers import Tiers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
class Linear(BaseModel):
    """Points in proportion to attainment: 100 for the target, 120 for 120 %, within floor and cap.

    score = min(max(100 + slope x (attainment - 1), floor), cap)

    floor: the least points. cap: the most, None for no limit. slope: points for each 100 % more; 200 gives
    10 points for each 5 % above the target, and takes them for each 5 % below.

    >>> Linear(cap=150).points([0.5, 1.2, 9.0]).tolist()
    [50.0, 120.0, 150.0]
    >>> Linear(cap=150, slope=200).points([0.5, 1.05, 9.0]).tolist()
    [0.0, 110.0, 150.0]
    """

    model_config = Frozen

    kind: Literal["linear"] = "linear"
    on: Literal["attainment"] = "attainment"
    floor: Amount = 0.0
    cap: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 100.0

    by: ClassVar[None] = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Linear:
        check_limits(self.floor, self.cap)
        return self

    @property
    def bounded_above(self) -> bool:
        """Whether there is a most that it can give, however high the attainment."""
        return self.cap is not None

    def points(self, attainment: Any, by: Any = None) -> NDArray[np.float64]:
        """The points for each attainment (a share, 1.0 is the target); what is missing (NaN) stays so."""
        import numpy as np

        with np.errstate(over="ignore"):  # beyond every cap
            # With a slope of 100 nothing is added, so that nothing is rounded.
            points = self.slope * np.asarray(attainment, dtype=np.float64) + (100.0 - self.slope)
        return limited(points, self.floor, self.cap)

    def breakdown(self, value: float, by: float | None = None) -> tuple[TierPart, ...]:
        """The line's points, and what floor or cap change; empty for NaN."""
        if math.isnan(value):
            return ()
        points = self.slope * value + (100.0 - self.slope)
        return held([TierPart("in proportion", None, None, value, self.slope, points)], self.floor, self.cap)

    def describe(self) -> str:
        """The curve in one line, for a statement.

        >>> Linear(cap=120).describe()
        'linear: 100 at the target, 1 for each 1 %; floor 0; cap 120'
        """
        line = f"linear: 100 at the target, {number(self.slope / 100)} for each 1 %"
        return with_limits([line], self.floor, self.cap)


@final
class Points(BaseModel):
    """Straight lines through given points: accelerators where they get steeper, decelerators where flatter.

    through: pairs of a value and its points, the lowest value first. outside: beyond the first and the
    last of them `hold` their points, or `extend` the line that leads there. monotone: checked if declared.

    >>> accelerated = Points(on="attainment", through=[["50%", 0], [1, 100], [1.5, 200]], outside="hold")
    >>> accelerated.points([0.4, 0.75, 1.25, 2]).tolist()
    [0.0, 50.0, 150.0, 200.0]
    """

    model_config = Laid

    kind: Literal["points"] = "points"
    on: On
    through: Annotated[tuple[Pair, ...], Field(min_length=2)]
    outside: Literal["hold", "extend"]
    floor: Amount | None = None
    cap: Amount | None = None
    monotone: Monotone | None = None

    by: ClassVar[None] = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Points:
        check_limits(self.floor, self.cap)
        check_shares((at for at, _ in self.through), self.on)
        check_ascending([at for at, _ in self.through], "the points", self._percent)
        self._laid.check(self.monotone, False, self._percent)
        return self

    @property
    def bounded_above(self) -> bool:
        """Whether there is a most that it can give, however high the value."""
        return self.cap is not None or self._laid.pieces[-1].slope <= 0

    @property
    def _percent(self) -> bool:
        return self.on == "attainment"

    @cached_property
    def _laid(self) -> Pieces:
        lines = []
        for (x, y), (end, height) in pairwise(self.through):
            lines.append(Piece(x, end, x, y, (height - y) / (end - x)))
        first, (last, height) = lines[0], self.through[-1]
        extended = self.outside == "extend"
        below = Piece(-math.inf, first.x, first.x, first.y, first.slope if extended else 0.0)
        above = Piece(last, math.inf, last, height, lines[-1].slope if extended else 0.0)
        return Pieces([below, *lines, above], ["lower"] * len(self.through))

    def points(self, values: Any, by: Any = None) -> NDArray[np.float64]:
        """The points for each value; what is missing (NaN) stays so."""
        return limited(self._laid.values(values), self.floor, self.cap)

    def breakdown(self, value: float, by: float | None = None) -> tuple[TierPart, ...]:
        """The line that the value lies on, and what floor or cap change; empty for NaN."""
        if math.isnan(value):
            return ()
        line = self._laid.piece(value)
        lower, upper = (bound if math.isfinite(bound) else None for bound in (line.lower, line.upper))
        label = span(lower, upper, self._percent)
        return held([TierPart(label, lower, upper, value, None, line.at(value))], self.floor, self.cap)

    def describe(self) -> str:
        """The curve in one line, for a statement.

        >>> Points(on="value", through=[[0, 120], [60, 0]], outside="hold", floor=0).describe()
        'straight lines through 0: 120, 60: 0; outside held; floor 0'
        """
        pairs = ", ".join(f"{number(at, self._percent)}: {number(points)}" for at, points in self.through)
        outside = "outside held" if self.outside == "hold" else "outside extended"
        return with_limits([f"straight lines through {pairs}", outside], self.floor, self.cap)


KINDS = ("linear", "points", "tiers", "band", "table", "matrix")


def _kind(value: object) -> str:
    """The tag of the curve that is meant; the linear one's where nothing is said."""
    found = value.get("kind", "linear") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return f"{found} curve"


# A tag is a step in the place of an error, so that none may be called like a key.
Curve = Annotated[
    Annotated[Linear, Tag("linear curve")]
    | Annotated[Points, Tag("points curve")]
    | Annotated[Tiers, Tag("tiers curve")]
    | Annotated[Band, Tag("band curve")]
    | Annotated[Table, Tag("table curve")]
    | Annotated[Matrix, Tag("matrix curve")],
    Discriminator(
        _kind,
        custom_error_type="unknown_kind",
        custom_error_message=f"a curve is of kind {', '.join(KINDS)}: write for example kind: tiers",
    ),
]
"""Any curve: they all have `points(values, by)`, `breakdown(value, by)`, `describe()`, `on`, `by`, `cap` and
`bounded_above`."""
