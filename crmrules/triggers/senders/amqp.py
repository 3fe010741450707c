"""Reminders to a message broker such as RabbitMQ."""

from __future__ import annotations

import threading
from typing import Any, final

from crmrules.errors import MissingExtraError
from crmrules.triggers.outbox.records import Delivery
from crmrules.triggers.senders.text import body_of


@final
class AmqpSender:
    """Publishes the CloudEvent of each delivery, and waits until the broker has confirmed it.

    url: such as `amqp://user:password@host:5672/%2F`. routing_key: the queue, with the exchange that has no
    name; `{channel}`, `{recipient}` and `{role}` are filled in. Needs the extra `amqp`.

    The message's id is the delivery's. Messages are persistent, and one that no queue takes has failed.
    """

    def __init__(self, url: str, *, exchange: str = "", routing_key: str) -> None:
        self._url = url
        self._exchange = exchange
        self._routing_key = routing_key
        self._turn = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None

    def __call__(self, delivery: Delivery) -> None:
        pika = _pika()
        key = self._routing_key.format(
            channel=delivery.channel, recipient=delivery.recipient, role=delivery.role
        )
        properties = pika.BasicProperties(
            message_id=delivery.id,
            content_type="application/cloudevents+json",
            delivery_mode=pika.DeliveryMode.Persistent,
        )
        with self._turn:
            try:
                self._open(pika).basic_publish(
                    self._exchange, key, body_of(delivery), properties, mandatory=True
                )
            except pika.exceptions.UnroutableError:
                raise ConnectionError(f"no queue takes what is sent to {key!r}") from None
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Close the connection; the next delivery opens another."""
        with self._turn:
            self._close()

    def _open(self, pika: Any) -> Any:
        # A broker ends a connection that was idle for long; that is found out by using it.
        if self._connection is not None:
            try:
                if self._connection.is_open:
                    self._connection.process_data_events(0)
            except pika.exceptions.AMQPError:
                pass
            if not self._connection.is_open or not self._channel.is_open:
                self._close()
        if self._connection is None:
            self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        return self._channel

    def _close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            connection.close()


def _pika() -> Any:
    try:
        import pika
    except ImportError:
        raise MissingExtraError("pika", "amqp", "sending to a message broker") from None
    return pika
