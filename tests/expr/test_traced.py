"""The value of every part."""

from decimal import Decimal

from crmrules.expr import Expression


def test_each_part_has_its_text_and_value() -> None:
    step = Expression.parse("(a - b) / a", {"a": "number", "b": "number"}).trace({"a": 200, "b": 150})
    assert [(each.text, each.value) for each in step] == [
        ("(a - b) / a", 0.25),
        ("a - b", 50.0),
        ("a", 200.0),
        ("b", 150.0),
        ("a", 200.0),
    ]


def test_the_side_that_was_not_taken_is_not_seen() -> None:
    step = Expression.parse("a if a > 0 else b", {"a": "number", "b": "number"}).trace({"a": 1, "b": None})
    assert [each.text for each in step if not each.seen] == ["b"]


def test_money_is_shown_as_an_amount() -> None:
    step = Expression.parse("m + 1", {"m": "money(2)"}).trace({"m": 1.5})
    assert [each.value for each in step] == [Decimal("2.50"), Decimal("1.50"), 1.0]


def test_an_explanation_reads_like_a_sentence() -> None:
    step = Expression.parse("p and x > 1", {"p": "bool", "x": "number"}).trace({"p": True, "x": None})
    assert str(step).splitlines() == [
        "p and x > 1 → missing",
        "  p → yes",
        "  x > 1 → missing",
        "    x → missing",
    ]
