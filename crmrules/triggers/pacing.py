"""`pace`: an open period leads to less than a share of its target, if it goes on like this."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, final

from pydantic import Field

from crmrules.fields import Share
from crmrules.kpi.pace import pace
from crmrules.kpi.standing import Figure, Result
from crmrules.triggers import message
from crmrules.triggers.asked import AskedRule
from crmrules.triggers.context import Answer, Context
from crmrules.triggers.options import Severity
from crmrules.triggers.trigger import has_target, kind, no_data, reached


@kind
@final
class OffPace(AskedRule):
    """Fires once in a period, while the projection of its end lies below a share of the target.

    indicator: a sum or a count, which accumulates over the period. after: so much of the period has to have
    elapsed, since the first days say little. calendar: its working days count; all days if none is named.
    day_counts: whether the day of the evaluation has elapsed: yes in its evening, no in its morning.

    projected = actual / the share of the period that has elapsed; see `crmrules.kpi.pace`.
    """

    kind: Literal["pace"] = "pace"
    indicator: Annotated[str, Field(min_length=1)]
    share: Share = 1.0
    after: Share = 0.25
    day_counts: bool = True
    severity: Severity = "warning"

    step: ClassVar[str] = "pace"
    named: ClassVar[tuple[str, ...]] = ("projected", "expected", "elapsed", "pace")
    messages: ClassVar[Mapping[str, str]] = {
        "en": "{subject} is heading for {projected} of {target} for {indicator} in {period}, "
        "which misses {share} of the target: {value} so far, {expected} expected by now.",
        "zh": "{subject} {period} 的 {indicator} 预计为 {projected}，未及目标 {target} 的 {share}："
        "目前 {value}，此时应达到 {expected}。",
    }

    def answers(self, context: Context) -> Iterator[Answer]:
        """One: where the period leads."""
        result = context.result(self.indicator)
        if result is None:
            return
        if not _known(result.actual) or not has_target(result):
            yield Answer.no_data(no_data(result))
            return
        period = context.period
        calendar = None if self.calendar is None else context.calendar
        figures = [_number(result.actual)], [_number(result.target)]
        days = period.start, period.end, context.today
        found = pace(*figures, *days, calendar, day_counts=self.day_counts)
        share, projected = float(found.share[0]), float(found.projected[0])
        basis: dict[str, Figure | None] = {
            "value": result.actual,
            "target": result.target,
            "share": self.share,
            "projected": _rounded(projected),
            "expected": _rounded(float(found.expected[0])),
            "elapsed": _rounded(share),
            "pace": _rounded(float(found.pace[0])),
        }
        elapsed = message.written(_rounded(share), "percent", "en")
        if math.isnan(share) or math.isnan(projected):
            yield Answer.no_data(f"no day of {period} has elapsed", basis)
        elif share < self.after:
            said = (
                f"{elapsed} of {period} has elapsed, {message.written(self.after, 'percent', 'en')} have to"
            )
            yield Answer("not_due", said, basis, code="TOO_EARLY")
        else:
            yield self._answer(result, projected, elapsed, basis, found.notes)

    def _answer(
        self, result: Result, projected: float, elapsed: str, basis: Mapping[str, Any], notes: tuple[str, ...]
    ) -> Answer:
        target = _number(result.target)
        attainment = projected / target if result.direction == "higher" else _divided(target, projected)
        heads = Result(result.name, projected, result.target, attainment, 0.0, direction=result.direction)
        met = reached(heads, self.share)
        heading = message.written(round(projected, 2), "number", "en")
        said = (
            f"{result.name} is heading for {heading} {'≥' if met else '<'} "
            f"{message.written(self.share, 'percent', 'en')} of the target "
            f"{message.written(result.target, 'number', 'en')}, {elapsed} of the period has elapsed"
        )
        if result.direction == "lower":
            said = said.replace("≥", "within").replace("<", "beyond")
        return Answer.when(not met, "; ".join([said, *notes]), basis)


def _known(value: Figure | None) -> bool:
    return isinstance(value, int | float | Decimal) and math.isfinite(value)


def _number(value: Figure | None) -> float:
    assert isinstance(value, int | float | Decimal)
    return float(value)


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _divided(value: float, by: float) -> float | None:
    return value / by if by > 0 else None
