"""From a scorecard's rows to decisions, and from what fires to intents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo, available_timezones

from crmrules.errors import CrmRulesError, closest, shown
from crmrules.kpi.standing import Standing
from crmrules.triggers import message
from crmrules.triggers.context import Surroundings
from crmrules.triggers.decision import Decision
from crmrules.triggers.intent import Intent, Recipient, intent_id, occurrence_key
from crmrules.triggers.outbox.records import Delivery
from crmrules.triggers.recipients import holders, is_role
from crmrules.triggers.trigger import TriggerRule

LOCALE = "locale"
LISTED = "listed"
"""The role of people who are named, by their ids or by an expression."""


def evaluate(
    triggers: Mapping[str, TriggerRule],
    standings: Iterable[Standing],
    now: dt.datetime,
    zone: ZoneInfo | str,
    *,
    around: Surroundings | None = None,
) -> list[Decision]:
    """What every trigger says of every row at a moment, in the order of the rows.

    now: a moment; without a zone it is local in `zone`. around: what there is beside the rows, for the
    kinds that look at records, events or calendars. A trigger is asked about the rows of its model, or
    of any model that has its indicator; one that is about the subjects of a source comes after all rows.
    Roles to tell that nobody holds are listed in `unreached`.

    Raises CrmRulesError (T101) if a trigger's model has no indicator of its name, (T105) for an unknown
    zone, (T401) for a source without records.
    """
    local = zone_of(zone)
    moment = now if now.tzinfo is not None else now.replace(tzinfo=local)
    if around is not None:
        triggers = {name: trigger.within(around) for name, trigger in triggers.items()}
    decisions: list[Decision] = []
    for standing in standings:
        for name, trigger in triggers.items():
            if trigger.concerns(standing):
                decisions += trigger.decisions(name, standing, moment, local)
    for name, trigger in triggers.items():
        for standing in trigger.own_rows(moment, local):
            decisions += trigger.decisions(name, standing, moment, local)
    people = around.people if around is not None else {}
    return [_with_unreached(decision, triggers[decision.trigger], people) for decision in decisions]


def _with_unreached(
    decision: Decision, trigger: TriggerRule, people: Mapping[str, Mapping[str, str]]
) -> Decision:
    # Without a roster nobody can say whom an expression chooses.
    asked = [role for role in trigger.tell if people or is_role(role)]
    missing = tuple(role for role in asked if not holders(role, decision.standing, people))
    return replace(decision, unreached=missing) if missing else decision


def intents(
    decisions: Iterable[Decision],
    triggers: Mapping[str, TriggerRule],
    people: Mapping[str, Mapping[str, str]],
    *,
    locale: str = "en",
    tenant: str = "",
) -> list[Intent]:
    """An intent for each decision that fired and each role to tell that somebody holds.

    people: the roster, from which a recipient's own `locale` is taken. Of a manager without a row of his own
    the subject's field `manager_locale` tells it, and likewise for other roles; `locale` is for all others.
    """
    found = []
    for decision in decisions:
        if decision.outcome != "fired":
            continue
        trigger = triggers[decision.trigger]
        key = occurrence_key(decision, tenant)
        found += told(trigger, decision, key, trigger.tell, people, locale=locale, tenant=tenant)
    return found


def told(
    trigger: TriggerRule,
    decision: Decision,
    key: str,
    roles: Iterable[str],
    people: Mapping[str, Mapping[str, str]],
    *,
    locale: str = "en",
    tenant: str = "",
) -> list[Intent]:
    """An intent of one occurrence for each of the roles that somebody holds, and whoever is named."""
    found: list[Intent] = []
    wanted = [(role, who) for role in roles for who in holders(role, decision.standing, people)]
    for role, who in wanted:
        # Whoever has no row of his own, since nobody judges him, may be known by the row of the subject.
        own = people.get(who, {}).get(LOCALE) or decision.standing.people.get(f"{role}_{LOCALE}") or locale
        template, language = message.template_of(trigger.kind, trigger.message, own)
        text = message.render(template, _parameters(decision, trigger, language), language)
        named = role if is_role(role) else LISTED
        id = intent_id(key, named if is_role(role) else f"{named}:{who}")
        recipient = Recipient(named, who, own)
        if id not in {each.id for each in found}:
            found.append(Intent(id, key, decision, recipient, trigger.severity, text, tenant))
    return found


def retraction(
    trigger: TriggerRule, decision: Decision, key: str, heard: Delivery, tenant: str = ""
) -> Intent:
    """An intent for somebody who was told what does not hold any more."""
    recipient = heard.payload["data"]["recipient"]
    template, language = message.template_of("retracted", {}, recipient["locale"])
    text = message.render(template, _parameters(decision, trigger, language), language)
    to = Recipient(heard.role, heard.recipient, recipient["locale"])
    return Intent(
        intent_id(key, heard.role), key, replace(decision, step="retract"), to, trigger.severity, text, tenant
    )


def _parameters(decision: Decision, trigger: TriggerRule, locale: str) -> dict[str, message.Value]:
    standing, basis = decision.standing, decision.basis
    return {
        "subject": standing.subject,
        "manager": standing.people.get("manager"),
        "period": str(standing.period),
        "trigger": decision.trigger,
        "indicator": trigger.indicator,
        "value": basis.get("value"),
        "target": basis.get("target"),
        "bound": basis.get("bound"),
        "share": basis.get("share"),
        "attainment": basis.get("attainment"),
        "score": standing.score,
        "grade": standing.grade,
        "rank": standing.rank,
        "due": decision.scheduled_at,
        **{name: basis.get(name) for name in trigger.named},
        **trigger.in_language(basis, message.language_of(locale)),
    }


def zone_of(zone: ZoneInfo | str) -> ZoneInfo:
    """The zone of a name. Raises CrmRulesError (T105) if there is none."""
    if isinstance(zone, ZoneInfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # OSError for a folder of the time zone data, such as Europe
        found = closest(zone, available_timezones())
        hint = f"did you mean `{found[0]}`?" if found else "write a name such as Europe/Riga"
        raise CrmRulesError("T105", f"there is no time zone {shown(zone)}", hint=hint) from None
