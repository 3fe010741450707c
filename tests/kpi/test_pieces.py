"""Straight pieces: sides, limits and how figures are written."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.pieces import (
    TOLERANCE,
    Piece,
    Pieces,
    Side,
    TierPart,
    check_ascending,
    check_limits,
    check_shares,
    held,
    limited,
    number,
    sides,
    span,
    spoken,
    thresholds,
)

BOUNDS = st.floats(-1e9, 1e9, allow_nan=False)


@given(BOUNDS, st.sampled_from(["lower", "upper"]))
def test_what_is_within_the_tolerance_of_a_bound_is_on_it(bound: float, side: Side) -> None:
    (begin,) = thresholds([bound], [side])
    margin = TOLERANCE * max(1.0, abs(bound))
    for on_it in (bound, bound + 0.9 * margin, bound - 0.9 * margin):
        assert (on_it >= begin) == (side == "lower")
    assert bound + 1.2 * margin >= begin
    assert bound - 1.2 * margin < begin


@given(st.lists(st.floats(), max_size=10))
def test_all_at_once_is_one_by_one(values: list[float]) -> None:
    laid = Pieces(
        [Piece(-math.inf, 0, 0, 5, -1), Piece(0, 10, 0, 1, 2), Piece(10, math.inf, 0, 7)], ["upper"] * 2
    )
    found = laid.values(values).tolist()
    for value, points in zip(values, found, strict=True):
        if math.isnan(value):
            assert math.isnan(points)
        else:
            assert points == laid.piece(value).at(value)
            assert not (points == 0 and np.signbit(points))


@pytest.mark.parametrize("shape", [(), (0,), (2, 2)])
def test_the_shape_stays(shape: tuple[int, ...]) -> None:
    assert Pieces([Piece(-math.inf, math.inf, 0, 0, 1)], []).values(np.ones(shape)).shape == shape


def test_a_jump_a_fall_and_a_step_back_are_named() -> None:
    step = Pieces([Piece(-math.inf, 1, 0, 60), Piece(1, math.inf, 0, 90)], ["lower"])
    step.check("rises", False, True)
    with pytest.raises(ValueError, match="from 60 to 90 at 100 % is a jump"):
        step.check(None, True, True)
    with pytest.raises(
        ValueError, match="from 60 to 90 at 100 % the curve rises, and it is declared as one that falls"
    ):
        step.check("falls", False, True)
    with pytest.raises(ValueError, match="up to 1 the curve falls"):
        Pieces([Piece(-math.inf, 1, 0, 0, -1), Piece(1, math.inf, 0, 9)], ["lower"]).check(
            "rises", False, False
        )


def test_lists_of_sides_have_one_for_each_boundary() -> None:
    assert sides(None, 2) == ("lower", "lower")
    assert sides("upper", 2) == ("upper", "upper")
    assert sides(("upper", "lower"), 2) == ("upper", "lower")
    with pytest.raises(ValueError, match="1 sides for 2 boundaries"):
        sides(("upper",), 2)


@pytest.mark.parametrize("values", [[1, 1], [2, 1], [0.1, 0.1 + 1e-10]])
def test_what_does_not_go_up_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="the rows go from the lowest up"):
        check_ascending(values, "the rows", False)


def test_a_boundary_on_attainment_that_must_be_a_percent_is_refused() -> None:
    check_shares([None, 1.2, -0.5, 10], "attainment")
    check_shares([80], "value")
    with pytest.raises(ValueError, match=r"80 on attainment is 8,000 % of the target: write 80% or 0\.8"):
        check_shares([0.5, 80], "attainment")


def test_limits_and_what_they_change_in_the_parts() -> None:
    with pytest.raises(ValueError, match="not above the floor"):
        check_limits(5, 5)
    part = TierPart("all", None, None, 200.0, 1.0, 200.0)
    assert held([part], 0, 150) == (part, TierPart("held at the cap of 150", None, None, None, None, -50.0))
    assert held([part], 250, None)[1] == TierPart("raised to the floor of 250", None, None, None, None, 50.0)
    assert held([part], 0, 200) == (part,)
    endless = TierPart("all", None, None, math.inf, 1.0, math.inf)
    assert [each.points for each in held([endless], None, 150)] == [150]
    assert limited(np.array([-1.0, np.nan, 9.0]), 0, 5)[[0, 2]].tolist() == [0, 5]


@pytest.mark.parametrize(
    ("value", "percent", "text"),
    [
        (0.07, True, "7 %"), (1.1, True, "110 %"), (0.0, True, "0 %"), (-0.0, False, "0"),
        (1234.5, False, "1,234.5"), (0.1 + 0.2, False, "0.3"),
    ],
)  # fmt: skip
def test_figures_as_people_write_them(value: float, percent: bool, text: str) -> None:
    assert number(value, percent) == text


def test_a_tier_without_ends_is_all() -> None:
    assert span(None, None, False) == "all"


def test_sides_in_words() -> None:
    assert spoken(None) == ""
    assert spoken("upper") == "a boundary belongs to the tier below it"
    assert spoken(("lower", "upper")) == "the boundaries belong to the tier above, the tier below"
