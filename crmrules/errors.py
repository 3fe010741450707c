"""Every error of the library, and how a place in a text, a file or a record is shown.

A caller that wants to tell the errors apart catches a class; one that wants to react to a particular
mistake compares `code`, which never changes. The sentence is for people and may be reworded.
"""

from __future__ import annotations

import datetime as dt
import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

LONGEST_SHOWN_VALUE = 60
LONGEST_NAME = 100
"""Of a name that is suggested."""


class Span(NamedTuple):
    """A stretch of a text: offsets in characters, `end` not included."""

    start: int
    end: int


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where in a document: line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class CrmRulesError(ValueError):
    """The base of all errors that this library raises on purpose.

    `code` is stable, `message` says where and what, `hint` what to write instead.
    """

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return with_hint(f"error[{self.code}]: {self.message}", self.hint)


@final
class FieldError(CrmRulesError):
    """The host's data does not fit the declared fields.

    `source`, `field`, `column`, `row` (the record's id) and `value` name the place as far as it is known;
    `reason` says of a value why it does not fit.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        source: str = "",
        field: str = "",
        column: str = "",
        row: object = None,
        value: object = None,
        reason: str = "",
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.source = source
        self.field = field
        self.column = column
        self.row = row
        self.value = value
        self.reason = reason


@final
class ExpressionError(CrmRulesError):
    """An expression that cannot be read, or that does not fit the declared fields.

    `text` is the whole expression, `span` the part at fault; `suggestions` are names that exist.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        text: str,
        span: Span,
        hint: str = "",
        suggestions: Sequence[str] = (),
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.text = text
        self.span = span
        self.suggestions = tuple(suggestions)

    @property
    def line(self) -> int:
        """The line of the expression, from 1."""
        return self.text.count("\n", 0, self.span.start) + 1

    @property
    def column(self) -> int:
        """The column in that line, from 1, in characters."""
        return self.span.start - (self.text.rfind("\n", 0, self.span.start) + 1) + 1

    def __str__(self) -> str:
        head = f"{self.line}:{self.column}: error[{self.code}]: {self.message}"
        return with_hint("\n".join([head, *underlined(self.text, self.span)]), self.hint)


@final
class RecordError(CrmRulesError):
    """A record that cannot be counted, such as one that counts but has no date."""


@final
class CalendarCoverageError(CrmRulesError):
    """A calendar was asked for a day beyond those that it knows.

    `calendar` is its name, `day` the day that was asked for, `coverage` the first and the last day it knows.
    """

    def __init__(self, calendar: str, day: dt.date, coverage: tuple[dt.date, dt.date]) -> None:
        super().__init__(
            "W101",
            f"calendar {calendar} knows {coverage[0]} to {coverage[1]}, and {day} lies beyond",
            hint="update the library it comes from; or list the days under `holidays:` and `workdays:` and "
            "say `until:` which day they are complete; or write beyond: weekdays to assume weekdays",
        )
        self.calendar = calendar
        self.day = day
        self.coverage = coverage


@final
class MissingExtraError(CrmRulesError, ImportError):
    """An optional library is needed and not installed."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(
            "F900",
            f"{purpose} needs {library}, which is not installed",
            hint=f'pip install "crmrules[{extra}]"',
        )
        self.library = library
        self.extra = extra


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a rulebook: what, where, and what to write instead.

    `path` is the way through the document (`models.agents.indicators.revenue.target`), `place` its
    position where the document has one; `text` is what is written there, an expression or a line of the
    document, and `span` the part at fault.
    """

    code: str
    message: str
    path: str = ""
    place: Place | None = None
    text: str = ""
    span: Span | None = None
    hint: str = ""

    def __str__(self) -> str:
        lines = [f"{self.place}: " if self.place else ""]
        lines[0] += f"error[{self.code}]: {self.message}"
        if self.path:
            lines.append(f"  at {self.path}")
        if self.text and self.span is not None:
            lines += underlined(self.text, self.span)
        return with_hint("\n".join(lines), self.hint)


