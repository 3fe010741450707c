"""A YAML 1.2 or JSON document as plain data, with the position of everything in it.

Read from the parser's events, not from loaded objects: positions are exact, every duplicate is seen,
and nothing is ever constructed from a tag.
"""

from __future__ import annotations

import bisect
import datetime as dt
import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn, final

from crmrules.errors import Place, Problem, RulebookError, Span, shown

Path = tuple[str | int, ...]

LARGEST_TEXT = 2_000_000
DEEPEST = 60
MOST_NODES = 200_000
MOST_DIGITS = 1_000

CORE_TAGS = {"str", "int", "float", "bool", "null", "timestamp"}
WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]*))?[ \t]*(Z|([-+])([0-9]{1,2})(?::?([0-9]{2}))?)?"
)
JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\]:,"]+')
JSON_NUMBERS = {"NaN": ".nan", "Infinity": ".inf", "-Infinity": "-.inf"}
LINE_BREAK = re.compile(r"\r\n|\r|\n")
SURROGATE = re.compile("[\ud800-\udfff]")
PROPERTIES = re.compile(r"(?:[&!][^\s]*(?:\s|(?<=\s)#[^\r\n]*)*)*")
PIECE = re.compile(r"[ \t]*(?P<fold>\r\n|\r|\n)[ \t\r\n]*|(?P<escape>'')|[ \t]+|[^\s']+|.")
DOUBLE_QUOTED_PIECE = re.compile(
    r"[ \t]*(?P<fold>\r\n|\r|\n)[ \t\r\n]*"
    r"|\\(?P<glue>\r\n|\r|\n)[ \t\r\n]*"
    r"|\\(?P<escape>u[dD][89abAB]..\\u[dD][c-fC-F]..|u.{4}|U.{8}|x..|.)"
    r"|[ \t]+|[^\s\\]+|."
)


@dataclass(slots=True, eq=False)
class Node:
    """One value as it was written; `text` is None for a list or a mapping."""

    start: int
    end: int
    text: str | None = None
    style: str = ""
    children: list[Node] = field(default_factory=list)
    is_mapping: bool = False
    entries: dict[str, tuple[Node, Node]] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    def add(self, child: Node) -> None:
        self.children.append(child)
        self.size += child.size
        self.height = max(self.height, child.height + 1)


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


@dataclass(frozen=True, slots=True)
class Event:
    """One step of the parser: `kind` is `[`, `{`, `end`, `scalar`, `alias`, or `document`."""

    kind: str
    start: int
    end: int
    text: str = ""
    style: str = ""
    anchor: str | None = None
    tag: str | None = None


@dataclass(slots=True)
class Tree:
    """Puts the events together to nodes, and stops as soon as there is too much of them."""

    file: str
    lines: tuple[int, ...]
    events: Iterator[Event]
    open: list[Node] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    bad_tags: list[Problem] = field(default_factory=list)
    root: Node | None = None
    documents: int = 0
    count: int = 0

    def read(self) -> Node | None:
        for event in self.events:
            if event.kind == "end":
                node = self.open.pop()
                node.end = event.end
                self.attach(node, event)
            elif event.kind == "alias":
                self.attach(self.aliased(event), event)
            elif event.kind == "document":
                self.documents += 1
                if self.documents > 1:
                    hint = "keep one document in a file; remove the line `---`"
                    place = place_of(self.file, self.lines, event.start)
                    self.give_up("B106", "there is more than one document", place, hint)
            else:
                self.begin(event)
        if self.bad_tags:
            raise RulebookError(self.bad_tags)
        return self.root

    def begin(self, event: Event) -> None:
        is_scalar = event.kind == "scalar"
        text, style = (event.text, event.style) if is_scalar else (None, "")
        node = Node(event.start, event.end, text, style, is_mapping=event.kind == "{")
        if event.tag is not None:
            self.check_tag(event, node)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        if is_scalar:
            self.attach(node, event)
        else:
            self.open.append(node)
            if len(self.open) > DEEPEST:
                self.too_deep(event)

    def attach(self, node: Node, event: Event) -> None:
        self.count += node.size if event.kind == "alias" else 1
        if self.count > MOST_NODES:
            message = f"the document has more than {MOST_NODES:,} values (each `*alias` counts in full)"
            too_large(self.file, message, event.start, self.lines)
        if len(self.open) + node.height > DEEPEST:
            self.too_deep(event)
        if self.open:
            self.open[-1].add(node)
        else:
            self.root = node

    def aliased(self, event: Event) -> Node:
        place = place_of(self.file, self.lines, event.start)
        if (node := self.anchors.get(event.text)) is None:
            hint = f"declare `&{event.text}` before it is used, or put a text that starts with `*` in quotes"
            self.give_up("B101", f"nothing is named `&{event.text}`", place, hint)
        if any(node is parent for parent in self.open):
            self.give_up("B104", f"`*{event.text}` is inside of what it stands for", place, "write it out")
        return node

    def check_tag(self, event: Event, node: Node) -> None:
        tag = event.tag or ""
        name = tag.removeprefix("tag:yaml.org,2002:")
        if name == tag and tag != "!":
            known = False
        elif node.text is None:
            known = name == ("map" if node.is_mapping else "seq") or tag == "!"
        elif name in ("str", "!"):
            known, node.style = True, node.style or "!"
        else:
            known = not node.style and name in CORE_TAGS and name == kind_of(node.text)
        if not known:
            place = place_of(self.file, self.lines, event.start)
            written = shown(tag)[1:-1]
            hint = "remove the tag, or put a value that starts with `!` in quotes"
            self.bad_tags.append(
                Problem("B105", f"the tag `{written}` is not allowed here", place=place, hint=hint)
            )

    def too_deep(self, event: Event) -> NoReturn:
        too_large(self.file, f"the document is more than {DEEPEST} levels deep", event.start, self.lines)

    def give_up(self, code: str, message: str, place: Place, hint: str) -> NoReturn:
        raise RulebookError([*self.bad_tags, Problem(code, message, place=place, hint=hint)])


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
        self.problems.setdefault((code, node.start), Problem(code, message, dotted(path), place, hint=hint))


