"""Reminders to WeCom, DingTalk, Feishu, push and more, by Apprise (`pip install apprise`).

Apprise tells only whether all went well, so a failure is tried again until the relay gives up. Its services
know no ids, so that a reminder that is sent twice is seen twice: declare the channel `at_most_once` where
that is worse than losing one.
"""

from __future__ import annotations

import datetime as dt
import os

from crmrules.triggers.outbox import Delivery, Relay, SqliteStore
from crmrules.triggers.senders.text import text_of

ADDRESSES = {
    "u2": "wecombot://BOT_KEY",
    "u7": "dingtalk://TOKEN",
    "u8": "feishu://TOKEN",
}
"""Of each recipient; https://github.com/caronc/apprise/wiki lists how they are written."""


def by_apprise(delivery: Delivery) -> None:
    import apprise

    service = apprise.Apprise()
    if not service.add(ADDRESSES[delivery.recipient]):
        raise ValueError(f"the address of {delivery.recipient} is none that Apprise knows")
    if not service.notify(body=text_of(delivery)):
        raise ConnectionError("the service did not take it")


if __name__ == "__main__":
    with SqliteStore(os.environ.get("REMINDERS", "reminders.db")) as store:
        store.create_schema()
        print(Relay(store, {"chat": by_apprise}, at_most_once={"chat"}).run_once(dt.datetime.now(dt.UTC)))
