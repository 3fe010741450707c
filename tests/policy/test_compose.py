"""Policies made of others."""

from typing import Any

import pytest

from crmrules import CrmRulesError, Policy, Source
from crmrules.policy.compose import flat, resolved

SOURCE = Source(
    fields={
        "number": {"type": "text", "role": "id"}, "who": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"}, "kind": "text",
    }
)  # fmt: skip


def rule(name: str, credit: Any = 0, when: str = "kind == 'a'") -> dict[str, Any]:
    return {"name": name, "when": when, "credit": credit, "because": f"because of {name}"}


def base(*names: str, **more: Any) -> Policy:
    return Policy(rules=[rule(name) for name in names], default=1, **more)


def names(policy: Policy) -> list[str]:
    return [each.name for each in flat(policy).rules]


def test_own_rules_come_first_and_included_ones_in_their_order() -> None:
    inner = base("c", include=[base("d")])
    assert names(base("x", include=[base("a", "b"), inner])) == ["x", "a", "b", "c", "d"]


def test_the_default_and_the_way_to_combine_are_ones_own() -> None:
    policy = Policy(rules=[rule("x", 0.5)], default=0.1, combine="product", include=[base("a")])
    assert policy.credit_of({"kind": "b", "who": "Ann"}) == 0.1
    assert policy.credit_of({"kind": "a", "who": "Ann"}) == 0.0


def test_an_override_changes_what_it_says_and_no_more() -> None:
    policy = base(include=[base("a", "b")], override={"a": {"credit": 0.5}}, disable=["b"])
    (changed,) = flat(policy).rules
    assert (changed.credit, changed.because, str(changed.when)) == (0.5, "because of a", "kind == 'a'")


def test_an_override_may_take_the_days_away() -> None:
    dated = Policy(rules=[rule("a") | {"effective": {"from": "2026-01-01"}}], default=1)
    assert flat(base(include=[dated], override={"a": {"effective": None}})).rules[0].effective is None


def test_a_policy_without_parts_is_itself() -> None:
    policy = base("a")
    assert flat(policy) is policy


def test_names_are_put_in_their_places_through_all_levels() -> None:
    named = {"one": base("a"), "two": base("b", include=["one"]), "three": Policy(levels={"x": "two"})}
    level = resolved("three", named).levels["x"]
    assert isinstance(level, Policy)
    assert names(level) == ["b", "a"]


def test_a_cycle_is_named_by_its_way() -> None:
    named = {
        "one": base(include=["two"]), "two": Policy(levels={"x": "three"}), "three": base(include=["two"]),
    }  # fmt: skip
    with pytest.raises(CrmRulesError, match="`two` is part of itself: two → three → two") as caught:
        resolved("one", named)
    assert caught.value.code == "C211"
    # what two others include is no cycle
    assert resolved(
        "a", {"a": base(include=["b", "c"]), "b": base(include=["d"]), "c": base(), "d": base("x")}
    )


SPLIT = Policy(rules=[rule("split", [{"to": "who"}])], default=1)
NTH = {"nth": {"per": "who", "by": "day"}}
OTHER = {"nth": {"per": "kind", "by": "day"}}
MISTAKES: dict[str, tuple[dict[str, Any], tuple[Any, ...], str]] = {
    "an unknown override": ({"include": [base("a")], "override": {"b": {"credit": 1}}}, (), "C212"),
    "an unknown one to leave out": ({"include": [base("a")], "disable": ["b"]}, (), "C212"),
    "a name twice": ({"include": [base("a"), base("a")]}, (), "C213"),
    "a level that is not there": ({"levels": {"x": "gone"}}, (), "B211"),
    "an include that is not there": ({"include": ["gone"]}, (), "B211"),
    "levels that would be lost": ({"include": [Policy(levels={"x": base()})]}, ("include", 0), "C214"),
    "payees that would be lost": ({"include": [base(payees=[{"to": "who"}])]}, ("include", 0), "C214"),
    "levels of a level": ({"levels": {"x": Policy(levels={"y": base()})}}, ("levels", "x"), "C214"),
    "payees of a level": ({"levels": {"x": base(payees=[{"to": "who"}])}}, ("levels", "x"), "C214"),
    "two levels with payees": ({"levels": {"x": SPLIT, "y": SPLIT}}, ("levels", "y"), "C202"),
    "payees that are not multiplied": (
        {"levels": {"x": SPLIT, "y": base()}, "combine": "min"}, ("levels", "x"), "C202",
    ),
    "included payees in a product": (
        {"include": [SPLIT], "combine": "product"}, ("include", 0), "C202",
    ),
    "two sequences of one name": (
        {"levels": {"x": base(sequences=NTH), "y": base(sequences=OTHER)}}, ("levels", "x"), "C215",
    ),
    "an included sequence of one's own name": (
        {"include": [base(sequences=NTH)], "sequences": OTHER}, ("include", 0), "C215",
    ),
    "a part that does not fit by itself": (
        {"levels": {"x": Policy(rules=[rule("a", when="kin == 'a'")], default=1)}},
        ("levels", "x", "rules", 0, "when"), "E101",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("parts", "path", "code"), MISTAKES.values(), ids=[*MISTAKES])
def test_what_does_not_go_together_is_told_before_any_record(
    parts: dict[str, Any], path: tuple[Any, ...], code: str
) -> None:
    policy = Policy(default=1, **parts)
    assert [(where, error.code) for where, error in policy.problems(SOURCE)] == (
        [(path, code)] if path else []
    )
    with pytest.raises(CrmRulesError) as caught:
        policy.on(SOURCE)
    assert caught.value.code == code
    assert caught.value.hint


def test_one_level_may_name_payees_and_the_others_scale_them(engine: Any) -> None:
    policy = Policy(levels={"whom": SPLIT, "half": Policy(default=0.5)})
    rows = [{"number": "N1", "who": "Ann", "day": None, "kind": "a"}]
    (line,) = engine.back(policy.lines(engine(rows), SOURCE))
    assert (line["payee"], line["share"]) == ("Ann", 0.5)
