"""Subjects by fields of the records and by several keys, and subjects that the roster does not know."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from crmrules import RecordError, Rulebook, RulebookError

BOOK = """
sources:
  orders:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      customer: text
      kind: text
      amount: money(2)
  team:
    fields:
      name: {type: text, role: subject}
      boss: {type: text, role: manager}
roster: team
policies:
  counted:
    source: orders
    rules: [{when: kind == 'sample', credit: 0, because: samples are free}]
    default: 1
  shared:
    source: orders
    payees: [{to: who, share: 0.7}, {to: customer, share: 0.3}]
    default: 1
measures:
  revenue: {value: sum(amount), policy: counted}
  orders: {value: count(), policy: counted}
  parts: {value: sum(amount), policy: shared}
models:
  customers: {subject: customer, period: quarter, indicators: {revenue: {target: 100, weight: 1}, orders: {}}}
  cells: {subject: [customer, subject], period: quarter, indicators: {revenue: {}, orders: {}}}
  bosses: {subject: [manager, kind], period: quarter, indicators: {revenue: {}}}
  shares: {subject: customer, period: quarter, indicators: {parts: {}}}
  strict: {unknown: error, period: quarter, indicators: {revenue: {}}}
  loose: {unknown: drop, period: quarter, indicators: {revenue: {}}}
  loose_bosses: {subject: manager, unknown: drop, period: quarter, indicators: {revenue: {}}}
