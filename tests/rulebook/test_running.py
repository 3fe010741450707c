"""The engine of a rulebook over a host's tables."""

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from crmrules import CrmRulesError, Rulebook
from crmrules.rulebook.running import Data, Host
from crmrules.triggers import Engine, Report, Surroundings
from crmrules.triggers.outbox import Dirty, MemoryStore

GUIDE = Path(__file__).parents[2] / "docs" / "how-to-triggers.md"
GUIDE_RULES = re.findall(r'"""\n(.*?)"""', GUIDE.read_text(encoding="utf-8"), re.S)[0]

ORDERS = {
    "id": {"type": "text", "role": "id"},
    "rep": {"type": "text", "role": "subject"},
    "day": {"type": "date", "role": "date"},
    "customer": "text",
    "amount": "money(2)",
}
TEAM = {
    "name": {"type": "text", "role": "subject"},
    "boss": {"type": "text", "role": "manager"},
    "locale": "text",
}
HIT = {"kind": "reached", "indicator": "sales", "tell": ["subject", "manager"]}
SILENT = {"kind": "inactive", "source": "orders", "about": "customer", "owner": "rep",
          "silent": {"days": 10}, "tell": ["owner", "manager"]}  # fmt: skip
PEOPLE = [
    {"name": "Ann", "boss": "Bo", "locale": "zh"},
    {"name": "Bo", "boss": None, "locale": "en"},
]


def rules(**triggers: Mapping[str, Any]) -> Rulebook:
    return Rulebook.of(
        {
            "zone": "Asia/Shanghai",
            "calendars": {"office": {"holidays": ["2026-11-23"]}},
            "sources": {"orders": {"fields": ORDERS}, "team": {"fields": TEAM}},
            "roster": "team",
            "measures": {"sales": {"value": "sum(amount)", "source": "orders"}},
            "models": {"people": {"indicators": {"sales": {"target": 1000, "weight": 1}}}},
            "triggers": triggers,
        }
    )


def order(id: str, day: str, amount: str, rep: str = "Ann") -> dict[str, str]:
    return {"id": id, "rep": rep, "day": day, "customer": "ACME", "amount": amount}


def told(report: Report) -> list[tuple[str, str, str]]:
    return sorted((each.trigger, each.subject, each.recipient.id) for each in report.intents)


def test_cards_and_records_of_the_hosts_tables() -> None:
    orders = [order("A1", "2026-11-02", "1200.00")]
    asked: list[dt.datetime] = []

    def tables(as_of: dt.datetime) -> dict[str, object]:
        asked.append(as_of)
        return {"orders": orders, "team": PEOPLE}

    store = MemoryStore()
    engine = rules(hit=HIT, silent=SILENT).engine(store, tables, channels=["mail"], tenant="acme")
    report = engine.tick(dt.datetime(2026, 11, 20, 18))
    assert told(report) == [
        ("hit", "Ann", "Ann"), ("hit", "Ann", "Bo"), ("silent", "ACME", "Ann"), ("silent", "ACME", "Bo"),
    ]  # fmt: skip
    assert {each.recipient.locale for each in report.intents if each.recipient.id == "Ann"} == {"zh"}
    assert {each.channel for each in report.deliveries} == {"mail"}
    assert {each.tenant for each in report.intents} == {"acme"}
    assert {each.isoformat() for each in asked} == {"2026-11-20T18:00:00+08:00"}
    assert told(engine.tick(dt.datetime(2026, 11, 20, 19))) == []


@pytest.mark.parametrize("as_mapping", [True, False])
def test_a_table_that_grows_is_read_anew(as_mapping: bool) -> None:
    orders: list[dict[str, str]] = []
    tables = {"orders": orders, "team": PEOPLE}
    store = MemoryStore()
    data: Data = tables if as_mapping else lambda as_of: tables
    engine = rules(hit=HIT).engine(store, data)
    now = dt.datetime(2026, 11, 20, 18)
    assert told(engine.tick(now)) == []
    orders.append(order("A1", "2026-11-19", "1200.00"))
    store.mark([Dirty("Ann", "2026-11")])
    assert told(engine.tick(now)) == [("hit", "Ann", "Ann"), ("hit", "Ann", "Bo")], "at the same moment, too"


def test_an_order_that_is_saved_while_a_tick_runs_is_not_passed_over() -> None:
    """A mark that is claimed is answered from tables that were read after it."""
    orders = [order("A1", "2026-11-19", "1200.00")]
    store = MemoryStore()
    late = [order("B1", "2026-11-19", "1500.00", rep="Bo")]

    def tables(as_of: dt.datetime) -> dict[str, object]:
        found = {"orders": [*orders], "team": PEOPLE}
        if late:
            orders.append(late.pop())
            store.mark([Dirty("Bo", "2026-11")])
        return found

    engine = rules(hit=HIT).engine(store, tables)
    now = dt.datetime(2026, 11, 20, 18)
    store.mark([Dirty("Ann", "2026-11")])
    found = told(engine.tick(now)) + told(engine.tick(now))
    assert ("hit", "Bo", "Bo") in found
    assert len(found) == len({*found}) == 3


