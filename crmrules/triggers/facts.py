"""The host's records beside a card, as triggers read them: of one subject, up to a moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import final

from crmrules.binding import bind_table
from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.fields import BadRow, Source
from crmrules.money import amount
from crmrules.types import Scalar

Value = str | float | bool | Decimal | dt.date | None
SUBJECT = "subject"


@final
class Record(Mapping[str, Value]):
    """A record that cannot be changed: its fields by name, and where and when it was. Money is a Decimal.

    source: of which declared source. id: the field with the role `id`, or its position in the table.
    day: the field with the role `date`, None without one.
    """

    __slots__ = ("_fields", "day", "id", "source")

    def __init__(self, source: str, id: object, day: dt.date | None, fields: Mapping[str, Value]) -> None:
        for name, value in (("source", source), ("id", id), ("day", day), ("_fields", dict(fields))):
            object.__setattr__(self, name, value)

    source: str
    id: object
    day: dt.date | None
    _fields: dict[str, Value]

    def __getitem__(self, name: str) -> Value:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("a record cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise TypeError("a record cannot be changed")

    def __hash__(self) -> int:
        return hash((self.source, self.id))

    def __reduce__(self) -> tuple[object, ...]:
        return Record, (self.source, self.id, self.day, self._fields)

    def __repr__(self) -> str:
        return f"Record({self.source!r}, {self.id!r}, {self.day!r}, {self._fields!r})"

    def with_fields(self, **changed: Value) -> Record:
        """The same record with other values."""
        return Record(self.source, self.id, self.day, {**self._fields, **changed})


@final
@dataclass(frozen=True, slots=True)
class SourceRecords:
    """What a table holds of one source: its declaration, its records in order, the rows set aside."""

    source: Source
    records: tuple[Record, ...]
    quarantined: tuple[BadRow, ...] = ()


@final
class Facts:
    """The records of declared sources, read when they are first asked for.

    >>> visits = Source(name="visits", fields={
    ...     "rep": {"type": "text", "role": "subject"}, "day": {"type": "date", "role": "date"},
    ... })
    >>> facts = Facts({"visits": visits}, {"visits": [{"rep": "Ann", "day": "2026-11-03"}]})
    >>> facts.of("Ann", dt.datetime(2026, 11, 20)).last("visits").day
    datetime.date(2026, 11, 3)
    """

    def __init__(self, sources: Mapping[str, Source], data: Mapping[str, object]) -> None:
        self._sources = {name: source for name, source in sources.items() if name in data}
        self._data = data
        self._declared = sources
        self._tables: dict[str, SourceRecords] = {}
        self._by: dict[tuple[str, str], dict[str, tuple[Record, ...]]] = {}

    def table(self, source: str) -> SourceRecords:
        """All records of a source, by date, then id, then what they say; undated ones first.

        Raises CrmRulesError (T401) for a source without data, FieldError for rows that do not fit.
        """
        if source not in self._sources:
            what = (
                f"there is no data for the source `{source}`"
                if source in self._declared
                else (f"there is no source `{source}`")
            )
            hint = did_you_mean(source, self._sources) if self._sources else "pass its records"
            raise CrmRulesError("T401", what, hint=hint)
        if source not in self._tables:
            declared = self._sources[source]
            bound = bind_table(declared, self._data[source], declared.fields)
            date = declared.role("date")
            records = [
                Record(source, key, _day(row[date]) if date else None, readable(declared, row))
                for key, row in zip(bound.ids, bound.rows, strict=True)
            ]
            self._tables[source] = SourceRecords(
                declared, tuple(sorted(records, key=_order)), bound.quarantined
            )
        return self._tables[source]

    def by(self, source: str, field: str | None = None) -> Mapping[str, tuple[Record, ...]]:
        """The records of a source for each subject that a field names, by default that with the role
        `subject`. Raises CrmRulesError (T401, T402)."""
        table = self.table(source)
        name = field_of(table.source, field or SUBJECT)
        found = self._by.get((source, name))
        if found is None:
            lists: dict[str, list[Record]] = {}
            for record in table.records:
                if record[name] is not None:
                    lists.setdefault(str(record[name]), []).append(record)
            found = self._by[source, name] = {each: tuple(records) for each, records in lists.items()}
        return found

    def raw(self, source: str) -> object:
        """The host's data of a source as it is. Raises CrmRulesError (T401)."""
        self.table(source)
        return self._data[source]

    def changed(self, change: Callable[[tuple[Record, ...]], Iterable[Record]]) -> Facts:
        """The same facts with the records of each source changed; their order is then what `change` gives."""
        found = Facts(self._declared, dict.fromkeys(self._sources, ()))
        for name in self._sources:
            table = self.table(name)
            found._tables[name] = SourceRecords(table.source, tuple(change(table.records)))
        return found

    @property
    def sources(self) -> Mapping[str, Source]:
        """The sources that there are records of."""
        return self._sources

    def of(self, subject: str, as_of: dt.datetime) -> SubjectFacts:
        """What is known of a subject at a moment, given by the local clock."""
        return SubjectFacts(self, subject, as_of.replace(tzinfo=None))


@final
@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """The records of one subject, as a trigger reads them. known: those of everybody."""

    known: Facts = field(repr=False)
    subject: str
    as_of: dt.datetime

    def all(self, source: str, *, by: str | None = None, coming: bool = False) -> tuple[Record, ...]:
        """The subject's records of a source, earliest first.

        by: the field that names the subject, where it is not the one with the role `subject`. coming: with
        those dated later than now and those without a date, which are left out otherwise.
        """
        found = self.known.by(source, by).get(self.subject, ())
        if coming or self.known.table(source).source.role("date") is None:
            return found
        return tuple(record for record in found if record.day is not None and passed(record.day, self.as_of))

    def last(self, source: str, *, by: str | None = None) -> Record | None:
        """The latest of the subject's records up to now, None if there is none."""
        found = self.all(source, by=by)
        return found[-1] if found else None


def passed(day: dt.date, moment: dt.datetime) -> bool:
    """Whether a local day or time has come; a day has come when it begins."""
    return day <= moment if isinstance(day, dt.datetime) else day <= moment.date()


def field_of(source: Source, name: str) -> str:
    """The field of a name or a role. Raises CrmRulesError (T402) where a source has neither."""
    found = name if name in source.fields else source.role(name)
    if found is None:
        known = [*source.fields, *(each.role for each in source.fields.values() if each.role)]
        raise CrmRulesError(
            "T402",
            f"source `{source.name}` has no field and no role `{name}`",
            hint=did_you_mean(name, known),
        )
    return found


def readable(source: Source, row: Mapping[str, Scalar]) -> dict[str, Value]:
    """Money in units, which expressions compute with, as an amount that people would recognise."""
    found: dict[str, Value] = dict(row)
    for name, declared in source.schema.items():
        units = row.get(name)
        if declared.kind == "money" and isinstance(units, int):
            found[name] = amount(units, declared.digits)
    return found


def _day(value: Scalar) -> dt.date | None:
    return value if isinstance(value, dt.date) else None


def _order(record: Record) -> tuple[object, ...]:
    day = record.day
    moment = "" if day is None else day.isoformat()
    return moment, str(record.id), repr(sorted(record.items(), key=lambda pair: pair[0]))
