"""The expression language: one front end, three interpretations."""

from crmrules.errors import ExpressionError
from crmrules.expr.expression import Expression
from crmrules.expr.functions import Function, register
from crmrules.expr.hosted import PerRecordWarning

__all__ = ["Expression", "ExpressionError", "Function", "PerRecordWarning", "register"]
