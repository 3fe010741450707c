"""`inactive`: long silence, or longer than usual; once for each silence."""

import datetime as dt
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Source
from crmrules.kpi.calendar import China
from crmrules.triggers import Decision, Inactive, Surroundings, evaluate, intents

ORDERS = Source(
    name="orders",
    fields={
        "customer": "text",
        "rep": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "amount": "money(2)",
    },
)
PINGS = Source(
    name="pings",
    fields={"who": {"type": "text", "role": "subject"}, "at": {"type": "datetime", "role": "date"}},
)
CUSTOMERS = Source(name="customers", fields={"customer": "text", "since": {"type": "date", "role": "date"}})


def order(day: str, customer: str = "ACME", rep: str = "Ann", amount: str = "200.00") -> dict[str, Any]:
    return {"customer": customer, "rep": rep, "day": day, "amount": amount}


def decided(rule: Inactive, now: str, *orders: dict[str, Any], **more: Any) -> list[Decision]:
    sources = {"orders": ORDERS, "pings": PINGS, "customers": CUSTOMERS}
    data = {"orders": orders, "pings": (), "customers": (), **more.pop("data", {})}
    around = Surroundings.of(sources, data, {"Ann": {"manager": "Bo"}}, **more)
    return evaluate({"quiet": rule}, [], dt.datetime.fromisoformat(now), "Asia/Shanghai", around=around)


def silent(**written: Any) -> Inactive:
    return Inactive.model_validate({"source": "orders", "about": "customer", **written})


def outcome(rule: Inactive, now: str, *orders: dict[str, Any], **more: Any) -> str:
    (decision,) = decided(rule, now, *orders, **more)
    return decision.outcome


def test_an_inactive_customer_is_listed_after_30_days_and_not_after_200() -> None:
    # worked_cases.md, AC-18: the last order was 120 days ago.
    orders = [order("2026-07-23")] * 5
    year = {"lookback": {"days": 366}}
    assert outcome(silent(silent={"days": 30}, **year), "2026-11-20", *orders) == "fired"
    assert outcome(silent(silent={"days": 200}, **year), "2026-11-20", *orders) == "not_met"


def test_a_customer_enters_the_pool_the_day_after_its_last_protected_one() -> None:
    # AC-77: a contract that ends on 2026-06-30, 90 days: protected up to 09-28, in the pool on 09-29.
    rule = silent(silent={"days": 90})
    assert outcome(rule, "2026-09-28T23:59:59", order("2026-06-30")) == "not_met"
    assert outcome(rule, "2026-09-29T00:00:00", order("2026-06-30")) == "fired"
    # AC-77: customers with nothing but an inquiry, 6 months after the last follow-up.
    months = silent(silent={"months": 6})
    assert outcome(months, "2026-07-15T23:59", order("2026-01-15")) == "not_met"
    assert outcome(months, "2026-07-16T00:00", order("2026-01-15")) == "fired"


def test_a_ping_that_is_missing_by_hours() -> None:
    # trigger_timelines.md, S22: every day, an hour of grace. 1 day and 30 minutes ago: nothing yet; 2 days
    # ago: once, due at the last ping and 1 day 1 hour.
    rule = Inactive(source="pings", silent={"hours": 25})
    pings = {"pings": [{"who": "backup", "at": "2020-01-10T12:00"}]}
    assert outcome(rule, "2020-01-11T12:30", data=pings) == "not_met"
    (decision,) = decided(rule, "2020-01-12T12:00", data=pings)
    assert decision.outcome == "fired"
    assert decision.scheduled_at is not None
    assert decision.scheduled_at.isoformat() == "2020-01-11T13:00:00+08:00"


def test_each_silence_is_told_once() -> None:
    rule = silent(silent={"days": 10}, lookback={"days": 366})

    def told(now: str, *orders: dict[str, Any]) -> set[str]:
        return {each.id for each in intents(decided(rule, now, *orders), {"quiet": rule}, {})}

    first = told("2026-10-01", order("2026-09-01"))
    assert first == told("2026-10-25", order("2026-09-01"))
    assert told("2026-11-02", order("2026-09-01"), order("2026-11-01")) == set()
    second = told("2026-12-01", order("2026-09-01"), order("2026-11-01"))
    assert len(first) == len(second) == 1
    assert first != second


