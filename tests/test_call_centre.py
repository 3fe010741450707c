"""`examples/call_centre.yaml`: nothing in it is about orders, and its figures are those of paper."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from crmrules import Rulebook, Scorecard

BOOK = Rulebook.load(Path(__file__).parents[1] / "examples" / "call_centre.yaml")
STAFF = [
    {"agent": "Aoife", "shift": "day"},
    {"agent": "Brian", "shift": "day"},
    {"agent": "Ciara", "shift": "night"},
    {"agent": "Dara", "shift": "night"},
]


def calls(agent: str, began: str, *seconds: int | None, queue: str = "main") -> list[dict[str, Any]]:
    """Calls that took so many seconds; None was missed."""
    return [
        {
            "call": f"{agent} {began} {queue} {place}",
            "agent": agent,
            "began": began,
            "queue": queue,
            "outcome": "missed" if took is None else "answered",
            "seconds": took,
        }
        for place, took in enumerate(seconds)
    ]


CALLS = [
    *calls("Aoife", "2026-07-06T09:00:00Z", 200, 240, 280, 240),
    *calls("Aoife", "2026-07-08T09:00:00Z", 9, 9, queue="drill"),
    # In Dublin it is Monday already.
    *calls("Brian", "2026-07-05T23:30:00Z", 660, 360, None, None),
    *calls("Brian", "2026-07-05T22:30:00Z", 100),
    *calls("Ciara", "2026-07-12T21:00:00Z", None),
]
SURVEYS = [
    {"survey": "1", "agent": "Aoife", "day": "2026-07-06", "marks": 5},
    {"survey": "2", "agent": "Aoife", "day": "2026-07-07", "marks": 4},
    {"survey": "3", "agent": "Brian", "day": "2026-07-07", "marks": 3},
    {"survey": "4", "agent": "Ciara", "day": "2026-07-08", "marks": 4},
]


def score(model: str, make: Callable[[list[dict[str, Any]]], Any] = list) -> Scorecard:
    return BOOK.score({"calls": make(CALLS), "surveys": make(SURVEYS), "staff": make(STAFF)}, model=model)


@pytest.mark.parametrize("make", [list, pd.DataFrame, pl.DataFrame, pl.LazyFrame])
def test_a_week_by_hand(make: Callable[[list[dict[str, Any]]], Any]) -> None:
    card = score("agents", make)
    assert [str(period) for period in card.periods] == ["2026-W27", "2026-W28"]
    aoife = card.standing("Aoife", "2026-W28")
    # All 4 answered: 125 % of 80 %, at most 120. 240 seconds are 100. 4.5 of 4 are 112.5.
    found = {name: (result.actual, result.score) for name, result in aoife.results.items()}
    assert found["answer_rate"] == (1.0, 120)
    assert found["handle_time"] == (240, 100)
    assert found["marks"] == (4.5, 112.5)
    assert (found["response"], found["long_share"]) == ((0.5, None), (0, None))
    # 0.4 x 120 + 0.3 x 100 + 0.3 x 112.5 = 111.75, 5 more, to one decimal.
    assert (aoife.score, aoife.grade, aoife.rank, aoife.team_rank) == (116.8, "gold", 1, 1)
    brian = card.standing("Brian", "2026-W28")
    # 2 of 4: 62.5. 510 seconds: 90 of the 300 before 600, 30. 3 of 4: 75. One of two is long: 5 less.
    assert [brian.results[name].score for name in ("answer_rate", "handle_time", "marks")] == [62.5, 30, 75]
    assert (brian.score, brian.grade, brian.team_rank) == (51.5, "bronze", 2)
    assert [(each.kind, each.points) for each in brian.adjustments] == [("deduction", -5.0)]


def test_who_has_records_on_one_side_alone() -> None:
    card = score("agents")
    ciara = card.standing("Ciara", "2026-W28")
    # She answered none of one: no time, no share that is long, and no rate of response, though one survey.
    assert (ciara.results["answer_rate"].actual, ciara.results["answer_rate"].score) == (0, 0)
    assert [ciara.results[name].actual for name in ("handle_time", "response", "long_share")] == [None] * 3
    # 40 of 70 and 30 of 70: what is not known is left out.
    assert ciara.score == pytest.approx(42.9)
    assert [each.undecided for each in ciara.adjustments if each.kind == "deduction"] == [True]
    brian = card.standing("Brian", "2026-W27")
    # One call and no survey: no marks, and nobody of those who were asked has answered.
    assert (brian.results["marks"].actual, brian.results["response"].actual) == (None, 0)
    assert brian.score == pytest.approx((40 * 120 + 30 * 100 * 40 / 120) / 70, abs=0.05)
    dara = card.standing("Dara", "2026-W28")
    assert [result.actual for result in dara.results.values()] == [None, None, None, None, None]
    assert (dara.score, dara.grade, dara.rank) == (None, None, None)


def test_a_shift_is_computed_from_its_calls() -> None:
    card = score("shifts")
    day = card.standing("day", "2026-W28")
    # 6 of 8; the time is (240 x 4 + 510 x 2) / 6, and not the mean of 240 and 510.
    assert day.results["answer_rate"].actual == 0.75
    assert day.results["handle_time"].actual == 330
    assert day.results["marks"].actual == 4
    assert day.score == pytest.approx(50 * 0.75 / 0.8 + 50)


RATES = """
sources:
  leads:
    fields: {lead: {type: text, role: id}, who: {type: text, role: subject}, day: {type: date, role: date}}
  deals:
    fields: {deal: {type: text, role: id}, who: {type: text, role: subject}, day: {type: date, role: date},
      amount: money(2)}
  payments:
    fields: {payment: {type: text, role: id}, who: {type: text, role: subject}, day: {type: date, role: date},
      paid: money(2)}
