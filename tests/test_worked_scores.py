"""Worked cases of rates and curves, each from a rulebook as text to the points of a card.

A commission table pays amounts: it is laid over the value, and its points are the commission.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from crmrules import Rulebook, RulebookError, Scorecard

HEAD = """
sources:
  sales:
    fields:
      transaction: {type: text, role: id}
      seller: {type: text, role: subject}
      day: {type: date, role: date}
      amount: money(2)
      collected: money(2)
      days: number
measures:
  revenue: sum(amount)
  collected: sum(collected)
  cycle: mean(days)
models:
"""


def book(model: str) -> Rulebook:
    """The rules above with one model, in YAML."""
    return Rulebook.parse(HEAD + textwrap.indent(textwrap.dedent(model).strip(), "  ") + "\n")


def indicator(declared: str) -> Rulebook:
    """One indicator is all of the score."""
    return book(f"sales: {{period: year, indicators: {{{declared}}}}}")


def sales(figures: Mapping[str, float], field: str = "amount") -> list[dict[str, Any]]:
    return [
        {"transaction": f"T{place}", "seller": seller, "day": "2026-03-01", field: str(figure)}
        for place, (seller, figure) in enumerate(figures.items())
    ]


def scores(rules: Rulebook, rows: Sequence[Mapping[str, Any]], period: str = "2026") -> dict[str, Any]:
    card = rules.score({"sales": [{**dict.fromkeys(rules.sources["sales"].fields), **row} for row in rows]})
    return {each.subject: each.score for each in card.standings() if str(each.period) == period}


def only(rules: Rulebook, amount: float) -> tuple[Scorecard, Any]:
    rows = [{**dict.fromkeys(rules.sources["sales"].fields), **row} for row in sales({"Ann": amount})]
    card = rules.score({"sales": rows})
    return card, card.standing("Ann", "2026")


SPLIT = "[{from: 0, to: 10000, rate: 1%}, {to: 50000, rate: 2%}, {to: 100000, rate: 3%}, {rate: 4%}]"


def tiers(how: str, table: str, more: str = "") -> Rulebook:
    return indicator(
        f"revenue: {{weight: 1, curve: {{kind: tiers, on: value, how: {how}, tiers: {table}{more}}}}}"
    )


def test_ac_20_flat_tiers_pay_the_whole_amount_at_one_rate() -> None:
    # Oracle Fusion, options for splitting attainment numbers across rate tiers: 1 %, 2 %, 3 %.
    rules = tiers("flat", SPLIT, ", boundary: lower")
    for amount, rate, paid in ((5_000, 0.01, 50), (15_000, 0.02, 300), (60_000, 0.03, 1_800)):
        card, standing = only(rules, amount)
        (part,) = card.parts_of(standing, "revenue")
        assert (part.amount, part.rate, standing.score) == (amount, rate, pytest.approx(paid, rel=1e-12))


def test_ac_21_marginal_tiers_pay_what_lies_in_each() -> None:
    # The same page: 10,000@1 + 5,000@2 = 200; 10,000@1 + 40,000@2 + 10,000@3 = 1,200.
    rules = tiers("marginal", SPLIT)
    assert scores(rules, sales({"Ann": 15_000, "Bo": 60_000})) == pytest.approx({"Ann": 200, "Bo": 1_200})
    card, standing = only(rules, 60_000)
    parts = [(part.amount, part.rate, part.points) for part in card.parts_of(standing, "revenue")]
    assert parts == [(10_000, 0.01, 100), (40_000, 0.02, 800), (10_000, 0.03, 300)]
    statement = str(card.explain("Ann", "2026"))
    assert "0 to 10,000" in statement
    assert "50,000 to 100,000" in statement


def test_ac_22_each_transaction_by_itself() -> None:
    # Oracle, examples of calculating earnings using step rates: 2, 3, 20, 14, 30 and 95, together 164.
    rules = book("""
        steps:
          subject: transaction
          period: year
          indicators:
            revenue:
              weight: 1
              curve:
                kind: tiers
                on: value
                how: marginal
                tiers:
                  - {from: 0, to: 1000, rate: 1%}
                  - {to: 3000, rate: 2%}
                  - {to: 8000, rate: 3%}
                  - {rate: 5%}
        """)
    amounts = [200, 300, 1_500, 1_200, 2_000, 4_500]
    rows = [
        {"transaction": f"T{place}", "seller": "Ann", "day": "2026-03-01", "amount": str(amount)}
        for place, amount in enumerate(amounts, 1)
    ]
    found = scores(rules, rows)
    assert [*found] == ["T1", "T2", "T3", "T4", "T5", "T6"]
    assert [*found.values()] == pytest.approx([2, 3, 20, 14, 30, 95], rel=1e-12)
    assert sum(found.values()) == pytest.approx(164, rel=1e-12)


def test_ac_24_the_parts_explain_the_blended_rate() -> None:
    # Oracle 24B: 2,500 -> 1.6 % = 0.4 % (1,000 in tier 1) + 1.2 % (1,500 in tier 2); 2,000 -> 1.5 %.
    rules = tiers("marginal", "[{from: 0, to: 1000, rate: 1%}, {to: 5000, rate: 2%}, {rate: 3%}]")
    card, standing = only(rules, 2_500)
    first, second = card.parts_of(standing, "revenue")
    assert (first.amount, second.amount) == (1_000, 1_500)
    assert [part.points / 2_500 for part in (first, second)] == pytest.approx([0.004, 0.012])
    assert standing.score / 2_500 == pytest.approx(0.016)
    assert only(rules, 2_000)[1].score / 2_000 == pytest.approx(0.015)


@pytest.mark.parametrize(("boundary", "rate"), [("lower", 0.025), ("upper", 0.0175)])
def test_ac_25_exactly_on_a_boundary(boundary: str, rate: float) -> None:
    # Oracle support 2582565.1: 2.50 % by an engine that includes the lower end, 1.75 % by the contract.
    table = (
        "[{from: 0, to: 1500000, rate: 1.75%}, {to: 3000000, rate: 2.5%}, "
        "{to: 4500000, rate: 3.25%}, {rate: 4.25%}]"
    )
    card, standing = only(tiers("flat", table, f", boundary: {boundary}"), 1_500_000)
    (part,) = card.parts_of(standing, "revenue")
    assert part.rate == rate
    assert standing.score == pytest.approx(1_500_000 * rate, rel=1e-12)


def test_ac_25_which_side_a_boundary_belongs_to_has_to_be_said() -> None:
    with pytest.raises(RulebookError, match="boundary"):
        tiers("flat", SPLIT)


def test_ac_26_step_against_straight_around_a_quota() -> None:
    # SAP, managing rate tables: quota 100,000, sales 104,000, 3 % below and 5 % above 100 %.
    table = "[{from: 0, to: 100000, rate: 3%}, {rate: 5%}]"
    declared = (
        "revenue: {{target: 100000, weight: 1, curve: {{kind: tiers, on: value, how: {}, tiers: {}{}}}}}"
    )
    step = only(indicator(declared.format("marginal", table, "")), 104_000)[1]
    straight = only(indicator(declared.format("flat", table, ", boundary: lower")), 104_000)[1]
    assert step.results["revenue"].attainment == 1.04
    assert (step.score, straight.score) == (pytest.approx(3_200), pytest.approx(5_200))


def test_ac_28_all_sales_at_the_highest_rate_that_was_reached() -> None:
    # 4 / 8 / 12 % at 150,000 and 250,000: 220,000 -> 17,600; as flat tiers, and as a retroactive one.
    flat = tiers("flat", "[{to: 150000, rate: 4%}, {to: 250000, rate: 8%}, {rate: 12%}]", ", boundary: lower")
    assert only(flat, 220_000)[1].score == pytest.approx(17_600)
    table = "[{from: 0, to: 150000, rate: 4%}, {to: 250000, rate: 8%, retroactive: true}, {rate: 12%}]"
    retroactive = tiers("marginal", table, ", boundary: lower")
    assert only(retroactive, 220_000)[1].score == pytest.approx(17_600)


def test_ac_29_gaps_and_overlaps_are_refused_with_their_place() -> None:
    # OCA commission: between their sections 1000 and 1001 an amount of 1000.5 earns nothing.
    with pytest.raises(RulebookError, match="there is a gap between the tier 0 to 1,000 and the tier"):
        tiers("flat", "[{from: 0, to: 1000, rate: 5%}, {from: 1001, rate: 10%}]", ", boundary: lower")
    with pytest.raises(RulebookError, match="overlap"):
        tiers("flat", "[{from: 0, to: 1000, rate: 5%}, {from: 900, rate: 10%}]", ", boundary: lower")
    # And 100.5, above their last section, has no tier.
    with pytest.raises(RulebookError, match="what is above 100 has no tier"):
        tiers("flat", "[{from: 1, to: 100, rate: 10%}]", ", boundary: lower")
    # What is below the first section earns nothing here as there; the ends are those of their test.
    rules = tiers("flat", "[{from: 1, rate: 10%}]", ", boundary: lower")
    found = scores(rules, sales({"a": 0.5, "b": 1, "c": 100, "d": 100.5}))
    assert found == pytest.approx({"a": 0, "b": 0.1, "c": 10, "d": 10.05})
    joined = tiers("flat", "[{from: 0, to: 1000, rate: 5%}, {rate: 10%}]", ", boundary: upper")
    found = scores(joined, sales({"a": 1_000, "b": 1_000.5, "c": 1_001}))
    assert found == pytest.approx({"a": 50, "b": 100.05, "c": 100.1})


def test_ac_30_an_accelerator_waits_for_the_annual_quota() -> None:
    # 5 % to 100,000, 6 % to 125,000, 7 % above: 150,000 -> 8,250, once 400,000 of the year are reached.
    rules = book("""
        accelerated:
          period: quarter
          indicators:
            revenue:
              weight: 1
              curve:
                kind: tiers
                on: value
                how: marginal
                by: ytd(revenue)
                opens_at: 400000
                tiers: [{from: 0, to: 100000, rate: 5%}, {to: 125000, rate: 6%}, {rate: 7%}]
        """)
    quarters = {"2026-02-01": 50_000, "2026-05-01": 75_000, "2026-08-01": 200_000, "2026-11-01": 150_000}
    rows = [
        {"transaction": day, "seller": "Ann", "day": day, "amount": amount}
        for day, amount in quarters.items()
    ]
    # 325,000 by the third quarter: no accelerator, 200,000 x 5 % = 10,000; 475,000 by the fourth.
    found = [scores(rules, rows, f"2026-Q{quarter}")["Ann"] for quarter in (1, 2, 3, 4)]
    assert found == pytest.approx([2_500, 3_750, 10_000, 8_250])
    # The next year begins anew.
    later = [*rows, {"transaction": "x", "seller": "Ann", "day": "2027-01-05", "amount": 150_000}]
    assert scores(rules, later, "2027-Q1")["Ann"] == pytest.approx(7_500)


def test_ac_32_a_linear_score_where_more_is_better() -> None:
    # 5 % more are 5 points more, up to 120, and the other way down to 0.
    rules = indicator("revenue: {target: 1000, weight: 1, curve: {cap: 120}}")
    found = scores(rules, sales({"a": 1_000, "b": 1_120, "c": 1_300, "d": 500}))
    assert found == pytest.approx({"a": 100, "b": 112, "c": 120, "d": 50})


def test_ac_32_a_linear_score_where_less_is_better() -> None:
    # 30, 27, 33, 21 and 61 days against 30: 100, 110, 90, 120 and 0, by the difference.
    declared = "cycle: {{target: 30, direction: lower, {}weight: 1, curve: {{cap: 120}}}}"
    rows = sales({"a": 30, "b": 27, "c": 33, "d": 21, "e": 61}, "days")
    by_difference = indicator(declared.format("lower_by: difference, "))
    assert scores(by_difference, rows) == pytest.approx({"a": 100, "b": 110, "c": 90, "d": 120, "e": 0})
    # Of the ratio, which is what we take where nothing is said, only the target itself is the same.
    found = scores(indicator(declared.format("")), rows)
    assert found == pytest.approx({"a": 100, "b": 3000 / 27, "c": 3000 / 33, "d": 120, "e": 3000 / 61})


MATRIX = """
sales:
  period: year
  indicators:
    revenue:
      target: 1000
      weight: 1
      curve:
        kind: matrix
        on: attainment
        by: collected / revenue
        rows: {bounds: [50%, 52%, 97%, 100%], boundary: [lower, lower, lower, upper]}
        columns: {bounds: [100%], boundary: upper}
        cells:
          - [0, 0]
          - [0.1, 0.2]
          - [0.8, 1]
          - [1.4, 1.45]
          - [1.45, 1.5]
