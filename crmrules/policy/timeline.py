"""Facts with dates: what holds for a key on which day, such as the owner of a customer or a rate."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, final

from crmrules import binding, frames
from crmrules.errors import FieldError, shown
from crmrules.fields import BadRow, Source
from crmrules.policy.dated import DAY, KEY, Ends, Overlap, unfit
from crmrules.types import Kind, Scalar, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Key = str | float
Value = tuple[Scalar, ...]
KINDS: tuple[Kind, ...] = ("text", "number", "money", "date", "datetime", "bool")

FIRST = dt.date.min.toordinal() - frames.EPOCH
LAST = dt.date.max.toordinal() - frames.EPOCH + 1
"""Days since 1970: the first one of the calendar, and the one behind its last; what is open reaches there."""

STRIDE = float(2**22)
"""More than the calendar has days, so that key and day go into one number that a float holds exactly."""


@final
@dataclass(frozen=True, slots=True)
class Span:
    """What holds for a key from the day `start` up to the day before `end`, both in days since 1970.

    row: where it stands in its table, for errors.
    """

    key: Key
    start: int
    end: int
    value: Value
    row: object = None

    @classmethod
    def between(
        cls, key: Key, first: dt.date | None, last: dt.date | None, value: Value, row: object = None
    ) -> Span:
        """From a first to a last day, which is included; None where there is no end to it.

        >>> Span.between("ACME", dt.date(1970, 1, 1), dt.date(1970, 1, 31), ("Ann",)).end
        31
        """
        start = FIRST if first is None else day_number(first)
        end = LAST if last is None else day_number(last) + 1
        return cls(key, start, end, value, row)

    def __str__(self) -> str:
        return stretch(self.start, self.end)


def day_number(day: dt.date) -> int:
    """Days since 1970; of a timestamp, those of its day."""
    return day.toordinal() - frames.EPOCH


def day_of(number: int) -> dt.date:
    """The day that is so many days after 1970-01-01."""
    return dt.date.fromordinal(number + frames.EPOCH)


def stretch(start: int, end: int) -> str:
    """The days from `start` up to the day before `end`, in words."""
    first = "" if start <= FIRST else f"from {day_of(start)}"
    last = "on" if end >= LAST else f"to {day_of(end - 1)}"
    if end - start == 1:
        return f"on {day_of(start)}"
    return f"{first} {last}".strip() if first or end < LAST else "on every day"


@final
class Timeline:
    """For each key, what holds on which day: at most one value, which has one part for each column.

    >>> owners = Timeline.of_spans(
    ...     [Span.between("ACME", dt.date(2026, 1, 1), dt.date(2026, 3, 31), ("Ann",)),
    ...      Span.between("ACME", dt.date(2026, 4, 1), None, ("Bo",))],
    ...     [Type("text")],
    ... )
    >>> owners.at("ACME", dt.date(2026, 3, 31)), owners.at("ACME", dt.date(2026, 4, 1))
    (('Ann',), ('Bo',))

    types: of the columns. quarantined: rows of the table that were set aside, since its source says so.
    """

    def __init__(
        self,
        types: Sequence[Type],
        changes: Mapping[Key, tuple[list[int], list[int]]],
        values: Sequence[Value],
        quarantined: Sequence[BadRow] = (),
    ) -> None:
        self.types = tuple(types)
        self.quarantined = tuple(quarantined)
        self._changes = changes
        self._values = values

    @classmethod
    def of(
        cls,
        source: Source | None,
        data: object,
        *,
        key: str,
        values: Sequence[str],
        start: str | None,
        end: str | None = None,
        ends: Ends = "on",
        overlap: Overlap = "error",
        table: str = "",
    ) -> Timeline:
        """The facts of a table: a frame of any engine, or records. For its dates see `DatedTable`.

        key: the text or number that they are about; values: the fields that hold. Without a source, the
        fields are taken as the data has them. table: its name in errors, the source's if not said.

        Raises FieldError: D101 no key, D102 a row that holds on no day, D103 two rows for one key and day,
        D104 a field of the wrong type, F102 no such field, and what binding raises.
        """
        overlap = "latest_start" if end is None else overlap
        source, spans, quarantined = spans_of(
            source, data, key=key, values=values, start=start, end=end, ends=ends, table=table
        )
        types = [source.schema[name] for name in values]
        return cls.of_spans(spans, types, table=source.name, overlap=overlap, quarantined=quarantined)

    @classmethod
    def of_spans(
        cls,
        spans: Iterable[Span],
        types: Sequence[Type],
        *,
        table: str = "table",
        overlap: Overlap = "error",
        quarantined: Sequence[BadRow] = (),
    ) -> Timeline:
        """The facts of spans in any order. Raises FieldError (D103) where two hold for one key and day."""
        numbers: dict[Value, int] = {(): 0}
        changes: dict[Key, tuple[list[int], list[int]]] = {}
        for key, listed in by_key(spans).items():
            days, held = [FIRST], [0]
            until = FIRST
            for start, end, holding in pieces(listed):
                span = only(holding, start, end, table, overlap)
                number = numbers.setdefault(span.value, len(numbers))
                if start > until:
                    _change(days, held, until, 0)
                _change(days, held, start, number)
                until = end
            if until < LAST:
                _change(days, held, until, 0)
            changes[key] = days, held
        return cls(types, changes, [*numbers], quarantined)

    def __repr__(self) -> str:
        return f"Timeline(of {len(self._changes)} keys, {len(self.types)} columns)"

    def __contains__(self, key: object) -> bool:
        return key in self._changes

    @property
    def values(self) -> Sequence[Value]:
        """Everything that holds at some time for some key, each once."""
        return self._values[1:]

    def keys_of(self, value: Value) -> list[Key]:
        """The keys for which a value holds on some day."""
        return [
            key
            for key, (_, held) in self._changes.items()
            if any(self._values[number] == value for number in held if number)
        ]

    def at(self, key: Key | None, day: dt.date | None) -> Value | None:
        """What holds for a key on a day; of a timestamp, on its day. None where nothing does."""
        if key is None or day is None or key not in self._changes:
            return None
        days, held = self._changes[key]
        number = held[bisect_right(days, day_number(day)) - 1]
        return self._values[number] if number else None

    def history(self, key: Key) -> list[tuple[str, Value]]:
        """What held for a key, one after another, with the days in words."""
        days, held = self._changes.get(key, ([], []))
        bounds = pairwise([*days, LAST])
        return [
            (stretch(start, end), self._values[number])
            for (start, end), number in zip(bounds, held, strict=True)
            if number
        ]

    def beside(
        self, frame: frames.Frame, key: str, day: str, names: Sequence[str], *, kind: Kind = "date"
    ) -> frames.Frame:
        """A bound frame with what holds for each row as further columns, missing where nothing does.

        key, day: columns of the frame; kind: `date`, or `datetime` for a column of timestamps, which count
        as their day. names: of the new columns. The rows stay as they are, and a lazy frame stays lazy.

        Raises FieldError (F107) for a lazy engine other than Polars.
        """
        import narwhals as nw

        codes: dict[Key, float | str] = {key: code * STRIDE for code, key in enumerate(self._changes)}
        number = frames.days_of_microseconds(nw.col(day)) if kind == "datetime" else nw.col(day)
        place = frames.mapped(nw.col(key), codes, text=False) + number - float(FIRST)
        columns = {
            name: [None, *(frames.carried(value[position]) for value in self._values[1:])]
            for position, name in enumerate(names)
        }
        texts = [name for name, of in zip(names, self.types, strict=True) if of.kind == "text"]
        return frames.looked_up(frame, place, self._numbers_at, columns, texts)

    @cached_property
    def _search(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], int]:
        import numpy as np

        lengths = np.array([len(days) for days, _ in self._changes.values()], dtype=np.int64)
        first = np.cumsum(lengths) - lengths
        days = np.array([day for days, _ in self._changes.values() for day in days], dtype=np.int64)
        edges = np.repeat(np.arange(len(lengths)), lengths) * int(STRIDE) + days - FIRST
        held = np.array([number for _, held in self._changes.values() for number in held], dtype=np.int32)
        steps = int(lengths.max(initial=1)).bit_length()
        return np.append(edges, np.full(2**steps, 2**62)), first, held, steps

    def _numbers_at(self, places: NDArray[np.float64]) -> NDArray[np.int32]:
        """For key and day in one number, the number of the value that holds; 0 where nothing does.

        The search starts at each key's first change: over all of them, numpy's takes five times as long.
        """
        import numpy as np

        edges, first, held, steps = self._search
        known = places == places
        if not len(held):
            return np.zeros(len(places), dtype=np.int32)
        wanted = np.where(known, places, 0.0).astype(np.int64)
        at = first[wanted // int(STRIDE)]
        for step in reversed(range(steps)):
            further = at + 2**step
            at = np.where(edges[further] <= wanted, further, at)
        return np.where(known, held[at], np.int32(0))


def _change(days: list[int], held: list[int], day: int, number: int) -> None:
    if days[-1] == day:
        held[-1] = number
    elif held[-1] != number:
        days.append(day)
        held.append(number)


def spans_of(
    source: Source | None,
    data: object,
    *,
    key: str,
    values: Sequence[str],
    start: str | None,
    end: str | None,
    ends: Ends = "on",
    table: str = "",
    kinds: Mapping[str, tuple[Kind, ...]] | None = None,
) -> tuple[Source, list[Span], tuple[BadRow, ...]]:
    """The rows of a dated table as spans, its source, and the rows that were set aside.

    kinds: what the fields have to be, where that is not said by their use as key or date.
    """
    from crmrules.policy.infer import infer

    dates = [name for name in (start, end) if name is not None]
    needed = [*dict.fromkeys([key, *dates, *values])]
    if source is None:
        data = binding.records_of(data) if binding.is_records(data) else data
        source = infer(data, needed)
    if table or source.name == "records":
        source = source.model_copy(update={"name": table or "table"})
    expected = [(key, KEY), *((name, DAY) for name in dates)]
    expected += [(name, (kinds or {}).get(name, KINDS)) for name in (key, *values)]
    for name, fitting in expected:
        if error := unfit(source, name, fitting):
            raise error
    rows = binding.bind_table(source, data, needed)
    spans = []
    for row, where in zip(rows.rows, rows.ids, strict=True):
        if (about := row[key]) is None:
            raise FieldError(
                "D101",
                f"table `{source.name}`, row {shown(where)}: `{key}` is missing",
                source=source.name,
                field=key,
                row=where,
                hint="fill it in, or leave the row out",
            )
        first, last = (row[name] if name else None for name in (start, end))
        assert isinstance(about, str | float)
        assert first is None or isinstance(first, dt.date)
        assert last is None or isinstance(last, dt.date)
        span = Span.between(about, first, last, tuple(row[name] for name in values), where)
        if ends == "before" and last is not None:
            span = Span(span.key, span.start, span.end - 1, span.value, where)
        if span.start >= span.end:
            raise _holds_never(source.name, key, span, first, last, ends)
        spans.append(span)
    return source, spans, rows.quarantined


def _holds_never(
    table: str, key: str, span: Span, first: dt.date | None, last: dt.date | None, ends: Ends
) -> FieldError:
    what = "the last day" if ends == "on" else "the first day that no longer counts"
    return FieldError(
        "D102",
        f"table `{table}`, row {shown(span.row)}: {key} {shown(span.key)} holds from {first} to {last}, "
        "which is no day",
        source=table,
        field=key,
        row=span.row,
        hint=f"`to` is {what} and comes {'no earlier than' if ends == 'on' else 'after'} `from`; "
        "leave it empty for what still holds",
    )


def by_key(spans: Iterable[Span]) -> dict[Key, list[Span]]:
    """The spans of each key, in their order."""
    found: dict[Key, list[Span]] = {}
    for span in spans:
        found.setdefault(span.key, []).append(span)
    return found


def pieces(spans: Sequence[Span]) -> Iterator[tuple[int, int, list[Span]]]:
    """The days of one key, cut where something starts or ends: start, end, and what holds, in its order."""
    starts: dict[int, list[int]] = {}
    finished: dict[int, list[int]] = {}
    for position, span in enumerate(spans):
        starts.setdefault(span.start, []).append(position)
        finished.setdefault(span.end, []).append(position)
    holding: set[int] = set()
    for start, end in pairwise(sorted({*starts, *finished})):
        holding.difference_update(finished.get(start, ()))
        holding.update(starts.get(start, ()))
        if holding:
            yield start, end, [spans[position] for position in sorted(holding)]


def holding_now(holding: Sequence[Span], overlap: Overlap) -> Sequence[Span]:
    """Of what overlaps, all or what has the latest start."""
    latest = max(span.start for span in holding)
    return [span for span in holding if span.start == latest] if overlap == "latest_start" else holding


def only(holding: Sequence[Span], start: int, end: int, table: str, overlap: Overlap) -> Span:
    """The one span that holds. Raises FieldError (D103) where nothing says which of several does."""
    if len(holding) == 1:
        return holding[0]
    rivals = holding_now(holding, overlap)
    if len(rivals) == 1:
        return rivals[0]
    one, other = sorted(rivals[:2], key=lambda span: span.start)
    hint = "leave one of them out, since both start on the same day"
    if one.start < other.start:
        hint = f"end row {shown(one.row)} on {day_of(other.start - 1)}, or write overlap: latest_start"
    raise FieldError(
        "D103",
        f"table `{table}`, rows {shown(one.row)} ({one}) and {shown(other.row)} ({other}) "
        f"are both about {shown(one.key)} {stretch(start, end)}",
        source=table,
        row=other.row,
        value=one.key,
        hint=hint,
    )


__all__ = ["Span", "Timeline"]
