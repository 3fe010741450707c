"""Text to tree."""

import datetime as dt

import pytest

from crmrules.errors import ExpressionError
from crmrules.expr import tree
from crmrules.expr.parse import parse
from crmrules.expr.tree import Arithmetic, Call, Comparison, Constant, Logic, Name, Negative, Not


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    return caught.value


def test_products_bind_tighter_than_sums() -> None:
    assert parse("a + b * c") == Arithmetic("+", Name("a"), Arithmetic("*", Name("b"), Name("c")))


def test_a_chain_is_a_conjunction() -> None:
    assert parse("0 < a <= 1") == Logic(
        "and", (Comparison("<", Constant(0.0), Name("a")), Comparison("<=", Name("a"), Constant(1.0)))
    )


def test_not_of_a_comparison_is_the_opposite_comparison() -> None:
    assert parse("not a == b") == Comparison("!=", Name("a"), Name("b"))
    assert parse("not p") == Not(Name("p"))


def test_negative_constants_are_constants() -> None:
    assert parse("-3") == Constant(-3.0)
    assert parse("-a") == Negative(Name("a"))


def test_an_expression_may_run_over_lines() -> None:
    assert parse("a\n+\r\n b") == parse("a + b")


def test_dates_are_constants_and_calls_with_fields_are_not() -> None:
    assert parse("date('2026-01-31')") == Constant(dt.date(2026, 1, 31))
    assert parse("date(2026, 1, 31)") == Constant(dt.date(2026, 1, 31))
    assert parse("date(y, 1, 31)") == Call("date", (Name("y"), Constant(1.0), Constant(31.0)))
    assert parse("datetime('2026-01-31 18:00')") == Constant(dt.datetime(2026, 1, 31, 18))
    for text in ("date('2026-02-30')", "date(2026, 2, 30)", "date('31.1.2026')", "date(2026, 0.5, 1)"):
        assert refused(text).code == "E106"
    for text in ("date()", "date(2026)", "date(2026, 3)", "date(d)", "datetime(2026, 1, 31)"):
        assert refused(text).code == "E104"


def test_what_a_chain_repeats_counts_twice() -> None:
    assert refused("(p == " * 8 + "p" + " == p)" * 8).code == "E001"
    assert refused("x < " * 140 + "x").code == "E001"
    parse("x < " * 90 + "x")


def test_the_canonical_text_is_within_the_limits_too() -> None:
    listed = f"x in ({','.join(f'{number}e15' for number in range(1, 600))})"
    assert refused(listed).code == "E001"
    for depth in range(30, 41):
        chained = "-" * depth + "x < x < x"
        try:
            read = parse(chained)
        except ExpressionError:
            continue
        assert parse(tree.text(read)) == read


def test_min_of_one_value_is_an_aggregate_and_of_two_a_function() -> None:
    assert isinstance(parse("min(a)"), tree.Aggregate)
    assert isinstance(parse("min(a, b)"), tree.Call)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E004"),
        ("a = 1", "E004"),
        ("a +", "E004"),
        ("IF(a, b, c)", "E103"),
        ("a AND b", "E004"),
        ("1,000", "E005"),
        ("a in b", "E005"),
        ("a in ()", "E004"),
        ("a in (b,)", "E005"),
        ("9007199254740993", "E001"),
        ("1e400", "E001"),
        ("f(a)", "E103"),
        ("sum(a, 1)", "E104"),
        ("sum(a, wher=p)", "E104"),
        ("abs(*a)", "E004"),
        ("a if b", "E004"),
    ],
)
def test_what_is_not_of_the_language_has_a_code(text: str, code: str) -> None:
    assert refused(text).code in (code, "E005")


def test_an_unknown_function_suggests_those_that_are_near() -> None:
    error = refused("rond(a)")
    assert (error.code, error.suggestions[0]) == ("E103", "round")
    assert error.hint == "did you mean `round`?"


def test_the_place_counts_characters_not_bytes() -> None:
    error = refused("订单额 + 未知(目标)")
    assert (error.line, error.column) == (1, 7)
    assert error.text[error.span.start : error.span.end] == "未知"
    # Each Chinese character takes two cells.
    assert str(error).splitlines()[2] == "  |          ^^^^"


def test_parts_and_depth_are_bounded() -> None:
    assert refused(" + ".join(["a"] * 401)).code == "E001"
    parse(" and ".join(["a"] * 300))
    parse("a in (" + ", ".join(map(str, range(700))) + ")")
