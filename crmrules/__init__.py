"""Sales-performance rules that any CRM or ERP can embed: policies, KPI models, triggers.

The names below are imported on first use, so that `import crmrules` costs a host next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmrules.errors import (
        CalendarCoverageError,
        CrmRulesError,
        ExpressionError,
        FieldError,
        MissingExtraError,
        RecordError,
        RulebookError,
    )
    from crmrules.expr import Expression
    from crmrules.fields import Field, Source
    from crmrules.kpi.calendar_rule import CalendarRule
    from crmrules.kpi.composite import Composite
    from crmrules.kpi.grade import Grade
    from crmrules.kpi.indicator import Indicator
    from crmrules.kpi.measure import Measure
    from crmrules.kpi.model import Model
    from crmrules.kpi.period import Period
    from crmrules.kpi.scorecard import Scorecard
    from crmrules.kpi.standing import Result, Standing
    from crmrules.kpi.statement import Statement
    from crmrules.kpi.target import QuotaTable
    from crmrules.policy import Condition, Policy, Rule, Verdict, field
    from crmrules.policy.claims import Claims
    from crmrules.policy.collision import Collision, find_collisions
    from crmrules.rulebook import Rulebook
    from crmrules.triggers import Answer, Behind, Context, Intent, Reached
    from crmrules.triggers.custom import trigger

__version__ = "0.1.0"

_HOMES = {
    "Answer": "crmrules.triggers",
    "Behind": "crmrules.triggers",
    "CalendarCoverageError": "crmrules.errors",
    "CalendarRule": "crmrules.kpi.calendar_rule",
    "Claims": "crmrules.policy.claims",
    "Collision": "crmrules.policy.collision",
    "Composite": "crmrules.kpi.composite",
    "Condition": "crmrules.policy",
    "Context": "crmrules.triggers",
    "CrmRulesError": "crmrules.errors",
    "Expression": "crmrules.expr",
    "ExpressionError": "crmrules.errors",
    "Field": "crmrules.fields",
    "FieldError": "crmrules.errors",
    "Grade": "crmrules.kpi.grade",
    "Indicator": "crmrules.kpi.indicator",
    "Intent": "crmrules.triggers",
    "Measure": "crmrules.kpi.measure",
    "MissingExtraError": "crmrules.errors",
    "Model": "crmrules.kpi.model",
    "Period": "crmrules.kpi.period",
    "Policy": "crmrules.policy",
    "QuotaTable": "crmrules.kpi.target",
    "Reached": "crmrules.triggers",
    "RecordError": "crmrules.errors",
    "Result": "crmrules.kpi.standing",
    "Rule": "crmrules.policy",
    "Rulebook": "crmrules.rulebook",
    "RulebookError": "crmrules.errors",
    "Scorecard": "crmrules.kpi.scorecard",
    "Source": "crmrules.fields",
    "Standing": "crmrules.kpi.standing",
    "Statement": "crmrules.kpi.statement",
    "Verdict": "crmrules.policy",
    "field": "crmrules.policy",
    "find_collisions": "crmrules.policy.collision",
    "trigger": "crmrules.triggers.custom",
}

__all__ = [
    "Answer",
    "Behind",
    "CalendarCoverageError",
    "CalendarRule",
    "Claims",
    "Collision",
    "Composite",
    "Condition",
    "Context",
    "CrmRulesError",
    "Expression",
    "ExpressionError",
    "Field",
    "FieldError",
    "Grade",
    "Indicator",
    "Intent",
    "Measure",
    "MissingExtraError",
    "Model",
    "Period",
    "Policy",
    "QuotaTable",
    "Reached",
    "RecordError",
    "Result",
    "Rule",
    "Rulebook",
    "RulebookError",
    "Scorecard",
    "Source",
    "Standing",
    "Statement",
    "Verdict",
    "field",
    "find_collisions",
    "trigger",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'crmrules' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
