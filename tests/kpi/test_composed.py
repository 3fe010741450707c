"""A composite step by step, with the worked cases of other systems."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.errors import RecordError
from crmrules.kpi.composed import Composed
from crmrules.kpi.composing import composed
from crmrules.kpi.composite import Composite
from crmrules.types import NUMBER

ROWS = [("Ann", "2026-11"), ("Bo", "2026-11"), ("Cy", "2026-11")]


def score(
    declared: Mapping[str, Any],
    scores: Mapping[str, list[float]],
    weights: Mapping[str, float] | None = None,
    actuals: Mapping[str, list[float]] | None = None,
    attainments: Mapping[str, list[float]] | None = None,
) -> Composed:
    """The composite; without weights all are equal."""
    given_actuals = {
        name: (np.array(column, dtype=np.float64), NUMBER) for name, column in (actuals or {}).items()
    }
    count = len(next(iter(scores.values())))
    rows = [(f"P{number}", "2026-11") for number in range(count)]
    return composed(
        Composite.model_validate(declared),
        scores,
        weights or dict.fromkeys(scores, 1.0),
        given_actuals,
        attainments or {},
        ROWS if count == 3 else rows,
    )


def known(column: Any) -> list[float | None]:
    return [None if math.isnan(each) else each for each in column.tolist()]


# worked cases


def test_weighted_indicators_scored_by_hand() -> None:
    """Frappe HR, test_appraisal.py, test_manual_kra_rating: scores 5 and 3 at 30 and 70 make 1.5 and 2.1."""
    found = score({}, {"quality": [5.0], "speed": [3.0]}, {"quality": 30, "speed": 70})
    assert found.contributions["quality"].tolist() == [1.5]
    assert found.contributions["speed"].tolist() == [pytest.approx(2.1)]
    assert found.score.tolist() == [pytest.approx(3.6)]


def test_what_a_missing_part_counts_is_declared() -> None:
    """The same test divides (3.6 + 0 + 0) by 3: there a missing part counts 0 without anybody having said
    so. Here that is `zero`, and not the default."""
    parts = {"goals": [3.6], "self": [math.nan], "feedback": [math.nan]}
    assert score({"missing": "zero"}, parts).score.tolist() == [pytest.approx(1.2)]
    assert score({}, parts).score.tolist() == [pytest.approx(3.6)]
    assert known(score({"missing": "unknown"}, parts).score) == [None]
    with pytest.raises(RecordError, match="P0 in 2026-11: `self` has no score") as missing:
        score({"missing": "error"}, parts)
    assert missing.value.code == "M130"


def test_completion_of_goals_by_weight() -> None:
    """Frappe HR, test_appraisal.py, test_goal_score: 12.5 % at 30 and 50 % at 70 make 3.75 and 35, in all
    38.75; after a goal was moved 50 % at 30 and 25 % at 70 make 15 and 17.5, then 15 and 0."""
    found = score({}, {"one": [12.5, 50, 50], "two": [50, 25, 0]}, {"one": 30, "two": 70})
    assert found.contributions["one"].tolist() == pytest.approx([3.75, 15, 15])
    assert found.contributions["two"].tolist() == pytest.approx([35, 17.5, 0])
    assert found.score.tolist() == pytest.approx([38.75, 32.5, 15])


@pytest.mark.parametrize(
    ("declared", "expected"), [({}, 104), ({"scores": {"cap": 100}}, 92), ({"cap": 100}, 100)]
)
def test_a_cap_before_or_after_weighting(declared: dict[str, Any], expected: float) -> None:
    """Oracle Fusion, measure weights in calculations: weights 60 and 40 with 120 % and 80 %."""
    weights = {"desktop": 60.0, "laptop": 40.0}
    found = score(declared, {"desktop": [120.0], "laptop": [80.0]}, weights)
    assert found.score.tolist() == [pytest.approx(expected)]
    written = {**declared, "kind": "expression", "expression": "0.6 * desktop + 0.4 * laptop"}
    assert score(written, {"desktop": [120.0], "laptop": [80.0]}, weights).score.tolist() == pytest.approx(
        [expected]
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("target", 10_000),
        ("target * proration / 100", 5_000),
        ("target * performance / 100", 12_000),
        ("target * proration * performance / 10000", 6_000),
    ],
)
def test_awards_by_expression(expression: str, expected: float) -> None:
    """PeopleSoft, calculating awards: the target, by a factor for part of the period, by performance, or
    both."""
    scores = {"target": [10_000.0], "proration": [50.0], "performance": [120.0]}
    assert score({"kind": "expression", "expression": expression}, scores).score.tolist() == [expected]


def test_a_weighted_payout_factor() -> None:
    """bonuspaycalc, KPI weighting: 60 % at 90 %, 25 % at 110 % and 15 % at 100 % is a factor of 0.965, which
    is 9,650 of a target bonus of 10,000."""
    weights = {"a": 60.0, "b": 25.0, "c": 15.0}
    found = score({"weights_total": 100}, {"a": [90.0], "b": [110.0], "c": [100.0]}, weights)
    assert found.score.tolist() == [pytest.approx(96.5)]
    assert found.score[0] / 100 * 10_000 == pytest.approx(9_650)


FABRICS = {
    "scores": {"cap": 120},
    "gates": [{"when": "lowest_score < 90", "score": 0, "because": "no bonus with a score below 90"}],
}
FABRIC_WEIGHTS = {"roa": 0.40, "satisfaction": 0.30, "discounts": 0.15, "new_products": 0.15}


@pytest.mark.parametrize(
    ("discounts", "expected"), [(110.0, 113.83), (5 / 4.5 * 100, 113.83 + 0.15 * (500 / 4.5 - 110))]
)
def test_a_balanced_scorecard_with_a_cap_and_a_gate(discounts: float, expected: float) -> None:
    """Joan's Fabrics, an exercise of cost accounting. Discounts, where less is better, are 110 as a
    difference and 111.11 as a ratio. The page prints 110.83 and goes on with 1.14; its parts
    (47.57 + 31.76 + 16.5 + 18.0) add up to 113.83, which is ours."""
    scores = {
        "roa": [22 / 18.5 * 100],
        "satisfaction": [90 / 85 * 100],
        "discounts": [discounts],
        "new_products": [26 / 20 * 100],
    }
    found = score(FABRICS, scores, FABRIC_WEIGHTS)
    assert found.score.tolist() == [pytest.approx(expected, abs=0.01)]
    assert found.scores["new_products"].tolist() == [120]
    assert not found.adjustments[0].applied[0]


def test_one_score_below_the_least_shuts_the_gate() -> None:
    """Joan's Fabrics: any score below 90 is no bonus at all; 90 itself is none below."""
    scores = {
        "roa": [120.0, 120.0],
        "satisfaction": [110.0, 110.0],
        "discounts": [89.99, 90.0],
        "new_products": [120.0] * 2,
    }
    found = score(FABRICS, scores, FABRIC_WEIGHTS)
    assert found.score.tolist() == [0, pytest.approx(112.5)]
    assert found.adjustments[0].applied.tolist() == [True, False]


