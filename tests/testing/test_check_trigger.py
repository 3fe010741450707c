"""The kit for custom triggers: a bad trigger for everything that it finds, good ones that it lets pass."""

import datetime as dt
import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from crmrules import Answer, Context, CrmRulesError, trigger
from crmrules.kpi import Result
from crmrules.testing import UnsoundTrigger, check_trigger, context
from crmrules.triggers import KINDS

VISITS = {
    "id": {"type": "text", "role": "id"},
    "rep": {"type": "text", "role": "subject"},
    "customer": "text",
    "day": {"type": "date", "role": "date"},
    "minutes": "number",
}
ANN = context(
    "Ann",
    "2026-11-20T18:00",
    sources={"visits": VISITS},
    records={
        "visits": [
            {"id": "V1", "rep": "Ann", "customer": "ACME", "day": "2026-11-03", "minutes": 30},
            {"id": "V2", "rep": "Ann", "customer": "Umbrella", "day": "2026-11-03", "minutes": 20},
        ]
    },
    figures={"revenue": Result("revenue", 5.0, 10.0, 0.5), "margin": Result("margin", 1.0, 2.0, 0.5)},
    people={"manager": "Bo", "director": "Cy"},
)
SUMMED = []


class Limits(BaseModel):
    days: int = 10
    seen: list[str] = []


def no_visit(context: Context, parameters: Limits) -> Answer:
    last = context.facts.last("visits")
    days = context.workdays_between(last, context.today)
    late = None if days is None else days >= parameters.days
    return Answer.when(late, f"{days} working days", {"days": days, "last": last.day if last else None})


def of_a_set(context: Context, parameters: BaseModel) -> Answer:
    names = {f"customer {number}" for number in range(50)}
    return Answer.fired("the first", {"first": next(iter(names))})


def found(of: Any, told: Context = ANN, parameters: BaseModel | None = None, **options: Any) -> list[str]:
    """What the kit finds, each with its check in front."""
    with pytest.raises(UnsoundTrigger) as caught:
        check_trigger(of, told, parameters, **{"hash_seeds": (), "seconds": 5, **options})
    assert caught.value.code == "T406"
    findings = [str(each) for each in caught.value.report.findings]
    assert all(each in str(caught.value) for each in findings)
    return findings


def test_a_sound_trigger_has_a_report() -> None:
    report = check_trigger(no_visit, ANN, Limits(days=3), seconds=5)
    assert report.findings == ()
    assert report.notes == ()
    # One with the order turned, then without records, three fields, the people, the figures.
    assert str(report) == "no_visit: sound (1 context, 7 variants)"


@pytest.mark.parametrize(
    "look",
    [
        dt.datetime.now,
        dt.date.today,
        time.time,
        time.monotonic,
        lambda: dt.datetime.now(dt.UTC),
        lambda: time.strftime("%Y", time.localtime()),
    ],
)
def test_it_looks_at_the_clock(look: Any) -> None:
    def bad(context: Context, parameters: BaseModel) -> Answer:
        return Answer.when(bool(look()), "now")

    (finding,) = found(bad)
    assert finding.startswith("clock: it looks at the clock, where `context.as_of` is the moment: ")
    assert ", line " in finding


@pytest.mark.parametrize("chance", [random.random, uuid.uuid4, lambda: random.SystemRandom().randint(1, 6)])
def test_it_leaves_something_to_chance(chance: Any) -> None:
    def bad(context: Context, parameters: BaseModel) -> Answer:
        chance()
        return Answer.fired("so it fell")

    findings = found(bad)
    assert {each.partition(":")[0] for each in findings} == {"chance"}


def test_it_reaches_outside(tmp_path: Path) -> None:
    file = tmp_path / "limits.txt"
    file.write_text("3")

    def bad(context: Context, parameters: BaseModel) -> Answer:
        with open(file) as limits:
            return Answer.fired(limits.read())

    assert any(each.startswith("outside: it reaches outside, where `context.facts`") for each in found(bad))


def adding(context: Context, parameters: Limits) -> Answer:
    parameters.seen.append(context.subject)
    return Answer.fired("seen")


def overwriting(context: Context, parameters: Limits) -> Answer:
    assert context.standing is not None
    context.standing.results.clear()  # type: ignore[attr-defined]
    return Answer.fired("cleared")


def resetting(context: Context, parameters: Limits) -> Answer:
    context.subject = "Bo"  # type: ignore[misc]
    return Answer.fired("another")


def rewriting(context: Context, parameters: Limits) -> Answer:
    last = context.facts.last("visits")
    last["minutes"] = 0  # type: ignore[index]
    return Answer.fired("rewritten")


@pytest.mark.parametrize("bad", [adding, overwriting, resetting, rewriting])
def test_it_changes_its_input(bad: Any) -> None:
    told = context(
        "Ann", "2026-11-20", sources={"visits": VISITS},
        records={"visits": [{"id": "V1", "rep": "Ann", "customer": "A", "day": "2026-11-03", "minutes": 1}]},
        figures={"revenue": Result("revenue", 5.0, 10.0, 0.5)},
    )  # fmt: skip
    (finding,) = found(bad, told, Limits())
    assert finding.startswith("mutation: it changes its input, asked of Ann at 2026-11-20 00:00")


