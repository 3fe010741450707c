"""Payees as they are declared."""

from typing import Any

import pydantic
import pytest

from crmrules import Policy
from crmrules.policy import Payee, SplitTable


@pytest.mark.parametrize(
    "payee",
    [
        {"to": "who"},
        {"to": "'House'", "share": 0},
        {"to": "who", "share": 1},
        {"to": "who", "share": "paid / amount"},
        {"to": "who", "share": 10, "overlay": True},
    ],
)
def test_a_payee_has_a_share_of_the_whole_or_overlay_beside_it(payee: dict[str, Any]) -> None:
    assert Payee(**payee).share == payee.get("share", 1.0)


@pytest.mark.parametrize(
    ("payee", "words"),
    [
        ({"to": "who", "share": 1.5}, "overlay: true"),
        ({"to": "who", "share": -0.1}, "greater than or equal to 0"),
        ({"to": "who", "share": 10.5, "overlay": True}, "less than or equal to 10"),
        ({"to": "who", "share": float("nan")}, "share"),
        ({"to": "who", "share": True}, "true is no share"),
        ({"to": "who", "share": None}, "share"),
        ({"to": 5}, "to"),
        ({"share": 0.5}, "to"),
        ({"to": "who", "shares": 0.5}, "shares"),
    ],
)
def test_a_payee_that_is_none_is_refused(payee: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        Payee(**payee)


@pytest.mark.parametrize("payees", [[], "who", 5, [{"to": "who"}, 5]])
def test_payees_are_a_list_or_a_table(payees: Any) -> None:
    with pytest.raises(pydantic.ValidationError):
        Policy(default=1, payees=payees)


def test_payees_are_the_same_in_python_and_in_data() -> None:
    table = {"table": "splits", "record": "id", "to": "payee", "share": "share"}
    assert Policy(default=1, payees=table) == Policy(default=1, payees=SplitTable(**table))
    listed = [{"to": "who", "share": 0.5}]
    assert Policy(default=1, payees=listed) == Policy(default=1, payees=(Payee(to="who", share=0.5),))


@pytest.mark.parametrize("credit", [True, "", float("nan"), 1.01, -0.01, [], {"to": "who"}, None])
def test_credit_that_is_none_is_refused(credit: Any) -> None:
    with pytest.raises((pydantic.ValidationError, ValueError)):
        Policy(rules=[{"when": "kind == 'a'", "credit": credit, "because": "so"}], default=1).credit_of(
            {"kind": "a", "who": "Ann"}
        )
