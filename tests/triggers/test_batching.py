"""What Alertmanager says of batching and repeating, against digests and repeats: adopted or not, and why.

S7: a group waits, then tells all of it together; again when there is something new, or after the repeat
interval. Adopted: what comes together before a digest closes is told together, and what comes later is in the
next. Not adopted: a batch never says again what an earlier one said. A salesperson's digest is a letter, not
the state of a system; what has to be said again is so by the `repeat` of its trigger.

S8b: whether a group is told again, by what it said last. There a set of alerts is compared; here each
occurrence has a key of its own, so each row of that table follows from keys alone.
"""

from typing import Any

import pytest

from crmrules.triggers import Reached, TriggerRule

MORNING = "2025-03-03T"


def hit(**options: Any) -> TriggerRule:
    return Reached.model_validate({"indicator": "sales", "tell": ["director"], **options})


def five(host: Any, **options: Any) -> Any:
    """Five salespeople with one director."""
    at = host({"hit": hit(**options)})
    at.people = {f"test{n}": {"director": "u2"} for n in range(1, 6)}
    return at


def sell(at: Any, *who: int, when: str, value: str = "100000.00") -> Any:
    for each in who:
        at.book(f"test{each}", value, when)
    return at.tick(when)


def sealed(report: Any) -> list[list[str]]:
    """The members of the digests that were closed."""
    return [
        sorted(each["data"]["subject"] for each in delivery.payload["data"]["members"])
        for delivery in report.deliveries
        if delivery.role == "digest"
    ]


def test_s7_what_comes_together_is_told_together_and_once(host: Any) -> None:
    at = five(host, digest={"at": "18:00"})
    assert sealed(sell(at, 1, when=MORNING + "11:00")) == []
    assert sealed(sell(at, 5, when=MORNING + "17:00")) == []
    assert sealed(at.tick(MORNING + "18:00")) == [["test1", "test5"]]
    sell(at, 2, 3, 4, when=MORNING + "18:01")
    # There the second message has all five; here the three that are new.
    assert sealed(at.tick("2025-03-04T18:00")) == [["test2", "test3", "test4"]]
    for day in range(5, 12):
        assert sealed(at.tick(f"2025-03-{day:02}T18:00")) == []


def test_s7_a_repeat_is_in_the_digest_of_its_day(host: Any) -> None:
    at = five(host, digest={"at": "18:00"}, repeat={"every": "3 days", "max": 1})
    sell(at, 1, 5, when=MORNING + "11:00")
    found = {}
    for day in range(3, 10):
        at.tick(f"2025-03-{day:02}T12:00")
        found[day] = sealed(at.tick(f"2025-03-{day:02}T18:00"))
    assert {day: each for day, each in found.items() if each} == {
        3: [["test1", "test5"]],
        6: [["test1", "test5"]],
    }


@pytest.mark.parametrize(
    ("said", "now", "options", "hours", "told"),
    [
        ("", "234", {}, 1, ["fired"] * 3),  # nothing said yet, some fire
        ("", "", {}, 1, []),  # nothing said yet, and nothing fires
        ("123", "234", {}, 1, ["fired", "resolved"]),  # another set: the new one is told
        ("12", "12", {"repeat": {"every": "10 hours"}}, 9, []),  # the same, before the repeat
        ("12", "12", {"repeat": {"every": "10 hours"}}, 11, ["fired", "fired"]),  # and after it
        ("12", "1", {}, 1, ["resolved"]),  # fewer, nobody asked to hear of it
        ("12", "1", {"on_correction": "notify"}, 1, ["retracted"]),  # fewer, and somebody did
        # There a group that has ended is told in any case; here only who asked for it.
        ("12", "", {}, 1, ["resolved", "resolved"]),
        ("12", "", {"on_correction": "notify"}, 1, ["retracted", "retracted"]),
        # What ended is not told again after the repeat interval.
        ("", "", {"repeat": {"every": "10 hours"}}, 11, []),
    ],
)
def test_s8b_whether_they_are_told_again(
    host: Any, said: str, now: str, options: dict[str, Any], hours: int, told: list[str]
) -> None:
    at = five(host, **options)
    sell(at, *map(int, said), when=MORNING + "09:00")
    for delivery in at.store.lease("mail", at.at(MORNING + "09:01"), seconds=60, most=99):
        at.store.settle(delivery, "delivered")
    before = len(at.store.deliveries)
    when = MORNING + f"{9 + hours:02}:00"
    for each in {*said} - {*now}:
        at.book(f"test{each}", "10.00", when)
    report = sell(at, *[int(each) for each in now if each not in said], when=when)
    assert sorted(each.outcome for each in report.occurrences) == told
    heard = sum(outcome in ("fired", "retracted") for outcome in told)
    assert len(at.store.deliveries) - before == heard


def test_b7_a_digest_that_is_closed_goes_out_whichever_member_ends_before_it_is_sent(host: Any) -> None:
    at = five(host, digest={"at": "18:00"})
    sell(at, 1, 2, when=MORNING + "11:00")
    assert sealed(at.tick(MORNING + "18:00")) == [["test1", "test2"]]
    for each in ("test1", "test2"):
        at.book(each, "10.00", MORNING + "18:01")
        at.tick(MORNING + "18:01")
        (digest,) = [every for every in at.store.deliveries.values() if every.role == "digest"]
        assert digest.status == "waiting"