"""
RULES = Rulebook.parse(BOOK)
TEAM = [{"name": "Ann", "boss": "Mo"}, {"name": "Bo", "boss": "Mo"}]
RECORDS = [
    {"number": str(at), "who": who, "day": f"2026-01-0{at}", "customer": customer, "kind": kind}
    | {"amount": Decimal(amount), "hours": None}
    for at, (who, customer, kind, amount) in enumerate(
        [
            ("Ann", "Acme", "won", "10.00"),
            ("Bo", "Acme", "won", "20.50"),
            ("Ann", "Beta", "sample", "99.00"),
            ("Ann", "Beta", "won", "1.25"),
            ("Bo", "Acme", "sample", "7.00"),
        ],
        1,
    )
]


def dated(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import datetime as dt

    return [{**each, "day": dt.date.fromisoformat(each["day"])} for each in records]


def revenue_by(*keys: str) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for each in RECORDS:
        if each["kind"] != "sample":
            place = {**each, "boss": "Mo"}
            found[" · ".join(place[key] for key in keys)] += float(each["amount"])
    return dict(found)


@pytest.mark.parametrize(
    ("model", "keys"),
    [("customers", ["customer"]), ("cells", ["customer", "who"]), ("bosses", ["boss", "kind"])],
)
def test_revenue_by_keys_is_that_of_a_plain_loop(
    model: str, keys: list[str], engine: Callable[[list[dict[str, Any]]], Any]
) -> None:
    card = RULES.score({"orders": engine(dated(RECORDS)), "team": TEAM}, model=model)
    found = {each.subject: float(each.results["revenue"].actual) for each in card.standings()}  # type: ignore[arg-type]
    assert found == revenue_by(*keys)


def test_a_record_with_two_payees_counts_once_for_its_customer(
    engine: Callable[[list[dict[str, Any]]], Any],
) -> None:
    card = RULES.score({"orders": engine(dated(RECORDS))}, model="shares")
    found = {each.subject: each.results["parts"].actual for each in card.standings()}
    assert found == {"Acme": Decimal("37.50"), "Beta": Decimal("100.25")}


def test_a_row_of_several_keys_is_explained_by_its_records() -> None:
    card = RULES.score({"orders": RECORDS, "team": TEAM}, model="cells")
    statement = card.explain("Acme · Bo", "2026-Q1")
    assert [line.id for line in statement.counted] == ["2"]
    assert [line.id for line in statement.excluded] == ["5"]
    by_customer = RULES.score({"orders": RECORDS}, model="customers").explain("Acme", "2026-Q1")
    assert [line.id for line in by_customer.counted] == ["1", "2"]


def test_a_record_that_counts_needs_every_key(engine: Callable[[list[dict[str, Any]]], Any]) -> None:
    records = dated([*RECORDS, {**RECORDS[0], "number": "6", "customer": None}])
    with pytest.raises(RecordError, match=r"row '6': the record counts but its field `customer` is missing"):
        RULES.score({"orders": engine(records)}, model="customers")
    free = dated([*RECORDS, {**RECORDS[2], "number": "6", "customer": None}])
    assert RULES.score({"orders": engine(free)}, model="customers").subjects == ["Acme", "Beta"]


def test_keys_that_could_be_mixed_up_are_refused(engine: Callable[[list[dict[str, Any]]], Any]) -> None:
    records = dated([*RECORDS, {**RECORDS[0], "number": "6", "customer": "Acme · Ann"}])
    with pytest.raises(RecordError, match=r"cannot be told apart"):
        RULES.score({"orders": engine(records)}, model="cells")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("[customer, customer]", "stands there twice"),
        ("[subject, manager]", "by `subject` and `manager` at once"),
        ("custmer", "did you mean `customer`?"),
        ("amount", "`amount` is no text"),
        ("tree", "the rulebook declares no tree"),
        ("[]", "a subject needs a key"),
    ],
)
def test_a_subject_that_cannot_be_is_refused(change: str, said: str) -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(BOOK.replace("subject: customer,", f"subject: {change},", 1))
    assert said in str(caught.value)


EVE = {**RECORDS[0], "number": "6", "who": "Eve"}


def test_whom_the_roster_does_not_know_is_added_if_nothing_is_said() -> None:
    card = RULES.score({"orders": [*RECORDS, EVE], "team": TEAM}, model="cells")
    assert "Acme · Eve" in card.subjects


@pytest.mark.parametrize("model", ["loose", "loose_bosses"])
def test_whom_the_roster_does_not_know_can_be_dropped_and_is_told(
    model: str, engine: Callable[[list[dict[str, Any]]], Any]
) -> None:
    card = RULES.score({"orders": engine(dated([*RECORDS, EVE])), "team": TEAM}, model=model)
    assert card.notes == ("not on the roster, so not on the card: Eve",)
    assert sum(each.results["revenue"].actual for each in card.standings()) == Decimal("31.75")  # type: ignore[misc]


def test_whom_the_roster_does_not_know_can_be_an_error(engine: Callable[[list[dict[str, Any]]], Any]) -> None:
    with pytest.raises(RecordError, match="the roster does not know Eve"):
        RULES.score({"orders": engine(dated([*RECORDS, EVE])), "team": TEAM}, model="strict")


LINES = [{"member": "Ann", "above": "Mo"}, {"member": "Bo", "above": "Mo"}]
OF_TREE = BOOK.replace(
    "roster: team\n",
    "  lines:\n    fields: {member: text, above: text}\n"
    "roster: team\ntree: {table: lines, member: member, parent: above}\n",
)


@pytest.mark.parametrize("how", ["drop", "error"])
def test_whom_the_tree_does_not_know_can_be_dropped_or_refused(how: str) -> None:
    rules = Rulebook.parse(
        OF_TREE.replace("strict: {unknown: error,", f"strict: {{subject: tree, unknown: {how},")
    )
    data = {"orders": [*RECORDS, EVE], "team": TEAM, "lines": LINES}
    if how == "error":
        with pytest.raises(RecordError, match="the tree does not know Eve"):
            rules.score(data, model="strict")
        return
    card = rules.score(data, model="strict")
    assert card.notes == ("not on the tree, so not on the card: Eve",)
    assert card.subjects == ["Ann", "Bo", "Mo"]


def test_a_roster_must_say_where_everybody_belongs() -> None:
    with pytest.raises(RulebookError, match="write unknown: drop, or error"):
        Rulebook.parse(BOOK.replace("subject: manager, unknown: drop", "subject: manager, unknown: add"))
