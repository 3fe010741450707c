"""Aggregates that are no sum: the values themselves are fetched, and looked at group by group in process.

Engines differ in these (a median is approximate on PyArrow, `first` is missing on Spark), so they are
computed once, here. They cost memory in proportion to the records that count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PulledOperation = Literal["median", "stddev", "first", "last"]
PULLED: frozenset[str] = frozenset({"median", "stddev", "first", "last"})
ORDERED: frozenset[str] = frozenset({"first", "last"})
SINGLE: frozenset[str] = PULLED | {"distinct"}
"""What cannot be told of a whole from what is known of its parts."""


@final
@dataclass(frozen=True, slots=True)
class Pulled:
    """The known values of single records: for each the position of its group; those of a group come in
    their order where the operation has one."""

    groups: NDArray[np.int64]
    values: NDArray[Any]


def tied(operation: str, groups: NDArray[np.int64], order: Sequence[Sequence[object]]) -> list[int]:
    """The positions of records that `first` or `last` would take, and that another ties with.

    groups, order: of each record its group and the values that order it; the records come in that order.
    """
    import numpy as np

    alike = np.flatnonzero(groups[1:] == groups[:-1])
    if operation == "first":
        found = alike[np.isin(alike, np.flatnonzero(np.diff(groups, prepend=-1)))]
    else:
        found = alike[~np.isin(alike + 1, alike)]
    return [
        position
        for position in found.tolist()
        if all(values[position] == values[position + 1] for values in order)
    ]


def collapse(operation: str, groups: NDArray[np.int64], values: Any, count: int) -> NDArray[Any]:
    """One value for each of `count` groups, from the known values of all; NaN (None for text) over none.

    groups: for each value the group it belongs to. For `first` and `last` the values of a group come in
    their order;
    for the others their order makes no difference, not even in the last digit. stddev is the sample's:
    the square root of sum((x - mean)^2) / (n - 1), unknown for fewer than two values.
    """
    import numpy as np

    values = np.asarray(values)
    if operation == "distinct":
        _, codes = np.unique(values, return_inverse=True)
        pairs = np.unique(np.stack([groups, codes]), axis=1)
        return np.bincount(pairs[0], minlength=count).astype(np.float64)
    if operation in ORDERED:
        found: NDArray[Any] = np.full(count, None if values.dtype == object else np.nan, dtype=values.dtype)
        order = slice(None, None, -1) if operation == "first" else slice(None)
        found[groups[order]] = values[order]  # the last one written stays
        return found
    order_ = np.lexsort((values, groups))
    groups, values = groups[order_], values[order_]
    starts = np.searchsorted(groups, np.arange(count))
    sizes = np.bincount(groups, minlength=count)
    if operation == "median":
        return _median(values, starts, sizes)
    sums = np.bincount(groups, weights=values, minlength=count)
    means = np.divide(sums, sizes, out=np.full(count, np.nan), where=sizes > 0)
    squares = np.bincount(groups, weights=(values - means[groups]) ** 2, minlength=count)
    variance = np.divide(squares, sizes - 1, out=np.full(count, np.nan), where=sizes > 1)
    deviation: NDArray[Any] = np.sqrt(variance)
    return deviation


def _median(values: NDArray[np.float64], starts: Any, sizes: Any) -> NDArray[np.float64]:
    import numpy as np

    found = np.full(len(sizes), np.nan)
    known = sizes > 0
    low = values[(starts + (sizes - 1) // 2)[known]]
    high = values[(starts + sizes // 2)[known]]
    # Half of each before the sum, which could be beyond the largest float.
    found[known] = np.where(low == high, low, low / 2 + high / 2)
    return found
