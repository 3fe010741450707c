"""A model within another: the composite of a subject, or of the team around it, as an indicator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmrules.errors import RecordError
from crmrules.kpi.grid import Grid
from crmrules.kpi.model import SUBJECT, TREE, Model
from crmrules.kpi.roster import Roster
from crmrules.kpi.scorecard import Scorecard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def composites(
    card: Scorecard, outer: Model, inner: Model, grid: Grid, roster: Roster | None
) -> NDArray[np.float64]:
    """For each row of a grid the composite of the inner model; NaN where it has none.

    A model of the same subject gives the subject's own; one that rolls up to a role gives that of whom the
    subject belongs to, on the last day of the period; one of the reporting tree the subject's own there.
    Raises RecordError (M104) where the roster that tells is missing.
    """
    import numpy as np

    scores = dict(zip(card.keys, card.score.tolist(), strict=True))
    role = inner.keys[0]
    if role in (SUBJECT, TREE) or inner.keys == outer.keys:
        return np.array([scores.get(key, np.nan) for key in grid.keys], dtype=np.float64)
    if roster is None:
        raise RecordError(
            "M104",
            f"the composite of `{card.name}` is that of the subject's `{role}`, and there is no roster",
            hint="pass the source that is declared as the roster",
        )
    grouping = roster.grouping(role)
    found = []
    for subject, period in grid.keys:
        above = grouping.of(subject, period.end)
        found.append(scores.get((above[0], period), np.nan) if above else np.nan)
    return np.array(found, dtype=np.float64)
