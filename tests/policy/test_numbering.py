"""Spans of time and keys of rows, in arrays."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import frames
from crmrules.expr import Expression
from crmrules.policy.numbering import SPANS, STRIDE, months_ago

MONTHS_BETWEEN = Expression.parse("months_between(a, b)", {"a": "date", "b": "date"})
days = st.dates(dt.date(1900, 1, 1), dt.date(2200, 12, 31))
near_the_end_of_a_month = st.builds(
    lambda first, before: first - dt.timedelta(days=before),
    st.builds(dt.date, st.integers(1999, 2030), st.integers(1, 12), st.just(1)),
    st.integers(0, 5),
)


def number(day: dt.date) -> float:
    carried = frames.carried(day)
    assert isinstance(carried, float)
    return carried


@given(st.lists(days | near_the_end_of_a_month, min_size=2, max_size=30), st.integers(1, 30))
def test_months_ago_is_where_months_between_says_so_many(listed: list[dt.date], months: int) -> None:
    ago = months_ago(months)(np.array([number(day) for day in listed]))
    for day, limit in zip(listed, ago.tolist(), strict=True):
        for earlier in listed:
            between = MONTHS_BETWEEN({"a": earlier, "b": day})
            assert isinstance(between, float)
            assert (number(earlier) <= limit) == (between >= months)


def test_every_day_around_the_ends_of_months_is_told_apart() -> None:
    start = dt.date(2023, 12, 20)
    listed = [start + dt.timedelta(days=day) for day in range(110)]
    numbers = np.array([number(day) for day in listed])
    for months in (1, 2, 3):
        for day, limit in zip(listed, months_ago(months)(numbers).tolist(), strict=True):
            for each in listed:
                between = MONTHS_BETWEEN({"a": each, "b": day})
                assert isinstance(between, float)
                assert (number(each) <= limit) == (between >= months)


@pytest.mark.parametrize("span", [*SPANS])
@given(one=days, other=days)
def test_days_are_in_the_same_span_as_the_language_has_it(span: str, one: dt.date, other: dt.date) -> None:
    start = Expression.parse(f"start_of(a, '{span}')", {"a": "date"})
    first, second = SPANS[span](np.array([number(one), number(other)])).tolist()
    assert (first == second) == (start({"a": one}) == start({"a": other}))


def test_a_key_and_a_day_fit_into_one_number() -> None:
    calendar = number(dt.date.max) - number(dt.date.min) + 4000 * 31
    assert 2 * calendar < STRIDE
    assert 2**29 * STRIDE <= 2**53
