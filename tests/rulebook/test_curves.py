"""Curves in a rulebook: a mistake is one problem, at its place, with what to write instead."""

import textwrap

import pytest

from crmrules import Rulebook, RulebookError

BOOK = textwrap.dedent(
    """\
    sources:
      orders:
        fields:
          who: {type: text, role: subject}
          day: {type: date, role: date}
          amount: money(2)
    measures:
      revenue: sum(amount)
    models:
      sales:
        indicators:
          revenue: {target: 100, weight: 1, curve: CURVE}
    """
)
TWO = "tiers: [{from: 0, to: 5, rate: 1%}, {rate: 2%}]"
FLAT = "{kind: tiers, on: value, how: flat, "
BAND = "{kind: band, on: value, from: 1, to: 2, "

MISTAKES = {
    "no such kind": ("{kind: sigmoid}", "{kind: sigmoid}", "B203", "kind linear, points, tiers"),
    "no keys": ("steep", "steep", "B203", "kind: tiers"),
    "a key of another kind": ("{tiers: []}", "tiers", "B201", "`slope`"),
    "unknown key of a tier": (FLAT + "tiers: [{too: 5}]}", "too", "B201", "`to`"),
    "no number": (
        FLAT + "boundary: lower, tiers: [{to: 5, rate: half}, {rate: 2%}]}",
        "half",
        "B204",
        "expected a number",
    ),
    "no side": (
        FLAT + "boundary: both, " + TWO + "}",
        "both",
        "B204",
        "'lower' or 'upper'",
    ),
    "side not said": (FLAT + TWO + "}", "{kind", "B203", "boundary: lower"),
    "on not said": ("{kind: tiers, how: marginal, " + TWO + "}", "{kind", "B202", "on: value"),
    "a gap": (
        "{kind: tiers, on: value, how: marginal, tiers: [{from: 0, to: 5, rate: 1}, {from: 6, rate: 2}]}",
        "{kind",
        "B203",
        "gap between the tier 0 to 5 and the tier 6 and more; from: 5",
    ),
    "no pair": (
        "{kind: points, on: value, outside: hold, through: [[1, 2], [3]]}",
        "[3]",
        "B203",
        "[0.8, 60]",
    ),
    "unknown word": (BAND + "below: fall, above: hold}", "fall", "B204", "'drop'"),
    "unknown key of a loss": (
        BAND + "below: hold, above: {lose: 1, ech: 2}}",
        "ech",
        "B201",
        "`each`",
    ),
    "no second figure": (
        "{kind: matrix, on: value, rows: {bounds: [1], boundary: lower}, "
        "columns: {bounds: [1], boundary: lower}, cells: [[1, 2], [3, 4]]}",
        "{kind",
        "B202",
        "by: ytd(revenue)",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_curve_is_one_problem_at_its_place(mistake: str) -> None:
    curve, at, code, hints = MISTAKES[mistake]
    text = BOOK.replace("CURVE", curve)
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text, "plan.yaml")
    (problem,) = caught.value.problems
    assert problem.code == code
    for hint in hints.split("; "):
        assert hint in f"{problem.message}: {problem.hint}"
    offset = text.index(at, text.index("curve:") + len("curve:"))
    assert problem.place is not None
    assert problem.place.line == 1 + text[:offset].count("\n")
    assert problem.place.column == offset - text.rindex("\n", 0, offset)


@pytest.mark.parametrize(
    "curve",
    [
        "{kind: table, on: value, match: at_least, rows: [[0.3, 100], [0.1, 60]], otherwise: 0}",
        "{kind: table, match: at_least, rows: [[0.1, 60], [0.3, 100]], otherwise: 0}",
        "{kind: tiers, on: value, how: flat, tiers: []}",
    ],
)
def test_a_broken_curve_over_the_value_asks_for_no_target(curve: str) -> None:
    text = BOOK.replace("target: 100, ", "").replace("CURVE", curve)
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text, "plan.yaml")
    (problem,) = caught.value.problems
    assert "target" not in problem.message


def test_an_indicator_may_be_called_curve() -> None:
    text = BOOK.replace("revenue: {target", "curve: {value: revenue, target").replace("CURVE", "{cap: much}")
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text, "plan.yaml")
    (problem,) = caught.value.problems
    assert problem.path == "models.sales.indicators.curve.curve.cap"
