"""docs/error-codes.md lists every code; its examples give their errors, and its mends do not."""

import re
from pathlib import Path
from typing import Any

import pytest

import crmrules
from crmrules.errors import CrmRulesError, RulebookError
from crmrules.expr import Expression

PAGE = (Path(__file__).parents[1] / "docs" / "error-codes.md").read_text(encoding="utf-8")
EXPRESSIONS, BOOKS, RECORDS = PAGE.split("\n## ")[1:]
ROW = re.compile(r"^\| ([A-Z][0-9]{3}) \|[^|]*\| `(.*?)` \| `(.*?)`[^|]*\|$", re.MULTILINE)


def rows(section: str) -> list[tuple[str, str, str]]:
    return [row for row in ROW.findall(section) if row]


def names() -> dict[str, Any]:
    """What the Python blocks of the page define."""
    defined: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, defined)
    return defined


NAMES = names()


def test_every_code_is_listed_and_every_listed_code_exists() -> None:
    folder = Path(str(crmrules.__file__)).parent
    raised = {
        code
        for file in folder.rglob("*.py")
        for code in re.findall(r'"([A-Z]\d{3})"', file.read_text(encoding="utf-8"))
    }
    listed = re.findall(r"^\| ([A-Z][0-9]{3}) \|", PAGE, re.MULTILINE)
    assert not raised - {*listed}, "add a row for each of these to docs/error-codes.md"
    assert not {*listed} - raised, "these exist no more: remove their rows"
    assert len(listed) == len({*listed})


def test_every_row_has_an_example_that_runs() -> None:
    listed = re.findall(r"^\| ([A-Z][0-9]{3}) \|", PAGE, re.MULTILINE)
    examples = [code for section in (EXPRESSIONS, BOOKS, RECORDS) for code, _, _ in rows(section)]
    assert {*listed} - {*examples} == {"F900"}, "only a missing library cannot be shown"


@pytest.mark.parametrize(("code", "example", "mend"), rows(EXPRESSIONS))
def test_expressions(code: str, example: str, mend: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        Expression.parse(example, NAMES["fields"])
    assert caught.value.code == code
    assert caught.value.hint or code == "E102"
    Expression.parse(mend, NAMES["fields"])


def test_the_rulebook_of_the_page_is_sound() -> None:
    crmrules.Rulebook.parse(NAMES["rulebook"])


@pytest.mark.parametrize(("code", "example", "mend"), rows(BOOKS))
def test_rulebooks(code: str, example: str, mend: str) -> None:
    example, mend = (re.sub(" ?↵", "\n", each) for each in (example, mend))
    assert mend in NAMES["rulebook"]
    with pytest.raises(RulebookError) as caught:
        crmrules.Rulebook.parse(NAMES["rulebook"].replace(mend, example, 1), "plan.yaml")
    assert code == (caught.value.code if code == "B000" else caught.value.problems[0].code), str(caught.value)


@pytest.mark.parametrize(("code", "example", "mend"), rows(RECORDS))
def test_records(code: str, example: str, mend: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        eval(example, dict(NAMES))
    assert caught.value.code == code, str(caught.value)
    eval(mend, dict(NAMES))
