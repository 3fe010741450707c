"""A policy on a source: one record, lists and frames by the same decision."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError, Policy, Source
from crmrules.policy.crediting import together
from tests.policy.by_hand import Record
from tests.policy.test_by_hand import SOURCE, policies, records, tables


@given(policy=policies(), rows=records(dirty=True), table=tables())
def test_one_record_is_judged_as_it_is_among_others(
    policy: dict[str, Any], rows: list[Record], table: list[Record]
) -> None:
    if "returns" in policy or "nth" in str(policy):
        return  # those look at other records
    crediting = Policy(**policy).on(SOURCE, {"splits": table})
    for row in rows:
        try:
            (listed,) = crediting.credit([row])  # type: ignore[misc]
        except CrmRulesError as error:
            words = str(error)
        else:
            verdict = crediting.explain(row)
            assert (verdict.credit, verdict.rule, verdict.because) == tuple(
                listed[name]
                for name in ("credit", "rule", "because")  # type: ignore[index]
            )
            assert crediting.credit_of(row) == verdict.credit
            assert crediting.of(row).credits == verdict.credits
            assert any(each.decided for each in verdict.considered) or "default" in verdict.rule
            continue
        for ask in (crediting.credit_of, crediting.of, crediting.explain):
            with pytest.raises(CrmRulesError) as caught:
                ask(row)
            assert str(caught.value) == words


@pytest.mark.parametrize(
    ("combine", "factor"), [("product", 0.125), ("first", 0.125), ("min", 0.25), ("max", 0.5)]
)
def test_levels_come_together_as_declared(combine: str, factor: float) -> None:
    assert together(combine, [0.5, 0.25]) == factor


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=5))
def test_no_way_of_coming_together_leaves_0_to_1(factors: list[float]) -> None:
    for combine in ("product", "min", "max"):
        assert 0.0 <= together(combine, factors) <= 1.0
        assert together(combine, [1.0]) == 1.0


def test_a_policy_says_which_fields_and_tables_it_needs() -> None:
    payees = {"table": "splits", "record": "record", "to": "payee", "share": "share"}
    rules = [{"when": "kind == 'order' and hours > 1", "credit": "part", "because": "so"}]
    crediting = Policy(rules=rules, default=1, payees=payees).on(SOURCE)
    assert {*crediting.fields} == {"kind", "hours", "part", "number", "who"}
    assert crediting.needs == ("splits",)
    assert not crediting.simple
    assert Policy(rules=[rules[0] | {"credit": 0}], default=1).on(SOURCE).simple


def test_rules_that_can_never_decide_are_listed_with_the_reason() -> None:
    source = Source.model_validate(
        {"fields": {"kind": {"type": "text", "one_of": ["a", "b"]}, "x": "number"}}
    )
    policy = Policy.model_validate(
        {
            "rules": [
                {"name": "all of a", "when": "kind == 'a'", "credit": 0, "because": "so"},
                {"name": "large a", "when": "kind == 'a' and x > 5", "credit": 0.5, "because": "so"},
                {"name": "nowhere", "when": "x > 5 and x < 3", "credit": 0.5, "because": "so"},
                {"name": "b", "when": "kind == 'b'", "credit": 0.5, "because": "so"},
            ],
            "default": 1,
        }
    )
    dead = policy.on(source).dead
    assert [(each.position, each.kind, each.by) for each in dead] == [
        (1, "shadowed", (0,)),
        (2, "contradiction", ()),
    ]
    assert "large a" in dead[0].reason
    assert "all of a" in dead[0].reason
    assert policy.model_copy(update={"combine": "min"}).on(source).dead[0].position == 2
