"""Models: bands of grades, and what a model refuses."""

import math

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Grade, Model

BANDS = [{"grade": "A", "at_least": 110}, {"grade": "B", "at_least": 90}, {"grade": "C"}]


def model(**parts: object) -> Model:
    return Model(**{"indicators": {"revenue": {"target": 1, "weight": 1}}, **parts})


def test_a_bound_belongs_to_the_band_above_it() -> None:
    scores = np.array([200, 110, 109.999999999, 90, 89.999999999, 0, -5, math.nan])
    assert model(grades=BANDS).graded(scores) == ("A", "A", "B", "B", "C", "C", "C", None)


@given(
    st.lists(st.integers(-50, 200), unique=True, max_size=5),
    st.lists(st.integers(-100, 250), min_size=1, max_size=9),
)
def test_a_grade_is_the_first_band_that_the_score_reaches(bounds: list[int], scores: list[int]) -> None:
    bands = [{"grade": f"from {bound}", "at_least": bound} for bound in sorted(bounds, reverse=True)]
    found = model(grades=[*bands, {"grade": "rest"}]).graded(np.array(scores, dtype=float))
    for score, grade in zip(scores, found, strict=True):
        reached = [bound for bound in bounds if score >= bound]
        assert grade == (f"from {max(reached)}" if reached else "rest")


def test_without_bands_there_is_no_grade() -> None:
    assert model().graded(np.array([1.0, math.nan])) == (None, None)


@pytest.mark.parametrize(
    ("bands", "reason"),
    [
        ([("A", 50), ("B", 90), ("C", None)], "90 cannot follow 50"),
        ([("A", 50), ("B", 50), ("C", None)], "50 cannot follow 50"),
        ([("A", 50), ("B", 10)], "scores below 10 have no grade"),
        ([("A", None), ("B", None)], "only the last grade"),
        ([("A", 50), ("A", None)], "same name"),
        ([("A", math.nan), ("B", None)], "finite"),
        ([("", None)], "at least 1 character"),
    ],
)
def test_bands_that_do_not_make_sense_are_refused(bands: list[tuple[str, float | None]], reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        model(grades=[{"grade": grade, "at_least": bound} for grade, bound in bands])


@pytest.mark.parametrize("wrong", [{"indicators": {}}, {"period": "fortnight"}, {"subjects": "x"}])
def test_a_model_without_indicators_or_of_unknown_parts_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        model(**wrong)


def test_a_model_is_weightless_where_targets_weigh_nothing() -> None:
    assert model(indicators={"a": {"target": 1}, "b": {"target": 2, "weight": 0}}).weightless
    assert not model(indicators={"a": {"target": 1}, "b": {"target": 2, "weight": 0.1}}).weightless
    assert not model(indicators={"a": {}, "b": {}}).weightless


def test_grades_are_values() -> None:
    assert Grade(grade="A", at_least=1) == Grade(grade="A", at_least=1)
