"""What each subject is held against in each period, from every form of target."""

import datetime as dt
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crmrules.errors import CrmRulesError, FieldError, RecordError
from crmrules.fields import Source
from crmrules.files import read_file
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.curve import Linear
from crmrules.kpi.grid import Grid
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.period import Period
from crmrules.kpi.resolved import Given, Resolved, resolve
from crmrules.kpi.roster import Roster
from crmrules.kpi.target import Target

Rows = list[dict[str, Any]]

SOURCES = {
    "quotas": Source(
        name="quotas",
        fields={
            "person": "text", "region": "text", "kpi": "text", "month": "text", "quota": "money(2)",
            "since": "date", "until": "date",
        },
    ),
    "wide": Source(
        name="wide",
        fields={"person": "text", "2026-01": "money(2)", "2026-02": "money(2)", "feb": "money(2)"},
    ),
    "leave": Source(name="leave", fields={"who": "text", "first": "date", "last": "date"}),
}  # fmt: skip
LONG = {"table": "quotas", "subject": "person", "period": "month", "value": "quota"}
TEAM = Roster({"Ann": {"region": "North"}, "Bo": {"region": "North"}, "Cy": {"region": "South"}})


def grid(periods: Sequence[str], subjects: Sequence[str] = ("Ann", "Bo", "Cy")) -> Grid:
    read = tuple(Period.parse(each) for each in periods)
    return Grid(tuple(subjects), read)


def full(*rows: dict[str, Any]) -> Rows:
    """Rows of `quotas` with all its fields."""
    empty = dict.fromkeys(SOURCES["quotas"].fields)
    return [{**empty, **row} for row in rows]


def of(target: Any, over: Grid, data: Any = (), roster: Roster = TEAM, **options: Any) -> Resolved:
    declared: Any = TypeAdapter(Target).validate_python(target)
    tables = {"quotas": [*data] if isinstance(data, list | tuple) else data, **options.pop("more", {})}
    return resolve(declared, over, Given("revenue", sources=SOURCES, data=tables, roster=roster, **options))


def values(found: Resolved) -> list[float | None]:
    return [None if value != value else value for value in found.values.tolist()]


JANUARY = grid(["2026-01"])
QUARTER = grid(["2026-01", "2026-02", "2026-03"], ["Ann"])


# constants and expressions


def test_a_number_is_the_target_of_everybody() -> None:
    found = of(1000, JANUARY)
    assert values(found) == [1000, 1000, 1000]
    assert [*found.origins] == [None, None, None]


def test_an_expression_is_computed_by_whoever_can_and_unknown_is_no_target() -> None:
    found = of("prior(revenue) * 1.1", JANUARY, compute=lambda text: np.array([110.0, np.nan, np.inf]))
    assert values(found) == [110, None, None]
    assert [*found.origins] == ["prior(revenue) * 1.1", "no target", "no target"]


def test_an_expression_is_rounded_where_that_is_declared() -> None:
    found = of({"value": "x", "digits": 2}, JANUARY, compute=lambda text: np.array([1.005, 2.0, -1.005]))
    assert values(found) == [1.01, 2.0, -1.01]
    assert found.exact(0) == Decimal("1.01")


def test_nothing_declared_is_no_target() -> None:
    found = resolve(None, JANUARY, Given("revenue"))
    assert values(found) == [None, None, None]


def test_a_year_is_spread_over_its_months_to_the_cent() -> None:
    months = grid([f"2026-{month:02}" for month in range(1, 13)], ["Ann"])
    found = of({"value": 1000, "per": "year", "spread": "even", "digits": 2}, months)
    assert sum(found.exact(row) or 0 for row in range(12)) == Decimal("1000.00")
    assert {found.exact(row) for row in range(12)} == {Decimal("83.33"), Decimal("83.34")}
    assert found.origins[0] == "1,000.00 for 2026 spread evenly"


