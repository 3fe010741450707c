"""Where a pass over a relation of DuckDB runs, and that it gives the same card."""

import datetime as dt
from typing import Any

import duckdb
import pytest

from crmrules import RecordError, Rulebook
from crmrules.frames import is_relation
from crmrules.kpi.feed import Cut
from crmrules.kpi.of_frames import OfFrames

ROWS = [
    ("A1", "Ann", dt.date(2026, 1, 5), "order", 100.05, 2.0),
    ("A2", "Ann", dt.date(2026, 1, 31), "sample", 50.0, 1.0),
    ("A3", "Bo", dt.date(2026, 2, 1), "service", 10.01, None),
    ("A4", "Bo", dt.date(2026, 2, 28), "order", 0.1, 4.0),
]
HALF = {"when": "kind == 'service'", "credit": 0.5, "because": "half"}
FREE = {"when": "kind == 'sample'", "credit": 0, "because": "free"}


def book(policy: dict[str, Any], value: str = "sum(amount)") -> Rulebook:
    types = {"number": "text", "who": "text", "day": "date", "kind": "text", "amount": "money(2)"}
    roles = {"number": "id", "who": "subject", "day": "date"}
    fields = {
        name: {"type": kind, "role": roles[name]} if name in roles else kind for name, kind in types.items()
    }
    return Rulebook.of(
        {
            "sources": {"orders": {"fields": {**fields, "hours": "number"}}},
            "policies": {"counted": {"default": 1, **policy}},
            "measures": {"value": value},
            "models": {"all": {"indicators": {"value": {"target": 10, "weight": 1}}}},
        }
    )


def relation(rows: list[tuple[Any, ...]] = ROWS) -> Any:
    connection = duckdb.connect()  # not the default one
    connection.execute(
        "create table orders (number text, who text, day date, kind text, amount double, hours double)"
    )
    connection.executemany("insert into orders values (?, ?, ?, ?, ?, ?)", rows)
    return connection.table("orders")


def stays(rules: Rulebook) -> bool:
    """Whether the sums are left to DuckDB."""
    feed = rules.plan("all").feeds[0]
    passing = OfFrames(feed, Cut(rules.plan("all").model.period), feed.crediting)
    return is_relation(passing.counted(relation())[0])


@pytest.mark.parametrize(
    ("policy", "value", "in_sql"),
    [
        ({"rules": [FREE, HALF]}, "sum(amount)", True),
        ({"rules": [FREE]}, "median(hours)", True),
        ({"rules": [FREE]}, "last(amount, where=contains(lower(kind), 'ER'))", True),
        ({"rules": [FREE]}, "sum(amount, where=month(day) == 2)", False),  # Python's calendar
        ({"rules": [{"when": "day(day) > 28", "credit": 0, "because": "late"}]}, "count()", False),
        ({"payees": [{"to": "who", "share": 0.5}, {"to": "'Cy'", "share": 0.5}]}, "sum(amount)", False),
        ({"rules": [FREE, HALF], "combine": "product"}, "nunique(kind)", False),
    ],
)
def test_a_relation_gives_the_card_of_the_records(policy: dict[str, Any], value: str, in_sql: bool) -> None:
    rules = book(policy, value)
    assert stays(rules) is in_sql
    names = ("number", "who", "day", "kind", "amount", "hours")
    records = [dict(zip(names, row, strict=True)) for row in ROWS]
    several: list[dict[str, Any]] = [{}, {"now": dt.datetime(2026, 2, 27)}, {"period": "2026-02"}]
    for options in several:
        card = rules.score({"orders": relation()}, **options)
        of_records = rules.score({"orders": records}, **options)
        assert [*map(str, card.standings())] == [*map(str, of_records.standings())]


def test_what_counts_in_a_relation_and_has_no_subject_is_named() -> None:
    rows = [*ROWS, ("A5", None, dt.date(2026, 2, 1), "order", 1.0, 1.0)]
    with pytest.raises(RecordError, match="`who` is missing") as caught:
        book({}).score({"orders": relation(rows)})
    assert "'A5'" in str(caught.value)


def test_a_standing_of_a_relation_is_explained() -> None:
    told = str(book({"rules": [FREE, HALF]}).score({"orders": relation()}).explain("Bo", "2026-02"))
    assert "A3" in told
    assert "A4" in told
