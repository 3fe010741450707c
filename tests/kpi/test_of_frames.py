"""Where a pass over a relation of DuckDB runs, and that it gives the same card."""

import datetime as dt
from typing import Any

import duckdb
import pandas as pd
import pytest

from crmrules import RecordError, Rulebook, route
from crmrules.frames import is_relation
from crmrules.kpi.feed import Cut
from crmrules.kpi.of_frames import OfFrames
from crmrules.route import pandas_alone

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


FIELDS = {
    "number": {"type": "text", "role": "id"},
    "who": {"type": "text", "role": "subject"},
    "day": {"type": "date", "role": "date"},
    "kind": "text",
    "customer": "text",
    "amount": "money(2)",
    "hours": "number",
}
EVERY = [
    "sum(amount, where=kind != 'visit')",
    "mean(amount)",
    "count(where=not contains(kind, 'v'))",
    "nunique(customer)",
    "min(hours)",
    "max(day)",
    "median(hours)",
    "stddev(hours)",
    "first(customer)",
    "share(amount, where=customer == 'ACME')",
]


@pytest.mark.parametrize("payees", [False, True])
@pytest.mark.parametrize("name", ["pandas", "pandas text", "pandas over Arrow"])
def test_pandas_through_polars_gives_the_card_of_pandas_alone(
    engines: Any, name: str, payees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "LEAST_ROWS", 0)
    policy: dict[str, Any] = {"rules": [FREE], "default": 1}
    if payees:
        policy["payees"] = [{"to": "who", "share": 0.5}, {"to": "'Cy'", "share": 1 / 3}]
    rules = Rulebook.of(
        {
            "sources": {"orders": {"fields": FIELDS}},
            "policies": {"counted": policy},
            "measures": {f"m{at}": value for at, value in enumerate(EVERY)},
            "models": {"all": {"indicators": {f"m{at}": {} for at in range(len(EVERY))}}},
        }
    )
    rows = [
        {
            "number": f"N{at}",
            "who": ("Ann", "Bo", "王芳")[at % 3],
            "day": dt.date(2026, 1 + at % 2, 1 + at),
            "kind": ("order", "visit", None, "sample")[at % 4],
            "customer": ("ACME", None, "北方", "")[at // 2 % 4],
            "amount": None if at == 7 else at * at + 0.25,
            "hours": None if at % 5 == 0 else at / 4,
        }
        for at in range(24)
    ]
    frame = engines[name](rows)
    by_polars = rules.score({"orders": frame})
    with pandas_alone():
        alone = rules.score({"orders": frame})
    cards = [rules.score({"orders": engines["dicts"](rows)}), alone, by_polars]
    of_dicts, of_pandas, of_polars = (
        [(str(each), card.measures_of(each)) for each in card.standings()] for card in cards
    )
    assert of_dicts == of_pandas == of_polars
    assert isinstance(by_polars.to_native(), pd.DataFrame)
    pd.testing.assert_frame_equal(by_polars.to_native(), alone.to_native())


TEXTS = {
    "str": "str",
    "object": object,
    "arrow": "string[pyarrow]",
    "category": "category",
    "other categories": pd.CategoricalDtype(["service", "never", "sample", "order"]),
    "ordered": pd.CategoricalDtype(["service", "sample", "order"], ordered=True),
}


@pytest.mark.parametrize("dtype", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize(
    ("policy", "value"),
    [
        ({"rules": [HALF, FREE]}, "sum(amount, where=kind != 'service')"),
        ({"rules": [{**FREE, "when": "kind in ('sample', 'gone') or is_null(kind)"}]}, "count()"),
        ({"rules": [{**FREE, "when": "kind == 'gone'"}]}, "sum(amount, where=kind == 'order')"),
        ({"rules": [{**FREE, "when": "kind < 'sample'"}]}, "sum(amount)"),
        ({"rules": [{**FREE, "when": "contains(kind, 'amp')"}]}, "nunique(kind)"),
        ({"rules": [{**FREE, "when": "who == 'Bo' and kind == 'order'"}]}, "sum(amount)"),
        ({"rules": [{**FREE, "when": "kind == number"}, {**HALF}]}, "nunique(who)"),
    ],
)
def test_text_of_any_kind_gives_the_card_of_the_records(policy: Any, value: str, dtype: Any) -> None:
    rules = book(policy, value)
    names = ("number", "who", "day", "kind", "amount", "hours")
    rows = [*ROWS, ("A5", "Ann", dt.date(2026, 1, 6), None, 7.0, 1.0)]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    frame = pd.DataFrame(records).astype({"kind": dtype})
    frame["day"] = pd.to_datetime(frame["day"])
    frame["who"] = frame["who"].astype("category" if dtype == "category" else "str")
    with pandas_alone():
        expected = rules.score({"orders": records})
        card = rules.score({"orders": frame})
    assert card.keys == expected.keys
    pd.testing.assert_frame_equal(card.to_native(), expected.to_native())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["str", "category", object])
def test_text_that_is_all_missing_matches_nothing(kind: Any) -> None:
    frame = pd.DataFrame({"number": ["1"], "who": ["Ann"], "day": pd.to_datetime(["2026-01-05"])})
    frame = frame.assign(kind=pd.Series([None], dtype=kind), amount=5.0, hours=1.0)
    with pandas_alone():
        card = book({"rules": [HALF]}).score({"orders": frame})
    assert [each.results["value"].actual for each in card.standings()] == [5]
