"""Returns: records whose credit, payees and shares are those of the record that they take back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, final

from crmrules import frames
from crmrules.errors import RecordError, named
from crmrules.expr.check import Schema
from crmrules.expr.column import condition_column
from crmrules.expr.scalar import compile_first
from crmrules.fields import Source
from crmrules.policy.payees import Returns

if TYPE_CHECKING:
    import narwhals as nw

    from crmrules.policy.crediting import Decided
    from crmrules.policy.level import Row

ORIGINAL, FOUND, TAKES_BACK = "@original", "@found", "@takes back"


@final
class TakingBack:
    """Returns on a source, ready to run."""

    def __init__(self, returns: Returns, source: Source, schema: Schema) -> None:
        id_field = source.role("id")
        assert id_field is not None
        self.returns = returns
        self.id = id_field
        self.date = source.role("date") or ""
        self.schema = schema
        self.condition = returns.when.check(schema)
        self.is_return = compile_first([self.condition])

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read."""
        dated = [self.date] if self.returns.period == "original" else []
        return (*self.condition.fields, self.returns.original, self.id, *dated)

    def records(
        self, rows: Sequence[Row], ids: Sequence[object], decide: Callable[[Row, object], Decided]
    ) -> list[Decided]:
        """What is decided of each bound record, of returns as of what they take back."""
        returned = [self.is_return(row) == 0 for row in rows]
        originals = {
            row[self.id]: at for at, row in enumerate(rows) if not returned[at] and row[self.id] is not None
        }
        alone = self.returns.missing == "own"
        found = {
            at: decide(row, ids[at])
            for at, row in enumerate(rows)
            if not returned[at] or (alone and row[self.returns.original] not in originals)
        }
        if len(originals) < returned.count(False):
            counts = Counter(row[self.id] for at, row in enumerate(rows) if not returned[at])
            wanted = {row[self.returns.original] for at, row in enumerate(rows) if returned[at]}
            for record, count in counts.items():
                if count > 1 and record is not None and record in wanted:
                    self.refuse_twice(record)
        result: list[Decided] = []
        for at, row in enumerate(rows):
            if not returned[at]:
                result.append(found[at])
                continue
            original = originals.get(row[self.returns.original])
            if original is None:
                if not alone:
                    self.refuse_missing(ids[at], row[self.returns.original])
                result.append(found[at])
                continue
            taken = found[original]
            day: Any = None
            if self.returns.period == "original":
                day = taken.day or rows[original][self.date]
            result.append(replace(taken, day=day, takes_back=ids[original]))
        return result

    def marked(self, frame: frames.Frame) -> tuple[frames.Frame, nw.Expr]:
        """The bound frame with a mark for returns, and whether a row of it is decided by its original."""
        import narwhals as nw

        mark = condition_column(self.condition)
        frame = frame.with_columns(nw.when(mark).then(nw.lit(1.0)).otherwise(nw.lit(0.0)).alias(TAKES_BACK))
        by_original = nw.col(TAKES_BACK) == 1.0
        if self.returns.missing == "own":
            there = frames.unique(frame.filter(~by_original), self.id)
            # PyArrow tells no text from an empty list.
            found = nw.col(self.returns.original).is_in(there) if there else nw.lit(1.0) < 0.0
            by_original = by_original & found
        return frame, by_original

    def frame(self, frame: frames.Frame, taken: Sequence[str]) -> frames.Frame:
        """The marked frame in which returns have the columns `taken` of what they take back."""
        import narwhals as nw

        frame = frame.with_columns(
            nw.when(nw.col(TAKES_BACK) == 1.0).then(nw.col(self.returns.original)).alias(ORIGINAL)
        )
        returned = frames.collected(
            frame.filter(nw.col(TAKES_BACK) == 1.0).select(frames.ROW, self.id, ORIGINAL)
        )
        wanted = returned.select(ORIGINAL).drop_nulls().unique()
        of_original = {name: f"{name} of original" for name in taken}
        originals: Any = frame.filter(nw.col(TAKES_BACK) == 0.0).select(
            nw.col(self.id).alias(f"{ORIGINAL} id"),
            *(nw.col(name).alias(new) for name, new in of_original.items()),
        )
        lazy: Any = wanted.lazy() if frames.is_lazy(frame) else wanted
        known = frames.collected(
            frames.joined(originals, lazy, f"{ORIGINAL} id", ORIGINAL, how="semi")
        ).with_columns(nw.lit(1.0).alias(FOUND))
        ids = known[f"{ORIGINAL} id"].to_list()
        for record, count in Counter(ids).items():
            if count > 1:
                self.refuse_twice(record)
        if self.returns.missing == "error":
            there = {*ids}
            for row in frames.rows_of(returned.sort(frames.ROW)):
                if row[ORIGINAL] not in there:
                    self.refuse_missing(row[self.id], row[ORIGINAL])
        taken_back: Any = known.lazy() if frames.is_lazy(frame) else known
        joined = frames.joined(frame, taken_back, ORIGINAL, f"{ORIGINAL} id")
        found = nw.col(FOUND) == 1.0
        return joined.with_columns(
            *(
                nw.when(found).then(nw.col(new)).otherwise(nw.col(name)).alias(name)
                for name, new in of_original.items()
            )
        )

    def refuse_missing(self, record: object, original: object) -> NoReturn:
        what = (
            "names no original" if original is None else f"takes back {named(original)}, which is not there"
        )
        raise RecordError(
            "C305",
            f"record {named(record)} is a return and {what}",
            hint="pass the original too, or write missing: own to judge such returns by themselves",
        )

    def refuse_twice(self, record: object) -> NoReturn:
        raise RecordError(
            "C306",
            f"a return takes back record {named(record)}, and two records have this id",
            hint="give each record an id of its own",
        )


def taken_from(row: Mapping[str, object]) -> object:
    """The id of the record that a row of `TakingBack.frame` takes back, None if it takes back none."""
    return row[ORIGINAL] if row.get(FOUND) == 1.0 else None
