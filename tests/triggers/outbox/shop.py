"""A host with a rulebook and an engine: has a subject sold for 1,000 this month?

The orders are the host's, in a table of its own in the same database; it gives them to the rulebook, which
scores them whenever the engine asks.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from crmrules import Rulebook
from crmrules.triggers import Engine, Request
from crmrules.triggers.outbox import Conflict, Dirty, Store

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
TARGET, HALF = 1_000, 500
STEPS = {"level:25": 250, "level:50": 500, "level:75": 750}
CHANNELS = ("mail", "sms")
BOOK = Rulebook.parse(
    """
zone: UTC
sources:
  orders:
    fields:
      who: {type: text, role: subject}
      day: {type: date, role: date}
      amount: money(2)
measures: {sales: sum(amount)}
models:
  people: {indicators: {sales: {target: 1000, weight: 1}}}
triggers:
  hit: {kind: reached, indicator: sales}
  steps: {kind: reached, indicator: sales, levels: [25%, 50%, 75%], announce: each}
  half:
    kind: behind
    indicator: sales
    share: 50%
    by: {day: 25}
"""
)
Orders = Callable[[Iterable[str] | None], list[tuple[str, int]]]
"""The orders of some subjects, or of all: who, and how much."""


def engine_of(store: Store, orders: Orders, batch: int = 10) -> Engine:
    """The engine of the rulebook over the orders."""

    def read(request: Request) -> Any:
        rows = [
            {"who": who, "day": "2026-11-03", "amount": amount} for who, amount in orders(request.subjects)
        ]
        return BOOK.score({"orders": rows}, model=request.model, period=request.period, now=request.as_of)

    return Engine.of(BOOK, store, read=read, channels=CHANNELS, batch=batch)


def ticked(engine: Engine, now: dt.datetime = NOON) -> int:
    """Tick, again where another transaction was there first; returns how many were evaluated."""
    for _ in range(100):
        try:
            return engine.tick(now).evaluated
        except Conflict:
            continue
    return engine.tick(now).evaluated


def dirty(subject: str) -> Dirty:
    return Dirty(subject, "2026-11", "an order")


def state(store: Any, subject: str) -> str:
    """Where the trigger stands for a subject."""
    with store.transaction() as session:
        found = {each.subject: each.state for each in session.active("hit")}
    return found.get(subject, "inactive")
