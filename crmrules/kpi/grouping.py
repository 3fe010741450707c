"""From the payee of a record to the subjects that are scored: the payee, its group, or all above it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol, final

from crmrules import frames
from crmrules.policy.timeline import Timeline
from crmrules.policy.tree import Tree
from crmrules.types import Kind

Columns = list[list[str]]
"""For each payee the columns of the subjects that its credit counts for."""


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

    def of(self, payee: str | None, day: dt.date) -> tuple[str, ...]:
        """The subjects of a payee on a day, none where it has none."""
        ...

    def beside(
        self, frame: frames.Frame, payees: Sequence[str], day: str, kind: Kind
    ) -> tuple[frames.Frame, Columns]:
        """A bound frame with the subjects of the payees in some columns; the first is missing for one that
        has none. day: the column of the day, or moment, that decides."""
        ...

    def members(self, subject: str) -> set[str]:
        """The payees whose credit counts for a subject on some day."""
        ...


@final
class Themselves:
    """Each payee is scored."""

    levels = 1

    def __init__(self, people: Sequence[str] = ()) -> None:
        self.subjects = {*people}

    def of(self, payee: str | None, day: dt.date) -> tuple[str, ...]:
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

    def of(self, payee: str | None, day: dt.date) -> tuple[str, ...]:
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

    def of(self, payee: str | None, day: dt.date) -> tuple[str, ...]:
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

    def of(self, payee: str | None, day: dt.date) -> tuple[str, ...]:
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


__all__ = ["Above", "Columns", "Grouped", "GroupedByDay", "Grouping", "Themselves"]
