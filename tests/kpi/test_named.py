"""The names that expressions over indicators may read."""

import math

import numpy as np
import pytest

from crmrules.errors import ExpressionError
from crmrules.kpi.named import Names, decided, listed, numbers
from crmrules.policy import Condition
from crmrules.types import NUMBER, Type

MONEY = Type("money", 2)
NAMES = Names({"revenue": MONEY, "毛利率": NUMBER, "region": Type("text")}, ["revenue", "毛利率"])


def test_values_scores_attainments_and_the_composite_have_names() -> None:
    assert {*NAMES.types} == {
        *("revenue", "毛利率", "region", "revenue_score", "毛利率_score", "revenue_attainment"),
        *("毛利率_attainment", "lowest_score", "highest_score", "score"),
    }
    assert "score" not in Names({}, [], composite=False).types
    assert "a_attainment" not in Names({"a": NUMBER}, ["a"], attained=[]).types


def test_a_condition_is_true_false_or_not_known() -> None:
    checked = NAMES.condition(Condition.parse("revenue >= 100.50 and 毛利率_score > 60"))
    columns = {
        "revenue": np.array([10_050, 10_049, 10_050], dtype=np.int64),
        "毛利率_score": np.array([61.0, math.nan, math.nan]),
    }
    holds, unknown = decided(checked, columns, 3)
    assert holds.tolist() == [True, False, False]
    assert unknown.tolist() == [False, False, True]


def test_an_amount_becomes_a_number() -> None:
    checked = NAMES.number("revenue")
    lists = listed(checked, {"revenue": np.array([12_345], dtype=np.int64)})
    assert numbers(checked, lists, 1).tolist() == [123.45]
    assert numbers(NAMES.number("5"), {}, 2).tolist() == [5.0, 5.0]


def test_names_are_suggested_and_what_is_no_number_is_refused() -> None:
    with pytest.raises(ExpressionError, match="did you mean `revenue_score`") as unknown:
        NAMES.number("revenue_scor")
    assert unknown.value.code == "E101"
    with pytest.raises(ExpressionError) as text:
        NAMES.number("region")
    assert text.value.code == "E102"
    with pytest.raises(ExpressionError):
        NAMES.condition(Condition.parse("revenue"))


def test_a_name_that_could_mean_two_things_is_refused_where_it_is_read() -> None:
    names = Names({"margin": NUMBER, "margin_score": NUMBER, "score": NUMBER}, ["margin", "margin_score"])
    for text in ("margin_score", "0 * score"):
        with pytest.raises(ExpressionError) as twofold:
            names.number(text)
        assert twofold.value.code == "M131"
    assert names.number("margin + margin_score_score")
