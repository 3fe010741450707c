"""Scores as people see them: rounded before they decide a grade or a rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORE_DIGITS = 9
"""Scores are rounded to so many decimals before they decide a grade or a rank, since the order of a sum
changes its last digits (about 1e-14) between engines and runs."""

_LAST_DIGITS = 2.0**-52
_TELLS_HUNDREDTHS = 2.0**44


def rounded(values: Any, digits: int = SCORE_DIGITS) -> NDArray[np.float64]:
    """Rounded to so many decimals, a half away from zero, as `round` in expressions does it.

    A half is what is one as it is written: 1.005 is one of two decimals, though its float is a little
    less. What is missing (NaN) stays so; there is no -0.0.

    >>> rounded([89.95, -0.25, 1.005], 1).tolist()
    [90.0, -0.3, 1.0]
    """
    import numpy as np

    numbers = np.asarray(values, dtype=np.float64)
    factor = 10.0**digits
    scaled = np.abs(numbers) * factor
    whole = np.floor(scaled)
    near = (scaled < _TELLS_HUNDREDTHS) if digits else np.zeros(scaled.shape, dtype=bool)
    half = np.where(near, 0.5 - scaled * _LAST_DIGITS, 0.5)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        up = scaled - whole >= half
    found = np.copysign(np.where(up, whole + 1.0, whole) / factor, numbers)
    return np.where(scaled >= 2.0**52, numbers, found) + 0.0
