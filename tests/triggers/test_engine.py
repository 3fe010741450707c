"""What the engine makes of facts and time: fired once, and everything else with its reason."""

import datetime as dt
from typing import Any

import pytest

from crmrules.errors import CrmRulesError
from crmrules.triggers import Behind, Due, Reached, TriggerRule
from crmrules.triggers.outbox import Dirty, MemoryStore

TWENTIETH = Due(day=20, time=dt.time(18))


def half(**options: Any) -> Behind:
    return Behind(indicator="sales", share="50%", by=TWENTIETH, **options)


def reached(**options: Any) -> TriggerRule:
    return Reached.model_validate({"indicator": "sales", **options})


def test_a_target_that_is_reached_is_told_once(host: Any) -> None:
    at = host({"hit": reached()})
    at.book("u7", "40000.00", "2025-03-03T10:00")
    assert at.fired(at.tick("2025-03-03T10:01")) == []
    at.book("u7", "100000.00", "2025-03-04T10:00")
    report = at.tick("2025-03-04T10:01")
    assert at.fired(report) == [("u7", "hit", "fire")]
    assert [each.recipient for each in report.deliveries] == ["u7"]
    assert report.intents[0].text == (
        "u7 has reached 100% of the target for sales in 2025-03: 100,000.00 of 100,000 (100%)."
    )
    at.book("u7", "120000.00", "2025-03-05T10:00")
    assert at.tick("2025-03-05T10:01").occurrences == []
    at.start()
    assert at.tick("2025-03-05T10:02").occurrences == []


def test_b1_a_deadline_tells_salesperson_and_director(host: Any) -> None:
    at = host({"half": half(tell=("subject", "director"))})
    at.people = {"u7": {"director": "u2"}}
    at.book("u7", "48700.00", "2025-03-10T10:00")
    at.book("u8", "50000.00", "2025-03-10T10:00")
    assert at.tick("2025-03-20T17:59").occurrences == []
    report = at.tick("2025-03-20T18:00")
    assert at.fired(report) == [("u7", "half", "due")]
    assert {each.recipient for each in report.deliveries} == {"u7", "u2"}
    assert "48,700.00 < 50,000.00" in report.intents[0].reason
    assert at.outcomes("u8") == [("due", "not_met")]
    assert at.tick("2025-03-20T18:01").occurrences == []
    assert at.tick("2025-03-31T18:00").occurrences == []


def test_b2_evaluated_late_it_fires_late_if_it_held_when_due_and_still_does(host: Any) -> None:
    at = host({"half": half()})
    for subject, due, now in [("u1", "48700", "47000"), ("u2", "48700", "61000"), ("u3", "61000", "47000")]:
        at.book(subject, f"{due}.00", "2025-03-10T10:00")
        at.book(subject, f"{now}.00", "2025-03-22T10:00")
    at.tick("2025-03-19T12:00")
    report = at.tick("2025-03-23T09:00")
    (intent,) = report.intents
    assert intent.subject == "u1"
    assert intent.late_by == dt.timedelta(days=2, hours=15)
    assert "47,000.00" in intent.text
    assert at.outcomes("u2") == [("due", "recovered_before_delivery")]
    assert at.outcomes("u3") == [("due", "not_met")]
    assert at.tick("2025-03-23T09:05").occurrences == []


def test_ac_74_nothing_has_to_happen_for_a_deadline_to_come(host: Any) -> None:
    at = host({"half": half()})
    at.book("u7", "0.00", "2025-03-01T10:00", mark=False)
    at.tick("2025-03-01T12:00")
    assert at.fired(at.tick("2025-03-20T18:00")) == [("u7", "half", "due")]


def test_past_its_grace_a_deadline_is_missed_with_a_reason(host: Any) -> None:
    at = host({"half": half(grace="1 day")})
    at.book("u7", "0.00", "2025-03-01T10:00")
    at.tick("2025-03-01T12:00")
    at.tick("2025-03-23T09:00")
    assert at.outcomes() == [("due", "missed")]
    assert "2 days, 15:00:00 after its time" in str(at.engine.history("u7"))


def test_s23_lowered_below_the_value_a_threshold_fires(host: Any) -> None:
    at = host({"hit": reached(share="150%")})
    at.book("u7", "120000.00", "2025-03-03T10:00")
    assert at.fired(at.tick("2025-03-03T10:01")) == []
    at.start(hit=reached(share="100%"))
    assert at.fired(at.tick("2025-03-03T10:02")) == [("u7", "hit", "fire")]


def test_s23_unknown_in_between_is_no_new_crossing(host: Any) -> None:
    at = host({"hit": reached(rearm="on_resolve")})
    at.book("u7", "120000.00", "2025-03-03T10:00")
    at.tick("2025-03-03T10:01")
    for value in (None, "120000.00"):
        at.book("u7", value, "2025-03-03T11:00")
        assert at.tick("2025-03-03T11:01").occurrences == []


def test_b9_of_periods_that_are_over_nobody_is_told(host: Any) -> None:
    at = host({"hit": reached(), "half": half()})
    for year in ("2022", "2023", "2024"):
        for month in range(1, 13):
            at.book("u7", "120000.00", f"{year}-{month:02}-05T10:00")
    at.book("u7", "120000.00", "2025-03-05T10:00")
    report = at.tick("2025-03-06T10:00")
    assert at.fired(report) == [("u7", "hit", "fire")]
    assert [each.period for each in report.intents] == ["2025-03"]
    assert {each.outcome for each in report.occurrences if each.period != "2025-03"} == {
        "would_have_fired",
        "not_met",
    }


def test_a_failing_trigger_breaks_no_other_and_is_tried_again(host: Any) -> None:
    class Broken(Reached.__mro__[1]):  # type: ignore[misc,name-defined]
        kind: str = "broken"
        works: bool = False

        def evaluate(self, *given: Any) -> Any:
            if not self.works:
                raise ZeroDivisionError("of mine")
            return reached().evaluate(*given)

    at = host({"broken": Broken(indicator="sales"), "hit": reached()})
    at.book("u7", "120000.00", "2025-03-03T10:00")
    report = at.tick("2025-03-03T10:01")
    assert at.fired(report) == [("u7", "hit", "fire")]
    assert report.failures == {"broken": "ZeroDivisionError: of mine"}
    assert at.engine.health == report.failures
    assert ("health", "failed") in at.outcomes()
    at.start(broken=Broken(indicator="sales", works=True))
    assert at.fired(at.tick("2025-03-03T10:30")) == [("u7", "broken", "fire")]


def test_where_reading_fails_nothing_that_was_marked_is_lost(host: Any) -> None:
    at = host({"hit": reached()})
    at.book("u7", "120000.00", "2025-03-03T10:00")
    read, at.engine._read = at.engine._read, lambda request: 1 / 0
    with pytest.raises(ZeroDivisionError):
        at.tick("2025-03-03T10:01")
    at.engine._read = read
    assert at.fired(at.tick("2025-03-03T10:02")) == [("u7", "hit", "fire")]


def test_without_a_way_to_read_a_tick_says_so() -> None:
    from crmrules.triggers.engine import Engine

    store = MemoryStore()
    store.mark([Dirty("u7")])
    with pytest.raises(CrmRulesError) as caught:
        Engine({"hit": reached()}, store).tick(dt.datetime(2025, 3, 3))
    assert caught.value.code == "T302"
