"""What is refused before Python's parser sees the text.

Python's own parser can run out of stack on nested brackets or long chains of prefix operators, folds huge
constants, and knows far more of a language than this one has. So the text is first cut into the few kinds
of words that exist here; whatever else it holds is refused with a hint for the spreadsheet, SQL or C habit
behind it.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from dataclasses import dataclass, field
from typing import NoReturn, final

from crmrules.errors import ExpressionError, Span

LONGEST_EXPRESSION = 4_096
LONGEST_TEXT = 256
DEEPEST = 40
TALLEST = 2 * DEEPEST
"""How deep Python's tree may become, where brackets and each sign of a sum count too."""

_WORD = re.compile(
    r"""[ \t\r\n]*
      (?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      |(?P<name>[^\W\d]\w*)
      |(?P<quoted>`[^`\r\n]*`)
      |(?P<text>'(?:[^'\\\r\n]|\\['"\\])*'|"(?:[^"\\\r\n]|\\['"\\])*")
      |(?P<operator><=|>=|==|!=|[-+(),=]|\*(?!\*)|/(?!/)|<(?!>)|>))
    """,
    re.VERBOSE,
)
_OPERATORS = frozenset({"<=", ">=", "==", "!=", "-", "+", "*", "/", "<", ">", "(", ")", ",", "="})
_PREFIXES = frozenset({"-", "+", "not"})

_HABITS: tuple[tuple[str, str], ...] = (
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("<>", "write `!=`"),
    ("**", "write power(x, 2)"),
    ("//", "write `floor(x / y)`"),
    ("!", "write `not`, or `!=` for “is different from”"),
    ("%", "write a share: 0.05 for 5 %"),
    ("&", "write `and`"),
    ("|", "write `or`"),
    ("[", "lists are written with round brackets: x in ('a', 'b')"),
    ("]", "lists are written with round brackets: x in ('a', 'b')"),
    ("{", "write the name alone, without braces"),
    ("}", "write the name alone, without braces"),
    (".", "a field is named alone, without the source before it"),
    (";", "write one expression"),
    ("\\", "inside a text only \\\\, \\' and \\\" may follow a backslash"),
    ("$", "write the name alone"),
    ("@", "write the name alone"),
    ("#", "comments belong outside the expression"),
    (":", "write `a if condition else b`"),
    ("?", "write `a if condition else b`"),
    ("（", "write ( from the Latin keyboard"),
    ("）", "write ) from the Latin keyboard"),
    ("，", "write , from the Latin keyboard"),
    ("。", "write . from the Latin keyboard"),
    ("“", "write ' around a text"),
    ("”", "write ' around a text"),
    ("‘", "write ' around a text"),
    ("’", "write ' around a text"),
    ("＋", "write +"),
    ("－", "write -"),
    ("×", "write *"),
    ("＊", "write *"),
    ("÷", "write /"),
    ("／", "write /"),
    ("＝", "write =="),
    ("＞", "write >"),
    ("＜", "write <"),
    ("≥", "write >="),
    ("≤", "write <="),
    ("≠", "write !="),
    ("％", "write a share: 0.05 for 5 %"),
)
_FOREIGN_WORDS = {
    "lambda": "write an expression",
    "await": "write an expression",
    "yield": "write an expression",
    "async": "write an expression",
    "for": "write an aggregate such as sum(amount)",
    "is": "write `is_null(x)` for a missing value, == for equality",
}


@final
@dataclass(frozen=True, slots=True)
class Gated:
    """A text fit for Python's parser, of the same length, with quoted names replaced by plain ones."""

    text: str
    python: str
    quoted: dict[str, str] = field(default_factory=dict)


def gate(text: str) -> Gated:
    """Refuse what the language does not have, and everything that could hurt the parser.

    Raises ExpressionError: E001 too long or nested, E002 a character, E003 a word that is not one.
    """
    if len(text) > LONGEST_EXPRESSION:
        refuse(
            "E001",
            f"the expression has {len(text):,} characters, {LONGEST_EXPRESSION:,} is the most",
            text[:LONGEST_EXPRESSION],
            Span(0, 1),
            hint="split it into named measures",
        )
    if not text or text.isspace():
        refuse("E004", "the expression is empty", text, Span(0, 1), hint="write for example amount > 100")
    if not text.isascii() or not text.isprintable():
        _refuse_invisible(text)
    gated = _words(text)
    # Nothing nests deeper than there are signs that nest.
    if sum(map(text.count, ("(", "+", "-", "*", "/", "not"))) > TALLEST:
        _refuse_tall(text)
    return gated


