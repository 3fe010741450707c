"""Messages from templates that can name parameters and nothing else.

A template is text with `{name}` or `{name:style}`; `{{` and `}}` are braces. There are no attributes, no
indexes and no format codes, so a template from a stranger can neither leak nor blow up.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from crmrules.errors import CrmRulesError, did_you_mean, shown

Style = Literal["money", "percent", "number", "date", "text"]
Value = str | int | float | Decimal | dt.date | dt.datetime | None

PARAMETERS: Mapping[str, Style] = {
    "subject": "text",
    "manager": "text",
    "period": "text",
    "trigger": "text",
    "indicator": "text",
    "value": "number",
    "target": "number",
    "bound": "number",
    "share": "percent",
    "attainment": "percent",
    "score": "number",
    "grade": "text",
    "rank": "number",
    "due": "date",
}
"""What a template can name, and how it is written if the template does not say."""

STYLES: tuple[Style, ...] = ("money", "percent", "number", "date", "text")
MISSING = "–"
LONGEST_TEMPLATE = 2_000
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

TEMPLATES: dict[str, Mapping[str, str]] = {
    "reached": {
        "en": "{subject} has reached {share} of the target for {indicator} in {period}: "
        "{value} of {target} ({attainment}).",
        "zh": "{subject} {period} 的 {indicator} 已达到目标的 {share}："
        "{value}，目标 {target}（完成率 {attainment}）。",
    },
    "behind": {
        "en": "{subject} is below {share} of the target for {indicator} in {period}: {value} of {target} "
        "({attainment}), expected {bound} by {due}.",
        "zh": "{subject} {period} 的 {indicator} 未达到目标的 {share}："
        "{value}，目标 {target}（完成率 {attainment}），"
        "{due} 前应达到 {bound}。",
    },
    "retracted": {
        "en": "What you were told of {subject} and {indicator} in {period} does not hold any more: "
        "{value} of {target} ({attainment}).",
        "zh": "此前关于 {subject} {period} {indicator} 的提醒已不再成立："
        "{value}，目标 {target}（完成率 {attainment}）。",
    },
}
"""The messages of the shipped kinds, by kind and language."""


def check(template: str, own: Collection[str] = ()) -> None:
    """Raise CrmRulesError (T201 to T203) for a template that names what there is not.

    own: what it can name beside `PARAMETERS`, since a kind has it.
    """
    if len(template) > LONGEST_TEMPLATE:
        raise CrmRulesError(
            "T201", f"a message of {len(template):,} characters, {LONGEST_TEMPLATE:,} is the most"
        )
    for found in _PIECE.finditer(template):
        piece, inside = found[0], found[1]
        if inside is None:
            if piece in ("{", "}"):
                raise CrmRulesError(
                    "T201",
                    f"a single `{piece}` at position {found.start() + 1} of the message",
                    hint=f"write {piece * 2}",
                )
            continue
        name, _, style = inside.partition(":")
        at = f"at position {found.start() + 1} of the message"
        if name not in PARAMETERS and name not in own:
            known = [*PARAMETERS, *own]
            raise CrmRulesError(
                "T202", f"there is no `{{{shown(inside)[1:-1]}}}` {at}", hint=did_you_mean(name, known)
            )
        if ":" in inside and style not in STYLES:
            raise CrmRulesError(
                "T203", f"`{name}` cannot be written as {shown(style)} {at}", hint=did_you_mean(style, STYLES)
            )


@lru_cache(maxsize=1_024)
def _checked(template: str, known: frozenset[str]) -> None:
    check(template, known)


def render(template: str, parameters: Mapping[str, Value], locale: str) -> str:
    """The message, with numbers and dates as the locale writes them; what is missing is a dash.

    parameters: by name; those beside `PARAMETERS` are written as what they are, if the template does not say.

    >>> render("{subject}: {value:money} on {due}", {"subject": "Ann", "value": 1234.5}, "en")
    'Ann: 1,234.50 on –'
    """
    _checked(template, frozenset(parameters))

    def piece(found: re.Match[str]) -> str:
        inside = found[1]
        if inside is None:
            return found[0][0] if found[0] in ("{{", "}}") else found[0]
        name, _, style = inside.partition(":")
        return written(parameters.get(name), style or PARAMETERS.get(name, "number"), locale)

    return _PIECE.sub(piece, template)


def written(value: Value, style: str, locale: str) -> str:
    """One value in a style: `money` has its own decimals or two, `percent` is of a share.

    What is missing, or no finite number, is a dash.
    """
    if value is None or not _finite(value):
        return MISSING
    if isinstance(value, bool):
        return (("否", "是") if language_of(locale) == "zh" else ("no", "yes"))[value]
    if isinstance(value, dt.date):
        return _date(value, locale)
    if isinstance(value, str) or style == "text":
        return str(value)
    if style == "percent":
        return f"{Decimal(str(value)) * 100:,.1f}".removesuffix(".0") + "%"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if style == "money":
        return f"{value:,}.00" if isinstance(value, int) else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else _short(value)


def _finite(value: Value) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return not isinstance(value, float) or math.isfinite(value)


def _short(value: float) -> str:
    """At most two decimals; a value that they would show as 0 has as many as show it."""
    if not value:
        return "0"
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return text if text not in ("0", "-0") else f"{value:.2g}"


def template_of(kind: str, own: Mapping[str, str], locale: str) -> tuple[str, str]:
    """The template for a locale and the locale that it is in: zh-CN, then zh, then en; own ones first.

    zh_CN and zh-cn are zh-CN.
    """
    wanted = _tag(locale)
    shipped = TEMPLATES.get(kind, {})
    for templates in (own, shipped):
        names = {_tag(name): name for name in templates}
        for tag in (wanted, language_of(locale), "en"):
            if tag in names:
                return templates[names[tag]], names[tag]
    return "{trigger}: {subject}, {period}", "en"


def language_of(locale: str) -> str:
    """The language of a locale.

    >>> language_of("zh_CN")
    'zh'
    """
    return _tag(locale).partition("-")[0]


def _tag(locale: str) -> str:
    return locale.replace("_", "-").lower()


def _date(value: dt.date, locale: str) -> str:
    if language_of(locale) == "zh":
        text = f"{value.year}年{value.month}月{value.day}日"
    else:
        text = f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
    return f"{text} {value:%H:%M}" if isinstance(value, dt.datetime) else text
