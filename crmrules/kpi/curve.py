"""Curves: what an attainment is worth in points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
class Linear(BaseModel):
    """Points in proportion to attainment: 100 for the target, 120 for 120 %, within floor and cap.

    score = min(max(100 x attainment, floor), cap)

    floor: the least points. cap: the most, None for no limit.

    >>> Linear(cap=150).points([0.5, 1.2, 9.0]).tolist()
    [50.0, 120.0, 150.0]
    """

    model_config = Frozen

    kind: Literal["linear"] = "linear"
    floor: float = 0.0
    cap: Annotated[float, Field(gt=0)] | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Linear:
        if self.cap is not None and self.cap <= self.floor:
            raise ValueError(f"the cap ({self.cap:g}) is not above the floor ({self.floor:g}): raise the cap")
        return self

    def points(self, attainment: Any) -> NDArray[np.float64]:
        """The points for each attainment (a share, 1.0 is the target); what is missing (NaN) stays so."""
        import numpy as np

        points = 100.0 * np.asarray(attainment, dtype=np.float64)
        return np.clip(points, self.floor, np.inf if self.cap is None else self.cap)


Curve = Linear