def _words(text: str) -> Gated:
    brackets: list[int] = []
    quoted: dict[str, str] = {}
    # Python ends a line at \r alone too, and would count lines in another way.
    python = text.replace("\r", " ")
    prefixes = elses = end = 0
    previous = ""
    for found in _WORD.finditer(text):
        kind = found.lastgroup or ""
        word = found[kind]
        if found.start() != end:
            _refuse_word(text, end)
        end = found.end()
        position = end - len(word)
        if kind == "operator":
            if word == "(":
                brackets.append(position)
            elif word == ")":
                if not brackets:
                    refuse(
                        "E003",
                        "a bracket is closed that was never opened",
                        text,
                        Span(position, end),
                        hint="remove it, or write the ( that belongs to it",
                    )
                brackets.pop()
        else:
            if previous not in ("operator", ""):
                _refuse_neighbours(text, kind, previous, position, end)
            if kind == "name":
                if word in _FOREIGN_WORDS or word[0] == "_" or not word.isascii():
                    _check_name(text, word, position)
                elses += word == "else"
            elif kind == "quoted":
                stand_in = _stand_in(text, word, position, quoted)
                python = python[:position] + stand_in + python[end:]
            elif kind == "text" and len(word) > LONGEST_TEXT + 2:
                refuse(
                    "E001",
                    f"a text of {len(word) - 2} characters, {LONGEST_TEXT} is the most",
                    text,
                    Span(position, end),
                )
        prefixes = prefixes + 1 if word in _PREFIXES else 0
        if prefixes > DEEPEST or elses > DEEPEST or len(brackets) > DEEPEST:
            refuse(
                "E001",
                f"the expression is nested more than {DEEPEST} deep",
                text,
                Span(position, end),
                hint="split it into named measures",
            )
        previous = kind
    if text[end:].strip(" \t\r\n"):
        _refuse_word(text, end)
    if brackets:
        refuse(
            "E003",
            "a bracket is opened and never closed",
            text,
            Span(brackets[-1], brackets[-1] + 1),
            hint="write the ) that belongs to it",
        )
    return Gated(text, python, quoted)


