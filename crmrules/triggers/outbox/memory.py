"""A store in the memory of one process: for tests, notebooks and rules that are tried out."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, final

from crmrules.errors import CrmRulesError
from crmrules.triggers.outbox.progress import each_once, first_due, leased, saved_meanwhile, waits_no_more
from crmrules.triggers.outbox.protocol import Conflict
from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Instance, Occurrence, Silence, Status
from crmrules.triggers.outbox.tables import (
    DELIVERY,
    DIRTY,
    EVENT,
    INSTANCE,
    OCCURRENCE,
    SILENCE,
    Record,
    Table,
    running,
    utc,
)

Key = TypeVar("Key")
Value = TypeVar("Value")


def _normal(table: Table[Record], record: Record) -> Record:
    """The record as it would come back from a database: its own copy, times in UTC, all of it JSON."""
    return next(table.records([table.row(record)]))


@final
class MemoryStore:
    """Keeps everything until the process ends. Its threads take turns.

    >>> store = MemoryStore()
    >>> store.mark([Dirty("Ann", "2026-11")])
    >>> with store.transaction() as session:
    ...     [mark.subject for mark in session.claim(10)]
    ['Ann']
    """

    def __init__(self) -> None:
        self._turn = threading.RLock()
        self._inside = False
        # Marks and events have a lock of their own: a host that saves never waits for an evaluation.
        self._door = threading.Lock()
        self._dirty: list[Dirty] = []
        self._events: dict[tuple[str, str, str], Event] = {}
        self._untaken: list[Event] = []
        self.instances: dict[tuple[str, str], Instance] = {}
        self.occurrences: dict[str, Occurrence] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.silences: dict[tuple[str, str], Silence] = {}
        self.running: dict[tuple[str, str], Instance] = {}

    def mark(self, dirty: Iterable[Dirty], connection: object | None = None) -> None:
        _no_connection(connection)
        marks = [_normal(DIRTY, each) for each in dirty]
        with self._door:
            self._dirty += marks

    def publish(self, events: Iterable[Event], connection: object | None = None) -> None:
        _no_connection(connection)
        published = [_normal(EVENT, each) for each in events]
        with self._door:
            for event in published:
                key = (event.tenant, event.source, event.id)
                if key not in self._events:
                    self._events[key] = event
                    self._untaken.append(event)

    @contextmanager
    def transaction(self) -> Iterator[MemorySession]:
        with self._turn:
            if self._inside:
                raise Conflict(
                    "O101",
                    "a transaction of this store is open in this thread already",
                    hint="use the session that is open",
                )
            self._inside = True
            session = MemorySession(self)
            try:
                yield session
            except BaseException:
                session.undo()
                raise
            finally:
                self._inside = False

    def lease(
        self, channel: str, now: dt.datetime, *, seconds: float, most: int, at_most_once: bool = False
    ) -> list[Delivery]:
        moment = utc(now)
        with self._turn:
            due = [
                (each.due_at, each.id)
                for each in self.deliveries.values()
                if each.channel == channel and each.due_at is not None and each.due_at <= moment
            ]
            taken = []
            for _, id in sorted(due)[:most]:
                delivery = leased(self.deliveries[id], moment, seconds, at_most_once)
                self.deliveries[id] = delivery
                taken.append(delivery)
            return taken

    def settle(
        self, delivery: Delivery, status: Status, *, error: str = "", retry_at: dt.datetime | None = None
    ) -> bool:
        with self._turn:
            kept = self.deliveries[delivery.id]
            if status == "delivered":
                if kept.status == "delivered":
                    return False
            elif (kept.status, kept.attempts) != (delivery.status, delivery.attempts):
                return False
            self.deliveries[delivery.id] = replace(
                kept,
                status=status,
                error=error,
                leased_until=None,
                due_at=utc(retry_at or delivery.deliver_after) if status == "waiting" else None,
                attempts=kept.attempts - 1 if status == "waiting" and not error else kept.attempts,
            )
            return True


@final
class MemorySession:
    """What one transaction changes, and how to take it back."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._changed: list[tuple[MutableMapping[Any, Any], Any, Any]] = []
        self._claimed: list[Dirty] = []
        self._taken: list[Event] = []

    def undo(self) -> None:
        for kept, key, before in reversed(self._changed):
            if before is None:
                kept.pop(key, None)
            else:
                kept[key] = before
        store = self._store
        with store._door:
            store._dirty[:0] = self._claimed
            store._untaken[:0] = self._taken

    def _keep(self, kept: MutableMapping[Key, Value], key: Key, value: Value | None) -> None:
        self._changed.append((kept, key, kept.get(key)))
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value

    def claim(self, most: int, *, tenant: str = "") -> list[Dirty]:
        store = self._store
        with store._door:
            mine = [each for each in store._dirty if each.tenant == tenant][:most]
            claimed = {id(each) for each in mine}
            store._dirty = [each for each in store._dirty if id(each) not in claimed]
        self._claimed += mine
        return each_once(mine)

    def events(self, most: int, *, tenant: str = "") -> list[Event]:
        store = self._store
        with store._door:
            mine = [each for each in store._untaken if each.tenant == tenant][:most]
            taken = {id(each) for each in mine}
            store._untaken = [each for each in store._untaken if id(each) not in taken]
        self._taken += mine
        return mine

    def lock(self, subjects: Iterable[str], *, tenant: str = "") -> None:
        """Transactions take turns here, so every subject is locked from the beginning."""

    def instances(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Instance]:
        kept = self._store.instances
        return {key: kept[key] for key in keys if key in kept}

    def save(self, instances: Iterable[Instance]) -> None:
        store = self._store
        for instance in instances:
            key = (instance.fingerprint, instance.period)
            before = store.instances.get(key)
            if (before.revision if before else 0) != instance.revision:
                raise saved_meanwhile(instance)
            after = _normal(INSTANCE, replace(instance, revision=instance.revision + 1))
            self._keep(store.instances, key, after)
            self._keep(store.running, key, after if running(after) else None)

    def record(self, occurrences: Iterable[Occurrence]) -> set[str]:
        new = set()
        for each in occurrences:
            if each.key not in self._store.occurrences:
                self._keep(self._store.occurrences, each.key, _normal(OCCURRENCE, each))
                new.add(each.key)
        return new

    def enqueue(self, deliveries: Iterable[Delivery]) -> int:
        new = 0
        for each in deliveries:
            if each.id not in self._store.deliveries:
                due = replace(each, due_at=first_due(each))
                self._keep(self._store.deliveries, each.id, _normal(DELIVERY, due))
                new += 1
        return new

    def withdraw(self, occurrence: str, reason: str) -> list[Delivery]:
        kept = self._store.deliveries
        for each in self.deliveries(occurrence=occurrence, tenant=None):
            if each.status == "waiting":
                self._keep(kept, each.id, replace(each, status="withdrawn", error=reason, due_at=None))
        return self.deliveries(occurrence=occurrence, tenant=None)

    def seal(self, members: Iterable[str], envelope: Delivery) -> bool:
        kept = self._store.deliveries
        if not self.enqueue([envelope]):
            return False
        for id in dict.fromkeys(members):
            if id not in kept or kept[id].status != "waiting":
                raise waits_no_more(id)
            self._keep(kept, id, replace(kept[id], status="collected", due_at=None))
        return True

    def occurrences(
        self,
        *,
        subject: str | None = None,
        trigger: str | None = None,
        period: str | None = None,
        keys: Sequence[str] | None = None,
        since: dt.datetime | None = None,
        tenant: str | None = "",
    ) -> list[Occurrence]:
        kept = self._store.occurrences
        wanted = kept.values() if keys is None else [kept[key] for key in dict.fromkeys(keys) if key in kept]
        return sorted(
            (
                each
                for each in wanted
                if subject in (None, each.subject)
                and trigger in (None, each.trigger)
                and period in (None, each.period)
                and tenant in (None, each.tenant)
                and (since is None or each.evaluated_at >= since)
            ),
            key=lambda each: (each.evaluated_at, each.subject, each.key),
        )

    def deliveries(
        self,
        *,
        occurrence: str | None = None,
        status: Status | None = None,
        recipient: str | None = None,
        digest: str | None = None,
        tenant: str | None = "",
    ) -> list[Delivery]:
        return sorted(
            (
                each
                for each in self._store.deliveries.values()
                if occurrence in (None, each.occurrence)
                and status in (None, each.status)
                and recipient in (None, each.recipient)
                and tenant in (None, each.tenant)
                and (digest in (None, each.digest) or (digest == "*" and each.digest is not None))
            ),
            key=lambda each: (each.deliver_after, each.id),
        )

    def active(
        self, trigger: str | None = None, *, until: dt.datetime | None = None, tenant: str = ""
    ) -> list[Instance]:
        return sorted(
            (
                each
                for each in self._store.running.values()
                if trigger in (None, each.trigger)
                and each.tenant == tenant
                and (until is None or (each.wake is not None and each.wake <= until))
            ),
            key=lambda each: (each.fingerprint, each.period),
        )

    def silence(self, silence: Silence) -> None:
        kept = _normal(SILENCE, silence)
        self._keep(self._store.silences, (kept.tenant, kept.id), kept)

    def silences(self, now: dt.datetime, *, tenant: str = "") -> list[Silence]:
        return sorted(
            (
                each
                for each in self._store.silences.values()
                if each.tenant == tenant and each.since <= now < each.until
            ),
            key=lambda each: (each.since, each.id),
        )


def _no_connection(connection: object | None) -> None:
    if connection is not None:
        raise CrmRulesError(
            "O104",
            "a store in memory is part of no transaction",
            hint="leave out the connection, or use SqliteStore or DatabaseStore",
        )
