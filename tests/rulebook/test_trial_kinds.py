"""Kinds that read records and events, lived through by the engine as tests of rules."""

from collections.abc import Iterator
from typing import Any

import pytest

from crmrules import Answer, Context, trigger
from crmrules.rulebook import trial, trial_run
from crmrules.triggers import KINDS

FIELDS: dict[str, Any] = {
    "id": {"type": "text", "role": "id"},
    "rep": {"type": "text", "role": "subject"},
    "day": {"type": "datetime", "role": "date"},
    "customer": "text",
    "stage": "text",
}


def book(**triggers: Any) -> dict[str, Any]:
    return {
        "zone": "Asia/Shanghai",
        "sources": {"deals": {"fields": FIELDS}},
        "measures": {"deals": "count()"},
        "models": {"people": {"indicators": {"deals": {"target": 10, "weight": 1}}}},
        "triggers": triggers,
    }


def deal(id: str, day: str | None, **more: Any) -> dict[str, Any]:
    return {"id": id, "rep": "u7", "day": day, "customer": "ACME", "stage": "open", **more}


def passes(rules: dict[str, Any], **case: Any) -> bool:
    given = {"name": "it", "start": "2026-11-01", **case}
    found = trial_run.run_case(trial.Case.model_validate(given), trial.Rules(rules))
    assert found.passed, str(found)
    return True


def expected(trigger: str, subject: str = "u7", outcome: str = "fired", **more: Any) -> dict[str, Any]:
    return {"trigger": trigger, "subject": subject, "outcome": outcome, **more}


SOON = {"kind": "relative", "source": "deals", "field": "day", "before": {"days": 2}}


def test_two_days_before_by_a_daily_run() -> None:
    # trigger_timelines.md, S13: once, also where the daily run is run twice.
    rows = {"deals": [deal("D0", "2014-01-01T12:00"), deal("D1", "2026-11-12T12:00")]}
    ticks = ["2026-11-09T18:00", "2026-11-10T18:00", "2026-11-10T18:30", "2026-11-11T18:00"]
    assert passes(
        book(soon=SOON), records=rows, ticks=ticks, expect=[expected("soon", at="2026-11-10T18:00")]
    )


def test_two_days_before_when_nobody_ran_on_the_day() -> None:
    # S13: once, a day late.
    late = expected("soon", at="2026-11-11T12:00", late_by="24 hours")
    assert passes(
        book(soon=SOON), records={"deals": [deal("D1", "2026-11-12T12:00")]},
        ticks=["2026-11-09T18:00", "2026-11-11T12:00", "2026-11-12T12:00"], expect=[late],
    )  # fmt: skip


def test_two_records_of_one_subject_and_a_date_that_moves() -> None:
    steps = [{"at": "2026-11-13", "change": {"deals": {"D1": {"day": "2026-11-20T12:00"}}}}]
    assert passes(
        book(soon=SOON),
        records={"deals": [deal("D1", "2026-11-12T12:00"), deal("D2", "2026-11-12T15:00")]},
        timeline=steps,
        ticks={"every": "1 day", "from": "2026-11-09T18:00", "until": "2026-11-20T18:00"},
        expect=[
            expected("soon", at="2026-11-10T18:00", message="D1"),
            expected("soon", at="2026-11-10T18:00", message="D2"),
            expected("soon", at="2026-11-18T18:00", message="D1"),
        ],
    )


SILENT = {"kind": "inactive", "source": "deals", "about": "customer", "silent": {"days": 10}}


def test_each_silence_of_a_customer_once() -> None:
    steps = [{"at": "2026-11-20T09:00", "add": {"deals": [deal("D2", "2026-11-20T09:00")]}}]
    assert passes(
        book(lost=SILENT),
        records={"deals": [deal("D1", "2026-11-01T12:00")]},
        timeline=steps,
        ticks={"every": "1 day", "from": "2026-11-02T08:00", "until": "2026-12-05T08:00"},
        expect=[
            expected("lost", "ACME", at="2026-11-12T08:00", message="since 1 Nov 2026"),
            expected("lost", "ACME", at="2026-12-01T08:00", message="since 20 Nov 2026"),
        ],
    )


