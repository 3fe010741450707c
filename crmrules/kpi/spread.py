"""Spreads: an amount for a year or quarter laid over its days, so that the parts add up to the whole."""

from __future__ import annotations

import calendar as gregorian
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple, final

from pydantic import AfterValidator, Discriminator, Field, Tag

from crmrules.errors import CrmRulesError
from crmrules.kpi.calendar import Calendar
from crmrules.kpi.workdays import working_days

DAY = dt.timedelta(days=1)
NOTHING, ALL = Fraction(0), Fraction(1)


class Whole(NamedTuple):
    """What an amount is for: the days from `start` to `end`, both included, under the key of a period."""

    key: str
    start: dt.date
    end: dt.date


def _totals_100(shares: Mapping[int, float]) -> Mapping[int, float]:
    total = sum(map(_exact, shares.values()))
    if round(total, 2) != 100:
        raise ValueError(
            f"the months' shares total {float(total):g}, not 100: "
            "write the percent of each month, 1 to 12, those of a month without target as 0"
        )
    return shares


MonthlyShares = Annotated[
    dict[Annotated[int, Field(ge=1, le=12)], Annotated[float, Field(ge=0, allow_inf_nan=False)]],
    AfterValidator(_totals_100),
]
"""The percent of a year for each month of the calendar (1 is January, whenever the year starts); rounded to
two decimals they total 100, and the amount is divided in their proportions."""


def _kind_of_spread(value: object) -> str:
    return "word" if isinstance(value, str) else "months"


Spread = Annotated[
    Annotated[Literal["even", "calendar_days", "working_days"], Tag("word")]
    | Annotated[MonthlyShares, Tag("months")],
    Discriminator(_kind_of_spread),
]
"""How an amount is divided: `even`, each month the same, and within it each day (just each day, where
the whole is not made of months); by `calendar_days` or `working_days`; or by percents for each month."""


@final
@dataclass(frozen=True, slots=True)
class Days:
    """Counts days: all of them, or the working days of a calendar.

    >>> Days().count(dt.date(2026, 2, 1), dt.date(2026, 2, 21))
    21
    """

    calendar: Calendar | None = None
    _counted: dict[tuple[dt.date, dt.date], int] = field(default_factory=dict, repr=False, compare=False)

    def count(self, first: dt.date, last: dt.date) -> int:
        """How many there are from the first to the last day, both included; 0 if these are none.

        Raises CalendarCoverageError (W101) for days that the calendar does not know.
        """
        if last < first:
            return 0
        if self.calendar is None:
            return (last - first).days + 1
        if (first, last) not in self._counted:
            self._counted[first, last] = working_days(self.calendar, first, last)
        return self._counted[first, last]

    def stretch(self, within: tuple[dt.date, dt.date], first: dt.date, last: dt.date) -> Stretch:
        """The share of a span that lies before its days from `first` to `last`, and up to their end.

        A span without a single working day is divided by calendar days.
        """
        start, end = within
        total = self.count(start, end)
        if not total:
            return Days().stretch(within, first, last)
        before = self.count(start, first - DAY)
        return Fraction(before, total), Fraction(before + self.count(first, last), total)


Stretch = tuple[Fraction, Fraction]
"""A part of a whole: the share that comes before it, and the share up to its end."""


def part(amount: float, digits: int | None, stretch: Stretch) -> float:
    """The part of an amount that falls on a stretch of the whole.

    With digits the amount is a whole number of its smallest units, and so is the part: it is the difference
    of the running totals before and after, each rounded to the nearest unit (a half away from zero). So
    parts side by side add up exactly, months to their quarter and quarters to their year. Without digits it
    is the plain product.

    >>> [part(100_00, 2, (Fraction(at, 3), Fraction(at + 1, 3))) for at in range(3)]
    [3333, 3334, 3333]
    >>> part(20.0, None, Days().stretch((dt.date(2017, 2, 1), dt.date(2017, 2, 28)),
    ...                                 dt.date(2017, 2, 1), dt.date(2017, 2, 21)))
    15.0
    """
    before, after = stretch
    if digits is None:
        share = after - before
        return amount * share.numerator / share.denominator
    return _nearest(int(amount), after) - _nearest(int(amount), before)


def _nearest(units: int, share: Fraction) -> int:
    # Not by fractions, which look for common divisors.
    whole, over = abs(units) * share.numerator, share.denominator
    found = (2 * whole + over) // (2 * over)
    return found if units >= 0 else -found


def rounded(number: Fraction) -> int:
    """The nearest whole number, a half away from zero."""
    return _nearest(1, number) if number >= 0 else _nearest(-1, -number)


@final
@dataclass(frozen=True, slots=True)
class Spreading:
    """A declared spread with the calendar that counts its working days."""

    spread: Literal["even", "calendar_days", "working_days"] | Mapping[int, float]
    working: Days = Days()

    def stretch(self, whole: Whole, first: dt.date, last: dt.date) -> Stretch:
        """Which part of the whole falls on its days from `first` to `last`.

        Raises CrmRulesError (Q108) where that is nowhere defined: no working day in the whole, shares of
        months that are all 0 there, shares for a whole that is not made of months.
        """
        if self.spread == "calendar_days":
            return Days().stretch((whole.start, whole.end), first, last)
        if self.spread == "working_days":
            if not self.working.count(whole.start, whole.end):
                raise _undefined(whole, "it has no working day", "spread: calendar_days")
            return self.working.stretch((whole.start, whole.end), first, last)
        by_months = _of_months(whole.start, whole.end)
        if self.spread == "even":
            if not by_months:
                return Days().stretch((whole.start, whole.end), first, last)
            shares: Mapping[int, Fraction] = dict.fromkeys(range(1, 13), ALL)
        else:
            if not by_months:
                raise _undefined(whole, "it is not made of whole months", "spread: calendar_days")
            shares = {month: _exact(share) for month, share in self.spread.items()}
        return _up_to(whole, first, shares), _up_to(whole, last + DAY, shares)


def _up_to(whole: Whole, day: dt.date, shares: Mapping[int, Fraction]) -> Fraction:
    """The share of the whole that falls before a day, by weights of months, each even over its days."""
    before = total = NOTHING
    start = whole.start
    while start <= whole.end:
        length = gregorian.monthrange(start.year, start.month)[1]
        share = shares.get(start.month, NOTHING)
        before += share * Fraction(min(max((day - start).days, 0), length), length)
        total += share
        start += DAY * length
    if not total:
        raise _undefined(whole, "the shares of its months are all 0", "a share for one of them at least")
    return before / total


def _of_months(first: dt.date, last: dt.date) -> bool:
    return first.day == 1 and last.day == gregorian.monthrange(last.year, last.month)[1]


def _exact(share: float) -> Fraction:
    """The share as it is written: 8.33 and not the nearest sum of powers of two."""
    return Fraction(Decimal(repr(float(share))))


def _undefined(whole: Whole, why: str, instead: str) -> CrmRulesError:
    return CrmRulesError(
        "Q108", f"the target for {whole.key} cannot be spread: {why}", hint=f"write {instead}"
    )


__all__ = ["Days", "Spread", "Spreading", "Whole", "part"]
