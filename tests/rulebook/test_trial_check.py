"""What tests of rules name and the rulebook does not have, with its place; and the schema of such files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crmrules import RulebookError, document
from crmrules.cli import app
from crmrules.rulebook import trial, trial_run

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra `dev`")

PAGE = (Path(__file__).parents[2] / "docs" / "how-to-test-rules.md").read_text(encoding="utf-8")
BOOK, TESTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def written(folder: Path, tests: str) -> Path:
    (folder / "plan.yaml").write_text(BOOK, encoding="utf-8")
    file = folder / "plan_test.yaml"
    file.write_text(tests, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("right", "wrong", "path", "hint"),
    [
        ("trigger: half_by_20, subject: Ann, o", "trigger: half, subject: Ann, o",
         "tests[0].expect[0].trigger", "there is"),
        ("rep: Ann, day: 2025-03-10", "repp: Ann, day: 2025-03-10",
         "tests[0].records.orders[0].repp", "`rep`"),
        ("director: Bo", "boss: Bo", "records.team[0].boss", "there is"),
        ("change: {orders: {A1: {amount:", "change: {orders: {A1: {amuont:",
         "tests[1].timeline[1].change.orders.A1.amuont", "`amount`"),
        ("add:\n          orders:", "add:\n          order:", "tests[1].timeline[0].add.order", "`orders`"),
        ("    start: 2025-03-01\n    timeline", "    start: 2025-03-01\n    ignore: [reachd]\n    timeline",
         "tests[1].ignore[0]", "`reached`"),
        ("rulebook: plan.yaml", "rulebook: plan.yaml\ncalendar: cn", "calendar", "declare"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_its_place(
    tmp_path: Path, right: str, wrong: str, path: str, hint: str
) -> None:
    assert right in TESTS
    with pytest.raises(RulebookError) as error:
        trial.read(written(tmp_path, TESTS.replace(right, wrong, 1)))
    (problem,) = error.value.problems
    assert (problem.code, problem.path) == ("T501", path)
    assert problem.place is not None
    assert hint in problem.hint
    assert str(error.value).endswith("1 problem in the tests")


def test_a_step_may_bring_triggers_and_sources_of_its_own(tmp_path: Path) -> None:
    more = """
  - name: new rules
    start: 2025-03-01
    timeline:
      - at: 2025-03-02
        rules:
          sources: {orders: {fields: {note: text}}}
          triggers: {soon: {kind: reached, indicator: sales, share: 10%}}
        add: {orders: [{id: A1, rep: Ann, day: 2025-03-02, amount: "20000.00", note: big}]}
    ticks: [2025-03-03]
    expect: [{trigger: soon, subject: Ann}]
"""
    tests, rules = trial.read(written(tmp_path, TESTS + more))
    assert str(trial_run.run(tests, rules)[-1]) == "ok  new rules"


def test_the_rulebook_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RulebookError, match="there is no file") as error:
        trial.read(written(tmp_path, TESTS.replace("rulebook: plan.yaml", "rulebook: plam.yaml")))
    assert error.value.problems[0].path == "rulebook"
    with pytest.raises(RulebookError, match="Asia/Shanghai"):
        trial.read(written(tmp_path, TESTS.replace("records:", "zone: Asia/Shangai\nrecords:", 1)))


def test_a_mistyped_key_is_told_the_keys_of_tests(tmp_path: Path) -> None:
    with pytest.raises(RulebookError) as error:
        trial.read(written(tmp_path, TESTS.replace("downtime:", "dowtime:")))
    assert error.value.problems[0].hint == "did you mean `downtime`?"


def test_a_test_that_cannot_run_has_failed_and_the_others_run(tmp_path: Path) -> None:
    file = written(tmp_path, TESTS.replace('"48700.00"', "many", 1))
    done = CliRunner().invoke(app, ["test", str(file)])
    assert done.exit_code == 1
    assert done.output.startswith("FAILED  half is missing on the 20th\n    error[")
    assert done.output.endswith("3 tests, 1 failed\n")


# the schema

VALIDATOR = jsonschema.Draft202012Validator(trial.schema())


def of_page(text: str) -> Any:
    return json.loads(json.dumps(document.parse(text, "tests").data, default=str))


def test_the_schema_takes_the_example() -> None:
    jsonschema.Draft202012Validator.check_schema(trial.schema())
    assert [each.message for each in VALIDATOR.iter_errors(of_page(TESTS))] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("ticks:", "tick:"), ("outcome: not_due", "outcome: notdue"), ("rulebook: plan.yaml", "zone: UTC")],
)
def test_the_schema_refuses_what_the_loader_refuses(tmp_path: Path, right: str, wrong: str) -> None:
    text = TESTS.replace(right, wrong)
    assert not VALIDATOR.is_valid(of_page(text))
    with pytest.raises(RulebookError):
        trial.read(written(tmp_path, text))


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(app, ["schema", "--tests"])
    assert json.loads(done.output) == trial.schema()
