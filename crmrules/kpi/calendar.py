"""Working calendars: which days count as working days, as far as anybody knows."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version as library_version
from typing import Literal, Protocol, final, runtime_checkable

from crmrules.errors import CalendarCoverageError, CrmRulesError, MissingExtraError, did_you_mean, shown

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
Coverage = tuple[dt.date, dt.date]
ALWAYS: Coverage = (dt.date.min, dt.date.max)
EARLIEST = 1970
"""The first year of a country: before 1924 the library leaves holidays that follow the moon out, unsaid."""


@runtime_checkable
class Calendar(Protocol):
    """Which days are working days. A host's own calendar needs these four and nothing else.

    name, version: kept with whatever is computed, so that a changed calendar can be noticed.
    coverage: the first and the last day that the calendar knows; whatever counts days here refuses to ask
    beyond it.
    """

    @property
    def name(self) -> str:
        """What it is called, such as `CN`."""

    @property
    def version(self) -> str:
        """What changes when its days change."""

    @property
    def coverage(self) -> Coverage:
        """The first and the last day that it knows."""

    def is_working_day(self, day: dt.date, /) -> bool:
        """Whether people work on that day."""


def known(calendar: Calendar) -> Coverage:
    """The first and last day for which a calendar does not fall back on weekdays.

    It is the coverage, except where a calendar was declared to take weekdays beyond it.
    """
    found: Coverage = getattr(calendar, "known", calendar.coverage)
    return found


def require_covered(calendar: Calendar, first: dt.date, last: dt.date) -> None:
    """Raise CalendarCoverageError (W101) unless the calendar knows all days from the first to the last."""
    start, end = calendar.coverage
    if first > last or (start <= first and last <= end):
        return
    day = first if not start <= first <= end else last
    raise CalendarCoverageError(calendar.name, day, calendar.coverage)


def guessed(calendar: Calendar, first: dt.date, last: dt.date) -> str:
    """A sentence for people where days from the first to the last are only assumed; empty if all are known.

    >>> guessed(Weekdays(), dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    ''
    """
    start, end = known(calendar)
    if first > last or (start <= first and last <= end):
        return ""
    side = f"after {end}" if last > end else f"before {start}"
    return f"calendar {calendar.name} knows nothing {side}: all weekdays there are taken as working days"


def plain(day: dt.date) -> dt.date:
    """The day of a timestamp; a timestamp never equals the day that a calendar lists."""
    return day.date() if isinstance(day, dt.datetime) else day


@final
@dataclass(frozen=True)
class Weekdays:
    """Every day but the weekend is a working day; there are no holidays.

    >>> Weekdays().is_working_day(dt.date(2026, 2, 20))
    True
    >>> Weekdays(weekend=("friday", "saturday")).is_working_day(dt.date(2026, 2, 20))
    False
    """

    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    _off: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for day in self.weekend:
            if day not in WEEKDAYS:
                raise CrmRulesError("W102", f"{shown(day)} is no weekday", hint=did_you_mean(day, WEEKDAYS))
        if len({*self.weekend}) == 7:
            raise CrmRulesError("W102", "all seven days are weekend", hint="leave at least one to work on")
        object.__setattr__(self, "_off", frozenset(map(WEEKDAYS.index, self.weekend)))

    @property
    def name(self) -> str:
        """`weekdays`."""
        return "weekdays"

    @property
    def version(self) -> str:
        """The days of the weekend."""
        return "without " + ", ".join(self.weekend) if self.weekend else "all seven days"

    @property
    def coverage(self) -> Coverage:
        """All days there are."""
        return ALWAYS

    def is_working_day(self, day: dt.date, /) -> bool:
        """Whether it is no day of the weekend."""
        return day.weekday() not in self._off


WEEKDAYS_ALONE: Calendar = Weekdays()
"""What holds where no calendar is named."""


@final
class China:
    """Mainland China by the notices of the State Council: holidays, days in lieu and make-up days (调休).

    Comes from chinesecalendar (extra `china`), which knows the years that have been announced; a year that
    has not is an error rather than a guess. Raises MissingExtraError without chinesecalendar.

    >>> China().is_working_day(dt.date(2026, 9, 20))  # a Sunday on which people work
    True
    """

    name = "CN"
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")

    def __init__(self) -> None:
        try:
            import chinese_calendar
        except ImportError:
            raise MissingExtraError("chinesecalendar", "china", "the calendar of China") from None
        self.version = f"chinesecalendar {library_version('chinesecalendar')}"
        self._holidays = frozenset(chinese_calendar.holidays)
        self._workdays = frozenset(chinese_calendar.workdays)
        # The years of the holidays, as chinesecalendar itself decides what it knows.
        self.coverage: Coverage = (
            dt.date(min(self._holidays).year, 1, 1),
            dt.date(max(self._holidays).year, 12, 31),
        )

    def is_working_day(self, day: dt.date, /) -> bool:
        """Whether it is a make-up day, or a weekday that is no holiday. Raises CalendarCoverageError."""
        day = plain(day)
        require_covered(self, day, day)
        return day in self._workdays or (day.weekday() < 5 and day not in self._holidays)


@final
class Country:
    """The public holidays and the weekend of a country or a part of it, from holidays (extra `holidays`).

    country: two letters as in ISO 3166 (`DE`); subdivision: a part of it (`BY`). Make-up days count as
    working days where the library lists them.

    holidays computes on beyond what has been announced. So the coverage ends, where a country moves working
    days, with the last year for which moved days are listed, and where holidays follow the moon, with the
    last year without an estimated one. until: a later (or earlier) last day that you vouch for instead.

    Raises MissingExtraError without holidays, CrmRulesError (W102) for an unknown country or subdivision.

    >>> Country("DE", "BY").is_working_day(dt.date(2026, 1, 6))  # Epiphany, in Bavaria but not in Berlin
    False
    """

    def __init__(self, country: str, subdivision: str | None = None, *, until: dt.date | None = None) -> None:
        try:
            import holidays
        except ImportError:
            raise MissingExtraError("holidays", "holidays", "the calendar of a country") from None
        countries = holidays.list_supported_countries()
        if country not in countries:
            hint = "write the two letters of ISO 3166, such as DE"
            raise CrmRulesError("W102", f"no holidays are known for country {shown(country)}", hint=hint)
        if subdivision is not None and subdivision not in countries[country]:
            hint = did_you_mean(subdivision, countries[country]) if countries[country] else "leave it out"
            raise CrmRulesError("W102", f"{country} has no subdivision {shown(subdivision)}", hint=hint)
        self.country, self.subdivision, self._until = country, subdivision, until
        self.name = country if subdivision is None else f"{country}/{subdivision}"
        self.version = f"holidays {library_version('holidays')}"
        self._years: dict[int, frozenset[dt.date]] = {}

    @property
    def weekend(self) -> tuple[Weekday, ...]:
        """The days of the weekend, as they are now."""
        return tuple(WEEKDAYS[day] for day in sorted(self._of()[0].weekend))

    @cached_property
    def coverage(self) -> Coverage:
        """From the first year of the library, or the first one that it does not estimate, to the last."""
        empty, _ = self._of()
        first, last = max(empty.start_year, EARLIEST), empty.end_year
        if self._until is not None:
            return dt.date(first, 1, 1), min(self._until, dt.date(last, 12, 31))
        if empty.has_substituted_holidays:
            moved, _ = self._of(*range(first, last + 1))
            last = max((day.year for day in moved.weekend_workdays), default=last)
        if getattr(empty, "estimated_label", None):
            exact = [year for year in range(first, last + 1) if self._is_exact(year)]
            if not exact:
                raise CrmRulesError(
                    "W102",
                    f"holidays only estimates the holidays of {self.name}",
                    hint="write the days that are known under `holidays:`, and `until:` up to which day",
                )
            first, last = _last_run(exact)
        return dt.date(first, 1, 1), dt.date(last, 12, 31)

    def is_working_day(self, day: dt.date, /) -> bool:
        """Whether it is a make-up day, or neither weekend nor holiday. Raises CalendarCoverageError."""
        day = plain(day)
        require_covered(self, day, day)
        year = self._years.get(day.year)
        if year is None:
            year = self._years[day.year] = self._working_days(day.year)
        return day in year

    def _working_days(self, year: int) -> frozenset[dt.date]:
        # Neighbours as well: the notice of one year moves days of another. The library itself answers
        # wrongly for make-up days of a year that it has not filled yet.
        found, _ = self._of(year - 1, year, year + 1)
        day, days = dt.date(year, 1, 1), []
        while day.year == year:
            if found.is_working_day(day):
                days.append(day)
            if day == dt.date.max:
                break
            day += dt.timedelta(days=1)
        return frozenset(days)

    def _is_exact(self, year: int) -> bool:
        found, beyond = self._of(year)
        return not beyond and not any("(estimated)" in name for name in found.values())

    def _of(self, *years: int) -> tuple[_Holidays, bool]:
        """The library's object with these years, and whether it warned that it does not know them."""
        import holidays

        options = holidays.country_holidays(self.country).supported_languages
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = holidays.country_holidays(
                self.country,
                subdiv=self.subdivision,
                years=years or None,
                expand=False,
                language="en_US" if "en_US" in options else None,  # its word for estimates is looked for
            )
        return found, bool(said)


class _Holidays(Protocol):
    """What is used of the library's object."""

    start_year: int
    end_year: int
    weekend: set[int]
    weekend_workdays: set[dt.date]

    @property
    def has_substituted_holidays(self) -> bool: ...

    def is_working_day(self, key: dt.date) -> bool: ...

    def values(self) -> Iterable[str]: ...


def _last_run(years: list[int]) -> tuple[int, int]:
    """The first and last of the latest years without a gap."""
    first = last = years[-1]
    for year in reversed(years):
        if first - year > 1:
            break
        first = year
    return first, last


@final
@dataclass(frozen=True)
class Extended:
    """A calendar that takes weekdays where another one ends.

    until: the last day, up to which the weekdays, with what overrides say of them, are known to be right;
    the calendar ends there. Without it the weekdays before and after are an assumption, which `guessed`
    puts into words.
    """

    base: Calendar
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    until: dt.date | None = None

    @property
    def name(self) -> str:
        """That of the calendar."""
        return self.base.name

    @property
    def version(self) -> str:
        """That of the calendar, and what holds beyond it."""
        return f"{self.base.version}, weekdays {f'to {self.until}' if self.until else 'beyond'}"

    @property
    def coverage(self) -> Coverage:
        """Up to `until`; without it, all days there are."""
        return ALWAYS if self.until is None else (self.base.coverage[0], self.until)

    @property
    def known(self) -> Coverage:
        """The days that are no assumption."""
        return known(self.base) if self.until is None else self.coverage

    @cached_property
    def _weekdays(self) -> Weekdays:
        return Weekdays(self.weekend)

    def is_working_day(self, day: dt.date, /) -> bool:
        """What the calendar says; beyond it, whether it is a weekday. Raises CalendarCoverageError."""
        day = plain(day)
        require_covered(self, day, day)
        first, last = self.base.coverage
        inside = first <= day <= last
        return self.base.is_working_day(day) if inside else self._weekdays.is_working_day(day)


@final
@dataclass(frozen=True)
class Overridden:
    """A calendar with days of a company's own: holidays on which nobody works, and days that are worked.

    Raises CrmRulesError (W103) for a day that stands in both lists.

    >>> shut = Overridden(Weekdays(), holidays=frozenset([dt.date(2026, 12, 24)]))
    >>> shut.is_working_day(dt.date(2026, 12, 24)), shut.is_working_day(dt.date(2026, 12, 23))
    (False, True)
    """

    base: Calendar
    holidays: frozenset[dt.date] = frozenset()
    workdays: frozenset[dt.date] = frozenset()

    def __post_init__(self) -> None:
        for name in ("holidays", "workdays"):
            object.__setattr__(self, name, frozenset(map(plain, getattr(self, name))))
        if both := sorted(self.holidays & self.workdays):
            raise CrmRulesError(
                "W103",
                f"{both[0]} is listed as a holiday and as a working day",
                hint="take it out of one of the lists",
            )

    @property
    def name(self) -> str:
        """That of the calendar."""
        return self.base.name

    @property
    def version(self) -> str:
        """That of the calendar, and a digest of the days."""
        days = [sorted(map(str, each)) for each in (self.holidays, self.workdays)]
        return f"{self.base.version} + {sha256(repr(days).encode()).hexdigest()[:8]}"

    @property
    def coverage(self) -> Coverage:
        """That of the calendar."""
        return self.base.coverage

    @property
    def known(self) -> Coverage:
        """That of the calendar."""
        return known(self.base)

    def is_working_day(self, day: dt.date, /) -> bool:
        """What the lists say, else the calendar. Raises CalendarCoverageError."""
        day = plain(day)
        if day in self.holidays:
            return False
        return day in self.workdays or self.base.is_working_day(day)
