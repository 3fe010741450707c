"""Input that is odd or wrong: a defined card, or one clear error, and the same on every engine."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from crmrules import FieldError, RecordError, Rulebook, RulebookError, Scorecard

RULES = """
sources:
  orders:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      customer: text
      amount: money(2)
      hours: number
  quotas:
    fields:
      who: {type: text}
      customer: text
      amount: money(2)
  team:
    fields:
      who: {type: text, role: subject}
roster: team
measures:
  revenue: {value: sum(amount), source: orders}
  cycle: {value: mean(hours), source: orders}
  middle: {value: median(hours), source: orders}
  biggest: {value: max(amount), source: orders}
  customers: {value: nunique(customer), source: orders}
models:
  all:
    movement: true
    indicators:
      revenue: {target: {table: quotas, subject: who, period: customer, value: amount}, weight: 50}
      cycle: {target: 5, direction: lower, weight: 30, curve: {cap: 150}}
      grown: {value: growth(revenue)}
      so_far: {value: ytd(revenue)}
      recent: {value: "rolling(cycle, 2)"}
      middle: {value: ytd(middle)}
      biggest: {}
      customers: {value: ytd(customers)}
"""
BOOK = Rulebook.parse(RULES)
TEAM = ({"who": "Ann"}, {"who": "Bo"})
QUOTAS = ({"who": "Ann", "customer": "2026-01", "amount": 200},)

Engine = Callable[[list[dict[str, Any]]], Any]


def order(**parts: Any) -> dict[str, Any]:
    day = dt.date(2026, 1, 5)
    return {"number": "N1", "who": "Ann", "day": day, "customer": "c", "amount": 100, "hours": 10, **parts}


def score(
    engine: Engine, *orders: Mapping[str, Any], book: Rulebook = BOOK, team: Any = TEAM, quotas: Any = QUOTAS
) -> Scorecard:
    empty = dict.fromkeys(("number", "who", "day", "kind", "customer", "amount", "hours"))
    tables = {"orders": orders, "quotas": quotas, "team": team}
    data = {name: engine([{**empty, **row} for row in rows]) for name, rows in tables.items()}
    return book.score(data)


def actuals(card: Scorecard, who: str, period: str = "2026-01") -> list[Any]:
    return [result.actual for result in card.standing(who, period).results.values()]


def test_no_record_at_all(engine: Engine) -> None:
    card = score(engine)
    assert len(card) == 0
    assert card.notes == ("no record counts",)
    assert card.periods == []


def test_no_record_in_the_period_that_is_asked_for(engine: Engine) -> None:
    data = {"orders": engine([]), "quotas": list(QUOTAS), "team": list(TEAM)}
    card = BOOK.score(data, period="2026-01")
    assert card.subjects == ["Ann", "Bo"]
    assert actuals(card, "Ann") == [0, None, None, 0, None, None, None, 0]
    assert (card.standing("Ann", "2026-01").score, card.standing("Bo", "2026-01").score) == (0, None)
    assert card.notes == ("no record counts in 2026-01",)


def test_one_record(engine: Engine) -> None:
    card = score(engine, order())
    assert actuals(card, "Ann") == [100, 10, None, 100, None, 10, 100, 1]
    # 50 points of weight 50 and 50 points of weight 30.
    assert card.standing("Ann", "2026-01").score == 50
    assert (card.standing("Bo", "2026-01").score, card.standing("Bo", "2026-01").rank) == (None, None)


def test_columns_of_nothing_but_missing_values(engine: Engine) -> None:
    rows = [order(number=f"N{place}", customer=None, amount=None, hours=None) for place in range(3)]
    card = score(engine, *rows)
    assert actuals(card, "Ann") == [0, None, None, 0, None, None, None, 0]


def test_columns_without_a_type() -> None:
    rows = [order(customer=None, amount=None, hours=None), order(number="N2", customer=None, amount=None)]
    frames = [rows, pl.DataFrame(rows), pd.DataFrame(rows), duckdb.from_arrow(pl.DataFrame(rows).to_arrow())]
    for frame in frames:
        card = BOOK.score({"orders": frame, "quotas": list(QUOTAS), "team": list(TEAM)})
        assert actuals(card, "Ann") == [0, 10, None, 0, None, 10, None, 0]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        (
            {"who": None},
            "M102",
            "source `orders`, row 'N2': the record counts but its field `who` is missing",
        ),
        (
            {"day": None},
            "M102",
            "source `orders`, row 'N2': the record counts but its field `day` is missing",
        ),
    ],
)
def test_a_record_without_subject_or_date(
    engine: Engine, changed: dict[str, Any], code: str, said: str
) -> None:
    with pytest.raises(RecordError) as caught:
        score(engine, order(), order(number="N2", **changed))
    assert (caught.value.code, said in str(caught.value)) == (code, True)


@pytest.mark.parametrize("unknown", ["add", "drop", "error", None])
def test_somebody_who_is_not_on_the_roster(engine: Engine, unknown: str | None) -> None:
    declared = f"all:\n    unknown: {unknown}" if unknown else "all:"
    book = Rulebook.parse(RULES.replace("all:", declared, 1))
    rows = (order(), order(number="N2", who="Zed", amount=30))
    if unknown == "error":
        with pytest.raises(RecordError, match="the roster does not know Zed") as caught:
            score(engine, *rows, book=book)
        assert caught.value.code == "M103"
        return
    card = score(engine, *rows, book=book)
    if unknown == "drop":
        assert card.subjects == ["Ann", "Bo"]
        assert card.notes == ("not on the roster, so not on the card: Zed",)
    else:
        assert card.subjects == ["Ann", "Bo", "Zed"]
        assert actuals(card, "Zed")[0] == 30
    assert actuals(card, "Ann")[0] == 100


def test_a_roster_of_nobody_and_one_that_names_somebody_twice(engine: Engine) -> None:
    assert score(engine, order(), team=()).subjects == ["Ann"]
    with pytest.raises(FieldError, match="the subject 'Ann' stands there twice") as caught:
        score(engine, order(), team=(*TEAM, {"who": "Ann"}))
    assert caught.value.code == "F111"


@pytest.mark.parametrize(
    ("quotas", "code", "said"),
    [
        (2 * QUOTAS, "Q101", "table `quotas`, rows 0 and 1 are both the target of Ann in 2026-01"),
        (({**QUOTAS[0], "customer": "2026-13"},), "Q102", "table `quotas`, row 0: '2026-13' is not a period"),
        (({**QUOTAS[0], "customer": "2026"},), "Q104", "is for 2026, and nothing says how much of it"),
        (({**QUOTAS[0], "customer": "2026-01-05"},), "Q105", "which is only a part of 2026-01"),
    ],
)
def test_a_table_of_quotas_that_cannot_be_meant(engine: Engine, quotas: Any, code: str, said: str) -> None:
    with pytest.raises(FieldError) as caught:
        score(engine, order(), quotas=quotas)
    assert (caught.value.code, said in str(caught.value)) == (code, True), str(caught.value)


@pytest.mark.parametrize("amount", [0, -5, None])
def test_a_quota_of_nothing_is_no_target(engine: Engine, amount: int | None) -> None:
    standing = score(engine, order(), quotas=({**QUOTAS[0], "amount": amount},)).standing("Ann", "2026-01")
    assert (standing.results["revenue"].attainment, standing.results["revenue"].score) == (None, None)
    assert standing.score == 50, "the cycle alone"


FRAMES: Mapping[str, Callable[[list[dict[str, Any]]], Any]] = {
    "dicts": list,
    "pandas": pd.DataFrame,
    "Polars": lambda rows: pl.DataFrame(rows, strict=False),
    "Polars lazy": lambda rows: pl.LazyFrame(rows, strict=False),
    "PyArrow": lambda rows: pl.DataFrame(rows, strict=False).to_arrow(),
    "pandas over Arrow": lambda rows: pl.DataFrame(rows).to_pandas(use_pyarrow_extension_array=True),
    "DuckDB": lambda rows: duckdb.from_arrow(pl.DataFrame(rows, strict=False).to_arrow()),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"amount": ["1.0", "abc"]}, "`amount`, row 'N2': 'abc': expected an amount with at most 2 decimals"),
        ({"amount": [True, False]}, "`amount`, row 'N1': True: expected an amount of money"),
        (
            {"amount": [dt.date(2026, 1, 1)] * 2},
            "`amount`, row 'N1': 2026-01-01: expected an amount of money",
        ),
        ({"amount": [1.005, 1.0]}, "`amount`, row 'N1': 1.005: it has more than 2 decimals"),
        ({"amount": [1.0, float("inf")]}, "`amount`, row 'N2': inf: it is not finite"),
        ({"hours": ["1.0", "zz"]}, "`hours`, row 'N2': 'zz': expected a number"),
        ({"day": [1, 2]}, "`day`, row 'N1': 1: expected a date"),
        ({"day": ["2026-13-01", "x"]}, "`day`, row 'N1': '2026-13-01': expected a date like 2026-01-31"),
    ],
)
def test_columns_of_another_type(frame: str, changed: dict[str, list[Any]], said: str) -> None:
    [(name, values)] = changed.items()
    rows = [order(number=f"N{place}", **{name: value}) for place, value in enumerate(values, 1)]
    with pytest.raises(FieldError) as caught:
        BOOK.score({"orders": FRAMES[frame](rows), "quotas": list(QUOTAS), "team": list(TEAM)})
    assert (caught.value.code, said in str(caught.value)) == ("F104", True), str(caught.value)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_column_that_is_not_there(frame: str) -> None:
    rows = [{name: value for name, value in order().items() if name != "amount"}]
    with pytest.raises(FieldError, match="source `orders` has no column `amount`") as caught:
        BOOK.score({"orders": FRAMES[frame](rows), "quotas": list(QUOTAS), "team": list(TEAM)})
    assert caught.value.code == "F101"


@pytest.mark.parametrize("missing", ["orders", "quotas"])
def test_a_source_that_is_not_there(engine: Engine, missing: str) -> None:
    data = {"orders": engine([{**order(), "kind": None}]), "quotas": list(QUOTAS), "team": list(TEAM)}
    del data[missing]
    with pytest.raises(FieldError, match=f"there is no data for source `{missing}`") as caught:
        BOOK.score(data)
    assert caught.value.code == "F112"


@pytest.mark.parametrize("table", [None, "orders.csv", {}, 3, [1]])
def test_a_table_that_is_none(table: Any) -> None:
    with pytest.raises(FieldError, match="source `orders`") as caught:
        BOOK.score({"orders": table, "quotas": list(QUOTAS), "team": list(TEAM)})
    assert caught.value.code == "F106"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("weight: 50", "weight: 0", ""),
        ("weight: 50", "weight: -1", "weight"),
        ("curve: {cap: 150}", "curve: {floor: 150, cap: 100}", "the cap (100) is not above the floor (150)"),
        (
            "curve: {cap: 150}",
            "curve: {kind: points, on: attainment, through: [[1, 100], [0.5, 0]], outside: hold}",
            "50 % cannot follow 100 %",
        ),
        (
            "curve: {cap: 150}",
            "curve: {kind: points, on: attainment, through: [[0, 100], [1, 50]], outside: hold, "
            "monotone: rises}",
            "rises",
        ),
        (
            "movement: true",
            "period: {table: [{key: a, first: 2026-01-01, last: 2026-01-31}, "
            "{key: b, first: 2026-01-31, last: 2026-02-28}]}",
            "overlap",
        ),
        ("movement: true", "composite: {weights_total: 100}", "80"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_when_they_are_read(old: str, new: str, said: str) -> None:
    text = RULES.replace(old, new, 1)
    if new == "weight: 0":
        text = text.replace("weight: 30", "weight: 0")
        said = "all weights are zero, so there is no composite"
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text, "rules.yaml")
    assert len(caught.value.problems) == 1, str(caught.value)
    assert said in str(caught.value)
    assert "rules.yaml:" in str(caught.value)
