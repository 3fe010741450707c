"""Reminders by mail, by the standard library."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Literal, final

from crmrules.triggers.outbox.records import Delivery
from crmrules.triggers.outbox.relay import Refused
from crmrules.triggers.senders.text import plain_id, text_of

_LONGEST_TITLE = 120


@final
@dataclass(frozen=True, slots=True)
class SmtpSender:
    """Sends one mail for each delivery.

    sender: the address that it comes from. address: from a delivery to the recipient's address; none where
    there is none, which refuses the delivery. title: from a delivery to the subject line; the first line of
    the message if not said. security: `starttls`, `tls`, or `none` for a server on the same machine.

    The Message-ID is made from the delivery's id, so that a mail that is sent twice can be told to be one.
    """

    host: str
    sender: str
    address: Callable[[Delivery], str | None]
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str = field(default="", repr=False)
    title: Callable[[Delivery], str] | None = None
    timeout_seconds: float = 30

    def __call__(self, delivery: Delivery) -> None:
        mail = self.mail(delivery)
        with self._connection() as server:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user is not None:
                server.login(self.user, self.password)
            try:
                server.send_message(mail)
            except smtplib.SMTPRecipientsRefused as error:
                (code, said), *_ = error.recipients.values()
                raise _refused(code, said) from error
            except smtplib.SMTPResponseException as error:
                raise _refused(error.smtp_code, error.smtp_error) from error

    def mail(self, delivery: Delivery) -> EmailMessage:
        """The mail for a delivery."""
        to = self.address(delivery)
        if not to:
            raise Refused(f"{delivery.recipient} has no address")
        text = text_of(delivery)
        title = self.title(delivery) if self.title else text
        mail = EmailMessage()
        mail["From"] = self.sender
        mail["To"] = to
        mail["Subject"] = " ".join(title.split("\n", 1)[0].split())[:_LONGEST_TITLE]
        mail["Date"] = format_datetime(delivery.deliver_after)
        domain = parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"
        mail["Message-ID"] = f"<{plain_id(delivery)}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        return mail

    def _connection(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_seconds, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout_seconds)


def _refused(code: int, said: bytes | str) -> Exception:
    """5xx is for good, 4xx for now. Source: RFC 5321, section 4.2.1."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    kind = Refused if 500 <= code < 600 else ConnectionError
    return kind(f"{code} {text}")