_SIGN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\w+|[-+*/(),]|[<>=!]+""")
_BETWEEN = frozenset({"and", "or", "if", "else", "in", ",", "<", "<=", ">", ">=", "==", "!=", "="})


def _refuse_tall(text: str) -> None:
    """Refuse what would nest Python's tree too deep for a small stack: brackets and signs in front of them on
    the way down, and on the way up the sums and products, which nest to the left, one level a sign."""
    levels: list[tuple[int, int, int, bool]] = []
    depth = done = height = before = 0  # of this level: the tallest part, the part being read, signs in front
    previous = "("
    for found in _SIGN.finditer(text):
        word = found[0]
        operand = previous not in _BETWEEN and previous not in "(+-*/" and previous != "not"
        if word == "(":
            levels.append((done, height, before, previous == ")"))
            depth += before + 1
            done = height = before = 0
        elif word == ")":
            inner = max(done, height) + 1
            done, height, before, chained = levels.pop()
            depth -= before + 1
            height = max(height, inner + before) + chained
            before = 0
        elif word in _BETWEEN:
            done, height, before = max(done, height), 0, 0
        elif word == "not" or (word in "+-*/" and not operand):
            before += 1
        elif word in "+-*/":
            height += 1
        else:
            height, before = max(height, before), 0
        if max(depth + before, height) > TALLEST:
            refuse(
                "E001",
                f"the expression is nested more than {DEEPEST} deep",
                text,
                Span(*found.span()),
                hint="split it into named measures",
            )
        previous = word


def _check_name(text: str, word: str, position: int) -> None:
    span = Span(position, position + len(word))
    if len(word) > LONGEST_TEXT:
        refuse("E001", f"a name of {len(word):,} characters, {LONGEST_TEXT} is the most", text, span)
    if word in _FOREIGN_WORDS:
        refuse("E003", f"`{word}` is not part of the language", text, span, hint=_FOREIGN_WORDS[word])
    if word.startswith("_"):
        refuse("E003", "a name cannot begin with an underscore", text, span, hint="rename the field")
    if not word.isascii():
        _refuse_unstable(text, word, span)


def is_plain(name: str) -> bool:
    """Whether a name is written without quotes."""
    return (
        name.isidentifier()
        and not name.startswith("_")
        and not keyword.iskeyword(name)
        and name not in _FOREIGN_WORDS
    )


def _stand_in(text: str, word: str, position: int, quoted: dict[str, str]) -> str:
    span = Span(position, position + len(word))
    name = word[1:-1]
    if len(name) > LONGEST_TEXT:
        refuse("E001", f"a name of {len(name):,} characters, {LONGEST_TEXT} is the most", text, span)
    if not name.strip() or name != name.strip():
        refuse("E003", "a quoted name is empty or has a blank at its edge", text, span)
    if is_plain(name):
        refuse("E003", "the name needs no quotes", text, span, hint=f"write {name}")
    _refuse_unstable(text, name, span)
    for stand_in, known in quoted.items():
        if known == name:
            return stand_in.ljust(len(word), "_")
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    if len(quoted) >= len(digits):
        refuse("E001", f"more than {len(digits)} quoted names", text, span)
    stand_in = f"__{digits[len(quoted)]}".ljust(len(word), "_")
    quoted[stand_in] = name
    return stand_in


def _refuse_unstable(text: str, name: str, span: Span) -> None:
    stable = unicodedata.normalize("NFKC", name)
    if stable != name:
        refuse(
            "E002",
            "the name is written with characters that have a plainer form",
            text,
            span,
            hint=f"write `{stable}`" if len(stable) <= LONGEST_TEXT else "",
        )


def _refuse_invisible(text: str) -> None:
    for position, ch in enumerate(text):
        if unicodedata.category(ch) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and ch not in "\t\r\n":
            refuse(
                "E002",
                f"the invisible or reserved character U+{ord(ch):04X} is not allowed",
                text,
                Span(position, position + 1),
                hint="delete it and type the neighbouring characters again",
            )


def _refuse_neighbours(text: str, kind: str, previous: str, position: int, end: int) -> None:
    """Two words without an operator between them, unless one is a keyword, which Python's parser judges."""
    adjacent = position > 0 and not text[position - 1].isspace()
    if kind == "text" and adjacent and previous == "name":
        refuse(
            "E003",
            "letters stand directly before a text",
            text,
            Span(position - 1, end),
            hint="write the text alone: 'abc'",
        )
    if kind == "text" and previous == "text":
        refuse("E003", "two texts stand side by side", text, Span(position, end), hint="write one text")
    if adjacent and previous == "number":
        refuse(
            "E003",
            "letters stand directly behind a number",
            text,
            Span(position - 1, end),
            hint="numbers are written like 1000, 0.5 or 1e6",
        )


def _refuse_word(text: str, position: int) -> NoReturn:
    """Say what is wrong with the first thing, behind blanks, that is no word of the language."""
    while text[position] in " \t\r\n":
        position += 1
    for habit, hint in _HABITS:
        if text.startswith(habit, position):
            span = Span(position, position + len(habit))
            refuse("E003", f"`{habit}` is not part of the language", text, span, hint=hint)
    ch = text[position]
    if ch in "'\"`":
        broken = "\\" in text[position:]
        refuse(
            "E003",
            "a text has no end, or a backslash in it that means nothing" if broken else "a text has no end",
            text,
            Span(position, position + 1),
            hint=f"close it with {ch}" + (r"; only \\, \' and \" may be written" if broken else ""),
        )
    if not ch.isprintable():
        refuse("E002", f"the character U+{ord(ch):04X} is not allowed", text, Span(position, position + 1))
    refuse("E003", f"`{ch}` is not part of the language", text, Span(position, position + 1))


def refuse(code: str, message: str, text: str, span: Span, *, hint: str = "") -> NoReturn:
    """Raise the error; the one way out of the front end."""
    raise ExpressionError(code, message, text=text, span=span, hint=hint)
