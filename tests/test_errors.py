"""How a place is shown, and what a misspelt name may have meant."""

import pytest

from crmrules.errors import Span, cells, closest, did_you_mean, underlined


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("amount", 6),
        ("订单额", 6),
        ("Ａ", 2),
        ("ｱ", 1),
        ("한국", 4),
        ("e\u0301", 1),
        ("ก็ดี", 2),
        ("ครับ", 3),
        ("💣", 2),
    ],
)
def test_wide_characters_take_two_cells_and_marks_none(text: str, width: int) -> None:
    # As terminals and the library wcwidth count.
    assert cells(text) == width


def test_carets_stand_under_the_cells_of_what_is_wrong() -> None:
    text = "a +\n  `订单额(元)` * 未知 + 1"
    start = text.index("未知")
    line, carets = underlined(text, Span(start, start + 2))
    assert line == "  |   `订单额(元)` * 未知 + 1"
    assert cells(carets.split("^")[0]) == cells(line[: line.index("未知")])
    assert carets.count("^") == 4


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "x" * 1_000 + "?" + "y" * 1_000
    line, carets = underlined(text, Span(1_000, 1_001))
    assert len(line) < 250
    assert line[carets.index("^")] == "?"


def test_capitals_do_not_matter_to_a_suggestion() -> None:
    assert closest("AMOUNT", ["cost", "amount"]) == ["amount"]
    assert closest("amount", ["Amount", "AMOUNT"]) == ["Amount"]
    assert did_you_mean("订单恩", ["订单额", "目标"]) == "did you mean `订单额`?"
    assert did_you_mean("xyz", ["amount", "cost"]) == "there is `amount`, `cost`"
    assert did_you_mean("xyz", []) == ""
