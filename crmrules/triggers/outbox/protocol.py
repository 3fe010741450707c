"""What a store has to do, so that a reminder is neither lost nor repeated.

Three transactions: the host marks a subject dirty in its own (`mark`); the engine evaluates in a short one
after that is committed (`transaction`); a relay leases, sends and confirms, each in one of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from crmrules.triggers.outbox.records import Delivery, Dirty, Instance, Occurrence, Status


class Session(Protocol):
    """One short transaction of the engine: all of it becomes durable, or nothing."""

    def claim(self, most: int) -> list[Dirty]:
        """Marked subjects, each pair once; they are gone when the transaction commits, and stay otherwise.

        Two sessions at once never claim the same mark.
        """
        ...

    def instances(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Instance]:
        """The instances by fingerprint and period, their rows locked until the transaction ends.

        Where there is none yet, its key is locked (a row is made), so that a second session waits.
        """
        ...

    def save(self, instances: Iterable[Instance]) -> None:
        """Keep instances as they are now. Raises Conflict where another session has saved one meanwhile."""
        ...

    def record(self, occurrences: Iterable[Occurrence]) -> set[str]:
        """Keep occurrences; returns the keys of those that are new. What is there already stays as it is."""
        ...

    def enqueue(self, deliveries: Iterable[Delivery]) -> int:
        """Keep deliveries; those whose id is there already stay as they are. Returns how many are new."""
        ...

    def withdraw(self, occurrence: str, reason: str) -> list[Delivery]:
        """Withdraw what no relay has taken yet; returns all deliveries of the occurrence as they are now."""
        ...

    def occurrences(
        self,
        *,
        subject: str | None = None,
        trigger: str | None = None,
        period: str | None = None,
        keys: Sequence[str] | None = None,
        since: dt.datetime | None = None,
    ) -> list[Occurrence]:
        """What happened, oldest first."""
        ...

    def deliveries(
        self, *, occurrence: str | None = None, status: Status | None = None, recipient: str | None = None
    ) -> list[Delivery]:
        """Deliveries, oldest first."""
        ...

    def active(self, trigger: str | None = None) -> list[Instance]:
        """The instances that are pending, firing or recovering, or wait for a time (`data["wake"]`)."""
        ...


class Store(Protocol):
    """Where states, occurrences and deliveries are kept."""

    def mark(self, dirty: Iterable[Dirty], connection: object | None = None) -> None:
        """Mark subjects dirty: one statement, in the host's transaction where `connection` is the host's."""
        ...

    def transaction(self) -> AbstractContextManager[Session]:
        """A transaction that commits at the end, and rolls back on an exception."""
        ...

    def lease(
        self, channel: str, now: dt.datetime, *, seconds: float, most: int, at_most_once: bool = False
    ) -> list[Delivery]:
        """Deliveries whose time has come, leased to the caller; nobody else gets them until the lease ends.

        at_most_once: they count as delivered from now on, so that none is sent twice, and one may be lost.
        """
        ...

    def settle(
        self, delivery: str, status: Status, *, error: str = "", retry_at: dt.datetime | None = None
    ) -> None:
        """What became of a leased delivery: delivered, failed, or waiting again until `retry_at`."""
        ...
