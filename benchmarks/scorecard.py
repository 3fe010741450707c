"""A whole scorecard over generated order lines, against the same by hand, on Polars, pandas and DuckDB.

Twelve rules, eight indicators, targets, curves, composite, grades and ranks for 1,000 salespeople and 12
months. All sides must come to the same values, grades and ranks before anything is timed; then they take
turns, so that a busy moment hits all alike, and the medians count. pandas is written by hand twice: as one
would, and tuned (masked columns over categoricals, one groupby); crmrules on pandas is timed by itself and
through Polars. Peak memory is that of a process of its own for each side, the largest ratio counts.

Prints seconds for people and, as its last line, the ratios as JSON, of all sizes the worst: less than 1
means that crmrules is faster. `growth_1m_10m` is the time for each line of the largest size by that of the
smallest; `sixteen_vs_eight` compares twice the indicators; `small_ms` is 1,000 lines of 20 salespeople, of
dicts, pandas and Polars the slowest, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
from by_hand import scorecards as by_hand
from orders import as_pandas, as_polars, order_lines

from crmrules import Rulebook
from crmrules.route import pandas_alone

SIZES, QUICK_SIZES = (1_000_000, 10_000_000), (10_000, 100_000)
RUNS, QUICK_RUNS = 5, 3
SMALL, SMALL_SUBJECTS, SMALL_RUNS = 1_000, 20, 15

CONDITIONS = (
    "order_type == 'sample'",
    "customer_type == 'house'",
    "product_line == 'Service' and customer_type == 'key'",
    "product_line == 'Service'",
    "order_type == 'return'",
    "product_line == '配件' and quantity < 5",
    "product_line == '配件'",
    "amount >= 20000 and customer_type == 'key'",
    "order_type == 'repeat' and quantity >= 90",
    "cost > 15000",
    "days(order_date - quote_date) > 55",
    "customer_type == 'retail' and quantity == 1",
)
MEASURES = {
    "revenue": "sum(amount)",
    "orders": "count(where=order_type != 'return')",
    "customers": "nunique(customer)",
    "cycle": "mean(days(order_date - quote_date), where=order_type != 'return')",
    "repeat": "sum(amount, where=order_type == 'repeat')",
    "largest": "max(amount)",
    "costs": "sum(cost)",
    "returns": "count(where=order_type == 'return')",
}
VALUES = {
    "repeat_share": "repeat / revenue",
    "margin": "(revenue - costs) / revenue",
    "return_share": "returns / orders",
}
EIGHT_MORE = {
    "quantity": "sum(quantity)",
    "usual": "mean(amount)",
    "smallest": "min(amount)",
    "lines": "nunique(product_line)",
    "drives": "count(where=product_line == 'Drives')",
    "key": "sum(amount, where=customer_type == 'key')",
    "most": "max(quantity)",
    "sensors": "sum(amount, where=product_line == 'Sensors')",
}


def rules(more: bool = False) -> dict[str, Any]:
    """The rulebook, with eight or sixteen indicators."""
    indicators = {
        name: {
            "value": VALUES.get(name, name),
            "target": target,
            "weight": by_hand.WEIGHTS[name],
            "direction": "lower" if name in by_hand.LOWER else "higher",
            "curve": {"cap": by_hand.CAP},
        }
        for name, target in by_hand.TARGETS.items()
    }
    if more:
        indicators |= {name: {"target": 10, "weight": 1, "curve": {"cap": 150}} for name in EIGHT_MORE}
    grades = [{"grade": name, "at_least": bound} for name, bound in by_hand.GRADES]
    return {
        "sources": {
            "orders": {
                "fields": {
                    "order_id": {"type": "number", "role": "id"},
                    "salesperson": {"type": "text", "role": "subject"},
                    "customer": "number",
                    **dict.fromkeys(("customer_type", "order_type", "product_line"), "text"),
                    "quantity": "number",
                    "amount": "money(2)",
                    "cost": "money(2)",
                    "order_date": {"type": "date", "role": "date"},
                    "quote_date": "date",
                }
            }
        },
        "policies": {
            "counted": {
                "rules": [
                    {"when": when, "credit": credit, "because": f"rule {number}"}
                    for number, (when, credit) in enumerate(
                        zip(CONDITIONS, by_hand.CREDITS[:-1], strict=True), 1
                    )
                ],
                "default": by_hand.CREDITS[-1],
            }
        },
        "measures": MEASURES | (EIGHT_MORE if more else {}),
        "models": {"salespeople": {"indicators": indicators, "grades": [*grades, {"grade": "D"}]}},
    }


Side = Callable[[], Any]


class Sides:
    """The same card of the lines in a file, by every way there is."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.book, self.sixteen = Rulebook.of(rules()), Rulebook.of(rules(more=True))

    @cached_property
    def pandas(self) -> pd.DataFrame:
        return as_pandas({name: column.to_numpy() for name, column in self._columns.items()})

    @cached_property
    def polars(self) -> pl.DataFrame:
        return pl.read_parquet(self.file)

    @property
    def _columns(self) -> dict[str, pl.Series]:
        return {each.name: each for each in pl.read_parquet(self.file)}

    @cached_property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute(f"create table orders as select * from '{self.file}'")
        return connection

    def load(self) -> None:
        """Read the file, so that no side is timed with it."""
        assert len(self.pandas) == len(self.polars)
        assert self.duckdb

    def by_crmrules(self, records: Any, book: Rulebook | None = None) -> Any:
        return (book or self.book).score({"orders": records}).to_native()

    def alone(self) -> Any:
        with pandas_alone():
            return self.by_crmrules(self.pandas)

    @property
    def all(self) -> dict[str, Side]:
        return {
            "pandas by hand": lambda: by_hand.pandas_by_hand(self.pandas),
            "pandas tuned": lambda: by_hand.pandas_tuned(self.pandas),
            "pandas, crmrules": self.alone,
            "pandas through Polars, crmrules": lambda: self.by_crmrules(self.pandas),
            "Polars by hand": lambda: by_hand.polars_by_hand(self.polars.lazy()),
            "Polars, crmrules": lambda: self.by_crmrules(self.polars.lazy()),
            "Polars, sixteen indicators": lambda: self.by_crmrules(self.polars.lazy(), self.sixteen),
            "DuckDB by hand": lambda: by_hand.duckdb_by_hand(self.duckdb),
            "DuckDB, crmrules": lambda: self.by_crmrules(self.duckdb.table("orders")),
        }


