"""`relative`: once for each record and each value of its date, whatever was looked at when."""

import datetime as dt
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Source
from crmrules.kpi.calendar import China
from crmrules.triggers import Decision, Relative, Surroundings, evaluate, intents

LEADS = Source(
    name="leads",
    fields={
        "id": {"type": "text", "role": "id"},
        "rep": {"type": "text", "role": "subject"},
        "created": "datetime",
        "due": "datetime",
        "stage": "text",
        "amount": "money(2)",
    },
)


def lead(number: int, due: str | None, **more: Any) -> dict[str, Any]:
    given = {"id": str(number), "rep": "Ann", "created": "2020-01-01T03:00", "due": due, "stage": "open"}
    return {**given, "amount": "100.00", **more}


def decided(
    rule: Relative, rows: list[dict[str, Any]], now: str, zone: str = "UTC", **more: Any
) -> list[Decision]:
    around = Surroundings.of({"leads": LEADS}, {"leads": rows}, **more)
    return evaluate({"soon": rule}, [], dt.datetime.fromisoformat(now), zone, around=around)


def fired(
    rule: Relative, rows: list[dict[str, Any]], now: str, zone: str = "UTC", **more: Any
) -> dict[str, str]:
    """The ids of what fires, with the moments at which it was due."""
    found = decided(rule, rows, now, zone, **more)
    told = intents([each for each in found if each.outcome == "fired"], {"soon": rule}, {})
    return {each.id: f"{each.decision.scheduled_at:%Y-%m-%dT%H:%M}" for each in told}


TWO_MINUTES = Relative(source="leads", field=("due", "created"), after={"minutes": 2})


def test_two_minutes_after_a_date_each_record_once() -> None:
    # trigger_timelines.md, S10: Odoo tells 22 times since it looks at time stamps; here 12 is right, since
    # the ten of the first run are the same ten.
    day = dt.datetime(2020, 1, 1, 3)
    dates = (
        [None] * 2 + [day - dt.timedelta(days=1)] * 8 + [day + dt.timedelta(minutes=n) for n in range(10, 15)]
    )
    rows = [lead(n, date.isoformat() if date else None) for n, date in enumerate(dates)]
    first = fired(TWO_MINUTES, rows, "2020-01-01T03:02:01")
    assert len(first) == 10
    second = fired(TWO_MINUTES, rows, "2020-01-01T03:13:59")
    assert len(second) == 12
    assert sorted(second[each] for each in second.keys() - first) == ["2020-01-01T03:12", "2020-01-01T03:13"]


def test_what_came_due_between_two_looks_is_not_lost() -> None:
    # S11: looked at 12:00:00, done at 12:00:05, due at 12:00:03. No watermark decides, the key does.
    rule = Relative(source="leads", field="due", after={"minutes": 0})
    rows = [lead(1, "2020-01-01T12:00:03")]
    assert fired(rule, rows, "2020-01-01T12:00:00") == {}
    assert len(fired(rule, rows, "2020-01-01T12:05:00")) == 1


def test_a_date_that_becomes_today_fires_today_and_not_twice() -> None:
    # S11b: looked at 09:00, at 11:00 the date becomes today.
    rule = Relative(source="leads", field="due", after={"days": 0}, time="00:00")
    assert fired(rule, [lead(1, "2020-06-15T00:00")], "2020-01-01T09:00") == {}
    moved = [lead(1, "2020-01-01T00:00")]
    assert fired(rule, moved, "2020-01-01T11:00") == fired(rule, moved, "2020-01-01T17:00") != {}


def test_two_days_before() -> None:
    # S13: a date long past tells nobody; one in two days does, once, however often it is looked at; and on
    # the day after, if nobody looked before, as a late one.
    rule = Relative(source="leads", field="due", before={"days": 2})
    assert fired(rule, [lead(1, "2014-01-01T00:00")], "2020-01-01T18:00") == {}
    (long_past,) = decided(rule, [lead(1, "2014-01-01T00:00")], "2020-01-01T18:00")
    assert (long_past.outcome, long_past.code) == ("missed", "MISSED")
    rows = [lead(1, "2020-01-03T12:00")]
    assert fired(rule, rows, "2020-01-01T11:59") == {}
    once = fired(rule, rows, "2020-01-01T18:00")
    assert [*once.values()] == ["2020-01-01T12:00"]
    assert fired(rule, rows, "2020-01-01T23:00") == once
    (late,) = decided(rule, rows, "2020-01-02T12:00")
    assert (late.outcome, late.late_by) == ("fired", dt.timedelta(days=1))
    assert fired(rule, rows, "2020-01-02T12:00") == once


