"""The public face of an expression."""

import copy
import gc
import pickle
import threading
import weakref
from decimal import Decimal

import pytest

from crmrules.errors import CrmRulesError, ExpressionError
from crmrules.expr import Expression
from crmrules.expr.expression import Interpreter
from crmrules.types import Type

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


def test_expressions_over_other_types_or_by_another_interpreter_differ() -> None:
    expression = Expression.parse("a > b", FIELDS)
    assert expression != Expression.parse("a > b", {"a": "money(2)", "b": "money(2)"})
    assert expression != Expression.parse("a > b", FIELDS, interpreter="simpleeval")
    assert expression == Expression.parse("a > b", {**FIELDS, "c": "text"})
    assert len({expression, Expression.parse("(a) > b", FIELDS)}) == 1


def test_a_representation_can_be_typed_in_again() -> None:
    expression = Expression.parse("a / `订单额(元)`", {"a": "money(2) not null", "订单额(元)": "number"})
    assert repr(expression) == (
        "Expression.parse('a / `订单额(元)`', {'a': 'money(2) not null', '订单额(元)': 'number'})"
    )
    assert eval(repr(expression)) == expression


@pytest.mark.parametrize("interpreter", ["compile", "simpleeval"])
def test_expressions_are_pickled_and_copied(interpreter: Interpreter) -> None:
    expression = Expression.parse(
        "m if k == 'a' else -m",
        {"m": Type("money", 2), "k": Type("text", values=("a", "b"))},
        interpreter=interpreter,
    )
    record = {"m": 1.5, "k": "b"}
    for again in (pickle.loads(pickle.dumps(expression)), copy.copy(expression), copy.deepcopy(expression)):
        assert again == expression
        assert again(record) == expression(record) == Decimal("-1.50")


def test_the_function_behind_an_expression_gives_its_values() -> None:
    expression = Expression.parse("m / 2", {"m": "money(2)"})
    assert expression.function({"m": 3}) == expression({"m": 3}) == 1.5
    assert expression.function is expression.function


def test_an_expression_is_freed_when_nobody_holds_it() -> None:
    expression = Expression(Expression.parse("a * b", FIELDS).checked)
    assert expression({"a": 2, "b": 3}) == 6
    held = weakref.ref(expression)
    gc.disable()
    try:
        del expression
        assert held() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("declared", [float, None, ["number"], "numbr", 1])
def test_a_type_that_is_none_is_refused(declared: object) -> None:
    with pytest.raises(CrmRulesError) as caught:
        Expression.parse("a", {"a": declared})  # type: ignore[dict-item]
    assert caught.value.code == "F001"


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
