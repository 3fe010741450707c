"""What triggers cost a host: marking in its transaction, and handing reminders over.

`dirty_mark_ms` is what a mark adds to a host's transaction of one insert, in SQLite and, where it answers, in
PostgreSQL, whichever is more: the median of many pairs, with and without. It is one statement, which is
counted. `relay_sqlite_per_s` and `relay_postgres_per_s` are deliveries a second of one relay with a sender
that takes no time, each confirmed by itself; all are checked to be delivered once. Prints figures for people
and, as its last line, the figures as JSON.
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
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

from crmrules.triggers.outbox import DatabaseStore, Delivery, Dirty, Relay, SqliteStore

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


PARTS: list[Callable[[bool], dict[str, float | None]]] = [outbox]
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
