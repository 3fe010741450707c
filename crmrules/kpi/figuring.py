"""From the values of indicators to their targets, attainments and points, and to their pace."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, final

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.fields import BadRow, Source
from crmrules.kpi.calendar import Calendar, Weekdays
from crmrules.kpi.grid import Grid
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.model import Model
from crmrules.kpi.pace import pace
from crmrules.kpi.prepared import Prepared
from crmrules.kpi.resolved import Given, Resolved, resolve
from crmrules.kpi.roster import Roster
from crmrules.kpi.scorecard import Figures
from crmrules.kpi.values import Shown, numbers
from crmrules.policy.tree import Tree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Compute = Callable[[str], Numbers]


@final
@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the records: the roster, the reporting tree, tables by name, working calendars."""

    roster: Roster | None = None
    tree: Tree | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)

    def calendar(self, name: str | None) -> Calendar | None:
        """A working calendar by name. Raises CrmRulesError (W104) for one that is not declared."""
        if name is None:
            return None
        if name not in self.calendars:
            hint = did_you_mean(name, self.calendars)
            raise CrmRulesError("W104", f"there is no calendar `{name}`", hint=hint)
        return self.calendars[name]


@final
class Figuring:
    """The indicators of a model over the values of a card's rows.

    prepared, texts: the indicators' values, and what targets and curves are computed by.
    """

    def __init__(
        self, model: Model, prepared: Mapping[str, Prepared], texts: Mapping[str, Prepared], beside: Beside
    ) -> None:
        self.model = model
        self.prepared = prepared
        self.texts = texts
        self.beside = beside
        self.notes: list[str] = []
        self.quarantined: list[BadRow] = []

    def run(self, values: Shown, until: dt.date | None) -> dict[str, Figures]:
        """Each indicator's columns, up to the points of its curve."""

        def compute(text: str) -> Numbers:
            return _plain(self.texts[text], values)

        given = Given(
            "",
            compute=compute,
            sources=self.beside.sources,
            data=self.beside.data,
            roster=self.beside.roster or Roster(),
            periods=self.model.period,
            calendar=self.beside.calendar(self.model.calendar) or Weekdays(),
        )
        found: dict[str, Figures] = {}
        for name, indicator in self.model.indicators.items():
            actual, of = values.of(self.prepared[name]), self.prepared[name].checked.type
            figures = Figures(actual, of, indicator.weight)
            digits = of.digits if of.kind == "money" else None
            figures.number = _plain(self.prepared[name], values)
            own = replace(given, indicator=name, digits=digits, missing=indicator.missing_target)
            self._target(figures, indicator, values.grid, own)
            figures.points = self._points(figures, indicator, compute)
            if self.model.pace is not None and until is not None and indicator.accumulates:
                self._pace(figures, values.grid, until)
            found[name] = figures
        return found

    def _target(self, figures: Figures, indicator: Indicator, grid: Grid, given: Given) -> None:
        if indicator.target is None:
            return
        resolved = self._noted(resolve(indicator.target, grid, given))
        figures.target, figures.origins = resolved.values, resolved.origins
        figures.attainment = indicator.attainment(figures.number, resolved.values)

    def _points(self, figures: Figures, indicator: Indicator, compute: Compute) -> Numbers | None:
        import numpy as np

        if not indicator.scored:
            return None
        curve = indicator.curve
        if indicator.target is None and indicator.model is not None:
            return figures.number
        laid = figures.attainment if curve.on == "attainment" else figures.number
        figures.by = None if curve.by is None else compute(curve.by)
        points = curve.points(laid, figures.by)
        if indicator.missing_target == "zero" and figures.target is not None:
            points = np.where(figures.target > 0, points, 0.0)
        return points

    def _pace(self, figures: Figures, grid: Grid, until: dt.date) -> None:
        import numpy as np

        rule = self.model.pace
        assert rule is not None
        size = len(grid.subjects)
        starts = np.repeat(np.array([each.start for each in grid.periods], dtype="datetime64[D]"), size)
        ends = np.repeat(np.array([each.end for each in grid.periods], dtype="datetime64[D]"), size)
        target = figures.target if figures.target is not None else np.full(len(grid), np.nan)
        calendar = self.beside.calendar(rule.calendar)
        figures.pace = pace(figures.number, target, starts, ends, until, calendar, day_counts=rule.day_counts)
        self._note(figures.pace.notes)

    def _noted(self, resolved: Resolved) -> Resolved:
        self._note(resolved.notes)
        self.quarantined += resolved.quarantined
        return resolved

    def _note(self, notes: Sequence[str]) -> None:
        self.notes += [note for note in notes if note not in self.notes]


def _plain(prepared: Prepared, values: Shown) -> Numbers:
    of = prepared.checked.type
    return numbers(values.of(prepared), of.kind, of.digits)
