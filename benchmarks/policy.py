"""A policy of twelve rules against the same by hand, in bulk and one record at a time, and rule engines.

All sides must give the same credit and the same deciding rule before anything is timed; then they take turns,
so that a busy moment hits all alike, and the medians count. Peers that are not installed are left out, by
name. Prints times for people and, as its last line, the ratios as JSON: `…_vs_record` is how many times
longer than crmrules.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from orders import as_pandas, as_polars, order_lines

from crmrules.fields import Source
from crmrules.policy import Policy

RUNS, QUICK_RUNS = 9, 3
ROWS, QUICK_ROWS = 1_000_000, 100_000
RECORDS, QUICK_RECORDS = 5_000, 500

Record = dict[str, Any]

SOURCE = Source.model_validate(
    {
        "name": "orders",
        "fields": {
            "order_id": {"type": "number", "role": "id"},
            "salesperson": {"type": "text", "role": "subject"},
            "customer_type": "text",
            "order_type": "text",
            "product_line": "text",
            "quantity": "number",
            "amount": "number",
            "cost": "number",
        },
    }
)
RULES: tuple[tuple[str, str, float], ...] = (
    ("sample", "order_type == 'sample'", 0.0),
    ("house", "customer_type == 'house'", 0.0),
    ("loss", "amount < cost and amount > 0", 0.0),
    ("small return", "order_type == 'return' and amount > -100", 0.0),
    ("service to key", "product_line == 'Service' and customer_type == 'key'", 0.3),
    ("service", "product_line == 'Service'", 0.5),
    ("large repeat", "order_type == 'repeat' and amount >= 20000", 0.9),
    ("bulk of parts", "product_line == '配件' and quantity >= 50", 0.4),
    ("parts", "product_line == '配件'", 0.6),
    ("thin margin", "amount - cost < amount * 0.15 and amount > 0", 0.7),
    ("repeat of key", "order_type == 'repeat' and customer_type == 'key'", 0.8),
    ("repeat", "order_type in ('repeat', 'return')", 0.85),
)
POLICY = Policy.model_validate(
    {
        "rules": [
            {"name": name, "when": when, "credit": credit, "because": f"rule of {name}"}
            for name, when, credit in RULES
        ],
        "default": {"credit": 1, "because": "all others count whole"},
    }
)


def by_hand(r: Record) -> tuple[float, str]:
    """As somebody would write it who knows that nothing is missing."""
    kind, amount = r["order_type"], r["amount"]
    if kind == "sample":
        return 0.0, "sample"
    customer, cost = r["customer_type"], r["cost"]
    if customer == "house":
        return 0.0, "house"
    if 0 < amount < cost:
        return 0.0, "loss"
    if kind == "return" and amount > -100:
        return 0.0, "small return"
    line = r["product_line"]
    if line == "Service":
        return (0.3, "service to key") if customer == "key" else (0.5, "service")
    if kind == "repeat" and amount >= 20000:
        return 0.9, "large repeat"
    if line == "配件":
        return (0.4, "bulk of parts") if r["quantity"] >= 50 else (0.6, "parts")
    if amount > 0 and amount - cost < amount * 0.15:
        return 0.7, "thin margin"
    if kind == "repeat" and customer == "key":
        return 0.8, "repeat of key"
    return (0.85, "repeat") if kind in ("repeat", "return") else (1.0, "default")


def conditions(frame: Any) -> list[Any]:
    """The twelve conditions over the columns of pandas or Polars, which spell them alike."""
    kind, customer, line = frame["order_type"], frame["customer_type"], frame["product_line"]
    amount, cost, quantity = frame["amount"], frame["cost"], frame["quantity"]
    isin = "isin" if isinstance(frame, pd.DataFrame) else "is_in"
    return [
        kind == "sample",
        customer == "house",
        (amount < cost) & (amount > 0),
        (kind == "return") & (amount > -100),
        (line == "Service") & (customer == "key"),
        line == "Service",
        (kind == "repeat") & (amount >= 20000),
        (line == "配件") & (quantity >= 50),
        line == "配件",
        (amount - cost < amount * 0.15) & (amount > 0),
        (kind == "repeat") & (customer == "key"),
        getattr(kind, isin)(["repeat", "return"]),
    ]


def polars_by_hand(frame: pl.DataFrame) -> pl.DataFrame:
    tests = conditions({name: pl.col(name) for name in frame.columns})

    def chain(values: list[Any], default: Any) -> pl.Expr:
        result: Any = pl
        for test, value in zip(tests, values, strict=True):
            result = result.when(test).then(pl.lit(value))
        return result.otherwise(pl.lit(default))  # type: ignore[no-any-return]

    credit = chain([credit for _, _, credit in RULES], 1.0).alias("credit")
    rule = chain([name for name, _, _ in RULES], "default").alias("rule")
    return frame.with_columns(credit, rule)


def pandas_by_hand(frame: pd.DataFrame) -> pd.DataFrame:
    tests = conditions(frame)
    credit = np.select(tests, [credit for _, _, credit in RULES], 1.0)
    rule = np.select(tests, [name for name, _, _ in RULES], "default")
    return frame.assign(credit=credit, rule=rule)


# the others


def rule_engine() -> Callable[[Record], float]:
    import rule_engine as library

    rules = [(library.Rule(_respelt(when)), credit) for _, when, credit in RULES]

    def credit(record: Record) -> float:
        for rule, credit in rules:
            if rule.matches(record):
                return credit
        return 1.0

    return credit


def zen() -> Callable[[Record], float]:
    """As one gives rules to zen-engine: a decision table in which the first row that holds decides."""
    import zen as library

    rows = [{"_id": name, "when": _respelt(when), "credit": str(credit)} for name, when, credit in RULES] + [
        {"_id": "default", "when": "", "credit": "1"}
    ]
    table = {
        "hitPolicy": "first",
        "inputs": [{"id": "when", "name": "when", "type": "expression"}],
        "outputs": [{"id": "credit", "name": "credit", "field": "credit", "type": "expression"}],
        "rules": rows,
    }
    kinds = ("inputNode", "decisionTableNode", "outputNode")
    nodes: list[dict[str, Any]] = [
        {"id": kind, "type": kind, "name": kind, "position": {"x": 0, "y": 0}} for kind in kinds
    ]
    nodes[1]["content"] = table
    edges = [
        {"id": kind, "sourceId": kind, "targetId": after, "type": "edge"} for kind, after in pairwise(kinds)
    ]
    decision = library.ZenEngine().create_decision(json.dumps({"nodes": nodes, "edges": edges}))
    return lambda record: float(decision.evaluate(record)["result"]["credit"])


def zen_expressions() -> Callable[[Record], float]:
    """Its expressions alone, compiled one by one and asked in turn by Python."""
    import zen as library

    rules = [(library.compile_expression(_respelt(when)), credit) for _, when, credit in RULES]

    def credit(record: Record) -> float:
        for rule, credit in rules:
            if rule.evaluate(record):
                return credit
        return 1.0

    return credit


def _respelt(text: str) -> str:
    """As both peers write lists."""
    return text.replace("('", "['").replace("')", "']")


PEERS: dict[str, Callable[[], Callable[[Record], float]]] = {
    "rule_engine": rule_engine,
    "zen": zen,
    "zen_expressions": zen_expressions,
}


def medians(
    sides: Mapping[str, Callable[[], object]], runs: int, clock: Callable[[], float] = perf_counter
) -> dict[str, float]:
    """Seconds of each side, in turns; the first turn only warms up. What runs in one thread is timed by the
    processor's clock, so that other processes do not count."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs + 1):
        for name, side in sides.items():
            start = clock()
            side()
            if run:
                times[name].append(clock() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def bulk(runs: int, rows: int) -> dict[str, float]:
    """The whole frame, credit and deciding rule beside each row."""
    lines = order_lines(rows)
    crediting = POLICY.on(SOURCE)
    ratios = {}
    frames: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "polars": (as_polars(lines), polars_by_hand),
        "pandas": (as_pandas(lines), pandas_by_hand),
    }
    for name, (frame, hand) in frames.items():
        mine, theirs = crediting.credit(frame), hand(frame)
        if [*mine["credit"]] != [*theirs["credit"]] or [*mine["rule"]] != [*theirs["rule"]]:  # type: ignore[index]
            sys.exit(f"{name}: the credits differ")
        took = medians(
            {
                "ours": lambda frame=frame: crediting.credit(frame),  # type: ignore[misc]
                "hand": lambda hand=hand, frame=frame: hand(frame),  # type: ignore[misc]
            },
            runs,
        )
        print(f"{name}, {rows:,} rows: by hand {took['hand']:.3f} s, ours {took['ours']:.3f} s")
        ratios[f"{name}_vs_hand"] = took["ours"] / took["hand"]
    return ratios


