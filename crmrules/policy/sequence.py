"""A field derived from the order of records: the n-th order of a customer, or whether it is a repeat one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, final

import pydantic
from pydantic import BaseModel, BeforeValidator

from crmrules import frames
from crmrules.errors import CrmRulesError, FieldError, RecordError, shown
from crmrules.expr.check import Checked, Schema
from crmrules.expr.column import condition_column
from crmrules.expr.scalar import compile_first
from crmrules.fields import Frozen, Source
from crmrules.policy import numbering
from crmrules.policy.condition import Condition
from crmrules.types import NUMBER, Scalar, Type

if TYPE_CHECKING:
    import narwhals as nw
    import numpy as np
    from numpy.typing import NDArray

NEW, REPEAT = "new", "repeat"
Span = Literal["day", "week", "month", "quarter", "year"]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])]
Count = Annotated[int, pydantic.Field(ge=1, le=4000)]


@final
class Duration(BaseModel):
    """A length of time, as `{months: 6}` or `{days: 90}`.

    From one day to another it has passed when `months_between(one, other) >= 6`, or when
    `days(other - one) >= 90`: six months from 15 January have passed on 15 July, from 31 August on the last
    day of February.
    """

    model_config = Frozen

    months: Count | None = None
    days: Count | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Duration:
        if (self.months is None) == (self.days is None):
            raise ValueError("say how long: months: 6, or days: 90")
        return self


@final
class Sequence(BaseModel):
    """Numbers the records of each key from 1, `per` customer and `by` date; or says which are repeat ones.

    >>> orders = [
    ...     {"order_id": "A1", "customer": "Acme", "order_date": "2026-04-05", "order_type": "sample"},
    ...     {"order_id": "A2", "customer": "Acme", "order_date": "2026-04-20", "order_type": "standard"},
    ...     {"order_id": "A3", "customer": "Acme", "order_date": "2026-05-02", "order_type": "standard"},
    ... ]
    >>> source = Source(fields={"order_id": {"type": "text", "role": "id"}, "customer": "text",
    ...     "order_date": "date", "order_type": "text"})
    >>> kind = Sequence(per="customer", by="order_date", kinds={"sample": "order_type == 'sample'"})
    >>> from crmrules.binding import bind_records
    >>> rows = bind_records(source, orders, kind.fields(source)).rows
    >>> number_records(rows, "order_kind", kind, source)
    >>> [row["order_kind"] for row in rows]
    ['sample', 'new', 'repeat']

    per: the fields that make the key: `customer` counts over the whole company, `[customer, product_line]`
    in each product line by itself, `[customer, salesperson]` for each salesperson.
    by: the fields that order the records, the record's id last if it is not among them, so that no two are
    alike. where: only these records are numbered.
    within: count only the records up to this one that are not yet so long ago: with `{months: 12}`, one of
    15 March last year no longer counts on 15 March. restart_after: from 1 again where so much time has
    passed since the key's previous record. Both need a date as the first field of `by`.
    kinds: the field holds a text instead of a number. The kinds that are named here, by a condition, are
    tried in turn, and their records are not numbered; of the others the key's first record is `new` and all
    later ones are `repeat`. new_for: how long after the first record the following ones are still `new`: in
    the same `day`, `week`, `month`, `quarter` or `year`, or as long as `{days: 30}` have not passed.

    A record that is not numbered, or lacks a field of `per` or `by`, has no number and no kind (null).
    """

    model_config = Frozen

    per: Names
    by: Names
    where: Condition | None = None
    within: Duration | None = None
    restart_after: Duration | None = None
    kinds: dict[str, Condition] | None = None
    new_for: Span | Duration | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Sequence:
        for name, part in (("per", self.per), ("by", self.by)):
            if not part:
                raise ValueError(f"`{name}` needs at least one field")
        if self.new_for is not None and self.kinds is None:
            raise ValueError("`new_for` goes with `kinds`, which may be empty: kinds: {}")
        if self.within is not None and self.kinds is not None:
            raise ValueError("`within` goes with numbers: for kinds write restart_after")
        if taken := {NEW, REPEAT} & {*(self.kinds or ())}:
            raise ValueError(f"{shown(min(taken))} is what the other records are called: take another name")
        return self

    @property
    def type(self) -> Type:
        """What the field holds: a number, or one of the kinds."""
        return NUMBER if self.kinds is None else Type("text", values=(*self.kinds, NEW, REPEAT))

    def order(self, source: Source) -> tuple[str, ...]:
        """The fields that order the records, the id as the last one."""
        id_field = source.role("id")
        return self.by if id_field is None or id_field in self.by else (*self.by, id_field)

    def fields(self, source: Source) -> tuple[str, ...]:
        """The fields that numbering needs."""
        conditions = [each.check(source.schema) for each in self.conditions.values()]
        tested = [name for each in conditions for name in each.fields]
        return (*self.per, *self.order(source), *tested)

    @property
    def conditions(self) -> dict[tuple[str, ...], Condition]:
        """The conditions, by where they are declared."""
        found: dict[tuple[str, ...], Condition] = {} if self.where is None else {("where",): self.where}
        found.update({("kinds", name): kind for name, kind in (self.kinds or {}).items()})
        return found

    def problems(self, source: Source) -> Iterator[tuple[tuple[str, ...], CrmRulesError]]:
        """Everything that does not fit the source, with the way to it."""
        schema = source.schema
        for part in ("per", "by"):
            for field in getattr(self, part):
                if field not in schema:
                    yield (part,), source.unknown_field(field)
        first = schema.get(self.by[0])
        timed = [name for name in ("within", "restart_after", "new_for") if getattr(self, name) is not None]
        if timed and first is not None and first.kind not in ("date", "datetime"):
            yield (
                (timed[0],),
                FieldError(
                    "F113",
                    f"`{timed[0]}` needs a date, and `{self.by[0]}` is {first}",
                    source=source.name,
                    field=self.by[0],
                    hint="put the field that tells the day first in `by`",
                ),
            )
        for path, condition in self.conditions.items():
            try:
                condition.check(schema)
            except CrmRulesError as error:
                yield path, error

    def given(self, value: object) -> Scalar:
        """The field's value where a single record brings it along; None for what is none."""
        if self.kinds is not None:
            return value if isinstance(value, str) else None
        plain = isinstance(value, int | float) and not isinstance(value, bool) and value == value
        return float(value) if plain else None  # type: ignore[arg-type]


