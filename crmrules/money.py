"""Exact money: amounts as whole numbers of the smallest unit, so that sums are exact in any order."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Literal

Rounding = Literal["error", "half_even"]

MOST_DIGITS = 6
LARGEST = 2**53
"""The largest amount in smallest units; up to here float64 holds every whole number exactly."""

FLOAT_SLACK = 1e-6
"""How far from a whole number of smallest units a float may be and still count as one (0.1 + 0.2 does)."""

_CONTEXT = decimal.Context(prec=60, traps=[decimal.InvalidOperation])


class NotMoney(ValueError):
    """An amount that cannot be carried exactly; `str()` says why."""


def scaled(value: float | Decimal, digits: int, *, rounding: Rounding = "error") -> int:
    """An amount in smallest units: 12.34 with 2 digits is 1234.

    A float counts as exact within `FLOAT_SLACK` of a smallest unit. Raises NotMoney for an amount with
    more digits than declared, unless `rounding` is `half_even`, and for one that is not finite or is
    beyond 2^53 smallest units.

    >>> scaled(Decimal("12.34"), 2), scaled(0.1 + 0.2, 2)
    (1234, 30)
    """
    if isinstance(value, int):
        units = Decimal(value).scaleb(digits, _CONTEXT)
    else:
        try:
            exact = Decimal(value)
        except (decimal.InvalidOperation, ValueError):
            raise NotMoney("it is not an amount") from None
        if not exact.is_finite():
            raise NotMoney("it is not finite")
        if exact.adjusted() > 30:
            raise NotMoney("it is too large to be carried exactly")
        units = exact.scaleb(digits, _CONTEXT)
    whole = units.to_integral_value(decimal.ROUND_HALF_EVEN)
    if rounding == "error" and whole != units:
        slack = Decimal(FLOAT_SLACK) + abs(units) * Decimal(2**-52) if isinstance(value, float) else 0
        if abs(units - whole) > slack:
            raise NotMoney(f"it has more than {digits} decimals")
    if abs(whole) > LARGEST:
        raise NotMoney("it is too large to be carried exactly")
    return int(whole)


def amount(units: int, digits: int) -> Decimal:
    """Smallest units as a decimal amount: 1234 with 2 digits is 12.34.

    >>> amount(1234, 2)
    Decimal('12.34')
    """
    return Decimal(units).scaleb(-digits, _CONTEXT)


def credited(units: int, credit: float) -> int:
    """A share of an amount in smallest units, half a unit rounded away from zero.

    >>> credited(101, 0.5), credited(-101, 0.5)
    (51, -51)
    """
    share = abs(units) * credit
    whole = int(share + 0.5)
    return whole if units >= 0 else -whole
