"""Reminders as tasks, as another library reads them."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from crmrules.errors import CrmRulesError
from crmrules.triggers.vtodo import vtodo

DUE = dt.datetime(2026, 11, 30, 18, tzinfo=dt.UTC)


def event(message: str = "达成；goal, reached", **data: Any) -> dict[str, Any]:
    return {
        "id": "d1",
        "correlationid": "4f1c",
        "time": "2026-11-20T18:00:00+08:00",
        "severitytext": "WARN",
        "data": {"message": message, "period": "2026-11", "trigger": "half", **data},
    }


def read(text: str) -> tuple[Any, Any]:
    calendar = Calendar.from_ical(text)
    (task,) = calendar.walk("VTODO")
    return calendar, task


def test_a_reminder_is_a_task() -> None:
    calendar, task = read(vtodo(event(reason="487 < 500;\nno"), due=DUE, revision=2))
    assert str(calendar["METHOD"]) == "PUBLISH"
    assert str(task["UID"]) == "4f1c-2026-11@crmrules"
    assert str(task["SUMMARY"]) == "达成；goal, reached"
    assert str(task["DESCRIPTION"]) == "487 < 500;\nno"
    assert task["DTSTAMP"].dt == dt.datetime(2026, 11, 20, 10, tzinfo=dt.UTC)
    assert task["DUE"].dt == DUE
    assert (int(task["SEQUENCE"]), int(task["PRIORITY"]), str(task["STATUS"])) == (2, 5, "NEEDS-ACTION")


def test_a_retraction_cancels_the_same_task() -> None:
    calendar, task = read(vtodo(event("taken back"), revision=1, cancelled=True))
    assert (str(calendar["METHOD"]), str(task["STATUS"])) == ("CANCEL", "CANCELLED")
    assert task["UID"] == read(vtodo(event()))[1]["UID"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" ,;\\\n")))
def test_any_text_comes_back_from_lines_of_at_most_75_octets(text: str) -> None:
    written = vtodo(event(f"a{text}z"))
    assert all(len(line.encode()) <= 75 for line in written.split("\r\n"))
    assert str(read(written)[1]["SUMMARY"]) == f"a{text}z"


def test_a_due_time_without_a_zone_is_refused() -> None:
    with pytest.raises(CrmRulesError) as caught:
        vtodo(event(), due=DUE.replace(tzinfo=None))
    assert caught.value.code == "O103"
