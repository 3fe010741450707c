"""Ranks within a period or a team, percentiles, and movement."""

import math
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.rank import Ranking, movement, numbered, percentiles, placed, ranks, within

scores = st.one_of(st.just(math.nan), st.integers(0, 6).map(float), st.floats(-50, 150))
rows = st.lists(
    st.tuples(scores, st.integers(-1, 3), st.one_of(st.just(math.nan), st.integers(0, 2))), max_size=25
)


def naive(
    row: tuple[float, int, float], everybody: list[tuple[float, int, float]], ties: str
) -> float | None:
    """A rank by counting."""

    def key(each: tuple[float, int, float]) -> tuple[float, ...]:
        broken = -math.inf if math.isnan(each[2]) else each[2]
        return (round(each[0], 9), broken) if ties == "order" else (round(each[0], 9),)

    if math.isnan(row[0]) or row[1] < 0:
        return None
    others = [key(each) for each in everybody if each[1] == row[1] and not math.isnan(each[0])]
    higher = sum(each > key(row) for each in others)
    equal = others.count(key(row))
    return {
        "min": higher + 1,
        "order": higher + 1,
        "max": higher + equal,
        "average": higher + (equal + 1) / 2,
        "dense": len({each for each in others if each > key(row)}) + 1,
    }[ties]


def known(column: Any) -> list[float | None]:
    return [None if math.isnan(each) else each for each in column.tolist()]


@given(rows, st.sampled_from(["min", "max", "average", "dense", "order"]))
def test_ranks_are_what_counting_gives(listed: list[tuple[float, int, float]], ties: Any) -> None:
    points, groups, breaks = ([each[part] for each in listed] for part in range(3))
    found = ranks(points, groups, ties, [breaks])
    assert known(found) == [naive(each, listed, ties) for each in listed]


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(listed: list[tuple[float, int, float]], random: Any) -> None:
    order = [*range(len(listed))]
    random.shuffle(order)

    def ranked(those: list[tuple[float, int, float]]) -> list[tuple[float | None, ...]]:
        points, groups, breaks = ([each[part] for each in those] for part in range(3))
        columns = [ranks(points, groups, "order", [breaks]), percentiles(points, groups)]
        return [*zip(*map(known, columns), strict=True)]

    assert [ranked(listed)[place] for place in order] == ranked([listed[place] for place in order])


def test_tie_rules() -> None:
    points = [90, 80, 80, 70]
    assert ranks(points).tolist() == [1, 2, 2, 4]
    assert ranks(points, ties="max").tolist() == [1, 3, 3, 4]
    assert ranks(points, ties="average").tolist() == [1, 2.5, 2.5, 4]
    assert ranks(points, ties="dense").tolist() == [1, 2, 2, 3]
    assert ranks(points, ties="order", order=[[0, 5, 7, 0]]).tolist() == [1, 3, 2, 4]


def test_who_is_equal_in_everything_declared_shares_the_better_rank() -> None:
    assert ranks([80, 80, 80], ties="order", order=[[1, 1, 1], [2, 3, 2]]).tolist() == [2, 1, 2]


def test_an_unknown_score_has_no_rank_and_pushes_nobody_down() -> None:
    assert known(ranks([math.nan, 50, 60])) == [None, 2, 1]


def test_the_last_digits_of_a_sum_do_not_decide_a_rank() -> None:
    assert ranks([(0.1 + 0.2) + 0.3, 0.1 + (0.2 + 0.3)]).tolist() == [1, 1]


def test_attainment_ranks_and_not_the_amount_sold() -> None:
    """Django-CRM, test_sales_goals.py: 40,000 of 50,000 (80 %) stands above 50,000 of 100,000 (50 %)."""
    assert ranks([50_000 / 100_000 * 100, 40_000 / 50_000 * 100]).tolist() == [2, 1]