def test_an_amount_of_money_is_spread_to_its_own_unit_where_the_indicator_has_one() -> None:
    found = of({"value": 100, "per": "quarter", "spread": "even"}, QUARTER, digits=2)
    assert [found.exact(row) for row in range(3)] == [Decimal("33.33"), Decimal("33.34"), Decimal("33.33")]
    plain = of({"value": 100, "per": "quarter", "spread": "even"}, QUARTER)
    assert values(plain) == pytest.approx([100 / 3] * 3)


def test_a_month_for_a_quarter_adds_up_only_where_that_is_declared() -> None:
    with pytest.raises(FieldError, match="only a part of 2026-Q1") as caught:
        of({"value": 100, "per": "month"}, grid(["2026-Q1"]))
    assert caught.value.code == "Q105"
    assert values(of({"value": 100, "per": "month", "finer": "sum"}, grid(["2026-Q1"], ["Ann"]))) == [300]


# tables


def test_a_long_table_has_a_row_for_each_subject_period_and_indicator() -> None:
    rows = full(
        {"person": "Ann", "month": "2026-01", "kpi": "revenue", "quota": "100.00"},
        {"person": "Ann", "month": "2026-01", "kpi": "visits", "quota": "7"},
        {"person": "Ann", "month": "2026-02", "kpi": "revenue", "quota": "120.00"},
    )
    found = of({**LONG, "indicator": "kpi"}, QUARTER, rows)
    assert values(found) == [100, 120, None]
    assert [*found.origins] == ["quotas row 0", "quotas row 2", "no target"]


def test_ac03_each_person_has_a_target_of_her_own() -> None:
    # AC-03: target quantity 50 each; an order of 20 shared 50/50 -> target 50, achieved 10, variance -40.
    rows = full(
        {"person": "P1", "month": "2026", "quota": 50}, {"person": "P2", "month": "2026", "quota": 50}
    )
    found = of(LONG, grid(["2026"], ["P1", "P2"]), rows)
    assert values(found) == [50, 50]
    assert [20 * 0.5 - target for target in found.values] == [-40, -40]


def test_ac03_a_yearly_target_is_spread_evenly_over_months() -> None:
    # AC-03 and AC-04: even monthly distribution of 50; the whole year is 50 again, an order of 20 is -30.
    rows = full({"person": "P1", "month": "2026", "quota": 50})
    months = grid([f"2026-{month:02}" for month in range(1, 13)], ["P1"])
    found = of({**LONG, "spread": "even"}, months, rows)
    assert sum(found.exact(row) or 0 for row in range(12)) == 50
    assert 20 - float(sum(found.exact(row) or 0 for row in range(12))) == -30


def test_ac55_a_quarter_of_an_even_year() -> None:
    # AC-55: even table -> 25 %, target 30,000 -> 7,500 for the quarter.
    rows = full({"person": "Ann", "month": "2026", "quota": 30_000})
    table = {**LONG, "spread": dict.fromkeys(range(1, 13), 100 / 12)}
    assert values(of(table, grid(["2026-Q1", "2026-Q2"], ["Ann"]), rows)) == [7500, 7500]


def test_ac51_a_month_until_its_21st_day() -> None:
    # AC-51: a budget of 20 for February 2017, up to the 21st -> 15.
    left = Roster({"Ann": {"left": "2017-02-21"}})
    target = {"value": 20, "prorate": "calendar_days"}
    found = of(target, grid(["2017-02"], ["Ann"]), roster=left)
    assert values(found) == [15]
    assert found.origins[0] == "prorated 21 of 28 days"


def test_ac46_target_times_proration_times_factor() -> None:
    # AC-46 (symbolic): award = target x proration x performance factor. Half a month, 80 % attained.
    joined = Roster({"Ann": {"joined": "2026-04-16"}})
    [target] = of(
        {"value": 1000, "prorate": "calendar_days"}, grid(["2026-04"], ["Ann"]), roster=joined
    ).values
    assert target == 1000 * 0.5
    assert Linear().points(np.array([400.0]) / target).tolist() == [80]


