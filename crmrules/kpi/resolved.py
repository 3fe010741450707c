"""Targets as figures: what each subject is held against in each period, and where that comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, final

from crmrules import money
from crmrules.errors import CrmRulesError, FieldError, RecordError, closest, did_you_mean
from crmrules.fields import BadRow, Source
from crmrules.kpi.calendar import Calendar, Weekdays, guessed
from crmrules.kpi.calendar_periods import calendar as by_calendar
from crmrules.kpi.grid import Grid
from crmrules.kpi.laid import Found, Laid
from crmrules.kpi.period import Periods
from crmrules.kpi.presence import Absences, Presence, There, prorated
from crmrules.kpi.quota import Held, Keys, Quotas, Rows, whole_of
from crmrules.kpi.roster import Roster
from crmrules.kpi.rounding import as_written, rounded
from crmrules.kpi.spread import Days, Whole
from crmrules.kpi.target import Declared, Figure, MissingTarget, QuotaTable, Terms, expression_of, role_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_TARGET = "no target"
MOST_NAMED = 3
"""How many unknown subjects a note names."""


@final
@dataclass(frozen=True, slots=True)
class Given:
    """What targets are resolved with.

    indicator: its name. compute: the values of an expression, a row each. sources, data: the tables beside
    the records, by name. periods: those of the card. calendar: what counts working days. digits: decimals of
    the indicator, if it is money. missing: what becomes of a row without target. bound: the tables that
    were read; `dataclasses.replace(given, indicator=…)` keeps them, so that each is read once.
    """

    indicator: str
    compute: Callable[[str], NDArray[np.float64]] | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)
    roster: Roster = field(default_factory=Roster)
    periods: Periods = field(default_factory=lambda: by_calendar("month"))
    calendar: Calendar = field(default_factory=Weekdays)
    digits: int | None = None
    missing: MissingTarget = "skip"
    bound: dict[tuple[str, ...], Rows] = field(default_factory=dict, repr=False, compare=False)

    def table(self, name: str) -> tuple[Source, object]:
        """A declared source and its data. Raises FieldError (F112) where one of them is not there."""
        if name in self.sources and name in self.data:
            return self.sources[name], self.data[name]
        hint = f"pass it as {{'{name}': frame}}, or --source {name}=FILE"
        if name not in self.sources and closest(name, self.sources):
            hint = did_you_mean(name, self.sources)
        raise FieldError("F112", f"there is no data for source `{name}`", source=name, hint=hint)


@final
@dataclass(frozen=True, slots=True)
class Resolved:
    """The target of each row of a card.

    values: NaN where there is none. origins: what each comes from, for people; None where it is the number
    that is declared. digits: the decimals of targets that are money; each value then is the nearest float of
    an exact amount. notes: what does not fit, in sentences. quarantined: rows that were set aside.
    """

    values: NDArray[np.float64]
    origins: Sequence[str | None]
    digits: int | None = None
    notes: tuple[str, ...] = ()
    quarantined: tuple[BadRow, ...] = ()

    def exact(self, row: int) -> Decimal | None:
        """The target of a row as a decimal amount; None where there is none, or it is not money."""
        value = float(self.values[row])
        if self.digits is None or value != value:
            return None
        return money.amount(round(value * 10**self.digits), self.digits)


def resolve(target: Declared | None, grid: Grid, given: Given) -> Resolved:
    """The target of each row of a card.

    Raises FieldError for tables that do not fit (see `Quotas.of`, `Laid.at`, `Presence.of`), RecordError
    (Q106) for a row without target where that is an error.

    >>> from crmrules.kpi.period import Period
    >>> april, may = Period.parse("2026-04"), Period.parse("2026-05")
    >>> grid = Grid(("Ann",), (april, may))
    >>> annual = Figure(value=1_200_000, per="year", spread="even", prorate="calendar_days")
    >>> found = resolve(annual, grid, Given("revenue", roster=Roster({"Ann": {"joined": "2026-04-16"}})))
    >>> found.values.tolist()
    [50000.0, 100000.0]
    >>> found.origins[0]
    '1,200,000 for 2026 spread evenly; prorated 15 of 30 days'
    """
    import numpy as np

    rows = len(grid)
    if isinstance(target, Terms):
        found = _of_terms(target, grid, given)
    elif isinstance(target, str):
        found = _computed(target, None, rows, given)
    elif target is None:
        found = Resolved(np.full(rows, np.nan), [NO_TARGET] * rows)
    else:
        found = Resolved(np.full(rows, float(target)), [None] * rows)
    if given.missing == "error":
        _refuse_missing(found, grid, given.indicator, expression_of(target))
    return found


def _computed(text: str, digits: int | None, rows: int, given: Given) -> Resolved:
    import numpy as np

    if given.compute is None:
        raise CrmRulesError("Q110", f"nothing computes `{text}`", hint="pass `compute`")
    values = np.asarray(given.compute(text), dtype=np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    # A target is a figure that people see and amounts are held against to the cent.
    values = as_written(values) if digits is None else rounded(values, digits)
    origins = [NO_TARGET if unknown else text for unknown in np.isnan(values).tolist()]
    return Resolved(values, origins, digits)


def _of_terms(terms: Terms, grid: Grid, given: Given) -> Resolved:
    text = expression_of(terms)  # type: ignore[arg-type]
    if text is not None:
        base = _computed(text, terms.digits, len(grid), given)
        return _Card(terms, grid, given).finished(base)
    if isinstance(terms, Figure):
        digits = terms.digits if terms.digits is not None else given.digits
        quotas = Quotas.constant(terms, digits)
    else:
        assert isinstance(terms, QuotaTable)
        source, data = given.table(terms.table)
        read = (source.name, *terms.fields)
        if read not in given.bound:
            given.bound[read] = Rows(source, data, terms.fields)
        quotas = Quotas.of(
            terms, source, given.bound[read], given.indicator, Keys(given.periods), given.digits
        )
    card = _Card(terms, grid, given)
    return card.finished(card.of_quotas(quotas))


@final
class _Card:
    """The rows of a card while their targets are put together."""

    def __init__(self, terms: Terms, grid: Grid, given: Given) -> None:
        self.terms = terms
        self.grid = grid
        self.given = given
        self.working = Days(given.calendar)
        self.wholes = {period: whole_of(period) for period in grid.periods}

    def of_quotas(self, quotas: Quotas) -> Resolved:
        """What the quotas come to, by the first of one's own rows, the team's, everybody's, the default."""
        import numpy as np

        laid = Laid(quotas, Keys(self.given.periods), self.working)
        shared: dict[tuple[str | None, Whole], Found | None] = {}
        known: dict[Whole, dict[str, str]] = {}
        amounts: list[float] = []
        origins: list[str | None] = []
        own = quotas.own
        scale = None if quotas.digits is None else 10**quotas.digits
        for subject, period in self.grid.keys:
            whole = self.wholes[period]
            held = own.get(subject)
            found = None if held is None else laid.at(held, whole)
            if found is None:
                if quotas.teams and whole not in known:
                    known[whole] = self._teams(whole)
                team = known[whole].get(subject) if quotas.teams else None
                if (team, whole) not in shared:
                    shared[team, whole] = _first(laid, quotas, team, whole)
                found = shared[team, whole]
            if found is None or found.amount is None:
                amounts.append(np.nan)
                origins.append(f"{NO_TARGET}: {found.text}" if found else NO_TARGET)
            else:
                amounts.append(found.amount if scale is None else found.amount / scale)
                origins.append(found.text or None)
        values = np.array(amounts, dtype=np.float64)
        return Resolved(values, origins, quotas.digits, self._notes(quotas), quotas.quarantined)

    def _teams(self, whole: Whole) -> dict[str, str]:
        """The team of each subject on the last day of a period."""
        assert isinstance(self.terms, QuotaTable)
        assert self.terms.team is not None
        role = role_of(self.given.sources[self.terms.table], self.terms.team)
        groups = self.given.roster.groups(role)
        if role not in self.given.roster.by_day:
            return groups
        timeline = self.given.roster.by_day[role]
        on_day = {subject: timeline.at(subject, whole.end) for subject in self.grid.subjects}
        return {subject: str(value[0]) for subject, value in on_day.items() if value and value[0] is not None}

    def _notes(self, quotas: Quotas) -> tuple[str, ...]:
        """Who stands in the table and not on the card."""
        subjects = {*self.grid.subjects}
        unknown = [who for who in quotas.own if who not in subjects]
        if not unknown:
            return ()
        named = []
        for who in unknown[:MOST_NAMED]:
            near = closest(who, subjects)
            named.append(f"{who} (row {quotas.rows_of[who]}{f', or {near[0]}?' if near else ''})")
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        return (f"`{quotas.name}` has targets for who is not on the card: {', '.join(named)}{more}",)

    def _guessed(self) -> str:
        terms = self.terms
        change = terms.change if isinstance(terms, QuotaTable) else None
        if "working_days" not in (terms.spread, terms.prorate, change) or not self.wholes:
            return ""
        spans = self.wholes.values()
        first, last = min(each.start for each in spans), max(each.end for each in spans)
        return guessed(self.given.calendar, first, last)

    def finished(self, base: Resolved) -> Resolved:
        """The targets with ramp and proration, and a note where working days are only assumed."""
        terms = self.terms
        if note := self._guessed():
            base = replace(base, notes=(*base.notes, note))
        if terms.prorate == "none" and terms.ramp is None:
            return base
        away = None
        if terms.leave is not None:
            away = Absences.of(terms.leave, *self.given.table(terms.leave.table))
        presence = Presence.of(self.given.roster.people, away)
        days = self.working if terms.prorate == "working_days" else Days()
        concerned = {*presence.joined, *presence.away, *presence.left}
        values, origins = base.values.copy(), [*base.origins]
        scale = None if base.digits is None else 10**base.digits
        seen: dict[tuple[object, Whole], tuple[list[There] | None, str]] = {}
        for row, (subject, period) in enumerate(self.grid.keys):
            if subject not in concerned or values[row] != values[row]:
                continue
            whole = self.wholes[period]
            alike = presence.dates(subject), whole
            if alike not in seen:
                there = presence.there(subject, whole.start, whole.end, terms.prorate, terms.ramp)
                seen[alike] = there, "" if there is None else _told(there, whole, days)
            there, told = seen[alike]
            if there is None:
                continue
            amount = float(values[row]) if scale is None else round(float(values[row]) * scale)
            part = prorated(amount, base.digits, whole.start, whole.end, there, days)
            values[row] = part if scale is None else part / scale
            origins[row] = "; ".join(filter(None, [origins[row], told]))
        notes = (*base.notes, *_away_notes(away, self.grid))
        quarantined = (*base.quarantined, *presence.quarantined)
        return Resolved(values, origins, base.digits, notes, quarantined)


