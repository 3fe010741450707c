"""What kinds that read records say of sources that do not fit, before anything runs."""

from typing import Any

import pytest

from crmrules import Source
from crmrules.triggers import KINDS

DEALS = Source(
    name="deals",
    fields={
        "id": {"type": "text", "role": "id"},
        "rep": {"type": "text", "role": "subject"},
        "closes": {"type": "date", "role": "date"},
        "entered": "datetime",
        "stage": "text",
        "amount": "money(2)",
    },
)
ROLELESS = Source(name="plain", fields={"name": "text", "day": "date"})
SOURCES = {"deals": DEALS, "plain": ROLELESS}
RELATIVE = {"kind": "relative", "source": "deals", "field": "closes", "before": {"days": 2}}
SILENT = {"kind": "inactive", "source": "deals", "silent": {"days": 9}}
QUALITY = {"kind": "data_quality", "source": "deals", "missing": "amount"}
EVENT = {"kind": "event", "source": "deals"}
COLLISION = {
    "kind": "collision", "source": "deals",
    "rule": {"who": "rep", "when": "closes", "keys": {"name": "stage"}, "decide": "hold"},
}  # fmt: skip


def problems(rule: dict[str, Any]) -> list[tuple[str, str]]:
    found = KINDS[rule["kind"]].model_validate(rule)
    return [(".".join(path), error.code) for path, error in found.problems(SOURCES)]


@pytest.mark.parametrize("rule", [RELATIVE, SILENT, QUALITY, EVENT, COLLISION])
def test_what_fits(rule: dict[str, Any]) -> None:
    assert problems(rule) == []
    assert problems({"kind": "not", "of": [rule]}) == []


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({**RELATIVE, "source": "deal"}, [("source", "B212")]),
        ({**SILENT, "source": "plain"}, [("source", "T402")]),
        ({**SILENT, "about": "customer", "owner": "owner"}, [("about", "T402"), ("owner", "T402")]),
        ({**SILENT, "among": "customers"}, [("among", "B212")]),
        ({**RELATIVE, "field": ["closes", "opens"]}, [("field", "T402")]),
        ({**RELATIVE, "if": "stge == 'won'"}, [("if", "E101")]),
        ({**RELATIVE, "if": "amount"}, [("if", "T410")]),
        ({**QUALITY, "missing": ["amont"], "odd": "amount < "}, [("missing", "T402"), ("odd", "E004")]),
        ({**QUALITY, "late": {"days": 3}, "recorded": "typed"}, [("recorded", "T402")]),
        ({**EVENT, "changed": "owner", "after": "stage"}, [("changed", "T402"), ("after", "T410")]),
        ({**COLLISION, "rule": {**COLLISION["rule"], "who": "agent"}}, [("rule.who", "F102")]),
        ({"kind": "not", "of": [{**RELATIVE, "field": "opens"}]}, [("of.field", "T402")]),
    ],
)  # fmt: skip
def test_what_does_not(rule: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert problems(rule) == found
