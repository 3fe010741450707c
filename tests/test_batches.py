"""Nothing depends on how the records come: laws of a whole card over a model of every kind of part."""

import copy
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import Rulebook, Scorecard, document

SOURCES = """
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
  visits:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
  quotas:
    fields: {who: text, month: text, quota: money(2)}
  team:
    fields:
      who: {type: text, role: subject}
      region: {type: text, role: region}
roster: team
policies:
  signed:
    source: orders
    rules:
      - {name: draft, when: kind == 'draft', credit: 0, because: drafts do not count}
      - {name: half, when: kind == 'shared', credit: 0.5, because: shared with the partner}
    default: {credit: 1, because: an order counts whole}
measures:
  revenue: {value: sum(amount), policy: signed}
  orders: {value: count(), policy: signed}
  cycle: {value: mean(hours), policy: signed}
  customers: {value: nunique(customer), policy: signed}
  visits: {value: count(), source: visits}
"""
MODELS = """
models:
  regions: {subject: region, unknown: drop, indicators: {revenue: {target: 400, weight: 1}}}
  all:
    rank: {within: region}
    movement: true
    grades: {kind: forced, shares: {A: 30, B: 50, C: 20}, ties: order, order: [revenue], within: region}
    indicators:
      orders: {target: 1}
      revenue:
        target: {table: quotas, subject: who, period: month, value: quota, default: 150}
        weight: 30
        curve:
          kind: points
          on: attainment
          through: [[0%, 0], [80%, 60], [100%, 100], [150%, 200]]
          outside: hold
      conversion: {value: orders / visits, target: 0.5, weight: 10, curve: {cap: 150}}
      cycle: {target: 5, direction: lower, lower_by: difference, weight: 10, curve: {cap: 130}}
      commission:
        value: revenue
        weight: 5
        curve:
          kind: tiers
          on: value
          how: marginal
          by: ytd(revenue)
          tiers: [{from: 0, to: 200, rate: 10%}, {to: 400, rate: 20%}, {rate: 30%}]
      up:
        value: growth(revenue)
        weight: 5
        curve: {kind: points, on: value, through: [[-1, 0], [0, 80], [1, 160]], outside: hold}
      steady:
        value: rolling(cycle, 2)
        target: prior(cycle) * 1.1
        direction: lower
        weight: 10
        curve: {cap: 120}
      reach: {value: ytd(customers), target: 3, weight: 10, missing_target: zero, curve: {cap: 150}}
      region: {model: regions, weight: 20}
    composite:
      scores: {cap: 180}
      indicators: {conversion: {missing: zero}}
      locks:
        - {needs: orders_attainment >= 1, unlocks: commission, because: no commission without an order}
      kickers:
        - {when: reach >= 3, points: 5, because: three customers this year}
        - {points: "clip(revenue_score - 100, 0, 50) / 10", because: a tenth above the target}
      most_added: 8
      deductions:
        - {when: up < -0.5, points: 7, because: fell by half}
      floor: 0
      cap: 140
      round: 1
      gates:
        - {when: conversion_score < 10, at_most: 60, because: nobody was visited}
"""
RULES: Any = document.parse(SOURCES + MODELS, "rules").data
BOOK = Rulebook.parse(SOURCES + MODELS)
INDICATORS = [*RULES["models"]["all"]["indicators"]]


def rearranged(order: list[str], scale: float) -> Rulebook:
    """The rules with the indicators in an order, and all weights times a number."""
    rules = copy.deepcopy(RULES)
    declared = rules["models"]["all"]["indicators"]
    for indicator in declared.values():
        indicator |= {"weight": indicator["weight"] * scale} if "weight" in indicator else {}
    rules["models"]["all"]["indicators"] = {name: declared[name] for name in order}
    return Rulebook.of(rules)


PEOPLE = {"Ann": "North", "Bo": "North", "Cy": "North", "Di": "South", "Ed": "South"}
ORDER_SCHEMA = {
    "number": pl.String(), "who": pl.String(), "day": pl.Date(), "kind": pl.String(), "customer": pl.String(),
    "amount": pl.Decimal(18, 2), "hours": pl.Float64(),
}  # fmt: skip

days = st.dates(dt.date(2025, 11, 1), dt.date(2026, 3, 31))
orders = st.fixed_dictionaries(
    {
        "who": st.sampled_from([*PEOPLE]),
        "day": days,
        "kind": st.none() | st.sampled_from(["draft", "shared", "new"]),
        "customer": st.none() | st.sampled_from("xyz"),
        "amount": st.none() | st.integers(-5_000, 30_000).map(lambda cents: cents / 100),
        "hours": st.none() | st.integers(0, 99).map(lambda tenths: tenths / 10),
    }
)
visits = st.fixed_dictionaries({"who": st.sampled_from([*PEOPLE]), "day": days})
quotas = st.dictionaries(
    st.tuples(st.sampled_from([*PEOPLE, "*"]), st.sampled_from(["2025-12", "2026-01", "2026-02"])),
    st.integers(1, 200),
    max_size=6,
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"number": f"N{place}", **row} for place, row in enumerate(rows)]

    return {
        "orders": numbered(draw(st.lists(orders, min_size=1, max_size=25))),
        "visits": numbered(draw(st.lists(visits, max_size=15))),
        "quotas": [{"who": who, "month": month, "quota": q} for (who, month), q in draw(quotas).items()],
        "team": [{"who": who, "region": region} for who, region in PEOPLE.items()],
    }


