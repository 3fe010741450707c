"""The expression language: one front end, three interpretations."""

from crmrules.errors import ExpressionError
from crmrules.expr.expression import Expression

__all__ = ["Expression", "ExpressionError"]
