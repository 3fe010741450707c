"""Tiers: flat, marginal and interpolated tables against one written out in plain Python."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.curve import Points
from crmrules.kpi.tiers import Tiers

HOWS = ["flat", "marginal", "interpolated"]
SIDES = ["lower", "upper"]


def tiers(how: str, begins: list[float], figures: list[float], **more: Any) -> Tiers:
    figure = more.pop("figure", "rate")
    on = more.pop("on", "value")
    listed = [{"from": begin, figure: each} for begin, each in zip(begins, figures, strict=True)]
    side = more.pop("boundary", "lower")
    boundary = {} if how == "interpolated" else {"boundary": side}
    return Tiers.model_validate({"on": on, "how": how, "tiers": listed, **boundary, **more})


# Four decimals: closer to a boundary than 1e-9 is on it, which has tests of its own.
amounts = st.floats(-1e6, 1e6).map(lambda amount: round(amount, 4)) | st.integers(-20, 200).map(float)
rates = st.integers(-20, 100).map(lambda rate: rate / 1000)
tables = st.lists(st.integers(0, 200).map(float), min_size=1, max_size=5, unique=True).flatmap(
    lambda begins: st.tuples(
        st.just(sorted(begins)), st.lists(rates, min_size=len(begins), max_size=len(begins))
    )
)


def reached(begins: list[float], x: float, side: str) -> int:
    """Which tier, -1 below the first; the lowest end is the first tier's own."""
    if x < begins[0]:
        return -1
    found = 0
    for place, begin in enumerate(begins[1:], 1):
        if x > begin or (x == begin and side == "lower"):
            found = place
    return found


def by_hand(how: str, begins: list[float], figures: list[float], x: float, side: str) -> float:
    """The same tables, one value at a time."""
    place = reached(begins, x, "lower" if how == "interpolated" else side)
    if how == "marginal":
        total = 0.0
        for begin, end, rate in zip(begins, [*begins[1:], math.inf], figures, strict=True):
            total += rate * max(0.0, min(x, end) - begin)
        return total
    if place < 0:
        return 0.0
    if how == "flat":
        return figures[place] * x
    if place == len(begins) - 1:
        return figures[-1] * x
    part = (x - begins[place]) / (begins[place + 1] - begins[place])
    return (figures[place] + part * (figures[place + 1] - figures[place])) * x


@given(st.sampled_from(HOWS), tables, st.lists(amounts, max_size=8), st.sampled_from(SIDES))
def test_all_at_once_is_one_by_one_by_hand(
    how: str, table: tuple[list[float], list[float]], values: list[float], side: str
) -> None:
    begins, figures = table
    found = tiers(how, begins, figures, boundary=side).points([*values, math.nan])
    expected = [by_hand(how, begins, figures, x, side) for x in values]
    assert found[:-1].tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert math.isnan(found[-1])


@given(tables, amounts, amounts)
def test_marginal_is_continuous_and_does_not_fall_with_rates_above_zero(
    table: tuple[list[float], list[float]], x: float, y: float
) -> None:
    begins, figures = table
    figures = [abs(each) for each in figures]
    low, high = sorted((x, y))
    below, above = tiers("marginal", begins, figures, continuous=True, monotone="rises").points([low, high])
    assert -1e-9 * max(1, abs(above)) <= above - below <= max(figures) * (high - low) * (1 + 1e-9) + 1e-9


@given(tables, st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=6))
def test_a_running_total_paid_in_parts_is_paid_as_a_whole(
    table: tuple[list[float], list[float]], parts: list[float]
) -> None:
    curve = tiers("marginal", *table, by="ytd(revenue)")
    totals = np.cumsum(parts)
    whole = tiers("marginal", *table).points([0.0, totals[-1]])
    paid = curve.points(parts, totals)
    assert math.fsum(paid.tolist()) == pytest.approx(float(whole[1] - whole[0]), rel=1e-9, abs=1e-6)


@given(tables, amounts, st.sampled_from(SIDES))
def test_flat_is_one_rate_for_the_whole_amount_within_a_tier(
    table: tuple[list[float], list[float]], x: float, side: str
) -> None:
    begins, figures = table
    place = reached(begins, x, side)
    rate = figures[place] if place >= 0 else 0.0
    assert float(tiers("flat", begins, figures, boundary=side).points(x)) == pytest.approx(rate * x)
    given_points = tiers("flat", begins, figures, boundary=side, figure="points").points(x)
    assert float(given_points) == rate


