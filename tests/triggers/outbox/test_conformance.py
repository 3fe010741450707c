"""What every store promises, against every store."""

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crmrules.errors import CrmRulesError
from crmrules.triggers.outbox.protocol import Conflict, Session, committed
from crmrules.triggers.outbox.records import Delivery, Dirty, Event, Instance, Occurrence, Silence

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
ANN = Instance("f1", "2026-11", "half", "Ann", state="firing", since=NOON, data={"levels": ["80"]})
FIRED = Occurrence(
    "k1", "f1", "half", "Ann", "2026-11", 0, "fire", "fired", "REACHED", "1,200 ≥ 1,000 元", NOON,
    scheduled_at=NOON - MINUTE, basis={"value": "1200.00", "of": {"target": None}},
)  # fmt: skip
LETTER = Delivery("d1", "k1", "u2", "director", "mail", {"id": "d1", "text": "达成"}, NOON)


def letter(id: str, **changed: Any) -> Delivery:
    return replace(LETTER, id=id, **changed)


def keep(store: Any, *deliveries: Delivery) -> None:
    with store.transaction() as session:
        session.enqueue(deliveries)


def kept(store: Any, **filters: Any) -> list[Delivery]:
    with store.transaction() as session:
        found: list[Delivery] = session.deliveries(**filters)
        return found


def in_threads(*works: Callable[[], object]) -> None:
    failed: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if failed:
        raise failed[0]


def test_marks_are_claimed_once_each_pair_once(store: Any) -> None:
    store.mark([Dirty("Ann", "2026-11", "order 1"), Dirty("Ann", "2026-11", "order 2"), Dirty("Bo")])
    with store.transaction() as session:
        assert session.claim(10) == [Dirty("Ann", "2026-11", "order 1"), Dirty("Bo")]
    with store.transaction() as session:
        assert session.claim(10) == []


def test_marks_that_exceed_the_limit_stay(store: Any) -> None:
    store.mark(Dirty(name) for name in ("Ann", "Bo", "Cy"))
    with store.transaction() as session:
        assert [each.subject for each in session.claim(2)] == ["Ann", "Bo"]
    with store.transaction() as session:
        assert [each.subject for each in session.claim(2)] == ["Cy"]


def test_marks_of_one_tenant_are_not_claimed_for_another(store: Any) -> None:
    store.mark([Dirty("Ann", tenant="acme"), Dirty("Ann", tenant="other")])
    with store.transaction() as session:
        assert session.claim(10) == []
        assert session.claim(10, tenant="acme") == [Dirty("Ann", tenant="acme")]


def test_marking_nobody_does_nothing(store: Any) -> None:
    store.mark([])
    with store.transaction() as session:
        assert session.claim(10) == []


def test_a_transaction_that_fails_leaves_nothing_behind(store: Any) -> None:
    store.mark([Dirty("Ann"), Dirty("Bo")])
    store.publish([Event("crm", "e1", "owner changed", "Ann", NOON)])
    keep(store, letter("d0"))

    def fail() -> None:
        with store.transaction() as session:
            session.claim(10)
            session.events(10)
            session.save([ANN])
            session.record([FIRED])
            session.enqueue([LETTER])
            session.withdraw("k1", "no longer true")
            session.silence(Silence("s1", NOON, NOON + MINUTE))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.transaction() as session:
        assert session.instances([("f1", "2026-11")]) == {}
        assert session.active() == []
        assert session.occurrences() == []
        assert [(each.id, each.status) for each in session.deliveries()] == [("d0", "waiting")]
        assert session.silences(NOON) == []
        assert [each.subject for each in session.claim(10)] == ["Ann", "Bo"]
        assert [each.id for each in session.events(10)] == ["e1"]


def test_records_come_back_as_they_were_kept(store: Any) -> None:
    shanghai = NOON.astimezone(ZoneInfo("Asia/Shanghai")) + dt.timedelta(microseconds=7)
    silence = Silence("s1", NOON, NOON + MINUTE, subject="Ann", by="u9", reason="holiday")
    with store.transaction() as session:
        session.save([ANN])
        session.record([replace(FIRED, evaluated_at=shanghai)])
        session.enqueue([replace(LETTER, expires_at=NOON + MINUTE, release_check=True)])
        session.silence(silence)
    with store.transaction() as session:
        assert session.instances([("f1", "2026-11"), ("f2", "2026-11")]) == {
            ("f1", "2026-11"): replace(ANN, revision=1)
        }
        (found,) = session.occurrences()
        assert found == replace(FIRED, evaluated_at=shanghai)
        assert found.evaluated_at.tzinfo == dt.UTC
        expected = replace(LETTER, expires_at=NOON + MINUTE, release_check=True, due_at=NOON)
        assert session.deliveries() == [expected]
        assert session.silences(NOON) == [silence]


