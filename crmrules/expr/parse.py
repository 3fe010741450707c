"""Text to an unchecked tree: what the words say, before anything is known of the fields."""

from __future__ import annotations

import ast
import datetime as dt
import itertools
import re
from dataclasses import replace
from typing import NoReturn, final

from crmrules.errors import ExpressionError, Span, closest
from crmrules.expr import habits, tree
from crmrules.expr.functions import AGGREGATES, FUNCTIONS, PAST, names_of_functions
from crmrules.expr.gate import DEEPEST, LONGEST_EXPRESSION, Gated, gate, refuse
from crmrules.expr.limits import current
from crmrules.types import FIRST_MOMENT, LARGEST_INTEGER, LAST_MOMENT

MOST_NODES = 400
MOST_PERIODS_BACK = 600
LONGEST_LIST = 1_000
_GROWTH = 5
"""How much longer canonical text can be: `1e15,` becomes 18 characters."""

# As Python's parser counts lines.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_ARITHMETIC: dict[type[ast.operator], tree.ArithmeticOperator] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
_COMPARISON: dict[type[ast.cmpop], tree.ComparisonOperator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_SOME_WORD = re.compile(r"\w+|[<>=!]=|\S")
_IF = re.compile(r"\bif\b")
_ELSE = re.compile(r"\belse\b")
_LEADING_ZERO = re.compile(r"(?<![\w.'\"])0+([0-9]+)(?![\w.'\"])")


def parse(text: str) -> tree.Node:
    """The tree of a text.

    Raises ExpressionError, and nothing else, for a text that is not of the language.
    """
    gated = gate(text)
    try:
        # The brackets let an expression run over several lines.
        module = ast.parse(f"({gated.python}\n)", mode="eval")
    except SyntaxError as error:
        _explain_syntax(gated, error)
    except (ValueError, MemoryError, RecursionError):
        refuse("E004", "the expression cannot be read", text, Span(0, 1))
    result = _Reader(gated).read_all(module.body)
    if (limits := current()) is not None:
        limits.refuse_beyond(text, result)
    return result


def _explain_syntax(gated: Gated, error: SyntaxError) -> NoReturn:
    text = gated.text
    if (at := _lone_equals(text)) is not None:
        first = not text[:at].strip()
        hint = "leave out the = at the start" if first else "write =="
        refuse("E004", "`=` gives a value, it does not compare", text, Span(at, at + 1), hint=hint)
    date, hint = habits.of_date(text)
    if date:
        at = text.index(date)
        refuse("E004", f"`{date}` is no date here", text, Span(at, at + len(date)), hint=hint)
    if (found := _LEADING_ZERO.search(text)) is not None:
        hint = f"write {found[1]}, or '{found[0]}' for a text"
        refuse("E004", f"the number `{found[0]}` begins with a zero", text, Span(*found.span()), hint=hint)
    if (at := text.find("(*)")) >= 0:
        refuse("E004", "`*` is no value", text, Span(at, at + 3), hint="write count()")
    if (found := _IF.search(text)) is not None and not _ELSE.search(text, found.end()):
        hint = "write `a if condition else b`"
        refuse("E004", "`if` stands between two values, with `else`", text, Span(*found.span()), hint=hint)
    place, word = _at(gated, error)
    if not word:
        last = [*_SOME_WORD.finditer(text)][-1]
        hint = "a value is missing behind it"
        refuse(
            "E004", "the expression cannot be read, since it ends here", text, Span(*last.span()), hint=hint
        )
    if word[0].isalnum() or word[0] in "(`'\"":
        hint = "an operator, a value or a comma is missing or stands too much"
        refuse("E004", "the expression cannot be read from here on", text, place, hint=hint)
    hint = "write a value there, or leave the sign out"
    refuse("E004", f"a value is missing before `{word}`", text, place, hint=hint)


def _at(gated: Gated, error: SyntaxError) -> tuple[Span, str]:
    """The word at which Python's parser gave up; none at the end."""
    offsets = _Offsets(f"({gated.python}\n)")
    line, column = error.lineno or 1, (error.offset or 1) - 1
    # SyntaxError counts characters where the nodes of a tree count bytes.
    start = max(offsets.starts[min(line, len(offsets.starts)) - 1] + column - 1, 0)
    found = _SOME_WORD.match(gated.text, start)
    return (Span(*found.span()), found[0]) if found is not None else (Span(start, start + 1), "")


def _lone_equals(text: str) -> int | None:
    inside = ""
    for at, ch in enumerate(text):
        if inside:
            inside = "" if ch == inside else inside
        elif ch in "'\"`":
            inside = ch
        elif ch == "=" and text[at - 1 : at] not in ("=", "<", ">", "!") and text[at + 1 : at + 2] != "=":
            names_an_argument = text[:at].rstrip().endswith("where")
            if not names_an_argument:
                return at
    return None


class _Offsets:
    """From Python's line and byte column to an offset in characters."""

    def __init__(self, python: str) -> None:
        self.lines = _LINE.findall(python)
        self.ascii = python.isascii()
        self.starts = [0, *itertools.accumulate(map(len, self.lines))]

    def at(self, line: int, column: int) -> int:
        if not self.ascii:
            column = len(self.lines[line - 1].encode()[:column].decode(errors="ignore"))
        return self.starts[line - 1] + column


@final
class _Reader:
    def __init__(self, gated: Gated) -> None:
        self.text = gated.text
        self.quoted = gated.quoted
        flat = gated.python.isascii() and gated.python.isprintable()
        self.offsets = None if flat else _Offsets(f"({gated.python}\n)")
        self.nodes = 0
        self.longer = len(gated.text) > LONGEST_EXPRESSION // _GROWTH
        self.depth = 0

    def span(self, node: ast.expr) -> Span:
        """The node's place in the caller's text, which has one bracket less at its start."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        if self.offsets is None:
            end = end_column - 1 if end_line == 1 else len(self.text)
            return Span(max(node.col_offset - 1, 0), min(end, len(self.text)))
        start, end = self.offsets.at(node.lineno, node.col_offset), self.offsets.at(end_line, end_column)
        return Span(max(start - 1, 0), min(end - 1, len(self.text)))

    def refuse(self, code: str, message: str, node: ast.expr, hint: str = "") -> NoReturn:
        refuse(code, message, self.text, self.span(node), hint=hint)

    def read_all(self, node: ast.expr) -> tree.Node:
        """The whole, of which also the canonical text is within the limits."""
        result = self.read(node)
        self.bound(node)
        if self.longer and (length := len(tree.text(result))) > LONGEST_EXPRESSION:
            written = f"written out, the expression has {length:,} characters"
            self.refuse("E001", f"{written}, {LONGEST_EXPRESSION:,} is the most", node, "split it")
        return result

    def bound(self, node: ast.expr) -> None:
        if self.nodes > MOST_NODES:
            self.refuse("E001", f"the expression has more than {MOST_NODES} parts", node, "split it")

    def read(self, node: ast.expr) -> tree.Node:
        self.nodes += 1
        self.depth += 1
        if self.nodes > MOST_NODES:
            self.bound(node)
        if self.depth > DEEPEST:
            self.refuse("E001", f"the expression is nested more than {DEEPEST} deep", node, "split it")
        result = self.read_node(node)
        self.depth -= 1
        return result

    def read_node(self, node: ast.expr) -> tree.Node:
        span = self.span(node)
        match node:
            case ast.Name(id=name):
                return tree.Name(self.quoted.get(name, name), span)
            case ast.Constant(value=value):
                return self.constant(value, node, span)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
                return tree.Arithmetic(_ARITHMETIC[type(operator)], self.read(left), self.read(right), span)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(self.read(operand), span)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return replace(tree.negated(self.read(operand)), span=span)
            case ast.BoolOp(op=operator_, values=values):
                word = "and" if isinstance(operator_, ast.And) else "or"
                return tree.joined(word, [self.read(value) for value in values], span)  # type: ignore[arg-type]
            case ast.IfExp(test=test, body=body, orelse=orelse):
                then = self.read(body)
                return tree.Choice(self.read(test), then, self.read(orelse), span)
            case ast.Compare():
                return self.comparison(node, span)
            case ast.Call():
                return self.call(node, span)
            case ast.Tuple():
                self.refuse_list(node)
            case _:
                self.refuse("E005", "this is not part of the language", node)

    def refuse_list(self, node: ast.Tuple) -> NoReturn:
        span = self.span(node)
        number, hint = habits.of_list(self.text[span.start : span.end])
        if number:
            start = self.text.index(number, span.start)
            span = Span(start, start + len(number))
        elif not node.elts:
            hint = "write a value between the brackets"
        hint = hint or "lists stand behind `in`: x in ('a', 'b')"
        refuse("E005", "a list cannot stand here", self.text, span, hint=hint)

    def constant(self, value: object, node: ast.expr, span: Span) -> tree.Node:
        if isinstance(value, bool) or value is None or isinstance(value, str):
            return tree.Constant(value, span)
        if isinstance(value, int | float):
            if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
                self.refuse("E001", "whole numbers beyond 2^53 lose digits", node, "write it as 1e20")
            if abs(value) > 1e308 and float(value) == float("inf"):
                self.refuse("E001", "the number is too large", node, "the largest is about 1.79e308")
            return tree.Constant(float(value), span)
        self.refuse("E005", "this is not part of the language", node)

    @staticmethod
    def negative(operand: tree.Node, span: Span) -> tree.Node:
        if isinstance(operand, tree.Constant) and type(operand.value) is float and operand.value > 0:
            return tree.Constant(-operand.value, span)
        return tree.Negative(operand, span)

    def comparison(self, node: ast.Compare, span: Span) -> tree.Node:
        parts: list[tree.Node] = []
        chained = len(node.ops) > 1
        # A chain is one level more, and one part more for each sign, in the text that says the same.
        self.depth += chained
        self.nodes += len(node.ops) if chained else 0
        left = self.read(node.left)
        start = left.span.start
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In | ast.NotIn):
                if len(node.ops) > 1:
                    self.refuse(
                        "E005", "`in` cannot be part of a chain", node, "join two conditions with `and`"
                    )
                member = tree.Membership(left, self.values(comparator), span)
                return tree.Not(member, span) if isinstance(operator, ast.NotIn) else member
            before = self.nodes
            right = self.read(comparator)
            if comparator is not node.comparators[-1]:
                # It stands on both sides; chains within chains would double at each level.
                self.nodes += self.nodes - before
                self.longer = True
            here = Span(start, right.span.end)
            parts.append(tree.Comparison(_COMPARISON[type(operator)], left, right, here))
            left, start = right, right.span.start
        self.depth -= chained
        return tree.joined("and", parts, span)

    def values(self, node: ast.expr) -> tuple[tree.Constant, ...]:
        if not isinstance(node, ast.Tuple):
            hint = "write x in ('a', 'b'), or x == y"
            if isinstance(node, ast.Constant):
                one = self.text[self.span(node).start : self.span(node).end]
                within = (
                    f", or contains(x, {one}) for a part of a text" if isinstance(node.value, str) else ""
                )
                hint = f"write ({one},) with a comma, or x == {one}{within}"
            self.refuse("E005", "behind `in` stands a list of constants", node, hint)
        if not node.elts:
            self.refuse("E005", "the list is empty", node, "name at least one value")
        if len(node.elts) > LONGEST_LIST:
            self.refuse("E001", f"a list of more than {LONGEST_LIST:,} values", node)
        found: list[tree.Constant] = []
        for element in node.elts:
            value = self.read(element)
            self.nodes -= 1
            if not isinstance(value, tree.Constant) or value.value is None:
                self.refuse("E005", "a list holds constants only", element, "compare with == instead")
            found.append(value)
        return tuple(dict.fromkeys(found))

    def call(self, node: ast.Call, span: Span) -> tree.Node:
        if not isinstance(node.func, ast.Name):
            self.refuse("E005", "this is not part of the language", node.func, "call a function by its name")
        name = node.func.id
        if not any(name in known for known in (FUNCTIONS, AGGREGATES, PAST, ("date", "datetime"))):
            self.unknown_function(name, node)
        where: tree.Node | None = None
        for keyword in node.keywords:
            if keyword.arg != "where" or name not in AGGREGATES or where is not None:
                self.refuse(
                    "E104",
                    f"`{name}` takes no `{keyword.arg or '**'}=` here",
                    keyword.value,
                    "aggregates take a condition as where=…" if name in AGGREGATES else "",
                )
            where = self.read(keyword.value)
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse("E005", "this is not part of the language", node)
        arguments = tuple(self.read(argument) for argument in node.args)
        if name in AGGREGATES and (name not in FUNCTIONS or where is not None or len(arguments) < 2):
            if len(arguments) > 1 or (not arguments and name != "count"):
                self.refuse("E104", f"`{name}` takes one value", node, f"write {name}(x, where=condition)")
            return tree.Aggregate(name, arguments[0] if arguments else None, where, span)
        if name in ("date", "datetime"):
            return self.literal_date(name, arguments, node, span)
        if name in PAST:
            return self.past(name, arguments, node, span)
        return tree.Call(name, arguments, span)

    def past(self, name: str, arguments: tuple[tree.Node, ...], node: ast.Call, span: Span) -> tree.Node:
        """A function over other periods. growth(x) is written out: (x - prior(x)) / abs(prior(x))."""
        row = PAST[name]
        count: int | None = None
        match arguments:
            case (operand,) if row.count != "must":
                pass
            case (operand, tree.Constant(float() as number)) if row.count != "none":
                if not number.is_integer() or not 1 <= number <= MOST_PERIODS_BACK:
                    self.refuse(
                        "E104", f"`{name}` takes a whole number from 1 to {MOST_PERIODS_BACK}", node.args[1]
                    )
                count = int(number)
            case _:
                wanted = {"none": "one value", "may": "a value, and a number of periods if not 1"}
                what = wanted.get(row.count, "a value and a number of periods")
                self.refuse("E104", f"`{name}` takes {what}", node, f"write for example {row.example}")
        if name != "growth":
            return tree.Past(name, operand, count, span)
        before = tree.Past("prior", operand, count, span)
        change = tree.Arithmetic("-", operand, before, span)
        return tree.Arithmetic("/", change, tree.Call("abs", (before,), span), span)

    def literal_date(
        self, name: str, arguments: tuple[tree.Node, ...], node: ast.Call, span: Span
    ) -> tree.Node:
        example = "date('2026-01-31')" if name == "date" else "datetime('2026-01-31 18:00')"
        match arguments:
            case (tree.Constant(str() as text),):
                try:
                    if name == "date":
                        return tree.Constant(dt.date.fromisoformat(text), span)
                    moment = dt.datetime.fromisoformat(text)
                    if moment.tzinfo is None and FIRST_MOMENT <= moment <= LAST_MOMENT:
                        return tree.Constant(moment, span)
                except ValueError:
                    pass
            case (
                tree.Constant(float() as year),
                tree.Constant(float() as month),
                tree.Constant(float() as day),
            ) if name == "date":
                if (found := FUNCTIONS["date"].scalar(year, month, day)) is not None:
                    assert isinstance(found, dt.date)
                    return tree.Constant(found, span)
            case (_, _, _) if name == "date":
                return tree.Call(name, arguments, span)
            case _:
                parts = ", or a year, a month and a day" if name == "date" else ""
                self.refuse("E104", f"`{name}` takes a constant text{parts}", node, f"write {example}")
        without = ", without a zone and from 1684 to 2255" if name == "datetime" else ""
        self.refuse("E106", f"there is no such {name}", node, f"write it as {example}{without}")

    def unknown_function(self, name: str, node: ast.Call) -> NoReturn:
        known = sorted({*names_of_functions(), "date", "datetime"})
        suggestions = closest(name, known)
        same = suggestions and suggestions[0] == name.lower()
        if same or not (hint := habits.of_function(name)):
            hint = f"did you mean `{suggestions[0]}`?" if suggestions else f"there is {', '.join(known)}"
            if not name.isascii():
                written = self.text[self.span(node).start : self.span(node).end]
                hint = f"a field of that name is written in backquotes: `{written[:60]}`"
        raise ExpressionError(
            "E103",
            f"unknown function `{name}`",
            text=self.text,
            span=self.span(node.func),
            hint=hint,
            suggestions=suggestions,
        )
