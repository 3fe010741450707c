"""The published JSON Schema: what editors accept is what the loader accepts."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from crmrules import Rulebook, RulebookError, document
from crmrules.rulebook import schema

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra `dev`")

PROJECT = Path(__file__).parents[2]
BOOKS = [*(PROJECT / "examples").glob("*.yaml"), PROJECT / "crmrules" / "demo" / "rulebook.yaml"]
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def faults(value: Any) -> list[str]:
    """What JSON Schema says is wrong with a value; JSON has no dates, and editors take them as text."""
    found = VALIDATOR.iter_errors(json.loads(json.dumps(value, default=dt.date.isoformat)))
    return [f"{fault.json_path}: {fault.message}" for fault in found]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == "crmrules rulebook"


@pytest.mark.parametrize("file", BOOKS, ids=lambda file: file.parent.name)
def test_the_schema_accepts_the_shipped_rulebooks(file: Path) -> None:
    assert faults(document.read(file).data) == []


def book(**changes: object) -> dict[str, Any]:
    fields = {
        "who": {"type": "text", "role": "subject"}, "day": {"type": "date", "role": "date"},
        "amount": "money(2)",
    }  # fmt: skip
    return {
        "sources": {"orders": {"fields": fields}},
        "policies": {
            "counted": {"rules": [{"when": "amount > 1", "credit": 1, "because": "it is"}], "default": 1}
        },
        "measures": {"revenue": "sum(amount)"},
        "models": {"sales": {"indicators": {"revenue": {"target": 5, "weight": 1}}}},
        **changes,
    }


REACHED = {"kind": "reached", "indicator": "revenue"}
BEHIND = {"kind": "behind", "indicator": "revenue", "share": "50%", "by": {"day": 20, "time": "18:00"}}
SEQUENCED = {"default": 0.5, "sequences": {"nth": {"per": "who", "by": ["day", "amount"]}}}
RULE = {"credit": 0, "because": "so"}

SIDE = {"bounds": ["90%", 1], "boundary": ["lower", "upper"]}
BAND = {"kind": "band", "on": "value", "from": 28, "to": 32}
TIERS = {"kind": "tiers", "on": "value", "how": "flat"}
CURVES: list[dict[str, Any]] = [
    {"cap": 150, "slope": 200},
    {"kind": "points", "on": "attainment", "through": [["50 %", 0], [1, 100]], "outside": "hold"},
    {**TIERS, "boundary": "lower", "tiers": [{"from": 0, "to": 5, "rate": "-1.5%"}, {"rate": 2}]},
    {**TIERS, "boundary": ["upper"], "tiers": [{"to": 5, "points": 60}, {"points": 90}], "by": "revenue"},
    {**BAND, "below": "hold", "above": {"lose": 5, "each": 2}},
    {"kind": "table", "on": "value", "match": "at_most", "rows": [[30, 100]], "otherwise": 0},
    {
        "kind": "matrix", "on": "attainment", "by": "revenue / 2", "rows": SIDE,
        "columns": SIDE, "cells": [[0, 0, 0], [0, 1, 2], [0, 2, 3]],
    },
]  # fmt: skip
NO_CURVES: list[dict[str, Any]] = [
    {"kind": "sigmoid"},
    {"cap": "much"},
    {"on": "value"},
    {**TIERS, "tiers": []},
    {**TIERS, "tiers": [{"rate": "half"}]},
    {**TIERS, "tiers": [{"rate": 1}], "boundary": "both"},
    {**BAND, "below": "fall", "above": "drop"},
    {"kind": "table", "on": "value", "match": "at_most", "rows": [[30]], "otherwise": 0},
]


def curved(curve: dict[str, Any]) -> dict[str, Any]:
    return {"models": {"sales": {"indicators": {"revenue": {"target": 5, "weight": 1, "curve": curve}}}}}


def modelled(indicator: dict[str, Any] | None = None, **model: Any) -> dict[str, Any]:
    """A rulebook's models with something in the model, or in its indicator."""
    revenue = {"target": 5, "weight": 1, **(indicator or {})}
    return {"models": {"sales": {"indicators": {"revenue": revenue}, **model}}}


