"""Periods as a model declares them: `month`, or `{unit: quarter, year_starts: 4, year_named: ends}`, or
`{weeks: 4-4-5, …}`, or `{table: […]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Tag

from crmrules.errors import shown
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.period import Unit
from crmrules.kpi.period_table import PeriodTable
from crmrules.kpi.week_periods import WeekPeriods


def _unit(value: object) -> object:
    if isinstance(value, str):
        return {"unit": value}
    if not isinstance(value, Mapping | CalendarPeriods):
        raise ValueError(
            f"{shown(value)} is no kind of period: write period: month, or period: {{unit: quarter, …}}"
        )
    return value


def _kind(value: object) -> str:
    for kind, form, telling in (
        ("by table", PeriodTable, {"table", "gaps"}),
        ("by weeks", WeekPeriods, {"weeks", "year_ends", "week_53"}),
    ):
        if isinstance(value, form) or (isinstance(value, Mapping) and telling & value.keys()):
            return kind
    return "by calendar"


DeclaredPeriods = Annotated[
    Annotated[
        CalendarPeriods,
        BeforeValidator(_unit, json_schema_input_type=Unit | CalendarPeriods),
        Tag("by calendar"),
    ]
    | Annotated[WeekPeriods, Tag("by weeks")]
    | Annotated[PeriodTable, Tag("by table")],
    Discriminator(_kind),
]
