"""The tables of a store, said once for every database, and the way between their rows and the records."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, final

from crmrules.errors import CrmRulesError, shown
from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Instance, Occurrence, Silence

VERSION = 1
"""Of the tables, as `crm_schema` holds it; a change of a table raises it and adds to `MIGRATIONS`."""

MIGRATIONS: Mapping[int, tuple[str, ...]] = {}
"""Statements that bring tables from the version before to this one, with {prefix} before each name."""

PREFIX = "crm_"
RUNNING = frozenset({"pending", "firing", "recovering"})

Kind = Literal["text", "long", "json", "moment", "number", "flag", "serial"]
Row = dict[str, Any]
Record = TypeVar("Record")


@final
@dataclass(frozen=True, slots=True)
class Column:
    """A column: `field` is the record's, empty where the store keeps it for itself.

    text: up to `length` characters. long: any length. json: canonical JSON. moment: in UTC, to the
    microsecond. serial: a number that the database counts up.
    """

    name: str
    kind: Kind
    field: str = ""
    length: int = 0
    null: bool = False


@final
@dataclass(frozen=True, slots=True)
class Table(Generic[Record]):
    """A table without its prefix; `key` are the columns of the primary key."""

    name: str
    record: Callable[..., Record]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()

    def rows(self, records: Iterable[Record]) -> list[Row]:
        """Rows as they are kept; raises CrmRulesError (O103) for a value that cannot be kept unchanged."""
        return [self.row(record) for record in records]

    def row(self, record: Record) -> Row:
        """The row of one record."""
        return {
            each.name: _kept(each, getattr(record, each.field), self.name)
            for each in self.columns
            if each.field
        }

    def records(self, rows: Iterable[Any]) -> Iterator[Record]:
        """The records of rows by column, whose moments are in UTC already."""
        fields = [(each.name, each.field, each.kind) for each in self.columns if each.field]
        for row in rows:
            yield self.record(
                **{
                    field: json.loads(row[name])
                    if kind == "json"
                    else bool(row[name])
                    if kind == "flag"
                    else row[name]
                    for name, field, kind in fields
                }
            )


def utc(moment: dt.datetime) -> dt.datetime:
    """The moment in UTC; raises CrmRulesError (O103) for one without a zone."""
    if moment.tzinfo is None:
        raise CrmRulesError(
            "O103",
            f"the time {shown(moment)} has no zone, so it is no certain moment",
            hint="give it one: moment.replace(tzinfo=ZoneInfo('Europe/Riga')), or datetime.now(UTC)",
        )
    return moment.astimezone(dt.UTC)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: object) -> str:
    """JSON with one spelling for one value; raises CrmRulesError (O103) for what JSON cannot hold."""
    try:
        return _CANONICAL.encode(dict(value) if isinstance(value, Mapping) else value)
    except (TypeError, ValueError) as error:
        raise CrmRulesError(
            "O103", f"JSON cannot hold this: {error}", hint="write figures and times as texts"
        ) from None


def _kept(column: Column, value: Any, table: str) -> Any:
    if value is None:
        return None
    match column.kind:
        case "json":
            return canonical(value)
        case "moment":
            return utc(value)
        case "text" | "long" if _unwritable(value):
            raise CrmRulesError(
                "O103",
                f"{column.field} of {table} is {shown(value)}, which not every database can keep",
                hint="leave out NUL and halves of characters",
            )
        case "text" if len(value) > column.length:
            raise CrmRulesError(
                "O103",
                f"{column.field} of {table} is {shown(value)}, and longer than {column.length} characters",
                hint="shorten it where it is declared; a cut one would be another",
            )
        case "flag":
            return int(value)
        case _:
            return value


def _unwritable(text: str) -> bool:
    if text.isascii():
        return "\0" in text
    try:
        return b"\0" in text.encode()
    except UnicodeEncodeError:
        return True


def _tenant() -> Column:
    return Column("tenant", "text", "tenant", 64)


def _subject() -> Column:
    return Column("subject", "text", "subject", 255)


def _trigger() -> Column:
    return Column("trigger_name", "text", "trigger", 255)


def _period() -> Column:
    return Column("period", "text", "period", 64)


DIRTY = Table(
    "dirty",
    Dirty,
    (
        Column("mark_id", "serial"),
        _tenant(),
        _subject(),
        _period(),
        Column("cause", "long", "cause"),
    ),
    ("mark_id",),
    indexes=(("tenant", "mark_id"),),
)

EVENT = Table(
    "event",
    Event,
    (
        Column("event_number", "serial"),
        _tenant(),
        Column("event_source", "text", "source", 255),
        Column("event_id", "text", "id", 255),
        Column("event_type", "text", "type", 255),
        _subject(),
        Column("happened_at", "moment", "time"),
        Column("record_before", "json", "before"),
        Column("record_after", "json", "after"),
        Column("taken", "flag"),
    ),
    ("event_number",),
    unique=("tenant", "event_source", "event_id"),
    indexes=(("tenant", "taken", "event_number"),),
)

INSTANCE = Table(
    "instance",
    Instance,
    (
        Column("fingerprint", "text", "fingerprint", 64),
        _period(),
        _tenant(),
        _trigger(),
        _subject(),
        Column("state", "text", "state", 16),
        Column("episode", "number", "episode"),
        Column("since", "moment", "since", null=True),
        Column("fired_at", "moment", "fired_at", null=True),
        Column("acknowledged", "text", "acknowledged", 255, null=True),
        Column("wake", "moment", "wake", null=True),
        Column("data", "json", "data"),
        Column("revision", "number", "revision"),
        Column("running", "flag"),
    ),
    ("fingerprint", "period"),
    indexes=(("tenant", "running", "trigger_name"), ("tenant", "wake")),
)

OCCURRENCE = Table(
    "occurrence",
    Occurrence,
    (
        Column("occurrence_key", "text", "key", 64),
        Column("fingerprint", "text", "fingerprint", 64),
        _tenant(),
        _trigger(),
        _subject(),
        _period(),
        Column("episode", "number", "episode"),
        Column("step", "text", "step", 128),
        Column("outcome", "text", "outcome", 32),
        Column("code", "text", "code", 64),
        Column("reason", "long", "reason"),
        Column("evaluated_at", "moment", "evaluated_at"),
        Column("scheduled_at", "moment", "scheduled_at", null=True),
        Column("basis", "json", "basis"),
        Column("caused_by", "text", "caused_by", 64, null=True),
    ),
    ("occurrence_key",),
    indexes=(("tenant", "subject", "evaluated_at"), ("tenant", "trigger_name", "period")),
)

DELIVERY = Table(
    "delivery",
    Delivery,
    (
        Column("delivery_id", "text", "id", 255),
        Column("occurrence_key", "text", "occurrence", 64),
        _tenant(),
        Column("recipient", "text", "recipient", 255),
        Column("recipient_role", "text", "role", 255),
        Column("channel", "text", "channel", 64),
        Column("payload", "json", "payload"),
        Column("status", "text", "status", 16),
        Column("deliver_after", "moment", "deliver_after"),
        Column("expires_at", "moment", "expires_at", null=True),
        Column("leased_until", "moment", "leased_until", null=True),
        Column("due_at", "moment", "due_at", null=True),
        Column("attempts", "number", "attempts"),
        Column("error", "long", "error"),
        Column("release_check", "flag", "release_check"),
        Column("digest", "text", "digest", 255, null=True),
    ),
    ("delivery_id",),
    indexes=(("channel", "due_at"), ("occurrence_key",), ("tenant", "recipient"), ("tenant", "digest")),
)

SILENCE = Table(
    "silence",
    Silence,
    (
        Column("silence_id", "text", "id", 255),
        _tenant(),
        Column("since", "moment", "since"),
        Column("until", "moment", "until"),
        _trigger(),
        _subject(),
        Column("set_by", "text", "by", 255),
        Column("reason", "long", "reason"),
    ),
    ("tenant", "silence_id"),
)

TABLES: tuple[Table[Any], ...] = (DIRTY, EVENT, INSTANCE, OCCURRENCE, DELIVERY, SILENCE)

LOCKED: Table[Any] = Table(
    "subject",
    dict,
    (Column("tenant", "text", "", 64), Column("subject", "text", "", 255)),
    ("tenant", "subject"),
)
"""Its rows are locked in place of a subject's states, which may not exist yet."""