def test_ranks_within_a_team_and_overall() -> None:
    period, team = [0, 0, 0, 0, 1, 1], numbered(["North", "South", "North", None, "North", "South"])
    points = [50, 70, 60, 80, 10, 20]
    assert ranks(points, period).tolist() == [4, 2, 3, 1, 2, 1]
    assert known(ranks(points, within(period, team))) == [2, 1, 1, None, 1, 1]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ("below", [25, 75, 0, 25]),
        ("at_or_below", [75, 100, 25, 75]),
        ("middle", [50, 87.5, 12.5, 50]),
        ("inclusive", [100 / 3, 100, 0, 100 / 3]),
    ],
)
def test_percentiles_by_each_definition(of: Any, expected: list[float]) -> None:
    assert percentiles([80, 90, 70, 80], of=of).tolist() == pytest.approx(expected)


def test_the_percentile_of_a_spreadsheet() -> None:
    """Microsoft's page of PERCENTRANK.INC: of 13, 12, 11, 8, 4, 3, 2, 1, 1, 1 the 2 is at 0.333, 4 at
    0.555, 8 at 0.666."""
    found = percentiles([13, 12, 11, 8, 4, 3, 2, 1, 1, 1], of="inclusive")
    assert found[[6, 4, 3]] == pytest.approx([100 * 3 / 9, 100 * 5 / 9, 100 * 6 / 9])


def test_alone_is_the_best_and_the_middle() -> None:
    assert percentiles([5.0], of="inclusive").tolist() == [100]
    assert percentiles([5.0]).tolist() == [50]


def test_nobody() -> None:
    assert ranks([]).tolist() == []
    assert known(ranks([math.nan])) == [None]
    assert percentiles([], []).tolist() == []
    assert placed([]).rows.tolist() == []
    assert movement([], [], [], []).score.tolist() == []


def test_movement_is_up_for_a_better_rank_and_unknown_without_a_period_before() -> None:
    subjects, periods = numbered(["Ann", "Bo", "Cy", "Ann", "Bo", "Cy"]), [3, 3, 3, 4, 4, 4]
    points = [70, 80, 90, 95, 60, math.nan]
    moved = movement(points, ranks(points, periods), subjects, periods)
    assert known(moved.score) == [None, None, None, 25, -20, None]
    assert known(moved.rank) == [None, None, None, 2, 0, None]
    assert moved.previous.tolist() == [-1, -1, -1, 0, 1, 2]


def test_a_gap_between_periods_is_no_movement() -> None:
    assert known(movement([1, 2], [1, 1], [0, 0], [3, 5]).score) == [None, None]


def test_who_changed_the_team_has_no_movement_of_rank() -> None:
    moved = movement([50, 60], [3, 1], [0, 0], [1, 2], groups=[0, 1])
    assert (known(moved.rank), known(moved.score)) == ([None, None], [None, 10])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), unique=True, max_size=20), st.randoms())
def test_movement_is_what_a_look_into_the_previous_period_gives(keys: Any, random: Any) -> None:
    points = [float(random.randint(0, 100)) for _ in keys]
    by = dict(zip(keys, points, strict=True))
    expected = [by[who, when] - by[who, when - 1] if (who, when - 1) in by else None for who, when in keys]
    moved = movement(points, [1.0] * len(keys), [key[0] for key in keys], [key[1] for key in keys])
    assert known(moved.score) == expected


@pytest.mark.parametrize("wrong", [{"ties": "order"}, {"order": ["revenue"]}, {"ties": "best"}])
def test_a_ranking_that_says_half_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Ranking(**wrong)
    assert Ranking(ties="order", order=("revenue",), within="team").order == ("revenue",)


def test_groups_by_number() -> None:
    assert within(np.array([0, 0, 1]), np.array([0, 2, -1])).tolist() == [0, 2, -1]


def test_a_movement_has_no_more_decimals_than_the_scores() -> None:
    # 1.8 - 2.4 is -0.5999999999999999 in floats.
    assert movement([2.4, 1.8], [1, 1], [0, 0], [1, 2]).score.tolist()[1] == -0.6