"""


def test_ac_34_two_figures_decide_together() -> None:
    # More than 100 % of both: 1.5; 97 to 100 % attained: 1.45; 50 to 52 %: 0.2; below 50 %: nothing.
    rules = book(MATRIX)
    attained = {"a": 1_100, "b": 980, "c": 510, "d": 490, "e": 1_000}
    rows = [{**row, "collected": float(row["amount"]) * 1.1} for row in sales(attained)]
    assert scores(rules, rows) == {"a": 1.5, "b": 1.45, "c": 0.2, "d": 0, "e": 1.45}
    # Nothing sold: what was collected is a share of nothing, and the score is not known.
    assert scores(rules, [{**row, "collected": 5} for row in sales({"a": 0})]) == {"a": None}


def test_a_target_that_is_reached_to_the_cent_is_reached() -> None:
    """110 % of 100.00 is 110.00, though 100 x 1.1 in floats is a little more."""
    rules = (
        HEAD
        + """
  sales:
    indicators: {revenue: {target: prior(revenue) * 1.1, weight: 1}}
    grades: [{grade: A, at_least: 100}, {grade: B}]
triggers:
  reached: {kind: reached, model: sales, indicator: revenue, share: 100%, tell: [subject]}
"""
    )
    amounts = ["100.00", "110.00", "121.00", "133.10", "146.40"]
    rows = [
        {"transaction": str(month), "seller": "Ann", "day": f"2026-{month:02}-05", "amount": amount}
        for month, amount in enumerate(amounts, 1)
    ]
    empty = dict.fromkeys(("collected", "days"))
    card = Rulebook.parse(rules).score({"sales": [{**row, **empty} for row in rows]}, now="2026-05-31")
    found = [card.standing("Ann", f"2026-{month:02}") for month in range(2, 6)]
    assert [each.results["revenue"].target for each in found] == [110, 121, 133.1, 146.41]
    assert [each.score for each in found[:3]] == [100, 100, 100]
    assert [each.grade for each in found] == ["A", "A", "A", "B"]
    for month, fires in ((4, True), (5, False)):
        intents = Rulebook.parse(rules).remind(card, now=f"2026-{month:02}-28")
        assert bool(intents) is fires
