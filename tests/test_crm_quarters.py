"""Quotas from the quarter before, on 8,800 real deals: `examples/crm_quotas.yaml` against plain Python."""

import csv
import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from crmrules import Rulebook, Scorecard
from crmrules.files import read_file

BOOK = Path(__file__).parents[1] / "examples" / "crm_quotas.yaml"
QUARTERS = ["2017-Q1", "2017-Q2", "2017-Q3", "2017-Q4"]
AS_OF = dt.date(2017, 11, 15)
"""46 of the 92 days of the quarter are over."""

ENGINES: dict[str, Callable[[str], Any]] = {
    "as the command reads it": read_file,
    "Polars": lambda file: pl.read_csv(file, try_parse_dates=True),
    "dicts": lambda file: pl.read_csv(file, try_parse_dates=True).to_dicts(),
    "DuckDB": lambda file: duckdb.from_arrow(pl.read_csv(file, try_parse_dates=True).to_arrow()),
}

Row = dict[str, Any]
Rows = dict[tuple[str, str], Row]


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "data" / "crm_pipeline"


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return Rulebook.load(BOOK)


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return [*csv.DictReader(opened)]


# the same by plain Python, with fractions


def half_up(value: Fraction, digits: int) -> Fraction:
    """Rounded, a half away from zero."""
    scaled = abs(value) * 10**digits
    whole = math.floor(scaled + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole, 10**digits)


def by_hand(folder: Path, role: str, until: dt.date = dt.date.max) -> Rows:
    """Every figure of the rules, for agents, or for what a column of the team says."""
    team = {row["sales_agent"]: row for row in read(folder / "sales_teams.csv")}
    subjects = sorted({row[role] for row in team.values()})
    revenue: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    won: dict[tuple[str, str], list[int]] = defaultdict(list)
    lost: dict[tuple[str, str], int] = defaultdict(int)
    for deal in read(folder / "sales_pipeline.csv"):
        if deal["deal_stage"] not in ("Won", "Lost") or not deal["close_date"]:
            continue
        closed = dt.date.fromisoformat(deal["close_date"])
        if closed > until:
            continue
        key = team[deal["sales_agent"]][role], f"{closed.year}-Q{(closed.month + 2) // 3}"
        if deal["deal_stage"] == "Lost":
            lost[key] += 1
            continue
        won[key].append((closed - dt.date.fromisoformat(deal["engage_date"])).days)
        share = Fraction(1, 2) if deal["product"] == "MG Special" else Fraction(1)
        revenue[key] += half_up(Fraction(deal["close_value"]) * share, 2)
    rows: Rows = {}
    for subject in subjects:
        before: Fraction | None = None
        so_far = Fraction(0)
        for quarter in QUARTERS:
            key = subject, quarter
            deals = len(won[key]) + lost[key]
            row = rows[key] = {
                "revenue": revenue[key],
                "so_far": (so_far := so_far + revenue[key]),
                "grown": (revenue[key] - before) / before if before else None,
                "cycle": Fraction(sum(won[key]), len(won[key])) if won[key] else None,
                "win_rate": Fraction(len(won[key]), deals) if deals else None,
                "target": before * Fraction(11, 10) if before is not None else None,
            }
            before = revenue[key]
            row["attainment"] = row["revenue"] / row["target"] if row["target"] else None
            row["score"] = composite(row)
    return rows


def composite(row: Row) -> Fraction | None:
    parts: list[tuple[int, Fraction]] = []
    if row["attainment"] is not None:
        parts.append((50, min(100 * row["attainment"], Fraction(150))))
    if row["cycle"] is not None:
        parts.append((30, min(max(100 * (1 + (50 - row["cycle"]) / 50), Fraction(0)), Fraction(120))))
    if row["win_rate"] is not None:
        parts.append((20, min(100 * row["win_rate"] / Fraction(3, 5), Fraction(120))))
    weight = sum(each for each, _ in parts)
    return sum((each * points for each, points in parts), Fraction(0)) / weight if weight else None


def judged(rows: Rows) -> Rows:
    """The composite of the agents as people see it, with grade and rank."""
    for row in rows.values():
        if row["score"] is not None:
            row["score"] = half_up(row["score"], 1)
            if row["win_rate"] is not None and row["win_rate"] < Fraction(55, 100):
                row["score"] = min(row["score"], Fraction(95))
    for quarter in QUARTERS:
        scores = [row["score"] for (_, at), row in rows.items() if at == quarter and row["score"] is not None]
        best, worst = places(len(scores))
        for (_, at), row in rows.items():
            if at == quarter and row["score"] is not None:
                better = sum(other > row["score"] for other in scores)
                row["rank"] = better + 1
                row["grade"] = "A" if better < best else "C" if better >= len(scores) - worst else "B"
    return rows


