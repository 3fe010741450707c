"""Statements: how a score came about, down to every record."""

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from crmrules import Model, Policy, Rulebook, Scorecard, Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.figuring import Beside
from crmrules.kpi.roster import Roster
from crmrules.kpi.score import Plan

SOURCE = Source(
    name="orders",
    fields={
        "number": {"type": "text", "role": "id"},
        "who": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "kind": "text",
        "customer": "text",
        "amount": "money(2)",
        "hours": "number",
    },
)
POLICY = Policy(
    rules=[
        {"name": "sample", "when": "kind == 'sample'", "credit": 0, "because": "samples are free <b>"},
        {"name": "undated", "when": "is_null(day)", "credit": 0, "because": "not yet delivered"},
        {"when": "kind == 'half'", "credit": 0.5, "because": "service counts half"},
    ],
    default={"credit": 1, "because": "all others count"},
)
MEASURES = {
    "revenue": "sum(amount)",
    "large": "count(where=amount > 50)",
    "hours": "sum(hours, where=kind == 'half')",
    "rate": "sum(amount) / count()",
}
INDICATORS: dict[str, Any] = {
    "revenue": {"target": 100, "weight": 1},
    "share": {"value": "large / (large + hours)", "target": 1},
    "hours": {},
    "rate": {},
}


def scored(data: Any, roster: Roster | None = None, subject: str = "subject", **options: Any) -> Scorecard:
    feed = Feed(SOURCE, POLICY.on(SOURCE))
    plan = Plan("sales", Model(indicators=INDICATORS, subject=subject))
    for name, text in MEASURES.items():
        plan.add_measure(name, text, feed)
    for name in INDICATORS:
        plan.add_indicator(name, None)
    return plan.score({"orders": data}, Beside(roster), **options)


def row(number: str, **parts: Any) -> dict[str, Any]:
    record = {
        "who": "Ann", "day": dt.date(2026, 11, 3), "kind": "order", "customer": "Acme",
        "amount": Decimal("60.10"), "hours": 2.0,
    }  # fmt: skip
    return {"number": number, **record, **parts}


records = st.builds(
    dict,
    who=st.sampled_from(["Ann", "Bo"]),
    day=st.sampled_from([dt.date(2026, 10, 31), dt.date(2026, 11, 1), dt.date(2026, 11, 30), None]),
    kind=st.sampled_from(["sample", "half", "order", None]),
    customer=st.just("Acme"),
    amount=st.none() | st.integers(-9999, 9999).map(lambda cents: Decimal(cents).scaleb(-2)),
    hours=st.none() | st.integers(-40, 40).map(lambda quarters: quarters / 4),
)


@settings(max_examples=10)
@given(listed=st.lists(records, min_size=1, max_size=12))
def test_counted_and_excluded_are_all_records_and_what_they_add_is_the_measure(
    engines: Any, listed: list[dict[str, Any]]
) -> None:
    rows = [{"number": f"N{position:02}", **record} for position, record in enumerate(listed)]
    for name in ("dicts", "pandas", "Polars lazy", "PyArrow"):
        card = scored(engines[name](rows))
        for standing in card.standings():
            statement = card.explain(standing.subject, standing.period)
            mine = [each for each in rows if each["who"] == standing.subject]
            dated = [each for each in mine if each["day"] and each["day"] in standing.period]
            found = [line.id for line in (*statement.counted, *statement.excluded)]
            assert sorted(found) == [each["number"] for each in dated], name
            assert [line.id for line in statement.excluded] == sorted(
                (each["number"] for each in dated if each["kind"] == "sample"),
                key=lambda number: (next(e["day"] for e in rows if e["number"] == number), number),
            )
            undated = [each for each in mine if each["day"] is None]
            assert sum(statement.undated.values()) == len(undated)
            assert statement.undated.get("not yet delivered", 0) == len(
                [each for each in undated if each["kind"] != "sample"]
            )
            revenue = sum((line.adds["revenue"] or Decimal(0) for line in statement.counted), Decimal(0))
            assert revenue == standing.results["revenue"].actual
            hours = sum(line.adds["hours"] or 0.0 for line in statement.counted)
            assert hours == standing.results["hours"].actual


