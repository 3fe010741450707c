"""Counting and moving by working days."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.errors import CalendarCoverageError
from crmrules.kpi.calendar import Calendar, China, Country, Extended, Overridden, Weekdays
from crmrules.kpi.workdays import (
    add_working_days,
    counts,
    days_between,
    nth_working_day,
    shift,
    working_days,
)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


both_of_china = pytest.mark.parametrize(
    "china", [China(), Country("CN")], ids=["chinesecalendar", "holidays"]
)

TWENTIETHS = [
    ("2025-04-20", "2025-04-18", "2025-04-21"),
    ("2025-09-20", "2025-09-19", "2025-09-22"),
    ("2026-02-20", "2026-02-14", "2026-02-24"),
    ("2026-06-20", "2026-06-18", "2026-06-22"),
    ("2026-09-20", "2026-09-20", "2026-09-20"),
    ("2026-12-20", "2026-12-18", "2026-12-21"),
]


@both_of_china
@pytest.mark.parametrize(("text", "preceding", "following"), TWENTIETHS)
def test_the_twentieth_in_china(china, text, preceding, following):
    # trigger_timelines.md, S21
    assert shift(china, day(text), "preceding") == day(preceding)
    assert shift(china, day(text), "following") == day(following)
    assert shift(china, day(text), "none") == day(text)


@pytest.mark.parametrize(
    ("text", "preceding", "following"),
    [
        ("2026-02-20", "2026-02-20", "2026-02-20"),
        ("2026-06-20", "2026-06-19", "2026-06-22"),
        ("2026-09-20", "2026-09-18", "2026-09-21"),
    ],
)
def test_the_twentieth_by_weekdays_alone(text, preceding, following):
    # trigger_timelines.md, S21: what a calendar without holidays makes of the same days
    assert shift(Weekdays(), day(text), "preceding") == day(preceding)
    assert shift(Weekdays(), day(text), "following") == day(following)


@both_of_china
@pytest.mark.parametrize(
    ("text", "how", "expected"),
    [
        ("2025-01-31", "preceding", "2025-01-27"),
        ("2025-01-31", "following", "2025-02-05"),
        ("2025-01-31", "modified_following", "2025-01-27"),
        ("2026-10-31", "preceding", "2026-10-30"),
        ("2026-10-31", "following", "2026-11-02"),
        ("2026-10-31", "modified_following", "2026-10-30"),
        ("2026-10-03", "preceding", "2026-09-30"),
        ("2026-10-03", "modified_preceding", "2026-10-08"),
        ("2026-06-20", "modified_following", "2026-06-22"),
        ("2026-06-20", "modified_preceding", "2026-06-18"),
    ],
)
def test_month_ends_in_china(china, text, how, expected):
    # trigger_timelines.md, S21, and its own arithmetic for `modified_preceding`
    assert shift(china, day(text), how) == day(expected)


@both_of_china
@pytest.mark.parametrize(
    ("month", "expected"), [("2025-02", "2025-02-10"), ("2025-10", "2025-10-14"), ("2026-10", "2026-10-13")]
)
def test_the_fifth_working_day_in_china(china, month, expected):
    # trigger_timelines.md, S21
    first = day(f"{month}-01")
    assert nth_working_day(china, first, first + dt.timedelta(days=27), 5) == day(expected)


@both_of_china
@pytest.mark.parametrize(("text", "expected"), [("2025-01-24", "2025-01-26"), ("2025-09-26", "2025-09-28")])
def test_the_next_working_day_in_china_may_be_a_sunday(china, text, expected):
    # trigger_timelines.md, S21
    assert add_working_days(china, day(text), 1) == day(expected)
    assert add_working_days(china, day(expected), -1) == day(text)


def test_a_week_in_which_nobody_works_has_no_working_day():
    first, last = day("2026-02-16"), day("2026-02-22")
    assert working_days(China(), first, last) == 0
    assert nth_working_day(China(), first, last, 1) is None
    assert nth_working_day(China(), first, last, -1) is None


def test_there_is_no_zeroth_working_day():
    with pytest.raises(ValueError, match="-1"):
        nth_working_day(Weekdays(), day("2026-11-01"), day("2026-11-30"), 0)


@pytest.mark.parametrize(
    ("sides", "all_days", "weekdays"), [("both", 8, 6), ("first", 7, 5), ("last", 7, 5), ("neither", 6, 4)]
)
def test_which_of_the_two_days_count_is_said(sides, all_days, weekdays):
    # from a Monday to the Monday after
    first, last = day("2026-11-02"), day("2026-11-09")
    assert days_between(first, last, sides=sides) == all_days
    assert days_between(first, last, calendar=Weekdays(), sides=sides) == weekdays
    assert days_between(last, first, sides=sides) == -all_days


def test_the_days_from_a_day_to_itself():
    monday, sunday = day("2026-11-02"), day("2026-11-01")
    found = [days_between(monday, monday, sides=each) for each in ("both", "first", "last", "neither")]
    assert found == [1, 0, 0, 0]
    assert days_between(sunday, sunday, calendar=Weekdays(), sides="both") == 0


@pytest.mark.parametrize(
    "asked",
    [
        lambda china, last: working_days(china, last, last + dt.timedelta(days=1)),
        lambda china, last: add_working_days(china, last, 1),
        lambda china, last: shift(china, last + dt.timedelta(days=4), "preceding"),
        lambda china, last: nth_working_day(china, last, last + dt.timedelta(days=30), 1),
        lambda china, last: counts(china, [last], [last + dt.timedelta(days=1)]),
        lambda china, last: days_between(last, last + dt.timedelta(days=9), calendar=china),
    ],
)
def test_nothing_is_counted_beyond_a_calendar(asked):
    china = China()
    with pytest.raises(CalendarCoverageError):
        asked(china, china.coverage[1])


class Careless:
    """A host's calendar that answers whatever it is asked."""

    name, version, coverage = "ours", "7", (day("2026-01-01"), day("2026-12-31"))

    def is_working_day(self, day: dt.date) -> bool:
        return True


