"""Whether triggers work: one that fails again and again is silent, so those who keep the rules are told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from crmrules.triggers.group import EVERYBODY
from crmrules.triggers.intent import delivery_id, fingerprint_of, key_of
from crmrules.triggers.outbox.protocol import Session
from crmrules.triggers.outbox.records import Delivery, Instance, Occurrence, Outcome
from crmrules.triggers.report import Report

if TYPE_CHECKING:
    from crmrules.triggers.engine import Engine

FAILING = 3
"""In so many ticks running a trigger has to fail until somebody is told."""


def look_after(engine: Engine, session: Session, report: Report) -> tuple[list[Occurrence], list[Delivery]]:
    """Count the ticks in which triggers failed; what occurs, and whom it is told.

    A tick in which a trigger was not asked counts neither way. One that answers again has recovered, and
    would be told of anew.
    """
    names = {name for name in engine.triggers if name in report.failures or name in report.answered}
    if not names:
        return [], []
    session.lock([EVERYBODY], tenant=engine.tenant)
    keys = {name: (fingerprint_of(name, "", "@health", engine.tenant), "") for name in names}
    kept = session.instances(keys.values())
    occurrences: list[Occurrence] = []
    sent: list[Delivery] = []
    for name, key in keys.items():
        before = kept.get(key) or Instance(*key, name, EVERYBODY, tenant=engine.tenant)
        failures = int(before.data.get("failures", 0))
        why = report.failures.get(name)
        if why is None and not failures:
            continue
        if why is not None:
            session.save([replace(before, data={"failures": failures + 1})])
            if failures + 1 == FAILING:
                reason = f"it has failed in {FAILING} evaluations running, last with {why}"
                failing = _occurrence(before, "failing", "TRIGGER_FAILING", reason, report.now)
                occurrences.append(failing)
                sent += _told(engine, failing)
            continue
        session.save([replace(before, data={"failures": 0}, episode=before.episode + (failures >= FAILING))])
        if failures >= FAILING:
            reason = f"it answers again, after {failures} evaluations in which it failed"
            occurrences.append(_occurrence(before, "recovered", "TRIGGER_RECOVERED", reason, report.now))
    new = session.record(occurrences)
    sent = [each for each in sent if each.occurrence in new]
    session.enqueue(sent)
    return [each for each in occurrences if each.key in new], sent


def _occurrence(instance: Instance, step: str, code: str, reason: str, now: dt.datetime) -> Occurrence:
    it = instance
    key = key_of(it.fingerprint, it.period, it.episode, step)
    outcome: Outcome = "failed" if step == "failing" else "resolved"
    return Occurrence(
        key, it.fingerprint, it.trigger, EVERYBODY, it.period, it.episode, step, outcome, code,
        reason[:500], now, tenant=it.tenant,
    )  # fmt: skip


def _told(engine: Engine, occurrence: Occurrence) -> Iterable[Delivery]:
    """The notice for those who keep the rules, on the channels of the engine."""
    for who in engine.maintainers:
        for channel in engine.channels:
            id = delivery_id(occurrence.key, who, channel)
            yield Delivery(
                id,
                occurrence.key,
                who,
                "maintainer",
                channel,
                {
                    "specversion": "1.0",
                    "id": id,
                    "source": f"/crmrules/{quote(engine.tenant)}".rstrip("/"),
                    "type": "crmrules.trigger.failing.v1",
                    "subject": occurrence.trigger,
                    "time": occurrence.evaluated_at.isoformat(),
                    "severitytext": "ERROR",
                    "datacontenttype": "application/json",
                    "data": {
                        "occurrence": occurrence.key,
                        "recipient": {"role": "maintainer", "id": who},
                        "message": f"The trigger {occurrence.trigger} tells nobody: {occurrence.reason}",
                        "trigger": occurrence.trigger,
                        "code": occurrence.code,
                        "reason": occurrence.reason,
                    },
                },
                occurrence.evaluated_at,
                tenant=engine.tenant,
            )
