"""Whole columns against one row at a time: where the column is sure, the row says the same."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from crmrules import Rulebook
from crmrules.triggers import Reached
from crmrules.triggers.screen import ASK

UTC = ZoneInfo("UTC")
SHARES = st.lists(st.sampled_from([0.1, 0.5, 0.8, 1.0, 1.2]), min_size=1, max_size=4, unique=True).map(sorted)


@given(
    amounts=st.lists(st.one_of(st.none(), st.integers(-50, 20_000)), min_size=1, max_size=12),
    shares=SHARES,
    kind=st.sampled_from(["money(2)", "number"]),
    direction=st.sampled_from(["higher", "lower"]),
)
def test_a_column_says_what_each_row_says(
    amounts: list[int | None], shares: list[float], kind: str, direction: str
) -> None:
    indicator: dict[str, Any] = {"target": 100, "weight": 1, "direction": direction}
    if direction == "lower":
        indicator["curve"] = {"cap": 200}
    book = Rulebook.of(
        {
            "sources": {"orders": {"fields": {
                "who": {"type": "text", "role": "subject"},
                "day": {"type": "date", "role": "date"},
                "amount": kind,
            }}},
            "measures": {"revenue": "max(amount)"},
            "models": {"sales": {"indicators": {"revenue": indicator}}},
        }
    )  # fmt: skip
    orders = [
        {"who": f"u{n:02}", "day": "2026-11-02", "amount": None if cents is None else cents / 100}
        for n, cents in enumerate(amounts)
    ]
    card = book.score({"orders": orders})
    rule = Reached.model_validate({"indicator": "revenue", "levels": shares})
    reached, held = rule.screen(card.figures["revenue"], card.model.indicators["revenue"].direction)
    now = dt.datetime(2026, 11, 20, tzinfo=UTC)
    for row, standing in enumerate(card.standings()):
        decision = rule.evaluate("hit", standing, now, UTC)
        if reached[row] != ASK:
            assert reached[row] == decision.level, (standing.results, decision)
        if held[row] != ASK:
            assert held[row] == decision.held
