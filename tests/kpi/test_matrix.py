"""Matrices against nested loops."""

import math
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.matrix import Matrix

SIDES = st.sampled_from(["lower", "upper"])
VALUES = st.integers(-2, 14).map(lambda half: half / 2)


def matrix(**more: Any) -> Matrix:
    declared = {
        "on": "value", "by": "received / invoiced",
        "rows": {"bounds": [1, 3], "boundary": "lower"}, "columns": {"bounds": [2], "boundary": "upper"},
        "cells": [[0, 10], [20, 30], [40, 50]],
    }  # fmt: skip
    return Matrix.model_validate({**declared, **more})


def place(bounds: list[float], value: float, side: str) -> int:
    return sum(value > bound or (value == bound and side == "lower") for bound in bounds)


@given(SIDES, SIDES, st.lists(st.tuples(VALUES, VALUES), max_size=12))
def test_all_at_once_is_one_by_one(down: str, across: str, pairs: list[tuple[float, float]]) -> None:
    curve = matrix(rows={"bounds": [1, 3], "boundary": down}, columns={"bounds": [2], "boundary": across})
    found = curve.points([x for x, _ in pairs], [by for _, by in pairs]).tolist()
    for (x, by), points in zip(pairs, found, strict=True):
        assert points == curve.cells[place([1, 3], x, down)][place([2], by, across)]
        (part,) = curve.breakdown(x, by)
        assert part.points == points


def test_the_infinite_and_the_unknown() -> None:
    assert matrix().points([math.inf, -math.inf], [math.inf, -math.inf]).tolist() == [50, 0]
    assert np.isnan(matrix().points([math.nan, 1], [1, math.nan])).all()
    assert matrix().breakdown(1, math.nan) == ()
    assert (matrix().cap, matrix().bounded_above) == (50, True)


def test_the_part_names_the_cell() -> None:
    (part,) = matrix(on="attainment").breakdown(1, 2)
    assert part.label == "100 % to 300 % x up to 2"


def test_the_second_figure_has_to_be_given() -> None:
    with pytest.raises(TypeError, match="chosen by received / invoiced"):
        matrix().points([1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cells": [[0, 1]]}, "1 rows of cells for 3 tiers"),
        ({"cells": [[0, 1], [1], [2, 3]]}, "row 2 has 1 cells for 2 tiers"),
        ({"rows": {"bounds": [3, 1], "boundary": "lower"}}, "the bounds go from the lowest up"),
        ({"rows": {"bounds": [1, 3], "boundary": ["lower"]}}, "1 sides for 2 boundaries"),
        ({"rows": {"bounds": [1, 3]}}, "boundary"),
        ({"by": None}, "by"),
        ({"on": "attainment", "rows": {"bounds": [80, 100], "boundary": "lower"}}, "write 80% or 0.8"),
        ({"monotone": "falls"}, "row 1 goes from 0 to 10"),
        ({"monotone": "rises", "cells": [[0, 10], [20, 30], [20, 25]]}, "column 2 goes from 30 to 25"),
    ],
)
def test_what_is_no_matrix_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        matrix(**wrong)
