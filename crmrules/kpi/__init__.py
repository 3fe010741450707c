"""Measures, indicators and models: from credited records to scores, grades and ranks."""

from crmrules.kpi.band import Band, Loss
from crmrules.kpi.calendar import Calendar, China, Country, Weekdays
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.calendar_rule import CalendarRule
from crmrules.kpi.composite import Bounds, Composite, Gate, Kicker, Lock, ScoreRule
from crmrules.kpi.curve import Curve, Linear, Points
from crmrules.kpi.grade import Bands, Forced, Grade, Percentile
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.lookup import Table
from crmrules.kpi.matrix import Axis, Matrix
from crmrules.kpi.measure import Measure
from crmrules.kpi.model import Model
from crmrules.kpi.pace import Paced, PaceRule
from crmrules.kpi.period import Period
from crmrules.kpi.period_table import PeriodTable
from crmrules.kpi.pieces import TierPart
from crmrules.kpi.presence import LeaveTable, Ramp
from crmrules.kpi.rank import Ranking
from crmrules.kpi.scorecard import Scorecard
from crmrules.kpi.standing import Adjusted, Result, Standing
from crmrules.kpi.statement import Statement
from crmrules.kpi.target import Figure, QuotaTable, Target
from crmrules.kpi.tier import Tier
from crmrules.kpi.tiers import Tiers
from crmrules.kpi.week_periods import WeekPeriods

__all__ = [
    "Adjusted",
    "Axis",
    "Band",
    "Bands",
    "Bounds",
    "Calendar",
    "CalendarPeriods",
    "CalendarRule",
    "China",
    "Composite",
    "Country",
    "Curve",
    "Figure",
    "Forced",
    "Gate",
    "Grade",
    "Indicator",
    "Kicker",
    "LeaveTable",
    "Linear",
    "Lock",
    "Loss",
    "Matrix",
    "Measure",
    "Model",
    "PaceRule",
    "Paced",
    "Percentile",
    "Period",
    "PeriodTable",
    "Points",
    "QuotaTable",
    "Ramp",
    "Ranking",
    "Result",
    "ScoreRule",
    "Scorecard",
    "Standing",
    "Statement",
    "Table",
    "Target",
    "Tier",
    "TierPart",
    "Tiers",
    "WeekPeriods",
    "Weekdays",
]
