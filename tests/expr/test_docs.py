"""The pages about the language say what the code says. Run this file as a program to write the tables."""

import re
from collections.abc import Iterator
from pathlib import Path

from crmrules.expr import Expression, tree
from crmrules.expr.functions import AGGREGATES, BUILT_IN, PAST
from crmrules.expr.signature import ANY, MOMENTS, NUMERIC, ORDERED

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "expressions.md"
KINDS = {
    ANY: "any",
    NUMERIC: "numeric",
    ORDERED: "ordered",
    MOMENTS: "day",
    frozenset({"number"}): "number",
    frozenset({"text"}): "text",
    frozenset({"duration"}): "duration",
}


def functions() -> Iterator[str]:
    yield "| example | value | takes | gives | what it is |"
    yield "|---|---|---|---|---|"
    for row in BUILT_IN:
        value = tree.constant(Expression.parse(row.example, {})({}))  # type: ignore[arg-type]
        takes = [KINDS[kinds] for kinds in row.parameters]
        takes[row.required :] = [f"[{each}]" for each in takes[row.required :] if not row.variadic] or (
            takes[row.required :]
        )
        gives = "as given" if row.result == "common" else row.result
        listed = ", ".join(takes) + (", …" if row.variadic else "")
        yield f"| `{row.example}` | `{value}` | {listed} | {gives} | {row.doc} |"


def aggregates() -> Iterator[str]:
    yield "| example | takes | gives | over nothing | what it is |"
    yield "|---|---|---|---|---|"
    for row in AGGREGATES.values():
        gives = "as given" if row.result == "same" else row.result
        empty = "missing" if row.empty is None else tree.constant(row.empty)
        yield f"| `{row.example}` | {KINDS[row.parameter]} | {gives} | {empty} | {row.doc} |"


def past() -> Iterator[str]:
    yield "| example | what it is |"
    yield "|---|---|"
    for row in PAST.values():
        yield f"| `{row.example}` | {row.doc} |"


def written(page: str) -> str:
    for name, table in (("functions", functions()), ("aggregates", aggregates()), ("past", past())):
        filled = f"<!-- {name} -->\n" + "\n".join(table) + "\n<!-- end -->"
        page = re.sub(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _, to=filled: to, page, flags=re.DOTALL)
    return page


def test_the_tables_of_functions_are_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run: python -m tests.expr.test_docs"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