# steps


def test_the_steps_of_one_composite() -> None:
    declared = {
        "scores": {"cap": 120},
        "kickers": [{"when": "visits > 20", "points": 10, "because": "many visits"}],
        "deductions": [{"points": "2 * complaints", "because": "two points a complaint"}],
        "most_deducted": 5,
        "cap": 110,
        "round": 1,
        "gates": [
            {"when": "margin < 0.1", "at_most": 60, "because": "no margin"},
            {"when": "score < 50", "because": "less than half"},
        ],
    }
    found = score(
        declared,
        {"revenue": [150.0, 80.0, 40.04], "margin": [100.0, 50.0, 40.08]},
        actuals={
            "margin": [0.3, 0.05, 0.2],
            "visits": [25, 30, math.nan],
            "complaints": [0, 4, 1],
        },
    )
    steps = {step.name: step.score.tolist() for step in found.steps}
    assert steps == {
        "combination": pytest.approx([110, 65, 40.06]),
        "kickers and deductions": pytest.approx([120, 70, 38.06]),
        "floor and cap": pytest.approx([110, 70, 38.06]),
        "rounded": [110, 70, 38.1],
        "gates": [110, 60, 0],
    }
    told = [(each.kind, each.because, each.points.round(9).tolist()) for each in found.adjustments]
    assert told == [
        ("kicker", "many visits", [10, 10, 0]),
        ("deduction", "two points a complaint", [0, -8, -2]),
        ("limit", "at most 5 points of deductions", [0, 3, 0]),
        ("limit", "never above 110", [-10, 0, 0]),
        ("rounding", "rounded to 1 decimal", [0, 0, 0.04]),
        ("gate", "no margin", [0, -10, 0]),
        ("gate", "less than half", [0, 0, -38.1]),
    ]
    assert found.adjustments[0].undecided.tolist() == [False, False, True]


