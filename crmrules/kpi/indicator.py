"""Indicators: a figure with what it is held against and how much it weighs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Frozen
from crmrules.kpi.curve import Curve, Linear

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Direction = Literal["higher", "lower"]


@final
class Indicator(BaseModel):
    """A named expression over measures, with target, direction, curve and weight.

    value: an expression over measures (`won / (won + lost)`), or with aggregates of its own where there is
    one source; the measure of the indicator's own name if not said. model: in place of a value, another
    model, whose composite is the value; without a target it is the score as well. target: what 100 % is, in
    the unit of the value; an indicator without target is shown and does not count. direction: `lower` where
    less is better. weight: any positive scale; 0 is shown and scored, and does not count.
    """

    model_config = Frozen

    value: str | None = None
    model: str | None = None
    target: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    direction: Direction = "higher"
    curve: Curve = Linear()
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @pydantic.model_validator(mode="after")
    def _check(self) -> Indicator:
        if self.model is not None and self.value is not None:
            raise ValueError("the composite of a model is the value: leave `value` or `model` out")
        if not self.scored and self.weight > 0:
            raise ValueError(
                "an indicator with a weight needs a target: write target: 100, or leave the weight out"
            )
        if self.target is not None and self.direction == "lower" and self.curve.cap is None:
            raise ValueError(
                "where lower is better, a value of 0 is beyond every score: give the curve a cap"
            )
        return self

    @property
    def scored(self) -> bool:
        """Whether it has a score: by a target, or as the composite of another model."""
        return self.target is not None or self.model is not None

    def attainment(self, actual: Any, target: Any = None) -> NDArray[np.float64]:
        """The share of the target that each value comes to.

        actual / target; where lower is better target / actual, which is infinite for a value of 0 or
        less: no value can be better. What is missing (NaN) stays so.
        """
        import numpy as np

        values = np.asarray(actual, dtype=np.float64)
        target = self.target if target is None else target
        if target is None:
            return np.full(values.shape, np.nan)
        if self.direction == "higher":
            return np.asarray(values / target, dtype=np.float64)
        positive = np.where(values > 0, values, 1.0)
        with np.errstate(over="ignore"):  # a value close to 0 is as good as 0
            shares = target / positive
        return np.where(values <= 0, np.inf, np.where(np.isnan(values), np.nan, shares))
