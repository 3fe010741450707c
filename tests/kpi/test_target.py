"""How targets are declared, and what does not fit the sources."""

from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError

from crmrules.fields import Source
from crmrules.kpi.target import Figure, QuotaTable, Target, expression_of, problems, tables

DECLARED: TypeAdapter[Any] = TypeAdapter(Target)

TEAM = Source(
    name="team",
    fields={
        "name": {"type": "text", "role": "subject"},
        "region": "text",
        "started": {"type": "date", "role": "joined"},
        "ended": {"type": "text", "role": "left"},
    },
)
SOURCES = {
    "team": TEAM,
    "quotas": Source(
        name="quotas",
        fields={"person": "text", "region": "text", "month": "text", "quota": "money(2)", "note": "text"},
    ),
    "leave": Source(name="leave", fields={"who": "text", "first": "date", "last": "date"}),
}
LONG = {"table": "quotas", "subject": "person", "period": "month", "value": "quota"}


def read(target: Any) -> Any:
    return DECLARED.validate_python(target)


def found(target: Any, roster: Source | None = TEAM) -> list[tuple[str, str]]:
    return [(".".join(map(str, path)), error.code) for path, error in problems(read(target), SOURCES, roster)]


def test_each_form_is_told_from_the_others() -> None:
    assert read(1000) == 1000
    assert read("prior(revenue) * 1.1") == "prior(revenue) * 1.1"
    assert isinstance(read({"value": 12, "per": "year", "spread": "even"}), Figure)
    assert isinstance(read(LONG), QuotaTable)
    assert read(read(LONG)) == read(LONG)


@pytest.mark.parametrize(
    "wrong",
    [
        0, -1, float("inf"), float("nan"), "", {"value": 0}, {"value": -5}, {}, None, [1],
        {"value": "x * 2", "spread": "even"}, {"value": "x * 2", "per": "year"},
        {**LONG, "value": {"2026-01": "quota"}}, {"table": "quotas", "value": {}}, {"table": "quotas"},
        {**LONG, "default": 0}, {**LONG, "spread": {1: 50}}, {**LONG, "unknown": 1},
        {"value": 5, "leave": {"table": "leave", "subject": "who"}}, {"value": 5, "prorate": "hours"},
        {"value": 5, "digits": 7}, {"value": 5, "ramp": []},
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        read(wrong)


def test_which_sources_stand_beside_the_records() -> None:
    away = {"table": "leave", "subject": "who", "from": "first", "to": "last"}
    target = read({**LONG, "prorate": "calendar_days", "leave": away})
    assert [*tables(target)] == [(("table",), "quotas"), (("leave", "table"), "leave")]
    assert [*tables(read(5))] == [*tables(None)] == []


def test_the_expression_of_a_target() -> None:
    assert expression_of(read("x * 2")) == expression_of(read({"value": "x * 2"})) == "x * 2"
    assert expression_of(read(5)) is expression_of(read(LONG)) is expression_of(None) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (LONG, []),
        ({**LONG, "team": "region", "prorate": "none"}, []),
        ({**LONG, "table": "quota"}, [("table", "B212")]),
        ({**LONG, "subject": "persn"}, [("subject", "F102")]),
        ({**LONG, "value": "note"}, [("value", "D104")]),
        ({**LONG, "from": "month"}, [("from", "D104")]),
        ({**LONG, "team": "note"}, [("team", "M104")]),
        ({**LONG, "digits": 2}, [("digits", "F113")]),
        ({"table": "quotas", "subject": "person", "value": {"2026-01": "jan"}}, [("value.2026-01", "F102")]),
        ({"value": 5, "ramp": [0.5]}, [("ramp", "D104")]),
        ({"value": 5, "prorate": "calendar_days"}, [("prorate", "D104")]),
        (
            {"value": 5, "prorate": "calendar_days", "leave": {"table": "leave", "subject": "nobody"}},
            [("leave.subject", "F102"), ("prorate", "D104")],
        ),
    ],
)
def test_what_does_not_fit_the_sources_is_found_with_its_place(
    target: Any, expected: list[tuple[str, str]]
) -> None:
    # `left` is declared as text on this roster.
    assert sorted(found(target)) == sorted(expected)


def test_without_a_roster_there_is_nobody_to_prorate_by() -> None:
    assert found({"value": 5, "prorate": "calendar_days"}, None) == [("prorate", "M101")]
    assert found({"value": 5, "ramp": [0.5]}, SOURCES["leave"]) == [("ramp", "M101")]
    assert found({**LONG, "team": "region"}, None) == [("team", "M104")]


@pytest.mark.parametrize(
    "target",
    [
        1000, "x * 2", {"value": 12, "per": "year", "spread": "even"},
        {"value": 12, "per": "year", "spread": {"1": 50, "2": 50}}, LONG,
        {**LONG, "subject": ["person", "region"]},
        {"table": "quotas", "value": {"2026-01": "quota"}, "from": "month"},
        {"table": "quotas", "value": ["2026-01", 2027]}, {"value": 5, "ramp": [0.5]},
    ],
)  # fmt: skip
def test_what_is_a_target_is_one_for_editors_too(target: Any) -> None:
    jsonschema.validate(target, DECLARED.json_schema())
    read(target)
