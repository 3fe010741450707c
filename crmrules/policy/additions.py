"""What a policy adds to the fields of a record before its rules look at it: converted amounts, sequences,
derived fields, the basis and the day on which it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from crmrules import binding, frames
from crmrules.errors import CrmRulesError, FieldError, did_you_mean
from crmrules.expr.check import Schema
from crmrules.fields import Source
from crmrules.policy import derived
from crmrules.policy.basis import Basis, Delay
from crmrules.policy.currency import Conversion, Converter
from crmrules.policy.derived import Derivation, DerivedField
from crmrules.policy.sequence import Sequence, number_frame, number_records, schema_with
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    from crmrules.policy.rules import Policy

Located = tuple[tuple[str | int, ...], CrmRulesError]


@final
@dataclass(frozen=True)
class Additions:
    """The declarations of a policy and of those that it includes or has as levels; its own come first."""

    sequences: Mapping[str, Sequence] = field(default_factory=dict)
    fields: Mapping[str, DerivedField] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    basis: Basis | None = None
    delay: Delay | None = None

    @classmethod
    def of(cls, policy: Policy) -> Additions:
        """What a policy and its parts declare; parts that are only named are left out."""
        parts = [part for part in (*policy.include, *policy.levels.values()) if not isinstance(part, str)]
        below = [cls.of(part) for part in parts]
        found = cls()
        for part in (
            *below,
            cls(policy.sequences, policy.fields, policy.conversions, policy.basis, policy.delay),
        ):
            found = cls(
                {**found.sequences, **part.sequences},
                {**found.fields, **part.fields},
                {**found.conversions, **part.conversions},
                part.basis or found.basis,
                part.delay or found.delay,
            )
        return found

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of rates that are needed."""
        return tuple(dict.fromkeys(each.rates.table for each in self.conversions.values()))

    def before(self, source: Source) -> Schema:
        """The source's fields with those that do not depend on expressions."""
        converted: dict[str, Type] = {name: each.type for name, each in self.conversions.items()}
        return {**schema_with(source, self.sequences), **converted}

    @property
    def names(self) -> tuple[str, ...]:
        """All that is added, by name."""
        short = [each.field for each in (self.basis, self.delay) if each is not None]
        return (*self.sequences, *self.conversions, *self.fields, *short)

    def derived(self, source: Source) -> dict[str, DerivedField]:
        """The fields by expression, short forms among them. Raises CrmRulesError for a short form that does
        not fit."""
        found = dict(self.fields)
        for name, write in self._short(source).values():
            found[name] = write()
        return found

    def _short(self, source: Source) -> dict[str, tuple[str, Callable[[], DerivedField]]]:
        """For each short form the name of its field, and what writes it out."""
        found: dict[str, tuple[str, Callable[[], DerivedField]]] = {}
        if (basis := self.basis) is not None:
            known = derived.schema_with(self.before(source), self.fields)
            found["basis"] = basis.field, lambda: basis.derived(known)
        if (delay := self.delay) is not None:
            found["delay"] = delay.field, lambda: delay.derived(source)
        return found

    def schema(self, source: Source) -> Schema:
        """All fields that fit."""
        declared = dict(self.fields)
        for name, write in self._short(source).values():
            try:
                declared[name] = write()
            except CrmRulesError:
                continue
        found = derived.schema_with(self.before(source), declared)
        return {name: of for name, of in found.items() if of.kind != "null" or name in source.schema}

    def problems(self, source: Source) -> Iterator[Located]:
        """Everything that does not fit a source, with the way to it."""
        for name, conversion in self.conversions.items():
            if name in source.schema or name in self.sequences:
                taken = FieldError(
                    "S102", f"`{name}` is a field already", field=name, hint="choose another name"
                )
                yield ("conversions", name), taken
            try:
                conversion.fields(source)
            except CrmRulesError as error:
                yield ("conversions", name), error
        declared, short = dict(self.fields), dict[str, str]()
        for key, (name, write) in self._short(source).items():
            if name in self.fields:
                text = f"`{name}` is a derived field already"
                yield (key,), FieldError("S102", text, field=name, hint="write field: and another name")
                continue
            short[name] = key
            try:
                declared[name] = write()
            except CrmRulesError as error:
                yield (key,), error
        for path, problem in derived.problems(declared, self.before(source)):
            yield (short[path[0]],) if path[0] in short else ("fields", *path), problem


@final
class Adding:
    """The additions of a policy on a source, ready to run.

    schema: all fields; reads: the source's fields that are needed; names: the fields that are added.
    """

    def __init__(self, additions: Additions, source: Source, tables: Mapping[str, object]) -> None:
        self.additions = additions
        self.source = source
        self._tables = tables
        self.derivation = Derivation(additions.derived(source), additions.before(source))
        self.schema: Schema = self.derivation.schema
        self.names = tuple(name for name in self.schema if name not in source.schema)
        reads = [name for each in additions.sequences.values() for name in each.fields(source)]
        reads += [name for each in additions.conversions.values() for name in each.fields(source)]
        reads += self.derivation.fields
        self.reads = tuple(name for name in dict.fromkeys(reads) if name in source.schema)

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def moves_day(self) -> bool:
        """Whether some records count on another day than their date."""
        return self.additions.delay is not None

    @property
    def day(self) -> str:
        """The field that tells on which day a record counts."""
        delay = self.additions.delay
        return delay.field if delay is not None else self.source.role("date") or ""

    @cached_property
    def _converters(self) -> dict[str, Converter]:
        found = {}
        for name, conversion in self.additions.conversions.items():
            table = conversion.rates.table
            if table not in self._tables:
                raise FieldError(
                    "F112",
                    f"there is no data for table `{table}`",
                    source=table,
                    hint=did_you_mean(table, self._tables) or f"pass it: tables={{'{table}': frame}}",
                )
            declared, data = self._tables[table], self._tables[table]
            if isinstance(declared, binding.Table):
                found[name] = conversion.on(self.source, declared.data, declared.source)
            else:
                found[name] = conversion.on(self.source, data)
        return found

    def of_frame(self, frame: frames.Frame) -> frames.Frame:
        """The bound frame with the added fields; rows may change their order."""
        for name, converter in self._converters.items():
            frame, _ = converter.of_frame(frame, name)
        for name, sequence in self.additions.sequences.items():
            frame = number_frame(frame, name, sequence, self.source)
        return self.derivation.of_frame(frame, id_field=self._id(frame.collect_schema().names()))

    def of_records(self, rows: list[dict[str, Scalar]]) -> None:
        """The added fields put into bound records."""
        for name, converter in self._converters.items():
            converter.of_records(rows, name)
        for name, sequence in self.additions.sequences.items():
            number_records(rows, name, sequence, self.source)
        self.derivation.of_records(rows, id_field=self._id(rows[0] if rows else ()))

    def of_one(self, row: dict[str, Scalar], host: Mapping[str, object]) -> None:
        """The added fields of a single record: what depends on the others is taken from the record itself."""
        for name, converter in self._converters.items():
            converter.of_records([row], name)
        for name, sequence in self.additions.sequences.items():
            row[name] = sequence.given(host.get(name))
        self.derivation.of_records([row], id_field=self._id(row))

    def _id(self, present: Any) -> str | None:
        id_field = self.source.role("id")
        return id_field if id_field in present else None


__all__ = ["Adding", "Additions"]
