"""What users of spreadsheets, SQL, C and other languages type out of habit, and what is written here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal

_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*\Z")
_BEFORE = re.compile(r"([^\W\d]\w*)\s*\Z")
_MEMBER = re.compile(r"\.\s*([^\W\d]\w*)\s*(\(?)")
_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_THOUSANDS = re.compile(r"(?<![\d.,])[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?![\d,])")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])[0-9]+(?:\.[0-9]{3})*,[0-9]+(?![\d,.])")
_DATE = re.compile(r"(?<![\w'\"-])(?:19|20)[0-9]{2}([-/])[0-9]{1,2}\1[0-9]{1,2}(?![\w'\"-])")

# The longest first.
_SYMBOLS: tuple[tuple[str, str], ...] = (
    ("===", "write =="),
    ("!==", "write !="),
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("<>", "write !="),
    ("=>", "write >="),
    ("=<", "write <="),
    ("<<", "write <"),
    (">>", "write >"),
    ("**", "write power(x, 2)"),
    ("//", "write floor(x / y)"),
    (":=", "write the value alone; a name is given to it where it is declared"),
    ("->", "write `a if condition else b`"),
    ("/*", "comments belong outside the expression"),
    ("!", "write `not` before it, or x != y"),
    ("^", "write power(x, 2)"),
    ("²", "write power(x, 2)"),
    ("~", "write `not p`"),
    ("&", "write `and`"),
    ("|", "write `or`"),
    ("{", "write the name alone, without braces"),
    ("}", "write the name alone, without braces"),
    ("]", "lists are written with round brackets: x in ('a', 'b')"),
    ("\\", "inside a text only \\\\, \\' and \\\" may follow a backslash"),
    ("@", "write the name alone"),
    ("#", "comments belong outside the expression"),
    (":", "write `a if condition else b`"),
    ("?", "write `a if condition else b`"),
    ("×", "write *"),
    ("·", "write *"),
    ("÷", "write /"),
    ("≥", "write >="),
    ("≤", "write <="),
    ("≠", "write !="),
    ("∧", "write `and`"),
    ("∨", "write `or`"),
    ("¬", "write `not p`"),
    ("。", "write . from the Latin keyboard"),
    ("、", "write , from the Latin keyboard"),
)
_QUOTES = "“”„‟‘’‚‛«»‹›「」『』´′″"
_DASHES = "‐‑‒–—―−"
_CURRENCIES = "$€£¥￥₩₹元"

_CHOICE = "write `a if condition else b`"
_MISSING = "write is_null(x) to test for a missing value, None for the value itself"
_NO_TEXTS = "texts are compared, not built: starts_with(x, 'a'), ends_with(x, 'a'), contains(x, 'a')"
# Between or before values.
_OPERATORS: Mapping[str, str] = {
    "and": "write `and` in small letters: p and q",
    "or": "write `or` in small letters: p or q",
    "not": "write `not` in small letters: not p",
    "in": "write `in` in small letters: x in ('a', 'b')",
    "is": "write is_null(x) or not is_null(x) for a missing value, == for equality",
    "if": _CHOICE,
    "then": _CHOICE,
    "else": _CHOICE,
    "elseif": _CHOICE,
    "elif": _CHOICE,
    "case": _CHOICE,
    "when": _CHOICE,
    "end": _CHOICE,
    "unless": "write `not p`",
    "between": "write low <= x <= high",
    "like": "write contains(x, 'a'), starts_with(x, 'a') or ends_with(x, 'a')",
    "ilike": "write contains(lower(x), 'a')",
    "equals": "write ==",
    "eq": "write ==",
    "ne": "write !=",
    "gt": "write >",
    "ge": "write >=",
    "lt": "write <",
    "le": "write <=",
    "mod": "write mod(x, y)",
    "div": "write floor(x / y)",
    "percent": "write a share: 0.05 for 5 %",
    "distinct": "write nunique(x)",
    "contains": "write contains(x, 'a')",
    "starts": "write starts_with(x, 'a')",
    "startswith": "write starts_with(x, 'a')",
    "ends": "write ends_with(x, 'a')",
    "endswith": "write ends_with(x, 'a')",
    "where": "write sum(x, where=condition)",
    "select": "write the expression alone",
    "for": "write an aggregate such as sum(x)",
    "且": "write `and`",
    "并且": "write `and`",
    "和": "write `and`",
    "或": "write `or`",
    "或者": "write `or`",
    "非": "write `not p`",
    "不是": "write !=",
    "等于": "write ==",
    "大于": "write >",
    "小于": "write <",
}
# In the place of a value.
_VALUES: Mapping[str, str] = {
    "true": "write True",
    "yes": "write True",
    "false": "write False",
    "no": "write False",
    "null": _MISSING,
    "nil": _MISSING,
    "none": _MISSING,
    "na": _MISSING,
    "nan": _MISSING,
    "undefined": _MISSING,
    "真": "write True",
    "假": "write False",
    "是": "write True",
    "否": "write False",
    "空": _MISSING,
}
# Before brackets; what differs from a function here by its capitals alone is found as a misspelling is.
_FUNCTIONS: Mapping[str, str] = {
    "iif": _CHOICE,
    "ifs": _CHOICE,
    "switch": _CHOICE,
    "choose": _CHOICE,
    "decode": _CHOICE,
    "如果": _CHOICE,
    "xor": "write p != q",
    "ifnull": "write if_null(x, 0)",
    "nvl": "write if_null(x, 0)",
    "ifna": "write if_null(x, 0)",
    "iferror": "write if_null(x / y, 0): a division by zero is missing, not an error",
    "nullif": "write None if x == y else x",
    "isnull": "write is_null(x)",
    "isna": "write is_null(x)",
    "isnan": "write is_null(x)",
    "isblank": "write is_null(x)",
    "isempty": "write is_null(x)",
    "isin": "write x in ('a', 'b')",
    "average": "write mean(x)",
    "avg": "write mean(x)",
    "平均": "write mean(x)",
    "平均值": "write mean(x)",
    "averageif": "write mean(x, where=condition)",
    "averageifs": "write mean(x, where=condition)",
    "sumif": "write sum(x, where=condition)",
    "sumifs": "write sum(x, where=condition)",
    "求和": "write sum(x)",
    "合计": "write sum(x)",
    "countif": "write count(where=condition)",
    "countifs": "write count(where=condition)",
    "counta": "write count(x)",
    "计数": "write count()",
    "countd": "write nunique(x)",
    "countdistinct": "write nunique(x)",
    "unique": "write nunique(x)",
    "最大值": "write max(x)",
    "最小值": "write min(x)",
    "stdev": "write stddev(x)",
    "std": "write stddev(x)",
    "pow": "write power(x, 2)",
    "sqr": "write sqrt(x) for the root, power(x, 2) for the square",
    "log": "write ln(x)",
    "int": "write floor(x)",
    "trunc": "write floor(x)",
    "roundup": "write ceil(x)",
    "ceiling": "write ceil(x)",
    "rounddown": "write floor(x)",
    "float": "declare the field as a number",
    "number": "declare the field as a number",
    "value": "declare the field as a number",
    "str": "declare the field as text",
    "text": "declare the field as text",
    "cast": "declare the field with the type it has",
    "convert": "declare the field with the type it has",
    "len": "write length(x)",
    "trim": "write strip(x)",
    "ucase": "write upper(x)",
    "lcase": "write lower(x)",
    "find": "write contains(x, 'a')",
    "search": "write contains(x, 'a')",
    "instr": "write contains(x, 'a')",
    "left": _NO_TEXTS,
    "right": _NO_TEXTS,
    "mid": _NO_TEXTS,
    "substr": _NO_TEXTS,
    "substring": _NO_TEXTS,
    "replace": _NO_TEXTS,
    "concat": _NO_TEXTS,
    "concatenate": _NO_TEXTS,
    "split": _NO_TEXTS,
    "today": "give the day as a field; a rule depends on the record alone",
    "now": "give the moment as a field; a rule depends on the record alone",
    "datediff": "write days(later - earlier), or months_between(earlier, later)",
    "datedif": "write days(later - earlier), or months_between(earlier, later)",
    "dateadd": "compare the days between two dates: days(later - earlier) > 30",
    "edate": "compare the months between two dates: months_between(earlier, later) >= 3",
    "eomonth": "write end_of(x, 'month')",
    "to_date": "write date('2026-01-31'), or declare the field as a date",
    "vlookup": "give what is looked up as a field of the source",
    "lookup": "give what is looked up as a field of the source",
    "xlookup": "give what is looked up as a field of the source",
}
_TIMES: Mapping[str, int] = {"k": 10**3, "m": 10**6, "千": 10**3, "万": 10**4, "百万": 10**6, "亿": 10**8}


def of_operator(word: str) -> str:
    """What to write for a word that stands where an operator could; nothing for an unknown word."""
    return _OPERATORS.get(word.lower(), "")


def of_value(word: str) -> str:
    """What to write for a word that stands where a value could; nothing for an unknown word."""
    return _VALUES.get(word.lower(), "")


def of_function(word: str) -> str:
    """What to write for a function of another language; nothing for an unknown word."""
    return _FUNCTIONS.get(word.lower(), "") or of_operator(word)


def of_symbol(text: str, position: int) -> tuple[str, str]:
    """The symbol of another language that stands there, and what to write for it."""
    ch = text[position]
    before, behind = text[:position], text[position + 1 :]
    for symbol, hint in _SYMBOLS:
        if text.startswith(symbol, position):
            return symbol, hint
    if ch in "%％":
        return ch, _percent(before, behind)
    if ch == ".":
        return ch, _member(before, text, position)
    if ch == "[":
        return ch, _bracket(before)
    if ch in ";；":
        return ch, "write , between values" if before.count("(") > before.count(
            ")"
        ) else "write one expression"
    if ch in _QUOTES:
        return ch, "write ' around a text"
    if ch in _DASHES:
        return ch, "write -"
    if ch in _CURRENCIES:
        return ch, "write the number alone: 100" if behind[:1].isdigit() else "write the name alone"
    if ch.isspace():
        return ch, "write a plain blank"
    plain = unicodedata.normalize("NFKC", ch)
    if plain != ch and plain.isascii() and len(plain) == 1:
        wide = {"=": "==", "!": "`not` before it, or x != y", "?": _CHOICE[6:], ":": _CHOICE[6:]}.get(
            plain, plain
        )
        doubled = {"&": "`and`", "|": "`or`"}.get(plain, wide)
        if plain in "(),.":
            return ch, f"write {plain} from the Latin keyboard"
        return ch * (1 + behind.startswith(ch)) if plain in "&|" else ch, f"write {doubled}"
    return ch, "the signs are + - * / == != < <= > >= ( ) and ,"


def _percent(before: str, behind: str) -> str:
    share = _SHARE.search(before)
    divides = behind.lstrip()[:1]
    if share is None or divides.isalnum() or divides == "(":
        return "write mod(x, y) for the rest of a division, 0.05 for 5 %"
    return f"write {(Decimal(share[1]) / 100).normalize():f} for {share[1]} %"


def _member(before: str, text: str, position: int) -> str:
    owner, member = _BEFORE.search(before), _MEMBER.match(text, position)
    if owner is None or member is None:
        return "numbers are written like 1000, 0.5 or 1e6"
    if member[2]:
        return of_function(member[1]) or f"write a function before its value: {member[1]}({owner[1]})"
    return f"write {member[1]}: a field is named alone, without the source before it"


def _bracket(before: str) -> str:
    name = _BEFORE.search(before)
    if name is None:
        return "write the name alone; one with blanks or signs in backquotes: `net sum`"
    if name[1] == "in":
        return "lists are written with round brackets: x in ('a', 'b')"
    return "a field has one value, named alone; lists are written with round brackets: x in ('a', 'b')"


def of_unit(number: str, unit: str) -> str:
    """How to write a number with something glued to it, such as `100万`."""
    bare = unit.rstrip("元块").lower()
    if _PLAIN_NUMBER.fullmatch(number) and (bare in _TIMES or not bare):
        return f"write {(Decimal(number) * _TIMES.get(bare, 1)).normalize():f}"
    return "numbers are written like 1000, 0.5 or 1e6"


def of_list(listed: str) -> tuple[str, str]:
    """A number with a comma in it where no list can stand, and what to write; nothing if there is none."""
    if (found := _THOUSANDS.search(listed)) is not None:
        return found[0], f"write {found[0].replace(',', '')}, without a comma"
    if (found := _DECIMAL_COMMA.search(listed)) is not None:
        return found[0], f"write {found[0].replace('.', '').replace(',', '.')}, with a point"
    return "", ""


def of_date(text: str) -> tuple[str, str]:
    """A date without quotes, and what to write for it; nothing if there is none."""
    if (found := _DATE.search(text)) is None:
        return "", ""
    year, month, day = found[0].replace("/", "-").split("-")
    return found[0], f"write date('{year}-{month:0>2}-{day:0>2}')"
