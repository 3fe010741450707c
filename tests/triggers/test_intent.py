"""The identity of reminders."""

import datetime as dt
from dataclasses import replace

import pytest

from crmrules.kpi.period import Period
from crmrules.kpi.standing import Standing
from crmrules.triggers import Decision
from crmrules.triggers.intent import occurrence_key

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
