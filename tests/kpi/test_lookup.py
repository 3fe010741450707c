"""Lookup tables against a search row by row."""

import math
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules.kpi.lookup import Table

ROWS = st.lists(
    st.tuples(st.integers(-5, 20).map(float), st.integers(-10, 150).map(float)),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[0],
).map(sorted)
MATCHES = ["at_most", "at_least", "exact"]


def found_by_search(rows: list[tuple[float, float]], match: str, value: float, otherwise: float) -> float:
    fits = {
        "at_most": [points for at, points in rows if value <= at][:1],
        "at_least": [points for at, points in rows if value >= at][-1:],
        "exact": [points for at, points in rows if value == at],
    }[match]
    return fits[0] if fits else otherwise


@given(ROWS, st.sampled_from(MATCHES), st.lists(st.integers(-14, 50).map(lambda half: half / 2)))
def test_the_row_that_fits_is_the_one_that_a_search_finds(
    rows: list[tuple[float, float]], match: str, values: list[float]
) -> None:
    table = Table(on="value", match=match, rows=rows, otherwise=-1)
    expected = [found_by_search(rows, match, value, -1) for value in values]
    assert table.points(values).tolist() == expected
    for value, points in zip(values, expected, strict=True):
        (part,) = table.breakdown(value)
        assert part.points == points
        assert (part.label == "otherwise") == (found_by_search(rows, match, value, math.inf) == math.inf)
    assert table.cap >= max([*expected, -1])


@pytest.mark.parametrize(("match", "ends"), [("at_most", [60, 0]), ("at_least", [0, 90]), ("exact", [0, 0])])
def test_the_infinite_and_the_unknown(match: str, ends: list[float]) -> None:
    table = Table(on="value", match=match, rows=[[30, 60], [35, 90]], otherwise=0)
    assert table.points([-math.inf, math.inf]).tolist() == ends
    assert np.isnan(table.points([math.nan])).all()
    assert table.breakdown(math.nan) == ()
    assert table.bounded_above


def test_a_value_that_misses_a_row_by_rounding_hits_it() -> None:
    assert Table(on="value", match="exact", rows=[[0.3, 100]], otherwise=0).points(0.1 + 0.2) == 100


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rows": [[35, 1], [30, 2]]}, "the rows go from the lowest up, 30 cannot follow 35"),
        ({"rows": []}, "at least 1"),
        ({"on": "attainment"}, "write 30% or 0.3, or on: value"),
        ({"otherwise": None}, "otherwise"),
        ({"monotone": "falls"}, "from 90 to 100 at 30 the curve rises"),
        ({"monotone": "falls", "match": "exact"}, "leave `monotone` out"),
    ],
)
def test_what_is_no_table_is_refused(wrong: dict[str, Any], said: str) -> None:
    sound = {"on": "value", "match": "at_most", "rows": [[30, 90], [35, 100]], "otherwise": 0}
    assert Table.model_validate(sound)
    with pytest.raises(pydantic.ValidationError, match=said):
        Table.model_validate({**sound, **wrong})
