"""One table: a row for each function, with its types, its null rule and both implementations.

A scalar implementation gets values that are not missing (unless the row says that it handles nulls itself);
a column implementation gets columns in which a missing value is null or NaN and propagates by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from crmrules.types import Kind

if TYPE_CHECKING:
    import narwhals as nw

ANY: frozenset[Kind] = frozenset({"text", "number", "money", "date", "datetime", "bool", "duration"})
NUMERIC: frozenset[Kind] = frozenset({"number", "money", "duration"})
ORDERED: frozenset[Kind] = frozenset({"number", "money", "duration", "date", "datetime"})
_NUMBER: frozenset[Kind] = frozenset({"number"})


@final
@dataclass(frozen=True, slots=True)
class Function:
    """A function of one record's values.

    parameters: the kinds that each argument may have; the last repeats if `variadic`.
    result: a kind, or `common` for the type that all arguments share.
    constants_from: from this argument on, only constants are allowed, and given as they are.
    nulls: `propagate`, or `own` where the implementation is given the missing values too.
    """

    name: str
    parameters: tuple[frozenset[Kind], ...]
    result: Kind | Literal["common"]
    scalar: Callable[..., object]
    column: Callable[..., nw.Expr]
    doc: str
    example: str
    required: int = 1
    variadic: bool = False
    constants_from: int | None = None
    nulls: Literal["propagate", "own"] = "propagate"
    cost: int = 1


def round_half_away(number: float, digits: float = 0.0) -> float:
    """Rounded to so many decimals, a half away from zero, as money people expect."""
    factor = 10.0 ** int(digits)
    scaled = abs(number) * factor
    if scaled >= 2.0**52:
        return number
    return math.copysign(math.floor(scaled + 0.5) / factor, number)


def _round_column(number: nw.Expr, digits: float = 0.0) -> nw.Expr:
    import narwhals as nw

    from crmrules.frames import over

    factor = 10.0 ** int(digits)
    scaled = number.abs() * factor
    rounded = over((scaled + 0.5).floor(), factor)
    signed = nw.when(number < 0).then(-rounded).otherwise(rounded)
    return nw.when(scaled >= 2.0**52).then(number).otherwise(signed)


def _extreme(horizontal: str) -> Callable[..., nw.Expr]:
    def column(*arguments: nw.Expr) -> nw.Expr:
        import narwhals as nw

        result = arguments[0]
        for argument in arguments[1:]:
            either = result <= argument if horizontal == "min" else result >= argument
            known = ~argument.is_null() & ~result.is_null()
            result = nw.when(either & known).then(result).otherwise(nw.when(known).then(argument))
        return result

    return column


def _coalesce(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def _coalesce_column(*arguments: nw.Expr) -> nw.Expr:
    import narwhals as nw

    result = arguments[-1]
    for argument in reversed(arguments[:-1]):
        result = nw.when(~argument.is_null()).then(argument).otherwise(result)
    return result


def _table(rows: Sequence[Function]) -> Mapping[str, Function]:
    return {row.name: row for row in rows}


FUNCTIONS: Mapping[str, Function] = _table(
    [
        Function(
            "abs", (NUMERIC,), "common", abs, lambda x: x.abs(), "The value without its sign.", "abs(-3)"
        ),
        Function(
            "round",
            (_NUMBER, _NUMBER),
            "number",
            round_half_away,
            _round_column,
            "Rounded to so many decimals (0 if not said), a half away from zero.",
            "round(2.5)",
            constants_from=1,
            cost=3,
        ),
        Function(
            "floor",
            (_NUMBER,),
            "number",
            lambda x: float(math.floor(x)),
            lambda x: x.floor(),
            "The largest whole number that is not above.",
            "floor(2.7)",
        ),
        Function(
            "ceil",
            (_NUMBER,),
            "number",
            lambda x: float(math.ceil(x)),
            lambda x: x.ceil(),
            "The smallest whole number that is not below.",
            "ceil(2.1)",
        ),
        Function(
            "min",
            (ORDERED, ORDERED),
            "common",
            min,
            _extreme("min"),
            "The smallest of two or more values of a record.",
            "min(3, 2)",
            required=2,
            variadic=True,
            cost=2,
        ),
        Function(
            "max",
            (ORDERED, ORDERED),
            "common",
            max,
            _extreme("max"),
            "The largest of two or more values of a record.",
            "max(3, 2)",
            required=2,
            variadic=True,
            cost=2,
        ),
        Function(
            "coalesce",
            (ANY, ANY),
            "common",
            _coalesce,
            _coalesce_column,
            "The first value that is not missing.",
            "coalesce(None, 3)",
            required=2,
            variadic=True,
            nulls="own",
        ),
        Function(
            "is_null",
            (ANY,),
            "bool",
            lambda x: x is None,
            lambda x: x.is_null(),
            "Whether the value is missing.",
            "is_null(None)",
            nulls="own",
        ),
        Function(
            "days",
            (frozenset({"duration"}),),
            "number",
            lambda x: x,
            lambda x: x,
            "The number of days from one date to another.",
            "days(date('2026-03-01') - date('2026-02-01'))",
        ),
    ]
)


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
    )
}


def names_of_functions() -> list[str]:
    """Every function's name, for hints."""
    return sorted({*FUNCTIONS, *AGGREGATES})
