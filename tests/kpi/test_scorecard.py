"""Scorecards: tables in the caller's engine, rows as values, and how a card reads."""

import datetime as dt
import io
import math
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from rich.console import Console

from crmrules import CrmRulesError, Model, Period, Rulebook, Scorecard, Source
from crmrules.errors import cells
from crmrules.kpi.feed import Feed
from crmrules.kpi.score import Plan

SOURCE = Source(
    name="orders",
    fields={
        "number": {"type": "text", "role": "id"},
        "who": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "kind": "text",
        "amount": "money(2)",
        "hours": "number",
    },
)
MEASURES = {"revenue": "sum(amount)", "cycle": "mean(hours)", "last": "max(day)"}
INDICATORS: dict[str, dict[str, Any]] = {
    "revenue": {"target": 1000, "weight": 3, "curve": {"cap": 150}},
    "cycle": {"target": 10, "direction": "lower", "weight": 1, "curve": {"cap": 150}},
    "last": {},
}
GRADES = [{"grade": "A", "at_least": 100}, {"grade": "B"}]
HOSTILE = "<script>alert('x')</script>&[red]"
ROWS = [
    ("Ann", "2026-10-05", "1250.50", 8.0),
    ("Ann", "2026-11-05", "-10.25", None),
    ("王芳", "2026-11-20", "1000.00", 0.0),
    (HOSTILE, "2026-11-30", "500.00", 20.0),
]


def rows() -> list[dict[str, Any]]:
    return [
        {
            "number": f"N{position}", "who": who, "day": dt.date.fromisoformat(day), "kind": None,
            "customer": None, "amount": Decimal(amount), "hours": hours,
        }
        for position, (who, day, amount, hours) in enumerate(ROWS)
    ]  # fmt: skip


def scored(data: Any) -> Scorecard:
    plan = Plan("sales", Model(indicators=INDICATORS, grades=GRADES))
    feed = Feed(SOURCE, None)
    for name, text in MEASURES.items():
        plan.add_measure(name, text, feed)
    for name in INDICATORS:
        plan.add_indicator(name, None)
    return plan.score({"orders": data})


COLUMNS = [
    "subject", "period",
    "revenue", "revenue_target", "revenue_attainment", "revenue_score", "revenue_contribution",
    "cycle", "cycle_target", "cycle_attainment", "cycle_score", "cycle_contribution",
    "last", "score", "grade", "rank",
]  # fmt: skip
NUMBERS = [name for name in COLUMNS if name.startswith(("revenue", "cycle"))] + ["score"]


def as_polars(table: Any) -> pl.DataFrame:
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pa.Table):
        return pl.DataFrame(table)
    return pl.DataFrame(
        {name: [None if pd.isna(value) else value for value in table[name].tolist()] for name in table}
    )


def test_the_wide_table_has_the_steps_of_every_row(engine: Any) -> None:
    table = as_polars(scored(engine(rows())).to_native())
    assert table.columns == COLUMNS
    assert len(table) == 3 * 2
    found = {(row["subject"], row["period"]): row for row in table.to_dicts()}
    ann = found["Ann", "2026-10"]
    assert (ann["revenue"], ann["revenue_target"], ann["revenue_score"]) == (
        1250.5,
        1000,
        pytest.approx(125.05),
    )
    assert (ann["cycle"], ann["cycle_attainment"], ann["cycle_score"]) == (8, 1.25, 125)
    assert ann["score"] == pytest.approx((3 * 125.05 + 125) / 4)
    assert (ann["grade"], ann["rank"]) == ("A", 1)
    # 0 hours is beyond every attainment: the cap, and no attainment that could be printed.
    fang = found["王芳", "2026-11"]
    assert (fang["cycle"], fang["cycle_attainment"], fang["cycle_score"]) == (0, None, 150)
    loss = found["Ann", "2026-11"]
    assert (loss["revenue"], loss["revenue_score"], loss["cycle"], loss["cycle_score"]) == (
        -10.25,
        0,
        None,
        None,
    )
    assert (loss["score"], loss["rank"]) == (0, 3)


def test_the_card_comes_back_in_the_engine_that_went_in(engines: Any) -> None:
    kinds = {
        "dicts": pd.DataFrame,
        "pandas": pd.DataFrame,
        "pandas text": pd.DataFrame,
        "pandas over Arrow": pd.DataFrame,
        "Polars": pl.DataFrame,
        "Polars lazy": pl.DataFrame,
        "PyArrow": pa.Table,
        "DuckDB": pa.Table,
    }
    assert kinds.keys() == engines.keys()
    for name, kind in kinds.items():
        card = scored(engines[name](rows()))
        assert isinstance(card.to_native(), kind), name
        assert isinstance(card.tidy(), kind), name


