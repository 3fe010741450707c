"""docs/how-to-test-rules.md: its rulebook, its tests and what the command says of them are real."""

import re
from pathlib import Path

from typer.testing import CliRunner

from crmrules.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "how-to-test-rules.md").read_text(encoding="utf-8")
BOOK, TESTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
PASSED, FAILED = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)


def run(folder: Path, tests: str) -> str:
    (folder / "plan.yaml").write_text(BOOK, encoding="utf-8")
    (folder / "plan_test.yaml").write_text(tests, encoding="utf-8")
    return CliRunner().invoke(app, ["test", str(folder / "plan_test.yaml")]).output


def test_the_example_passes(tmp_path: Path) -> None:
    assert run(tmp_path, TESTS) == PASSED


def test_the_failure_is_shown_as_on_the_page(tmp_path: Path) -> None:
    assert FAILED in run(tmp_path, TESTS.replace("48700.00", "50000.00", 1))
