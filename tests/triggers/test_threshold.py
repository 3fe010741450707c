"""Targets reached, or not, by a date."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from crmrules.kpi.period import Period
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