SCHEMA: Table[Any] = Table("schema", dict, (Column("version", "number"),), ("version",))


def running(instance: Instance) -> bool:
    """Whether an instance has to be looked at again without anything being marked."""
    return instance.state in RUNNING or instance.wake is not None


def checked_prefix(prefix: str) -> str:
    """The prefix; raises CrmRulesError (O103) where a name cannot begin with it."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,30}", prefix):
        raise CrmRulesError(
            "O103",
            f"the tables' names cannot begin with {shown(prefix)}",
            hint="write up to 31 small letters, digits and _, such as crm_",
        )
    return prefix


def index_name(prefix: str, table: Table[Any], columns: tuple[str, ...]) -> str:
    return f"{prefix}{table.name}_{columns[0]}_{columns[-1]}"


def migration(version: int, prefix: str) -> list[str]:
    """The statements that bring tables to today's version; raises CrmRulesError (O102) for newer ones."""
    if version > VERSION:
        raise wrong_version(version, prefix)
    steps = range(version + 1, VERSION + 1)
    raise_version = f"UPDATE {prefix}schema SET version = {VERSION}"
    return [each.format(prefix=prefix) for step in steps for each in MIGRATIONS[step]] + [raise_version]


def wrong_version(version: int | None, prefix: str) -> CrmRulesError:
    """What is wrong with the tables of a database."""
    if version is None:
        return CrmRulesError(
            "O102",
            f"the database has no tables {prefix}…",
            hint="make them once: store.create_schema(), or crmrules outbox init --url …",
        )
    if version > VERSION:
        return CrmRulesError(
            "O102",
            f"the tables {prefix}… are of version {version}, and this release knows up to {VERSION}",
            hint="use the release of crmrules that made them, or a newer one",
        )
    return CrmRulesError(
        "O102",
        f"the tables {prefix}… are of version {version}, and this release needs {VERSION}",
        hint="bring them up: store.create_schema(), or crmrules outbox init --url …",
    )
