"""Rules that can never decide: none is accused wrongly, what should be found is, and it is said why."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import Condition
from crmrules.expr.scalar import compile_first, compile_record
from crmrules.policy.dead import dead_rules
from crmrules.types import Scalar, Type

SCHEMA = {
    "kind": Type("text", values=("a", "b", "c")),
    "state": Type("text", nullable=False, values=("open", "done")),
    "n": Type("number", nullable=False),
    "x": Type("number"),
    "y": Type("number"),
    "m": Type("money", 2),
    "s": Type("text"),
    "p": Type("bool"),
}
VALUES: dict[str, tuple[Scalar, ...]] = {
    "kind": (None, "a", "b", "c"),
    "state": ("open", "done"),
    "n": (0.0, 1.0),
    "x": (None, -1.0, 0.0, 0.5, 1.0, 2.0),
    "y": (None, 0.0, 1.0),
    "m": (None, 0, 29, 30, 31),
    "s": (None, "", "a", "ab", "b"),
    "p": (None, True, False),
}
ATOMS = [
    "kind == 'a'",
    "kind in ('a', 'b')",
    "kind != 'c'",
    "contains(kind, 'b')",
    "upper(kind) == 'C'",
    "is_null(kind)",
    "state == 'open'",
    "state in ('open', 'done')",
    "is_null(state)",
    "n > 0",
    "n <= 0",
    "x > 0",
    "x <= 0",
    "x == 1",
    "0 < x < 1",
    "is_null(x)",
    "x < y",
    "x == y",
    "y >= 1",
    "x + y > 1",
    "x / y == 1",
    "m >= 0.3",
    "m == 0.30000000000000004",
    "m < 0.3",
    "starts_with(s, 'a')",
    "s == 'ab'",
    "s < 'b'",
    "length(s) > 1",
    "if_null(x, 0) == 0",
    "(x if p else y) == 1",
    "p",
    "p == False",
    "None",
    "True",
]


def rules(atoms: list[str]) -> st.SearchStrategy[list[Condition]]:
    condition = st.recursive(
        st.sampled_from(atoms).map(Condition.parse),
        lambda inner: (
            st.builds(lambda x, y: x & y, inner, inner)
            | st.builds(lambda x, y: x | y, inner, inner)
            | inner.map(lambda x: ~x)
        ),
        max_leaves=4,
    )
    return st.lists(condition, min_size=1, max_size=6)


def records(conditions: list[Condition]) -> list[dict[str, Any]]:
    read = {name for each in conditions for name in each.check(SCHEMA).fields}
    some = {name: values for name, values in VALUES.items() if name in read}
    return [dict(zip(some, values, strict=True)) for values in itertools.product(*some.values())]


def deciding(conditions: list[Condition]) -> set[int]:
    """The rules that are the first to match for some record, by trying all."""
    first = compile_first([each.check(SCHEMA) for each in conditions])
    return {first(record) for record in records(conditions)}


def matching(conditions: list[Condition]) -> set[int]:
    """The rules that match some record."""
    return {
        position
        for position, each in enumerate(conditions)
        for test in [compile_record(each.check(SCHEMA), bound=True)]
        if any(test(record) is True for record in records([each]))
    }


@settings(max_examples=200)
@given(rules(ATOMS))
def test_no_rule_that_decides_is_called_dead(conditions: list[Condition]) -> None:
    dead = dead_rules(conditions, SCHEMA)
    assert not deciding(conditions) & {each.position for each in dead}
    assert not matching(conditions) & {each.position for each in dead if each.kind == "contradiction"}
    for each in dead:
        assert all(earlier < each.position for earlier in each.by)
        kept = [conditions[earlier] for earlier in each.by] + [conditions[each.position]]
        assert len(kept) - 1 not in deciding(kept), "the rules named are those that take its records"


@given(rules(ATOMS))
def test_where_rules_stand_side_by_side_only_contradictions_are_dead(conditions: list[Condition]) -> None:
    dead = dead_rules(conditions, SCHEMA, combine="product")
    assert {each.kind for each in dead} <= {"contradiction"}
    assert not matching(conditions) & {each.position for each in dead}


PLAIN = [
    "kind == 'a'",
    "kind == 'b'",
    "kind in ('b', 'c')",
    "contains(kind, 'c')",
    "is_null(kind)",
    "state == 'open'",
    "x > 0",
    "x <= 0",
    "0 < x < 1",
    "x >= 1",
    "is_null(x)",
    "p",
    "not p",
]


@settings(max_examples=200)
@given(rules(PLAIN))
def test_of_tests_of_one_field_each_every_dead_rule_is_found(conditions: list[Condition]) -> None:
    found = {each.position for each in dead_rules(conditions, SCHEMA)}
    assert found == {*range(len(conditions))} - deciding(conditions)


SAID = [
    (["x > 5 and x < 3 and p"], "rule 1 (one) can never match: `x > 5` and `x < 3` are never true together"),
    (
        ["kind == 'a' and x > 1 and kind == 'b'"],
        "rule 1 (one) can never match: `kind == 'a'` and `kind == 'b'` are never true together",
    ),
    (["is_null(n)"], "rule 1 (one) can never match: `is_null(n)` is never true, since `n` is never missing"),
    (
        ["starts_with(kind, 'z')"],
        "rule 1 (one) can never match: `starts_with(kind, 'z')` is never true, "
        "since `kind` holds only 'a', 'b' and 'c'",
    ),
    (["None"], "rule 1 (one) can never match: `None` is never true"),
    (["x > y and x < y"], "rule 1 (one) can never match: `x > y` and `x < y` are never true together"),
    (["p and not p"], "rule 1 (one) can never match: `p` and `not p` are never true together"),
    (
        ["kind == 'a'", "kind == 'a' and x > 1"],
        "rule 2 can never decide: rule 1 (one) already takes every record with kind == 'a' and x > 1",
    ),
    (
        ["kind == 'a'", "p", "kind == 'b'", "kind in ('a', 'b')"],
        "rules 1 (one) and 3 already take every record with kind in ('a', 'b')",
    ),
    (
        ["x > 0", "x <= 0", "not is_null(x)"],
        "rule 3 can never decide: rules 1 (one) and 2 already take every record with not is_null(x)",
    ),
    (
        ["state == 'open'", "state == 'done'", "x > 3"],
        "rule 3 can never decide: rules 1 (one) and 2 already take every record with x > 3, "
        "since `state` is never missing and `state` holds only 'open' and 'done'",
    ),
    (["True", "p"], "rule 2 can never decide: rule 1 (one) already takes every record with p"),
    (["p", "not p", "is_null(p)", "True"], "rules 1 (one), 2 and 3 already take every record"),
    (["s >= 'a'", "starts_with(s, 'ab')"], "rule 1 (one) already takes every record with starts_with"),
    (["m > 1", "m > 1.5"], "rule 1 (one) already takes every record with m > 1.5"),
]


@pytest.mark.parametrize(("texts", "reason"), SAID, ids=[" | ".join(texts) for texts, _ in SAID])
def test_it_is_said_why(texts: list[str], reason: str) -> None:
    [dead] = dead_rules([*map(Condition.parse, texts)], SCHEMA, names=["one", "rule 2", "", "four"])
    assert reason in str(dead)
    assert dead.position == len(texts) - 1


@pytest.mark.parametrize(
    "texts",
    [
        ["x > 0", "x <= 0", "is_null(x)"],
        ["kind in ('a', 'b', 'c')", "is_null(kind)"],
        ["x > 0 or x <= 0", "True"],
        ["m < 0.3", "m > 0.3", "m == 0.30000000000000004"],
        ["starts_with(s, 'ab')", "starts_with(s, 'a')"],
        ["x / y > 0", "x / y <= 0", "not is_null(x) and not is_null(y)"],
    ],
)
def test_a_rule_that_still_has_records_is_alive(texts: list[str]) -> None:
    assert dead_rules([*map(Condition.parse, texts)], SCHEMA) == []


def test_what_grows_too_large_is_given_up_in_silence() -> None:
    wide = " or ".join(f"(a{number} == 1 and b{number} == 1)" for number in range(20))
    schema = {f"{letter}{number}": Type("number") for letter in "ab" for number in range(20)}
    rules = [
        Condition.parse(wide),
        Condition.parse(f"({wide}) and a1 == 7"),
        Condition.parse("a1 > 2 and a1 < 1"),
    ]
    assert [each.position for each in dead_rules(rules, schema)] == [2]