def test_it_answers_differently_the_second_time() -> None:
    asked: list[int] = []

    def bad(context: Context, parameters: BaseModel) -> Answer:
        asked.append(1)
        return Answer.fired("so often", {"times": len(asked)})

    twice = "determinism: asked twice of Ann at 2026-11-20 18:00, it says fired (so often; times=1), then"
    assert any(each.startswith(twice) for each in found(bad))


def test_it_answers_in_the_order_of_a_set() -> None:
    (finding,) = found(of_a_set, hash_seeds=(1, 2))
    assert finding.startswith("hash order: in another Python it says fired (the first; first=customer ")


def test_what_another_python_cannot_import_is_noted() -> None:
    def local(context: Context, parameters: BaseModel) -> Answer:
        return Answer.not_met("all is well")

    report = check_trigger(local, ANN, seconds=5)
    assert report.findings == ()
    assert report.notes[0].startswith("hash seeds were not tried: it cannot be sent to another Python")


@pytest.mark.parametrize(
    "which",
    [
        lambda context: context.facts.all("visits")[-1]["customer"],  # of two visits of one day
        lambda context: next(iter(context.people)),
        lambda context: next(iter(context.standing.results)),
    ],
)
def test_it_goes_by_an_order_that_means_nothing(which: Any) -> None:
    def bad(context: Context, parameters: BaseModel) -> Answer:
        try:
            return Answer.fired("the first", {"it": which(context)})
        except (IndexError, StopIteration):
            return Answer.no_data("nothing")

    (finding,) = found(bad)
    assert finding.startswith("order: with what has no order turned round, it says fired (the first; it=")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (True, "it gives True, which is no Answer"),
        (None, "it gives None, which is no Answer"),
        (Answer.fired(""), "it gives no reason"),
        (Answer.fired("so", {"days": {1, 2}}), "`days` is of the type set"),  # type: ignore[dict-item]
        (Answer.fired("so", {"visit": object}), "`visit` is of the type type"),  # type: ignore[dict-item]
        (Answer.fired("so", anchor=5), "its anchor is 5, which is no text"),  # type: ignore[arg-type]
    ],
)
def test_its_answer_cannot_be_kept(answer: Any, said: str) -> None:
    findings = found(lambda context, parameters: answer)
    assert any(each.startswith("answer: ") and said in each for each in findings)


@pytest.mark.parametrize(
    ("reads", "without"),
    [
        (lambda context: context.facts.all("visits")[0], "without any record"),
        (
            lambda context: sum(each["minutes"] for each in context.facts.all("visits")),
            "without `minutes` in `visits`",
        ),
        (lambda context: context.people["manager"], "without anybody around the subject"),
        (lambda context: context.result("revenue").actual + 1, "without any figure"),
    ],
)
def test_it_takes_for_granted_what_can_be_missing(reads: Any, without: str) -> None:
    def bad(context: Context, parameters: BaseModel) -> Answer:
        reads(context)
        return Answer.fired("so")

    findings = found(bad)
    assert any(each.startswith(f"missing data: {without}, it fails: ") for each in findings)


def test_it_fails_at_all() -> None:
    (finding,) = found(lambda context, parameters: 1 / 0)
    assert finding == (
        "failure: it fails, asked of Ann at 2026-11-20 18:00: ZeroDivisionError: division by zero"
    )


def test_it_takes_too_long() -> None:
    def slow(context: Context, parameters: BaseModel) -> Answer:
        time.sleep(0.002)
        return Answer.fired("at last")

    findings = found(slow, seconds=0.001)
    assert "time: an answer took longer than 0.001 s, asked of Ann at 2026-11-20 18:00" in findings


def test_everything_is_found_at_once() -> None:
    def bad(context: Context, parameters: BaseModel) -> Answer:
        first = context.facts.all("visits")[0]
        return Answer.fired("", {"now": dt.datetime.now(), "ids": {first.id}})  # type: ignore[dict-item]

    checks = {each.partition(":")[0] for each in found(bad)}
    assert checks >= {"clock", "determinism", "answer", "missing data"}


@pytest.fixture
def _kinds() -> Iterator[None]:
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


@pytest.mark.usefixtures("_kinds")
def test_a_kind_is_tried_by_its_name() -> None:
    trigger("acme.no_visit", params=Limits)(no_visit)
    report = check_trigger("acme.no_visit", [ANN, ANN], {"days": 3}, seconds=5, hash_seeds=())
    assert str(report) == "acme.no_visit: sound (2 contexts, 14 variants)"
    for name in ("acme.visit", "reached"):
        with pytest.raises(CrmRulesError) as caught:
            check_trigger(name, ANN)
        assert caught.value.code == "T407"
    with pytest.raises(CrmRulesError, match="their own model"):
        check_trigger(no_visit, ANN, {"days": 3})
