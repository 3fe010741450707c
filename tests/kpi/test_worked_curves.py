"""Worked cases of tiers and curves, each from its source. Tables that pay amounts are laid over the value."""

import math
from typing import Any

import pydantic
import pytest

from crmrules.kpi.curve import Linear
from crmrules.kpi.matrix import Matrix
from crmrules.kpi.tiers import Tiers


def table(how: str, *tiers: tuple[float, float], boundary: str | None = "lower", **more: Any) -> Tiers:
    """A commission table from pairs of where a tier begins and its rate in percent."""
    declared = [{"from": begin, "rate": f"{rate}%"} for begin, rate in tiers]
    return Tiers.model_validate({"on": "value", "how": how, "tiers": declared, "boundary": boundary, **more})


SPLIT = ((0, 1), (10_000, 2), (50_000, 3), (100_000, 4))


def test_ac_10_each_discount_falls_into_exactly_one_band() -> None:
    bands = Tiers(
        on="value", how="flat", boundary="upper", tiers=[{"from": 0, "to": 10, "points": 15}, {"points": 7.5}]
    )
    # Their bands [0, 10] and [10.01, 100] leave 10.005 out.
    assert bands.points([0, 10, 10.005, 11]).tolist() == [15, 15, 7.5, 7.5]
    with pytest.raises(
        pydantic.ValidationError, match=r"between the tier 0 to 10 and the tier 10\.01 to 100"
    ):
        Tiers(
            on="value",
            how="flat",
            boundary="upper",
            tiers=[{"from": 0, "to": 10, "points": 15}, {"from": 10.01, "to": 100, "points": 7.5}],
        )
    with pytest.raises(pydantic.ValidationError, match="the tier 10 to 0 is empty"):
        Tiers(on="value", how="flat", tiers=[{"from": 10, "to": 0, "points": 15}])


def test_ac_20_flat_tiers_pay_the_whole_amount_at_one_rate() -> None:
    flat = table("flat", *SPLIT)
    for amount, rate in ((5_000, 0.01), (15_000, 0.02), (60_000, 0.03)):
        (part,) = flat.breakdown(amount)
        assert part.rate == rate
        assert part.amount == amount
    assert flat.points([15_000, 60_000]).tolist() == pytest.approx([300, 1_800], rel=1e-12)


def test_ac_21_marginal_tiers_pay_what_lies_in_each() -> None:
    assert table("marginal", *SPLIT).points([15_000, 60_000]).tolist() == pytest.approx(
        [200, 1_200], rel=1e-12
    )


def test_ac_22_each_transaction_by_itself() -> None:
    step = table("marginal", (0, 1), (1_000, 2), (3_000, 3), (8_000, 5))
    amounts, earned = [200, 300, 1_500, 1_200, 2_000, 4_500], [2, 3, 20, 14, 30, 95]
    found = step.points(amounts)
    assert found.tolist() == pytest.approx(earned, rel=1e-12)
    assert math.fsum(found.tolist()) == pytest.approx(164, rel=1e-12)
    blended = [100 * points / amount for points, amount in zip(found.tolist(), amounts, strict=True)]
    assert blended == pytest.approx([1, 1, 1.333, 1.167, 1.5, 2.111], abs=6e-4)


def test_ac_24_the_parts_explain_the_blended_rate() -> None:
    step = table("marginal", (0, 1), (1_000, 2), (5_000, 3))
    first, second = step.breakdown(2_500)
    assert (first.amount, second.amount) == (1_000, 1_500)
    assert first.points / 2_500 == pytest.approx(0.004)
    assert second.points / 2_500 == pytest.approx(0.012)
    assert float(step.points(2_500)) / 2_500 == pytest.approx(0.016)
    assert float(step.points(2_000)) / 2_000 == pytest.approx(0.015)


@pytest.mark.parametrize(("boundary", "rate"), [("lower", 0.025), ("upper", 0.0175)])
def test_ac_25_exactly_on_a_boundary(boundary: str, rate: float) -> None:
    tiers = ((0, 1.75), (1_500_000, 2.5), (3_000_000, 3.25), (4_500_000, 4.25))
    (part,) = table("flat", *tiers, boundary=boundary).breakdown(1_500_000)
    assert part.rate == rate
    # A running total that came to it by addition is on the boundary, too.
    (part,) = table("flat", *tiers, boundary=boundary).breakdown(math.nextafter(1_500_000, 0))
    assert part.rate == rate


def test_ac_25_a_last_tier_that_ends_is_refused() -> None:
    # Their table ends at 100,000,000 and says nothing about what is above.
    tiers = [{"from": 0, "to": 4_500_000, "rate": "3.25%"}, {"to": 100_000_000, "rate": "4.25%"}]
    with pytest.raises(pydantic.ValidationError, match="what is above 100,000,000 has no tier"):
        Tiers(on="value", how="flat", boundary="lower", tiers=tiers)


