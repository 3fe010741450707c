"""A model within another: personal 70 %, team 30 %, by hand."""

import pytest

from crmrules import RecordError, Rulebook, RulebookError

BOOK = """
sources:
  orders:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      amount: money(2)
  team:
    fields:
      name: {type: text, role: subject}
      boss: {type: text, role: manager}
roster: team
measures: {revenue: sum(amount)}
models:
  teams: {subject: manager, indicators: {revenue: {target: 1000, weight: 1}}}
  own: {indicators: {revenue: {target: 200, weight: 1}}}
  all:
    indicators:
      own: {model: own, weight: 70}
      team: {model: teams, weight: 30}
      both: {value: own + team}
      before: {value: prior(team)}
"""
QUOTAS = """\
  quotas:
    fields: {who: text, month: text, amount: money(2)}
    on_bad_row: quarantine
"""
FROM = "{table: quotas, subject: who, period: month, value: amount}"
TEAM = [{"name": "Ann", "boss": "Mo"}, {"name": "Bo", "boss": "Mo"}, {"name": "Cy", "boss": "Flo"}]
ORDERS = [
    {"number": "1", "who": "Ann", "day": "2026-01-05", "amount": "100"},
    {"number": "2", "who": "Bo", "day": "2026-01-09", "amount": "300"},
    {"number": "3", "who": "Cy", "day": "2026-02-09", "amount": "500"},
]


def test_the_composite_of_the_team_is_an_indicator_of_each_member() -> None:
    card = Rulebook.parse(BOOK).score({"orders": ORDERS, "team": TEAM}, model="all")
    ann = card.standing("Ann", "2026-01")
    assert (ann.results["own"].score, ann.results["team"].score) == (50.0, 40.0)
    assert ann.score == pytest.approx(0.7 * 50 + 0.3 * 40)
    assert ann.results["both"].actual == 90.0
    cy = card.standing("Cy", "2026-02")
    assert cy.score == pytest.approx(0.7 * 250 + 0.3 * 50)
    assert card.standing("Ann", "2026-02").results["before"].actual == 40.0


def test_points_that_are_the_value_have_no_column_of_their_own_and_no_grades_none() -> None:
    table = Rulebook.parse(BOOK).score({"orders": ORDERS, "team": TEAM}, model="all").table()
    assert table.heads == ["Rank", "Subject", "Period", "own", "team", "both", "before", "Composite"]


def test_a_working_calendar_of_a_model_within_is_there() -> None:
    text = BOOK.replace(
        "  own: {indicators: {revenue: {",
        "  own: {pace: {calendar: plain}, indicators: {revenue: {accumulates: true, ",
    )
    book = Rulebook.parse(f"calendars: {{plain: {{}}}}\n{text}")
    card = book.score({"orders": ORDERS, "team": TEAM}, model="all", now="2026-01-31")
    assert card.standing("Ann", "2026-01").results["own"].score == 50


def test_what_a_model_within_sets_aside_and_notes_is_told() -> None:
    text = BOOK.replace("  team:\n    fields:", QUOTAS + "  team:\n    fields:", 1)
    text = text.replace(
        "own: {indicators: {revenue: {target: 200,", f"own: {{indicators: {{revenue: {{target: {FROM},"
    )
    book = Rulebook.parse(text)
    quotas = [
        {"who": "Ann", "month": "2026-01", "amount": "200"},
        {"who": "Anne", "month": "2026-01", "amount": "200"},
        {"who": "Bo", "month": "2026-01", "amount": "much"},
    ]
    data = {"orders": ORDERS, "team": TEAM, "quotas": quotas}
    inner, card = (book.score(data, model=model) for model in ("own", "all"))
    assert [(row.source, row.position) for row in card.quarantined] == [("quotas", 2)]
    assert any("Anne" in note for note in inner.notes)
    assert {*inner.notes} <= {*card.notes}


def test_one_period_gives_the_same_as_all_of_them() -> None:
    book = Rulebook.parse(BOOK)
    data = {"orders": ORDERS, "team": TEAM}
    whole = book.score(data, model="all").standing("Cy", "2026-02")
    assert book.score(data, model="all", period="2026-02").standing("Cy", "2026-02") == whole