@final
class RulebookError(CrmRulesError):
    """Everything that is wrong with a rulebook, at once: `problems`, in the order of the document.

    where: what they are in, if it is no rulebook.
    """

    def __init__(self, problems: Iterable[Problem], where: str = "the rulebook") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            self.problems[0].code if count == 1 else "B000",
            f"{count} problem{'s' if count != 1 else ''} in {where}",
        )

    def __str__(self) -> str:
        return "\n".join([*map(str, self.problems), self.message])


def with_hint(text: str, hint: str) -> str:
    return f"{text}\n  = {hint}" if hint else text


def underlined(text: str, span: Span) -> list[str]:
    """The line that holds the span, and a caret under each of its cells."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.start)
    line = text[start : end if end >= 0 else len(text)]
    left, width = 100, 200
    offset = span.start - start
    if len(line) > width:
        cut = max(0, offset - left)
        line, offset = line[cut : cut + width], offset - cut
    shown = "".join(ch if ch.isprintable() else "�" for ch in line)
    length = max(1, min(span.end - span.start, len(line) - offset))
    carets = max(1, cells(shown[offset : offset + length]))
    return [f"  | {shown}", f"  | {' ' * cells(shown[:offset])}{'^' * carets}"]


def cells(text: str) -> int:
    """How many columns of a terminal the text takes; CJK characters take two, marks none."""
    return sum(
        0
        if unicodedata.category(ch) in ("Mn", "Me")
        else 2
        if unicodedata.east_asian_width(ch) in "WF"
        else 1
        for ch in text
    )


def shown(value: object) -> str:
    """A value as an error shows it: never long, never by calling a stranger's code."""
    import datetime
    import decimal

    exact = type(value)
    if exact is int and value.bit_length() > 200:  # type: ignore[attr-defined]
        return "a number of more than 60 digits"
    if exact is str:
        text = repr(value[: LONGEST_SHOWN_VALUE + 1])  # type: ignore[index]
    elif value is None or any(exact is plain for plain in (int, float, bool)):
        text = repr(value)
    elif any(exact is plain for plain in (datetime.date, datetime.datetime, decimal.Decimal)):
        # A zone is a stranger's, too.
        text = str(value.replace(tzinfo=None) if exact is datetime.datetime else value)  # type: ignore[attr-defined]
    else:
        text = f"a {class_name(exact)}"
    return text if len(text) <= LONGEST_SHOWN_VALUE + 2 else text[:LONGEST_SHOWN_VALUE] + "…"


def named(record: object) -> str:
    """What identifies a record, as an error shows it: a number without the decimals that a frame gives it."""
    return shown(int(record) if type(record) is float and record.is_integer() else record)


def class_name(of: type) -> str:
    """The name of a class, which may be a stranger's: without asking its metaclass, and never long."""
    name: str = type.__dict__["__name__"].__get__(of)
    return str.__getitem__(name, slice(LONGEST_SHOWN_VALUE))


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The known names that a misspelt one may have meant, best first; capitals do not matter."""
    spelt: dict[str, str] = {}
    for each in known:
        spelt.setdefault(each.casefold(), each)
    # Of two or three Chinese characters, a single wrong one is half a name.
    cutoff = 0.5 if len(name) < 4 and not name.isascii() else 0.6
    found = difflib.get_close_matches(name[:LONGEST_NAME].casefold(), [*spelt], n=3, cutoff=cutoff)
    return [spelt[each] for each in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known name, or else what there is."""
    names = [each for each in known if type(each) is str and len(each) <= LONGEST_NAME]
    if found := closest(name, names):
        return f"did you mean `{found[0]}`?"
    if not names:
        return ""
    listed = ", ".join(f"`{known_name}`" for known_name in sorted(names)[:12])
    return f"there is {listed}{', …' if len(names) > 12 else ''}"
