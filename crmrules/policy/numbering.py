"""Records in order, by numpy: where each key's records begin, and from which one on they are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

from crmrules import frames
from crmrules.expr.check import Schema
from crmrules.types import Scalar

if TYPE_CHECKING:
    import narwhals as nw
    import numpy as np
    from numpy.typing import NDArray

    Days = NDArray[np.float64]
    Ago = Callable[[Days], Days]

STRIDE = 2.0**24
"""More than twice the days of the calendar, so that a key and a day go into one number exactly."""


class Columns(Protocol):
    """The fields of rows, however they are held."""

    def __len__(self) -> int: ...

    def is_text(self, name: str) -> bool: ...

    def numbers(self, name: str) -> NDArray[np.float64]: ...

    def codes(self, name: str) -> NDArray[np.int64]:
        """The same number for the same text, in no order; 0 or more for what is not missing."""
        ...

    def texts(self, name: str, places: NDArray[np.int64]) -> list[str]: ...


@final
class FrameColumns:
    """The fields of a bound frame."""

    def __init__(self, frame: nw.DataFrame[Any], schema: Schema) -> None:
        self.frame = frame
        self.schema = schema

    def __len__(self) -> int:
        return len(self.frame)

    def is_text(self, name: str) -> bool:
        return self.schema[name].kind == "text"

    def numbers(self, name: str) -> NDArray[np.float64]:
        import narwhals as nw
        import numpy as np

        return np.asarray(self.frame[name].cast(nw.Float64).to_numpy(), dtype=np.float64)

    def codes(self, name: str) -> NDArray[np.int64]:
        return frames.codes(self.frame[name])

    def texts(self, name: str, places: NDArray[np.int64]) -> list[str]:
        return self.frame[name][places].to_list()


@final
class RowColumns:
    """The fields of bound records."""

    def __init__(self, rows: Sequence[Mapping[str, Scalar]], schema: Schema) -> None:
        self.rows = rows
        self.schema = schema

    def __len__(self) -> int:
        return len(self.rows)

    def is_text(self, name: str) -> bool:
        return self.schema[name].kind == "text"

    def numbers(self, name: str) -> NDArray[np.float64]:
        import numpy as np

        return np.array([frames.carried(row[name]) for row in self.rows], dtype=np.float64)

    def codes(self, name: str) -> NDArray[np.int64]:
        import numpy as np

        known: dict[Scalar, int] = {}
        return np.array([known.setdefault(row[name], len(known)) for row in self.rows], dtype=np.int64)

    def texts(self, name: str, places: NDArray[np.int64]) -> list[str]:
        return [str(self.rows[place][name]) for place in places.tolist()]


@final
@dataclass(frozen=True, slots=True)
class Runs:
    """Rows in order: `places` are their positions, `starts` says for each place where its key begins.

    tied: the position of a row that is like another one in all that orders them.
    """

    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    tied: int | None


def ordered(columns: Columns, per: Iterable[str], order: Sequence[str], places: NDArray[np.int64]) -> Runs:
    """The rows at some places, sorted key by key.

    What comes after the first field of `order` is looked at only for rows that still tie.
    """
    import numpy as np

    key, values = _keys(columns, per, places), _values(columns, order[0], places)
    by = np.lexsort((values, key))
    places, key = places[by], key[by]
    run = np.cumsum(_changes(key) | _changes(values[by]), dtype=np.int64)
    for name in order[1:]:
        # Rows that tie stand together, so that sorted by themselves they stay in their run.
        if not (tied := _tied(run)).any():
            break
        values = _values(columns, name, places[tied])
        by = np.lexsort((values, run[tied]))
        places[tied] = places[tied][by]
        fresh = _changes(run)
        fresh[tied] |= _changes(values[by])
        run = np.cumsum(fresh, dtype=np.int64)
    tied = _tied(run)
    return Runs(places, _since(_changes(key)), int(places[np.argmax(tied)]) if tied.any() else None)


def _keys(columns: Columns, per: Iterable[str], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each key."""
    import numpy as np

    key = np.zeros(len(places), dtype=np.int64)
    for number, name in enumerate(dict.fromkeys(per)):
        if columns.is_text(name):
            codes = columns.codes(name)[places]
        else:
            codes = np.unique(columns.numbers(name)[places], return_inverse=True)[1]
        if number:
            # Numbered anew, so that the product cannot overflow.
            key = np.unique(key, return_inverse=True)[1]
        key = key * (int(codes.max(initial=0)) + 1) + codes
    return key


def _values(columns: Columns, name: str, places: NDArray[np.int64]) -> NDArray[Any]:
    """A field as numbers in the same order; texts go by their characters."""
    import numpy as np

    if not columns.is_text(name):
        return columns.numbers(name)[places]
    texts = columns.texts(name, places)
    ranks = {text: rank for rank, text in enumerate(sorted(dict.fromkeys(texts)))}
    return np.fromiter(map(ranks.__getitem__, texts), np.int64, len(texts))


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each value differs from the one before it, which the first one does."""
    import numpy as np

    changes = np.ones(len(values), dtype=bool)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _since(fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each place, the last one up to it that is fresh."""
    import numpy as np

    return np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), 0))


def _tied(run: NDArray[np.int64]) -> NDArray[np.bool_]:
    import numpy as np

    tied = np.zeros(len(run), dtype=bool)
    same = run[1:] == run[:-1]
    tied[1:] |= same
    tied[:-1] |= same
    return tied


def restarted(runs: Runs, day: Days, ago: Ago) -> NDArray[np.int64]:
    """Where the counting of each place begins, if it begins anew after so long without a record."""
    import numpy as np

    fresh = runs.starts == np.arange(len(day))
    fresh[1:] |= day[:-1] <= ago(day)[1:]
    return _since(fresh)


def window(runs: Runs, day: Days, ago: Ago) -> NDArray[np.int64]:
    """For each place, the first one of its key that is not so long ago."""
    import numpy as np

    key = runs.starts.astype(np.float64) * STRIDE + STRIDE / 2
    return np.searchsorted(key + day, key + ago(day), side="right")


def months_ago(months: int) -> Ago:
    """From days to the last day from which on to them so many whole months have passed.

    As `months_between` has it: on the last day of a month, the days that it lacks are reached too.
    """

    import numpy as np

    def ago(day: Days) -> Days:
        month, of_month = _months(day)
        last = _length(month) - 1.0
        before = month - months
        reached = _length(before) - 1.0
        return _day(before) + np.where(of_month == last, reached, np.minimum(of_month, reached))

    return ago


def _months(day: Days) -> tuple[NDArray[np.int64], Days]:
    """Months since 1970, and the day within them from 0."""
    import numpy as np

    month = day.astype(np.int64).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return month, day - _day(month)


def _day(month: NDArray[np.int64]) -> Days:
    import numpy as np

    return month.astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)


def _length(month: NDArray[np.int64]) -> Days:
    return _day(month + 1) - _day(month)


SPANS: dict[str, Callable[[Days], NDArray[Any]]] = {
    "day": lambda day: day,
    "week": lambda day: (day + 3.0) // 7.0,  # 1 January 1970 was a Thursday
    "month": lambda day: _months(day)[0],
    "quarter": lambda day: _months(day)[0] // 3,
    "year": lambda day: _months(day)[0] // 12,
}
"""From days since 1970 to the number of the span in which they lie."""
