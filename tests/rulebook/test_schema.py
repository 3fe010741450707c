"""The published JSON Schema: what editors accept is what the loader accepts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crmrules import Rulebook, RulebookError, document
from crmrules.rulebook import schema

PROJECT = Path(__file__).parents[2]
BOOKS = [PROJECT / "examples" / "crm_pipeline.yaml", PROJECT / "crmrules" / "demo" / "rulebook.yaml"]
SCHEMA = schema()
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "default",
    "additionalProperties", "items", "anyOf", "oneOf", "discriminator", "const", "enum", "minimum", "maximum",
    "exclusiveMinimum", "minItems", "minLength", "minProperties", "pattern", "examples",
}  # fmt: skip
TYPES: dict[str, Any] = {
    "string": str, "boolean": bool, "object": dict, "array": list, "null": type(None),
    "number": (int, float), "integer": int,
}  # fmt: skip


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        part = SCHEMA["$defs"][part["$ref"].removeprefix("#/$defs/")]
    return part


def is_a(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def faults(value: Any, part: dict[str, Any], path: str = "") -> Iterator[str]:
    """What JSON Schema (the keywords in KNOWN) says is wrong with a value."""
    part = resolved(part)
    for keyword, matches in (("anyOf", range(1, 99)), ("oneOf", range(1, 2))):
        if keyword in part and sum(not [*faults(value, each)] for each in part[keyword]) not in matches:
            yield f"{path}: {keyword}"
    if "type" in part and not is_a(value, part["type"]):
        yield f"{path}: no {part['type']}"
        return
    if "const" in part and value != part["const"]:
        yield f"{path}: not {part['const']}"
    if "enum" in part and value not in part["enum"]:
        yield f"{path}: none of {part['enum']}"
    if isinstance(value, dict):
        properties, rest = part.get("properties", {}), part.get("additionalProperties", True)
        yield from (f"{path}: {name} is missing" for name in part.get("required", ()) if name not in value)
        if len(value) < part.get("minProperties", 0):
            yield f"{path}: too few"
        for name, each in value.items():
            if name in properties or isinstance(rest, dict):
                yield from faults(each, properties.get(name, rest), f"{path}.{name}")
            elif rest is False:
                yield f"{path}: {name} is not known"
    elif isinstance(value, list):
        if len(value) < part.get("minItems", 0):
            yield f"{path}: too few"
        for position, each in enumerate(value):
            yield from faults(each, part.get("items", {}), f"{path}[{position}]")
    elif isinstance(value, str):
        if len(value) < part.get("minLength", 0) or not re.search(part.get("pattern", ""), value):
            yield f"{path}: {value!r}"
    elif isinstance(value, int | float) and not (
        part.get("minimum", value) <= value <= part.get("maximum", value)
        and part.get("exclusiveMinimum", value - 1) < value
    ):
        yield f"{path}: {value}"


def parts(part: object) -> Iterator[dict[str, Any]]:
    """Every schema within a schema."""
    if not isinstance(part, dict):
        return
    yield part
    for keyword in ("properties", "$defs"):
        for each in part.get(keyword, {}).values():
            yield from parts(each)
    for keyword in ("items", "additionalProperties"):
        yield from parts(part.get(keyword))
    for keyword in ("anyOf", "oneOf"):
        for each in part.get(keyword, ()):
            yield from parts(each)


def test_the_schema_is_made_of_known_keywords_and_references_that_exist() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["title"] == "crmrules rulebook"
    listed = [*parts(SCHEMA)]
    assert len(listed) > 50
    for part in listed:
        assert part.keys() - KNOWN == set()
        assert "$ref" not in part or resolved(part)
        assert "type" not in part or part["type"] in TYPES


@pytest.mark.parametrize("file", BOOKS, ids=lambda file: file.parent.name)
def test_the_schema_accepts_the_shipped_rulebooks(file: Path) -> None:
    assert [*faults(document.read(file).data, SCHEMA)] == []


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


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"measures": {"revenue": {"value": "sum(amount)", "policy": "counted"}}},
        {"policies": {"counted": {"default": {"credit": 1, "because": "all count"}}}},
        {"policies": {"counted": {"default": 0.5}}},
        {"policies": {"counted": SEQUENCED}},
        {"policies": {"counted": {"default": 1, "rules": [{"when": {"amount": {"above": 1}}, **RULE}]}}},
        {"policies": {"counted": {"default": 1, "rules": [{"when": True, **RULE}]}}},
        {"triggers": {"hit": {**REACHED, "share": 0.8}, "late": BEHIND}},
        {"triggers": {"hit": {**REACHED, "share": "100 %", "message": {"en": "Well done"}}}},
        {"roster": None},
    ],
)
def test_what_the_loader_takes_the_schema_takes(changes: dict[str, object]) -> None:
    assert Rulebook.of(book(**changes))
    assert [*faults(book(**changes), SCHEMA)] == []


@pytest.mark.parametrize(
    "changes",
    [
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
        {"models": {"sales": {"period": "week", "indicators": {"revenue": {}}}}},
        {"triggers": {"hit": {"kind": "reech", "indicator": "revenue"}}},
        {"triggers": {"hit": {**REACHED, "share": "half"}}},
        {"triggers": {"hit": {**REACHED, "tell": []}}},
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(changes: dict[str, object]) -> None:
    assert [*faults(book(**changes), SCHEMA)] != []
    with pytest.raises(RulebookError):
        Rulebook.of(book(**changes))
