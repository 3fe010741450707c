"""One pass over a source: the slots of all its measures, for each subject and period.

Three stages: masked columns beside each record, elementary sums by subject and period where the data is,
and everything else on the few rows that come out (`score`). Records come the same way, one by one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, final

from crmrules import binding, frames, money
from crmrules.errors import RecordError, shown
from crmrules.expr import tree
from crmrules.expr.aggregate import lower
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.column import condition_column, value_column
from crmrules.expr.scalar import compile_first, compile_record
from crmrules.fields import BadRow, Source
from crmrules.kpi.measure import Aggregated, Slot, Tally, aggregated, part
from crmrules.kpi.period import MONTHS, Period, Unit
from crmrules.kpi.pulled import ORDERED, PULLED, collapse
from crmrules.policy.rules import Crediting
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    import narwhals as nw
    import numpy as np
    from narwhals import Expr
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column

SUBJECT, PERIOD, CREDIT = "@subject", "@period", "@credit"
Key = tuple[str, int]


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """Which records, and grouped how.

    group: from the record's subject to the one that is scored, None for the subject itself.
    period: only this one; until: only records dated up to this day.
    """

    unit: Unit
    group: Mapping[str, str] | None = None
    period: Period | None = None
    until: dt.date | None = None


@final
@dataclass(frozen=True, slots=True)
class Totals:
    """The aggregates of each subject and period that has records; `keys` and the columns go together."""

    keys: dict[Key, int]
    columns: dict[str, Column]
    quarantined: tuple[BadRow, ...]


@final
class Feed:
    """A source with its policy, and the aggregates that are wanted of it."""

    def __init__(self, source: Source, crediting: Crediting | None) -> None:
        self.source = source
        self.crediting = crediting
        self.schema: Schema = crediting.schema if crediting else source.schema
        self.aggregates: dict[str, tree.Aggregate] = {}
        self.parts: dict[str, Aggregated] = {}
        self.checks: dict[Slot, Checked] = {}

    def empty(self) -> Feed:
        """The same source, policy and fields without aggregates."""
        feed = Feed(self.source, self.crediting)
        feed.schema = self.schema
        return feed

    def add(self, node: tree.Node, text: str) -> tuple[tree.Node, Schema]:
        """Take an expression with aggregates in; returns what is left to compute over them, and their types.

        Raises ExpressionError if it does not fit the fields.
        """
        checked = check(node, self.schema, text=text, measures={})
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

    @property
    def slots(self) -> list[Slot]:
        """The different slots of all aggregates."""
        return [*dict.fromkeys(slot for found in self.parts.values() for slot in found.slots)]

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

    @property
    def tested(self) -> tuple[str, ...]:
        """The fields that the policy's rules look at."""
        conditions = self.crediting.conditions if self.crediting else []
        return tuple(dict.fromkeys(name for each in conditions for name in each.fields))

    @property
    def fields(self) -> tuple[str, ...]:
        """The source's fields that are read."""
        names = [self.role("subject"), *(self.crediting.fields if self.crediting else ())]
        if any(slot.operation in ORDERED for slot in self.slots):
            names += self.order
        for slot in self.slots:
            for node in (slot.argument, slot.where):
                names += tree.names(node) if node is not None else ()
        return tuple(name for name in dict.fromkeys(names) if name in self.source.fields)

    def totals(self, data: object, cut: Cut) -> Totals:
        """The aggregates by subject and period.

        Raises FieldError for data that does not fit, RecordError (M102) for a record that counts but has
        no subject or no date, and (M103) for a subject that belongs to no group.
        """
        if binding.is_records(data):
            return _Records(self, cut).totals(data)
        return _Frames(self, cut).totals(data)

    def refuse(self, row: object, subject: object, dated: bool, cut: Cut) -> NoReturn:
        """Say why a record that counts cannot be counted."""
        where = f"source `{self.source.name}`, row {shown(row)}"
        if subject is None or not dated:
            role = "subject" if subject is None else "date"
            raise RecordError(
                "M102",
                f"{where}: the record counts but its field `{self.role(role)}` is missing",
                hint="fill it in, or give such records credit 0 in the policy",
            )
        raise RecordError(
            "M103",
            f"{where}: the subject {shown(subject)} belongs to no group on the roster",
            hint="add it to the roster",
        )