measures:
  leads: {value: count(), source: leads}
  won: {value: count(), source: deals}
  invoiced: {value: sum(amount), source: deals}
  received: {value: sum(paid), source: payments}
models:
  rates:
    indicators:
      conversion: {value: won / leads, target: 0.5, weight: 1}
      collection: {value: received / invoiced, target: 1, weight: 1}
      year: {value: ytd(received) / ytd(invoiced)}
"""


@pytest.mark.parametrize("make", [list, pd.DataFrame, pl.DataFrame])
def test_two_sources_meet_on_subject_and_period(make: Callable[[list[dict[str, Any]]], Any]) -> None:
    data = {
        "leads": make([{"lead": str(n), "who": "Ann", "day": "2026-01-05"} for n in range(4)]),
        "deals": make(
            [
                {"deal": "1", "who": "Ann", "day": "2026-01-09", "amount": 100},
                {"deal": "2", "who": "Bo", "day": "2026-01-09", "amount": 50},
                {"deal": "3", "who": "Bo", "day": "2026-02-09", "amount": 150},
            ]
        ),
        "payments": make(
            [
                {"payment": "1", "who": "Ann", "day": "2026-02-01", "paid": 80},
                {"payment": "2", "who": "Bo", "day": "2026-02-01", "paid": 30},
                {"payment": "3", "who": "Cy", "day": "2026-02-03", "paid": 5},
            ]
        ),
    }
    card = Rulebook.parse(RATES).score(data)
    found = {
        (each.subject, str(each.period)): tuple(result.actual for result in each.results.values())
        for each in card.standings()
    }
    assert found == {
        ("Ann", "2026-01"): (0.25, 0, 0),
        ("Bo", "2026-01"): (None, 0, 0),
        ("Cy", "2026-01"): (None, None, None),
        ("Ann", "2026-02"): (None, None, 0.8),
        ("Bo", "2026-02"): (None, 0.2, 0.15),
        ("Cy", "2026-02"): (None, None, None),
    }
    # 50 of 100 and 0 of 100; 20 alone; nothing.
    scores = [card.standing(who, month).score for who, month in (("Ann", "2026-01"), ("Bo", "2026-02"))]
    assert scores == [25, 20]
    assert card.standing("Ann", "2026-02").score is None
