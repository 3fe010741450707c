"""Functions of texts: characters are Unicode code points, and no pattern is one of regular expressions.

Engines disagree on letters whose other case has several letters or depends on the place: those of Latin
scripts, İ and Σ are evened out before; Greek vowels with a subscript and Armenian ligatures, as well as
letters that Unicode has gained since 2021, follow the engine in `upper`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmrules.expr.signature import FIXED_TEXT, TEXTS, Function

if TYPE_CHECKING:
    import narwhals as nw

BLANKS = " \t\r\n\u00a0\u3000"
"""What `strip` removes: engines have different ideas of what else is blank."""


_SMALL = {"\u0130": "i\u0307", "\u03a3": "\u03c3"}
"""İ and Σ, which engines make small in different ways: Σ always becomes σ here."""

_CAPITAL = {
    letter: letter.upper() for letter in "\u00df\u0149\u01f0\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
}
"""ß, ŉ, ǰ and the ligatures ﬀ to ﬆ, which become several capitals."""


def _replaced(column: nw.Expr, letters: dict[str, str]) -> nw.Expr:
    for letter, by in letters.items():
        column = column.str.replace_all(letter, by, literal=True)
    return column


def _lower(value: str) -> str:
    # Σ first: Python makes it ς at the end of a word.
    return value.replace("\u03a3", "\u03c3").lower()


ROWS = (
    Function(
        "lower",
        (TEXTS,),
        "text",
        _lower,
        lambda x: _replaced(x, _SMALL).str.to_lowercase(),
        "In small letters.",
        "lower('Repeat')",
        cost=20,
    ),
    Function(
        "upper",
        (TEXTS,),
        "text",
        str.upper,
        lambda x: _replaced(x, _CAPITAL).str.to_uppercase(),
        "In capital letters.",
        "upper('repeat')",
        cost=20,
    ),
    Function(
        "strip",
        (TEXTS,),
        "text",
        lambda x: x.strip(BLANKS),
        lambda x: x.str.strip_chars(BLANKS),
        "Without blanks, tabs and line ends at its edges.",
        "strip('  abc ')",
        cost=4,
    ),
    Function(
        "starts_with",
        (TEXTS, TEXTS),
        "bool",
        lambda x, prefix: x.startswith(prefix),
        lambda x, prefix: x.str.starts_with(prefix),
        "Whether the text begins with a constant one.",
        "starts_with('standard', 'stand')",
        required=2,
        constants_from=1,
        constants=FIXED_TEXT,
        cost=4,
    ),
    Function(
        "ends_with",
        (TEXTS, TEXTS),
        "bool",
        lambda x, suffix: x.endswith(suffix),
        lambda x, suffix: x.str.ends_with(suffix),
        "Whether the text ends with a constant one.",
        "ends_with('standard', 'ard')",
        required=2,
        constants_from=1,
        constants=FIXED_TEXT,
        cost=4,
    ),
    Function(
        "contains",
        (TEXTS, TEXTS),
        "bool",
        lambda x, part: part in x,
        lambda x, part: x.str.contains(part, literal=True),
        "Whether a constant text, taken letter by letter, stands in the text.",
        "contains('standard', 'and')",
        required=2,
        constants_from=1,
        constants=FIXED_TEXT,
        cost=4,
    ),
    Function(
        "length",
        (TEXTS,),
        "number",
        lambda x: float(len(x)),
        lambda x: _as_number(x.str.len_chars()),
        "How many characters the text has.",
        "length('订单')",
        cost=4,
    ),
)


def _as_number(column: nw.Expr) -> nw.Expr:
    import narwhals as nw

    return column.cast(nw.Float64)
