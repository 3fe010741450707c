"""A decision as plain data and as a line."""

import datetime as dt
import json
from decimal import Decimal

from crmrules.kpi.period import Period
from crmrules.kpi.standing import Standing
from crmrules.triggers import Decision

NOW = dt.datetime(2026, 11, 20, 18, tzinfo=dt.UTC)
STANDING = Standing("sales", "Ann", Period.parse("2026-11"), {})
BASIS = {"value": Decimal("48700.00"), "target": 100_000.0, "attainment": None}
DECISION = Decision("half", STANDING, "due", "fired", "BELOW", "too little", NOW, BASIS, NOW, ("manager",))


def test_a_decision_is_data_that_json_can_hold_with_exact_figures() -> None:
    assert json.loads(json.dumps(DECISION.as_dict())) == {
        "trigger": "half",
        "model": "sales",
        "subject": "Ann",
        "period": "2026-11",
        "step": "due",
        "outcome": "fired",
        "code": "BELOW",
        "reason": "too little",
        "basis": {"value": "48700.00", "target": "100000.0", "attainment": None},
        "scheduled_at": "2026-11-20T18:00:00+00:00",
        "evaluated_at": "2026-11-20T18:00:00+00:00",
        "unreached": ["manager"],
    }


def test_a_decision_prints_as_one_line() -> None:
    assert str(DECISION) == "half · Ann · 2026-11: fired, too little"


def test_without_a_due_moment_nothing_is_late() -> None:
    assert Decision("t", STANDING, "fire", "fired", "C", "r", NOW).late_by == dt.timedelta()
