"""What a function says of itself: its types, its null rule, its cost and both implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from crmrules.types import Kind

if TYPE_CHECKING:
    import narwhals as nw

ANY: frozenset[Kind] = frozenset({"text", "number", "money", "date", "datetime", "bool", "duration"})
NUMERIC: frozenset[Kind] = frozenset({"number", "money", "duration"})
ORDERED: frozenset[Kind] = frozenset({"number", "money", "duration", "date", "datetime"})
NUMBERS: frozenset[Kind] = frozenset({"number"})
TEXTS: frozenset[Kind] = frozenset({"text"})
MOMENTS: frozenset[Kind] = frozenset({"date", "datetime"})


@final
@dataclass(frozen=True, slots=True)
class Function:
    """A function of one record's values.

    parameters: the kinds that each argument may have; the last repeats if `variadic`.
    result: a kind, or `common` for the type that all arguments share.
    constants_from: from this argument on, only constants are allowed, and given as they are; `constants`
    are those that it takes, in words and as a test.
    nulls: `propagate`, or `own` where the implementation is given the missing values too.
    partial: whether the value may be missing although no argument is.
    whole_days: whether a column of timestamps is given as one of days.
    column: left out, a frame computes the function record by record, and warns of it (PerRecordWarning).
    in_sql: whether DuckDB can compute `column` too; for others the needed columns are fetched first.
    hosted: set by `register`; what the host's function gives is looked at.
    """

    name: str
    parameters: tuple[frozenset[Kind], ...]
    result: Kind | Literal["common"]
    scalar: Callable[..., object]
    column: Callable[..., nw.Expr] | None
    doc: str
    example: str
    required: int = 1
    variadic: bool = False
    constants_from: int | None = None
    constants: Constants | None = None
    nulls: Literal["propagate", "own"] = "propagate"
    cost: int = 1
    partial: bool = False
    whole_days: bool = False
    in_sql: bool = True
    hosted: bool = False


@final
@dataclass(frozen=True, slots=True)
class Constants:
    """Which constants an argument takes."""

    words: str
    fits: Callable[[object], bool]


def one_of(names: Sequence[str]) -> Constants:
    """A constant text out of a few."""
    return Constants(f"one of {', '.join(map(repr, names))}", lambda value: value in names)


DECIMALS = Constants(
    "a whole number from 0 to 12",
    lambda value: type(value) is float and value.is_integer() and 0 <= value <= 12,
)
EXPONENT = Constants("a number from -12 to 12", lambda value: type(value) is float and -12 <= value <= 12)
FIXED_TEXT = Constants("a text in quotes", lambda value: type(value) is str)
