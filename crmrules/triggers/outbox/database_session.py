"""One transaction of the engine in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, final

from crmrules.triggers.outbox.database_tables import MYSQL, sa
from crmrules.triggers.outbox.progress import each_once, first_due, saved_meanwhile, waits_no_more
from crmrules.triggers.outbox.protocol import Conflict
from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Instance, Occurrence, Silence, Status
from crmrules.triggers.outbox.tables import (
    DELIVERY,
    DIRTY,
    EVENT,
    INSTANCE,
    LOCKED,
    OCCURRENCE,
    SILENCE,
    Record,
    Row,
    Table,
    running,
    utc,
)

_AT_ONCE = 1_000
"""Values in one statement; drivers have limits."""


@final
class Tables:
    """SQLAlchemy's tables, by those that they were made from."""

    def __init__(self, metadata: sa.MetaData, prefix: str) -> None:
        self._tables = metadata.tables
        self._prefix = prefix

    def __getitem__(self, table: Table[Any]) -> sa.Table:
        return self._tables[f"{self._prefix}{table.name}"]


@final
class DatabaseSession:
    """One transaction, on a connection of the engine's own."""

    def __init__(self, connection: sa.Connection, tables: Tables) -> None:
        self._connection = connection
        self._tables = tables
        self._dialect = connection.dialect.name

    def claim(self, most: int, *, tenant: str = "") -> list[Dirty]:
        table = self._tables[DIRTY]
        rows = self._take(table, [table.c.tenant == tenant], table.c.mark_id, most)
        for numbers in parts([row["mark_id"] for row in rows]):
            self._connection.execute(table.delete().where(table.c.mark_id.in_(numbers)))
        marks = each_once(DIRTY.records(rows))
        self.lock((each.subject for each in marks), tenant=tenant)
        return marks

    def events(self, most: int, *, tenant: str = "") -> list[Event]:
        table = self._tables[EVENT]
        rows = self._take(table, [table.c.tenant == tenant, table.c.taken == 0], table.c.event_number, most)
        for numbers in parts([row["event_number"] for row in rows]):
            self._connection.execute(table.update().where(table.c.event_number.in_(numbers)).values(taken=1))
        return [*EVENT.records(rows)]

    def lock(self, subjects: Iterable[str], *, tenant: str = "") -> None:
        if self._dialect == "sqlite":
            return  # nobody else writes until the transaction ends
        table = self._tables[LOCKED]
        for wanted in parts(sorted({*subjects})):
            there = self._lock_rows(table, tenant, wanted)
            if missing := [each for each in wanted if each not in there]:
                rows = [{"tenant": tenant, "subject": each} for each in missing]
                self._connection.execute(unless_there(table, self._dialect), rows)
                self._lock_rows(table, tenant, missing)

    def instances(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Instance]:
        table = self._tables[INSTANCE]
        wanted = {*keys}
        periods = {period for _, period in wanted}
        found: dict[tuple[str, str], Instance] = {}
        for prints in parts(sorted({fingerprint for fingerprint, _ in wanted})):
            select = sa.select(table).where(table.c.fingerprint.in_(prints))
            if len(periods) <= _AT_ONCE:
                select = select.where(table.c.period.in_(periods))
            for each in INSTANCE.records(self._connection.execute(select).mappings()):
                if (key := (each.fingerprint, each.period)) in wanted:
                    found[key] = each
        return found

    def save(self, instances: Iterable[Instance]) -> None:
        table = self._tables[INSTANCE]
        new, old = [], []
        for each in instances:
            raised = replace(each, revision=each.revision + 1)
            row = {**INSTANCE.row(raised), "running": int(running(each))}
            if each.revision == 0:
                new.append(row)
            else:
                old.append(
                    {
                        **row,
                        **{f"its_{name}": row[name] for name in INSTANCE.key},
                        "its_revision": each.revision,
                    }
                )
        if new:
            try:
                self._connection.execute(table.insert(), new)
            except sa.exc.IntegrityError:
                raise saved_meanwhile(next(INSTANCE.records(new[:1]))) from None
        if not old:
            return
        change = table.update().where(
            table.c.fingerprint == sa.bindparam("its_fingerprint"),
            table.c.period == sa.bindparam("its_period"),
            table.c.revision == sa.bindparam("its_revision"),
        )
        if self._connection.dialect.supports_sane_multi_rowcount:
            if self._connection.execute(change, old).rowcount != len(old):
                raise saved_meanwhile(next(INSTANCE.records(old[:1])))
            return
        for row in old:
            if self._connection.execute(change, row).rowcount != 1:
                raise saved_meanwhile(next(INSTANCE.records([row])))

    def record(self, occurrences: Iterable[Occurrence]) -> set[str]:
        return self._add(OCCURRENCE, occurrences)

    def enqueue(self, deliveries: Iterable[Delivery]) -> int:
        return len(self._add(DELIVERY, (replace(each, due_at=first_due(each)) for each in deliveries)))

    def withdraw(self, occurrence: str, reason: str) -> list[Delivery]:
        table = self._tables[DELIVERY]
        self._connection.execute(
            table.update()
            .where(table.c.occurrence_key == occurrence, table.c.status == "waiting")
            .values(status="withdrawn", error=reason, due_at=None)
        )
        return self._deliveries(table.c.occurrence_key == occurrence)

    def seal(self, members: Iterable[str], envelope: Delivery) -> bool:
        if not self.enqueue([envelope]):
            return False
        table = self._tables[DELIVERY]
        wanted = [*dict.fromkeys(members)]
        for some in parts(wanted):
            changed = self._connection.execute(
                table.update()
                .where(table.c.delivery_id.in_(some), table.c.status == "waiting")
                .values(status="collected", due_at=None)
            )
            if changed.rowcount != len(some):
                raise waits_no_more(f"of the digest {envelope.digest or envelope.id}")
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
        table = self._tables[OCCURRENCE]
        its = table.c
        equal = {its.subject: subject, its.trigger_name: trigger, its.period: period, its.tenant: tenant}
        select = sa.select(table).where(*(name == each for name, each in equal.items() if each is not None))
        if since is not None:
            select = select.where(its.evaluated_at >= utc(since))
        selects = [select]
        if keys is not None:
            selects = [select.where(its.occurrence_key.in_(some)) for some in parts([*dict.fromkeys(keys)])]
        rows = [row for each in selects for row in self._connection.execute(each).mappings()]
        found = OCCURRENCE.records(rows)
        return sorted(found, key=lambda each: (each.evaluated_at, each.subject, each.key))

    def deliveries(
        self,
        *,
        occurrence: str | None = None,
        status: Status | None = None,
        recipient: str | None = None,
        digest: str | None = None,
        tenant: str = "",
    ) -> list[Delivery]:
        its = self._tables[DELIVERY].c
        equal = {
            its.occurrence_key: occurrence,
            its.status: status,
            its.recipient: recipient,
            its.digest: None if digest == "*" else digest,
            its.tenant: tenant,
        }
        tests = [name == each for name, each in equal.items() if each is not None]
        return self._deliveries(*tests, *([its.digest.is_not(None)] if digest == "*" else []))

    def active(
        self, trigger: str | None = None, *, until: dt.datetime | None = None, tenant: str = ""
    ) -> list[Instance]:
        table = self._tables[INSTANCE]
        select = sa.select(table).where(table.c.tenant == tenant, table.c.running == 1)
        if trigger is not None:
            select = select.where(table.c.trigger_name == trigger)
        if until is not None:
            select = select.where(table.c.wake <= utc(until))
        found = INSTANCE.records(self._connection.execute(select).mappings())
        return sorted(found, key=lambda each: (each.fingerprint, each.period))

    def silence(self, silence: Silence) -> None:
        table = self._tables[SILENCE]
        row = SILENCE.row(silence)
        self._connection.execute(table.delete().where(*(table.c[name] == row[name] for name in SILENCE.key)))
        self._connection.execute(table.insert(), row)

    def silences(self, now: dt.datetime, *, tenant: str = "") -> list[Silence]:
        table = self._tables[SILENCE]
        its = table.c
        held = sa.select(table).where(its.tenant == tenant, its.since <= utc(now), its.until > utc(now))
        found = SILENCE.records(self._connection.execute(held).mappings())
        return sorted(found, key=lambda each: (each.since, each.id))

    def _take(
        self, table: sa.Table, tests: list[sa.ColumnElement[bool]], number: sa.Column[Any], most: int
    ) -> Sequence[sa.RowMapping]:
        """Rows in their order that nobody else is taking, and that nobody else can take now."""
        select = sa.select(table).where(*tests).order_by(number).limit(most).with_for_update(skip_locked=True)
        return self._connection.execute(select).mappings().all()

    def _lock_rows(self, table: sa.Table, tenant: str, subjects: Sequence[str]) -> set[str]:
        # All sessions lock in the order of the names, so that two of them never wait for each other.
        select = (
            sa.select(table.c.subject)
            .where(table.c.tenant == tenant, table.c.subject.in_(subjects))
            .order_by(table.c.subject)
            .with_for_update()
        )
        return {*self._connection.execute(select).scalars()}

    def _deliveries(self, *tests: sa.ColumnElement[bool]) -> list[Delivery]:
        table = self._tables[DELIVERY]
        found = DELIVERY.records(self._connection.execute(sa.select(table).where(*tests)).mappings())
        return sorted(found, key=lambda each: (each.deliver_after, each.id))

    def _add(self, table: Table[Record], records: Iterable[Record]) -> set[str]:
        """Insert what is not there; returns the keys of that."""
        made = self._tables[table]
        name = table.key[0]
        rows: dict[str, Row] = {}
        for row in table.rows(records):
            rows.setdefault(row[name], row)
        if not rows:
            return set()
        if self._dialect not in MYSQL:
            insert = unless_there(made, self._dialect).returning(made.c[name])
            return {*self._connection.execute(insert, [*rows.values()]).scalars()}
        for _ in range(3):
            for some in parts([*rows]):
                there = self._connection.execute(sa.select(made.c[name]).where(made.c[name].in_(some)))
                for known in there.scalars().all():
                    del rows[known]
            if not rows:
                return set()
            try:
                with self._connection.begin_nested():
                    self._connection.execute(made.insert(), [*rows.values()])
            except sa.exc.IntegrityError:
                continue  # another session has just kept some of them
            return {*rows}
        raise Conflict("O101", f"others kept the same {table.name}s at the same time", hint="run it again")


def unless_there(table: sa.Table, dialect: str) -> Any:
    """An insert that leaves a row with the same key as it is."""
    if dialect in MYSQL:
        from sqlalchemy.dialects import mysql

        key = next(iter(table.primary_key))
        # INSERT IGNORE would pass over other mistakes, too, such as a text that is cut.
        return mysql.insert(table).on_duplicate_key_update({key.name: key})
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values, so many at a time as a statement takes."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
