"""`reached`: an indicator has come to a share of its target."""

from __future__ import annotations

import datetime as dt
from typing import Literal, final
from zoneinfo import ZoneInfo

from crmrules.kpi.standing import Standing
from crmrules.triggers.decision import Decision, Outcome
from crmrules.triggers.trigger import Share, TriggerRule, basis, figures, kind, period_state, reached


@kind
@final
class Reached(TriggerRule):
    """Fires while the period is open and the indicator is at or above a share of its target."""

    kind: Literal["reached"] = "reached"
    share: Share = 1.0

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """Fired or not, at a moment; see `trigger.reached` for what counts as reached."""
        result = self.result(standing)
        state = period_state(standing, now, zone)
        if state is not None:
            over = "is over" if state == "closed" else "has not begun"
            reason = f"{standing.period} {over}"
            return Decision(name, standing, self.step, state, f"PERIOD_{state.upper()}", reason, now)
        met = reached(result, self.share)
        if met is None:
            return Decision(
                name, standing, self.step, "no_data", "NO_DATA", f"{result.name} has no value or target", now
            )
        outcome: Outcome = "fired" if met else "not_met"
        code = "REACHED_TARGET" if met else "BELOW_TARGET"
        found = basis(result, self.share)
        return Decision(name, standing, self.step, outcome, code, figures(result, self.share), now, found)
