"""What a plain scalar is: the core schema of YAML 1.2, and timestamps."""

from __future__ import annotations

import datetime as dt
import math
import re

MOST_DIGITS = 1_000
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
