"""The pages about the language say what the code says. Run this file as a program to write the tables."""

import re
from collections.abc import Iterator
from pathlib import Path

from crmrules.expr.functions import AGGREGATES, BUILT_IN

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "expressions.md"


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


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
