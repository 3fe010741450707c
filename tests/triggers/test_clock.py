"""What is counted from a moment on: by the local clock, to the end of a period."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from crmrules.kpi import Period
from crmrules.triggers.clock import Clock
from crmrules.triggers.duration import Duration


@pytest.mark.parametrize(
    ("zone", "end"),
    [
        ("UTC", "2026-12-01T00:00+00:00"),
        ("Asia/Shanghai", "2026-11-30T16:00+00:00"),
        ("America/New_York", "2026-12-01T05:00+00:00"),
        ("Australia/Lord_Howe", "2026-11-30T13:00+00:00"),
    ],
)
def test_a_period_ends_at_midnight_of_the_zone(zone: str, end: str) -> None:
    found = Clock(ZoneInfo(zone)).end_of(Period.parse("2026-11"))
    assert found == dt.datetime.fromisoformat(end)


def test_days_keep_the_time_of_day_over_a_change_to_summer_time() -> None:
    clock = Clock(ZoneInfo("Europe/Riga"))
    start = dt.datetime(2026, 3, 28, 9, tzinfo=clock.zone)
    assert clock.after(start, Duration(1, "day")) == dt.datetime(2026, 3, 29, 6, tzinfo=dt.UTC)
    assert clock.after(start, Duration(1, "day"), 2) == dt.datetime(2026, 3, 30, 6, tzinfo=dt.UTC)
