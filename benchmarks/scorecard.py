"""A whole scorecard over generated order lines, against the same by hand, on pandas and on Polars.

Four rules, five indicators, targets, curves, composite, grades and ranks for 1,000 salespeople and 12
months. Both sides must come to the same values, grades and ranks before anything is timed; then they take
turns, so that a busy moment hits all alike, and the medians count. pandas is written by hand twice: as one
would, and tuned (masked columns over categoricals, one groupby). Prints seconds for people and, as its last
line, the ratios as JSON: less than 1 means that crmrules is faster.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from orders import as_pandas, as_polars, order_lines

from crmrules import Rulebook

LINES, QUICK_LINES = 1_000_000, 100_000
RUNS, QUICK_RUNS = 9, 3
INDICATORS = ("revenue", "orders", "customers", "cycle", "repeat_share")
TARGETS = {"revenue": 60_000.0, "orders": 70.0, "customers": 15.0, "cycle": 30.0, "repeat_share": 0.6}
WEIGHTS = {"revenue": 40.0, "orders": 20.0, "customers": 10.0, "cycle": 10.0, "repeat_share": 20.0}
CAP = 150.0
GRADES = (("A", 110.0), ("B", 90.0), ("C", 70.0))

RULES = {
    "sources": {
        "orders": {
            "fields": {
                "order_id": {"type": "number", "role": "id"},
                "salesperson": {"type": "text", "role": "subject"},
                "customer": "number",
                "customer_type": "text",
                "order_type": "text",
                "product_line": "text",
                "amount": "money(2)",
                "order_date": {"type": "date", "role": "date"},
                "quote_date": "date",
            }
        }
    },
    "policies": {
        "counted": {
            "rules": [
                {"when": "order_type == 'sample'", "credit": 0, "because": "samples are free"},
                {"when": "customer_type == 'house'", "credit": 0, "because": "the company's own"},
                {"when": "product_line == 'Service'", "credit": 0.5, "because": "service counts half"},
            ],
            "default": 1,
        }
    },
    "measures": {
        "revenue": "sum(amount)",
        "orders": "count(where=order_type != 'return')",
        "customers": "nunique(customer)",
        "cycle": "mean(days(order_date - quote_date), where=order_type != 'return')",
        "repeat": "sum(amount, where=order_type == 'repeat')",
    },
    "models": {
        "salespeople": {
            "indicators": {
                name: {
                    "value": "repeat / revenue" if name == "repeat_share" else name,
                    "target": TARGETS[name],
                    "weight": WEIGHTS[name],
                    "direction": "lower" if name == "cycle" else "higher",
                    "curve": {"cap": CAP},
                }
                for name in INDICATORS
            },
            "grades": [{"grade": name, "at_least": bound} for name, bound in GRADES] + [{"grade": "D"}],
        }
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description="A scorecard by crmrules and by hand.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_LINES:,} lines instead of {LINES:,}")
    quick = parser.parse_args().quick
    data = order_lines(QUICK_LINES if quick else LINES)
    on_pandas, on_polars = as_pandas(data), as_polars(data)
    book = Rulebook.of(RULES)
    sides: dict[str, Callable[[], Any]] = {
        "pandas by hand": lambda: pandas_by_hand(on_pandas),
        "pandas tuned": lambda: pandas_tuned(on_pandas),
        "crmrules on pandas": lambda: book.score({"orders": on_pandas}).to_native(),
        "Polars by hand": lambda: polars_by_hand(on_polars.lazy()),
        "crmrules on Polars": lambda: book.score({"orders": on_polars.lazy()}).to_native(),
    }
    refuse_differences({name: side() for name, side in sides.items()})
    seconds = medians(sides, QUICK_RUNS if quick else RUNS)
    for name, each in seconds.items():
        print(f"{name:20} {each * 1000:8.1f} ms")
    ratios = {
        "pandas_vs_hand": seconds["crmrules on pandas"] / seconds["pandas by hand"],
        "pandas_vs_tuned": seconds["crmrules on pandas"] / seconds["pandas tuned"],
        "polars_vs_hand": seconds["crmrules on Polars"] / seconds["Polars by hand"],
    }
    print(json.dumps({name: round(ratio, 3) for name, ratio in ratios.items()}))


def medians(sides: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            start = perf_counter()
            side()
            times[name].append(perf_counter() - start)
    return {name: statistics.median(each) for name, each in times.items()}


def refuse_differences(results: dict[str, Any]) -> None:
    """Ends the program unless all sides agree: values to 1e-9, grades and ranks exactly."""
    frames = {name: normal(result) for name, result in results.items()}
    first_name, first = next(iter(frames.items()))
    for name, frame in frames.items():
        for column in ("subject", "period", "grade", "rank"):
            if frame[column].tolist() != first[column].tolist():
                sys.exit(f"{name} and {first_name} differ in {column}")
        for column in (*INDICATORS, "score"):
            if not np.allclose(frame[column], first[column], rtol=1e-9, atol=0, equal_nan=True):
                sys.exit(f"{name} and {first_name} differ in {column}")


def normal(result: Any) -> pd.DataFrame:
    frame = result.to_pandas() if isinstance(result, pl.DataFrame) else result
    frame = frame[["subject", "period", *INDICATORS, "score", "grade", "rank"]]
    # crmrules has a row for everybody in every month, by hand there is none without an order.
    frame = frame[frame["customers"] > 0]
    return frame.sort_values(["period", "subject"], ignore_index=True).astype({"rank": "int64"})


def pandas_by_hand(orders: pd.DataFrame) -> pd.DataFrame:
    counted = orders[(orders["order_type"] != "sample") & (orders["customer_type"] != "house")].copy()
    counted["credit"] = np.where(counted["product_line"] == "Service", 0.5, 1.0)
    # A share of an amount is rounded to the cent, half away from zero.
    cents = (counted["amount"] * 100).round() * counted["credit"]
    counted["credited"] = np.sign(cents) * np.floor(cents.abs() + 0.5) / 100
    counted["period"] = counted["order_date"].dt.strftime("%Y-%m")
    counted["days"] = (counted["order_date"] - counted["quote_date"]).dt.days
    keys = ["salesperson", "period"]
    groups = counted.groupby(keys)
    sold = counted[counted["order_type"] != "return"].groupby(keys)
    repeat = counted[counted["order_type"] == "repeat"].groupby(keys)["credited"].sum()
    card = pd.DataFrame(
        {
            "revenue": groups["credited"].sum(),
            "orders": sold.size(),
            "customers": groups["customer"].nunique(),
            "cycle": sold["days"].mean(),
        }
    )
    card["orders"] = card["orders"].fillna(0)
    card["repeat_share"] = repeat.reindex(card.index).fillna(0) / card["revenue"].replace(0, np.nan)
    return finished_by_hand(card.reset_index().rename(columns={"salesperson": "subject"}))


def pandas_tuned(orders: pd.DataFrame) -> pd.DataFrame:
    order_type, customer_type = (
        orders["order_type"].astype("category"),
        orders["customer_type"].astype("category"),
    )
    kept = ((order_type != "sample") & (customer_type != "house")).to_numpy()
    taken = orders.loc[
        kept, ["salesperson", "customer", "product_line", "amount", "order_date", "quote_date"]
    ]
    kind = order_type[kept]
    cents = np.rint(taken["amount"].to_numpy() * 100)
    cents *= np.where(taken["product_line"].astype("category") == "Service", 0.5, 1.0)
    cents = np.where(cents < 0, -np.floor(np.abs(cents) + 0.5), np.floor(np.abs(cents) + 0.5))
    sold = (kind != "return").to_numpy()
    date = taken["order_date"].to_numpy()
    days = (date - taken["quote_date"].to_numpy()) / np.timedelta64(1, "D")
    columns = pd.DataFrame(
        {
            "subject": taken["salesperson"].astype("category").to_numpy(),
            "month": date.astype("datetime64[M]").astype("int64"),
            "cents": cents,
            "repeat": np.where((kind == "repeat").to_numpy(), cents, 0.0),
            "orders": sold.astype("int64"),
            "days": np.where(sold, days, np.nan),
            "customer": taken["customer"].to_numpy(),
        }
    )
    columns["subject"] = pd.Categorical(taken["salesperson"])
    card = columns.groupby(["subject", "month"], sort=False, observed=True).agg(
        revenue=("cents", "sum"),
        repeat=("repeat", "sum"),
        orders=("orders", "sum"),
        cycle=("days", "mean"),
        customers=("customer", "nunique"),
    )
    card = card.reset_index()
    card["repeat_share"] = card["repeat"] / card["revenue"].replace(0, np.nan)
    card["revenue"] /= 100
    card["period"] = card["month"].to_numpy().astype("datetime64[M]").astype(str)
    return finished_by_hand(card.astype({"subject": "str", "period": "str"}))


def finished_by_hand(card: pd.DataFrame) -> pd.DataFrame:
    total, weights = np.zeros(len(card)), np.zeros(len(card))
    for name in INDICATORS:
        value = card[name].to_numpy(dtype=np.float64)
        attainment = TARGETS[name] / value if name == "cycle" else value / TARGETS[name]
        score = np.clip(100 * attainment, 0, CAP)
        known = ~np.isnan(score)
        total += np.where(known, WEIGHTS[name] * score, 0)
        weights += np.where(known, WEIGHTS[name], 0)
    card["score"] = total / weights
    rounded = card["score"].round(9)
    bounds = [bound for _, bound in reversed(GRADES)]
    names = np.array(["D", *(name for name, _ in reversed(GRADES))])
    card["grade"] = names[np.searchsorted(bounds, rounded, side="right")]
    card["rank"] = rounded.groupby(card["period"]).rank(method="min", ascending=False).astype("int64")
    return card


def polars_by_hand(orders: pl.LazyFrame) -> pl.DataFrame:
    cents = (pl.col("amount") * 100).round() * pl.when(pl.col("product_line") == "Service").then(
        0.5
    ).otherwise(1.0)
    credited = (
        pl.when(cents < 0).then(-((-cents + 0.5).floor())).otherwise((cents + 0.5).floor()).cast(pl.Int64)
    )
    days = (pl.col("order_date") - pl.col("quote_date")).dt.total_days()
    sold = pl.col("order_type") != "return"
    card = (
        orders.filter((pl.col("order_type") != "sample") & (pl.col("customer_type") != "house"))
        .with_columns(credited.alias("credited"), days.alias("days"), pl.col("order_date").dt.truncate("1mo"))
        .group_by(pl.col("salesperson").alias("subject"), pl.col("order_date").alias("month"))
        .agg(
            (pl.col("credited").sum() / 100).alias("revenue"),
            sold.sum().alias("orders"),
            pl.col("customer").n_unique().alias("customers"),
            pl.col("days").filter(sold).mean().alias("cycle"),
            (pl.col("credited").filter(pl.col("order_type") == "repeat").sum() / 100).alias("repeat"),
        )
        .with_columns(
            (pl.col("repeat") / pl.when(pl.col("revenue") != 0).then(pl.col("revenue"))).alias(
                "repeat_share"
            ),
            pl.col("month").dt.strftime("%Y-%m").alias("period"),
        )
    )
    scores = {}
    for name in INDICATORS:
        attainment = TARGETS[name] / pl.col(name) if name == "cycle" else pl.col(name) / TARGETS[name]
        scores[name] = (100 * attainment).clip(0, CAP)
    total = pl.sum_horizontal(WEIGHTS[name] * score for name, score in scores.items())
    weights = pl.sum_horizontal(
        pl.when(score.is_not_null()).then(WEIGHTS[name]).otherwise(0.0) for name, score in scores.items()
    )
    score = pl.col("score").round(9)
    grade = pl.lit("D")
    for name, bound in reversed(GRADES):
        grade = pl.when(score >= bound).then(pl.lit(name)).otherwise(grade)
    return (
        card.with_columns((total / weights).alias("score"))
        .with_columns(
            grade.alias("grade"),
            score.rank("min", descending=True).over("period").cast(pl.Int64).alias("rank"),
        )
        .collect()
    )


if __name__ == "__main__":
    main()
