"""Quotas: the rows of a table of targets, and what they come to for somebody in a period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import final

from crmrules import binding
from crmrules.errors import CrmRulesError, FieldError, shown
from crmrules.fields import BadRow, Source
from crmrules.kpi.calendar_periods import calendar
from crmrules.kpi.grouping import SEPARATOR
from crmrules.kpi.period import Period, Periods, Unit
from crmrules.kpi.spread import Whole, rounded
from crmrules.kpi.target import EVERYBODY, Figure, QuotaTable, Terms
from crmrules.types import Scalar

FIRST, LAST = dt.date.min, dt.date.max
UNSAID = -1
"""The place of the rows that name no period, among the periods of a table."""


UNITS: tuple[Unit, ...] = ("month", "quarter", "half", "year", "week", "semi_month", "day")
PLAIN: tuple[Unit, ...] = ("month", "week", "semi_month", "day")
"""The units whose keys of the calendar mean the same days whenever a company's year begins."""


@final
@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of periods that a table may hold: of the card's own kind, and of longer and shorter ones.

    >>> Keys(calendar("month")).whole("2026-Q4").start
    datetime.date(2026, 10, 1)
    """

    periods: Periods

    def whole(self, key: str) -> Whole:
        """The days of the period that a key names, by the year of the card.

        Raises CrmRulesError (P101) for what is none: `2026` is no year where these are called FY2026.
        """
        for periods in (self.periods, *map(self.periods.by, UNITS), *map(calendar, PLAIN)):
            if (index := periods.index_of_key(key)) is not None:
                return whole_of(Period(periods, index))
        raise CrmRulesError(
            "P101",
            f"{shown(key)} is not a period",
            hint=f"{self.periods.example}; or a year: {self.periods.by('year').example}",
        )

    def around(self, day: dt.date, unit: Unit | None) -> Whole:
        """The month, quarter or year around a day; the period of the card if no unit is named.

        Raises CrmRulesError (P102) for a day in a gap of a table.
        """
        return whole_of((self.periods.by(unit) if unit else self.periods).of(day))


def whole_of(period: Period) -> Whole:
    """The days of a period of the card."""
    return Whole(str(period), period.start, period.end)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Quota:
    """A row: an amount for a period, or for the length that is declared, from one day to another.

    amount: in smallest units where there are digits. text: where it stands, for people.
    """

    row: object
    text: str
    amount: float
    first: dt.date = FIRST
    last: dt.date | None = None


Held = dict[int, list[Quota]]
"""Rows for one subject, team or everybody, by the place of their period."""


@final
class Rows:
    """A table of targets as it is bound: once, for all indicators whose targets stand in it."""

    def __init__(self, source: Source, data: object, fields: Sequence[str]) -> None:
        """data: a frame of any engine, or records. Raises what binding raises."""
        bound = binding.bind_table(source, data, fields)
        self.rows = bound.rows
        self.ids = bound.ids
        self.quarantined = bound.quarantined
        self._about: dict[str, dict[Scalar, list[int]]] = {}

    def about(self, field: str | None, indicator: str) -> Sequence[int]:
        """The places of the rows about an indicator; of all rows where no field tells it."""
        if field is None:
            return range(len(self.rows))
        if field not in self._about:
            places: dict[Scalar, list[int]] = {}
            for place, row in enumerate(self.rows):
                places.setdefault(row[field], []).append(place)
            self._about[field] = places
        return self._about[field].get(indicator, ())


@final
@dataclass(slots=True)
class Quotas:
    """The rows of a table for an indicator, found by whom they are for.

    own, teams: by name; others: for all who have neither; default: for those without any row.
    """

    name: str
    terms: Terms
    digits: int | None
    wholes: list[Whole] = field(default_factory=list)
    own: dict[str, Held] = field(default_factory=dict)
    teams: dict[str, Held] = field(default_factory=dict)
    others: Held = field(default_factory=dict)
    default: Held = field(default_factory=dict)
    rows_of: dict[str, object] = field(default_factory=dict)
    quarantined: tuple[BadRow, ...] = ()

    @classmethod
    def constant(cls, terms: Figure, digits: int | None) -> Quotas:
        """A number as the quota of everybody."""
        assert isinstance(terms.value, float)
        amount: float = terms.value
        if digits is not None:
            units = in_units(amount, digits)
            exact = terms.digits is not None or units / 10**digits == amount
            amount, digits = (units, digits) if exact else (amount, None)
        return cls("", terms, digits, default={UNSAID: [Quota(None, "", amount)]})

    @classmethod
    def of(
        cls,
        declared: QuotaTable,
        source: Source,
        table: Rows,
        indicator: str,
        keys: Keys,
        digits: int | None,
    ) -> Quotas:
        """The rows of a table that are about an indicator.

        digits: decimals of the indicator, if it is money. Raises FieldError: Q101 two rows for the same
        target, Q102 a row without a period that can be read, Q103 a target of 0 or less where that is an
        error, D102 a row that holds on no day.
        """
        reader = _Reader(declared, source, keys)
        read = [*reader.read(table, indicator)]
        in_money = [each for each in reader.columns if source.schema[each].kind == "money"]
        wanted = max((source.schema[each].digits for each in in_money), default=digits)
        wanted = wanted if declared.digits is None else declared.digits
        amounts, wanted = _all_scaled(read, wanted, declared=declared.digits is not None)
        quotas = cls(source.name, declared, wanted, quarantined=table.quarantined)
        places: dict[Whole, int] = {}
        for each, amount in zip(read, amounts, strict=True):
            place = UNSAID if each.whole is None else places.setdefault(each.whole, len(places))
            quota = Quota(each.row, f"{source.name} row {named(each.row)}", amount, each.first, each.last)
            quotas._held(each).setdefault(place, []).append(quota)
        quotas.wholes = [*places]
        for who, held in quotas._all():
            for place, rows in held.items():
                if len(rows) > 1:
                    rows.sort(key=lambda quota: quota.first)
                    _refuse_twice(source.name, who, None if place == UNSAID else quotas.wholes[place], rows)
        if declared.default is not None:
            amount = declared.default if wanted is None else in_units(declared.default, wanted)
            quotas.default = {UNSAID: [Quota(None, f"the default of {source.name}", amount)]}
        return quotas

    def _held(self, row: _Row) -> Held:
        if row.subject not in (None, EVERYBODY):
            assert row.subject is not None
            self.rows_of.setdefault(row.subject, row.row)
            return self.own.setdefault(row.subject, {})
        if row.team is not None and row.subject is None:
            return self.teams.setdefault(row.team, {})
        return self.others

    def _all(self) -> Iterator[tuple[str, Held]]:
        yield from self.own.items()
        yield from ((f"team {team}", held) for team, held in self.teams.items())
        yield "all others", self.others


@final
@dataclass(frozen=True, slots=True)
class _Row:
    row: object
    subject: str | None
    team: str | None
    whole: Whole | None
    first: dt.date
    last: dt.date | None
    amount: float
    digits: int | None

    @property
    def plain(self) -> float:
        """The amount as a number, where it is one of money, too."""
        return self.amount if self.digits is None else self.amount / 10**self.digits


@final
@dataclass(slots=True)
class _Reader:
    """Reads the rows of a bound table as what they are for."""

    declared: QuotaTable
    source: Source
    keys: Keys
    _wholes: dict[tuple[Scalar, str | None], Whole] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        value = self.declared.value
        return [value] if isinstance(value, str) else [*value.values()]

    def read(self, table: Rows, indicator: str) -> Iterator[_Row]:
        """What each row says of an indicator, for one period or several."""
        declared = self.declared
        value = declared.value
        periods: list[tuple[str | None, str]] = (
            [(None, value)] if isinstance(value, str) else [*value.items()]
        )
        digits = {
            name: self.source.schema[name].digits if self.source.schema[name].kind == "money" else None
            for _, name in periods
        }
        dated = declared.start is not None or declared.end is not None
        for place in table.about(declared.indicator, indicator):
            row, where = table.rows[place], table.ids[place]
            subject, team = self._subject(row, where), self._text(row, declared.team)
            first, last = self._days(row, where) if dated else (FIRST, None)
            for key, column in periods:
                amount = row[column]
                if amount is None:
                    continue
                assert isinstance(amount, int | float)
                if amount <= 0 and declared.not_positive == "error":
                    raise self._not_positive(amount, column, where)
                whole = self._whole(row, key, where)
                yield _Row(where, subject, team, whole, first, last, amount, digits[column])

    def _subject(self, row: Mapping[str, Scalar], where: object) -> str | None:
        names = self.declared.keys
        parts = [str(row[name]) for name in names if row[name] is not None]
        if 0 < len(parts) < len(names):
            missing = next(name for name in names if row[name] is None)
            raise FieldError(
                "Q111",
                f"table `{self.source.name}`, row {shown(where)}: `{missing}` is missing",
                source=self.source.name,
                field=missing,
                row=where,
                hint="a row names the whole subject, or nothing of it if it is for all others",
            )
        return EVERYBODY if EVERYBODY in parts else SEPARATOR.join(parts) or None

    def _text(self, row: Mapping[str, Scalar], name: str | None) -> str | None:
        value = row[name] if name is not None else None
        return None if value is None else str(value)

    def _not_positive(self, amount: float, column: str, where: object) -> FieldError:
        return FieldError(
            "Q103",
            f"table `{self.source.name}`, row {shown(where)}: the target is not above 0",
            source=self.source.name,
            field=column,
            row=where,
            value=amount,
            hint="write a target above 0, or leave the cell empty for none",
        )

    def _whole(self, row: Mapping[str, Scalar], key: str | None, where: object) -> Whole | None:
        name = self.declared.period
        if name is None and key is None:
            return None
        value = key if name is None else row[name]
        if (value, key) not in self._wholes:
            try:
                whole = self._read(value)
                self._wholes[value, key] = whole if name is None or key is None else _month(whole, key)
            except CrmRulesError as error:
                place = f"table `{self.source.name}`" + ("" if name is None else f", row {shown(where)}")
                raise FieldError(
                    "Q102",
                    f"{place}: {error.message}",
                    source=self.source.name,
                    field=name or "",
                    row=where,
                    value=value,
                    hint=error.hint,
                ) from None
        return self._wholes[value, key]

    def _read(self, value: Scalar) -> Whole:
        if value is None:
            raise CrmRulesError("Q102", "the period is missing", hint="write the key of one, such as 2026-11")
        if isinstance(value, dt.date):
            day = value.date() if isinstance(value, dt.datetime) else value
            return self.keys.around(day, self.declared.per)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return self.keys.whole(str(value))

    def _days(self, row: Mapping[str, Scalar], where: object) -> tuple[dt.date, dt.date | None]:
        first, last = (
            row[name] if name is not None else None for name in (self.declared.start, self.declared.end)
        )
        first, last = (each.date() if isinstance(each, dt.datetime) else each for each in (first, last))
        assert first is None or isinstance(first, dt.date)
        assert last is None or isinstance(last, dt.date)
        if first is not None and last is not None and last < first:
            raise FieldError(
                "D102",
                f"table `{self.source.name}`, row {shown(where)}: it holds from {first} to {last}, "
                "which is no day",
                source=self.source.name,
                row=where,
                hint="`to` is the last day and comes no earlier than `from`",
            )
        return first or FIRST, last


def _month(year: Whole, number: str) -> Whole:
    """The month of that number, from 1 for January, in a year that may begin with any."""
    ahead = int(number) < year.start.month
    month = Period.parse(f"{year.start.year + ahead:04d}-{int(number):02d}")
    if month.start < year.start or year.end < month.end:
        raise CrmRulesError("Q102", f"{year.key} has no month {number}", hint="name a year under `period`")
    return whole_of(month)


def named(row: object) -> str:
    """How a row is called in a text: its id, or its position."""
    return row if isinstance(row, str) else str(row) if type(row) is int else shown(row)


def in_units(amount: float, digits: int) -> int:
    """An amount in its smallest units, a half of one rounded away from zero.

    >>> in_units(1.005, 2), in_units(-0.5, 0)
    (101, -1)
    """
    return rounded(Fraction(repr(amount)) * 10**digits)


def _all_scaled(
    rows: Sequence[_Row], digits: int | None, *, declared: bool
) -> tuple[list[float], int | None]:
    """The amounts in units of the digits; as they are where one has more decimals than declared."""
    if digits is not None:
        scaled: list[float] = []
        for row in rows:
            if row.digits is not None and row.digits <= digits:
                scaled.append(int(row.amount) * 10 ** (digits - row.digits))
                continue
            units = in_units(row.plain, digits)
            if not declared and units / 10**digits != row.plain:
                break
            scaled.append(units)
        else:
            return scaled, digits
    return [row.plain for row in rows], None


def _refuse_twice(table: str, who: str, whole: Whole | None, rows: Sequence[Quota]) -> None:
    for one, other in pairwise(rows):
        if other.first > one.first and (one.last is None or one.last < other.first):
            continue
        what = f" in {whole.key}" if whole else ""
        when = f" from {other.first} on" if other.first > FIRST else ""
        raise FieldError(
            "Q101",
            f"table `{table}`, rows {shown(one.row)} and {shown(other.row)} are both the target of "
            f"{who}{what}{when}",
            source=table,
            row=other.row,
            value=who,
            hint="leave one of them out, or give the days from which they hold, under `from`",
        )


__all__ = ["Keys", "Quota", "Quotas", "Rows"]
