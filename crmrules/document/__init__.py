"""A YAML 1.2 or JSON document as plain data, with the position of everything in it.

Read from the parser's events, not from loaded objects: positions are exact, every duplicate is seen,
and nothing is ever constructed from a tag.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from typing import final

from crmrules.document.events import json_events, yaml_events
from crmrules.document.nodes import Node, Tree
from crmrules.document.offsets import written_at
from crmrules.document.places import Path, dotted, excerpt, line_starts, place_of, printed, stop, too_large
from crmrules.document.scalars import WORDS, kind_of, number_of, timestamp
from crmrules.errors import Place, Problem, Span

LARGEST_TEXT = 2_000_000
SURROGATE = re.compile("[\ud800-\udfff]")


@final
@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, where each part of it was written, and what is wrong with the writing (`problems`)."""

    file: str
    text: str
    data: object
    problems: tuple[Problem, ...] = ()
    _root: Node | None = None
    _lines: tuple[int, ...] = ()

    def place(self, path: Path) -> Place | None:
        """Where the value at the path begins, or the nearest value around it that exists."""
        return self._at(self._nodes(path)[1])

    def key_place(self, path: Path) -> Place | None:
        """Where the key of the path begins; an item of a list has none, so its value."""
        return self._at(self._nodes(path)[0])

    def problem(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        key: bool = False,
        hint: str = "",
        text: str = "",
        span: Span | None = None,
    ) -> Problem:
        """A problem at the path; with an expression and a span, at that part of the written value."""
        place = self.key_place(path) if key else self.place(path)
        node = self._nodes(path)[1]
        if text and span is not None and node is not None and node.text is not None and not key:
            offset = written_at(self.text, node, text, span.start)
            place = place_of(self.file, self._lines, offset)
        elif node is not None and not text:
            marked = self._nodes(path)[0] if key else node
            assert marked is not None
            text, span = excerpt(self.text, self._lines, marked.start, marked.end)
        return Problem(code, message, dotted(path), place, text, span, hint)

    def _at(self, node: Node | None) -> Place | None:
        return None if node is None else place_of(self.file, self._lines, node.start)

    def _nodes(self, path: Path) -> tuple[Node | None, Node | None]:
        key = value = self._root
        for step in path:
            if value is None:
                break
            if isinstance(step, str) and step in value.entries:
                key, value = value.entries[step]
            elif isinstance(step, int) and not value.is_mapping and 0 <= step < len(value.children):
                key = value = value.children[step]
            else:
                break
        return key, value


