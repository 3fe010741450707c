"""The pages about the language say what the code says. Run this file as a program to write the tables."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import crmrules.expr
from crmrules.errors import ExpressionError
from crmrules.expr import Expression, Function, register
from crmrules.expr.functions import AGGREGATES, BUILT_IN, FUNCTIONS
from crmrules.types import Type

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "expressions.md"
CODES = PROJECT / "docs" / "error-codes.md"
FIELDS = {
    "amount": Type("number"),
    "cost": Type("number"),
    "stage": Type("text"),
    "kind": Type("text", values=("standard", "repeat")),
}


def functions() -> Iterator[str]:
    yield "| function | takes | gives | what it is |"
    yield "|---|---|---|---|"
    for row in BUILT_IN:
        takes = ", ".join(" or ".join(sorted(kinds)) if len(kinds) < 7 else "any" for kinds in row.parameters)
        gives = "the same" if row.result == "common" else row.result
        yield f"| `{row.example}` | {takes}{' …' if row.variadic else ''} | {gives} | {row.doc} |"


def aggregates() -> Iterator[str]:
    yield "| aggregate | gives | what it is |"
    yield "|---|---|---|"
    for row in AGGREGATES.values():
        yield f"| `{row.example}` | {'the same' if row.result == 'same' else row.result} | {row.doc} |"


def written(page: str) -> str:
    for name, table in (("functions", functions()), ("aggregates", aggregates())):
        filled = f"<!-- {name} -->\n" + "\n".join(table) + "\n<!-- end -->"
        page = re.sub(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _, to=filled: to, page, flags=re.DOTALL)
    return page


def test_the_tables_of_functions_are_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run: python -m tests.expr.test_docs"


def codes() -> list[tuple[str, str]]:
    rows = re.findall(
        r"^\| ([EF][0-9]{3}) \|[^|]*\| `([^`]*)` \|", CODES.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows
    return rows


def test_every_code_that_expressions_raise_is_listed() -> None:
    folder = Path(str(crmrules.expr.__file__)).parent
    raised = {
        code for file in folder.glob("*.py") for code in re.findall(r'"([EF]\d{3})"', file.read_text("utf-8"))
    }
    assert raised == {code for code, _ in codes()}


@pytest.mark.parametrize(("code", "example"), [row for row in codes() if row[0].startswith("E")])
def test_the_example_of_each_code_raises_it(code: str, example: str) -> None:
    number = frozenset({"number"})
    register(Function("broken", (number,), "number", lambda x: 1 / 0, None, "It fails.", "broken(1)"))  # type: ignore[arg-type]
    try:
        with pytest.raises(ExpressionError) as caught:
            Expression.parse(example, type("Fields", (), {"schema": FIELDS})(), budget=200)({"amount": 1})
    finally:
        del FUNCTIONS["broken"]
    assert caught.value.code == code


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
