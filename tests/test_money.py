"""Amounts as whole numbers of the smallest unit."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.money import LARGEST, NotMoney, amount, credited, scaled

digits = st.integers(0, 6)
units = st.integers(-LARGEST, LARGEST)


@given(units, digits)
def test_a_decimal_comes_back_as_it_was(units: int, digits: int) -> None:
    assert scaled(amount(units, digits), digits) == units


@given(units, digits)
def test_the_float_nearest_to_an_amount_is_that_amount(units: int, digits: int) -> None:
    assert scaled(float(amount(units, digits)), digits) == units


@given(units, digits, st.integers(1, 8))
def test_a_decimal_with_a_further_digit_is_refused_however_small(
    units: int, digits: int, further: int
) -> None:
    with pytest.raises(NotMoney, match=f"more than {digits} decimals"):
        scaled(amount(units, digits) + Decimal(1).scaleb(-digits - further), digits)


@given(st.decimals(-(10**6), 10**6, places=9), digits)
def test_rounding_takes_the_nearest_unit_and_the_even_one_of_two(value: Decimal, digits: int) -> None:
    nearest = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    assert scaled(value, digits, rounding="half_even") == int(nearest.scaleb(digits))


@pytest.mark.parametrize(
    ("value", "cents"), [(0.1 + 0.2, 30), (1.115, 112), (1.125, 112), (-1.125, -112), (-0.0, 0)]
)
def test_floats_as_people_write_them(value: float, cents: int) -> None:
    assert scaled(value, 2, rounding="half_even") == cents


@pytest.mark.parametrize(
    "value", [float("inf"), Decimal("inf"), Decimal("sNaN"), Decimal("1e999999"), 10**400, 1e308]
)
def test_what_cannot_be_carried_is_refused(value: float | Decimal) -> None:
    with pytest.raises(NotMoney, match=r"not finite|too large"):
        scaled(value, 2)


@given(st.integers(-(10**12), 10**12), st.floats(0, 1))
def test_credit_is_symmetrical_and_never_more_than_the_amount(units: int, credit: float) -> None:
    assert credited(-units, credit) == -credited(units, credit)
    assert abs(credited(units, credit)) <= abs(units)


@pytest.mark.parametrize(("units", "half"), [(1, 1), (3, 2), (-1, -1), (-3, -2), (2, 1)])
def test_half_a_unit_goes_away_from_zero(units: int, half: int) -> None:
    assert credited(units, 0.5) == half
