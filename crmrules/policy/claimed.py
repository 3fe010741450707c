"""What people claim in the rows of several sources, read into columns and put in order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from crmrules import binding, frames
from crmrules.fields import BadRow, Source
from crmrules.policy.collided import LeftOut, Side
from crmrules.policy.facts import text_of, whole
from crmrules.policy.identity import Kind
from crmrules.types import Scalar


@final
@dataclass(slots=True)
class Claimed:
    """Claims as they come, in columns: for each kind of key one for each of its fields."""

    source: list[str] = field(default_factory=list)
    record: list[object] = field(default_factory=list)
    who: list[str] = field(default_factory=list)
    when: list[dt.date] = field(default_factory=list)
    activity: list[dt.date | None] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    ties: list[list[Scalar]] = field(default_factory=list)
    texts: dict[Kind, list[list[str | None]]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    quarantined: list[BadRow] = field(default_factory=list)

    def side(self, row: int) -> Side:
        return Side(self.source[row], self.record[row], self.who[row], self.when[row])

    def tie(self, row: int) -> tuple[Scalar, ...]:
        return tuple(column[row] for column in self.ties)

    def text(self, kind: Kind, row: int) -> list[str]:
        return [text for column in self.texts[kind] if (text := column[row]) is not None]

    def order(self) -> list[int]:
        """The claims by their moments and by what is declared to tell those of one moment apart."""
        order = [*range(len(self.who))]
        moments = [*map(_instant, self.when)]
        columns: list[list[Any]] = [moments, *map(_sortable, self.ties), self.source, self.position]
        for column in reversed(columns):
            order.sort(key=column.__getitem__)
        return order

    @classmethod
    def together(cls, parts: Sequence[Claimed]) -> Claimed:
        """All sources' claims together."""
        first, *others = parts
        for other in others:
            for name in (
                "source",
                "record",
                "who",
                "when",
                "activity",
                "position",
                "left_out",
                "quarantined",
            ):
                getattr(first, name).extend(getattr(other, name))
            for column, more in zip(first.ties, other.ties, strict=True):
                column.extend(more)
            for kind, columns in first.texts.items():
                for texts, further in zip(columns, other.texts[kind], strict=True):
                    texts.extend(further)
        return first


def _sortable(column: list[Scalar]) -> list[Any]:
    """Missing values last; two sources may identify their records by types that do not compare."""
    if len(kinds := {*map(type, column)}) < 2 and type(None) not in kinds:
        return column
    return [(value is None, type(value).__name__, value) for value in column]


def claimed(
    source: Source,
    data: object,
    *,
    who: str,
    when: str,
    activity: str | None,
    ties: Sequence[str],
    keys: Mapping[Kind, Sequence[str]],
    timed: Mapping[str | None, bool],
) -> Claimed:
    """The claims in a source's data: a frame of any engine, or records.

    The names are those of fields; one of `keys` that the source lacks holds nothing. timed: for the fields
    with moments, whether they are to be times, since another source has times there.
    """
    id_field = source.role("id")
    here = [name for names in keys.values() for name in names if name in source.fields]
    needed = [who, when, *ties, *here, *(name for name in (activity, id_field) if name is not None)]
    columns, positions, bad = _columns(source, data, needed)
    ids = [*map(whole, columns[id_field])] if id_field else [*positions]
    people, moments = _texts(columns[who]), _moments(columns[when], timed[when])
    active = [None] * len(people) if activity is None else _moments(columns[activity], timed[activity])
    used = [row for row in range(len(people)) if people[row] is not None and moments[row] is not None]

    def taken(column: Sequence[Any]) -> list[Any]:
        return [*column] if len(used) == len(people) else [column[row] for row in used]

    nothing: list[str | None] = [None] * len(people)
    unused = sorted({*range(len(people))} - {*used}) if len(used) < len(people) else ()
    return Claimed(
        source=[source.name] * len(used),
        record=taken(ids),
        who=taken(people),
        when=taken(moments),
        activity=taken(active),
        position=taken(positions),
        ties=[
            *(taken(columns[name]) for name in ties),
            # The position of a row is no reason: without an id, claims of one moment tie.
            taken(columns[id_field]) if id_field else [None] * len(used),
        ],
        texts={
            kind: [taken(_texts(columns[name]) if name in columns else nothing) for name in names]
            for kind, names in keys.items()
        },
        left_out=[
            LeftOut(source.name, ids[row], f"`{who if people[row] is None else when}` is missing")
            for row in unused
        ],
        quarantined=[*bad],
    )


def _columns(
    source: Source, data: object, names: Sequence[str]
) -> tuple[dict[str, list[Scalar]], list[int], Sequence[BadRow]]:
    """The bound columns as Python values, and the position of each row."""
    if binding.is_records(data):
        bound = binding.bind_records(source, binding.records_of(data), dict.fromkeys(names))
        columns = {name: [row[name] for row in bound.rows] for name in names}
        return columns, bound.positions, bound.quarantined
    framed = binding.bind_frame(source, data, names, numbered=True)
    taken: dict[str, list[Any]] = frames.columns_of(framed.frame)
    positions = [int(position) for position in taken[frames.ROW]]
    columns = {
        name: taken[name]
        if source.schema[name].kind == "text"
        else [frames.delivered(value, source.schema[name]) for value in taken[name]]
        for name in names
    }
    return columns, positions, framed.quarantined


def _texts(values: Sequence[Scalar]) -> list[str | None]:
    """Texts without blanks around them, numbers as their digits, None for what is empty."""
    return [text_of(value).strip() or None if value is not None else None for value in values]


def _instant(moment: dt.date) -> int:
    """Microseconds since the first day of the calendar."""
    if not isinstance(moment, dt.datetime):
        return moment.toordinal() * frames.MICROSECONDS_A_DAY
    since = moment - dt.datetime(moment.year, moment.month, moment.day)
    return moment.toordinal() * frames.MICROSECONDS_A_DAY + since // dt.timedelta(microseconds=1)


def _moments(values: Sequence[Scalar], timed: bool) -> list[dt.date | None]:
    """Days and times; days as midnights where another source has times, so that they can be compared."""
    moments = [value if isinstance(value, dt.date) else None for value in values]
    if not timed:
        return moments
    return [
        value if value is None or isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        for value in moments
    ]
