"""From a character of a value to where it is written, through quotes, escapes and folds."""

from __future__ import annotations

import re

from crmrules.document.nodes import Node
from crmrules.document.places import LINE_BREAK, line_starts

PIECE = re.compile(r"[ \t]*(?P<fold>\r\n|\r|\n)[ \t\r\n]*|(?P<escape>'')|[ \t]+|[^\s']+|.")
DOUBLE_QUOTED_PIECE = re.compile(
    r"[ \t]*(?P<fold>\r\n|\r|\n)[ \t\r\n]*"
    r"|\\(?P<glue>\r\n|\r|\n)[ \t\r\n]*"
    r"|\\(?P<escape>u[dD][89abAB]..\\u[dD][c-fC-F]..|u.{4}|U.{8}|x..|.)"
    r"|[ \t]+|[^\s\\]+|."
)


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