@given(tables, amounts)
def test_the_sides_of_a_boundary_differ_on_the_boundary_alone(
    table: tuple[list[float], list[float]], x: float
) -> None:
    begins, figures = table
    lower, upper = (float(tiers("flat", begins, figures, boundary=side).points(x)) for side in SIDES)
    if x not in begins[1:]:
        assert lower == upper
    for place, begin in enumerate(begins[1:], 1):
        for near in (begin, math.nextafter(begin, math.inf), math.nextafter(begin, -math.inf)):
            lower, upper = (
                float(tiers("flat", begins, figures, boundary=side).points(near)) for side in SIDES
            )
            assert lower == pytest.approx(figures[place] * begin)
            assert upper == pytest.approx(figures[place - 1] * begin)


@given(tables, amounts)
def test_interpolated_points_are_straight_lines_through_the_lower_ends(
    table: tuple[list[float], list[float]], x: float
) -> None:
    begins, figures = table
    if len(begins) < 2 or x < begins[0]:
        return
    lines = Points(on="value", through=[*zip(begins, figures, strict=True)], outside="hold")
    found = tiers("interpolated", begins, figures, figure="points").points(x)
    assert float(found) == pytest.approx(float(lines.points(x)), rel=1e-12)


LIMITS = st.sampled_from([{}, {"cap": 3.0}, {"floor": 1.0}, {"floor": -1.0, "cap": 2.5}])


@given(st.sampled_from(HOWS), tables, amounts, LIMITS, st.sampled_from(["rate", "points"]))
def test_the_parts_add_up(
    how: str, table: tuple[list[float], list[float]], x: float, limits: dict[str, float], figure: str
) -> None:
    if how == "marginal":
        figure = "rate"
    curve = tiers(how, *table, figure=figure, **limits)
    parts = curve.breakdown(x)
    assert parts
    assert math.fsum(part.points for part in parts) == pytest.approx(float(curve.points(x)), abs=1e-9)
    if how == "marginal" and x >= table[0][0]:
        amounts = math.fsum(part.amount for part in parts if part.amount is not None)
        assert amounts == pytest.approx(x - table[0][0], abs=1e-9)


@given(st.sampled_from(HOWS), tables, amounts, amounts, st.booleans())
def test_the_parts_add_up_where_another_figure_decides(
    how: str, table: tuple[list[float], list[float]], x: float, by: float, gate: bool
) -> None:
    more = {"opens_at": 50.0} if gate and how != "interpolated" else {}
    curve = tiers(how, *table, by="ytd(revenue)", **more)
    total = math.fsum(part.points for part in curve.breakdown(x, by))
    assert total == pytest.approx(float(curve.points(x, by)), rel=1e-9, abs=1e-7)


@given(tables, amounts, amounts, st.data())
def test_the_parts_add_up_with_retroactive_tiers(
    table: tuple[list[float], list[float]], x: float, by: float, data: st.DataObject
) -> None:
    begins, figures = table
    marks = [False, *(data.draw(st.booleans()) for _ in begins[1:])]
    listed = [
        {"from": begin, "rate": rate, "retroactive": mark}
        for begin, rate, mark in zip(begins, figures, marks, strict=True)
    ]
    declared = {"on": "value", "how": "marginal", "boundary": "lower", "tiers": listed}
    alone, running = Tiers(**declared), Tiers(**declared, by="ytd(revenue)")
    assert math.fsum(part.points for part in alone.breakdown(x)) == pytest.approx(
        float(alone.points(x)), rel=1e-9, abs=1e-9
    )
    assert math.fsum(part.points for part in running.breakdown(x, by)) == pytest.approx(
        float(running.points(x, by)), rel=1e-9, abs=1e-6
    )
    assert float(alone.points(x)) == pytest.approx(retroactively(begins, figures, marks, x), abs=1e-9)