def places(people: int) -> tuple[int, int]:
    """How many are A and C of so many: 20, 70 and 10 %, the largest fractions rounded up."""
    exact = [Fraction(people * percent, 100) for percent in (20, 70, 10)]
    counts = [math.floor(each) for each in exact]
    rest = sorted(range(3), key=lambda place: (counts[place] - exact[place], place))
    for place in rest[: people - sum(counts)]:
        counts[place] += 1
    return counts[0], counts[2]


def same(ours: Any, theirs: Fraction | None) -> bool:
    if ours is None or theirs is None:
        return ours is None and theirs is None
    return math.isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-9)


def refuse_other_figures(card: Scorecard, expected: Rows) -> None:
    assert {(subject, str(period)) for subject, period in card.keys} == expected.keys()
    for standing in card.standings():
        row = expected[standing.subject, str(standing.period)]
        where = standing.subject, str(standing.period)
        for name in ("revenue", "cycle", "win_rate", "so_far", "grown"):
            if name in standing.results:
                assert same(standing.results[name].actual, row[name]), (where, name)
        revenue = standing.results["revenue"]
        assert same(revenue.target, row["target"]), (where, revenue.target, row["target"])
        assert same(revenue.attainment, row["attainment"]), where
        assert same(standing.score, row["score"]), (where, standing.score, row["score"])


@pytest.mark.parametrize("engine", ENGINES)
def test_agents_managers_and_offices_by_the_quarter(folder: Path, book: Rulebook, engine: str) -> None:
    data = {
        "deals": ENGINES[engine](str(folder / "sales_pipeline.csv")),
        "team": read_file(str(folder / "sales_teams.csv")),
    }
    agents = book.score(data, model="agents")
    expected = judged(by_hand(folder, "sales_agent"))
    refuse_other_figures(agents, expected)
    for each in agents.standings():
        row = expected[each.subject, str(each.period)]
        assert (each.grade, each.rank) == (row.get("grade"), row.get("rank")), (each.subject, each.period)
    refuse_other_figures(book.score(data, model="managers"), by_hand(folder, "manager"))
    refuse_other_figures(book.score(data, model="offices"), by_hand(folder, "regional_office"))


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, Any]:
    return {
        "deals": pl.read_csv(folder / "sales_pipeline.csv", try_parse_dates=True),
        "team": pl.read_csv(folder / "sales_teams.csv"),
    }


@pytest.mark.parametrize(
    ("model", "role"), [("agents", "sales_agent"), ("managers", "manager"), ("offices", "regional_office")]
)
def test_the_pace_in_the_middle_of_the_last_quarter(
    folder: Path, book: Rulebook, data: dict[str, Any], model: str, role: str
) -> None:
    card = book.score(data, model=model, period="2017-Q4", now=AS_OF)
    expected = by_hand(folder, role, AS_OF)
    known = 0
    for standing in card.standings():
        row = expected[standing.subject, "2017-Q4"]
        revenue = standing.results["revenue"]
        assert same(revenue.actual, row["revenue"])
        assert same(revenue.target, row["target"])
        pace = revenue.pace
        assert pace is not None
        assert (pace.share, pace.elapsed) == (0.5, 46)
        assert same(pace.run_rate, row["revenue"] / 46)
        assert same(pace.projected, row["revenue"] * 2)
        if row["target"]:
            known += 1
            assert same(pace.expected, row["target"] / 2)
            assert same(pace.pace, row["revenue"] / (row["target"] / 2))
    assert known == {"agents": 30, "managers": 6, "offices": 3}[model]


def test_movement_is_against_the_quarter_before(folder: Path, book: Rulebook, data: dict[str, Any]) -> None:
    expected = judged(by_hand(folder, "sales_agent"))
    whole = book.score(data, model="agents")
    for card in (whole, book.score(data, model="agents", period="2017-Q3")):
        moved = 0
        for standing in card.standings():
            place = QUARTERS.index(str(standing.period))
            now = expected[standing.subject, QUARTERS[place]]
            before = expected[standing.subject, QUARTERS[place - 1]] if place else {"score": None}
            if now["score"] is None or before["score"] is None:
                assert (standing.score_change, standing.rank_change) == (None, None)
                continue
            moved += 1
            assert same(standing.score_change, now["score"] - before["score"])
            assert standing.rank_change == before["rank"] - now["rank"]
        assert moved


def test_seventy_percent_are_ones_own_and_thirty_the_managers(
    folder: Path, book: Rulebook, data: dict[str, Any]
) -> None:
    own, managers = judged(by_hand(folder, "sales_agent")), by_hand(folder, "manager")
    manager = {row["sales_agent"]: row["manager"] for row in read(folder / "sales_teams.csv")}
    for standing in book.score(data, model="together").standings():
        quarter = str(standing.period)
        mine, team = (
            own[standing.subject, quarter]["score"],
            managers[manager[standing.subject], quarter]["score"],
        )
        expected = team if mine is None else (70 * mine + 30 * team) / 100
        assert same(standing.score, expected), (standing.subject, quarter)
