"""Measures, indicators and models: from credited records to scores, grades and ranks."""

from crmrules.kpi.curve import Linear
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.measure import Measure
from crmrules.kpi.model import Grade, Model
from crmrules.kpi.period import Period
from crmrules.kpi.standing import Result, Standing

__all__ = ["Grade", "Indicator", "Linear", "Measure", "Model", "Period", "Result", "Standing"]
