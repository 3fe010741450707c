"""The expression language: one front end, three interpretations."""

from crmrules.errors import ExpressionError
from crmrules.expr.expression import Expression
from crmrules.expr.functions import Function, register

__all__ = ["Expression", "ExpressionError", "Function", "register"]
