"""Grades by bands, by quotas and by percentile."""

import math
from typing import Any

import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crmrules.kpi.grade import Bands, Forced, Grades, Percentile
from crmrules.kpi.rank import within
from crmrules.kpi.rounding import rounded

ABC = [{"grade": "A", "at_least": 90}, {"grade": "B", "at_least": 60}, {"grade": "C"}]
LETTERS = {"A": 20, "B": 70, "C": 10}
scores = st.one_of(st.just(math.nan), st.integers(0, 6).map(float), st.floats(-50, 150))
groups = st.integers(0, 2)
declared = st.builds(
    Forced,
    shares=st.sampled_from([LETTERS, {"A": 33.33, "B": 33.33, "C": 33.34}, {"A": 0, "B": 100, "C": 0}]),
    rounding=st.sampled_from(["largest_remainder", "down_from_top"]),
    ties=st.sampled_from(["together_up", "together_down"]),
)


def test_a_bound_belongs_to_the_better_grade() -> None:
    assert Bands(bands=ABC).graded([120, 90, 89.999999, 60, 59.99, -3]) == ("A", "A", "B", "B", "C", "C")


def test_the_rounded_figure_that_people_see_decides_where_it_is_rounded() -> None:
    bands = Bands(bands=ABC)
    assert bands.graded([89.95]) == ("B",)
    assert bands.graded(rounded([89.95, 89.94], 1)) == ("A", "B")


def test_the_last_digits_of_a_sum_do_not_decide() -> None:
    assert 3.3 < 1.1 + 2.2
    band = Bands(bands=[{"grade": "A", "at_least": 1.1 + 2.2}, {"grade": "B"}])
    assert band.graded([3.3, 1.1 + 2.2]) == ("A", "A")


