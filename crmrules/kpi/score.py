"""The finish: from the aggregates of each subject and period to scores, grades and ranks.

The rows are few here, a row for each subject and period, so one engine serves all: whatever held the
records, and records one by one too, end in these arrays. A curve exists once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from crmrules.errors import FieldError, RecordError, closest, did_you_mean
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check, has_aggregate
from crmrules.expr.parse import parse
from crmrules.expr.scalar import compile_many
from crmrules.frames import carried
from crmrules.kpi.feed import Cut, Feed, Totals
from crmrules.kpi.grid import Grid, grid_of
from crmrules.kpi.grouping import Above, Grouping, Themselves
from crmrules.kpi.model import SCORE_DIGITS, TREE, Model
from crmrules.kpi.period import Period
from crmrules.kpi.roster import Roster
from crmrules.kpi.scorecard import Figures, Scorecard, delivered_column
from crmrules.kpi.statement import Explainer
from crmrules.policy.tree import Tree
from crmrules.types import Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A measure or indicator, ready: what is computed over `@0`, `@1`, … of a feed, or over measures."""

    text: str
    checked: Checked
    feed: Feed | None


@final
class Plan:
    """A model over its measures and their feeds, built once and run on any data."""

    def __init__(self, name: str, model: Model) -> None:
        self.name = name
        self.model = model
        self.measures: dict[str, Prepared] = {}
        self.indicators: dict[str, Prepared] = {}

    def add_measure(self, name: str, text: str, feed: Feed) -> None:
        """A measure over a feed. Raises ExpressionError if it does not fit."""
        self.measures[name] = _prepared(text, feed)

    def add_indicator(self, name: str, feed: Feed | None) -> None:
        """An indicator of the model; the measures come first. `feed` is for aggregates of its own.

        Raises ExpressionError if its value does not fit the measures.
        """
        text = self.model.indicators[name].value or tree.text(tree.Name(name))
        node = parse(text)
        if has_aggregate(node) and feed is not None:
            self.indicators[name] = _prepared(text, feed)
        else:
            self.indicators[name] = Prepared(text, check(node, {}, text=text, measures=self.schema), None)

    @property
    def schema(self) -> Schema:
        """The measures' types."""
        return {name: each.checked.type for name, each in self.measures.items()}

    @property
    def feeds(self) -> list[Feed]:
        """The passes over sources that the model needs."""
        prepared = [*self.measures.values(), *self.indicators.values()]
        return [*{id(each.feed): each.feed for each in prepared if each.feed is not None}.values()]

    def score(
        self,
        data: Mapping[str, object],
        roster: Roster | None = None,
        *,
        tree: Tree | None = None,
        period: Period | None = None,
        until: dt.date | None = None,
    ) -> Scorecard:
        """The card of a model.

        data: for each source a frame of any engine, or a list of dicts. roster: whose rows are there even
        without records; tree: who reports to whom, for a model of everybody with all below. period: only
        this one; until: records dated later do not count yet.
        Raises FieldError, RecordError for data that does not fit; see `Feed.totals`.
        """
        grouping = self.grouping(roster, tree)
        if period is not None and period.unit != self.model.period:
            raise RecordError(
                "M105",
                f"`{period}` is a {period.unit}, the model `{self.name}` goes by the {self.model.period}",
                hint="name a period such as " + str(Period.of(period.start, self.model.period)),
            )
        cut = Cut(self.model.period, grouping, period, until)
        totals = [feed.totals(_data_of(feed, data), cut, data) for feed in self.feeds]
        grid = grid_of(totals, cut)
        card = self.finished(self.measured(totals, grid), grid, roster or Roster())
        aside = [*roster.quarantined] if roster else []
        aside += [row for each in totals for row in each.quarantined]
        # Two passes over a source set the same row aside.
        quarantined = tuple({(row.source, row.position): row for row in reversed(aside)}.values())[::-1]
        notes = [_told(len(quarantined))] if quarantined else []
        if not any(each.subjects for each in totals):
            notes.append(f"no record counts{f' in {period}' if period else ''}")
        used = {feed.source.name: data[feed.source.name] for feed in self.feeds}
        return replace(
            card,
            quarantined=quarantined,
            notes=tuple(notes),
            until=until,
            data={**used, **data},
            explainer=Explainer(self, data, grouping, until),
        )

    def grouping(self, roster: Roster | None, tree: Tree | None) -> Grouping:
        """From payees to the model's subjects. Raises RecordError (M104) where nothing tells them."""
        role = self.model.subject
        if role == "subject":
            return Themselves([*roster.people] if roster is not None else ())
        known = tree if role == TREE else roster
        if known is None:
            what = "tree" if role == TREE else "roster"
            raise RecordError(
                "M104",
                f"the model `{self.name}` rolls up to `{role}`, and there is no {what}",
                hint=f"pass the source that is declared as the {what}",
            )
        return Above(known) if isinstance(known, Tree) else known.grouping(role)

    def measured(self, totals: Sequence[Totals], grid: Grid) -> dict[str, Column]:
        """Each measure's value for each row; over no records, what it is over nothing."""

        order = {id(feed): number for number, feed in enumerate(self.feeds)}
        rows = [grid.rows(each) for each in totals]
        values: dict[str, Column] = {}
        for name, each in [*self.measures.items(), *self.indicators.items()]:
            if each.feed is None or name in values:
                continue
            number = order[id(each.feed)]
            columns = [
                _aligned(totals[number].columns[part], rows[number], each.feed.parts[part].empty)
                for part in each.checked.fields
            ]
            values[name] = _computed(each.checked, columns, len(grid.keys))
        return values

    def finished(self, measures: Mapping[str, Column], grid: Grid, roster: Roster) -> Scorecard:
        """The card of given measures."""
        import numpy as np

        figures: dict[str, Figures] = {}
        for name, indicator in self.model.indicators.items():
            each = self.indicators[name]
            if each.feed is not None:
                actual = measures[name]
            else:
                actual = _computed(
                    each.checked, [measures[field] for field in each.checked.fields], len(grid.keys)
                )
            found = each.checked.type
            attainment = (
                indicator.attainment(_numbers(actual, found)) if indicator.target is not None else None
            )
            points = None if attainment is None else indicator.curve.points(attainment)
            figures[name] = Figures(actual, found, indicator.target, attainment, points, indicator.weight)
        score = _composite(figures, len(grid.keys))
        # Adding 0.0 turns -0.0 into 0.0.
        rounded = np.round(score, SCORE_DIGITS) + 0.0
        return Scorecard(
            name=self.name,
            model=self.model,
            keys=grid.keys,
            figures=figures,
            score=score,
            grade=self.model.graded(rounded),
            rank=_ranks(rounded, len(grid.periods)),
            roster=roster,
            measures={name: measures[name] for name in self.measures},
            measure_types=dict(self.schema),
        )