@pytest.mark.parametrize(("actual", "points"), [(30, 100), (27, 110), (33, 90), (21, 120), (61, 0)])
def test_ac32_lower_is_better_against_a_target_of_the_table(actual: float, points: float) -> None:
    # AC-32: 30 days are the target; each 5 % better is 5 points more, up to 120 and down to 0.
    rows = full({"person": "Ann", "month": "2026-01", "quota": 30})
    [target] = of(LONG, grid(["2026-01"], ["Ann"]), rows).values
    attained = 2 - actual / target
    assert Linear(cap=120).points([attained])[0] == pytest.approx(points)


def test_one_falls_back_on_the_team_then_on_everybody_then_on_the_default() -> None:
    rows = full(
        {"person": "Ann", "month": "2026-01", "quota": 100},
        {"region": "North", "month": "2026-01", "quota": 80},
        {"person": "*", "month": "2026-02", "quota": 60},
    )
    table = {**LONG, "team": "region", "default": 40}
    found = of(table, grid(["2026-01", "2026-02"]), rows)
    assert values(found) == [100, 80, 40, 60, 60, 60]
    assert found.origins[1] == "quotas row 1 for team North"
    assert found.origins[2] == "the default of quotas"
    assert found.origins[3] == "quotas row 2 for all others"


def test_a_row_for_nobody_is_for_all_others() -> None:
    rows = full({"month": "2026-01", "quota": 60})
    assert values(of(LONG, JANUARY, rows)) == [60, 60, 60]


def test_the_team_is_that_of_the_last_day_where_people_move() -> None:
    team = Source(
        name="team",
        fields={
            "name": {"type": "text", "role": "subject"}, "region": "text",
            "since": {"type": "date", "role": "from"},
        },
    )  # fmt: skip
    moved = [
        {"name": "Ann", "region": "North", "since": "2026-01-01"},
        {"name": "Ann", "region": "South", "since": "2026-02-10"},
    ]
    rows = full(
        *({"region": region, "month": month, "quota": quota}
          for month in ("2026-01", "2026-02") for region, quota in (("North", 80), ("South", 90)))
    )  # fmt: skip
    found = of(
        {**LONG, "team": "region"}, grid(["2026-01", "2026-02"], ["Ann"]), rows, Roster.of(team, moved)
    )
    assert values(found) == [80, 90]


def test_two_rows_for_the_same_target_are_an_error_that_names_both() -> None:
    rows = full(*[{"person": "Ann", "month": "2026-01", "quota": each} for each in (1, 2)])
    with pytest.raises(FieldError, match="rows 0 and 1 are both the target of Ann in 2026-01") as caught:
        of(LONG, JANUARY, rows)
    assert caught.value.code == "Q101"


@pytest.mark.parametrize("key", ["2026-13", "Jan 26", None])
def test_a_period_that_cannot_be_read_is_an_error_with_its_row(key: str | None) -> None:
    with pytest.raises(FieldError, match="row 1: ") as caught:
        of(LONG, JANUARY, full({"person": "Ann", "month": "2026-01", "quota": 1}, {"month": key, "quota": 2}))
    assert caught.value.code == "Q102"


def test_a_year_and_one_of_its_months_are_refused() -> None:
    rows = full(
        {"person": "Ann", "month": "2026", "quota": 1}, {"person": "Ann", "month": "2026-01", "quota": 2}
    )
    with pytest.raises(FieldError, match="rows 0 and 1") as caught:
        of({**LONG, "spread": "even"}, JANUARY, rows)
    assert caught.value.code == "Q107"


def test_a_year_for_a_month_is_refused_where_nothing_says_how_much_of_it() -> None:
    with pytest.raises(FieldError, match="row 0 is for 2026, and nothing says how much") as caught:
        of(LONG, JANUARY, full({"person": "Ann", "month": "2026", "quota": 12}))
    assert caught.value.code == "Q104"


