"""Several scores as one: the weighted mean, the geometric mean, the minimum, or an expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

from crmrules.errors import RecordError
from crmrules.expr.check import Checked
from crmrules.kpi.composite import Composite
from crmrules.kpi.named import listed, numbers
from crmrules.types import Scalar

if TYPE_CHECKING:
    from crmrules.kpi.measure import Column
    from crmrules.kpi.named import Flags, Numbers


class Keys(Protocol):
    """Subject and period of each row."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> tuple[object, object]: ...


@final
@dataclass(frozen=True, slots=True)
class Combined:
    """A composite before anything is added to it.

    score: NaN where it is unknown. shares: of each indicator, 0 to 1. contributions: of those that count;
    their sum and the composite differ by what `rest` says.
    """

    score: Numbers
    shares: dict[str, Numbers]
    contributions: dict[str, Numbers]
    rest: str = ""

    @property
    def added(self) -> Numbers:
        """The sum of the contributions that are known; NaN where the composite is unknown."""
        import numpy as np

        total = np.where(np.isnan(self.score), np.nan, 0.0)
        for column in self.contributions.values():
            total = total + np.where(np.isnan(column), 0.0, column)
        return total


@final
@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of indicators with their weights: columns of points, NaN where one is unknown."""

    declared: Composite
    columns: Mapping[str, Numbers]
    weights: Mapping[str, float]
    rows: Keys

    @property
    def weighed(self) -> list[str]:
        """The indicators that have a weight; others are shown and do not count."""
        return [name for name, weight in self.weights.items() if weight > 0]

    def counted(self, checked: Checked | None) -> list[str]:
        """The indicators that make the composite: those that its expression reads, or have a weight."""
        return self.weighed if checked is None else read_by(checked, self.columns)

    def extreme(self, names: Sequence[str], highest: bool = False) -> Numbers:
        """The lowest or highest known score of some indicators."""
        import numpy as np

        if not names:
            return np.full(len(self.rows), np.nan)
        found: Numbers = (np.fmax if highest else np.fmin).reduce([self.columns[name] for name in names])
        return found

    def shares(self) -> tuple[Flags, dict[str, Numbers]]:
        """For which rows there is a composite, and each indicator's part of the weights of those known."""
        import numpy as np

        total, whole = np.zeros(len(self.rows)), np.ones(len(self.rows), dtype=bool)
        for name in self.weighed:
            unknown = np.isnan(self.columns[name])
            total += np.where(unknown, 0.0, self.weights[name])
            if self.declared.missing_of(name) == "unknown":
                whole &= ~unknown
        whole &= total > 0
        shares = {name: np.zeros(len(self.rows)) for name in self.columns}
        for name in self.weighed:
            counts = whole & ~np.isnan(self.columns[name])
            shares[name] = np.where(counts, self.weights[name] / np.where(whole, total, 1.0), 0.0)
        return whole, shares

    def mean(self) -> Combined:
        """sum(weight x score) / sum(weight)."""
        import numpy as np

        whole, shares = self.shares()
        contributions = {name: shares[name] * self.columns[name] for name in self.weighed}
        found = Combined(np.where(whole, 0.0, np.nan), shares, contributions)
        return Combined(found.added, shares, contributions)

    def geometric(self) -> Combined:
        """exp(sum(weight x ln(score)) / sum(weight)), 0 where a score is 0.

        The contributions are those of the mean, which is never less; the rest is what unevenness costs.
        Raises RecordError (M132) for a negative score.
        """
        import numpy as np

        mean = self.mean()
        logarithm, zero = np.zeros(len(self.rows)), np.zeros(len(self.rows), dtype=bool)
        for name in self.weighed:
            column = self.columns[name]
            if (negative := column < 0).any():
                raise RecordError(
                    "M132",
                    f"{named_row(self.rows, negative)}: `{name}` has {float(column[negative][0]):g} points, "
                    "and there is no geometric mean of what is negative",
                    hint="write scores: {floor: 0}, or kind: mean",
                )
            zero |= column == 0
            logarithm += mean.shares[name] * np.log(np.where(column > 0, column, 1.0))
        # Of equal scores it is that score, which the logarithm knows but for the last digits.
        least = np.minimum(self.extreme(self.weighed), mean.score)
        found = np.clip(np.where(zero, 0.0, np.exp(logarithm)), least, mean.score)
        rest = "what unevenness costs in a geometric mean"
        return Combined(found, mean.shares, mean.contributions, rest)

    def minimum(self) -> Combined:
        """The lowest score. It is the whole contribution; where several are the lowest, each has its part."""
        import numpy as np

        whole, shares = self.shares()
        lowest = np.where(whole, self.extreme(self.weighed), np.nan)
        is_lowest = {name: self.columns[name] == lowest for name in self.weighed}
        count = np.maximum(sum(is_lowest.values(), start=np.zeros(len(self.rows))), 1.0)
        shares |= {name: flags / count for name, flags in is_lowest.items()}
        return Combined(lowest, shares, {name: shares[name] * self.columns[name] for name in self.weighed})

    def expression(self, checked: Checked, others: Mapping[str, Column]) -> Combined:
        """What an expression over the scores by the indicators' names gives. others: what else it may name.

        An indicator contributes what the composite would lose if it had 0 points, which is exact for sums;
        the rest is a constant, or what only comes about together.
        """
        import numpy as np

        rows = len(self.rows)
        columns = {**others, **self.columns}
        columns |= {f"{name}_score": column for name, column in self.columns.items()}
        lists = listed(checked, columns)
        found = numbers(checked, lists, rows)
        zeros: list[Scalar] = [0.0] * rows
        contributions: dict[str, Numbers] = {}
        for name in read_by(checked, self.columns):
            without = numbers(checked, lists | {name: zeros, f"{name}_score": zeros}, rows)
            # What is unknown without the indicator says nothing of its part.
            contributions[name] = np.where(np.isnan(without), 0.0, found - without)
        rest = "what the expression makes of all together"
        return Combined(found, dict.fromkeys(self.columns, np.zeros(rows)), contributions, rest)


def read_by(checked: Checked, indicators: Mapping[str, object]) -> list[str]:
    """The indicators whose scores the expression of a composite reads."""
    return [name for name in indicators if {name, f"{name}_score"} & {*checked.fields}]


def named_row(rows: Keys, where: Flags) -> str:
    """The first of some rows, as errors name it, and how many more there are."""
    import numpy as np

    found = np.flatnonzero(where)
    subject, period = rows[int(found[0])]
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{subject}{f' in {period}' if period else ''}{more}"
