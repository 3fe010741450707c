"""A store in the host's database: the host's transactions, and many of them at once."""

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.orm import Session

from crmrules.errors import CrmRulesError
from crmrules.triggers.outbox import Conflict, DatabaseStore, Dirty, Event, Instance, SqliteStore, metadata
from crmrules.triggers.outbox.database_tables import statements
from crmrules.triggers.outbox.sqlite_rows import ddl
from tests.triggers.outbox.shop import NOON, Orders, dirty, engine_of, state, ticked

LATER = NOON.replace(microsecond=7)
LEVELS = ["READ COMMITTED", "REPEATABLE READ"]
ORDERS = sa.Table(
    "host_order",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("subject", sa.String(40)),
    sa.Column("amount", sa.Integer),
    mysql_engine="InnoDB",
)


@pytest.fixture
def orders(server: DatabaseStore) -> Iterator[DatabaseStore]:
    """A server's store with the host's table of orders beside."""
    ORDERS.drop(server.engine, checkfirst=True)
    ORDERS.create(server.engine)
    yield server
    ORDERS.drop(server.engine)


def orders_at(store: DatabaseStore, level: str) -> Orders:
    engine = store.engine.execution_options(isolation_level=level)

    def read(subjects: Iterable[str] | None) -> list[tuple[str, int]]:
        wanted = sa.select(ORDERS.c.subject, ORDERS.c.amount)
        if subjects is not None:
            wanted = wanted.where(ORDERS.c.subject.in_([*subjects]))
        with engine.connect() as connection:
            return [(who, amount) for who, amount in connection.execute(wanted)]

    return read


def order(
    store: DatabaseStore, level: str, subject: str, amount: int, before_commit: Callable[[], Any]
) -> None:
    """One save of the host: the order and the mark in its own transaction."""
    engine = store.engine.execution_options(isolation_level=level)
    with engine.begin() as connection:
        connection.execute(ORDERS.insert(), {"subject": subject, "amount": amount})
        store.mark([dirty(subject)], connection)
        before_commit()


def intents(store: DatabaseStore) -> tuple[int, int]:
    with store.transaction() as session:
        hits = session.occurrences(trigger="hit")
        return len(hits), sum(len(session.deliveries(occurrence=each.key)) for each in hits)


def marks(store: DatabaseStore) -> list[Dirty]:
    with store.transaction() as session:
        return session.claim(100)


def test_a_mark_is_part_of_the_hosts_transaction(database: DatabaseStore) -> None:
    with database.engine.connect() as connection:
        database.mark([Dirty("Ann"), Dirty("Bo")], connection)
        database.publish([Event("crm", "e1", "created", "Ann", NOON)], connection)
        connection.rollback()
    assert marks(database) == []
    with database.engine.begin() as connection:
        database.mark([Dirty("Ann")], connection)
        database.publish([Event("crm", "e1", "created", "Ann", NOON)] * 2, connection)
    assert marks(database) == [Dirty("Ann")]
    with database.transaction() as session:
        assert [each.id for each in session.events(10)] == ["e1"]


def test_a_mark_is_part_of_the_transaction_of_an_orm_session(database: DatabaseStore) -> None:
    with Session(database.engine) as session:
        database.mark([Dirty("Ann")], session)
        session.rollback()
        database.mark([Dirty("Bo")], session)
        session.commit()
    assert marks(database) == [Dirty("Bo")]


@pytest.mark.parametrize("count", [1, 3])
def test_a_mark_adds_one_statement_to_the_hosts_transaction(database: DatabaseStore, count: int) -> None:
    seen: list[str] = []
    with database.engine.begin() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *its: seen.append(its[2]))
        database.mark([Dirty("Ann", str(each)) for each in range(count)], connection)
    assert len(seen) == 1
    assert seen[0].startswith("INSERT")


def test_a_subject_that_nobody_knew_is_locked_like_any_other(server: DatabaseStore) -> None:
    first, second = threading.Event(), threading.Event()

    def wait_behind() -> bool:
        first.wait(10)
        with server.transaction() as session:
            session.lock(["Ann"])
            return second.is_set()

    with ThreadPoolExecutor() as pool, server.transaction() as session:
        session.lock(["Ann", "Bo"])
        waiting = pool.submit(wait_behind)
        first.set()
        with server.transaction() as other:
            other.lock(["Cy"])  # nobody waits for another subject
        threading.Event().wait(0.05)
        assert not waiting.done()
        second.set()
    assert waiting.result()


