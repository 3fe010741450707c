"""What the engine asks a host for, and what it answers."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, final

from crmrules.kpi.model import Model
from crmrules.kpi.period import Period
from crmrules.kpi.standing import Standing
from crmrules.triggers.context import Surroundings
from crmrules.triggers.intent import Intent
from crmrules.triggers.outbox.records import Delivery, Occurrence
from crmrules.triggers.trigger import TriggerRule

if TYPE_CHECKING:
    from crmrules.kpi.scorecard import Scorecard


@final
@dataclass(frozen=True, slots=True)
class Request:
    """What the engine asks the host for.

    model: whose figures; None for triggers that name none. subjects: of whom, None for everybody. as_of:
    records and facts of a later moment do not count.
    """

    model: str | None
    period: Period
    as_of: dt.datetime
    subjects: frozenset[str] | None = None


Reader = Callable[[Request], "Scorecard | Iterable[Standing]"]
"""How people stand: a scorecard, or rows of one. More subjects than were asked for do no harm."""

Facts = Mapping[str, Mapping[str, str]]
People = Facts | Callable[[], Facts] | None
Around = Surroundings | Callable[[dt.datetime], Surroundings] | None


class Book(Protocol):
    """What the engine needs of a rulebook."""

    @property
    def triggers(self) -> Mapping[str, TriggerRule]:
        """The triggers by name."""

    @property
    def models(self) -> Mapping[str, Model]:
        """The models by name."""

    @property
    def zone(self) -> str:
        """Where local times are."""

    @property
    def locale(self) -> str:
        """The language of people who have none of their own."""


@final
@dataclass(slots=True)
class Report:
    """What came of a tick.

    evaluated: how many pairs of a subject and a trigger. occurrences: what is new, fired or not, each with
    its reason. intents: who is told. deliveries: what a relay will find. failures: triggers that failed, and
    why; they are tried again. answered: those that did not fail.
    """

    now: dt.datetime
    evaluated: int = 0
    occurrences: list[Occurrence] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def add(self, other: Report) -> None:
        """What came of another part of the same tick."""
        self.evaluated += other.evaluated
        self.occurrences += other.occurrences
        self.intents += other.intents
        self.deliveries += other.deliveries
        self.failures |= other.failures
        self.answered |= other.answered

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How often each outcome occurred."""
        return Counter(each.outcome for each in self.occurrences)

    def __str__(self) -> str:
        found = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        failed = "".join(f"\n{name} failed: {why}" for name, why in self.failures.items())
        return f"{self.evaluated} evaluated: {found or 'nothing new'}{failed}"
