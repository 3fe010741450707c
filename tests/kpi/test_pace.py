"""How an open period stands on a day."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.errors import CalendarCoverageError
from crmrules.kpi.calendar import China, Extended, Weekdays
from crmrules.kpi.pace import elapsed, pace
from crmrules.kpi.workdays import overlap, share_of


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


NOVEMBER = (day("2026-11-01"), day("2026-11-30"))


def test_half_a_month_expects_half_of_the_target():
    found = pace([40_000.0], [100_000.0], *NOVEMBER, day("2026-11-15"))
    assert found.share.tolist() == [0.5]
    assert found.elapsed.tolist() == [15]
    assert found.expected.tolist() == [50_000]
    assert found.projected.tolist() == [80_000]
    assert found.pace.tolist() == [0.8]
    assert found.run_rate.tolist() == pytest.approx([40_000 / 15])
    assert found.notes == ()


def test_in_the_morning_the_day_itself_has_not_passed():
    share, days = elapsed(*NOVEMBER, day("2026-11-16"), day_counts=False)
    assert (share.tolist(), days.tolist()) == (0.5, 15)


@pytest.mark.parametrize(
    ("until", "share"),
    [
        ("2026-10-01", 0 / 18), ("2026-10-07", 0 / 18), ("2026-10-08", 1 / 18), ("2026-10-09", 2 / 18),
        ("2026-10-10", 3 / 18),  # a Saturday, made up for
        ("2026-10-11", 3 / 18), ("2026-10-12", 4 / 18), ("2026-10-30", 1), ("2026-10-31", 1),
    ],
)  # fmt: skip
def test_the_working_days_of_an_october_in_china(until, share):
    found, _ = elapsed(day("2026-10-01"), day("2026-10-31"), day(until), China())
    assert found == share


def test_a_period_that_is_over_has_elapsed_and_its_projection_is_what_it_is():
    found = pace([90.0], [100.0], *NOVEMBER, day("2026-12-05"), Weekdays())
    assert (found.share, found.projected, found.expected, found.pace) == (1, 90, 100, 0.9)
    assert found.run_rate == pytest.approx(90 / 21)
    last = pace([90.0], [100.0], *NOVEMBER, day("2026-11-30"), Weekdays())
    assert (last.share, last.projected) == (1, 90)


@pytest.mark.parametrize(
    ("until", "day_counts"), [("2026-10-31", True), ("2026-11-01", False), ("2020-01-01", True)]
)
def test_before_it_begins_nothing_is_expected_and_nothing_known(until, day_counts):
    found = pace([0.0], [100.0], *NOVEMBER, day(until), Weekdays(), day_counts=day_counts)
    assert (found.share, found.expected, found.elapsed) == (0, 0, 0)
    for unknown in (found.run_rate, found.projected, found.pace):
        assert np.isnan(unknown).all()


def test_a_week_in_which_nobody_works_has_no_share_until_it_is_over():
    week = (day("2026-02-16"), day("2026-02-22"))
    assert np.isnan(elapsed(*week, day("2026-02-18"), China())[0])
    assert elapsed(*week, day("2026-02-22"), China())[0] == 1
    assert elapsed(*week, day("2026-02-15"), China())[0] == 0
    assert np.isnan(share_of(China(), week[0], week[0], of=week))


def test_a_period_that_has_not_begun_does_not_ask_the_calendar():
    last = China().coverage[1]
    later = last + dt.timedelta(days=1), last + dt.timedelta(days=31)
    assert elapsed(*later, last, China())[0] == 0
    with pytest.raises(CalendarCoverageError):
        elapsed(*later, later[0], China())


def test_assumed_weekdays_are_said():
    last = China().coverage[1]
    span = last - dt.timedelta(days=10), last + dt.timedelta(days=20)
    found = pace([1.0], [2.0], *span, last, Extended(China()))
    assert found.notes == (
        f"calendar CN knows nothing after {last}: all weekdays there are taken as working days",
    )
    assert pace([1.0], [2.0], *NOVEMBER, day("2026-11-05"), Extended(China())).notes == ()


def test_what_is_missing_stays_missing():
    found = pace([math.nan, 5.0, 5.0, 0.0], [10.0, math.nan, 0.0, 0.0], *NOVEMBER, day("2026-11-15"))
    assert np.isnan(found.projected).tolist() == [True, False, False, False]
    assert found.expected.tolist()[0] == 5
    assert np.isnan(found.expected).tolist() == [False, True, False, False]
    assert np.isnan(found.pace).all()


def test_rows_of_several_periods_stand_beside_each_other():
    starts = np.array(["2026-10-01", "2026-11-01", "2026-12-01", "NaT"], "datetime64[D]")
    ends = np.array(["2026-10-31", "2026-11-30", "2026-12-31", "2026-12-31"], "datetime64[D]")
    found = pace(60.0, 100.0, starts, ends, day("2026-11-15"))
    assert found.share[:3].tolist() == [1, 0.5, 0]
    assert np.isnan(found.share[3])
    assert np.isnan(found.elapsed[3])
    assert pace([], [], [], [], day("2026-11-15")).share.tolist() == []


def test_the_last_days_of_a_month_on_which_nobody_works_change_nothing():
    sunday = pace([50.0], [100.0], day("2026-05-01"), day("2026-05-31"), day("2026-05-30"), Weekdays())
    assert sunday.share == 1


# worked cases

ITEMS = [("2017-05-01", "2017-05-10", 10), ("2017-05-11", "2017-05-20", 20), ("2017-05-21", "2017-05-25", 30)]


@pytest.mark.parametrize(
    ("first", "last", "total", "average"),
    [
        ("2017-05-01", "2017-05-10", 10, 10),
        ("2017-05-01", "2017-05-05", 5, 10),
        ("2017-05-01", "2017-05-20", 30, 15),
        ("2017-05-06", "2017-05-15", 15, 15),
        ("2017-01-01", "2017-05-31", 60, 18),
    ],
)
def test_figures_of_spans_accumulate_pro_rata(first, last, total, average):
    # worked_cases.md, AC-50
    starts, ends, values = (np.array(column) for column in zip(*ITEMS, strict=True))
    spans = (starts.astype("datetime64[D]"), ends.astype("datetime64[D]"))
    assert (values * share_of(None, first, last, of=spans)).sum() == total
    days = overlap(None, first, last, of=spans)
    assert (values * days).sum() / days.sum() == average


def test_a_target_of_a_part_of_a_month():
    # worked_cases.md, AC-51
    month = ("2017-02-01", "2017-02-28")
    assert 20 * share_of(None, "2017-02-01", "2017-02-21", of=month) == 15


def test_a_share_in_working_days():
    month = ("2026-10-01", "2026-10-31")
    assert share_of(China(), "2026-10-01", "2026-10-12", of=month) == 4 / 18
    assert share_of(China(), "2026-11-01", "2026-11-30", of=month) == 0


# laws

CALENDARS = st.sampled_from([None, Weekdays(), China()])
WITHIN = st.dates(day("2020-01-01"), day("2026-12-31"))


@given(CALENDARS, st.lists(WITHIN, min_size=3, max_size=3).map(sorted))
def test_shares_of_the_parts_of_a_period_make_the_whole(calendar, days):
    first, middle, last = days
    of = (first, last)
    parts = (
        share_of(calendar, first, middle, of=of),
        share_of(calendar, middle + dt.timedelta(days=1), last, of=of),
    )
    total = sum(parts)
    assert np.isnan(total) or total == pytest.approx(1)


@given(CALENDARS, WITHIN, st.integers(0, 40), st.integers(-5, 50), st.booleans())
def test_what_elapses_only_grows_and_ends_with_the_period(calendar, first, length, after, day_counts):
    last = min(first + dt.timedelta(days=length), day("2026-12-31"))
    until = first + dt.timedelta(days=after)
    now, _ = elapsed(first, last, until, calendar, day_counts=day_counts)
    later, _ = elapsed(first, last, until + dt.timedelta(days=1), calendar, day_counts=day_counts)
    assert np.isnan(now) or np.isnan(later) or 0 <= now <= later <= 1
    assert (elapsed(first, last, last, calendar)[0], elapsed(first, last, day("2019-12-31"))[0]) == (1, 0)


@given(CALENDARS, st.floats(0, 1e9), st.floats(1, 1e9), WITHIN)
def test_who_is_on_pace_is_projected_at_the_target(calendar, actual, target, until):
    month = until.replace(day=1)
    end = (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    found = pace([actual], [target], month, end, until, calendar)
    if found.share[0] > 0:
        assert found.pace[0] == pytest.approx(found.projected[0] / target)
        assert found.run_rate[0] * found.elapsed[0] == pytest.approx(actual)
