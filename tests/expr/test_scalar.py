"""Compiled functions of one record, and of lists of values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.errors import FieldError
from crmrules.expr.check import Checked, check
from crmrules.expr.parse import parse
from crmrules.expr.scalar import compile_first, compile_many, compile_record
from crmrules.types import Type

FIELDS = {"x": "number", "y": "number", "n": "number not null", "m": "money(2)", "p": "bool", "q": "bool"}
SCHEMA = {name: Type.parse(declared) for name, declared in FIELDS.items()}
NOTHING: dict[str, Any] = dict.fromkeys(FIELDS)


def checked(text: str) -> Checked:
    return check(parse(text), SCHEMA, text=text)


def value(text: str, **record: Any) -> Any:
    return compile_record(checked(text))({**NOTHING, **record})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + 1", None),
        ("x * 0", None),
        ("x == x", None),
        ("x != 1", None),
        ("-x", None),
        ("x in (1, 2)", None),
    ],
)
def test_null_propagates(text: str, expected: object) -> None:
    assert value(text) is expected


@pytest.mark.parametrize("left", [True, False, None])
@pytest.mark.parametrize("right", [True, False, None])
def test_logic_is_kleenes(left: bool | None, right: bool | None) -> None:
    both = False if False in (left, right) else None if None in (left, right) else True
    either = True if True in (left, right) else None if None in (left, right) else False
    assert value("p and q", p=left, q=right) is both
    assert value("p or q", p=left, q=right) is either
    assert value("not p", p=left) is (None if left is None else not left)


def test_a_null_condition_takes_the_other_side() -> None:
    assert value("1 if p else 2") == 2.0


@pytest.mark.parametrize(("text", "x"), [("1 / x", 0), ("x / 0", 1), ("x * x", 1e200), ("x + x", 1.7e308)])
def test_division_by_zero_and_overflow_are_null(text: str, x: float) -> None:
    assert value(text, x=x) is None


def test_money_is_computed_in_whole_units() -> None:
    assert value("m + 0.1", m=0.2) == 30
    assert value("m * 2", m=0.2) == 0.4


def test_integers_count_as_numbers_and_booleans_do_not() -> None:
    assert value("x + 1", x=2) == 3.0
    with pytest.raises(ValueError, match="field `x` holds True"):
        value("x + 1", x=True)


def test_the_first_true_condition_is_found() -> None:
    first = compile_first([checked("x > 10"), checked("x > 5"), checked("p")])
    assert [first({"x": x, "p": None}) for x in (11.0, 6.0, 1.0, None)] == [0, 1, 3, 3]


DEEP = "abs(" * 30 + "x" + ")" * 30


def test_deep_expressions_are_computed_ahead_with_the_same_value() -> None:
    assert value(DEEP, x=-2) == 2.0
    assert compile_many(checked(DEEP))([-2.0, None]) == [2.0, None]
    first = compile_first([checked(f"{DEEP} > 5"), checked(f"{DEEP} > 1")])
    assert [first({"x": x}) for x in (-6.0, -2.0, 0.0)] == [0, 1, 2]


@pytest.mark.parametrize(("text", "columns"), [("x + y", 2), ("x + 1", 1), ("1 + 1", 0)])
def test_lists_are_computed_like_records(text: str, columns: int) -> None:
    assert compile_many(checked(text))(*[[1.0]] * columns) == [2.0]


SIZES = [1e18, 9e17, 1e-18, 1.2e-18, 5e-324, 1.7e308, 0.0, -0.0, 1.0, -3.0, 0.1]
VALUES = st.one_of(st.sampled_from(SIZES), st.floats(allow_nan=False, allow_infinity=False))
SHORT = [
    "x / y",
    "x / y / n",
    "x / (y - n)",
    "x * y * n * x * y * n * x * y * n * x * y * n * x * y * n * x * y * n",
    "(x - y) / x > 1 or not p",
    "x if p and x > y else -y / n",
    "coalesce(x, y) + round(n, 2)",
    "not (p or q) and x in (0, 1)",
    "is_null(x) or x == y",
    "(p and q) == (x < y)",
]


@pytest.mark.parametrize("text", SHORT)
@given(st.fixed_dictionaries({"x": VALUES, "y": VALUES, "n": VALUES, "p": st.booleans(), "q": st.booleans()}))
def test_the_short_way_gives_what_the_careful_way_gives_to_the_last_bit(
    text: str, record: dict[str, Any]
) -> None:
    expression = checked(text)
    # Bound values go the careful way alone.
    assert repr(compile_record(expression)(record)) == repr(compile_record(expression, bound=True)(record))


@pytest.mark.parametrize("text", SHORT)
def test_whatever_is_not_plain_takes_the_careful_way(text: str) -> None:
    evaluate = compile_record(checked(text))
    plain: dict[str, Any] = {"x": 2.0, "y": -4.0, "n": 3.0, "p": True, "q": False}
    assert evaluate({**plain, "x": 2, "y": -4}) == evaluate(plain)
    assert evaluate({**plain, "x": float("nan")}) == evaluate({**plain, "x": None})
    for name in checked(text).fields:
        for strange in ("1", float("inf"), object(), [1], 2**60):
            with pytest.raises(FieldError) as caught:
                evaluate({**plain, name: strange})
            assert (caught.value.code, caught.value.field) == ("F104", name)
