"""A declaration against the indicators of a model."""

import math
from typing import Any

import numpy as np
import pytest

from crmrules.errors import CrmRulesError
from crmrules.kpi.composing import Composing, Ordering, composed, problems
from crmrules.kpi.composite import Composite
from crmrules.kpi.rank import ranks
from crmrules.types import NUMBER, Type

TYPES = {"revenue": Type("money", 2), "margin": NUMBER, "visits": NUMBER}
WEIGHTS = {"revenue": 60.0, "margin": 40.0}


def found(declared: dict[str, Any], **weights: float) -> list[tuple[tuple[object, ...], str]]:
    listed = problems(Composite.model_validate(declared), TYPES, weights or WEIGHTS, [*WEIGHTS])
    return [(path, error.code) for path, error in listed]


@pytest.mark.parametrize(
    ("weights", "ok"),
    [((30, 69.99), False), ((30, 70.0), True), ((30, 70.004), True), ((33.33, 66.67), True)],
)
def test_weights_have_to_total_a_hundred_where_it_is_declared(weights: tuple[float, float], ok: bool) -> None:
    """Frappe HR, test_appraisal_template.py: 30 + 69.99 is rejected, 30 + 70.00 is not, at two decimals."""
    given = dict(zip(WEIGHTS, weights, strict=True))
    assert found({"weights_total": 100}, **given) == ([] if ok else [(("weights_total",), "M135")])
    assert found({}, **given) == []


def test_all_problems_are_found_with_their_places() -> None:
    because = {"because": "agreed"}
    declared = {
        "kind": "expression",
        "expression": "revenue + margn",
        "indicators": {"margins": {"cap": 100}},
        "locks": [{"needs": "score > 5", "unlocks": "visits", **because}],
        "kickers": [{"when": "margin > 'high'", "points": "visits_attainment", **because}],
        "deductions": [{"points": "margin > 3", **because}],
        "gates": [{"when": "revenue < 100 and margin_attainment < 0.5", **because}, {"when": "x", **because}],
    }
    assert found(declared) == [
        (("indicators", "margins"), "M136"),
        (("locks", 0, "unlocks"), "M136"),
        (("expression",), "E101"),
        (("locks", 0, "needs"), "E101"),
        (("kickers", 0, "when"), "E102"),
        (("kickers", 0, "points"), "E101"),
        (("deductions", 0, "points"), "E102"),
        (("gates", 1, "when"), "E101"),
    ]


def test_the_first_problem_is_raised_where_nobody_asks_for_all() -> None:
    with pytest.raises(CrmRulesError, match=r"weights add up to 90\.00"):
        composed(Composite(weights_total=100), {"a": [1.0]}, {"a": 90})
    with pytest.raises(CrmRulesError, match="did you mean `margin`"):
        Composing(Composite.model_validate({"indicators": {"margn": {"cap": 1}}}), TYPES, WEIGHTS)


def test_once_checked_it_runs_on_any_rows() -> None:
    composing = Composing(Composite(), TYPES, WEIGHTS)
    assert composing.run({"revenue": [100], "margin": [50]}, [("Ann", "2026-11")]).score.tolist() == [80]
    nobody = composing.run({"revenue": [], "margin": []}, [])
    assert nobody.score.tolist() == []
    assert [*nobody.contributions] == ["revenue", "margin"]


def test_what_breaks_ties_is_computed_over_the_same_names() -> None:
    money = np.array([500, 700], dtype=np.int64)
    found = composed(Composite(), {"revenue": [80, 80], "margin": [80, 80]}, WEIGHTS)
    ordering = Ordering(["revenue", "-visits", "margin_attainment + score"], TYPES, WEIGHTS)
    columns = ordering.columns(
        found,
        {"revenue": (money, TYPES["revenue"]), "visits": (np.array([3.0, math.nan]), NUMBER)},
        {"margin": [0.5, 0.8]},
    )
    first, second, third = (column.tolist() for column in columns)
    assert first == [5, 7]
    assert second[0] == -3
    assert math.isnan(second[1])
    assert third == [80.5, 80.8]
    assert ranks(found.score, ties="order", order=columns).tolist() == [2, 1]
    with pytest.raises(CrmRulesError, match="unknown name `lowest_score`"):
        Ordering(["lowest_score"], TYPES, WEIGHTS)
