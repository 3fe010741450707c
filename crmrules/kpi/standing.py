"""One row of a scorecard as a value: how a subject stands in a period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, final

from crmrules.kpi.indicator import Direction
from crmrules.kpi.pace import Paced
from crmrules.kpi.period import Period

AdjustmentKind = Literal["combination", "kicker", "deduction", "limit", "rounding", "gate", "lock"]
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
    contribution: what the indicator adds; the contributions and what the standing's adjustments change add
    up to the composite. In a mean it is score x share.
    curve_score: what the curve made of the attainment, before limits and locks. target_from: where the target
    comes from, None where it is the number that is declared. pace: on a card as of a day.
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
    curve_score: float | None = None
    target_from: str | None = None
    pace: Paced | None = None


@final
@dataclass(frozen=True, slots=True)
class Adjusted:
    """A step that changed a composite beside the contributions, or left it since something is not known.

    kind: which step. because: why, for people. points: by how much it changed the composite, or for a lock
    the score of its indicator. undecided: whether a condition or its points are not known.
    """

    kind: AdjustmentKind
    because: str
    points: float
    undecided: bool = False
    indicator: str = ""


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """How a subject stands in a period.

    people: who stands around the subject, by role (`manager`), as the roster says. adjustments: what changed
    the composite beside the contributions. team_rank: within the team. score_change,
    rank_change: against the period before; more is better. Each where the model asks for it.
    """

    model: str
    subject: str
    period: Period
    results: Mapping[str, Result]
    score: float | None = None
    grade: str | None = None
    rank: int | float | None = None
    people: Mapping[str, str] = field(default_factory=dict)
    adjustments: tuple[Adjusted, ...] = ()
    team_rank: int | float | None = None
    score_change: float | None = None
    rank_change: int | float | None = None