def test_those_long_lost_are_missed_and_not_told() -> None:
    # B9: rules that meet three years of history.
    (decision,) = decided(silent(silent={"days": 90}), "2026-11-20", order("2023-11-20"))
    assert (decision.outcome, decision.code) == ("missed", "MISSED")
    assert "more than 31 days ago" in decision.reason


def test_working_days() -> None:
    # The Chinese New Year of 2026 is free from the 15th to the 23rd of February; the 14th is worked.
    rule = silent(silent={"working_days": 2}, calendar="cn")
    calendars = {"cn": China()}
    assert outcome(rule, "2026-02-24T23:00", order("2026-02-13"), calendars=calendars) == "not_met"
    assert outcome(rule, "2026-02-25T00:00", order("2026-02-13"), calendars=calendars) == "fired"


WEEKLY = ["2026-10-05", "2026-10-12", "2026-10-19", "2026-10-26"]


def test_beyond_its_own_usual_interval() -> None:
    rule = silent(usual=2.0)
    orders = [order(day) for day in WEEKLY]
    assert outcome(rule, "2026-11-09T23:00", *orders) == "not_met"
    (decision,) = decided(rule, "2026-11-10T00:00", *orders)
    assert decision.outcome == "fired"
    assert decision.basis == {"last": dt.date(2026, 10, 26), "days": 15, "usual_days": 7.0}
    assert outcome(rule, "2026-11-10", *orders[:3]) == "no_data"
    patient = silent(usual=2.0, at_least={"days": 20})
    assert outcome(patient, "2026-11-15T23:00", *orders) == "not_met"
    assert outcome(patient, "2026-11-16T00:00", *orders) == "fired"


@given(st.lists(st.integers(1, 60), min_size=3, max_size=8), st.integers(1, 4))
def test_the_usual_interval_is_the_median(gaps: list[int], times: int) -> None:
    days = [dt.date(2026, 1, 1)]
    for gap in gaps:
        days.append(days[-1] + dt.timedelta(days=gap))
    ordered = sorted(gaps)
    middle = len(ordered) // 2
    usual = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    last_quiet = days[-1] + dt.timedelta(days=-int(-usual * times // 1))
    orders = [order(day.isoformat()) for day in [*days, days[0]]]
    rule = silent(usual=float(times))
    assert outcome(rule, f"{last_quiet}T23:00", *orders) == "not_met"
    assert outcome(rule, f"{last_quiet + dt.timedelta(days=1)}T00:00", *orders) == "fired"


def test_those_who_never_ordered_are_silent_since_they_are_known() -> None:
    rule = silent(silent={"days": 30}, among="customers")
    since = {"ACME": "2026-01-01", "Hooli": "2026-10-01", "New": None}
    known = [{"customer": name, "since": day} for name, day in since.items()]
    found = decided(
        rule,
        "2026-11-10",
        order("2026-11-05"),
        data={"customers": [*known, {"customer": "New", "since": None}]},
    )
    assert {each.standing.subject: each.outcome for each in found} == {
        "ACME": "not_met",
        "Hooli": "fired",
        "New": "no_data",
    }


def test_the_owner_and_those_around_are_told_in_their_language() -> None:
    rule = silent(silent={"days": 10}, owner="subject", tell=("owner", "manager"))
    found = decided(rule, "2026-11-20", order("2026-11-01", rep="Cy"), order("2026-11-05"))
    told = intents(found, {"quiet": rule}, {"Bo": {"locale": "zh"}})
    assert [(each.recipient.role, each.recipient.id, each.severity) for each in told] == [
        ("owner", "Ann", "warning"),
        ("manager", "Bo", "warning"),
    ]
    assert told[0].text == "ACME has been silent for 15 days, since 5 Nov 2026."
    assert told[1].text == "ACME 自 2026年11月5日 以来已有 15 天没有动静。"


def test_what_is_planned_is_no_sign_of_life() -> None:
    assert (
        outcome(silent(silent={"days": 10}), "2026-11-20", order("2026-11-01"), order("2026-11-25"))
        == "fired"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "how long is long"),
        ({"silent": {"days": 3}, "usual": 2}, "how long is long"),
        ({"silent": {"days": 3}, "at_least": {"days": 2}}, "goes with `usual`"),
        ({"usual": 2, "at_least": {"hours": 2}}, "in days"),
        ({"usual": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_declared(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        silent(**wrong)
