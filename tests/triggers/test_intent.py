"""The identity of reminders."""

import datetime as dt
import hashlib
import json
import re
from dataclasses import replace

import pytest

from crmrules.kpi.period import Period
from crmrules.kpi.standing import Standing
from crmrules.triggers import Decision, Intent, Recipient
from crmrules.triggers.intent import fingerprint, intent_id, occurrence_key

NOW = dt.datetime(2026, 11, 20, 18, tzinfo=dt.UTC)
STANDING = Standing("sales", "Zoé", Period.parse("2026-11"), {})
DECISION = Decision("half", STANDING, "due", "fired", "CODE", "a reason", NOW)


def test_the_key_does_not_depend_on_figures_moment_or_reason():
    other = replace(DECISION, basis={"value": 1}, reason="other", evaluated_at=NOW + dt.timedelta(1))
    assert occurrence_key(other) == occurrence_key(DECISION)


@pytest.mark.parametrize("subject", ["Zoe\u0301"])
def test_two_spellings_of_a_name_have_one_key(subject):
    other = replace(DECISION, standing=replace(STANDING, subject=subject))
    assert occurrence_key(other) == occurrence_key(DECISION)


@pytest.mark.parametrize(
    "other",
    [
        replace(DECISION, trigger="other"),
        replace(DECISION, step="fire"),
        replace(DECISION, standing=replace(STANDING, model="other")),
        replace(DECISION, standing=replace(STANDING, subject="other")),
        replace(DECISION, standing=replace(STANDING, period=Period.parse("2026-12"))),
    ],
)
def test_another_trigger_step_model_subject_or_period_has_another_key(other):
    assert occurrence_key(other) != occurrence_key(DECISION)


def test_another_tenant_has_another_key():
    assert occurrence_key(DECISION, "acme") != occurrence_key(DECISION)


def test_the_fingerprint_is_of_the_trigger_and_subject_whatever_the_period():
    later = replace(DECISION, standing=replace(STANDING, period=Period.parse("2026-12")), step="fire")
    assert fingerprint(later) == fingerprint(DECISION)
    assert fingerprint(replace(DECISION, trigger="other")) != fingerprint(DECISION)
    assert fingerprint(DECISION, "acme") != fingerprint(DECISION)


def test_a_key_is_the_digest_of_the_canonical_json():
    inner = '{"generation":0,"model":"sales","rule":"half","subject":"Zo\u00e9","tenant":"","v":1}'
    mark = hashlib.sha256(inner.encode()).hexdigest()
    outer = f'{{"episode":0,"fingerprint":"{mark}","period":"2026-11","step":"due"}}'
    key = hashlib.sha256(outer.encode()).hexdigest()
    assert (fingerprint(DECISION), occurrence_key(DECISION)) == (mark, key)
    assert intent_id(key, "manager") == f"it_{key[:32]}:manager"


def test_a_broken_name_has_a_key():
    broken = replace(DECISION, standing=replace(STANDING, subject="Zo\ud83d"))
    assert occurrence_key(broken) != occurrence_key(DECISION)


def intent(subject: str = "Zoé", text: str = "Hurry") -> Intent:
    decision = replace(DECISION, standing=replace(STANDING, subject=subject))
    return Intent("it_1:subject", "1", decision, Recipient("subject", subject, "en"), "warning", text)


def test_an_event_has_what_the_specification_requires():
    event = json.loads(json.dumps(intent().as_cloudevent()))
    assert {name: event[name] for name in ("specversion", "id", "source", "type")} == {
        "specversion": "1.0",
        "id": "it_1:subject",
        "source": "/crmrules",
        "type": "crmrules.reminder.fired.v1",
    }
    assert (event["severitytext"], event["severitynumber"]) == ("WARN", 13)
    assert event["time"] == "2026-11-20T18:00:00+00:00"
    assert event["correlationid"] == fingerprint(DECISION)
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)


def test_the_card_of_an_intent_escapes_every_text():
    card = intent("<b>x</b>", "<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in card
    assert "<b>" not in card
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in card


def test_an_intent_prints_as_one_line():
    assert str(intent()) == "[warning] to Zoé (subject): Hurry"


def test_a_list_of_intents_can_be_read() -> None:
    found = Intent("i", "k", DECISION, Recipient("manager", "Bo", "en"), "info", "Zoé is late.")
    assert repr([found]) == "[<half [info] to Bo (manager): Zoé is late.>]"
