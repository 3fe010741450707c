"""Functions of numbers, and those of values of any type.

Exact on every engine: each is made of steps that IEEE 754 rounds in one way. Only `ln`, `exp` and powers
that are not whole come from the platform's mathematics, and may differ in the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crmrules.expr.signature import (
    ANY,
    DECIMALS,
    EXPONENT,
    NUMBERS,
    NUMERIC,
    ORDERED,
    Function,
)

if TYPE_CHECKING:
    import narwhals as nw

_LARGEST_EXPONENT = 709.782712893384
"""Beyond it, `exp` is beyond the largest float."""

_LAST_DIGITS = 2.0**-52
"""How far a decimal times a power of ten may be from what is written: half a last digit of each."""

_TELLS_HUNDREDTHS = 2.0**44
"""Up to here, that is less than a hundredth, so that 0.49 is never taken for a half."""


def round_half_away(number: float, digits: float = 0.0) -> float:
    """Rounded to so many decimals, a half away from zero, as money people expect.

    A half is what is one as it is written: 1.005 is one of two decimals, though its float is a little less.
    """
    factor = 10.0 ** int(digits)
    scaled = abs(number) * factor
    if scaled >= 2.0**52:
        return number
    # Not floor(scaled + 0.5): the sum itself rounds, and 0.49999999999999994 would go up.
    whole = float(math.floor(scaled))
    half = 0.5 - scaled * _LAST_DIGITS if digits and scaled < _TELLS_HUNDREDTHS else 0.5
    return math.copysign((whole + 1.0 if scaled - whole >= half else whole) / factor, number)


def _round_column(number: nw.Expr, digits: float = 0.0) -> nw.Expr:
    import narwhals as nw

    from crmrules.frames import over

    factor = 10.0 ** int(digits)
    scaled = number.abs() * factor
    whole = scaled.floor()
    up = scaled - whole >= 0.5
    if digits:
        up = up | ((scaled - whole >= 0.5 - scaled * _LAST_DIGITS) & (scaled < _TELLS_HUNDREDTHS))
    rounded = over(nw.when(up).then(whole + 1.0).otherwise(whole), factor)
    signed = nw.when(number < 0).then(-rounded).otherwise(rounded)
    return nw.when(scaled >= 2.0**52).then(number).otherwise(signed)


def _extreme(horizontal: str) -> Callable[..., nw.Expr]:
    def column(*arguments: nw.Expr) -> nw.Expr:
        import narwhals as nw

        result = arguments[0]
        for argument in arguments[1:]:
            either = result <= argument if horizontal == "min" else result >= argument
            known = ~argument.is_null() & ~result.is_null()
            result = nw.when(either & known).then(result).otherwise(nw.when(known).then(argument))
        return result

    return column


_least, _most = _extreme("min"), _extreme("max")


def _coalesce(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def _coalesce_column(*arguments: nw.Expr) -> nw.Expr:
    import narwhals as nw

    result = arguments[-1]
    for argument in reversed(arguments[:-1]):
        result = nw.when(~argument.is_null()).then(argument).otherwise(result)
    return result


def finite(value: float) -> float | None:
    """The number, or None for what is not finite."""
    return value if math.isfinite(value) else None


def _finite_column(value: nw.Expr) -> nw.Expr:
    import narwhals as nw

    return nw.when(value.is_finite()).then(value)


def _mod(number: float, divisor: float) -> float | None:
    if divisor == 0.0 or not math.isfinite(times := number / divisor):
        return None
    return finite(number - math.floor(times) * 1.0 * divisor)


def _mod_column(number: nw.Expr, divisor: nw.Expr) -> nw.Expr:
    import narwhals as nw

    # The sum makes the divisor a column even where it is a constant: see `frames.over`.
    by = nw.when(divisor != 0.0).then(divisor + number * 0.0)
    return _finite_column(number - (number / by).floor() * by)


def _times_itself(base: Any, exponent: int) -> Any:
    """A whole power from 1 up, by the same products in the same order for numbers and columns."""
    result = None
    while True:
        if exponent & 1:
            result = base if result is None else result * base
        exponent >>= 1
        if not exponent:
            return result
        base = base * base


def _power(base: float, exponent: float) -> float | None:
    if exponent == 0.0:
        return 1.0
    if exponent.is_integer():
        raised = _times_itself(base, abs(int(exponent)))
        if exponent < 0:
            return finite(1.0 / raised) if raised else None
        return finite(raised)
    if base < 0.0 or (base == 0.0 and exponent < 0.0):
        return None
    try:
        return math.sqrt(base) if exponent == 0.5 else math.pow(base, exponent)
    except OverflowError:
        return None


def _power_column(base: nw.Expr, exponent: float) -> nw.Expr:
    import narwhals as nw

    if exponent == 0.0:
        return base * 0.0 + 1.0
    if exponent.is_integer():
        raised = _times_itself(base, abs(int(exponent)))
        return _finite_column(raised if exponent > 0 else 1.0 / nw.when(raised != 0.0).then(raised))
    possible = nw.when(base > 0.0 if exponent < 0.0 else base >= 0.0).then(base)
    return _finite_column(possible.sqrt() if exponent == 0.5 else possible**exponent)


def _sqrt_column(number: nw.Expr) -> nw.Expr:
    import narwhals as nw

    return nw.when(number >= 0.0).then(number).sqrt()


def _ln_column(number: nw.Expr) -> nw.Expr:
    import narwhals as nw

    return nw.when(number > 0.0).then(number).log()


def _exp_column(number: nw.Expr) -> nw.Expr:
    import narwhals as nw

    return nw.when(number <= _LARGEST_EXPONENT).then(number).exp()


ROWS = (
    Function("abs", (NUMERIC,), "common", abs, lambda x: x.abs(), "The value without its sign.", "abs(-3)"),
    Function(
        "round",
        (NUMBERS, NUMBERS),
        "number",
        round_half_away,
        _round_column,
        "Rounded to so many decimals (0 if not said), a half away from zero.",
        "round(2.5)",
        constants_from=1,
        constants=DECIMALS,
        cost=3,
    ),
    Function(
        "floor",
        (NUMBERS,),
        "number",
        lambda x: float(math.floor(x)),
        lambda x: x.floor(),
        "The largest whole number that is not above.",
        "floor(2.7)",
    ),
    Function(
        "ceil",
        (NUMBERS,),
        "number",
        lambda x: float(math.ceil(x)),
        lambda x: x.ceil(),
        "The smallest whole number that is not below.",
        "ceil(2.1)",
    ),
    Function(
        "min",
        (ORDERED, ORDERED),
        "common",
        min,
        _least,
        "The smallest of two or more values of a record.",
        "min(3, 2)",
        required=2,
        variadic=True,
        cost=2,
    ),
    Function(
        "max",
        (ORDERED, ORDERED),
        "common",
        max,
        _most,
        "The largest of two or more values of a record.",
        "max(3, 2)",
        required=2,
        variadic=True,
        cost=2,
    ),
    Function(
        "clip",
        (ORDERED, ORDERED, ORDERED),
        "common",
        lambda x, low, high: min(max(x, low), high),
        lambda x, low, high: _least(_most(x, low), high),
        "The value, but not below the second and not above the third.",
        "clip(150, 0, 100)",
        required=3,
        cost=4,
    ),
    Function(
        "mod",
        (NUMBERS, NUMBERS),
        "number",
        _mod,
        _mod_column,
        "What is left of a division, with the sign of the divisor; missing for a divisor of 0.",
        "mod(-7, 3)",
        required=2,
        partial=True,
        cost=4,
    ),
    Function(
        "power",
        (NUMBERS, NUMBERS),
        "number",
        _power,
        _power_column,
        "A power; the exponent is a constant from -12 to 12. Missing where there is none.",
        "power(2, 10)",
        required=2,
        constants_from=1,
        constants=EXPONENT,
        partial=True,
        cost=12,
    ),
    Function(
        "sqrt",
        (NUMBERS,),
        "number",
        lambda x: math.sqrt(x) if x >= 0.0 else None,
        _sqrt_column,
        "The square root; missing below 0.",
        "sqrt(16)",
        partial=True,
        cost=2,
    ),
    Function(
        "ln",
        (NUMBERS,),
        "number",
        lambda x: math.log(x) if x > 0.0 else None,
        _ln_column,
        "The natural logarithm; missing for 0 and below.",
        "ln(1)",
        partial=True,
        cost=2,
    ),
    Function(
        "exp",
        (NUMBERS,),
        "number",
        lambda x: math.exp(x) if x <= _LARGEST_EXPONENT else None,
        _exp_column,
        "e to that power; missing where it is beyond the largest number.",
        "exp(0)",
        partial=True,
        cost=2,
    ),
    Function(
        "coalesce",
        (ANY, ANY),
        "common",
        _coalesce,
        _coalesce_column,
        "The first value that is not missing.",
        "coalesce(None, 3)",
        required=2,
        variadic=True,
        nulls="own",
    ),
    Function(
        "if_null",
        (ANY, ANY),
        "common",
        _coalesce,
        _coalesce_column,
        "The value, or the second where it is missing.",
        "if_null(None, 3)",
        required=2,
        nulls="own",
    ),
    Function(
        "is_null",
        (ANY,),
        "bool",
        lambda x: x is None,
        lambda x: x.is_null(),
        "Whether the value is missing.",
        "is_null(None)",
        nulls="own",
    ),
)
