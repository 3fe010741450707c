"""Worked cases of other systems, as far as triggers go: AC-73, AC-74 and AC-78 of worked_cases.md."""

import datetime as dt
from typing import Any

import pytest

from crmrules import Rulebook, Source
from crmrules.triggers import Behind, Engine, Inactive, Relative, Surroundings, evaluate
from crmrules.triggers.outbox import MemoryStore

TICKETS: dict[str, Any] = {
    "zone": "Asia/Shanghai",
    "sources": {
        "tickets": {
            "fields": {
                "rep": {"type": "text", "role": "subject"},
                "day": {"type": "date", "role": "date"},
                "days": "number",
            }
        }
    },
    "measures": {"days": "mean(days)"},
    "models": {
        "people": {
            "indicators": {"days": {"target": 15, "direction": "lower", "weight": 1, "curve": {"cap": 150}}}
        }
    },
}


@pytest.mark.parametrize(("days", "outcome"), [(14, "fired"), (15, "fired"), (15.01, "not_met")])
def test_where_lower_is_better_the_target_itself_is_reached(days: float, outcome: str) -> None:
    # worked_cases.md, AC-73: Odoo shows 0 % and calls it reached; here both agree, and so does the opposite.
    book = Rulebook.of({**TICKETS, "triggers": {"hit": {"kind": "reached", "indicator": "days"}}})
    card = book.score({"tickets": [{"rep": "Ann", "day": "2026-11-03", "days": days}]}, now="2026-11-20")
    (decision,) = book.decide(card, now="2026-11-20")
    assert decision.outcome == outcome
    attainment = card.standing("Ann", "2026-11").results["days"].attainment
    assert attainment is not None
    assert (attainment >= 1) == (outcome == "fired")
    late = Behind(indicator="days", share=1, by={"day": 20})
    (opposite,) = evaluate({"late": late}, card.standings(), dt.datetime(2026, 11, 20, 12), "Asia/Shanghai")
    assert (opposite.outcome == "fired") == (outcome == "not_met")


def test_a_goal_closes_though_nothing_changed() -> None:
    # AC-74: Odoo leaves such a goal in progress. No record is saved here, and nobody is marked.
    failed = {"kind": "behind", "indicator": "days", "share": 1, "by": {"day": -1, "time": "18:00"}}
    book = Rulebook.of({**TICKETS, "triggers": {"failed": failed}})
    data = {"tickets": [{"rep": "Ann", "day": "2026-11-03", "days": 20}]}
    engine = Engine.of(book, MemoryStore(), read=lambda asked: book.score(data, now=asked.as_of))
    outcomes = [
        [each.outcome for each in engine.tick(dt.datetime(2026, 11, day, 18)).occurrences]
        for day in (3, 29, 30)
    ]
    assert outcomes == [[], [], ["fired"]]
    assert engine.tick(dt.datetime(2026, 12, 1)).occurrences == []


CLAIMS = Source(
    name="claims",
    fields={
        "id": {"type": "text", "role": "id"},
        "agent": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "deposit": "bool",
        "effective": "bool",
    },
)


def outcome(rule: Any, now: str, *days: str, **more: Any) -> str:
    rows = [
        {"id": f"C{n}", "agent": "Ann", "day": day, "deposit": False, "effective": True, **more}
        for n, day in enumerate(days)
    ]
    around = Surroundings.of({"claims": CLAIMS}, {"claims": rows})
    (decision,) = evaluate({"it": rule}, [], dt.datetime.fromisoformat(now), "Asia/Shanghai", around=around)
    return decision.outcome


def expires(days: int, condition: str) -> Relative:
    return Relative.model_validate(
        {"source": "claims", "field": "day", "after": {"days": days}, "if": condition}
    )


def test_a_registration_expires_after_7_days_and_with_a_deposit_after_90() -> None:
    # AC-78.
    plain, paid = expires(7, "not deposit"), expires(90, "deposit")
    assert outcome(plain, "2026-03-07T23:59", "2026-03-01") == "not_due"
    assert outcome(plain, "2026-03-08T00:00", "2026-03-01") == "fired"
    assert outcome(plain, "2026-03-08T00:00", "2026-03-01", deposit=True) == "not_met"
    assert outcome(paid, "2026-05-29T23:59", "2026-03-01", deposit=True) == "not_due"
    assert outcome(paid, "2026-05-30T00:00", "2026-03-01", deposit=True) == "fired"


def test_a_claim_lasts_while_the_next_contact_is_within_10_days_inclusive() -> None:
    # AC-78.
    rule = Inactive(source="claims", silent={"days": 10})
    assert outcome(rule, "2026-03-11T23:59", "2026-03-01") == "not_met"
    assert outcome(rule, "2026-03-12T00:00", "2026-03-01") == "fired"
    assert outcome(rule, "2026-03-12T00:00", "2026-03-01", "2026-03-11") == "not_met"