def figures(card: Scorecard, names: Mapping[str, str] | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """Everything on a card by subject and period."""
    found = {}
    for each in card.standings():
        row = {
            "score": each.score, "grade": each.grade, "rank": each.rank, "team_rank": each.team_rank,
            "score_change": each.score_change, "rank_change": each.rank_change,
        }  # fmt: skip
        for name, result in each.results.items():
            actual = result.actual
            row |= {
                f"{name}": None if actual is None else float(actual),  # type: ignore[arg-type]
                f"{name} target": result.target,
                f"{name} score": result.score,
                f"{name} share": result.share,
                f"{name} contribution": result.contribution,
            }
        for place, adjusted in enumerate(each.adjustments):
            row[f"{place} {adjusted.kind} {adjusted.because} {adjusted.undecided}"] = adjusted.points
        found[(names or {}).get(each.subject, each.subject), str(each.period)] = row
    return found


def alike(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def refuse_other(found: dict[Any, dict[str, Any]], expected: dict[Any, dict[str, Any]]) -> None:
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key].keys() == row.keys(), key
        assert {
            name: (found[key][name], row[name]) for name in row if not alike(found[key][name], row[name])
        } == {}, key


@settings(max_examples=20)
@given(tables(), st.randoms(use_true_random=False), st.integers(0, 25))
def test_neither_the_order_of_the_records_nor_how_they_are_divided_changes_anything(
    data: dict[str, Any], random: Any, cut: int
) -> None:
    """AC-64: with Xactly a result depends on which orders come in one batch."""
    expected = figures(BOOK.score(data, model="all"))
    mixed = {name: random.sample(rows, len(rows)) for name, rows in data.items()}
    refuse_other(figures(BOOK.score(mixed, model="all")), expected)
    frame = pl.DataFrame(mixed["orders"], schema=ORDER_SCHEMA)
    parts = [frame.slice(0, cut), frame.slice(cut)]
    chunked = {**mixed, "orders": pl.concat(parts, rechunk=False)}
    refuse_other(figures(BOOK.score(chunked, model="all")), expected)
    # Two parts of pandas keep their own index, in which numbers come twice.
    joined = pd.concat([part.to_pandas().reset_index(drop=True) for part in parts])
    refuse_other(figures(BOOK.score({**mixed, "orders": joined}, model="all")), expected)


@settings(max_examples=15)
@given(tables(), st.permutations([*PEOPLE]))
def test_what_people_are_called_changes_nothing(data: dict[str, Any], others: list[str]) -> None:
    names = dict(zip(PEOPLE, (f"{name} 2" for name in others), strict=True)) | {"*": "*"}
    renamed = {name: [{**row, "who": names[row["who"]]} for row in rows] for name, rows in data.items()}
    expected = figures(BOOK.score(data, model="all"), names)
    refuse_other(figures(BOOK.score(renamed, model="all")), expected)


@settings(max_examples=10)
@given(tables(), st.permutations(INDICATORS), st.sampled_from([0.001, 1 / 3, 7.0, 1e6]))
def test_neither_the_order_of_the_indicators_nor_the_scale_of_their_weights_changes_anything(
    data: dict[str, Any], order: list[str], scale: float
) -> None:
    expected = figures(BOOK.score(data, model="all"))
    refuse_other(figures(rearranged(order, scale).score(data, model="all")), expected)


@settings(max_examples=20)
@given(tables())
def test_contributions_and_adjustments_add_up_to_the_composite(data: dict[str, Any]) -> None:
    for each in BOOK.score(data, model="all").standings():
        added = [found.contribution for found in each.results.values() if found.contribution is not None]
        added += [found.points for found in each.adjustments if found.kind != "lock"]
        if each.score is None:
            assert not added or all(math.isclose(points, 0) for points in added)
            continue
        assert math.fsum(added) == pytest.approx(each.score, rel=1e-9, abs=1e-9)
        assert math.fsum(found.share for found in each.results.values()) == pytest.approx(1)
        assert each.score == round(each.score, 1)


@settings(max_examples=10)
@given(tables(), st.sampled_from(["2025-12", "2026-01", "2026-03"]))
def test_a_card_of_one_period_is_that_part_of_the_whole(data: dict[str, Any], period: str) -> None:
    whole = figures(BOOK.score(data, model="all"))
    alone = figures(BOOK.score(data, model="all", period=period))
    expected = {key: row for key, row in whole.items() if key[1] == period}
    if expected:
        refuse_other(alone, expected)


def test_ac_64_what_came_in_another_batch_counts() -> None:
    # Xactly: January Revenue 100, February Bookings 50; March brings Revenue 50 and Bookings 100. Its first
    # batch says 200 after that; all that there is makes 300.
    text = """
sources:
  credits:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      kind: text
      amount: number
measures:
  revenue: sum(amount, where=kind == 'revenue')
  bookings: sum(amount, where=kind == 'bookings')
models:
  all: {indicators: {attained: {value: ytd(revenue + bookings), target: 300, weight: 1}}}
"""
    rows = [
        {"number": str(place), "who": "Ann", "day": day, "kind": kind, "amount": amount}
        for place, (day, kind, amount) in enumerate(
            [
                ("2026-01-10", "revenue", 100),
                ("2026-02-10", "bookings", 50),
                ("2026-03-10", "revenue", 50),
                ("2026-03-10", "bookings", 100),
            ]
        )
    ]
    for batches in (rows, rows[::-1], rows[2:] + rows[:2]):
        standing = Rulebook.parse(text).score({"credits": batches}).standing("Ann", "2026-03")
        assert (standing.results["attained"].actual, standing.score) == (300, 100)
