"""How marks and deliveries move on; the same in every store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from crmrules.triggers.outbox.protocol import Conflict
from crmrules.triggers.outbox.records import Delivery, Dirty, Instance


def each_once(marks: Iterable[Dirty]) -> list[Dirty]:
    """Each pair of subject and period once, with its first cause."""
    found: dict[tuple[str, str, str], Dirty] = {}
    for each in marks:
        found.setdefault((each.tenant, each.subject, each.period), each)
    return [*found.values()]


def first_due(delivery: Delivery) -> dt.datetime | None:
    """When a relay takes a new delivery: not one that a digest collects, or that is settled already."""
    return delivery.deliver_after if delivery.status == "waiting" and delivery.digest is None else None


def leased(delivery: Delivery, now: dt.datetime, seconds: float, at_most_once: bool) -> Delivery:
    """A delivery whose time has come, as `lease` hands it over: leased, delivered, or expired."""
    if delivery.expires_at is not None and delivery.expires_at <= now:
        return replace(delivery, status="expired", leased_until=None, due_at=None)
    attempts = delivery.attempts + 1
    if at_most_once:
        return replace(delivery, status="delivered", attempts=attempts, leased_until=None, due_at=None)
    until = now + dt.timedelta(seconds=seconds)
    return replace(delivery, status="leased", attempts=attempts, leased_until=until, due_at=until)


def saved_meanwhile(instance: Instance) -> Conflict:
    return Conflict(
        "O101",
        f"another transaction has saved the state of {instance.trigger} for {instance.subject} meanwhile",
        hint="run the transaction again: committed(store, work)",
    )


def waits_no_more(delivery: str) -> Conflict:
    return Conflict("O101", f"the delivery {delivery} waits no more", hint="collect the digest again")
