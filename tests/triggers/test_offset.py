"""Distances from a record's date, by the local clock or by time that passes."""

import datetime as dt
from zoneinfo import ZoneInfo

import pydantic
import pytest

from crmrules.triggers import Offset

RIGA = ZoneInfo("Europe/Riga")
NOON = dt.datetime(2021, 3, 27, 12)


def test_days_keep_the_time_of_day_and_hours_pass() -> None:
    # In the night to 28 March 2021 the clocks of Riga went from 03:00 to 04:00.
    assert Offset(days=1).moment(NOON, 1, RIGA).isoformat() == "2021-03-28T12:00:00+03:00"
    assert Offset(hours=24).moment(NOON, 1, RIGA).isoformat() == "2021-03-28T13:00:00+03:00"
    assert Offset(minutes=90).moment(NOON, -1, RIGA).isoformat() == "2021-03-27T10:30:00+02:00"


def test_months_and_working_days_and_times() -> None:
    assert Offset(months=1).moment(dt.date(2026, 1, 31), 1, RIGA).isoformat() == "2026-02-28T00:00:00+02:00"
    friday = dt.date(2026, 11, 20)
    assert Offset(working_days=1).moment(friday, 1, RIGA, time=dt.time(9)).isoformat() == (
        "2026-11-23T09:00:00+02:00"
    )


def test_it_says_what_it_is() -> None:
    assert [str(Offset(days=1)), str(Offset(working_days=3)), str(Offset(hours=0))] == [
        "1 day", "3 working days", "0 hours",
    ]  # fmt: skip


def test_it_is_in_one_unit() -> None:
    for wrong in ({}, {"days": 1, "hours": 2}, {"days": -1}):
        with pytest.raises(pydantic.ValidationError):
            Offset.model_validate(wrong)
