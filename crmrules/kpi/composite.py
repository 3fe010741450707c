"""Composites as they are declared: how the scores of the indicators become one."""

from __future__ import annotations

from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, Discriminator, Field, Tag

from crmrules.fields import Frozen
from crmrules.policy.condition import Condition

Combination = Literal["mean", "geometric", "minimum", "expression"]
Missing = Literal["skip", "zero", "error", "unknown"]
Undecided = Literal["ignore", "apply", "error"]

Because = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]


def _kind_of_points(value: object) -> str:
    return "formula" if isinstance(value, str) else "number"


Points = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True), Tag("number")]
    | Annotated[str, Tag("formula")],
    Discriminator(_kind_of_points),
]
"""So many points, or an expression that gives them; never less than none."""


def _in_order(floor: float | None, cap: float | None) -> None:
    if floor is not None and cap is not None and cap < floor:
        raise ValueError(f"the cap ({cap:g}) is below the floor ({floor:g}): raise the cap")


@final
class Bounds(BaseModel):
    """The least and the most that a score may be; what is left out is no limit."""

    model_config = Frozen

    floor: Number | None = None
    cap: Number | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Bounds:
        _in_order(self.floor, self.cap)
        return self


@final
class ScoreRule(BaseModel):
    """What is different for the score of one indicator; what is left out is as for all."""

    model_config = Frozen

    floor: Number | None = None
    cap: Number | None = None
    missing: Missing | None = None


@final
class Lock(BaseModel):
    """One indicator has to come to something before another one counts.

    needs: the condition; unlocks: the indicator that scores `score` where it does not hold. undecided:
    what happens where it is not known whether it holds; a need that is not known to be met is not met.
    """

    model_config = Frozen

    needs: Condition
    unlocks: str
    score: Number = 0.0
    because: Because
    undecided: Undecided = "apply"


@final
class Kicker(BaseModel):
    """Points beside the indicators: a bonus (加分) or, among the deductions, a malus (扣分).

    when: for whom; all if not said. points: a number, or an expression. undecided: what happens where it
    is not known whether the condition holds or how many points it is: `ignore` adds nothing and says so.
    """

    model_config = Frozen

    when: Condition | None = None
    points: Points
    because: Because
    undecided: Literal["ignore", "error"] = "ignore"


@final
class Gate(BaseModel):
    """A condition that decides over the whole composite (一票否决).

    when: the condition. score: what the composite becomes, 0 if nothing is said; or at_most: what it
    becomes if it was more. undecided: what happens where it is not known whether the condition holds.
    """

    model_config = Frozen

    when: Condition
    score: Number | None = None
    at_most: Number | None = None
    because: Because
    undecided: Undecided = "ignore"

    @pydantic.model_validator(mode="after")
    def _check(self) -> Gate:
        if self.score is not None and self.at_most is not None:
            raise ValueError("a gate sets the score or limits it: write either `score` or `at_most`")
        return self


@final
class Composite(BaseModel):
    """How the scores of the indicators become one, step by step.

    1. missing: an indicator without a score is left out and the weights of the others make the whole
       (`skip`, unless said otherwise), scores 0 (`zero`), is an error (`error`), or makes the composite
       unknown (`unknown`, unless said otherwise with an expression).
    2. scores: floor and cap of every score. indicators: what is different for one of them.
    3. locks: one indicator has to come to something before another one counts.
    4. kind, over the indicators that have a weight: `mean` = sum(weight x score) / sum(weight);
       `geometric` = the product of score ** (weight / sum(weight)), 0 where one score is 0; `minimum` =
       the lowest; `expression` = what the text says over the scores by the indicators' names.
    5. kickers add points and deductions take them away, all looking at the composite of step 4;
       most_added and most_deducted limit their sums.
    6. floor and cap of the composite.
    7. round: to so many decimals, a half away from zero: the figure that people see is the one that
       gates, grades and ranks compare.
    8. gates: one after the other, each looking at what the one before it left.

    weights_total: what the weights have to add up to (compared at two decimals), such as 100.

    Conditions and points may name each indicator's value (`margin`), its attainment as a share
    (`margin_attainment`) and its score after the steps so far (`margin_score`), the lowest and the highest
    score of all that make the composite (`lowest_score`, `highest_score`), and from step 5 on the composite
    so far (`score`). In the `expression` a bare name is the score, `margin_score` is the same.
    """

    model_config = Frozen

    kind: Combination = "mean"
    expression: str | None = None
    weights_total: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    missing: Missing | None = None
    scores: Bounds = Bounds()
    indicators: dict[str, ScoreRule] = {}
    locks: tuple[Lock, ...] = ()
    kickers: tuple[Kicker, ...] = ()
    deductions: tuple[Kicker, ...] = ()
    most_added: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    most_deducted: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    floor: Number | None = None
    cap: Number | None = None
    round: Annotated[int, Field(ge=0, le=9)] | None = None
    gates: tuple[Gate, ...] = ()

    @pydantic.model_validator(mode="after")
    def _check(self) -> Composite:
        if (self.kind == "expression") != (self.expression is not None):
            raise ValueError(
                "`expression` goes with kind: expression: write both, or neither"
                if self.expression is not None
                else "nothing says what the composite is: write expression: 0.7 * revenue + 0.3 * margin"
            )
        if self.kind == "expression" and (
            self.missing == "skip" or any(each.missing == "skip" for each in self.indicators.values())
        ):
            raise ValueError(
                "an expression cannot leave an indicator out: write missing: zero, or coalesce(margin, 100)"
            )
        _in_order(self.floor, self.cap)
        for name in self.indicators:
            bounds = self.bounds(name)
            _in_order(bounds.floor, bounds.cap)
        if self.most_added is not None and not self.kickers:
            raise ValueError("`most_added` limits nothing without kickers: leave it out")
        if self.most_deducted is not None and not self.deductions:
            raise ValueError("`most_deducted` limits nothing without deductions: leave it out")
        return self

    def bounds(self, indicator: str) -> Bounds:
        """Floor and cap of an indicator's score."""
        own = self.indicators.get(indicator, ScoreRule())
        return Bounds.model_construct(
            floor=self.scores.floor if own.floor is None else own.floor,
            cap=self.scores.cap if own.cap is None else own.cap,
        )

    def missing_of(self, indicator: str) -> Missing:
        """What happens where an indicator has no score."""
        own = self.indicators.get(indicator, ScoreRule()).missing
        return own or self.missing or ("unknown" if self.kind == "expression" else "skip")