def test_a_new_owner_is_told_once() -> None:
    # B4: u7 to u8 on the 15th; saved again, nothing.
    before, after = ({"id": "D1", "rep": rep, "customer": "ACME", "stage": "open"} for rep in ("u7", "u8"))

    def event(id: str, **what: Any) -> dict[str, Any]:
        return {"id": id, "type": "deals.saved", "subject": "u8", **what}

    assert passes(
        book(handover={"kind": "event", "source": "deals", "changed": "subject"}),
        records={"deals": [deal("D1", "2026-11-12T12:00", rep="u8")]},
        timeline=[
            {"at": "2026-11-15T10:00", "event": event("E1", before=before, after=after)},
            {"at": "2026-11-15T10:05", "event": event("E2", before=after, after=after)},
            {"at": "2026-11-16T10:00", "event": event("E1", before=before, after=after)},
        ],
        ticks=["2026-11-15T09:00", "2026-11-15T12:00", "2026-11-16T12:00"],
        expect=[expected("handover", "u8", at="2026-11-15T12:00", message="rep was u7 and is u8")],
    )


def test_all_of_a_deadline_and_a_silence() -> None:
    late = {"kind": "behind", "indicator": "deals", "share": "50%", "by": {"day": 20, "time": "18:00"}}
    silent = {"kind": "inactive", "source": "deals", "silent": {"days": 5}}
    rules = book(alarm={"kind": "all", "model": "people", "of": [late, silent]})
    ticks = {"every": "1 day", "from": "2026-11-18T18:00", "until": "2026-11-22T18:00"}
    quiet = {"deals": [deal("D1", "2026-11-10T12:00")]}
    assert passes(rules, records=quiet, ticks=ticks, expect=[expected("alarm", at="2026-11-20T18:00")])
    busy = {"deals": [*quiet["deals"], deal("D2", "2026-11-19T12:00")]}
    assert passes(rules, records=busy, ticks=ticks)


@pytest.fixture
def _kinds() -> Iterator[None]:
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


@pytest.mark.usefixtures("_kinds")
def test_a_custom_trigger_is_asked_as_time_goes_by() -> None:
    @trigger("acme.quiet")
    def quiet(context: Context, parameters: object) -> Answer:
        last = context.facts.last("deals")
        days = context.days_between(last, context.today)
        return Answer.when(None if days is None else days >= 5, f"{days} days", anchor=str(last and last.id))

    for rule in ({"kind": "acme.quiet", "source": "deals"}, {"kind": "acme.quiet", "model": "people"}):
        assert passes(
            book(quiet=rule),
            records={"deals": [deal("D1", "2026-11-03T12:00")]},
            ticks={"every": "1 day", "from": "2026-11-05T18:00", "until": "2026-11-12T18:00"},
            expect=[
                expected("quiet", outcome="not_met", at="2026-11-07T18:00"),
                expected("quiet", at="2026-11-08T18:00"),
            ],
        )


def test_ticks_can_be_left_out_and_the_same_fires() -> None:
    """The law of ticks, for kinds that read records: only how late it is differs."""
    rules = book(soon=SOON, lost=SILENT)
    records = {"deals": [deal("D1", "2026-11-05T12:00", customer="Hooli"), deal("D2", "2026-11-02T12:00")]}
    fired = []
    for every in ("1 hour", "7 hours", "1 day"):
        case = {"name": "it", "start": "2026-11-01", "records": records}
        ticks = {"every": every, "from": "2026-11-01T00:00", "until": "2026-11-15T00:00"}
        found = trial_run.run_case(trial.Case.model_validate({**case, "ticks": ticks}), trial.Rules(rules))
        fired.append(sorted({each.split("found")[1].split(":")[0] for each in found.differences}))
    assert fired[0] == fired[1] == fired[2]
    assert len(fired[0]) == 2
