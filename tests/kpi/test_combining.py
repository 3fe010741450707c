"""Several scores as one."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.errors import RecordError
from crmrules.kpi.combining import Combined, Scores
from crmrules.kpi.composite import Composite

points = st.one_of(st.just(math.nan), st.floats(0, 200), st.sampled_from([0.0, 100.0, 80.0]))
weights = st.floats(0.01, 100)
cards = st.integers(1, 4).flatmap(
    lambda count: st.tuples(
        st.lists(weights, min_size=count, max_size=count),
        st.lists(st.lists(points, min_size=count, max_size=count), min_size=1, max_size=4),
    )
)
KINDS = ["mean", "geometric", "minimum"]


def combined(kind: str, weights: list[float], rows: list[list[float]], **declared: Any) -> Combined:
    names = [f"i{place}" for place in range(len(weights))]
    columns = {name: np.array([row[place] for row in rows]) for place, name in enumerate(names)}
    keys = [(f"P{number}", "2026-11") for number in range(len(rows))]
    composite = Composite.model_validate({"kind": kind, **declared})
    scores = Scores(composite, columns, dict(zip(names, weights, strict=True)), keys)
    return {"mean": scores.mean, "geometric": scores.geometric, "minimum": scores.minimum}[kind]()


def by_hand(kind: str, weights: list[float], row: list[float]) -> float | None:
    """The composite of one row in plain Python."""
    known = [(weight, score) for weight, score in zip(weights, row, strict=True) if not math.isnan(score)]
    if not known:
        return None
    total = math.fsum(weight for weight, _ in known)
    if kind == "minimum":
        return min(score for _, score in known)
    if kind == "mean":
        return math.fsum(weight * score for weight, score in known) / total
    return math.prod(score ** (weight / total) for weight, score in known)


def known(column: Any) -> list[float | None]:
    return [None if math.isnan(each) else each for each in column.tolist()]


def close(expected: list[float | None]) -> Any:
    return [None if each is None else pytest.approx(each, rel=1e-9, abs=1e-9) for each in expected]


@given(cards, st.sampled_from(KINDS))
def test_composites_are_what_plain_python_gives(card: Any, kind: str) -> None:
    weights, rows = card
    assert known(combined(kind, weights, rows).score) == close([by_hand(kind, weights, row) for row in rows])


@given(cards, st.sampled_from(KINDS))
def test_contributions_and_the_rest_add_up(card: Any, kind: str) -> None:
    found = combined(kind, *card)
    rest = found.score - found.added
    assert not np.any(np.abs(rest) > 1e-9) or found.rest
    for row, score in enumerate(found.score.tolist()):
        parts = [column[row] for column in found.contributions.values() if not math.isnan(column[row])]
        assert math.isnan(score) or math.fsum(parts) + rest[row] == pytest.approx(score, abs=1e-9)
        shares = sum(column[row] for column in found.shares.values())
        assert shares == pytest.approx(0.0 if math.isnan(score) else 1.0)


@given(cards, st.sampled_from(KINDS), st.floats(0.01, 1000))
def test_scaling_all_weights_changes_nothing(card: Any, kind: str, factor: float) -> None:
    weights, rows = card
    scaled = combined(kind, [weight * factor for weight in weights], rows)
    assert known(scaled.score) == close(known(combined(kind, weights, rows).score))


@given(cards, st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_of_indicators_changes_nothing(card: Any, kind: str, random: Any) -> None:
    weights, rows = card
    before = combined(kind, weights, rows)
    order = [*range(len(rows))]
    random.shuffle(order)
    assert known(combined(kind, weights, [rows[place] for place in order]).score) == [
        known(before.score)[place] for place in order
    ]
    places = [*range(len(weights))]
    random.shuffle(places)
    moved = combined(
        kind, [weights[place] for place in places], [[row[place] for place in places] for row in rows]
    )
    assert known(moved.score) == close(known(before.score))
    for new, old in enumerate(places):
        assert known(moved.contributions[f"i{new}"]) == close(known(before.contributions[f"i{old}"]))


@given(cards)
def test_the_geometric_mean_lies_between_the_lowest_and_the_mean(card: Any) -> None:
    lowest, geometric, mean = (combined(kind, *card).score for kind in ("minimum", "geometric", "mean"))
    some = ~np.isnan(mean)
    assert (geometric[some] <= mean[some]).all()
    assert (geometric[some] >= np.minimum(lowest, mean)[some]).all()


@given(st.floats(0, 200), st.lists(weights, min_size=1, max_size=4))
def test_of_equal_scores_the_composite_is_that_score(score: float, weights: list[float]) -> None:
    for kind in KINDS:
        assert combined(kind, weights, [[score] * len(weights)]).score[0] == pytest.approx(score, rel=1e-14)


def test_the_geometric_mean_of_a_textbook() -> None:
    # The square root of 2 x 8; 1, 1, 4 with equal weights is the cube root of 4.
    assert combined("geometric", [1, 1], [[2, 8]]).score.tolist() == [pytest.approx(4)]
    assert combined("geometric", [5, 5, 5], [[1, 1, 4]]).score.tolist() == [pytest.approx(4 ** (1 / 3))]


def test_a_score_of_zero_makes_a_geometric_mean_zero() -> None:
    assert combined("geometric", [1, 99], [[0, 150]]).score.tolist() == [0]


def test_a_negative_score_has_no_geometric_mean() -> None:
    with pytest.raises(RecordError, match="P1 in 2026-11: `i0` has -5 points") as negative:
        combined("geometric", [1, 1], [[5, 5], [-5, 5]])
    assert negative.value.code == "M132"


def test_indicators_without_a_weight_do_not_count() -> None:
    for kind in KINDS:
        assert combined(kind, [1, 0], [[80, 10], [math.nan, 10]]).score.tolist()[0] == pytest.approx(80)
        assert known(combined(kind, [1, 0], [[math.nan, 10]]).score) == [None]
        assert known(combined(kind, [0, 0], [[80, 10]]).score) == [None]


def test_an_unknown_score_can_make_the_composite_unknown() -> None:
    for kind in KINDS:
        found = combined(kind, [1, 1], [[80, math.nan], [80, 80]], missing="unknown")
        assert known(found.score) == [None, pytest.approx(80)]


def test_the_lowest_score_is_all_of_a_minimum() -> None:
    found = combined("minimum", [70, 20, 10], [[90, 60, 75], [60, 60, 75]])
    assert found.score.tolist() == [60, 60]
    assert [column.tolist() for column in found.contributions.values()] == [[0, 30], [60, 30], [0, 0]]
