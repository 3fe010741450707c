"""The result: a row for each subject and period, with every step that led to its score."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, final

from crmrules import frames, money
from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.fields import BadRow
from crmrules.kpi.model import Model
from crmrules.kpi.period import Period
from crmrules.kpi.roster import Roster
from crmrules.kpi.standing import Figure, Result, Standing
from crmrules.tables import Table, cell
from crmrules.types import Scalar, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.statement import Statement

    Numbers = NDArray[np.float64]


@final
@dataclass(slots=True)
class Figures:
    """One indicator's column of every step; `points` is the curve's score, NaN where there is none."""

    actual: list[Scalar]
    type: Type
    target: float | None
    attainment: Numbers | None
    points: Numbers | None
    weight: float
    share: Numbers | None = None
    contribution: Numbers | None = None


@final
@dataclass(frozen=True)
class Scorecard:
    """How everybody stands in every period.

    keys: subject and period of each row. `to_native()` is the wide table, `tidy()` a row for each
    indicator, `standing(subject, period)` one row as a value, `explain(subject, period)` how it came about.
    quarantined: the host's rows that were set aside, with the reason. until: the last day whose records
    count. notes: what a reader should know. data: the host's tables, as they came in.
    """

    name: str
    model: Model
    keys: tuple[tuple[str, Period], ...]
    figures: dict[str, Figures]
    score: Numbers
    grade: tuple[str | None, ...]
    rank: tuple[int | None, ...]
    roster: Roster
    measures: dict[str, list[Scalar]] = field(repr=False)
    quarantined: tuple[BadRow, ...] = ()
    until: dt.date | None = None
    notes: tuple[str, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict, repr=False)
    explainer: Callable[[Scorecard, Standing], Statement] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def _rows(self) -> dict[tuple[str, Period], int]:
        return {key: row for row, key in enumerate(self.keys)}

    @property
    def periods(self) -> list[Period]:
        """The periods on the card, in order."""
        return sorted({period for _, period in self.keys})

    @property
    def subjects(self) -> list[str]:
        """Who is on the card, in order."""
        return sorted({subject for subject, _ in self.keys})

    @property
    def _origin(self) -> object:
        return next(iter(self.data.values()), None)

    def measures_of(self, standing: Standing) -> dict[str, Scalar]:
        """The measures behind a row, as expressions compute with them."""
        row = self._rows[standing.subject, standing.period]
        return {name: values[row] for name, values in self.measures.items()}

    def standings(self) -> Iterator[Standing]:
        """Every row as a value."""
        return map(self._standing, range(len(self)))

    def standing(self, subject: str, period: str | Period) -> Standing:
        """One row as a value. Raises CrmRulesError (K101, K102) for what is not on the card."""
        wanted = Period.parse(period) if isinstance(period, str) else period
        row = self._rows.get((subject, wanted))
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

    def _standing(self, row: int) -> Standing:
        subject, period = self.keys[row]
        results = {name: self._result(name, row) for name in self.figures}
        people = dict(self.roster.people.get(subject, {}))
        return Standing(
            self.name, subject, period, results, _known(self.score, row), self.grade[row], self.rank[row], people
        )

    def _result(self, name: str, row: int) -> Result:
        figures = self.figures[name]
        value = figures.actual[row]
        actual: Figure | None = value
        if figures.type.kind == "money" and isinstance(value, int):
            actual = money.amount(value, figures.type.digits)
        return Result(
            name,
            actual,
            figures.target,
            _known(figures.attainment, row),
            _known(figures.points, row),
            figures.weight,
            _known(figures.share, row) or 0.0,
            _known(figures.contribution, row),
        )

    def explain(self, subject: str, period: str | Period) -> Statement:
        """How one row came about, down to the records and the rules that counted them or did not.

        Raises CrmRulesError (K101, K102) for what is not on the card.
        """
        standing = self.standing(subject, period)
        if self.explainer is None:
            raise CrmRulesError("K103", "this card was made without records, so there is nothing to explain")
        return self.explainer(self, standing)

    # tables

    def columns(self) -> tuple[dict[str, list[Any]], dict[str, str]]:
        """The wide table as lists, with the kind of each column (`frames.like`).

        For each indicator its value under its name, and beside it `_target`, `_attainment`, `_score` and
        `_contribution`; then `score`, `grade` and `rank`.
        """
        columns: dict[str, list[Any]] = {
            "subject": [subject for subject, _ in self.keys],
            "period": [str(period) for _, period in self.keys],
        }
        kinds = {"subject": "text", "period": "text"}
        for name, figures in self.figures.items():
            columns[name] = [_plain(value, figures.type) for value in figures.actual]
            kinds[name] = _column_kind(figures.type)
            if figures.target is None:
                continue
            steps = {
                "target": [figures.target] * len(self),
                "attainment": _listed(figures.attainment, len(self)),
                "score": _listed(figures.points, len(self)),
                "contribution": _listed(figures.contribution, len(self)),
            }
            for step, values in steps.items():
                columns[f"{name}_{step}"] = values
                kinds[f"{name}_{step}"] = "number"
        columns |= {"score": _listed(self.score, len(self)), "grade": [*self.grade], "rank": [*self.rank]}
        return columns, {**kinds, "score": "number", "grade": "text", "rank": "integer"}

    def to_native(self) -> object:
        """The wide table as a frame of the engine that the records came in; pandas for lists of dicts."""
        columns, kinds = self.columns()
        return frames.like(self._origin, columns, kinds)

    def tidy(self) -> object:
        """A row for each subject, period and indicator, with every step; the same kind of frame."""
        names = ("actual", "target", "attainment", "score", "weight", "share", "contribution")
        columns: dict[str, list[Any]] = {name: [] for name in ("subject", "period", "indicator", *names)}
        for name, figures in self.figures.items():
            if _column_kind(figures.type) != "number":
                continue
            rows = len(self)
            columns["subject"] += [subject for subject, _ in self.keys]
            columns["period"] += [str(period) for _, period in self.keys]
            columns["indicator"] += [name] * rows
            columns["actual"] += [_plain(value, figures.type) for value in figures.actual]
            columns["target"] += [figures.target] * rows
            for step, values in (
                ("attainment", figures.attainment),
                ("score", figures.points),
                ("share", figures.share),
                ("contribution", figures.contribution),
            ):
                columns[step] += _listed(values, rows)
            columns["weight"] += [figures.weight] * rows
        kinds = {name: "text" for name in ("subject", "period", "indicator")} | dict.fromkeys(names, "number")
        return frames.like(self._origin, columns, kinds)

    def table(self, period: str | Period | None = None) -> Table:
        """The card for reading: values, scores, grade and rank, best first within each period."""
        wanted = Period.parse(period) if isinstance(period, str) else period
        rows = [row for row, key in enumerate(self.keys) if wanted is None or key[1] == wanted]
        rows.sort(key=lambda row: (self.keys[row][1], self.rank[row] or len(self) + 1, self.keys[row][0]))
        heads = ["Rank", "Subject", "Period"]
        for name, figures in self.figures.items():
            heads += [name] if figures.target is None else [name, "score"]
        table = Table(f"Scorecard `{self.name}`", [*heads, "Composite", "Grade"])
        for row in rows:
            subject, period_ = self.keys[row]
            cells = [cell(self.rank[row]), subject, str(period_)]
            for name, figures in self.figures.items():
                result = self._result(name, row)
                cells.append(cell(result.actual))
                if figures.target is not None:
                    cells.append(cell(result.score, digits=1))
            table.add([*cells, cell(_known(self.score, row), digits=1), self.grade[row] or ""], tone=self._tone(row))
        return table

    def _tone(self, row: int) -> str:
        grades = [band.grade for band in self.model.grades]
        if not grades or self.grade[row] is None:
            return ""
        position = grades.index(self.grade[row] or "")
        return "good" if position == 0 else "bad" if position == len(grades) - 1 else ""

    def __str__(self) -> str:
        return "\n".join([str(self.table()), *self.notes])

    def __rich__(self) -> object:
        from rich.console import Group

        return Group(self.table().__rich__(), *self.notes)

    def _repr_html_(self) -> str:
        return self.table().html() + "".join(f"<p>{escape(note)}</p>" for note in self.notes)


def _known(values: Numbers | None, row: int) -> float | None:
    """The number of a row; an attainment beyond every number is none."""
    if values is None:
        return None
    value = float(values[row])
    return value if value == value and value not in (float("inf"), float("-inf")) else None


def _listed(values: Numbers | None, rows: int) -> list[float | None]:
    return [None] * rows if values is None else [_known(values, row) for row in range(rows)]


def _plain(value: Scalar, of: Type) -> object:
    if of.kind == "money" and isinstance(value, int):
        return value / 10**of.digits
    return value


def _column_kind(of: Type) -> str:
    return {"money": "number", "duration": "number", "null": "number"}.get(of.kind, of.kind)


__all__ = ["Figures", "Scorecard"]
