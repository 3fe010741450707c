"""The pass over records, by compiled functions: who gets how much of each, summed by subject and period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, final

from crmrules import binding, frames, money
from crmrules.kpi.feed import Cut, Feed, Key, Totals, is_later
from crmrules.kpi.grouping import Grouped, Keyed, Themselves
from crmrules.kpi.measure import Slot
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
        summed = [slot.operation == "sum" for slot in slots]
        single: dict[Slot, Singles] = {slot: [] for slot in slots if feed.is_pulled(slot)}
        singles = [single.get(slot) for slot in slots]
        # For each slot the groups, and what each of them gets, in the order of the records.
        members: list[list[int]] = [[] for _ in slots]
        added: list[list[Any]] = [[] for _ in slots]
        groups: dict[Key, int] = {}
        values_of = feed.values_of_records
        for row, credits, keys in self.counted(bound):
            whole = len(credits) == 1 and credits[0].share == 1.0
            touched = [(groups.setdefault(key, len(groups)), at) for key, at in keys.items()]
            for position, found in enumerate(values_of(row)):
                if found is None:
                    continue
                if summed[position]:
                    parts = (found,) if whole else shared(found, credits)
                    for group, at in touched:
                        members[position] += (group,) * len(at)
                        added[position] += [parts[part] for part in at]
                elif (listed := singles[position]) is not None:
                    listed += [(row, group, found) for group, _ in touched]
                else:
                    for group, _ in touched:
                        members[position].append(group)
                        added[position].append(found)
        columns: dict[Slot, Column] = {}
        pulled = {slot: self.pulled(slot, found) for slot, found in single.items()}
        for position, slot in enumerate(slots):
            if slot in pulled:
                of_groups = pulled[slot].groups, pulled[slot].values
                columns[slot] = collapse(slot.operation, *of_groups, len(groups))
            else:
                columns[slot] = self.reduced(slot, members[position], added[position], [*groups])
        periods = np.array([index for _, index in groups], dtype=np.int64)
        subjects = [subject for subject, _ in groups]
        return Totals(subjects, periods, columns, pulled, bound.quarantined)

    def reduced(self, slot: Slot, members: list[int], added: list[Any], groups: Sequence[Key]) -> Column:
        """A slot's value for each group; a sum, count or total that saw nothing is 0."""
        import numpy as np

        place = np.array(members, dtype=np.int64)
        if slot.operation == "distinct":
            seen = {*zip(members, added, strict=True)}
            return np.bincount(
                np.array([group for group, _ in seen], dtype=np.int64), minlength=len(groups)
            ).astype(np.float64)
        if slot.operation == "count":
            return np.bincount(place, minlength=len(groups)).astype(np.float64)
        if self.feed.sums_money(slot):
            if len(added) > money.LARGEST_SUM // money.LARGEST:
                self.refuse_overflow(members, added, groups)
            units = np.zeros(len(groups), dtype=np.int64)
            np.add.at(units, place, np.array(added, dtype=np.int64))
            return units
        values = np.array([frames.carried(each) for each in added], dtype=np.float64)
        if slot.operation in ("min", "max"):
            smaller = slot.operation == "min"
            found = np.full(len(groups), np.inf if smaller else -np.inf)
            (np.minimum if smaller else np.maximum).at(found, place, values)
            return np.where(np.isfinite(found), found, np.nan)
        found = np.zeros(len(groups))
        with np.errstate(over="ignore", invalid="ignore"):  # what is beyond the largest float is not known
            np.add.at(found, place, values)
        return found

    def refuse_overflow(self, members: list[int], added: list[int], groups: Sequence[Key]) -> None:
        """Raise RecordError if amounts add up to more than whole numbers hold."""
        sums = [0] * len(groups)
        for group, units in zip(members, added, strict=True):
            sums[group] += units
        for (subject, index), units in zip(groups, sums, strict=True):
            if abs(units) > money.LARGEST_SUM:
                self.feed.refuse_sum(subject, Period(self.cut.periods, index))

    def counted(
        self, bound: binding.BoundRecords
    ) -> Iterator[tuple[Row, Sequence[Credit], dict[Key, tuple[int, ...]]]]:
        """The records that count in the cut, each with its credits, and which of them each row of the card
        gets."""
        feed, cut = self.feed, self.cut
        date = feed.role("date")
        # Most days and many decisions recur. What is kept holds the decision, so that its `id` stays its own.
        constant = isinstance(cut.grouping, Themselves | Grouped) and (
            self.crediting is None or self.crediting.simple
        )
        counting: dict[int, tuple[list[Credit], list[tuple[str, ...]], Decided]] = {}
        placed: dict[tuple[int, int], dict[Key, tuple[int, ...]]] = {}
        indexes: dict[dt.date, int | None] = {}
        for row, where, decided in self.decided(bound):
            known = counting.get(id(decided)) if constant else None
            day = decided.day or row[feed.day]
            if known is None:
                some = [each for each in decided.credits if each.share > 0.0 and feed.meant(each.overlay)]
                on = day if isinstance(day, dt.date) else dt.date.max
                known = some, [cut.grouping.of(each.to, on, row) for each in some], decided
                if constant:
                    counting[id(decided)] = known
            credits, lines, _ = known
            if not credits:
                continue
            if not isinstance(day, dt.date):
                lost = credits[lines.index(()) if () in lines else 0].to
                feed.refuse(where, lost, dated=False)
            plain_day = day.date() if isinstance(day, dt.datetime) else day
            if plain_day not in indexes:
                indexes[plain_day] = cut.periods.index_of(plain_day)
            index = indexes[plain_day]
            if (cut.until and is_later(cut.until, plain_day, row[date])) or not cut.holds(index, plain_day):
                continue
            if index is None:
                feed.refuse_gap(where, plain_day, cut.periods)
            if () in lines:
                key = cut.grouping.missing(row) if isinstance(cut.grouping, Keyed) else None
                feed.refuse(where, credits[lines.index(())].to, dated=True, key=key)
            place = id(decided), index
            keys = placed.get(place) if constant else None
            if keys is None:
                keys = {(member, index): at for member, at in rolled_up(lines).items()}
                if constant:
                    placed[place] = keys
            yield row, credits, keys

    def decided(self, bound: binding.BoundRecords) -> Iterator[tuple[Row, object, Decided]]:
        """Each record with what is decided of it."""
        if self.crediting is None:
            subject = self.feed.role("subject")
            each: dict[Scalar, Decided] = {}
            for row, where in zip(bound.rows, bound.ids, strict=True):
                who = row[subject]
                if who not in each:
                    each[who] = Decided((), (Credit(who, 1.0),))  # type: ignore[arg-type]
                yield row, where, each[who]
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
