"""Matrices: points by two figures at once, such as attainment and collection rate."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, Field

from crmrules.fields import Frozen, Number
from crmrules.kpi.pieces import (
    Boundary,
    Laid,
    Monotone,
    On,
    Points,
    TierPart,
    check_ascending,
    check_shares,
    number,
    sides,
    span,
    spoken,
    thresholds,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@final
class Axis(BaseModel):
    """The boundaries along one side of a matrix, lowest first: n of them make n + 1 tiers.

    boundary: whether what is exactly on a boundary belongs to the tier above (`lower`) or below (`upper`).
    """

    model_config = Frozen

    bounds: Annotated[tuple[Number, ...], Field(min_length=1)]
    boundary: Boundary

    @pydantic.model_validator(mode="after")
    def _check(self) -> Axis:
        check_ascending(self.bounds, "the bounds", False)
        sides(self.boundary, len(self.bounds))
        return self

    def places(self, values: Any) -> NDArray[np.intp]:
        """Which tier each value lies in; any for NaN."""
        import numpy as np

        return np.searchsorted(self._thresholds, np.asarray(values, dtype=np.float64), side="right")

    @cached_property
    def _thresholds(self) -> NDArray[np.float64]:
        return thresholds(self.bounds, sides(self.boundary, len(self.bounds)))

    def label(self, place: int, percent: bool) -> str:
        """A tier as people write it."""
        ends = (None, *self.bounds, None)
        return span(ends[place], ends[place + 1], percent)


@final
class Matrix(BaseModel):
    """Points by two figures: what the curve is laid over chooses the row, `by` the column.

    by: an expression. rows, columns: the boundaries of either. cells: the points, a list for each row,
    lowest row and lowest column first. monotone: checked along both sides, if declared.

    >>> payout = Matrix(
    ...     on="attainment", by="received / invoiced",
    ...     rows={"bounds": ["80%", "100%"], "boundary": "lower"},
    ...     columns={"bounds": ["90%"], "boundary": "lower"},
    ...     cells=[[0, 0], [60, 80], [90, 120]],
    ... )
    >>> payout.points([0.5, 0.8, 1.0], [0.95, 0.5, 0.9]).tolist()
    [0.0, 60.0, 120.0]
    """

    model_config = Laid

    kind: Literal["matrix"] = "matrix"
    on: On
    by: Annotated[str, Field(min_length=1)]
    rows: Axis
    columns: Axis
    cells: tuple[tuple[Points, ...], ...]
    monotone: Monotone | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Matrix:
        check_shares(self.rows.bounds, self.on)
        tall, wide = len(self.rows.bounds) + 1, len(self.columns.bounds) + 1
        if len(self.cells) != tall:
            raise ValueError(
                f"{len(self.cells)} rows of cells for {tall} tiers: {tall - 1} bounds make {tall} tiers, "
                "write a row for each"
            )
        for place, row in enumerate(self.cells):
            if len(row) != wide:
                raise ValueError(
                    f"row {place + 1} has {len(row)} cells for {wide} tiers: "
                    f"{wide - 1} bounds make {wide} tiers, write a cell for each"
                )
        if self.monotone:
            self._check_lines()
        return self

    def _check_lines(self) -> None:
        """Each row and each column goes the declared way."""
        columns = [*zip(*self.cells, strict=True)]
        for name, lines in (("row", self.cells), ("column", columns)):
            for place, line in enumerate(lines):
                for before, after in pairwise(line):
                    if after < before if self.monotone == "rises" else after > before:
                        raise ValueError(
                            f"{name} {place + 1} goes from {number(before)} to {number(after)}, and the "
                            f"curve is declared as one that {self.monotone}: "
                            "change the cell, or leave `monotone` out"
                        )

    @property
    def cap(self) -> float:
        """The most points of any cell."""
        return max(points for row in self.cells for points in row)

    @property
    def bounded_above(self) -> bool:
        """Whether there is a most that it can give: always."""
        return True

    @cached_property
    def _grid(self) -> NDArray[np.float64]:
        import numpy as np

        return np.array(self.cells, dtype=np.float64) + 0.0

    def points(self, values: Any, by: Any = None) -> NDArray[np.float64]:
        """The points for each pair; NaN where either is missing. Raises TypeError without `by`."""
        import numpy as np

        if by is None:
            raise TypeError(f"the column is chosen by {self.by}: pass `by`, a value for each row")
        x, chooser = np.asarray(values, dtype=np.float64), np.asarray(by, dtype=np.float64)
        found = self._grid[self.rows.places(x), self.columns.places(chooser)]
        return np.asarray(np.where(np.isnan(x) | np.isnan(chooser), np.nan, found))

    def breakdown(self, value: float, by: float | None = None) -> tuple[TierPart, ...]:
        """The cell, as the one part; empty for NaN."""
        points = float(self.points(value, by))
        if math.isnan(points):
            return ()
        row, column = int(self.rows.places(value)), int(self.columns.places(by))
        ends = (None, *self.rows.bounds, None)
        label = f"{self.rows.label(row, self.on == 'attainment')} x {self.columns.label(column, False)}"
        return (TierPart(label, ends[row], ends[row + 1], value, None, points),)

    def describe(self) -> str:
        """The matrix in one line, for a statement.

        >>> side = {"bounds": [1], "boundary": "lower"}
        >>> Matrix(on="value", by="calls", rows=side, columns=side, cells=[[0, 1], [2, 3]]).describe()
        'matrix of 2 x 2: value by calls; rows: a boundary belongs to the tier above it; columns: likewise'
        """
        rows, columns = spoken(self.rows.boundary), spoken(self.columns.boundary)
        columns = "likewise" if columns == rows else columns
        size = f"{len(self.cells)} x {len(self.cells[0])}"
        return f"matrix of {size}: {self.on} by {self.by}; rows: {rows}; columns: {columns}"