@pytest.mark.parametrize("level", LEVELS)
def test_two_orders_at_once_give_one_intent(orders: DatabaseStore, level: str) -> None:
    """Neither transaction sees the other's 600 (write skew, S28), and together they reach 1,000."""
    both = threading.Barrier(2, timeout=10)
    rules = engine_of(orders, orders_at(orders, level))

    def save() -> None:
        order(orders, level, "Ann", 600, before_commit=both.wait)
        both.wait()
        ticked(rules)

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(save) for _ in range(2)]:
            each.result()
    assert intents(orders) == (1, 2)
    assert state(orders, "Ann") == "firing"
    assert marks(orders) == []


@pytest.mark.parametrize("level", LEVELS)
def test_a_hundred_orders_at_once_give_one_intent(orders: DatabaseStore, level: str) -> None:
    """S28b: 100 transactions of 10; the last brings the sum to 1,000, whichever it is."""
    rules = engine_of(orders, orders_at(orders, level))
    start = threading.Barrier(10, timeout=10)

    def save() -> None:
        start.wait()
        for number in range(10):
            order(orders, level, "Ann", 10, before_commit=lambda: None)
            if number % 3 == 0:
                ticked(rules)

    with ThreadPoolExecutor(10) as pool:
        for each in [pool.submit(save) for _ in range(10)]:
            each.result()
    assert intents(orders) == (1, 2)
    assert state(orders, "Ann") == "firing"


@pytest.mark.parametrize("level", LEVELS)
def test_the_last_state_fits_the_last_orders(orders: DatabaseStore, level: str) -> None:
    """Orders and refunds at once: whoever evaluates last has seen all of them."""
    read = orders_at(orders, level)
    people = ["Ann", "Bo", "Cy"]

    def save(seed: int) -> None:
        luck = random.Random(seed)
        for _ in range(8):
            amount = luck.choice([-700, -400, 500, 800])
            order(orders, level, luck.choice(people), amount, before_commit=lambda: None)
            ticked(engine_of(orders, read, batch=luck.choice([1, 10])))

    with ThreadPoolExecutor(6) as pool:
        for each in [pool.submit(save, seed) for seed in range(6)]:
            each.result()
    ticked(engine_of(orders, read))
    for subject in people:
        reached = sum(amount for _, amount in read([subject])) >= 1_000
        assert (state(orders, subject) == "firing") == reached, subject


@pytest.mark.parametrize("level", LEVELS)
def test_an_order_that_is_committed_late_is_not_lost(orders: DatabaseStore, level: str) -> None:
    """Its mark has a lower number than one that was claimed already."""
    rules = engine_of(orders, orders_at(orders, level))
    written, claimed = threading.Event(), threading.Event()

    def late() -> None:
        order(orders, level, "Ann", 1_200, before_commit=lambda: (written.set(), claimed.wait(10)))

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(late)
        written.wait(10)
        order(orders, level, "Bo", 1_200, before_commit=lambda: None)
        ticked(rules)
        assert (state(orders, "Ann"), state(orders, "Bo")) == ("inactive", "firing")
        claimed.set()
        slow.result()
    ticked(rules)
    assert (state(orders, "Ann"), state(orders, "Bo")) == ("firing", "firing")


def test_the_tables_are_made_once_and_stay(database: DatabaseStore) -> None:
    database.mark([Dirty("Ann")])
    database.create_schema()
    assert marks(database) == [Dirty("Ann")]


@pytest.mark.parametrize("kind", ["standard library", "sqlalchemy"])
def test_tables_that_are_missing_or_newer_are_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "host.db"
    fresh = DatabaseStore(f"sqlite:///{file}") if kind == "sqlalchemy" else SqliteStore(file)
    with pytest.raises(CrmRulesError) as caught:
        fresh.mark([Dirty("Ann")])
    assert caught.value.code == "O102"
    assert "outbox init" in caught.value.hint
    fresh.create_schema()
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE crm_schema SET version = 99"))
    engine.dispose()
    newer = DatabaseStore(f"sqlite:///{file}") if kind == "sqlalchemy" else SqliteStore(file)
    for use in (lambda: newer.mark([Dirty("Ann")]), newer.create_schema):
        with pytest.raises(CrmRulesError, match="version 99"):
            use()
    fresh.close()
    newer.close()


