"""From what holds to what occurs: the courses of other systems' tests, and our own.

Timelines S… are restated from the tests and documentation of the systems that each names.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi import Period, Result, Standing
from crmrules.triggers import Behind, Decision, Reached, TriggerRule
from crmrules.triggers.clock import Clock
from crmrules.triggers.outbox.records import Instance, Occurrence
from crmrules.triggers.state import Obstacle, advance

UTC = ZoneInfo("UTC")
MONTH = Period.parse("2026-11")
START = dt.datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


def rule(**options: Any) -> TriggerRule:
    return Reached.model_validate({"indicator": "sales", **options})


def standing(value: float | None, period: Period = MONTH) -> Standing:
    """A value of a target of 100."""
    sales = None if value is None else Decimal(str(value))
    result = Result("sales", sales, 100.0, None if value is None else value / 100, value)
    return Standing("people", "u7", period, {"sales": result})


@dataclass
class Course:
    """One trigger for one subject, evaluated again and again."""

    rule: TriggerRule
    instance: Instance = field(default_factory=lambda: Instance("f", str(MONTH), "hit", "u7"))
    occurrences: list[Occurrence] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=lambda: Clock(UTC))

    def at(self, value: float | None, now: dt.datetime, obstacle: Obstacle | None = None) -> list[str]:
        """What fires when the value is so much."""
        end = self.clock.end_of(MONTH) - dt.timedelta(microseconds=1)
        decision = self.rule.evaluate("hit", standing(value), min(now, end), self.clock.zone)
        made = advance(self.rule, self.instance, decision, now, self.clock, obstacle=obstacle)
        self.instance = made.instance if made.instance == self.instance else saved(made.instance)
        self.occurrences += made.occurrences
        self.over += made.over
        return [each.step for each in made.occurrences if each.outcome == "fired"]

    def minutes(self, values: Sequence[float | None]) -> list[str]:
        """The states, minute by minute."""
        found = []
        for minute, value in enumerate(values):
            self.at(value, START + minute * MINUTE)
            found.append(self.instance.state)
        return found

    @property
    def told(self) -> list[str]:
        return [each.step for each in self.occurrences if each.outcome == "fired"]


def saved(instance: Instance) -> Instance:
    from dataclasses import replace

    return replace(instance, revision=instance.revision + 1)


# timelines of other systems


def test_s1_s2_for_counts_from_when_the_condition_came_to_hold() -> None:
    """Prometheus, promtool: up == 0 for 5 minutes."""
    down = Course(rule(share=1.0, **{"for": "5 min"}))
    assert down.minutes([100] * 11)[4:6] == ["pending", "firing"]
    assert down.told == ["fire"]
    later = Course(rule(share=1.0, **{"for": "5 min"}))
    assert later.minutes([0] * 7 + [100] * 4)[-1] == "pending"
    assert later.told == []
    assert later.at(100, START + 12 * MINUTE) == ["fire"]
    assert Course(rule()).at(100, START) == ["fire"]


def test_s3_kept_firing_for_a_while() -> None:
    """Prometheus, TestKeepFiringFor: > 50, for 1 minute, keep_firing_for 1 minute."""
    course = Course(rule(share="50%", keep="1 min", **{"for": "1 min"}))
    assert course.minutes([75, 85, 70, 70, 10, 10]) == [
        "pending", "firing", "firing", "firing", "recovering", "resolved",
    ]  # fmt: skip
    assert course.told == ["fire"]


def test_s4_keep_does_not_protect_what_is_pending() -> None:
    """Prometheus, TestPendingAndKeepFiringFor."""
    course = Course(rule(share="50%", keep="1 min", **{"for": "1 min"}))
    assert course.minutes([75, 10, 10]) == ["pending", "inactive", "inactive"]
    assert course.occurrences == []


def test_s5_a_longer_for_tells_nobody_again() -> None:
    course = Course(rule(share="50%"))
    assert course.at(75, START) == ["fire"]
    course.rule = rule(share="50%", **{"for": "10 min"})
    assert course.at(75, START + MINUTE) == []
    assert course.at(75, START + 20 * MINUTE) == []


def test_s6_downtime_counts_into_for() -> None:
    """Prometheus, TestForStateRestore, differs on purpose: it moves the start by the downtime.

    There `for` bridges scrapes; here it is business time, and two days are two days whether or not a
    server ran meanwhile.
    """
    course = Course(rule(share="50%", **{"for": "25 min"}))
    course.minutes([75, 75, 75, 75, 75, 75])
    assert course.at(75, START + 24 * MINUTE) == []
    assert course.at(75, START + 25 * MINUTE) == ["fire"]


def test_s9_hysteresis_over_levels_jumps_to_the_level_of_the_value() -> None:
    """Kapacitor 1.0.0-rc1: info > 60 reset < 50, warn > 70 reset < 60, crit > 80 reset < 70."""
    levels = [
        {"at": "60%", "reset_at": "50%"},
        {"at": "70%", "reset_at": "60%"},
        {"at": "80%", "reset_at": "70%"},
    ]
    course = Course(rule(levels=levels))
    names = ["OK", "INFO", "WARNING", "CRITICAL"]
    found = []
    for minute, value in enumerate([61, 73, 64, 85, 62, 56, 47]):
        course.at(value, START + minute * MINUTE)
        found.append(names[course.instance.data.get("level", 0)])
    assert found == ["INFO", "WARNING", "WARNING", "CRITICAL", "INFO", "INFO", "OK"]
    assert course.told == ["level:60", "level:70", "level:80"]


@pytest.mark.parametrize(
    ("values", "fires"),
    [([5, 12], [1]), ([5, 12, 14], [1]), ([12, None, 12], [0]), ([12, 12], [0]), ([5, 12, 5, 12], [1])],
)
def test_s23_crossings(values: list[float | None], fires: list[int]) -> None:
    """Home Assistant core#97762, #42855, #52784: above 10. What holds from the beginning fires, too."""
    course = Course(rule(share="10%"))
    found = [step for step, value in enumerate(values) if course.at(value, START + step * MINUTE)]
    assert found == fires