def test_polars_columns_have_types_and_nulls_and_no_nan() -> None:
    table = scored(pl.DataFrame(rows(), infer_schema_length=None)).to_native()
    assert isinstance(table, pl.DataFrame)
    assert all(table.schema[name] == pl.Float64 for name in NUMBERS)
    assert {table.schema[name] for name in ("subject", "period", "grade")} == {pl.String()}
    assert (table.schema["rank"], table.schema["last"]) == (pl.Int64, pl.Date)
    assert table.filter(pl.col("subject") == "Ann")["cycle"].to_list() == [8.0, None]
    assert not any(table[name].is_nan().any() for name in NUMBERS)


def test_pandas_columns_have_types() -> None:
    table = scored(pd.DataFrame(rows())).to_native()
    assert isinstance(table, pd.DataFrame)
    assert all(str(table.dtypes[name]) == "float64" for name in NUMBERS)
    assert str(table.dtypes["rank"]) == "Int64"
    assert table["last"].dropna().map(lambda day: day.year).eq(2026).all()


def test_an_empty_card_has_the_same_columns(engine: Any) -> None:
    table = scored(engine([])).to_native()
    assert [*(table.column_names if isinstance(table, pa.Table) else table.columns)] == COLUMNS
    assert len(table) == 0


def test_the_tidy_table_has_a_row_for_each_number(engine: Any) -> None:
    table = as_polars(scored(engine(rows())).tidy())
    assert len(table) == 3 * 2 * 2
    assert {*table["indicator"]} == {"revenue", "cycle"}
    card = scored(engine(rows()))
    for row in table.to_dicts():
        result = card.standing(row["subject"], row["period"]).results[row["indicator"]]
        for step in ("target", "attainment", "score", "weight", "share", "contribution"):
            assert row[step] == getattr(result, step), (row, step)
        assert row["actual"] == (None if result.actual is None else float(result.actual))


def test_money_is_a_decimal_and_a_day_a_date_in_a_standing() -> None:
    results = scored(rows()).standing("Ann", "2026-11").results
    assert results["revenue"].actual == Decimal("-10.25")
    assert isinstance(results["revenue"].actual, Decimal)
    assert results["last"].actual == dt.date(2026, 11, 5)
    assert scored(rows()).standing("王芳", "2026-10").results["last"].actual is None


def test_standings_are_all_rows_once() -> None:
    card = scored(rows())
    listed = [*card.standings()]
    assert [(each.subject, each.period) for each in listed] == [*card.keys]
    assert len({*card.keys}) == len(card) == 6
    assert listed[0] == card.standing(*card.keys[0])


def test_who_is_not_on_the_card_is_said_with_who_may_be_meant() -> None:
    with pytest.raises(CrmRulesError) as caught:
        scored(rows()).standing("An", "2026-11")
    assert caught.value.code == "K101"
    assert "did you mean `Ann`?" in caught.value.hint


