"""What a real intent becomes: a CloudEvent that the SDK reads, and a task that a calendar reads."""

import datetime as dt
from dataclasses import replace

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from icalendar import Calendar

from crmrules.kpi.period import Period
from crmrules.kpi.standing import Standing
from crmrules.triggers import Decision, Intent, Recipient
from crmrules.triggers.intent import fingerprint, intent_id, occurrence_key
from crmrules.triggers.outbox import Delivery, MemoryStore
from crmrules.triggers.senders.text import body_of, text_of
from crmrules.triggers.vtodo import vtodo

NOW = dt.datetime(2026, 11, 20, 18, tzinfo=dt.UTC)
STANDING = Standing("sales", "佐伊", Period.parse("2026-11"), {})
DECISION = Decision("half", STANDING, "due", "fired", "CODE", "487 < 500", NOW)
KEY = occurrence_key(DECISION, "acme")
DIRECTOR = Recipient("director", "u2", "zh")
INTENT = Intent(intent_id(KEY, "director"), KEY, DECISION, DIRECTOR, "warning", "未达一半", "acme")
EVENT = INTENT.as_cloudevent()


def test_a_kept_intent_is_a_cloudevent() -> None:
    store = MemoryStore()
    with store.transaction() as session:
        session.enqueue([Delivery(EVENT["id"], KEY, "u2", "director", "mail", EVENT, NOW)])
    (delivery,) = store.lease("mail", NOW, seconds=60, most=1)
    event = JSONFormat().read(None, body_of(delivery))
    assert isinstance(event, CloudEvent)
    assert event.get_id() == delivery.id
    assert event.get_source() == "/crmrules/acme"
    assert event.get_time() == NOW
    assert event.get_extension("correlationid") == fingerprint(DECISION, "acme")
    assert event.get_data() == EVENT["data"]
    assert text_of(delivery) == "未达一半"


def test_an_intent_is_a_task() -> None:
    (task,) = Calendar.from_ical(vtodo(EVENT)).walk("VTODO")
    assert str(task["SUMMARY"]) == "未达一半"
    assert str(task["DESCRIPTION"]) == "487 < 500"
    assert str(task["CATEGORIES"].to_ical(), "utf-8") == "half"
    other = replace(INTENT, text="reworded").as_cloudevent()
    assert Calendar.from_ical(vtodo(other)).walk("VTODO")[0]["UID"] == task["UID"]