def test_s22_armed_it_does_not_fire_for_what_holds_already() -> None:
    """Healthchecks: activation sends nothing. Declared here, since a month may open above its target."""
    course = Course(rule(initial="arm", rearm="on_resolve"))
    assert course.at(120, START) == []
    assert [(each.outcome, each.code) for each in course.occurrences] == [
        ("suppressed", "TRUE_FROM_THE_BEGINNING")
    ]
    assert course.at(80, START + MINUTE) == []
    assert course.at(120, START + 2 * MINUTE) == ["fire"]
    fresh = Course(rule(initial="arm"))
    assert fresh.at(80, START) == []
    assert fresh.at(120, START + MINUTE) == ["fire"]


# levels


def test_a_jump_over_levels_tells_the_highest_and_says_so_of_the_others() -> None:
    course = Course(rule(levels=["50%", "80%", "100%", "120%"]))
    course.at(40, START)
    assert course.at(130, START + MINUTE) == ["level:120"]
    assert [(each.step, each.outcome) for each in course.occurrences] == [
        ("level:50", "superseded"), ("level:80", "superseded"), ("level:100", "superseded"),
        ("level:120", "fired"),
    ]  # fmt: skip
    last = course.occurrences[-1]
    assert {each.caused_by for each in course.occurrences[:-1]} == {last.key}
    assert course.at(40, START + 2 * MINUTE) == course.at(130, START + 3 * MINUTE) == []


def test_each_level_is_told_where_that_is_wanted() -> None:
    course = Course(rule(levels=["50%", "80%", "100%"], announce="each"))
    assert course.at(90, START) == ["level:50", "level:80"]
    assert course.at(100, START + MINUTE) == ["level:100"]
    reasons = [each.reason for each in course.occurrences]
    assert ["50%" in reasons[0], "80%" in reasons[1], "100%" in reasons[2]] == [True] * 3


# firing anew


def test_once_per_period_is_once() -> None:
    course = Course(rule())
    assert [course.at(value, START + n * MINUTE) for n, value in enumerate([100, 90, 100, 90, 110])] == [
        ["fire"], [], [], [], [],
    ]  # fmt: skip


def test_on_resolve_it_fires_as_often_as_it_comes_true() -> None:
    course = Course(rule(rearm="on_resolve"))
    for n, value in enumerate([100, 90, 100, 100, 90, 110]):
        course.at(value, START + n * MINUTE)
    assert course.told == ["fire"] * 3
    assert [each.episode for each in course.occurrences] == [0, 1, 2]
    assert len({each.key for each in course.occurrences}) == 3


def test_rearmed_after_a_time_it_waits_for_it() -> None:
    course = Course(rule(rearm={"after": "3 days"}))
    course.at(100, START)
    course.at(90, START + DAY)
    assert course.at(100, START + 2 * DAY) == []
    assert course.instance.state == "pending"
    assert course.instance.wake == START + 3 * DAY
    assert course.at(100, START + 3 * DAY) == ["fire"]
    course.at(90, START + 4 * DAY)
    assert course.at(100, START + 9 * DAY) == ["fire"]


