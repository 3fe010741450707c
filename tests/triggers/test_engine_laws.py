"""Laws that hold whatever happens: orders, refunds, other targets and owners, downtime, new rules."""

import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from crmrules.kpi import Period
from crmrules.triggers import Behind, Reached, TriggerRule
from crmrules.triggers.outbox import Dirty

PEOPLE = ("u1", "u2", "u3")
START = dt.datetime(2025, 3, 3, 9)
AMOUNTS = st.sampled_from([20_000, 60_000, 110_000])
WAITS = st.sampled_from([0, 1, 13, 30])
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"rearm": "on_resolve"},
    {"for": "1 day"},
    {"levels": ["50%", "100%"], "announce": "each", "on_correction": "notify"},
    {"share": "80%", "reset_at": "75%", "keep": "1 day", "rearm": {"after": "2 days"}},
    {"repeat": {"every": "2 days"}, "escalation": [{"after": "3 days", "to": "director"}]},
    {"cooldown": "3 days", "rearm": "on_resolve"},
    {"quiet": {"from": "21:00", "to": "08:00"}, "inhibited_by": ["late"]},
)


def reached(**options: Any) -> TriggerRule:
    return Reached.model_validate({"indicator": "sales", "tell": ["subject", "director"], **options})


def late(**options: Any) -> TriggerRule:
    due = {"day": 20, "time": "18:00"}
    return Behind.model_validate({"indicator": "sales", "share": "50%", "by": due, **options})