RATIOS = {
    "polars_vs_hand": ("Polars, crmrules", "Polars by hand"),
    "pandas_alone_vs_hand": ("pandas, crmrules", "pandas by hand"),
    "pandas_alone_vs_tuned": ("pandas, crmrules", "pandas tuned"),
    "pandas_polars_vs_hand": ("pandas through Polars, crmrules", "pandas by hand"),
    "pandas_polars_vs_tuned": ("pandas through Polars, crmrules", "pandas tuned"),
    "duckdb_vs_hand": ("DuckDB, crmrules", "DuckDB by hand"),
    "sixteen_vs_eight": ("Polars, sixteen indicators", "Polars, crmrules"),
}
MEMORY = (
    ("Polars, crmrules", "Polars by hand"),
    ("pandas, crmrules", "pandas by hand"),
    ("DuckDB, crmrules", "DuckDB by hand"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="A scorecard by crmrules and by hand.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SIZES[-1]:,} lines at most")
    parser.add_argument("--peak", nargs=2, metavar=("SIDE", "FILE"), help="print the memory of one side")
    options = parser.parse_args()
    if options.peak:
        side, file = options.peak
        print(own_peak(side, Sides(Path(file))))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), quick=options.quick)))


def measured(folder: Path, *, quick: bool) -> dict[str, float]:
    """Every ratio, by its name."""
    sizes = QUICK_SIZES if quick else SIZES
    found: dict[str, float] = {}
    per_line: list[float] = []
    for lines in sizes:
        file = written(folder, lines)
        print(f"{lines:,} lines")
        seconds = timed(Sides(file), QUICK_RUNS if quick else RUNS)
        per_line.append(seconds["Polars, crmrules"] / lines)
        for name, (one, other) in RATIOS.items():
            found[name] = max(found.get(name, 0.0), seconds[one] / seconds[other])
    found["growth_1m_10m"] = per_line[-1] / per_line[0]
    found["memory_vs_hand"] = max(peak(one, file) / peak(other, file) for one, other in MEMORY)
    print(f"{SMALL:,} lines")
    found["small_ms"] = small(Sides(written(folder, SMALL, SMALL_SUBJECTS))) * 1000
    return {name: round(ratio, 3) for name, ratio in found.items()}


def written(folder: Path, lines: int, subjects: int = 1_000) -> Path:
    file = folder / f"{lines}.parquet"
    as_polars(order_lines(lines, subjects=subjects)).write_parquet(file)
    return file


def timed(sides: Sides, runs: int) -> dict[str, float]:
    sides.load()
    results = {name: side() for name, side in sides.all.items()}
    del results["Polars, sixteen indicators"]
    refuse_differences(results)
    seconds = medians(sides.all, runs)
    for name, each in seconds.items():
        print(f"  {name:32} {each * 1000:8.1f} ms")
    return seconds


def own_peak(side: str, sides: Sides) -> int:
    """The peak memory of this process while the side makes the card of lines that are there, in KB."""
    records = "pandas" if side.startswith("pandas") else "duckdb" if side.startswith("DuckDB") else "polars"
    getattr(sides, records)
    Path("/proc/self/clear_refs").write_text("5")  # Linux then counts the peak anew
    sides.all[side]()
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def peak(side: str, file: Path) -> float:
    """The same of a process of its own."""
    command = [sys.executable, __file__, "--peak", side, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = float(done.stdout.split()[0])
    print(f"  {side:32} {found / 1024:8.0f} MB")
    return found


def small(sides: Sides) -> float:
    given = {"dicts": sides.polars.to_dicts(), "pandas": sides.pandas, "Polars": sides.polars}
    ways: dict[str, Side] = {
        name: lambda records=records: sides.book.score({"orders": records})  # type: ignore[misc]
        for name, records in given.items()
    }
    for way in ways.values():
        way()
    seconds = medians(ways, SMALL_RUNS)
    for name, each in seconds.items():
        print(f"  {name:32} {each * 1000:8.1f} ms")
    return max(seconds.values())


def medians(sides: dict[str, Side], runs: int) -> dict[str, float]:
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
        for column in (*by_hand.INDICATORS, "score"):
            if not np.allclose(frame[column], first[column], rtol=1e-9, atol=0, equal_nan=True):
                sys.exit(f"{name} and {first_name} differ in {column}")


def normal(result: Any) -> pd.DataFrame:
    frame = result if isinstance(result, pd.DataFrame) else pl.DataFrame(result).to_pandas()
    frame = frame[["subject", "period", *by_hand.INDICATORS, "score", "grade", "rank"]]
    # crmrules has a row for everybody in every month, by hand there is none without an order that counts.
    frame = frame[frame["customers"] > 0]
    kinds: dict[str, Any] = {**dict.fromkeys((*by_hand.INDICATORS, "score"), "float64"), "rank": "int64"}
    return frame.sort_values(["period", "subject"], ignore_index=True).astype(kinds)


if __name__ == "__main__":
    main()
