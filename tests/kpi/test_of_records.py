"""What each credit of a record adds to a sum, one record at a time."""

from hypothesis import given
from hypothesis import strategies as st

from crmrules import money
from crmrules.kpi.of_records import shared
from crmrules.policy import Credit


def test_money_is_rounded_half_away_from_zero_for_each_record() -> None:
    half = [Credit("Ann", 0.5)]
    assert [shared(units, half) for units in (101, -101, 3)] == [[51], [-51], [2]]


def test_overlay_is_beside_the_whole() -> None:
    credits = [Credit("Ann", 0.5), Credit("Cy", 0.5, overlay=True), Credit("Bo", 0.5)]
    assert shared(1, credits) == [1, 1, 0]
    assert shared(3.0, credits) == [1.5, 1.5, 1.5]


@given(
    st.integers(-(10**9), 10**9), st.lists(st.integers(1, 100), min_size=1, max_size=6), st.floats(0.01, 1.0)
)
def test_the_parts_of_money_make_the_credited_amount(units: int, weights: list[int], credit: float) -> None:
    shares = [credit * weight / sum(weights) for weight in weights]
    parts = shared(units, [Credit(str(at), share) for at, share in enumerate(shares)])
    assert sum(parts) == money.credited(units, sum(shares))
