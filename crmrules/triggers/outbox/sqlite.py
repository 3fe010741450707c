"""A store in a SQLite file, by the standard library alone: what an embedded host takes.

Several threads and processes may share the file. One of them writes at a time, so an evaluation makes the
others wait for as long as it takes; a host with many writers takes `DatabaseStore`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from crmrules.errors import CrmRulesError, class_name
from crmrules.triggers.outbox.progress import each_once, first_due, leased, saved_meanwhile, waits_no_more
from crmrules.triggers.outbox.protocol import Conflict
from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Instance, Occurrence, Silence, Status
from crmrules.triggers.outbox.sqlite_rows import (
    UNLESS_THERE,
    ddl,
    immediate,
    insert,
    records,
    stored,
    text,
    update,
)
from crmrules.triggers.outbox.tables import (
    DELIVERY,
    DIRTY,
    EVENT,
    INSTANCE,
    OCCURRENCE,
    PREFIX,
    SILENCE,
    VERSION,
    Record,
    Table,
    checked_prefix,
    migration,
    running,
    utc,
    wrong_version,
)


@final
class SqliteStore:
    """Keeps triggers in a file.

    prefix: before each table's name. wait_seconds: how long to wait for another writer.

    Raises CrmRulesError (O102) on first use if the file has no tables, or those of another version.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SqliteStore(f"{folder}/reminders.db") as store:
    ...     store.create_schema()
    ...     store.mark([Dirty("Ann", "2026-11")])
    ...     with store.transaction() as session:
    ...         [mark.subject for mark in session.claim(10)]
    ['Ann']
    """

    def __init__(self, path: str | Path, *, prefix: str = PREFIX, wait_seconds: float = 30) -> None:
        self.path = Path(path)
        self.prefix = checked_prefix(prefix)
        self._wait = wait_seconds
        self._idle: list[sqlite3.Connection] = []
        self._left_to_parent: list[sqlite3.Connection] = []
        self._pool = threading.Lock()
        self._process = os.getpid()
        self._checked = False

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that no thread is using; the store can be used again."""
        with self._pool:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def create_schema(self) -> None:
        """Make the tables, or bring older ones to this version; what is there already stays.

        Raises CrmRulesError (O102) if the tables are of a newer version.
        """
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            with immediate(connection):
                version = self._version(connection)
                for statement in ddl(self.prefix) if version is None else migration(version, self.prefix):
                    connection.execute(statement)

    def mark(self, dirty: Iterable[Dirty], connection: object | None = None) -> None:
        """Mark subjects dirty. connection: the host's own `sqlite3.Connection` to the same file."""
        rows = [
            [each["tenant"], each["subject"], each["period"], each["cause"]] for each in DIRTY.rows(dirty)
        ]
        if not rows:
            return
        with self._host(connection) as its:
            its.execute(
                f"INSERT INTO {self._name(DIRTY)} (tenant, subject, period, cause) "
                "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
                "json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(?)",
                (json.dumps(rows),),
            )

    def publish(self, events: Iterable[Event], connection: object | None = None) -> None:
        """Keep events. connection: the host's own `sqlite3.Connection` to the same file."""
        rows = [{**stored(EVENT, each), "taken": 0} for each in events]
        with self._host(connection) as its:
            its.executemany(insert(self._name(EVENT), rows), rows)

    @contextmanager
    def transaction(self) -> Iterator[SqliteSession]:
        with self._connection() as connection, immediate(connection):
            yield SqliteSession(connection, self.prefix)

    def lease(
        self, channel: str, now: dt.datetime, *, seconds: float, most: int, at_most_once: bool = False
    ) -> list[Delivery]:
        moment = utc(now)
        due = (
            f"SELECT * FROM {self._name(DELIVERY)} WHERE channel = ? AND due_at <= ? "
            "ORDER BY due_at, delivery_id LIMIT ?"
        )
        with self._connection() as connection:
            if connection.execute(due, (channel, text(moment), 1)).fetchone() is None:
                return []  # without waiting for a turn to write
            with immediate(connection):
                found = records(DELIVERY, connection.execute(due, (channel, text(moment), most)))
                taken = [leased(each, moment, seconds, at_most_once) for each in found]
                connection.executemany(
                    f"UPDATE {self._name(DELIVERY)} SET status = :status, attempts = :attempts, "
                    "leased_until = :leased_until, due_at = :due_at WHERE delivery_id = :delivery_id",
                    [stored(DELIVERY, each) for each in taken],
                )
        return taken

    def settle(
        self, delivery: Delivery, status: Status, *, error: str = "", retry_at: dt.datetime | None = None
    ) -> bool:
        waits = status == "waiting"
        held = "status <> 'delivered'"
        if status != "delivered":
            held = "status = :held_status AND attempts = :held_attempts"
        with self._connection() as connection:
            changed = connection.execute(
                f"UPDATE {self._name(DELIVERY)} SET status = :status, error = :error, leased_until = NULL, "
                "due_at = :due_at, attempts = attempts - :uncounted "
                f"WHERE delivery_id = :delivery_id AND {held}",
                {
                    "status": status,
                    "error": error,
                    "due_at": text(utc(retry_at or delivery.deliver_after)) if waits else None,
                    "uncounted": int(waits and not error),
                    "delivery_id": delivery.id,
                    "held_status": delivery.status,
                    "held_attempts": delivery.attempts,
                },
            )
            return changed.rowcount == 1

    def _name(self, table: Table[Any]) -> str:
        return f'"{self.prefix}{table.name}"'

    @contextmanager
    def _host(self, connection: object | None) -> Iterator[sqlite3.Connection]:
        if connection is None:
            with self._connection() as own, immediate(own):
                yield own
        elif isinstance(connection, sqlite3.Connection):
            yield connection
        else:
            raise CrmRulesError(
                "O104",
                f"a {class_name(type(connection))} is no connection of sqlite3",
                hint="pass the sqlite3.Connection of the host's transaction, or use DatabaseStore",
            )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._open() as connection:
            if not self._checked:
                if (version := self._version(connection)) != VERSION:
                    raise wrong_version(version, self.prefix)
                self._checked = True
            yield connection

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = self._take()
        try:
            yield connection
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise Conflict(
                "O101",
                f"{self.path} was held by another transaction for {self._wait:g} seconds",
                hint="keep transactions short, and evaluate after the host's own is committed",
            ) from error
        finally:
            with self._pool:
                self._idle.append(connection)

    def _take(self) -> sqlite3.Connection:
        with self._pool:
            if self._process != os.getpid():
                # A connection must not be used, nor closed, by a child of the process that opened it.
                self._left_to_parent += self._idle
                self._idle, self._process = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        connection = sqlite3.connect(
            self.path, timeout=self._wait, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        # What was committed outlives a power cut, too; WAL by itself does not promise that.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _version(self, connection: sqlite3.Connection) -> int | None:
        name = f"{self.prefix}schema"
        if not connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
        ).fetchone():
            return None
        found: int = connection.execute(f'SELECT version FROM "{name}"').fetchone()[0]
        return found


