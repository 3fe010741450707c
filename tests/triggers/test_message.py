"""Messages name declared parameters and nothing else, in the reader's language."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.errors import CrmRulesError
from crmrules.triggers.message import PARAMETERS, STYLES, check, render, template_of, written

FIGURES = {"subject": "Ann", "value": Decimal("48700.00"), "share": 0.5, "due": dt.datetime(2026, 11, 20, 18)}


@pytest.mark.parametrize(
    "template",
    [
        "{0.__class__}",
        "{subject.__class__}",
        "{value!r}",
        "{value:>10}",
        "{value:.2f}",
        "{}",
        "{0}",
        "{subject[0]}",
        "{value:{share}}",
        "{ subject }",
        "{",
        "}",
        "a } b",
        "{subject",
        "{nobody}",
        "{subject:}",
    ],
)
def test_whatever_is_no_declared_parameter_is_refused(template: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        check(template)
    assert caught.value.code in ("T201", "T202", "T203")


def test_a_misspelt_parameter_is_told_the_right_one() -> None:
    with pytest.raises(CrmRulesError) as caught:
        check("{subjekt} is behind")
    assert caught.value.code == "T202"
    assert "position 1" in caught.value.message
    assert caught.value.hint == "did you mean `subject`?"


def test_doubled_braces_are_braces() -> None:
    assert render("{{{subject}}}", FIGURES, "en") == "{Ann}"


def test_a_missing_value_is_a_dash() -> None:
    assert render("{manager}", FIGURES, "en") == "–"


@pytest.mark.parametrize(
    ("value", "style", "locale", "expected"),
    [
        (Decimal("48700.00"), "money", "en", "48,700.00"),
        (48700.5, "money", "en", "48,700.50"),
        (48700.5, "number", "en", "48,700.5"),
        (0.5, "percent", "en", "50%"),
        (0.1 + 0.2, "percent", "en", "30%"),
        (0.487, "percent", "zh", "48.7%"),
        (1.25, "percent", "en", "125%"),
        (dt.date(2026, 11, 20), "date", "en", "20 Nov 2026"),
        (True, "number", "en", "yes"),
        (False, "text", "zh_CN", "否"),
        (dt.date(2026, 11, 20), "date", "zh-CN", "2026年11月20日"),
        (dt.datetime(2026, 11, 20, 18), "date", "en", "20 Nov 2026 18:00"),
        (3, "number", "en", "3"),
        ("A", "text", "en", "A"),
    ],
)
def test_a_value_is_written_as_its_style_and_language_say(
    value: object, style: str, locale: str, expected: str
) -> None:
    assert written(value, style, locale) == expected  # type: ignore[arg-type]


@given(
    name=st.sampled_from(sorted(PARAMETERS)),
    style=st.sampled_from(["", *STYLES]),
    value=st.one_of(
        st.none(),
        st.text(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12),
        st.dates(),
        st.datetimes(),
        st.integers(-(10**12), 10**12),
    ),
    locale=st.sampled_from(["en", "zh", "zh-CN", "fr", "x"]),
)
def test_a_declared_parameter_never_breaks_a_message(
    name: str, style: str, value: object, locale: str
) -> None:
    template = f"{{{name}:{style}}}" if style else f"{{{name}}}"
    assert isinstance(render(template, {name: value}, locale), str)  # type: ignore[dict-item]


@given(text=st.text())
def test_the_text_of_a_parameter_is_never_a_template(text: str) -> None:
    assert render("{subject}", {"subject": text}, "en") == text


@pytest.mark.parametrize(
    ("own", "locale", "expected"),
    [
        ({"zh-CN": "a", "zh": "b", "en": "c"}, "zh-CN", ("a", "zh-CN")),
        ({"zh": "b", "en": "c"}, "zh-CN", ("b", "zh")),
        ({"en": "c"}, "zh-CN", ("c", "en")),
        ({"zh": "b"}, "zh_TW", ("b", "zh")),
    ],
)
def test_the_nearest_language_is_taken(own: dict[str, str], locale: str, expected: tuple[str, str]) -> None:
    assert template_of("reached", own, locale) == expected


def test_the_shipped_messages_are_in_the_readers_language() -> None:
    assert "已达到" in template_of("reached", {}, "zh-CN")[0]
    assert "has reached" in template_of("reached", {}, "fr")[0]


@pytest.mark.parametrize("style", ["money", "number", "percent"])
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")]
)
def test_what_is_no_finite_number_is_a_dash(value: float | Decimal, style: str) -> None:
    assert written(value, style, "en") == "–"


@pytest.mark.parametrize(
    ("value", "style", "expected"),
    [
        (Decimal("1E+5"), "number", "100,000"),
        (Decimal("1E+5"), "money", "100,000"),
        (3, "money", "3.00"),
        (10**309, "money", f"{10**309:,}.00"),
        (-0.0, "number", "0"),
        (0.001, "number", "0.001"),
        (0.25, "number", "0.25"),
    ],
)
def test_numbers_are_written_in_full(value: float | Decimal, style: str, expected: str) -> None:
    assert written(value, style, "en") == expected


@pytest.mark.parametrize("locale", ["zh-cn", "ZH_CN", "zh-CN"])
def test_a_locale_is_known_in_whatever_spelling(locale: str) -> None:
    assert template_of("reached", {"zh-CN": "a", "zh": "b"}, locale) == ("a", "zh-CN")
