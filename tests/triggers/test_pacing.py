"""`pace`: where an open period leads, against a share of its target."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Period
from crmrules.kpi import Result, Standing
from crmrules.kpi.calendar import China
from crmrules.triggers import Decision, OffPace, Surroundings, evaluate, intents

UTC = ZoneInfo("UTC")


def decided(
    actual: Any, now: str, target: float | None = 100_000.0, direction: Any = "higher", **written: Any
) -> Decision:
    result = Result("sales", actual, target, 0.5, 50.0, direction=direction)
    row = Standing("people", "u7", Period.parse("2026-11"), {"sales": result})
    rule = OffPace.model_validate({"indicator": "sales", **written})
    around = Surroundings.of({}, {}, calendars={"cn": China()})
    (decision,) = evaluate({"slow": rule}, [row], dt.datetime.fromisoformat(now), "UTC", around=around)
    return decision


def test_half_of_the_month_and_40_percent_of_the_target() -> None:
    # 40,000 on the 15th of 30 days lead to 80,000 of 100,000.
    decision = decided(Decimal("40000.00"), "2026-11-15T18:00")
    assert decision.outcome == "fired"
    assert decision.basis["projected"] == 80_000.0
    assert decision.basis["expected"] == 50_000.0
    assert decision.reason == (
        "sales is heading for 80,000 < 100% of the target 100,000, 50% of the period has elapsed"
    )
    assert decided(Decimal("40000.00"), "2026-11-15T18:00", share="80%").outcome == "not_met"
    assert decided(Decimal("39999.99"), "2026-11-15T18:00", share="80%").outcome == "fired"


def test_the_first_days_say_little() -> None:
    assert decided(0.0, "2026-11-07T18:00").outcome == "not_due"
    assert decided(0.0, "2026-11-08T18:00").outcome == "fired"  # 8 of 30 days
    assert decided(0.0, "2026-11-03T18:00", after="10%").outcome == "fired"
    assert decided(0.0, "2026-11-08T08:00", day_counts=False).outcome == "not_due"


def test_working_days() -> None:
    # By the Chinese calendar November 2026 has 21 working days, ten of them up to the 13th; of all days 13.
    assert decided(47_000.0, "2026-11-13T18:00", calendar="cn").outcome == "fired"
    assert decided(47_700.0, "2026-11-13T18:00", calendar="cn").outcome == "not_met"
    assert decided(43_400.0, "2026-11-13T18:00").outcome == "not_met"


def test_where_lower_is_better() -> None:
    # 60 complaints by the 15th lead to 120, where 100 are the target.
    late = decided(60.0, "2026-11-15T18:00", 100.0, "lower")
    assert late.outcome == "fired"
    assert "beyond 100% of the target" in late.reason
    assert decided(50.0, "2026-11-15T18:00", 100.0, "lower").outcome == "not_met"
    assert decided(0.0, "2026-11-15T18:00", 100.0, "lower").outcome == "not_met"


@pytest.mark.parametrize(
    ("actual", "target"),
    [
        (None, 100.0),
        (float("nan"), 100.0),
        (Decimal("NaN"), 100.0),
        (5.0, None),
        (5.0, 0.0),
        (5.0, float("nan")),
    ],
)
def test_what_is_not_known_does_not_fire(actual: Any, target: float | None) -> None:
    assert decided(actual, "2026-11-15T18:00", target).outcome == "no_data"


def test_only_open_periods() -> None:
    assert decided(0.0, "2026-12-01T00:00").outcome == "closed"
    assert decided(0.0, "2026-10-31T23:00").outcome == "not_due"


def test_its_message_says_where_it_leads() -> None:
    rule = OffPace(indicator="sales")
    found = decided(Decimal("40000.00"), "2026-11-15T18:00")
    assert [intents([found], {"slow": rule}, {}, locale=each)[0].text for each in ("en", "zh")] == [
        "u7 is heading for 80,000 of 100,000 for sales in 2026-11, which misses 100% of the target: "
        "40,000.00 so far, 50,000 expected by now.",
        "u7 2026-11 的 sales 预计为 80,000，未及目标 100,000 的 100%：目前 40,000.00，此时应达到 50,000。",
    ]


@given(st.integers(0, 200_000), st.integers(8, 30), st.integers(1, 200))
def test_it_is_the_rule_of_three(actual: int, day: int, percent: int) -> None:
    decision = decided(float(actual), f"2026-11-{day:02}T18:00", share=percent / 100)
    misses = actual * 30 * 100 < 100_000 * percent * day
    assert decision.outcome == ("fired" if misses else "not_met")
