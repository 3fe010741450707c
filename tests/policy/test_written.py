"""Conditions as data: what is refused, and with which words."""

import pytest

from crmrules import Condition, CrmRulesError


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": {"abov": 1}}, "did you mean `above`"),
        ({"a": {">": 1}}, "write `above`"),
        ({"a": {"missing": True}}, "write `is_null`"),
        ({"a": {"is_null": "yes"}}, "takes true or false"),
        ({"a": {"between": [1]}}, "takes two values"),
        ({"a": {"between": 5}}, "takes two values"),
        ({"a": {}}, "has no test"),
        ({"a": []}, "is empty"),
        ({"a": None}, "is_null: true"),
        ({"a": [None]}, "is_null: true"),
        ({"a": [{"field": "b"}]}, "holds a field"),
        ({"a": {"above": {"feld": "b"}}}, "write a value, or {field: name}"),
        ({"a": {"date": "2026-02-30"}}, "is no date"),
        ({"s": {"startswith": 5}}, "is no text"),
        ({"all": []}, "takes a list of conditions"),
        ({"any": {"a": 1}}, "takes a list of conditions"),
        ({"all": [3]}, "3 is no condition"),
        ({}, "is no condition"),
        (3, "3 is no condition"),
    ],
)
def test_a_mistake_is_named_with_what_to_write(data: object, message: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        Condition.of(data)
    assert message in str(caught.value)
