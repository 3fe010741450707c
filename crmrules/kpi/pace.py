"""Pace: how an open period stands against what should have been done by now, and where it leads."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

from pydantic import BaseModel

from crmrules.fields import Frozen
from crmrules.kpi.calendar import Calendar, guessed, plain
from crmrules.kpi.workdays import counts, day_numbers, day_of_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
class PaceRule(BaseModel):
    """How elapsed time is told.

    calendar: the name of a working calendar, whose working days count; all days without one. day_counts:
    whether the day of the evaluation has passed: yes at its end, no in its morning.
    """

    model_config = Frozen

    calendar: str | None = None
    day_counts: bool = True


_COLUMNS = ("share", "elapsed", "run_rate", "expected", "projected", "pace")


def _known(value: float) -> float | None:
    return value if value == value else None


@final
@dataclass(frozen=True, slots=True)
class Paced:
    """How one period stands on a day, as `Pace` has it; None where something is not known."""

    share: float | None
    elapsed: float | None
    run_rate: float | None
    expected: float | None
    projected: float | None
    pace: float | None


@final
@dataclass(frozen=True, slots=True)
class Pace:
    """How periods stand on a day, a row each; what is not known is NaN.

    share: of the period that has elapsed, 0 to 1. elapsed: its days. run_rate: what was done on each of
    them. expected: what should have been done by now. projected: what the period comes to if it goes on
    like this. pace: what was done, as a share of what was expected: 1.0 is on time.
    notes: what is assumed, in words, such as days that the calendar does not know.
    """

    share: NDArray[np.float64]
    elapsed: NDArray[np.float64]
    run_rate: NDArray[np.float64]
    expected: NDArray[np.float64]
    projected: NDArray[np.float64]
    pace: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def of(self, rows: NDArray[np.int64]) -> Pace:
        """The same for some of the rows."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def at(self, row: int) -> Paced:
        """One row as a value."""
        return Paced(*(_known(float(getattr(self, name)[row])) for name in _COLUMNS))


def elapsed(
    start: Any, end: Any, until: dt.date, calendar: Calendar | None = None, *, day_counts: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of each period that has elapsed on a day, and how many of its days.

    start, end: first and last days (dates or datetime64). A period that is over has elapsed whole, one that
    has not begun not at all. An open one in which nobody works has no share (NaN). The calendar is only
    asked for periods that have begun.

    share = elapsed days / days of the period. Raises CalendarCoverageError (W101).

    >>> from crmrules.kpi.calendar import China
    >>> share, days = elapsed("2026-10-01", "2026-10-31", dt.date(2026, 10, 12), China())
    >>> days.tolist(), round(share.tolist(), 4)
    (4.0, 0.2222)
    """
    import numpy as np

    starts, ends = np.broadcast_arrays(day_numbers(start), day_numbers(end))
    today = float(day_numbers(plain(until)))
    passed = np.minimum(ends, today if day_counts else today - 1)
    begun = starts <= today
    before = np.where(np.isnan(starts) | np.isnan(ends), np.nan, 0.0)
    whole, days = before.copy(), before.copy()
    whole[begun] = counts(calendar, starts[begun], ends[begun])
    days[begun] = counts(calendar, starts[begun], passed[begun])
    over = passed >= ends
    share = np.where(over, 1.0, np.where(begun, days / np.where(whole > 0, whole, np.nan), before))
    return share, days


def pace(
    actual: Any,
    target: Any,
    start: Any,
    end: Any,
    until: dt.date,
    calendar: Calendar | None = None,
    *,
    day_counts: bool = True,
) -> Pace:
    """How periods stand on a day, for figures that accumulate over a period, such as sums and counts.

    actual, target: columns of figures; NaN is not known. start, end: first and last days of the periods.
    until: the day of the evaluation; day_counts: whether it has passed. calendar: only working days count;
    all days without one. Means and ratios do not accumulate: half of the month makes no half of a margin.

        expected = target x share          run rate = actual / elapsed days
        projected = actual / share         pace = actual / expected

    The projection is the straight-line forecast of sales operations: the share of the period that has
    elapsed stands for the share of its business. Before the first day has elapsed, only
    `expected` (0) is known. Raises CalendarCoverageError (W101).

    >>> month = ("2026-11-01", "2026-11-30")
    >>> found = pace([40_000.0], [100_000.0], *month, dt.date(2026, 11, 15))
    >>> found.expected.tolist(), found.projected.tolist(), found.pace.tolist()
    ([50000.0], [80000.0], [0.8])
    """
    import numpy as np

    done = np.asarray(actual, dtype=np.float64)
    goal = np.asarray(target, dtype=np.float64)
    share, days = elapsed(start, end, until, calendar, day_counts=day_counts)
    share, days, done, goal = np.broadcast_arrays(share, days, done, goal)
    expected = goal * share
    return Pace(
        share=share,
        elapsed=days,
        run_rate=_divided(done, days),
        expected=expected,
        projected=_divided(done, share),
        pace=_divided(done, expected),
        notes=_notes(calendar, start, end, until),
    )


def _divided(value: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """A quotient; by 0 it is not known, as in expressions."""
    import numpy as np

    quotient: NDArray[np.float64] = value / np.where(by != 0, by, np.nan)
    return quotient


def _notes(calendar: Calendar | None, start: Any, end: Any, until: dt.date) -> tuple[str, ...]:
    import numpy as np

    if calendar is None:
        return ()
    starts, ends = np.broadcast_arrays(day_numbers(start), day_numbers(end))
    begun = starts <= float(day_numbers(plain(until)))
    if not begun.any():
        return ()
    said = guessed(calendar, day_of_number(starts[begun].min()), day_of_number(ends[begun].max()))
    return (said,) if said else ()
