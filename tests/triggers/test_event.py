"""`event`: real changes of records, each told once."""

import datetime as dt
from typing import Any

import pytest

from crmrules import Source
from crmrules.triggers import Decision, Event, Happened, Surroundings, evaluate, intents

DEALS = Source(
    name="deals",
    fields={
        "id": {"type": "text", "role": "id"},
        "owner": {"type": "text", "role": "subject"},
        "stage": {"type": "text", "column": "Stage"},
        "amount": "money(2)",
    },
)
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def event(number: int, before: dict[str, Any] | None, after: dict[str, Any] | None, **more: Any) -> Event:
    given = {"source": "crm", "id": str(number), "type": "deals.saved", "subject": "", "time": NOON}
    return Event(**{**given, "before": before or {}, "after": after or {}, **more})  # type: ignore[arg-type]


def deal(stage: str, **more: Any) -> dict[str, Any]:
    return {"id": "D1", "owner": "u7", "Stage": stage, "amount": "5.00", **more}


def decided(rule: Happened, *events: Event, now: dt.datetime = NOON) -> list[Decision]:
    around = Surroundings.of({"deals": DEALS}, {}, {"u8": {"manager": "u2"}}, events=events)
    return evaluate({"it": rule}, [], now, "UTC", around=around)


def outcomes(rule: Happened, *events: Event) -> list[str]:
    return [each.outcome for each in decided(rule, *events)]


DONE = Happened(source="deals", before='stage == "open"', after='stage == "done"')


def test_conditions_before_and_after() -> None:
    # trigger_timelines.md, S12.
    assert outcomes(DONE, event(1, deal("open"), deal("pending"))) == ["not_met"]
    assert outcomes(DONE, event(2, deal("pending"), deal("done"))) == ["not_met"]
    assert outcomes(DONE, event(3, deal("open"), deal("done"))) == ["fired"]
    assert outcomes(DONE, event(4, None, deal("done"))) == ["fired"]
    assert outcomes(DONE, event(5, deal("open"), None)) == ["not_met"]


def test_what_is_written_anew_as_it_was_is_no_change() -> None:
    # S12: "done" written twice tells once; and 5.00, 5 and 5.0 are one amount.
    done = Happened(source="deals", after='stage == "done"')
    twice = [event(1, deal("open"), deal("done")), event(2, deal("done"), deal("done"))]
    assert outcomes(done, *twice) == ["fired", "not_met"]
    amount = Happened(source="deals", changed="amount")
    for same in ("5.00", 5, "5.0"):
        assert outcomes(amount, event(3, deal("open"), deal("open", amount=same))) == ["not_met"]
    assert outcomes(amount, event(4, deal("open"), deal("open", amount="5.01"))) == ["fired"]


OWNER = Happened(source="deals", changed="subject", tell=("owner", "previous", "manager"))


def test_another_owner_is_told_once_with_both() -> None:
    # B4: u7 to u8 tells once, with before and after; saving it again tells nobody.
    changed = event(1, deal("open"), deal("open", owner="u8"))
    decisions = decided(OWNER, changed, event(2, deal("open", owner="u8"), deal("open", owner="u8")))
    assert [each.outcome for each in decisions] == ["fired", "not_met"]
    told = intents(decisions, {"it": OWNER}, {})
    assert [(each.recipient.role, each.recipient.id) for each in told] == [
        ("owner", "u8"),
        ("previous", "u7"),
        ("manager", "u2"),
    ]
    assert told[0].subject == "u8"
    assert told[0].text == "D1 of u8: owner was u7 and is u8, 20 Nov 2026 12:00."
    assert intents(decisions, {"it": OWNER}, {"u8": {"locale": "zh-CN"}})[0].text == (
        "u8 的 D1：owner 由 u7 变为 u8，2026年11月20日 12:00。"
    )
    again = intents(decided(OWNER, changed, now=NOON + dt.timedelta(days=3)), {"it": OWNER}, {})
    assert [each.id for each in again] == [each.id for each in told]


def test_which_happenings_and_which_records() -> None:
    created = Happened(source="deals", on=("created",))
    deleted = Happened(source="deals", on=("deleted",))
    new, gone = event(1, None, deal("open")), event(2, deal("open"), None)
    assert (outcomes(created, new), outcomes(created, gone)) == (["fired"], ["not_met"])
    assert (outcomes(deleted, new), outcomes(deleted, gone)) == (["not_met"], ["fired"])
    assert outcomes(created, event(3, None, deal("open"), type="dealsheet")) == []
    assert outcomes(created, event(4, None, deal("open"), type="deals")) == ["fired"]


def test_the_subject_is_the_events_or_the_records_and_what_is_to_come_waits() -> None:
    rule = Happened(source="deals")
    (by_record,) = decided(rule, event(1, None, deal("open")))
    (by_event,) = decided(rule, event(1, None, deal("open"), subject="u9"))
    (by_field,) = decided(Happened(source="deals", about="id"), event(1, None, deal("open"), subject="u9"))
    assert [each.standing.subject for each in (by_record, by_event, by_field)] == ["u7", "u9", "D1"]
    assert decided(rule, event(1, None, deal("open")), now=NOON - dt.timedelta(seconds=1)) == []
    (long_past,) = decided(rule, event(1, None, deal("open")), now=NOON + dt.timedelta(days=40))
    assert long_past.outcome == "missed"


@pytest.mark.parametrize(("collapse", "reminders"), [("per_event", 3), ("per_day", 2), ("per_period", 1)])
def test_events_can_be_told_together(collapse: str, reminders: int) -> None:
    rule = Happened.model_validate({"source": "deals", "collapse": collapse})
    events = [
        event(n, None, deal("open"), time=NOON - dt.timedelta(hours=h)) for n, h in enumerate((0, 1, 24))
    ]
    told = intents(decided(rule, *events), {"it": rule}, {})
    assert len({each.id for each in told}) == reminders
