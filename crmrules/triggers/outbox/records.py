"""What is remembered of triggers: states, occurrences and deliveries, as plain values that a store keeps.

All times are in UTC; `data`, `basis` and `payload` are what JSON can hold, with figures as texts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

State = Literal["inactive", "pending", "firing", "recovering", "resolved", "closed"]
Outcome = Literal[
    "fired",
    "not_met",
    "no_data",
    "missed",
    "suppressed",
    "superseded",
    "withdrawn",
    "retracted",
    "resolved",
    "would_have_fired",
    "recovered_before_delivery",
    "acknowledged",
    "failed",
]
Status = Literal["waiting", "leased", "delivered", "collected", "withdrawn", "expired", "failed"]
"""`collected`: handed over inside a digest."""


@final
@dataclass(frozen=True, slots=True)
class Dirty:
    """A subject and period whose records, target or owner changed, marked in the host's transaction.

    period: its key, or empty where all open periods are meant. cause: what changed, for people.
    """

    subject: str
    period: str = ""
    cause: str = ""
    tenant: str = ""


@final
@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the host, published in the transaction in which it happened.

    source and id: unique together; an event that is published again is the same one. type: what happened,
    in the host's words. time: when. before and after: the fields of the record, as far as they matter.
    """

    source: str
    id: str
    type: str
    subject: str
    time: dt.datetime
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    tenant: str = ""


@final
@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told from `since` until `until`, of a trigger and a subject, or of all where one is empty."""

    id: str
    since: dt.datetime
    until: dt.datetime
    trigger: str = ""
    subject: str = ""
    by: str = ""
    reason: str = ""
    tenant: str = ""


@final
@dataclass(frozen=True, slots=True)
class Instance:
    """The state of one trigger for one subject and period.

    fingerprint: of trigger, generation and subject (`intent.fingerprint`). episode: the n-th activation, from
    0. since: when the condition became true, of the running episode; fired_at: when it fired. acknowledged:
    by whom. wake: when it has to be looked at again though nothing was marked. data: what a kind or option
    has to remember beside. revision: raised by each save; 0 is not saved yet.
    """

    fingerprint: str
    period: str
    trigger: str
    subject: str
    state: State = "inactive"
    episode: int = 0
    since: dt.datetime | None = None
    fired_at: dt.datetime | None = None
    acknowledged: str | None = None
    wake: dt.datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0
    tenant: str = ""


@final
@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to a trigger once, and why: the unit of "exactly once".

    key: unique (`intent.occurrence_key`): the fingerprint, period, episode and step. step: `fire`, `due`,
    `level:80`, `repeat:2`, `escalate:1`, `resolve`, `retract`, or of outcomes that do not fire the same with
    the reason beside. scheduled_at: when it was due. caused_by: the key of the occurrence that it follows.
    """

    key: str
    fingerprint: str
    trigger: str
    subject: str
    period: str
    episode: int
    step: str
    outcome: Outcome
    code: str
    reason: str
    evaluated_at: dt.datetime
    scheduled_at: dt.datetime | None = None
    basis: Mapping[str, Any] = field(default_factory=dict)
    caused_by: str | None = None
    tenant: str = ""


@final
@dataclass(frozen=True, slots=True)
class Delivery:
    """An intent for one recipient on one channel, and how far it has come.

    id: unique and always the same for the same intent, recipient and channel. payload: the intent as
    CloudEvents 1.0 JSON. deliver_after: not before; expires_at: not after. leased_until: until when a relay
    has it. attempts: how often it was handed to a sender. release_check: whether it is withdrawn where the
    trigger no longer fires when its time comes. digest: the window that it is collected for; a relay leaves
    it, until the engine seals the window. due_at: when a relay takes it next, kept by the store; none where
    none will.
    """

    id: str
    occurrence: str
    recipient: str
    role: str
    channel: str
    payload: Mapping[str, Any]
    deliver_after: dt.datetime
    status: Status = "waiting"
    expires_at: dt.datetime | None = None
    leased_until: dt.datetime | None = None
    attempts: int = 0
    error: str = ""
    release_check: bool = False
    digest: str | None = None
    due_at: dt.datetime | None = None
    tenant: str = ""
