"""What does not fit in the triggers of a rulebook, each mistake once and where it stands."""

from typing import Any

import pytest

from crmrules import Rulebook, RulebookError
from crmrules.triggers.outbox import MemoryStore

FIELDS = {
    "id": {"type": "text", "role": "id"},
    "rep": {"type": "text", "role": "subject"},
    "day": {"type": "date", "role": "date"},
    "customer": "text",
}


def book(*triggers: dict[str, Any]) -> dict[str, Any]:
    return {
        "sources": {
            "orders": {"fields": FIELDS},
            "team": {"fields": {"name": {"type": "text", "role": "subject"}, "manager": "text"}},
        },
        "roster": "team",
        "measures": {"orders": {"value": "count()", "source": "orders"}},
        "models": {
            "people": {"indicators": {"orders": {"target": 5, "weight": 1}, "shown": {"value": "orders"}}}
        },
        "triggers": {f"t{number}": each for number, each in enumerate(triggers)},
    }  # fmt: skip


def problems(*triggers: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        Rulebook.of(book(*triggers))
    except RulebookError as error:
        return [(each.path, each.code) for each in error.problems]
    return []


REACHED = {"kind": "reached", "indicator": "orders"}
SILENT = {"kind": "inactive", "source": "orders", "about": "customer", "silent": {"days": 9}}


@pytest.mark.parametrize(
    "trigger",
    [
        {**SILENT, "owner": "rep", "tell": ["owner", "manager"]},
        {"kind": "event", "source": "orders", "changed": "subject", "tell": ["previous"]},
        {**REACHED, "tell": ["subject", {"ids": ["u2"]}, {"where": "manager == 'Bo' and id != 'Ann'"}]},
        {"kind": "schedule", "by": {"day": 20}, "indicator": "shown"},
        {"kind": "any", "of": [REACHED, {"kind": "not", "of": [SILENT]}]},
    ],
)
def test_what_fits(trigger: dict[str, Any]) -> None:
    assert problems(trigger) == []
    assert problems(REACHED, {"kind": "not", "of": ["t0"]}) == []


@pytest.mark.parametrize(
    ("trigger", "found"),
    [
        ({**REACHED, "tell": ["owner"]}, [("tell", "B217")]),
        ({**REACHED, "tell": [{"where": "mangr == 'Bo'"}]}, [("tell", "E101")]),
        ({**SILENT, "source": "order"}, [("source", "B212")]),
        ({**SILENT, "about": "custmer"}, [("about", "T402")]),
        ({**SILENT, "calendar": "cn"}, [("calendar", "W104")]),
        ({**REACHED, "indicator": "shown"}, [("indicator", "B216")]),
        ({"kind": "pace", "indicator": "shown"}, [("indicator", "B216")]),
        ({"kind": "data_quality", "source": "orders", "odd": "customr == 'x'"}, [("odd", "E101")]),
        (
            {
                **REACHED,
                "escalation": [{"after": "1 day", "to": "manager"}, {"after": "2 days", "to": "boss"}],
            },
            [("escalation[1].to", "B217")],
        ),
        ({**REACHED, "inhibited_by": ["t7"]}, [("inhibited_by[0]", "T301")]),
        ({**REACHED, "inhibited_by": ["t0"]}, [("inhibited_by[0]", "T301")]),
        ({"kind": "not", "of": ["t1"]}, [("of", "T409")]),
        ({"kind": "not", "of": ["t0"]}, [("of", "T409")]),
        ({"kind": "not", "of": [{**REACHED, "indicator": "order"}]}, [("of[0].indicator", "B215")]),
        ({"kind": "not", "of": [{**SILENT, "about": "custmer"}]}, [("of[0].about", "T402")]),
    ],
)
def test_what_does_not(trigger: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems(trigger) == [(f"triggers.t0.{path}", code) for path, code in found]


def test_what_inhibits_belongs_to_the_same_model() -> None:
    assert problems(REACHED, {**REACHED, "inhibited_by": ["t0"]}) == []
    assert problems(SILENT, {**REACHED, "inhibited_by": ["t0"]}) == [("triggers.t1.inhibited_by[0]", "T301")]
    assert problems(REACHED, {**SILENT, "inhibited_by": ["t0", "t9"]}) == [
        ("triggers.t1.inhibited_by[0]", "T301"),
        ("triggers.t1.inhibited_by[1]", "T301"),
    ]


def test_what_inhibits_one_another_in_a_circle() -> None:
    a, b = {**REACHED, "inhibited_by": ["t1"]}, {**REACHED, "inhibited_by": ["t0"]}
    assert problems(a, b) == [("triggers.t0.inhibited_by", "T301")]
    assert problems(REACHED, {**REACHED, "inhibited_by": ["t2"]}, {**REACHED, "inhibited_by": ["t1"]}) == [
        ("triggers.t1.inhibited_by", "T301")
    ]


def test_what_the_rulebook_takes_the_engine_takes() -> None:
    triggers = [REACHED, {**REACHED, "inhibited_by": ["t0"]}, {**REACHED, "inhibited_by": ["t1", "t0"]}]
    found = Rulebook.of(book(*triggers))
    assert found.engine(MemoryStore(), {"orders": []}).groups[0].rules.keys() == {"t0", "t1", "t2"}


def test_a_trigger_that_is_misshapen_is_no_second_mistake_where_it_is_named() -> None:
    misshapen = {**REACHED, "kind": "reachd"}
    assert problems(misshapen, {**REACHED, "inhibited_by": ["t0"]}) == [("triggers.t0", "T102")]
    assert problems(misshapen, {"kind": "not", "of": ["t0"]}) == [("triggers.t0", "T102")]


def test_the_place_of_a_role_and_of_a_name() -> None:
    text = """\
sources:
  orders:
    fields: {rep: {type: text, role: subject}, day: {type: date, role: date}}
measures: {orders: count()}
models: {people: {indicators: {orders: {target: 5, weight: 1}}}}
triggers:
  hit:
    kind: reached
    indicator: orders
    inhibited_by: [hitt]
    escalation:
      - {after: 2 days, to: director}
"""
    with pytest.raises(RulebookError) as error:
        Rulebook.parse(text, "rules.yaml")
    assert (
        str(error.value)
        .splitlines()[0]
        .startswith("rules.yaml:10:20: error[T301]: there is no trigger `hitt`")
    )
    assert "rules.yaml:12:29: error[B217]: there is no role `director`" in str(error.value)
