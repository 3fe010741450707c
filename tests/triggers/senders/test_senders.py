"""Senders against the real thing: a mail server, an HTTP server, a broker."""

import datetime as dt
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from crmrules.triggers.outbox import Delivery
from crmrules.triggers.outbox.relay import Refused
from crmrules.triggers.senders.amqp import AmqpSender
from crmrules.triggers.senders.log import LogSender
from crmrules.triggers.senders.smtp import SmtpSender
from crmrules.triggers.senders.webhook import WebhookSender, verified

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
EVENT = {
    "specversion": "1.0",
    "id": "4f1c9a",
    "source": "/crmrules/acme",
    "type": "crmrules.reminder.fired.v1",
    "subject": "sales/Ann",
    "time": "2026-11-20T12:00:00+00:00",
    "correlationid": "ab12",
    "severitytext": "WARN",
    "datacontenttype": "application/json",
    "data": {"trigger": "half", "period": "2026-11", "message": "本月已完成 48.7%\n目标 100,000.00 元"},
}
LETTER = Delivery("4f1c9a", "k1", "u2", "director", "mail", EVENT, NOON)


class Mailbox:
    """A mail server that keeps what it gets, and refuses two addresses."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("gone"):
            return "550 no such mailbox"
        if address.startswith("full"):
            return "452 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


def mail_to(address: str | None, port: int) -> SmtpSender:
    return SmtpSender("127.0.0.1", "规则 <rules@acme.test>", lambda _: address, port=port, security="none")


def test_a_mail_arrives_with_the_deliverys_id(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    sender = mail_to("director@acme.test", port)
    sender(LETTER)
    sender(LETTER)
    first, again = box.mails
    assert first["To"] == "director@acme.test"
    assert first["Subject"] == "本月已完成 48.7%"
    assert first["Message-ID"] == again["Message-ID"] == "<4f1c9a@acme.test>"
    assert first["Auto-Submitted"] == "auto-generated"
    assert "\n".join(first.get_content().splitlines()) == EVENT["data"]["message"]  # type: ignore[index]


def test_an_id_that_a_mail_cannot_carry_is_digested(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    for id in ("it_4f1c:director", "a b", "..", "a..b", "达成", "x" * 200):
        mail_to("a@acme.test", port)(replace(LETTER, id=id))
    ids = [each["Message-ID"].strip() for each in box.mails]
    assert len({*ids}) == 6
    assert all(len(each) == len("<@acme.test>") + 64 for each in ids)


@pytest.mark.parametrize(
    ("address", "kind"),
    [("gone@acme.test", Refused), ("full@acme.test", ConnectionError), (None, Refused), ("", Refused)],
)
def test_a_mailbox_that_is_gone_refuses_and_a_full_one_is_tried_again(
    mailbox: tuple[Mailbox, int], address: str | None, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        mail_to(address, mailbox[1])(LETTER)
    assert mailbox[0].mails == []


def test_no_line_of_a_message_becomes_a_header(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    text = {**EVENT, "data": {"message": "\r\nBcc: all@acme.test\r\n\r\nread this"}}
    mail_to("a@acme.test", port)(replace(LETTER, payload=text))
    with pytest.raises(ValueError, match="Header"):
        mail_to("a@acme.test\nBcc: all@acme.test", port)(LETTER)
    (mail,) = box.mails
    assert mail["Bcc"] is None


def test_a_mail_server_that_does_not_answer_is_an_error_to_try_again() -> None:
    with pytest.raises(OSError, match="refused"):
        mail_to("a@acme.test", 1)(LETTER)


class Receiver(ThreadingHTTPServer):
    """A receiver that answers as told, and keeps what it gets."""

    def __init__(self, status: int) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(inner) -> None:  # noqa: N805
                body = inner.rfile.read(int(inner.headers["Content-Length"]))
                self.got.append((dict(inner.headers), body))
                inner.send_response(status)
                if status == 302:
                    inner.send_header("Location", "/elsewhere")
                inner.send_header("Content-Length", "0")
                inner.end_headers()

            def do_GET(inner) -> None:  # noqa: N805
                self.got.append(({}, b"followed"))

            def log_message(inner, *args: Any) -> None:  # noqa: N805
                pass

        super().__init__(("127.0.0.1", 0), Handler)


def posted(status: int) -> tuple[Receiver, Exception | None]:
    receiver = Receiver(status)
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        WebhookSender(f"http://127.0.0.1:{receiver.server_port}/in", b"secret")(LETTER)
    except Exception as error:
        return receiver, error
    else:
        return receiver, None
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()


def test_a_webhook_is_a_signed_cloudevent() -> None:
    receiver, error = posted(204)
    assert error is None
    ((headers, body),) = receiver.got
    assert verified(b"secret", headers, body, time.time())
    assert headers["Webhook-Id"] == "4f1c9a"
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    event = JSONFormat().read(None, body)
    assert isinstance(event, CloudEvent)
    assert (event.get_id(), event.get_type()) == ("4f1c9a", "crmrules.reminder.fired.v1")
    assert event.get_data() == EVENT["data"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(410, Refused), (422, Refused), (302, ConnectionError), (401, ConnectionError), (503, ConnectionError)],
)
def test_only_answers_that_no_second_attempt_changes_refuse(status: int, kind: type[Exception]) -> None:
    receiver, error = posted(status)
    assert type(error) is kind
    assert len(receiver.got) == 1, "a redirect is not followed"


def test_a_signature_holds_for_one_body_one_time_and_one_secret() -> None:
    receiver, _ = posted(200)
    ((headers, body),) = receiver.got
    now = float(headers["Webhook-Timestamp"])
    lower = {name.lower(): value for name, value in headers.items()}
    assert verified(b"secret", lower, body, now)
    assert not verified(b"other", headers, body, now)
    assert not verified(b"secret", headers, body + b" ", now)
    assert not verified(b"secret", headers, body, now + 301)
    assert not verified(b"secret", {**headers, "Webhook-Id": "other"}, body, now)
    assert not verified(b"secret", {**headers, "Webhook-Timestamp": "²"}, body, now)
    assert not verified(b"secret", {}, body, now)


def test_an_address_that_is_no_webhooks_is_refused() -> None:
    with pytest.raises(ValueError, match="https://"):
        WebhookSender("file:///etc/passwd", b"secret")


AMQP = os.environ.get(
    "CRMRULES_AMQP", "amqp://guest:guest@127.0.0.1:5672/%2F?connection_attempts=1&socket_timeout=2"
)


@pytest.fixture
def queue() -> Iterator[tuple[Any, str]]:
    """A queue of RabbitMQ of its own."""
    import pika

    try:
        connection = pika.BlockingConnection(pika.URLParameters(AMQP))
    except pika.exceptions.AMQPError as error:
        pytest.skip(f"no RabbitMQ answers: {error!r}")
    channel = connection.channel()
    name = f"crmrules-{uuid4().hex}"
    channel.queue_declare(name, auto_delete=True)
    try:
        yield channel, name
    finally:
        channel.queue_delete(name)
        connection.close()


@pytest.mark.service
def test_a_broker_confirms_a_message_with_the_deliverys_id(queue: tuple[Any, str]) -> None:
    channel, name = queue
    sender = AmqpSender(AMQP, routing_key=name)
    sender(LETTER)
    sender(replace(LETTER, id="d2"))
    sender.close()
    _, properties, body = channel.basic_get(name, auto_ack=True)
    assert (properties.message_id, properties.delivery_mode) == ("4f1c9a", 2)
    assert json.loads(body) == EVENT
    assert channel.basic_get(name, auto_ack=True)[1].message_id == "d2"


@pytest.mark.service
def test_a_message_that_no_queue_takes_has_failed_and_the_next_is_sent(queue: tuple[Any, str]) -> None:
    channel, name = queue
    sender = AmqpSender(AMQP, routing_key="{recipient}")
    with pytest.raises(ConnectionError, match="no queue takes what is sent to 'u2'"):
        sender(LETTER)
    sender(replace(LETTER, recipient=name))
    sender.close()
    assert channel.basic_get(name, auto_ack=True)[1].message_id == "4f1c9a"


@pytest.mark.service
def test_a_connection_that_the_broker_ended_is_opened_again(queue: tuple[Any, str]) -> None:
    channel, name = queue
    sender = AmqpSender(AMQP, routing_key=name)
    sender(LETTER)
    sender._connection.close()
    sender(replace(LETTER, id="d2"))
    sender.close()
    channel.basic_get(name, auto_ack=True)
    assert channel.basic_get(name, auto_ack=True)[1].message_id == "d2"


def test_a_log_gets_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "crmrules.reminders"):
        LogSender()(LETTER)
    (record,) = caplog.records
    assert record.getMessage() == "to u2 (director): 本月已完成 48.7% 目标 100,000.00 元 [4f1c9a]"