def number_frame(frame: frames.Frame, name: str, sequence: Sequence, source: Source) -> frames.Frame:
    """The bound frame with the sequence's field as a further column; rows may change their order.

    Raises RecordError (S101) for two records that tie, FieldError (F113) where a date is needed.
    """
    import narwhals as nw

    plan = _Plan(name, sequence, source)
    whole = frames.numbered(frame)
    known = [~nw.col(key).is_null() for key in plan.keys]
    part = frames.collected(
        whole.select(
            frames.ROW,
            *plan.keys,
            _code([nw.all_horizontal(*known, ignore_nulls=True)]).alias("@known"),
            _code([condition_column(each) for each in plan.counted]).alias("@counted"),
            _code([condition_column(each) for each in plan.named]).alias("@named"),
        )
    )
    columns = numbering.FrameColumns(part, source.schema)
    named = columns.numbers("@named")
    counted = (columns.numbers("@known") == 0.0) & (named == len(plan.named))
    if plan.counted:
        counted &= columns.numbers("@counted") == 0.0
    values = plan.values(columns, counted, named)
    backend = part.implementation
    if sequence.kinds is None:
        added = nw.new_series(name, values, nw.Float64(), backend=backend)
    else:
        added = nw.new_series(name, plan.worded(values), nw.String(), backend=backend)
    missing = [nw.col(name).fill_nan(None)] if sequence.kinds is None else []
    if not frames.is_lazy(whole):
        return whole.with_columns(added).with_columns(*missing)
    beside = part.select(frames.ROW).with_columns(added).with_columns(*missing)
    return whole.join(beside.lazy(), on=frames.ROW, how="left")


def number_records(rows: list[dict[str, Scalar]], name: str, sequence: Sequence, source: Source) -> None:
    """The same for records: each gets the number, or the kind, under the sequence's name."""
    import numpy as np

    plan = _Plan(name, sequence, source)
    first, named = (compile_first(each) if each else None for each in (plan.counted, plan.named))
    codes = np.array([named(row) if named else 0 for row in rows], dtype=np.float64)
    counted = codes == len(plan.named)
    counted &= np.array([all(row[key] is not None for key in plan.keys) for row in rows], dtype=bool)
    if first is not None:
        counted &= np.array([first(row) == 0 for row in rows], dtype=bool)
    values = plan.values(numbering.RowColumns(rows, source.schema), counted, codes)
    found = values.tolist() if sequence.kinds is None else plan.worded(values)
    for row, value in zip(rows, found, strict=True):
        row[name] = None if value != value else value