def test_the_rounded_figure_is_the_one_that_a_gate_compares() -> None:
    gate = {"gates": [{"when": "score < 90", "because": "below 90"}]}
    assert score(gate, {"a": [89.95]}).score.tolist() == [0]
    assert score({**gate, "round": 1}, {"a": [89.95]}).score.tolist() == [90]


def test_the_last_digits_of_a_sum_do_not_shut_a_gate() -> None:
    gate = {"gates": [{"when": "a_score < 30 or a_attainment < 0.3", "because": "below 30"}]}
    almost = 0.1 * 3 * 100 - 1e-12
    found = score(gate, {"a": [almost]}, attainments={"a": [0.3 - 1e-14]})
    assert found.score.tolist() == [almost]


def test_an_indicator_is_locked_until_another_one_is_reached() -> None:
    declared = {
        "locks": [{"needs": "collection_attainment >= 0.8", "unlocks": "revenue", "because": "collect first"}]
    }
    found = score(
        declared,
        {"revenue": [120.0, 120.0, 120.0], "collection": [70.0, 80.0, math.nan]},
        attainments={"collection": [0.7, 0.8, math.nan]},
    )
    assert found.score.tolist() == [35, 100, 0]
    assert found.contributions["revenue"].tolist() == [0, 60, 0]
    lock = found.locks[0]
    assert (lock.indicator, lock.points.tolist()) == ("revenue", [-120, 0, -120])
    assert lock.undecided.tolist() == [False, False, True]
    lenient = {"locks": [{**declared["locks"][0], "undecided": "ignore", "score": 50}]}
    found = score(
        lenient,
        {"revenue": [120.0, math.nan], "collection": [70.0, 70.0]},
        attainments={"collection": [math.nan, 0.5]},
    )
    assert found.score.tolist() == [95, 70]


def test_locks_look_at_the_scores_before_any_lock() -> None:
    locks = [
        {"needs": "b_score >= 50", "unlocks": "a", "because": "b first"},
        {"needs": "a_score >= 50", "unlocks": "b", "because": "a first"},
    ]
    for order in (locks, locks[::-1]):
        found = score({"locks": order}, {"a": [60.0, 60.0], "b": [40.0, 60.0]})
        assert found.score.tolist() == [20, 60]


def test_what_is_not_known_is_declared() -> None:
    def gate(**more: str) -> dict[str, Any]:
        return {"gates": [{"when": "margin < 0.1", "because": "no margin", **more}]}

    unknown: dict[str, Any] = {"actuals": {"margin": [math.nan, 0.2]}}
    found = score(gate(), {"a": [80.0, 80.0]}, **unknown)
    assert found.score.tolist() == [80, 80]
    assert found.adjustments[0].undecided.tolist() == [True, False]
    assert score(gate(undecided="apply"), {"a": [80.0, 80.0]}, **unknown).score.tolist() == [0, 80]
    with pytest.raises(RecordError, match=r"P0 in 2026-11: not known whether 'no margin' applies") as error:
        score(gate(undecided="error"), {"a": [80.0, 80.0]}, **unknown)
    assert error.value.code == "M137"
    kicker = {"kickers": [{"points": "10 * margin", "because": "margin", "undecided": "error"}]}
    with pytest.raises(RecordError) as error:
        score(kicker, {"a": [80.0, 80.0]}, **unknown)
    assert error.value.code == "M137"


