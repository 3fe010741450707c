"""Tests of rules as their authors write them: timelines, ticks, downtime, and what should come of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crmrules import CrmRulesError, RulebookError
from crmrules.cli import app
from crmrules.rulebook import trial, trial_run

BOOK: dict[str, Any] = {
    "zone": "Asia/Shanghai",
    "sources": {
        "orders": {
            "fields": {
                "id": {"type": "text", "role": "id"},
                "rep": {"type": "text", "role": "subject"},
                "day": {"type": "date", "role": "date"},
                "amount": "money(2)",
            }
        },
        "team": {
            "fields": {
                "name": {"type": "text", "role": "subject"},
                "boss": {"type": "text", "role": "director"},
            }
        },
    },
    "roster": "team",
    "measures": {"sales": {"value": "sum(amount)", "source": "orders"}},
    "models": {"people": {"indicators": {"sales": {"target": 100_000, "weight": 1}}}},
    "triggers": {
        "half": {
            "kind": "behind", "indicator": "sales", "share": "50%", "by": {"day": 20, "time": "18:00"},
            "tell": ["subject", "director"],
        },
        "hit": {"kind": "reached", "indicator": "sales"},
    },
}  # fmt: skip
TEAM = {"team": [{"name": "u7", "boss": "u2"}]}


def order(id: str, amount: str, day: str = "2025-03-10", rep: str = "u7") -> dict[str, str]:
    return {"id": id, "rep": rep, "day": day, "amount": amount}


def outcome(case: dict[str, Any], book: dict[str, Any] = BOOK) -> trial_run.Outcome:
    given = {"name": "it", "start": "2025-03-01", "ticks": ["2025-03-20T18:00"]}
    return trial_run.run_case(trial.Case.model_validate({**given, **case}), trial.Rules(book), TEAM)


def passes(book: dict[str, Any] = BOOK, **case: Any) -> bool:
    found = outcome(case, book)
    assert found.passed, str(found)
    return True


def sold(amount: str) -> dict[str, Any]:
    return {"records": {"orders": [order("A1", amount)]}}


def expected(outcome: str = "fired", trigger: str = "half", **more: Any) -> dict[str, Any]:
    return {"trigger": trigger, "subject": "u7", "outcome": outcome, **more}


def test_half_of_the_target_on_the_20th() -> None:
    # trigger_timelines.md, B1.
    assert passes(**sold("48700.00"), expect=[expected(to=["u7", "u2"], message="48,700.00")])
    assert passes(**sold("50000.00"), expect=[expected("not_met")])
    assert passes(**sold("49999.99"), expect=[expected(step="due", period="2025-03")])


def down(then: str, now: str) -> dict[str, Any]:
    """B2: down from the 19th, 12:00 to the 23rd, 09:00; an order is changed meanwhile."""
    return {
        **sold(then),
        "timeline": [{"at": "2025-03-21", "change": {"orders": {"A1": {"amount": now}}}}],
        "ticks": {"every": "1 hour", "from": "2025-03-19", "until": "2025-03-24"},
        "downtime": [{"from": "2025-03-19T12:00", "to": "2025-03-23T09:00"}],
    }


def test_down_when_it_was_due() -> None:
    # trigger_timelines.md, B2.
    late = expected(at="2025-03-23T09:00", late_by="63 hours")  # P2DT15H
    assert passes(**down("48700.00", "47000.00"), expect=[late])
    assert passes(**down("48700.00", "61000.00"), expect=[expected("recovered_before_delivery")])
    assert passes(**down("61000.00", "47000.00"), expect=[expected("not_met")])


def test_a_second_late_is_late_and_not_never() -> None:
    # trigger_timelines.md, S25: due at 12:00:00, looked at 12:00:01.17, by two at once.
    ticks = ["2025-03-20T17:59:59", "2025-03-20T18:00:01.17", "2025-03-20T18:00:01.17"]
    assert passes(**sold("1.00"), ticks=ticks, expect=[expected(at="2025-03-20T18:00:01.17")])


def test_years_of_history_tell_nobody() -> None:
    # trigger_timelines.md, B9.
    orders = [order(f"A{year}", "200000.00", f"{year}-03-05") for year in (2022, 2023, 2024)]
    assert passes(
        records={"orders": orders},
        ticks=["2025-03-01T09:00", "2025-03-20T18:00"],
        expect=[expected("not_met", "hit"), expected()],
    )


def test_the_tick_by_which_a_target_is_reached() -> None:
    steps = [
        {"at": "2025-03-05T10:00", "add": {"orders": [order("A1", "99999.99", "2025-03-05")]}},
        {"at": "2025-03-06T10:00", "add": {"orders": [order("A2", "0.01", "2025-03-06")]}},
        {"at": "2025-03-07T10:00", "change": {"orders": {"A2": {"amount": "0.02"}}}},
        {"at": "2025-03-08T10:00", "remove": {"orders": ["A2"]}},
    ]
    assert passes(
        timeline=steps,
        ticks={"every": "1 day", "from": "2025-03-04T18:00", "until": "2025-03-09T18:00"},
        expect=[
            expected("not_met", "hit", at="2025-03-05T18:00"),
            expected("fired", "hit", at="2025-03-06T18:00"),
            expected("none", "hit", at="2025-03-07T18:00"),
            expected("resolved", "hit", at="2025-03-08T18:00"),
        ],
    )


def test_targets_and_rules_that_change() -> None:
    lowered = [{"at": "2025-03-12", "target": {"people.sales": 40_000}}]
    assert passes(
        **sold("45000.00"), timeline=lowered, ticks=["2025-03-11T18:00", "2025-03-12T18:00"],
        expect=[
            expected("not_met", "hit", at="2025-03-11T18:00"), expected(trigger="hit", at="2025-03-12T18:00"),
        ],
    )  # fmt: skip
    # S23: a threshold that is lowered below the value fires.
    rules = [{"at": "2025-03-12", "rules": {"triggers": {"hit": {"share": "45%"}}}}]
    assert passes(
        **sold("45000.00"), timeline=rules, ticks=["2025-03-11T18:00", "2025-03-12T18:00"],
        expect=[expected(trigger="hit", at="2025-03-12T18:00")],
    )  # fmt: skip


def test_silences_and_waiting() -> None:
    quiet = [{"at": "2025-03-10T12:00", "silence": {"until": "2025-03-15T12:00", "trigger": "hit"}}]
    assert passes(
        **sold("100000.00"), timeline=quiet, ticks=["2025-03-11T18:00", "2025-03-16T18:00"],
        expect=[
            expected("suppressed", "hit", at="2025-03-11T18:00"),
            expected(trigger="hit", at="2025-03-16T18:00"),
        ],
    )  # fmt: skip
    waiting = {**BOOK, "triggers": {"hit": {**BOOK["triggers"]["hit"], "for": "2 days"}}}
    assert passes(
        waiting, **sold("100000.00"), ticks=["2025-03-10T09:00", "2025-03-11T09:00", "2025-03-12T09:00"],
        expect=[
            expected("pending", "hit", at="2025-03-11T09:00"), expected(trigger="hit", at="2025-03-12T09:00"),
        ],
    )  # fmt: skip


def test_what_differs_is_shown() -> None:
    found = outcome({**sold("50000.00"), "expect": [expected(at="2025-03-20T18:00")]})
    assert not found.passed
    assert str(found) == (
        "FAILED  it\n"
        "    at 2025-03-20 18:00 expected  fired       half  u7\n"
        "      found     not_met     half  u7: sales is 50,000.00 ≥ 50,000.00, 50% of the target 100,000"
    )
    found = outcome({**sold("1.00"), "expect": []})
    assert (
        "at 2025-03-20 18:00 nobody expected\n      found     fired       half  u7: sales is 1.00 <"
        in str(found)
    )
    assert "to u7, u2" in str(found)
    assert passes(**sold("1.00"), ignore=["half"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"to": ["u7"]}, "it goes to u2, u7"),
        ({"message": "48,700"}, "its message is u7 is below"),
        ({"step": "fire"}, "its step is due"),
        ({"period": "2025-04"}, "its period is 2025-03"),
        ({"late_by": "1 hour"}, "it is late by 0:00:00"),
        ({"at": "2025-03-20T17:00"}, "nobody looked: there is no such tick"),
        ({"outcome": "none"}, "found     fired"),
        ({"subject": "u9"}, "found     nothing about u9"),
    ],
)
def test_every_part_of_an_expectation_counts(wrong: dict[str, Any], said: str) -> None:
    found = outcome({**sold("1.00"), "expect": [expected(**wrong)]})
    assert said in str(found)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ({"expect": [expected(trigger="haf")]}, "T501"),
        ({"records": {"order": []}}, "T501"),
        ({"timeline": [{"at": "2025-03-02", "change": {"orders": {"A9": {}}}}]}, "T501"),
        ({"timeline": [{"at": "2025-03-02", "change": {"team": {"u7": {}}}}]}, "T501"),
        ({"timeline": [{"at": "2025-03-02", "target": {"people.sale": 5}}]}, "T501"),
        ({"ticks": {"every": "0 days", "until": "2025-03-20"}}, "T501"),
    ],
)
def test_what_there_is_not(case: dict[str, Any], code: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        outcome(case)
    assert caught.value.code == code
    assert caught.value.hint


def written(folder: Path, tests: dict[str, Any]) -> Path:
    (folder / "plan.yaml").write_text(json.dumps(BOOK, indent=1))
    file = folder / "plan_test.yaml"
    file.write_text(json.dumps({"rulebook": "plan.yaml", "records": TEAM, **tests}, indent=1))
    return file


CASE = {
    "name": "half by the 20th", "start": "2025-03-01", "ticks": ["2025-03-20T18:00"], **sold("48700.00"),
    "expect": [expected()],
}  # fmt: skip


def test_the_command_has_a_status(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["test", str(written(tmp_path, {"tests": [CASE]}))])
    assert good.exit_code == 0
    assert good.output == "ok  half by the 20th\n1 test, 0 failed\n"
    bad = CliRunner().invoke(app, ["test", str(written(tmp_path, {"tests": [CASE, {**CASE, "expect": []}]}))])
    assert bad.exit_code == 1
    assert "FAILED  half by the 20th" in bad.output
    assert "2 tests, 1 failed" in bad.output


def test_mistakes_in_the_file_are_told_with_their_places(tmp_path: Path) -> None:
    wrong = {"tests": [{**CASE, "stat": "2025-03-01", "expect": [{**expected(), "outcome": "fird"}]}]}
    with pytest.raises(RulebookError) as caught:
        trial.read(written(tmp_path, wrong))
    said = str(caught.value)
    assert "plan_test.yaml:" in said
    assert "unknown key `stat`" in said
    assert "outcome" in said
    unordered = {**CASE, "timeline": [{"at": "2025-02-01"}]}
    with pytest.raises(RulebookError, match="write what happens in order"):
        trial.read(written(tmp_path, {"tests": [unordered]}))
    zoned = {**CASE, "start": "2025-03-01T00:00+08:00"}
    with pytest.raises(RulebookError, match="without a zone"):
        trial.read(written(tmp_path, {"tests": [zoned]}))


def test_another_zone(tmp_path: Path) -> None:
    tests, rules = trial.read(written(tmp_path, {"zone": "America/New_York", "tests": [CASE]}))
    assert rules.book.zone == "America/New_York"
    assert all(each.passed for each in trial_run.run(tests, rules))
