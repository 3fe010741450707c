"""Targets reached, or not, by a date."""

import datetime as dt
import math
from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.period import Period, between
from crmrules.kpi.standing import Result, Standing
from crmrules.triggers import Behind, Due, Reached

SHANGHAI = ZoneInfo("Asia/Shanghai")
DUE = dt.datetime(2025, 3, 20, 10, tzinfo=dt.UTC)
BEHIND = Behind(indicator="sales", share="50%", by=Due(day=20, time="18:00"))
REACHED = Reached(indicator="sales", share="50%")


def standing(actual: str) -> Standing:
    value = Decimal(actual)
    result = Result("sales", value, 100_000.0, float(value) / 100_000)
    return Standing("plan", "u7", Period.parse("2025-03"), {"sales": result})


@pytest.mark.parametrize(
    ("actual", "behind", "reached"),
    [("48700.00", "fired", "not_met"), ("49999.99", "fired", "not_met"), ("50000.00", "not_met", "fired")],
)
def test_half_of_the_target_to_the_cent_divides_behind_from_reached(actual, behind, reached):
    assert BEHIND.evaluate("t", standing(actual), DUE, SHANGHAI).outcome == behind
    assert REACHED.evaluate("t", standing(actual), DUE, SHANGHAI).outcome == reached


def test_before_its_local_time_a_deadline_is_not_due():
    early = DUE - dt.timedelta(seconds=1)
    assert BEHIND.evaluate("t", standing("0.00"), early, SHANGHAI).outcome == "not_due"


@pytest.mark.parametrize("trigger", [BEHIND, REACHED])
def test_a_period_closes_at_local_midnight(trigger):
    midnight = dt.datetime(2025, 3, 31, 16, tzinfo=dt.UTC)
    last = midnight - dt.timedelta(seconds=1)
    assert trigger.evaluate("t", standing("50000.00"), midnight, SHANGHAI).outcome == "closed"
    assert trigger.evaluate("t", standing("50000.00"), last, SHANGHAI).outcome != "closed"


@given(
    cents=st.integers(0, 20_000_000_000),
    target=st.integers(1, 20_000_000_000),
    percent=st.integers(1, 200),
    lower=st.booleans(),
)
def test_at_a_due_moment_money_is_either_behind_or_reached(
    cents: int, target: int, percent: int, lower: bool
) -> None:
    met = cents * percent <= target * 100 if lower else cents * 100 >= target * percent
    value, goal = Decimal(cents) / 100, target / 100
    result = Result("sales", value, goal, None, direction="lower" if lower else "higher")
    row = Standing("plan", "u7", Period.parse("2025-03"), {"sales": result})
    behind = BEHIND.model_copy(update={"share": percent / 100})
    reached = REACHED.model_copy(update={"share": percent / 100})
    assert reached.evaluate("t", row, DUE, SHANGHAI).outcome == ("fired" if met else "not_met")
    assert behind.evaluate("t", row, DUE, SHANGHAI).outcome == ("not_met" if met else "fired")


@given(attainment=st.floats(0, 1e9), share=st.floats(1e-6, 1e3))
def test_at_a_due_moment_a_rate_is_either_behind_or_reached(attainment: float, share: float) -> None:
    result = Result("sales", attainment * 30.0, 30.0, attainment)
    row = Standing("plan", "u7", Period.parse("2025-03"), {"sales": result})
    outcomes = {
        trigger.model_copy(update={"share": share}).evaluate("t", row, DUE, SHANGHAI).outcome
        for trigger in (BEHIND, REACHED)
    }
    assert outcomes == {"fired", "not_met"}


@pytest.mark.parametrize(
    ("actual", "target"),
    [
        (None, 100.0),
        (Decimal("1.00"), None),
        (Decimal("1.00"), 0.0),
        (math.nan, 100.0),
        (Decimal("NaN"), 1.0),
    ],
)
@pytest.mark.parametrize("trigger", [BEHIND, REACHED])
def test_without_a_value_or_target_nothing_fires(trigger, actual, target):
    result = Result("sales", actual, target, math.nan if actual is not None else None)
    row = Standing("plan", "u7", Period.parse("2025-03"), {"sales": result})
    assert trigger.evaluate("t", row, DUE, SHANGHAI).outcome == "no_data"


def test_the_reason_holds_the_value_against_its_bound():
    decision = BEHIND.evaluate("t", standing("48700.00"), DUE, SHANGHAI)
    assert decision.code == "BELOW_TARGET_AT_DEADLINE"
    assert decision.reason == "sales is 48,700.00 < 50,000.00, 50% of the target 100,000"
    assert decision.basis["bound"] == Decimal("50000.00")


def test_three_years_of_history_give_one_evaluation_of_the_open_period():
    rows = [
        replace(standing("1.00"), period=period)
        for period in between(Period.parse("2022-04"), Period.parse("2025-03"))
    ]
    outcomes = [BEHIND.evaluate("t", row, DUE, SHANGHAI).outcome for row in rows]
    assert outcomes == ["closed"] * 35 + ["fired"]


@pytest.mark.parametrize("trigger", [BEHIND, REACHED])
def test_a_period_that_has_not_begun_is_not_due(trigger):
    row = replace(standing("50000.00"), period=Period.parse("2025-04"))
    assert trigger.evaluate("t", row, DUE, SHANGHAI).outcome == "not_due"
