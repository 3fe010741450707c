"""Curves: points for an attainment."""

import math
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi import Linear
from crmrules.kpi.curve import Curve, Points

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


@pytest.mark.parametrize(
    "wrong", [{"kind": "cubic"}, {"ceiling": 1}, {"cap": "much"}, {"cap": math.inf}, {"floor": math.nan}]
)
def test_what_a_curve_does_not_know_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Linear(**wrong)


@given(attainments, st.floats(1, 500))
def test_the_slope_is_points_for_each_target_more(attainment: float, slope: float) -> None:
    expected = max(100 + slope * (attainment - 1), 0)
    assert float(Linear(slope=slope).points(attainment)) == pytest.approx(expected, abs=1e-9)


CURVES: dict[str, dict[str, Any]] = {
    "linear": {"cap": 120},
    "points": {"on": "attainment", "through": [["50%", 0], [1, 100]], "outside": "hold"},
    "tiers": {"on": "attainment", "how": "marginal", "tiers": [{"rate": 100}], "cap": 120},
    "band": {"on": "value", "from": 28, "to": 32, "below": "hold", "above": {"lose": 5}},
    "table": {"on": "value", "match": "at_most", "rows": [[30, 100]], "otherwise": 0},
    "matrix": {
        "on": "attainment", "by": "collected", "cells": [[0, 1], [2, 3]],
        "rows": {"bounds": [1], "boundary": "lower"}, "columns": {"bounds": [1], "boundary": "upper"},
    },
}  # fmt: skip
ANY: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(Curve)


@pytest.mark.parametrize("kind", CURVES)
def test_every_kind_is_known_by_its_name_and_answers_alike(kind: str) -> None:
    curve = ANY.validate_python({"kind": kind, **CURVES[kind]})
    assert type(curve).__name__.lower() == kind
    assert ANY.validate_python(curve) is curve
    assert ANY.validate_python(curve.model_dump(by_alias=True)) == curve
    by = [1.0, 1.0, 1.0] if kind == "matrix" else None
    points = curve.points([1.0, math.nan, -0.0], by)
    assert math.isnan(points[1])
    assert not np.signbit(points[2])
    parts = curve.breakdown(1.0, by and by[0])
    assert math.fsum(part.points for part in parts) == pytest.approx(points[0], abs=1e-9)
    assert curve.describe()
    assert "\n" not in curve.describe()
    assert curve.bounded_above
    assert curve.cap is not None or kind == "points"
    assert curve.on in ("attainment", "value")
    assert curve.by == CURVES[kind].get("by")
    assert curve.points([], by and []).tolist() == []


@pytest.mark.parametrize("wrong", [{"kind": "sigmoid"}, {"kind": 5}, "linear", 5, {"kind": None}])
def test_a_kind_that_is_none_is_refused(wrong: object) -> None:
    with pytest.raises(pydantic.ValidationError, match="a curve is of kind linear, points, tiers"):
        ANY.validate_python(wrong)


def test_without_a_kind_a_curve_is_linear() -> None:
    assert ANY.validate_python({"cap": 150}) == Linear(cap=150)


def test_a_percent_is_a_share() -> None:
    assert Points(on="attainment", through=[["-50%", 0], ["100 %", 1]], outside="hold").through[0] == (
        -0.5,
        0,
    )


THROUGH = st.lists(
    st.tuples(st.integers(-50, 50).map(float), st.integers(-100, 200).map(float)),
    min_size=2,
    max_size=6,
    unique_by=lambda pair: pair[0],
).map(sorted)


@given(THROUGH, st.floats(-100, 100), st.sampled_from(["hold", "extend"]))
def test_straight_lines_are_those_by_hand(
    through: list[tuple[float, float]], x: float, outside: Literal["hold", "extend"]
) -> None:
    curve = Points(on="value", through=through, outside=outside)
    pairs = [*pairwise(through)]
    (x0, y0), (x1, y1) = next((pair for pair in pairs if x <= pair[1][0]), pairs[-1])
    inside = min(max(x, through[0][0]), through[-1][0]) if outside == "hold" else x
    expected = y0 + (y1 - y0) * (inside - x0) / (x1 - x0)
    assert float(curve.points(x)) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert [float(curve.points(at)) for at, _ in through] == [points for _, points in through]
    assert math.fsum(part.points for part in curve.breakdown(x)) == pytest.approx(
        float(curve.points(x)), abs=1e-9
    )


def test_lines_that_go_on_for_ever_have_no_most() -> None:
    endless = Points(on="attainment", through=[[0, 0], [1, 100]], outside="extend")
    assert not endless.bounded_above
    assert endless.points([math.inf, -math.inf]).tolist() == [math.inf, -math.inf]
    capped = Points(on="attainment", through=[[0, 0], [1, 100]], outside="extend", cap=150, floor=0)
    assert capped.bounded_above
    assert capped.points([math.inf, -math.inf]).tolist() == [150, 0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"through": [[0, 0]]}, "at least 2"),
        ({"through": [[1, 0], [0.8, 5]]}, "80 % cannot follow 100 %"),
        ({"through": [[1, 0], [1, 5]]}, "100 % cannot follow 100 %"),
        ({"monotone": "rises", "through": [[0, 0], [1, 100], [2, 90]]}, "100 % to 200 % the curve falls"),
        ({"outside": None}, "outside"),
        ({"cap": 1, "floor": 2}, "not above the floor"),
        ({"through": [[0, math.nan], [1, 1]]}, "finite"),
        ({"through": [[0, 0], [100, 100]]}, "write 100% or 1, or on: value"),
    ],
)
def test_what_makes_no_lines_is_refused(wrong: dict[str, Any], said: str) -> None:
    sound = {"on": "attainment", "through": [[0, 0], [1, 100]], "outside": "hold"}
    with pytest.raises(pydantic.ValidationError, match=said):
        Points.model_validate({**sound, **wrong})