def test_a_value_about_the_bound_with_hysteresis_stays_in_one_episode() -> None:
    course = Course(rule(share="80%", reset_at="75%", rearm="on_resolve"))
    for n, value in enumerate([81, 79, 81, 76, 80, 74, 80]):
        course.at(value, START + n * MINUTE)
    assert course.told == ["fire", "fire"]


# what follows


def test_repeats_do_not_drift_and_end() -> None:
    course = Course(rule(repeat={"every": "2 days", "max": 2}))
    course.at(100, START)
    assert course.instance.wake == START + 2 * DAY
    late = dt.timedelta(hours=5)
    assert course.at(100, START + 2 * DAY + late) == ["repeat:1"]
    assert course.instance.wake == START + 4 * DAY
    assert course.at(100, START + 4 * DAY + late) == ["repeat:2"]
    assert course.at(100, START + 20 * DAY) == []


def test_repeats_that_came_due_together_are_told_once_or_each() -> None:
    course = Course(rule(repeat={"every": "1 day", "max": 5}))
    course.at(100, START)
    assert course.at(100, START + 3 * DAY) == ["repeat:3"]
    assert [(each.step, each.code) for each in course.occurrences[1:]] == [
        ("repeat:1", "COALESCED"), ("repeat:2", "COALESCED"), ("repeat:3", "REACHED_TARGET"),
    ]  # fmt: skip
    every = Course(rule(repeat={"every": "1 day", "max": 5}, misfire="each"))
    every.at(100, START)
    assert every.at(100, START + 3 * DAY) == ["repeat:1", "repeat:2", "repeat:3"]


def test_nothing_is_repeated_where_it_does_not_hold_or_is_not_known() -> None:
    course = Course(rule(repeat={"every": "1 day"}))
    course.at(100, START)
    assert course.at(None, START + DAY) == []
    assert course.at(100, START + DAY + MINUTE) == ["repeat:1"]
    assert course.at(90, START + 2 * DAY) == []
    assert course.instance.state == "resolved"


def test_working_days_pass_over_the_weekend() -> None:
    friday = dt.datetime(2026, 11, 20, 18, tzinfo=UTC)
    course = Course(rule(repeat={"every": "1 working day"}))
    course.at(100, friday)
    assert course.instance.wake == friday + 3 * DAY


def test_escalations_tell_the_highest_that_is_due_unless_somebody_has_taken_it_on() -> None:
    steps = [{"after": "1 day", "to": "manager"}, {"after": "2 days", "to": "director"}]
    course = Course(rule(escalation=steps))
    course.at(100, START)
    assert course.at(100, START + 3 * DAY) == ["escalate:2"]
    assert [each.step for each in course.occurrences if each.outcome == "superseded"] == ["escalate:1"]
    assert course.at(100, START + 9 * DAY) == []
    from dataclasses import replace

    taken = Course(rule(escalation=steps, repeat={"every": "1 day", "max": 1}))
    taken.at(100, START)
    taken.instance = replace(taken.instance, acknowledged="Bo")
    assert taken.at(100, START + 3 * DAY) == []
    assert {each.code for each in taken.occurrences[1:]} == {"ACKNOWLEDGED", "COALESCED"} - {"COALESCED"}


# what stands in the way


def test_what_is_held_back_is_recorded_once_and_fires_afterwards() -> None:
    course = Course(rule())
    silenced = Obstacle("SILENCED", "silenced by Bo", START + DAY, "s1")
    assert course.at(100, START, silenced) == course.at(100, START + MINUTE, silenced) == []
    assert len({each.key for each in course.occurrences}) == 1
    assert course.occurrences[0].outcome == "suppressed"
    assert course.instance.wake == START + DAY
    assert course.at(100, START + DAY) == ["fire"]


def test_what_is_held_back_and_over_by_then_does_not_fire() -> None:
    course = Course(rule())
    course.at(100, START, Obstacle("INHIBITED", "`other` fires already"))
    assert course.instance.wake == START
    assert course.at(90, START + DAY) == []
    assert course.instance.state == "inactive"


def test_what_is_held_back_until_the_period_is_over_is_missed() -> None:
    course = Course(rule())
    course.at(100, START, Obstacle("SILENCED", "silenced", START + 90 * DAY, "s1"))
    assert course.at(100, START + 30 * DAY) == []
    assert (course.occurrences[-1].outcome, course.instance.state) == ("missed", "closed")


# the end of a period


