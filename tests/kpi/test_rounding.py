"""Scores as people see them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.expr import Expression
from crmrules.kpi.rounding import SCORE_DIGITS, as_written, rounded

numbers = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-100_000, 100_000).map(lambda whole: whole / 1000), st.just(2.0**60)
)


@given(st.lists(numbers, min_size=1, max_size=10), st.integers(0, 9))
def test_scores_are_rounded_as_expressions_round(listed: list[float], digits: int) -> None:
    one = Expression.parse(f"round(x, {digits})", {"x": "number"})
    assert rounded(listed, digits).tolist() == [one({"x": each}) for each in listed]


@pytest.mark.parametrize(
    ("score", "digits", "expected"),
    [
        (89.95, 1, 90.0),
        (89.94, 1, 89.9),
        (1.005, 2, 1.01),
        (-0.25, 1, -0.3),
        (0.5, 0, 1.0),
        (1e300, 2, 1e300),
    ],
)
def test_a_half_goes_away_from_zero(score: float, digits: int, expected: float) -> None:
    assert rounded([score], digits).tolist() == [expected]


def test_what_is_missing_stays_so_and_there_is_no_negative_zero() -> None:
    missing, zero, infinite = rounded([math.nan, -1e-12, math.inf])
    assert np.isnan(missing)
    assert math.copysign(1, zero) == 1
    assert infinite == math.inf


def test_the_order_of_a_sum_does_not_decide() -> None:
    one, other = (0.1 + 0.2) + 0.3, 0.1 + (0.2 + 0.3)
    assert one != other
    assert rounded([one])[0] == rounded([other])[0]
    assert SCORE_DIGITS == 9


@given(st.lists(st.floats(-1e16, 1e16) | st.integers(-(10**9), 10**9).map(lambda x: x * 1.1), max_size=10))
def test_a_computed_figure_is_written_with_fourteen_digits(listed: list[float]) -> None:
    for found, number in zip(as_written(listed).tolist(), listed, strict=True):
        assert found == pytest.approx(number, rel=1e-13)


def test_cents_of_computed_figures_are_those_of_paper() -> None:
    for cents in range(1, 20_000, 7):
        # 110 % of so many cents, to a thousandth, whose nearest float is what decimals give.
        assert as_written(cents / 100 * 1.1).item() == cents * 11 / 1000
    unknown = as_written([math.nan, math.inf, -0.0])
    assert [str(each) for each in unknown.tolist()] == ["nan", "inf", "-0.0"]