def test_a_quarter_whose_months_are_not_all_there_has_no_target() -> None:
    rows = full(*[{"person": "Ann", "month": month, "quota": 10} for month in ("2026-01", "2026-02")])
    found = of({**LONG, "finer": "sum"}, grid(["2026-Q1"], ["Ann"]), rows)
    assert values(found) == [None]
    assert found.origins[0] == "no target: quotas has none for 2026-03-01 to 2026-03-31"
    rows += full({"person": "Ann", "month": "2026-03", "quota": 11})
    assert values(of({**LONG, "finer": "sum"}, grid(["2026-Q1"], ["Ann"]), rows)) == [31]


def test_who_is_not_on_the_card_is_told() -> None:
    rows = full({"person": "Anne", "month": "2026-01", "quota": 10})
    found = of(LONG, JANUARY, rows)
    assert found.notes == ("`quotas` has targets for who is not on the card: Anne (row 0, or Ann?)",)


@pytest.mark.parametrize("quota", [0, -5])
def test_a_target_of_0_or_less_stays_what_it_is_or_is_an_error(quota: float) -> None:
    rows = full({"person": "Ann", "month": "2026-01", "quota": quota})
    assert values(of(LONG, JANUARY, rows))[0] == quota
    with pytest.raises(FieldError) as caught:
        of({**LONG, "not_positive": "error"}, JANUARY, rows)
    assert caught.value.code == "Q103"


def test_an_empty_cell_is_no_target_and_falls_back() -> None:
    rows = full({"person": "Ann", "month": "2026-01"}, {"person": "*", "month": "2026-01", "quota": 5})
    assert values(of(LONG, grid(["2026-01"], ["Ann"]), rows)) == [5]


def test_a_missing_target_is_an_error_where_that_is_declared() -> None:
    rows = full({"person": "Ann", "month": "2026-01", "quota": 1})
    with pytest.raises(RecordError, match="Bo has no target in 2026-01, and 1 more rows have none") as caught:
        of(LONG, JANUARY, rows, missing="error")
    assert caught.value.code == "Q106"


def test_no_data_for_a_table_is_an_error() -> None:
    declared: Any = TypeAdapter(Target).validate_python(LONG)
    with pytest.raises(CrmRulesError) as caught:
        resolve(declared, JANUARY, Given("revenue", sources=SOURCES))
    assert caught.value.code == "F112"


# dated targets

DATED = {"table": "quotas", "subject": "person", "value": "quota", "from": "since"}
CHANGED = full(
    {"person": "Ann", "since": "2026-01-01", "quota": 310},
    {"person": "Ann", "since": "2026-01-11", "quota": 620},
)


@pytest.mark.parametrize(
    ("change", "january"),
    [("calendar_days", 520), ("first", 310), ("last", 620), ("working_days", None)],
)
def test_a_change_within_a_period_is_weighed_as_declared(change: str, january: float | None) -> None:
    # Ten days of 310 and 21 of 620, of 31: 100 + 420. By weekdays 7 of 22 and 15 of 22.
    by_weekdays = (310 * 7 + 620 * 15) / 22
    found = of({**DATED, "change": change}, QUARTER, CHANGED)
    assert values(found) == pytest.approx([january or by_weekdays, 620, 620], abs=0.005)


def test_a_change_is_told() -> None:
    found = of(DATED, QUARTER, CHANGED)
    assert found.origins[0] == "quotas row 0 for 10 of 31 days; quotas row 1 for 21 of 31 days"
    assert found.origins[1] == "quotas row 1"


def test_days_before_the_first_row_and_after_the_last_have_no_target() -> None:
    rows = full({"person": "Ann", "since": "2026-01-11", "until": "2026-02-14", "quota": 310})
    found = of({**DATED, "to": "until"}, QUARTER, rows)
    assert values(found) == [210, 155, None]


