"""Who owns a customer on an order's day: looked up by the library, and by hand with join_asof.

1,000,000 orders of 10,000 customers that each have three owners one after another, some with a gap between
them. Both sides are given frames as the library binds them, and must give the same owners and shares before
they are timed, by turns. Prints the medians and, as the last line, ratios: 0.5 is twice as fast as by hand.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from statistics import median
from typing import Any

import narwhals as nw
import numpy as np
import orders
import pandas as pd
import polars as pl

from crmrules.frames import columns_of
from crmrules.policy.timeline import Span, Timeline
from crmrules.types import Type

ORDERS, CUSTOMERS, ROUNDS = 1_000_000, 10_000, 7
QUICK_ORDERS, QUICK_CUSTOMERS, QUICK_ROUNDS = 50_000, 2_000, 3
OWNERS_EACH = 3
FIRST_DAY, LAST_DAY, FOREVER = 18_000, 21_000, 10**6
LONGEST_GAP, GAPS = 30, 0.2
UNKNOWN_CUSTOMERS = 0.02


def owners(rng: np.random.Generator, customers: int) -> pl.DataFrame:
    """Three rows for each customer: start, end (the day behind the last one), owner and share."""
    apart = LONGEST_GAP + 1
    starts = rng.integers(FIRST_DAY, LAST_DAY, (customers, OWNERS_EACH))
    starts = np.sort(starts, axis=1) + np.arange(OWNERS_EACH) * apart
    ends = np.column_stack([starts[:, 1:], np.full(customers, FOREVER)])
    gap = rng.integers(1, apart, ends.shape) * (rng.random(ends.shape) < GAPS)
    return pl.DataFrame(
        {
            "customer": np.repeat([f"C{number:06d}" for number in range(customers)], OWNERS_EACH),
            "start": starts.ravel().astype(float),
            "end": (ends - gap).ravel().astype(float),
            "owner": [f"P{number}" for number in rng.integers(0, 300, starts.size)],
            "share": np.ones(starts.size),
        }
    )


def bound_orders(rng: np.random.Generator, n: int, customers: int) -> pl.DataFrame:
    known = int(customers * (1 + UNKNOWN_CUSTOMERS))
    return pl.DataFrame(
        {
            "@row": np.arange(n, dtype=float),
            "customer": np.array([f"C{number:06d}" for number in range(known)])[rng.integers(0, known, n)],
            "day": rng.integers(FIRST_DAY - 100, LAST_DAY + 100, n).astype(float),
            "amount": rng.random(n),
            "cost": rng.random(n),
        }
    )


def by_hand_in_polars(frame: pl.LazyFrame, table: pl.LazyFrame) -> pl.DataFrame:
    held = pl.col("day") < pl.col("end")
    joined = frame.sort("day").join_asof(
        table.sort("start"), left_on="day", right_on="start", by="customer", check_sortedness=False
    )
    picked = [pl.when(held).then(pl.col(name)).alias(name) for name in ("owner", "share")]
    return joined.with_columns(*picked).drop("start", "end").collect()


def by_hand_in_pandas(frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    joined = pd.merge_asof(frame.sort_values("day"), table, left_on="day", right_on="start", by="customer")
    joined.loc[~(joined["day"] < joined["end"]), ["owner", "share"]] = None
    return joined.drop(columns=["start", "end"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Owners looked up by date, against join_asof by hand.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ORDERS:,} orders instead of {ORDERS:,}")
    quick = parser.parse_args().quick
    n, customers = (QUICK_ORDERS, QUICK_CUSTOMERS) if quick else (ORDERS, CUSTOMERS)
    rng = np.random.default_rng(0)
    table, frame = owners(rng, customers), bound_orders(rng, n, customers)
    timeline = Timeline.of_spans(
        [
            Span(customer, int(start), int(end), (owner, share))
            for customer, start, end, owner, share in table.iter_rows()
        ],
        [Type("text"), Type("number")],
    )

    def ours(native: Any) -> Any:
        wide = timeline.beside(nw.from_native(native), "customer", "day", ["owner", "share"]).to_native()
        return wide.collect() if isinstance(wide, pl.LazyFrame) else wide

    arrow = frame.to_arrow()
    pandas, pandas_table = frame.to_pandas(), table.sort("start").to_pandas()
    sides: dict[str, Callable[[], Any]] = {
        "Polars by hand": lambda: by_hand_in_polars(frame.lazy(), table.lazy()),
        "Polars": lambda: ours(frame.lazy()),
        "pandas by hand": lambda: by_hand_in_pandas(pandas, pandas_table),
        "pandas": lambda: ours(pandas),
        "PyArrow": lambda: ours(arrow),
    }
    results = {name: compared(side()) for name, side in sides.items()}
    expected = results["Polars by hand"]
    assert 0 < expected["owner"].count(None) < n / 2
    for name, result in results.items():
        assert result == expected, f"{name} gives other owners"
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for name, side in sides.items():
            times[name].append(orders.timed(side)[0])
    medians = {name: median(each) for name, each in times.items()}
    for name, seconds in medians.items():
        print(f"{name:16} {seconds:8.3f} s")
    ratios = {
        "timeline_polars_vs_hand": medians["Polars"] / medians["Polars by hand"],
        "timeline_pandas_vs_hand": medians["pandas"] / medians["pandas by hand"],
    }
    print(json.dumps({name: round(ratio, 3) for name, ratio in ratios.items()}))


def compared(native: Any) -> dict[str, list[object]]:
    """Owner and share in the order of the rows, since the library keeps it and join_asof does not."""
    return columns_of(nw.from_native(native).sort("@row").select("@row", "owner", "share"))


if __name__ == "__main__":
    main()