WHY = {"because": "so"}
QUOTAS = {"table": "orders", "subject": "who", "period": "day", "value": "amount"}
MODELS: list[dict[str, Any]] = [
    modelled({"target": "prior(revenue) * 1.1", "missing_target": "zero"}),
    modelled({"target": {"value": 1200, "per": "year", "spread": "even", "digits": 2}}),
    modelled({"target": {"value": 1200, "per": "year", "spread": dict.fromkeys(range(1, 13), 100 / 12)}}),
    modelled(
        {"target": "ytd(revenue)", "direction": "lower", "lower_by": "difference", "curve": {"cap": 120}}
    ),
    modelled({"accumulates": True}, pace={}),
    modelled(period="semi_month", movement=True, rank={"ties": "dense"}),
    modelled(period={"unit": "quarter", "year_starts": 4, "year_named": "ends"}),
    modelled(period={"weeks": "4-4-5", "year_ends": "last saturday of january", "year_named": "ends"}),
    modelled(period={"table": [{"key": "2026-A", "first": "2026-01-01", "last": dt.date(2026, 6, 30)}]}),
    modelled(composite={"kind": "geometric", "scores": {"floor": 1, "cap": 120}, "round": 1}),
    modelled(
        composite={"kickers": [{"when": "revenue > 5", "points": "revenue / 10", **WHY}], "most_added": 5}
    ),
    modelled(composite={"gates": [{"when": {"revenue": {"below": 5}}, "at_most": 80, **WHY}]}),
    modelled(composite={"locks": [{"needs": "revenue > 5", "unlocks": "revenue", **WHY}]}),
    modelled(grades=[{"grade": "A", "at_least": 90}, {"grade": "B"}]),
    modelled(grades={"kind": "percentile", "bands": [{"grade": "A", "at_least": 90}, {"grade": "B"}]}),
    modelled(grades={"kind": "forced", "shares": {"A": 20, "B": 80}, "ties": "order", "order": ["revenue"]}),
]
NO_MODELS: list[dict[str, Any]] = [
    modelled({"target": {"value": 1200, "per": "decade"}}),
    modelled({"target": {**QUOTAS, "change": "middle"}}),
    modelled({"missing_target": "guess"}),
    modelled({"direction": "down"}),
    modelled(pace=True),
    modelled(period={"unit": "quarter", "year_starts": 13, "year_named": "ends"}),
    modelled(period={"table": [{"key": "2026-A", "first": "2026-01-01"}]}),
    modelled(composite={"kind": "weighted"}),
    modelled(composite={"kickers": [{"when": "revenue > 5", "points": 5}]}),
    modelled(composite={"round": 1.5}),
    modelled(grades={"kind": "forced", "shares": {"A": 200}}),
    modelled(grades={"kind": "stars", "shares": {"A": 100}}),
    modelled(rank={"ties": "both"}),
]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        *MODELS,
        {"calendars": {"own": {"holidays": [dt.date(2026, 1, 1), "2026-01-02"], "weekend": ["friday"]}}},
        {"measures": {"revenue": {"value": "sum(amount)", "policy": "counted"}}},
        {"policies": {"counted": {"default": {"credit": 1, "because": "all count"}}}},
        {"policies": {"counted": {"default": 0.5}}},
        {"policies": {"counted": SEQUENCED}},
        {"policies": {"counted": {"default": 1, "rules": [{"when": {"amount": {"above": 1}}, **RULE}]}}},
        {"policies": {"counted": {"default": 1, "rules": [{"when": True, **RULE}]}}},
        {"triggers": {"hit": {**REACHED, "share": 0.8}, "late": BEHIND}},
        {"triggers": {"hit": {**REACHED, "share": "100 %", "message": {"en": "Well done"}}}},
        {"roster": None},
        *map(curved, CURVES),
    ],
)
def test_what_the_loader_takes_the_schema_takes(changes: dict[str, object]) -> None:
    assert Rulebook.of(book(**changes))
    assert faults(book(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        *NO_MODELS,
        {"calendars": {"own": {"holidays": "2026-01-01"}}},
        {"calendars": {"own": {"weekend": ["Freitag"]}}},
        {"perriod": 1},
        {"sources": {}},
        {"models": {}},
        {"crmrules": 2},
        {"measures": {"revenue": 5}},
        {"measures": {"revenue": {"valu": "sum(amount)"}}},
        {"policies": {"counted": {"default": 2}}},
        {"policies": {"counted": {}}},
        {"policies": {"counted": {"default": 1, "rules": [{"when": "amount > 1", "credit": 1}]}}},
        {"models": {"sales": {"indicators": {"revenue": {"target": 0}}}}},
        {"models": {"sales": {"period": "fortnight", "indicators": {"revenue": {}}}}},
        {"triggers": {"hit": {"kind": "reech", "indicator": "revenue"}}},
        {"triggers": {"hit": {**REACHED, "share": "half"}}},
        {"triggers": {"hit": {**REACHED, "tell": []}}},
        *map(curved, NO_CURVES),
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(changes: dict[str, object]) -> None:
    assert faults(book(**changes)) != []
    with pytest.raises(RulebookError):
        Rulebook.of(book(**changes))
