"""From an occurrence to deliveries: who, on which channel, not before when, and in which digest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from crmrules.triggers.duration import local_instant
from crmrules.triggers.intent import Intent, delivery_id
from crmrules.triggers.options import Quiet
from crmrules.triggers.outbox.records import Delivery
from crmrules.triggers.trigger import TriggerRule

ZONE = "zone"
"""The field of the roster with a recipient's own time zone."""

DAY = dt.timedelta(days=1)


def deliveries(
    rule: TriggerRule,
    intents: Iterable[Intent],
    now: dt.datetime,
    zones: Mapping[str, ZoneInfo],
    zone: ZoneInfo,
    channels: Sequence[str],
    expires_at: dt.datetime | None,
) -> list[Delivery]:
    """A delivery for each intent and channel.

    zones: the recipients' own; `zone` is for all others. Where somebody holds several roles, they are told
    once on each channel: in the first of the roles.
    """
    found: dict[tuple[str, str], Delivery] = {}
    for intent in intents:
        who = intent.recipient.id
        own = zones.get(who, zone)
        for channel in rule.channels or channels:
            if (who, channel) in found:
                continue
            id = delivery_id(intent.id, who, channel)
            window, after = None, now
            if rule.digest is not None and intent.severity != "critical":
                after = next_time(now, rule.digest.at, own)
                window = window_of(after, own, who, channel)
            elif rule.quiet is not None:
                after = end_of_quiet(now, rule.quiet, own)
            late = expires_at is not None and expires_at <= after
            found[who, channel] = Delivery(
                id,
                intent.key,
                who,
                intent.recipient.role,
                channel,
                payload(intent, id, expires_at),
                after,
                status="expired" if late else "waiting",
                expires_at=expires_at,
                release_check=rule.quiet is not None and rule.quiet.release_check == "still_firing",
                digest=window,
                tenant=intent.tenant,
            )
    return [*found.values()]


def payload(intent: Intent, id: str, expires_at: dt.datetime | None) -> dict[str, Any]:
    """The intent as CloudEvents JSON, with the id of its delivery."""
    event = {**intent.as_cloudevent(), "id": id}
    return event if expires_at is None else {**event, "expirytime": expires_at.isoformat()}


def end_of_quiet(now: dt.datetime, quiet: Quiet, zone: ZoneInfo) -> dt.datetime:
    """The first moment from now on that lies outside the quiet hours of a zone.

    >>> quiet = Quiet.model_validate({"from": "21:00", "to": "08:00"})
    >>> late = dt.datetime(2026, 11, 20, 23, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
    >>> end_of_quiet(late, quiet, ZoneInfo("Asia/Shanghai")).isoformat()
    '2026-11-21T00:00:00+00:00'
    """
    local = now.astimezone(zone)
    time, day = local.time(), local.date()
    if quiet.start < quiet.end:
        inside = quiet.start <= time < quiet.end
    else:
        inside = time >= quiet.start or time < quiet.end
        if time >= quiet.start:
            day += DAY
    if not inside:
        return now
    end = local_instant(dt.datetime.combine(day, quiet.end), zone)
    if end > now:
        return end
    # The clock was put back: it shows the end of the quiet hours a second time.
    return dt.datetime.combine(day, quiet.end, zone).replace(fold=1).astimezone(dt.UTC)


def next_time(now: dt.datetime, at: dt.time, zone: ZoneInfo) -> dt.datetime:
    """The next moment, after now, at which the clock of a zone shows a time."""
    day = now.astimezone(zone).date()
    moment = local_instant(dt.datetime.combine(day, at), zone)
    return moment if moment > now else local_instant(dt.datetime.combine(day + DAY, at), zone)


def window_of(slot: dt.datetime, zone: ZoneInfo, who: str, channel: str) -> str:
    """The name of a digest: the local time at which it goes out, for whom, on which channel."""
    return f"{slot.astimezone(zone):%Y-%m-%dT%H:%M} {zone.key} {channel} {who}"[:255]


def repeated(delivery: Delivery, occurrence: str, now: dt.datetime) -> Delivery:
    """A delivery once more, for another occurrence and at once; its id is another one."""
    id = delivery_id(occurrence, delivery.recipient, delivery.channel)
    event = {**delivery.payload, "id": id, "time": now.isoformat()}
    return Delivery(
        id,
        occurrence,
        delivery.recipient,
        delivery.role,
        delivery.channel,
        {**event, "data": {**event["data"], "occurrence": occurrence}},
        now,
        tenant=delivery.tenant,
    )


def envelope(window: str, members: Sequence[Delivery], tenant: str) -> Delivery:
    """The delivery that hands over all members of a digest."""
    first = members[0]
    id = delivery_id(f"digest {tenant} {window}", first.recipient, first.channel)
    inside = [dict(each.payload) for each in members]
    # Of no member's occurrence: where one is withdrawn afterwards, the others still go out.
    return Delivery(
        id,
        id,
        first.recipient,
        "digest",
        first.channel,
        {
            "specversion": "1.0",
            "id": id,
            "source": inside[0]["source"],
            "type": "crmrules.digest.sealed.v1",
            "subject": first.recipient,
            "time": first.deliver_after.isoformat(),
            "datacontenttype": "application/json",
            "data": {
                "window": window,
                "message": "\n".join(each["data"]["message"] for each in inside),
                "members": inside,
            },
        },
        first.deliver_after,
        tenant=tenant,
    )