def test_a_calendar_of_the_hosts_own_is_not_asked_beyond_its_coverage():
    assert working_days(Careless(), day("2026-01-01"), day("2026-12-31")) == 365
    with pytest.raises(CalendarCoverageError, match="ours"):
        working_days(Careless(), day("2026-01-01"), day("2027-01-01"))
    with pytest.raises(CalendarCoverageError, match="ours"):
        counts(Careless(), ["2026-01-01"], ["2027-01-01"])
    with pytest.raises(CalendarCoverageError, match="ours"):
        add_working_days(Careless(), day("2026-01-01"), -1)


def test_a_timestamp_is_moved_and_counted_as_its_day():
    moment = dt.datetime(2026, 2, 20, 18)
    assert shift(China(), moment, "preceding") == day("2026-02-14")
    assert shift(China(), moment, "none") == day("2026-02-20")
    assert add_working_days(China(), moment, 1) == day("2026-02-24")
    assert working_days(China(), moment, dt.datetime(2026, 2, 24, 3)) == 1
    assert counts(China(), [moment], np.array(["2026-02-24T23:00"], "datetime64[s]")).tolist() == [1.0]


def test_a_missing_day_has_no_count():
    found = counts(Weekdays(), [day("2026-11-02"), None], day("2026-11-08"))
    assert found[0] == 5
    assert np.isnan(found[1])
    assert counts(Weekdays(), [], []).tolist() == []
    assert counts(Weekdays(), np.datetime64("2026-11-02"), "2026-11-08") == 5
    assert np.isnan(counts(None, [None], ["2026-11-08"])).all()


def test_the_ends_of_the_calendar_are_no_accident():
    assert working_days(Weekdays(()), dt.date.max, dt.date.max) == 1
    assert counts(Weekdays(()), [dt.date.max], [dt.date.max]).tolist() == [1.0]
    with pytest.raises(OverflowError):
        add_working_days(Weekdays(), dt.date.max, 1)


# laws

WITHIN = st.dates(day("2020-01-01"), day("2026-10-31"))
OWN = Overridden(China(), frozenset([day("2026-12-24")]), frozenset([day("2026-12-20")]))
CALENDARS = st.sampled_from([Weekdays(), Weekdays(("friday", "saturday")), China(), Country("DE", "BY"), OWN])


@given(CALENDARS, WITHIN)
def test_a_shift_lands_on_a_working_day(calendar: Calendar, start: dt.date):
    before, after = (shift(calendar, start, how) for how in ("preceding", "following"))
    assert before <= start <= after
    for found in (before, after):
        assert calendar.is_working_day(found)
    between = working_days(calendar, before, after)
    assert between == (1 if calendar.is_working_day(start) else 2)
    for how in ("modified_following", "modified_preceding"):
        found = shift(calendar, start, how)
        assert found in (before, after)
        assert found.month == start.month or before.month != start.month != after.month


@given(CALENDARS, WITHIN, st.integers(-15, 15))
def test_added_working_days_can_be_counted_and_taken_back(calendar: Calendar, start: dt.date, n: int):
    end = add_working_days(calendar, start, n)
    assert days_between(start, end, calendar=calendar) == n
    if calendar.is_working_day(start):
        assert add_working_days(calendar, end, -n) == start


@given(CALENDARS, st.lists(WITHIN, min_size=3, max_size=3).map(sorted))
def test_counts_of_neighbouring_spans_add_up(calendar: Calendar, days: list[dt.date]):
    first, middle, last = days
    after = middle + dt.timedelta(days=1)
    whole = working_days(calendar, first, last)
    assert whole == working_days(calendar, first, middle) + working_days(calendar, after, last)
    steps = [days_between(*pair, calendar=calendar) for pair in ((first, middle), (middle, last))]
    assert days_between(first, last, calendar=calendar) == sum(steps)


@given(CALENDARS, WITHIN, st.integers(0, 60), st.integers(1, 25))
def test_the_nth_working_day_is_the_nth(calendar: Calendar, first: dt.date, length: int, n: int):
    last = first + dt.timedelta(days=length)
    listed = [
        each
        for each in (first + dt.timedelta(days=k) for k in range(length + 1))
        if calendar.is_working_day(each)
    ]
    assert nth_working_day(calendar, first, last, n) == (listed[n - 1] if n <= len(listed) else None)
    assert nth_working_day(calendar, first, last, -n) == (listed[-n] if n <= len(listed) else None)


@given(CALENDARS | st.none(), st.lists(st.tuples(WITHIN, WITHIN), max_size=8))
def test_many_spans_are_counted_as_one_by_one(
    calendar: Calendar | None, spans: list[tuple[dt.date, dt.date]]
):
    found = counts(calendar, [first for first, _ in spans], [last for _, last in spans])
    expected = [
        max((last - first).days + 1, 0) if calendar is None else working_days(calendar, first, last)
        for first, last in spans
    ]
    assert found.tolist() == expected


def test_weekdays_are_those_of_numpy():
    days = np.arange("2020-01-01", "2026-12-31", dtype="datetime64[D]")
    expected = np.busday_count(days[:-30], days[30:] + 1)
    assert (counts(Weekdays(), days[:-30], days[30:]) == expected).all()
    assert (counts(Extended(Weekdays(), until=day("2030-01-01")), days[:-30], days[30:]) == expected).all()
