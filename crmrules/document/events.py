"""The steps of a parser through a text, YAML or JSON, and what it says of a text that is neither."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from crmrules.document.places import place_of, printed, stop
from crmrules.errors import Problem, RulebookError

JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\]:,"]+')
JSON_NUMBERS = {"NaN": ".nan", "Infinity": ".inf", "-Infinity": "-.inf"}
PROPERTIES = re.compile(r"(?:[&!][^\s]*(?:\s|(?<=\s)#[^\r\n]*)*)*")


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
