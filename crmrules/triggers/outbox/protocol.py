"""What a store has to do, so that a reminder is neither lost nor repeated.

Three transactions: the host marks a subject dirty in its own (`mark`); the engine evaluates in a short one
after that is committed (`transaction`); a relay leases, sends and confirms, each in one of its own.

In the engine's transaction the order matters: first `claim` and `lock`, then read states and figures, then
save. Who locks a subject first finishes first, so the last evaluation always sees the last figures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, final

from crmrules.errors import CrmRulesError
from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Instance, Occurrence, Silence, Status

Answer = TypeVar("Answer")


@final
class Conflict(CrmRulesError):
    """Another transaction was there first; nothing of this one was kept, and it can be run again."""


class Session(Protocol):
    """One short transaction of the engine: all of it becomes durable, or nothing.

    tenant: whose rows are meant; the same tables can serve several tenants.
    """

    def claim(self, most: int, *, tenant: str = "") -> list[Dirty]:
        """Marked subjects, each pair once, and their subjects locked (`lock`).

        The marks are gone when the transaction commits, and stay otherwise. Two sessions at once never
        claim the same mark.
        """
        ...

    def events(self, most: int, *, tenant: str = "") -> list[Event]:
        """Published events that nobody has taken yet, oldest first; taken when the transaction commits."""
        ...

    def lock(self, subjects: Iterable[str], *, tenant: str = "") -> None:
        """Let every other session that locks one of these subjects wait until this transaction ends.

        Figures and states of a subject are read after its lock, or they may be older than what another
        session has already answered for.
        """
        ...

    def instances(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Instance]:
        """The instances by fingerprint and period; one that was never saved is not among them."""
        ...

    def save(self, instances: Iterable[Instance]) -> None:
        """Keep instances as they are now, with the revision that they were read with (0: there was none).

        Raises Conflict (O101) where another session has saved one meanwhile.
        """
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

    def seal(self, members: Iterable[str], envelope: Delivery) -> bool:
        """Put waiting deliveries of a digest into one: they become `collected`, the envelope is kept.

        Returns False, and changes nothing, where the envelope is there already. Raises Conflict (O101)
        where a member waits no more.
        """
        ...

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
        """What happened, oldest first. since: evaluated then or later."""
        ...

    def deliveries(
        self,
        *,
        occurrence: str | None = None,
        status: Status | None = None,
        recipient: str | None = None,
        digest: str | None = None,
        tenant: str = "",
    ) -> list[Delivery]:
        """Deliveries, in the order of `deliver_after`. digest: of this window, or of any where it is "*"."""
        ...

    def active(
        self, trigger: str | None = None, *, until: dt.datetime | None = None, tenant: str = ""
    ) -> list[Instance]:
        """The instances that are pending, firing or recovering, or wait for a time (`wake`).

        until: only those whose time to be looked at again has come by then.
        """
        ...

    def silence(self, silence: Silence) -> None:
        """Keep a silence; one with the same id is replaced."""
        ...

    def silences(self, now: dt.datetime, *, tenant: str = "") -> list[Silence]:
        """The silences that hold now: from `since` on, and before `until`."""
        ...


class Store(Protocol):
    """Where states, occurrences and deliveries are kept."""

    def mark(self, dirty: Iterable[Dirty], connection: object | None = None) -> None:
        """Mark subjects dirty: one statement, in the host's transaction where `connection` is the host's."""
        ...

    def publish(self, events: Iterable[Event], connection: object | None = None) -> None:
        """Keep events for the engine, in the host's transaction; one that is known already stays as it is."""
        ...

    def transaction(self) -> AbstractContextManager[Session]:
        """A transaction that commits at the end, and rolls back on an exception.

        Raises Conflict (O101) where the database gave way to another transaction.
        """
        ...

    def lease(
        self, channel: str, now: dt.datetime, *, seconds: float, most: int, at_most_once: bool = False
    ) -> list[Delivery]:
        """Deliveries whose time has come, leased to the caller; nobody else gets them until the lease ends.

        Those that expired before they could be sent are settled as `expired`, and returned as that.
        at_most_once: they count as delivered from now on, so that none is sent twice, and one may be lost.
        """
        ...

    def settle(
        self, delivery: Delivery, status: Status, *, error: str = "", retry_at: dt.datetime | None = None
    ) -> bool:
        """What became of a leased delivery: delivered, failed, withdrawn, or waiting until `retry_at`.

        delivery: as `lease` gave it. Returns False, and changes nothing, where the lease has passed to
        another; what was delivered is delivered all the same. Waiting without an error is given back
        unsent, and counts as no attempt.
        """
        ...


def committed(store: Store, work: Callable[[Session], Answer], *, attempts: int = 5) -> Answer:
    """Run `work` in a transaction, from its beginning again where another transaction was there first.

    work: changes nothing but the session. Raises the last Conflict (O101) after so many attempts.
    """
    for _ in range(attempts - 1):
        try:
            with store.transaction() as session:
                return work(session)
        except Conflict:
            continue
    with store.transaction() as session:
        return work(session)
