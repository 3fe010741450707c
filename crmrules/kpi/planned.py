"""Small frames by a plan that was made before.

To build the expressions of a pass takes longer than a thousand rows take to be summed. So the plan of Polars
is kept for each feed and shape of frame, over a place for rows that is filled at each run. Only where no step
depends on the values themselves: nothing is looked up, read from text, or fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any, final
from weakref import WeakKeyDictionary

from crmrules import binding, frames
from crmrules.expr import tree
from crmrules.expr.functions import FUNCTIONS
from crmrules.kpi.feed import Feed
from crmrules.route import through_polars

if TYPE_CHECKING:
    import narwhals as nw
    import polars as pl

    from crmrules.kpi.of_frames import OfFrames

MOST_ROWS = 50_000
"""Larger frames are summed as they come: the plan costs little there."""
MOST_PLANS = 8
"""How many plans are kept for a feed, such as those of several periods."""

_plans: WeakKeyDictionary[Feed, dict[object, Plan | None]] = WeakKeyDictionary()
_making = Lock()


def by_plan(passing: OfFrames, data: object) -> nw.DataFrame[Any] | None:
    """The sums by subject and period, None where they have to be computed step by step: a bad value, or
    more amounts in a group than are sure to fit, is seen there too."""
    import narwhals as nw

    from crmrules.kpi.of_frames import MOST_SURE

    if not (passing.plain and passing.crediting is passing.feed.crediting):
        return None
    if any(map(passing.feed.is_pulled, passing.feed.slots)) or any(map(_calls_host, passing.nodes)):
        return None
    if (frame := _needed(passing, data)) is None:
        return None
    plan = _plan(passing, frame)
    found = None if plan is None else plan.run(frame)
    groups = None if found is None else nw.from_native(found, eager_only=True)
    return None if groups is None or (len(groups) and groups["@len"].max() > MOST_SURE) else groups


def _calls_host(node: tree.Node) -> bool:
    return any(isinstance(each, tree.Call) and FUNCTIONS[each.function].hosted for each in tree.walk(node))


def _needed(passing: OfFrames, data: object) -> pl.DataFrame | None:
    """The columns that the pass reads, in Polars; None for what goes another way."""
    source = passing.feed.source
    frame = frames.wrap(data, source.name)
    if frames.is_lazy(frame) or len(frame) > MOST_ROWS:  # type: ignore[arg-type]
        return None
    fields = passing.dated_fields
    columns = frame.columns
    if source.missing_columns(columns, fields) or any(str(name)[:1] == "@" for name in columns):
        return None
    hosts = [*dict.fromkeys(map(source.column, fields))]
    native: Any = frame.select(*hosts).to_native() if frame.implementation.is_polars() else None
    return through_polars(frame, hosts) if native is None else native


def _plan(passing: OfFrames, frame: pl.DataFrame) -> Plan | None:
    """The plan for frames of that shape, None where Python has to read some values."""
    cut = passing.cut
    shape = tuple(frame.schema.items())
    key = (shape, cut.periods, cut.period, cut.until, cut.through, len(passing.feed.slots))
    with _making:
        kept = _plans.setdefault(passing.feed, {})
        if key not in kept:
            while len(kept) >= MOST_PLANS:
                kept.pop(next(iter(kept)))
            wrapped = frames.wrap(frame.clear(), passing.feed.source.name)
            by_python = binding.needs_python(passing.feed.source, passing.dated_fields, wrapped)
            kept[key] = None if by_python else Plan(passing, frame.schema)
        return kept[key]


@final
class Plan:
    """A pass over frames of one shape."""

    def __init__(self, passing: OfFrames, schema: pl.Schema) -> None:
        from polars.io.plugins import register_io_source

        self._frame: pl.DataFrame | None = None
        self._running = Lock()
        source = passing.feed.source
        place = frames.wrap(register_io_source(self._rows, schema=schema), source.name)
        month = not passing.cut.periods.needs_days
        bound, bad = binding.bind_unchecked(source, place, passing.read_fields, month=month)
        frame = passing.by_subject(*passing.of_bound(bound), [])
        self._sums: Any = passing.summed(frame)[1].to_native()
        self._bad: Any = None if bad is None else bad.to_native()

    def run(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """The sums, None if some value does not fit."""
        import polars as pl

        with self._running:
            self._frame = frame
            try:
                sums, *bad = pl.collect_all(
                    [self._sums, *([] if self._bad is None else [self._bad])], engine="in-memory"
                )
            except pl.exceptions.InvalidOperationError:
                return None  # an amount that is no whole number of 64 bits, which step by step is named
            finally:
                self._frame = None
        return None if bad and any(bad[0].row(0)) else sums

    def _rows(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        assert self._frame is not None
        frame = self._frame if predicate is None else self._frame.filter(predicate)
        frame = frame if columns is None else frame.select(columns)
        yield frame if rows is None else frame.head(rows)
