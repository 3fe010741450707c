"""What `crmrules demo` prints: a card, one person's explanation, and the reminders of a day."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from crmrules.demo.data import orders, quotas, team
from crmrules.kpi.scorecard import Scorecard
from crmrules.rulebook import Rulebook

if TYPE_CHECKING:
    from rich.console import Console

PERIOD = "2026-11"
DAY = "2026-11-20T18:00"
SUBJECT = "Alice Turner"
SEED = 2026


def rulebook() -> Rulebook:
    """The rules of the demonstration."""
    found = resources.files("crmrules.demo") / "rulebook.yaml"
    return Rulebook.parse(found.read_text(encoding="utf-8"), "demo/rulebook.yaml")


def tables(seed: int = SEED) -> dict[str, object]:
    """The generated tables, as lists of dicts: `orders` of a year, the `team` and its `quotas`."""
    people = []
    for member in team():
        language = "zh" if member["region"] == "华东" else "en"
        people.append({**member, "locale": language, "manager_locale": language})
    return {"orders": [*orders(seed)], "team": people, "quotas": [*quotas()]}


def card(now: str | None = None) -> Scorecard:
    """The demonstration's card of November 2026."""
    return rulebook().score(tables(), period=PERIOD, now=now)


def show(console: Console) -> None:
    """Print the demonstration."""
    from rich.rule import Rule
    from rich.text import Text

    book, data = rulebook(), tables()
    amount = f"{len(data['orders']):,} order lines"  # type: ignore[arg-type]
    console.print(
        Text(f"{amount} of 2026, generated (seed {SEED}); the rules are in crmrules/demo/rulebook.yaml")
    )
    console.print(Rule(f"How everybody stands in {PERIOD}, at {DAY} ({book.zone})"))
    open_month = book.score(data, period=PERIOD, now=DAY)
    console.print(open_month)
    console.print(Rule(f"Why {SUBJECT} stands there"))
    console.print(open_month.explain(SUBJECT, PERIOD))
    console.print(Rule("Whom to tell what"))
    for intent in book.remind(open_month, now=DAY):
        console.print(intent)
