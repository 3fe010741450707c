"""A store in the host's own database, by SQLAlchemy: PostgreSQL, MariaDB, MySQL, SQLite.

The host marks in its own transaction. The engine's transactions and the relay's have connections of their
own, at READ COMMITTED: what is read after a lock is never older than the lock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, final

from crmrules.errors import CrmRulesError, class_name, shown
from crmrules.triggers.outbox.database_session import DatabaseSession, Tables, unless_there
from crmrules.triggers.outbox.database_tables import MYSQL, metadata, sa
from crmrules.triggers.outbox.progress import leased
from crmrules.triggers.outbox.protocol import Conflict
from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Status
from crmrules.triggers.outbox.tables import (
    DELIVERY,
    DIRTY,
    EVENT,
    PREFIX,
    SCHEMA,
    VERSION,
    migration,
    utc,
    wrong_version,
)

KNOWN = ("postgresql", *MYSQL, "sqlite")
_GAVE_WAY = frozenset({"40001", "40P01", "55P03", 1020, 1205, 1213})
"""Of PostgreSQL and MySQL: serialization failure, deadlock, a lock not had, a record changed meanwhile."""


@final
class DatabaseStore:
    """Keeps triggers in a database. Needs the extra `sqlalchemy` and the database's driver.

    engine: the host's `sqlalchemy.Engine`, or the URL to make one from. prefix: before each table's name.
    wait_seconds: how long to wait for another writer, in SQLite.

    Raises CrmRulesError (O102) on first use if the database has no tables, or those of another version,
    (O104) for a database that is not known.

    >>> store = DatabaseStore("sqlite://")
    >>> store.create_schema()
    >>> store.mark([Dirty("Ann", "2026-11")])
    >>> with store.transaction() as session:
    ...     [mark.subject for mark in session.claim(10)]
    ['Ann']
    """

    def __init__(self, engine: sa.Engine | str, *, prefix: str = PREFIX, wait_seconds: float = 30) -> None:
        host = sa.create_engine(engine) if isinstance(engine, str) else engine
        if host.dialect.name not in KNOWN:
            raise CrmRulesError(
                "O104",
                f"{shown(host.dialect.name)} is no database that reminders are kept in",
                hint=f"there is {', '.join(KNOWN)}",
            )
        self.engine = host
        self.prefix = prefix
        self.metadata = metadata(prefix)
        self._sqlite = host.dialect.name == "sqlite"
        # A driver of SQLite begins transactions when it likes; here they begin by a statement.
        level = "AUTOCOMMIT" if self._sqlite else "READ COMMITTED"
        self._engine = host.execution_options(isolation_level=level)
        self._wait = wait_seconds
        self._tables = Tables(self.metadata, prefix)
        self._checked = False

    def close(self) -> None:
        """Close the connections of the engine that no thread is using."""
        self.engine.dispose()

    def create_schema(self) -> None:
        """Make the tables, or bring older ones to this version; what is there already stays.

        Raises CrmRulesError (O102) if the tables are of a newer version.
        """
        with self._begin() as connection:
            version = self._version(connection)
            if version is not None:
                for statement in migration(version, self.prefix):
                    connection.exec_driver_sql(statement)
                return
            self.metadata.create_all(connection)
            connection.execute(self._tables[SCHEMA].insert(), {"version": VERSION})

    def mark(self, dirty: Iterable[Dirty], connection: object | None = None) -> None:
        """Mark subjects dirty.

        connection: the host's `sqlalchemy.Connection` or `sqlalchemy.orm.Session`; it is never committed.
        """
        rows = DIRTY.rows(dirty)
        if not rows:
            return
        insert = self._tables[DIRTY].insert()
        with self._host(connection) as its:
            if len(rows) == 1:
                its.execute(insert, rows[0])
            else:
                its.execute(insert.values(rows))

    def publish(self, events: Iterable[Event], connection: object | None = None) -> None:
        """Keep events. connection: as of `mark`."""
        rows = [{**row, "taken": 0} for row in EVENT.rows(events)]
        if not rows:
            return
        with self._host(connection) as its:
            its.execute(unless_there(self._tables[EVENT], self._engine.dialect.name), rows)

    @contextmanager
    def transaction(self) -> Iterator[DatabaseSession]:
        with self._checked_begin() as connection:
            yield DatabaseSession(connection, self._tables)

    def lease(
        self, channel: str, now: dt.datetime, *, seconds: float, most: int, at_most_once: bool = False
    ) -> list[Delivery]:
        moment = utc(now)
        table = self._tables[DELIVERY]
        its = table.c
        due = (
            sa.select(table)
            .where(its.channel == channel, its.due_at <= moment)
            .order_by(its.due_at, its.delivery_id)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        if self._sqlite and not self._any(due):
            return []  # without waiting for a turn to write
        with self._checked_begin() as connection:
            found = [*DELIVERY.records(connection.execute(due).mappings())]
            taken = [leased(each, moment, seconds, at_most_once) for each in found]
            for status in {each.status for each in taken}:
                same = [each for each in taken if each.status == status]
                connection.execute(
                    table.update()
                    .where(its.delivery_id.in_([each.id for each in same]))
                    .values(
                        status=status,
                        attempts=its.attempts + int(status != "expired"),
                        leased_until=same[0].leased_until,
                        due_at=same[0].due_at,
                    )
                )
        return taken

    def settle(
        self, delivery: Delivery, status: Status, *, error: str = "", retry_at: dt.datetime | None = None
    ) -> bool:
        table = self._tables[DELIVERY]
        its = table.c
        waits = status == "waiting"
        held = (
            [its.status != "delivered"]
            if status == "delivered"
            else [its.status == delivery.status, its.attempts == delivery.attempts]
        )
        change = (
            table.update()
            .where(its.delivery_id == delivery.id, *held)
            .values(
                status=status,
                error=error,
                leased_until=None,
                due_at=utc(retry_at or delivery.deliver_after) if waits else None,
                attempts=its.attempts - int(waits and not error),
            )
        )
        with self._checked_begin() as connection:
            return connection.execute(change).rowcount == 1

    def _any(self, wanted: sa.Select[Any]) -> bool:
        with self._engine.connect() as connection:
            self._check(connection)
            return connection.execute(wanted.limit(1)).first() is not None

    @contextmanager
    def _host(self, connection: object | None) -> Iterator[Any]:
        from sqlalchemy.orm import Session

        if connection is None:
            with self._checked_begin() as own:
                yield own
        elif isinstance(connection, sa.Connection | Session):
            yield connection
        else:
            raise CrmRulesError(
                "O104",
                f"a {class_name(type(connection))} is no connection of SQLAlchemy",
                hint="pass the Connection or Session of the host's transaction",
            )

    @contextmanager
    def _checked_begin(self) -> Iterator[sa.Connection]:
        with self._begin() as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection, self._begun(connection):
                yield connection
        except sa.exc.DBAPIError as error:
            if not _gave_way(error):
                raise
            raise Conflict(
                "O101",
                f"the database gave way to another transaction: {error.orig}",
                hint="run this one again: committed(store, work)",
            ) from error

    @contextmanager
    def _begun(self, connection: sa.Connection) -> Iterator[None]:
        if not self._sqlite:
            with connection.begin():
                yield
            return
        # The only one to write from its beginning, so that it never has to give way.
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(self._wait * 1000)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            if connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
                connection.exec_driver_sql("ROLLBACK")
            raise

    def _check(self, connection: sa.Connection) -> None:
        if not self._checked:
            if (version := self._version(connection)) != VERSION:
                raise wrong_version(version, self.prefix)
            self._checked = True

    def _version(self, connection: sa.Connection) -> int | None:
        table = self._tables[SCHEMA]
        if not sa.inspect(connection).has_table(table.name):
            return None
        return connection.execute(sa.select(table.c.version)).scalar()


def _gave_way(error: sa.exc.DBAPIError) -> bool:
    original: Any = error.orig
    code = getattr(original, "sqlstate", None) or (original.args[0] if original.args else None)
    return code in _GAVE_WAY or "database is locked" in str(code) or "table is locked" in str(code)
