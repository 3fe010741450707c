"""Working calendars as they are declared: a country or weekdays, and a company's own days."""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules import document
from crmrules.errors import CrmRulesError, RulebookError
from crmrules.fields import Day, Frozen
from crmrules.kpi.calendar import Calendar, China, Country, Extended, Overridden, Weekday, Weekdays

Beyond = Literal["error", "weekdays"]


@final
class DayLists(BaseModel):
    """What a file of days holds: `holidays:`, `workdays:`, and `until:` up to which day they are complete."""

    model_config = Frozen

    holidays: tuple[Day, ...] = ()
    workdays: tuple[Day, ...] = ()
    until: Day | None = None


@final
class CalendarRule(BaseModel):
    """A working calendar: weekdays, or a country's, and what a company changes in it.

    country: two letters (`CN`, `DE`); weekdays without holidays if not said. subdivision: a part of the
    country (`BY`). library: where the days come from, `chinesecalendar` for China and `holidays` for all
    others if not said. weekend: of a calendar without country; Saturday and Sunday if not said.

    holidays, workdays: days of the company's own, which win over the country's. file: a YAML or JSON file
    with more of them, beside the rulebook. until: the day up to which the lists, together with the library,
    are complete: the calendar ends there, be it before or after what the library knows. beyond: what
    happens at a day that nobody knows: an `error`, or `weekdays` are taken as working days, which is said
    with the result.

    >>> rule = CalendarRule.model_validate({"holidays": ["2026-12-24"]})
    >>> import datetime as dt
    >>> rule.calendar().is_working_day(dt.date(2026, 12, 24))
    False
    """

    model_config = Frozen

    country: Annotated[str, Field(min_length=2)] | None = None
    subdivision: str | None = None
    library: Literal["chinesecalendar", "holidays"] | None = None
    weekend: tuple[Weekday, ...] | None = None
    holidays: tuple[Day, ...] = ()
    workdays: tuple[Day, ...] = ()
    file: str | None = None
    until: Day | None = None
    beyond: Beyond = "error"

    @pydantic.model_validator(mode="after")
    def _check(self) -> CalendarRule:
        if self.country is None:
            for name in ("subdivision", "library"):
                if getattr(self, name) is not None:
                    raise ValueError(f"`{name}` goes with a country: write country: DE, or leave it out")
        elif self.weekend is not None:
            raise ValueError("a country has a weekend of its own: leave `weekend` out, or `country`")
        if self.library == "chinesecalendar" and self.country != "CN":
            raise ValueError("chinesecalendar knows China alone: write country: CN, or library: holidays")
        if self._chinese and self.subdivision is not None:
            raise ValueError(
                "chinesecalendar knows no subdivisions: leave it out, or write library: holidays"
            )
        if self.weekend is not None and len({*self.weekend}) == 7:
            raise ValueError("all seven days are weekend: leave at least one to work on")
        if both := {*self.holidays} & {*self.workdays}:
            raise ValueError(
                f"{min(both)} is listed as a holiday and as a working day: take it out of one of the lists"
            )
        return self

    @property
    def _chinese(self) -> bool:
        return self.country == "CN" and self.library != "holidays"

    def calendar(self, folder: str | os.PathLike[str] = ".") -> Calendar:
        """The calendar. folder: where its file is looked for, which is that of the rulebook.

        Raises MissingExtraError without the library, RulebookError for a file that is none, CrmRulesError
        (W102, W103) for a country that is not known and for days that contradict each other.
        """
        lists = DayLists() if self.file is None else read_days(os.path.join(folder, self.file))
        holidays = frozenset([*self.holidays, *lists.holidays])
        workdays = frozenset([*self.workdays, *lists.workdays])
        until = max((day for day in (self.until, lists.until) if day is not None), default=None)
        found, weekend = self._of_country(until)
        last = found.coverage[1]
        if until is not None and until > last and not any(day > last for day in holidays):
            raise CrmRulesError(
                "W103",
                f"{self.country} is known up to {last}, and no holiday is listed from then to {until}",
                hint="add the holidays under `holidays:` and the make-up days under `workdays:`",
            )
        if until is not None and until != last:
            found = Extended(found, weekend, until)
        if self.beyond == "weekdays":
            found = Extended(found, weekend)
        return Overridden(found, holidays, workdays) if holidays or workdays else found

    def _of_country(self, until: dt.date | None) -> tuple[Calendar, tuple[Weekday, ...]]:
        """What the library knows, and the weekend."""
        if self.country is None:
            weekdays = Weekdays() if self.weekend is None else Weekdays(self.weekend)
            return weekdays, weekdays.weekend
        if self._chinese:
            return (china := China()), china.weekend
        country = Country(self.country, self.subdivision, until=until)
        return country, country.weekend


def read_days(path: str | os.PathLike[str]) -> DayLists:
    """The days in a YAML or JSON file. Raises RulebookError with all that is wrong, each in its place."""
    found = document.read(path)
    if found.problems:
        raise RulebookError(found.problems)
    try:
        return DayLists.model_validate(found.data)
    except pydantic.ValidationError as error:
        hint = "write `holidays:` and `workdays:`, lists of days such as 2026-12-24, and `until:`, a day"
        raise RulebookError(
            found.problem("W103", each["msg"].removeprefix("Value error, "), each["loc"], hint=hint)
            for each in error.errors()
        ) from None