@pytest.mark.parametrize("composite", ["missing: error", "missing: skip"])
def test_a_card_of_one_period_is_not_stopped_by_what_another_one_lacks(composite: str) -> None:
    text = (
        """own: {indicators: {revenue: {target: prior(revenue) * 1.1, missing_target: error, weight: 1}}}"""
    )
    text = BOOK.replace("own: {indicators: {revenue: {target: 200, weight: 1}}}", text)
    text = text.replace("  all:\n", f"  all:\n    composite: {{{composite}}}\n")
    data = {
        "orders": [
            *ORDERS,
            *({**each, "number": each["number"] + "b", "day": "2026-02-20"} for each in ORDERS),
        ]
    }
    data["orders"].append({"number": "0", "who": "Cy", "day": "2026-01-01", "amount": "50"})
    book = Rulebook.parse(text)
    card = book.score({**data, "team": TEAM}, model="all", period="2026-02")
    # 100 against 110; her team 400 of 1000, as in January.
    assert card.standing("Ann", "2026-02").score == pytest.approx(70 * 100 / 110 + 0.3 * 40)
    assert card.standing("Ann", "2026-02").results["before"].actual == 40.0
    with pytest.raises(RecordError, match="Ann has no target in 2026-01") as caught:
        book.score({**data, "team": TEAM}, model="all")
    assert "coalesce(prior(revenue) * 1.1, 100)" in str(caught.value)


def test_who_could_not_be_judged_before_has_not_moved() -> None:
    text = BOOK.replace(
        "own: {indicators: {revenue: {target: 200,",
        """own:
    movement: true
    composite: {missing: error}
    indicators: {revenue: {target: prior(revenue) * 1.1,""",
    ).replace("weight: 1}}}\n  all", "weight: 1}}\n  all")
    orders = [
        {"number": f"{who} {month}", "who": who, "day": f"2026-{month:02}-05", "amount": 100}
        for who in ("Ann", "Bo", "Cy")
        for month in (1, 2, 3)
    ]
    book, data = Rulebook.parse(text), {"orders": orders, "team": TEAM}
    february = book.score(data, model="own", period="2026-02")
    assert february.standing("Ann", "2026-02").score == pytest.approx(100 / 1.1)
    assert february.standing("Ann", "2026-02").score_change is None
    assert february.notes == ("no movement: Ann in 2026-01 and 2 more: `revenue` has no score",)
    march = book.score(data, model="own", period="2026-03")
    assert (march.standing("Ann", "2026-03").score_change, march.notes) == (0, ())
    with pytest.raises(RecordError, match="in 2026-01"):
        book.score(data, model="own")


def test_the_statement_says_whose_composite_it_is() -> None:
    card = Rulebook.parse(BOOK).score({"orders": ORDERS, "team": TEAM}, model="all")
    assert "team = the composite of `teams`" in str(card.explain("Ann", "2026-01"))


def test_a_nested_model_may_have_a_target_of_its_own() -> None:
    text = BOOK.replace("own: {model: own, weight: 70}", "own: {model: own, target: 80, weight: 70}")
    ann = Rulebook.parse(text).score({"orders": ORDERS, "team": TEAM}, model="all").standing("Ann", "2026-01")
    assert (ann.results["own"].actual, ann.results["own"].score) == (50.0, 62.5)


def test_without_the_roster_nobody_knows_the_team() -> None:
    with pytest.raises(RecordError, match="there is no roster"):
        Rulebook.parse(BOOK).score({"orders": ORDERS}, model="all")


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("model: teams", "model: team", "B214", "did you mean `teams`?"),
        ("own: {model: own,", "own: {model: all,", "B219", "all → all"),
        ("own: {indicators", "own: {period: year, indicators", "B219", "`own` goes by the year"),
        ("own: {model: own,", "own: {model: own, value: revenue,", "B203", "leave `value` or `model` out"),
        ("before: {value: prior(team)}", "before: {value: ytd(team)}", "E110", "is the composite of a model"),
        ("      own: {model: own,", "      revenue: {model: own,", "B219", "`revenue` is a measure as well"),
    ],
)
def test_a_model_that_cannot_be_nested_is_refused(old: str, new: str, code: str, said: str) -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(BOOK.replace(old, new, 1))
    assert caught.value.problems[0].code == code, str(caught.value)
    assert said in str(caught.value)
