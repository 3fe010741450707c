"""What does not fit in the triggers of a rulebook, each mistake once and where it stands."""

from typing import Any

import pytest

from crmrules import Rulebook, RulebookError

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
        ({"kind": "not", "of": ["t1"]}, [("of", "T409")]),
        ({"kind": "not", "of": ["t0"]}, [("of", "T409")]),
        ({"kind": "not", "of": [{**REACHED, "indicator": "order"}]}, [("of[0].indicator", "B215")]),
        ({"kind": "not", "of": [{**SILENT, "about": "custmer"}]}, [("of[0].about", "T402")]),
    ],
)
def test_what_does_not(trigger: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems(trigger) == [(f"triggers.t0.{path}", code) for path, code in found]
