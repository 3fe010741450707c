"""A field derived from the order of records, such as the n-th order of a customer."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Listed
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, final

from pydantic import BaseModel, BeforeValidator

from crmrules import frames
from crmrules.errors import RecordError, shown
from crmrules.expr.check import Schema
from crmrules.expr.column import condition_column
from crmrules.expr.scalar import compile_first
from crmrules.fields import Frozen, Source
from crmrules.policy.condition import Condition
from crmrules.types import NUMBER, Scalar

if TYPE_CHECKING:
    import narwhals as nw


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])]


@final
class Sequence(BaseModel):
    """Numbers the records of each key from 1: `per` customer, `by` date.

    per: the fields that make the key. by: the fields that order the records, the record's id last if it is
    not among them, so that no two are alike. where: only these records are numbered. A record that is not
    numbered, or lacks a field of `per` or `by`, has no number (null).
    """

    model_config = Frozen

    per: Names
    by: Names
    where: Condition | None = None

    def order(self, source: Source) -> tuple[str, ...]:
        """The fields that order the records, the id as the last one."""
        id_field = source.role("id")
        return self.by if id_field is None or id_field in self.by else (*self.by, id_field)

    def fields(self, source: Source) -> tuple[str, ...]:
        """The fields that numbering needs."""
        where = self.where.check(source.schema).fields if self.where is not None else ()
        return (*self.per, *self.order(source), *where)


SEQUENCE_TYPE = NUMBER


def number_frame(frame: frames.Frame, name: str, sequence: Sequence, source: Source) -> frames.Frame:
    """The bound frame with the sequence's number as a further column; rows may change their order."""
    import narwhals as nw

    order = sequence.order(source)
    keys = [*dict.fromkeys((*sequence.per, *order))]
    whole = frame if frames.ROW in frame.collect_schema().names() else frames.numbered(frame)
    part = whole
    if sequence.where is not None:
        part = part.filter(condition_column(sequence.where.check(source.schema)))
    part = part.select(frames.ROW, *keys).filter(*(~nw.col(key).is_null() for key in keys))
    ordered = frames.collected(part.sort(*keys))
    _refuse_ties(ordered, keys, name, source)
    ordered = ordered.with_row_index("@position")
    first = ordered.group_by(*sequence.per).agg(nw.col("@position").min().alias("@first"))
    numbered = ordered.join(first, on=[*sequence.per], how="left").select(
        frames.ROW, (nw.col("@position").cast(nw.Float64) - nw.col("@first") + 1.0).alias(name)
    )
    joined = numbered.lazy() if frames.is_lazy(whole) else numbered
    return whole.join(joined, on=frames.ROW, how="left")  # type: ignore[arg-type]


def _refuse_ties(ordered: nw.DataFrame[Any], keys: Listed[str], name: str, source: Source) -> None:
    if len(ordered.unique(subset=[*keys])) == len(ordered):
        return
    rows = frames.rows_of(ordered.select(*keys))
    tied = next(row for row, following in pairwise(rows) if row == following)
    schema = source.schema
    _refuse_tie(name, {key: frames.delivered(value, schema[key]) for key, value in tied.items()})  # type: ignore[arg-type]


def _refuse_tie(name: str, tied: Mapping[str, object]) -> NoReturn:
    listed = ", ".join(f"{key} {shown(value)}" for key, value in tied.items())
    raise RecordError(
        "S101",
        f"sequence `{name}`: two records tie ({listed})",
        hint="add a field to `by`, or give a field that identifies the record the role `id`",
    )


def number_records(rows: list[dict[str, Scalar]], name: str, sequence: Sequence, source: Source) -> None:
    """The same for records: each gets the number under the sequence's name."""
    order = sequence.order(source)
    keys = [*dict.fromkeys((*sequence.per, *order))]
    counted = (
        compile_first([sequence.where.check(source.schema)]) if sequence.where is not None else lambda row: 0
    )
    chosen = []
    for row in rows:
        row[name] = None
        if counted(row) == 0 and all(row[key] is not None for key in keys):
            chosen.append(row)
    chosen.sort(key=lambda row: tuple(row[key] for key in keys))
    previous: tuple[Scalar, ...] | None = None
    number = 0.0
    last: tuple[Scalar, ...] | None = None
    for row in chosen:
        values = tuple(row[key] for key in keys)
        if values == last:
            _refuse_tie(name, {key: row[key] for key in keys})
        last = values
        key = values[: len(dict.fromkeys(sequence.per))]
        number = number + 1.0 if key == previous else 1.0
        previous = key
        row[name] = number


def schema_with(source: Source, sequences: Mapping[str, Sequence]) -> Schema:
    """The source's fields and the derived ones."""
    return {**source.schema, **dict.fromkeys(sequences, SEQUENCE_TYPE)}
