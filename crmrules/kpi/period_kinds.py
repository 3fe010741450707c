"""Periods as a model declares them: `month`, or `{unit: quarter, year_starts: 4, year_named: ends}`, or
`{weeks: 4-4-5, …}`, or `{table: […]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Tag

from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.period import Unit
from crmrules.kpi.period_table import PeriodTable
from crmrules.kpi.week_periods import WeekPeriods


def _unit(value: object) -> object:
    return {"unit": value} if isinstance(value, str) else value


def _kind(value: object) -> str:
    if isinstance(value, PeriodTable) or (isinstance(value, Mapping) and "table" in value):
        return "table"
    if isinstance(value, WeekPeriods) or (isinstance(value, Mapping) and "weeks" in value):
        return "weeks"
    return "calendar"


DeclaredPeriods = Annotated[
    Annotated[
        CalendarPeriods,
        BeforeValidator(_unit, json_schema_input_type=Unit | CalendarPeriods),
        Tag("calendar"),
    ]
    | Annotated[WeekPeriods, Tag("weeks")]
    | Annotated[PeriodTable, Tag("table")],
    Discriminator(_kind),
]