def test_rows_that_overlap_up_to_a_last_day_are_refused() -> None:
    rows = full(
        {"person": "Ann", "since": "2026-01-01", "until": "2026-02-01", "quota": 1},
        {"person": "Ann", "since": "2026-02-01", "quota": 2},
    )
    with pytest.raises(FieldError, match="from 2026-02-01 on") as caught:
        of({**DATED, "to": "until"}, QUARTER, rows)
    assert caught.value.code == "Q101"


def test_a_yearly_target_that_changes_is_spread_and_weighed() -> None:
    rows = full(
        {"person": "Ann", "since": "2026-01-01", "quota": 1200},
        {"person": "Ann", "since": "2026-02-15", "quota": 2400},
    )
    found = of({**DATED, "per": "year", "spread": "even"}, QUARTER, rows)
    assert values(found) == [100, 150, 200]


def test_a_period_whose_target_is_restated_within_it() -> None:
    rows = full(
        {"person": "Ann", "month": "2026-02", "quota": 280},
        {"person": "Ann", "month": "2026-02", "quota": 560, "since": "2026-02-15"},
    )
    found = of({**LONG, "from": "since"}, QUARTER, rows)
    assert values(found) == [None, 420, None]


@given(
    st.lists(st.integers(0, 80), unique=True, min_size=1, max_size=6),
    st.integers(0, 10**8),
    st.sampled_from(["calendar_days", "working_days", "first", "last"]),
)
@settings(max_examples=60)
def test_a_change_of_a_constant_is_the_constant(days: list[int], cents: int, change: str) -> None:
    starts = [dt.date(2025, 12, 31), *(dt.date(2026, 1, 1) + dt.timedelta(days=each) for each in days)]
    amount = Decimal(cents).scaleb(-2)
    rows = full(*({"person": "Ann", "since": each, "quota": amount} for each in starts))
    found = of({**DATED, "change": change}, QUARTER, rows)
    assert [found.exact(row) for row in range(3)] == [amount] * 3


# proration


def test_joiners_leavers_and_leave_together() -> None:
    roster = Roster({"Ann": {"joined": "2026-04-16"}, "Bo": {"left": "2026-04-15"}, "Cy": {}})
    leave = [{"who": "Cy", "first": "2026-04-01", "last": "2026-04-10"}]
    target = {
        "value": 1000.01, "digits": 2, "prorate": "calendar_days",
        "leave": {"table": "leave", "subject": "who", "from": "first", "to": "last"},
    }  # fmt: skip
    found = of(target, grid(["2026-04"]), roster=roster, more={"leave": leave})
    ann, bo, cy = (found.exact(row) for row in range(3))
    assert ann is not None
    assert bo is not None
    assert ann + bo == Decimal("1000.01")
    assert cy == Decimal("666.67")
    assert found.origins[2] == "prorated 20 of 30 days"


def test_who_was_not_there_has_a_target_of_0() -> None:
    roster = Roster({"Ann": {"joined": "2026-04-16"}})
    found = of({"value": 90, "prorate": "calendar_days"}, grid(["2026-03"], ["Ann"]), roster=roster)
    assert values(found) == [0]
    assert found.origins[0] == "prorated 0 of 31 days"


def test_a_ramp_is_told() -> None:
    roster = Roster({"Ann": {"joined": "2026-01-10"}})
    found = of({"value": 100, "ramp": [0.25, 0.5]}, QUARTER, roster=roster)
    assert values(found) == [25, 50, 100]
    assert [*found.origins] == ["ramp 0.25", "ramp 0.5", None]


# the same from every kind of table


def as_pandas(rows: Rows) -> object:
    return pd.DataFrame(rows)


def as_polars(rows: Rows) -> object:
    return pl.DataFrame(rows, infer_schema_length=None)


