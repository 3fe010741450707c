"""Decision diagrams with three ends: true, false, unknown; the logic of conditions with missing values.

A diagram asks one term after the other, in the order of their names, where its value lies: missing, or in
which stretch of the line of all values. Stretches that lead to the same place are one, so diagrams are the
same exactly when they agree everywhere (R. E. Bryant, "Graph-Based Algorithms for Boolean Function
Manipulation", 1986, here with steps of more than two ways and S. C. Kleene's third value).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable
from typing import final

MOST_STEPS = 20_000
MOST_TERMS = 200

Position = tuple[int, object, int]
"""A place on the line of all values: kind, value, and 0 just before it or 1 just behind it."""

Diagram = int
FALSE, UNKNOWN, TRUE = 0, 1, 2


class TooLarge(Exception):
    """A diagram has more steps than are looked at."""


@final
class Diagrams:
    """Diagrams that share their steps, so that equal ones have equal numbers."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Diagram, tuple[Position, ...], tuple[Diagram, ...]]] = [
            ("", 0, (), ())
        ] * 3
        self.known: dict[tuple[object, ...], Diagram] = {}
        self.memory: dict[tuple[object, ...], Diagram] = {}
        self.terms: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Allow as many steps again."""
        self.left = MOST_STEPS

    def step(
        self, term: str, missing: Diagram, cuts: Iterable[Position], along: Iterable[Diagram]
    ) -> Diagram:
        """The step that asks a term; `along` are the ends of the stretches between the cuts."""
        kept: list[Position] = []
        ends: list[Diagram] = []
        for cut, end in zip((None, *cuts), along, strict=True):
            if not ends or ends[-1] != end:
                kept += [cut] if cut is not None else []
                ends.append(end)
        if len(ends) == 1 and ends[0] == missing:
            return missing
        made = (term, missing, tuple(kept), tuple(ends))
        if (found := self.known.get(made)) is not None:
            return found
        self.terms.add(term)
        self.spend(len(ends))
        self.steps.append(made)
        self.known[made] = len(self.steps) - 1
        return self.known[made]

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0 or len(self.terms) > MOST_TERMS:
            raise TooLarge

    def both(self, x: Diagram, y: Diagram) -> Diagram:
        """`x and y`."""
        if x > y:
            x, y = y, x
        if x in (FALSE, y):
            return x
        if y == TRUE:
            return x
        if x == TRUE:
            return y
        if (found := self.memory.get(("and", x, y))) is not None:
            return found
        term = min(self.steps[each][0] for each in (x, y) if each > TRUE)
        (missing, cuts, along), (other, others, beside) = self.asked(x, term), self.asked(y, term)
        every = sorted({*cuts, *others})
        self.spend(len(every) + 1)
        ends = [self.both(along[0], beside[0])]
        ends += [
            self.both(along[bisect_right(cuts, cut)], beside[bisect_right(others, cut)]) for cut in every
        ]
        result = self.step(term, self.both(missing, other), every, ends)
        self.memory["and", x, y] = result
        return result

    def asked(self, x: Diagram, term: str) -> tuple[Diagram, tuple[Position, ...], tuple[Diagram, ...]]:
        """Where the diagram leads by a term, which may not be the one that it asks first."""
        first, missing, cuts, along = self.steps[x]
        return (missing, cuts, along) if x > TRUE and first == term else (x, (), (x,))

    def changed(self, x: Diagram, ends: tuple[Diagram, Diagram, Diagram]) -> Diagram:
        """The diagram with other ends: those given for false, unknown and true."""
        if x <= TRUE:
            return ends[x]
        if (found := self.memory.get((ends, x))) is not None:
            return found
        term, missing, cuts, along = self.steps[x]
        self.spend(len(along))
        result = self.step(
            term, self.changed(missing, ends), cuts, [self.changed(each, ends) for each in along]
        )
        self.memory[ends, x] = result
        return result

    def opposite(self, x: Diagram) -> Diagram:
        """`not x`."""
        return self.changed(x, (TRUE, UNKNOWN, FALSE))

    def either(self, x: Diagram, y: Diagram) -> Diagram:
        """`x or y`."""
        return self.opposite(self.both(self.opposite(x), self.opposite(y)))

    def sure(self, x: Diagram) -> Diagram:
        """Whether x is true: never unknown."""
        return self.changed(x, (FALSE, FALSE, TRUE))

    def choice(self, condition: Diagram, then: Diagram, otherwise: Diagram) -> Diagram:
        """`then` where the condition is true, `otherwise` where it is false or unknown."""
        chosen = self.sure(condition)
        return self.either(self.both(chosen, then), self.both(self.opposite(chosen), otherwise))

    def same(self, x: Diagram, y: Diagram) -> Diagram:
        """Whether two conditions have the same value; unknown where one of them is."""
        return self.either(self.both(x, y), self.both(self.opposite(x), self.opposite(y)))

    def key(self, x: Diagram) -> Hashable:
        """The diagram as a value by itself: its steps, with numbers in the order in which they are met."""
        numbers = {FALSE: FALSE, UNKNOWN: UNKNOWN, TRUE: TRUE}
        listed: list[Hashable] = []

        def number(step: Diagram) -> int:
            if step not in numbers:
                term, missing, cuts, along = self.steps[step]
                listed.append((term, number(missing), cuts, tuple(map(number, along))))
                numbers[step] = len(listed) + TRUE
            return numbers[step]

        return number(x), tuple(listed)
