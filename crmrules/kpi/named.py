"""The names that expressions over a model's indicators may read, and what they come to row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, final

from crmrules.errors import ExpressionError
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.parse import parse
from crmrules.expr.scalar import compile_many
from crmrules.kpi.measure import delivered_column
from crmrules.policy.condition import Condition
from crmrules.types import NUMBER, Scalar, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

SCORE, LOWEST, HIGHEST = "score", "lowest_score", "highest_score"


@final
class Names:
    """What conditions and points may name: each indicator's value by its own name (`margin`), its score
    and its attainment (`margin_score`, `margin_attainment`), `lowest_score`, `highest_score` and `score`.

    types: of the indicators' values. scored, attained: which of them have a score, an attainment.
    composite, extremes: whether there is `score`, and the lowest and the highest.
    """

    def __init__(
        self,
        types: Mapping[str, Type],
        scored: Collection[str],
        attained: Collection[str] | None = None,
        *,
        composite: bool = True,
        extremes: bool = True,
    ) -> None:
        names = [*types]
        names += [f"{name}_score" for name in scored]
        names += [f"{name}_attainment" for name in (scored if attained is None else attained)]
        names += [*([LOWEST, HIGHEST] if extremes else []), *([SCORE] if composite else [])]
        self.types: Schema = dict.fromkeys(names, NUMBER) | dict(types)
        self.twofold = {name for name, count in Counter(names).items() if count > 1}

    def condition(self, condition: Condition) -> Checked:
        """A condition over the names. Raises ExpressionError."""
        return self._told_apart(condition.check(self.types))

    def number(self, text: str) -> Checked:
        """An expression that gives a number. Raises ExpressionError."""
        node = parse(text)
        checked = self._told_apart(check(node, self.types, text=text))
        if checked.type.kind not in ("number", "money", "null"):
            message = f"the expression gives a {checked.type.kind} where a number is needed"
            hint = "write an expression of numbers, such as 10 if … else 0"
            raise ExpressionError("E102", message, text=text, span=node.span, hint=hint)
        return checked

    def _told_apart(self, checked: Checked) -> Checked:
        """Raises ExpressionError (M131) for a name that could mean two things."""
        for name in checked.fields:
            if name in self.twofold:
                node = next(each for each in tree.walk(checked.tree) if each == tree.Name(name))
                raise ExpressionError(
                    "M131",
                    f"`{name}` is an indicator, and also what comes of an indicator or of all",
                    text=checked.text,
                    span=node.span,
                    hint=f"give the indicator `{name}` another name",
                )
        return checked


def listed(checked: Checked, columns: Mapping[str, Column]) -> dict[str, list[Scalar]]:
    """The columns that an expression reads, as it computes with them."""
    return {name: delivered_column(columns[name], checked.schema[name]) for name in checked.fields}


def values(checked: Checked, lists: Mapping[str, list[Scalar]], rows: int) -> list[Scalar]:
    """The value of an expression for each row."""
    if not checked.fields:
        return compile_many(checked)() * rows
    return compile_many(checked)(*(lists[name] for name in checked.fields))


def numbers(checked: Checked, lists: Mapping[str, list[Scalar]], rows: int) -> Numbers:
    """The same of an expression that gives a number or an amount; NaN where it is unknown."""
    import numpy as np

    found = np.array(values(checked, lists, rows), dtype=np.float64)
    return found / 10**checked.type.digits if checked.type.kind == "money" else found


def decided(checked: Checked, columns: Mapping[str, Column], rows: int) -> tuple[Flags, Flags]:
    """Where a condition over columns, as a card carries them, holds, and where that is not known."""
    import numpy as np

    found = values(checked, listed(checked, columns), rows)
    holds = np.array([value is True for value in found], dtype=bool)
    return holds, np.array([value is None for value in found], dtype=bool)
