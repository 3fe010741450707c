"""Why somebody was told, or not: what a store remembers, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final
from zoneinfo import ZoneInfo

from crmrules.triggers.outbox.records import Delivery, Instance, Occurrence

_SAID: Mapping[str, str] = {
    "fired": "fired",
    "not_met": "did not fire",
    "no_data": "could not be decided",
    "missed": "was missed",
    "suppressed": "was held back",
    "superseded": "was left out",
    "withdrawn": "was withdrawn",
    "retracted": "was taken back",
    "resolved": "is over",
    "would_have_fired": "would have fired",
    "recovered_before_delivery": "did not fire, since it was over before anybody was told",
    "acknowledged": "was acknowledged",
    "failed": "failed",
}


@final
@dataclass(frozen=True, slots=True)
class History:
    """What occurred for a subject, oldest first, and what is under way.

    occurrences: fired or not, each with its reason. deliveries: of each occurrence, by its key. running: the
    states that are not over.
    """

    subject: str
    occurrences: tuple[Occurrence, ...]
    deliveries: Mapping[str, Sequence[Delivery]]
    running: tuple[Instance, ...]
    zone: ZoneInfo

    def __iter__(self) -> Iterator[Occurrence]:
        return iter(self.occurrences)

    def __len__(self) -> int:
        return len(self.occurrences)

    def lines(self) -> Iterator[str]:
        """The history in words, a line for each thing."""
        for each in self.occurrences:
            yield (
                f"{self._time(each.evaluated_at)}  {each.trigger} · {each.period} · {each.step} "
                f"{_SAID[each.outcome]}: {each.reason}{self._late(each)}"
            )
            for delivery in self.deliveries.get(each.key, ()):
                after = f", not before {self._time(delivery.deliver_after)}" if delivery.deliver_after else ""
                when = after if delivery.status == "waiting" else ""
                why = f": {delivery.error}" if delivery.error else ""
                yield (
                    f"    → {delivery.recipient} ({delivery.role}) by {delivery.channel}: "
                    f"{delivery.status}{when}{why}"
                )
            if each.outcome == "fired" and not self.deliveries.get(each.key):
                yield "    → nobody holds a role that is to be told"
        for state in self.running:
            since = f" since {self._time(state.since)}" if state.since else ""
            yield f"now: {state.trigger} · {state.period} is {state.state}{since}"
        if not self.occurrences and not self.running:
            yield (
                f"nothing has occurred for {self.subject}: no condition held when it was looked at, "
                "no deadline came due, or the subject was never marked"
            )

    def _time(self, moment: dt.datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"

    @staticmethod
    def _late(each: Occurrence) -> str:
        if each.scheduled_at is None or each.outcome != "fired":
            return ""
        late = each.evaluated_at - each.scheduled_at
        return f" ({late} late)" if late >= dt.timedelta(minutes=1) else ""

    def __str__(self) -> str:
        return "\n".join(self.lines())
