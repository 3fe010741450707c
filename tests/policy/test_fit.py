"""Which fields a policy reads where no source says what there is, and what does not fit one that does."""

from typing import Any

import pytest

from crmrules import CrmRulesError, Policy, Source
from crmrules.policy.fit import names_read

BASE = Policy(rules=[{"name": "a", "when": "kind == 'a'", "credit": 0, "because": "so"}], default=1)


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        (BASE, {"kind"}),
        (Policy(default=1, include=[BASE], override={"a": {"when": "other > 1", "credit": "part"}}),
         {"kind", "other", "part"}),
        (Policy(levels={"x": BASE}, payees=[{"to": "who", "share": "part"}]), {"kind", "who", "part"}),
        (Policy(default=1, returns={"when": "amount < 0", "original": "original"}), {"amount", "original"}),
        (Policy(default=1, sequences={"nth": {"per": "customer", "by": ["day", "no"]}},
                rules=[{"when": "nth == 1", "credit": 0, "because": "so"}]), {"customer", "day", "no"}),
        (Policy(default=1, rules=[{"when": "nth == 1", "credit": 0, "because": "so"}],
                include=[Policy(default=1, sequences={"nth": {"per": "customer", "by": "day"}})]),
         {"customer", "day"}),
    ],
)  # fmt: skip
def test_the_names_that_a_policy_reads(policy: Policy, names: set[str]) -> None:
    assert {*names_read(policy)} == names


def test_an_override_is_judged_without_a_source_too() -> None:
    policy = Policy(default=1, include=[BASE], override={"a": {"when": "other > 1"}})
    assert [
        row["credit"] for row in policy.credit([{"kind": "a", "other": 2}, {"kind": "a", "other": 1}])
    ] == [0, 1]


SOURCE = Source(
    fields={"number": {"type": "text", "role": "id"}, "who": "text", "amount": "money(2)", "paid": "money(2)"}
)


@pytest.mark.parametrize(
    ("more", "path", "code", "message", "hint"),
    [
        ({"payees": [{"to": "House"}]}, ("payees", 0, "to"), "E101", "unknown name `House`", "in quotes"),
        ({"payees": [{"to": "whom"}]}, ("payees", 0, "to"), "E101", "unknown name `whom`", "`who`"),
        ({"payees": [{"to": "amount"}]}, ("payees", 0, "to"), "E102",
         "a payee is a text, and this is money(2)", "'House'"),
        ({"payees": [{"to": "who", "share": "amount"}]}, ("payees", 0, "share"), "E102",
         "a share is a number, and this is money(2)", "paid / amount"),
        ({"payees": [{"to": "who", "share": 0.6}, {"to": "'House'", "share": 0.6}]}, ("payees",), "C203",
         "the shares sum to 1.2", "overlay: true"),
        ({"payees": [{"to": "who", "share": 0.6}], "shares": "exactly_one"}, ("payees",), "C203",
         "the shares sum to 0.6, and `shares: exactly_one` is declared", "sum to 1"),
        ({"returns": {"when": "amount < 0", "original": "whom"}}, ("returns", "original"), "F102",
         "source `records` has no field `whom`", "`who`"),
        ({"include": [BASE], "override": {"a": {"credit": "who"}}},
         ("include", 0, "rules", 0, "when"), "E101",
         "unknown name `kind`", ""),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_way_and_what_to_write(
    more: dict[str, Any], path: tuple[Any, ...], code: str, message: str, hint: str
) -> None:
    found = [*Policy(default=1, **more).problems(SOURCE)]
    where, error = found[0]
    assert (where, error.code, error.message) == (path, code, message)
    assert hint in error.hint
    with pytest.raises(CrmRulesError):
        Policy(default=1, **more).on(SOURCE)


def test_shares_of_thirds_are_the_whole() -> None:
    payees = [{"to": f"'{name}'", "share": 1 / 3} for name in "abc"]
    assert not [*Policy(default=1, payees=payees, shares="exactly_one").problems(SOURCE)]