def _first(laid: Laid, quotas: Quotas, team: str | None, whole: Whole) -> Found | None:
    """The target of a team's members, of everybody, or the default."""
    chain: list[tuple[str, Held]] = []
    if team is not None and team in quotas.teams:
        chain.append((f"team {team}", quotas.teams[team]))
    for who, held in (*chain, ("all others", quotas.others), ("", quotas.default)):
        found = laid.at(held, whole) if held else None
        if found is not None:
            told = f"{found.text} for {who}" if who and found.text else found.text
            return Found(found.amount, told)
    return None


def _told(there: Sequence[There], whole: Whole, days: Days) -> str:
    texts = []
    shares = [*dict.fromkeys(each.share for each in there)]
    counted = sum(days.count(each.first, each.last) for each in there)
    total = days.count(whole.start, whole.end)
    if counted < total or not there:
        what = "working days" if days.calendar is not None else "days"
        texts.append(f"prorated {counted} of {total} {what}")
    if any(share != 1 for share in shares):
        texts.append("ramp " + ", ".join(f"{float(share):.4g}" for share in shares))
    return ", ".join(texts)


def _away_notes(away: Absences | None, grid: Grid) -> tuple[str, ...]:
    subjects = {*grid.subjects}
    unknown = [who for who in away.spans if who not in subjects] if away else []
    if not unknown:
        return ()
    return (f"absences of who is not on the card: {', '.join(unknown[:MOST_NAMED])}",)


def _refuse_missing(found: Resolved, grid: Grid, indicator: str, text: str | None) -> None:
    import numpy as np

    [missing] = np.nonzero(np.isnan(found.values))
    if not len(missing):
        return
    subject, period = grid[int(missing[0])]
    more = f", and {len(missing) - 1} more rows have none" if len(missing) > 1 else ""
    raise RecordError(
        "Q106",
        f"`{indicator}`: {subject} has no target in {period}{more}",
        hint="add a row for it, a row for `*` or a `default`, or write missing_target: skip"
        if text is None
        else f"write coalesce({text}, 100), or missing_target: skip",
    )


__all__ = ["Given", "Resolved", "resolve"]