def kind_of(text: str) -> str:
    """What a plain scalar is by the core schema of YAML 1.2, or a timestamp."""
    if text in WORDS:
        return "null" if WORDS[text] is None else "bool"
    if INTEGER.fullmatch(text):
        return "int"
    if FLOAT.fullmatch(text) or NOT_FINITE.fullmatch(text):
        return "float"
    return "timestamp" if DATE.fullmatch(text) or TIME.fullmatch(text) else "str"


def number_of(text: str, kind: str) -> int | float:
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)) if len(text) <= MOST_DIGITS else math.inf


def timestamp(text: str) -> dt.date:
    if (match := TIME.fullmatch(text)) is None:
        return dt.date.fromisoformat(text)
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    microsecond = int((match[7] or "")[:6].ljust(6, "0"))
    zone = dt.UTC if match[8] else None
    if match[9]:
        offset = dt.timedelta(hours=int(match[10]), minutes=int(match[11] or 0))
        zone = dt.timezone(-offset if match[9] == "-" else offset)
    return dt.datetime(year, month, day, hour, minute, second, microsecond, zone)


def json_events(text: str) -> Iterator[Event] | None:
    """The events of a text that is JSON, else None: YAML knows no pairs of surrogates, nor long keys."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return (json_event(match) for match in JSON_TOKEN.finditer(text))


def json_event(match: re.Match[str]) -> Event:
    token, (start, end) = match[0], match.span()
    if token[0] == '"':
        return Event("scalar", start, end, json.loads(token), '"')
    if token in "{}[]":
        return Event("end" if token in "}]" else token, start, end)
    return Event("scalar", start, end, JSON_NUMBERS.get(token, token))


def yaml_events(text: str, file: str, lines: tuple[int, ...]) -> Iterator[Event]:
    from ruamel.yaml import YAML, events
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    kinds = {
        events.AliasEvent: "alias",
        events.DocumentStartEvent: "document",
        events.MappingStartEvent: "{",
        events.SequenceStartEvent: "[",
        events.ScalarEvent: "scalar",
        events.MappingEndEvent: "end",
        events.SequenceEndEvent: "end",
    }
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if (kind := kinds.get(type(event))) is None:
                continue
            start, end, tag = event.start_mark.index, event.end_mark.index, None
            if kind in ("scalar", "[", "{"):
                tag = None if event.ctag is None else str(event.ctag)
                if text[start : start + 1] in ("&", "!") and (match := PROPERTIES.match(text, start)):
                    start = min(match.end(), end)
            name = getattr(event, "anchor", None)
            value = str(name if kind == "alias" else getattr(event, "value", ""))
            yield Event(kind, start, end, value, getattr(event, "style", None) or "", name, tag)
    except ReaderError as error:
        message = f"the character U+{ord(text[error.position]):04X} is not allowed"
        stop("B101", message, place_of(file, lines, error.position), "remove it, or write it as an escape")
    except MarkedYAMLError as error:
        raise RulebookError([syntax_problem(error, text, file, lines)]) from None
    except Exception as error:  # the parser lets some hostile texts through to int() or chr()
        stop("B101", f"the text is not valid YAML: {printed(str(error))}", place_of(file, lines, 0), "")


REASONS = (
    ("mapping values are not allowed", "there is a colon where no key can be"),
    ("could not find expected ':'", "this line is no `key: value`"),
    ("expected <block end>", "this does not belong to what stands before it"),
    ("expected alphabetic", "a value cannot start with a `*` or `&` that names nothing"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("',' or '}'", "a bracket is not closed, or a comma is missing"),
    ("',' or ']'", "a bracket is not closed, or a comma is missing"),
)


def syntax_problem(error: object, text: str, file: str, lines: tuple[int, ...]) -> Problem:
    """The parser's complaint in the reader's words, with the likely cause as the hint."""
    reason = str(getattr(error, "problem", None) or getattr(error, "context", None) or "invalid YAML")
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    begins = ("expected ':'", "end of stream", "expected alphabetic")  # the cause is where that begins
    if context is not None and (mark is None or any(known in reason for known in begins)):
        mark = context
    offset = min(mark.index, len(text)) if mark is not None else 0
    number = bisect.bisect_right(lines, offset) - 1
    ends = [*lines[1:], len(text)]
    line = text[lines[number] : ends[number]][:1000]
    before = text[lines[number - 1] : ends[number - 1]][:1000] if number else ""
    value = re.match(r"\s*(?:- +)*(?:[^\s:#'\"][^:#]{0,200}: +)?(.?)", line)
    first = value[1] if value else ""
    message = next((better for known, better in REASONS if known in reason), reason)
    if text[offset : offset + 1] == "\t" or re.match(r" *\t", line):
        message, hint = "a tab is used for indentation", "indent with spaces"
    elif "cannot start any token" in reason:
        message = f"a value cannot start with `{text[offset]}`"
        hint = "put the whole value in quotes"
    elif "end of stream" in reason:
        hint = f"close the quote {text[offset : offset + 1]}, or write a quote inside of the text twice"
    elif first and first in "@`%{[*&!|>'\"=":
        hint = f"put the whole value in quotes, because it starts with `{first}`"
    elif any(re.match(r"\s*(?:- +)*[\w.-]+:[^\s/]", each) for each in (line, before)):
        hint = "write a space after the colon: `target: 100`"
    elif "mapping values" in reason:
        hint = "put a value that holds a colon and a space in quotes; otherwise check the indentation"
    else:
        hint = "check the indentation, the colon after each key, and the quotes"
    return Problem("B101", message, place=place_of(file, lines, offset), hint=hint)


def written_at(document: str, node: Node, text: str, index: int) -> int:
    """Where in the document a character of the node's text is written; the node's start if unknown."""
    value = node.text or ""
    if (shift := value.find(text)) < 0:
        return node.start
    source = document[node.start : node.end]
    offsets = block_offsets(source, value) if node.style in ("|", ">") else flow_offsets(source, node.style)
    known = len(offsets) == len(value) + 1
    return node.start + offsets[min(shift + index, len(value))] if known else node.start


def flow_offsets(source: str, style: str) -> list[int]:
    """For each character of a plain or quoted value, and for its end, where it is written."""
    start, end = (1, len(source) - 1) if style in ("'", '"') else (0, len(source))
    offsets: list[int] = []
    for match in (DOUBLE_QUOTED_PIECE if style == '"' else PIECE).finditer(source, start, end):
        breaks = len(LINE_BREAK.findall(match[0]))
        match match.lastgroup:
            case "fold":
                offsets += [match.start()] * max(1, breaks - 1)
            case "glue":
                offsets += [match.start()] * (breaks - 1)
            case "escape":
                offsets.append(match.start())
            case _:
                offsets += range(*match.span())
    return [*offsets, end]


def block_offsets(source: str, value: str) -> list[int]:
    """The same for a value after `|` or `>`: each written line is found again in the value."""
    spans = [*zip(line_starts(source), [*line_starts(source)[1:], len(source)], strict=True)][1:]
    lines = [(start, source[start:end].rstrip("\r\n")) for start, end in spans]
    written = next((line for _, line in lines if line.strip(" ")), "")
    read = next((line for line in value.split("\n") if line.strip(" ")), "")
    indent = margin(written) - margin(read)
    offsets: list[int] = []
    before = 0
    for start, line in lines:
        if not (content := line[indent:]):
            continue
        at = len(offsets)
        while value[at : at + 1] == "\n" or (value[at : at + 1] == " " and not value.startswith(content, at)):
            at += 1
        if not value.startswith(content, at):
            return []
        offsets += [before] * (at - len(offsets))
        offsets += range(start + indent, start + len(line))
        before = start + len(line)
    return [*offsets, *[before] * (len(value) + 1 - len(offsets))]


def margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def line_starts(text: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in LINE_BREAK.finditer(text)))


def place_of(file: str, lines: tuple[int, ...], offset: int) -> Place:
    line = bisect.bisect_right(lines, offset)
    return Place(file, line, offset - lines[line - 1] + 1)


def printed(text: str) -> str:
    return shown(text)[1:].rstrip("'\"")


def too_large(file: str, message: str, offset: int, lines: tuple[int, ...]) -> NoReturn:
    stop("B104", message, place_of(file, lines, offset), "split the document, or write less of it")


def stop(code: str, message: str, place: Place | None, hint: str) -> NoReturn:
    raise RulebookError([Problem(code, message, place=place, hint=hint)]) from None