def retroactively(begins: list[float], figures: list[float], marks: list[bool], x: float) -> float:
    """From the last retroactive tier that was reached the whole amount below it has its rate."""
    place = reached(begins, x, "lower")
    if place < 0:
        return 0.0
    start = max([at for at in range(place + 1) if marks[at]], default=None)
    ends = [*begins[1:], math.inf]
    if start is None:
        return by_hand("marginal", begins, figures, x, "lower")
    total = figures[start] * min(x, ends[start])
    for at in range(start + 1, place + 1):
        total += figures[at] * (min(x, ends[at]) - begins[at])
    return total


def test_tiers_chosen_by_another_figure() -> None:
    curve = tiers("flat", [0, 100], [0.01, 0.02], by="ytd(revenue)")
    assert curve.points([10, 10, 10, math.nan, 10], [99, 100, 101, 5, math.nan])[:3].tolist() == [
        0.1,
        0.2,
        0.2,
    ]
    assert np.isnan(curve.points([math.nan, 10], [5, math.nan])).all()
    (part,) = curve.breakdown(10, 100)
    assert (part.label, part.rate, part.amount) == ("100 and more", 0.02, 10)
    points = tiers("flat", [0, 100], [60, 120], by="ytd(revenue)", figure="points")
    assert points.points([1, 1], [5, 500]).tolist() == [60, 120]


def test_a_figure_that_decides_has_to_be_given() -> None:
    with pytest.raises(TypeError, match="chosen by ytd"):
        tiers("flat", [0], [1], by="ytd(revenue)").points([1])


def test_the_gate_opens_exactly_at_its_figure() -> None:
    curve = tiers("flat", [0, 10], [0.01, 0.02], by="ytd(revenue)", opens_at=100)
    assert curve.points([20, 20, 5], [99.9, 100, 100]).tolist() == [0.2, 0.4, 0.05]
    (part,) = curve.breakdown(20, 99)
    assert part.label == "0 to 10 (the rest opens at 100)"
    points = tiers("flat", [0, 10], [60, 90], by="ytd(revenue)", opens_at=100, figure="points")
    assert points.points([20, 20], [99, 100]).tolist() == [60, 90]
    (part,) = points.breakdown(20, 99)
    assert part.points == 60


def test_without_a_lower_end_the_first_tier_takes_what_is_below() -> None:
    open_tiers = [{"to": 10, "rate": 0.01}, {"rate": 0.02}]
    marginal = Tiers(on="value", how="marginal", tiers=open_tiers)
    assert marginal.points([-100, 0, 20]).tolist() == pytest.approx([-1, 0, 0.3])
    closed = Tiers(on="value", how="marginal", tiers=[{"from": 0, "to": 10, "rate": 0.01}, {"rate": 0.02}])
    assert closed.points([-100, 0, 20]).tolist() == pytest.approx([0, 0, 0.3])
    (part,) = closed.breakdown(-100)
    assert (part.label, part.points) == ("below 0", 0)


@pytest.mark.parametrize("how", HOWS)
def test_the_infinite(how: str) -> None:
    capped = tiers(how, [0, 1], [1, 2], cap=120)
    assert capped.bounded_above
    assert capped.points([math.inf, -math.inf]).tolist() == [120, 0]
    assert math.fsum(part.points for part in capped.breakdown(math.inf)) == 120
    unbounded = tiers(how, [0, 1], [1, 2])
    assert not unbounded.bounded_above
    assert unbounded.points(math.inf) == math.inf
    level = tiers(how, [0, 1], [1, 0])
    assert level.bounded_above
    assert math.isfinite(level.points(math.inf))


def test_an_infinite_part_of_a_running_total_is_unknown() -> None:
    curve = tiers("marginal", [0, 1], [1, 2], by="ytd(revenue)")
    assert np.isnan(curve.points([math.inf, 5, math.inf], [5, math.inf, math.inf])).all()
    assert curve.breakdown(math.inf, 5) == ()


def test_no_negative_zero() -> None:
    for how in HOWS:
        found = tiers(how, [-1, 5], [-0.0, 1], floor=None).points([-0.0, 0.0, -1.0])
        assert not np.signbit(found).any()