def test_what_is_kept_is_a_copy(store: Any) -> None:
    data = {"levels": ["80"]}
    with store.transaction() as session:
        session.save([replace(ANN, data=data)])
    data["levels"].append("100")
    with store.transaction() as session:
        assert session.instances([("f1", "2026-11")])["f1", "2026-11"].data == {"levels": ["80"]}


def test_a_state_that_was_read_before_another_saved_it_is_a_conflict(store: Any) -> None:
    with store.transaction() as session:
        session.save([ANN])
    with store.transaction() as session:
        session.save([replace(ANN, revision=1, state="resolved")])

    def save(revision: int) -> None:
        with store.transaction() as session:
            session.record([FIRED])
            session.save([replace(ANN, revision=revision)])

    for stale in (0, 1, 3):
        with pytest.raises(Conflict) as caught:
            save(stale)
        assert caught.value.code == "O101"
    with store.transaction() as session:
        assert session.instances([("f1", "2026-11")])["f1", "2026-11"].state == "resolved"
        assert session.occurrences() == []


def test_an_occurrence_is_kept_once_and_never_changed(store: Any) -> None:
    with store.transaction() as session:
        assert session.record([FIRED, replace(FIRED, reason="again"), replace(FIRED, key="k2")]) == {
            "k1",
            "k2",
        }
    with store.transaction() as session:
        assert session.record([replace(FIRED, reason="later"), replace(FIRED, key="k3")]) == {"k3"}
        assert {each.key: each.reason for each in session.occurrences()} == dict.fromkeys(
            ["k1", "k2", "k3"], FIRED.reason
        )
        assert session.record([]) == set()


def test_a_delivery_is_kept_once_and_never_changed(store: Any) -> None:
    with store.transaction() as session:
        assert session.enqueue([LETTER, letter("d1", recipient="u3"), letter("d2")]) == 2
        assert session.enqueue([letter("d2", recipient="u3")]) == 0
    assert {(each.id, each.recipient) for each in kept(store)} == {("d1", "u2"), ("d2", "u2")}


def test_occurrences_are_found_by_what_they_are_about(store: Any) -> None:
    others = [
        replace(FIRED, key="k2", subject="ann", evaluated_at=NOON + MINUTE),
        replace(FIRED, key="k3", trigger="pace", period="2026-12", evaluated_at=NOON - MINUTE),
        replace(FIRED, key="k4", tenant="other"),
    ]
    with store.transaction() as session:
        session.record([FIRED, *others])
        found = {
            "all": session.occurrences(),
            "subject": session.occurrences(subject="Ann"),
            "trigger": session.occurrences(trigger="pace"),
            "period": session.occurrences(period="2026-11"),
            "keys": session.occurrences(keys=["k3", "k2", "k9"]),
            "none": session.occurrences(keys=[]),
            "since": session.occurrences(since=NOON),
            "tenant": session.occurrences(tenant="other"),
        }
    assert {name: [each.key for each in keys] for name, keys in found.items()} == {
        "all": ["k3", "k1", "k2"],
        "subject": ["k3", "k1"],
        "trigger": ["k3"],
        "period": ["k1", "k2"],
        "keys": ["k3", "k2"],
        "none": [],
        "since": ["k1", "k2"],
        "tenant": ["k4"],
    }


def test_active_are_those_that_run_or_wait_for_a_time(store: Any) -> None:
    states = ["inactive", "pending", "firing", "recovering", "resolved", "closed"]
    with store.transaction() as session:
        session.save(
            Instance(f"f{number}", "2026-11", "half", "Ann", state=state)  # type: ignore[arg-type]
            for number, state in enumerate(states)
        )
        session.save([Instance("f9", "", "pace", "Ann", wake=NOON)])
        assert [each.fingerprint for each in session.active()] == ["f1", "f2", "f3", "f9"]
        assert [each.fingerprint for each in session.active("pace")] == ["f9"]
        assert [each.fingerprint for each in session.active(until=NOON)] == ["f9"]
        assert session.active(until=NOON - dt.timedelta(seconds=1)) == []
        ended = session.instances([("f2", "2026-11")])["f2", "2026-11"]
        session.save([replace(ended, state="closed")])
        assert [each.fingerprint for each in session.active("half")] == ["f1", "f3"]


def test_an_event_that_is_published_again_is_the_same_one(store: Any) -> None:
    event = Event("crm", "e1", "owner changed", "Ann", NOON, {"owner": "u7"}, {"owner": "u8"})
    store.publish([event])
    store.publish([replace(event, type="again"), replace(event, id="e2")])
    with store.transaction() as session:
        assert session.events(10) == [event, replace(event, id="e2")]
    store.publish([event])
    with store.transaction() as session:
        assert session.events(10) == []


