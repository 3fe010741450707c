"""What is refused before Python's parser sees the text."""

import pytest

from crmrules.errors import ExpressionError
from crmrules.expr.gate import gate


def refused(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        gate(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a <> 1", "!="),
        ("a && b", "`and`"),
        ("a || b", "`or`"),
        ("!a", "`not`"),
        ("5%", "0.05"),
        ("a ** 2", "power"),
        ("a // 2", "floor"),
        ("a[0]", "round brackets"),
        ("a ≥ 1", ">="),
        ("a × 2", "*"),
        ("a ÷ 2", "/"),
        ("（a", "Latin"),
        ("max(a，b)", "Latin"),
        ("a == “x”", "'"),
        ("a ＋ 1", "+"),
        ("a is None", "is_null"),
        ("orders.amount", "alone"),
    ],
)
def test_habits_from_other_languages_get_a_hint(text: str, hint: str) -> None:
    error = refused(text)
    assert error.code in ("E002", "E003")
    assert hint in error.hint


@pytest.mark.parametrize(
    "text", ["'a' 'b'", "f'x'", "1_000", "0x10", "1j", "10k", "'a", "a)", "(a", "_a", "a\x00"]
)
def test_what_is_no_word_is_refused(text: str) -> None:
    assert refused(text).code in ("E002", "E003")


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\ufeff", "\ud800", "\x07", "\u2028", "\ue000"])
def test_invisible_characters_are_refused_anywhere(character: str) -> None:
    assert refused(f"a == '{character}'").code == "E002"


def test_brackets_prefixes_and_choices_nest_up_to_forty() -> None:
    gate("(" * 40 + "1" + ")" * 40)
    assert refused("(" * 41 + "1" + ")" * 41).code == "E001"
    assert refused("not " * 41 + "True").code == "E001"
    assert refused("- " * 41 + "1").code == "E001"
    assert refused("1 if a else " * 41 + "1").code == "E001"


def test_length_is_bounded_before_anything_else_is_looked_at() -> None:
    gate("1" + " " * 4_095)
    assert refused("(" * 10_000_000).code == "E001"
    assert refused("'" + "x" * 257 + "'").code == "E001"


def test_a_quoted_name_is_replaced_by_one_of_the_same_length() -> None:
    gated = gate("`订单额(元)` / `目标 1` + `订单额(元)`")
    assert len(gated.python) == len(gated.text)
    assert [*gated.quoted.values()] == ["订单额(元)", "目标 1"]


def test_a_name_that_needs_no_quotes_is_not_quoted() -> None:
    assert refused("`amount`").code == "E003"
    gate("`class`")


def test_names_have_one_form() -> None:
    gate("订单额 / 目标")
    assert "ﬁ" not in refused("ﬁeld").hint
    assert refused("ａ").code == "E002"


@pytest.mark.parametrize("size", [100, 10_000, 10_000_000])
@pytest.mark.parametrize(
    "piece", ["(", "-", "not ", "a+", "'", "`", "\\", "a if ", "[", "{", "\n", "1,", "é ", "💣"]
)
def test_repeated_pieces_are_refused_at_any_size(piece: str, size: int) -> None:
    from crmrules.expr.parse import parse

    with pytest.raises(ExpressionError):
        parse(piece * (size // len(piece)))
