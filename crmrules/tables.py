"""Tables for people: one value that is plain text, a coloured terminal table and a notebook's HTML."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, final

from crmrules.errors import cells

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType

GAP = 2
NARROWEST_TEXT = 14

_TONES = {"good": "green", "bad": "red", "dim": "dim"}
_TABLE_STYLE = "border-collapse:collapse;font-size:90%"
_CELL_STYLE = "padding:2px 8px;border-bottom:1px solid #ddd;text-align:"
_TONE_STYLES = {"good": "color:#1a7f37", "bad": "color:#b42318", "dim": "color:#777"}


@final
@dataclass(slots=True)
class Table:
    """Rows of texts under heads. Columns of numbers are set flush right.

    optional: the columns that a narrow terminal can do without, the first to go first; what is left out
    is said.
    """

    title: str
    heads: Sequence[str]
    optional: Sequence[int] = ()
    rows: list[list[str]] = field(default_factory=list)
    tones: list[str] = field(default_factory=list)

    def add(self, row: Sequence[str], *, tone: str = "") -> None:
        """A further row; `tone` is good, bad, dim or nothing."""
        self.rows.append([*row])
        self.tones.append(tone)

    def right(self, column: int) -> bool:
        """Whether a column holds numbers."""
        texts = [row[column] for row in self.rows if row[column] not in ("", MISSING)]
        return bool(texts) and all(_is_number(text) for text in texts)

    def width(self, column: int) -> int:
        """How many cells of a terminal the column takes."""
        return max(cells(text) for text in [self.heads[column], *(row[column] for row in self.rows)])

    def fitting(self, width: int) -> list[int]:
        """The columns that fit a terminal: whole numbers and texts of a readable width, or not at all."""
        columns = [*range(len(self.heads))]

        def needed(column: int) -> int:
            natural = self.width(column)
            return (natural if self.right(column) else min(natural, NARROWEST_TEXT)) + GAP

        for column in self.optional:
            if sum(map(needed, columns)) <= width:
                break
            columns.remove(column)
        return columns

    def __str__(self) -> str:
        widths = [self.width(column) for column in range(len(self.heads))]
        rights = [self.right(column) for column in range(len(self.heads))]
        lines = [self.title] if self.title else []
        lines.append(_line(self.heads, widths, rights))
        lines.append("  ".join("─" * width for width in widths))
        lines += [_line(row, widths, rights) for row in self.rows]
        return "\n".join(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        columns = self.fitting(options.max_width)
        title = Text(self.title, style="bold") if self.title else None
        table = RichTable(
            title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0)
        )
        for column in columns:
            right = self.right(column)
            # Numbers are never cut: half a number is a wrong one.
            least = self.width(column) if right else None
            justify: JustifyMethod = "right" if right else "left"
            table.add_column(Text(self.heads[column]), justify=justify, overflow="fold", min_width=least)
        for row, tone in zip(self.rows, self.tones, strict=True):
            table.add_row(*(Text(row[column]) for column in columns), style=_TONES.get(tone))
        yield table
        if left_out := [self.heads[column] for column in range(len(self.heads)) if column not in columns]:
            listed = ", ".join(dict.fromkeys(left_out))
            yield Text(f"(no room here for: {listed})", style="dim")

    def html(self) -> str:
        """The table for a notebook; every text is escaped."""
        aligns = ["right" if self.right(column) else "left" for column in range(len(self.heads))]
        parts = [f"<p><b>{escape(self.title)}</b></p>"] if self.title else []
        heads = "".join(
            f'<th style="{_CELL_STYLE}{align}">{escape(head)}</th>'
            for head, align in zip(self.heads, aligns, strict=True)
        )
        # A wide table scrolls by itself instead of making the whole page wide.
        parts.append('<div style="overflow-x:auto">')
        parts.append(f'<table style="{_TABLE_STYLE}"><thead><tr>{heads}</tr></thead><tbody>')
        for row, tone in zip(self.rows, self.tones, strict=True):
            texts = "".join(
                f'<td style="{_CELL_STYLE}{align}">{escape(text)}</td>'
                for text, align in zip(row, aligns, strict=True)
            )
            parts.append(f'<tr style="{_TONE_STYLES.get(tone, "")}">{texts}</tr>')
        return "".join([*parts, "</tbody></table></div>"])


MOST_ROWS = 60
"""How many rows a result shows by itself; its `table()` has them all."""


class Shown:
    """A result that shows itself: as a table and notes, in text, in a terminal and in a notebook."""

    __slots__ = ()

    def table(self, most: int | None = None) -> Table:
        """The result for reading, at most so many rows."""
        raise NotImplementedError

    @property
    def notes(self) -> Sequence[str]:
        """What the table does not say, in sentences."""
        return ()

    def __str__(self) -> str:
        return "\n".join([str(self.table(MOST_ROWS)), *self.notes])

    __repr__ = __str__

    def __rich__(self) -> object:
        from rich.console import Group
        from rich.text import Text

        return Group(self.table(MOST_ROWS), *map(Text, self.notes))

    def _repr_html_(self) -> str:
        return self.table(MOST_ROWS).html() + "".join(f"<p>{escape(note)}</p>" for note in self.notes)


MISSING = "–"


def cell(value: object, *, digits: int | None = None) -> str:
    """A value as a table shows it: grouped thousands, two decimals at most unless money has its own."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,}"
    if isinstance(value, float):
        if digits is not None:
            return f"{value:,.{digits}f}"
        return (
            f"{value:,.0f}"
            if value.is_integer()
            else f"{value:,.2f}"
            if abs(value) >= 10
            else f"{value:,.3f}"
        )
    if isinstance(value, int):
        return f"{value:,}"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _is_number(text: str) -> bool:
    stripped = text.replace(",", "").replace(" ", "").removesuffix("%").lstrip("+-")
    return stripped.replace(".", "", 1).isdigit()


def _line(texts: Sequence[str], widths: Sequence[int], rights: Sequence[bool]) -> str:
    padded = []
    for text, width, right in zip(texts, widths, rights, strict=True):
        blank = " " * (width - cells(text))
        padded.append(blank + text if right else text + blank)
    return "  ".join(padded).rstrip()
