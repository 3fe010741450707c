"""Trees against declared fields."""

import pytest

from crmrules.errors import ExpressionError
from crmrules.expr import Expression
from crmrules.expr.check import check
from crmrules.expr.functions import AGGREGATES
from crmrules.expr.parse import parse
from crmrules.types import Type

FIELDS = {
    "x": "number",
    "n": "number not null",
    "m": "money(2)",
    "k": "money(3)",
    "s": "text",
    "d": "date",
    "w": "datetime",
    "p": "bool",
    "stage": Type("text", values=("standard", "repeat")),
}
SCHEMA = {name: each if isinstance(each, Type) else Type.parse(each) for name, each in FIELDS.items()}


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text, FIELDS)
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x + 1", "number"),
        ("m + 1", "money(2)"),
        ("m + k", "money(3)"),
        ("m + 0.001", "number"),
        ("m * 2", "number"),
        ("m / m", "number"),
        ("d - d", "duration"),
        ("d - w", "duration"),
        ("days(d - d)", "number"),
        ("x > 1", "bool"),
        ("s if p else 'a'", "text"),
        ("start_of(w, 'month')", "date"),
        ("clip(m, 0, 100)", "money(2)"),
        ("length(s)", "number"),
        ("None", "null"),
    ],
)
def test_types(text: str, kind: str) -> None:
    assert str(Expression.parse(text, FIELDS).type) == kind


@pytest.mark.parametrize(
    ("text", "nullable"),
    [
        ("n", False),
        ("n + n", True),  # beyond the largest float it is missing
        ("n + 1", False),
        ("n > 1", False),
        ("n / 2", False),
        ("n / n", True),
        ("x", True),
        ("coalesce(x, n)", False),
        ("if_null(x, 0)", False),
        ("is_null(x)", False),
        ("sqrt(n)", True),
        ("floor(n)", False),
        ("n if p else 1", False),
    ],
)
def test_nullability(text: str, nullable: bool) -> None:
    assert Expression.parse(text, FIELDS).type.nullable is nullable


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("y", "E101", "y"),
        ("s + 'a'", "E102", "s"),
        ("s > 1", "E102", "s > 1"),
        ("d > '2026-01-01'", "E102", "d > '2026-01-01'"),
        ("p > True", "E102", "p > True"),
        ("x == None", "E102", "x == None"),
        ("x and p", "E102", "x"),
        ("d - s", "E102", "s"),
        ("s - d", "E102", "s"),
        ("x if p else s", "E102", "x if p else s"),
        ("x in ('a',)", "E102", "'a'"),
        ("round(x, n)", "E104", "n"),
        ("round(x, 13)", "E104", "13"),
        ("power(x, 1000000000)", "E104", "1000000000"),
        ("start_of(d, 'decade')", "E104", "'decade'"),
        ("contains(s, s)", "E104", "s"),
        ("abs()", "E104", "abs()"),
        ("sum(x)", "E105", "sum(x)"),
        ("stage == 'standrad'", "E108", "'standrad'"),
        ("stage in ('standard', 'reapet')", "E108", "'reapet'"),
    ],
)
def test_mistakes_are_named_and_placed(text: str, code: str, at: str) -> None:
    error = refused(text)
    assert (error.code, text[error.span.start : error.span.end]) == (code, at)


def test_values_and_names_are_suggested() -> None:
    assert refused("stage == 'standrad'").suggestions == ("standard",)
    assert refused("stag == 'standard'").suggestions == ("stage",)


@pytest.mark.parametrize("name", sorted(AGGREGATES))
def test_aggregates_stand_in_measures_only(name: str) -> None:
    text = f"{name}(x, where=p)"
    assert check(parse(text), SCHEMA, measures={}).type.kind == "number"
    assert refused(text).code == "E105"


@pytest.mark.parametrize("text", ["sum(sum(x))", "sum(x, where=count() > 1)", "sum(x) + x"])
def test_aggregates_do_not_nest_and_fields_stay_inside(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(parse(text), SCHEMA, measures={})
    assert caught.value.code == "E105"


def test_budgets_are_enforced() -> None:
    Expression.parse("x / x / x", FIELDS)
    with pytest.raises(ExpressionError) as caught:
        Expression.parse("x / x / x", FIELDS, budget=5)
    assert caught.value.code == "E107"
    assert refused(" / ".join(["x"] * 39)).code == "E107"


def test_what_is_read_is_known() -> None:
    assert Expression.parse("m if p else m + 1", FIELDS).fields == ("p", "m")


def test_a_long_product_costs_its_length_and_not_a_power_of_it() -> None:
    product = check(parse(" * ".join(["x"] * 40)), SCHEMA)
    assert product.cost < 200
    # Each test for overflow computes what it tests twice, so functions of products of functions do double.
    nested = check(parse("abs(abs(abs(x * x) * x) * x)"), SCHEMA)
    assert nested.cost > 8 * 3
