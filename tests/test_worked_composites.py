"""Worked cases of composites, proration and periods, each from a rulebook as text to the card."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from crmrules import Rulebook, RulebookError, Scorecard

HEAD = """
sources:
  ratings:
    fields:
      who: {type: text, role: subject}
      day: {type: date, role: date}
      goal: text
      parent: text
      value: number
  people:
    fields:
      who: {type: text, role: subject}
      joined: {type: date, role: joined}
      left: {type: date, role: left}
roster: people
measures:
"""
PEOPLE = [{"who": "Ann", "joined": None, "left": None}]


def book(rules: str) -> Rulebook:
    """Measures and models over ratings, in YAML."""
    return Rulebook.parse(HEAD + textwrap.dedent(rules).strip("\n"))


def measured(**measures: str) -> str:
    return "".join(f"  {name}: {text}\n" for name, text in measures.items())


def rated(figures: Mapping[str, float | None], day: str = "2026-03-31") -> list[dict[str, Any]]:
    return [
        {"who": "Ann", "day": day, "goal": goal, "parent": None, "value": value}
        for goal, value in figures.items()
    ]


def card_of(rules: Rulebook, rows: Sequence[Mapping[str, Any]], **more: Any) -> Scorecard:
    return rules.score({"ratings": rows, "people": PEOPLE}, **more)


RATING = "curve: {kind: points, on: value, through: [[0, 0], [5, 5]], outside: hold}"
APPRAISAL = (
    measured(quality="max(value, where=goal == 'quality')", speed="max(value, where=goal == 'speed')")
    + measured(self="max(value, where=goal == 'self')", feedback="max(value, where=goal == 'feedback')")
    + f"""
models:
  goals:
    period: year
    composite: {{weights_total: 100}}
    indicators:
      quality: {{weight: 30, {RATING}}}
      speed: {{weight: 70, {RATING}}}
  final:
    period: year
    composite: {{missing: MISSING}}
    indicators:
      goals: {{model: goals, weight: 1}}
      self: {{weight: 1, {RATING}}}
      feedback: {{weight: 1, {RATING}}}
"""
)


def test_ac_40_ratings_by_weight() -> None:
    # frappe/hrms, test_manual_kra_rating: 5 @ 30 and 3 @ 70 earn 1.5 and 2.1, together 3.6.
    rules = book(APPRAISAL.replace("MISSING", "zero"))
    standing = card_of(rules, rated({"quality": 5, "speed": 3}), model="goals").standing("Ann", "2026")
    earned = [standing.results[name].contribution for name in ("quality", "speed")]
    assert earned == pytest.approx([1.5, 2.1], rel=1e-12)
    assert standing.score == pytest.approx(3.6, rel=1e-12)


@pytest.mark.parametrize(("missing", "final"), [("zero", 1.2), ("skip", 3.6), ("unknown", None)])
def test_ac_40_a_component_that_nobody_gave_counts_as_declared(missing: str, final: float | None) -> None:
    # There it silently counts as 0: (3.6 + 0 + 0) / 3 = 1.2. Here that has to be declared.
    rules = book(APPRAISAL.replace("MISSING", missing))
    standing = card_of(rules, rated({"quality": 5, "speed": 3}), model="final").standing("Ann", "2026")
    assert standing.score == (None if final is None else pytest.approx(final, rel=1e-12))


@pytest.mark.parametrize(("weight", "accepted"), [("69.99", False), ("70.00", True)])
def test_ac_42_weights_have_to_total_100_where_that_is_declared(weight: str, accepted: bool) -> None:
    # frappe/hrms, test_appraisal_template.py: 30 + 69.99 is refused.
    text = APPRAISAL.replace("MISSING", "zero").replace("weight: 70", f"weight: {weight}")
    if accepted:
        book(text)
        return
    with pytest.raises(RulebookError, match=r"99\.99") as caught:
        book(text)
    (problem,) = caught.value.problems
    assert "models.goals.composite" in str(problem)


COMPLETION = (
    measured(first="mean(value, where=parent == 'first')", second="mean(value, where=parent == 'second')")
    + """
models:
  goals:
    period: year
    composite: {missing: zero, expression: EXPRESSION, kind: expression}
    indicators:
      first: {target: 100}
      second: {target: 100}