@final
class _Frames:
    """The passes over a frame of any engine."""

    def __init__(self, feed: Feed, cut: Cut) -> None:
        import narwhals as nw

        self.nw = nw
        self.feed = feed
        self.cut = cut

    def counted(self, data: object) -> tuple[frames.Frame, tuple[BadRow, ...]]:
        """The records that count, bound, with credit, subject and period beside them."""
        nw, feed, cut = self.nw, self.feed, self.cut
        date = feed.role("date")
        extra = [date] if cut.until else []
        bound = binding.bind_frame(feed.source, data, [*feed.fields, *extra], month=True)
        frame = bound.frame
        if feed.crediting:
            frame = feed.crediting.derive(frame)
            credit = feed.crediting.chosen(feed.crediting.credits, nw.Float64)
            frame = frame.with_columns(credit.alias(CREDIT)).filter(nw.col(CREDIT) > 0.0)
        if cut.until:
            day = cut.until + dt.timedelta(days=feed.source.fields[date].declared.kind == "datetime")
            limit = frames.carried(day)
            assert isinstance(limit, float)
            if day == cut.until:
                frame = frame.filter((nw.col(date) <= limit) | nw.col(date).is_null())
            else:
                limit *= frames.MICROSECONDS_A_DAY
                frame = frame.filter((nw.col(date) < limit) | nw.col(date).is_null())
        period = nw.col(binding.MONTH)
        if MONTHS[cut.unit] > 1:
            period = frames.floored(period, float(MONTHS[cut.unit]))
        if not frame.implementation.is_pandas_like():
            # Whole numbers group faster; numpy has none that can be missing.
            period = period.cast(nw.Int32)
        subject = nw.col(feed.role("subject"))
        if cut.group is not None:
            subject = frames.mapped(subject, cut.group, text=True)
        frame = frame.with_columns(period.alias(PERIOD), subject.alias(SUBJECT))
        if cut.period:
            frame = frame.filter((nw.col(PERIOD) == cut.period.index) | nw.col(PERIOD).is_null())
        return frame, bound.quarantined

    def totals(self, data: object) -> Totals:
        import numpy as np

        nw, feed = self.nw, self.feed
        frame, quarantined = self.counted(data)
        columns: list[Expr] = []
        sums: list[Expr] = []
        for position, slot in enumerate(feed.slots):
            if slot.operation not in PULLED:
                name = f"@{position}"
                columns.append(self.column(slot).alias(name))
                sums += self.elementary(slot, name)
        sums.append(nw.len().alias("@len"))
        groups = frames.collected(
            frame.select(SUBJECT, PERIOD, *columns).group_by(SUBJECT, PERIOD).agg(*sums)
        )
        subjects, periods = groups[SUBJECT].to_list(), _array(groups[PERIOD])
        if groups[SUBJECT].null_count() or np.isnan(periods).any():
            self.refuse_undated(data)
        keys = dict(
            zip(
                zip(subjects, periods.astype(np.int64).tolist(), strict=True),
                range(len(subjects)),
                strict=True,
            )
        )
        slots = {
            slot: self.pulled(slot, frame, groups)
            if slot.operation in PULLED
            else self.read(slot, f"@{position}", groups)
            for position, slot in enumerate(feed.slots)
        }
        return Totals(keys, _assembled(feed, slots), quarantined)

    def pulled(self, slot: Slot, frame: frames.Frame, groups: nw.DataFrame[Any]) -> Column:
        """A slot whose values are fetched, in the declared order where it has one."""
        import numpy as np

        nw = self.nw
        order = [*self.feed.order] if slot.operation in ORDERED else []
        value = self.column(slot).alias("@value")
        known = frames.collected(
            frame.select(SUBJECT, PERIOD, *order, value).filter(~nw.col("@value").is_null())
        )
        placed = known.join(groups.select(SUBJECT, PERIOD).with_row_index("@group"), on=[SUBJECT, PERIOD])
        placed = placed.sort(*order) if order else placed
        values = placed["@value"]
        text = values.dtype == nw.String
        array = np.array(values.to_list(), dtype=object) if text else _array(values)
        return collapse(slot.operation, placed["@group"].to_numpy().astype(np.int64), array, len(groups))

    def column(self, slot: Slot) -> nw.Expr:
        """The masked column of a slot: what each record adds to it."""
        nw, feed = self.nw, self.feed
        checked = feed.checks[slot]
        mask = condition_column(part(checked, slot.where)) if slot.where is not None else None
        found = checked.type_of(slot.argument) if slot.argument is not None else None
        value = value_column(part(checked, slot.argument)) if slot.argument is not None else None
        whole = slot.operation == "count" or (
            slot.operation in ("sum", "total")
            and (slot.argument is None or (found is not None and found.kind == "money"))
        )
        if whole and value is not None and found is not None and found.nullable:
            mask = ~value.is_null() if mask is None else mask & ~value.is_null()
        if slot.operation == "count":
            value = nw.lit(1, nw.Int64)
        assert value is not None
        if slot.operation == "sum" and feed.crediting and not feed.crediting.whole:
            value = value * nw.col(CREDIT)
            if whole:
                # As `money.credited` does it.
                share = value.abs()
                units = share.floor()
                units = nw.when(share - units >= money.HALF).then(units + 1.0).otherwise(units)
                value = nw.when(value < 0.0).then(-units).otherwise(units)
        if slot.operation == "distinct" and found is not None and found.kind != "text":
            value = value + 0.0  # PyArrow tells -0.0 from 0.0
        if not whole:
            return value if mask is None else nw.when(mask).then(value)
        return (value if mask is None else nw.when(mask).then(value).otherwise(0)).cast(nw.Int64)

    def elementary(self, slot: Slot, name: str) -> list[nw.Expr]:
        column = self.nw.col(name)
        match slot.operation:
            case "sum" | "total" | "count":
                return [column.sum()]
            case "min":
                return [column.min()]
            case "max":
                return [column.max()]
        # narwhals counts a missing value as a value; how many there are tells whether one is among them.
        return [column.n_unique(), column.count().alias(f"{name} known")]

    def read(self, slot: Slot, name: str, groups: nw.DataFrame[Any]) -> Column:
        """A slot's values for each group."""
        if slot.operation == "distinct":
            unknown = _array(groups[f"{name} known"]) < _array(groups["@len"])
            return _array(groups[name]) - unknown
        values = groups[name]
        whole = values.dtype.is_integer() and slot.operation != "count"
        return values.to_numpy().astype("int64") if whole else _array(values)

    def refuse_undated(self, data: object) -> NoReturn:
        nw, feed, cut = self.nw, self.feed, self.cut
        id_field = feed.source.role("id")
        wanted = [id_field] if id_field else []
        fields = [*feed.fields, *wanted]
        bound = binding.bind_frame(feed.source, data, fields, month=True)
        frame = frames.numbered(bound.frame)
        if feed.crediting:
            frame = feed.crediting.derive(frame)
            credit = feed.crediting.chosen(feed.crediting.credits, nw.Float64)
            frame = frame.filter(credit > 0.0)
        subject = nw.col(feed.role("subject"))
        group = subject if cut.group is None else frames.mapped(subject, cut.group, text=True)
        frame = frame.filter(group.is_null() | nw.col(binding.MONTH).is_null())
        row = frames.rows_of(frame.sort(frames.ROW).head(1))[0]
        where = row[id_field] if id_field else row[frames.ROW]
        feed.refuse(where, row[feed.role("subject")], row[binding.MONTH] is not None, cut)