def test_another_date_is_another_reminder_and_the_same_again_is_none() -> None:
    rule = Relative(source="leads", field="due", before={"days": 2})
    first = fired(rule, [lead(1, "2020-06-15T12:00")], "2020-06-14T00:00")
    again = fired(rule, [lead(1, "2020-06-15T12:00:00")], "2020-06-14T09:00")
    moved = fired(rule, [lead(1, "2020-07-01T12:00")], "2020-06-30T00:00")
    assert first == again
    assert not first.keys() & moved.keys()


def test_the_condition_is_looked_at_when_it_fires() -> None:
    rule = Relative.model_validate(
        {
            "kind": "relative",
            "source": "leads",
            "field": "due",
            "after": {"days": 0},
            "if": 'stage == "open" and amount >= 100',
        }
    )
    now = "2020-01-02T00:00"
    for more, outcome in (
        ({}, "fired"),
        ({"stage": "won"}, "not_met"),
        ({"amount": "99.99"}, "not_met"),
        ({"stage": None}, "no_data"),
    ):
        (decision,) = decided(rule, [lead(1, "2020-01-02T00:00", **more)], now)
        assert decision.outcome == outcome
    assert rule.model_dump(mode="json")["if"] == 'stage == "open" and amount >= 100'


def test_working_days_and_the_time_of_day() -> None:
    # The Chinese New Year of 2026 is free from the 15th to the 23rd of February; the 14th is worked.
    rule = Relative(
        source="leads",
        field="due",
        before={"working_days": 2},
        time="09:00",
        calendar="cn",
        lookback={"days": 30},
    )
    found = fired(
        rule, [lead(1, "2026-02-24T15:00")], "2026-02-24T10:00", "Asia/Shanghai", calendars={"cn": China()}
    )
    assert [*found.values()] == ["2026-02-13T09:00"]


def test_a_time_that_the_clock_skips_is_the_first_after_the_gap() -> None:
    rule = Relative(source="leads", field="due", before={"days": 1}, time="03:15")
    (decision,) = decided(rule, [lead(1, "2021-03-29T12:00")], "2021-03-28T12:00", "Europe/Riga")
    assert decision.scheduled_at is not None
    assert decision.scheduled_at.isoformat() == "2021-03-28T04:00:00+03:00"


def test_its_message_names_record_and_date() -> None:
    rule = Relative(source="leads", field="due", before={"days": 2})
    found = decided(rule, [lead(7, "2020-01-03T12:00")], "2020-01-01T18:00")
    told = [intents(found, {"soon": rule}, {}, locale=each)[0].text for each in ("en", "zh")]
    assert told == [
        "7 of Ann: the date is 3 Jan 2020 12:00, this was due on 1 Jan 2020 12:00.",
        "Ann 的 7：日期为 2020年1月3日 12:00，提醒时间 2020年1月1日 12:00。",
    ]


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(0, 2_000), max_size=4),
)
def test_looking_more_often_finds_the_same(minutes: list[int], looks: list[int]) -> None:
    """The law of ticks: whatever the looks between, at the end the same reminders have fired."""
    start = dt.datetime(2020, 1, 1)
    rows = [lead(n, (start + dt.timedelta(minutes=m)).isoformat()) for n, m in enumerate(minutes)]
    end = start + dt.timedelta(minutes=3_100)
    rule = Relative(source="leads", field="due", after={"minutes": 10}, lookback={"days": 31})
    often: set[str] = set()
    for look in [*sorted(looks)]:
        often |= fired(rule, rows, (start + dt.timedelta(minutes=look)).isoformat()).keys()
    once = fired(rule, rows, end.isoformat()).keys()
    assert often | once == once
    assert len(once) == len(minutes)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "one side of the date"),
        ({"before": {"days": 1}, "after": {"days": 1}}, "one side of the date"),
        ({"before": {"days": 1, "hours": 1}}, "one unit"),
        ({"before": {}}, "one unit"),
        ({"before": {"hours": 1}, "time": "09:00"}, "leave `time` out"),
        ({"before": {"days": 1}, "field": []}, "`field` is empty"),
    ],
)
def test_what_cannot_be_declared(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        Relative.model_validate({"source": "leads", "field": "due", **wrong})
