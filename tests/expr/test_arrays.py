"""Plain arithmetic over arrays: the same as over lists, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.expr.arrays import arithmetic
from crmrules.expr.check import check
from crmrules.expr.parse import parse
from crmrules.expr.scalar import compile_many
from crmrules.money import LARGEST
from crmrules.types import Type

SCHEMA = {
    "x": Type("number", nullable=True),
    "y": Type("number", nullable=True),
    "paid": Type("money", 2, nullable=True),
    "due": Type("money", 2, nullable=True),
}
numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1e200, -1e308, 1e-320]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
)
amounts = st.one_of(st.sampled_from([0, 1, -1, LARGEST, -LARGEST]), st.integers(-(10**7), 10**7), st.none())


def leaves() -> st.SearchStrategy[str]:
    return st.sampled_from([*SCHEMA, "2", "0", "0.5", "100"])


def texts() -> st.SearchStrategy[str]:
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda each: f"({' '.join(each)})"),
            inner.map(lambda each: f"(-{each})"),
        ),
        max_leaves=5,
    )


def both(text: str, rows: list[tuple[object, ...]]) -> tuple[np.ndarray | None, np.ndarray] | None:
    """By arrays and by lists; None for a text that does not fit the fields, or reads none."""
    try:
        checked = check(parse(text), SCHEMA, text=text)
    except ValueError:
        return None
    if not checked.fields:
        return None
    lists = {name: [row[place] for row in rows] for place, name in enumerate(SCHEMA)}
    columns = {name: np.array(lists[name], dtype=np.float64) for name in checked.fields}
    by_lists = compile_many(checked)(*(lists[name] for name in checked.fields))
    return arithmetic(checked, columns), np.array(by_lists, dtype=np.float64)


@given(texts(), st.lists(st.tuples(numbers, numbers, amounts, amounts), min_size=1, max_size=6))
def test_the_same_as_over_lists_to_the_last_bit(text: str, rows: list[tuple[object, ...]]) -> None:
    found = both(text, rows)
    if found is None or found[0] is None:
        return
    arrays, lists = found
    assert arrays.dtype == np.float64
    assert [each.hex() for each in arrays.tolist()] == [each.hex() for each in lists.tolist()]


@pytest.mark.parametrize(
    "text", ["x / y", "(paid - due) / paid", "paid - due", "paid * 0.5", "-x", "-(paid - due)", "paid + 1.5"]
)
def test_ratios_and_sums_go_over_arrays(text: str) -> None:
    rows = [(1.0, 3.0, 100, 35), (None, 0.0, 0, 0), (-0.0, 2.0, None, 7), (1e308, 1e-308, -50, 50)]
    found = both(text, rows)
    assert found is not None
    assert found[0] is not None
    assert [each.hex() for each in found[0].tolist()] == [each.hex() for each in found[1].tolist()]


@pytest.mark.parametrize("text", ["x if y > 0 else 0", "abs(x)", "x > y", "x + paid / 1"])
def test_what_is_more_goes_over_lists(text: str) -> None:
    found = both(text, [(1.0, 2.0, 3, 4)])
    assert found is not None
    assert (found[0] is None) is (text != "x + paid / 1")


def test_amounts_beyond_what_a_float_holds_go_over_lists() -> None:
    checked = check(parse("paid - due"), SCHEMA, text="paid - due")
    far = np.array([2**60 + 1, 5], dtype=np.int64)
    assert arithmetic(checked, {"paid": far, "due": far}) is None
