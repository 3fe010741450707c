"""One condition, whether text, Python or data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError
from crmrules.expr.scalar import compile_record
from crmrules.policy import Condition, field
from crmrules.types import Type

SCHEMA = {"a": Type("number"), "b": Type("bool")}


@pytest.mark.parametrize(
    ("text", "python", "data"),
    [
        ("a == 1", lambda: field("a") == 1, {"a": 1}),
        ("a in (1, 2)", lambda: field("a").isin(1, 2), {"a": [1, 2]}),
        ("a > 1 and a <= 5", lambda: (field("a") > 1) & (field("a") <= 5), {"a": {"above": 1, "at_most": 5}}),
        (
            "not (a == 1 or b in (True,))",
            lambda: ~((field("a") == 1) | field("b").isin(True)),
            {"not": {"any": [{"a": 1}, {"b": [True]}]}},
        ),
        ("is_null(a)", lambda: field("a").is_null(), {"a": {"missing": True}}),
    ],
)
def test_text_python_and_data_give_the_same_tree(text, python, data) -> None:  # type: ignore[no-untyped-def]
    assert Condition.parse(text) == python() == Condition.of(data)
    assert Condition.parse(str(python())) == python()


conditions = st.recursive(
    st.sampled_from(["a > 1", "a == 0", "a != 2", "b == True", "is_null(a)"]).map(Condition.parse),
    lambda inner: (
        st.builds(lambda x, y: x & y, inner, inner)
        | st.builds(lambda x, y: x | y, inner, inner)
        | inner.map(lambda x: ~x)
    ),
    max_leaves=6,
)
rows = st.fixed_dictionaries(
    {"a": st.sampled_from([None, 0.0, 1.0, 2.0]), "b": st.sampled_from([None, True, False])}
)


def said(condition: Condition, row: dict[str, object]) -> object:
    return compile_record(condition.check(SCHEMA))(row)


@given(conditions, conditions, rows)
def test_the_laws_of_logic_hold_with_missing_values(
    x: Condition, y: Condition, row: dict[str, object]
) -> None:
    assert said(~(x & y), row) == said(~x | ~y, row)
    assert said(~(x | y), row) == said(~x & ~y, row)
    assert said(x & y, row) == said(y & x, row)
    assert said(x | y, row) == said(y | x, row)
    assert said(~~x, row) == said(x, row)


@given(conditions, rows)
def test_negation_leaves_unknown_what_is_unknown(x: Condition, row: dict[str, object]) -> None:
    value = said(x, row)
    assert said(~x, row) == (None if value is None else not value)


def test_a_misspelt_test_is_named() -> None:
    with pytest.raises(CrmRulesError, match="did you mean `above`"):
        Condition.of({"a": {"abov": 1}})


def test_a_condition_has_no_truth_of_its_own() -> None:
    with pytest.raises(TypeError, match="join conditions with"):
        bool(field("a") == 1)
