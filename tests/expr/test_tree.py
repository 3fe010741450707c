"""Nodes are values and print as canonical text."""

import pytest

from crmrules.expr import tree
from crmrules.expr.parse import parse
from crmrules.expr.tree import Constant, Name


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("((a))+(b*c)", "a + b * c"),
        ("(a+b)*c", "(a + b) * c"),
        ("a-(b-c)", "a - (b - c)"),
        ("not (a or b)", "not (a or b)"),
        ("(a and b) and c", "a and b and c"),
        ("1 < a < 2", "1 < a and a < 2"),
        ("a in ('x',)", "a in ('x',)"),
        ("not a in (1,2)", "a not in (1, 2)"),
        ("(a if p else b) if q else c", "(a if p else b) if q else c"),
        ("`a b`", "`a b`"),
        ("`class`", "`class`"),
        ("-(-a)", "--a"),
        ("sum(a,where=p)", "sum(a, where=p)"),
        ('"it\'s"', "'it\\'s'"),
        ("1e20", "1e+20"),
    ],
)
def test_canonical_text_parses_back_to_the_same_tree(text: str, canonical: str) -> None:
    assert tree.text(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_nodes_are_equal_wherever_they_stand() -> None:
    assert parse(" a") == parse("a") == Name("a")
    assert hash(parse(" a")) == hash(Name("a"))


def test_true_is_not_one() -> None:
    assert Constant(True) != Constant(1.0)


def test_names_are_listed_once_in_the_order_of_the_text() -> None:
    assert tree.names(parse("b if p else a + b")) == ("b", "p", "a")