def test_a_silence_holds_from_its_beginning_and_before_its_end(store: Any) -> None:
    with store.transaction() as session:
        session.silence(Silence("s1", NOON, NOON + 5 * MINUTE))
        session.silence(Silence("s1", NOON, NOON + MINUTE, reason="shorter"))
        held = [len(session.silences(NOON + each * MINUTE)) for each in (-1, 0, 1)]
        assert held == [0, 1, 0]


def test_a_lease_is_nobody_elses_until_it_ends(store: Any) -> None:
    keep(store, LETTER, letter("d2", channel="push"), letter("d3", deliver_after=NOON + MINUTE))
    (first,) = store.lease("mail", NOON, seconds=60, most=10)
    assert (first.id, first.status, first.attempts) == ("d1", "leased", 1)
    assert first.leased_until == NOON + MINUTE
    assert store.lease("mail", NOON + 0.9 * MINUTE, seconds=60, most=10) == []
    again = store.lease("mail", NOON + MINUTE, seconds=60, most=10)
    assert [(each.id, each.attempts) for each in again] == [("d1", 2), ("d3", 1)]


def test_a_lease_takes_no_more_than_asked_the_longest_due_first(store: Any) -> None:
    keep(store, *(letter(f"d{each}", deliver_after=NOON - each * MINUTE) for each in range(5)))
    assert [each.id for each in store.lease("mail", NOON, seconds=60, most=2)] == ["d4", "d3"]


def test_what_is_settled_is_never_leased_again(store: Any) -> None:
    keep(store, LETTER, letter("d2"), letter("d3"))
    for each, status in zip(
        store.lease("mail", NOON, seconds=60, most=10), ["delivered", "failed", "withdrawn"], strict=True
    ):
        assert store.settle(each, status, error="" if status == "delivered" else "no such address")
    assert store.lease("mail", NOON + 99 * MINUTE, seconds=60, most=10) == []
    assert [(each.status, each.error) for each in kept(store)] == [
        ("delivered", ""),
        ("failed", "no such address"),
        ("withdrawn", "no such address"),
    ]


def test_a_delivery_that_waits_again_is_leased_when_its_time_comes(store: Any) -> None:
    keep(store, LETTER)
    (first,) = store.lease("mail", NOON, seconds=60, most=1)
    assert store.settle(first, "waiting", error="server down", retry_at=NOON + 5 * MINUTE)
    assert store.lease("mail", NOON + 4 * MINUTE, seconds=60, most=1) == []
    (second,) = store.lease("mail", NOON + 5 * MINUTE, seconds=60, most=1)
    assert (second.id, second.attempts, second.error) == ("d1", 2, "server down")


def test_what_is_given_back_unsent_is_no_attempt(store: Any) -> None:
    keep(store, LETTER)
    (first,) = store.lease("mail", NOON, seconds=60, most=1)
    assert store.settle(first, "waiting", retry_at=NOON)
    (second,) = store.lease("mail", NOON, seconds=60, most=1)
    assert second.attempts == 1


def test_who_lost_the_lease_cannot_settle_it_but_what_was_delivered_is_delivered(store: Any) -> None:
    keep(store, LETTER)
    (slow,) = store.lease("mail", NOON, seconds=60, most=1)
    (fast,) = store.lease("mail", NOON + 2 * MINUTE, seconds=60, most=1)
    assert not store.settle(slow, "waiting", error="timed out", retry_at=NOON)
    assert kept(store)[0].leased_until == NOON + 3 * MINUTE
    assert store.settle(slow, "delivered")
    assert not store.settle(fast, "failed", error="duplicate")
    assert not store.settle(fast, "delivered")
    assert kept(store)[0].status == "delivered"


def test_at_most_once_counts_as_delivered_before_it_is_sent(store: Any) -> None:
    keep(store, LETTER)
    (sms,) = store.lease("mail", NOON, seconds=60, most=1, at_most_once=True)
    assert sms.status == "delivered"
    assert store.lease("mail", NOON + 99 * MINUTE, seconds=60, most=1, at_most_once=True) == []
    assert store.settle(sms, "failed", error="refused")
    assert [(each.status, each.error) for each in kept(store)] == [("failed", "refused")]


def test_what_expired_is_settled_and_comes_back_as_expired(store: Any) -> None:
    keep(store, letter("d1", expires_at=NOON), letter("d2", expires_at=NOON + MINUTE))
    taken = store.lease("mail", NOON, seconds=60, most=10)
    assert [(each.id, each.status) for each in taken] == [("d1", "expired"), ("d2", "leased")]
    assert [each.status for each in kept(store)] == ["expired", "leased"]
    again = store.lease("mail", NOON + MINUTE, seconds=60, most=10)
    assert [(each.id, each.status) for each in again] == [("d2", "expired")]