def test_without_a_score_nothing_is_added_and_no_gate_shuts() -> None:
    declared = {
        "kickers": [{"points": 5, "because": "for all"}],
        "floor": 10,
        "round": 0,
        "gates": [{"when": "lowest_score < 50", "because": "veto"}, {"when": "1 == 1", "because": "always"}],
    }
    found = score(declared, {"a": [math.nan, 40.0]})
    assert known(found.score) == [None, 0]
    assert all(not each.applied[0] and each.points[0] == 0 for each in found.adjustments)
    assert known(found.contributions["a"]) == [None, 40]


def test_limits_of_kickers_and_deductions() -> None:
    declared = {
        "kickers": [{"points": 8, "because": "one"}, {"points": 7, "because": "two"}],
        "most_added": 10,
        "deductions": [{"points": 60, "because": "three"}],
        "floor": 0,
    }
    found = score(declared, {"a": [40.0, 90.0]})
    assert found.score.tolist() == [0, 40]
    assert [each.points.tolist() for each in found.adjustments] == [
        [8, 8],
        [7, 7],
        [-5, -5],
        [-60, -60],
        [10, 0],
    ]


def test_points_below_zero_are_refused() -> None:
    for part, other in (("kickers", "deductions"), ("deductions", "kickers")):
        with pytest.raises(RecordError, match="P1 in 2026-11: 'growth' is -20 points") as negative:
            score(
                {part: [{"points": "growth", "because": "growth"}]},
                {"a": [1.0, 1.0]},
                actuals={"growth": [5, -20]},
            )
        assert negative.value.code == "M134"
        assert other in negative.value.hint


def test_a_score_without_limit_needs_one() -> None:
    with pytest.raises(RecordError, match="P0 in 2026-11: the score of `a` has no limit") as infinite:
        score({}, {"a": [math.inf]})
    assert infinite.value.code == "M133"
    assert score({"scores": {"cap": 150}}, {"a": [math.inf]}).score.tolist() == [150]


def test_a_missing_score_is_zero_before_the_floor() -> None:
    declared = {"missing": "zero", "scores": {"floor": 20}}
    assert score(declared, {"a": [math.nan], "b": [100.0]}).score.tolist() == [60]


def test_errors_of_several_rows_say_how_many() -> None:
    with pytest.raises(RecordError, match="Ann in 2026-11 and 1 more: `a` has no score"):
        score({"missing": "error"}, {"a": [math.nan, 5.0, math.nan]})
    only = {"missing": "error", "indicators": {"a": {"missing": "skip"}}}
    assert score(only, {"a": [math.nan], "b": [5.0]}).score.tolist() == [5]


def test_a_missing_score_that_does_not_count_is_no_error() -> None:
    weights = {"a": 1.0, "b": 0.0}
    assert score({"missing": "error"}, {"a": [5.0], "b": [math.nan]}, weights).score.tolist() == [5]


def test_an_expression_is_unknown_with_an_unknown_score_unless_it_says_otherwise() -> None:
    scores = {"a": [80.0], "b": [math.nan]}

    def written(text: str, **more: Any) -> list[float | None]:
        return known(score({"kind": "expression", "expression": text, **more}, scores).score)

    assert written("(a + b) / 2") == [None]
    assert written("(a + coalesce(b, 100)) / 2") == [90]
    assert written("(a + b) / 2", missing="zero") == [40]
    assert written("min(a, b_score)", missing="zero") == [0]
    assert written("a") == [80]


def test_the_contributions_to_a_sum_are_its_parts() -> None:
    declared = {"kind": "expression", "expression": "0.7 * a + 0.2 * b + 3"}
    found = score(declared, {"a": [100.0], "b": [50.0], "c": [7.0]})
    assert {name: column.tolist() for name, column in found.contributions.items()} == {
        "a": [pytest.approx(70)],
        "b": [pytest.approx(10)],
    }
    assert found.adjustments[0].points.tolist() == [pytest.approx(3)]


