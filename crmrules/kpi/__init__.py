"""Measures, indicators and models: from credited records to scores, grades and ranks."""

from crmrules.kpi.band import Band, Loss
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.curve import Curve, Linear, Points
from crmrules.kpi.grade import Grade
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.lookup import Table
from crmrules.kpi.matrix import Axis, Matrix
from crmrules.kpi.measure import Measure
from crmrules.kpi.model import Model
from crmrules.kpi.period import Period
from crmrules.kpi.period_table import PeriodTable
from crmrules.kpi.pieces import TierPart
from crmrules.kpi.standing import Result, Standing
from crmrules.kpi.tier import Tier
from crmrules.kpi.tiers import Tiers
from crmrules.kpi.week_periods import WeekPeriods

__all__ = [
    "Axis",
    "Band",
    "CalendarPeriods",
    "Curve",
    "Grade",
    "Indicator",
    "Linear",
    "Loss",
    "Matrix",
    "Measure",
    "Model",
    "Period",
    "PeriodTable",
    "Points",
    "Result",
    "Standing",
    "Table",
    "Tier",
    "TierPart",
    "Tiers",
    "WeekPeriods",
]
