"""A composite step by step, for all rows of a card at once, and everything that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from crmrules.errors import RecordError, shown
from crmrules.expr.check import Checked
from crmrules.kpi.combining import Combined, Keys, Scores, named_row
from crmrules.kpi.composite import Composite, Kicker, Undecided
from crmrules.kpi.named import HIGHEST, LOWEST, SCORE, decided, listed, numbers
from crmrules.kpi.rounding import SCORE_DIGITS, rounded
from crmrules.kpi.standing import Adjusted, AdjustmentKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.measure import Column
    from crmrules.kpi.named import Flags, Numbers

    Rows = NDArray[np.int64]

Path = tuple[str | int, ...]


@final
@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a step changed beside the indicators' contributions, row by row.

    kind: which step. because: why, in words for people. applied: for which rows; points: by how much, 0
    where it did not apply. undecided: for which rows a condition or its points are not known. indicator:
    whose score a lock changed.
    """

    kind: AdjustmentKind
    because: str
    applied: Flags
    points: Numbers
    undecided: Flags
    indicator: str = ""

    def of(self, rows: Rows) -> Adjustment:
        """The same for some of the rows."""
        columns = (self.applied[rows], self.points[rows], self.undecided[rows])
        return Adjustment(self.kind, self.because, *columns, self.indicator)

    def at(self, row: int) -> Adjusted | None:
        """What it changed in one row, None where it neither applied nor is undecided."""
        if not self.applied[row] and not self.undecided[row]:
            return None
        undecided = bool(self.undecided[row])
        return Adjusted(self.kind, self.because, float(self.points[row]), undecided, self.indicator)


@final
@dataclass(frozen=True, slots=True)
class Step:
    """The composite after a step."""

    name: str
    score: Numbers


@final
@dataclass(frozen=True, slots=True)
class Composed:
    """The composite of each row, and everything that made it.

    score: NaN where it is unknown. scores: what each indicator came in with after missing, floor, cap and
    locks. shares: the part of the weights, 0 to 1. contributions: what each indicator adds; NaN where it
    adds nothing since its score or the composite is unknown. adjustments: what else changed the composite,
    in order: the contributions and the adjustments add up to it. locks: what was locked, in the points of
    the indicator's own score; the contributions have it already. steps: the composite after each step.
    """

    score: Numbers
    scores: Mapping[str, Numbers]
    shares: Mapping[str, Numbers]
    contributions: Mapping[str, Numbers]
    adjustments: tuple[Adjustment, ...]
    locks: tuple[Adjustment, ...]
    steps: tuple[Step, ...]


