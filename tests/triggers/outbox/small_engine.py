"""The smallest engine and host that use a store rightly: one trigger, whether a subject's orders reach 1,000.

The orders are the host's, in a table of its own in the same database, and known by an ordinary sum.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from crmrules.triggers.outbox import Delivery, Dirty, Instance, Occurrence, Session, Store, committed

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
TARGET = 1_000
CHANNELS = ("mail", "sms")
Total = Callable[[str], int]


def evaluate(store: Store, total: Total, most: int = 10) -> int:
    """Answer for the marked subjects; returns how many."""
    return committed(store, lambda session: answer(session, total, most), attempts=200)


def answer(session: Session, total: Total, most: int) -> int:
    marks = session.claim(most)
    for subject in dict.fromkeys(each.subject for each in marks):
        key = (f"reached {subject}", "2026-11")
        known = session.instances([key]).get(key) or Instance(*key, "reached", subject)
        reached = total(subject) >= TARGET
        if not reached:
            if known.state == "firing":
                session.save([replace(known, state="resolved")])
            continue
        if known.state != "firing":
            session.save([replace(known, state="firing")])
        occurrence = Occurrence(
            f"{subject} fire", key[0], "reached", subject, "2026-11", 0, "fire", "fired", "REACHED", "", NOON
        )  # fmt: skip
        if session.record([occurrence]):
            payload = {"about": subject}
            session.enqueue(
                Delivery(f"{subject} {channel}", occurrence.key, subject, "subject", channel, payload, NOON)
                for channel in CHANNELS
            )
    return len(marks)


def dirty(subject: str) -> Dirty:
    return Dirty(subject, "2026-11", "an order")


def state(store: Any, subject: str) -> str:
    with store.transaction() as session:
        key = (f"reached {subject}", "2026-11")
        found: dict[Any, Instance] = session.instances([key])
        return found[key].state if found else "inactive"
