"""`all`, `any`, `not` of other triggers: what is unknown stays unknown, unless the rest decides."""

import datetime as dt
from itertools import product
from typing import Any

import pytest

from crmrules import CrmRulesError, Period, Source
from crmrules.kpi import Result, Standing
from crmrules.triggers import (
    KINDS,
    AllOf,
    AnyOf,
    Behind,
    Decision,
    Inactive,
    NotOf,
    Surroundings,
    evaluate,
    intents,
)
from crmrules.triggers.trigger import TriggerRule

MONTH = Period.parse("2026-11")
OUTCOMES = ("fired", "not_met", "no_data", "not_due")


def row(**figures: tuple[float | None, float]) -> Standing:
    results = {
        name: Result(name, value, target, None if value is None else value / target, 0.0)
        for name, (value, target) in figures.items()
    }
    return Standing("people", "u7", MONTH, results)


def rule(kind: str, *of: Any, **more: Any) -> TriggerRule:
    return KINDS[kind].model_validate({"kind": kind, "of": of, **more})


def decided(
    trigger: TriggerRule, standing: Standing, now: str = "2026-11-20T18:00", **named: TriggerRule
) -> Decision:
    around = Surroundings.of({}, {}, triggers=named)
    (decision,) = evaluate({"it": trigger}, [standing], dt.datetime.fromisoformat(now), "UTC", around=around)
    return decision


REVENUE = {"kind": "reached", "indicator": "revenue"}
VISITS = {"kind": "reached", "indicator": "visits"}
LATE = {"kind": "behind", "indicator": "revenue", "share": "50%", "by": {"day": 20, "time": "18:00"}}
GOOD, BAD, UNKNOWN = (10.0, 10.0), (1.0, 10.0), (None, 10.0)


@pytest.mark.parametrize(
    ("kind", "revenue", "visits", "outcome"),
    [
        ("all", GOOD, GOOD, "fired"), ("all", GOOD, BAD, "not_met"), ("all", BAD, UNKNOWN, "not_met"),
        ("all", GOOD, UNKNOWN, "no_data"), ("any", BAD, BAD, "not_met"), ("any", BAD, GOOD, "fired"),
        ("any", UNKNOWN, GOOD, "fired"), ("any", UNKNOWN, BAD, "no_data"),
    ],
)  # fmt: skip
def test_two_parts(kind: str, revenue: Any, visits: Any, outcome: str) -> None:
    assert decided(rule(kind, REVENUE, VISITS), row(revenue=revenue, visits=visits)).outcome == outcome


def test_the_opposite() -> None:
    assert decided(rule("not", REVENUE), row(revenue=BAD)).outcome == "fired"
    assert decided(rule("not", REVENUE), row(revenue=GOOD)).outcome == "not_met"
    assert decided(rule("not", REVENUE), row(revenue=UNKNOWN)).outcome == "no_data"


def test_a_deadline_and_no_visits() -> None:
    trigger = rule("all", LATE, {"kind": "not", "of": [VISITS]}, tell=["subject"])
    standing = row(revenue=BAD, visits=BAD)
    assert decided(trigger, standing, "2026-11-20T17:59").outcome == "not_due"
    decision = decided(trigger, standing)
    assert decision.outcome == "fired"
    assert "revenue is 1 < 5, 50% of the target 10" in decision.reason
    assert "visits is 1 < 10" in decision.reason
    texts = [intents([decision], {"it": trigger}, {}, locale=each)[0].text for each in ("en", "zh")]
    assert texts[0].startswith("it for u7 in 2026-11: fired: revenue is 1 < 5")
    assert texts[1] == "u7 2026-11：it（revenue behind 成立；not(visits reached) 成立）。"


def test_a_period_that_is_over_is_closed_for_the_whole() -> None:
    for kind in ("all", "any"):
        assert (
            decided(rule(kind, REVENUE, VISITS), row(revenue=GOOD, visits=GOOD), "2026-12-01").outcome
            == "closed"
        )
    assert decided(rule("not", REVENUE), row(revenue=BAD), "2026-12-01").outcome == "closed"


