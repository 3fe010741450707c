"""Whom a trigger tells: roles, people by their ids, and those for whom an expression holds."""

import datetime as dt
from typing import Any

import pydantic
import pytest

from crmrules import CrmRulesError, Period
from crmrules.kpi import Result, Standing
from crmrules.triggers import Decision, Reached, Surroundings, evaluate, intents
from crmrules.triggers.recipients import holders, problems

ROSTER = {
    "u2": {"office": "north", "level": "lead", "locale": "zh"},
    "u3": {"office": "south", "level": "lead"},
    "u7": {"office": "north", "manager": "u2"},
}
ROW = Standing(
    "sales",
    "u7",
    Period.parse("2026-11"),
    {"revenue": Result("revenue", 10.0, 10.0, 1.0)},
    people=ROSTER["u7"],
)


def reached(*tell: Any) -> Reached:
    return Reached.model_validate({"indicator": "revenue", "tell": tell})


def told(*tell: Any) -> list[tuple[str, str, str]]:
    rule = reached(*tell)
    found = decided(rule)
    return [
        (each.recipient.role, each.recipient.id, each.recipient.locale)
        for each in intents(found, {"hit": rule}, ROSTER)
    ]


def decided(rule: Reached, **_: Any) -> list[Decision]:
    return evaluate(
        {"hit": rule}, [ROW], dt.datetime(2026, 11, 20), "UTC", around=Surroundings(people=ROSTER)
    )


def test_roles_lists_and_expressions() -> None:
    assert told("subject", "manager") == [("subject", "u7", "en"), ("manager", "u2", "zh")]
    assert told({"ids": ["u9", "u2"]}) == [("listed", "u9", "en"), ("listed", "u2", "zh")]
    assert told({"where": "level == 'lead'"}) == [("listed", "u2", "zh"), ("listed", "u3", "en")]
    assert told("subject", {"where": "level == 'lead' and office == 'south'"}) == [
        ("subject", "u7", "en"),
        ("listed", "u3", "en"),
    ]
    assert told({"where": "id in ('u3', 'u9')"}) == [("listed", "u3", "en")]


def test_each_person_has_an_id_of_their_own_that_stays() -> None:
    rule = Reached.model_validate(
        {"indicator": "revenue", "tell": [{"ids": ["u2", "u3"]}, {"where": "id == 'u2'"}]}
    )
    first, again = (intents(decided(rule), {"hit": rule}, ROSTER) for _ in range(2))
    assert [each.id for each in first] == [each.id for each in again]
    assert len({each.id for each in first}) == len(first) == 2


def test_whoever_nobody_is_gets_listed_as_unreached() -> None:
    rule = Reached.model_validate(
        {"indicator": "revenue", "tell": ["director", {"where": "office == 'west'"}]}
    )
    (decision,) = decided(rule)
    assert decision.unreached == ("director", "where: office == 'west'")


def test_what_is_not_known_of_somebody_does_not_choose_them() -> None:
    assert holders("where: level != 'lead'", ROW, ROSTER) == []


def test_what_does_not_fit() -> None:
    roles = ["subject", "manager", "office"]
    found = [*problems(["subject", "manger", "id: u2", "where: offce == 'north'", "where: office"], roles)]
    assert [each.code for each in found] == ["B217", "E101", "T410"]
    assert all(each.hint for each in found)
    with pytest.raises(CrmRulesError):
        holders("where: nothing == 'x'", ROW, ROSTER)


@pytest.mark.parametrize(
    "tell", [[], [{}], [{"ids": []}], [{"where": 5}], [{"who": "u2"}], ["a", "a"], "subject"]
)
def test_what_cannot_be_declared(tell: Any) -> None:
    with pytest.raises(pydantic.ValidationError):
        Reached.model_validate({"indicator": "revenue", "tell": tell})


def test_it_is_kept_as_it_is() -> None:
    rule = Reached.model_validate(
        {"indicator": "revenue", "tell": ["subject", {"ids": ["u2"]}, {"where": "id == 'u3'"}]}
    )
    assert Reached.model_validate(rule.model_dump(mode="json", by_alias=True)) == rule
