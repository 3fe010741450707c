"""How errors name types and parts of an expression."""

from __future__ import annotations

from crmrules.expr import tree
from crmrules.expr.functions import NUMERIC, ORDERED, Function
from crmrules.types import Kind, Type

_WORDS: dict[str, str] = {
    "text": "text",
    "number": "a number",
    "money": "money",
    "date": "a date",
    "datetime": "a date with a time",
    "bool": "a condition (yes or no)",
    "duration": "a duration",
    "null": "a missing value",
}


def a(found: Type) -> str:
    return _WORDS[found.kind]


def named(node: tree.Node) -> str:
    written = tree.text(node)
    return f"`{written}`" if len(written) <= 40 else "this"


def listed(kinds: frozenset[Kind]) -> str:
    if kinds == NUMERIC:
        return "a number"
    if kinds == ORDERED:
        return "a number or a date"
    return " or ".join(sorted(_WORDS[kind] for kind in kinds))


def how_many(row: Function) -> str:
    most = len(row.parameters)
    if row.variadic:
        return f"{row.required} values or more"
    if row.required == most:
        return "one value" if most == 1 else f"{most} values"
    return f"{row.required} to {most} values"


def hint_to_compare(node: tree.Comparison, kinds: set[Kind]) -> str:
    """What to write instead of a comparison of two types."""
    if "bool" in kinds:
        return "a condition stands alone: p, or not p"
    if kinds & {"date", "datetime"} and kinds & {"text", "number"}:
        example = "date('2026-01-31')" if "date" in kinds else "datetime('2026-01-31 18:00')"
        return f"write {example} for a date"
    if "duration" in kinds:
        return "write days(…) for the number of days"
    if "text" not in kinds:
        return ""
    if "money" in kinds:
        return "write the amount as a number, without quotes"
    for side in (node.left, node.right):
        if isinstance(side, tree.Constant) and type(side.value) is float:
            return f"put the value in quotes: '{tree.text(side)}'; or declare the field as a number"
        if isinstance(side, tree.Constant) and type(side.value) is str:
            return "write a number without quotes, or declare the field as text"
    return "declare both fields with one type"


def hint_to_fit(place: tree.Node, found: Type, expected: str) -> str:
    """What to write instead of a value of another type than its place takes."""
    if found.kind in ("date", "datetime"):
        return "subtract two dates to get a duration: days(later - earlier)"
    if expected == "a date" and found.kind in NUMERIC:
        return "compare the days between two dates: days(later - earlier) > 30"
    if found.kind == "duration":
        return "write days(…) for the number of days"
    if found.kind == "text" and expected == "a number" and isinstance(place, tree.Arithmetic):
        return "texts are not joined in expressions; a message shows several fields side by side"
    if found.kind == "text" and expected == "a date":
        return "write date('2026-01-31') for a date, or declare the field as one"
    if found.kind == "text" and expected.startswith("a condition"):
        return "compare it: x == 'abc', or x in ('abc', 'def')"
    if found.kind in NUMERIC and expected.startswith("a condition"):
        return "compare it: x > 0"
    return ""
