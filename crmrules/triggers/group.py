"""The triggers that are evaluated together: those about one model, or one that finds its subjects itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import final
from zoneinfo import ZoneInfo

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.model import Model
from crmrules.kpi.period import Period, Periods
from crmrules.triggers.combined import CombinedRule
from crmrules.triggers.context import Surroundings
from crmrules.triggers.intent import fingerprint_of
from crmrules.triggers.trigger import TriggerRule

EVERYBODY = "@everybody"
"""The subject of what is remembered of a trigger itself, whoever it is about."""


@final
@dataclass(frozen=True, slots=True)
class Group:
    """The triggers that look at one model, those that inhibit others first; by which periods they go.

    own: it is a trigger that finds its subjects itself, on no card.
    """

    model: str | None
    periods: Periods
    rules: Mapping[str, TriggerRule]
    own: bool = False

    @classmethod
    def of(
        cls, model: str | None, periods: Periods, rules: Mapping[str, TriggerRule], *, own: bool = False
    ) -> Group:
        """In the order in which they are evaluated. Raises CrmRulesError (T301)."""
        placed: dict[str, TriggerRule] = {}
        left = dict(rules)
        for name, rule in rules.items():
            for other in rule.inhibited_by:
                if other not in rules:
                    raise CrmRulesError(
                        "T301",
                        f"`{name}` is inhibited by `{other}`, which is no trigger of the same model",
                        hint=did_you_mean(other, rules),
                    )
        while left:
            ready = [name for name, rule in left.items() if {*rule.inhibited_by} <= {*placed}]
            if not ready:
                raise CrmRulesError(
                    "T301",
                    f"{' and '.join(f'`{name}`' for name in left)} inhibit one another in a circle",
                    hint="leave one of them out of `inhibited_by`",
                )
            placed |= {name: left.pop(name) for name in ready}
        return cls(model, periods, placed, own)

    def fingerprint(self, name: str, subject: str, tenant: str, about: str = "") -> str:
        """What the state of a trigger for a subject is kept by; `about` tells apart what it says of it."""
        generation = self.rules[name].generation
        return fingerprint_of(name, self.model or "", subject, tenant, generation, about)


def due_or_none(rule: TriggerRule, period: Period, zone: ZoneInfo) -> dt.datetime | None:
    """When a deadline is due; None too where it cannot say, of which one hears where it is evaluated."""
    with suppress(Exception):
        return rule.due_in(period, zone)
    return None


def periods_of(key: str, periods: Periods, today: dt.date) -> list[Period]:
    """The periods that a mark concerns: those that lie in the one that it names.

    The open one if it names none, or one that nobody knows: a mark that cannot be read must not stop others.
    """
    if (index := periods.index_of_key(key) if key else None) is not None:
        return [Period(periods, index)]
    first = last = today
    if key:
        with suppress(CrmRulesError):
            named = Period.parse(key)
            first, last = named.start, named.end
    indexes = {
        found
        for day in range(first.toordinal(), last.toordinal() + 1)
        if (found := periods.index_of(dt.date.fromordinal(day))) is not None
    }
    return [Period(periods, index) for index in sorted(indexes)]


def groups_of(
    triggers: Mapping[str, TriggerRule], periods: Mapping[str, Periods], general: Periods
) -> list[Group]:
    """Triggers by the model that they name."""
    found: dict[str | None, dict[str, TriggerRule]] = {}
    own, others = _apart(triggers)
    for name, rule in others.items():
        found.setdefault(rule.model, {})[name] = rule
    return [Group.of(model, periods.get(model or "", general), rules) for model, rules in found.items()] + own


def groups_of_book(triggers: Mapping[str, TriggerRule], models: Mapping[str, Model]) -> list[Group]:
    """Triggers by the models that they are about: one that names none by each that has its indicator."""
    found, others = _apart(triggers)
    for name, model in models.items():
        rules = {
            each: rule
            for each, rule in others.items()
            if rule.model == name
            or (rule.model is None and (not rule.indicator or rule.indicator in model.indicators))
        }
        if rules:
            found.append(Group.of(name, model.period, rules))
    return found


def _apart(triggers: Mapping[str, TriggerRule]) -> tuple[list[Group], dict[str, TriggerRule]]:
    """The triggers that find their subjects themselves, each alone, and the others."""
    around = Surroundings(triggers=triggers)
    month = CalendarPeriods(unit="month")
    own = []
    for name, rule in triggers.items():
        bound = rule.within(around) if isinstance(rule, CombinedRule) else rule
        if getattr(bound, "by_source", False):
            parts = bound.parts if isinstance(bound, CombinedRule) else (bound,)
            periods = getattr(parts[0], "period", month)
            own.append(Group.of(None, periods, {name: rule}, own=True))
    apart = {name for group in own for name in group.rules}
    return own, {name: rule for name, rule in triggers.items() if name not in apart}
