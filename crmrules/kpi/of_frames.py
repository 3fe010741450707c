"""The pass over a frame of any engine: who gets how much of each record, summed by subject and period."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, final

from crmrules import binding, frames, money
from crmrules.expr import tree
from crmrules.expr.column import condition_column, is_in_sql, value_column
from crmrules.fields import BadRow
from crmrules.kpi.feed import Cut, Feed, Totals
from crmrules.kpi.grouping import Grouped, Keyed, Themselves
from crmrules.kpi.measure import Slot, part
from crmrules.kpi.period import Period
from crmrules.kpi.planned import by_plan
from crmrules.kpi.pulled import ORDERED, Pulled, collapse
from crmrules.policy.crediting import CREDIT, DAY, Crediting, Line
from crmrules.policy.tree import rolled_up_columns
from crmrules.route import records_through_polars
from crmrules.types import DATE

if TYPE_CHECKING:
    import narwhals as nw
    import numpy as np
    from narwhals import Expr
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column

SUBJECT, PERIOD = "@subject", "@period"
MOST_SURE = money.LARGEST_SUM // money.LARGEST
"""So many amounts cannot add up to more than whole numbers hold."""


Step = tuple[str, tree.Node]
"""A part of what slots add: a condition (`where`), or what is `credited` of an amount."""
NOTHING: Mapping[Step, str] = {}


@final
class OfFrames:
    """The passes over a frame of any engine."""

    def __init__(self, feed: Feed, cut: Cut, crediting: Crediting | None) -> None:
        import narwhals as nw

        self.nw = nw
        self.feed = feed
        self.cut = cut
        self.crediting = crediting
        self.single = (crediting is None or crediting.simple) and cut.grouping.levels == 1

    def totals(self, data: object) -> Totals:
        groups = by_plan(self, data)
        if groups is not None:
            return self.totals_of(groups, {}, ()) or self.refuse(data)
        frame, lines, quarantined = self.counted(data, coded=self.coded)
        frame = self.by_subject(frame, lines, [])
        masked, summed = self.summed(frame)
        groups = frames.collected(summed)
        if len(groups) and groups.get_column("@len").max() > MOST_SURE:
            self.refuse_overflow(masked)
        wanted = [slot for slot in self.feed.slots if self.feed.is_pulled(slot)]
        pulled = {slot: self.pulled(slot, frame, groups) for slot in wanted}
        return self.totals_of(groups, pulled, quarantined) or self.refuse(data)

    def at_once(self, records: Sequence[Mapping[str, object]]) -> Totals | None:
        """The same of records, where Polars can take them; None where each has to be looked at."""
        if not self.plain:
            return None
        frame = records_through_polars(self.feed.source, records, self.dated_fields)
        groups = by_plan(self, frame) if frame is not None else None
        return None if groups is None else self.totals_of(groups, {}, ())

    def totals_of(
        self, groups: nw.DataFrame[Any], pulled: dict[Slot, Pulled], quarantined: tuple[BadRow, ...]
    ) -> Totals | None:
        """The totals of sums by subject and period; None if a record counts that lacks one of them."""
        import numpy as np

        subjects, periods = groups.get_column(SUBJECT).to_list(), _array(groups.get_column(PERIOD))
        if groups.get_column(SUBJECT).null_count() or (periods != np.floor(periods)).any():
            return None
        slots = {
            slot: collapse(slot.operation, pulled[slot].groups, pulled[slot].values, len(groups))
            if slot in pulled
            else self.read(slot, f"@{position}", groups)
            for position, slot in enumerate(self.feed.slots)
        }
        return Totals(subjects, periods.astype(np.int64), slots, pulled, quarantined)

    def summed(self, frame: frames.Frame) -> tuple[frames.Frame, frames.Frame]:
        """What each record adds to the slots, and the sums by subject and period."""
        nw, feed = self.nw, self.feed
        columns: list[Expr] = []
        sums: list[Expr] = []
        wanted = {
            f"@{position}": slot for position, slot in enumerate(feed.slots) if not feed.is_pulled(slot)
        }
        shared = self.shared([*wanted.values()])
        known = {step: f"@shared {position}" for position, step in enumerate(shared)}
        if shared:
            frame = frame.with_columns(*(column.alias(known[step]) for step, column in shared.items()))
        for name, slot in wanted.items():
            columns.append(self.column(slot, known).alias(name))
            sums += self.elementary(slot, name)
        sums.append(nw.len().alias("@len"))
        masked = frame.select(SUBJECT, PERIOD, *columns)
        return masked, masked.group_by(SUBJECT, PERIOD).agg(*sums)

    def shared(self, slots: Sequence[Slot]) -> dict[Step, Expr]:
        """What several slots have in common, which is computed once: conditions and credited amounts."""
        steps: dict[Step, list[Expr]] = {}
        for slot in slots:
            checked = self.feed.checks[slot]
            if slot.where is not None:
                condition = condition_column(part(checked, slot.where))
                steps.setdefault(("where", slot.where), []).append(condition)
            if slot.argument is not None and self.is_credited(slot):
                value = value_column(part(checked, slot.argument))
                credited = money.credited_column(value, self.nw.col(CREDIT))
                steps.setdefault(("credited", slot.argument), []).append(credited)
        return {step: columns[0] for step, columns in steps.items() if len(columns) > 1}

    def is_credited(self, slot: Slot) -> bool:
        """Whether a slot sums shares of amounts, each for the record's subject alone."""
        partly = self.crediting is not None and not self.crediting.whole
        return partly and self.single and slot.operation == "sum" and self.feed.sums_money(slot)

    def counted(
        self, data: object, *, located: bool = False, coded: Collection[str] = ()
    ) -> tuple[frames.Frame, list[Line], tuple[BadRow, ...]]:
        """The records that count in the cut, bound, with their period and what the lines name.

        located: with what names a record in an error. coded: see `binding.bind_frame`.
        """
        id_field = self.feed.source.role("id")
        bound = binding.bind_frame(
            self.feed.source,
            data,
            [*self.read_fields, *([id_field] if located and id_field else [])],
            month=not self.cut.periods.needs_days,
            numbered=located,
            in_sql=self.in_sql,
            figures=True,
            coded=coded,
        )
        return *self.of_bound(bound.frame), bound.quarantined

    @cached_property
    def read_fields(self) -> list[str]:
        """The fields that the pass reads."""
        cut = self.cut
        dated = cut.until is not None or not isinstance(cut.grouping, Themselves | Grouped)
        dated = dated or cut.periods.needs_days
        return [*self.feed.fields, *([self.feed.role("date")] if dated else [])]

    @cached_property
    def dated_fields(self) -> list[str]:
        """Those, and the date."""
        return [*dict.fromkeys([*self.read_fields, self.feed.role("date")])]

    def of_bound(self, frame: frames.Frame) -> tuple[frames.Frame, list[Line]]:
        """The records of a bound frame that count in the cut, as `counted` gives them."""
        nw, feed, cut = self.nw, self.feed, self.cut
        date = feed.role("date")
        lines = [Line(feed.role("subject"), CREDIT, False)]
        if self.crediting is not None:
            frame, lines = self.crediting.credited(self.crediting.derive(frame))
        else:
            frame = frame.with_columns(nw.lit(1.0).alias(CREDIT))
        meant = [line for line in lines if feed.meant(line.overlay)]
        if self.crediting is not None or not meant:
            # Where nobody can have such credit, the frame is empty and any line tells its columns.
            counts = [nw.col(line.share) > (0.0 if line in meant else math.inf) for line in meant or lines]
            frame = frame.filter(_any(counts))
        lines = meant or lines
        frame = self.dated(frame, date)
        if cut.period:
            frame = frame.filter((nw.col(PERIOD) == cut.period.index) | nw.col(PERIOD).is_null())
        if cut.through:
            frame = frame.filter((nw.col(PERIOD) <= cut.through.index) | nw.col(PERIOD).is_null())
        return frame, lines

    @cached_property
    def plain(self) -> bool:
        """Whether nothing is looked up: the first rule that matches decides, for the record's subject."""
        return (
            self.single
            and isinstance(self.cut.grouping, Themselves)
            and not self.cut.periods.needs_days
            and not (self.crediting and self.crediting.adding)
        )

    @cached_property
    def nodes(self) -> list[tree.Node]:
        """The expressions that a plain pass computes."""
        nodes = [node for slot in self.feed.slots for node in (slot.argument, slot.where) if node is not None]
        levels = self.crediting.levels if self.crediting is not None else []
        return [*nodes, *(condition.tree for level in levels for condition in level.conditions)]

    @property
    def coded(self) -> set[str]:
        """The fields of text of which a pass over pandas needs no more than which values are equal."""
        feed = self.feed
        if not self.plain or any(map(feed.is_pulled, feed.slots)):
            return set()
        read = {name for node in self.nodes for name in tree.names(node)}
        return (tree.only_compared(self.nodes) | ({feed.role("subject")} - read)) & {*self.read_fields}

    @property
    def in_sql(self) -> bool:
        """Whether DuckDB can run the pass; it calls no Python, and every place for a payee would read the
        records once more."""
        return self.plain and all(map(is_in_sql, self.nodes))

    def dated(self, frame: frames.Frame, date: str) -> frames.Frame:
        """The frame with the period of each record, without those after the cut's last day."""
        nw, cut = self.nw, self.cut
        moved = self.crediting is not None and self.crediting.moves_day
        moment = self.feed.source.fields[date].declared.kind == "datetime"
        if cut.until:
            limit = frames.carried(cut.until + dt.timedelta(days=1))
            assert isinstance(limit, float)
            limits = {date: limit * (frames.MICROSECONDS_A_DAY if moment else 1.0)}
            limits |= {DAY: limit} if moved else {}
            for name, beyond in limits.items():
                frame = frame.filter((nw.col(name) < beyond) | nw.col(name).is_null())
        days = nw.col(DAY if moved else date)
        if moment and not moved:
            days = frames.days_of_microseconds(days)
        period = cut.periods.of_columns(days, frames.months_of_days(days) if moved else nw.col(binding.MONTH))
        if period is None:
            return frames.computed(frame, days, cut.periods.indexes, PERIOD)
        if not frame.implementation.is_pandas_like():
            # Whole numbers group faster; numpy has none that can be missing.
            period = period.cast(nw.Int32)
        return frame.with_columns(period.alias(PERIOD))

    def by_subject(self, frame: frames.Frame, lines: list[Line], also: list[str]) -> frames.Frame:
        """A row for each record and subject, with what the subject gets of it."""
        nw, feed = self.nw, self.feed
        moved = self.crediting is not None and self.crediting.moves_day
        day = DAY if moved else feed.role("date")
        kind = "date" if moved else feed.source.schema[day].kind
        frame, columns = self.cut.grouping.beside(frame, [line.to for line in lines], day, kind)
        if self.single:
            return frame.with_columns(nw.col(columns[0][0]).alias(SUBJECT))
        frame = self.split(frame, lines)
        shares = [nw.col(line.share) for line in lines]
        masked = [[f"@subject {at} {level}" for level in range(len(line))] for at, line in enumerate(columns)]
        frame = frame.with_columns(
            nw.when(shares[at] > 0.0).then(nw.col(column)).alias(name)
            for at, line in enumerate(columns)
            for column, name in zip(line, masked[at], strict=True)
        )
        exact = [position for position, slot in enumerate(feed.slots) if self.is_split(slot)]
        rest = [name for name in dict.fromkeys([*feed.summed, *also]) if name != SUBJECT]

        places = []
        for member, parts in rolled_up_columns(masked):
            share = _whole({at: lines[at].share for at in parts}, parts)
            sums = [
                _whole({at: _part(position, at) for at in parts}, parts).alias(_part(position))
                for position in exact
            ]
            row: list[Any] = [
                member.cast(nw.String).alias(SUBJECT),
                PERIOD,
                share.alias(f"{CREDIT} of subject"),
                *sums,
            ]
            places.append(frame.select(*row, *rest).filter(~nw.col(SUBJECT).is_null()))
        lost = _any([(shares[at] > 0.0) & nw.col(line[0]).is_null() for at, line in enumerate(masked)])
        none = [nw.lit(0.0).alias(name) for name in (f"{CREDIT} of subject", *map(_part, exact))]
        places.append(frame.filter(lost).select(nw.lit(None, nw.String).alias(SUBJECT), PERIOD, *none, *rest))
        whole: Any = nw.concat(places)
        return whole.rename({f"{CREDIT} of subject": CREDIT})  # type: ignore[no-any-return]

    def is_split(self, slot: Slot) -> bool:
        """Whether a slot sums money, which is split to the cent."""
        return slot.operation == "sum" and self.feed.sums_money(slot)

    def split(self, frame: frames.Frame, lines: list[Line]) -> frames.Frame:
        """The frame with what each line gets of each sum of money."""
        nw, feed = self.nw, self.feed
        for position, slot in enumerate(feed.slots):
            if not self.is_split(slot):
                continue
            assert slot.argument is not None
            value = value_column(part(feed.checks[slot], slot.argument))
            frame = frame.with_columns(value.alias("@whole"))
            within = [at for at, line in enumerate(lines) if not line.overlay]
            frame = money.split_columns(
                frame, "@whole", [lines[at].share for at in within], [_part(position, at) for at in within]
            )
            for at, line in enumerate(lines):
                if line.overlay:
                    credited = money.credited_column(nw.col("@whole"), nw.col(line.share))
                    frame = frame.with_columns(credited.alias(_part(position, at)))
        return frame

    def pulled(self, slot: Slot, frame: frames.Frame, groups: nw.DataFrame[Any]) -> Pulled:
        """A slot whose single values are fetched, in the declared order where it has one."""
        import numpy as np

        nw = self.nw
        order = [*self.feed.order] if slot.operation in ORDERED else []
        value = self.column(slot).alias("@value")
        known = frames.collected(
            frame.select(SUBJECT, PERIOD, *order, value).filter(~nw.col("@value").is_null())
        )
        placed = known.join(groups.select(SUBJECT, PERIOD).with_row_index("@group"), on=[SUBJECT, PERIOD])
        placed = placed.sort("@group", *order) if order else placed
        members = placed["@group"].to_numpy().astype(np.int64)
        if order:
            columns = frames.columns_of(placed.select(*order))
            self.feed.refuse_tie(slot.operation, members, [columns[name] for name in order])
        values = placed["@value"]
        text = values.dtype == nw.String
        array = np.array(values.to_list(), dtype=object) if text else _array(values)
        return Pulled(members, array)

    def column(self, slot: Slot, known: Mapping[Step, str] = NOTHING) -> nw.Expr:
        """The masked column of a slot: what each line adds to it. known: steps that are columns already."""
        nw, feed = self.nw, self.feed
        checked = feed.checks[slot]
        mask: Expr | None = None
        if slot.where is not None:
            name = known.get(("where", slot.where))
            mask = condition_column(part(checked, slot.where)) if name is None else nw.col(name)
        found = checked.type_of(slot.argument) if slot.argument is not None else None
        value = value_column(part(checked, slot.argument)) if slot.argument is not None else None
        whole = slot.operation == "count" or feed.sums_money(slot)
        if whole and value is not None and found is not None and found.nullable:
            mask = ~value.is_null() if mask is None else mask & ~value.is_null()
        if slot.operation == "count":
            value = nw.lit(1, nw.Int64)
        assert value is not None
        if slot.operation == "sum" and self.crediting and not self.crediting.whole:
            if not whole:
                value = value * nw.col(CREDIT)
            elif self.single:
                name = known.get(("credited", slot.argument)) if slot.argument is not None else None
                value = money.credited_column(value, nw.col(CREDIT)) if name is None else nw.col(name)
            else:
                value = nw.col(_part(feed.slots.index(slot)))
        if slot.operation == "distinct" and found is not None and found.kind != "text":
            value = value + 0.0  # PyArrow tells -0.0 from 0.0
        if not whole:
            return value if mask is None else nw.when(mask).then(value)
        return (value if mask is None else nw.when(mask).then(value).otherwise(0)).cast(nw.Int64)

    def refuse_overflow(self, masked: frames.Frame) -> None:
        """Raise RecordError if a sum of money went beyond what whole numbers hold, as floats tell."""
        nw, feed = self.nw, self.feed
        for position, slot in enumerate(feed.slots):
            if not feed.sums_money(slot):
                continue
            column = nw.col(f"@{position}").cast(nw.Float64).alias("@sum")
            sums = (
                masked.select(nw.col(SUBJECT).cast(nw.String), PERIOD, column)
                .group_by(SUBJECT, PERIOD)
                .agg(nw.col("@sum").sum())
            )
            large = sums.filter(nw.col("@sum").abs() > float(money.LARGEST_SUM)).sort(PERIOD, SUBJECT)
            for row in frames.rows_of(large.head(1)):
                feed.refuse_sum(str(row[SUBJECT]), Period(self.cut.periods, int(row[PERIOD])))  # type: ignore[call-overload]

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
            unknown = _array(groups.get_column(f"{name} known")) < _array(groups.get_column("@len"))
            return _array(groups.get_column(name)) - unknown
        values = groups.get_column(name)
        # DuckDB adds whole numbers up in 128 bits.
        whole = (values.dtype.is_integer() or values.dtype.is_decimal()) and slot.operation != "count"
        if not whole:
            return _array(values)
        return (values if values.dtype == self.nw.Int64 else values.cast(self.nw.Int64)).to_numpy()

    def refuse(self, data: object) -> NoReturn:
        """Say which record counts and has no subject, no group or no date: the first of them."""
        nw, feed = self.nw, self.feed
        id_field = feed.source.role("id")
        frame, lines, _ = self.counted(data, located=True)
        named = [frames.ROW, *([id_field] if id_field else [])]
        grouped = self.by_subject(frame, lines, named)
        outside = nw.col(PERIOD).cast(nw.Float64) > nw.col(PERIOD).cast(nw.Float64).floor()
        odd = grouped.filter(nw.col(SUBJECT).is_null() | nw.col(PERIOD).is_null() | outside)
        row: dict[str, Any] = frames.rows_of(odd.select(*named, PERIOD).sort(frames.ROW).head(1))[0]
        record = frame.filter(nw.col(frames.ROW) == row[frames.ROW])
        where = row[id_field] if id_field else row[frames.ROW]
        if row[PERIOD] is not None and row[PERIOD] % 1:
            feed.refuse_gap(where, self.day_of(record), self.cut.periods)
        columns = dict.fromkeys(name for line in lines for name in (line.to, line.share))
        found: Any = frames.rows_of(record.select(*columns))[0]
        payees = [found[line.to] for line in lines if found[line.share] > 0.0]
        grouping = self.cut.grouping
        keys: dict[str, Any] = frames.rows_of(record.select(frames.ROW, *feed.keys))[0]
        lost = [each for each in payees if not grouping.of(each, self.day_of(record), keys)]
        subject = lost[0] if lost else payees[0]
        key = grouping.missing(keys) if isinstance(grouping, Keyed) else None
        feed.refuse(where, subject, row[PERIOD] is not None, key)

    def day_of(self, record: frames.Frame) -> dt.date:
        """The day of one record, any day where it has none."""
        moved = self.crediting is not None and self.crediting.moves_day
        name = DAY if moved else self.feed.role("date")
        if name not in record.collect_schema().names():
            return dt.date.max
        of = DATE if moved else self.feed.source.schema[name]
        day = frames.delivered(frames.rows_of(record.select(name))[0][name], of)  # type: ignore[arg-type]
        return day if isinstance(day, dt.date) else dt.date.max


def _whole(names: Mapping[int, str], belongs: Mapping[int, Expr]) -> Expr:
    """The sum of the columns that belong, where they are known."""
    import narwhals as nw

    found = nw.lit(0.0)
    for at, name in names.items():
        known = belongs[at] & ~nw.col(name).is_null()
        found = found + nw.when(known).then(nw.col(name)).otherwise(nw.lit(0.0))
    return found


def _part(position: int, line: int | None = None) -> str:
    return f"@part {position}" if line is None else f"@part {position} of {line}"


def _any(conditions: list[Any]) -> Any:
    result = conditions[0]
    for condition in conditions[1:]:
        result = result | condition
    return result


def _array(values: nw.Series[Any]) -> NDArray[np.float64]:
    import narwhals as nw
    import numpy as np

    values = values if values.dtype == nw.Float64 else values.cast(nw.Float64)
    return np.asarray(values.to_numpy(), dtype=np.float64)
