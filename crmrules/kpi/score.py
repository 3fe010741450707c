"""The finish: from the aggregates of each subject and period to scores, grades and ranks.

The rows are few here, a row for each subject and period, so one engine serves all: whatever held the
records, and records one by one too, end in these arrays. A curve exists once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, final

from crmrules.errors import (
    CrmRulesError,
    ExpressionError,
    FieldError,
    RecordError,
    Span,
    closest,
    did_you_mean,
)
from crmrules.expr import tree
from crmrules.expr.check import Schema, check, has_aggregate
from crmrules.expr.parse import parse
from crmrules.kpi.feed import Cut, Feed, Totals
from crmrules.kpi.figuring import Beside, Figuring
from crmrules.kpi.grid import Grid, grid_of
from crmrules.kpi.grouping import SEPARATOR, UNKNOWN, Above, Grouping, Keyed, Loose, Themselves
from crmrules.kpi.judging import Judging
from crmrules.kpi.model import SUBJECT, TREE, Model
from crmrules.kpi.nested import composites
from crmrules.kpi.period import Period
from crmrules.kpi.prepared import Prepared, prepared
from crmrules.kpi.roster import Roster
from crmrules.kpi.scorecard import Scorecard
from crmrules.kpi.statement import Explainer
from crmrules.kpi.values import Shown, Values
from crmrules.policy.tree import Tree
from crmrules.types import NUMBER, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
class Plan:
    """A model over its measures and their feeds, built once and run on any data."""

    def __init__(self, name: str, model: Model, fields: Collection[str] = ()) -> None:
        """fields: those keys of the model's subject that are fields of the records."""
        self.name = name
        self.model = model
        self.fields = tuple(key for key in model.keys if key in fields)
        self.measures: dict[str, Prepared] = {}
        self.indicators: dict[str, Prepared] = {}
        self.texts: dict[str, Prepared] = {}
        self.inner: dict[str, str] = {}
        self.nested: dict[str, Plan] = {}
        self.reading: list[str] = []

    def add_measure(self, name: str, text: str, feed: Feed) -> None:
        """A measure over a feed. Raises ExpressionError if it does not fit."""
        self.measures[name] = prepared(text, {}, feed)

    def add_indicator(self, name: str, feed: Feed | None) -> None:
        """An indicator of the model; the measures come first, and indicators that it reads with it.

        feed: for aggregates of its own. Raises ExpressionError if its value does not fit, (E111) if it is
        read by what it reads.
        """
        if name in self.indicators:
            return
        text = self.model.indicators[name].value or tree.text(tree.Name(name))
        node = parse(text)
        if has_aggregate(node) and feed is not None:
            found = prepared(text, {}, feed)
        else:
            self._add_read(name, node, text, feed)
            found = prepared(text, self.schema)
            self._keep(found)
        self.indicators[name] = found

    def add_texts(self, name: str) -> Iterator[tuple[tuple[str, ...], ExpressionError]]:
        """What an indicator's target and curve are computed by; all measures and indicators come first.

        Gives what does not fit, each with the way to it.
        """
        for path, text in self.model.indicators[name].texts.items():
            try:
                found = prepared(text, self.schema)
                if found.checked.type.kind not in ("number", "money", "duration", "null"):
                    raise ExpressionError(
                        "E102",
                        f"this gives a {found.checked.type.kind} where a number is needed",
                        text=text,
                        span=Span(0, len(text)),
                        hint="write for example prior(revenue) * 1.1",
                    )
                self._keep(found)
            except ExpressionError as error:
                yield path, error
            else:
                self.texts[text] = found

    def add_nested(self, name: str) -> None:
        """An indicator that is the composite of another model; these come before all that read them.

        The other model's plan is put into `nested` when it is made.
        """
        self.inner[name] = str(self.model.indicators[name].model)
        node = tree.Name(name)
        self.indicators[name] = Prepared(tree.text(node), check(node, {}, measures={name: NUMBER}))

    def _add_read(self, name: str, node: tree.Node, text: str, feed: Feed | None) -> None:
        """The indicators that another one reads; one that is broken by itself stays unknown."""
        self.reading.append(name)
        for part in tree.walk(node):
            if not isinstance(part, tree.Name) or part.name in (name, *self.measures):
                continue
            if part.name in self.reading:
                way = " → ".join([*self.reading[self.reading.index(part.name) :], part.name])
                self.reading.clear()
                raise ExpressionError(
                    "E111",
                    f"the indicators read one another: {way}",
                    text=text,
                    span=part.span,
                    hint="compute one of them from measures alone",
                )
            if part.name in self.model.indicators:
                try:
                    self.add_indicator(part.name, feed)
                except ExpressionError as error:
                    if error.code == "E111":
                        raise
        self.reading.pop()

    def _keep(self, found: Prepared) -> None:
        """Let the passes keep what is wanted over several periods."""
        for name in found.windowed():
            read = self.named(name)
            if read.earlier or name in self.inner:
                raise ExpressionError(
                    "E110",
                    f"`{name}` is the composite of a model"
                    if name in self.inner
                    else f"`{name}` looks at other periods already: {read.text}",
                    text=found.text,
                    span=Span(0, len(found.text)),
                    hint="take the year or the last periods of a measure",
                )
            for part in read.checked.fields:
                if read.feed is not None and part not in read.earlier:
                    read.feed.keep(part)

    def named(self, name: str) -> Prepared:
        """The measure or indicator that expressions read by a name."""
        return self.measures[name] if name in self.measures else self.indicators[name]

    @property
    def schema(self) -> Schema:
        """What expressions can read: the measures, and the indicators beside them, with their types."""
        known = {**self.indicators, **self.measures}
        return {name: each.checked.type for name, each in known.items()}

    @property
    def looks_back(self) -> bool:
        """Whether a period needs those before it."""
        prepared = (*self.measures.values(), *self.indicators.values(), *self.texts.values())
        nested = any(plan.looks_back for plan in self.nested.values())
        return nested or self.model.movement or any(each.earlier for each in prepared)

    @property
    def uses_calendars(self) -> bool:
        """Whether the model, or one within it, names a working calendar."""
        named = [self.model.calendar, self.model.pace.calendar if self.model.pace else None]
        return any(named) or any(plan.uses_calendars for plan in self.nested.values())

    @cached_property
    def _recalled(self) -> set[str]:
        """The models within this one that are looked at in other periods than the card's own."""
        if self.model.movement:
            return {*self.nested}
        found = set[str]()
        prepared = (*self.indicators.values(), *self.texts.values())
        read = {name for each in prepared for part in each.earlier.values() for name in part.operand.reads}
        while fresh := read - found:
            found |= fresh
            indicators = fresh & self.indicators.keys() - self.measures.keys()
            read = {name for each in indicators for name in self.indicators[each].reads}
        return found

    @cached_property
    def judging(self) -> Judging:
        """How scores become composites, grades and ranks."""
        return Judging(self.model, self.types)

    @property
    def types(self) -> dict[str, Type]:
        """The types of the indicators' values."""
        return {name: self.indicators[name].checked.type for name in self.model.indicators}

    def _rows_of(
        self, cards: Mapping[str, Scorecard], through: Period | None
    ) -> Iterator[tuple[str | None, Period]]:
        """The rows that the models within this one add: their periods, and subjects of the same kind."""
        for name, card in cards.items():
            same = self.nested[name].model.keys == self.model.keys
            for subject, period in card.keys:
                if through is None or period <= through:
                    yield subject if same else None, period

    def _composites(
        self, cards: Mapping[str, Scorecard], grid: Grid, roster: Roster | None
    ) -> dict[str, NDArray[np.float64]]:
        """The columns of the models within this one."""
        return {
            name: composites(card, self.model, self.nested[name].model, grid, roster)
            for name, card in cards.items()
        }

    @property
    def feeds(self) -> list[Feed]:
        """The passes over sources that the model needs."""
        prepared = [*self.measures.values(), *self.indicators.values()]
        return [*{id(each.feed): each.feed for each in prepared if each.feed is not None}.values()]

    def score(
        self,
        data: Mapping[str, object],
        beside: Beside | None = None,
        *,
        period: Period | None = None,
        until: dt.date | None = None,
    ) -> Scorecard:
        """The card of a model.

        data: for each source a frame of any engine, or a list of dicts. beside: the roster, whose rows are
        there even without records, the reporting tree, tables and calendars. period: only this one; until:
        records dated later do not count yet.
        Raises FieldError, RecordError for data that does not fit; see `Feed.totals`.
        """
        beside = beside or Beside()
        roster = beside.roster
        grouping = self.grouping(roster, beside.tree)
        if period is not None:
            period = self.of_model(period)
        back = self.looks_back
        only, through = (None, period) if back else (period, None)
        cut = Cut(self.model.period, grouping, only, until, through)
        totals = {id(feed): feed.totals(_data_of(feed, data), cut, data) for feed in self.feeds}
        notes = self._without_unknown(totals, grouping)
        inner = {
            name: plan.score(data, beside, period=None if name in self._recalled else period, until=until)
            for name, plan in self.nested.items()
        }
        grid = grid_of([*totals.values()], cut, self._rows_of(inner, through))
        values = Values(grid, totals, self.named, self._composites(inner, grid, roster))
        card = self._asked(values, beside, period, until)
        aside = [*roster.quarantined] if roster else []
        aside += [row for each in totals.values() for row in each.quarantined]
        aside += card.quarantined
        aside += [row for each in inner.values() for row in each.quarantined]
        told = [
            note for each in inner.values() for note in each.notes if note != _told(len(each.quarantined))
        ]
        notes += [note for note in dict.fromkeys(told) if note not in (*card.notes, *notes)]
        # Two passes over a source set the same row aside.
        quarantined = tuple({(row.source, row.position): row for row in reversed(aside)}.values())[::-1]
        if self.model.movement and until is not None and any(until < each.end for each in card.periods):
            notes.append(f"changes of the open period hold what there is up to {until} against a whole one")
        if quarantined:
            notes.append(_told(len(quarantined)))
        if not inner and not any(_count(each, period) for each in totals.values()):
            notes.append(f"no record counts{f' in {period}' if period else ''}")
        used = {feed.source.name: data[feed.source.name] for feed in self.feeds}
        return replace(
            card,
            quarantined=quarantined,
            notes=(*card.notes, *notes),
            until=until,
            data={**used, **data},
            explainer=Explainer(self, data, grouping, until),
        )

    def _asked(
        self, values: Values, beside: Beside, period: Period | None, until: dt.date | None
    ) -> Scorecard:
        """The card of all periods, or of one: what those before lack is nothing to a card without them."""
        periods = len(values.grid.periods)
        if period is None:
            return self.finished(Shown(values, periods), beside, until)
        if not self.model.movement or periods < 2:
            return self.finished(Shown(values, 1), beside, until)
        try:
            return self.finished(Shown(values, 2), beside, until).narrowed(period)
        except CrmRulesError as error:
            card = self.finished(Shown(values, 1), beside, until)
            return replace(card, notes=(*card.notes, f"no movement: {error.message}"))

    def _without_unknown(self, totals: dict[int, Totals], grouping: Grouping) -> list[str]:
        """Drop or refuse whom the roster or the tree does not know, as declared; says whom."""
        place = next((at for at, key in enumerate(self.model.keys) if key not in self.fields), None)
        base = grouping.inner if isinstance(grouping, Keyed) else grouping
        if self.model.unknown not in ("drop", "error") or place is None or base is None:
            return []
        # In the other groupings, payees that belong to nobody are kept apart by their names.
        known = base.subjects if isinstance(base, Themselves | Above) else None
        if isinstance(base, Themselves) and not known:
            return []  # there is no roster
        what = "tree" if isinstance(base, Above) else "roster"
        lost = dict[str, None]()
        for feed, each in totals.items():
            who = [subject.split(SEPARATOR)[place] if self.fields else subject for subject in each.subjects]
            odd = [UNKNOWN in name if known is None else name not in known for name in who]
            if any(odd):
                lost |= dict.fromkeys(
                    name.rpartition(UNKNOWN)[2] for name, is_odd in zip(who, odd, strict=True) if is_odd
                )
                totals[feed] = each.without(odd)
        if not lost:
            return []
        listed = ", ".join(sorted(lost)[:3]) + (f" and {len(lost) - 3} others" if len(lost) > 3 else "")
        if self.model.unknown == "error":
            raise RecordError(
                "M103",
                f"model `{self.name}`: the {what} does not know {listed}",
                hint=f"add them to the {what}, or write unknown: drop",
            )
        return [f"not on the {what}, so not on the card: {listed}"]

    def of_model(self, period: Period) -> Period:
        """A period as one of the model's. Raises RecordError (M105) where the model has none such."""
        periods = self.model.period
        found = periods.same(period)
        if found is None:
            raise RecordError(
                "M105",
                f"`{period}` is a {period.unit}, the model `{self.name}` goes by the {periods.name}",
                hint=periods.example,
            )
        return found

    def grouping(self, roster: Roster | None, tree: Tree | None) -> Grouping:
        """From payees to the model's subjects. Raises RecordError (M104) where nothing tells them."""
        keys = [None if key not in self.fields else key for key in self.model.keys]
        if not self.fields:
            return self._of_payees(self.model.keys[0], roster, tree)
        inner = self._of_payees(self.model.keys[keys.index(None)], roster, tree) if None in keys else None
        return Keyed(keys, inner)

    def _of_payees(self, role: str, roster: Roster | None, tree: Tree | None) -> Grouping:
        if role == SUBJECT:
            return Themselves([*roster.people] if roster is not None else ())
        known = tree if role == TREE else roster
        if known is None:
            what = "tree" if role == TREE else "roster"
            raise RecordError(
                "M104",
                f"the model `{self.name}` rolls up to `{role}`, and there is no {what}",
                hint=f"pass the source that is declared as the {what}",
            )
        if isinstance(known, Tree):
            return Above(known)
        grouping = known.grouping(role)
        return Loose(grouping) if self.model.unknown == "drop" else grouping

    def finished(self, values: Shown, beside: Beside, until: dt.date | None = None) -> Scorecard:
        """The card of what the measures came to."""
        grid, roster = values.grid, beside.roster or Roster()
        figuring = Figuring(self.model, self.indicators, self.texts, beside)
        figures = figuring.run(values, until)
        judged = self.judging.run(figures, grid, roster)
        composed = judged.composed
        for name, points in composed.scores.items():
            scored = figures[name]
            scored.curve, scored.points = scored.points, points
            scored.share, scored.contribution = composed.shares[name], composed.contributions.get(name)
        read = {
            name: (values.read(each, name), each.checked.schema[name])
            for each in self.indicators.values()
            if each.feed is None
            for name in each.checked.fields
        }
        return Scorecard(
            name=self.name,
            model=self.model,
            grid=grid,
            figures=figures,
            score=composed.score,
            grade=judged.grade,
            rank=judged.rank,
            team_rank=judged.team_rank,
            movement=judged.movement,
            adjustments=composed.adjustments,
            locks=composed.locks,
            roster=roster,
            quarantined=tuple(figuring.quarantined),
            notes=tuple(figuring.notes),
            measures={name: column for name, (column, _) in read.items()},
            measure_types={name: found for name, (_, found) in read.items()},
        )


def _count(totals: Totals, period: Period | None) -> bool:
    """Whether any record counts, in a period or at all."""
    return bool(totals.subjects) if period is None else bool((totals.periods == period.index).any())


def _told(aside: int) -> str:
    return f"{aside} row{' was' if aside == 1 else 's were'} set aside: see `card.quarantined`"


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
