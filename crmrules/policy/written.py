"""Conditions as YAML and JSON hold them: field: value, tests by name, and what joins them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Literal

from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.expr import tree
from crmrules.policy.condition import Condition, constant, member, text_test

COMPARISONS: dict[str, tree.ComparisonOperator] = {
    "is": "==",
    "above": ">",
    "at_least": ">=",
    "below": "<",
    "at_most": "<=",
}
TEXT_TESTS = {"startswith": "starts_with", "endswith": "ends_with", "contains": "contains"}
TESTS = (*COMPARISONS, *TEXT_TESTS, "not", "in", "between", "is_null")
JOINS: dict[str, Literal["and", "or"]] = {"all": "and", "any": "or"}
OTHER_WORDS = {
    "missing": "is_null",
    "null": "is_null",
    "==": "is",
    "!=": "not",
    ">": "above",
    ">=": "at_least",
    "<": "below",
    "<=": "at_most",
}


def condition_of_data(data: object) -> tree.Node:
    """The tree of a mapping or of true and false. Raises CrmRulesError (C101)."""
    if isinstance(data, bool):
        return tree.Constant(data)
    if not isinstance(data, Mapping) or not data:
        raise CrmRulesError(
            "C101",
            f"{shown(data)} is no condition",
            hint="write a text such as amount > 100, or field: value",
        )
    return tree.joined("and", [_entry(str(key), value) for key, value in data.items()])


def _entry(key: str, value: object) -> tree.Node:
    if key in JOINS:
        if not isinstance(value, list | tuple) or not value:
            raise CrmRulesError("C101", f"`{key}` takes a list of conditions", hint=f"{key}: [first, second]")
        return tree.joined(JOINS[key], [Condition.of(each).tree for each in value])
    if key == "not":
        return tree.negated(Condition.of(value).tree)
    if key == "custom":
        from crmrules.policy.custom import custom_call

        return custom_call(value)
    name = tree.Name(key)
    if not isinstance(value, Mapping) or _is_value(value):
        return _equal(name, value)
    tests = [_test(name, str(test), bound) for test, bound in value.items()]
    if not tests:
        raise CrmRulesError("C101", f"`{key}` has no test", hint=f"{key}: value")
    return tree.joined("and", tests)


def _equal(name: tree.Name, value: object) -> tree.Node:
    if not isinstance(value, list | tuple):
        return tree.Comparison("==", name, _operand(value, name))
    if not value:
        raise CrmRulesError("C101", f"the list of `{name.name}` is empty", hint="name at least one value")
    return member(name, [_constant(each, name) for each in value])


def _test(name: tree.Name, test: str, bound: object) -> tree.Node:
    if test in COMPARISONS:
        return tree.Comparison(COMPARISONS[test], name, _operand(bound, name))
    if test in TEXT_TESTS:
        return text_test(TEXT_TESTS[test], name, bound)
    if test == "in":
        return _equal(name, bound if isinstance(bound, list | tuple) else [bound])
    if test == "not":
        return tree.negated(_equal(name, bound))
    if test == "between":
        if not isinstance(bound, list | tuple) or len(bound) != 2:
            raise CrmRulesError("C101", f"`between` of `{name.name}` takes two values", hint="[low, high]")
        low, high = (_operand(each, name) for each in bound)
        return tree.joined("and", [tree.Comparison(">=", name, low), tree.Comparison("<=", name, high)])
    if test == "is_null" and isinstance(bound, bool):
        missing = tree.Call("is_null", (name,))
        return missing if bound else tree.negated(missing)
    if test == "is_null":
        raise CrmRulesError("C101", f"`is_null` of `{name.name}` takes true or false", hint="is_null: true")
    other = OTHER_WORDS.get(test)
    raise CrmRulesError(
        "C101",
        f"`{test}` is no test of `{name.name}`",
        hint=f"write `{other}`" if other else did_you_mean(test, TESTS),
    )


_VALUES: dict[str, Callable[[str], tree.Node]] = {
    "field": tree.Name,
    "date": lambda text: tree.Constant(dt.date.fromisoformat(text)),
    "datetime": lambda text: tree.Constant(dt.datetime.fromisoformat(text)),
}


def _is_value(value: Mapping[object, object]) -> bool:
    return len(value) == 1 and next(iter(value)) in _VALUES


def _operand(value: object, name: tree.Name) -> tree.Node:
    """A value, or what `{field: …}` and `{date: …}` stand for."""
    if not isinstance(value, Mapping):
        return constant(value, name.name)
    kind, said = next(iter(value.items()), ("", None))
    if len(value) != 1 or kind not in _VALUES or type(said) is not str:
        raise CrmRulesError(
            "C101", f"`{name.name}` is compared with {shown(value)}", hint="write a value, or {field: name}"
        )
    try:
        return _VALUES[kind](said)
    except ValueError:
        raise CrmRulesError(
            "C101", f"{shown(said)} is no {kind}", hint='write {date: "2026-01-31"}'
        ) from None


def _constant(value: object, name: tree.Name) -> object:
    """The plain value of a list's element."""
    found = _operand(value, name)
    if isinstance(found, tree.Constant):
        return found.value
    raise CrmRulesError("C101", f"the list of `{name.name}` holds a field", hint="join comparisons by `any`")