@final
class _Plan:
    """A sequence on a source: what is read, and the numbers of columns, however they are held."""

    def __init__(self, name: str, sequence: Sequence, source: Source) -> None:
        for _, error in sequence.problems(source):
            raise error
        self.name, self.sequence, self.source = name, sequence, source
        schema = source.schema
        self.keys = [*dict.fromkeys((*sequence.per, *sequence.order(source)))]
        self.counted: list[Checked] = [sequence.where.check(schema)] if sequence.where is not None else []
        self.named: list[Checked] = [each.check(schema) for each in (sequence.kinds or {}).values()]

    def values(
        self,
        columns: numbering.Columns,
        counted: NDArray[np.bool_],
        named: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """For each row its number, or the position of its kind; NaN for none."""
        import numpy as np

        sequence = self.sequence
        order = [key for key in self.keys if key not in sequence.per] or [sequence.by[0]]
        runs = numbering.ordered(columns, sequence.per, order, np.flatnonzero(counted))
        if runs.tied is not None:
            self.refuse_tie(columns, runs.tied)
        day = self.days(columns)[runs.places]
        result = np.full(len(counted), np.nan)
        starts = runs.starts
        if sequence.restart_after is not None:
            starts = numbering.restarted(runs, day, _ago(sequence.restart_after))
        if sequence.kinds is None:
            if sequence.within is not None:
                starts = np.maximum(starts, numbering.window(runs, day, _ago(sequence.within)))
            result[runs.places] = np.arange(len(starts)) - starts + 1.0
            return result
        new = starts == np.arange(len(starts))
        if isinstance(sequence.new_for, Duration):
            new = day[starts] > _ago(sequence.new_for)(day)
        elif sequence.new_for is not None:
            span = numbering.SPANS[sequence.new_for]
            new = span(day[starts]) == span(day)
        names = len(self.named)
        result[runs.places] = np.where(new, names, names + 1.0)
        return np.where(named < names, named, result) if names else result

    def days(self, columns: numbering.Columns) -> NDArray[np.float64]:
        """The days since 1970 of the first field of `by`, as far as it tells them."""
        import numpy as np

        name = self.sequence.by[0]
        match self.source.schema[name].kind:
            case "date":
                return columns.numbers(name)
            case "datetime":
                return np.floor(columns.numbers(name) / frames.MICROSECONDS_A_DAY)
        return np.full(len(columns), np.nan)

    def worded(self, codes: NDArray[np.float64]) -> list[str | None]:
        """The kinds at positions."""
        import numpy as np

        words = np.array([*self.sequence.type.values, None], dtype=object)
        known = np.where(codes == codes, codes, len(words) - 1).astype(np.int64)
        found: list[str | None] = words[known].tolist()
        return found

    def refuse_tie(self, columns: numbering.Columns, row: int) -> NoReturn:
        import numpy as np

        tied = {}
        for key in self.keys:
            place = np.array([row])
            text = columns.is_text(key)
            value = columns.texts(key, place)[0] if text else float(columns.numbers(key)[row])
            tied[key] = frames.delivered(value, self.source.schema[key])
        listed = ", ".join(f"{key} {shown(value)}" for key, value in tied.items())
        raise RecordError(
            "S101",
            f"sequence `{self.name}`: two records tie ({listed})",
            hint="add a field to `by`, or give a field that identifies the record the role `id`",
        )


def _ago(duration: Duration) -> numbering.Ago:
    """From days to the last day from which on to them the duration has passed."""
    if duration.days is not None:
        days = float(duration.days)
        return lambda day: day - days
    assert duration.months is not None
    return numbering.months_ago(duration.months)


def _code(tests: Iterable[nw.Expr]) -> nw.Expr:
    """The position of the first test that is true, as a float; how many there are where none is."""
    import narwhals as nw

    listed = [*tests]
    result = nw.lit(float(len(listed)))
    for position, test in reversed([*enumerate(listed)]):
        result = nw.when(test).then(nw.lit(float(position))).otherwise(result)
    return result


def schema_with(source: Source, sequences: Mapping[str, Sequence]) -> Schema:
    """The source's fields and the derived ones."""
    return {**source.schema, **{name: sequence.type for name, sequence in sequences.items()}}


__all__ = ["Duration", "Sequence", "number_frame", "number_records", "schema_with"]
