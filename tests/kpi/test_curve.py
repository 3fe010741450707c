"""Curves: points for an attainment."""

import math

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi import Linear

attainments = st.floats(-10, 10, allow_nan=False)


@given(attainments)
def test_without_a_cap_points_are_a_hundred_for_each_target(attainment: float) -> None:
    expected = 100 * attainment if attainment > 0 else 0.0
    assert Linear().points(attainment) == pytest.approx(expected, rel=1e-15)


@given(attainments, st.floats(-200, 200), st.floats(0.5, 400))
def test_points_stay_within_floor_and_cap(attainment: float, floor: float, above: float) -> None:
    cap = floor + above
    if cap <= 0:
        return
    points = float(Linear(floor=floor, cap=cap).points(attainment))
    assert points == min(max(100 * attainment, floor), cap)


@given(st.lists(attainments, min_size=2))
def test_more_attainment_is_never_fewer_points(listed: list[float]) -> None:
    points = Linear(floor=20, cap=150).points(sorted(listed)).tolist()
    assert points == sorted(points)


def test_the_best_possible_gets_the_cap_and_the_unknown_stays_unknown() -> None:
    best, unknown = Linear(cap=120).points([math.inf, math.nan])
    assert best == 120
    assert np.isnan(unknown)


@pytest.mark.parametrize(
    "wrong", [{"cap": 0}, {"cap": -1}, {"floor": 50, "cap": 50}, {"floor": 60, "cap": 50}]
)
def test_a_cap_that_is_not_above_the_floor_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(pydantic.ValidationError, match="cap"):
        Linear(**wrong)


@pytest.mark.parametrize("wrong", [{"kind": "cubic"}, {"ceiling": 1}, {"cap": "much"}])
def test_what_a_curve_does_not_know_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Linear(**wrong)
