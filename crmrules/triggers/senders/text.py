"""What senders take from a delivery."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from crmrules.triggers.outbox.records import Delivery
from crmrules.triggers.outbox.tables import canonical


def text_of(delivery: Delivery) -> str:
    """The message for people; the figures' reason where there is none."""
    data: Mapping[str, Any] = delivery.payload.get("data") or {}
    message = data.get("message")
    if isinstance(message, Mapping):
        message = message.get("text")
    return str(message or data.get("reason") or delivery.payload.get("subject") or delivery.id)


def body_of(delivery: Delivery) -> bytes:
    """The CloudEvent as JSON, always the same for the same delivery."""
    return canonical(delivery.payload).encode()


def plain_id(delivery: Delivery) -> str:
    """The delivery's id in letters, digits and dots, as a mail's id and headers take it."""
    if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}(?<!\.)", delivery.id) and ".." not in delivery.id:
        return delivery.id
    return hashlib.sha256(delivery.id.encode(errors="surrogatepass")).hexdigest()
