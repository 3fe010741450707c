"""Composites as they are declared."""

from typing import Any

import pydantic
import pytest

from crmrules.kpi.composite import Bounds, Composite, Gate

BECAUSE = {"because": "it is agreed"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "expression"}, "nothing says what the composite is"),
        ({"expression": "revenue"}, "goes with kind: expression"),
        ({"kind": "expression", "expression": "revenue", "missing": "skip"}, "cannot leave an indicator out"),
        (
            {"kind": "expression", "expression": "a", "indicators": {"a": {"missing": "skip"}}},
            "cannot leave an indicator out",
        ),
        ({"floor": 50, "cap": 40}, "below the floor"),
        ({"scores": {"floor": 50, "cap": 40}}, "below the floor"),
        ({"scores": {"floor": 50}, "indicators": {"margin": {"cap": 40}}}, "below the floor"),
        ({"gates": [{"when": "a < 1", "score": 0, "at_most": 60, **BECAUSE}]}, "either `score` or `at_most`"),
        ({"gates": [{"when": "a < 1", "score": 0}]}, "because"),
        ({"gates": [{"when": "a < 1", "because": ""}]}, "because"),
        ({"kickers": [{"points": -5, **BECAUSE}]}, "greater than or equal to 0"),
        ({"kickers": [{"points": True, **BECAUSE}]}, "valid number"),
        ({"kickers": [{"points": 5, "undecided": "apply", **BECAUSE}]}, "undecided"),
        ({"most_added": 5}, "limits nothing"),
        ({"most_deducted": 5}, "limits nothing"),
        ({"weights_total": 0}, "greater than 0"),
        ({"round": 10}, "less than or equal to 9"),
        ({"kind": "median"}, "kind"),
        ({"capp": 1}, "capp"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        Composite.model_validate(wrong)


def test_what_is_not_said() -> None:
    assert Composite().missing_of("revenue") == "skip"
    assert Composite(kind="expression", expression="revenue").missing_of("revenue") == "unknown"
    assert Composite().bounds("revenue") == Bounds()


def test_one_indicator_can_differ() -> None:
    declared = Composite.model_validate(
        {
            "missing": "zero",
            "scores": {"floor": 10, "cap": 120},
            "indicators": {"margin": {"cap": 100, "missing": "error"}},
        }
    )
    assert (declared.missing_of("margin"), declared.missing_of("revenue")) == ("error", "zero")
    assert declared.bounds("margin") == Bounds(floor=10, cap=100)
    assert declared.bounds("revenue") == Bounds(floor=10, cap=120)


def test_a_composite_goes_through_plain_data_and_back() -> None:
    data: dict[str, Any] = {
        "scores": {"cap": 120},
        "locks": [{"needs": {"visits": {"at_least": 10}}, "unlocks": "revenue", **BECAUSE}],
        "kickers": [{"points": "5 if revenue_score > 110 else 0", **BECAUSE}],
        "deductions": [{"when": "complaints > 3", "points": 5, **BECAUSE}],
        "gates": [{"when": "margin < 0.1", **BECAUSE}],
    }
    declared = Composite.model_validate(data)
    assert Composite.model_validate(declared.model_dump(mode="json")) == declared
    assert Composite.model_json_schema()["properties"]["gates"]
    assert declared.gates == (Gate(when="margin < 0.1", **BECAUSE),)  # type: ignore[arg-type]
