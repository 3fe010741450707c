"""`reached`: an indicator has come to a share of its target, or to one of several."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, BeforeValidator

from crmrules.fields import Frozen, Share
from crmrules.kpi.standing import Standing
from crmrules.triggers.decision import Decision, Outcome
from crmrules.triggers.screen import levels_of
from crmrules.triggers.trigger import TriggerRule, basis, figures, kind, no_data, period_state, reached

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.scorecard import Figures


def _level(value: object) -> object:
    return {"at": value} if isinstance(value, float | int | str) else value


@final
class Level(BaseModel):
    """A share of the target, and the share below which it counts as left again."""

    model_config = Frozen

    at: Share
    reset_at: Share | None = None

    @pydantic.model_validator(mode="after")
    def _below(self) -> Level:
        if self.reset_at is not None and self.reset_at > self.at:
            raise ValueError("`reset_at` lies above the level itself: write a lower share")
        return self

    @property
    def left_below(self) -> float:
        """The share below which it is left."""
        return self.at if self.reset_at is None else self.reset_at

    @property
    def step(self) -> str:
        """What occurs when it is reached: `level:80`."""
        return f"level:{self.at * 100:.6f}".rstrip("0").rstrip(".")


@kind
@final
class Reached(TriggerRule):
    """Fires while the period is open and the indicator is at or above a share of its target.

    share: of the target. reset_at: once reached it counts as left below this share only, so that a value
    that moves about the bound tells nobody twice. levels: several shares in place of one, each alone
    (`80%`) or as {at: 80%, reset_at: 75%}. announce: of several that are reached at once the `highest`
    alone, or `each`.
    """

    kind: Literal["reached"] = "reached"
    share: Share = 1.0
    reset_at: Share | None = None
    levels: tuple[Annotated[Level, BeforeValidator(_level)], ...] = ()
    announce: Literal["highest", "each"] = "highest"

    @pydantic.model_validator(mode="after")
    def _ascending(self) -> Reached:
        if self.levels and (self.share != 1.0 or self.reset_at is not None):
            raise ValueError("`levels` stands in place of `share` and `reset_at`: leave those out")
        for low, high in pairwise(self.levels):
            if high.at <= low.at or high.left_below < low.left_below:
                raise ValueError("levels go upwards, and so do their resets: write the lowest first")
        if len(self.levels) > 1 and self.lasting is not None:
            raise ValueError("`for` goes with one level: make a trigger of each level that has to last")
        if self.reset_at is not None and self.reset_at > self.share:
            raise ValueError("`reset_at` lies above the share itself: write a lower share")
        return self

    @property
    def shares(self) -> tuple[Level, ...]:
        """All levels, lowest first."""
        return self.levels or (Level(at=self.share, reset_at=self.reset_at),)

    @property
    def step_names(self) -> tuple[str, ...]:
        """`fire`, or a step for each level."""
        return tuple(level.step for level in self.levels) or (self.step,)

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """Fired or not, at a moment; of several levels the highest that is reached, else the lowest.

        See `trigger.reached` for what counts as reached.
        """
        result = self.result(standing)

        def decided(outcome: Outcome, code: str, reason: str, share: float, step: str) -> Decision:
            return Decision(name, standing, step, outcome, code, reason, now, basis(result, share))

        lowest, first = self.shares[0].at, self.step_names[0]
        state = period_state(standing, now, zone)
        if state is not None:
            over = "is over" if state == "closed" else "has not begun"
            reason = f"{standing.period} {over}"
            return decided(state, f"PERIOD_{state.upper()}", reason, lowest, first)
        holds = reached(result, lowest)
        if holds is None:
            return decided("no_data", "NO_DATA", no_data(result), lowest, first)
        names = [*zip(self.shares, self.step_names, strict=True)]
        met = [holds, *(bool(reached(result, level.at)) for level, _ in names[1:])]
        # Without a reset of its own a level is left where it is reached.
        held = sum(
            held if level.reset_at is None else bool(reached(result, level.reset_at))
            for (level, _), held in zip(names, met, strict=True)
        )
        fired = [
            decided("fired", "REACHED_TARGET", figures(result, level.at), level.at, step)
            for (level, step), is_met in zip(names, met, strict=True)
            if is_met
        ]
        if fired:
            return replace(fired[-1], level=len(fired), held=held, lower=tuple(fired[:-1]))
        below = decided("not_met", "BELOW_TARGET", figures(result, lowest), lowest, first)
        return replace(below, held=held) if held else below

    def screen(self, figures: Figures, direction: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many levels each row has reached, and how many hold."""
        return (
            levels_of(figures, direction, [level.at for level in self.shares]),
            levels_of(figures, direction, [level.left_below for level in self.shares]),
        )
