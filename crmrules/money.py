"""Exact money: amounts as whole numbers of the smallest unit, so that sums are exact in any order."""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from typing import Literal

Rounding = Literal["error", "half_even"]

MOST_DIGITS = 6
LARGEST = 2**50
"""The largest amount in smallest units; up to here a float of any digits still tells its nearest unit."""

FLOAT_SLACK = 1e-6
"""How far from a whole number of smallest units a float may be and still count as one (0.1 + 0.2 does)."""

_TOO_LARGE = "it is too large to be carried exactly"
HALF = 0.5 - 1e-6
"""50 x 0.29 is 14.5, and as floats just below it: what is within a millionth of a half is a half."""

_CONTEXT = decimal.Context(prec=60, traps=[decimal.InvalidOperation])


class NotMoney(ValueError):
    """An amount that cannot be carried exactly; `str()` says why."""


def scaled(value: float | Decimal, digits: int, *, rounding: Rounding = "error") -> int:
    """An amount in smallest units: 12.34 with 2 digits is 1234.

    A float is multiplied as a float, as columns are, and counts as exact within `FLOAT_SLACK` of a
    smallest unit. Raises NotMoney for an amount with more digits than declared, unless `rounding` is
    `half_even`, and for one that is not finite or is beyond 2^50 smallest units.

    >>> scaled(Decimal("12.34"), 2), scaled(0.1 + 0.2, 2)
    (1234, 30)
    """
    if isinstance(value, float):
        return _scaled_float(value, digits, rounding)
    if isinstance(value, int):
        if value.bit_length() > 64:
            raise NotMoney(_TOO_LARGE)
        exact = Decimal(value)
    else:
        exact = value
    if not exact.is_finite():
        raise NotMoney("it is not finite")
    if exact.adjusted() > 30:
        raise NotMoney(_TOO_LARGE)
    # Quantizing rounds once; scaling first would round to the context's precision before.
    rounded = exact.quantize(Decimal(1).scaleb(-digits), decimal.ROUND_HALF_EVEN, _CONTEXT)
    if rounding == "error" and rounded != exact:
        raise NotMoney(f"it has more than {digits} decimals")
    return _within(int(rounded.scaleb(digits, _CONTEXT)))


def _scaled_float(value: float, digits: int, rounding: Rounding) -> int:
    units = value * 10.0**digits
    if not math.isfinite(units):
        raise NotMoney("it is not finite" if not math.isfinite(value) else _TOO_LARGE)
    whole = round(units)
    if rounding == "error" and abs(units - whole) > abs(units) * 2.0**-52 + FLOAT_SLACK:
        raise NotMoney(f"it has more than {digits} decimals")
    return _within(whole)


def _within(units: int) -> int:
    if abs(units) > LARGEST:
        raise NotMoney(_TOO_LARGE)
    return units


def amount(units: int, digits: int) -> Decimal:
    """Smallest units as a decimal amount: 1234 with 2 digits is 12.34.

    >>> amount(1234, 2)
    Decimal('12.34')
    """
    return Decimal(units).scaleb(-digits, _CONTEXT)


def credited(units: int, credit: float) -> int:
    """A share of an amount in smallest units, half a unit rounded away from zero.

    >>> credited(101, 0.5), credited(-101, 0.5), credited(50, 0.29)
    (51, -51, 15)
    """
    share = abs(units) * credit
    whole = math.floor(share)
    whole += share - whole >= HALF
    return whole if units >= 0 else -whole