def test_only_what_no_relay_has_taken_is_withdrawn(store: Any) -> None:
    keep(store, LETTER, letter("d2", deliver_after=NOON + MINUTE), letter("d3", occurrence="k2"))
    store.lease("mail", NOON, seconds=60, most=1)
    with store.transaction() as session:
        found = session.withdraw("k1", "no longer true")
    assert [(each.id, each.status, each.error) for each in found] == [
        ("d1", "leased", ""),
        ("d2", "withdrawn", "no longer true"),
    ]
    left = store.lease("mail", NOON + MINUTE / 2, seconds=60, most=10)
    assert [each.id for each in left] == ["d3"]


def test_a_digest_is_sealed_once_and_its_members_are_sent_inside_it(store: Any) -> None:
    keep(store, letter("d1", digest="w1"), letter("d2", digest="w1"), letter("d3", digest="w2"))
    assert store.lease("mail", NOON + MINUTE, seconds=60, most=10) == []
    with store.transaction() as session:
        assert [each.id for each in session.deliveries(digest="*")] == ["d1", "d2", "d3"]
        members = [each.id for each in session.deliveries(digest="w1", status="waiting")]
        assert session.seal(members, letter("e1"))
    with store.transaction() as session:
        assert not session.seal(["d3"], letter("e1"))
    with pytest.raises(Conflict), store.transaction() as session:
        session.seal(["d1"], letter("e2"))
    assert [each.id for each in store.lease("mail", NOON, seconds=60, most=10)] == ["e1"]
    assert {each.id: each.status for each in kept(store)} == {
        "d1": "collected",
        "d2": "collected",
        "d3": "waiting",
        "e1": "leased",
    }


def test_two_relays_never_hold_the_same_delivery(store: Any) -> None:
    keep(store, *(letter(f"d{each:02}") for each in range(40)))
    taken: list[str] = []

    def relay() -> None:
        while found := store.lease("mail", NOON, seconds=60, most=3):
            taken.extend(each.id for each in found)
            for each in found:
                store.settle(each, "delivered")

    in_threads(relay, relay, relay, relay)
    # A relay may find nothing while another holds the rest, so a few can be left for the next round.
    relay()
    assert sorted(taken) == [f"d{each:02}" for each in range(40)]


def test_sessions_at_once_never_claim_the_same_mark_and_lose_none(store: Any) -> None:
    subjects = [f"u{each:02}" for each in range(24)]
    store.mark(Dirty(each) for each in subjects)
    claimed: list[str] = []

    def evaluate() -> None:
        for _ in range(4):
            claimed.extend(
                committed(store, lambda session: [mark.subject for mark in session.claim(2)], attempts=50)
            )

    in_threads(evaluate, evaluate, evaluate)
    with store.transaction() as session:
        claimed += [mark.subject for mark in session.claim(100)]
    assert sorted(claimed) == subjects


def test_evaluations_of_a_subject_take_turns(store: Any) -> None:
    """Each adds one to a figure that is no part of the store: without turns, some would be lost."""
    figure = [0]

    def evaluate() -> None:
        for _ in range(5):
            with store.transaction() as session:
                session.lock(["Ann"])
                before = figure[0]
                threading.Event().wait(0.001)
                figure[0] = before + 1

    in_threads(evaluate, evaluate, evaluate)
    assert figure == [15]


def test_work_that_met_a_conflict_is_run_again(store: Any) -> None:
    met: list[int] = []

    def work(session: Session) -> int:
        met.append(1)
        if len(met) < 3:
            raise Conflict("O101", "somebody was there first")
        session.record([FIRED])
        return len(met)

    assert committed(store, work) == 3
    with pytest.raises(Conflict):
        committed(store, lambda session: session.save([replace(ANN, revision=7)]), attempts=2)


@pytest.mark.parametrize(
    "instance",
    [
        replace(ANN, since=NOON.replace(tzinfo=None)),
        replace(ANN, data={"share": float("nan")}),
        replace(ANN, data={"day": NOON}),
        replace(ANN, subject="A" * 256),
        replace(ANN, subject="A\0"),
        replace(ANN, subject="\ud83d"),
    ],
    ids=["no zone", "nan", "a date in JSON", "too long", "NUL", "half a character"],
)
def test_what_some_database_would_change_is_refused_by_all(store: Any, instance: Instance) -> None:
    with pytest.raises(CrmRulesError) as caught, store.transaction() as session:
        session.save([instance])
    assert caught.value.code == "O103"


def test_a_strange_connection_is_refused(store: Any) -> None:
    with pytest.raises(CrmRulesError) as caught:
        store.mark([Dirty("Ann")], connection=object())
    assert caught.value.code == "O104"
