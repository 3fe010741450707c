"""Who gets a contested customer, and the sentence that says why."""

import datetime as dt

import pytest

from crmrules.policy.settle import Claimant, Decision, settle


def claimant(who: str, day: int, activity: int | None = None, tie: object = None) -> Claimant:
    active = None if activity is None else dt.date(2026, 4, activity)
    return Claimant(who, dt.date(2026, 3, day), (tie,), active, (who,))  # type: ignore[arg-type]


ANN, BO, CY = claimant("Ann", 1, 5, 1.0), claimant("Bo", 5, 9, 2.0), claimant("Cy", 7, None, 3.0)


@pytest.mark.parametrize(
    ("claimants", "rule", "shares", "expected"),
    [
        ([ANN, BO, CY], "first_claim", (), {"Ann": 1.0}),
        ([ANN, BO, CY], "last_activity", (), {"Bo": 1.0}),
        ([ANN, BO], "split", (), {"Ann": 0.5, "Bo": 0.5}),
        ([ANN, BO], "split", (0.7, 0.3), {"Ann": 0.7, "Bo": 0.3}),
        ([ANN, BO, CY], "split", (0.7, 0.3), {}),
        ([ANN, BO], "hold", (), {}),
        ([claimant("Ann", 1, tie=1.0), claimant("Bo", 1, tie=2.0)], "first_claim", (), {"Ann": 1.0}),
        ([claimant("Ann", 1), claimant("Bo", 1)], "first_claim", (), {}),
        ([claimant("Ann", 1), claimant("Bo", 1)], "split", (0.7, 0.3), {}),
        ([claimant("Ann", 1), claimant("Bo", 1)], "split", (), {"Ann": 0.5, "Bo": 0.5}),
        ([claimant("Ann", 1, 9, 1.0), claimant("Bo", 2, 9, 2.0)], "last_activity", (), {"Ann": 1.0}),
        ([claimant("Ann", 1, 9), claimant("Bo", 1, 9)], "last_activity", (), {}),
        ([claimant("Ann", 1), claimant("Bo", 2)], "last_activity", (), {}),
    ],
)
def test_who_gets_it(
    claimants: list[Claimant], rule: str, shares: tuple[float, ...], expected: dict[str, float]
) -> None:
    decision = settle(claimants, rule, shares)  # type: ignore[arg-type]
    assert dict(decision.shares) == expected
    assert decision.held == (not expected)
    assert decision.because


@pytest.mark.parametrize(
    ("claimants", "rule", "sentence"),
    [
        (
            [ANN, BO, CY],
            "first_claim",
            "Ann claimed first, on 2026-03-01; Bo on 2026-03-05, Cy on 2026-03-07",
        ),
        ([ANN, BO, CY], "last_activity", "Bo was active last, on 2026-04-09; Ann on 2026-04-05, Cy never"),
        ([ANN, BO, CY], "hold", "a human decides between Ann, Bo and Cy"),
        ([ANN, BO, CY], "split", "Ann, Bo and Cy share equally"),
        (
            [claimant("Ann", 1, tie=1.0), claimant("Bo", 1, tie=2.0), claimant("Cy", 1, tie=2.5)],
            "first_claim",
            "Ann, Bo and Cy claimed first, all on 2026-03-01; Ann comes first by 1 before 2",
        ),
        (
            [claimant("Ann", 1), claimant("Bo", 1)],
            "first_claim",
            "Ann and Bo claimed on 2026-03-01 and nothing declared tells who was first",
        ),
        ([claimant("Ann", 1), claimant("Bo", 2)], "last_activity", "nobody has an activity; a human decides"),
    ],
)
def test_the_reason_in_one_sentence(claimants: list[Claimant], rule: str, sentence: str) -> None:
    assert settle(claimants, rule).because == sentence  # type: ignore[arg-type]


def test_declared_shares_are_told() -> None:
    assert (
        settle([ANN, BO], "split", (0.7, 0.3)).because == "shared in the order of claims: Ann 70 %, Bo 30 %"
    )
    many = settle([ANN, BO, CY], "split", (0.7, 0.3))
    assert many.because == "3 people claim and 2 shares are declared; a human decides"


def test_the_time_of_day_is_told_where_it_decides() -> None:
    early, late = dt.datetime(2026, 3, 1, 9), dt.datetime(2026, 3, 1, 10, 30)
    decision = settle(
        [Claimant("Ann", early, (), None, ()), Claimant("Bo", late, (), None, ())], "first_claim"
    )
    assert decision.because == "Ann claimed first, on 2026-03-01 09:00; Bo on 2026-03-01 10:30"


def test_a_share_of_nobody_is_none() -> None:
    assert Decision((("Ann", 1.0),), "…").share("Bo") == 0.0
