"""Lengths of time: how they are written, and where they lead on days when clocks and calendars are odd."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.calendar import WEEKDAYS_ALONE
from crmrules.triggers.duration import Duration

RIGA = ZoneInfo("Europe/Riga")
ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Europe/Riga"])
UNITS = st.sampled_from(["min", "hours", "days", "weeks", "working days"])


@pytest.mark.parametrize(
    ("text", "count", "unit"),
    [
        ("30 min", 30, "minute"), ("1 minute", 1, "minute"), ("6 hours", 6, "hour"), ("2h", 2, "hour"),
        ("2 days", 2, "day"), (" 1  day ", 1, "day"), ("1 week", 1, "week"),
        ("3 working days", 3, "working day"), ("3 天", 3, "day"), ("3个工作日", 3, "working day"),
        ("0 min", 0, "minute"),
    ],
)  # fmt: skip
def test_how_it_is_written(text: str, count: int, unit: str) -> None:
    assert Duration.parse(text) == Duration(count, unit)  # type: ignore[arg-type]
    assert Duration.parse(str(Duration.parse(text))) == Duration.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2", "2.5 days", "-1 day", "two days", "2 months", "2 days 3 hours", "1e3 days", 2, None],
)
def test_what_is_none_is_refused_with_what_to_write(text: object) -> None:
    with pytest.raises(ValueError, match="write a length of time as 30 min"):
        Duration.parse(text)


def test_days_keep_the_time_of_day_and_hours_pass() -> None:
    before = dt.datetime(2021, 3, 27, 12, tzinfo=RIGA)
    day = Duration.parse("1 day").after(before, RIGA, WEEKDAYS_ALONE)
    assert day.astimezone(RIGA).isoformat() == "2021-03-28T12:00:00+03:00"
    hours = Duration.parse("24 hours").after(before, RIGA, WEEKDAYS_ALONE)
    assert hours.astimezone(RIGA).isoformat() == "2021-03-28T13:00:00+03:00"


def test_s16_in_a_gap_of_the_clock_it_is_the_first_moment_after() -> None:
    """cronsim and Debian's cron, Europe/Riga, 03:15 on 2021-03-28; of a time shown twice it is the first."""
    gap = Duration.parse("1 day").after(dt.datetime(2021, 3, 27, 3, 15, tzinfo=RIGA), RIGA, WEEKDAYS_ALONE)
    assert gap.astimezone(RIGA).isoformat() == "2021-03-28T04:00:00+03:00"
    twice = Duration.parse("1 day").after(dt.datetime(2021, 10, 30, 3, 15, tzinfo=RIGA), RIGA, WEEKDAYS_ALONE)
    assert twice.astimezone(RIGA).isoformat() == "2021-10-31T03:15:00+03:00"


@given(
    start=st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1)),
    zone=ZONES,
    count=st.integers(1, 40),
    unit=UNITS,
    times=st.integers(1, 5),
)
def test_several_are_counted_from_the_start_and_go_on(
    start: dt.datetime, zone: str, count: int, unit: str, times: int
) -> None:
    local = ZoneInfo(zone)
    moment = start.replace(tzinfo=local)
    duration = Duration.parse(f"{count} {unit}")
    found = [duration.after(moment, local, WEEKDAYS_ALONE, times=each) for each in range(1, times + 1)]
    assert found == sorted({*found})
    assert found[0] > moment.astimezone(dt.UTC)
    whole = Duration.parse(f"{count * times} {unit}").after(moment, local, WEEKDAYS_ALONE)
    assert found[-1] == whole
