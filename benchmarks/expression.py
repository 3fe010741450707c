"""Expressions for each record and in bulk, against the same by hand and against other rule engines.

Seven expressions over order records, some of them with missing values and divisions by zero. All sides must
give the same values before anything is timed; then they take turns, so that a busy moment hits all alike,
and the medians count, as geometric means over the expressions. zen-engine, rule-engine and CEL come in
their own spelling and are left out, by name, where they are not installed. Prints times for people and, as
its last line, the ratios as JSON: `…_vs_record` is how many times longer than crmrules compiled.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import math
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from time import perf_counter, process_time
from typing import Any

import narwhals as nw
import polars as pl
import polars.selectors as cs

from crmrules.binding import bind_frame
from crmrules.expr import Expression
from crmrules.expr.column import condition_column
from crmrules.expr.scalar import compile_record
from crmrules.fields import Source

RUNS, QUICK_RUNS = 15, 3
RECORDS, QUICK_RECORDS = 2_000, 200
ROWS, QUICK_ROWS = 1_000_000, 100_000
PARSES = 20

Record = dict[str, Any]
Evaluate = Callable[[Record], Any]
FIELDS = {
    "amount": "number",
    "cost": "number",
    "target": "number",
    "quantity": "number",
    "order_type": "text",
    "customer_type": "text",
    "urgent": "bool",
}


@dataclass(frozen=True)
class Job:
    """One expression: as crmrules has it, by hand with and without missing values, and as others spell it.

    other: with `&&`, `||`, `? :` and square brackets, which CEL and, with small changes, the others read.
    """

    text: str
    native: Evaluate
    careful: Evaluate
    other: str


def _ratio(x: float | None, y: float | None) -> float | None:
    return None if x is None or y is None or y == 0 else x / y


JOBS = (
    Job(
        "(amount - cost) / amount",
        lambda r: (r["amount"] - r["cost"]) / r["amount"],
        lambda r: None if r["cost"] is None or not r["amount"] else (r["amount"] - r["cost"]) / r["amount"],
        "(amount - cost) / amount",
    ),
    Job(
        "amount / target",
        lambda r: r["amount"] / r["target"],
        lambda r: _ratio(r["amount"], r["target"]),
        "amount / target",
    ),
    Job(
        "order_type in ('standard', 'repeat') and customer_type != 'house'",
        lambda r: r["order_type"] in ("standard", "repeat") and r["customer_type"] != "house",
        lambda r: (
            False
            if r["customer_type"] == "house" or r["order_type"] not in ("standard", "repeat", None)
            else None
            if r["order_type"] is None or r["customer_type"] is None
            else True
        ),
        "order_type in ['standard', 'repeat'] && customer_type != 'house'",
    ),
    Job(
        "amount * 0.5 if order_type == 'sample' else amount",
        lambda r: r["amount"] * 0.5 if r["order_type"] == "sample" else r["amount"],
        lambda r: (
            None if r["amount"] is None else r["amount"] * 0.5 if r["order_type"] == "sample" else r["amount"]
        ),
        "order_type == 'sample' ? amount * 0.5 : amount",
    ),
    Job(
        "amount > 1000 and quantity >= 10 or urgent",
        lambda r: (r["amount"] > 1000 and r["quantity"] >= 10) or r["urgent"],
        lambda r: r["urgent"] or _both(_over(r["amount"], 1000), _least(r["quantity"], 10), r["urgent"]),
        "(amount > 1000.0 && quantity >= 10.0) || urgent",
    ),
    Job(
        "amount - cost - quantity * 2.5 + target / 100",
        lambda r: r["amount"] - r["cost"] - r["quantity"] * 2.5 + r["target"] / 100,
        lambda r: (
            None
            if r["amount"] is None or r["cost"] is None or r["quantity"] is None or r["target"] is None
            else r["amount"] - r["cost"] - r["quantity"] * 2.5 + r["target"] / 100
        ),
        "amount - cost - quantity * 2.5 + target / 100.0",
    ),
    Job(
        "3 if amount >= 5000 else 2 if amount >= 1000 else 1",
        lambda r: 3.0 if r["amount"] >= 5000 else 2.0 if r["amount"] >= 1000 else 1.0,
        lambda r: (
            1.0
            if r["amount"] is None
            else 3.0
            if r["amount"] >= 5000
            else 2.0
            if r["amount"] >= 1000
            else 1.0
        ),
        "amount >= 5000.0 ? 3.0 : amount >= 1000.0 ? 2.0 : 1.0",
    ),
)


def _over(x: float | None, limit: float) -> bool | None:
    return None if x is None else x > limit


def _least(x: float | None, limit: float) -> bool | None:
    return None if x is None else x >= limit


def _both(one: bool | None, other: bool | None, otherwise: bool | None) -> bool | None:
    """`one and other or otherwise`, where otherwise is not true."""
    both = False if one is False or other is False else None if one is None or other is None else True
    return True if both else None if both is None or otherwise is None else False


def records_of(count: int, *, missing: float) -> list[Record]:
    random = Random(7)

    def value(made: object) -> object:
        return None if random.random() < missing else made

    return [
        {
            "amount": value(round(random.uniform(10, 9_000), 2)),
            "cost": value(round(random.uniform(5, 5_000), 2)),
            "target": value(random.choice((0.0, 500.0, 2_000.0)) if missing else 2_000.0),
            "quantity": value(float(random.randrange(1, 40))),
            "order_type": value(random.choice(("sample", "standard", "repeat", "return"))),
            "customer_type": value(random.choice(("key", "retail", "house"))),
            "urgent": value(random.random() < 0.1),
        }
        for _ in range(count)
    ]


# the others


def simpleeval(text: str) -> Evaluate:
    from simpleeval import EvalWithCompoundTypes  # the plain one knows no lists

    evaluator = EvalWithCompoundTypes()
    parsed = evaluator.parse(text)

    def evaluate(record: Record) -> Any:
        evaluator.names = record
        return evaluator.eval(text, previously_parsed=parsed)

    return evaluate


def rule_engine(text: str) -> Evaluate:
    import rule_engine as library

    return library.Rule(text.replace("&&", "and").replace("||", "or")).evaluate  # type: ignore[no-any-return]


def zen(text: str) -> Evaluate:
    import zen as library

    compiled = library.compile_expression(text.replace("&&", "and").replace("||", "or"))
    return compiled.evaluate  # type: ignore[no-any-return]


def cel(text: str) -> Evaluate:
    """common-expression-language, in Rust; celpy, in Python, is some hundred times slower."""
    import cel as library

    return library.compile(text).execute  # type: ignore[no-any-return]


PEERS: dict[str, Callable[[str], Evaluate]] = {
    "simpleeval": simpleeval,
    "rule_engine": rule_engine,
    "zen": zen,
    "cel": cel,
}


def sides_of(job: Job) -> tuple[dict[str, Evaluate], list[str]]:
    """What evaluates complete records, and the names of those that are not installed."""
    required = {name: f"{declared} not null" for name, declared in FIELDS.items()}
    expression = Expression.parse(job.text, required)
    sides: dict[str, Evaluate] = {
        "native": job.native,
        "record": expression,
        "function": expression.function,
    }
    absent = []
    for name, make in PEERS.items():
        try:
            sides[name] = make(job.text if name == "simpleeval" else job.other)
        except ImportError:
            absent.append(name)
    return sides, absent


def refuse_different(job: Job, sides: Mapping[str, Evaluate], records: list[Record]) -> None:
    """Ends the program unless all sides give the same values."""
    wanted = [next(iter(sides.values()))(record) for record in records]
    for name, evaluate in sides.items():
        for record, value in zip(records, wanted, strict=True):
            got = evaluate(record)
            numbers = not isinstance(value, bool | None) and not isinstance(got, bool | None)
            if not (math.isclose(float(got), value, rel_tol=1e-12) if numbers else got is value):
                sys.exit(f"{job.text}: {name} gives {got!r}, not {value!r}, for {record}")


def hand() -> dict[str, pl.Expr]:
    """Ten expressions of crmrules, each as one would write it for Polars, nulls and zeros included."""
    amount, cost, target, quantity = (pl.col(name) for name in ("amount", "cost", "target", "quantity"))
    kind, customer, urgent = (pl.col(name) for name in ("order_type", "customer_type", "urgent"))
    counted = kind.is_in(["standard", "repeat"])
    return {
        "(amount - cost) / amount": pl.when(amount != 0).then((amount - cost) / amount),
        "amount / target": pl.when(target != 0).then(amount / target),
        "order_type in ('standard', 'repeat') and customer_type != 'house'": counted & (customer != "house"),
        "amount * 0.5 if order_type == 'sample' else amount": (
            pl.when(kind == "sample").then(amount * 0.5).otherwise(amount)
        ),
        "amount > 1000 and quantity >= 10 or urgent": ((amount > 1000) & (quantity >= 10)) | urgent,
        "amount - cost - quantity * 2.5": amount - cost - quantity * 2.5,
        "3 if amount >= 5000 else 2 if amount >= 1000 else 1": (
            pl.when(amount >= 5000).then(3.0).when(amount >= 1000).then(2.0).otherwise(1.0)
        ),
        "coalesce(cost, 0) * 1.1": cost.fill_null(0.0) * 1.1,
        "is_null(target) or amount < target": target.is_null() | (amount < target),
        "min(amount, 5000)": pl.when(amount < 5000).then(amount).when(amount >= 5000).then(5000.0),
    }


def medians(
    sides: Mapping[str, Callable[[], object]], runs: int, clock: Callable[[], float] = process_time
) -> dict[str, float]:
    """Seconds of each side, in turns; the first turn only warms up. What runs in one thread is measured by
    the processor's time, which other programs' turns do not lengthen."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs + 1):
        for name, side in sides.items():
            start = clock()
            side()
            if run:
                times[name].append(clock() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def over(evaluate: Evaluate, records: list[Record]) -> Callable[[], None]:
    def run() -> None:
        for record in records:
            evaluate(record)

    return run


def by_record(runs: int, count: int) -> dict[str, float]:
    """Geometric means over the jobs: how many times longer each side takes than the one in its name."""
    complete, holey = records_of(count, missing=0), records_of(count, missing=0.1)
    ratios: dict[str, list[float]] = {}
    missing: list[str] = []
    for job in JOBS:
        sides, missing = sides_of(job)
        refuse_different(job, sides, complete)
        aware: dict[str, Evaluate] = {"native": job.careful, "record": Expression.parse(job.text, FIELDS)}
        refuse_different(job, aware, holey)
        slow = {"rule_engine"}
        fast = {name: over(side, complete) for name, side in sides.items() if name not in slow}
        # Null-aware is held against the lambda that knows of no nulls, on the same complete records.
        fast["bound"] = over(compile_record(sides["record"].checked, bound=True), complete)  # type: ignore[attr-defined]
        fast["aware"] = over(aware["record"], complete)
        fast["careful, with nulls"] = over(aware["native"], holey)
        fast["aware, with nulls"] = over(aware["record"], holey)
        # A hundred times slower ones take part with fewer records.
        few = complete[: max(count // 20, 50)]
        seconds = {name: taken / count for name, taken in medians(fast, runs).items()}
        slower = medians({name: over(sides[name], few) for name in slow & {*sides}}, min(runs, 5))
        seconds |= {name: taken / len(few) for name, taken in slower.items()}
        print(f"{job.text}\n  " + ", ".join(f"{name} {1e9 * took:.0f} ns" for name, took in seconds.items()))
        ratios.setdefault("record_not_null_vs_native", []).append(seconds["record"] / seconds["native"])
        # The bare function, without the call of an object around it.
        ratios.setdefault("function_not_null_vs_native", []).append(seconds["function"] / seconds["native"])
        ratios.setdefault("record_null_aware_vs_native", []).append(seconds["aware"] / seconds["native"])
        # As a bulk run over records calls it, whose values have been looked at already.
        ratios.setdefault("record_bound_vs_native", []).append(seconds["bound"] / seconds["native"])
        with_nulls = seconds["aware, with nulls"] / seconds["careful, with nulls"]
        ratios.setdefault("record_null_aware_vs_careful_native", []).append(with_nulls)
        for name in PEERS:
            if name in seconds:
                ratios.setdefault(f"{name}_vs_record", []).append(seconds[name] / seconds["record"])
    if missing:
        print(f"not installed, and left out: {', '.join(missing)}")
    return {name: statistics.geometric_mean(each) for name, each in ratios.items()}


def parse_check(runs: int) -> dict[str, float]:
    """Microseconds to parse and check an expression; Python's own parser alone beside it."""

    budgets = itertools.count(100_000)

    def ours() -> None:
        for _ in range(PARSES):
            budget = next(budgets)  # one that was not there before, so that no cache answers
            for job in JOBS:
                Expression.parse(job.text, FIELDS, budget=budget)

    def python() -> None:
        for _ in range(PARSES):
            for job in JOBS:
                ast.parse(job.text, mode="eval")

    seconds = medians({"ours": ours, "python": python}, runs)
    each = {name: 1e6 * taken / (PARSES * len(JOBS)) for name, taken in seconds.items()}
    print(f"parse and check {each['ours']:.1f} µs, Python's parser alone {each['python']:.1f} µs")
    return {"parse_check_us": each["ours"]}


def bulk(runs: int, rows: int) -> dict[str, float]:
    """Ten expressions in one select: by hand on Polars, and built by us over a bound frame, as a scorecard
    does, which binds a frame once for all its measures; then with the binding, which looks for bad values
    and takes NaN for missing. Conditions are masks, in which unknown counts as no."""
    few = records_of(min(rows, 10_000), missing=0.1)
    frame = pl.concat([pl.DataFrame(few)] * (rows // len(few)))
    source = Source.model_validate({"fields": FIELDS})
    expressions = [Expression.parse(text, FIELDS) for text in hand()]
    bound_once: Any = nw.from_native(nw.to_native(bind_frame(source, frame.lazy(), FIELDS).frame).collect())

    def select(bound: Any) -> pl.DataFrame:
        columns = [
            (condition_column(each.checked) if each.type.kind == "bool" else each.column()).alias(
                f"x{number}"
            )
            for number, each in enumerate(expressions)
        ]
        return nw.to_native(bound.select(*columns)).collect()  # type: ignore[no-any-return]

    def ours() -> pl.DataFrame:
        return select(bound_once.lazy())

    def with_binding() -> pl.DataFrame:
        return select(bind_frame(source, frame.lazy(), FIELDS).frame)

    def by_hand() -> pl.DataFrame:
        columns = [each.alias(f"x{number}") for number, each in enumerate(hand().values())]
        return frame.lazy().select(*columns).collect()

    booleans = cs.boolean().fill_null(False)
    theirs = by_hand().with_columns(booleans)
    for name, mine in (("ours", ours()), ("with binding", with_binding())):
        mine = mine.with_columns(booleans)
        for column in mine.columns:
            if not mine[column].equals(theirs[column], null_equal=True):
                sys.exit(f"in bulk, {name}, `{[*hand()][int(column[1:])]}` differs")
    sides = {"hand": by_hand, "ours": ours, "ours with binding": with_binding}
    seconds = medians(sides, runs, perf_counter)
    listed = ", ".join(f"{name} {took:.3f} s" for name, took in seconds.items())
    print(f"ten expressions over {rows:,} rows: {listed}")
    return {
        "bulk_vs_polars": seconds["ours"] / seconds["hand"],
        "bulk_with_binding_vs_polars": seconds["ours with binding"] / seconds["hand"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Expressions against the same by hand, and other engines.")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes, less exact")
    quick = parser.parse_args().quick
    runs = QUICK_RUNS if quick else RUNS
    found = by_record(runs, QUICK_RECORDS if quick else RECORDS)
    found |= parse_check(runs)
    found |= bulk(runs, QUICK_ROWS if quick else ROWS)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
