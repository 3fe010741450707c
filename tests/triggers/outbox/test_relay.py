"""The relay: at least once, each delivery by itself."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.triggers.outbox import Delivery, Instance, MemoryStore, Occurrence
from crmrules.triggers.outbox.relay import Refused, Relay, Retry, Round

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
LETTER = Delivery("d1", "k1", "u2", "director", "mail", {"id": "d1"}, NOON)


class Sent(list[str]):
    """A sender that remembers what it was given, and fails where it is told to."""

    def __init__(self, failing: Callable[[Delivery], Exception | None] = lambda _: None) -> None:
        super().__init__()
        self.failing = failing

    def __call__(self, delivery: Delivery) -> None:
        self.append(delivery.id)
        if error := self.failing(delivery):
            raise error


def keep(store: Any, *deliveries: Delivery) -> None:
    with store.transaction() as session:
        session.enqueue(deliveries)


def statuses(store: Any) -> dict[str, str]:
    with store.transaction() as session:
        return {each.id: each.status for each in session.deliveries()}


def test_what_is_due_is_sent_and_confirmed_once(store: Any) -> None:
    keep(store, LETTER, replace(LETTER, id="d2", deliver_after=NOON + MINUTE))
    mail = Sent()
    relay = Relay(store, {"mail": mail})
    assert relay.run_once(NOON) == Round(delivered=1)
    assert relay.run_once(NOON).taken == 0
    assert relay.run_once(NOON + MINUTE) == Round(delivered=1)
    assert mail == ["d1", "d2"]
    assert statuses(store) == {"d1": "delivered", "d2": "delivered"}


def test_a_channel_that_fails_never_sends_another_again(store: Any) -> None:
    """S8: mail is confirmed although push of the same intent fails for an hour."""
    keep(store, LETTER, replace(LETTER, id="d2", channel="push"))
    mail, push = Sent(), Sent(lambda _: ConnectionError("push is down"))
    relay = Relay(store, {"push": push, "mail": mail}, retry=Retry(first_seconds=60, factor=1))
    for each in range(4):
        relay.run_once(NOON + each * MINUTE)
    assert mail == ["d1"]
    assert push == ["d2"] * 4


def test_a_delivery_that_fails_breaks_none_of_its_neighbours(store: Any) -> None:
    keep(store, *(replace(LETTER, id=f"d{each}") for each in range(5)))
    mail = Sent(lambda delivery: ValueError("\0 half \ud83d") if delivery.id == "d2" else None)
    assert Relay(store, {"mail": mail}).run_once(NOON) == Round(delivered=4, retried=1)
    with store.transaction() as session:
        (waiting,) = session.deliveries(status="waiting")
    assert waiting.error == "ValueError:  half ?"


def test_waits_grow_and_after_so_many_attempts_it_has_failed_for_all_to_see(store: Any) -> None:
    keep(store, LETTER)
    mail = Sent(lambda _: ConnectionError("down"))
    relay = Relay(store, {"mail": mail}, retry=Retry(attempts=3, first_seconds=60, factor=3))
    sent_at = []
    for minute in range(20):
        before = len(mail)
        relay.run_once(NOON + minute * MINUTE)
        sent_at += [minute] * (len(mail) - before)
    assert sent_at == [0, 1, 4]
    with store.transaction() as session:
        (failed,) = session.deliveries(status="failed")
    assert (failed.attempts, failed.error) == (3, "ConnectionError: down")


def test_what_is_refused_is_not_tried_again(store: Any) -> None:
    keep(store, LETTER)
    mail = Sent(lambda _: Refused("no such mailbox"))
    relay = Relay(store, {"mail": mail})
    assert relay.run_once(NOON) == Round(failed=1)
    assert relay.run_once(NOON + 99 * MINUTE).taken == 0


def test_each_channel_can_have_its_own_retry(store: Any) -> None:
    keep(store, LETTER, replace(LETTER, id="d2", channel="push"))
    down = Sent(lambda _: ConnectionError("down"))
    relay = Relay(store, {"mail": down, "push": down}, retry={"push": Retry(attempts=1)})
    assert relay.run_once(NOON) == Round(retried=1, failed=1)


def test_at_most_once_never_sends_twice_even_where_the_sender_fails(store: Any) -> None:
    keep(store, LETTER, replace(LETTER, id="d2"))
    sms = Sent(lambda delivery: TimeoutError("no answer") if delivery.id == "d1" else None)
    relay = Relay(store, {"mail": sms}, at_most_once={"mail"})
    assert relay.run_once(NOON) == Round(delivered=1, failed=1)
    assert relay.run_once(NOON + 99 * MINUTE).taken == 0
    assert sms == ["d1", "d2"]


def test_a_relay_that_died_while_it_sent_is_followed_by_another_with_the_same_id(store: Any) -> None:
    keep(store, LETTER)

    class Killed(BaseException):
        pass

    def dies(delivery: Delivery) -> None:
        raise Killed

    with pytest.raises(Killed):
        Relay(store, {"mail": dies}, lease_seconds=60).run_once(NOON)
    mail = Sent()
    other = Relay(store, {"mail": mail}, lease_seconds=60)
    assert other.run_once(NOON + 0.5 * MINUTE).taken == 0
    assert other.run_once(NOON + MINUTE) == Round(delivered=1)
    assert mail == ["d1"]


def test_a_delivery_that_ends_every_relay_has_failed_at_last(store: Any) -> None:
    keep(store, LETTER)
    for attempt in range(2):
        store.lease("mail", NOON + attempt * MINUTE, seconds=60, most=1)
    mail = Sent()
    relay = Relay(store, {"mail": mail}, retry=Retry(attempts=2))
    assert relay.run_once(NOON + 2 * MINUTE) == Round(failed=1)
    assert mail == []


def test_what_expired_is_not_sent(store: Any) -> None:
    keep(store, replace(LETTER, expires_at=NOON))
    mail = Sent()
    assert Relay(store, {"mail": mail}).run_once(NOON) == Round(expired=1)
    assert mail == []


def test_a_slow_sender_leaves_the_rest_before_its_lease_runs_out(store: Any) -> None:
    """Nothing is sent that another relay may already hold."""
    keep(store, *(replace(LETTER, id=f"d{each}") for each in range(5)))
    watch = [0.0]

    def slow(delivery: Delivery) -> None:
        watch[0] += 20

    relay = Relay(store, {"mail": slow}, lease_seconds=60, elapsed=lambda: watch[0])
    assert relay.run_once(NOON) == Round(delivered=3, left=2)
    assert relay.run_once(NOON + MINUTE) == Round(delivered=2)
    with store.transaction() as session:
        assert {each.attempts for each in session.deliveries()} == {1}


def test_a_delivery_that_another_settled_meanwhile_counts_as_lost(store: Any) -> None:
    keep(store, LETTER)

    def overtaken(delivery: Delivery) -> None:
        (again,) = store.lease("mail", NOON + 2 * MINUTE, seconds=60, most=1)
        store.settle(again, "delivered")

    assert Relay(store, {"mail": overtaken}).run_once(NOON) == Round(lost=1)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("firing", "delivered"),
        ("recovering", "delivered"),
        ("resolved", "withdrawn"),
        ("closed", "delivered"),
    ],
)
def test_a_release_check_withdraws_what_is_no_longer_true(store: Any, state: Any, expected: str) -> None:
    """B6: fired at night, resolved before the morning."""
    fired = Occurrence("k1", "f1", "half", "Ann", "2026-11", 0, "fire", "fired", "REACHED", "", NOON)
    with store.transaction() as session:
        session.save([Instance("f1", "2026-11", "half", "Ann", state=state)])
        session.record([fired])
        session.enqueue([replace(LETTER, release_check=True), replace(LETTER, id="d2")])
    Relay(store, {"mail": Sent()}).run_once(NOON)
    assert statuses(store) == {"d1": expected, "d2": "delivered"}


def test_a_release_check_of_the_hosts_own_is_asked_and_may_fail(store: Any) -> None:
    keep(store, replace(LETTER, release_check=True), replace(LETTER, id="d2", release_check=True))

    def check(delivery: Delivery) -> bool:
        if delivery.id == "d1":
            raise ConnectionError("the CRM is down")
        return False

    mail = Sent()
    assert Relay(store, {"mail": mail}, release_check=check).run_once(NOON) == Round(retried=1, withdrawn=1)
    assert mail == []


@given(st.floats(0.1, 1e5), st.floats(1, 100), st.floats(0.1, 1e6), st.integers(1, 200), st.integers(1, 200))
def test_waits_never_shrink_and_never_exceed_the_longest(
    first: float, factor: float, most: float, one: int, other: int
) -> None:
    retry = Retry(first_seconds=first, factor=factor, most_seconds=most)
    less, more = sorted((one, other))
    assert dt.timedelta(0) < retry.wait(less) <= retry.wait(more) <= dt.timedelta(seconds=most)


@given(st.lists(st.sampled_from(["delivered", "fails", "expires", "refused"]), max_size=20))
def test_every_delivery_of_a_round_is_counted_once(kinds: list[str]) -> None:
    store = MemoryStore()
    keep(
        store,
        *(
            replace(LETTER, id=f"d{each}", role=kind, expires_at=NOON if kind == "expires" else None)
            for each, kind in enumerate(kinds)
        ),
    )
    errors = {"fails": ConnectionError(), "refused": Refused()}
    found = Relay(store, {"mail": Sent(lambda delivery: errors.get(delivery.role))}).run_once(NOON)
    assert found == Round(
        delivered=kinds.count("delivered"),
        retried=kinds.count("fails"),
        expired=kinds.count("expires"),
        failed=kinds.count("refused"),
    )
    assert found.taken == len(kinds)
