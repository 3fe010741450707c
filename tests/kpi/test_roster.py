"""Rosters: who is judged, and who stands around them."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pytest

from crmrules import CrmRulesError, FieldError, Source
from crmrules.kpi.roster import Roster

TEAM = Source(
    name="team",
    fields={
        "person": {"type": "text", "role": "subject", "column": "name"},
        "manager": {"type": "text", "role": "boss"},
        "region": "text",
        "joined": "date",
    },
)
ROWS = [
    {"name": "Ann", "manager": "Max", "region": "North", "joined": "2026-01-31"},
    {"name": "王芳", "manager": "Max", "region": None, "joined": None},
    {"name": "Bo", "manager": None, "region": "South", "joined": None},
]
PEOPLE = {
    "Ann": {"boss": "Max", "region": "North", "joined": "2026-01-31"},
    "王芳": {"boss": "Max"},
    "Bo": {"region": "South"},
}
KINDS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "dicts": lambda rows: rows,
    "pandas": lambda rows: pd.DataFrame(rows),
    "Polars": lambda rows: pl.DataFrame(rows),
    "Polars lazy": lambda rows: pl.DataFrame(rows).lazy(),
    "PyArrow": lambda rows: pl.DataFrame(rows).to_arrow(),
}


@pytest.fixture(params=[*KINDS])
def table(request: pytest.FixtureRequest) -> Callable[[list[dict[str, Any]]], Any]:
    return KINDS[request.param]


def test_each_person_has_those_around_it_by_role_or_field(table: Any) -> None:
    assert Roster.of(TEAM, table(ROWS)).people == PEOPLE


def test_groups_leave_out_who_belongs_to_none(table: Any) -> None:
    assert Roster.of(TEAM, table(ROWS)).groups("boss") == {"Ann": "Max", "王芳": "Max"}


def test_a_role_that_nobody_has_is_refused() -> None:
    with pytest.raises(CrmRulesError) as caught:
        Roster(PEOPLE).groups("regoin")
    assert caught.value.code == "M104"
    assert "did you mean `region`?" in caught.value.hint


def test_a_person_that_stands_there_twice_is_named(table: Any) -> None:
    with pytest.raises(FieldError) as caught:
        Roster.of(TEAM, table([*ROWS, {**ROWS[0], "manager": "Ida"}]))
    assert caught.value.code == "F111"
    for part in ("`team`", "`name`", "'Ann'", "row 3"):
        assert part in caught.value.message


def test_a_row_without_a_person_is_named(table: Any) -> None:
    with pytest.raises(FieldError) as caught:
        Roster.of(TEAM, table([*ROWS, {**ROWS[0], "name": None}]))
    assert caught.value.code == "F111"
    assert "is missing" in caught.value.message
    assert "row 3" in caught.value.message


def test_a_roster_needs_a_field_for_who_is_judged() -> None:
    with pytest.raises(CrmRulesError) as caught:
        Roster.of(Source(name="team", fields={"person": "text"}), [{"person": "Ann"}])
    assert caught.value.code == "M101"
    assert "role: subject" in caught.value.hint


def test_a_missing_column_is_named(table: Any) -> None:
    with pytest.raises(FieldError) as caught:
        Roster.of(TEAM, table([{"nmae": "Ann", "manager": "Max", "region": "N", "joined": None}]))
    assert caught.value.code == "F101"
    assert "did you mean `nmae`?" in caught.value.hint


def test_rows_of_the_roster_that_are_set_aside_are_returned(table: Any) -> None:
    careful = Source(
        name="team",
        fields={"name": {"type": "text", "role": "subject"}, "region": {"type": "text", "one_of": ["North"]}},
        on_bad_row="quarantine",
    )
    rows = [{"name": "Ann", "region": "North"}, {"name": "Bo", "region": "Nroth"}]
    roster = Roster.of(careful, table(rows))
    assert [*roster.people] == ["Ann"]
    assert [(bad.source, bad.position, bad.field, bad.value) for bad in roster.quarantined] == [
        ("team", 1, "region", "Nroth")
    ]