def test_a_line_says_which_rule_decided_and_what_the_record_adds(engine: Any) -> None:
    rows = [row("N1"), row("N2", kind="half"), row("N3", kind="sample"), row("N4", amount=None, kind=None)]
    statement = scored(engine(rows)).explain("Ann", "2026-11")
    lines = {line.id: line for line in (*statement.counted, *statement.excluded)}
    assert [line.id for line in statement.counted] == ["N1", "N2", "N4"]
    assert lines["N2"].verdict.rule == "rule 3"
    assert lines["N2"].verdict.because == "service counts half"
    assert lines["N2"].adds["revenue"] == Decimal("30.05")
    assert lines["N2"].adds["hours"] == 1.0
    assert lines["N1"].adds["hours"] is None
    assert lines["N4"].adds["revenue"] is None
    assert lines["N3"].verdict.credit == 0
    assert lines["N3"].adds == {}
    assert lines["N3"].fields["amount"] == Decimal("60.10")
    assert lines["N1"].date == dt.date(2026, 11, 3)


def test_a_formula_comes_with_the_values_of_its_parts() -> None:
    statement = scored([row("N1"), row("N2", kind="half", hours=6.0)]).explain("Ann", "2026-11")
    share = next(each for each in statement.indicators if each.result.name == "share")
    assert share.formula == "large / (large + hours)"
    # 2 large orders; half of 6 hours
    assert share.result.actual == 2 / 5
    assert share.measures == {"large": MEASURES["large"], "hours": MEASURES["hours"]}
    assert "5" in str(share.steps)
    revenue = next(each for each in statement.indicators if each.result.name == "revenue")
    assert revenue.formula == "sum(amount)"


def test_the_contributions_of_a_statement_are_those_of_the_card() -> None:
    card = scored([row("N1")])
    statement = card.explain("Ann", "2026-11")
    assert statement.standing == card.standing("Ann", "2026-11")
    assert [each.result for each in statement.indicators] == [*statement.standing.results.values()]


def test_a_statement_of_somebody_without_records_is_empty() -> None:
    card = scored([row("N1")], Roster({"Ann": {}, "Bo": {}}))
    statement = card.explain("Bo", "2026-11")
    assert (statement.counted, statement.excluded) == ((), ())
    assert "Bo" in str(statement)


def test_a_group_is_explained_by_the_records_of_its_members(engine: Any) -> None:
    roster = Roster({"Ann": {"manager": "Max"}, "Bo": {"manager": "Max"}, "Cy": {"manager": "Ida"}})
    rows = [row("N1"), row("N2", who="Bo"), row("N3", who="Cy")]
    statement = scored(engine(rows), roster, "manager").explain("Max", "2026-11")
    assert [(line.id, line.fields["who"]) for line in statement.counted] == [("N1", "Ann"), ("N2", "Bo")]


def test_records_after_the_cut_are_not_in_the_statement(engine: Any) -> None:
    rows = [row("N1"), row("N2", day=dt.date(2026, 11, 20))]
    card = scored(engine(rows), until=dt.date(2026, 11, 19))
    assert [line.id for line in card.explain("Ann", "2026-11").counted] == ["N1"]


def test_a_printed_statement_names_the_records_that_were_not_counted_and_why() -> None:
    text = str(scored([row("N1"), row("S9", kind="sample")]).explain("Ann", "2026-11"))
    counted, _, excluded = text.partition("Not counted: 1")
    assert "N1" in counted
    assert "S9" in excluded
    assert "samples are free" in excluded
    assert "60.10" in text


