"""The result: a row for each subject and period, with every step that led to its score."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any, final

from crmrules import frames
from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.expr.traced import shown_value
from crmrules.fields import BadRow
from crmrules.kpi.composed import Adjustment
from crmrules.kpi.grid import Grid
from crmrules.kpi.measure import delivered_column
from crmrules.kpi.model import Model
from crmrules.kpi.pace import Pace
from crmrules.kpi.period import Period
from crmrules.kpi.pieces import TierPart
from crmrules.kpi.printed import printed
from crmrules.kpi.rank import Movement
from crmrules.kpi.roster import Roster
from crmrules.kpi.standing import Result, Standing
from crmrules.tables import Table
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column
    from crmrules.kpi.statement import Statement

    Numbers = NDArray[np.float64]


PACE = ("expected", "projected", "pace")
MOST_ROWS = 60
"""How many rows a card shows by itself; `table()` has them all."""


@final
@dataclass(slots=True)
class Figures:
    """One indicator's column of every step.

    number: the value as a plain number, amounts in whole units. origins: where each row's target comes from,
    for people. by: what chooses the tier of a curve that has such. curve: what the curve made of the
    attainment; points: the score that counts, after missing ones, limits and locks. NaN where there is none.
    pace: on a card as of a day.
    """

    actual: Column
    type: Type
    weight: float
    number: Numbers | None = None
    target: Numbers | None = None
    origins: Sequence[str | None] = ()
    attainment: Numbers | None = None
    points: Numbers | None = None
    by: Numbers | None = None
    curve: Numbers | None = None
    pace: Pace | None = None
    share: Numbers | None = None
    contribution: Numbers | None = None

    def narrowed(self, rows: NDArray[np.int64]) -> Figures:
        """Some of the rows."""
        steps = ("actual", "number", "target", "attainment", "by", "curve", "points", "share", "contribution")
        known: dict[str, Any] = {
            name: getattr(self, name) for name in steps if getattr(self, name) is not None
        }
        return replace(
            self,
            origins=[self.origins[row] for row in rows] if self.origins else (),
            pace=None if self.pace is None else self.pace.of(rows),
            **{name: column[rows] for name, column in known.items()},
        )


@final
@dataclass(frozen=True, repr=False, eq=False)
class Scorecard:
    """How everybody stands in every period.

    grid: the rows, each subject in each period. `to_native()` is the wide table, `tidy()` a row for each
    indicator, `standing(subject, period)` one row as a value, `explain(subject, period)` how it came about.
    quarantined: the host's rows that were set aside, with the reason. until: the last day whose records
    count. notes: what a reader should know. data: the host's tables, as they came in.
    """

    name: str
    model: Model
    grid: Grid
    figures: dict[str, Figures]
    score: Numbers
    grade: tuple[str | None, ...]
    rank: Numbers
    roster: Roster
    adjustments: tuple[Adjustment, ...] = ()
    locks: tuple[Adjustment, ...] = ()
    team_rank: Numbers | None = None
    movement: Movement | None = None
    measures: dict[str, Column] = field(default_factory=dict, repr=False)
    measure_types: dict[str, Type] = field(default_factory=dict, repr=False)
    quarantined: tuple[BadRow, ...] = ()
    until: dt.date | None = None
    notes: tuple[str, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict, repr=False)
    explainer: Callable[[Scorecard, Standing], Statement] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.grid)

    @property
    def keys(self) -> tuple[tuple[str, Period], ...]:
        """Subject and period of each row."""
        return self.grid.keys

    @property
    def periods(self) -> list[Period]:
        """The periods on the card, in order."""
        return [*self.grid.periods] if len(self) else []

    @property
    def subjects(self) -> list[str]:
        """Who is on the card, in order."""
        return [*self.grid.subjects] if len(self) else []

    @property
    def _origin(self) -> object:
        return next(iter(self.data.values()), None)

    def parts_of(self, standing: Standing, name: str) -> tuple[TierPart, ...]:
        """How the curve of an indicator came to its points: what each tier adds."""
        figures, row = self.figures[name], self._row(standing)
        curve = self.model.indicators[name].curve
        laid = figures.attainment if curve.on == "attainment" else figures.number
        if laid is None or figures.curve is None or not math.isfinite(laid[row]):
            return ()
        return curve.breakdown(float(laid[row]), None if figures.by is None else float(figures.by[row]))

    def measures_of(self, standing: Standing) -> dict[str, Scalar]:
        """The measures behind a row, as expressions compute with them."""
        row = self._row(standing)
        return {
            name: delivered_column(values[row : row + 1], self.measure_types[name])[0]
            for name, values in self.measures.items()
        }

    def standings(self) -> Iterator[Standing]:
        """Every row as a value."""
        return map(self._standing, range(len(self)))

    def standing(self, subject: str, period: str | Period) -> Standing:
        """One row as a value. Raises CrmRulesError (K101, K102) for what is not on the card."""
        wanted = self._period(period)
        row = self.grid.row(subject, wanted)
        if row is not None:
            return self._standing(row)
        if subject not in self.subjects:
            raise CrmRulesError(
                "K101", f"{shown(subject)} is not on the card", hint=did_you_mean(subject, self.subjects)
            )
        periods = self.periods
        raise CrmRulesError(
            "K102",
            f"period {wanted} is not on the card",
            hint=f"it goes from {periods[0]} to {periods[-1]}, by the {periods[0].unit}",
        )

    def _period(self, period: str | Period) -> Period:
        """A period of the model, by its key or by that of another kind with the same days."""
        if isinstance(period, str):
            return self.model.period.parse(period)
        return self.model.period.same(period) or period

    def _row(self, standing: Standing) -> int:
        row = self.grid.row(standing.subject, standing.period)
        assert row is not None
        return row

    def _standing(self, row: int) -> Standing:
        subject, period = self.grid[row]
        results = {name: self._result(name, row) for name in self.figures}
        people = dict(self.roster.people.get(subject, {}))
        moved = self.movement
        return Standing(
            self.name,
            subject,
            period,
            results,
            _known(self.score, row),
            self.grade[row],
            self._rank(row),
            people,
            tuple(found for each in (*self.locks, *self.adjustments) if (found := each.at(row)) is not None),
            _whole(_known(self.team_rank, row)),
            None if moved is None else _known(moved.score, row),
            None if moved is None else _whole(_known(moved.rank, row)),
        )

    def _rank(self, row: int) -> int | float | None:
        return _whole(_known(self.rank, row))

    def _result(self, name: str, row: int) -> Result:
        figures = self.figures[name]
        value = delivered_column(figures.actual[row : row + 1], figures.type)[0]
        return Result(
            name,
            shown_value(value, figures.type),
            _known(figures.target, row),
            _known(figures.attainment, row),
            _known(figures.points, row),
            figures.weight,
            _known(figures.share, row) or 0.0,
            _known(figures.contribution, row),
            self.model.indicators[name].direction,
            _known(figures.curve, row),
            figures.origins[row] if figures.origins else None,
            None if figures.pace is None else figures.pace.at(row),
        )

    def explain(self, subject: str, period: str | Period) -> Statement:
        """How one row came about, down to the records and the rules that counted them or did not.

        Raises CrmRulesError (K101, K102) for what is not on the card.
        """
        standing = self.standing(subject, period)
        if self.explainer is None:
            raise CrmRulesError("K103", "this card was made without records, so there is nothing to explain")
        return self.explainer(self, standing)

    def narrowed(self, period: Period) -> Scorecard:
        """The rows of one period alone."""
        import numpy as np

        rows = np.repeat([each == period for each in self.grid.periods], len(self.grid.subjects)).nonzero()[0]
        return replace(
            self,
            grid=Grid(self.grid.subjects, (period,) if period in self.grid.periods else ()),
            figures={name: each.narrowed(rows) for name, each in self.figures.items()},
            score=self.score[rows],
            grade=tuple(self.grade[row] for row in rows),
            rank=self.rank[rows],
            adjustments=tuple(each.of(rows) for each in self.adjustments),
            locks=tuple(each.of(rows) for each in self.locks),
            team_rank=None if self.team_rank is None else self.team_rank[rows],
            movement=None if self.movement is None else self.movement.of(rows),
            measures={name: column[rows] for name, column in self.measures.items()},
        )

    # tables

    def columns(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The wide table as lists and arrays (NaN is missing), with the kind of each column (`frames.like`).

        For each indicator its value under its name, and beside it `_target`, `_attainment`, `_score` and
        `_contribution`; then `adjustments` where a model has any, `score`, `grade` and `rank`, `team_rank`
        where the model ranks within teams, and `score_change` and `rank_change` where it asks for them.
        """
        subjects, periods = self._named()
        columns: dict[str, Any] = {"subject": subjects, "period": periods}
        kinds = {"subject": "text", "period": "text"}
        for name, figures in self.figures.items():
            columns[name], kinds[name] = _plain(figures)
            if figures.points is None:
                continue
            steps = {"score": figures.points, "contribution": figures.contribution}
            if figures.target is not None:
                steps = {"target": figures.target, "attainment": figures.attainment, **steps}
            if figures.pace is not None:
                steps |= {part: getattr(figures.pace, part) for part in PACE}
            columns |= {f"{name}_{step}": _finite(column, len(self)) for step, column in steps.items()}
            kinds |= dict.fromkeys((f"{name}_{step}" for step in steps), "number")
        if self.adjustments:
            columns["adjustments"], kinds["adjustments"] = self._adjusted(), "number"
        columns |= {"score": self.score, "grade": [*self.grade]}
        kinds |= {"score": "number", "grade": "text"}
        ranks = {"rank": self.rank, "team_rank": self.team_rank}
        if self.movement is not None:
            columns["score_change"], kinds["score_change"] = self.movement.score, "number"
            ranks["rank_change"] = self.movement.rank
        for name, column in ranks.items():
            if column is not None:
                halves = self.model.rank.ties == "average"
                columns[name], kinds[name] = column, "number" if halves else "integer"
        return columns, kinds

    def _adjusted(self) -> Numbers:
        """What kickers, deductions, limits and gates change in all: contributions and this are the score."""
        import numpy as np

        return np.where(np.isnan(self.score), np.nan, sum(each.points for each in self.adjustments))

    def _named(self) -> tuple[list[str], list[str]]:
        """Subject and period of each row, as text."""
        subjects, periods = self.grid.subjects, self.grid.periods
        of_rows = [each for period in periods for each in [str(period)] * len(subjects)]
        return [*subjects] * len(periods), of_rows

    def to_native(self) -> object:
        """The wide table as a frame of the engine that the records came in; pandas for lists of dicts."""
        columns, kinds = self.columns()
        return frames.like(self._origin, columns, kinds)

    def tidy(self) -> object:
        """A row for each subject, period and indicator, with every step; the same kind of frame.

        The columns: subject, period, indicator, actual, target, attainment (a share), score (points), weight,
        share (of the weights, 0 to 1), contribution; on a card with pace also expected, projected, pace.
        """
        import numpy as np

        paced = any(figures.pace is not None for figures in self.figures.values())
        steps = ("actual", "target", "attainment", "score", "weight", "share", "contribution")
        names = [*steps, *PACE] if paced else [*steps]
        numeric = {name: each for name, each in self.figures.items() if _plain(each)[1] == "number"}
        subjects, periods = self._named()
        rows = len(self)
        parts: dict[str, list[Any]] = {name: [] for name in names}
        for figures in numeric.values():
            parts["actual"].append(_plain(figures)[0])
            parts["target"].append(_finite(figures.target, rows))
            parts["attainment"].append(_finite(figures.attainment, rows))
            parts["score"].append(_finite(figures.points, rows))
            parts["weight"].append(_full(rows, figures.weight))
            parts["share"].append(_finite(figures.share, rows))
            parts["contribution"].append(_finite(figures.contribution, rows))
            for name in PACE if paced else ():
                parts[name].append(
                    _finite(None if figures.pace is None else getattr(figures.pace, name), rows)
                )
        columns: dict[str, Any] = {
            "subject": subjects * len(numeric),
            "period": periods * len(numeric),
            "indicator": [name for name in numeric for _ in range(rows)],
        }
        columns |= {name: np.concatenate(each) if each else _full(0, np.nan) for name, each in parts.items()}
        kinds = dict.fromkeys(("subject", "period", "indicator"), "text") | dict.fromkeys(names, "number")
        return frames.like(self._origin, columns, kinds)

    def table(self, period: str | Period | None = None, most: int | None = None) -> Table:
        """The card for reading: values, points, grade and rank, best first within each period.

        period: only this one. most: at most so many rows.
        """
        return printed(self, None if period is None else self._period(period), most)

    def __str__(self) -> str:
        return "\n".join([str(self.table(most=MOST_ROWS)), *self.notes])

    __repr__ = __str__

    def __rich__(self) -> object:
        from rich.console import Group
        from rich.text import Text

        return Group(self.table(most=MOST_ROWS), *map(Text, self.notes))

    def _repr_html_(self) -> str:
        return self.table(most=MOST_ROWS).html() + "".join(f"<p>{escape(note)}</p>" for note in self.notes)


def _known(values: Numbers | None, row: int) -> float | None:
    """The number of a row; an attainment beyond every number is none."""
    if values is None:
        return None
    value = float(values[row])
    return value if value == value and value not in (float("inf"), float("-inf")) else None


def _whole(value: float | None) -> int | float | None:
    """A rank, which is a half only where ties share the mean."""
    return int(value) if value is not None and value.is_integer() else value


def _full(rows: int, value: float) -> Numbers:
    import numpy as np

    return np.full(rows, value, dtype=np.float64)


def _finite(values: Numbers | None, rows: int) -> Numbers:
    import numpy as np

    return _full(rows, np.nan) if values is None else np.where(np.isfinite(values), values, np.nan)


def _plain(figures: Figures) -> tuple[Any, str]:
    """An indicator's values as a table holds them, and the kind of the column."""
    kind = figures.type.kind
    if kind == "money":
        return figures.actual / 10**figures.type.digits, "number"
    if kind in ("number", "duration", "null"):
        return figures.actual, "number"
    return delivered_column(figures.actual, figures.type), kind
