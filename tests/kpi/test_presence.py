"""Joiners, leavers and absences: who is there for how much of a period, and how far they ramp up."""

import datetime as dt
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crmrules.errors import FieldError
from crmrules.fields import Source
from crmrules.kpi.calendar import Weekdays
from crmrules.kpi.presence import Absences, LeaveTable, Presence, Ramp, RampField, There, prorated
from crmrules.kpi.spread import DAY, Days

d = dt.date.fromisoformat
APRIL = d("2026-04-01"), d("2026-04-30")
CALENDAR, WORKING = Days(), Days(Weekdays())
LEAVE = Source(name="leave", fields={"who": "text", "first": "date", "last": "date"})
TABLE = LeaveTable.model_validate({"table": "leave", "subject": "who", "from": "first", "to": "last"})


def away(*rows: tuple[str, str, str]) -> Absences:
    return Absences.of(TABLE, LEAVE, [dict(zip(("who", "first", "last"), row, strict=True)) for row in rows])


def of_april(presence: Presence, amount: float = 3000.0, days: Days = CALENDAR, **options: Any) -> float:
    there = presence.there("Ann", *APRIL, options.get("prorate", "calendar_days"), options.get("ramp"))
    return amount if there is None else prorated(amount, None, *APRIL, there, days)


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        ({}, 3000),
        ({"joined": "2026-04-01"}, 3000),
        ({"joined": "2026-04-16"}, 1500),  # the first day counts: 15 of 30
        ({"left": "2026-04-21"}, 2100),  # the last one, too: 21 of 30
        ({"joined": "2026-04-11", "left": "2026-04-20"}, 1000),
        ({"joined": "2026-05-01"}, 0),
        ({"left": "2026-03-31"}, 0),
        ({"joined": "2020-01-01", "left": "2030-01-01"}, 3000),
    ],
)
def test_a_target_is_counted_for_the_days_from_joining_to_leaving(
    around: dict[str, str], expected: float
) -> None:
    assert of_april(Presence.of({"Ann": around})) == expected


def test_absences_are_left_out_with_both_days_and_overlaps_once() -> None:
    leave = away(
        ("Ann", "2026-04-10", "2026-04-12"), ("Ann", "2026-04-11", "2026-04-15"), ("Bo", *map(str, APRIL))
    )
    assert of_april(Presence.of({}, leave)) == 2400  # 24 of 30
    assert of_april(Presence.of({"Ann": {"joined": "2026-04-11"}}, leave)) == 1500  # the 16th to the 30th


def test_by_working_days_a_weekend_more_or_less_changes_nothing() -> None:
    # April 2026 has 22 weekdays; Friday the 17th is the 13th of them.
    for left in ("2026-04-17", "2026-04-18", "2026-04-19"):
        presence = Presence.of({"Ann": {"left": left}})
        assert of_april(presence, 2200.0, WORKING, prorate="working_days") == pytest.approx(1300)


def test_nothing_is_prorated_where_that_is_not_declared() -> None:
    assert of_april(Presence.of({"Ann": {"joined": "2026-04-16"}}), prorate="none") == 3000


@given(
    st.integers(0, 10**9),
    st.sampled_from([CALENDAR, WORKING]),
    st.lists(st.integers(1, 29), unique=True, max_size=8),
)
def test_those_who_follow_one_another_add_up_to_the_whole(amount: int, days: Days, at: list[int]) -> None:
    starts = [APRIL[0] + DAY * each for each in [0, *sorted(at)]] + [APRIL[1] + DAY]
    spans = [There(one, other - DAY) for one, other in pairwise(starts)]
    assert sum(prorated(amount, 2, *APRIL, [span], days) for span in spans) == amount
    assert prorated(amount, 2, *APRIL, spans, days) == amount


@pytest.mark.parametrize(
    ("first", "expected"),
    [("joining_month", [0.25, 0.5, 0.75, 1, 1]), ("following_month", [0.25, 0.25, 0.5, 0.75, 1])],
)
def test_a_ramp_goes_by_months_since_joining(first: Any, expected: list[float]) -> None:
    ramp = Ramp(shares=(0.25, 0.5, 0.75), first=first)
    presence = Presence.of({"Ann": {"joined": "2026-01-20"}})
    found = []
    for month in range(1, 6):
        start = dt.date(2026, month, 1)
        end = dt.date(2026, month + 1, 1) - DAY
        there = presence.there("Ann", start, end, "none", ramp)
        found.append(1.0 if there is None else prorated(1.0, None, start, end, there, CALENDAR))
    assert found == expected


def test_a_ramp_and_proration_work_together() -> None:
    ramp = Ramp(shares=(0.5,))
    assert of_april(Presence.of({"Ann": {"joined": "2026-04-16"}}), ramp=ramp) == 750


def test_over_a_quarter_a_ramp_is_weighed_by_the_days_of_its_months() -> None:
    quarter = d("2026-04-01"), d("2026-06-30")
    presence = Presence.of({"Ann": {"joined": "2026-04-01"}})
    there = presence.there("Ann", *quarter, "none", Ramp(shares=(0.0, 0.5)))
    assert there is not None
    # April 30 days x 0, May 31 x 0.5, June 30 x 1, of 91.
    assert prorated(91.0, None, *quarter, there, CALENDAR) == pytest.approx(45.5)
    assert [each.share for each in there] == [0, Fraction(1, 2), 1]


def test_a_ramp_may_be_a_list() -> None:
    assert TypeAdapter(RampField).validate_python([0.25, 0.5]) == Ramp(shares=(0.25, 0.5))
    for wrong in ([], [1.5], [-0.1], "half"):
        with pytest.raises(ValidationError):
            TypeAdapter(RampField).validate_python(wrong)


@pytest.mark.parametrize(
    "around", [{"joined": "soon"}, {"left": "16.04.2026"}, {"joined": "2026-04-02", "left": "2026-04-01"}]
)
def test_days_that_are_none_are_an_error(around: dict[str, str]) -> None:
    with pytest.raises(FieldError) as caught:
        Presence.of({"Ann": around})
    assert caught.value.code == "Q109"


def test_an_absence_that_ends_before_it_begins_is_an_error() -> None:
    with pytest.raises(FieldError) as caught:
        away(("Ann", "2026-04-10", "2026-04-09"))
    assert caught.value.code == "D102"
