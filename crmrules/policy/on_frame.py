"""A policy over a bound frame: the columns of who gets how much of each record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, final

from crmrules import frames
from crmrules.expr.check import Checked
from crmrules.policy.crediting import CREDIT, DAY, Crediting, Line
from crmrules.policy.level import JOIN, SHARE_SLACK, Slot, refused_slot, slot_of

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
        for level in self.levels:
            frame = level.marked(frame)
        frame = frame.with_columns(
            *(level.factor_column().alias(_factor(number)) for number, level in enumerate(self.levels))
        )
        factors = [nw.col(_factor(number)) for number in range(len(self.levels))]
        frame = frame.with_columns(_together_column(self.policy.combine, factors).alias(FACTOR))
        frame, slots = self._slots(frame)
        frame = self._placed(frame, slots)
        lines = [Line(f"@to {at}", f"@share {at}", slot.overlay) for at, (slot, _) in enumerate(slots)]
        within = [nw.col(line.share) for line in lines if not line.overlay]
        frame = frame.with_columns(added(within).alias(CREDIT))
        taken = [CREDIT, *(name for line in lines for name in (line.to, line.share))]
        if said:
            frame = self._said(frame)
            taken += [RULE, BECAUSE]
        if self.policy.returns is not None:
            if self.policy.returns.period == "original":
                frame = frame.with_columns(self._day().alias(DAY))
                taken.append(DAY)
            frame = self.crediting.taking_back.frame(frame, taken)
        return frame, lines

    def _day(self) -> nw.Expr:
        import narwhals as nw

        date = self.crediting.source.role("date") or ""
        day = nw.col(date)
        return frames.days_of_microseconds(day) if self.crediting.schema[date].kind == "datetime" else day

    def _slots(self, frame: frames.Frame) -> tuple[frames.Frame, list[tuple[Slot, nw.Expr]]]:
        """The places for payees, each with what its share is multiplied by; those of `payees` first."""
        import narwhals as nw

        frame, base = self.whom.on(frame)
        slots = [(slot, nw.col(FACTOR)) for slot in base]
        for number, level in enumerate(self.levels):
            others = nw.lit(1.0)
            for other in range(len(self.levels)):
                others = others if other == number else others * nw.col(_factor(other))
            slots += [(slot, others) for slot in level.slots()]
        return frame, slots

    def _placed(self, frame: frames.Frame, slots: list[tuple[Slot, nw.Expr]]) -> frames.Frame:
        """The frame with the payee and the share of each slot. Raises RecordError where they do not fit."""
        import narwhals as nw

        columns = []
        for at, (slot, factor) in enumerate(slots):
            share = nw.when(~slot.share.is_null()).then(slot.share * factor).otherwise(nw.lit(0.0))
            columns += [slot.to.alias(f"@to {at}"), share.alias(f"@share {at}")]
        if not self.crediting.checks:
            return frame.with_columns(*columns)
        refused = self._refused(slots)
        frame = frame.with_columns(*columns)
        within = [nw.col(f"@share {at}") for at, (slot, _) in enumerate(slots) if not slot.overlay]
        total = added(within)
        refused = refused | (total > 1.0 + SHARE_SLACK)
        if self.policy.shares == "exactly_one":
            refused = refused | ((nw.col(FACTOR) == 1.0) & (total > 0.0) & (total < 1.0 - SHARE_SLACK))
        odd = frames.collected(frame.filter(refused).head(1))
        if len(odd):
            self._refuse(odd)
        return frame

    def _refused(self, slots: list[tuple[Slot, nw.Expr]]) -> nw.Expr:
        import narwhals as nw

        refused = nw.col(FACTOR) < 0.0
        for number, (slot, _) in enumerate(slots):
            if number >= len(slots) or not self.whom.checked:
                break
            refused = refused | ((nw.col(FACTOR) > 0.0) & refused_slot(slot))
        for level in self.levels:
            for at, outcome in enumerate(level.outcomes):
                mark = level.decides(at)
                if isinstance(outcome.share, Checked):
                    share = level.column(at)
                    refused = refused | (mark & (share.is_null() | (share < 0.0) | (share > 1.0)))
                for receiver in outcome.receivers:
                    refused = refused | (mark & refused_slot(slot_of(receiver)))
        return refused

    def _refuse(self, odd: nw.DataFrame[Any]) -> NoReturn:
        """By the same decision of the record alone, so that the error is the same on every engine."""
        found = frames.rows_of(odd)[0]
        row = {
            name: frames.delivered(found[name], self.crediting.schema[name])  # type: ignore[arg-type]
            for name in (*self.crediting.fields, *self.crediting.sequences)
        }
        id_field = self.crediting.source.role("id")
        self.crediting.decide(row, row[id_field] if id_field else found.get(frames.ROW))
        raise AssertionError(f"the frame and the record disagree about {row}")

    def _said(self, frame: frames.Frame) -> frames.Frame:
        import narwhals as nw

        said = [level.said_columns() for level in self.levels]
        if len(said) == 1:
            rule, because = said[0]
        else:
            rule = nw.concat_str(*(rule for rule, _ in said), separator=JOIN)
            because = nw.concat_str(*(because for _, because in said), separator="; ")
        return frame.with_columns(rule.alias(RULE), because.alias(BECAUSE))


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
