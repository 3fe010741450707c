"""Periods by a table."""

import datetime as dt
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError
from crmrules.kpi.period_table import PeriodTable

ROWS: list[dict[str, Any]] = [
    {"key": "2025-C1", "first": "2025-01-10", "last": "2025-02-20", "year": 2025},
    {"key": "2025-C2", "first": "2025-03-01", "last": "2025-06-30", "year": 2025},
    {"key": "2025-C3", "first": "2025-07-01", "last": "2025-12-31", "year": 2025},
    {"key": "2026-C1", "first": "2026-01-01", "last": "2026-01-01", "year": 2026},
    {"key": "2026-C2", "first": "2026-03-01", "last": "2026-04-30", "year": 2026},
]
TABLE = PeriodTable(table=ROWS, gaps="allowed")


@given(st.dates(dt.date(2024, 12, 1), dt.date(2026, 6, 30)))
def test_a_day_lies_in_the_period_that_holds_it_or_in_none(day: dt.date) -> None:
    holding = [row["key"] for row in ROWS if row["first"] <= day.isoformat() <= row["last"]]
    index = TABLE.index_of(day)
    assert [TABLE.table[index].key if index is not None else None] == (holding or [None])
    found = TABLE.indexes(np.array([float((day - dt.date(1970, 1, 1)).days), np.nan]))
    assert np.isnan(found[1])
    # Half a number more than the period before, so that a gap still has its place in the order.
    started = sum(row["first"] <= day.isoformat() for row in ROWS)
    assert found[0] == (index if index is not None else started - 0.5)


@pytest.mark.parametrize(
    ("day", "hint"),
    [
        (dt.date(2025, 1, 9), "begins with 2025-C1 on 2025-01-10"),
        (dt.date(2025, 2, 25), "2025-C1 ends on 2025-02-20 and 2025-C2 begins on 2025-03-01"),
        (dt.date(2026, 5, 1), "ends with 2026-C2 on 2026-04-30"),
    ],
)
def test_a_day_in_a_gap_is_refused_with_what_stands_around(day: dt.date, hint: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        TABLE.of(day)
    assert caught.value.code == "P102"
    assert str(day) in caught.value.message
    assert hint in caught.value.hint


def test_keys_neighbours_and_years() -> None:
    periods = [TABLE.parse(row["key"]) for row in ROWS]
    assert periods == sorted(periods)
    assert [period.following for period in periods] == [*periods[1:], None]
    assert [period.previous for period in periods] == [None, *periods[:-1]]
    assert periods[4].year_to_date == periods[3:]
    assert periods[1].year_to_date == periods[:2]
    assert [period.same_last_year for period in periods] == [None, None, None, periods[0], periods[1]]
    assert periods[4].year == "2026"
    assert str(periods[1].parts("month")[3]) == "2025-06"


def test_a_longer_year_has_periods_that_the_year_before_has_not() -> None:
    rows = [*ROWS[:3], *({**row, "year": 2026} for row in ROWS[3:])]
    rows += [{"key": f"2026-C{place}", "first": f"2026-0{place + 2}-01", "last": f"2026-0{place + 2}-20",
              "year": 2026} for place in (3, 4)]  # fmt: skip
    table = PeriodTable(table=rows, gaps="allowed")
    assert table.parse("2026-C3").same_last_year == table.parse("2025-C3")
    assert table.parse("2026-C4").same_last_year is None


def test_without_years_the_year_is_asked_for() -> None:
    period = PeriodTable(table=[{"key": "T1", "first": "2026-01-05", "last": "2026-03-31"}]).parse("T1")
    for relation in ("year", "year_to_date", "same_last_year"):
        with pytest.raises(CrmRulesError) as caught:
            getattr(period, relation)
        assert caught.value.code == "P104"
        assert "year" in caught.value.hint


def changed(at: int, **changes: object) -> list[dict[str, Any]]:
    return [{**row, **changes} if place == at else row for place, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("rows", "gaps", "reason"),
    [
        ([], "allowed", "at least 1"),
        (ROWS, "refused", "a gap between '2025-C1' and '2025-C2'"),
        (changed(1, first="2025-02-20"), "allowed", "'2025-C1' and '2025-C2' overlap"),
        (changed(1, last="2025-02-28"), "allowed", "before it begins"),
        ([ROWS[1], ROWS[0]], "allowed", "is before '2025-C2'"),
        (changed(1, key="2025-C1"), "allowed", "two periods have the key '2025-C1'"),
        (changed(1, key="2025-C9"), "allowed", "the key '2025-C3' sorts before '2025-C9'"),
        (changed(1, year=None), "allowed", "'2025-C2' has no `year`"),
        (changed(4, year=2025), "allowed", "the periods of the year '2025' do not follow each other"),
        (changed(1, first="2025-02-30"), "allowed", "is no day"),
    ],
)
def test_what_is_no_order_of_periods_is_refused(rows: list[dict[str, Any]], gaps: str, reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        PeriodTable.model_validate({"table": rows, "gaps": gaps})
