"""How large a number can become, as far as the tree tells before any value is known."""

from __future__ import annotations

import math
from collections.abc import Mapping

from crmrules import money
from crmrules.expr import tree
from crmrules.types import Type

ORDINARY = 1e18
_LARGEST_FLOAT = 1.7976931348623157e308
_LONGEST_DURATION = 3_700_000.0


def may_overflow(node: tree.Node, types: Mapping[int, Type], *, ordinary: bool = False) -> bool:
    """Whether the value of some arithmetic can go beyond the largest float, and so be null; with `ordinary`,
    no field of numbers is beyond ORDINARY, and none that divides is smaller than its reciprocal."""
    return not _magnitude(node, types, ordinary) <= _LARGEST_FLOAT


def _magnitude(node: tree.Node, types: Mapping[int, Type], ordinary: bool) -> float:
    """A bound of the value's size; infinite or not a number where there is none."""
    match node:
        case tree.Constant(float() as value):
            return abs(value)
        case tree.Name() if ordinary and types[id(node)].kind == "number":
            return ORDINARY
        case tree.Negative(operand):
            return _magnitude(operand, types, ordinary)
        case tree.Arithmetic("/", left, tree.Constant(float() as value)) if value:
            return _magnitude(left, types, ordinary) / abs(value)
        case tree.Arithmetic("/", left, tree.Name()) if ordinary:
            return _magnitude(left, types, ordinary) * ORDINARY
        case tree.Arithmetic("/"):
            return math.inf
        case tree.Arithmetic("*", left, right):
            return _magnitude(left, types, ordinary) * _magnitude(right, types, ordinary)
        case tree.Arithmetic(_, left, right):
            return _magnitude(left, types, ordinary) + _magnitude(right, types, ordinary)
    found = types[id(node)]
    if found.kind == "money":
        return 1024.0 * float(money.LARGEST) / float(10**found.digits)
    return _LONGEST_DURATION if found.kind == "duration" else _LARGEST_FLOAT
