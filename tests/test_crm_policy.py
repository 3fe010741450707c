"""Policies on 8,800 real deals of 85 accounts, against plain Python over the files as they are.

House accounts are those that belong to another company (`subsidiary_of`), MG Special counts half, and
managers have what their agents have.
"""

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmrules import RecordError, Rulebook, Scorecard

CENT = Decimal("0.01")
DEALS = {
    "opportunity_id": {"type": "text", "role": "id"},
    "sales_agent": {"type": "text", "role": "subject"},
    "product": {"type": "text", "replace": {"GTXPro": "GTX Pro"}},
    "account": "text",
    "parent": "text",
    "deal_stage": "text",
    "close_date": {"type": "date", "role": "date"},
    "close_value": "money(2)",
}
TEAM = {
    "sales_agent": {"type": "text", "role": "subject"},
    "manager": {"type": "text", "role": "manager"},
    "regional_office": {"type": "text", "role": "office"},
}
ENGINES: Mapping[str, Callable[[pl.DataFrame], Any]] = {
    "dicts": lambda frame: frame.to_dicts(),
    "pandas": lambda frame: frame.to_pandas(),
    "pandas over Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
    "Polars": lambda frame: frame,
    "Polars lazy": lambda frame: frame.lazy(),
    "PyArrow": lambda frame: frame.to_arrow(),
}
OPEN = {
    "name": "open",
    "when": "deal_stage != 'Won'",
    "credit": 0,
    "because": "only deals that are won count",
}
EXCLUDED = {"name": "house", "when": "not is_null(parent)", "credit": 0, "because": "a house account"}
CREDITED = {**EXCLUDED, "credit": [{"to": "'House'"}]}
HALF = {"name": "half", "when": "product == 'MG Special'", "credit": 0.5, "because": "MG Special counts half"}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "data" / "crm_pipeline"


@pytest.fixture(scope="module")
def deals(folder: Path) -> pl.DataFrame:
    """The deals with the company to which each account belongs."""
    frame = pl.read_csv(folder / "sales_pipeline.csv", try_parse_dates=True)
    accounts = pl.read_csv(folder / "accounts.csv").select("account", parent="subsidiary_of")
    return frame.join(accounts, on="account", how="left", maintain_order="left").drop("engage_date")


@pytest.fixture(scope="module")
def team(folder: Path) -> list[dict[str, Any]]:
    return pl.read_csv(folder / "sales_teams.csv").to_dicts()


def book(policy: dict[str, Any]) -> Rulebook:
    figures = {"indicators": {"revenue": {}, "deals": {}}, "period": "quarter"}
    return Rulebook.of(
        {
            "sources": {"deals": {"fields": DEALS}, "team": {"fields": TEAM}},
            "roster": "team",
            "policies": {"won": {"source": "deals", **policy}},
            "measures": {"revenue": "sum(close_value)", "deals": "count()"},
            "models": {
                "agents": figures,
                "managers": {**figures, "subject": "manager"},
                "offices": {**figures, "subject": "office"},
            },
        }
    )


Figures = dict[tuple[str, str], tuple[Decimal, int]]


def by_hand(folder: Path, house: str | None, group: str = "sales_agent") -> Figures:
    """Revenue and deals of each subject and quarter, from the files by plain Python."""

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    parents = {row["account"]: row["subsidiary_of"] for row in rows("accounts.csv")}
    subjects = {row["sales_agent"]: row[group] for row in rows("sales_teams.csv")}
    money: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    count: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows("sales_pipeline.csv"):
        if row["deal_stage"] != "Won":
            continue
        subject = subjects[row["sales_agent"]]
        value = Decimal(row["close_value"])
        if parents.get(row["account"]):
            if house is None:
                continue
            subject = house
        elif row["product"] == "MG Special":
            value = (value / 2).quantize(CENT, ROUND_HALF_UP)
        day = dt.date.fromisoformat(row["close_date"])
        key = subject, f"{day.year}-Q{(day.month + 2) // 3}"
        money[key] += value
        count[key] += 1
    return {key: (money[key], count[key]) for key in money}


def figures(card: Scorecard) -> Figures:
    found = {}
    for each in card.standings():
        row = each.results["revenue"].actual, each.results["deals"].actual
        if any(row):
            found[each.subject, str(each.period)] = row
    return found


EXCLUDING = {"rules": [OPEN, EXCLUDED, HALF], "default": 1}
TO_THE_HOUSE = {"rules": [OPEN, CREDITED, HALF], "default": 1}


@pytest.mark.parametrize("engine", [*ENGINES])
def test_house_accounts_count_for_nobody(
    engine: str, folder: Path, deals: pl.DataFrame, team: list[dict[str, Any]]
) -> None:
    data = {"deals": ENGINES[engine](deals), "team": team}
    rules = book(EXCLUDING)
    assert figures(rules.score(data, model="agents")) == by_hand(folder, None)
    assert figures(rules.score(data, model="managers")) == by_hand(folder, None, "manager")
    assert figures(rules.score(data, model="offices")) == by_hand(folder, None, "regional_office")


@pytest.mark.parametrize("engine", [*ENGINES])
def test_house_accounts_are_credited_to_the_house(
    engine: str, folder: Path, deals: pl.DataFrame, team: list[dict[str, Any]]
) -> None:
    rules = book(TO_THE_HOUSE)
    assert figures(rules.score({"deals": ENGINES[engine](deals), "team": team}, model="agents")) == by_hand(
        folder, "House"
    )
    # The house is on the roster under itself, or it could not roll up to a manager.
    house = [*team, {"sales_agent": "House", "manager": "House", "regional_office": "House"}]
    card = rules.score({"deals": ENGINES[engine](deals), "team": house}, model="managers")
    assert figures(card) == by_hand(folder, "House", "manager")


def test_the_house_needs_a_manager_to_roll_up_to(deals: pl.DataFrame, team: list[dict[str, Any]]) -> None:
    with pytest.raises(RecordError, match="to whom 'House' belongs") as caught:
        book(TO_THE_HOUSE).score({"deals": deals, "team": team}, model="managers")
    assert caught.value.code == "M103"


LEVELS = {
    "levels": {
        "stage": {"rules": [OPEN], "default": 1},
        "customer": {"rules": [EXCLUDED], "default": 1},
        "product": {"rules": [HALF], "default": 1},
    }
}


@pytest.mark.parametrize("engine", [*ENGINES])
def test_three_levels_say_the_same_as_one_list(
    engine: str, deals: pl.DataFrame, team: list[dict[str, Any]]
) -> None:
    data = {"deals": ENGINES[engine](deals), "team": team}
    one, three = book(EXCLUDING), book(LEVELS)
    for model in ("agents", "managers"):
        assert figures(three.score(data, model=model)) == figures(one.score(data, model=model))


@pytest.mark.parametrize("engine", [*ENGINES])
def test_counted_and_excluded_deals_make_the_whole(engine: str, folder: Path, deals: pl.DataFrame) -> None:
    policy = book(EXCLUDING).policy("won")
    summary = policy.summary(ENGINES[engine](deals))
    with (folder / "sales_pipeline.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert summary.total.records == len(rows)
    assert summary.total.amount == sum(Decimal(row["close_value"] or 0) for row in rows)
    assert summary.total.credited == sum((money for money, _ in by_hand(folder, None).values()), Decimal(0))
    assert summary.total.credited + summary.total.left_out == summary.total.amount
