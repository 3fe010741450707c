"""From the outbox to senders: lease, send, confirm, each delivery by itself."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, final

from pydantic import BaseModel, Field

from crmrules.fields import Frozen
from crmrules.triggers.outbox.protocol import Conflict, Store
from crmrules.triggers.outbox.records import Delivery, Status

Sender = Callable[[Delivery], object]
"""Hands a delivery over, and raises where that failed; `Refused` where it is of no use to try again."""

NO_LONGER_TRUE = "condition_no_longer_true"
_ENDED = frozenset({"inactive", "resolved"})
"""States in which nothing is true any more. With a period that is closed what was told of it stays true; what
does not is withdrawn when that is known."""
_LONGEST_ERROR = 500
_SPENT = 0.8
"""The part of a lease after which nothing more of the batch is sent: another relay may soon have it."""
_SETTLING_ATTEMPTS = 5


@final
class Refused(Exception):
    """The other side will never take this delivery; it is not sent again."""


@final
class Retry(BaseModel):
    """When a delivery that failed is sent again, and how often.

    attempts: after so many it is `failed`, for people to see. The first wait is `first_seconds`, each next
    one longer by `factor`, none longer than `most_seconds`.

    >>> [str(Retry().wait(attempts)) for attempts in (1, 2, 3, 99)]
    ['0:00:30', '0:01:00', '0:02:00', '1:00:00']
    """

    model_config = Frozen
    attempts: Annotated[int, Field(ge=1)] = 8
    first_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    factor: Annotated[float, Field(ge=1, le=100)] = 2
    most_seconds: Annotated[float, Field(gt=0, le=31 * 86_400)] = 3_600

    def wait(self, attempts: int) -> dt.timedelta:
        """How long to wait after so many attempts."""
        seconds = self.first_seconds
        for _ in range(attempts - 1):
            seconds *= self.factor
            if seconds >= self.most_seconds:
                break
        return dt.timedelta(seconds=min(seconds, self.most_seconds))


@final
@dataclass(frozen=True, slots=True)
class Round:
    """What became of the deliveries of one round.

    retried: failed, and waiting for another attempt. left: given back unsent, since the senders before took
    too long. lost: settled by another relay, since the lease had run out.
    """

    delivered: int = 0
    retried: int = 0
    failed: int = 0
    expired: int = 0
    withdrawn: int = 0
    left: int = 0
    lost: int = 0

    @property
    def taken(self) -> int:
        """How many were leased; with none, nothing was due."""
        return sum(getattr(self, name) for name in self.__slots__)


@final
class Relay:
    """Hands deliveries to senders, at least once each, always with the same id.

    senders: by channel. at_most_once: the channels on which nothing is ever sent twice, and something may
    be lost where a relay dies while it sends. release_check: asked of deliveries that want it, just before
    they are sent, whether they are still true; the states in the store answer if it is not said. most: how
    many of a channel are leased together. Several relays may work on one store.

    >>> from crmrules.triggers.outbox import MemoryStore
    >>> from crmrules.triggers.senders.log import LogSender
    >>> Relay(MemoryStore(), {"log": LogSender()}).run_once(dt.datetime(2026, 11, 20, tzinfo=dt.UTC)).taken
    0
    """

    def __init__(
        self,
        store: Store,
        senders: Mapping[str, Sender],
        *,
        retry: Retry | Mapping[str, Retry] | None = None,
        at_most_once: Collection[str] = (),
        release_check: Callable[[Delivery], bool] | None = None,
        lease_seconds: float = 60,
        most: int = 100,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._senders = dict(senders)
        self._retry = retry or Retry()
        self._at_most_once = frozenset(at_most_once)
        self._still_true = release_check or still_firing(store)
        self._lease_seconds = lease_seconds
        self._most = most
        self._elapsed = elapsed

    def run_once(self, now: dt.datetime) -> Round:
        """Send what is due, up to `most` on each channel.

        A sender that fails breaks neither its neighbours nor the other channels. Raises what the store
        raises; what was leased by then is sent again when its lease has run out.
        """
        counts: Counter[str] = Counter()
        for channel, sender in self._senders.items():
            begun = self._elapsed()
            for delivery in self._store.lease(
                channel,
                now,
                seconds=self._lease_seconds,
                most=self._most,
                at_most_once=channel in self._at_most_once,
            ):
                spent = self._elapsed() - begun
                counts[self._deliver(delivery, sender, now, spent)] += 1
        return Round(**counts)

    def _deliver(self, delivery: Delivery, sender: Sender, now: dt.datetime, spent: float) -> str:
        if delivery.status == "expired":
            return "expired"
        retry = self._retry_of(delivery.channel)
        if delivery.status == "leased":
            if spent > self._lease_seconds * _SPENT:
                return self._settle(delivery, "waiting", "left", retry_at=now)
            if delivery.attempts > retry.attempts:
                return self._settle(delivery, "failed", "failed", "its relay ended each time it was sent")
        try:
            if delivery.release_check and not self._still_true(delivery):
                return self._settle(delivery, "withdrawn", "withdrawn", NO_LONGER_TRUE)
            sender(delivery)
        except Exception as error:
            final = isinstance(error, Refused) or delivery.attempts >= retry.attempts
            if final or delivery.status == "delivered":
                return self._settle(delivery, "failed", "failed", _said(error))
            retry_at = now + retry.wait(delivery.attempts)
            return self._settle(delivery, "waiting", "retried", _said(error), retry_at=retry_at)
        if delivery.status == "delivered":
            return "delivered"  # it counted as that before
        return self._settle(delivery, "delivered", "delivered")

    def _settle(
        self,
        delivery: Delivery,
        status: Status,
        counted: str,
        error: str = "",
        *,
        retry_at: dt.datetime | None = None,
    ) -> str:
        for attempt in range(1, _SETTLING_ATTEMPTS + 1):
            try:
                settled = self._store.settle(delivery, status, error=error, retry_at=retry_at)
            except Conflict:
                if attempt == _SETTLING_ATTEMPTS:
                    raise
            else:
                return counted if settled else "lost"
        raise AssertionError

    def _retry_of(self, channel: str) -> Retry:
        if isinstance(self._retry, Retry):
            return self._retry
        return self._retry.get(channel) or Retry()


def still_firing(store: Store) -> Callable[[Delivery], bool]:
    """Whether what a delivery tells is still true by the states in a store; one without a state is."""

    def check(delivery: Delivery) -> bool:
        with store.transaction() as session:
            for occurrence in session.occurrences(keys=[delivery.occurrence], tenant=delivery.tenant):
                key = (occurrence.fingerprint, occurrence.period)
                state = session.instances([key]).get(key)
                return state is None or state.state not in _ENDED
        return True

    return check


def _said(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    return text.replace("\0", "").encode(errors="replace").decode()
