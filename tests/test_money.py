"""Amounts as whole numbers of the smallest unit."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import frames
from crmrules.money import (
    LARGEST,
    NotMoney,
    amount,
    credited,
    credited_column,
    scaled,
    split,
    split_columns,
)

digits = st.integers(0, 6)
units = st.integers(-LARGEST, LARGEST)


@given(units, digits)
def test_a_decimal_comes_back_as_it_was(units: int, digits: int) -> None:
    assert scaled(amount(units, digits), digits) == units


@given(units, digits)
def test_the_float_nearest_to_an_amount_is_that_amount(units: int, digits: int) -> None:
    assert scaled(float(amount(units, digits)), digits) == units


@given(units, digits, st.integers(1, 8))
def test_a_decimal_with_a_further_digit_is_refused_however_small(
    units: int, digits: int, further: int
) -> None:
    with pytest.raises(NotMoney, match=f"more than {digits} decimals"):
        scaled(amount(units, digits) + Decimal(1).scaleb(-digits - further), digits)


@given(st.decimals(-(10**6), 10**6, places=9), digits)
def test_rounding_takes_the_nearest_unit_and_the_even_one_of_two(value: Decimal, digits: int) -> None:
    nearest = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    assert scaled(value, digits, rounding="half_even") == int(nearest.scaleb(digits))


@pytest.mark.parametrize(
    ("value", "cents"), [(0.1 + 0.2, 30), (1.115, 112), (1.125, 112), (-1.125, -112), (-0.0, 0)]
)
def test_floats_as_people_write_them(value: float, cents: int) -> None:
    assert scaled(value, 2, rounding="half_even") == cents


@pytest.mark.parametrize(
    "value", [float("inf"), Decimal("inf"), Decimal("sNaN"), Decimal("1e999999"), 10**400, 1e308]
)
def test_what_cannot_be_carried_is_refused(value: float | Decimal) -> None:
    with pytest.raises(NotMoney, match=r"not finite|too large"):
        scaled(value, 2)


@given(st.integers(-(10**12), 10**12), st.floats(0, 1))
def test_credit_is_symmetrical_and_never_more_than_the_amount(units: int, credit: float) -> None:
    assert credited(-units, credit) == -credited(units, credit)
    assert abs(credited(units, credit)) <= abs(units)


@pytest.mark.parametrize(("units", "half"), [(1, 1), (3, 2), (-1, -1), (-3, -2), (2, 1)])
def test_half_a_unit_goes_away_from_zero(units: int, half: int) -> None:
    assert credited(units, 0.5) == half


# Percentages of four decimals, as people agree on them, and equal parts.
percentages = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=6).map(
    lambda parts: [part / 1_000_000 for part in parts]
)
equal_parts = st.integers(1, 9).map(lambda count: [1 / count] * count)
shares = percentages | equal_parts
usual_units = st.integers(-(10**12), 10**12)


def added(values: list[float]) -> float:
    result = 0.0
    for value in values:
        result += value
    return result


def test_worked_case_w14_largest_remainder() -> None:
    # worked_cases.md, W14
    assert split(100_00, [1 / 3] * 3) == [33_34, 33_33, 33_33]
    assert split(-100_00, [1 / 3] * 3) == [-33_34, -33_33, -33_33]
    assert split(1, [0.5, 0.5]) == [1, 0]


@given(units, shares)
def test_the_parts_of_a_split_add_up_to_the_whole(units: int, shares: list[float]) -> None:
    assert sum(split(units, shares)) == credited(units, added(shares))


@given(units, equal_parts)
def test_shares_that_make_one_split_the_amount_itself(units: int, shares: list[float]) -> None:
    assert sum(split(units, shares)) == units


@given(units, shares)
def test_a_split_is_symmetrical(units: int, shares: list[float]) -> None:
    assert split(-units, shares) == [-part for part in split(units, shares)]


@given(units, st.floats(0, 1))
def test_one_share_gets_what_credit_gives(units: int, share: float) -> None:
    assert split(units, [share]) == [credited(units, share)]


@given(usual_units, percentages)
def test_each_part_is_less_than_one_unit_from_its_exact_share(units: int, shares: list[float]) -> None:
    for part, share in zip(split(units, shares), shares, strict=True):
        assert abs(part - units * Fraction(round(share * 1_000_000), 1_000_000)) <= 1


@given(usual_units, percentages)
def test_a_larger_share_never_gets_less(units: int, shares: list[float]) -> None:
    sizes = [abs(part) for part in split(units, shares)]
    for share, size in zip(shares, sizes, strict=True):
        assert all(size >= other for less, other in zip(shares, sizes, strict=True) if less < share)


@given(usual_units, percentages, st.data())
def test_the_order_of_shares_moves_a_unit_only_between_equal_fractions(
    units: int, shares: list[float], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(shares))))
    moved = split(units, [shares[position] for position in order])
    plain = split(units, shares)
    exact = [abs(units) * Fraction(round(share * 1_000_000), 1_000_000) for share in shares]
    for place, position in enumerate(order):
        if moved[place] != plain[position]:
            fraction = exact[position] % 1
            assert [each % 1 for each in exact].count(fraction) > 1


@given(usual_units, percentages)
def test_nobody_without_a_share_gets_a_unit(units: int, shares: list[float]) -> None:
    for part, share in zip(split(units, [*shares, 0.0]), [*shares, 0.0], strict=True):
        assert share or not part


def test_nothing_is_split_among_nobody() -> None:
    assert split(100, []) == []
    frame = frames.wrap(pl.DataFrame({"units": [100.0]}), "x")
    assert split_columns(frame, "units", [], []) is frame


FRAMES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "pandas": lambda frame: frame.to_pandas(),
    "pandas over Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
    "Polars": lambda frame: frame,
    "Polars lazy": lambda frame: frame.lazy(),
    "PyArrow": lambda frame: frame.to_arrow(),
}


@pytest.mark.parametrize("engine", [*FRAMES])
@given(
    rows=st.lists(
        st.tuples(st.none() | units, st.lists(st.none() | st.floats(0, 1), min_size=4, max_size=4)),
        min_size=1,
        max_size=6,
    ),
    width=st.integers(1, 4),
)
def test_columns_are_split_as_single_amounts_are(
    engine: str, rows: list[tuple[int | None, list[float | None]]], width: int
) -> None:
    import narwhals as nw

    names = [f"share {position}" for position in range(width)]
    data = [
        {
            "units": None if units is None else float(units),
            **dict(zip(names, given_shares[:width], strict=True)),
        }
        for units, given_shares in rows
    ]
    schema = dict.fromkeys(["units", *names], pl.Float64)
    frame = frames.wrap(FRAMES[engine](pl.DataFrame(data, schema=schema)), "x")
    parts = [f"part {position}" for position in range(width)]
    found = split_columns(frame, "units", names, parts).with_columns(
        credited_column(nw.col("units"), 0.29).alias("credited")
    )
    assert found.collect_schema().names() == ["units", *names, *parts, "credited"]
    for row, (units, given_shares) in zip(frames.rows_of(found), rows, strict=True):
        here = given_shares[:width]
        known = [share for share in here if share is not None]
        in_turn = iter(split(units, known) if units is not None else [])
        expected = [None if share is None or units is None else next(in_turn) for share in here]
        assert [row[part] for part in parts] == expected
        assert row["credited"] == (None if units is None else credited(units, 0.29))