def test_the_logic_is_that_of_three_values() -> None:
    """De Morgan, over all outcomes, with what is not due for another unknown."""
    opposite = NotOf(of=("x",)).outcome
    for one, other in product(OUTCOMES, repeat=2):
        both, either = AllOf(of=("x", "y")).outcome, AnyOf(of=("x", "y")).outcome
        turned = [opposite([one]), opposite([other])]
        assert opposite([both([one, other])]) == either(turned)
        assert both([one, other]) == both([other, one])
        assert either([one, other]) == either([other, one])


def test_parts_by_their_names() -> None:
    named = {"late": KINDS["behind"].model_validate(LATE), "visited": KINDS["reached"].model_validate(VISITS)}
    trigger = rule("all", "late", {"kind": "not", "of": ["visited"]})
    assert decided(trigger, row(revenue=BAD, visits=BAD), **named).outcome == "fired"
    assert decided(trigger, row(revenue=BAD, visits=GOOD), **named).outcome == "not_met"


def test_names_that_there_are_not_and_circles() -> None:
    standing = row(revenue=GOOD)
    named = {"late": KINDS["behind"].model_validate(LATE)}
    with pytest.raises(CrmRulesError, match="no trigger `lat`") as caught:
        decided(rule("not", "lat"), standing, **named)
    assert caught.value.code == "T409"
    circle = {"one": rule("not", "two"), "two": rule("not", "one")}
    with pytest.raises(CrmRulesError, match="made of one another: `two` of `one` of `two`") as caught:
        decided(circle["one"], standing, **circle)
    assert caught.value.code == "T409"
    with pytest.raises(CrmRulesError, match="no trigger `late`"):
        rule("not", "late").evaluate("it", standing, dt.datetime(2026, 11, 20, tzinfo=dt.UTC), dt.UTC)  # type: ignore[arg-type]


def test_it_is_asked_where_all_parts_are() -> None:
    trigger = rule("all", REVENUE, VISITS)
    around = Surroundings.of({}, {})
    now = dt.datetime(2026, 11, 20)
    assert evaluate({"it": trigger}, [row(revenue=GOOD)], now, "UTC", around=around) == []
    elsewhere = rule("all", REVENUE, VISITS, model="teams")
    assert evaluate({"it": elsewhere}, [row(revenue=GOOD, visits=GOOD)], now, "UTC", around=around) == []


def test_parts_about_records() -> None:
    orders = Source(
        name="orders",
        fields={"rep": {"type": "text", "role": "subject"}, "day": {"type": "date", "role": "date"}},
    )
    visits = Source(name="visits", fields=orders.fields)
    silent = {"kind": "inactive", "silent": {"days": 10}}
    trigger = rule("all", {**silent, "source": "orders"}, {**silent, "source": "visits"})
    sources = {"orders": orders, "visits": visits}

    def outcomes(orders: str, visits: str) -> dict[str, str]:
        data = {"orders": [{"rep": "Ann", "day": orders}], "visits": [{"rep": "Ann", "day": visits}]}
        found = evaluate(
            {"it": trigger}, [], dt.datetime(2026, 11, 20), "UTC", around=Surroundings.of(sources, data)
        )
        return {each.standing.subject: each.outcome for each in found}

    assert outcomes("2026-11-01", "2026-11-02") == {"Ann": "fired"}
    assert outcomes("2026-11-01", "2026-11-19") == {"Ann": "not_met"}
    mixed = rule("all", LATE, {**silent, "source": "visits"})
    data = {"visits": [{"rep": "u7", "day": "2026-11-02"}]}
    found = evaluate(
        {"it": mixed}, [row(revenue=BAD)], dt.datetime(2026, 11, 20, 18), "UTC",
        around=Surroundings.of(sources, data),
    )  # fmt: skip
    assert [each.outcome for each in found] == ["fired"]
    assert isinstance(mixed.of[0], Behind)  # type: ignore[attr-defined]
    assert isinstance(mixed.of[1], Inactive)  # type: ignore[attr-defined]
