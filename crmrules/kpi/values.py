"""The values of measures and of expressions over them, for each row of a card and for spans of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from crmrules.errors import RecordError, shown
from crmrules.expr import tree
from crmrules.expr.arrays import arithmetic
from crmrules.expr.check import Checked
from crmrules.expr.scalar import compile_many
from crmrules.frames import carried
from crmrules.kpi.feed import Feed, Totals
from crmrules.kpi.grid import Grid
from crmrules.kpi.measure import Slot, delivered_column
from crmrules.kpi.prepared import Earlier, Prepared, Window
from crmrules.kpi.pulled import collapse
from crmrules.money import LARGEST_SUM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column


@final
class Values:
    """What expressions come to on the rows of a grid, each computed once.

    named: the measures, and whatever else expressions read by name. given: columns that are known already.
    """

    def __init__(
        self,
        grid: Grid,
        totals: Mapping[int, Totals],
        named: Callable[[str], Prepared],
        given: Mapping[str, Column] | None = None,
    ) -> None:
        self.grid = grid
        self.totals = totals
        self.rows = {feed: grid.rows(each) for feed, each in totals.items()}
        self.named = named
        self.given = given or {}
        self.slots: dict[tuple[int, Slot, Window | None], Column] = {}
        self.known: dict[tuple[int, Window | None], Column] = {}

    def of(self, wanted: Prepared, window: Window | None = None) -> Column:
        """The value for each row, or over the window that ends with each row's period; NaN is missing.

        Over no records it is what it is over nothing; before the first period nothing is known.
        """
        key = id(wanted), window
        if key not in self.known:
            columns = [self.read(wanted, name, window) for name in wanted.checked.fields]
            self.known[key] = computed(wanted.checked, columns, len(self.grid))
        return self.known[key]

    def read(self, wanted: Prepared, name: str, window: Window | None = None) -> Column:
        """The value of a name that an expression reads."""
        if name in self.given:
            return self.given[name]
        if name in wanted.earlier:
            return self._earlier(wanted.earlier[name])
        if wanted.feed is not None:
            return self._aggregate(wanted.feed, name, window)
        return self.of(self.named(name), window)

    def _earlier(self, wanted: Earlier) -> Column:
        if wanted.window is not None:
            return self._full(self.of(wanted.operand, wanted.window), wanted.window)
        column = self.of(wanted.operand)
        return _taken(column, self._before(wanted.function, wanted.count), len(self.grid.subjects))

    def _before(self, function: str, count: int) -> list[int]:
        """For each period the place of the one that is looked at, -1 where the card does not reach."""
        periods = self.grid.periods
        if function == "prior":
            return [place - count if place >= count else -1 for place in range(len(periods))]
        places = {period: place for place, period in enumerate(periods)}
        return [
            -1 if (before := period.same_last_year) is None else places.get(before, -1) for period in periods
        ]

    def _full(self, column: Column, window: Window) -> Column:
        """The column, without rows whose last so many periods the card does not hold."""
        if window.function != "rolling":
            return column
        column = _nullable(column)
        column[: (window.count - 1) * len(self.grid.subjects)] = _missing(column)
        return column

    def _aggregate(self, feed: Feed, name: str, window: Window | None) -> Column:
        found = feed.parts[name]
        slots = {slot: self._slot(feed, slot, window) for slot in found.slots}
        return found.column(slots)

    def _slot(self, feed: Feed, slot: Slot, window: Window | None) -> Column:
        key = id(feed), slot, window
        if key not in self.slots:
            self.slots[key] = self._aligned(feed, slot) if window is None else self._over(feed, slot, window)
        return self.slots[key]

    def _aligned(self, feed: Feed, slot: Slot) -> Column:
        """A slot for each row; nothing was seen where there are no records."""
        import numpy as np

        rows, column = self.rows[id(feed)], self.totals[id(feed)].slots[slot]
        empty: Any = 0 if slot.operation in ("sum", "total", "count", "distinct") else np.nan
        if column.dtype == object:
            empty = None
        if not len(column):
            return np.full(len(rows), empty, dtype=object if empty is None else np.float64)
        found = column[rows]
        found[rows < 0] = empty
        return found

    def _over(self, feed: Feed, slot: Slot, window: Window) -> Column:
        """A slot over the window that ends with each row's period."""
        import numpy as np

        pulled = self.totals[id(feed)].pulled
        starts = self._starts(window)
        if slot in pulled:
            return self._collapsed(feed, slot, starts)
        column = self._slot(feed, slot, None)
        wide = column.reshape(len(self.grid.periods), len(self.grid.subjects))
        smaller = slot.operation == "min"
        if slot.operation in ("min", "max"):
            wide = np.where(np.isnan(wide), np.inf if smaller else -np.inf, wide)
        found = np.empty_like(wide)
        for place, start in enumerate(starts):
            span = wide[start : place + 1]
            match slot.operation:
                case "min":
                    found[place] = span.min(axis=0)
                case "max":
                    found[place] = span.max(axis=0)
                case _:
                    found[place] = span.sum(axis=0)
        if found.dtype == np.int64 and len(found):
            self._refuse_overflow(feed, wide, starts)
        if slot.operation in ("min", "max"):
            found = np.where(np.isfinite(found), found, np.nan)
        return found.reshape(-1)

    def _refuse_overflow(self, feed: Feed, wide: Any, starts: Sequence[int]) -> None:
        import numpy as np

        floats = np.abs(wide.astype(np.float64))
        for place, start in enumerate(starts):
            beyond = np.flatnonzero(floats[start : place + 1].sum(axis=0) > LARGEST_SUM)
            if len(beyond):
                subject, period = self.grid.subjects[int(beyond[0])], self.grid.periods[place]
                raise RecordError(
                    "M107",
                    f"source `{feed.source.name}`: the amounts of {shown(subject)} up to {period} add up to "
                    "more than can be carried exactly",
                    hint="declare the field with fewer decimals, or as number",
                )

    def _collapsed(self, feed: Feed, slot: Slot, starts: Sequence[int]) -> Column:
        """A slot that is no sum: the single values of all periods of the window, put together again."""
        import numpy as np

        totals, subjects = self.totals[id(feed)], len(self.grid.subjects)
        single = totals.pulled[slot]
        place_of_row = np.full(len(totals.subjects), -1, dtype=np.int64)
        rows = self.rows[id(feed)]
        place_of_row[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        own = place_of_row[single.groups]
        ends, values = [], []
        for place, start in enumerate(starts):
            within = (own // subjects >= start) & (own // subjects <= place)
            # Stable, so that values stay in their order within a period.
            order = np.argsort(own[within] // subjects, kind="stable")
            ends.append((own[within] % subjects + place * subjects)[order])
            values.append(single.values[within][order])
        if not ends:
            return np.full(0, np.nan)
        return collapse(slot.operation, np.concatenate(ends), np.concatenate(values), len(self.grid))

    def _starts(self, window: Window) -> list[int]:
        """For each period the place of the first of its window."""
        periods = self.grid.periods
        if window.function == "rolling":
            return [max(place - window.count + 1, 0) for place in range(len(periods))]
        first = periods[0].index if periods else 0
        return [max(period.year_to_date[0].index - first, 0) for period in periods]


@final
class Shown:
    """Values on the last periods of their grid alone: those before are only looked back at."""

    def __init__(self, values: Values, periods: int) -> None:
        self.values = values
        self.grid, self.rows = values.grid.last(periods)

    def of(self, wanted: Prepared) -> Column:
        """The value for each row that is shown."""
        return self.values.of(wanted)[self.rows]

    def read(self, wanted: Prepared, name: str) -> Column:
        """The value of a name that an expression reads, for each row that is shown."""
        return self.values.read(wanted, name)[self.rows]


def _missing(column: Column) -> Any:
    return None if column.dtype == object else float("nan")


def _nullable(column: Column) -> Column:
    """A copy in which a value can be missing."""
    import numpy as np

    return column.astype(np.float64) if column.dtype == np.int64 else column.copy()


def _taken(column: Column, places: Sequence[int], subjects: int) -> Column:
    """The rows of other periods; nothing is known of those at place -1."""
    import numpy as np

    wide = _nullable(column).reshape(len(places), subjects)
    taken = np.array(places, dtype=np.int64)
    found = wide[taken]
    found[taken < 0] = _missing(wide)
    return found.reshape(-1)


def computed(checked: Checked, columns: Sequence[Column], rows: int) -> Column:
    """The value of an expression for each row, from the columns of what it reads."""
    import numpy as np

    if isinstance(checked.tree, tree.Name):
        return columns[0]
    plain = arithmetic(checked, dict(zip(checked.fields, columns, strict=True))) if columns else None
    if plain is not None:
        return plain
    lists = [
        delivered_column(column, checked.schema[name])
        for name, column in zip(checked.fields, columns, strict=True)
    ]
    values = compile_many(checked)(*lists) if lists else compile_many(checked)() * rows
    if checked.type.kind == "text":
        return np.array(values, dtype=object)
    if checked.type.kind in ("date", "datetime"):
        values = [carried(value) for value in values]
    return np.array(values, dtype=np.float64)


def numbers(values: Column, kind: str, digits: int) -> NDArray[np.float64]:
    """A column as plain numbers, amounts in whole units of the currency; NaN where it is of another kind."""
    import numpy as np

    if kind not in ("number", "money", "duration"):
        return np.full(len(values), np.nan)
    plain = values.astype(np.float64)
    return plain / 10**digits if kind == "money" else plain
