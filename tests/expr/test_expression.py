"""The public face of an expression."""

import threading
from decimal import Decimal

import pytest

from crmrules.errors import ExpressionError
from crmrules.expr import Expression

FIELDS = {"a": "number", "b": "number"}


def test_an_expression_tells_what_it_reads_gives_and_costs() -> None:
    expression = Expression.parse("a / b", FIELDS)
    assert (expression.fields, str(expression.type), str(expression)) == (("a", "b"), "number", "a / b")
    assert 0 < expression.cost < 20


def test_the_same_text_over_the_same_fields_is_compiled_once() -> None:
    assert Expression.parse("a / b", FIELDS) is Expression.parse("a / b", dict(FIELDS))
    assert Expression.parse("a / b", FIELDS) is not Expression.parse("a / b", {**FIELDS, "b": "money(2)"})


def test_expressions_are_equal_when_they_say_the_same() -> None:
    assert Expression.parse("a+b", FIELDS) == Expression.parse("(a + b)", FIELDS)


def test_money_comes_as_a_decimal() -> None:
    assert Expression.parse("m + 1", {"m": "money(2)"})({"m": 1.5}) == Decimal("2.50")


def test_a_host_may_forbid_compile() -> None:
    slow = Expression.parse("a / b", FIELDS, interpreter="simpleeval")
    assert slow({"a": 1, "b": 4}) == 0.25
    assert slow({"a": 1, "b": 0}) is None


def test_an_error_tells_a_machine_where_and_what() -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse("a +\n  bb", FIELDS)
    error = caught.value
    assert (error.code, error.line, error.column, error.suggestions) == ("E101", 2, 3, ("b",))
    assert error.hint == "did you mean `b`?"


def test_eight_threads_share_one_expression() -> None:
    expression = Expression.parse("round(a / b, 2) if a > b else -a", FIELDS)
    slow = Expression.parse("round(a / b, 2) if a > b else -a", FIELDS, interpreter="simpleeval")
    wrong: list[int] = []

    def work(seed: int) -> None:
        for number in range(500):
            record = {"a": seed, "b": number}
            expected = (round(seed / number + 1e-9, 2) if number else None) if seed > number else -seed
            if not expression(record) == slow(record) == expression.trace(record).value == expected:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
