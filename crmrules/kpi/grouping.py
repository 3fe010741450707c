"""From the payee of a record to the subjects that are scored: the payee, its group, or all above it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, final

from crmrules import frames
from crmrules.policy.timeline import Timeline
from crmrules.policy.tree import Tree
from crmrules.types import Kind, Scalar

Columns = list[list[str]]
"""For each payee the columns of the subjects that its credit counts for."""

Row = Mapping[str, Scalar]
NO_ROW: Row = {}
SEPARATOR = " · "
"""What stands between the keys of a subject that has several."""
UNKNOWN = "\0"
"""What a subject begins with that nobody asked for."""


class Grouping(Protocol):
    """Gives the subjects that a payee's credit counts for."""

    @property
    def levels(self) -> int:
        """How many subjects a payee has at most."""
        ...

    @property
    def subjects(self) -> set[str]:
        """All that there are, with records or without."""
        ...

    def of(self, payee: str | None, day: dt.date, row: Row = NO_ROW) -> tuple[str, ...]:
        """The subjects of a payee on a day, none where it has none. row: the record, where it decides too."""
        ...

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        """A bound frame with the subjects of the payees in some columns; the first is missing for one that
        has none. day: the column of the day, or moment, that decides."""
        ...

    def members(self, subject: str) -> set[str] | None:
        """The payees whose credit counts for a subject on some day, None for whoever is paid."""
        ...


@final
class Themselves:
    """Each payee is scored."""

    levels = 1

    def __init__(self, people: Sequence[str] = ()) -> None:
        self.subjects = {*people}

    def of(self, payee: str | None, day: dt.date, row: Row = NO_ROW) -> tuple[str, ...]:
        return () if payee is None else (payee,)

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        return frame, [[payee] for payee in payees]

    def members(self, subject: str) -> set[str]:
        return {subject}


@final
class Grouped:
    """Each payee has one group, on all days."""

    levels = 1

    def __init__(self, groups: Mapping[str, str]) -> None:
        self.groups = groups
        self.subjects = {*groups.values()}

    def of(self, payee: str | None, day: dt.date, row: Row = NO_ROW) -> tuple[str, ...]:
        group = None if payee is None else self.groups.get(str(payee))
        return () if group is None else (group,)

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        import narwhals as nw

        names = [f"@group {at}" for at in range(len(payees))]
        grouped = [
            frames.mapped(nw.col(payee), self.groups, text=True).alias(name)
            for payee, name in zip(payees, names, strict=True)
        ]
        return frame.with_columns(*grouped), [[name] for name in names]

    def members(self, subject: str) -> set[str]:
        return {payee for payee, group in self.groups.items() if group == subject}


@final
class GroupedByDay:
    """Each payee has one group on each day."""

    levels = 1

    def __init__(self, groups: Timeline) -> None:
        self.groups = groups
        self.subjects = {str(group) for (group,) in groups.values}

    def of(self, payee: str | None, day: dt.date, row: Row = NO_ROW) -> tuple[str, ...]:
        found = self.groups.at(payee, day)
        return () if found is None or found[0] is None else (str(found[0]),)

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        names = [f"@group {at}" for at in range(len(payees))]
        for payee, name in zip(payees, names, strict=True):
            frame = self.groups.beside(frame, payee, day, [name], kind=kind)
        return frame, [[name] for name in names]

    def members(self, subject: str) -> set[str]:
        return {str(key) for key in self.groups.keys_of((subject,))}


@final
class Above:
    """Each payee's credit counts for itself and all above it; one that the tree does not know is alone."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.levels = max(tree.depth, 1)
        self.subjects = {*tree.members}

    def of(self, payee: str | None, day: dt.date, row: Row = NO_ROW) -> tuple[str, ...]:
        return () if payee is None else self.tree.line(payee, day) or (payee,)

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        import narwhals as nw

        timeline = self.tree.timeline()
        lines = []
        for at, payee in enumerate(payees):
            names = [f"@above {at} {level}" for level in range(self.levels)]
            frame = timeline.beside(frame, payee, day, names, kind=kind)
            alone = nw.when(nw.col(names[0]).is_null()).then(nw.col(payee)).otherwise(nw.col(names[0]))
            frame = frame.with_columns(alone.alias(names[0]))
            lines.append(names)
        return frame, lines

    def members(self, subject: str) -> set[str]:
        return self.tree.below(subject) | {subject}


@final
class Loose:
    """Payees that belong to nobody are kept apart, under a name that begins with `UNKNOWN`."""

    def __init__(self, inner: Grouping) -> None:
        self.inner = inner
        self.levels = inner.levels
        self.subjects = inner.subjects

    def of(self, payee: str | None, day: dt.date, row: Row = NO_ROW) -> tuple[str, ...]:
        found = self.inner.of(payee, day, row)
        return found or (() if payee is None else (UNKNOWN + payee,))

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        import narwhals as nw

        frame, columns = self.inner.beside(frame, payees, day, kind)
        loose = []
        for payee, (first, *_) in zip(payees, columns, strict=True):
            apart = nw.concat_str(nw.lit(UNKNOWN), nw.col(payee))
            loose.append(nw.when(nw.col(first).is_null()).then(apart).otherwise(nw.col(first)).alias(first))
        return frame.with_columns(*loose), columns

    def members(self, subject: str) -> set[str] | None:
        return self.inner.members(subject)


@final
class Keyed:
    """Each subject has several keys, or is told by a field of the record.

    keys: the fields in their order, None where the subject of the payee stands. inner: from payees to
    those; without it, it makes no difference who is paid.
    """

    def __init__(self, keys: Sequence[str | None], inner: Grouping | None) -> None:
        self.keys = keys
        self.inner = inner
        self.levels = inner.levels if inner else 1
        self.subjects: set[str] = set()

    def of(self, payee: str | None, day: dt.date, row: Row = NO_ROW) -> tuple[str, ...]:
        members = self.inner.of(payee, day, row) if self.inner else (payee,)
        found = []
        for member in members:
            keys = [member if key is None else row[key] for key in self.keys]
            if None not in keys:
                found.append(SEPARATOR.join(map(str, keys)))
        return tuple(found)

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        import narwhals as nw

        if self.inner is None:
            columns = [["@"] for _ in payees]
        else:
            frame, columns = self.inner.beside(frame, payees, day, kind)
        named: Columns = []
        joined = []
        for at, line in enumerate(columns):
            named.append([f"@keyed {at} {level}" for level in range(len(line))])
            for column, name in zip(line, named[at], strict=True):
                parts = [nw.col(column if key is None else key) for key in self.keys]
                joined.append(nw.concat_str(*parts, separator=SEPARATOR).alias(name))
        return frame.with_columns(*joined), named

    def members(self, subject: str) -> set[str] | None:
        if self.inner is None:
            return None
        return self.inner.members(subject.split(SEPARATOR)[[*self.keys].index(None)])

    def ambiguous(self, subjects: Iterable[str | None]) -> str | None:
        """The first subject of which a key has the separator in it."""
        between = len(self.keys) - 1
        return next((each for each in subjects if each and each.count(SEPARATOR) != between), None)

    def missing(self, row: Row) -> str | None:
        """The first field that a record lacks."""
        return next((key for key in self.keys if key is not None and row.get(key) is None), None)


__all__ = [
    "SEPARATOR",
    "UNKNOWN",
    "Above",
    "Columns",
    "Grouped",
    "GroupedByDay",
    "Grouping",
    "Keyed",
    "Loose",
    "Themselves",
]