@pytest.mark.parametrize("engine", [list, as_pandas, as_polars])
def test_tables_of_every_engine_say_the_same(engine: Callable[[Rows], object]) -> None:
    rows = full(
        {"person": "Ann", "month": "2026-01", "quota": 100.5, "since": dt.date(2026, 1, 1)},
        {"person": "Ann", "month": "2026-01", "quota": 200.25, "since": dt.date(2026, 1, 16)},
        {"person": "*", "region": "North", "month": "2026-01", "quota": 90.0, "since": dt.date(2026, 1, 1)},
    )
    for row in rows:
        del row["until"], row["kpi"]
    found = of({**LONG, "from": "since"}, JANUARY, engine(rows))
    # 15 of 31 days of 100.50 and 16 of 200.25: 48.629 + 103.355.
    assert [found.exact(row) for row in range(3)] == [Decimal("151.98"), Decimal("90.00"), Decimal("90.00")]


def test_a_table_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "quotas.csv"
    file.write_text("person,month,quota\nAnn,2026-01,100.50\n*,2026-01,90\n", encoding="utf-8")
    assert values(of(LONG, JANUARY, read_file(file))) == [100.5, 90, 90]


def test_a_wide_table_says_the_same_as_a_long_one() -> None:
    wide = [
        {"person": "Ann", "2026-01": 10, "2026-02": 20, "feb": 20},
        {"person": "*", "2026-01": 1, "2026-02": None, "feb": None},
    ]
    long = full(
        {"person": "Ann", "month": "2026-01", "quota": 10},
        {"person": "Ann", "month": "2026-02", "quota": 20},
        {"person": "*", "month": "2026-01", "quota": 1},
    )
    over = grid(["2026-01", "2026-02"])
    expected = values(of(LONG, over, long))
    for columns in (["2026-01", "2026-02"], {"2026-01": "2026-01", "2026-02": "feb"}):
        table = {"table": "wide", "subject": "person", "value": columns}
        assert values(of(table, over, more={"wide": wide})) == expected


def test_a_sheet_with_a_column_for_each_month_of_a_year() -> None:
    source = Source(name="sheet", fields={"who": "text", "year": "number", "jan": "number", "mar": "number"})
    rows = [
        {"who": "Ann", "year": 2026, "jan": 5, "mar": 7},
        {"who": "Ann", "year": 2027, "jan": 6, "mar": 8},
    ]
    table = {"table": "sheet", "subject": "who", "period": "year", "value": {1: "jan", 3: "mar"}}
    declared: Any = TypeAdapter(Target).validate_python(table)
    over = grid(["2026-01", "2026-02", "2026-03", "2027-01"], ["Ann"])
    found = resolve(declared, over, Given("revenue", sources={"sheet": source}, data={"sheet": rows}))
    assert values(found) == [5, None, 7, 6]