OPEN = [{"to": 1, "rate": 1}, {"rate": 2}]
FALLING = [{"to": 5, "rate": 2}, {"rate": 1}]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [  # one wrong thing each, in a table that is sound
        ({"tiers": [{"rate": 1, "points": 1}]}, "either a rate or points"),
        ({"tiers": [{"from": 0}]}, "either a rate or points"),
        ({"tiers": []}, "at least 1"),
        ({"tiers": [{"rate": 1}, {"from": 5, "points": 1}]}, "give all the same"),
        ({"boundary": None}, "write boundary: lower for the tier that begins there"),
        ({"boundary": ["lower", "upper"]}, "2 sides for 1 boundaries"),
        ({"boundary": "both"}, "boundary"),
        ({"how": "interpolated"}, "leave `boundary` out"),
        ({"how": "interpolated", "boundary": None, "tiers": OPEN}, "begin somewhere"),
        ({"how": "marginal", "tiers": [{"points": 1}]}, "marginal tiers pay by rates"),
        ({"opens_at": 5}, "write by: ytd"),
        ({"how": "marginal", "by": "ytd(x)", "on": "attainment"}, "write on: value"),
        ({"tiers": [{"from": 0, "rate": 1, "retroactive": True}]}, "`retroactive` goes with marginal"),
        ({"cap": 1, "floor": 1}, "not above the floor"),
        ({"monotone": "rises", "tiers": FALLING}, "from 10 to 5 at 5 the curve falls"),
        ({"monotone": "falls"}, "the curve rises"),
        ({"monotone": "rises", "tiers": [{"from": 0, "rate": -1}]}, "0 and more the curve falls"),
        ({"continuous": True}, "from 5 to 10 at 5 is a jump"),
        ({"on": None}, "on"),
        ({"cap": math.inf}, "finite"),
        ({"tiers": [{"rate": True}]}, "true is no number"),
        ({"sigmoid": 1}, "sigmoid"),
    ],
)  # fmt: skip
def test_what_does_not_make_a_table_is_refused(wrong: dict[str, Any], said: str) -> None:
    sound = {
        "on": "value", "how": "flat", "boundary": "lower",
        "tiers": [{"from": 0, "to": 5, "rate": 1}, {"rate": 2}],
    }  # fmt: skip
    assert Tiers(**sound)
    with pytest.raises(pydantic.ValidationError, match=said):
        Tiers(**{**sound, **wrong})


def test_a_mixed_boundary_is_declared_one_by_one() -> None:
    curve = tiers("flat", [0, 10, 20], [1, 2, 3], figure="points", boundary=["upper", "lower"])
    assert curve.points([0, 10, 20]).tolist() == [1, 1, 3]


def test_a_table_in_one_line() -> None:
    curve = tiers("flat", [0, 0.8], [60, 100], figure="points", on="attainment", cap=90)
    assert curve.describe() == (
        "flat tiers, 0 % to 80 %: 60; 80 % and more: 100; a boundary belongs to the tier above it; cap 90"
    )
    gated = tiers("marginal", [0, 1000], [0.01, 0.02], by="ytd(revenue)", opens_at=5000)
    assert gated.describe() == (
        "marginal tiers, 0 to 1,000: 1 %; 1,000 and more: 2 %; only the first until ytd(revenue) is 5,000; "
        "a boundary belongs to the tier above it"
    )


def test_points_for_each_visit_are_not_shown_in_percent() -> None:
    assert tiers("marginal", [0], [5]).describe().startswith("marginal tiers, 0 and more: 5;")


@pytest.mark.parametrize("more", [{}, {"by": "ytd(revenue)", "opens_at": 5}])
def test_a_boundary_on_attainment_is_a_share_of_the_target(more: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError, match="80 on attainment is 8,000 % of the target"):
        tiers("flat", [0, 80], [60, 100], figure="points", on="attainment", **more)
    assert tiers("flat", [0, 80], [60, 100], figure="points", on="attainment", by="calls")


def test_tiers_come_back_from_plain_data() -> None:
    curve = tiers("flat", [0, 10], [0.01, 0.02])
    assert Tiers.model_validate(curve.model_dump(by_alias=True)) == curve
    assert Tiers.model_validate(curve.model_dump()) == curve


@given(tables)
def test_a_curve_that_says_it_rises_does(table: tuple[list[float], list[float]]) -> None:
    begins, figures = table
    try:
        curve = tiers("flat", begins, figures, figure="points", monotone="rises")
    except pydantic.ValidationError:
        levels = [0.0, *figures]
        assert any(after < before for before, after in pairwise(levels))
        return
    found = curve.points(np.linspace(-10, 300, 200)).tolist()
    assert found == sorted(found)
