"""Which claims share a customer: by exact keys, by near-identical names, and through one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

from crmrules.policy.identity import Kind, telling_parts
from crmrules.policy.near import near_pairs

Keys = Mapping[Kind, Iterable[tuple[str, ...]]]
"""For each kind the keys of every claim, gone through once."""

EVER = 2**31


@final
@dataclass(slots=True)
class Matches:
    """Positions of claims: pairs of two people, earlier first, and groups with all that is connected.

    crowded: keys that too many people share, with how many; they connect nothing. near: the distance of
    names that are near-identical, by the two names in alphabetical order.
    """

    pairs: list[tuple[int, int]] = field(default_factory=list)
    groups: list[list[int]] = field(default_factory=list)
    crowded: dict[tuple[Kind, str], int] = field(default_factory=dict)
    near: dict[tuple[str, str], int] = field(default_factory=dict)


def match(
    people: Sequence[str],
    days: Sequence[int],
    keys: Keys,
    *,
    within: int | None = None,
    near_names: float | None = None,
    most_people: int = 10,
) -> Matches:
    """Which claims collide.

    people, days and the keys belong to claims in their order: days never fall. A claim is paired with the
    nearest earlier one of every other person, for every key that they share, if at most `within` days lie
    between. Claims that share a key and are close enough are connected, whoever made them; a group is all
    that is connected and has more than one person in it.
    """
    found = _Finding(people, days, EVER if within is None else within)
    result = Matches()
    for kind, each in keys.items():
        first, shared = _by_key(each)
        for key, positions in [*shared.items()]:
            if len(positions) > most_people and len(who := {people[at] for at in positions}) > most_people:
                result.crowded[kind, key] = len(who)
                del first[key]
            else:
                found.look(positions, ())
        if kind == "name" and near_names is not None:
            result.near = _near(first, near_names)
            for one, other in result.near:
                found.look(*(shared.get(name) or [first[name]] for name in (one, other)))
    result.pairs = sorted(found.pairs)
    result.groups = found.groups()
    return result


def _by_key(keys: Iterable[tuple[str, ...]]) -> tuple[dict[str, int], dict[str, list[int]]]:
    """The first claim of each key, and all claims of those keys that have several."""
    first: dict[str, int] = {}
    shared: dict[str, list[int]] = {}
    for position, each in enumerate(keys):
        for key in each:
            if (earlier := first.setdefault(key, position)) != position:
                shared.setdefault(key, [earlier]).append(position)
    return first, shared


def _near(names: Iterable[str], at_least: float) -> dict[tuple[str, str], int]:
    ordered = sorted(names)
    first, second, distance = near_pairs(ordered, [*map(telling_parts, ordered)], at_least)
    found = zip(first.tolist(), second.tolist(), distance.tolist(), strict=True)
    return {(ordered[one], ordered[other]): apart for one, other, apart in found}


@final
class _Finding:
    """Pairs and connections so far; connections are kept as a union-find forest."""

    def __init__(self, people: Sequence[str], days: Sequence[int], within: int) -> None:
        self.people = people
        self.days = days
        self.within = within
        self.pairs: set[tuple[int, int]] = set()
        self.above = [*range(len(days))]

    def look(self, ones: Sequence[int], others: Sequence[int]) -> None:
        """Claims that share a key; or claims of two keys that are alike, each with each of the other."""
        positions = sorted({*ones, *others}) if others else ones
        # All that are close enough are connected if each is connected with the next.
        for earlier, later in pairwise(positions):
            if self.days[later] - self.days[earlier] <= self.within:
                self.connect(earlier, later)
        side = dict.fromkeys(ones, 0) | dict.fromkeys(others, 1) if others else dict.fromkeys(ones, 0)
        nearest: tuple[dict[str, int], dict[str, int]] = ({}, {})
        for later in positions:
            own = side[later]
            opposite = nearest[1 - own if others else own]
            for who, earlier in opposite.items():
                if who != self.people[later] and self.days[later] - self.days[earlier] <= self.within:
                    self.pairs.add((earlier, later))
            nearest[own][self.people[later]] = later

    def top(self, position: int) -> int:
        while self.above[position] != position:
            self.above[position] = self.above[self.above[position]]
            position = self.above[position]
        return position

    def connect(self, one: int, other: int) -> None:
        one, other = self.top(one), self.top(other)
        self.above[max(one, other)] = min(one, other)

    def groups(self) -> list[list[int]]:
        """What is connected and has more than one person, each by its first claim."""
        tops = dict.fromkeys(self.top(earlier) for earlier, _ in sorted(self.pairs))
        groups: dict[int, list[int]] = {top: [] for top in tops}
        for position in range(len(self.above)):
            if (top := self.top(position)) in groups:
                groups[top].append(position)
        return [groups[top] for top in sorted(groups)]
