"""Where reminders are kept until they are delivered: states, occurrences, deliveries."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmrules.triggers.outbox.database import DatabaseStore
    from crmrules.triggers.outbox.database_tables import metadata
    from crmrules.triggers.outbox.memory import MemoryStore
    from crmrules.triggers.outbox.protocol import Conflict, Session, Store, committed
    from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Instance, Occurrence, Silence
    from crmrules.triggers.outbox.relay import Refused, Relay, Retry, Round, Sender
    from crmrules.triggers.outbox.sqlite import SqliteStore

_HOMES = {
    "Conflict": "protocol",
    "DatabaseStore": "database",
    "Delivery": "records",
    "Dirty": "records",
    "Event": "records",
    "Instance": "records",
    "MemoryStore": "memory",
    "Occurrence": "records",
    "Refused": "relay",
    "Relay": "relay",
    "Retry": "relay",
    "Round": "relay",
    "Sender": "relay",
    "Session": "protocol",
    "Silence": "records",
    "SqliteStore": "sqlite",
    "Store": "protocol",
    "committed": "protocol",
    "metadata": "database_tables",
}

__all__ = [
    "Conflict",
    "DatabaseStore",
    "Delivery",
    "Dirty",
    "Event",
    "Instance",
    "MemoryStore",
    "Occurrence",
    "Refused",
    "Relay",
    "Retry",
    "Round",
    "Sender",
    "Session",
    "Silence",
    "SqliteStore",
    "Store",
    "committed",
    "metadata",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
