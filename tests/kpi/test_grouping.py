"""From payees to subjects: groups, groups by day, and all above in a tree, against a plain loop."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import CrmRulesError, RecordError, Rulebook

BOOK = """
sources:
  orders:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      helper: {type: text, column: customer}
      amount: money(2)
      hours: number
  team:
    fields:
      name: {type: text, role: subject}
      boss: {type: text, role: manager}
      since: {type: date, role: from}
  lines:
    fields: {member: text, above: text, start: date, until: date}
roster: team
tree: {table: lines, member: member, parent: above, from: start, to: until}
policies:
  shared:
    source: orders
    payees: [{to: who, share: 0.7}, {to: "coalesce(helper, who)", share: 0.3}]
    default: 1
measures:
  revenue: sum(amount)
  hours: sum(hours)
  orders: count()
  largest: max(amount)
models:
  people: {period: quarter, indicators: {revenue: {}, orders: {}}}
  bosses: {subject: manager, period: quarter, indicators: {revenue: {}, orders: {}, hours: {}, largest: {}}}
  everybody: {subject: tree, period: quarter, indicators: {revenue: {}, orders: {}, hours: {}, largest: {}}}
"""
RULES = Rulebook.parse(BOOK)
MOVE = dt.date(2026, 2, 1)
TEAM = [
    {"name": "Ann", "boss": "Mo", "since": None},
    {"name": "Ann", "boss": "Flo", "since": MOVE},
    {"name": "Bo", "boss": "Mo", "since": None},
    {"name": "王芳", "boss": "Flo", "since": None},
]
LINES = [
    {"member": "Ann", "above": "Mo", "start": None, "until": MOVE - dt.timedelta(days=1)},
    {"member": "Ann", "above": "Flo", "start": MOVE, "until": None},
    {"member": "Bo", "above": "Mo", "start": None, "until": None},
    {"member": "Mo", "above": "East", "start": None, "until": None},
    {"member": "Flo", "above": "East", "start": dt.date(2026, 3, 1), "until": None},
]

records = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.sampled_from(["Ann", "Bo", "王芳"]),
            "day": st.dates(dt.date(2026, 1, 28), dt.date(2026, 3, 5)),
            "kind": st.none(),
            "customer": st.sampled_from(["Ann", "Bo", None]),
            "amount": st.none() | st.decimals(-50, 50, places=2),
            "hours": st.none() | st.sampled_from([1.0, 2.5]),
        }
    ),
    max_size=8,
).map(lambda rows: [{"number": f"N{at}", **row} for at, row in enumerate(rows)])


def boss_of(name: str, day: dt.date) -> str:
    if name == "Ann":
        return "Mo" if day < MOVE else "Flo"
    return {"Bo": "Mo", "王芳": "Flo"}[name]


def line_of(name: str, day: dt.date) -> list[str]:
    if name == "王芳":
        return [name]
    boss = boss_of(name, day)
    top = ["East"] if boss == "Mo" or day >= dt.date(2026, 3, 1) else []
    return [name, boss, *top]


def by_hand(
    rows: list[dict[str, Any]], subjects_of: Callable[[str, dt.date], list[str]]
) -> dict[tuple[str, str], Any]:
    """Cents, number of orders, hours and the largest amount of each subject."""
    cents: dict[str, int] = defaultdict(int)
    orders: dict[str, int] = defaultdict(int)
    hours: dict[str, float] = defaultdict(float)
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        payees = [(row["who"], 7), (row["customer"] or row["who"], 3)]
        units = None if row["amount"] is None else int(row["amount"] * 100)
        parts = [0, 0]
        if units is not None:
            exact = [abs(units) * tenths for _, tenths in payees]
            parts = [each // 10 for each in exact]
            if sum(parts) < abs(units):
                parts[0 if exact[0] % 10 >= exact[1] % 10 else 1] += 1
            parts = [part if units >= 0 else -part for part in parts]
        touched = set()
        for (payee, tenths), part in zip(payees, parts, strict=True):
            for subject in subjects_of(payee, row["day"]):
                cents[subject] += part
                hours[subject] += (row["hours"] or 0.0) * tenths / 10
                touched.add(subject)
        for subject in touched:
            orders[subject] += 1
            if row["amount"] is not None:
                amounts[subject].append(row["amount"])
    return {
        subject: (
            Decimal(cents[subject]) / 100,
            orders[subject],
            pytest.approx(hours[subject], abs=1e-9),
            max(amounts[subject], default=None),
        )
        for subject in orders
    }


def scored(rows: Any, model: str) -> dict[str, Any]:
    card = RULES.score({"orders": rows, "team": TEAM, "lines": LINES}, model=model)
    found = {}
    for standing in card.standings():
        results = standing.results
        values = [results[name].actual for name in ("revenue", "orders", "hours", "largest")]
        if values[1]:
            # Sums of floats differ in their last digits between engines.
            values[2] = round(values[2], 9) if values[2] is not None else None
            found[standing.subject] = tuple(values)
    return found


@settings(deadline=None)
@given(rows=records)
def test_a_team_with_dates_gets_the_records_of_those_who_were_in_it(rows: list[dict[str, Any]]) -> None:
    assert scored(rows, "bosses") == by_hand(rows, lambda name, day: [boss_of(name, day)])


@settings(deadline=None)
@given(rows=records)
def test_everybody_in_the_tree_gets_a_record_once(rows: list[dict[str, Any]]) -> None:
    assert scored(rows, "everybody") == by_hand(rows, line_of)


@settings(deadline=None, max_examples=15)
@given(rows=records)
@pytest.mark.parametrize("model", ["bosses", "everybody"])
def test_frames_are_rolled_up_as_records_are(engines: Any, model: str, rows: list[dict[str, Any]]) -> None:
    wanted = scored(rows, model)
    for name, engine in engines.items():
        assert scored(engine(rows), model) == wanted, name


def test_a_statement_of_a_manager_names_the_records_below(engine: Any) -> None:
    rows = [
        {"number": "N1", "who": "Ann", "day": dt.date(2026, 1, 30), "kind": None, "customer": "Bo",
         "amount": Decimal("10.00"), "hours": 1.0},
        {"number": "N2", "who": "Ann", "day": dt.date(2026, 2, 2), "kind": None, "customer": None,
         "amount": Decimal("10.01"), "hours": 1.0},
    ]  # fmt: skip
    data = {"orders": engine(rows), "team": TEAM, "lines": LINES}
    card = RULES.score(data, model="everybody")
    mo = card.explain("Mo", "2026-Q1")
    assert [(str(line.id), line.share, str(line.adds["revenue"])) for line in mo.counted] == [
        ("N1", 1.0, "10.00")
    ]
    bo = card.explain("Bo", "2026-Q1")
    assert [(str(line.id), line.share, str(line.adds["revenue"])) for line in bo.counted] == [
        ("N1", 0.3, "3.00")
    ]
    ann = card.explain("Ann", "2026-Q1")
    assert [(str(line.id), str(line.adds["revenue"])) for line in ann.counted] == [
        ("N1", "7.00"),
        ("N2", "10.01"),
    ]


def test_a_model_of_the_tree_needs_its_table() -> None:
    with pytest.raises(RecordError, match="there is no tree") as error:
        RULES.score({"orders": [], "team": TEAM}, model="everybody")
    assert error.value.code == "M104"


def test_a_payee_without_a_group_is_named(engine: Any) -> None:
    rows = [
        {"number": "N1", "who": "Cy", "day": dt.date(2026, 1, 30), "kind": None, "customer": None,
         "amount": Decimal("10.00"), "hours": 1.0},
    ]  # fmt: skip
    with pytest.raises(CrmRulesError, match="does not say to whom 'Cy' belongs") as error:
        RULES.score({"orders": engine(rows), "team": TEAM, "lines": LINES}, model="bosses")
    assert error.value.code == "M103"