@given(st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_rows_changes_nothing(shuffle: random.Random) -> None:
    rows = full(
        {"person": "Ann", "month": "2026-01", "quota": 1},
        {"person": "Ann", "month": "2026-02", "quota": 2},
        {"person": "Ann", "month": "2026-02", "quota": 3, "since": "2026-02-10"},
        {"person": "Bo", "month": "2026-Q1", "quota": 90},
        {"region": "South", "month": "2026-Q1", "quota": 70},
        {"person": "*", "month": "2026-01", "quota": 4},
    )
    table = {**LONG, "team": "region", "from": "since", "spread": "even"}
    over = grid(["2026-01", "2026-02", "2026-03"])
    expected = values(of(table, over, rows))
    shuffle.shuffle(rows)
    assert values(of(table, over, rows)) == expected


def test_a_table_is_read_once_for_all_indicators() -> None:
    import dataclasses

    rows = full(
        {"person": "Ann", "month": "2026-01", "kpi": "revenue", "quota": 100},
        {"person": "Ann", "month": "2026-01", "kpi": "visits", "quota": 7},
    )
    declared: Any = TypeAdapter(Target).validate_python({**LONG, "indicator": "kpi"})
    given_once = Given("revenue", sources=SOURCES, data={"quotas": rows})
    over = grid(["2026-01"], ["Ann"])
    assert values(resolve(declared, over, given_once)) == [100]
    rows.clear()
    assert values(resolve(declared, over, dataclasses.replace(given_once, indicator="visits"))) == [7]
    assert Indicator(target=7, weight=1).target == 7


# periods of every kind, calendars, subjects of several keys


def test_a_fiscal_year_is_spread_over_its_own_months_and_named_as_it_is() -> None:
    fiscal = CalendarPeriods(unit="month", year_starts=4)
    months = [fiscal.of(dt.date(2026, month, 1)) for month in range(4, 13)]
    months += [fiscal.of(dt.date(2027, month, 1)) for month in range(1, 4)]
    over = Grid(("Ann",), tuple(months))
    rows = full({"person": "Ann", "month": "FY2027", "quota": 1200})
    found = of({**LONG, "spread": {4: 40, 3: 60}}, over, rows, periods=fiscal)
    assert values(found) == [480, *[0] * 10, 720]
    constant = of({"value": 1200, "per": "year", "spread": "even"}, over, periods=fiscal)
    assert values(constant) == [100] * 12
    with pytest.raises(FieldError, match="'2026' is not a period"):
        of(LONG, over, full({"person": "Ann", "month": "2026", "quota": 1}), periods=fiscal)


def test_weeks_take_their_days_of_both_years() -> None:
    week = Period.parse("2026-W53")  # 2026-12-28 to 2027-01-03
    over = Grid(("Ann",), (week,))
    rows = full(
        {"person": "Ann", "month": "2026", "quota": 365}, {"person": "Ann", "month": "2027", "quota": 730}
    )
    found = of({**LONG, "spread": "calendar_days"}, over, rows, periods=week.periods)
    assert values(found) == [4 * 1 + 3 * 2]
    some = of({**LONG, "spread": "calendar_days"}, over, rows[:1], periods=week.periods)
    assert some.origins[0] == "no target: quotas has none for 2027-01-01 to 2027-01-03"


def test_working_days_are_those_of_the_calendar() -> None:
    closed = {dt.date(2026, 2, 2) + dt.timedelta(days=each) for each in range(5)}  # a week of holidays

    class Closed:
        name, version, coverage = "closed", "1", (dt.date(2026, 1, 1), dt.date(2026, 12, 31))

        def is_working_day(self, day: dt.date, /) -> bool:
            return day.weekday() < 5 and day not in closed

    # Weekdays of January to March 2026: 22, 20 and 22; five of February are off.
    found = of({"value": 590, "per": "quarter", "spread": "working_days"}, QUARTER, calendar=Closed())
    assert values(found) == pytest.approx([590 * 22 / 59, 590 * 15 / 59, 590 * 22 / 59])
    beyond = grid(["2027-01"], ["Ann"])
    with pytest.raises(CrmRulesError) as caught:
        of({"value": 1, "per": "year", "spread": "working_days"}, beyond, calendar=Closed())
    assert caught.value.code == "W101"


def test_a_subject_of_several_keys_has_a_field_for_each() -> None:
    rows = full(
        {"person": "Ann", "region": "North", "month": "2026-01", "quota": 5},
        {"person": "*", "month": "2026-01", "region": "*", "quota": 3},
    )
    over = grid(["2026-01"], ["Ann · North", "Ann · South"])
    assert values(of({**LONG, "subject": ["person", "region"]}, over, rows)) == [5, 3]
    rows += full({"person": "Ann", "month": "2026-01", "quota": 4})
    with pytest.raises(FieldError) as caught:
        of({**LONG, "subject": ["person", "region"]}, over, rows)
    assert caught.value.code == "Q111"
