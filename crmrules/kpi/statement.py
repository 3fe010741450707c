"""The explanation of one row of a scorecard, down to the records and the rules that counted them."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any, final

from crmrules.expr import tree
from crmrules.expr.scalar import compile_first, compile_record
from crmrules.expr.traced import Step, shown_value, trace
from crmrules.kpi.curve import Linear
from crmrules.kpi.feed import is_later
from crmrules.kpi.grouping import Grouping, Themselves
from crmrules.kpi.measure import part
from crmrules.kpi.of_records import shared
from crmrules.kpi.pieces import On, TierPart
from crmrules.kpi.standing import Result, Standing
from crmrules.policy.crediting import Crediting
from crmrules.policy.rules import Default, Policy
from crmrules.policy.verdict import Credit, Verdict
from crmrules.tables import MISSING, Table, cell
from crmrules.types import Scalar

if TYPE_CHECKING:
    from rich.console import RenderableType

    from crmrules.kpi.feed import Feed
    from crmrules.kpi.score import Plan
    from crmrules.kpi.scorecard import Scorecard

MOST_RECORDS_SHOWN = 12
PLAIN_CURVE = Linear().describe()
"""The curve that says nothing new: as many points as percent of the target."""


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One record of the statement: its id, date and fields as a person reads them, which of the fields the
    policy tests, what the policy said, the subject's share of it, and what the record adds to each of the
    subject's measures (None where a measure does not look at it). overlay: whether the share is beside the
    whole. A record that counts on another day than its own has that one as its date."""

    source: str
    id: object
    date: dt.date | None
    fields: Mapping[str, object]
    tested: tuple[str, ...]
    verdict: Verdict
    share: float
    adds: Mapping[str, object]
    overlay: bool = False

    @property
    def what(self) -> str:
        """What tells the record apart; of one that adds nothing, since it is not counted, all fields."""
        names = self.tested if self.adds else self.fields
        return " · ".join(cell(self.fields[name]) for name in names if self.fields.get(name) is not None)

    @property
    def decided_by(self) -> str:
        """The rule that decided; for a return, with the record that it takes back."""
        taken = self.verdict.takes_back
        return self.verdict.rule + (f", taking back {taken}" if taken is not None else "")


@final
@dataclass(frozen=True, slots=True)
class Explained:
    """One indicator of the statement: its result, its formula, and the formula's parts with their values.

    curve: what makes points of it, in words; parts: what each tier adds to them, of the attainment or of the
    value as `on` says. days: what the elapsed days of its pace are called.
    """

    result: Result
    formula: str
    steps: Step
    measures: Mapping[str, str]
    curve: str = ""
    parts: tuple[TierPart, ...] = ()
    on: On = "value"
    days: str = "days"

    @property
    def told(self) -> Iterator[str]:
        """Where the target comes from, how the curve makes points, and the pace."""
        result = self.result
        if result.target_from is not None:
            yield f"target {cell(result.target)}: {result.target_from}"
        if result.curve_score is not None and self.curve not in ("", PLAIN_CURVE):
            yield f"curve {self.curve}"
            for part in self.parts:
                rate = "" if part.rate is None else f" at {part.rate:.12g}"
                amount = ""
                if part.amount is not None:
                    amount = f": {part.amount:.1%}" if self.on == "attainment" else f": {cell(part.amount)}"
                yield f"  {part.label}{amount}{rate} → {cell(part.points, digits=2)}"
        if result.curve_score is not None and result.curve_score != result.score:
            yield f"score {cell(result.curve_score, digits=2)}, counted as {cell(result.score, digits=2)}"
        if (pace := result.pace) is not None and pace.pace is not None and pace.share != 1:
            done = f"{cell(pace.elapsed)} {self.days} ({pace.share or 0:.1%})"
            yield f"pace {pace.pace:.1%} of the {cell(pace.expected)} expected after {done}"
            yield f"  {cell(pace.projected)} at its end, if it goes on so"


