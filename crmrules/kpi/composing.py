"""Composites ready to run: a declaration checked against the indicators of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.expr.check import Checked
from crmrules.kpi.combining import Keys
from crmrules.kpi.composed import Composed, Path, Run
from crmrules.kpi.composite import Composite
from crmrules.kpi.named import SCORE, Names, listed, numbers
from crmrules.kpi.rounding import rounded
from crmrules.policy.condition import Condition
from crmrules.types import NUMBER, Type

if TYPE_CHECKING:
    from crmrules.kpi.measure import Column
    from crmrules.kpi.named import Numbers

Typed = tuple["Column", Type]


@final
class Composing:
    """A declared composite over the indicators of a model, checked once and run on any rows.

    types: the type of each indicator's value. weights: of those that have a score. attained: which of
    them have an attainment; all if not said. `checked` has the declared expressions by their place, such
    as `("gates", 0, "when")`.

    Raises the first of `problems`.
    """

    def __init__(
        self,
        declared: Composite,
        types: Mapping[str, Type],
        weights: Mapping[str, float],
        attained: Collection[str] | None = None,
    ) -> None:
        self.declared = declared
        self.weights = weights
        for _, error in problems(declared, types, weights, attained):
            raise error
        schemas = _Schemas(types, weights, attained)
        self.checked = {path: make() for path, make in _expressions(declared, schemas)}

    def run(
        self,
        scores: Mapping[str, Any],
        rows: Keys,
        actuals: Mapping[str, Typed] | None = None,
        attainments: Mapping[str, Any] | None = None,
    ) -> Composed:
        """The composite of each row.

        scores: for each indicator with a score a column of points, NaN where it is unknown. rows: subject
        and period of each row, for errors. actuals: the indicators' values with their types, as a card
        carries them; attainments: as shares, 1.0 is the target. Only what expressions name is needed.

        Raises RecordError: M130 a score is missing and has to be there; M132 the geometric mean of a
        negative score; M133 a score without limit; M134 points that are negative; M137 a condition or
        points that are not known and have to be.
        """
        import numpy as np

        columns = _columns(self.checked.values(), actuals or {}, attainments or {})
        points = {name: np.asarray(scores[name], dtype=np.float64) for name in self.weights}
        return Run(self.declared, self.checked, points, self.weights, columns, rows).composed()


@final
class Ordering:
    """What breaks ties in a ranking or a distribution: expressions over the names that gates may read, but
    for the lowest and highest score, checked once.

    texts: as declared, `("revenue", "-returns")`. Raises ExpressionError for what does not fit.
    """

    def __init__(
        self,
        texts: Sequence[str],
        types: Mapping[str, Type],
        weights: Mapping[str, float],
        attained: Collection[str] | None = None,
    ) -> None:
        names = Names(types, weights, attained, extremes=False)
        self.checked = [names.number(text) for text in texts]

    def columns(
        self,
        found: Composed,
        actuals: Mapping[str, Typed] | None = None,
        attainments: Mapping[str, Any] | None = None,
    ) -> list[Numbers]:
        """A column for each expression, the higher first, as `ranks` and `Forced.graded` take them."""
        if not self.checked:
            return []
        columns = _columns(self.checked, actuals or {}, attainments or {})
        columns |= {f"{name}_score": rounded(column) for name, column in found.scores.items()}
        columns[SCORE] = rounded(found.score)
        rows = len(found.score)
        return [numbers(each, listed(each, columns), rows) for each in self.checked]


def composed(
    declared: Composite,
    scores: Mapping[str, Any],
    weights: Mapping[str, float],
    actuals: Mapping[str, Typed] | None = None,
    attainments: Mapping[str, Any] | None = None,
    rows: Keys | None = None,
) -> Composed:
    """The composite of each row, checked and run at once; see `Composing`.

    >>> found = composed(Composite(), {"revenue": [120.0], "margin": [80.0]}, {"revenue": 60, "margin": 40})
    >>> found.score.tolist(), found.contributions["revenue"].tolist()
    ([104.0], [72.0])
    """
    actuals, attainments = actuals or {}, attainments or {}
    types = dict.fromkeys(scores, NUMBER) | {name: found for name, (_, found) in actuals.items()}
    if rows is None:
        count = max((len(column) for column in scores.values()), default=0)
        rows = [(f"row {number}", "") for number in range(1, count + 1)]
    return Composing(declared, types, weights, attainments).run(scores, rows, actuals, attainments)


def problems(
    declared: Composite,
    types: Mapping[str, Type],
    weights: Mapping[str, float],
    attained: Collection[str] | None = None,
) -> Iterator[tuple[Path, CrmRulesError]]:
    """All that does not fit the indicators, each with its place within the declaration.

    M131 a name that could mean two things; M135 weights that do not add up as declared; M136 no such
    indicator; and what expressions are refused for.
    """
    total = sum(weights.values())
    wanted = declared.weights_total
    if wanted is not None and round(total, 2) != round(wanted, 2):
        hint = f"change the weights by {wanted - total:+.2f} in all, or leave weights_total out"
        message = f"the weights add up to {total:.2f}, and weights_total is {wanted:g}"
        yield ("weights_total",), CrmRulesError("M135", message, hint=hint)
    named: list[tuple[Path, str]] = [(("indicators", name), name) for name in declared.indicators]
    named += [(("locks", place, "unlocks"), lock.unlocks) for place, lock in enumerate(declared.locks)]
    for path, name in named:
        if name not in weights:
            message = f"no indicator with a score is called `{name}`"
            yield path, CrmRulesError("M136", message, hint=did_you_mean(name, weights))
    for path, make in _expressions(declared, _Schemas(types, weights, attained)):
        try:
            make()
        except CrmRulesError as error:
            yield path, error


@final
class _Schemas:
    """The names of what is looked at before there is a composite, after, and in its own expression."""

    def __init__(
        self, types: Mapping[str, Type], scored: Collection[str], attained: Collection[str] | None
    ) -> None:
        self.scores = Names(dict.fromkeys(scored, NUMBER), scored, attained, composite=False)
        self.before = Names(types, scored, attained, composite=False)
        self.after = Names(types, scored, attained)


def _expressions(declared: Composite, schemas: _Schemas) -> Iterator[tuple[Path, Callable[[], Checked]]]:
    """Each expression's place, and what checks it."""

    def condition(names: Names, written: Condition) -> Callable[[], Checked]:
        return lambda: names.condition(written)

    def number(names: Names, text: str) -> Callable[[], Checked]:
        return lambda: names.number(text)

    if declared.expression is not None:
        yield ("expression",), number(schemas.scores, declared.expression)
    for place, lock in enumerate(declared.locks):
        yield ("locks", place, "needs"), condition(schemas.before, lock.needs)
    for part, several in (("kickers", declared.kickers), ("deductions", declared.deductions)):
        for place, kicker in enumerate(several):
            if kicker.when is not None:
                yield (part, place, "when"), condition(schemas.after, kicker.when)
            if isinstance(kicker.points, str):
                yield (part, place, "points"), number(schemas.after, kicker.points)
    for place, gate in enumerate(declared.gates):
        yield ("gates", place, "when"), condition(schemas.after, gate.when)


def _columns(
    checked: Iterable[Checked], actuals: Mapping[str, Typed], attainments: Mapping[str, Any]
) -> dict[str, Column]:
    """The columns that expressions may read beside scores; attainments as they are compared."""
    read = {name for each in checked for name in each.fields}
    columns: dict[str, Column] = {name: column for name, (column, _) in actuals.items()}
    for name, shares in attainments.items():
        if (named := f"{name}_attainment") in read:
            columns[named] = rounded(shares)
    return columns