def test_no_score_has_no_grade() -> None:
    for way in (Bands(bands=ABC), Percentile(bands=ABC), Forced(shares=LETTERS)):
        assert way.graded([math.nan]) == (None,)
        assert way.graded([]) == ()


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        ([{"grade": "A", "at_least": 90}], "have no grade"),
        ([{"grade": "A"}, {"grade": "B"}], "only the last grade"),
        ([{"grade": "A", "at_least": 60}, {"grade": "B", "at_least": 90}, {"grade": "C"}], "highest down"),
        ([{"grade": "A", "at_least": 60}, {"grade": "A"}], "same name"),
        ([], "at least 1"),
    ],
)
@pytest.mark.parametrize("kind", [Bands, Percentile])
def test_unsound_bands_are_refused(kind: Any, bands: list[Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        kind(bands=bands)


@pytest.mark.parametrize(
    ("people", "nearest", "down"),
    [
        (10, (2, 7, 1), (2, 7, 1)),
        (9, (2, 6, 1), (1, 6, 2)),
        (3, (1, 2, 0), (0, 2, 1)),
        (1, (0, 1, 0), (0, 0, 1)),
    ],
)
def test_people_for_each_grade(people: int, nearest: tuple[int, ...], down: tuple[int, ...]) -> None:
    assert Forced(shares=LETTERS).counts(people) == nearest
    assert Forced(shares=LETTERS, rounding="down_from_top").counts(people) == down


def test_of_equal_fractions_the_better_grade_gets_who_is_left_over() -> None:
    assert Forced(shares={"A": 50, "B": 50}).counts(3) == (2, 1)


def test_percents_are_meant_as_written() -> None:
    # 0.29 x 100 is 28.999999999999996 in floats.
    shares = {"A": 29, "B": 71}
    assert Forced(shares=shares, rounding="down_from_top").counts(100) == (29, 71)
    assert Forced(shares={"A": 0.7, "B": 99.3}, rounding="down_from_top").counts(1000) == (7, 993)


@given(st.integers(0, 500), declared)
def test_the_numbers_of_people_add_up(people: int, way: Forced) -> None:
    counts = way.counts(people)
    assert sum(counts) == people
    assert min(counts) >= 0
    exact = [people * share / 100 for share in way.shares.values()]
    assert all(abs(found - share) < len(counts) for found, share in zip(counts, exact, strict=True))


@given(st.lists(st.floats(0, 200), unique_by=lambda score: round(score, 6), max_size=40), declared)
def test_without_ties_each_grade_has_as_many_as_planned(points: list[float], way: Forced) -> None:
    grades = way.graded(points)
    assert tuple(grades.count(name) for name in way.names) == way.counts(len(points))


@given(st.lists(st.tuples(scores, groups), max_size=30), declared)
def test_a_better_score_never_has_a_worse_grade_and_equal_ones_have_the_same(
    listed: Any, way: Forced
) -> None:
    grades = way.graded([score for score, _ in listed], [group for _, group in listed])
    for (score, group), grade in zip(listed, grades, strict=True):
        assert (grade is None) == math.isnan(score)
        for (other, where), given_grade in zip(listed, grades, strict=True):
            if group == where and round(score, 9) >= round(other, 9):
                assert way.names.index(str(grade)) <= way.names.index(str(given_grade))


@given(st.lists(st.tuples(scores, groups), max_size=20), declared, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_grade(listed: Any, way: Forced, random: Any) -> None:
    order = [*range(len(listed))]
    random.shuffle(order)
    for each in (way, Percentile(bands=ABC)):
        grades = each.graded(*columns(listed)) if listed else ()
        moved = each.graded(*columns([listed[place] for place in order])) if listed else ()
        assert tuple(grades[place] for place in order) == moved


def columns(listed: Any) -> tuple[list[float], list[int]]:
    return [score for score, _ in listed], [group for _, group in listed]


@given(st.lists(st.integers(0, 4).map(float), min_size=1, max_size=20))
def test_going_up_together_is_never_worse_than_going_down(points: list[float]) -> None:
    up = Forced(shares=LETTERS, ties="together_up").graded(points)
    down = Forced(shares=LETTERS, ties="together_down").graded(points)
    assert all(str(better) <= str(worse) for better, worse in zip(up, down, strict=True))


def test_equal_scores_on_a_boundary() -> None:
    points = [90, 80, 80, 70, 60]  # one A, three or four B
    shares = {"A": 40, "B": 40, "C": 20}
    assert Forced(shares=shares).graded(points) == ("A", "A", "A", "B", "C")
    assert Forced(shares=shares, ties="together_down").graded(points) == ("A", "B", "B", "B", "C")
    ordered = Forced(shares=shares, ties="order", order=("revenue",))
    assert ordered.graded(points, order=[[1, 5, 6, 1, 1]]) == ("A", "B", "A", "B", "C")
    assert ordered.graded(points, order=[[1, 5, 5, 1, 1]]) == ("A", "A", "A", "B", "C")


def test_ties_are_not_broken_by_nothing() -> None:
    with pytest.raises(ValueError, match="1 columns break ties, 0 are given"):
        Forced(shares=LETTERS, ties="order", order=("revenue",)).graded([80, 80])


def test_each_period_and_team_is_distributed_by_itself() -> None:
    halves = Forced(shares={"A": 50, "B": 50})
    assert halves.graded([1, 2, 3, 4]) == ("B", "B", "A", "A")
    assert halves.graded([1, 2, 3, 4], within([0, 0, 1, 1], [0, 0, 0, 0])) == ("B", "A", "B", "A")


def test_a_small_group_gets_one_grade_or_none() -> None:
    few = {"shares": LETTERS, "smallest_group": 3}
    points, teams = [90, 80, 70, 60], [0, 0, 0, 1]
    assert Forced(**few, in_smaller="B").graded(points, teams) == ("A", "B", "B", "B")
    assert Forced(**few).graded(points, teams) == ("A", "B", "B", None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shares": {"A": 20, "B": 70}}, "total 90"),
        ({"shares": {"A": 33.33, "B": 33.33, "C": 33.33}}, "total 99.99"),
        ({"shares": {"A": -10, "B": 110}}, "greater than or equal to 0"),
        ({"shares": LETTERS, "ties": "order"}, "what breaks a tie"),
        ({"shares": LETTERS, "order": ["revenue"]}, "does nothing"),
        ({"shares": LETTERS, "smallest_group": 3, "in_smaller": "D"}, "none of the grades"),
        ({"shares": LETTERS, "in_smaller": "B"}, "smaller than one"),
    ],
)
def test_an_unsound_distribution_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        Forced(**wrong)


def test_percentile_grades_go_by_the_place_and_not_by_the_points() -> None:
    top = Percentile(bands=[{"grade": "A", "at_least": 75}, {"grade": "B"}], of="inclusive")
    assert top.graded([1, 2, 3, 4, 5]) == ("B", "B", "B", "A", "A")
    assert top.graded([1, 2, 300, 4000, 50000]) == ("B", "B", "B", "A", "A")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=15), st.floats(0.5, 3))
def test_stretching_all_scores_changes_no_quota(points: list[float], factor: float) -> None:
    stretched = [point * factor for point in points]
    assume(len({*map(float, rounded(points, 6))}) == len({*map(float, rounded(points))}))
    assume(len({*map(float, rounded(stretched))}) == len({*map(float, rounded(points))}))
    assert Forced(shares=LETTERS).graded(stretched) == Forced(shares=LETTERS).graded(points)


def test_a_list_is_bands_and_a_kind_names_the_rest() -> None:
    read = pydantic.TypeAdapter(Grades).validate_python
    assert read(ABC) == Bands(bands=ABC)
    assert read({"kind": "forced", "shares": LETTERS}) == Forced(shares=LETTERS)
    assert read({"kind": "percentile", "bands": ABC}) == Percentile(bands=ABC)
    with pytest.raises(pydantic.ValidationError):
        read({"shares": LETTERS})
    assert pydantic.TypeAdapter(Grades).json_schema()["anyOf"]
