"""How many levels whole columns of a card have reached, as far as floats can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.scorecard import Figures

ASK = -1
"""Only an evaluation of the row by itself can tell."""

MARGIN = 1e-6
"""So near to a bound, relative to it, money has to be compared exactly."""


def levels_of(figures: Figures, direction: str, shares: Sequence[float]) -> NDArray[np.int64]:
    """For each row how many of the shares its attainment has reached, shares in ascending order.

    `ASK` where the attainment lies so near to a bound that rounding could decide, and where lower is better
    and there is no attainment, as for a value of 0. What else is not known has reached nothing.
    """
    import numpy as np

    attainment = figures.attainment
    if attainment is None:
        return np.full(len(figures.actual), ASK, dtype=np.int64)
    found = np.zeros(len(attainment), dtype=np.int64)
    beyond = -len(shares) - 1
    for share in shares:
        surely, maybe = attainment >= share * (1 + MARGIN), attainment >= share * (1 - MARGIN)
        found += surely
        found[surely != maybe] = beyond
    if direction == "lower":
        found[~np.isfinite(attainment)] = beyond
    return np.where(found < 0, ASK, found)
