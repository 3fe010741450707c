"""Measures as slots, and the tally of a subject's records in plain Python."""

import math

import numpy as np
import pydantic
import pytest

from crmrules import ExpressionError, Measure, Model, Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.score import Plan

SOURCE = Source(
    name="orders",
    fields={
        "who": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "amount": "money(2)",
        "hours": "number",
    },
)


def feed(*measures: str) -> Feed:
    found = Feed(SOURCE, None)
    plan = Plan("any", Model(indicators={"m0": {}}))
    for number, text in enumerate(measures):
        plan.add_measure(f"m{number}", text, found)
    return found


def test_a_measure_has_an_expression_and_nothing_unknown() -> None:
    assert Measure(value="count()") == Measure(value="count()", policy=None, source=None)
    with pytest.raises(pydantic.ValidationError, match="value"):
        Measure()
    with pytest.raises(pydantic.ValidationError, match="formula"):
        Measure(value="count()", formula="count()")


def test_the_same_aggregate_is_computed_once_for_all_measures() -> None:
    one = feed("sum(amount)")
    both = feed("sum(amount)", "sum(amount) / count()", "100 * sum( amount )")
    assert len(one.slots) == 1
    assert {slot.operation for slot in both.slots} == {"sum", "count"}
    assert len(both.slots) == 2


def test_an_aggregate_with_another_condition_is_another_one() -> None:
    assert len(feed("sum(amount, where=hours > 1)", "sum(amount, where=hours > 2)").slots) == 2


def test_a_mean_shares_no_sum_with_the_credited_one() -> None:
    # A mean looks at records whole, a sum at what is credited.
    operations = sorted(slot.operation for slot in feed("sum(amount)", "mean(amount)").slots)
    assert operations == ["count", "sum", "total"]


@pytest.mark.parametrize(
    ("text", "at_fault"),
    [
        ("sum(amont)", "amont"),
        ("sum(day)", "day"),
        ("amount", "amount"),
        ("sum(sum(amount))", "sum(amount)"),
        ("sum(amount, where=hours)", "hours"),
        ("sum(amount", "("),
    ],
)
def test_a_measure_that_does_not_fit_its_source_is_underlined(text: str, at_fault: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        feed(text)
    error = caught.value
    assert error.text[error.span.start : error.span.end] == at_fault, str(error)


@pytest.mark.parametrize(("text", "over_nothing"), [("sum(hours)", 0), ("count()", 0), ("nunique(hours)", 0)])
def test_sums_and_counts_over_nothing_are_zero(text: str, over_nothing: float) -> None:
    (found,) = feed(text).parts.values()
    assert found.empty == over_nothing


@pytest.mark.parametrize("text", ["mean(hours)", "min(hours)", "max(day)"])
def test_means_and_extremes_over_nothing_are_unknown(text: str) -> None:
    (found,) = feed(text).parts.values()
    assert math.isnan(found.empty)


def test_a_mean_of_money_is_in_the_unit_of_the_amounts() -> None:
    (found,) = feed("mean(amount)").parts.values()
    total, count = found.slots
    column = found.column({total: np.array([301, 0]), count: np.array([2, 0])})
    assert column[0] == 1.505
    assert np.isnan(column[1])
