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
from crmrules.expr import habits

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
      |(?P<operator><=|>=|==(?!=)|!=(?!=)|[+(),]|-(?!>)|=(?![=<>])|\*(?!\*)|/(?![/*])|<(?![<>])|>(?!>)))
    """,
    re.VERBOSE,
)
_OPERATORS = frozenset({"<=", ">=", "==", "!=", "-", "+", "*", "/", "<", ">", "(", ")", ",", "="})
_PREFIXES = frozenset({"-", "+", "not"})

_WORDS_OF_THE_LANGUAGE = frozenset({"and", "or", "not", "in", "if", "else"})
_RESERVED = frozenset(keyword.kwlist) - _WORDS_OF_THE_LANGUAGE - {"True", "False", "None"}


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
    previous: tuple[int, str] | None = None  # the value that ends here, by its place and text
    for found in _WORD.finditer(text):
        kind = found.lastgroup or ""
        word = found[kind]
        if found.start() != end:
            _refuse_word(text, end)
        end = found.end()
        position = end - len(word)
        is_value = kind != "operator" and word not in _WORDS_OF_THE_LANGUAGE
        if is_value and previous is not None and word not in _RESERVED:
            _refuse_neighbours(text, previous, position, word)
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
            if kind == "name":
                if word in _RESERVED or word[0] == "_" or len(word) > LONGEST_TEXT or not word.isascii():
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
        previous = (position, word) if is_value or word == ")" else None
        prefixes = prefixes + 1 if word in _PREFIXES else 0
        if prefixes > DEEPEST or elses > DEEPEST or len(brackets) > DEEPEST:
            refuse(
                "E001",
                f"the expression is nested more than {DEEPEST} deep",
                text,
                Span(position, end),
                hint="split it into named measures",
            )
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
    if word in _RESERVED:
        hint = habits.of_operator(word) or f"a field of that name is written in backquotes: `{word}`"
        refuse("E003", f"`{word}` is not part of the language", text, span, hint=hint)
    if word.startswith("_"):
        refuse("E003", "a name cannot begin with an underscore", text, span, hint="rename the field")
    if not word.isascii():
        _refuse_unstable(text, word, span)


def is_plain(name: str) -> bool:
    """Whether a name is written without quotes."""
    return name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)


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


def _refuse_neighbours(text: str, before: tuple[int, str], position: int, word: str) -> NoReturn:
    """Two values without an operator between them."""
    start, first = before
    span = Span(position, position + len(word))
    adjacent = start + len(first) == position
    if word[0] in "'\"":
        if first[0] in "'\"":
            both = Span(start, span.end)
            hint = 'write one text; one with an apostrophe in it in double quotes: "it\'s"'
            refuse("E003", "two texts stand side by side", text, both, hint=hint)
        if adjacent and first.isalpha():
            whole = Span(start, span.end)
            refuse(
                "E003",
                "letters stand directly before a text",
                text,
                whole,
                hint="write the text alone: 'abc'",
            )
    if adjacent and first[0] in ".0123456789":
        whole = Span(start, span.end)
        hint = habits.of_unit(first, word)
        refuse("E003", f"`{word}` stands directly behind a number", text, whole, hint=hint)
    for each, place in ((word, span), (first, Span(start, start + len(first)))):
        if hint := habits.of_operator(each):
            refuse("E004", f"`{each}` is not part of the language", text, place, hint=hint)
    if adjacent and first[0] in "'\"":
        hint = f"write a text with {first[0]} in it in the other quotes"
        refuse("E004", f"the text {first} ends before `{word}`", text, Span(start, span.end), hint=hint)
    between = f"between `{first}` and `{word}`" if len(first) + len(word) <= 60 else "before this"
    hint = "write one of + - * / == != < <= > >= and, or, in"
    refuse("E004", f"an operator is missing {between}", text, span, hint=hint)


def _refuse_word(text: str, position: int) -> NoReturn:
    """Say what is wrong with the first thing, behind blanks, that is no word of the language."""
    while text[position] in " \t\r\n":
        position += 1
    ch = text[position]
    if ch in "'\"":
        broken = "\\" in text[position:]
        refuse(
            "E003",
            "a text has no end, or a backslash in it that means nothing" if broken else "a text has no end",
            text,
            Span(position, position + 1),
            hint=f"close it with {ch}; "
            + (
                r"only \\, \' and \" may be written"
                if broken
                else 'an apostrophe stands in double quotes: "it\'s"'
            ),
        )
    if ch == "`":
        refuse("E003", "a quoted name has no end", text, Span(position, position + 1), hint="close it with `")
    symbol, hint = habits.of_symbol(text, position)
    span = Span(position, position + len(symbol))
    if not ch.isprintable():
        refuse("E002", f"the character U+{ord(ch):04X} is not allowed", text, span, hint=hint)
    refuse("E003", f"`{symbol}` is not part of the language", text, span, hint=hint)


def refuse(code: str, message: str, text: str, span: Span, *, hint: str = "") -> NoReturn:
    """Raise the error; the one way out of the front end."""
    raise ExpressionError(code, message, text=text, span=span, hint=hint)
