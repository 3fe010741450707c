"""Models: the weighted indicators, the composite and the grades together."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Frozen
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.period_kinds import DeclaredPeriods

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORE_DIGITS = 9
"""Scores are rounded to so many decimals before they decide a grade or a rank, since the order of a sum
changes its last digits (about 1e-14) between engines and runs."""


SUBJECT = "subject"
"""The subject of a model of whom the records name, or the policy gives the credit."""

TREE = "tree"
"""The subject of a model of everybody in the reporting tree, with all who stand below."""


@final
class Grade(BaseModel):
    """A band of scores: from `at_least` points on. The last band has none and takes all the rest."""

    model_config = Frozen

    grade: Annotated[str, Field(min_length=1)]
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None


@final
class Model(BaseModel):
    """What a subject is judged by in a period.

    subject: `subject` for the records' own; a field of the roster to roll up to, such as `manager`; `tree`
    for everybody in the reporting tree, each with all who stand below; a field of the records, such as
    `product`; or several of these, `[region, product]`.
    unknown: what becomes of records of a subject that the roster does not have or does not say where it
    belongs: `error`; `drop`, told in the card's notes; `add`, where the card is of the records' own subjects.
    If not said, `add` there and `error` elsewhere.
    The composite is the mean of the indicators' scores by weight, over those that have a value:
    sum(weight x score) / sum(weight). Grades by bands, highest first. Rank within the period by the
    composite, highest first; equal scores share the better rank.
    """

    model_config = Frozen

    subject: str | tuple[str, ...] = SUBJECT
    unknown: Literal["add", "drop", "error"] | None = None
    period: DeclaredPeriods = CalendarPeriods(unit="month")
    indicators: Annotated[dict[str, Indicator], Field(min_length=1)]
    grades: tuple[Grade, ...] = ()

    @pydantic.field_validator("grades")
    @classmethod
    def _bands(cls, grades: tuple[Grade, ...]) -> tuple[Grade, ...]:
        if not grades:
            return grades
        if grades[-1].at_least is not None:
            raise ValueError(
                f"scores below {grades[-1].at_least:g} have no grade: "
                "leave `at_least` out at the last grade, which then takes all the rest"
            )
        if any(band.at_least is None for band in grades[:-1]):
            raise ValueError("only the last grade goes without `at_least`: say from how many points on")
        bounds = [band.at_least for band in grades[:-1] if band.at_least is not None]
        for upper, lower in pairwise(bounds):
            if lower >= upper:
                raise ValueError(
                    f"grades go from the highest down, {lower:g} cannot follow {upper:g}: "
                    "put the grade with the most points first"
                )
        names = [band.grade for band in grades]
        if len({*names}) < len(names):
            raise ValueError("two grades have the same name: rename one")
        return grades

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
    def weightless(self) -> bool:
        """Whether there are targets and none of them weighs anything, so that there is no composite."""
        targeted = [each for each in self.indicators.values() if each.scored]
        return bool(targeted) and not any(each.weight for each in targeted)

    def graded(self, scores: NDArray[np.float64]) -> tuple[str | None, ...]:
        """The grade of each score (rounded already); None where there is no score or there are no grades."""
        import numpy as np

        if not self.grades:
            return (None,) * len(scores)
        bounds = [band.at_least for band in reversed(self.grades[:-1])]
        names = [band.grade for band in reversed(self.grades)]
        places = np.searchsorted(np.array(bounds, dtype=np.float64), scores, side="right").tolist()
        unknown = np.isnan(scores).tolist()
        return tuple(None if none else names[place] for place, none in zip(places, unknown, strict=True))
