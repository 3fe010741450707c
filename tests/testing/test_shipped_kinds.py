"""The shipped kinds pass the kit that custom triggers are checked with."""

from dataclasses import replace
from typing import Any

import pytest

from crmrules.kpi import Result
from crmrules.testing import check_trigger, context
from crmrules.triggers import KINDS, Event, Surroundings
from crmrules.triggers.asked import AskedRule

DEALS = {
    "id": {"type": "text", "role": "id"},
    "rep": {"type": "text", "role": "subject"},
    "day": {"type": "datetime", "role": "date"},
    "entered": "datetime",
    "customer": "text",
    "amount": "money(2)",
}
ROWS = [
    {"id": f"D{n}", "rep": "Ann", "day": f"2026-11-{day:02}T12:00", "entered": "2026-11-19T10:00",
     "customer": "ACME", "amount": "5.00"}
    for n, day in enumerate((2, 5, 9, 9, 12, 22))
]  # fmt: skip
ANN = context(
    "Ann",
    "2026-11-20T18:00",
    sources={"deals": DEALS},
    records={"deals": ROWS},
    figures={"revenue": Result("revenue", 5.0, 10.0, 0.5), "margin": Result("margin", 1.0, 2.0, 0.5)},
    people={"manager": "Bo"},
)


@pytest.mark.parametrize(
    "written",
    [
        {"kind": "pace", "indicator": "revenue"},
        {
            "kind": "relative", "source": "deals", "field": ["day", "entered"], "before": {"days": 2},
            "if": "amount > 1",
        },
        {"kind": "inactive", "source": "deals", "silent": {"working_days": 3}},
        {"kind": "inactive", "source": "deals", "usual": 1.5},
        {
            "kind": "data_quality", "source": "deals", "late": {"days": 3}, "recorded": "entered",
            "missing": "customer",
        },
        {"kind": "data_quality", "source": "deals", "odd": "amount < 10"},
        {"kind": "schedule", "by": {"day": 20, "time": "18:00"}, "model": "people"},
    ],
    ids=lambda written: written["kind"],
)  # fmt: skip
def test_a_kind_is_pure_and_bears_what_is_missing(written: dict[str, Any]) -> None:
    rule = KINDS[written["kind"]].model_validate(written)
    assert isinstance(rule, AskedRule)
    assert [*rule.answers(ANN)]
    assert check_trigger(rule, ANN, seconds=5, hash_seeds=()).findings == ()


def test_events_and_collisions() -> None:
    # What they look at stands in the surroundings; the kit turns round what the context has.
    known = ANN.facts.known
    event = Event("crm", "1", "deals", "Ann", ANN.as_of, {}, {"id": "D1", "rep": "Ann"})
    around = Surroundings(known, known.sources, events=(event,))
    happened = KINDS["event"].model_validate({"source": "deals"}).within(around)
    claims = {"who": "rep", "when": "day", "keys": {"name": "customer"}, "decide": "first_claim"}
    collided = KINDS["collision"].model_validate({"source": "deals", "rule": claims}).within(around)
    for rule in (happened, collided):
        assert isinstance(rule, AskedRule)
        assert check_trigger(rule, replace(ANN), seconds=5, hash_seeds=()).findings == ()
