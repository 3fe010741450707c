"""Quotas laid over the periods of a card: spread, added up, or weighed by days where they change within."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, final

from crmrules import money
from crmrules.errors import FieldError, shown
from crmrules.kpi.quota import LAST, UNSAID, Held, Keys, Quota, Quotas
from crmrules.kpi.spread import DAY, NOTHING, Days, Spreading, Stretch, Whole, part, rounded
from crmrules.tables import cell

HOW = {"even": "spread evenly", "calendar_days": "by calendar days", "working_days": "by working days"}


class Found(NamedTuple):
    """A target before it is prorated, and what made it; None where the rows leave days without."""

    amount: float | None
    text: str


@final
class Laid:
    """Quotas laid over the periods of a card."""

    def __init__(self, quotas: Quotas, keys: Keys, working: Days) -> None:
        self.quotas = quotas
        self.terms = quotas.terms
        self.digits = quotas.digits
        self.keys = keys
        self.working = working
        self._over: dict[Whole, list[int]] = {}
        self._around: dict[Whole, list[Whole]] = {}
        self._stretches: dict[tuple[Whole, dt.date, dt.date], Stretch] = {}
        self._texts: dict[tuple[Quota, str], str] = {}
        spread = self.terms.spread
        self.spreading = None if spread is None else Spreading(spread, working)

    def at(self, held: Held, period: Whole) -> Found | None:
        """What the rows come to in a period, None if none is about it.

        Raises CrmRulesError: Q104 an amount for more than the period, and no spread is declared; Q105 one
        for less, and they are not to be added up; Q107 rows that overlap; Q108, see `Spreading.stretch`.
        """
        over = self._overlapping(period)
        if len(over) == 1 and (rows := held.get(over[0])) is not None:
            only = rows[0]
            whole = len(rows) == 1 and only.first <= period.start and (only.last or LAST) >= period.end
            if whole and self.quotas.wholes[over[0]] == period:
                return Found(only.amount, only.text)
        pieces = [(self.quotas.wholes[place], held[place]) for place in over if place in held]
        if UNSAID in held and not pieces:
            pieces = [(whole, held[UNSAID]) for whole in self._wholes_around(period)]
        pieces.sort(key=lambda piece: piece[0].start)
        self._refuse_overlaps(pieces)
        found = [each for whole, rows in pieces if (each := self._piece(whole, rows, period)) is not None]
        if not found:
            return None
        missing = _uncovered(period, [whole for whole, _ in pieces])
        if missing:
            return Found(None, f"{self.quotas.name} has none for {missing}")
        total = sum(each.amount for each in found if each.amount is not None)
        return Found(total, "; ".join(dict.fromkeys(each.text for each in found if each.text)))

    def _overlapping(self, period: Whole) -> list[int]:
        if period not in self._over:
            self._over[period] = [
                place
                for place, whole in enumerate(self.quotas.wholes)
                if whole.start <= period.end and period.start <= whole.end
            ]
        return self._over[period]

    def _wholes_around(self, period: Whole) -> list[Whole]:
        """The lengths that amounts without a period are for, as many as the days of the period lie in."""
        if period not in self._around:
            found = [self.keys.around(period.start, self.terms.per)] if self.terms.per else [period]
            while found[-1].end < period.end:
                found.append(self.keys.around(found[-1].end + DAY, self.terms.per))
            self._around[period] = found
        return self._around[period]

    def _piece(self, whole: Whole, rows: Sequence[Quota], period: Whole) -> Found | None:
        """What the rows for one whole come to within the period; None if none of them holds there."""
        first, last = max(whole.start, period.start), min(whole.end, period.end)
        spans = [*_holding(rows, first, last)]
        if not spans:
            return None
        self._refuse_unfit(whole, period, (first, last), spans[0][2])
        change = getattr(self.terms, "change", "calendar_days")
        if len(spans) == 1 and spans[0][:2] == (first, last):
            only = spans[0][2]
            return Found(self._share(only.amount, whole, first, last), self._told(only, whole, first, last))
        if change in ("first", "last"):
            chosen = spans[0 if change == "first" else -1][2]
            told = f"{self._told(chosen, whole, first, last)}, the {change} of the period"
            return Found(self._share(chosen.amount, whole, first, last), told)
        days = self.working if change == "working_days" else Days()
        weighed, texts = [], []
        for start, end, quota in spans:
            before, after = days.stretch((first, last), start, end)
            weighed.append((self._share(quota.amount, whole, first, last), after - before))
            counted = f"for {days.count(start, end)} of {days.count(first, last)} days"
            texts.append(f"{self._told(quota, whole, first, last)} {counted}")
        if self.digits is None:
            total = math.fsum(amount * share.numerator / share.denominator for amount, share in weighed)
        else:  # rounded once, so that a change of a constant is the constant
            total = rounded(sum((int(amount) * share for amount, share in weighed), NOTHING))
        return Found(total, "; ".join(texts))

    def _share(self, amount: float, whole: Whole, first: dt.date, last: dt.date) -> float:
        if (first, last) == (whole.start, whole.end):
            return amount
        assert self.spreading is not None
        key = whole, first, last
        if key not in self._stretches:
            self._stretches[key] = self.spreading.stretch(whole, first, last)
        return part(amount, self.digits, self._stretches[key])

    def _told(self, quota: Quota, whole: Whole, first: dt.date, last: dt.date) -> str:
        """Where an amount stands, and what was spread."""
        if (first, last) == (whole.start, whole.end):
            return quota.text
        if (quota, whole.key) not in self._texts:
            spread = self.terms.spread
            how = "by monthly shares" if isinstance(spread, Mapping) else HOW[str(spread)]
            amount = quota.amount if self.digits is None else money.amount(int(quota.amount), self.digits)
            text = f"{cell(amount)} for {whole.key} {how}"
            self._texts[quota, whole.key] = f"{quota.text}, {text}" if quota.text else text
        return self._texts[quota, whole.key]

    def _refuse_unfit(self, whole: Whole, period: Whole, within: tuple[dt.date, dt.date], row: Quota) -> None:
        """Raise unless the amount may stand for these days of a period: all of it, or a part of it."""
        in_part = within != (whole.start, whole.end)
        if in_part and self.spreading is None:
            code = "Q104"
            what = f"is for {whole.key}, and nothing says how much of it is for {period.key}"
            hint = "write spread: even, working_days, or a share in percent for each month"
        elif not in_part and within != (period.start, period.end) and self.terms.finer == "error":
            code = "Q105"
            what = f"is for {whole.key}, which is only a part of {period.key}"
            hint = "write finer: sum, if these targets add up"
        else:
            return
        source = self.quotas.name
        where = f"table `{source}`, row {shown(row.row)}" if row.row is not None else "the target"
        raise FieldError(code, f"{where} {what}", source=source, row=row.row, hint=hint)

    def _refuse_overlaps(self, pieces: Sequence[tuple[Whole, Sequence[Quota]]]) -> None:
        for (one, rows), (other, others) in pairwise(pieces):
            if other.start <= one.end:
                raise FieldError(
                    "Q107",
                    f"table `{self.quotas.name}`, rows {shown(rows[0].row)} and {shown(others[0].row)}: "
                    f"one is for {one.key}, the other for {other.key}, and they share days",
                    source=self.quotas.name,
                    row=others[0].row,
                    hint="leave one of them out",
                )


def _holding(
    rows: Sequence[Quota], first: dt.date, last: dt.date
) -> Iterator[tuple[dt.date, dt.date, Quota]]:
    """Which row holds on which days, in order; a row holds up to its last day, or the next one's first."""
    for quota, following in zip(rows, [*rows[1:], None], strict=True):
        end = last if quota.last is None else min(quota.last, last)
        if following is not None and following.first <= end:
            end = following.first - DAY
        start = max(quota.first, first)
        if start <= end:
            yield start, end, quota


def _uncovered(period: Whole, wholes: Iterable[Whole]) -> str:
    """The days of a period that lie in none of the wholes, which are in order; empty if there are none."""
    day = period.start
    for whole in wholes:
        if whole.start > day:
            return f"{day} to {whole.start - DAY}"
        if whole.end >= period.end:
            return ""
        day = whole.end + DAY
    return f"{day} to {period.end}"


__all__ = ["Found", "Laid"]