def test_tables_are_left_alone_where_no_trigger_looks_at_records() -> None:
    asked: list[dt.datetime] = []

    def tables(as_of: dt.datetime) -> dict[str, object]:
        asked.append(as_of)
        return {"orders": [], "team": PEOPLE}

    pace = {"kind": "pace", "indicator": "sales", "calendar": "office"}
    now = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    of_cards = Host(rules(hit=HIT, pace=pace, both={"kind": "all", "of": ["hit", "pace"]}), tables)
    assert of_cards.around(now).calendars.keys() == {"office"}
    assert asked == []
    of_records = Host(rules(hit=HIT, both={"kind": "any", "of": ["hit", SILENT]}), tables)
    assert of_records.around(now).people["Ann"] == {"manager": "Bo", "locale": "zh"}
    assert len(asked) == 1


def test_working_days_are_those_of_a_calendar_of_the_rulebook() -> None:
    behind = {
        "kind": "behind", "indicator": "sales", "share": 1, "by": {"day": 20, "time": "18:00"},
        "escalation": [{"after": "1 working day", "to": "manager"}],
    }  # fmt: skip
    tables = {"orders": [order("A1", "2026-11-02", "1.00")], "team": PEOPLE}

    def escalated(calendar: str | None) -> list[int]:
        engine = rules(late=behind).engine(MemoryStore(), tables, calendar=calendar)
        days = range(20, 28)
        ticks = {day: engine.tick(dt.datetime(2026, 11, day, 18)) for day in days}
        return [day for day, each in ticks.items() if ("late", "Ann", "Bo") in told(each)]

    assert escalated(None) == [23]
    assert escalated("office") == [24], "the 23rd is a holiday there"
    with pytest.raises(CrmRulesError, match="did you mean `office`") as error:
        rules(late=behind).engine(MemoryStore(), tables, calendar="offce")
    assert error.value.code == "W104"


def test_what_holds_no_tables_is_refused() -> None:
    with pytest.raises(TypeError, match="not list"):
        rules(hit=HIT).engine(MemoryStore(), [{"rep": "Ann"}])  # type: ignore[arg-type]


def test_the_kinds_of_the_guide_fire_as_by_hand() -> None:
    """As an engine that is put together by hand."""
    book = Rulebook.parse(GUIDE_RULES)
    tables: dict[str, object] = {
        "orders": [
            {"id": "A1", "rep": "Ann", "day": "2026-09-10", "entered": "2026-09-10", "customer": "ACME",
             "amount": "9000.00"},
            {"id": "A2", "rep": "Ann", "day": "2026-11-03", "entered": "2026-11-10", "customer": "Hooli",
             "amount": "30000.00"},
        ],
        "contracts": [{"id": "C1", "rep": "Ann", "customer": "Hooli", "ends": "2026-11-26", "state": "open"}],
        "team": [{"name": "Ann", "director": "Bo", "office": "north"}],
    }  # fmt: skip
    people = {"Ann": {"director": "Bo", "office": "north"}}
    by_hand = Engine.of(
        book,
        MemoryStore(),
        read=lambda asked: book.score(tables, model=asked.model, period=asked.period, now=asked.as_of),
        people=people,
        around=Surroundings.of(book.sources, tables, people, calendars=book.working, triggers=book.triggers),
    )
    moments = [dt.datetime(2026, 11, 20, 18), dt.datetime(2026, 11, 21, 9), dt.datetime(2026, 11, 30, 18)]
    short = book.engine(MemoryStore(), tables)
    for now in moments:
        assert told(short.tick(now)) == told(by_hand.tick(now))
    assert short.health == by_hand.health == {}


def test_a_manager_hears_of_an_order_from_an_engine_that_has_just_started() -> None:
    """As where each tick is a process of its own."""
    book = Rulebook.of(
        {
            "sources": {"orders": {"fields": ORDERS}, "team": {"fields": TEAM}},
            "roster": "team",
            "measures": {"sales": {"value": "sum(amount)", "source": "orders"}},
            "models": {
                "teams": {"subject": "manager", "indicators": {"sales": {"target": 1000, "weight": 1}}}
            },
            "triggers": {"hit": {"kind": "reached", "indicator": "sales"}},
        }
    )
    orders: list[dict[str, str]] = []
    store = MemoryStore()
    tables = {"orders": orders, "team": PEOPLE}
    assert told(book.engine(store, tables).tick(dt.datetime(2026, 11, 3))) == []
    orders.append(order("A1", "2026-11-04", "1200.00"))
    store.mark([Dirty("Ann", "2026-11")])
    assert told(book.engine(store, tables).tick(dt.datetime(2026, 11, 4))) == [("hit", "Bo", "Bo")]
