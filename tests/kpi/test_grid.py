"""The rows of a card: each subject in each period."""

from __future__ import annotations

import pytest

from crmrules.kpi.grid import Grid
from crmrules.kpi.period import Period

APRIL, MAY, JUNE = map(Period.parse, ("2026-04", "2026-05", "2026-06"))
GRID = Grid(("Ann", "Bo", "Cy"), (APRIL, MAY))


def test_rows_go_period_by_period() -> None:
    assert GRID.keys == tuple((who, period) for period in (APRIL, MAY) for who in ("Ann", "Bo", "Cy"))
    assert len(GRID) == len(GRID.keys) == 6
    assert [GRID[row] for row in range(6)] == [*GRID.keys]


def test_a_row_is_found_by_its_subject_and_period() -> None:
    assert [GRID.row(*key) for key in GRID.keys] == [*range(6)]
    assert GRID.row("Dee", MAY) is None
    assert GRID.row("Ann", JUNE) is None


def test_there_is_no_row_beyond_the_last() -> None:
    with pytest.raises(IndexError):
        GRID[6]
    with pytest.raises(IndexError):
        Grid((), (APRIL,))[0]


def test_the_last_periods_are_a_grid_of_their_own() -> None:
    last, rows = GRID.last(1)
    assert last == Grid(GRID.subjects, (MAY,))
    assert GRID.keys[rows] == last.keys