@final
class _Records:
    """The same pass over records, by compiled functions."""

    def __init__(self, feed: Feed, cut: Cut) -> None:
        self.feed = feed
        self.cut = cut

    def totals(self, data: Any) -> Totals:
        feed, cut = self.feed, self.cut
        date, subject_field = feed.role("date"), feed.role("subject")
        bound = binding.bind_records(feed.source, data, [*feed.fields, date])
        if feed.crediting:
            feed.crediting.derive_records(bound.rows)
        slots = feed.slots
        steps = [(slot.operation, *_functions(feed.checks[slot], slot)) for slot in slots]
        tallies: dict[Key, Tally] = {}
        pulled: dict[int, list[tuple[dict[str, Scalar], int, Scalar]]] = {}
        for row, where in zip(bound.rows, bound.ids, strict=True):
            credit = feed.crediting.credits[feed.crediting.decide(row)] if feed.crediting else 1.0
            if credit == 0.0:
                continue
            day, subject = row[date], row[subject_field]
            group = subject if cut.group is None or subject is None else cut.group.get(str(subject))
            if group is None or day is None:
                feed.refuse(where, subject, day is not None, cut)
            assert isinstance(day, dt.date)
            plain_day = day.date() if isinstance(day, dt.datetime) else day
            period = Period.of(plain_day, cut.unit)
            if (cut.until and plain_day > cut.until) or (cut.period and period != cut.period):
                continue
            tally = tallies.setdefault((str(group), period.index), Tally(len(slots), len(tallies)))
            for position, (operation, meant, value) in enumerate(steps):
                if meant(row) != 0 or (found := value(row)) is None:
                    continue
                if operation in PULLED:
                    pulled.setdefault(position, []).append((row, tally.number, found))
                else:
                    tally.add(position, operation, found, credit)
        keys = {key: position for position, key in enumerate(tallies)}
        columns: dict[Slot, Column] = {}
        for position, slot in enumerate(slots):
            if slot.operation in PULLED:
                columns[slot] = self.collapsed(slot, pulled.get(position, []), len(keys))
                continue
            values = [frames.carried(tally.values[position]) for tally in tallies.values()]
            columns[slot] = self.read(slot, values)
        return Totals(keys, _assembled(feed, columns), bound.quarantined)

    def collapsed(
        self, slot: Slot, found: list[tuple[dict[str, Scalar], int, Scalar]], groups: int
    ) -> Column:
        """A slot from the values of single records, in the declared order where it has one."""
        import numpy as np

        if slot.operation in ORDERED:
            order = self.feed.order
            found = sorted(found, key=lambda each: tuple(each[0][name] for name in order))
        values = [frames.carried(value) for _, _, value in found]
        text = any(isinstance(value, str) for value in values)
        array = np.array(values, dtype=object if text else np.float64)
        return collapse(
            slot.operation, np.array([group for _, group, _ in found], dtype=np.int64), array, groups
        )

    def read(self, slot: Slot, values: list[Any]) -> Column:
        """A slot's values for each group; a sum, count or total that saw nothing is 0."""
        import numpy as np

        if slot.operation in ("min", "max"):
            return np.array(values, dtype=np.float64)
        kind = self.feed.checks[slot].type_of(slot.argument).kind if slot.argument is not None else "number"
        whole = kind == "money" and slot.operation in ("sum", "total")
        return np.array([value or 0 for value in values], dtype=np.int64 if whole else np.float64)


def _functions(
    checked: Checked, slot: Slot
) -> tuple[Callable[[Mapping[str, object]], int], Callable[[Mapping[str, object]], Scalar]]:
    meant = compile_first([part(checked, slot.where)]) if slot.where is not None else lambda row: 0
    value = (
        compile_record(part(checked, slot.argument), bound=True)
        if slot.argument is not None
        else lambda row: 1.0
    )
    return meant, value


def _array(values: nw.Series[Any]) -> NDArray[np.float64]:
    import narwhals as nw
    import numpy as np

    return np.asarray(values.cast(nw.Float64).to_numpy(), dtype=np.float64)


def _assembled(feed: Feed, slots: Mapping[Slot, Column]) -> dict[str, Column]:
    import numpy as np

    columns = {name: found.column(slots) for name, found in feed.parts.items()}
    # A sum that goes beyond the largest float is not known.
    return {
        name: np.where(np.isfinite(column), column, np.nan) if column.dtype == np.float64 else column
        for name, column in columns.items()
    }
