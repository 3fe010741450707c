"""When a deadline is due."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from crmrules.kpi.period import Period
from crmrules.triggers import Due

RIGA = ZoneInfo("Europe/Riga")


@pytest.mark.parametrize(
    ("period", "day", "expected"),
    [
        ("2021-03", 27, "2021-03-27T03:15:00+02:00"),
        ("2021-03", 28, "2021-03-28T04:00:00+03:00"),
        ("2021-03", 29, "2021-03-29T03:15:00+03:00"),
        ("2021-10", 30, "2021-10-30T03:15:00+03:00"),
        ("2021-10", 31, "2021-10-31T03:15:00+03:00"),
        ("2021-11", 1, "2021-11-01T03:15:00+02:00"),
    ],
)
def test_a_skipped_time_is_the_end_of_the_gap_and_a_repeated_one_is_its_first(period, day, expected):
    due = Due(day=day, time=dt.time(3, 15))
    assert due.instant(Period.parse(period), RIGA).isoformat() == expected


@pytest.mark.parametrize("day", [31, -1])
@pytest.mark.parametrize(
    ("period", "expected"),
    [("2025-01", 31), ("2025-02", 28), ("2028-02", 29), ("2025-03", 31), ("2025-04", 30)],
)
def test_a_day_beyond_the_month_is_its_last(day, period, expected):
    assert Due(day=day).date(Period.parse(period)).day == expected
