"""Tiers: rates or points by the tier that a figure has come to, as in commission tables."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Number
from crmrules.kpi.pieces import (
    Boundary,
    Laid,
    Monotone,
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
    sides,
    span,
    spoken,
    thresholds,
    with_limits,
)
from crmrules.kpi.tier import Tier, joints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

How = Literal["flat", "marginal", "interpolated"]


@final
class Tiers(BaseModel):
    """Points by tiers.

    how: `flat` pays the whole amount at the rate of the tier that was reached, or gives its points;
    `marginal` pays what lies in each tier at that tier's rate; `interpolated` takes each tier's figure as
    that of its lower end and goes straight to the next.
    boundary: whether what is exactly on a boundary belongs to the tier above (`lower`: each tier includes
    its lower end) or below (`upper`), as in `crmrules.kpi.pieces.TOLERANCE`; the end of the lowest tier is
    always its own. Has to be said where it changes anything.
    by: an expression; the tier is chosen by what it comes to, and the amount is paid at its rate. With
    `marginal` it is the running total that the amount is the last part of, such as `ytd(revenue)`.
    opens_at: the first tier is for all until `by` has come to this; then the amount chooses its tier.
    What lies below the first tier's `from` brings nothing. monotone (`rises`, `falls`) and continuous are
    checked where declared.

    marginal(x) = sum over tiers of rate x max(0, min(x, to) - from)
    with `by`: marginal(by) - marginal(by - x)

    >>> table = [{"from": 0, "to": 10000, "rate": "1%"}, {"to": 50000, "rate": "2%"}, {"rate": "3%"}]
    >>> Tiers(on="value", how="flat", boundary="lower", tiers=table).points([5000, 15000, 60000]).tolist()
    [50.0, 300.0, 1800.0]
    >>> Tiers(on="value", how="marginal", tiers=table).points([5000, 15000, 60000]).tolist()
    [50.0, 200.0, 1200.0]
    """

    model_config = Laid

    kind: Literal["tiers"] = "tiers"
    on: On
    how: How
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    boundary: Boundary | None = None
    by: Annotated[str, Field(min_length=1)] | None = None
    opens_at: Number | None = None
    floor: Points | None = None
    cap: Points | None = None
    monotone: Monotone | None = None
    continuous: bool = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> Tiers:
        check_limits(self.floor, self.cap)
        check_shares((end for each in self.tiers for end in (each.lower, each.upper)), self._bounds_of)
        _ = self._joints
        self._check_figures()
        self._check_chooser()
        self._check_boundary()
        self._laid.check(self.monotone, self.continuous, self._percent)
        return self

    def _check_figures(self) -> None:
        rates = [each.rate is not None for each in self.tiers]
        if any(rates) and not all(rates):
            raise ValueError("some tiers have a rate and some have points: give all the same")
        if self.how == "marginal" and not self._paid:
            raise ValueError("marginal tiers pay by rates: write rate in place of points, or how: flat")
        if self.how == "interpolated" and self.tiers[0].lower is None:
            raise ValueError("interpolated tiers begin somewhere: write `from` at the first tier")
        for place, tier in enumerate(self.tiers):
            if tier.retroactive and (self.how != "marginal" or place == 0):
                raise ValueError(
                    "`retroactive` goes with marginal tiers after the first (flat ones are it already): "
                    "leave it out"
                )

    def _check_chooser(self) -> None:
        if self.opens_at is not None and (self.by is None or self.how == "interpolated"):
            raise ValueError(
                "`opens_at` is what `by` has to come to, for flat or marginal tiers: "
                "write by: ytd(revenue), or leave opens_at out"
            )
        if self._running and self.on != "value":
            raise ValueError(
                "marginal tiers by a running total split the value itself: write on: value, or how: flat"
            )

    def _check_boundary(self) -> None:
        if self.how == "interpolated":
            if self.boundary is not None:
                raise ValueError("interpolated tiers meet at their boundaries: leave `boundary` out")
            return
        steps = self.how == "flat" or any(each.retroactive for each in self.tiers)
        if self.boundary is None and steps and len(self.tiers) > 1:
            at = number(self._joints[0], self._percent)
            raise ValueError(
                f"which tier exactly {at} belongs to is not said: write boundary: lower for the tier that "
                "begins there, or boundary: upper for the tier that ends there"
            )
        sides(self.boundary, len(self._joints))

    @property
    def bounded_above(self) -> bool:
        """Whether there is a most that it can give, however high the value."""
        return self.cap is not None or not self._paid or (self.by is None and self.tiers[-1].figure <= 0)

    @property
    def _paid(self) -> bool:
        """Whether there are rates, paid on the amount, rather than points."""
        return self.tiers[0].rate is not None

    @property
    def _running(self) -> bool:
        return self.how == "marginal" and self.by is not None and self.opens_at is None

    @property
    def _chosen_by(self) -> bool:
        """Whether `by` decides the figure, which then is paid on the amount."""
        return self.by is not None and self.opens_at is None and self.how != "marginal"

    @property
    def _percent(self) -> bool:
        """Whether the ends of the tiers are shares of the target."""
        return self._bounds_of == "attainment"

    @property
    def _bounds_of(self) -> On:
        """What the ends of the tiers are, if `by` does not decide."""
        return self.on if self.by is None or self.opens_at is not None else "value"

    @cached_property
    def _joints(self) -> list[float]:
        """The boundaries between tiers."""
        return joints(self.tiers, self._percent)

    @cached_property
    def _ends(self) -> list[tuple[float | None, float | None]]:
        joints = self._joints
        return [*zip([self.tiers[0].lower, *joints], [*joints, None], strict=True)]

    @cached_property
    def _labels(self) -> list[str]:
        return [span(lower, upper, self._percent) for lower, upper in self._ends]

    @property
    def _shift(self) -> int:
        """How many pieces lie below the first tier."""
        return int(self.tiers[0].lower is not None)

    @cached_property
    def _segments(self) -> list[list[tuple[float, float]]]:
        """For each tier, what a value in it is paid: from where on, at which rate, the last being open."""
        found: list[list[tuple[float, float]]] = []
        for place, tier in enumerate(self.tiers):
            rate = tier.rate or 0.0
            lower = self._ends[place][0]
            if tier.retroactive or (self.how == "flat" and self._paid):
                found.append([(0.0, rate)])
            else:
                found.append([*(found[-1] if found else []), (lower or 0.0, rate)])
        return found

    @cached_property
    def _laid(self) -> Pieces:
        """Points over the value or the running total; of figures that are paid on another amount, these."""
        lines = []
        for place, (tier, (lower, upper)) in enumerate(zip(self.tiers, self._ends, strict=True)):
            low, high = -math.inf if lower is None else lower, math.inf if upper is None else upper
            figure = tier.figure
            if self.how == "interpolated":
                x, y, slope = low, figure, 0.0
                if upper is not None:
                    slope = (self.tiers[place + 1].figure - figure) / (upper - low)
            elif not self._paid or self._chosen_by:
                x, y, slope = 0.0, figure, 0.0
            else:
                segments = self._segments[place]
                (x, slope), y = segments[-1], _full(segments)
            lines.append(Piece(low, high, x, y, slope))
        inner = sides(self.boundary, len(self._joints))
        if self._shift:
            nothing = Piece(-math.inf, lines[0].lower, 0.0, 0.0)
            return Pieces([nothing, *lines], ["lower", *inner])
        return Pieces(lines, inner)

    @cached_property
    def _closed(self) -> Pieces:
        """What is paid as long as only the first tier is open."""
        kept = self._laid.pieces[: self._shift + 1]
        last = kept[-1]
        return Pieces(
            [*kept[:-1], Piece(last.lower, math.inf, last.x, last.y, last.slope)], ["lower"] * self._shift
        )

    def points(self, values: Any, by: Any = None) -> NDArray[np.float64]:
        """The points for each value; `by` is what the tier is chosen by, where that is declared.

        What is missing (NaN), in either, stays so. Raises TypeError where `by` is declared and not given.
        """
        import numpy as np

        x = np.asarray(values, dtype=np.float64)
        if self.by is None:
            found = self._laid.values(x)
            if self.how == "interpolated" and self._paid:
                found = _times(found, x)
            return limited(found, self.floor, self.cap)
        chooser = self._chooser(by)
        if self.opens_at is not None:
            is_open = chooser >= thresholds([self.opens_at], ["lower"])[0]
            found = np.where(is_open, self._laid.values(x), self._closed.values(x))
        elif self.how == "marginal":
            found = self._between(chooser, x)
        else:
            found = self._laid.values(chooser)
            found = _times(found, x) if self._paid else found
        found = np.where(np.isnan(x) | np.isnan(chooser), np.nan, found)
        return limited(found, self.floor, self.cap)

    def _chooser(self, by: Any) -> NDArray[np.float64]:
        import numpy as np

        if by is None:
            raise TypeError(f"the tier is chosen by {self.by}: pass `by`, a value for each amount")
        return np.asarray(by, dtype=np.float64)

    def _between(self, total: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the last part of a running total brings; unknown where either is infinite."""
        import numpy as np

        with np.errstate(invalid="ignore"):
            before = total - x
            found = self._laid.values(total) - self._laid.values(before)
        # Within one tier the difference of two large figures would only lose digits.
        places = self._laid.places(total)
        slopes = np.array([piece.slope for piece in self._laid.pieces])[places]
        found = np.where(places == self._laid.places(before), _times(slopes, x), found)
        return np.where(np.isinf(total) | np.isinf(x), np.nan, found)

    def breakdown(self, value: float, by: float | None = None) -> tuple[TierPart, ...]:
        """How much of one value lies in which tier, and what it brings there; empty for NaN.

        The parts add up to the points: what floor or cap change is a part of its own.
        """
        chooser = value if self.by is None else float(self._chooser(by))
        if math.isnan(value) or math.isnan(chooser):
            return ()
        if self._running:
            if math.isinf(value) or math.isinf(chooser):
                return ()
            parts = self._parts_between(chooser, value)
        elif self.opens_at is not None and chooser < thresholds([self.opens_at], ["lower"])[0]:
            parts = self._parts(value, self._closed)
            parts = [_relabelled(part, f" (the rest opens at {number(self.opens_at)})") for part in parts]
        elif self._chosen_by:
            parts = [self._whole(self._laid, chooser, value)]
        else:
            parts = self._parts(value, self._laid)
        return held(parts, self.floor, self.cap)

    def _whole(self, laid: Pieces, chooser: float, amount: float) -> TierPart:
        """The one part of a figure that is paid on all of the amount, or on nothing."""
        place = int(laid.places(chooser)) - self._shift
        figure = laid.piece(chooser).at(chooser)
        lower, upper = self._ends[place] if place >= 0 else (None, self.tiers[0].lower)
        label = self._labels[place] if place >= 0 else self._below
        points = float(_times(figure, amount)) if self._paid else figure
        return TierPart(label, lower, upper, amount, figure if self._paid else None, points)

    @property
    def _below(self) -> str:
        return f"below {number(self.tiers[0].lower or 0.0, self._percent)}"

    def _parts(self, value: float, laid: Pieces) -> list[TierPart]:
        if self.how != "marginal":
            if self.how == "flat" and self._paid:
                place = int(laid.places(value)) - self._shift
                rate = (self.tiers[place].rate or 0.0) if place >= 0 else 0.0
                lower, upper = self._ends[place] if place >= 0 else (None, self.tiers[0].lower)
                label = self._labels[place] if place >= 0 else self._below
                return [TierPart(label, lower, upper, value, rate, float(_times(rate, value)))]
            return [self._whole(laid, value, value)]
        place = int(laid.places(value)) - self._shift
        if place < 0:
            return [TierPart(self._below, None, self.tiers[0].lower, value, 0.0, 0.0)]
        segments = self._segments[place]
        starts = [start for start, _ in segments]
        parts: list[TierPart] = []
        for step, ((start, rate), end) in enumerate(zip(segments, [*starts[1:], value], strict=True)):
            at = place - len(segments) + 1 + step
            lower, upper = self._ends[at]
            label = self._labels[at]
            if self.tiers[at].retroactive:
                label, lower = f"{label}, and all below it", None
            amount = end - start
            if amount or not parts:
                parts.append(TierPart(label, lower, upper, amount, rate, float(_times(rate, amount))))
        return parts

    def _parts_between(self, total: float, value: float) -> list[TierPart]:
        before = total - value
        if any(each.retroactive for each in self.tiers):
            paid = float(self._laid.values(before))
            already = TierPart(f"less what {number(before)} brought before", None, None, None, None, -paid)
            return [*self._parts(total, self._laid), already]
        low, high = min(before, total), max(before, total)
        sign = 1.0 if value >= 0 else -1.0
        parts = []
        for label, tier, (lower, upper) in zip(self._labels, self.tiers, self._ends, strict=True):
            start = low if lower is None else max(low, lower)
            end = high if upper is None else min(high, upper)
            if end > start:
                amount = sign * (end - start)
                amount = value if (start, end) == (low, high) else amount
                rate = tier.rate or 0.0
                parts.append(TierPart(label, lower, upper, amount, rate, float(_times(rate, amount))))
        return parts

    def describe(self) -> str:
        """The tiers in one line, for a statement.

        >>> table = [{"to": 30, "points": 100}, {"points": 60}]
        >>> Tiers(on="value", how="flat", boundary="upper", tiers=table).describe()
        'flat tiers, up to 30: 100; 30 and more: 60; a boundary belongs to the tier below it'
        """
        words = []
        for label, tier in zip(self._labels, self.tiers, strict=True):
            # 5 for each visit is no 500 %.
            percent = self._paid and self.on == "value" and abs(tier.figure) < 1
            figure = number(tier.figure, percent)
            words.append(f"{label}: {figure}{' retroactively' if tier.retroactive else ''}")
        words[0] = f"{self.how} tiers, {words[0]}"
        if self.opens_at is not None:
            words.append(f"only the first until {self.by} is {number(self.opens_at)}")
        elif self.by is not None:
            words.append(f"by {self.by}")
        return with_limits([*words, spoken(self.boundary)], self.floor, self.cap)


def _full(segments: list[tuple[float, float]]) -> float:
    """What all segments but the last, which is open, bring."""
    return math.fsum(rate * (end - start) for (start, rate), (end, _) in pairwise(segments))


def _times(figures: Any, amounts: Any) -> NDArray[np.float64]:
    """Rate times amount; a rate of 0 brings nothing even on an infinite amount."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        found = np.where(np.equal(figures, 0.0) & ~np.isnan(amounts), 0.0, np.multiply(figures, amounts))
    return np.asarray(found + 0.0)


def _relabelled(part: TierPart, words: str) -> TierPart:
    return TierPart(part.label + words, part.lower, part.upper, part.amount, part.rate, part.points)