def test_ac_26_step_and_straight_around_quota() -> None:
    assert float(table("marginal", (0, 3), (100_000, 5)).points(104_000)) == pytest.approx(3_200, rel=1e-12)
    straight = Tiers(
        on="value", how="flat", by="revenue / quota", boundary="upper",
        tiers=[{"to": "100%", "rate": "3%"}, {"rate": "5%"}],
    )  # fmt: skip
    assert float(straight.points(104_000, by=1.04)) == pytest.approx(5_200, rel=1e-12)


def test_ac_28_retroactive_tier() -> None:
    assert float(table("flat", (0, 4), (150_000, 8), (250_000, 12)).points(220_000)) == pytest.approx(17_600)


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        (
            [{"from": 0, "to": 1_000, "rate": "5%"}, {"from": 1_001, "to": 2_000, "rate": "10%"}],
            "there is a gap between the tier 0 to 1,000 and the tier 1,001 to 2,000",
        ),
        (
            [{"from": 0, "to": 1_000, "rate": "5%"}, {"from": 900, "rate": "10%"}],
            "the tier 0 to 1,000 and the tier 900 and more overlap",
        ),
        ([{"from": 1, "to": 100, "rate": "10%"}], "what is above 100 has no tier"),
    ],
)
def test_ac_29_gaps_overlaps_and_open_ends_are_refused(tiers: list[dict[str, Any]], said: str) -> None:
    # Their figures (1000.5 -> 0) come from a gap that nobody noticed.
    with pytest.raises(pydantic.ValidationError, match=said):
        Tiers(on="value", how="flat", boundary="upper", tiers=tiers)


def test_ac_29_without_the_gap() -> None:
    mended = table("flat", (0, 5), (1_000, 10), boundary="upper")
    assert mended.points([1_000, 1_000.5, 1_001]).tolist() == pytest.approx([50, 100.05, 100.1])


ACCELERATED = ((0, 5), (100_000, 6), (125_000, 7))


def test_ac_30_accelerator_above_quota() -> None:
    parts = table("marginal", *ACCELERATED).breakdown(150_000)
    assert [part.points for part in parts] == pytest.approx([5_000, 1_500, 1_750], rel=1e-12)
    assert float(table("marginal", *ACCELERATED).points(150_000)) == pytest.approx(8_250, rel=1e-12)


def test_ac_30_no_accelerator_until_the_annual_quota_is_met() -> None:
    gated = table("marginal", *ACCELERATED, by="ytd(revenue)", opens_at=400_000)
    quarters, so_far = [50_000, 75_000, 200_000, 150_000], [50_000, 125_000, 325_000, 475_000]
    found = gated.points(quarters, so_far).tolist()
    assert found[:3] == pytest.approx([2_500, 3_750, 10_000], rel=1e-12)
    assert found[3] == pytest.approx(8_250, rel=1e-12), "the gate is open in the fourth quarter"


def test_ac_32_each_five_percent_better_five_points_more() -> None:
    score = Linear(cap=120)
    assert score.points([1.00, 1.12, 1.30, 0.50]).tolist() == pytest.approx([100, 112, 120, 50], rel=1e-12)


def test_ac_32_mirrored_where_lower_is_better() -> None:
    days, target = [30, 27, 33, 21, 61], 30
    by_difference = [1 + (target - each) / target for each in days]
    assert Linear(cap=120).points(by_difference).tolist() == pytest.approx([100, 110, 90, 120, 0], rel=1e-12)


def test_ac_34_two_dimensional_payout() -> None:
    # ">100 %" leaves 100 % below, "50-52" takes 50 %: the boundaries have different sides.
    payout = Matrix(
        on="attainment",
        by="received / invoiced",
        rows={
            "bounds": ["50%", "52%", "97%", "100%"],
            "boundary": ["lower", "lower", "lower", "upper"],
        },
        columns={"bounds": ["50%", "100%"], "boundary": ["lower", "upper"]},
        # The middle column and row, which the case does not give, only fill the table.
        cells=[[0, 0, 0], [0, 0.1, 0.2], [0, 0.5, 0.9], [0, 1.0, 1.45], [0, 1.2, 1.5]],
        monotone="rises",
    )
    attained, collected = [1.05, 0.98, 1.0, 0.4, 0.51, 0.5], [1.1, 1.1, 1.1, 1.1, 1.1, 1.1]
    assert payout.points(attained, collected).tolist() == [1.5, 1.45, 1.45, 0, 0.2, 0.2]


def test_ac_35_decelerator_retroactive_base_and_accelerator() -> None:
    # The source's text says "1.5x", its sample computes with 20 %: the sample is taken.
    quota = 33_000
    commission = Tiers(
        on="value",
        how="marginal",
        boundary="lower",
        tiers=[
            {"from": 0, "to": quota / 2, "rate": "5%"},
            {"to": quota, "rate": "10%", "retroactive": True},
            {"rate": "20%"},
        ],
    )
    assert commission.points([16_000, 20_000, 40_000]).tolist() == pytest.approx(
        [800, 2_000, 4_700], rel=1e-12
    )
    assert [part.points for part in commission.breakdown(40_000)] == pytest.approx([3_300, 1_400], rel=1e-12)
