"""Reminders written to the log of the program, for trying out and for tests."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import final

from crmrules.triggers.outbox.records import Delivery
from crmrules.triggers.senders.text import text_of


@final
@dataclass(frozen=True, slots=True)
class LogSender:
    """Writes one line for each delivery. logger: its name. level: one of `logging`."""

    logger: str = "crmrules.reminders"
    level: int = logging.INFO

    def __call__(self, delivery: Delivery) -> None:
        text = " ".join(text_of(delivery).split())
        values = (delivery.recipient, delivery.role, text, delivery.id)
        logging.getLogger(self.logger).log(self.level, "to %s (%s): %s [%s]", *values)
