"""`collision`: whoever claims what somebody else has claimed is told, once for each pair of claims."""

import datetime as dt
from typing import Any

from crmrules import Source
from crmrules.triggers import Collided, Decision, Surroundings, evaluate, intents

LEADS = Source(
    name="leads",
    fields={
        "id": {"type": "text", "role": "id"},
        "agent": {"type": "text", "role": "subject"},
        "created": {"type": "date", "role": "date"},
        "phone": "text",
    },
)
RULE = Collided.model_validate(
    {
        "source": "leads",
        "rule": {
            "who": "agent", "when": "created", "keys": {"phone": "phone"}, "within_days": 90,
            "decide": "first_claim",
        },
        "tell": ["subject", "first", "manager"],
    }
)  # fmt: skip


def lead(id: str, agent: str, created: str, phone: str = "138-1234-5678") -> dict[str, Any]:
    return {"id": id, "agent": agent, "created": created, "phone": phone}


def decided(*leads: dict[str, Any], now: str = "2026-03-10") -> list[Decision]:
    around = Surroundings.of({"leads": LEADS}, {"leads": leads}, {"Bo": {"manager": "Di"}})
    return evaluate({"crash": RULE}, [], dt.datetime.fromisoformat(now), "UTC", around=around)


FIRST, SECOND = lead("L1", "Ann", "2026-03-01"), lead("L2", "Bo", "2026-03-05", "+86 13812345678")


def test_the_later_claim_is_told_and_who_was_first() -> None:
    told = intents(decided(SECOND, FIRST), {"crash": RULE}, {"Di": {"locale": "zh"}})
    assert [(each.subject, each.recipient.role, each.recipient.id) for each in told] == [
        ("Bo", "subject", "Bo"),
        ("Bo", "first", "Ann"),
        ("Bo", "manager", "Di"),
    ]
    assert told[0].text == ("L2 of Bo is the customer of L1 of Ann: phone 138-1234-5678 = +86 13812345678.")
    assert told[2].text == "Bo 的 L2 与 Ann 的 L1 是同一客户：电话 138-1234-5678 = +86 13812345678。"
    assert told[0].decision.basis["winner"] == "Ann"
    assert told[0].decision.standing.people["winner"] == "Ann"


def test_each_pair_of_claims_is_told_once() -> None:
    first = {each.id for each in intents(decided(FIRST, SECOND), {"crash": RULE}, {})}
    assert {
        each.id for each in intents(decided(SECOND, FIRST, now="2026-03-20"), {"crash": RULE}, {})
    } == first
    third = lead("L3", "Cy", "2026-03-07")
    more = intents(decided(FIRST, SECOND, third), {"crash": RULE}, {})
    assert first <= {each.id for each in more}
    assert {each.subject for each in more if each.id not in first} == {"Cy"}


def test_without_a_collision_there_is_nothing_to_say() -> None:
    assert decided(FIRST, lead("L2", "Bo", "2026-03-05", "139-0000-0000")) == []
    assert decided(FIRST, lead("L2", "Bo", "2026-07-05")) == []
