"""Diagrams: the tables of Kleene's logic, one number for what agrees everywhere, and an end to growth."""

import itertools

import pytest

from crmrules.policy.diagram import FALSE, TRUE, UNKNOWN, Diagram, Diagrams, TooLarge

ENDS = (FALSE, UNKNOWN, TRUE)


def asking(diagrams: Diagrams, term: str, value: float = 0.0) -> Diagram:
    """`term == value`"""
    return diagrams.step(term, UNKNOWN, [(1, value, 0), (1, value, 1)], [FALSE, TRUE, FALSE])


@pytest.mark.parametrize(("x", "y"), [*itertools.product(ENDS, ENDS)])
def test_the_tables_of_kleene(x: Diagram, y: Diagram) -> None:
    diagrams = Diagrams()
    assert diagrams.both(x, y) == min(x, y)
    assert diagrams.either(x, y) == max(x, y)
    assert diagrams.opposite(x) == TRUE - x
    assert diagrams.sure(x) == (TRUE if x == TRUE else FALSE)
    for z in ENDS:
        assert diagrams.choice(x, y, z) == (y if x == TRUE else z)
    assert diagrams.same(x, y) == (UNKNOWN if UNKNOWN in (x, y) else TRUE if x == y else FALSE)


def test_a_step_that_leads_to_one_place_is_none() -> None:
    diagrams = Diagrams()
    assert diagrams.step("a", TRUE, [(1, 0.0, 0)], [TRUE, TRUE]) == TRUE
    assert diagrams.step("a", FALSE, [(1, 0.0, 0)], [TRUE, TRUE]) not in ENDS


def test_what_agrees_everywhere_has_one_number() -> None:
    diagrams = Diagrams()
    x, y = asking(diagrams, "a"), asking(diagrams, "b")
    assert diagrams.both(x, y) == diagrams.both(y, x)
    assert diagrams.either(x, diagrams.both(x, y)) == x
    assert diagrams.both(asking(diagrams, "a", 1.0), x) == diagrams.both(asking(diagrams, "a", 2.0), x)


def test_a_key_does_not_depend_on_what_was_drawn_before() -> None:
    one, other = Diagrams(), Diagrams()
    asking(other, "z")
    x, y = asking(other, "b"), asking(other, "a")
    assert one.key(one.both(asking(one, "a"), asking(one, "b"))) == other.key(other.both(x, y))


def test_growth_comes_to_an_end() -> None:
    def grow(diagrams: Diagrams) -> None:
        grown = FALSE
        for number in range(40):
            pair = diagrams.both(asking(diagrams, f"a{number}"), asking(diagrams, f"b{number}"))
            grown = diagrams.either(grown, pair)

    with pytest.raises(TooLarge):
        grow(Diagrams())