@final
@dataclass(frozen=True, slots=True, repr=False)
class Statement:
    """How one subject came to its score in one period.

    indicators: each with formula, values and contribution. counted, excluded: the period's records with
    credit, and without, each with the rule that decided. undated: how many records without a date were
    left out, by the reason.
    """

    standing: Standing
    indicators: tuple[Explained, ...]
    counted: tuple[Line, ...]
    excluded: tuple[Line, ...]
    undated: Mapping[str, int]

    def tables(self, most: int | None = MOST_RECORDS_SHOWN) -> Iterator[Table | str]:
        """The statement for reading, piece by piece; at most so many records of each kind."""
        standing = self.standing
        grade = f", grade {standing.grade}" if standing.grade else ""
        rank = f", rank {standing.rank}" if standing.rank else ""
        rank += f" ({standing.team_rank} in the team)" if standing.team_rank else ""
        change = standing.score_change
        before = "" if change is None else f", change {change:+,.1f}"
        composite = f"composite {cell(standing.score, digits=1)}{before}{grade}{rank}"
        yield f"{standing.subject} · {standing.period} · {composite}"
        table = Table(
            "", ["Indicator", "Value", "Target", "Attainment", "Score", "Weight", "Share", "Contribution"]
        )
        for each in self.indicators:
            found = each.result
            attainment = MISSING if found.attainment is None else f"{found.attainment:.1%}"
            table.add(
                [
                    found.name,
                    cell(found.actual),
                    cell(found.target),
                    attainment,
                    cell(found.score, digits=1),
                    cell(found.weight) if found.weight else "",
                    f"{found.share:.0%}" if found.weight else "",
                    cell(found.contribution, digits=2) if found.weight else "",
                ],
                tone="" if found.weight else "dim",
            )
        table.optional = (6, 3, 5)
        yield table
        if adjusted := [*self._adjusted()]:
            yield "\n".join(adjusted)
        yield "\n".join(self._formulas())
        yield from self._records("Counted", self.counted, most)
        yield from self._records("Not counted", self.excluded, most)
        if self.undated:
            listed = "; ".join(f"{count} × {reason}" for reason, count in self.undated.items())
            yield f"Without a date, so in no period: {listed}"

    def _adjusted(self) -> Iterator[str]:
        """What changed the composite beside the contributions."""
        for each in self.standing.adjustments:
            if each.undecided:
                yield f"{each.kind}: {each.because}, which is not known"
            else:
                points = f"{each.points:+,.2f}" if round(each.points, 2) else "which changes nothing here"
                of = f" for the score of {each.indicator}" if each.kind == "lock" else ""
                yield f"{each.kind}: {each.because}, {points}{of}"

    def _formulas(self) -> Iterator[str]:
        shown_measures: set[str] = set()
        for each in self.indicators:
            yield f"{each.result.name} = {each.formula}"
            for name, text in each.measures.items():
                if name not in shown_measures and text != each.formula:
                    yield f"    {name} = {text}"
                shown_measures.add(name)
            if each.steps.below:
                yield from (f"    {line}" for line in str(each.steps).split("\n"))
            yield from (f"    {line}" for line in each.told)

    def _records(self, title: str, lines: tuple[Line, ...], most: int | None) -> Iterator[Table | str]:
        sources = {line.source for line in (*self.counted, *self.excluded)}
        for source in dict.fromkeys(line.source for line in lines):
            of = [line for line in lines if line.source == source]
            yield from self._of_source(f"{title} in {source}" if len(sources) > 1 else title, of, most)

    def _of_source(self, title: str, lines: Sequence[Line], most: int | None) -> Iterator[Table | str]:
        adds = [*dict.fromkeys(name for line in lines for name in line.adds)]
        count = f"{title}: {len(lines)}"
        if most is not None and len(lines) > most:
            count += f" (the first {most} of them)"
        whats = [line.what for line in lines[:most]]
        told = ["What"] if any(whats) else []
        heads = ["Record", "Date", *told, "Credit", *adds, "Rule"]
        first = heads.index("Credit") + 1
        table = Table(count, heads, optional=[*reversed(range(first, first + len(adds)))])
        for line, what in zip(lines[:most], whats, strict=True):
            table.add(
                [
                    str(line.id),
                    cell(line.date),
                    *([what] if told else []),
                    f"{line.share:g}{' overlay' if line.overlay else ''}",
                    *("" if line.adds.get(name) is None else cell(line.adds[name]) for name in adds),
                    line.decided_by,
                ],
                tone="dim" if line.share == 0 else "",
            )
        yield table
        reasons = dict.fromkeys((line.verdict.rule, line.verdict.because) for line in lines)
        yield "\n".join(f"{rule}: {because}" for rule, because in reasons)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables()))

    __repr__ = __str__

    def in_terminal(self, most: int | None = MOST_RECORDS_SHOWN) -> RenderableType:
        """The statement for a terminal of Rich, in which a long line goes on below its beginning."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        def lines(text: str) -> Iterator[RenderableType]:
            for line in (*text.split("\n"), ""):
                yield Padding(Text(line.lstrip()), (0, 0, 0, len(line) - len(line.lstrip())), expand=False)

        pieces = (lines(each) if isinstance(each, str) else [each] for each in self.tables(most))
        return Group(*chain.from_iterable(pieces))

    def __rich__(self) -> RenderableType:
        return self.in_terminal()

    def _repr_html_(self) -> str:
        pieces = [
            each.html() if isinstance(each, Table) else f"<pre>{escape(each)}</pre>" for each in self.tables()
        ]
        return "".join(pieces)


@final
class Explainer:
    """Looks at the records of one row again, one by one, with reasons."""

    def __init__(
        self, plan: Plan, data: Mapping[str, object], grouping: Grouping, until: dt.date | None
    ) -> None:
        self.plan = plan
        self.data = data
        self.grouping = grouping
        self.until = until

    def __call__(self, card: Scorecard, standing: Standing) -> Statement:
        lines: list[Line] = []
        undated: Counter[str] = Counter()
        for feed in self.plan.feeds:
            for line in self.lines(feed, standing):
                if line.date is None:
                    undated[line.verdict.because] += 1
                else:
                    lines.append(line)
        lines.sort(key=lambda line: (line.source, line.date, str(line.id)))
        measures = card.measures_of(standing)
        return Statement(
            standing,
            tuple(
                replace(
                    self.indicator(result, measures),
                    curve=card.model.indicators[name].curve.describe(),
                    parts=card.parts_of(standing, name),
                    on=card.model.indicators[name].curve.on,
                    days="working days" if card.model.pace and card.model.pace.calendar else "days",
                )
                for name, result in standing.results.items()
            ),
            tuple(line for line in lines if line.share > 0),
            tuple(line for line in lines if line.share == 0),
            dict(undated),
        )

    def indicator(self, result: Result, measures: Mapping[str, Scalar]) -> Explained:
        """The formula of an indicator with the values of its parts."""
        prepared = self.plan.indicators[result.name]
        if prepared.feed is not None:
            return Explained(result, prepared.text, Step(prepared.text, result.actual), {})
        checked = prepared.checked
        if result.name in self.plan.inner:
            formula = f"the composite of `{self.plan.inner[result.name]}`, which has a statement of its own"
            return Explained(result, formula, Step(prepared.text, result.actual), {})
        texts = {name: self.plan.named(name).text for name in checked.fields if name not in prepared.earlier}
        alone = isinstance(checked.tree, tree.Name) and not prepared.earlier
        formula = texts[checked.fields[0]] if alone else prepared.text
        return Explained(result, formula, trace(checked, measures)[1], texts)

    def lines(self, feed: Feed, standing: Standing) -> Iterator[Line]:
        """The records of a source that belong to the row, whether they count or not."""
        date, subject = feed.role("date"), feed.role("subject")
        id_field = feed.source.role("id")
        needed = [*dict.fromkeys([*([id_field] if id_field else []), *feed.fields, date])]
        adds = _Adds(self.plan, feed)
        tested = tuple(name for name in feed.tested if name not in (id_field, date))
        if not isinstance(self.grouping, Themselves):
            tested = (subject, *tested)
        told = dict.fromkeys((*tested, *(name for name in needed if name not in (id_field, date, subject))))
        for row, position, day, verdict in self.judged(feed, needed, standing.subject):
            credits = [each for each in verdict.credits if feed.meant(each.overlay)]
            mine = [
                at
                for at, each in enumerate(credits)
                if standing.subject in self.grouping.of(each.to, day or dt.date.max, row)
            ]
            plain = day.date() if isinstance(day, dt.datetime) else day
            outside = plain is not None and (
                plain not in standing.period or is_later(self.until, plain, row[date])
            )
            if not mine or outside:
                continue
            share = math.fsum(credits[at].share for at in mine)
            yield Line(
                feed.source.name,
                row[id_field] if id_field else position,
                plain,
                {name: shown_value(row[name], feed.schema[name]) for name in told},
                tested,
                verdict,
                share,
                adds.of(row, credits, mine) if share > 0 else {},
                feed.credits == "overlay",
            )

    def judged(
        self, feed: Feed, needed: list[str], subject: str
    ) -> Iterator[tuple[Mapping[str, Scalar], object, dt.date | None, Verdict]]:
        """The records of a source, each with its place, the day on which it counts, and what was decided."""
        data = self.data[feed.source.name]
        crediting = feed.given(self.data) or _everything(feed)
        members = self.grouping.members(subject)
        for row, position, day, verdict in crediting.verdicts(data, needed, members):
            yield row, position, day or row[feed.day], verdict  # type: ignore[misc]


def _everything(feed: Feed) -> Crediting:
    """A source without a policy as one with the policy that counts every record."""
    every = Policy(default=Default(credit=1, because="no policy: every record counts"))
    return every.on(feed.source)


@final
class _Adds:
    """What one record adds to each measure of a feed."""

    def __init__(self, plan: Plan, feed: Feed) -> None:
        self.parts: list[tuple[str, Any, Any, Any, Any]] = []
        for name, prepared in plan.measures.items():
            if prepared.feed is not feed:
                continue
            for number, part_name in enumerate(prepared.checked.fields):
                found = feed.parts[part_name]
                slot = found.slots[0]
                checked = feed.checks[slot]
                meant = compile_first([part(checked, slot.where)]) if slot.where is not None else None
                value = (
                    compile_record(part(checked, slot.argument), bound=True)
                    if slot.argument is not None
                    else None
                )
                label = name if len(prepared.checked.fields) == 1 else f"{name}.{number + 1}"
                self.parts.append((label, found, slot, meant, value))

    def of(
        self, row: Mapping[str, Scalar], credits: Sequence[Credit], mine: Sequence[int]
    ) -> dict[str, object]:
        """For each part of a measure what the credits at `mine` add to it."""
        adds: dict[str, object] = {}
        for label, found, slot, meant, value in self.parts:
            if meant is not None and meant(row) != 0:
                adds[label] = None
                continue
            number = 1.0 if value is None else value(row)
            if slot.operation == "count":
                number = None if number is None else 1.0
            elif slot.operation == "sum" and number is not None:
                parts = shared(number, credits)
                number = sum(parts[at] for at in mine)
            argument = found.argument_type
            in_money = argument is not None and slot.operation != "count"
            adds[label] = shown_value(number, argument) if in_money else number
        return adds