"""
)


def goals(**parents: str) -> list[dict[str, Any]]:
    """Four goals, of which two have a parent each; how far each is done."""
    done = {"a": 25, "b": 0, "c": 50, "d": 50}
    parents = {"a": "first", "b": "first", "c": "second", "d": "second", **parents}
    return [{**row, "parent": parents[row["goal"]]} for row in rated(done)]


@pytest.mark.parametrize(("divisor", "score"), [(1, 38.75), (20, 1.938), (3, 12.917)])
def test_ac_43_completion_by_weight(divisor: int, score: float) -> None:
    # frappe/hrms, test_goal_score: 12.5 % @ 30 % = 3.75; 50 % @ 70 % = 35; together 38.75 %; / 20 = 1.938.
    text = COMPLETION.replace("EXPRESSION", f"(0.3 * first + 0.7 * second) / {divisor}")
    standing = card_of(book(text.replace("missing: zero,", "missing: zero, round: 3,")), goals()).standing(
        "Ann", "2026"
    )
    assert [standing.results[name].actual for name in ("first", "second")] == [12.5, 50]
    assert standing.score == score


def test_ac_43_a_goal_that_moves_to_another_parent_counts_there_alone() -> None:
    # test_goal_score_after_parent_goal_change: 50 @ 30 = 15 and 25 @ 70 = 17.5 become 15 and 0.
    text = COMPLETION.replace("kind: expression", "kind: mean").replace("expression: EXPRESSION, ", "")
    text = text.replace("first: {", "first: {weight: 30, ").replace("second: {", "second: {weight: 70, ")

    def earned(rows: list[dict[str, Any]]) -> list[float | None]:
        results = card_of(book(text), rows).standing("Ann", "2026").results
        return [results[name].contribution for name in ("first", "second")]

    before = [
        {**row, "parent": parent, "value": value}
        for row, parent, value in zip(rated({"a": 0, "b": 0}), ("first", "second"), (50, 25), strict=True)
    ]
    assert earned(before) == pytest.approx([15, 17.5])
    moved = [before[0], {**before[1], "parent": "first", "value": 50}]
    assert earned(moved) == pytest.approx([15, 0])
    assert earned(moved[1:]) == pytest.approx([15, 0]), "a goal that is deleted leaves the other's figure"


CAPS = (
    measured(desktop="sum(value, where=goal == 'desktop')", laptop="sum(value, where=goal == 'laptop')")
    + """
models:
  mix:
    period: year
    composite: {COMPOSITE}
    indicators:
      desktop: {target: 100, weight: 60}
      laptop: {target: 100, weight: 40}
"""
)


@pytest.mark.parametrize(("composite", "score"), [("", 104), ("scores: {cap: 100}", 92), ("cap: 100", 100)])
def test_ac_45_a_cap_before_weighting_differs_from_one_after(composite: str, score: float) -> None:
    # Oracle, measure weights in calculations: 120 % and 80 % with 60 and 40.
    rules = book(CAPS.replace("{COMPOSITE}", f"{{{composite}}}"))
    standing = card_of(rules, rated({"desktop": 120, "laptop": 80})).standing("Ann", "2026")
    assert standing.score == pytest.approx(score, rel=1e-12)
    added = [each.contribution or 0 for each in standing.results.values()]
    added += [each.points for each in standing.adjustments]
    assert sum(added) == pytest.approx(score, rel=1e-12)


def test_ac_45_the_weights_may_stand_in_an_expression() -> None:
    text = CAPS.replace("{COMPOSITE}", "{kind: expression, expression: 0.6 * desktop + 0.4 * laptop}")
    standing = card_of(book(text), rated({"desktop": 120, "laptop": 80})).standing("Ann", "2026")
    assert standing.score == pytest.approx(104, rel=1e-12)


AWARD = (
    measured(sold="sum(value)")
    + """
models:
  award:
    period: year
    indicators:
      sold:
        target: 1000
      performance:
        value: sold
        target: {value: 1000, prorate: calendar_days}
        weight: 1
        curve: {kind: tiers, on: attainment, how: flat, boundary: lower, tiers: TIERS}
