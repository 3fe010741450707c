"""A policy over a bound frame: the columns of who gets how much of each record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, final

from crmrules import frames
from crmrules.expr.check import Checked
from crmrules.policy.crediting import CREDIT, DAY, Crediting, Line
from crmrules.policy.level import SHARE_SLACK, Slot, refused_slot, slot_of
from crmrules.policy.words import said_columns

if TYPE_CHECKING:
    import narwhals as nw

FACTOR, RULE, BECAUSE = "@factor", "@rule", "@because"


@final
class OnFrame:
    """A crediting over bound frames; see `Crediting.credited`."""

    def __init__(self, crediting: Crediting) -> None:
        self.crediting = crediting
        self.policy = crediting.policy
        self.levels = crediting.levels
        self.whom = crediting.whom

    def credited(self, frame: frames.Frame, *, said: bool = False) -> tuple[frames.Frame, list[Line]]:
        """The bound, derived frame with `@credit` and what the lines name: payees and their shares.

        said: also with the columns `@rule` and `@because`.
        Raises RecordError for shares that do not go together.
        """
        import narwhals as nw

        if self.crediting.simple and not said:
            level = self.levels[0]
            frame = frame.with_columns(level.chosen(level.shares, nw.Float64).alias(CREDIT))
            return frame, [Line(self.crediting.owner.field or "", CREDIT, False)]
        if self.crediting.checks or self.policy.returns is not None:
            frame = frames.numbered(frame)  # the first record that is refused is named
        for level in self.levels:
            frame = level.marked(frame)
        frame = frame.with_columns(
            *(level.factor_column().alias(_factor(number)) for number, level in enumerate(self.levels))
        )
        factors = [nw.col(_factor(number)) for number in range(len(self.levels))]
        frame = frame.with_columns(_together_column(self.policy.combine, factors).alias(FACTOR))
        frame, slots = self._slots(frame)
        by_original = None
        if self.policy.returns is not None:
            frame, by_original = self.crediting.taking_back.marked(frame)
        frame = self._placed(frame, slots, by_original)
        lines = [Line(f"@to {at}", f"@share {at}", each.slot.overlay) for at, each in enumerate(slots)]
        within = [nw.col(line.share) for line in lines if not line.overlay]
        frame = frame.with_columns(added(within).alias(CREDIT))
        taken = [CREDIT, *(name for line in lines for name in (line.to, line.share))]
        if said:
            frame = self._said(frame)
            taken += [RULE, BECAUSE]
        if self.crediting.moves_day:
            frame = frame.with_columns(self._day().alias(DAY))
        if self.policy.returns is not None:
            if self.policy.returns.period == "original":
                taken.append(DAY)
            frame = self.crediting.taking_back.frame(frame, taken)
        return frame, lines

    def _day(self) -> nw.Expr:
        import narwhals as nw

        date = self.crediting.adding.day
        day = nw.col(date)
        return frames.days_of_microseconds(day) if self.crediting.schema[date].kind == "datetime" else day

    def _slots(self, frame: frames.Frame) -> tuple[frames.Frame, list[Placed]]:
        """The places for payees: those within the whole before overlay, and first those of `payees`."""
        import narwhals as nw

        frame, base = self.whom.on(frame)
        slots = [Placed(slot, nw.col(FACTOR), None) for slot in base]
        for number, level in enumerate(self.levels):
            others = nw.lit(1.0)
            for other in range(len(self.levels)):
                others = others if other == number else others * nw.col(_factor(other))
            slots += [Placed(slot, others, number) for slot in level.slots()]
        return frame, sorted(slots, key=lambda each: each.slot.overlay)

    def _placed(self, frame: frames.Frame, slots: list[Placed], by_original: nw.Expr | None) -> frames.Frame:
        """The frame with the payee and the share of each slot. Raises RecordError where they do not fit."""
        if self.crediting.checks:
            refused = self._refused(slots)
            if by_original is not None:
                # A return has the payees and shares of its original; its own are not looked at.
                refused = refused & ~by_original
            odd = frames.collected(frame.filter(refused).sort(frames.ROW).head(1))
            if len(odd):
                self._refuse(odd)
        columns = []
        for at, each in enumerate(slots):
            columns += [
                each.slot.to.alias(f"@to {at}"),
                (_filled(each.slot) * each.factor).alias(f"@share {at}"),
            ]
        return frame.with_columns(*columns)

    def _refused(self, slots: list[Placed]) -> nw.Expr:
        import narwhals as nw

        refused = nw.col(FACTOR) < 0.0
        if self.whom.checked:
            base = [each.slot for each in slots if each.level is None]
            wrong = self._sum_refused(base, nw.lit(0.0), None)
            for slot in base if self.whom.of_fields else ():
                wrong = wrong | refused_slot(slot)
            refused = refused | ((nw.col(FACTOR) > 0.0) & wrong)
        for number, level in enumerate(self.levels):
            for at, outcome in enumerate(level.outcomes):
                if isinstance(outcome.share, Checked):
                    share = level.column(at)
                    refused = refused | (
                        level.matches(at) & (share.is_null() | (share < 0.0) | (share > 1.0))
                    )
                for receiver in outcome.receivers:
                    refused = refused | (level.decides(at) & refused_slot(slot_of(receiver)))
            if level.sums:
                own = [each.slot for each in slots if each.level == number]
                refused = refused | self._sum_refused(own, nw.col(_factor(number)), level.names_payees)
        return refused

    def _sum_refused(self, slots: list[Slot], rest: nw.Expr, named: nw.Expr | None) -> nw.Expr:
        """Whether shares within the whole sum to too much or, where payees are named, to too little."""
        total = rest + added([_filled(slot) for slot in slots if not slot.overlay])
        refused = total > 1.0 + SHARE_SLACK
        if self.policy.shares == "at_most_one":
            return refused
        short = total < 1.0 - SHARE_SLACK
        return refused | (short if named is None else named & short)

    def _refuse(self, odd: nw.DataFrame[Any]) -> NoReturn:
        """By the same decision of the record alone, so that the error is the same on every engine."""
        found = frames.rows_of(odd)[0]
        row = {
            name: frames.delivered(found[name], self.crediting.schema[name])  # type: ignore[arg-type]
            for name in (*self.crediting.fields, *self.crediting.adding.names)
        }
        id_field = self.crediting.source.role("id")
        self.crediting.decide(row, row[id_field] if id_field else found.get(frames.ROW))
        raise AssertionError(f"the frame and the record disagree about {row}")

    def _said(self, frame: frames.Frame) -> frames.Frame:
        rule, because = said_columns(self.levels)
        return frame.with_columns(rule.alias(RULE), because.alias(BECAUSE))


@final
@dataclass(frozen=True, slots=True)
class Placed:
    """A slot with what its share is multiplied by, and the number of the level whose rules give it."""

    slot: Slot
    factor: nw.Expr
    level: int | None


def _filled(slot: Slot) -> nw.Expr:
    import narwhals as nw

    return nw.when(~slot.share.is_null()).then(slot.share).otherwise(nw.lit(0.0))


def _factor(number: int) -> str:
    return f"@factor {number}"


def added(columns: Sequence[nw.Expr]) -> nw.Expr:
    """The sum of columns."""
    import narwhals as nw

    result = nw.lit(0.0)
    for column in columns:
        result = result + column
    return result


def _together_column(combine: str, factors: Sequence[nw.Expr]) -> nw.Expr:
    import narwhals as nw

    if combine in ("min", "max") and len(factors) > 1:
        return nw.min_horizontal(*factors) if combine == "min" else nw.max_horizontal(*factors)
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result
