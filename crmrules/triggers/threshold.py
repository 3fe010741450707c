"""`reached`: an indicator has come to a share of its target."""

from __future__ import annotations

import datetime as dt
from typing import Literal, final
from zoneinfo import ZoneInfo

from crmrules.fields import Share
from crmrules.kpi.standing import Standing
from crmrules.triggers.decision import Decision, Outcome
from crmrules.triggers.trigger import TriggerRule, basis, figures, kind, no_data, period_state, reached


@kind
@final
class Reached(TriggerRule):
    """Fires while the period is open and the indicator is at or above a share of its target."""

    kind: Literal["reached"] = "reached"
    share: Share = 1.0

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """Fired or not, at a moment; see `trigger.reached` for what counts as reached."""
        result = self.result(standing)

        def decided(outcome: Outcome, code: str, reason: str) -> Decision:
            found = basis(result, self.share)
            return Decision(name, standing, self.step, outcome, code, reason, now, found)

        state = period_state(standing, now, zone)
        if state is not None:
            over = "is over" if state == "closed" else "has not begun"
            return decided(state, f"PERIOD_{state.upper()}", f"{standing.period} {over}")
        met = reached(result, self.share)
        if met is None:
            return decided("no_data", "NO_DATA", no_data(result))
        if met:
            return decided("fired", "REACHED_TARGET", figures(result, self.share))
        return decided("not_met", "BELOW_TARGET", figures(result, self.share))