def test_both_stores_of_sqlite_read_one_file(tmp_path: Path) -> None:
    file = tmp_path / "host.db"
    with SqliteStore(file) as plain:
        plain.create_schema()
        plain.publish([Event("crm", "e1", "created", "Ann", LATER)])
        by_sqlalchemy = DatabaseStore(f"sqlite:///{file}")
        with by_sqlalchemy.transaction() as session:
            (event,) = session.events(10)
            assert event.time == LATER
        by_sqlalchemy.mark([Dirty("Ann")])
        with plain.transaction() as session:
            assert session.claim(10) == [Dirty("Ann")]
            assert session.events(10) == []
        by_sqlalchemy.close()


def test_a_mark_is_part_of_the_transaction_of_a_sqlite_connection(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "host.db") as store, closing(sqlite3.connect(store.path)) as host:
        store.create_schema()
        host.execute("CREATE TABLE host_order (number INTEGER)")
        host.execute("INSERT INTO host_order VALUES (1)")
        store.mark([Dirty("Ann"), Dirty("Bo")], host)
        store.publish([Event("crm", "e1", "created", "Ann", NOON)], host)
        host.rollback()
        host.execute("INSERT INTO host_order VALUES (2)")
        store.mark([Dirty("Cy")], host)
        host.commit()
        with store.transaction() as session:
            assert session.claim(10) == [Dirty("Cy")]
            assert session.events(10) == []


def test_alembic_finds_nothing_to_change_in_the_tables(database: DatabaseStore) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name.startswith(database.prefix),
            },
        )
        assert compare_metadata(context, database.metadata) == []


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "sqlite"])
def test_the_statements_that_are_printed_name_every_table(dialect: str) -> None:
    printed = "\n".join(statements(dialect, "rules_"))
    for table in metadata("rules_").tables:
        assert f"CREATE TABLE {table} (" in printed
    assert printed.endswith("INSERT INTO rules_schema (version) VALUES (1)")


def test_the_statements_of_both_stores_of_sqlite_make_the_same_tables(tmp_path: Path) -> None:
    made = []
    for name, texts in (("a", ddl()), ("b", statements("sqlite"))):
        engine = sa.create_engine(f"sqlite:///{tmp_path / name}")
        with engine.begin() as connection:
            for text in texts:
                connection.exec_driver_sql(text)
        found = sa.MetaData()
        found.reflect(engine)
        made.append(
            {
                table.name: (
                    [(column.name, column.nullable, column.primary_key) for column in table.columns],
                    sorted((str(index.name), [*index.columns.keys()]) for index in table.indexes),
                )
                for table in found.sorted_tables
            }
        )
        engine.dispose()
    for name, table in made[0].items():
        assert table == made[1][name]
    assert {*made[0]} == {*made[1]}


@pytest.mark.parametrize("prefix", ["", "Crm_", "crm-", "1_", "x" * 32, 'a"; DROP TABLE b; --'])
def test_a_prefix_that_is_no_name_is_refused(prefix: str, tmp_path: Path) -> None:
    for make in (lambda: SqliteStore(tmp_path / "x.db", prefix=prefix), lambda: metadata(prefix)):
        with pytest.raises(CrmRulesError) as caught:
            make()
        assert caught.value.code == "O103"


def test_a_database_that_is_not_known_is_refused() -> None:
    class Engine:
        class dialect:  # noqa: N801
            name = "oracle"

    with pytest.raises(CrmRulesError) as caught:
        DatabaseStore(Engine())  # type: ignore[arg-type]
    assert caught.value.code == "O104"


def test_a_writer_that_holds_a_file_too_long_is_a_conflict(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "x.db", wait_seconds=0.01) as store:
        store.create_schema()
        database = DatabaseStore(f"sqlite:///{store.path}", wait_seconds=0.01)
        for other in (store, database):
            with store.transaction(), pytest.raises(CrmRulesError) as caught:
                other.mark([Dirty("Ann")])
            assert caught.value.code == "O101"
        database.close()


def test_states_that_are_saved_at_once_for_the_first_time_are_a_conflict(server: DatabaseStore) -> None:
    instance = Instance("f1", "2026-11", "half", "Ann", state="firing")
    tried = threading.Barrier(2, timeout=10)

    def save() -> str:
        try:
            with server.transaction() as session:
                session.instances([("f1", "2026-11")])
                tried.wait()
                session.save([instance, replace(instance, fingerprint="f2")])
        except Conflict as error:
            return error.code
        return "saved"

    with ThreadPoolExecutor(2) as pool:
        answers = [each.result() for each in [pool.submit(save) for _ in range(2)]]
    assert sorted(answers) == ["O101", "saved"]
