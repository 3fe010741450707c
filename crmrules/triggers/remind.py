"""From a scorecard's rows to decisions, and from what fires to intents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from crmrules.kpi.standing import Standing
from crmrules.triggers import message
from crmrules.triggers.decision import Decision
from crmrules.triggers.intent import Intent, Recipient, intent_id, occurrence_key
from crmrules.triggers.trigger import TriggerRule

SUBJECT = "subject"
LOCALE = "locale"


def evaluate(
    triggers: Mapping[str, TriggerRule], standings: Iterable[Standing], now: dt.datetime, zone: ZoneInfo
) -> list[Decision]:
    """What every trigger says of every row at a moment, in the order of the rows.

    now: a moment; without a zone it is local in `zone`. A trigger is asked about the rows of its model, or
    of any model that has its indicator. Roles to tell that nobody holds are listed in `unreached`.
    """
    moment = now if now.tzinfo is not None else now.replace(tzinfo=zone)
    decisions = []
    for standing in standings:
        for name, trigger in triggers.items():
            if trigger.model not in (None, standing.model):
                continue
            if trigger.model is None and trigger.indicator not in standing.results:
                continue
            decision = trigger.evaluate(name, standing, moment, zone)
            missing = tuple(role for role in trigger.tell if role != SUBJECT and role not in standing.people)
            decisions.append(replace(decision, unreached=missing) if missing else decision)
    return decisions


def intents(
    decisions: Iterable[Decision],
    triggers: Mapping[str, TriggerRule],
    people: Mapping[str, Mapping[str, str]],
    *,
    locale: str = "en",
    tenant: str = "",
) -> list[Intent]:
    """An intent for each decision that fired and each role to tell that somebody holds.

    people: the roster, from which a recipient's own `locale` is taken; `locale` is for all others.
    """
    found = []
    for decision in decisions:
        if decision.outcome != "fired":
            continue
        trigger = triggers[decision.trigger]
        key = occurrence_key(decision, tenant)
        for role in trigger.tell:
            who = decision.standing.subject if role == SUBJECT else decision.standing.people.get(role)
            if who is None:
                continue
            own = people.get(who, {}).get(LOCALE, locale)
            template, language = message.template_of(trigger.kind, trigger.message, own)
            text = message.render(template, _parameters(decision, trigger), language)
            recipient = Recipient(role, who, own)
            found.append(
                Intent(intent_id(key, role), key, decision, recipient, trigger.severity, text, tenant)
            )
    return found


def _parameters(decision: Decision, trigger: TriggerRule) -> dict[str, message.Value]:
    standing, basis = decision.standing, decision.basis
    bound = basis.get("bound")
    value = basis.get("value")
    # A bound is written like the value that it is held against.
    if isinstance(bound, Decimal) and isinstance(value, Decimal) and bound == round(bound, _digits(value)):
        bound = round(bound, _digits(value))
    return {
        "subject": standing.subject,
        "manager": standing.people.get("manager"),
        "period": str(standing.period),
        "trigger": decision.trigger,
        "indicator": trigger.indicator,
        "value": value,
        "target": basis.get("target"),
        "bound": bound,
        "share": basis.get("share"),
        "attainment": basis.get("attainment"),
        "score": standing.score,
        "grade": standing.grade,
        "rank": standing.rank,
        "due": decision.scheduled_at,
    }


def _digits(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
