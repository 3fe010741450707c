"""When somebody is told: outside of quiet hours, or in the next digest."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.triggers.delivering import end_of_quiet, next_time
from crmrules.triggers.options import Quiet

ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Europe/Riga"])
MOMENTS = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC))
TIMES = st.times().map(lambda each: each.replace(microsecond=0))
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("start", "end", "now", "until"),
    [
        ("21:00", "08:00", "2025-03-10T20:59", "2025-03-10T20:59"),
        ("21:00", "08:00", "2025-03-10T21:00", "2025-03-11T08:00"),
        ("21:00", "08:00", "2025-03-11T07:59", "2025-03-11T08:00"),
        ("21:00", "08:00", "2025-03-11T08:00", "2025-03-11T08:00"),
        ("12:00", "13:30", "2025-03-11T12:30", "2025-03-11T13:30"),
        ("00:00", "06:00", "2025-03-11T00:00", "2025-03-11T06:00"),
    ],
)
def test_quiet_hours_pass_over_midnight(start: str, end: str, now: str, until: str) -> None:
    quiet = Quiet.model_validate({"from": start, "to": end})
    moment, wanted = (dt.datetime.fromisoformat(each).replace(tzinfo=SHANGHAI) for each in (now, until))
    assert end_of_quiet(moment, quiet, SHANGHAI) == wanted


@given(now=MOMENTS, zone=ZONES, start=TIMES, end=TIMES)
def test_nobody_is_reached_in_quiet_hours(now: dt.datetime, zone: str, start: dt.time, end: dt.time) -> None:
    if start == end:
        return
    quiet, local = Quiet(start=start, end=end), ZoneInfo(zone)
    found = end_of_quiet(now, quiet, local)
    assert now <= found <= now + dt.timedelta(hours=26)
    assert end_of_quiet(found, quiet, local) == found


@given(now=MOMENTS, zone=ZONES, at=TIMES)
def test_a_digest_is_always_still_to_come(now: dt.datetime, zone: str, at: dt.time) -> None:
    found = next_time(now, at, ZoneInfo(zone))
    assert now < found <= now + dt.timedelta(hours=26)
    assert next_time(now + (found - now) / 2, at, ZoneInfo(zone)) == found
