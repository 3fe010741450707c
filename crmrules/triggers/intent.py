"""Intents: what the host should tell whom, and why. Delivering them is the host's."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any, final
from urllib.parse import quote

from crmrules.triggers.decision import Decision
from crmrules.triggers.options import Severity

KEY_VERSION = 1

_SEVERITIES: Mapping[Severity, tuple[str, int]] = {
    "info": ("INFO", 9),
    "warning": ("WARN", 13),
    "critical": ("ERROR", 17),
}
"""Name and number by the severity extension of CloudEvents, which takes the numbers of OpenTelemetry."""


@final
@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to tell: the role it is told in, the id that the roster has, the language."""

    role: str
    id: str
    locale: str


@final
@dataclass(frozen=True, slots=True, repr=False)
class Intent:
    """A reminder that is due.

    key: the identity of the occurrence: this rule, this subject, this period. The same key always means
    the same reminder; text, figures, language, the moment and the version of the rules are not part of it.
    id: the key and the recipient's role; a host that has seen an id can leave it. late_by: how long after
    its time it was found.
    """

    id: str
    key: str
    decision: Decision
    recipient: Recipient
    severity: Severity
    text: str
    tenant: str = ""

    @property
    def trigger(self) -> str:
        """The trigger's name."""
        return self.decision.trigger

    @property
    def subject(self) -> str:
        """Whom it is about."""
        return self.decision.standing.subject

    @property
    def period(self) -> str:
        """The key of the period that it is about."""
        return str(self.decision.standing.period)

    @property
    def reason(self) -> str:
        """The figures, in words."""
        return self.decision.reason

    @property
    def late_by(self) -> dt.timedelta:
        """How long after its time it was found."""
        return self.decision.late_by

    def as_cloudevent(self) -> dict[str, Any]:
        """The intent as a CloudEvents 1.0 event that JSON can hold.

        `correlationid` is the fingerprint: the same for all reminders of one trigger to one subject.

        Source: CloudEvents specification 1.0.2, "Context Attributes"; extension names are lower-case
        letters and digits. Extensions "Correlation" and "Severity".
        """
        decision = self.decision
        severity, number = _SEVERITIES[self.severity]
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": f"/crmrules/{quote(self.tenant)}".rstrip("/"),
            "type": "crmrules.reminder.fired.v1",
            "subject": f"{decision.standing.model}/{self.subject}",
            "time": decision.evaluated_at.astimezone(dt.UTC).isoformat(),
            "correlationid": fingerprint(decision, self.tenant),
            "severitytext": severity,
            "severitynumber": number,
            "datacontenttype": "application/json",
            "data": {
                "occurrence": self.key,
                "recipient": {
                    "role": self.recipient.role,
                    "id": self.recipient.id,
                    "locale": self.recipient.locale,
                },
                "message": self.text,
                "late_by_seconds": int(self.late_by.total_seconds()),
                **decision.as_dict(),
            },
        }

    def __repr__(self) -> str:
        # Lists of them are looked at in notebooks, where all of a decision would bury the message.
        return f"<{self.trigger} {self}>"

    def __str__(self) -> str:
        return f"[{self.severity}] to {self.recipient.id} ({self.recipient.role}): {self.text}"

    def __rich__(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        color = {"info": "green", "warning": "yellow", "critical": "red"}[self.severity]
        to = f"{self.recipient.id} ({self.recipient.role})"
        line = Table.grid(padding=(0, 1))
        line.add_row(Text("●", color), Text.assemble((to, "bold"), "  ", self.text))
        return line

    def _repr_html_(self) -> str:
        rows = {
            "To": f"{self.recipient.id} ({self.recipient.role})",
            "Message": self.text,
            "Why": self.reason,
            "Trigger": f"{self.trigger} ({self.severity})",
            "Id": self.id,
        }
        cells = "".join(
            f'<tr><th style="text-align:left;padding:2px 8px">{escape(name)}</th>'
            f'<td style="text-align:left;padding:2px 8px">{escape(value)}</td></tr>'
            for name, value in rows.items()
        )
        return f'<table style="border-collapse:collapse;font-size:90%">{cells}</table>'


def fingerprint(decision: Decision, tenant: str = "", generation: int = 0) -> str:
    """The identity of a trigger and a subject, whatever the period: what a state is kept for.

    SHA-256 over canonical JSON: NFC, sorted keys, no floats.
    """
    return fingerprint_of(
        decision.trigger, decision.standing.model, decision.standing.subject, tenant, generation
    )


@lru_cache(maxsize=16_384)
def fingerprint_of(
    trigger: str, model: str, subject: str, tenant: str = "", generation: int = 0, about: str = ""
) -> str:
    """The same from its parts. about: tells apart the things of which a trigger speaks to one subject."""
    parts: dict[str, str | int] = {
        "v": KEY_VERSION,
        "tenant": tenant,
        "rule": trigger,
        "generation": generation,
        "model": model,
        "subject": subject,
    }
    return _digest({**parts, "about": about} if about else parts)


def occurrence_key(decision: Decision, tenant: str = "") -> str:
    """The identity of what a decision is about: the fingerprint, the period, the episode and the step."""
    return key_of(fingerprint(decision, tenant), str(decision.standing.period), 0, decision.step)


def key_of(fingerprint: str, period: str, episode: int, step: str, anchor: str = "") -> str:
    """The identity of an occurrence from its parts.

    anchor: tells apart what can be said of one step without its having fired, such as that it was held back.
    """
    parts: dict[str, str | int] = {
        "fingerprint": fingerprint,
        "period": period,
        "episode": episode,
        "step": step,
    }
    return _digest({**parts, "anchor": anchor} if anchor else parts)


def delivery_id(intent: str, recipient: str, channel: str) -> str:
    """The id of an intent for one recipient on one channel."""
    return _digest({"intent": intent, "recipient": recipient, "channel": channel})


def intent_id(key: str, role: str) -> str:
    """The id of an intent: its occurrence and the role that is told."""
    return f"it_{key[:32]}:{role}"


_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _digest(parts: Mapping[str, str | int]) -> str:
    # Before JSON: after it, a mark that follows an escape such as \n would merge with the escape's letter.
    spelled = {
        name: unicodedata.normalize("NFC", part) if isinstance(part, str) and not part.isascii() else part
        for name, part in parts.items()
    }
    text = _CANONICAL.encode(spelled)
    # A name that a host cut in the middle of a character is still a name.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
