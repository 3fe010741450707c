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


WRITTEN_DIGITS = 14
"""Significant digits of a computed figure that are its own; a float has one or two more, which come from
computing."""


def as_written(values: Any) -> NDArray[np.float64]:
    """As people would write them, to 14 significant digits, so that 100 x 1.1 is 110.

    >>> 100 * 1.1, as_written([100 * 1.1, 1 / 3, 0.0]).tolist()
    (110.00000000000001, [110.0, 0.33333333333333, 0.0])
    """
    import numpy as np

    numbers = np.asarray(values, dtype=np.float64)
    size = np.abs(numbers)
    ordinary = (size > 1e-6) & (size < 1e15)  # where the powers of ten below are exact
    known = np.where(ordinary, size, 1.0)
    places = WRITTEN_DIGITS - 1 - np.floor(np.log10(known))
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    found = np.rint(known * up / down) * down / up
    return np.where(ordinary, np.copysign(found, numbers), numbers)