def _told(aside: int) -> str:
    return f"{aside} row{' was' if aside == 1 else 's were'} set aside: see `card.quarantined`"


def _prepared(text: str, feed: Feed) -> Prepared:
    outer, types = feed.add(parse(text), text)
    return Prepared(text, check(outer, {}, text=text, measures=types), feed)


def _data_of(feed: Feed, data: Mapping[str, object]) -> object:
    name = feed.source.name
    if name not in data:
        raise FieldError(
            "F112",
            f"there is no data for source `{name}`",
            source=name,
            hint=did_you_mean(name, data)
            if closest(name, data)
            else f"pass it as {{'{name}': frame}}, or --source {name}=FILE",
        )
    return data[name]


def _aligned(column: Column, rows: NDArray[np.int64], empty: float) -> Column:
    import numpy as np

    if not len(column):
        return np.full(len(rows), empty)
    found = column[rows]
    found[rows < 0] = empty
    return found


def _computed(checked: Checked, columns: list[Column], rows: int) -> Column:
    import numpy as np

    if isinstance(checked.tree, tree.Name):
        return columns[0]
    lists = [
        delivered_column(column, checked.schema[name])
        for name, column in zip(checked.fields, columns, strict=True)
    ]
    computed = compile_many(checked)(*lists) if lists else compile_many(checked)() * rows
    if checked.type.kind == "text":
        return np.array(computed, dtype=object)
    if checked.type.kind in ("date", "datetime"):
        computed = [carried(value) for value in computed]
    return np.array(computed, dtype=np.float64)


def _numbers(values: Column, found: Type) -> NDArray[np.float64]:
    import numpy as np

    if found.kind not in ("number", "money", "duration"):
        return np.full(len(values), np.nan)
    numbers = values.astype(np.float64)
    return numbers / 10**found.digits if found.kind == "money" else numbers


def _composite(figures: Mapping[str, Figures], rows: int) -> NDArray[np.float64]:
    """sum(weight x score) / sum(weight) over the indicators with a value; sets share and contribution."""
    import numpy as np

    weighed = [each for each in figures.values() if each.weight > 0 and each.points is not None]
    total = np.zeros(rows)
    for each in weighed:
        total += np.where(np.isnan(each.points), 0.0, each.weight)  # type: ignore[arg-type]
    score = np.where(total > 0, 0.0, np.nan)
    divisor = np.where(total > 0, total, 1.0)
    for each in weighed:
        known = ~np.isnan(each.points)  # type: ignore[arg-type]
        each.share = np.where(known, each.weight / divisor, 0.0)
        each.contribution = np.where(known, each.share * np.where(known, each.points, 0.0), np.nan)  # type: ignore[arg-type]
        score = score + np.where(known, each.contribution, 0.0)
    return score


def _ranks(score: NDArray[np.float64], periods: int) -> NDArray[np.float64]:
    """Within each period, 1 for the highest score; equal ones share the better rank, no score has none."""
    import numpy as np

    ranks = np.full(len(score), np.nan)
    for members in np.split(np.arange(len(score)), periods) if periods else ():
        known = members[~np.isnan(score[members])]
        ordered = np.sort(score[known])
        ranks[known] = len(ordered) - np.searchsorted(ordered, score[known], side="right") + 1
    return ranks
