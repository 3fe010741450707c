"""`data_quality`: late entries, missing values, odd ones; each record and problem once."""

import datetime as dt
from typing import Any

import pydantic
import pytest

from crmrules import CrmRulesError, Source
from crmrules.triggers import DataQuality, Decision, Surroundings, evaluate, intents

ORDERS = Source(
    name="orders",
    fields={
        "id": {"type": "text", "role": "id"},
        "rep": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "entered": "datetime",
        "amount": "money(2)",
        "customer": "text",
    },
)


def order(**changed: Any) -> dict[str, Any]:
    given = {"id": "A1", "rep": "Ann", "day": "2026-11-02", "entered": "2026-11-03T10:00", "amount": "5.00"}
    return {**given, "customer": "ACME", **changed}


def decided(rule: DataQuality, *orders: dict[str, Any], now: str = "2026-11-20T12:00") -> list[Decision]:
    around = Surroundings.of({"orders": ORDERS}, {"orders": orders})
    return evaluate({"check": rule}, [], dt.datetime.fromisoformat(now), "UTC", around=around)


def problems(rule: DataQuality, *orders: dict[str, Any]) -> list[object]:
    return [each.basis["problem"] for each in decided(rule, *orders) if each.outcome == "fired"]


LATE = DataQuality(source="orders", late={"days": 3}, recorded="entered")


def test_entered_late() -> None:
    assert problems(LATE, order(entered="2026-11-05T23:59")) == []
    assert problems(LATE, order(entered="2026-11-06T00:00")) == ["entered 4 days late, more than 3 days"]
    working = DataQuality(source="orders", late={"working_days": 3}, recorded="entered")
    # From Friday the 6th three working days lead to Wednesday the 11th.
    assert problems(working, order(day="2026-11-06", entered="2026-11-11T18:00")) == []
    assert problems(working, order(day="2026-11-06", entered="2026-11-12T08:00")) == [
        "entered 6 days late, more than 3 working days"
    ]
    hours = DataQuality(source="orders", late={"hours": 30}, recorded="entered")
    assert problems(hours, order(entered="2026-11-03T06:00")) == []
    assert problems(hours, order(entered="2026-11-03T06:01")) != []
    assert problems(LATE, order(day=None), order(id="A2", entered=None)) == []


def test_missing_and_odd() -> None:
    rule = DataQuality(source="orders", missing=("amount", "customer"), odd="amount <= 0 or amount > 1000000")
    assert problems(rule, order()) == []
    assert problems(rule, order(amount=None)) == ["amount is missing"]
    assert problems(rule, order(customer="", amount="0.00")) == [
        "customer is missing",
        "amount <= 0 or amount > 1000000",
    ]
    assert problems(rule, order(amount="1000000.00"), order(id="A2", amount="1000000.01")) == [
        "amount <= 0 or amount > 1000000"
    ]


def test_each_record_and_problem_is_told_once() -> None:
    rule = DataQuality(source="orders", missing="customer", odd="amount < 0")
    bad = order(customer=None, amount="-1.00")

    def told(now: str) -> list[str]:
        return [each.id for each in intents(decided(rule, bad, now=now), {"check": rule}, {})]

    assert len({*told("2026-11-20")}) == 2
    assert told("2026-11-20") == told("2026-12-01")
    assert {each.outcome for each in decided(rule, bad, now="2027-01-01")} == {"missed"}


def test_its_message_names_the_problem() -> None:
    rule = DataQuality(source="orders", missing="customer")
    found = decided(rule, order(customer=None))
    assert [intents(found, {"check": rule}, {}, locale=each)[0].text for each in ("en", "zh-CN")] == [
        "Please look at A1 of Ann: customer is missing.",
        "请检查 Ann 的 A1：缺少 customer。",
    ]
    late = DataQuality(source="orders", late={"working_days": 3}, recorded="entered", odd="amount <= 0")
    found = decided(late, order(entered="2026-11-12T08:00", amount="-1.00"))
    assert [each.text for each in intents(found, {"check": late}, {}, locale="zh")] == [
        "请检查 Ann 的 A1：晚录入 10 天，超过 3 个工作日。",
        "请检查 Ann 的 A1：amount <= 0。",
    ]


def test_what_is_no_date_is_an_error() -> None:
    rule = DataQuality(source="orders", late={"days": 3}, recorded="customer")
    with pytest.raises(CrmRulesError) as caught:
        decided(rule, order())
    assert caught.value.code == "T408"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "looks for nothing"),
        ({"late": {"days": 3}}, "goes with `recorded`"),
        ({"recorded": "entered", "odd": "amount < 0"}, "goes with `recorded`"),
    ],
)
def test_what_cannot_be_declared(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        DataQuality.model_validate({"source": "orders", **wrong})
