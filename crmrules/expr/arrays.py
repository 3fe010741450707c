"""Tree to numpy arrays: plain arithmetic over whole columns.

It gives what `compile_many` gives for each row, to the last bit, and leaves everything that is more than
sums, differences, products and quotients of numbers and amounts to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from crmrules import money
from crmrules.expr import tree
from crmrules.expr.bounds import may_overflow
from crmrules.expr.check import Checked
from crmrules.types import NUMBER, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

MOST_NODES = 8
"""So many amounts, each up to 2^50 smallest units, add up to whole numbers that a float holds."""


def arithmetic(checked: Checked, columns: Mapping[str, NDArray[Any]]) -> Numbers | None:
    """The value for each row, NaN where there is none; None where it has to be computed row by row.

    columns: of each field, as a bound frame holds it; there is at least one.
    """
    import numpy as np

    nodes = [*tree.walk(checked.tree)]
    if not all(_is_plain(node, checked) for node in nodes) or checked.type.kind not in ("number", "money"):
        return None
    floats: dict[str, Numbers] = {}
    for name, column in columns.items():
        if checked.schema[name].kind == "number" and column.dtype == np.float64:
            floats[name] = column
        elif checked.schema[name].kind == "money" and len(nodes) <= MOST_NODES:
            floats[name] = column.astype(np.float64) + 0.0  # an amount of nothing has no sign
            if (np.abs(floats[name]) > money.LARGEST).any():
                return None
        else:
            return None
    with np.errstate(all="ignore"):
        found = _Arrays(checked, floats).value(checked.tree)
    return np.broadcast_to(found, next(iter(floats.values())).shape).astype(np.float64)


def _is_plain(node: tree.Node, checked: Checked) -> bool:
    found = checked.types[id(node)]
    match node:
        case tree.Constant(value):
            return type(value) is float
        case tree.Name():
            return found.kind in ("number", "money")
        case tree.Arithmetic(_, left, right):
            sides = checked.type_of(left), checked.type_of(right)
            same_digits = len({side.digits for side in sides if side.kind == "money"}) < 2
            return found.kind in ("number", "money") and same_digits
        case tree.Negative():
            return found.kind in ("number", "money")
    return False


@final
class _Arrays:
    """The same steps as `crmrules.expr.writer.Writer`, with NaN for what is missing."""

    def __init__(self, checked: Checked, columns: Mapping[str, Numbers]) -> None:
        self.types = checked.types
        self.columns = columns

    def value(self, node: tree.Node, wanted: Type | None = None) -> Any:
        """The value of a node, in the wanted type if that is another one."""
        import numpy as np

        found = self.types[id(node)]
        match node:
            case tree.Constant(float() as constant):
                if wanted is not None and (wanted.kind, found.kind) == ("money", "number"):
                    return float(money.scaled(constant, wanted.digits))
                return constant
            case tree.Name(name):
                value = self.columns[name]
            case _:
                value = self.arithmetic(node)
                if found.kind == "number" and may_overflow(node, self.types):
                    value = np.where(np.isfinite(value), value, np.nan)
        if wanted is not None and (wanted.kind, found.kind) == ("number", "money"):
            return value / 10.0**found.digits
        return value

    def arithmetic(self, node: tree.Node) -> Any:
        """Sums and products without the overflow test: what is not finite stays so up to the top."""
        import numpy as np

        found = self.types[id(node)]
        if isinstance(node, tree.Negative):
            value = self.arithmetic(node.operand)
            return 0.0 - value if found.kind == "money" else -value  # there is no amount of -0
        if not isinstance(node, tree.Arithmetic):
            return self.value(node, found)
        wanted = found if found.kind == "money" else NUMBER
        left, right = (
            self.arithmetic(side) if self.types[id(side)].kind == wanted.kind else self.value(side, wanted)
            for side in (node.left, node.right)
        )
        match node.operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
        divisor = self.value(node.right, NUMBER)
        return np.where(divisor == 0.0, np.nan, np.divide(left, divisor))


__all__ = ["arithmetic"]
