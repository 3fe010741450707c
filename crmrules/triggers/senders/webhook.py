"""Reminders by HTTP, signed, so that the receiver knows from whom they are and that they are whole."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final
from urllib.parse import urlsplit

from crmrules.triggers.outbox.records import Delivery
from crmrules.triggers.outbox.relay import Refused
from crmrules.triggers.senders.text import body_of, plain_id

_FOR_GOOD = frozenset({400, 404, 410, 413, 422})
"""Answers to this body and address that no second attempt changes."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the reminder into a GET without it."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


@final
@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Posts the CloudEvent of each delivery to an address.

    secret: shared with the receiver, who checks with `verified`. clock: seconds since 1970, for the
    signature.

    Source: Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body; CloudEvents HTTP binding 1.0.2,
    structured mode.
    """

    url: str
    secret: bytes = field(repr=False)
    timeout_seconds: float = 10
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"{self.url!r} is no address of a webhook: write https://…")

    def __call__(self, delivery: Delivery) -> None:
        body = body_of(delivery)
        id, moment = plain_id(delivery), str(int(self.clock()))
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "Webhook-Id": id,
            "Webhook-Timestamp": moment,
            "Webhook-Signature": signature(self.secret, id, moment, body),
        }
        request = urllib.request.Request(self.url, body, headers, method="POST")
        try:
            with _opener.open(request, timeout=self.timeout_seconds) as answer:
                answer.read(1_000)
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _FOR_GOOD:
                    raise Refused(f"{error.code} {error.reason}") from None
                raise ConnectionError(f"{error.code} {error.reason}") from None


def signature(secret: bytes, id: str, moment: str, body: bytes) -> str:
    """The signature of a body, as its header has it."""
    signed = hmac.digest(secret, b".".join((id.encode(), moment.encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def verified(
    secret: bytes, headers: Mapping[str, str], body: bytes, now: float, *, tolerance_seconds: float = 300
) -> bool:
    """Whether a request is from who has the secret, whole, and not a recording: for receivers.

    headers: by any capitals. now: seconds since 1970. A receiver also leaves an id that it has seen.

    >>> headers = {"Webhook-Id": "d1", "Webhook-Timestamp": "1000"}
    >>> headers["Webhook-Signature"] = signature(b"secret", "d1", "1000", b"{}")
    >>> verified(b"secret", headers, b"{}", 1010), verified(b"secret", headers, b"{ }", 1010)
    (True, False)
    """
    given = {name.lower(): value for name, value in headers.items()}
    id, moment = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not (moment.isascii() and moment.isdigit()) or abs(now - int(moment)) > tolerance_seconds:
        return False
    wanted = signature(secret, id, moment, body).encode()
    signatures = given.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(wanted, each.encode()) for each in signatures)
