"""Rulebooks from text, files and data: the same rules however they come, scored, bound, decided."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmrules import FieldError, Period, Rulebook, RulebookError, document

TEXT = """\
name: Two models
zone: Asia/Shanghai
sources:
  orders:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      amount: money(2)
  team:
    fields:
      who: {type: text, role: subject}
      manager: {type: text, role: manager}
roster: team
measures:
  revenue: sum(amount)
  orders: {value: count(), source: orders}
models:
  people:
    indicators:
      revenue: {target: 100, weight: 1, curve: {cap: 150}}
      mean_order: {value: revenue / orders}
  managers:
    subject: manager
    period: quarter
    indicators: {revenue: {}}
triggers:
  hit: {kind: reached, model: people, indicator: revenue, tell: [subject, manager]}
"""
ORDERS = [
    {"number": "N1", "who": "Ann", "day": "2026-11-03", "amount": "60.00"},
    {"number": "N2", "who": "Ann", "day": "2026-11-20", "amount": "60.00"},
    {"number": "N3", "who": "Bo", "day": "2026-11-21", "amount": "30.00"},
]
TEAM = [{"who": "Ann", "manager": "Max"}, {"who": "Bo", "manager": "Max"}]
DATA = {"orders": ORDERS, "team": TEAM}


def data() -> dict[str, Any]:
    found = document.parse(TEXT).data
    assert isinstance(found, dict)
    return found


@pytest.fixture(params=["parse", "of", "load YAML", "load JSON", "parse JSON"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Rulebook:
    written = {"load YAML": ("plan.yaml", TEXT), "load JSON": ("plan.json", json.dumps(data()))}
    if request.param == "parse":
        return Rulebook.parse(TEXT)
    if request.param == "of":
        return Rulebook.of(data())
    if request.param == "parse JSON":
        return Rulebook.parse(json.dumps(data(), indent=2))
    name, text = written[request.param]
    (tmp_path / name).write_text(text, encoding="utf-8")
    return Rulebook.load(tmp_path / name)


def test_the_same_rules_however_they_are_written(book: Rulebook) -> None:
    assert book == Rulebook.parse(TEXT)
    ann = book.score(DATA, model="people").standing("Ann", "2026-11")
    assert (ann.score, ann.results["mean_order"].actual) == (120, 60)
    assert book.score(DATA, model="managers").standing("Max", "2026-Q4").results["revenue"].actual == 150


def test_a_period_may_be_a_key_or_a_value() -> None:
    book = Rulebook.parse(TEXT)
    for period in ("2026-11", Period.parse("2026-11")):
        assert len(book.score(DATA, model="people", period=period)) == 2


@pytest.mark.parametrize(
    "now",
    [
        "2026-11-20",
        dt.date(2026, 11, 20),
        "2026-11-20T09:00",
        dt.datetime(2026, 11, 20, 23, 59),
        # Ten in the morning on the 20th in UTC is the same day in Shanghai.
        dt.datetime(2026, 11, 20, 10, tzinfo=dt.UTC),
        # Half past four in the afternoon of the 19th in UTC is the 20th in Shanghai.
        "2026-11-19T16:30+00:00",
    ],
)
def test_records_after_now_do_not_count_by_the_clock_of_the_rulebook(now: Any) -> None:
    card = Rulebook.parse(TEXT).score(DATA, model="people", now=now)
    assert card.until == dt.date(2026, 11, 20)
    assert card.standing("Ann", "2026-11").results["revenue"].actual == 120
    assert card.standing("Bo", "2026-11").results["revenue"].actual == 0


def test_a_card_is_scored_again_as_of_the_moment_of_the_reminders() -> None:
    book = Rulebook.parse(TEXT)
    card = book.score(DATA, model="people")
    assert book.remind(card, now="2026-11-19") == []
    intents = book.remind(card, now="2026-11-20")
    assert {intent.recipient.id for intent in intents} == {"Ann", "Max"}
    again = book.remind(card, now="2026-11-20")
    assert [intent.id for intent in again] == [intent.id for intent in intents]


def test_bind_reads_other_columns_and_leaves_the_rulebook_as_it_was() -> None:
    book = Rulebook.parse(TEXT)
    before = book.score(DATA, model="people").standing("Ann", "2026-11").score
    other = book.bind("orders", day={"column": "date", "format": "%d.%m.%Y"}, amount={"column": "金额"})
    rows = [
        {
            "number": row["number"], "who": row["who"], "金额": row["amount"],
            "date": f"{dt.date.fromisoformat(row['day']):%d.%m.%Y}",
        }
        for row in ORDERS
    ]  # fmt: skip
    for table in (rows, pl.DataFrame(rows)):
        card = other.score({"orders": table, "team": TEAM}, model="people")
        assert card.standing("Ann", "2026-11").score == before
    assert book.score(DATA, model="people").standing("Ann", "2026-11").score == before
    with pytest.raises(FieldError):
        other.score(DATA, model="people")


def test_bind_names_what_is_not_declared() -> None:
    book = Rulebook.parse(TEXT)
    with pytest.raises(FieldError) as source:
        book.bind("order", day={"column": "date"})
    assert (source.value.code, source.value.hint) == ("F112", "did you mean `orders`?")
    with pytest.raises(FieldError) as field:
        book.bind("orders", date={"column": "date"})
    assert field.value.code == "F102"


def test_a_source_that_the_rulebook_does_not_know_is_refused() -> None:
    with pytest.raises(FieldError) as caught:
        Rulebook.parse(TEXT).score({**DATA, "order": []}, model="people")
    assert caught.value.code == "F112"


def test_rules_made_in_python_are_checked_when_they_are_used() -> None:
    wrong = {**data(), "measures": {"revenue": "sum(amout)", "orders": "count()"}}
    with pytest.raises(RulebookError) as caught:
        Rulebook.model_validate(wrong).score(DATA, model="people")
    assert "amout" in str(caught.value)
    assert Rulebook.model_validate(data()).score(DATA, model="people").standing("Ann", "2026-11").score == 120


def test_data_without_a_file_has_problems_with_paths() -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.of({**data(), "roster": "teem"})
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.place) == ("B212", "roster", None)


def test_the_callers_data_is_left_as_it_was() -> None:
    given = {**data(), "perriod": 1}
    before = json.dumps(given)
    with pytest.raises(RulebookError):
        Rulebook.of(given)
    assert json.dumps(given) == before


def test_a_generator_of_records_is_as_good_as_a_list() -> None:
    rules = Rulebook.parse(TEXT)
    card = rules.score(
        {"orders": (row for row in ORDERS), "team": (row for row in TEAM)}, model="people", now="2026-11-20"
    )
    listed = rules.score(DATA, model="people", now="2026-11-20")
    assert str(card) == str(listed)
    assert str(card.explain("Ann", "2026-11")) == str(listed.explain("Ann", "2026-11"))
    assert rules.remind(card, now="2026-11-21") == rules.remind(listed, now="2026-11-21")


def test_what_two_passes_set_aside_is_told_once_and_the_roster_is_part_of_it() -> None:
    found = data()
    for source in found["sources"].values():
        source["on_bad_row"] = "quarantine"
    found["sources"]["team"]["fields"]["manager"]["one_of"] = ["Max"]
    found["policies"] = {
        name: {"source": "orders", "rules": [], "default": {"credit": 1, "because": "all"}} for name in "ab"
    }
    found["measures"] = {
        "revenue": {"value": "sum(amount)", "policy": "a"},
        "orders": {"value": "count(where=amount > 0)", "policy": "b"},
    }
    rows = [*ORDERS, {"number": "N4", "who": "Ann", "day": "2026-11-21", "amount": "1.001"}]
    team = [*TEAM, {"who": "Cy", "manager": "Mxa"}]
    card = Rulebook.of(found).score({"orders": rows, "team": team}, model="people")
    assert [(bad.source, bad.position, bad.row, bad.field) for bad in card.quarantined] == [
        ("team", 2, 2, "manager"),
        ("orders", 3, "N4", "amount"),
    ]
    assert card.notes[0] == "2 rows were set aside: see `card.quarantined`"
