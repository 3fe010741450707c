"""The rules of `examples/crm_pipeline.yaml` on 8,800 real deals, against figures computed elsewhere."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from crmrules import Policy, Rulebook, Scorecard
from crmrules.files import read_file

PROJECT = Path(__file__).parents[1]
BOOK = PROJECT / "examples" / "crm_pipeline.yaml"
FIGURES = ("revenue", "won", "lost", "win_rate", "cycle", "new_accounts")
SCORED = ("revenue", "cycle", "win_rate")
TOLERANCE = 1e-9


def typed(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, try_parse_dates=True)


ENGINES: dict[str, Callable[[Path], Any]] = {
    "pandas as the command reads it": lambda file: read_file(str(file)),
    "pandas": lambda file: typed(file).to_pandas(),
    "pandas over Arrow": lambda file: typed(file).to_pandas(use_pyarrow_extension_array=True),
    "Polars": typed,
    "Polars lazy": lambda file: typed(file).lazy(),
    "PyArrow": lambda file: typed(file).to_arrow(),
    "dicts": lambda file: typed(file).to_dicts(),
}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "data" / "crm_pipeline"


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return Rulebook.load(BOOK)


def oracle(folder: Path, name: str) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return {(row["subject"], row["period"]): row for row in csv.DictReader(file)}


def same(ours: Any, theirs: str) -> bool:
    if theirs == "":
        return ours is None
    return ours is not None and abs(float(ours) - float(theirs)) <= TOLERANCE * abs(float(theirs))


def refuse_other_figures(card: Scorecard, expected: dict[tuple[str, str], dict[str, str]]) -> None:
    assert expected
    for (subject, period), row in expected.items():
        results = card.standing(subject, period).results
        for name in FIGURES:
            assert same(results[name].actual, row[name]), (subject, period, name, results[name], row[name])
    for standing in card.standings():
        if (standing.subject, str(standing.period)) not in expected:
            assert all(standing.results[name].actual in (0, None) for name in FIGURES), standing


def refuse_other_scores(card: Scorecard, expected: dict[tuple[str, str], dict[str, str]]) -> None:
    assert expected
    for (subject, period), row in expected.items():
        standing = card.standing(subject, period)
        for name in SCORED:
            score = standing.results[name].score
            ours = None if score is None else score / 100
            assert same(ours, row[f"{name}_attainment"]), (subject, period, name)
        assert same(standing.score, row["score"]), (subject, period, standing.score)
        assert (standing.grade, standing.rank) == (row["grade"], int(row["rank"])), (subject, period)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_figure_of_agents_and_managers_is_reproduced(folder: Path, book: Rulebook, engine: str) -> None:
    data = {
        "deals": ENGINES[engine](folder / "sales_pipeline.csv"),
        "team": read_file(str(folder / "sales_teams.csv")),
    }
    agents = book.score(data, model="agents")
    refuse_other_figures(agents, oracle(folder, "oracle_agent_quarter.csv"))
    refuse_other_scores(agents, oracle(folder, "oracle_scorecard.csv"))
    refuse_other_figures(book.score(data, model="managers"), oracle(folder, "oracle_manager_quarter.csv"))


@pytest.mark.parametrize("read", [read_file, lambda file: pl.scan_csv(file, try_parse_dates=False)])
def test_another_export_with_other_dates_gives_the_same_card(
    folder: Path, book: Rulebook, read: Callable[[str], Any]
) -> None:
    day = {"format": "%d-%m-%Y"}
    other = book.bind("deals", engage_date=day, close_date=day)
    data = {
        "deals": read(str(folder / "sales_pipeline_dmy.csv")),
        "team": read_file(str(folder / "sales_teams.csv")),
    }
    card = other.score(data, model="agents")
    refuse_other_figures(card, oracle(folder, "oracle_agent_quarter.csv"))
    refuse_other_scores(card, oracle(folder, "oracle_scorecard.csv"))


def test_agents_without_a_deal_are_on_the_card(folder: Path, book: Rulebook) -> None:
    data = {"deals": typed(folder / "sales_pipeline.csv"), "team": typed(folder / "sales_teams.csv")}
    card = book.score(data, model="agents", period="2017-Q4")
    idle = {subject for subject, _ in card.keys} - {
        subject for subject, _ in oracle(folder, "oracle_agent_quarter.csv")
    }
    assert len(idle) == 5
    for subject in idle:
        standing = card.standing(subject, "2017-Q4")
        assert standing.results["revenue"].actual == 0
        assert standing.results["cycle"].actual is None
        assert (standing.score, standing.grade) == (0.0, "D")


def test_one_deal_at_a_time_gets_the_same_credit(folder: Path, book: Rulebook) -> None:
    policy: Policy = book.policies["closed_deals"]
    crediting = policy.on(book.sources["deals"])
    frame = typed(folder / "sales_pipeline.csv")
    whole = crediting.credit(frame)
    assert isinstance(whole, pl.DataFrame)
    for record, credit, rule in zip(frame.to_dicts(), whole["credit"], whole["rule"], strict=True):
        verdict = crediting.of(record)
        assert (verdict.credit, verdict.rule) == (credit, rule)


def test_counted_and_excluded_deals_are_all_deals(folder: Path, book: Rulebook) -> None:
    frame = typed(folder / "sales_pipeline.csv")
    data = {"deals": frame, "team": typed(folder / "sales_teams.csv")}
    card = book.score(data, model="agents")
    seen = 0
    for period in card.periods:
        statement = card.explain("Anna Snelling", period)
        seen += len(statement.counted) + len(statement.excluded)
        revenue = sum(line.adds["revenue"] or 0 for line in statement.counted)
        assert revenue == statement.standing.results["revenue"].actual
    undated = sum(statement.undated.values())
    assert seen + undated == len(frame.filter(pl.col("sales_agent") == "Anna Snelling"))


def test_the_card_comes_back_in_the_engine_that_went_in(folder: Path, book: Rulebook) -> None:
    team = typed(folder / "sales_teams.csv")
    deals = typed(folder / "sales_pipeline.csv")
    assert isinstance(book.score({"deals": deals, "team": team}, model="agents").to_native(), pl.DataFrame)
    frame = book.score({"deals": deals.to_pandas(), "team": team}, model="agents").to_native()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 35 * 4
