"""The expression language: one front end, three interpretations."""

from crmrules.errors import ExpressionError
from crmrules.expr.expression import Expression
from crmrules.expr.functions import Function, register
from crmrules.expr.hosted import PerRecordWarning
from crmrules.expr.limits import Limits, limited

__all__ = ["Expression", "ExpressionError", "Function", "Limits", "PerRecordWarning", "limited", "register"]
