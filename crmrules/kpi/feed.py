"""What is wanted of a source: its policy, and the slots of all its measures, in one pass.

Three stages: masked columns beside each record, elementary sums by subject and period where the data is
(`of_frames`), and everything else on the few rows that come out (`score`). Records come the same way, one
by one (`of_records`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, final

from crmrules import binding, frames
from crmrules.errors import RecordError, shown
from crmrules.expr import tree
from crmrules.expr.aggregate import lower
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.scalar import compile_masked
from crmrules.fields import BadRow, Source
from crmrules.kpi.grouping import SEPARATOR, Grouping, Keyed, Themselves
from crmrules.kpi.measure import Aggregated, Credits, Slot, aggregated, part
from crmrules.kpi.period import Period, Periods
from crmrules.kpi.pulled import ORDERED, PULLED, SINGLE, Pulled, tied
from crmrules.policy.crediting import Crediting
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column

Key = tuple[str, int]


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """Which records, and grouped how.

    grouping: from the payees of a record to those who are scored.
    period: only this one; through: only up to this one; until: only records dated up to this day.
    """

    periods: Periods
    grouping: Grouping = field(default_factory=Themselves)
    period: Period | None = None
    until: dt.date | None = None
    through: Period | None = None

    def holds(self, index: int | None, day: dt.date) -> bool:
        """Whether records of a day are meant, whose period has that number, or None in a gap."""
        if self.period is not None and index != self.period.index:
            return False
        return self.through is None or day <= self.through.end


def is_later(until: dt.date | None, *days: object) -> bool:
    """Whether one of the days, those of the record and of its credit, comes after the last day of a cut."""
    if until is None:
        return False
    plain = [day.date() if isinstance(day, dt.datetime) else day for day in days]
    return any(isinstance(day, dt.date) and day > until for day in plain)


@final
@dataclass(frozen=True, slots=True)
class Totals:
    """The slots of each subject and period (its index) that has records, all in the same order.

    pulled: for each slot that is wanted over several periods and is no sum, its single values.
    """

    subjects: list[str]
    periods: NDArray[np.int64]
    slots: Mapping[Slot, Column]
    pulled: Mapping[Slot, Pulled]
    quarantined: tuple[BadRow, ...]

    def without(self, odd: Sequence[bool]) -> Totals:
        """The groups that are not odd."""
        import numpy as np

        kept = ~np.array(odd, dtype=bool)
        place = np.cumsum(kept) - 1
        pulled = {
            slot: Pulled(place[each.groups[kept[each.groups]]], each.values[kept[each.groups]])
            for slot, each in self.pulled.items()
        }
        return Totals(
            [subject for subject, is_odd in zip(self.subjects, odd, strict=True) if not is_odd],
            self.periods[kept],
            {slot: column[kept] for slot, column in self.slots.items()},
            pulled,
            self.quarantined,
        )


@final
class Feed:
    """A source with its policy, and the aggregates that are wanted of it.

    credits: whether those within the whole are summed, those beside it (`overlay`), or all.
    tables: what the tables beside the records, which the policy reads, are declared as.
    """

    def __init__(
        self,
        source: Source,
        crediting: Crediting | None,
        credits: Credits = "split",
        tables: Mapping[str, Source] | None = None,
    ) -> None:
        self.source = source
        self.crediting = crediting
        self.credits: Credits = credits
        self.tables = tables or {}
        self.schema: Schema = crediting.schema if crediting else source.schema
        self.aggregates: dict[str, tree.Aggregate] = {}
        self.parts: dict[str, Aggregated] = {}
        self.checks: dict[Slot, Checked] = {}
        self.kept: set[Slot] = set()
        self.keys: tuple[str, ...] = ()
        self._values: tuple[int, Callable[[Mapping[str, object]], Sequence[Scalar]]] | None = None

    def empty(self) -> Feed:
        """The same source, policy and fields without aggregates."""
        feed = Feed(self.source, self.crediting, self.credits, self.tables)
        feed.schema = self.schema
        return feed

    def add(self, node: tree.Node, text: str) -> tuple[tree.Node, Schema]:
        """Take an expression with aggregates in; returns what is left to compute over them, and their types.

        Raises ExpressionError if it does not fit the fields.
        """
        checked = check(node, self.schema, text=text, measures={}, past=True)
        lowered = lower(node, self.aggregates)
        for name, aggregate in lowered.aggregates.items():
            if name in self.parts or id(aggregate) not in checked.types:
                continue
            found = aggregated(checked, aggregate)
            self.parts[name] = found
            for slot in found.slots:
                self.checks.setdefault(slot, checked)
        return lowered.outer, self.types

    @property
    def types(self) -> dict[str, Type]:
        """The types of the aggregates, by the names under which `add` refers to them."""
        return {name: found.type for name, found in self.parts.items()}

    def keep(self, name: str) -> None:
        """Keep the single values of an aggregate that is no sum: it is wanted over several periods."""
        self.kept |= {slot for slot in self.parts[name].slots if slot.operation in SINGLE}

    def is_pulled(self, slot: Slot) -> bool:
        """Whether the values of a slot are fetched one by one."""
        return slot.operation in PULLED or slot in self.kept

    @property
    def slots(self) -> list[Slot]:
        """The different slots of all aggregates."""
        return [*self.checks]

    @property
    def values_of_records(self) -> Callable[[Mapping[str, object]], Sequence[Scalar]]:
        """From a bound record to what it brings to each slot, None where it brings nothing."""
        slots = tuple(self.slots)
        if self._values is None or self._values[0] != len(slots):
            parts = [
                (
                    part(self.checks[slot], slot.where) if slot.where is not None else None,
                    part(self.checks[slot], slot.argument) if slot.argument is not None else None,
                )
                for slot in slots
            ]
            self._values = len(slots), compile_masked(parts)
        return self._values[1]

    def role(self, role: str) -> str:
        """The field with a role. Raises RecordError (M101) if the source declares none."""
        name = self.source.role(role)
        if name is None:
            raise RecordError(
                "M101",
                f"source `{self.source.name}` has no field with the role `{role}`",
                hint=f"write `role: {role}` at the field that tells it",
            )
        return name

    @property
    def order(self) -> tuple[str, str]:
        """The fields by which `first` and `last` go: the date, then the id, so that no two are alike."""
        return self.role("date"), self.role("id")

    def sums_money(self, slot: Slot) -> bool:
        """Whether a slot is a sum of amounts, which is carried in whole numbers."""
        if slot.operation not in ("sum", "total") or slot.argument is None:
            return False
        return self.checks[slot].type_of(slot.argument).kind == "money"

    @property
    def tested(self) -> tuple[str, ...]:
        """The fields that the policy's rules look at."""
        return self.crediting.tested if self.crediting else ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The source's fields that are read."""
        names = [
            self.role("subject"),
            *self.keys,
            *(self.crediting.fields if self.crediting else ()),
            *self.summed,
        ]
        return tuple(name for name in dict.fromkeys(names) if name in self.source.fields)

    @property
    def summed(self) -> tuple[str, ...]:
        """The fields that the aggregates look at, derived ones among them."""
        names = [*self.order] if any(slot.operation in ORDERED for slot in self.slots) else []
        for slot in self.slots:
            for node in (slot.argument, slot.where):
                names += tree.names(node) if node is not None else ()
        return tuple(dict.fromkeys(names))

    @property
    def day(self) -> str:
        """The field that tells on which day a record counts."""
        return self.crediting.adding.day if self.crediting else self.role("date")

    def meant(self, overlay: bool) -> bool:
        """Whether credits of that kind are summed."""
        return self.credits == "all" or overlay == (self.credits == "overlay")

    def totals(self, data: object, cut: Cut, tables: Mapping[str, object] | None = None) -> Totals:
        """The aggregates by subject and period.

        tables: the data of the tables that the policy's payees come from.
        Raises FieldError for data that does not fit, RecordError (M102) for a record that counts but has
        no subject or no date, and (M103) for a subject that belongs to no group.
        """
        from crmrules.kpi.of_frames import OfFrames
        from crmrules.kpi.of_records import OfRecords

        crediting = self.given(tables or {})
        if binding.is_records(data):
            records = binding.records_of(data)
            at_once = OfFrames(self, cut, crediting).at_once(records)
            found = OfRecords(self, cut, crediting).totals(records) if at_once is None else at_once
        else:
            found = OfFrames(self, cut, crediting).totals(data)
        if isinstance(cut.grouping, Keyed) and (odd := cut.grouping.ambiguous(found.subjects)):
            raise RecordError(
                "M109",
                f"source `{self.source.name}`: the keys of {shown(odd)} cannot be told apart, since one "
                f"of them has {shown(SEPARATOR)} in it",
                hint="write the value without it",
            )
        if crediting is None:
            return found
        return replace(found, quarantined=(*crediting.whom.quarantined, *found.quarantined))

    def given(self, tables: Mapping[str, object]) -> Crediting | None:
        """The policy over the data of the tables that it names."""
        if self.crediting is None or not self.crediting.needs:
            return self.crediting
        return self.crediting.given(binding.declared_tables(self.tables, tables, self.crediting.needs))

    def refuse(self, row: object, subject: object, dated: bool, key: str | None = None) -> NoReturn:
        """Say why a record that counts cannot be counted. key: a field of the subject that is missing."""
        where = f"source `{self.source.name}`, row {shown(row)}"
        if subject is None or not dated or key is not None:
            name = key or self.role("subject" if subject is None else "date")
            raise RecordError(
                "M102",
                f"{where}: the record counts but its field `{name}` is missing",
                hint="fill it in, or give such records credit 0 in the policy",
            )
        raise RecordError(
            "M103",
            f"{where}: the roster does not say to whom {shown(subject)} belongs",
            hint="add the subject to the roster, or what is missing in its row there",
        )

    def refuse_gap(self, row: object, day: dt.date, periods: Periods) -> NoReturn:
        """Say that a record that counts lies in no period."""
        raise RecordError(
            "P102",
            f"source `{self.source.name}`, row {shown(row)}: the record counts on {day}, which lies in no "
            "period",
            hint=periods.around(day),
        )

    def refuse_sum(self, subject: str, period: Period) -> NoReturn:
        """Say that amounts add up to more than is carried."""
        raise RecordError(
            "M107",
            f"source `{self.source.name}`: the amounts of {shown(subject)} in {period} add up to more than "
            "can be carried exactly",
            hint="declare the field with fewer decimals, or as number",
        )

    def refuse_tie(self, operation: str, groups: NDArray[np.int64], order: Sequence[Sequence[Any]]) -> None:
        """Raise RecordError if `first` or `last` has two records to choose from.

        order: the values of `Feed.order`, as a bound frame carries them.
        """
        ties = [
            ", ".join(
                f"{name} {shown(frames.delivered(values[position], self.schema[name]))}"
                for name, values in zip(self.order, order, strict=True)
            )
            for position in tied(operation, groups, order)
        ]
        if not ties:
            return
        raise RecordError(
            "M108",
            f"source `{self.source.name}`: `{operation}` has two records to choose from ({min(ties)})",
            hint="mend the ids, which do not tell them apart",
        )
