"""One list of rules: how they combine, and what is refused of them, in the same words on every engine."""

import datetime as dt
from typing import Any

import pytest

from crmrules import CrmRulesError, Policy, RecordError, Source

SOURCE = Source(
    fields={
        "number": {"type": "text", "role": "id"},
        "who": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "part": "number",
        "helper": "text",
    },
)


def row(number: str, **parts: Any) -> dict[str, Any]:
    return {"number": number, "who": "Ann", "day": dt.date(2026, 3, 1), "part": 0.5, "helper": "Bo", **parts}


def rule(name: str, credit: Any, when: str = "not is_null(who)", because: str = "") -> dict[str, Any]:
    return {"name": name, "when": when, "credit": credit, "because": because or f"because of {name}"}


def said(policy: Policy, engine: Any, rows: list[dict[str, Any]]) -> list[tuple[float, str, str]]:
    found = engine.back(policy.credit(engine(rows), SOURCE))
    return [(each["credit"], each["rule"], each["because"]) for each in found]


TWO = [rule("low", 0.25), rule("high", 0.5)]


@pytest.mark.parametrize(
    ("combine", "credit", "decided"),
    [
        ("first", 0.25, "low"),
        ("product", 0.125, "low × high"),
        ("min", 0.25, "low"),
        ("max", 0.5, "high"),
        ("all", 0.75, "low × high"),
    ],
)
def test_rules_that_match_combine_as_declared(combine: str, credit: float, decided: str, engine: Any) -> None:
    policy = Policy(rules=TWO, default=1, combine=combine)  # type: ignore[arg-type]
    assert [each[:2] for each in said(policy, engine, [row("N1")])] == [(credit, decided)]
    assert [each[:2] for each in said(policy, engine, [row("N1", who=None)])] == [(1.0, "default")]


def test_of_equal_shares_the_first_rule_decides(engine: Any) -> None:
    rules = [rule("one", 0.5), rule("two", "part"), rule("three", 0.5)]
    for combine in ("min", "max"):
        policy = Policy(rules=rules, default=1, combine=combine)  # type: ignore[arg-type]
        assert said(policy, engine, [row("N1")]) == [(0.5, "one", "because of one")]


@pytest.mark.parametrize("combine", ["min", "max", "product"])
@pytest.mark.parametrize(("part", "code"), [(None, "C302"), (1.5, "C301"), (-0.5, "C301")])
def test_a_share_that_is_none_is_refused_although_another_rule_would_decide(
    combine: str, part: float | None, code: str, engine: Any
) -> None:
    policy = Policy(rules=[rule("bad", "part"), *TWO], default=1, combine=combine)  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="'N2'") as caught:
        said(policy, engine, [row("N1"), row("N2", part=part)])
    assert caught.value.code == code
    assert "`bad`" in caught.value.message
    assert caught.value.hint


def test_rules_side_by_side_give_no_more_than_the_whole(engine: Any) -> None:
    rules = [rule("owner", 0.8), rule("helped", [{"to": "helper", "share": "part"}])]
    policy = Policy(rules=rules, default=1, combine="all")
    with pytest.raises(RecordError) as caught:
        said(policy, engine, [row("N1", part=0.2), row("N2", part=0.3)])
    assert (caught.value.code, caught.value.message) == (
        "C303",
        "record 'N2': the shares of `owner × helped` sum to 1.1 (0.3 to Bo)",
    )


def test_a_reason_is_given_once(engine: Any) -> None:
    rules = [rule("a", 0.5, because="x"), rule("b", 0.5, because="y"), rule("c", 0.5, because="x")]
    assert said(Policy(rules=rules, default=1, combine="product"), engine, [row("N1")]) == [
        (0.125, "a × b × c", "x; y")
    ]
    later = [rules[0] | {"when": "who == 'Bo'"}, *rules[1:]]
    assert said(Policy(rules=later, default=1, combine="product"), engine, [row("N1")])[0][2] == "y; x"
    level = Policy(default={"credit": 0.5, "because": "x"})
    levels = {"three": level, "four": Policy(default={"credit": 1, "because": "y"}), "five": level}
    assert said(Policy(levels=levels), engine, [row("N1")])[0][2] == "x; y"
    several = {"one": Policy(rules=rules, default=1, combine="product"), "two": level, **levels}
    assert said(Policy(levels=several), engine, [row("N1")])[0][2] == "x; y"


@pytest.mark.parametrize(
    "name", ["row", "month", "credit", "to", "share", "factor", "original", "day", "rule"]
)
def test_a_level_may_have_any_name(name: str, engine: Any) -> None:
    levels = {name: Policy(rules=TWO, default=1), f"{name} 0": Policy(rules=TWO, default=1, combine="max")}
    policy = Policy(levels=levels, payees=[{"to": "who", "share": 0.5}, {"to": "helper", "share": 0.5}])
    rows = [row("N1"), row("N2", who=None, helper=None, part=None)]
    rows[1] |= {"who": "Cy", "helper": "Di"}
    lines = engine.back(policy.lines(engine(rows), SOURCE))
    assert [(line["number"], line["payee"], line["share"]) for line in lines] == [
        ("N1", "Ann", 0.0625), ("N1", "Bo", 0.0625), ("N2", "Cy", 0.0625), ("N2", "Di", 0.0625),
    ]  # fmt: skip


@pytest.mark.parametrize("combine", ["first", "product", "min", "max", "all"])
def test_a_policy_without_rules_gives_every_record_its_default(combine: str, engine: Any) -> None:
    policy = Policy(default={"credit": 0.5, "because": "all count half"}, combine=combine)  # type: ignore[arg-type]
    rows = [row("N1"), row("N2"), row("N3")]
    assert said(policy, engine, rows) == [(0.5, "default", "all count half")] * 3


def test_the_most_specific_rule_decides_whatever_the_order() -> None:
    rules = [rule("any", 0.1), rule("helped", 0.2, "helper == 'Bo'"), rule("parted", 0.3, "part == 0.5")]
    for order in (rules, rules[::-1]):
        policy = Policy(
            rules=order, default=1, combine="most_specific", specificity={"what": ["part", "helper"]}
        )
        assert policy.credit_of(row("N1"), SOURCE) == 0.3
        assert policy.credit_of(row("N1", part=0.4), SOURCE) == 0.2
        assert policy.credit_of(row("N1", part=0.4, helper="Cy"), SOURCE) == 0.1


def test_a_rule_holds_on_its_days_both_included(engine: Any) -> None:
    dated = rule("march", 0) | {"effective": {"from": "2026-03-01", "to": "2026-03-31"}}
    days = [dt.date(2026, 2, 28), dt.date(2026, 3, 1), dt.date(2026, 3, 31), dt.date(2026, 4, 1), None]
    rows = [row(f"N{at}", day=day) for at, day in enumerate(days)]
    found = said(Policy(rules=[dated], default=1), engine, rows)
    assert [credit for credit, _, _ in found] == [1, 0, 0, 1, 1]


def test_days_need_a_date() -> None:
    source = Source(fields={"who": "text"})
    dated = rule("march", 0) | {"effective": {"from": "2026-03-01"}}
    with pytest.raises(CrmRulesError, match="no field with the role `date`") as caught:
        Policy(rules=[dated], default=1).on(source)
    assert caught.value.code == "C201"