def test_only_the_first_records_are_printed_and_it_is_said() -> None:
    statement = scored([row(f"N{position:03}") for position in range(40)]).explain("Ann", "2026-11")
    assert "Counted: 40 (the first 12 of them)" in str(statement)
    assert "N011" in str(statement)
    assert "N012" not in str(statement)
    assert len(statement.counted) == 40
    everything = "".join(map(str, statement.tables(None)))
    assert "N039" in everything


def test_the_notebook_escapes_names_fields_and_reasons() -> None:
    evil = "<img src=x onerror=alert(1)>"
    rows = [row("<N1>", who=evil, kind=evil), row("N2", who=evil, kind="sample")]
    html = scored(rows).explain(evil, "2026-11")._repr_html_()
    assert "<img" not in html
    assert "<N1>" not in html
    assert "<b>free" not in html.replace("<p><b>", "")
    assert "samples are free &lt;b&gt;" in html


@pytest.mark.parametrize("until", [None, dt.date(2026, 11, 30)])
def test_explaining_leaves_the_callers_records_as_they_were(until: dt.date | None) -> None:
    rows = [row("N1"), row("N2", kind="sample")]
    before = [dict(each) for each in rows]
    scored(rows, until=until).explain("Ann", "2026-11")
    assert rows == before


SOURCES = """
sources:
  orders:
    fields:
      no: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      amount: money(2)
  payments: {fields: {who: {type: text, role: subject}, day: {type: date, role: date}, received: money(2)}}
measures: {revenue: {value: sum(amount), source: orders}, received: {value: sum(received), source: payments}}
models:
  sales:
    pace: {}
    indicators:
      revenue: {target: 100, weight: 1, accumulates: true}
      collection: {value: received / revenue, target: 0.5, weight: 1, curve: {cap: 120}}
"""


def test_the_records_of_each_source_are_listed_by_themselves() -> None:
    orders = pd.DataFrame([{"no": "A1", "who": "Ann", "day": "2026-11-03", "amount": "80.00"}])
    payments = pd.DataFrame([{"who": "Ann", "day": "2026-11-15", "received": "20.00"}])
    card = Rulebook.parse(SOURCES).score({"orders": orders, "payments": payments}, now="2026-11-15")
    statement = card.explain("Ann", "2026-11")
    text = str(statement)
    assert text.index("Counted in orders: 1") < text.index("Counted in payments: 1")
    assert [line.id for line in statement.counted] == ["A1", 0]
    tables = [each for each in statement.tables() if not isinstance(each, str)]
    assert tables[1].heads == ["Record", "Date", "Credit", "revenue", "Rule"]
    assert tables[2].heads == ["Record", "Date", "Credit", "received", "Rule"]
    assert "in proportion: 50.0% at 100 → 50.00" in text
    assert "pace 160.0% of the 50 expected after 15 days (50.0%)" in text
    assert "160 at its end, if it goes on so" in text


def test_a_long_line_of_a_statement_goes_on_below_its_beginning() -> None:
    orders = [{"no": "A1", "who": "Ann", "day": "2026-11-03", "amount": "80.00"}]
    card = Rulebook.parse(SOURCES).score({"orders": orders, "payments": []}, now="2026-11-15")
    console = Console(width=40, record=True, file=io.StringIO())
    console.print(card.explain("Ann", "2026-11"))
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    at = next(number for number, line in enumerate(lines) if "curve linear" in line)
    assert lines[at : at + 2] == [
        "    curve linear: 100 at the target, 1",
        "    for each 1 %; floor 0; cap 120",
    ]


def test_a_gate_that_finds_less_than_it_allows_changes_nothing() -> None:
    gate = "{when: revenue > 10, at_most: 90, because: too much}"
    text = SOURCES.replace("    pace: {}", f"    composite: {{gates: [{gate}]}}")
    orders = [{"no": "A1", "who": "Ann", "day": "2026-11-03", "amount": "80.00"}]
    statement = Rulebook.parse(text).score({"orders": orders, "payments": []}).explain("Ann", "2026-11")
    assert "gate: too much, which changes nothing here" in str(statement)
