"""How tiers join: no gap, no overlap, no doubt about where one ends."""

from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.tier import Tier, joints


def tier(lower: Any = None, upper: Any = None) -> Tier:
    return Tier.model_validate({"from": lower, "to": upper, "rate": 1})


@given(st.lists(st.integers(-100, 100).map(float), min_size=1, unique=True).map(sorted), st.data())
def test_a_joint_may_be_said_on_either_side_or_both(bounds: list[float], data: st.DataObject) -> None:
    said = [data.draw(st.sampled_from([(True, False), (False, True), (True, True)])) for _ in bounds]
    ends = [bound if end else None for bound, (end, _) in zip(bounds, said, strict=True)]
    begins = [bound if begin else None for bound, (_, begin) in zip(bounds, said, strict=True)]
    tiers = [tier(begin, end) for begin, end in zip([None, *begins], [*ends, None], strict=True)]
    assert joints(tiers, False) == bounds


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            [(0, 10), (11, None)],
            "there is a gap between the tier 0 to 10 and the tier 11 and more: .* from: 10",
        ),
        ([(0, 10), (9, None)], "the tier 0 to 10 and the tier 9 and more overlap"),
        ([(0, None), (None, None)], "where the tier 0 and more ends is not said"),
        ([(10, None), (5, None)], "the tier 10 to 5 is empty: let the tiers go from the lowest up"),
        ([(None, 10), (None, 5), (None, None)], "the tier 10 to 5 is empty"),
        ([(0, 10)], "what is above 10 has no tier"),
        ([(0, 1), (1, 1 + 1e-12), (None, None)], "is empty"),
    ],
)
def test_tiers_that_do_not_join_are_refused(ends: list[tuple[Any, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        joints([tier(*each) for each in ends], False)


def test_shares_of_the_target_are_shown_in_percent() -> None:
    with pytest.raises(ValueError, match="gap between the tier 0 % to 80 % and the tier 90 % and more"):
        joints([tier(0, "80%"), tier("90%")], True)


def test_a_tier_is_written_in_percent_or_not() -> None:
    assert tier("80%", "120 %") == tier(0.8, 1.2)
    assert Tier(lower=0, rate="-5%").rate == -0.05
    with pytest.raises(pydantic.ValidationError, match="is empty"):
        tier(5, 5)
