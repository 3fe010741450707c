"""Straight pieces: what every curve of one quantity is made of, and how its parts are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from crmrules.fields import Frozen, Number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOLERANCE = 1e-9
"""How far from a boundary a value may be and still count as exactly on it: absolute for boundaries up to
1, beyond that relative to the boundary. The order in which a sum was added up changes it by about 1e-14."""

On = Literal["attainment", "value"]
"""What a curve is laid over: the share of the target (1 is the target), or the indicator's own value."""

MOST_SHARE = 10.0
"""The highest share of a target that a boundary may be, 1,000 %: whoever writes 80 there means 80 %."""

Side = Literal["lower", "upper"]
Boundary = Annotated[
    Annotated[Side, Tag("one side")] | Annotated[tuple[Side, ...], Tag("sides")],
    Discriminator(lambda value: "sides" if isinstance(value, list | tuple) else "one side"),
]
"""What exactly a boundary belongs to: `lower` makes it the lower end of the tier above, `upper` the upper
end of the tier below; or a list, a side for each boundary."""

Monotone = Literal["rises", "falls"]
Points = Annotated[float, Field(allow_inf_nan=False)]


def _pair(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("expected a value and its points: write [0.8, 60]")
    return value


Pair = Annotated[tuple[Number, Points], BeforeValidator(_pair)]
"""A value and its points."""


def _with_kind(schema: dict[str, Any]) -> None:
    schema["required"] = ["kind", *schema.get("required", [])]


Laid = ConfigDict(**Frozen, validate_by_name=True, validate_by_alias=True, json_schema_extra=_with_kind)
"""How curves other than the linear one are declared: `kind` has to be said."""


@final
@dataclass(frozen=True, slots=True)
class TierPart:
    """A line of a statement: how much of a value lies in a tier, and the points that it brings.

    lower, upper: the ends of the tier, None where it is open. rate: points for each unit of the amount,
    None where the points do not depend on it. The parts of a value add up to its points.
    """

    label: str
    lower: float | None
    upper: float | None
    amount: float | None
    rate: float | None
    points: float


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """A straight line between two bounds: y + slope x (value - x)."""

    lower: float
    upper: float
    x: float
    y: float
    slope: float = 0.0

    def at(self, value: float) -> float:
        """The line's height; that of a level line is known even infinitely far away."""
        return self.y + self.slope * (value - self.x) if self.slope else self.y


@final
class Pieces:
    """Straight lines side by side, from minus to plus infinity.

    sides: for each bound between two pieces, to which of them it belongs.

    >>> step = Pieces([Piece(-math.inf, 1, 0, 0), Piece(1, math.inf, 0, 100)], ["upper"])
    >>> step.values([0.5, 1, 1.5]).tolist()
    [0.0, 0.0, 100.0]
    """

    def __init__(self, pieces: Sequence[Piece], sides: Sequence[Side]) -> None:
        self.pieces = tuple(pieces)
        self.sides = tuple(sides)

    @cached_property
    def _thresholds(self) -> NDArray[np.float64]:
        return thresholds([each.lower for each in self.pieces[1:]], self.sides)

    @cached_property
    def _lines(self) -> NDArray[np.float64]:
        import numpy as np

        return np.array([[each.x, each.y, each.slope] for each in self.pieces]).T

    def places(self, values: Any) -> NDArray[np.intp]:
        """Which piece each value lies on; any for NaN."""
        import numpy as np

        return np.searchsorted(self._thresholds, np.asarray(values, dtype=np.float64), side="right")

    def values(self, values: Any) -> NDArray[np.float64]:
        """The height over each value; NaN over NaN."""
        import numpy as np

        given = np.asarray(values, dtype=np.float64)
        x, y, slope = self._lines[:, self.places(given)]
        with np.errstate(over="ignore", invalid="ignore"):  # 0 x infinity, which is not taken
            found = np.where(slope == 0.0, y, y + slope * (given - x))
        return np.asarray(np.where(np.isnan(given), np.nan, found) + 0.0)  # makes 0.0 of -0.0

    def piece(self, value: float) -> Piece:
        """The piece that a value lies on."""
        return self.pieces[int(self.places(value))]

    def check(self, monotone: Monotone | None, continuous: bool, percent: bool) -> None:
        """Raise ValueError where the lines go back or jump, if they are declared not to."""
        for piece in self.pieces if monotone else ():
            if piece.slope < 0 if monotone == "rises" else piece.slope > 0:
                where = span(_finite(piece.lower), _finite(piece.upper), percent)
                raise ValueError(f"{where} {_goes_back(monotone)}")
        for before, after in pairwise(self.pieces):
            there, here = before.at(before.upper), after.at(after.lower)
            margin = TOLERANCE * max(1.0, abs(there), abs(here))
            jump = f"from {number(there)} to {number(here)} at {number(after.lower, percent)}"
            if monotone and (here < there - margin if monotone == "rises" else here > there + margin):
                raise ValueError(f"{jump} {_goes_back(monotone)}")
            if continuous and abs(here - there) > margin:
                raise ValueError(
                    f"{jump} is a jump, and the curve is declared as continuous: "
                    "let the two meet there, or leave `continuous` out"
                )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _goes_back(monotone: Monotone | None) -> str:
    other = "falls" if monotone == "rises" else "rises"
    return (
        f"the curve {other}, and it is declared as one that {monotone}: "
        "change the figures there, or leave `monotone` out"
    )


def thresholds(bounds: Sequence[float], sides: Sequence[Side]) -> NDArray[np.float64]:
    """Where the next interval begins for each bound: a value counts as beyond the bound from there on."""
    import numpy as np

    at = np.array(bounds, dtype=np.float64)
    margin = TOLERANCE * np.maximum(1.0, np.abs(at))
    upper = np.array([side == "upper" for side in sides], dtype=bool)
    return np.where(upper, np.nextafter(at + margin, np.inf), at - margin)


def sides(boundary: Boundary | None, count: int) -> tuple[Side, ...]:
    """The side of each of so many boundaries. Raises ValueError for a list of another length."""
    if boundary is None or isinstance(boundary, str):
        return (boundary or "lower",) * count
    if len(boundary) != count:
        raise ValueError(
            f"{len(boundary)} sides for {count} boundaries: "
            "write one side for all, or a list with a side for each boundary"
        )
    return boundary


def check_ascending(values: Iterable[float], what: str, percent: bool) -> None:
    """Raise ValueError for values that do not go up, or are too close to be told apart."""
    for before, after in pairwise(values):
        if after - before <= 2 * TOLERANCE * max(1.0, abs(before), abs(after)):
            raise ValueError(
                f"{what} go from the lowest up, {number(after, percent)} cannot follow "
                f"{number(before, percent)}: put them in order, each once"
            )


def check_shares(bounds: Iterable[float | None], on: On) -> None:
    """Raise ValueError for a boundary of attainments that must be meant as a percent."""
    for bound in bounds:
        if on == "attainment" and bound is not None and abs(bound) > MOST_SHARE:
            raise ValueError(
                f"{bound:g} on attainment is {number(bound, True)} of the target: "
                f"write {bound:g}% or {bound / 100:g}, or on: value"
            )


def check_limits(floor: float | None, cap: float | None) -> None:
    """Raise ValueError for a cap that is not above the floor."""
    if floor is not None and cap is not None and cap <= floor:
        raise ValueError(f"the cap ({cap:g}) is not above the floor ({floor:g}): raise the cap")


def limited(points: NDArray[np.float64], floor: float | None, cap: float | None) -> NDArray[np.float64]:
    """Points within floor and cap; NaN stays."""
    import numpy as np

    return np.clip(points, -np.inf if floor is None else floor, np.inf if cap is None else cap) + 0.0


def held(parts: Sequence[TierPart], floor: float | None, cap: float | None) -> tuple[TierPart, ...]:
    """Parts with a last one for what floor or cap adds or takes."""
    total = math.fsum(part.points for part in parts)
    if cap is not None and total > cap:
        bound, label = cap, f"held at the cap of {number(cap)}"
    elif floor is not None and total < floor:
        bound, label = floor, f"raised to the floor of {number(floor)}"
    else:
        return tuple(parts)
    if math.isinf(total):
        return (TierPart(label, None, None, None, None, bound),)
    return (*parts, TierPart(label, None, None, None, None, bound - total))


def number(value: float, percent: bool = False) -> str:
    """A figure as people write it.

    >>> number(1500000.0), number(0.975, percent=True)
    ('1,500,000', '97.5 %')
    """
    if percent:
        return f"{value * 100 + 0.0:,.10g} %"
    return f"{value + 0.0:,.12g}"


def span(lower: float | None, upper: float | None, percent: bool) -> str:
    """A tier as people write it.

    >>> span(0.8, 1.0, True), span(None, 30, False), span(100000, None, False)
    ('80 % to 100 %', 'up to 30', '100,000 and more')
    """
    if upper is None:
        return "all" if lower is None else f"{number(lower, percent)} and more"
    if lower is None:
        return f"up to {number(upper, percent)}"
    return f"{number(lower, percent)} to {number(upper, percent)}"


def spoken(boundary: Boundary | None) -> str:
    """Which side boundaries belong to, in words."""
    match boundary:
        case None:
            return ""
        case "lower":
            return "a boundary belongs to the tier above it"
        case "upper":
            return "a boundary belongs to the tier below it"
        case _:
            words = ("the tier above" if side == "lower" else "the tier below" for side in boundary)
            return f"the boundaries belong to {', '.join(words)}"


def with_limits(words: Iterable[str], floor: float | None, cap: float | None) -> str:
    """A description's words, with floor and cap."""
    limits = [
        f"floor {number(floor)}" if floor is not None else "",
        f"cap {number(cap)}" if cap is not None else "",
    ]
    return "; ".join(filter(None, [*words, *limits]))
