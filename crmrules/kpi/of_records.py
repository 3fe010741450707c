"""The pass over records, by compiled functions: who gets how much of each, summed by subject and period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from crmrules import binding, frames, money
from crmrules.expr.check import Checked
from crmrules.expr.scalar import compile_first, compile_record
from crmrules.kpi.feed import Cut, Feed, Key, Totals, is_later
from crmrules.kpi.grouping import Keyed
from crmrules.kpi.measure import Slot, Tally, part
from crmrules.kpi.period import Period
from crmrules.kpi.pulled import ORDERED, Pulled, collapse
from crmrules.policy.crediting import Crediting, Decided
from crmrules.policy.tree import rolled_up
from crmrules.policy.verdict import Credit
from crmrules.types import Scalar

if TYPE_CHECKING:
    from crmrules.kpi.measure import Column

Row = dict[str, Scalar]
Singles = list[tuple[Row, int, Scalar]]
"""Records with the number of their group and their value."""


@final
class OfRecords:
    """The pass over records."""

    def __init__(self, feed: Feed, cut: Cut, crediting: Crediting | None) -> None:
        self.feed = feed
        self.cut = cut
        self.crediting = crediting

    def totals(self, data: Any) -> Totals:
        import numpy as np

        feed = self.feed
        bound = binding.bind_records(feed.source, data, [*feed.fields, feed.role("date")])
        slots = feed.slots
        steps = [(slot.operation, *_functions(feed.checks[slot], slot)) for slot in slots]
        tallies: dict[Key, Tally] = {}
        single: dict[Slot, Singles] = {slot: [] for slot in slots if feed.is_pulled(slot)}
        for row, credits, keys in self.counted(bound):
            touched = {key: tallies.setdefault(key, Tally(len(slots), len(tallies))) for key in keys}
            for position, (operation, meant, value) in enumerate(steps):
                if meant(row) != 0 or (found := value(row)) is None:
                    continue
                parts = shared(found, credits) if operation == "sum" else []
                for key, tally in touched.items():
                    if operation == "sum":
                        for at in keys[key]:
                            tally.add(position, "total", parts[at])
                    elif slots[position] in single:
                        single[slots[position]].append((row, tally.number, found))
                    else:
                        tally.add(position, operation, found)
        columns: dict[Slot, Column] = {}
        pulled = {slot: self.pulled(slot, found) for slot, found in single.items()}
        for position, slot in enumerate(slots):
            if slot in pulled:
                of_groups = pulled[slot].groups, pulled[slot].values
                columns[slot] = collapse(slot.operation, *of_groups, len(tallies))
                continue
            values = [frames.carried(tally.values[position]) for tally in tallies.values()]
            if feed.sums_money(slot):
                for (group, index), tally in tallies.items():
                    units = tally.values[position]
                    if isinstance(units, int) and abs(units) > money.LARGEST_SUM:
                        feed.refuse_sum(group, Period(self.cut.periods, index))
            columns[slot] = self.read(slot, values)
        periods = np.array([index for _, index in tallies], dtype=np.int64)
        subjects = [subject for subject, _ in tallies]
        return Totals(subjects, periods, columns, pulled, bound.quarantined)

    def counted(
        self, bound: binding.BoundRecords
    ) -> Iterator[tuple[Row, Sequence[Credit], dict[Key, tuple[int, ...]]]]:
        """The records that count in the cut, each with its credits, and which of them each row of the card
        gets."""
        feed, cut = self.feed, self.cut
        date = feed.role("date")
        for row, where, decided in self.decided(bound):
            credits = [each for each in decided.credits if each.share > 0.0 and feed.meant(each.overlay)]
            if not credits:
                continue
            day = decided.day or row[feed.day]
            known = day if isinstance(day, dt.date) else dt.date.max
            lines = [cut.grouping.of(each.to, known, row) for each in credits]
            lost = credits[lines.index(()) if () in lines else 0].to
            if not isinstance(day, dt.date):
                feed.refuse(where, lost, dated=False)
            plain_day = day.date() if isinstance(day, dt.datetime) else day
            index = cut.periods.index_of(plain_day)
            if is_later(cut.until, plain_day, row[date]) or not cut.holds(index, plain_day):
                continue
            if index is None:
                feed.refuse_gap(where, plain_day, cut.periods)
            if () in lines:
                key = cut.grouping.missing(row) if isinstance(cut.grouping, Keyed) else None
                feed.refuse(where, lost, dated=True, key=key)
            yield row, credits, {(member, index): at for member, at in rolled_up(lines).items()}

    def decided(self, bound: binding.BoundRecords) -> Iterator[tuple[Row, object, Decided]]:
        """Each record with what is decided of it."""
        if self.crediting is None:
            subject = self.feed.role("subject")
            for row, where in zip(bound.rows, bound.ids, strict=True):
                yield row, where, Decided((), (Credit(row[subject], 1.0),))  # type: ignore[arg-type]
            return
        self.crediting.derive_records(bound.rows)
        yield from zip(bound.rows, bound.ids, self.crediting.decide_all(bound.rows, bound.ids), strict=True)

    def pulled(self, slot: Slot, found: Singles) -> Pulled:
        """The values of single records for a slot, in the declared order where it has one."""
        import numpy as np

        members = np.array([group for _, group, _ in found], dtype=np.int64)
        if slot.operation in ORDERED:
            order = [*self.feed.order]
            # A missing id comes first, as in frames.
            found = sorted(found, key=lambda each: (each[1], *(_placed(each[0][name]) for name in order)))
            members.sort()
            placed = [[frames.carried(row[name]) for row, _, _ in found] for name in order]
            self.feed.refuse_tie(slot.operation, members, placed)
        values = [frames.carried(value) for _, _, value in found]
        text = any(isinstance(value, str) for value in values)
        array = np.array(values, dtype=object if text else np.float64)
        return Pulled(members, array)

    def read(self, slot: Slot, values: list[Any]) -> Column:
        """A slot's values for each group; a sum, count or total that saw nothing is 0."""
        import numpy as np

        if slot.operation in ("min", "max"):
            return np.array(values, dtype=np.float64)
        whole = self.feed.sums_money(slot)
        return np.array([value or 0 for value in values], dtype=np.int64 if whole else np.float64)


def shared(value: Scalar, credits: Sequence[Credit]) -> list[Any]:
    """What each credit gets of a value: money to the cent, what is within the whole by largest remainder."""
    if not isinstance(value, int):
        return [value * each.share for each in credits]  # type: ignore[operator]
    if len(credits) == 1:
        return [money.credited(value, credits[0].share)]
    within = iter(money.split(value, [each.share for each in credits if not each.overlay]))
    return [money.credited(value, each.share) if each.overlay else next(within) for each in credits]


def _placed(value: Scalar) -> tuple[bool, Any]:
    return value is not None, value


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
