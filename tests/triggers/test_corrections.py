"""What becomes of reminders when facts, rules or owners change afterwards: each row of one table."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crmrules.triggers import Behind, Reached, TriggerRule
from crmrules.triggers.delivering import end_of_quiet
from crmrules.triggers.options import Quiet
from crmrules.triggers.outbox import Delivery, Dirty, Relay

MARCH = "2025-03"


def hit(**options: Any) -> TriggerRule:
    return Reached.model_validate({"indicator": "sales", **options})


def half(**options: Any) -> TriggerRule:
    by = {"day": 20, "time": "18:00"}
    return Behind.model_validate({"indicator": "sales", "share": "50%", "by": by, **options})


def said(report: Any) -> list[tuple[str, str]]:
    return [(each.step, each.outcome) for each in report.occurrences]


def statuses(at: Any) -> list[str]:
    return sorted(each.status for each in at.store.deliveries.values())


def deliver(at: Any, when: str) -> list[Delivery]:
    sent: list[Delivery] = []
    Relay(at.store, {"mail": sent.append}).run_once(at.at(when))
    return sent


def corrected(at: Any, value: str, known: str, tick: str) -> Any:
    """A figure of March that is known from a moment on; the tick after it."""
    at.sales.setdefault("u7", []).append((at.at(known), value))
    at.store.mark([Dirty("u7", MARCH, "a correction")])
    return at.tick(tick)


def reached(host: Any, **options: Any) -> Any:
    """Told on the 3rd at noon, and delivered to nobody yet."""
    at = host({"hit": hit(**options)})
    assert said(corrected(at, "100000.00", "2025-03-03T12:00", "2025-03-03T12:00")) == [("fire", "fired")]
    return at


# before → after the correction, in the order of the table


def test_what_nobody_has_heard_is_withdrawn_and_told_when_it_holds_again(host: Any) -> None:
    at = reached(host)
    assert said(corrected(at, "90000.00", "2025-03-03T13:00", "2025-03-03T13:00")) == [
        ("withdraw", "withdrawn")
    ]
    assert statuses(at) == ["withdrawn"]
    assert said(corrected(at, "100000.00", "2025-03-03T14:00", "2025-03-03T14:00")) == [("fire", "fired")]
    assert len(deliver(at, "2025-03-03T14:01")) == 1


def test_what_was_withdrawn_unheard_starts_no_cooldown(host: Any) -> None:
    at = reached(host, cooldown="5 days")
    corrected(at, "90000.00", "2025-03-03T13:00", "2025-03-03T13:00")
    report = corrected(at, "100000.00", "2025-03-03T14:00", "2025-03-03T14:00")
    assert said(report) == [("fire", "fired")]


@pytest.mark.parametrize(
    ("option", "outcome", "heard"), [("silent", "resolved", 1), ("notify", "retracted", 2)]
)
def test_what_was_heard_resolves_or_is_taken_back_once(
    host: Any, option: str, outcome: str, heard: int
) -> None:
    at = reached(host, on_correction=option)
    (first,) = deliver(at, "2025-03-03T12:01")
    report = corrected(at, "90000.00", "2025-03-04T12:00", "2025-03-04T12:00")
    assert [each.outcome for each in report.occurrences] == [outcome]
    assert len(at.store.deliveries) == heard
    for each in at.store.deliveries.values():
        if each.id != first.id:
            assert each.payload["data"]["supersedes"] == first.id
            assert each.recipient == first.recipient
    # Once more true, and once more not: the same episode, of which everything has been said.
    assert said(corrected(at, "100000.00", "2025-03-05T12:00", "2025-03-05T12:00")) == []
    assert said(corrected(at, "90000.00", "2025-03-06T12:00", "2025-03-06T12:00")) == []


def test_true_again_fires_again_only_where_it_rearms(host: Any) -> None:
    for option, expected in [("once_per_period", []), ("on_resolve", [("fire", "fired")])]:
        at = reached(host, rearm=option)
        deliver(at, "2025-03-03T12:01")
        corrected(at, "90000.00", "2025-03-04T12:00", "2025-03-04T12:00")
        assert said(corrected(at, "100000.00", "2025-03-05T12:00", "2025-03-05T12:00")) == expected


def test_true_for_the_first_time_in_an_open_period_fires_and_in_a_closed_one_would_have(host: Any) -> None:
    at = host({"hit": hit(), "late": hit(late_fire_within="3 days")})
    corrected(at, "90000.00", "2025-03-03T12:00", "2025-03-03T12:00")
    report = corrected(at, "100000.00", "2025-03-31T23:00", "2025-04-02T10:00")
    assert [(each.trigger, each.outcome) for each in report.occurrences] == [
        ("hit", "would_have_fired"),
        ("late", "fired"),
    ]
    assert [each.trigger for each in report.intents] == ["late"]
    for when in ("2025-04-02T10:00", "2025-04-03T10:00", "2025-05-03T10:00"):
        assert said(corrected(at, "100000.00", "2025-03-31T23:00", when)) == []


def test_another_value_that_still_holds_changes_nothing(host: Any) -> None:
    at = reached(host)
    assert said(corrected(at, "130000.00", "2025-03-04T12:00", "2025-03-04T12:00")) == []
    assert statuses(at) == ["waiting"]


@pytest.mark.parametrize("option", ["silent", "notify"])
def test_a_correction_of_a_closed_period_withdraws_what_waits_and_tells_nobody(
    host: Any, option: str
) -> None:
    for heard, outcome, left in [(False, "withdrawn", ["withdrawn"]), (True, "resolved", ["delivered"])]:
        for closed_before in (False, True):
            at = reached(host, on_correction=option)
            if heard:
                deliver(at, "2025-03-03T12:01")
            if closed_before:
                assert said(at.tick("2025-04-01T09:00")) == []
            report = corrected(at, "90000.00", "2025-03-31T12:00", "2025-04-02T12:00")
            assert [each.outcome for each in report.occurrences] == [outcome]
            assert statuses(at) == left
            assert said(corrected(at, "90000.00", "2025-03-31T12:00", "2025-04-03T12:00")) == []


def test_what_fired_on_the_last_evening_is_delivered_after_the_night(host: Any) -> None:
    at = host({"hit": hit(quiet={"from": "21:00", "to": "08:00"})})
    corrected(at, "100000.00", "2025-03-31T22:00", "2025-03-31T22:00")
    assert at.tick("2025-04-01T07:00").occurrences == []
    assert deliver(at, "2025-04-01T07:59") == []
    assert len(deliver(at, "2025-04-01T08:00")) == 1


# rules that are edited while they run


def test_a_raised_threshold_ends_it_and_a_lowered_one_fires(host: Any) -> None:
    at = reached(host)
    deliver(at, "2025-03-03T12:01")
    at.start(hit=hit(share="150%"))
    assert said(at.tick("2025-03-03T13:00")) == [("resolve", "resolved")]
    at.start(hit=hit(share="90%"))
    assert said(at.tick("2025-03-03T14:00")) == [], "it is the same episode, of which they know"


def test_levels_are_known_by_their_names_when_others_are_added_or_removed(host: Any) -> None:
    at = host({"hit": hit(levels=["50%", "100%"])})
    corrected(at, "100000.00", "2025-03-03T12:00", "2025-03-03T12:00")
    at.start(hit=hit(levels=["100%", "120%"]))
    assert said(at.tick("2025-03-03T13:00")) == []
    report = corrected(at, "120000.00", "2025-03-04T12:00", "2025-03-04T12:00")
    assert said(report) == [("level:120", "fired")], "it stands in the place of the one before"
    at.start(hit=hit(levels=["30%", "50%", "100%", "110%", "120%", "150%"]))
    assert said(at.tick("2025-03-04T13:00")) == [], "a higher level has told more"
    report = corrected(at, "150000.00", "2025-03-05T12:00", "2025-03-05T12:00")
    assert said(report) == [("level:150", "fired")]


def test_another_length_of_for_counts_from_the_same_beginning(host: Any) -> None:
    for before, after, tick, outcome in [
        ("1 day", "3 days", "2025-03-05T11:00", []),
        ("1 day", "3 days", "2025-03-06T12:00", [("fire", "fired")]),
        ("3 days", "1 day", "2025-03-04T12:00", [("fire", "fired")]),
    ]:
        at = host({"hit": hit(**{"for": before})})
        assert said(corrected(at, "100000.00", "2025-03-03T12:00", "2025-03-03T12:00")) == []
        at.start(hit=hit(**{"for": after}))
        assert said(at.tick(tick)) == outcome


def test_a_longer_for_does_not_take_back_what_fired(host: Any) -> None:
    """S5: a longer `for` may return to pending; here what was told stays told, and is never told again."""
    at = host({"hit": hit(**{"for": "1 day"})})
    corrected(at, "100000.00", "2025-03-03T12:00", "2025-03-03T12:00")
    assert said(at.tick("2025-03-04T12:00")) == [("fire", "fired")]
    at.start(hit=hit(**{"for": "9 days"}))
    for when in ("2025-03-05T12:00", "2025-03-12T12:00", "2025-03-13T12:00"):
        assert said(at.tick(when)) == []


def test_a_deadline_that_is_moved_is_decided_again_unless_it_was_told(host: Any) -> None:
    moved = {"by": {"day": 25, "time": "18:00"}}
    told, met = host({"half": half()}), host({"half": half()})
    for at, value in [(told, "10.00"), (met, "60000.00")]:
        corrected(at, value, "2025-03-03T12:00", "2025-03-03T12:00")
        at.tick("2025-03-20T18:00")
        at.start(half=half(**moved))
        corrected(at, "10.00", "2025-03-22T12:00", "2025-03-22T12:00")
    assert said(told.tick("2025-03-25T18:00")) == []
    assert said(met.tick("2025-03-25T18:00")) == [("due", "fired")]


# clocks that are put forward and back


@pytest.mark.parametrize(
    ("zone", "day", "time", "expected"),
    [
        ("Europe/Riga", "2021-03-28", "03:15", "2021-03-28T04:00:00+03:00"),
        ("Europe/Riga", "2021-10-31", "03:15", "2021-10-31T03:15:00+03:00"),
        ("America/New_York", "2021-03-14", "02:30", "2021-03-14T03:00:00-04:00"),
        ("America/New_York", "2021-11-07", "01:30", "2021-11-07T01:30:00-04:00"),
        ("Australia/Lord_Howe", "2021-10-03", "02:15", "2021-10-03T02:30:00+11:00"),
        ("Australia/Lord_Howe", "2021-04-04", "01:45", "2021-04-04T01:45:00+11:00"),
        ("Asia/Shanghai", "2021-03-28", "02:15", "2021-03-28T02:15:00+08:00"),
    ],
)
def test_a_deadline_in_a_gap_or_fold_fires_once_at_its_instant(
    host: Any, zone: str, day: str, time: str, expected: str
) -> None:
    at = host({"half": half(by={"day": int(day[-2:]), "time": time})}, zone=ZoneInfo(zone))
    at.sales["u7"] = [(at.at(f"{day[:7]}-01T00:00"), "10.00")]
    now = at.at(f"{day}T00:00").astimezone(dt.UTC)
    fired = []
    for _ in range(4 * 26):
        fired += [
            (now, each.scheduled_at) for each in at.engine.tick(now).occurrences if each.outcome == "fired"
        ]
        now += dt.timedelta(minutes=15)
    due = dt.datetime.fromisoformat(expected)
    assert fired == [(due, due)]


@pytest.mark.parametrize("zone", ["Europe/Riga", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"])
@pytest.mark.parametrize(
    "hours", [("21:00", "08:00"), ("00:30", "01:45"), ("22:00", "02:30"), ("02:00", "03:00")]
)
def test_quiet_hours_end_at_the_first_moment_outside_of_them_whatever_the_clock_does(
    zone: str, hours: tuple[str, str]
) -> None:
    """Minute by minute, by what the clock shows."""
    quiet, its = Quiet.model_validate({"from": hours[0], "to": hours[1]}), ZoneInfo(zone)
    step = dt.timedelta(minutes=15)

    def rests(moment: dt.datetime) -> bool:
        shown = moment.astimezone(its).time()
        if quiet.start < quiet.end:
            return quiet.start <= shown < quiet.end
        return shown >= quiet.start or shown < quiet.end

    for night in ("2021-03-13", "2021-03-27", "2021-04-03", "2021-10-02", "2021-10-30", "2021-11-06"):
        now = dt.datetime.fromisoformat(f"{night}T18:00").replace(tzinfo=its).astimezone(dt.UTC)
        for _ in range(4 * 20):
            awake = now
            while rests(awake):
                awake += step
            assert end_of_quiet(now, quiet, its) == awake, (now, night)
            now += step


# downtime


def test_of_months_in_which_nothing_ran_the_deadlines_are_missed_with_a_reason(host: Any) -> None:
    at = host({"half": half(), "hit": hit()})
    at.sales["u7"] = [
        (at.at(f"2025-{month:02}-05T10:00"), value)
        for month, value in enumerate(["10.00", "10.00", "60000.00", "10.00", "10.00"], 1)
    ]
    at.tick("2025-01-25T10:00")
    report = at.tick("2025-05-06T10:00")
    assert [(each.period, each.trigger, each.outcome) for each in report.occurrences] == [
        ("2025-02", "half", "missed"),
        ("2025-03", "half", "not_met"),
        ("2025-04", "half", "missed"),
    ]
    assert report.intents == []
    assert all("10.00 < 50,000.00" in each.reason for each in report.occurrences if each.outcome == "missed")
    for when in ("2025-05-06T10:00", "2025-05-07T10:00", "2025-06-07T10:00"):
        assert [each.period for each in at.tick(when).occurrences if each.period < "2025-05"] == []


def test_a_rule_that_was_not_there_has_missed_nothing(host: Any) -> None:
    at = host({"hit": hit()})
    at.sales["u7"] = [(at.at("2025-01-05T10:00"), "10.00")]
    at.tick("2025-01-25T10:00")
    at.start(half=half())
    assert at.tick("2025-05-06T10:00").occurrences == []


def test_within_late_fire_within_the_last_of_them_is_told(host: Any) -> None:
    at = host({"half": half(late_fire_within="7 days")})
    at.sales["u7"] = [(at.at("2025-01-05T10:00"), "10.00")]
    at.tick("2025-01-25T10:00")
    report = at.tick("2025-04-06T10:00")
    assert [(each.period, each.outcome) for each in report.occurrences] == [
        ("2025-02", "missed"),
        ("2025-03", "fired"),
    ]