def read(path: str | os.PathLike[str]) -> Document:
    """The document in a file. Raises RulebookError if it cannot be read."""
    file = os.fspath(path)
    try:
        with open(file, "rb") as stream:
            content = stream.read(LARGEST_TEXT + 4)
        text = content.decode("utf-8-sig") if len(content) <= LARGEST_TEXT + 3 else ""
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        place = place_of(file, line_starts(before), len(before))
        stop("B101", "the file is not UTF-8 text", place, "save the file as UTF-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        stop("B100", f"cannot read {file!r}: {reason}", None, "")
    if len(content) > LARGEST_TEXT + 3:
        too_large(file, f"the file is larger than {LARGEST_TEXT:,} bytes", 0, (0,))
    return parse(text, file)


def parse(text: str, file: str = "<text>") -> Document:
    """The document in a text. Raises RulebookError if its structure cannot be understood."""
    text = text.removeprefix("\ufeff")
    if len(text) > LARGEST_TEXT:
        too_large(file, f"the text is longer than {LARGEST_TEXT:,} characters", 0, (0,))
    lines = line_starts(text)
    root = Tree(file, lines, json_events(text) or yaml_events(text, file, lines)).read()
    if root is None or not root.is_mapping:
        colon = re.match(r"\s*[\w.-]+:\S", text)
        message = "the document is empty" if root is None or root.text == "" else "the document is no mapping"
        hint = "write a space after each colon" if colon else "start with a line such as `version: 1`"
        stop("B107", message, place_of(file, lines, root.start if root else 0), hint)
    reader = Reading(file, text, lines)
    data = reader.value(root, ())
    found = sorted(reader.problems.items(), key=lambda item: item[0][1])
    return Document(file, text, data, tuple(problem for _, problem in found), root, lines)


def of(data: object) -> Document:
    """Data that came from Python: it has no places."""
    return Document("<data>", "", data)


@dataclass(slots=True)
class Reading:
    """Turns nodes to data and notes what is wrong, once for each position."""

    file: str
    text: str
    lines: tuple[int, ...]
    problems: dict[tuple[str, int], Problem] = field(default_factory=dict)

    def value(self, node: Node, path: Path) -> object:
        if node.text is not None:
            return self.scalar(node, path)
        if not node.is_mapping:
            return [self.value(child, (*path, index)) for index, child in enumerate(node.children)]
        data: dict[str, object] = {}
        times: dict[str, int] = {}
        node.entries.clear()
        for key, value in zip(node.children[::2], node.children[1::2], strict=True):
            if key.text == "<<" and not key.style:
                hint = "write the keys out; `*alias` may stand for a whole value"
                self.note("B108", "merge keys (`<<`) are not supported", key, path, hint)
                continue
            name = self.key(key, path)
            read = self.value(value, (*path, name))
            times[name] = times.get(name, 0) + 1
            if times[name] == 1:
                data[name] = read
                node.entries[name] = (key, value)
            else:
                self.note_duplicate(name, times[name], node, key, path)
        return data

    def note_duplicate(self, name: str, times: int, node: Node, key: Node, path: Path) -> None:
        first = place_of(self.file, self.lines, node.entries[name][0].start)
        under = f"under {dotted(path)}" if path else "at the top level"
        often = "twice" if times == 2 else f"{times} times"
        message = f"`{printed(name)}` is declared {often} {under}; first at {first}"
        self.note("B102", message, key, (*path, name), "remove one of them, or rename it")

    def key(self, node: Node, path: Path) -> str:
        if node.text is None:
            name = self.text[node.start : node.end][:60].strip()
            kind, hint = ("mapping" if node.is_mapping else "list"), "put a text with brackets in quotes"
        elif node.style or (kind := kind_of(node.text)) == "str":
            return self.joined(node, path)
        else:
            name, hint = node.text, f'write "{node.text[:60]}", in quotes'
            kind = {"bool": "yes/no value", "null": "null", "timestamp": "date"}.get(kind, "number")
        self.note("B103", f"the key `{printed(name)}` is a {kind}, not text", node, path, hint)
        return name

    def scalar(self, node: Node, path: Path) -> object:
        text = node.text or ""
        if node.style or (kind := kind_of(text)) == "str":
            return self.joined(node, path)
        if kind in ("null", "bool"):
            return WORDS[text]
        try:
            if kind == "timestamp":
                return timestamp(text)
        except (ValueError, OverflowError) as error:
            hint = "write a day of the calendar as YYYY-MM-DD, or put other text in quotes"
            self.note("B110", f"`{printed(text)}` is no date: {error}", node, path, hint)
            return text
        number = number_of(text, kind)
        if isinstance(number, float) and not math.isfinite(number):
            hint = "leave the value out where there is no limit"
            self.note("B109", f"`{printed(text)}` is no number that can be counted with", node, path, hint)
        return number

    def joined(self, node: Node, path: Path) -> str:
        """The text, with the pairs of `\\ud83d\\ude00` that JSON writes joined to the character they mean."""
        text = node.text or ""
        if not SURROGATE.search(text):
            return text
        node.text = text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "�" in text:
            self.note("B111", "the text holds half a character", node, path, "complete or remove the `\\u…`")
        return text

    def note(self, code: str, message: str, node: Node, path: Path, hint: str) -> None:
        place = place_of(self.file, self.lines, node.start)
        text, span = excerpt(self.text, self.lines, node.start, node.end)
        problem = Problem(code, message, dotted(path), place, text, span, hint)
        self.problems.setdefault((code, node.start), problem)


__all__ = ["Document", "Path", "dotted", "of", "parse", "read"]