class AnyCourse(RuleBasedStateMachine):
    """Two hosts with the same facts: one restarts, is told everything twice and in another order."""

    hosts: Any = None

    @initialize(options=st.sampled_from(OPTIONS))
    def begin(self, options: dict[str, Any]) -> None:
        make = type(self).hosts
        self.plain, self.shaken = (make({"late": late(), "hit": reached(**options)}) for _ in range(2))
        for each in self.both:
            each.people = {who: {"director": "u9"} for who in PEOPLE}
        self.now = START
        self.sold = dict.fromkeys(PEOPLE, 0)
        self.options = options
        self.unmarked: list[str] = []
        for who in PEOPLE:
            self.fact(who)

    @property
    def both(self) -> tuple[Any, Any]:
        return self.plain, self.shaken

    def fact(self, who: str) -> None:
        """A save of the host, with its mark in the same transaction."""
        for each in self.both:
            each.book(who, f"{self.sold[who]}.00", self.now.isoformat(), mark=False)
        self.unmarked.append(who)

    @rule(who=st.sampled_from(PEOPLE), amount=AMOUNTS, wait=WAITS)
    def order(self, who: str, amount: int, wait: int) -> None:
        self.sold[who] += amount
        self.fact(who)
        self.pass_time(wait)

    @rule(who=st.sampled_from(PEOPLE), amount=AMOUNTS, wait=WAITS)
    def refund(self, who: str, amount: int, wait: int) -> None:
        self.sold[who] = max(0, self.sold[who] - amount)
        self.fact(who)
        self.pass_time(wait)

    @rule(giver=st.sampled_from(PEOPLE), taker=st.sampled_from(PEOPLE))
    def owner_changes(self, giver: str, taker: str) -> None:
        moved, self.sold[giver] = self.sold[giver], 0
        self.sold[taker] += moved
        self.fact(giver)
        self.fact(taker)

    @rule(quota=st.sampled_from([80_000.0, 100_000.0, 120_000.0]))
    def target_changes(self, quota: float) -> None:
        for each in self.both:
            each.target = quota
        self.unmarked += PEOPLE

    @rule(options=st.sampled_from(OPTIONS))
    def rules_change(self, options: dict[str, Any]) -> None:
        self.options = options
        for each in self.both:
            each.start(hit=reached(**options))

    @rule()
    def restart(self) -> None:
        self.shaken.start()

    @rule()
    def everything_is_sent_again(self) -> None:
        self.shaken.store.mark([Dirty(who, str(self.period), "sent again") for who in PEOPLE])

    @rule(hours=st.sampled_from([1, 24, 60, 200]))
    def tick(self, hours: int) -> None:
        """Time passes, more of it where the engine was down."""
        self.pass_time(hours)

    def pass_time(self, hours: int) -> None:
        """What was marked is evaluated, unless no time passes."""
        if not hours:
            return
        before = self.period
        self.now += dt.timedelta(hours=hours)
        if self.period != before:
            self.sold = dict.fromkeys(PEOPLE, 0)
        marks = [Dirty(who, str(before)) for who in self.unmarked]
        self.plain.store.mark(marks)
        self.shaken.store.mark(list(reversed(marks)) + marks)
        self.unmarked = []
        for each in self.both:
            report = each.tick(self.now.isoformat())
            assert report.failures == {}
            again = each.tick(self.now.isoformat())
            assert again.occurrences == [], "I3: the same moment again adds nothing"
            assert again.deliveries == []
            self.agree_with_facts(each)
        assert self.said(self.plain) == self.said(self.shaken), "I5, I6: neither order nor restarts matter"

    @rule()
    def relay(self) -> None:
        for each in self.both:
            for delivery in each.store.lease("mail", each.at(self.now.isoformat()), seconds=60, most=99):
                each.store.settle(delivery, "delivered")

    @property
    def period(self) -> Period:
        return Period.of(self.now.date(), "month")

    def said(self, host: Any) -> dict[str, tuple[str, str]]:
        return {each.key: (each.outcome, each.code) for each in host.store.occurrences.values()}

    def agree_with_facts(self, host: Any) -> None:
        """I2, I7: a state is what the facts of now make of it, whatever came before."""
        assert host.store._dirty == []
        states = {
            (each.subject, each.trigger): each.state
            for each in host.store.instances.values()
            if each.period == str(self.period)
        }
        share = 0.5 if "levels" in self.options else 0.8 if "share" in self.options else 1.0
        for who in PEOPLE:
            holds = self.sold[who] >= share * host.target
            state = states.get((who, "hit"), "inactive")
            if holds:
                assert state in ("pending", "firing"), (who, self.sold[who], state)
            elif "keep" not in self.options:
                assert state in ("inactive", "resolved"), (who, self.sold[who], state)

    @invariant()
    def each_thing_is_told_once_with_its_reason(self) -> None:
        if not hasattr(self, "plain"):
            return
        for host in self.both:
            rows = host.store.occurrences
            told = [
                (each.fingerprint, each.period, each.episode, each.step)
                for each in rows.values()
                if each.outcome == "fired"
            ]
            assert len(told) == len({*told}), "I1"
            for each in rows.values():
                assert each.reason, "I10"
                assert each.code
                if each.outcome == "fired":
                    local = each.evaluated_at.astimezone(host.zone).date()
                    assert local in Period.parse(each.period), "I8: no period is told of after its end"
            for delivery in host.store.deliveries.values():
                assert rows[delivery.occurrence].outcome in ("fired", "retracted"), "I9"


def test_i1_to_i10_whatever_happens(host: Any) -> None:
    AnyCourse.hosts = host
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        AnyCourse, settings=settings(max_examples=80, stateful_step_count=30, deadline=None)
    )


@given(
    options=st.sampled_from(OPTIONS[:3] + OPTIONS[5:6]),
    sold=st.sampled_from(["0.00", "45000.00", "100000.00"]),
    hours=st.lists(st.integers(1, 600), max_size=6, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_i4_how_often_it_is_evaluated_does_not_matter(
    host: Any, options: dict[str, Any], sold: str, hours: list[int]
) -> None:
    """What came due together is told once, and the rest is listed as superseded."""

    def run(moments: list[int]) -> dict[tuple[str, str], str]:
        at = host({"late": late(), "hit": reached(**options)})
        at.people = {"u1": {"director": "u9"}}
        at.book("u1", sold, START.isoformat())
        at.tick(START.isoformat())
        for each in moments:
            at.tick((START + dt.timedelta(hours=each)).isoformat())
        return {(each.trigger, each.step): each.outcome for each in at.store.occurrences.values()}

    often, once = run([*sorted(hours), 601]), run([601])
    assert often.keys() == once.keys()
    for step, outcome in often.items():
        assert outcome == once[step] or {outcome, once[step]} <= {"fired", "superseded"}