def test_i8_a_period_that_is_over_notifies_nobody() -> None:
    course = Course(rule(repeat={"every": "1 day", "max": 100}))
    course.at(100, START)
    after = dt.datetime(2026, 12, 1, tzinfo=UTC)
    assert course.instance.wake is not None
    assert course.at(100, after) == []
    assert course.instance.state == "closed"
    assert course.instance.wake is None
    late = Course(rule())
    assert late.at(100, after) == []
    assert [each.outcome for each in late.occurrences] == ["would_have_fired"]
    assert late.at(100, after + DAY) == []
    assert late.at(120, after + DAY) == []
    assert len({each.key for each in late.occurrences}) == 1


def test_figures_that_came_late_fire_where_that_is_allowed() -> None:
    course = Course(rule(late_fire_within="3 days"))
    after = dt.datetime(2026, 12, 3, tzinfo=UTC)
    assert course.at(100, after) == ["fire"]
    assert course.at(100, after + MINUTE) == []
    assert Course(rule(late_fire_within="3 days")).at(100, after + 2 * DAY) == []


# deadlines


def behind(**options: Any) -> Behind:
    return Behind.model_validate(
        {"indicator": "sales", "share": "50%", "by": {"day": 20, "time": "18:00"}, **options}
    )


DUE = dt.datetime(2026, 11, 20, 18, tzinfo=UTC)


def decided(of: TriggerRule, value: float | None, now: dt.datetime) -> Decision:
    return of.evaluate("half", standing(value), now, UTC)


@pytest.mark.parametrize(
    ("mode", "then", "now", "outcome"),
    [
        ("due_and_now", 40, 40, "fired"),
        ("due_and_now", 40, 60, "recovered_before_delivery"),
        ("due_and_now", 60, 40, "not_met"),
        ("due_and_now", 60, 60, "not_met"),
        ("due_and_now", None, 40, "no_data"),
        ("due_and_now", 40, None, "no_data"),
        ("due", 40, 60, "fired"),
        ("due", 60, 40, "not_met"),
        ("now", 60, 40, "fired"),
        ("now", 40, 60, "not_met"),
    ],
)
def test_b2_a_deadline_that_is_evaluated_late(
    mode: str, then: float | None, now: float | None, outcome: str
) -> None:
    of = behind(evaluate_as_of=mode)
    late = DUE + 2 * DAY
    blank = Instance("f", str(MONTH), "half", "u7")
    made = advance(of, blank, decided(of, now, late), late, Clock(UTC), at_due=decided(of, then, DUE))
    assert [each.outcome for each in made.occurrences] == [outcome]
    again = advance(
        of, saved(made.instance), decided(of, now, late), late, Clock(UTC), at_due=decided(of, then, DUE)
    )
    assert {each.key for each in again.occurrences} <= {each.key for each in made.occurrences}
    assert again.instance == saved(made.instance)


def test_a_deadline_that_was_met_fires_later_only_where_it_is_rechecked() -> None:
    for recheck, told in (("none", []), ("on_change", ["due"])):
        course = Course(behind(recheck=recheck))
        course.at(60, DUE)
        course.at(40, DUE + DAY)
        assert course.told == told


def test_a_deadline_moved_to_a_later_day_is_decided_again_unless_it_fired() -> None:
    later = behind(by={"day": 25, "time": "18:00"})
    course = Course(behind())
    course.at(60, DUE)
    course.rule = later
    course.at(40, DUE + 5 * DAY)
    assert course.told == ["due"]
    fired = Course(behind())
    fired.at(40, DUE)
    fired.rule = later
    fired.at(40, DUE + 5 * DAY)
    assert fired.told == ["due"]


# laws


@given(
    values=st.lists(st.sampled_from([None, 40, 70, 79, 81, 100, 120]), min_size=1, max_size=12),
    options=st.sampled_from(
        [
            {},
            {"rearm": "on_resolve"},
            {"rearm": {"after": "2 days"}},
            {"keep": "1 day"},
            {"share": "80%", "reset_at": "75%", "for": "1 day"},
            {"levels": ["50%", "80%", "100%"], "announce": "each"},
            {"repeat": {"every": "1 day"}, "escalation": [{"after": "2 days", "to": "manager"}]},
            {"initial": "arm"},
        ]
    ),
)
def test_i1_i3_i10_each_thing_occurs_once_and_every_outcome_has_its_reason(
    values: list[float | None], options: dict[str, Any]
) -> None:
    course = Course(rule(**options))
    for day, value in enumerate(values):
        now = START + day * DAY * 3
        course.at(value, now)
        before = course.instance
        assert course.at(value, now) == [], "the same moment again tells nobody"
        assert course.instance == before
    fired = [each.key for each in course.occurrences if each.outcome == "fired"]
    assert len(fired) == len({*fired})
    assert all(each.reason and each.code for each in course.occurrences)
