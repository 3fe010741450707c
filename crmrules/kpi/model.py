"""Models: the weighted indicators, the composite and the grades together."""

from __future__ import annotations

from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Frozen
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.composite import Composite
from crmrules.kpi.grade import Bands, Forced, Grades
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.pace import PaceRule
from crmrules.kpi.period_kinds import DeclaredPeriods
from crmrules.kpi.rank import Ranking

SUBJECT = "subject"
"""The subject of a model of whom the records name, or the policy gives the credit."""

TREE = "tree"
"""The subject of a model of everybody in the reporting tree, with all who stand below."""


@final
class Model(BaseModel):
    """What a subject is judged by in a period.

    subject: `subject` for the records' own; a field of the roster to roll up to, such as `manager`; `tree`
    for everybody in the reporting tree, each with all who stand below; a field of the records, such as
    `product`; or several of these, `[region, product]`.
    unknown: what becomes of records of a subject that the roster does not have or does not say where it
    belongs: `error`; `drop`, told in the card's notes; `add`, where the card is of the records' own subjects.
    If not said, `add` there and `error` elsewhere.
    composite: how the indicators' scores become one, the mean by weight unless said otherwise.
    grades: bands of scores as a list, highest first, or by percentile, or so many percent of the people each.
    rank: within the period by the composite, highest first; equal scores share the better rank unless said
    otherwise. movement: whether score and rank are held against those of the period before.
    pace: on a card as of a day, how indicators that accumulate stand against what was expected by then.
    calendar: the working calendar by which targets are spread and prorated; Monday to Friday if not said.
    """

    model_config = Frozen

    subject: str | tuple[str, ...] = SUBJECT
    unknown: Literal["add", "drop", "error"] | None = None
    period: DeclaredPeriods = CalendarPeriods(unit="month")
    indicators: Annotated[dict[str, Indicator], Field(min_length=1)]
    composite: Composite = Composite()
    grades: Grades | None = None
    rank: Ranking = Ranking()
    movement: bool = False
    pace: PaceRule | None = None
    calendar: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """What tells the subjects apart."""
        return (self.subject,) if isinstance(self.subject, str) else self.subject

    @pydantic.model_validator(mode="after")
    def _subjects(self) -> Model:
        if not self.keys:
            raise ValueError("a subject needs a key: write subject: customer, or [region, product]")
        if len({*self.keys}) < len(self.keys):
            raise ValueError("a key of the subject stands there twice: leave one of them out")
        if self.unknown == "add" and SUBJECT not in self.keys:
            raise ValueError("the roster has to say where everybody belongs: write unknown: drop, or error")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the indicators that have a score."""
        return {name: each.weight for name, each in self.indicators.items() if each.scored}

    @property
    def targeted(self) -> list[str]:
        """The indicators that have a target."""
        return [name for name, each in self.indicators.items() if each.target is not None]

    @property
    def grade_order(self) -> tuple[str, ...]:
        """What breaks ties where grades go to so many people each."""
        return self.grades.order if isinstance(self.grades, Forced) else ()

    @property
    def graded_within(self) -> str | None:
        """The role of the roster within which grades are given."""
        return None if self.grades is None or isinstance(self.grades, Bands) else self.grades.within

    @property
    def weightless(self) -> bool:
        """Whether there are scores and none of them weighs anything, so that there is no composite."""
        expressed = self.composite.kind == "expression"
        return bool(self.weights) and not any(self.weights.values()) and not expressed
