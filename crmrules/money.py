"""Exact money: amounts as whole numbers of the smallest unit, so that sums are exact in any order."""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import narwhals as nw

    from crmrules.frames import Frame

Rounding = Literal["error", "half_even"]

MOST_DIGITS = 6
LARGEST = 2**50
"""The largest amount in smallest units; up to here a float of any digits still tells its nearest unit."""

LARGEST_SUM = 2**62
"""The largest sum in smallest units; beyond 2^63 whole numbers of engines begin again at the negative end."""

FLOAT_SLACK = 1e-6
"""How far from a whole number of smallest units a float may be and still count as one (0.1 + 0.2 does)."""

_TOO_LARGE = "it is too large to be carried exactly"
HALF = 0.5 - 1e-6
"""50 x 0.29 is 14.5, and as floats just below it: what is within a millionth of a half is a half."""
TO_NEXT = 1.0 - HALF
"""What takes a half to the next whole number, and nothing below it."""

FINEST = 1e6
"""Fractions of a unit are compared in millionths, so that the noise of floats orders nothing."""

_CONTEXT = decimal.Context(prec=60, traps=[decimal.InvalidOperation])


class NotMoney(ValueError):
    """An amount that cannot be carried exactly; `str()` says why."""


_MOST_PLACES = 16
"""How many places before the point an amount in smallest units may have to be looked at closely."""


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


def scaled_decimals(values: Iterable[Decimal | None], digits: int) -> list[int | None] | None:
    """A column of decimals as `scaled` gives each; None where one of them does not fit as it is."""
    found: list[int | None] = []
    for value in values:
        if value is None:
            found.append(None)
            continue
        moved = value.scaleb(digits, _CONTEXT)
        if not moved.is_finite() or moved.adjusted() > _MOST_PLACES or (units := int(moved)) != moved:
            return None
        if not -LARGEST <= units <= LARGEST:
            return None
        found.append(units)
    return found


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
    whole = math.floor(abs(units) * credit + TO_NEXT)
    return whole if units >= 0 else -whole


def credited_column(units: nw.Expr, credit: nw.Expr | float) -> nw.Expr:
    """`credited` of columns: whole units as floats, half a unit away from zero."""
    return _signed(units, _credited_column(units.abs(), credit))


def split(units: int, shares: Sequence[float]) -> list[int]:
    """An amount in smallest units, split by shares so that the parts add up to the cent.

    The parts' sum is `credited(units, sum of the shares)`. Each part is its exact share rounded down (towards
    zero), and the units that are left over go to the parts with the largest fractions, to the first of
    equal ones (largest remainder, Hamilton's method). Shares are 0 or more.

    >>> split(10_000, [1 / 3, 1 / 3, 1 / 3]), split(-10_000, [1 / 3, 1 / 3, 1 / 3]), split(1, [0.5, 0.5])
    ([3334, 3333, 3333], [-3334, -3333, -3333], [1, 0])
    """
    if not shares:
        return []
    together = 0.0
    for share in shares:  # not `sum`, which compensates from Python 3.12 on, as no column does
        together += share
    exact = [abs(units) * share for share in shares]
    parts = [math.floor(part) for part in exact]
    finest = [math.floor((part - whole) * FINEST + 0.5) for part, whole in zip(exact, parts, strict=True)]
    left = credited(abs(units), together) - sum(parts)
    by_fraction = sorted(range(len(parts)), key=lambda position: -finest[position])
    for position in by_fraction[: max(left, 0)]:
        parts[position] += 1
        left -= 1
    # Anything but 0 only beyond 2^47 units, where a float no longer tells fractions.
    parts[0] += left
    return parts if units >= 0 else [-part for part in parts]


def split_columns(frame: Frame, units: str, shares: Sequence[str], parts: Sequence[str]) -> Frame:
    """`split` of columns: the frame with a column of whole units for each share, named by `parts`.

    units: a column of whole units, shares: columns of numbers, both as floats. A share that is missing in
    a row is no share there, and its part is missing; missing units make all parts missing.
    Step by step over named columns: as one expression it costs ten times as much with three shares.
    """
    import narwhals as nw

    if not shares:
        return frame
    places = range(len(shares))
    exact, whole, finest, given = (
        [f"@{step} {place}" for place in places] for step in ("exact", "whole", "finest", "given")
    )
    absent = [nw.col(share).is_null() for share in shares]
    known = [
        nw.when(~missing).then(nw.col(share)).otherwise(0.0)
        for missing, share in zip(absent, shares, strict=True)
    ]
    size = nw.col(units).abs()
    frame = frame.with_columns(*((size * known[place]).alias(exact[place]) for place in places))
    frame = frame.with_columns(*(nw.col(exact[place]).floor().alias(whole[place]) for place in places))
    fractions = [((nw.col(exact[place]) - nw.col(whole[place])) * FINEST + 0.5).floor() for place in places]
    left = _credited_column(size, _added(known)) - _added([nw.col(name) for name in whole])
    frame = frame.with_columns(
        left.alias("@left"),
        *(
            nw.when(~absent[place]).then(fractions[place]).otherwise(-1.0).alias(finest[place])
            for place in places
        ),
    )
    ranks = [_rank(finest, place) for place in places]
    frame = frame.with_columns(
        *(_one_if((ranks[place] < nw.col("@left")) & ~absent[place]).alias(given[place]) for place in places)
    )
    received = [nw.col(whole[place]) + nw.col(given[place]) for place in places]
    received[0] = received[0] + nw.col("@left") - _added([nw.col(name) for name in given])
    frame = frame.with_columns(
        *(
            nw.when(~absent[place]).then(_signed(nw.col(units), received[place])).alias(parts[place])
            for place in places
        )
    )
    return frame.drop("@left", *exact, *whole, *finest, *given)


def _rank(columns: Sequence[str], place: int) -> nw.Expr:
    """How many columns come before the one at a place: the larger ones, and equal ones to its left."""
    import narwhals as nw

    own = nw.col(columns[place])
    before = [
        _one_if(nw.col(other) >= own if earlier < place else nw.col(other) > own)
        for earlier, other in enumerate(columns)
        if earlier != place
    ]
    return _added(before) if before else own * 0.0


def _credited_column(whole: nw.Expr, credit: nw.Expr | float) -> nw.Expr:
    return (whole * credit + TO_NEXT).floor()


def _signed(units: nw.Expr, whole: nw.Expr) -> nw.Expr:
    import narwhals as nw

    # Not `-whole`: PyArrow tells -0.0 from 0.0.
    return nw.when(units < 0.0).then(0.0 - whole).otherwise(whole)


def _one_if(test: nw.Expr) -> nw.Expr:
    import narwhals as nw

    return nw.when(test).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def _added(columns: Sequence[nw.Expr]) -> nw.Expr:
    result = columns[0]
    for column in columns[1:]:
        result = result + column
    return result
