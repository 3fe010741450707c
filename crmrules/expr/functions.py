"""One table: a row for each function, with its types, its null rule and both implementations.

A scalar implementation gets values that are not missing (unless the row says that it handles nulls itself);
a column implementation gets columns in which a missing value is null or NaN and propagates by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

from crmrules.expr import on_dates, on_numbers, on_texts
from crmrules.expr.gate import is_plain
from crmrules.expr.on_numbers import round_half_away
from crmrules.expr.signature import ANY, NUMERIC, ORDERED, Function
from crmrules.types import Kind

BUILT_IN: tuple[Function, ...] = (*on_numbers.ROWS, *on_dates.ROWS, *on_texts.ROWS)
FUNCTIONS: dict[str, Function] = {row.name: row for row in BUILT_IN}


@final
@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """A function over records: what it takes, what comes out, and what it is over nothing."""

    name: str
    parameter: frozenset[Kind]
    result: Kind | Literal["same"]
    empty: float | None
    doc: str
    example: str


AGGREGATES: Mapping[str, AggregateFunction] = {
    row.name: row
    for row in (
        AggregateFunction("sum", NUMERIC, "same", 0.0, "The sum; 0 over nothing.", "sum(amount)"),
        AggregateFunction("count", ANY, "number", 0.0, "How many records, or how many values.", "count()"),
        AggregateFunction("mean", NUMERIC, "number", None, "The mean of the values.", "mean(amount)"),
        AggregateFunction("min", ORDERED, "same", None, "The smallest value.", "min(order_date)"),
        AggregateFunction("max", ORDERED, "same", None, "The largest value.", "max(order_date)"),
        AggregateFunction("nunique", ANY, "number", 0.0, "How many different values.", "nunique(customer)"),
        AggregateFunction("median", NUMERIC, "number", None, "The middle value.", "median(amount)"),
        AggregateFunction("stddev", NUMERIC, "number", None, "The sample's deviation.", "stddev(amount)"),
        AggregateFunction(
            "first", ANY, "same", None, "The first value by the source's order.", "first(stage)"
        ),
        AggregateFunction("last", ANY, "same", None, "The last value by the source's order.", "last(stage)"),
        AggregateFunction(
            "share",
            NUMERIC,
            "number",
            None,
            "The part of the sum that meets the condition.",
            "share(amount, where=p)",
        ),
    )
}


@final
@dataclass(frozen=True, slots=True)
class PastFunction:
    """A function over other periods; `count` says of how many it may or must be told."""

    name: str
    count: Literal["none", "may", "must"]
    doc: str
    example: str


PAST: Mapping[str, PastFunction] = {
    row.name: row
    for row in (
        PastFunction("prior", "may", "The value one period before, or so many before.", "prior(revenue)"),
        PastFunction(
            "ytd", "none", "The value over all records of the year up to the period's end.", "ytd(revenue)"
        ),
        PastFunction(
            "rolling",
            "must",
            "The value over the records of so many periods, the last of them this one.",
            "rolling(revenue, 3)",
        ),
        PastFunction(
            "same_period_last_year",
            "none",
            "The value of the same period one year before.",
            "same_period_last_year(revenue)",
        ),
        PastFunction(
            "growth",
            "may",
            "(x - prior(x)) / abs(prior(x)), missing where that is 0 or missing.",
            "growth(revenue)",
        ),
    )
}


def register(function: Function) -> None:
    """Add a host's own function, for the whole process; call it before expressions are parsed.

    The function must be pure. A scalar implementation gets plain values and returns one of the declared
    result (None where there is none, if `partial`); what it raises, or gives of another kind, is an
    ExpressionError (E109). Raises ValueError for a name that is taken.
    """
    function = replace(function, hosted=True)
    taken = FUNCTIONS.get(function.name)
    if taken == function:
        return
    name = function.name
    if taken is not None or name in AGGREGATES or name in PAST or name == "datetime" or not is_plain(name):
        raise ValueError(f"`{name}` cannot be the name of a function, or is one already")
    FUNCTIONS[name] = function


def names_of_functions() -> list[str]:
    """Every function's name, for hints."""
    return sorted({*FUNCTIONS, *AGGREGATES, *PAST})


__all__ = [
    "AGGREGATES",
    "ANY",
    "BUILT_IN",
    "FUNCTIONS",
    "NUMERIC",
    "ORDERED",
    "PAST",
    "AggregateFunction",
    "Function",
    "PastFunction",
    "names_of_functions",
    "register",
    "round_half_away",
]
