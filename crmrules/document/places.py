"""Where something stands in a document, and stopping there."""

from __future__ import annotations

import bisect
import json
import re
from typing import NoReturn

from crmrules.errors import Place, Problem, RulebookError, Span, shown

Path = tuple[str | int, ...]
LONGEST_LINE = 2_000
LINE_BREAK = re.compile(r"\r\n|\r|\n")


def dotted(path: Path) -> str:
    """The path as people write it.

    >>> dotted(("models", "agents", "indicators", 2, "score"))
    'models.agents.indicators[2].score'
    """
    parts = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif step and not re.search(r"""[\s.\[\]"']""", step):
            parts.append(f".{step}")
        else:
            parts.append(f"[{json.dumps(step, ensure_ascii=False)}]")
    return "".join(parts).removeprefix(".")


def line_starts(text: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in LINE_BREAK.finditer(text)))


def place_of(file: str, lines: tuple[int, ...], offset: int) -> Place:
    line = bisect.bisect_right(lines, offset)
    return Place(file, line, offset - lines[line - 1] + 1)


def excerpt(text: str, lines: tuple[int, ...], start: int, end: int) -> tuple[str, Span]:
    """The line of a document in which something starts, and where in it that stands."""
    first = lines[bisect.bisect_right(lines, start) - 1]
    line = LINE_BREAK.split(text[first : first + LONGEST_LINE], maxsplit=1)[0]
    marked = line[start - first : end - first].rstrip()
    return line, Span(start - first, start - first + len(marked))


def printed(text: str) -> str:
    return shown(text)[1:].rstrip("'\"")


def too_large(file: str, message: str, offset: int, lines: tuple[int, ...]) -> NoReturn:
    stop("B104", message, place_of(file, lines, offset), "split the document, or write less of it")


def stop(code: str, message: str, place: Place | None, hint: str) -> NoReturn:
    raise RulebookError([Problem(code, message, place=place, hint=hint)]) from None
