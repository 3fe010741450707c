"""One condition, whether text, Python or data."""

import copy
import datetime as dt
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmrules import Condition, CrmRulesError, ExpressionError, field
from crmrules.expr.scalar import compile_record
from crmrules.policy.condition import always
from crmrules.types import Type

SCHEMA = {
    "a": Type("number"),
    "m": Type("money", 2),
    "b": Type("bool"),
    "s": Type("text"),
    "kind": Type("text", values=("standard", "repeat", "sample")),
    "d": Type("date"),
    "订单额(元)": Type("number"),
}

WAYS: list[tuple[str, Callable[[], Any], object]] = [
    ("a == 1", lambda: field("a") == 1, {"a": 1}),
    ("a != 1", lambda: field("a") != 1, {"a": {"not": 1}}),
    ("a < 1 and a >= -2", lambda: (field("a") < 1) & (field("a") >= -2), {"a": {"below": 1, "at_least": -2}}),
    ("a > 1 and a <= 5", lambda: (field("a") > 1) & (5 >= field("a")), {"a": {"above": 1, "at_most": 5}}),  # noqa: SIM300
    ("a > m", lambda: field("a") > field("m"), {"a": {"above": {"field": "m"}}}),
    ("a == m", lambda: field("a") == field("m"), {"a": {"field": "m"}}),
    ("a in (1, 2)", lambda: field("a").isin(1, 2, 1.0), {"a": [1, 2, 1]}),
    ("a in (1, 2)", lambda: field("a").isin([1, 2]), {"a": {"in": [1, 2]}}),
    ("s not in ('x',)", lambda: ~field("s").isin("x"), {"s": {"not": ["x"]}}),
    ("a >= 1 and a <= m", lambda: field("a").between(1, field("m")), {"a": {"between": [1, {"field": "m"}]}}),
    ("is_null(a)", lambda: field("a").is_null(), {"a": {"is_null": True}}),
    ("not is_null(a)", lambda: field("a").not_null(), {"a": {"is_null": False}}),
    ("starts_with(s, 'it\\'s')", lambda: field("s").startswith("it's"), {"s": {"startswith": "it's"}}),
    ("ends_with(s, '单')", lambda: field("s").endswith("单"), {"s": {"endswith": "单"}}),
    ("contains(s, '.')", lambda: field("s").contains("."), {"s": {"contains": "."}}),
    ("d == date('2026-01-31')", lambda: field("d") == dt.date(2026, 1, 31), {"d": {"date": "2026-01-31"}}),
    ("m == 0.1", lambda: field("m") == Decimal("0.10"), {"m": Decimal("0.10")}),
    ("`订单额(元)` > 5", lambda: field("订单额(元)") > 5, {"订单额(元)": {"above": 5}}),
    ("b and s == 'x'", lambda: field("b") & (field("s") == "x"), {"all": ["b", {"s": "x"}]}),
    ("not b or s == 'x'", lambda: ~field("b") | (field("s") == "x"), {"any": [{"not": "b"}, {"s": "x"}]}),
    ("a - m > 100 and b", lambda: "a - m > 100" & field("b"), {"all": ["a - m > 100", "b"]}),
    ("b or a - m > 100", lambda: field("b") | "a - m > 100", {"any": ["b", "a - m > 100"]}),
    (
        "not (a == 1 or b in (True,))",
        lambda: ~((field("a") == 1) | field("b").isin(True)),
        {"not": {"any": [{"a": 1}, {"b": [True]}]}},
    ),
    ("True", always, True),
]


@pytest.mark.parametrize(("text", "python", "data"), WAYS, ids=[text for text, _, _ in WAYS])
def test_text_python_and_data_give_the_same_tree(text: str, python: Callable[[], Any], data: object) -> None:
    made = python()
    assert Condition.parse(text).tree == made.tree == Condition.of(data).tree
    assert str(made) == text
    assert Condition.parse(str(made)).tree == made.tree


@pytest.mark.parametrize("text", [text for text, _, _ in WAYS])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_is_the_same_condition(text: str, copied: Callable[[Any], Any]) -> None:
    for made in (Condition.parse(text), ~Condition.parse(text)):
        again = copied(made)
        assert (again.tree, again.text, again) == (made.tree, made.text, made)
        assert again.check(SCHEMA).fields == made.check(SCHEMA).fields