def test_the_lowest_score_of_an_expression_is_of_those_that_it_reads() -> None:
    declared = {
        "kind": "expression",
        "expression": "a + b",
        "gates": [{"when": "lowest_score < 50", "because": "one below 50"}],
    }
    weights = {"a": 0.0, "b": 0.0, "c": 0.0}
    found = score(declared, {"a": [60.0, 40.0], "b": [60.0, 60.0], "c": [10.0, 90.0]}, weights)
    assert found.score.tolist() == [120, 0]


# laws

thousandths = st.integers(0, 200_000).map(lambda whole: whole / 1000)
points = st.one_of(st.just(math.nan), thousandths, st.sampled_from([0.0, 50.0, 90.0]))
columns = st.integers(1, 5).flatmap(
    lambda count: st.fixed_dictionaries(
        {name: st.lists(points, min_size=count, max_size=count) for name in ("a", "b", "c")}
    )
)
RULES: dict[str, Any] = {
    "scores": {"cap": 130},
    "indicators": {"b": {"floor": 20, "missing": "zero"}},
    "locks": [{"needs": "b_score >= 40", "unlocks": "a", "because": "b first"}],
    "kickers": [
        {"when": "a_score > 100", "points": 6, "because": "a is high"},
        {"points": "clip(highest_score - 100, 0, 30)", "because": "the best"},
    ],
    "most_added": 20,
    "deductions": [{"when": "c < 30", "points": "(30 - c) / 2", "because": "c is low"}],
    "most_deducted": 10,
    "floor": 5,
    "cap": 120,
    "round": 1,
    "gates": [
        {"when": "c < 10", "because": "c is nothing", "undecided": "apply"},
        {"when": "score < 60", "at_most": 40, "because": "less than 60"},
    ],
}
declarations = st.tuples(
    st.sampled_from(
        [
            {"kind": "mean"},
            {"kind": "geometric"},
            {"kind": "minimum"},
            {"kind": "expression", "expression": "min(a, b) / c * 50 + coalesce(b_score, 1)"},
            {"kind": "expression", "expression": "a if b > 50 else 0.5 * (a + c)"},
        ]
    ),
    st.sets(st.sampled_from([*RULES])),
).map(
    lambda drawn: {
        **drawn[0],
        **{
            name: RULES[name]
            for name in RULES
            if name in drawn[1]
            and (name not in ("most_added", "most_deducted") or {"kickers", "deductions"} <= drawn[1])
        },
    }
)


def run(declared: dict[str, Any], scores: dict[str, list[float]]) -> Composed:
    return score(declared, scores, {"a": 50.0, "b": 30.0, "c": 20.0}, actuals={"c": scores["c"]})


@given(declarations, columns)
def test_contributions_and_adjustments_add_up_to_the_composite(declared: Any, scores: Any) -> None:
    found = run(declared, scores)
    for row, whole in enumerate(found.score.tolist()):
        parts = [column[row] for column in found.contributions.values()]
        changes = [each.points[row] for each in found.adjustments]
        if math.isnan(whole):
            assert all(math.isnan(part) for part in parts)
            assert not any(changes)
            assert not any(each.applied[row] for each in found.adjustments)
        else:
            listed = [part for part in parts if not math.isnan(part)] + changes
            assert math.fsum(listed) == pytest.approx(whole, abs=1e-7)
    assert known(found.steps[-1].score) == known(found.score)


@given(declarations, columns, st.randoms(use_true_random=False))
def test_each_row_is_scored_by_itself(declared: Any, scores: Any, random: Any) -> None:
    whole = known(run(declared, scores).score)
    order = [*range(len(whole))]
    random.shuffle(order)
    moved = {name: [column[place] for place in order] for name, column in scores.items()}
    assert known(run(declared, moved).score) == [whole[place] for place in order]
    for place in order:
        alone = {name: [column[place]] for name, column in scores.items()}
        assert known(run(declared, alone).score) == [whole[place]]