@final
class SqliteSession:
    """One transaction; all others that write wait until it ends."""

    def __init__(self, connection: sqlite3.Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix

    def claim(self, most: int, *, tenant: str = "") -> list[Dirty]:
        name = self._name(DIRTY)
        rows = self._connection.execute(
            f"SELECT * FROM {name} WHERE tenant = ? ORDER BY mark_id LIMIT ?", (tenant, most)
        ).fetchall()
        self._connection.executemany(
            f"DELETE FROM {name} WHERE mark_id = ?", [(row["mark_id"],) for row in rows]
        )
        return each_once(records(DIRTY, rows))

    def events(self, most: int, *, tenant: str = "") -> list[Event]:
        name = self._name(EVENT)
        rows = self._connection.execute(
            f"SELECT * FROM {name} WHERE tenant = ? AND taken = 0 ORDER BY event_number LIMIT ?",
            (tenant, most),
        ).fetchall()
        self._connection.executemany(
            f"UPDATE {name} SET taken = 1 WHERE event_number = ?", [(row["event_number"],) for row in rows]
        )
        return records(EVENT, rows)

    def lock(self, subjects: Iterable[str], *, tenant: str = "") -> None:
        """Nothing to do: nobody else writes, so every subject is locked from the beginning."""

    def instances(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Instance]:
        rows = self._connection.execute(
            f"SELECT kept.* FROM json_each(?) AS wanted JOIN {self._name(INSTANCE)} AS kept "
            "ON kept.fingerprint = json_extract(wanted.value, '$[0]') "
            "AND kept.period = json_extract(wanted.value, '$[1]')",
            (json.dumps([*keys]),),
        )
        return {(each.fingerprint, each.period): each for each in records(INSTANCE, rows)}

    def save(self, instances: Iterable[Instance]) -> None:
        name = self._name(INSTANCE)
        wanted = [*instances]
        rows = [
            {**stored(INSTANCE, replace(each, revision=each.revision + 1)), "running": int(running(each))}
            for each in wanted
        ]
        new = [row for row in rows if row["revision"] == 1]
        old = [row for row in rows if row["revision"] != 1]
        changed = self._connection.executemany(insert(name, new), new).rowcount if new else 0
        if old:
            changed += self._connection.executemany(update(name, INSTANCE, old[0]), old).rowcount
        if changed != len(rows):
            raise saved_meanwhile(self._first_lost(wanted))

    def record(self, occurrences: Iterable[Occurrence]) -> set[str]:
        return self._add(OCCURRENCE, occurrences)

    def enqueue(self, deliveries: Iterable[Delivery]) -> int:
        return len(self._add(DELIVERY, (replace(each, due_at=first_due(each)) for each in deliveries)))

    def withdraw(self, occurrence: str, reason: str) -> list[Delivery]:
        self._connection.execute(
            f"UPDATE {self._name(DELIVERY)} SET status = 'withdrawn', error = ?, due_at = NULL "
            "WHERE occurrence_key = ? AND status = 'waiting'",
            (reason, occurrence),
        )
        return self._read(DELIVERY, {"occurrence_key": occurrence}, "deliver_after, delivery_id")

    def seal(self, members: Iterable[str], envelope: Delivery) -> bool:
        if not self.enqueue([envelope]):
            return False
        for member in dict.fromkeys(members):
            changed = self._connection.execute(
                f"UPDATE {self._name(DELIVERY)} SET status = 'collected', due_at = NULL "
                "WHERE delivery_id = ? AND status = 'waiting'",
                (member,),
            )
            if changed.rowcount != 1:
                raise waits_no_more(member)
        return True

    def occurrences(
        self,
        *,
        subject: str | None = None,
        trigger: str | None = None,
        period: str | None = None,
        keys: Sequence[str] | None = None,
        since: dt.datetime | None = None,
        tenant: str = "",
    ) -> list[Occurrence]:
        return self._read(
            OCCURRENCE,
            {"tenant": tenant, "subject": subject, "trigger_name": trigger, "period": period},
            "evaluated_at, subject, occurrence_key",
            *(
                []
                if keys is None
                else [("occurrence_key IN (SELECT value FROM json_each(?))", json.dumps([*keys]))]
            ),
            *([] if since is None else [("evaluated_at >= ?", text(utc(since)))]),
        )

    def deliveries(
        self,
        *,
        occurrence: str | None = None,
        status: Status | None = None,
        recipient: str | None = None,
        digest: str | None = None,
        tenant: str = "",
    ) -> list[Delivery]:
        equal = {"tenant": tenant, "occurrence_key": occurrence, "status": status, "recipient": recipient}
        return self._read(
            DELIVERY,
            equal if digest == "*" else {**equal, "digest": digest},
            "deliver_after, delivery_id",
            *([("digest IS NOT ?", None)] if digest == "*" else []),
        )

    def active(
        self, trigger: str | None = None, *, until: dt.datetime | None = None, tenant: str = ""
    ) -> list[Instance]:
        equal = {"tenant": tenant, "running": 1, "trigger_name": trigger}
        if until is None:
            return self._read(INSTANCE, equal, "fingerprint, period")
        return self._read(INSTANCE, equal, "fingerprint, period", ("wake <= ?", text(utc(until))))

    def silence(self, silence: Silence) -> None:
        row = stored(SILENCE, silence)
        statement = insert(self._name(SILENCE), [row]).replace("INSERT", "INSERT OR REPLACE", 1)
        self._connection.execute(statement.removesuffix(UNLESS_THERE), row)

    def silences(self, now: dt.datetime, *, tenant: str = "") -> list[Silence]:
        moment = text(utc(now))
        return self._read(
            SILENCE, {"tenant": tenant}, "since, silence_id", ("since <= ?", moment), ("until > ?", moment)
        )

    def _name(self, table: Table[Any]) -> str:
        return f'"{self._prefix}{table.name}"'

    def _add(self, table: Table[Record], found: Iterable[Record]) -> set[str]:
        """Insert what is not there; returns the keys of that. Nobody else writes between the two steps."""
        key = table.key[0]
        rows = {row[key]: row for row in reversed([stored(table, each) for each in found])}
        there = self._connection.execute(
            f"SELECT {key} FROM {self._name(table)} WHERE {key} IN (SELECT value FROM json_each(?))",
            (json.dumps([*rows]),),
        )
        for (known,) in there.fetchall():
            del rows[known]
        if rows:
            new = [*rows.values()][::-1]
            self._connection.executemany(insert(self._name(table), new), new)
        return {*rows}

    def _read(
        self,
        table: Table[Record],
        equal: Mapping[str, object],
        order: str,
        *others: tuple[str, object],
    ) -> list[Record]:
        tests = [(f"{name} = ?", value) for name, value in equal.items() if value is not None]
        where = " AND ".join(test for test, _ in (*tests, *others))
        rows = self._connection.execute(
            f"SELECT * FROM {self._name(table)} WHERE {where} ORDER BY {order}",
            [value for _, value in (*tests, *others)],
        )
        return records(table, rows)

    def _first_lost(self, wanted: Sequence[Instance]) -> Instance:
        kept = self.instances((each.fingerprint, each.period) for each in wanted)
        for each in wanted:
            found = kept.get((each.fingerprint, each.period))
            # What this transaction did save is at the next revision already.
            if found is None or found.revision != each.revision + 1:
                return each
        return wanted[0]
