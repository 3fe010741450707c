"""Who shares a customer with whom, against comparing every claim with every other."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from crmrules.policy.matching import match

claims = st.lists(
    st.tuples(
        st.sampled_from(["Ann", "Bo", "王芳"]),
        st.integers(0, 12),
        st.lists(st.sampled_from(["p1", "p2", "p3"]), max_size=2, unique=True).map(tuple),
        st.sampled_from([(), ("acmetools",), ("acmetoolz",), ("acmetoolzz",), ("other",)]),
    ),
    max_size=14,
).map(lambda rows: sorted(rows, key=lambda row: row[1]))
windows = st.sampled_from([None, 0, 2, 5])
Claims = list[tuple[str, int, tuple[str, ...], tuple[str, ...]]]

NEAR = {frozenset(("acmetools", "acmetoolz")), frozenset(("acmetoolz", "acmetoolzz"))}
"""The names above of which one is eight tenths of the other; acmetools and acmetoolzz are, too."""
NEAR |= {frozenset(("acmetools", "acmetoolzz"))}


def alike(one: str, other: str) -> bool:
    return one == other or frozenset((one, other)) in NEAR


def by_hand(rows: Claims, within: int | None) -> tuple[list[tuple[int, int]], list[list[int]]]:
    def close(earlier: int, later: int) -> bool:
        return within is None or rows[later][1] - rows[earlier][1] <= within

    pairs = set()
    linked = {at: {at} for at in range(len(rows))}
    names = sorted({name for row in rows for name in row[3]})
    groups = [[at for at, row in enumerate(rows) if key in row[2]] for key in ("p1", "p2", "p3")]
    groups += [[at for at, row in enumerate(rows) if name in row[3]] for name in names]
    for group in groups:
        for later in group:
            for who in {row[0] for row in rows} - {rows[later][0]}:
                earlier = [at for at in group if at < later and rows[at][0] == who and close(at, later)]
                if earlier:
                    pairs.add((max(earlier), later))
    for one_name, other_name in combinations(names, 2):
        if not alike(one_name, other_name):
            continue
        for later in range(len(rows)):
            for mine, theirs in ((one_name, other_name), (other_name, one_name)):
                if mine not in rows[later][3]:
                    continue
                for who in {row[0] for row in rows} - {rows[later][0]}:
                    earlier = [
                        at
                        for at in range(later)
                        if theirs in rows[at][3] and rows[at][0] == who and close(at, later)
                    ]
                    if earlier:
                        pairs.add((max(earlier), later))
    for one, other in combinations(range(len(rows)), 2):
        shares = {*rows[one][2]} & {*rows[other][2]}
        shares |= {name for name in rows[one][3] for theirs in rows[other][3] if alike(name, theirs)}
        if shares and close(one, other):
            joined = linked[one] | linked[other]
            for each in joined:
                linked[each] = joined
    found = {tuple(sorted(group)) for group in linked.values()}
    several = [[*group] for group in sorted(found) if len({rows[at][0] for at in group}) > 1]
    return sorted(pairs), several


@given(claims, windows)
def test_pairs_and_groups_are_those_of_comparing_all(rows: Claims, within: int | None) -> None:
    keys = {"phone": [row[2] for row in rows], "name": [row[3] for row in rows]}
    found = match([row[0] for row in rows], [row[1] for row in rows], keys, within=within, near_names=0.8)
    pairs, groups = by_hand(rows, within)
    assert found.pairs == pairs
    assert found.groups == groups


@given(claims, windows)
def test_each_pair_is_two_people_in_one_group_and_each_group_has_a_pair(
    rows: Claims, within: int | None
) -> None:
    keys = {"phone": [row[2] for row in rows]}
    found = match([row[0] for row in rows], [row[1] for row in rows], keys, within=within)
    group_of = {at: number for number, group in enumerate(found.groups) for at in group}
    for earlier, later in found.pairs:
        assert rows[earlier][0] != rows[later][0]
        assert group_of[earlier] == group_of[later]
    assert {group_of[earlier] for earlier, _ in found.pairs} == {*range(len(found.groups))}


def test_a_key_that_many_people_share_is_no_evidence_and_is_told() -> None:
    people = ["a", "b", "c", "d"]
    found = match(people, [0, 0, 0, 0], {"phone": [("p",)] * 4}, most_people=3)
    assert (found.pairs, found.groups, found.crowded) == ([], [], {("phone", "p"): 4})
    assert match(people, [0, 0, 0, 0], {"phone": [("p",)] * 4}, most_people=4).groups == [[0, 1, 2, 3]]


def test_hundreds_of_orders_of_two_people_are_no_pair_each() -> None:
    people = ["Ann", "Bo"] * 500
    found = match(people, [*range(1000)], {"tax_id": [("t",)] * 1000})
    assert found.pairs == [(at, at + 1) for at in range(999)]
    assert found.groups == [[*range(1000)]]
