"""Limits that a host sets: enforced where expressions and rulebooks are loaded, and nowhere else."""

import threading

import pytest

from crmrules import Rulebook, RulebookError
from crmrules.errors import ExpressionError
from crmrules.expr import Expression, Limits, limited

FIELDS = {"x": "number", "s": "text", "p": "bool"}
BEYOND = {
    "characters": (Limits(characters=20), "x + 1 + 1 + 1 + 1 + 1", "E001"),
    "parts": (Limits(parts=5), "x + 1 + x + 1", "E001"),
    "depth": (Limits(depth=3), "-(x * (x + 1))", "E001"),
    "listed": (Limits(listed=3), "x in (1, 2, 3, 4)", "E001"),
    "literal": (Limits(literal=3), "s == 'abcd'", "E001"),
    "literal in a list": (Limits(literal=3), "s in ('a', 'abcd')", "E001"),
    "integer": (Limits(integer=1_000), "x > 1001", "E001"),
    "negative integer": (Limits(integer=1_000), "x > -1001", "E001"),
    "cost": (Limits(cost=3), "x / x / x", "E107"),
}
WITHIN = Limits(characters=60, parts=8, depth=4, listed=3, literal=3, integer=1_000, cost=60)


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_a_limit_is_refused_there_and_nowhere_else(name: str) -> None:
    limits, text, code = BEYOND[name]
    known = Expression.parse(text, FIELDS)
    with limited(limits), pytest.raises(ExpressionError) as caught:
        Expression.parse(text, FIELDS)
    assert caught.value.code == code
    assert Expression.parse(text, FIELDS) is known


@pytest.mark.parametrize("text", ["x in (1, 2, 3)", "s == 'abc' and x <= 1000", "round(x / 1000, 2)"])
def test_what_is_within_all_limits_is_the_same_expression(text: str) -> None:
    with limited(WITHIN):
        assert Expression.parse(text, FIELDS) == Expression.parse(text, FIELDS)


def test_limits_of_one_thread_are_not_those_of_another() -> None:
    found: list[object] = []
    with limited(Limits(parts=1)):
        thread = threading.Thread(target=lambda: found.append(Expression.parse("x + 2", FIELDS)({"x": 1})))
        thread.start()
        thread.join()
    assert found == [3.0]


def test_a_rulebook_is_loaded_under_the_limits() -> None:
    document = {
        "sources": {
            "orders": {
                "fields": {
                    "who": {"type": "text", "role": "subject"},
                    "day": {"type": "date", "role": "date"},
                    "amount": "number",
                }
            }
        },
        "measures": {"sales": {"value": "sum(amount * amount)", "source": "orders"}},
        "models": {"all": {"period": "year", "indicators": {"sales": {}}}},
    }
    assert Rulebook.of(document)
    for limits in (Limits(parts=3), Limits(cost=2)):
        with limited(limits), pytest.raises(RulebookError) as caught:
            Rulebook.of(document)
        assert caught.value.problems[0].path == "measures.sales.value"