@pytest.mark.parametrize("key", ["2026-12", "2025-11", "2026", "2026-Q4"])
def test_a_period_that_is_not_on_the_card_is_said_with_those_that_are(key: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        scored(rows()).standing("Ann", Period.parse(key))
    assert caught.value.code == "K102"
    assert "2026-10" in caught.value.hint
    assert "2026-11" in caught.value.hint


@pytest.mark.parametrize("key", ["Q4 2026", "2026-Q4", "2026"])
def test_a_key_that_is_misspelt_or_of_another_kind_is_no_period_of_the_model(key: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        scored(rows()).explain("Ann", key)
    assert (caught.value.code, caught.value.hint) == ("P101", "write it as 2026-11")


def test_the_card_lists_the_best_first_within_each_period() -> None:
    card = scored(rows())
    table = card.table()
    keys = [(row[2], int(row[0])) for row in table.rows]
    assert keys == sorted(keys)
    assert len(table.rows) == 6
    november = card.table("2026-11")
    assert {row[2] for row in november.rows} == {"2026-11"}
    assert len(card.table("2026-11", most=2).rows) == 2
    assert "the first 2 of 3 rows" in card.table("2026-11", most=2).title


def test_columns_of_the_printed_card_are_aligned_in_terminal_cells() -> None:
    lines = str(scored(rows())).splitlines()
    rule = lines[2]
    starts = [match.start() for match in re.finditer("─+", rule)]
    assert len(starts) == len(scored(rows()).table().heads)
    for line in lines[3:9]:
        # A column starts in the same cell in every line: what is left of it is blank.
        for start in starts[1:]:
            left = ""
            for character in line:
                if cells(left + character) > start:
                    break
                left += character
            assert left.endswith("  "), (line, start)
            assert cells(left) == start


def test_the_notebook_table_escapes_names() -> None:
    html = scored(rows())._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<tr") == 1 + 6
    assert "王芳" in html


def test_the_terminal_takes_no_markup_from_names() -> None:
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(scored(rows()))
    assert HOSTILE in console.export_text()


JUDGED = """
sources:
  orders: {fields: {who: {type: text, role: subject}, day: {type: date, role: date}, amount: money(2)}}
  team: {fields: {who: {type: text, role: subject}, team: text}}
roster: team
measures: {revenue: sum(amount)}
models:
  sales:
    indicators: {revenue: {target: 100, weight: 1, accumulates: true}, cycle: {value: count()}}
    rank: {within: team}
    movement: true
    pace: {}
"""
JUDGED_DATA = {
    "team": [{"who": "Ann", "team": "North"}, {"who": "Bo", "team": "South"}],
    "orders": [
        {"who": "Ann", "day": "2026-10-05", "amount": "80.00"},
        {"who": "Ann", "day": "2026-11-05", "amount": "50.00"},
        {"who": "Bo", "day": "2026-11-05", "amount": "20.00"},
    ],
}


def test_the_printed_card_has_change_and_rank_in_the_team_where_the_model_asks_for_them() -> None:
    table = Rulebook.parse(JUDGED).score(JUDGED_DATA).table("2026-11")
    assert table.heads[-3:] == ["Composite", "Change", "Team rank"]
    found = {row[1]: row[-3:] for row in table.rows}
    assert found == {"Ann": ["50.0", "-30.0", "1"], "Bo": ["20.0", "+20.0", "1"]}
    assert table.right(table.heads.index("Change"))


def test_the_printed_card_of_a_day_has_the_pace_of_what_accumulates() -> None:
    table = Rulebook.parse(JUDGED).score(JUDGED_DATA, now="2026-11-15").table("2026-11")
    assert table.title == "Scorecard `sales` of 2026-11"
    assert table.heads == [
        "Rank",
        "Subject",
        "Period",
        "revenue",
        "points",
        "pace",
        "cycle",
        *table.heads[-3:],
    ]
    assert {row[1]: row[5] for row in table.rows} == {"Ann": "100%", "Bo": "40%"}
    left_out = [table.heads[column] for column in table.optional]
    assert left_out == ["points", "cycle", "Period", "Team rank", "Change", "pace", "revenue"]


def test_the_tidy_table_has_the_pace_of_a_card_as_of_a_day() -> None:
    book = Rulebook.parse(JUDGED)
    plain, paced = book.score(JUDGED_DATA), book.score(JUDGED_DATA, now="2026-11-15")
    assert not {"expected", "projected", "pace"} & {*plain.tidy().columns}  # type: ignore[attr-defined]
    tidy: Any = paced.tidy()
    row = tidy[(tidy.subject == "Ann") & (tidy.period == "2026-11") & (tidy.indicator == "revenue")].iloc[0]
    assert (row.expected, row.projected, row.pace) == (50, 100, 1)
    assert tidy[tidy.indicator == "cycle"].pace.isna().all()


def test_a_period_without_records_is_told_where_a_model_looks_back() -> None:
    book = Rulebook.parse(JUDGED)
    assert book.score(JUDGED_DATA, period="2027-05").notes == ("no record counts in 2027-05",)
    assert book.score(JUDGED_DATA, period="2026-11").notes == ()


def test_notes_are_no_markup() -> None:
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(replace(scored(rows()), notes=("[red]not on the roster[/red]",)))
    assert "[red]not on the roster[/red]" in console.export_text()


def test_a_long_card_shows_its_first_rows_and_says_so() -> None:
    many = [{**rows()[0], "who": f"Person {position:03}", "number": str(position)} for position in range(100)]
    card = scored(many)
    text = str(card)
    assert len(text.splitlines()) < 70
    assert "of 100 rows" in text
    assert len(card.table().rows) == 100


def test_what_is_not_finite_is_no_figure() -> None:
    data = [{**rows()[0], "hours": 1.7e308, "number": str(position)} for position in range(4)]
    result = scored(data).standing("Ann", "2026-10").results["cycle"]
    assert result.actual is None
    assert not any(math.isinf(value) for value in (result.attainment or 0, result.score or 0))
