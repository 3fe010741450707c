"""What triggers cost a host: marking in its transaction, and handing reminders over.

`dirty_mark_ms` is what a mark adds to a host's transaction of one insert, in SQLite and, where it answers, in
PostgreSQL, whichever is more: the median of many pairs, with and without. It is one statement, which is
counted. `relay_sqlite_per_s` and `relay_postgres_per_s` are deliveries a second of one relay with a sender
that takes no time, each confirmed by itself; all are checked to be delivered once.

`tick_1pct_vs_full` is a tick over 100,000 subjects and 10 triggers with 1 % of the subjects marked, against
one with all of them marked. `full_vs_bare` is the evaluation of a whole card of as many, against comparing
the columns and inserting the rows of what fired, and nothing else. Prints figures for people and, as its last
line, the figures as JSON.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sqlite3
import statistics
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl

from crmrules import Rulebook
from crmrules.kpi import Period, Result, Standing
from crmrules.triggers import Engine, Reached, Request
from crmrules.triggers.outbox import DatabaseStore, Delivery, Dirty, MemoryStore, Relay, SqliteStore

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
POSTGRESQL = os.environ.get("CRMRULES_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
ORDER = "INSERT INTO {name} VALUES (1, 'Ann', 80)"
TABLE = "CREATE TABLE {name} (number INTEGER, who VARCHAR(40), amount INTEGER)"


def added_ms(transaction: Callable[[bool], object], times: int) -> float:
    """What marking adds to a transaction, in milliseconds: the median of pairs, one after the other."""
    added = []
    for _ in range(times):
        took = []
        for marked in (False, True):
            begun = perf_counter()
            transaction(marked)
            took.append(perf_counter() - begun)
        added.append(took[1] - took[0])
    return statistics.median(added) * 1_000


def per_second(store: Any, deliveries: int) -> float:
    """Deliveries a second of one relay."""
    with store.transaction() as session:
        session.enqueue(
            Delivery(f"d{each:06}", f"k{each}", "u2", "director", "mail", {"id": f"d{each}"}, NOW)
            for each in range(deliveries)
        )
    sent: list[str] = []
    relay = Relay(store, {"mail": lambda delivery: sent.append(delivery.id)})
    begun = perf_counter()
    while relay.run_once(NOW).taken:
        pass
    took = perf_counter() - begun
    with store.transaction() as session:
        assert len(session.deliveries(status="delivered")) == deliveries == len({*sent}) == len(sent)
    return deliveries / took


def sqlite_marks(folder: Path, times: int) -> float:
    with SqliteStore(folder / "host.db") as store, closing(sqlite3.connect(store.path)) as host:
        store.create_schema()
        host.execute(TABLE.format(name="host_order"))
        statements: list[str] = []

        def transaction(marked: bool) -> None:
            host.execute(ORDER.format(name="host_order"))
            if marked:
                store.mark([Dirty("Ann", "2026-11", "an order")], host)
            host.commit()

        host.set_trace_callback(statements.append)
        store.mark([Dirty("Ann")], host)
        host.set_trace_callback(None)
        assert sum(each.startswith("INSERT") for each in statements) == 1
        return added_ms(transaction, times)


def postgres_marks(store: DatabaseStore, times: int) -> float:
    import sqlalchemy as sa

    name = f"{store.prefix}host_order"
    order = sa.text(ORDER.format(name=name))
    with store.engine.begin() as connection:
        connection.execute(sa.text(TABLE.format(name=name)))

    def transaction(marked: bool) -> None:
        with store.engine.begin() as connection:
            connection.execute(order)
            if marked:
                store.mark([Dirty("Ann", "2026-11", "an order")], connection)

    try:
        transaction(True)
        return added_ms(transaction, times)
    finally:
        with store.engine.begin() as connection:
            connection.execute(sa.text(f"DROP TABLE {name}"))


def outbox(quick: bool) -> dict[str, float | None]:
    """The figures of marks and of the relay."""
    times, deliveries = (200, 500) if quick else (2_000, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        marks = [sqlite_marks(Path(folder), times)]
        print(f"a mark in SQLite adds {marks[0]:.3f} ms and one statement")
        with SqliteStore(Path(folder, "relay.db")) as store:
            store.create_schema()
            in_sqlite = per_second(store, deliveries)
    print(f"the relay hands over {in_sqlite:,.0f} deliveries a second from SQLite")
    in_postgres = None
    try:
        import sqlalchemy as sa

        engine = sa.create_engine(POSTGRESQL, connect_args={"connect_timeout": 2})
        engine.connect().close()
    except Exception as error:
        print(f"PostgreSQL is left out: {str(error).splitlines()[0]}")
    else:
        database = DatabaseStore(engine, prefix=f"b{uuid4().hex[:8]}_")
        database.create_schema()
        try:
            marks.append(postgres_marks(database, times))
            print(f"a mark in PostgreSQL adds {marks[1]:.3f} ms and one statement")
            in_postgres = per_second(database, deliveries)
            print(f"the relay hands over {in_postgres:,.0f} deliveries a second from PostgreSQL")
        finally:
            database.metadata.drop_all(engine)
            engine.dispose()
    return {
        "dirty_mark_ms": round(max(marks), 4),
        "relay_sqlite_per_s": round(in_sqlite),
        "relay_postgres_per_s": in_postgres and round(in_postgres),
    }


RULES = {f"at_{share}": Reached(indicator="revenue", share=share / 100) for share in range(110, 210, 10)}


def tick_with_few_marks(quick: bool) -> dict[str, float | None]:
    """How long a tick takes with 1 % of the subjects marked, against all of them marked."""
    people = 4_000 if quick else 100_000
    month = Period.parse("2026-11")
    rows = {}
    for number in range(people):
        sold = Decimal(number % 1000) / 10
        result = Result("revenue", sold, 100.0, float(sold) / 100, float(sold))
        rows[f"u{number:06}"] = Standing("sales", f"u{number:06}", month, {"revenue": result})

    def read(request: Request) -> list[Standing]:
        return [rows[each] for each in request.subjects or rows]

    store = MemoryStore()
    engine = Engine(RULES, store, read=read)
    engine.tick(NOW)
    took = []
    for marked in (people // 100, people):
        store.mark([Dirty(subject) for subject in [*rows][:marked]])
        begun = perf_counter()
        report = engine.tick(NOW)
        took.append(perf_counter() - begun)
        assert report.evaluated == marked * len(RULES)
        assert not report.occurrences
    pairs = people * len(RULES)
    print(f"a tick with 1 % of {people:,} subjects marked takes {took[0] * 1_000:.1f} ms, with all of them")
    print(f"{took[1] * 1_000:.0f} ms, {took[1] / pairs * 1e6:.1f} µs for each of {pairs:,} pairs")
    return {"tick_1pct_vs_full": round(took[0] / took[1], 4)}


def a_whole_card(quick: bool) -> dict[str, float | None]:
    """How long a full evaluation takes, against comparing alone and the inserts of what fired."""
    people = 10_000 if quick else 100_000
    book = Rulebook.of(
        {
            "sources": {"orders": {"fields": {
                "who": {"type": "text", "role": "subject"},
                "day": {"type": "date", "role": "date"},
                "amount": "money(2)",
            }}},
            "measures": {"revenue": "sum(amount)"},
            "models": {"sales": {"indicators": {"revenue": {"target": 100, "weight": 1}}}},
        }
    )  # fmt: skip
    amounts = [f"{number % 1000 / 9:.2f}" for number in range(people)]
    orders = pl.DataFrame(
        {
            "who": [f"u{number:06}" for number in range(people)],
            "day": [NOW.date()] * people,
            "amount": amounts,
        }
    )
    card = book.score({"orders": orders}, now=NOW)
    attainment = card.figures["revenue"].attainment
    assert attainment is not None
    times: dict[str, list[float]] = {"bare": [], "insert": [], "full": [], "again": []}
    for _ in range(3 if quick else 5):
        begun = perf_counter()
        found = [np.flatnonzero(attainment >= rule.share) for rule in RULES.values()]
        times["bare"].append(perf_counter() - begun)
        fired = sum(map(len, found))
        with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder, "card.db")) as store:
            store.create_schema()
            engine = Engine(RULES, store)
            begun = perf_counter()
            report = engine.evaluate(card, NOW)
            times["full"].append(perf_counter() - begun)
            assert len(report.intents) == fired
            begun = perf_counter()
            assert not engine.evaluate(card, NOW).occurrences
            times["again"].append(perf_counter() - begun)
            with store.transaction() as session:
                kept = [replace(each, revision=0) for each in session.active()]
        with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder, "card.db")) as store:
            store.create_schema()
            begun = perf_counter()
            with store.transaction() as session:
                session.save(kept)
                session.record(report.occurrences)
                session.enqueue(report.deliveries)
            times["insert"].append(perf_counter() - begun)
    bare, insert, full, again = (statistics.median(each) * 1_000 for each in times.values())
    pairs = people * len(RULES)
    print(
        f"comparing {pairs:,} pairs takes {bare:.2f} ms, inserting the {fired:,} that fired {insert:.0f} ms,"
    )
    print(f"the full evaluation {full:.0f} ms, and once more, with nothing new, {again:.1f} ms")
    return {"full_vs_bare": round(full / (bare + insert), 2)}


PARTS: list[Callable[[bool], dict[str, float | None]]] = [outbox, tick_with_few_marks, a_whole_card]
"""Each prints what it finds, and returns its figures by name."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    quick = parser.parse_args().quick
    figures: dict[str, float | None] = {}
    for part in PARTS:
        figures.update(part(quick))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
