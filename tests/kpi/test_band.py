"""Target bands: full points within, fewer outside as declared for each side."""

import math
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.band import Band

LOSS = {"lose": 5, "each": 2}


def band(below: Any = LOSS, above: Any = LOSS, **more: Any) -> Band:
    return Band.model_validate({"on": "value", "from": 28, "to": 32, "below": below, "above": above, **more})


@given(st.floats(0, 100))
def test_the_same_loss_on_both_sides_is_symmetric(distance: float) -> None:
    below, above = band().points([28 - distance, 32 + distance]).tolist()
    assert below == pytest.approx(above, abs=1e-6)
    assert above == pytest.approx(max(100 - 2.5 * distance, 0), abs=1e-6)


@given(st.floats(28, 32))
def test_within_the_band_all_is_the_same(value: float) -> None:
    assert float(band("drop", "drop", score=80).points(value)) == 80


def test_the_sides_are_declared_each() -> None:
    assert band("drop", "hold").points([27.9, 28, 30, 32, 32.1]).tolist() == [0, 100, 100, 100, 100]
    assert band("hold", "drop", floor=40).points([27.9, 28, 30, 32, 32.1]).tolist() == [
        100,
        100,
        100,
        100,
        40,
    ]
    assert band(LOSS, "drop", floor=40).points([26, -1000, math.nan, 33])[[0, 1, 3]].tolist() == [95, 40, 40]


@given(st.floats(-1e6, 1e6), st.sampled_from(["drop", "hold", LOSS]), st.sampled_from(["drop", "hold", LOSS]))
def test_the_parts_add_up(value: float, below: Any, above: Any) -> None:
    curve = band(below, above)
    total = math.fsum(part.points for part in curve.breakdown(value))
    assert total == pytest.approx(float(curve.points(value)), abs=1e-9)


def test_the_infinite_and_the_unknown() -> None:
    assert band().points([math.inf, -math.inf]).tolist() == [0, 0]
    assert math.fsum(part.points for part in band().breakdown(math.inf)) == 0
    assert math.isnan(band().points(math.nan))
    assert band().breakdown(math.nan) == ()
    assert (band().cap, band().bounded_above) == (100, True)


def test_the_parts_name_the_distance() -> None:
    full, lost = band().breakdown(34)
    assert (full.label, full.points) == ("band 28 to 32", 100)
    assert (lost.label, lost.amount, lost.rate, lost.points) == ("above 32", 2, -2.5, -5)


def test_a_band_of_one_value() -> None:
    exact = Band(on="value", lower=30, upper=30, below="drop", above="drop")
    assert exact.points([29.9, 30, 30.1]).tolist() == [0, 100, 0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"from": 33}, "the band from 33 to 32 is empty"),
        ({"floor": 100}, "not above the floor"),
        ({"below": None}, "below"),
        ({"below": "fall"}, "below"),
        ({"above": {"lose": -1}}, "greater than or equal to 0"),
        ({"above": {"lose": 1, "each": 0}}, "greater than 0"),
        ({"on": "share"}, "on"),
        ({"on": "attainment"}, "write 28% or 0.28, or on: value"),
    ],
)
def test_what_is_no_band_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        band(**wrong)
