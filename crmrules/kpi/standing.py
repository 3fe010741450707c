"""One row of a scorecard as a value: how a subject stands in a period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import final

from crmrules.kpi.indicator import Direction
from crmrules.kpi.period import Period

Figure = float | int | Decimal | dt.date | dt.datetime | str | bool


@final
@dataclass(frozen=True, slots=True)
class Result:
    """What one indicator came to, step by step.

    actual: the indicator's value; a Decimal where the fields are money, None where nothing is known.
    target: in the same unit as actual, None for an indicator that is only shown. direction: `lower` where
    less is better.
    attainment: actual / target as a share (1.0 is the target), inverted where lower is better.
    score: what the curve made of the attainment, in points (100 is the target).
    weight: as declared; share: the part of the weights that applied, 0 to 1.
    contribution: score x share; the contributions add up to the composite.
    """

    name: str
    actual: Figure | None
    target: float | None = None
    attainment: float | None = None
    score: float | None = None
    weight: float = 0.0
    share: float = 0.0
    contribution: float | None = None
    direction: Direction = "higher"


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands in a period.

    people: who stands around the subject, by role (`manager`), as the roster says.
    """

    model: str
    subject: str
    period: Period
    results: Mapping[str, Result]
    score: float | None = None
    grade: str | None = None
    rank: int | None = None
    people: Mapping[str, str] = field(default_factory=dict)
