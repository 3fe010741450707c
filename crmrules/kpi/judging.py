"""From the indicators' scores to the composite, grades, ranks and movement: checked once, run on any rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from crmrules.errors import CrmRulesError
from crmrules.kpi.composed import Composed
from crmrules.kpi.composing import Composing, Ordering, problems
from crmrules.kpi.grid import Grid
from crmrules.kpi.model import Model
from crmrules.kpi.rank import Movement, movement, numbered, ranks, within
from crmrules.kpi.roster import Roster
from crmrules.types import Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.scorecard import Figures

    Numbers = NDArray[np.float64]

Path = tuple[str | int, ...]


@final
@dataclass(frozen=True, slots=True)
class Judged:
    """What became of every row. team_rank, movement: where the model asks for them."""

    composed: Composed
    grade: tuple[str | None, ...]
    rank: Numbers
    team_rank: Numbers | None
    movement: Movement | None


@final
class Judging:
    """The composite, grades and ranks of a model over the types of its indicators.

    Raises the first of `faults`.
    """

    def __init__(self, model: Model, types: Mapping[str, Type]) -> None:
        for _, error in faults(model, types):
            raise error
        self.model = model
        self.composing = Composing(model.composite, types, model.weights, model.targeted)
        self.graded_by = Ordering(model.grade_order, types, model.weights, model.targeted)
        self.ranked_by = Ordering(model.rank.order, types, model.weights, model.targeted)

    def run(self, figures: Mapping[str, Figures], grid: Grid, roster: Roster) -> Judged:
        """What becomes of the rows of a grid."""
        import numpy as np

        model, rows = self.model, len(grid)
        scores = {name: each.points for name, each in figures.items() if each.points is not None}
        attainments = {name: each.attainment for name, each in figures.items() if each.attainment is not None}
        actuals = {name: (each.actual, each.type) for name, each in figures.items()}
        composed = self.composing.run(scores, grid, actuals, attainments)
        period = np.repeat(np.arange(len(grid.periods)), len(grid.subjects))

        def among(role: str | None) -> NDArray[np.int64]:
            if role is None:
                return period
            teams = numbered(roster.people.get(subject, {}).get(role) for subject in grid.subjects)
            return within(period, np.tile(teams, len(grid.periods)))

        grade: tuple[str | None, ...] = (None,) * rows
        if model.grades is not None:
            order = self.graded_by.columns(composed, actuals, attainments)
            grade = model.grades.graded(composed.score, among(model.graded_within), order)
        order = self.ranked_by.columns(composed, actuals, attainments)
        ties, team = model.rank.ties, model.rank.within
        rank = ranks(composed.score, period, ties, order)
        team_rank = None if team is None else ranks(composed.score, among(team), ties, order)
        moved = None
        if model.movement:
            who = np.tile(np.arange(len(grid.subjects)), len(grid.periods))
            moved = movement(composed.score, rank, who, period)
        return Judged(composed, grade, rank, team_rank, moved)


def faults(model: Model, types: Mapping[str, Type]) -> Iterator[tuple[Path, CrmRulesError]]:
    """All of composite, grades and ranks that does not fit the indicators, with its place in the model."""
    for path, error in problems(model.composite, types, model.weights, model.targeted):
        yield ("composite", *path), error
    for part, texts in (("grades", model.grade_order), ("rank", model.rank.order)):
        for place, text in enumerate(texts):
            try:
                Ordering([text], types, model.weights, model.targeted)
            except CrmRulesError as error:
                yield (part, "order", place), error
