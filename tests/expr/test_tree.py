"""Nodes are values and print as canonical text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


NAMES = ["a", "订单额", "`订单额(元)`", "`class`", "`a b`"]
CONSTANTS = ["1", "0.1", "-2", "1e300", "1e-7", "True", "None", "date('2026-01-31')"]
TEXTS = ["''", r"'it\'s'", r"'\\'", "'目标'"]
MOMENTS = ["datetime('2026-01-31 18:00:00.5')", "datetime('2026-01-31')"]
LEAVES = st.sampled_from([*NAMES, *CONSTANTS, *TEXTS, *MOMENTS])
OPERATORS = st.sampled_from(["+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "and", "or"])


def grown(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A larger text around smaller ones; brackets around each allow every shape of tree."""
    pair = st.tuples(part, part)
    return st.one_of(
        st.tuples(
            pair, st.sampled_from(["+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "and", "or"])
        ).map(lambda made: f"({made[0][0]}) {made[1]} ({made[0][1]})"),
        pair.map(lambda made: f"({made[0]}) < ({made[1]}) <= 3"),
        st.tuples(part, part, part).map(lambda made: f"({made[0]}) if ({made[1]}) else ({made[2]})"),
        part.map(lambda made: f"-({made})"),
        part.map(lambda made: f"not ({made})"),
        part.map(lambda made: f"({made}) in (1, 'x', 1, True)"),
        part.map(lambda made: f"({made}) not in (-1,)"),
        st.lists(part, min_size=2, max_size=3).map(lambda made: f"min({', '.join(made)})"),
        pair.map(lambda made: f"sum({made[0]}, where={made[1]})"),
    )


@given(st.recursive(LEAVES, grown, max_leaves=12))
def test_any_tree_is_written_as_text_that_parses_back_to_it(text: str) -> None:
    node = parse(text)
    canonical = tree.text(node)
    assert parse(canonical) == node
    assert tree.text(parse(canonical)) == canonical


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["a == 'x' and b in ('y', 'z')"], {"a", "b"}),
        (["'x' != a"], {"a"}),
        (["a == 'x'", "a < 'y'"], set()),
        (["a == b"], set()),
        (["not (a == 'x') or contains(b, 'y')"], {"a"}),
        (["1 if a == 'x' else c"], {"a"}),
    ],
)
def test_names_that_are_only_compared_with_constants(texts: list[str], names: set[str]) -> None:
    assert tree.only_compared(map(parse, texts)) == names
