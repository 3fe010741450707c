"""Near-identical names among hundreds of thousands, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crmrules.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Hashes = NDArray[np.uint64]
    Pairs = tuple[Places, Places, Places]

LEAST_SIMILARITY = 0.7
"""Below it two similar names need not have two neighbouring characters in common."""

_AT_ONCE = 1_000_000
_POSITION_BITS = 20
_CHARACTER_BITS = 21
_RANK, _POSITION, _TELLING = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9


def similarity(first: str, second: str, distance: int) -> float:
    """1 for equal names, 0 for names without anything in common: 1 − distance / length of the longer."""
    return 1.0 - distance / max(len(first), len(second), 1)


def allowed_distance(length: int, at_least: float) -> int:
    """How many characters may differ in a name of a length and another one that is no longer."""
    return int((1.0 - at_least) * length + 1e-9)


def near_pairs(names: Sequence[str], telling: Sequence[str], at_least: float) -> Pairs:
    """The pairs of different names that are at least so similar, by Levenshtein distance.

    telling: for each name what it must have in common with another one. Returns positions of the first and
    second names, first before second, and their distances, in order. Nothing is missed: similar names share
    one of their rarest runs of characters at nearly the same place, and only such pairs are compared.

    Source: positional q-grams and prefix filtering, as in Xiao, Wang, Lin, "Ed-Join: an efficient algorithm
    for similarity joins with edit distance constraints", VLDB 2008. Raises MissingExtraError without
    rapidfuzz.
    """
    import numpy as np

    try:
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cpdist
    except ImportError:
        raise MissingExtraError("rapidfuzz", "fuzzy", "finding near-identical names") from None

    texts = np.array([*names], dtype=object)
    numbers = {text: number for number, text in enumerate(dict.fromkeys(telling))}
    kind = np.array([numbers[text] for text in telling], dtype=np.uint64)
    found: list[Pairs] = []
    for left, right, allowed in _candidates(names, kind, at_least):
        distances = cpdist(
            texts[left].tolist(),
            texts[right].tolist(),
            scorer=Levenshtein.distance,
            score_cutoff=allowed,
            dtype=np.int32,
        ).reshape(-1)
        near = distances <= allowed
        found.append((left[near], right[near], distances[near].astype(np.int64)))
    if not found:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, nothing
    left, right, distances = (np.concatenate(part) for part in zip(*found, strict=True))
    _, chosen = np.unique(left * len(names) + right, return_index=True)
    return left[chosen], right[chosen], distances[chosen]


def _candidates(names: Sequence[str], kind: Hashes, at_least: float) -> Iterator[tuple[Places, Places, int]]:
    """Pairs that share a rare run of characters, some of them more than once, with what may differ."""
    import numpy as np

    lengths = np.array([len(name) for name in names], dtype=np.int64)
    places = {int(length): np.flatnonzero(lengths == length) for length in np.unique(lengths)}
    characters = {
        length: _characters([names[place] for place in where.tolist()]) for length, where in places.items()
    }
    marks = np.zeros(len(names), dtype=np.uint64)
    for length, where in places.items():
        marks[where] = _marks(characters[length])
    runs: dict[int, Mapping[int, Places]] = {}
    for long in places:
        allowed = allowed_distance(long, at_least)
        width = 3 if long >= 3 * allowed + 3 else 2
        # One difference spoils `width` runs, so one of so many rarest must be left in the other name too.
        rarest = allowed * width + 1
        if allowed and width not in runs:
            runs[width] = _runs_rarest_first(characters, width)
        for short in range(long - allowed, long + 1):
            if not allowed or short not in places or rarest <= long - short:
                continue
            found = runs[width][short][:, : rarest - (long - short)]
            keys = _keys(found, 0, kind[places[short]])
            order = np.argsort(keys, kind="stable")
            keys, rows = keys[order], order // found.shape[1]
            sought = runs[width][long][:, :rarest]
            for shift in range(long - short - allowed, allowed + 1):
                if abs(shift) + abs(long - short - shift) > allowed:
                    continue
                probe = _keys(sought, shift, kind[places[long]])
                for shorter, longer in _matches(keys, rows, probe):
                    first, second = places[short][shorter], places[long][longer // sought.shape[1]]
                    # Two names of one length meet in both orders.
                    fits = first < second if short == long else first != second
                    first, second = first[fits], second[fits]
                    fits = kind[first] == kind[second]
                    fits &= _bits(marks[first] ^ marks[second]) <= 2 * allowed
                    first, second = first[fits], second[fits]
                    yield np.minimum(first, second), np.maximum(first, second), allowed


def _characters(names: Sequence[str]) -> NDArray[np.uint32]:
    """Names of one length as rows of characters."""
    import numpy as np

    length = len(names[0])
    coded: Any = np.array(names, dtype=f"<U{max(length, 1)}").view(np.uint32)
    return coded.reshape(len(names), max(length, 1))[:, :length]  # type: ignore[no-any-return]


def _marks(characters: NDArray[np.uint32]) -> Hashes:
    """Which characters are there once, and which twice: a difference changes at most two of these bits."""
    import numpy as np

    once = np.zeros(len(characters), dtype=np.uint64)
    twice = np.zeros(len(characters), dtype=np.uint64)
    for column in characters.T:
        bit = np.uint64(1) << (column % 32).astype(np.uint64)
        twice |= once & bit
        once |= bit
    return once | twice << np.uint64(32)


def _bits(marks: Hashes) -> Places:
    """How many bits are set; numpy has it only since 2.0."""
    import numpy as np

    counted = marks - (marks >> np.uint64(1) & np.uint64(0x5555555555555555))
    fours = np.uint64(0x3333333333333333)
    counted = (counted & fours) + (counted >> np.uint64(2) & fours)
    counted = counted + (counted >> np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (counted * np.uint64(0x0101010101010101) >> np.uint64(56)).astype(np.int64)  # type: ignore[no-any-return]


def _runs_rarest_first(characters: Mapping[int, NDArray[np.uint32]], width: int) -> Mapping[int, Places]:
    """For each length and name its runs of so many characters: rank by rarity and position in one number."""
    import numpy as np

    runs: dict[int, Hashes] = {}
    for length, rows in characters.items():
        count = max(length - width + 1, 0)
        coded = np.zeros((len(rows), count), dtype=np.uint64)
        for offset in range(width):
            coded = (coded << np.uint64(_CHARACTER_BITS)) + rows[:, offset : offset + count]
        runs[length] = coded
    known, counts = np.unique(
        np.concatenate([each.reshape(-1) for each in runs.values()]), return_counts=True
    )
    ranks = np.empty(len(known), dtype=np.int64)
    ranks[np.argsort(counts, kind="stable")] = np.arange(len(known))
    ordered: dict[int, Places] = {}
    for length, coded in runs.items():
        rank = ranks[np.searchsorted(known, coded.reshape(-1))].reshape(coded.shape)
        ordered[length] = np.sort((rank << _POSITION_BITS) + np.arange(coded.shape[1]), axis=1)
    return ordered


def _keys(runs: Places, shift: int, kind: Hashes) -> Hashes:
    """One number for each run of each name, its shifted position, and what must agree besides."""
    import numpy as np

    rank = (runs >> _POSITION_BITS).astype(np.uint64)
    position = ((runs & (1 << _POSITION_BITS) - 1) - shift).astype(np.uint64)
    besides = kind * np.uint64(_TELLING)
    keys = rank * np.uint64(_RANK) + position * np.uint64(_POSITION) + besides[:, np.newaxis]
    return keys.reshape(-1)  # type: ignore[no-any-return]


def _matches(keys: Hashes, rows: Places, probe: Hashes) -> Iterator[tuple[Places, Places]]:
    """Rows of equal keys and positions in the probe, a bounded number at once."""
    import numpy as np

    low = np.searchsorted(keys, probe, side="left")
    count = np.searchsorted(keys, probe, side="right") - low
    hits = np.flatnonzero(count)
    bounds = np.cumsum(count[hits])
    done = 0
    while done < len(hits):
        before = int(bounds[done - 1]) if done else 0
        upto = max(done + 1, int(np.searchsorted(bounds, before + _AT_ONCE, side="right")))
        part = hits[done:upto]
        each = count[part]
        within = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        yield rows[np.repeat(low[part], each) + within], np.repeat(part, each)
        done = upto
