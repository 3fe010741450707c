"""Indicators: a figure with what it is held against and how much it weighs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Frozen
from crmrules.kpi.curve import Curve, Linear
from crmrules.kpi.target import MissingTarget, Target, expression_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Direction = Literal["higher", "lower"]


@final
class Indicator(BaseModel):
    """A named expression over measures, with target, direction, curve and weight.

    value: an expression over measures (`won / (won + lost)`), or with aggregates of its own where there is
    one source; the measure of the indicator's own name if not said. model: in place of a value, another
    model, whose composite is the value; without a target it is the score as well.
    target: what 100 % is, in the unit of the value: a number, an expression (`prior(revenue) * 1.1`), or a
    table of quotas. An indicator without target is shown and does not count, unless its curve is laid over
    the value itself (`on: value`). missing_target: a row without target has no score (`skip`), no points
    (`zero`), or is an `error`.
    direction: `lower` where less is better; lower_by: its attainment as a `ratio`, target / actual, or by the
    `difference`, 1 + (target - actual) / target.
    weight: any positive scale; 0 is shown and scored, and does not count.
    accumulates: whether the value grows with the days of a period, as sums and counts do, so that half of
    them make half of the target; such indicators have a pace.
    """

    model_config = Frozen

    value: str | None = None
    model: str | None = None
    target: Target | None = None
    missing_target: MissingTarget = "skip"
    direction: Direction = "higher"
    lower_by: Literal["ratio", "difference"] = "ratio"
    curve: Curve = Linear()
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    accumulates: bool = False

    @pydantic.model_validator(mode="after")
    def _check(self) -> Indicator:
        if self.model is not None and self.value is not None:
            raise ValueError("the composite of a model is the value: leave `value` or `model` out")
        if not self.scored and self.weight > 0:
            raise ValueError(
                "an indicator with a weight needs a target: write target: 100, or leave the weight out"
            )
        if self.direction == "higher" and self.lower_by != "ratio":
            raise ValueError("`lower_by` goes with direction: lower: write both, or neither")
        boundless = self.direction == "lower" and self.lower_by == "ratio" and not self.curve.bounded_above
        if self.target is not None and self.curve.on == "attainment" and boundless:
            raise ValueError(
                "where lower is better, a value of 0 is beyond every score: give the curve a cap"
            )
        return self

    @property
    def scored(self) -> bool:
        """Whether it has a score: by a target, by a curve over the value, or as another model's composite."""
        return self.target is not None or self.model is not None or self.curve.on == "value"

    @property
    def texts(self) -> dict[tuple[str, ...], str]:
        """The expressions that target and curve are computed by, each with the way to it."""
        target = expression_of(self.target)
        found: dict[tuple[str, ...], str] = {}
        if target is not None:
            found["target",] = target
        if self.curve.by is not None:
            found["curve", "by"] = self.curve.by
        return found

    def attainment(self, actual: Any, target: Any) -> NDArray[np.float64]:
        """The share of the target that each value comes to.

        actual / target; where lower is better target / actual, which is infinite for a value of 0 or
        less: no value can be better; or by the difference 1 + (target - actual) / target. What is missing
        (NaN) stays so, and against a target of 0 or less nothing is attained (NaN).

        >>> Indicator(direction="lower", lower_by="difference").attainment([27.0, 33.0], 30.0).tolist()
        [1.1, 0.9]
        """
        import numpy as np

        values = np.asarray(actual, dtype=np.float64)
        goal = np.asarray(target, dtype=np.float64)
        goal = np.where(goal > 0, goal, np.nan)
        if self.direction == "higher":
            return np.asarray(values / goal, dtype=np.float64)
        if self.lower_by == "difference":
            return np.asarray((2 * goal - values) / goal, dtype=np.float64)
        positive = np.where(values > 0, values, 1.0)
        with np.errstate(over="ignore"):  # a value close to 0 is as good as 0
            shares = goal / positive
        best = np.where(np.isnan(goal), np.nan, np.inf)
        return np.where(values <= 0, best, np.where(np.isnan(values), np.nan, shares))
