"""Who reports to whom on which day, and whose records count for the people above."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, final

from crmrules.errors import FieldError, shown
from crmrules.fields import BadRow, Source
from crmrules.policy.dated import Ends, Overlap, TreeRule
from crmrules.policy.timeline import FIRST, LAST, Span, Timeline, by_key, only, pieces, spans_of, stretch
from crmrules.types import TEXT

if TYPE_CHECKING:
    import narwhals as nw

Line = tuple[str, ...]
"""A member and those above it, the nearest first."""


@final
class Tree:
    """Reporting lines of any depth: for each member, who stands above it on which day.

    >>> change = dt.date(2026, 7, 1)
    >>> tree = Tree.of(
    ...     None,
    ...     [{"rep": "Ann", "boss": "Mo", "since": None}, {"rep": "Ann", "boss": "Flo", "since": change},
    ...      {"rep": "Mo", "boss": "East", "since": None}, {"rep": "Flo", "boss": "West", "since": None}],
    ...     member="rep", parent="boss", start="since",
    ... )
    >>> tree.ancestors("Ann", dt.date(2026, 6, 30)), tree.ancestors("Ann", change)
    (('Mo', 'East'), ('Flo', 'West'))

    depth: how many members the longest line has. quarantined: rows that were set aside, since the source
    of the table says so.
    """

    def __init__(self, lines: Sequence[Span], quarantined: Sequence[BadRow] = ()) -> None:
        self.depth = max((len(span.value) for span in lines), default=0)
        self.quarantined = tuple(quarantined)
        self._lines = lines
        self._downward = self._from_the_top(self.depth)

    @classmethod
    def of(
        cls,
        source: Source | None,
        data: object,
        *,
        member: str,
        parent: str,
        start: str | None = None,
        end: str | None = None,
        ends: Ends = "on",
        overlap: Overlap = "error",
        table: str = "",
    ) -> Tree:
        """The tree in a table: a frame of any engine, or records. For its fields see `TreeRule`.

        Without `start` and `end` a row holds on every day. Members without a row, or on days without one,
        stand at the top.

        Raises FieldError: D103 two parents on one day, D108 a cycle, with its members and days; and what
        `Timeline.of` does.
        """
        if end is None and start is not None:
            overlap = "latest_start"
        source, spans, quarantined = spans_of(
            source,
            data,
            key=member,
            values=[parent],
            start=start,
            end=end,
            ends=ends,
            table=table,
            kinds={member: ("text",), parent: ("text",)},
        )
        parents = {
            each: [
                (since, until, only(holding, since, until, source.name, overlap))
                for since, until, holding in pieces(listed)
            ]
            for each, listed in by_key(spans).items()
        }
        above = {span.value[0]: None for span in spans if span.value[0] is not None}
        members = dict.fromkeys([*map(str, parents), *map(str, above)])
        return cls([span for each in members for span in _lines(each, parents, source.name)], quarantined)

    @classmethod
    def declared(cls, rule: TreeRule, source: Source | None, data: object) -> Tree:
        """The tree in the data of the table that a rule names. Raises what `of` does."""
        return cls.of(source, data, **rule.model_dump())

    @property
    def members(self) -> dict[str, None]:
        """Everybody in the tree, on whatever day."""
        return dict.fromkeys(str(span.key) for span in self._lines)

    def below(self, member: str) -> set[str]:
        """Everybody who stands below a member on some day."""
        return {str(span.key) for span in self._lines if member in span.value[1:]}

    def __contains__(self, member: object) -> bool:
        return member in self._downward

    def ancestors(self, member: str, day: dt.date) -> Line:
        """Those above a member on a day, the nearest first; none above one at the top or unknown."""
        return self.line(member, day)[1:]

    def line(self, member: str | None, day: dt.date | None) -> Line:
        """The member itself and those above it; empty for one that the tree does not know."""
        found = self._downward.at(member, day) or ()
        return tuple(str(each) for each in reversed(found) if each is not None)

    def timeline(self, levels: int | None = None) -> Timeline:
        """The lines as a timeline from the top down, the member as the last one, missing behind it.

        levels: how many from the top at most; all of them if not said.
        """
        if levels is None or levels >= self.depth:
            return self._downward
        return self._from_the_top(levels)

    def _from_the_top(self, levels: int) -> Timeline:
        padded = (
            replace(span, value=(*reversed(span.value), *[None] * levels)[:levels]) for span in self._lines
        )
        return Timeline.of_spans(padded, (TEXT,) * levels, quarantined=self.quarantined)


def rolled_up(lines: Sequence[Line]) -> dict[str, tuple[int, ...]]:
    """Who gets some of a record by the lines of its payees, and whose parts, by their positions.

    A manager of two payees stands here once, with both parts, so that the record counts once for the manager.

    >>> rolled_up([("Ann", "Mo", "East"), ("Bo", "Mo", "East"), ("Cy", "East")])
    {'Ann': (0,), 'Mo': (0, 1), 'East': (0, 1, 2), 'Bo': (1,), 'Cy': (2,)}
    """
    found: dict[str, tuple[int, ...]] = {}
    for position, line in enumerate(lines):
        for member in line:
            found[member] = (*found.get(member, ()), position)
    return found


def rolled_up_columns(lines: Sequence[Sequence[str]]) -> list[tuple[nw.Expr, dict[int, nw.Expr]]]:
    """The same for a frame: for each place in the lines, who gets some of the row's record, and whose parts.

    lines: for each payee the columns of its line on the record's day, as `Tree.timeline` lays them beside
    the frame. Gives for each of these columns the member, missing where it is missing or stands in the line
    of an earlier payee; and for each payee whose part may belong to the member, whether it does.

    Only columns of one level are compared: on one day a member has one line to the top, so that it is on the
    same level in all lines.
    """
    import narwhals as nw

    def same(column: str, other: str) -> nw.Expr:
        # Two-valued on every engine: what is missing is not the same as anything.
        return (nw.col(column) == nw.col(other)) & ~nw.col(column).is_null() & ~nw.col(other).is_null()

    places = []
    for position, line in enumerate(lines):
        for level, column in enumerate(line):
            member = nw.col(column)
            for earlier in lines[:position]:
                member = nw.when(~same(column, earlier[level])).then(member)
            parts = {position: ~nw.col(column).is_null()}
            for later in range(position + 1, len(lines)):
                parts[later] = same(column, lines[later][level])
            places.append((member, parts))
    return places


Parents = Mapping[str | float, Sequence[tuple[int, int, Span]]]


def _lines(member: str, parents: Parents, table: str) -> Iterator[Span]:
    """The lines of a member, for all days. Raises FieldError (D108) for a cycle."""
    waiting: list[tuple[Line, int, int]] = [((member,), FIRST, LAST)]
    while waiting:
        line, start, end = waiting.pop()
        until = start
        for since, before, span in parents.get(line[-1], ()):
            since, before = max(since, start), min(before, end)
            if since >= before or span.value[0] is None:
                continue
            parent = str(span.value[0])
            if parent in line:
                raise _cycle((*line[line.index(parent) :], parent), since, before, span, table)
            if until < since:
                yield Span(member, until, since, line)
            waiting.append(((*line, parent), since, before))
            until = before
        if until < end:
            yield Span(member, until, end, line)


def _cycle(cycle: Line, start: int, end: int, span: Span, table: str) -> FieldError:
    return FieldError(
        "D108",
        f"table `{table}`, row {shown(span.row)}: {' → '.join(map(shown, cycle))} is a cycle "
        f"{stretch(start, end)}",
        source=table,
        row=span.row,
        value=cycle[0],
        hint="give one of them another parent on these days, or none",
    )


__all__ = ["Tree", "rolled_up", "rolled_up_columns"]
