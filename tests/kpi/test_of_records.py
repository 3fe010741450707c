"""What each credit of a record adds to a sum, one record at a time."""

import datetime as dt
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import Rulebook, money
from crmrules.kpi.of_records import shared
from crmrules.policy import Credit


def test_money_is_rounded_half_away_from_zero_for_each_record() -> None:
    half = [Credit("Ann", 0.5)]
    assert [shared(units, half) for units in (101, -101, 3)] == [[51], [-51], [2]]


def test_overlay_is_beside_the_whole() -> None:
    credits = [Credit("Ann", 0.5), Credit("Cy", 0.5, overlay=True), Credit("Bo", 0.5)]
    assert shared(1, credits) == [1, 1, 0]
    assert shared(3.0, credits) == [1.5, 1.5, 1.5]


@given(
    st.integers(-(10**9), 10**9), st.lists(st.integers(1, 100), min_size=1, max_size=6), st.floats(0.01, 1.0)
)
def test_the_parts_of_money_make_the_credited_amount(units: int, weights: list[int], credit: float) -> None:
    shares = [credit * weight / sum(weights) for weight in weights]
    parts = shared(units, [Credit(str(at), share) for at, share in enumerate(shares)])
    assert sum(parts) == money.credited(units, sum(shares))


ORDERS = """
sources:
  orders:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      kind: text
      customer: text
      amount: money(2)
      hours: number
measures:
  orders: count()
  named: count(customer)
  customers: nunique(customer)
  visits: count(where=kind == 'visit')
  revenue: sum(amount)
  mean_amount: mean(amount)
  cycle: mean(hours, where=kind == 'visit')
  shortest: min(hours)
  longest: max(hours)
  middle: median(hours)
  apart: stddev(hours)
  last_day: max(day)
models:
  all:
    indicators: {orders: {}, named: {}, customers: {}, visits: {}, revenue: {}, mean_amount: {}, cycle: {},
      shortest: {}, longest: {}, middle: {}, apart: {}, last_day: {}}
"""
BOOK = Rulebook.parse(ORDERS)
records = st.fixed_dictionaries(
    {
        "who": st.sampled_from(["Ann", "Bo"]),
        "day": st.dates(dt.date(2026, 1, 1), dt.date(2026, 2, 28)),
        "kind": st.none() | st.sampled_from(["visit", "order"]),
        "customer": st.none() | st.sampled_from(["x", "y", "z"]),
        "amount": st.none() | st.integers(-50, 200),
        "hours": st.none() | st.integers(-8, 80).map(lambda quarters: quarters / 4),
    }
)


@settings(max_examples=15)
@given(st.lists(records, min_size=1, max_size=12))
@pytest.mark.parametrize("numbered", ["by itself", "through the whole plan"])
def test_records_give_the_figures_that_python_gives(numbered: str, rows: list[dict[str, Any]]) -> None:
    """Numbers that are written as text make each record be looked at by itself."""
    rows = [{**row, "number": f"N{place}"} for place, row in enumerate(rows)]
    texts = [{**row, "hours": None if row["hours"] is None else str(row["hours"])} for row in rows]
    card = BOOK.score({"orders": texts if numbered == "by itself" else rows})
    for standing in card.standings():
        mine = [
            row
            for row in rows
            if row["who"] == standing.subject and f"{row['day']:%Y-%m}" == str(standing.period)
        ]
        hours = [row["hours"] for row in mine if row["hours"] is not None]
        amounts = [row["amount"] for row in mine if row["amount"] is not None]
        visits = [row["hours"] for row in mine if row["kind"] == "visit" and row["hours"] is not None]
        expected = {
            "orders": len(mine),
            "named": sum(row["customer"] is not None for row in mine),
            "customers": len({row["customer"] for row in mine} - {None}),
            "visits": sum(row["kind"] == "visit" for row in mine),
            "revenue": sum(amounts),
            "cycle": statistics.fmean(visits) if visits else None,
            "shortest": min(hours, default=None),
            "longest": max(hours, default=None),
            "middle": statistics.median(hours) if hours else None,
            "apart": statistics.stdev(hours) if len(hours) > 1 else None,
            "last_day": max((row["day"] for row in mine), default=None),
        }
        for name, value in expected.items():
            found = standing.results[name].actual
            assert found == (pytest.approx(value) if isinstance(value, float) else value), name
        mean = standing.results["mean_amount"].actual
        assert (mean is None) == (not amounts)
        assert mean is None or abs(float(mean) - statistics.fmean(amounts)) <= 0.005 + 1e-9