@final
class Run:
    """One run of a declared composite over the rows of a card; see `crmrules.kpi.composing`.

    scores, weights: of the indicators that have a score. checked: the declared expressions by place.
    columns: what they may name beside scores.
    """

    def __init__(
        self,
        declared: Composite,
        checked: Mapping[Path, Checked],
        scores: Mapping[str, Numbers],
        weights: Mapping[str, float],
        columns: Mapping[str, Column],
        rows: Keys,
    ) -> None:
        import numpy as np

        self.declared = declared
        self.checked = checked
        self.scores = Scores(declared, {name: scores[name] for name in weights}, weights, rows)
        # A single value would quietly stand for all rows.
        assert all(len(each) == len(rows) for each in [*self.scores.columns.values(), *columns.values()])
        self.columns = dict(columns)
        self.read = {name for each in checked.values() for name in each.fields}
        self.rows = rows
        self.none = np.zeros(len(rows), dtype=bool)
        self.adjustments: list[Adjustment] = []
        self.steps: list[Step] = []

    def composed(self) -> Composed:
        """All steps, one after the other."""
        import numpy as np

        self.set_scores(self.limited(self.filled()))
        locks = self.lock()
        combined = self.combined()
        score = combined.score
        if combined.rest:
            self.adjust("combination", combined.rest, combined.added, score)
        self.steps.append(Step("combination", score))
        score = self.gated(self.bounded(self.with_points(score)))
        contributions = {
            name: np.where(np.isnan(combined.score), np.nan, column)
            for name, column in combined.contributions.items()
        }
        return Composed(
            score,
            self.scores.columns,
            combined.shares,
            contributions,
            tuple(self.adjustments),
            locks,
            tuple(self.steps),
        )

    # the indicators' scores

    def filled(self) -> dict[str, Numbers]:
        """The scores with missing ones as declared."""
        import numpy as np

        needed = self.scores.counted(self.checked.get(("expression",)))
        filled: dict[str, Numbers] = {}
        for name, column in self.scores.columns.items():
            unknown, missing = np.isnan(column), self.declared.missing_of(name)
            if missing == "error" and name in needed and unknown.any():
                raise RecordError(
                    "M130",
                    f"{named_row(self.rows, unknown)}: `{name}` has no score",
                    hint=f"mend the data or the target of `{name}`, or write missing: zero",
                )
            filled[name] = np.where(unknown, 0.0, column) if missing == "zero" else column
        return filled

    def limited(self, scores: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """The scores within their bounds."""
        import numpy as np

        limited: dict[str, Numbers] = {}
        for name, column in scores.items():
            bounds = self.declared.bounds(name)
            limited[name] = _clipped(column, bounds.floor, bounds.cap)
            if (infinite := np.isinf(limited[name])).any():
                raise RecordError(
                    "M133",
                    f"{named_row(self.rows, infinite)}: the score of `{name}` has no limit",
                    hint="give its curve a cap, or write scores: {cap: 150}",
                )
        return limited

    def set_scores(self, scores: Mapping[str, Numbers]) -> None:
        """Conditions compare rounded scores: the last digits of a product decide nothing."""
        self.scores = Scores(self.declared, scores, self.scores.weights, self.rows)
        named = {f"{name}_score": column for name, column in scores.items()}
        if {LOWEST, HIGHEST} & self.read:
            counted = self.scores.counted(self.checked.get(("expression",)))
            named[LOWEST] = self.scores.extreme(counted)
            named[HIGHEST] = self.scores.extreme(counted, highest=True)
        self.columns |= {name: rounded(column) for name, column in named.items() if name in self.read}

    def lock(self) -> tuple[Adjustment, ...]:
        """All locks look at the scores as they were before the first of them."""
        import numpy as np

        locks: list[Adjustment] = []
        scores = dict(self.scores.columns)
        for place, lock in enumerate(self.declared.locks):
            holds, undecided = self.decided("locks", place, "needs")
            self.refuse(undecided, lock.undecided, lock.because, lock.needs)
            before = scores[lock.unlocks]
            shut = ~holds if lock.undecided == "apply" else ~holds & ~undecided
            shut &= ~np.isnan(before)
            scores[lock.unlocks] = np.where(shut, lock.score, before)
            points = np.where(shut, lock.score - before, 0.0)
            locks.append(Adjustment("lock", lock.because, shut, points, undecided, lock.unlocks))
        if locks:
            self.set_scores(scores)
        return tuple(locks)

    def combined(self) -> Combined:
        """The composite before anything is added to it."""
        match self.declared.kind:
            case "mean":
                return self.scores.mean()
            case "geometric":
                return self.scores.geometric()
            case "minimum":
                return self.scores.minimum()
            case "expression":
                return self.scores.expression(self.checked["expression",], self.columns)

    # after the composite

    def with_points(self, score: Numbers) -> Numbers:
        """All kickers and deductions look at the composite before the first of them."""
        import numpy as np

        declared = self.declared
        if not declared.kickers and not declared.deductions:
            return score
        self.columns[SCORE] = rounded(score)
        parts: tuple[tuple[str, AdjustmentKind, tuple[Kicker, ...], float | None, float], ...] = (
            ("kickers", "kicker", declared.kickers, declared.most_added, 1.0),
            ("deductions", "deduction", declared.deductions, declared.most_deducted, -1.0),
        )
        after = score
        for part, kind, several, most, sign in parts:
            total = np.zeros(len(self.rows))
            for place, kicker in enumerate(several):
                points, undecided = self.points(part, place, kicker, np.isnan(score))
                change = sign * points + 0.0
                self.adjustments.append(Adjustment(kind, kicker.because, points != 0, change, undecided))
                total = total + points
            after = after + sign * total
            if most is not None:
                limited = after - sign * np.maximum(total - most, 0.0)
                self.adjust("limit", f"at most {most:g} points of {part}", after, limited)
                after = limited
        self.steps.append(Step("kickers and deductions", after))
        return after

    def points(self, part: str, place: int, kicker: Kicker, unscored: Flags) -> tuple[Numbers, Flags]:
        """How many points a kicker is, never negative, and where that is not known."""
        import numpy as np

        applies, undecided = ~self.none, self.none
        if kicker.when is not None:
            applies, undecided = self.decided(part, place, "when")
        if isinstance(kicker.points, str):
            checked = self.checked[part, place, "points"]
            points = numbers(checked, listed(checked, self.columns), len(self.rows))
            undecided = undecided | applies & np.isnan(points)
            points = np.where(np.isnan(points), 0.0, points)
        else:
            points = np.full(len(self.rows), kicker.points)
        applies, undecided = applies & ~unscored, undecided & ~unscored
        self.refuse(
            undecided, kicker.undecided, kicker.because, kicker.points if kicker.when is None else kicker.when
        )
        if (negative := applies & (points < 0)).any():
            other = "deductions" if part == "kickers" else "kickers"
            few = f"{points[negative][0]:g} points"
            raise RecordError(
                "M134",
                f"{named_row(self.rows, negative)}: {shown(kicker.because)} is {few}",
                hint=f"write clip({kicker.points}, 0, 100), or put it among the {other}",
            )
        return np.where(applies & ~undecided, points, 0.0), undecided

    def bounded(self, score: Numbers) -> Numbers:
        """Within floor and cap, and rounded as people see it."""
        declared = self.declared
        if declared.floor is not None or declared.cap is not None:
            limited = _clipped(score, declared.floor, None)
            if declared.floor is not None:
                self.adjust("limit", f"never below {declared.floor:g}", score, limited)
            score, limited = limited, _clipped(limited, None, declared.cap)
            if declared.cap is not None:
                self.adjust("limit", f"never above {declared.cap:g}", score, limited)
            score = limited
            self.steps.append(Step("floor and cap", score))
        if declared.round is not None:
            seen = rounded(score, declared.round)
            self.adjust(
                "rounding",
                f"rounded to {declared.round} decimal{'' if declared.round == 1 else 's'}",
                score,
                seen,
            )
            score = seen
            self.steps.append(Step("rounded", score))
        return score

    def gated(self, score: Numbers) -> Numbers:
        """Each gate looks at what the one before it left."""
        import numpy as np

        for place, gate in enumerate(self.declared.gates):
            self.columns[SCORE] = rounded(score)
            holds, undecided = self.decided("gates", place, "when")
            known = ~np.isnan(score)
            undecided &= known
            self.refuse(undecided, gate.undecided, gate.because, gate.when)
            shut = known & (holds | undecided if gate.undecided == "apply" else holds)
            becomes = np.minimum(score, gate.at_most) if gate.at_most is not None else (gate.score or 0.0)
            after = np.where(shut, becomes, score)
            points = np.where(shut, after - score, 0.0)
            self.adjustments.append(Adjustment("gate", gate.because, shut, points, undecided))
            score = after
        if self.declared.gates:
            self.steps.append(Step("gates", score))
        return score + 0.0

    # what all of them use

    def adjust(self, kind: AdjustmentKind, because: str, before: Numbers, after: Numbers) -> None:
        """The change of one step; rounding errors are no reason to name it."""
        import numpy as np

        points = np.where(np.isnan(after), 0.0, after - before)
        applied = np.abs(points) > 10.0**-SCORE_DIGITS
        self.adjustments.append(Adjustment(kind, because, applied, points, self.none))

    def decided(self, *path: str | int) -> tuple[Flags, Flags]:
        """Where a declared condition holds, and where that is not known."""
        return decided(self.checked[path], self.columns, len(self.rows))

    def refuse(self, undecided: Flags, how: Undecided, because: str, what: object) -> None:
        """Raises RecordError (M137) where something is not known and has to be."""
        if how == "error" and undecided.any():
            raise RecordError(
                "M137",
                f"{named_row(self.rows, undecided)}: not known whether {shown(because)} applies: `{what}`",
                hint="mend the data that it reads, or write undecided: ignore",
            )


def _clipped(column: Numbers, floor: float | None, cap: float | None) -> Numbers:
    """Within the bounds; what is missing stays so."""
    import numpy as np

    return np.clip(column, -np.inf if floor is None else floor, np.inf if cap is None else cap)
