"""A document as a tree of what was written, stopped as soon as there is too much of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from crmrules.document.events import Event
from crmrules.document.places import place_of, too_large
from crmrules.document.scalars import kind_of
from crmrules.errors import Place, Problem, RulebookError, shown

DEEPEST = 60
MOST_NODES = 200_000
CORE_TAGS = {"str", "int", "float", "bool", "null", "timestamp"}


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