def test_what_numpy_and_pandas_hold_is_compared_by_its_value() -> None:
    assert (field("a") == np.float64(3)).tree == (field("a") == 3).tree
    assert (field("a") == np.int32(3)).tree == (field("a") == 3).tree
    moment = pd.Timestamp("2026-01-31 18:00")
    assert (field("w") > moment).tree == (field("w") > dt.datetime(2026, 1, 31, 18)).tree


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, np.nan])
@pytest.mark.parametrize("compare", [lambda x: field("a") == x, lambda x: field("a").isin(1, x)])
def test_a_comparison_with_nothing_says_is_null(missing: object, compare: Callable[[Any], Any]) -> None:
    with pytest.raises(CrmRulesError, match=r"field\('a'\).is_null\(\)"):
        compare(missing)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: 1 < field("a") < 3,
        lambda: (field("a") == 1) and (field("b") == 2),
        lambda: not field("a").is_null(),
        lambda: field("a") in ("x", "y"),
        lambda: bool(field("b")),
        lambda: field("b") or field("a"),
        lambda: field("a") == 1 & field("b") == 2,
        lambda: (field("a") == 1) & 2,
        lambda: True | (field("a") == 1),
        lambda: field("a") == field("b") & field("a") == 2,
        lambda: "x" in field("s"),
    ],
)
def test_pythons_own_words_are_refused_with_what_to_write(wrong: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"write|brackets"):
        wrong()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: field("a").isin(), "name the values"),
        (lambda: field("a").isin([]), "name the values"),
        (lambda: field("a").isin(field("b")), r"join comparisons with \|"),
        (lambda: field("a") == [1, 2], "a list cannot be compared"),
        (lambda: field("a") == float("inf"), "not finite"),
        (lambda: field("a") == 2**53 + 1, "lose digits"),
        (lambda: field("s").startswith(3), "no text"),  # type: ignore[arg-type]
        (lambda: field(" a"), "cannot be the name"),
        (lambda: field(3), "cannot be the name"),  # type: ignore[arg-type]
    ],
)
def test_what_no_field_is_compared_with_is_refused(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(CrmRulesError, match=message) as caught:
        wrong()
    assert caught.value.code == "C102"


@pytest.mark.parametrize(
    ("condition", "code", "hint", "at"),
    [
        (lambda: (field("a") == 1) & (field("knd") == "x"), "E101", "did you mean `kind`?", "knd"),
        (lambda: Condition.of({"a": 1, "knd": "x"}), "E101", "did you mean `kind`?", "knd"),
        (lambda: field("b") | (field("kind") == "repat"), "E108", "did you mean 'repeat'?", "'repat'"),
        (lambda: Condition.of({"kind": ["repat"]}), "E108", "did you mean 'repeat'?", "'repat'"),
        (lambda: "b" & (field("s") > 5), "E102", "put the value in quotes", "s > 5"),
    ],
)
def test_an_error_in_python_or_data_shows_the_place_in_the_text(
    condition: Callable[[], Condition], code: str, hint: str, at: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        condition().check(SCHEMA)
    error = caught.value
    assert error.code == code
    assert hint in error.hint
    assert error.text[error.span.start : error.span.end] == at


@pytest.mark.parametrize(
    "large",
    [
        lambda: field("s") == "x" * 300,
        lambda: field("a").isin(*range(1001)),
        lambda: field("s") == "a\x00b",
        lambda: field("ａ") == 1,
    ],
)
def test_what_a_text_may_not_hold_python_may_not_either(large: Callable[[], Condition]) -> None:
    with pytest.raises(ExpressionError):
        large().check({**SCHEMA, "ａ": Type("number")})


def test_a_condition_that_gives_no_yes_or_no_is_refused() -> None:
    with pytest.raises(ExpressionError, match="expected a condition"):
        Condition.parse("a + 1").check(SCHEMA)


@pytest.mark.parametrize(("text", "python", "_data"), WAYS, ids=[text for text, _, _ in WAYS])
def test_negation_leaves_unknown_what_is_unknown(text: str, python: Callable[[], Any], _data: object) -> None:
    row: dict[str, object] = dict.fromkeys(SCHEMA)
    for a, s in ((None, None), (1.0, "x"), (3.0, None)):
        row |= {"a": a, "s": s}
        value = compile_record(python().check(SCHEMA))(row)
        negated = compile_record((~python()).check(SCHEMA))(row)
        assert negated == (None if value is None else not value)