def by_record(runs: int, count: int) -> dict[str, float]:
    """One record after the other."""
    records = as_polars(order_lines(count)).select([*SOURCE.fields]).to_dicts()
    crediting = POLICY.on(SOURCE)
    peers: dict[str, Callable[[Record], float]] = {}
    for name, make in PEERS.items():
        try:
            peers[name] = make()
        except ImportError:
            print(f"not installed, and left out: {name}")
    for record in records:
        wanted, verdict = by_hand(record), crediting.of(record)
        if (verdict.credit, verdict.rule) != wanted:
            sys.exit(f"{record}: {verdict} instead of {wanted}")
        for name, peer in peers.items():
            if peer(record) != wanted[0]:
                sys.exit(f"{record}: {name} gives {peer(record)} instead of {wanted}")

    def over(one: Callable[[Record], object], listed: list[Record]) -> Callable[[], None]:
        def run() -> None:
            for record in listed:
                one(record)

        return run

    sides = {"hand": over(by_hand, records), "ours": over(crediting.credit_of, records)}
    sides["verdict"] = over(crediting.of, records)
    took = {name: taken / count for name, taken in medians(sides, runs, process_time).items()}
    few = records[: max(count // 25, 50)]
    slow = medians({name: over(peer, few) for name, peer in peers.items()}, min(runs, 5), process_time)
    took |= {name: taken / len(few) for name, taken in slow.items()}
    print("one record: " + ", ".join(f"{name} {1e6 * taken:.2f} µs" for name, taken in took.items()))
    ratios = {
        "record_vs_hand": took["ours"] / took["hand"],
        "verdict_vs_hand": took["verdict"] / took["hand"],
    }
    return ratios | {f"{name}_vs_record": took[name] / took["ours"] for name in peers}


def main() -> None:
    parser = argparse.ArgumentParser(description="A policy against the same by hand, and other engines.")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes, less exact")
    quick = parser.parse_args().quick
    runs = QUICK_RUNS if quick else RUNS
    # Single records first: with a million rows in memory, the garbage collector takes part in what is timed.
    found = by_record(runs, QUICK_RECORDS if quick else RECORDS)
    found |= bulk(runs, QUICK_ROWS if quick else ROWS)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
