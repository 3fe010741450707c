"""Order lines to measure with, up to ten million of them within seconds; run alone, how long they take.

Prints seconds for people and, as its last line, how long each frame takes relative to making the lines.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Column = np.ndarray[Any, Any]
T = TypeVar("T")

LINES, QUICK_LINES = 10_000_000, 1_000_000

CUSTOMERS_EACH = 20
CUSTOMER_TYPES = {"key": 0.20, "retail": 0.72, "house": 0.08}
ORDER_TYPES = {"sample": 0.10, "standard": 0.30, "repeat": 0.56, "return": 0.04}
PRODUCT_LINES = {"Sensors": 0.38, "Drives": 0.24, "Service": 0.14, "配件": 0.24}
FIRST_DAY, DAYS = np.datetime64("2026-01-01"), 365
LONGEST_CYCLE_DAYS = 60
UNKNOWN_QUOTES = 0.02


def order_lines(n: int, seed: int = 0, subjects: int = 1000) -> dict[str, Column]:
    """n order lines of 2026 in no order of date; the same ones for the same arguments and numpy.

    A customer has one salesperson and one type. Amounts and costs are the floats nearest to whole cents,
    negative in a return. Text columns hold Python strings, one object for each value that exists; dates
    are days, and only quote_date has nulls (NaT).
    """
    rng = np.random.default_rng(seed)
    customers = subjects * CUSTOMERS_EACH
    type_of_customer = codes(rng, customers, CUSTOMER_TYPES)

    customer = rng.integers(customers, size=n, dtype=np.int64)
    order_type = codes(rng, n, ORDER_TYPES)
    sign = np.where(order_type == list(ORDER_TYPES).index("return"), -1, 1)
    quantity = sign * rng.integers(1, 100, size=n, dtype=np.int64)
    amount_cents = quantity * rng.integers(500, 50_000, size=n, dtype=np.int64)
    cost_cents = np.rint(amount_cents * rng.uniform(0.5, 0.9, size=n))
    order_date = FIRST_DAY + rng.integers(DAYS, size=n, dtype=np.int64)
    quote_date = order_date - rng.integers(1, LONGEST_CYCLE_DAYS + 1, size=n, dtype=np.int64)
    quote_date[rng.random(n) < UNKNOWN_QUOTES] = np.datetime64("NaT")

    return {
        "order_id": np.arange(1, n + 1, dtype=np.int64),
        "salesperson": texts(
            [f"s{number:04d}" for number in range(1, subjects + 1)], customer // CUSTOMERS_EACH
        ),
        "customer": customer,
        "customer_type": texts(list(CUSTOMER_TYPES), type_of_customer[customer]),
        "order_type": texts(list(ORDER_TYPES), order_type),
        "product_line": texts(list(PRODUCT_LINES), codes(rng, n, PRODUCT_LINES)),
        "quantity": quantity,
        "amount": amount_cents / 100,
        "cost": cost_cents / 100,
        "order_date": order_date,
        "quote_date": quote_date,
    }


def as_pandas(data: dict[str, Column]) -> pd.DataFrame:
    """The lines with pandas's own types: its default text type, datetime64 in seconds."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(column) for name, column in data.items()})


def as_polars(data: dict[str, Column]) -> pl.DataFrame:
    """The lines with Polars's own types: String, Date, null for a date that is missing."""
    import polars as pl

    return pl.DataFrame(
        {
            name: pl.Series(column, dtype=pl.String) if column.dtype == object else pl.Series(column)
            for name, column in data.items()
        }
    )


def codes(rng: np.random.Generator, n: int, shares: dict[str, float]) -> Column:
    """n places in `shares`, each as often as its share says."""
    limits = np.cumsum(list(shares.values()))[:-1]
    return np.searchsorted(limits, rng.random(n), side="right").astype(np.int8)


def texts(names: Sequence[str], places: Column) -> Column:
    return np.array(names, dtype=object)[places]


def timed(what: Callable[[], T]) -> tuple[float, T]:
    start = perf_counter()
    result = what()
    return perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description="How long the lines of the benchmarks take to make.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_LINES:,} lines instead of {LINES:,}")
    n = QUICK_LINES if parser.parse_args().quick else LINES

    made, data = timed(lambda: order_lines(n))
    print(f"{n:,} lines {made:8.2f} s")
    ratios = {}
    for frame in (as_pandas, as_polars):
        seconds, _ = timed(lambda frame=frame: frame(data))  # type: ignore[misc]
        print(f"{frame.__name__:16} {seconds:8.2f} s")
        ratios[f"{frame.__name__}_vs_order_lines"] = round(seconds / made, 3)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
