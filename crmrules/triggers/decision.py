"""What a trigger decided about one subject in one period, and why, whether it fires or not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from crmrules.kpi.standing import Figure, Standing

Outcome = Literal["fired", "not_met", "not_due", "no_data", "closed", "missed"]


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """One evaluation: fired, or the reason why not.

    outcome: `fired`; `not_met`, the condition does not hold; `not_due`, its time has not come; `no_data`,
    the value or the target is missing; `closed`, the period is over, and closed periods never notify;
    `missed`, it was due longer ago than the trigger's grace.
    code: a stable name of the reason. basis: the figures that decided. scheduled_at: when it was due,
    where there is such a time. unreached: the roles to tell that nobody holds.

    level: of a trigger with several levels, how many are reached; held: how many of them hold once they
    were reached, which with hysteresis are more. lower: what it says of the reached levels below.
    """

    trigger: str
    standing: Standing
    step: str
    outcome: Outcome
    code: str
    reason: str
    evaluated_at: dt.datetime
    basis: Mapping[str, Figure | None] = field(default_factory=dict)
    scheduled_at: dt.datetime | None = None
    unreached: tuple[str, ...] = ()
    level: int = 0
    held: int = 0
    lower: tuple[Decision, ...] = ()

    @property
    def late_by(self) -> dt.timedelta:
        """How long after its time it was evaluated; nothing before it."""
        if self.scheduled_at is None:
            return dt.timedelta()
        # Within one zone Python subtracts the clocks, which a change to summer time moves.
        late = self.evaluated_at.astimezone(dt.UTC) - self.scheduled_at.astimezone(dt.UTC)
        return max(late, dt.timedelta())

    def as_dict(self) -> dict[str, object]:
        """The decision as plain data that JSON can hold; figures are texts, so that money stays exact."""
        return {
            "trigger": self.trigger,
            "model": self.standing.model,
            "subject": self.standing.subject,
            "period": str(self.standing.period),
            "step": self.step,
            "outcome": self.outcome,
            "code": self.code,
            "reason": self.reason,
            "basis": {name: None if value is None else str(value) for name, value in self.basis.items()},
            "scheduled_at": self.scheduled_at.isoformat() if self.scheduled_at else None,
            "evaluated_at": self.evaluated_at.isoformat(),
            "unreached": [*self.unreached],
        }

    def __str__(self) -> str:
        where = f"{self.trigger} · {self.standing.subject} · {self.standing.period}"
        return f"{where}: {self.outcome}, {self.reason}"
