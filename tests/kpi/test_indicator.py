"""Indicators: the share of a target that a value comes to."""

import math

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Indicator
from crmrules.kpi import Linear

targets = st.floats(0.01, 1e6)
values = st.floats(-1e6, 1e6)


@given(values, targets)
def test_where_more_is_better_attainment_is_the_quotient(value: float, target: float) -> None:
    assert float(Indicator(target=target).attainment(value, target)) == value / target


@given(values, targets)
def test_where_less_is_better_attainment_is_the_inverse(value: float, target: float) -> None:
    attainment = float(
        Indicator(target=target, direction="lower", curve=Linear(cap=150)).attainment(value, target)
    )
    assert attainment == (target / value if value > 0 else math.inf)


def test_zero_and_negative_values_where_less_is_better_get_the_cap() -> None:
    indicator = Indicator(target=10, direction="lower", curve={"cap": 130})
    assert indicator.curve.points(indicator.attainment([0, -3, 20, 10], 10)).tolist() == [130, 130, 50, 100]


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_what_is_missing_stays_missing(direction: str) -> None:
    indicator = Indicator(target=10, direction=direction, curve=Linear(cap=150))
    missing, known = indicator.attainment([math.nan, 10], 10).tolist()
    assert math.isnan(missing)
    assert known == 1


@pytest.mark.parametrize("direction", ["higher", "lower"])
@pytest.mark.parametrize("target", [0.0, -5.0, math.nan])
def test_against_a_target_that_is_none_nothing_is_attained(direction: str, target: float) -> None:
    indicator = Indicator(target=10, direction=direction, curve=Linear(cap=150))
    assert all(map(math.isnan, indicator.attainment([1.0, 0.0, -2.0], target).tolist()))


@pytest.mark.parametrize(
    ("lower_by", "actual", "target", "attainment"),
    [
        # W9: discount per sales dollar 5 % to 4.5 %, as a ratio and as a difference.
        ("ratio", 0.045, 0.05, 1 / 0.9),
        ("difference", 0.045, 0.05, 1.1),
        # AC-32: a sales cycle of 30 days, mirrored.
        ("difference", 30, 30, 1.0),
        ("difference", 27, 30, 1.1),
        ("difference", 33, 30, 0.9),
        ("difference", 61, 30, -1 / 30),
        ("difference", 0, 30, 2.0),
    ],
)
def test_lower_is_better_by_ratio_or_by_difference(
    lower_by: str, actual: float, target: float, attainment: float
) -> None:
    indicator = Indicator(target=target, direction="lower", lower_by=lower_by, curve=Linear(cap=120))
    assert float(indicator.attainment(actual, target)) == pytest.approx(attainment, rel=1e-12)


def test_how_lower_is_told_goes_with_the_direction() -> None:
    with pytest.raises(pydantic.ValidationError, match="goes with direction: lower"):
        Indicator(target=1, lower_by="difference")


@pytest.mark.parametrize("target", [0, -1, math.inf, math.nan])
def test_a_target_is_a_positive_number(target: float) -> None:
    with pytest.raises(pydantic.ValidationError, match="target"):
        Indicator(target=target)


@pytest.mark.parametrize("weight", [-1, math.inf, math.nan])
def test_a_weight_is_no_negative_number(weight: float) -> None:
    with pytest.raises(pydantic.ValidationError, match="weight"):
        Indicator(target=1, weight=weight)


def test_a_weight_needs_a_target() -> None:
    with pytest.raises(pydantic.ValidationError, match="needs a target"):
        Indicator(weight=1)


def test_less_is_better_needs_a_cap() -> None:
    with pytest.raises(pydantic.ValidationError, match="give the curve a cap"):
        Indicator(target=1, direction="lower")


def test_an_indicator_is_a_value() -> None:
    assert Indicator(target=1, weight=2) == Indicator(target=1, weight=2)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Indicator(target=1).target = 2
