"""Near-identical names are exactly those that comparing each with each finds."""

import builtins
import sys
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import MissingExtraError
from crmrules.policy.near import LEAST_SIMILARITY, near_pairs, similarity

similarities = st.sampled_from([LEAST_SIMILARITY, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0])
alphabets = st.sampled_from(["ab", "abcdef", "华为技术", "a华𠮷"])


def names_of(alphabet: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.text(alphabet, min_size=1, max_size=18), max_size=25, unique=True)


def levenshtein(one: str, other: str) -> int:
    """The textbook table, row by row (Wagner and Fischer, 1974)."""
    row = [*range(len(other) + 1)]
    for count, character in enumerate(one, 1):
        before, row = row, [count]
        for place, wanted in enumerate(other, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (character != wanted)))
    return row[-1]


def by_hand(names: list[str], telling: list[str], at_least: float) -> list[tuple[int, int, int]]:
    found = []
    for one, other in combinations(range(len(names)), 2):
        distance = levenshtein(names[one], names[other])
        alike = 1 - distance / max(len(names[one]), len(names[other]))
        if telling[one] == telling[other] and alike >= at_least - 1e-9:
            found.append((one, other, distance))
    return found


def found(names: list[str], telling: list[str], at_least: float) -> list[tuple[int, int, int]]:
    first, second, distance = near_pairs(names, telling, at_least)
    return [*zip(first.tolist(), second.tolist(), distance.tolist(), strict=True)]


@given(alphabets.flatmap(names_of), similarities, st.data())
def test_every_near_pair_is_found_and_no_other(names: list[str], at_least: float, data: Any) -> None:
    telling = [data.draw(st.sampled_from(["", "1"])) for _ in names]
    assert found(names, telling, at_least) == by_hand(names, telling, at_least)


@given(st.text("abcdefghij ", min_size=4, max_size=60), similarities, st.data())
def test_mistyped_names_are_found(name: str, at_least: float, data: Any) -> None:
    allowed = int((1 - at_least) * len(name) + 1e-9)
    mistyped = [*name]
    for _ in range(allowed):
        mistyped[data.draw(st.integers(0, len(name) - 1))] = data.draw(st.sampled_from("xyz"))
    other = "".join(mistyped)
    names = [name, "qqqqqqqqqqqqqqqq", *([other] if other != name else [])]
    pairs = {(one, two) for one, two, _ in found(names, [""] * len(names), at_least)}
    assert ((0, 2) in pairs) == (other != name)


def test_a_block_larger_than_is_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from crmrules.policy import near

    names = [f"robotics{one}{two}" for one in "abcdefgh" for two in "abcdefgh"]
    telling = [""] * len(names)
    whole = found(names, telling, 0.85)
    monkeypatch.setattr(near, "_AT_ONCE", 7)
    assert found(names, telling, 0.85) == whole == by_hand(names, telling, 0.85)


def test_similarity_is_one_for_equal_and_zero_for_foreign_names() -> None:
    assert similarity("abc", "abc", 0) == 1
    assert similarity("abc", "xyz", 3) == 0
    assert similarity("abcdefghij", "abcdefghix", 1) == pytest.approx(0.9)


def test_without_rapidfuzz_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *rest: Any) -> Any:
        if name.startswith("rapidfuzz"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refusing)
    for name in [*sys.modules]:
        if name.startswith("rapidfuzz"):
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match="near-identical names needs rapidfuzz") as error:
        near_pairs(["a"], [""], 0.9)
    assert error.value.extra == "fuzzy"