"""
)


@pytest.mark.parametrize(
    ("joined", "sold", "score"),
    [(None, 800, 80), ("2026-07-02", 800, 100), ("2026-07-02", 400, 80), (None, 1000, 100)],
)
def test_ac_46_performance_is_held_against_the_prorated_target(
    joined: str | None, sold: float, score: float
) -> None:
    # PeopleSoft, calculating awards: target x proration x performance. From July 2 on it is 183 of 365 days.
    text = AWARD.replace("TIERS", "[{to: 75%, points: 0}, {to: 100%, points: 80}, {points: 100}]")
    rules = book(text)
    data = {"ratings": rated({"x": sold}, "2026-09-01"), "people": [{**PEOPLE[0], "joined": joined}]}
    result = rules.score(data).standing("Ann", "2026").results["performance"]
    assert result.target == pytest.approx(1000 * (183 / 365 if joined else 1), rel=1e-12)
    assert result.score == score


def test_w8_a_weighted_payout_factor() -> None:
    # bonuspaycalc: 60 % at 90 %, 25 % at 110 %, 15 % at 100 % make 0.965; of 10,000 that is 9,650.
    text = CAPS.replace("{COMPOSITE}", "{kickers: [], weights_total: 100}")
    text = text.replace("laptop: {target: 100, weight: 40}", "laptop: {target: 100, weight: 25}")
    text = text.replace("models:", "  service: sum(value, where=goal == 'service')\nmodels:")
    text += "      service: {target: 100, weight: 15}\n"
    text += "  bonus:\n    period: year\n    indicators:\n"
    text += "      factor: {model: mix, weight: 1}\n      bonus: {value: factor / 100 * 10000}\n"
    rows = rated({"desktop": 90, "laptop": 110, "service": 100})
    assert card_of(book(text), rows, model="mix").standing("Ann", "2026").score == pytest.approx(96.5)
    results = card_of(book(text), rows, model="bonus").standing("Ann", "2026").results
    assert results["bonus"].actual == pytest.approx(9_650)


FABRICS = (
    measured(
        roa="sum(value, where=goal == 'roa')",
        satisfaction="sum(value, where=goal == 'satisfaction')",
        discount="sum(value, where=goal == 'discount')",
        new="sum(value, where=goal == 'new')",
    )
    + """
models:
  balanced:
    period: year
    composite:
      weights_total: 1
      scores: {cap: 120}
      gates:
        - {when: lowest_score < 90, because: no bonus with a score below 90}
    indicators:
      roa: {target: 18.5, weight: 0.40}
      satisfaction: {target: 85, weight: 0.30}
      discount: {target: 5, direction: lower, lower_by: BY, weight: 0.15, curve: {cap: 150}}
      new: {target: 20, weight: 0.15}
"""
)
JOANS = {"roa": 22, "satisfaction": 90, "discount": 4.5, "new": 26}


@pytest.mark.parametrize(
    ("by", "discount", "total"),
    # 0.4 x 118.92 + 0.3 x 105.88 + 0.15 x 110 + 0.15 x 120 = 113.83; by the ratio 0.15 x 111.11 for 16.5.
    [("difference", 110.0, 113.83), ("ratio", 111.11, 114.0)],
)
def test_w9_a_balanced_scorecard_with_cap_and_reversed_measure(
    by: str, discount: float, total: float
) -> None:
    # Joan's Fabrics; the page prints 110.83 where its own parts add up to 113.83.
    standing = card_of(book(FABRICS.replace("BY", by)), rated(JOANS)).standing("Ann", "2026")
    found = [round(each.score, 2) for each in standing.results.values() if each.score is not None]
    assert found == [118.92, 105.88, discount, 120]
    assert standing.results["new"].curve_score == pytest.approx(130)
    assert round(standing.score or 0, 2) == total


def test_w9_one_score_below_90_is_no_bonus() -> None:
    rules = book(FABRICS.replace("BY", "difference"))
    standing = card_of(rules, rated({**JOANS, "satisfaction": 76})).standing("Ann", "2026")
    assert standing.score == 0
    (gate,) = standing.adjustments
    assert (gate.kind, gate.because) == ("gate", "no bonus with a score below 90")
    # 76.5 of 85 is exactly 90.
    kept = card_of(rules, rated({**JOANS, "satisfaction": 76.5})).standing("Ann", "2026")
    assert kept.results["satisfaction"].score == pytest.approx(90)
    assert kept.score == pytest.approx(0.4 * 2200 / 18.5 + 27 + 16.5 + 18)
