"""Who gets a customer that several people claim, by declared rule and with the reason in one sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

from crmrules.errors import shown
from crmrules.policy.facts import whole
from crmrules.tables import cell
from crmrules.types import Scalar

Rule = Literal["first_claim", "last_activity", "split", "hold"]


@final
@dataclass(frozen=True, slots=True)
class Claimant:
    """One of the people who claim a customer.

    claimed: the day or time of the first claim. ties: what tells first claims of the same moment apart.
    activity: the last activity, None without one. records: the ids of the person's records.
    """

    who: str
    claimed: dt.date
    ties: tuple[Scalar, ...]
    activity: dt.date | None
    records: tuple[object, ...]


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """Who gets the customer: people and their shares in the order of their claims, none while it is held."""

    shares: tuple[tuple[str, float], ...]
    because: str

    @property
    def held(self) -> bool:
        """Whether a human has to decide."""
        return not self.shares

    def share(self, who: str) -> float:
        """A person's share, 0 for one who loses."""
        return dict(self.shares).get(who, 0.0)


def settle(claimants: Sequence[Claimant], rule: Rule, shares: Sequence[float] = ()) -> Decision:
    """Who gets the customer.

    claimants: in the order of their claims. rule: `first_claim` and `last_activity` give all to one person,
    `split` gives equal or the declared shares in the order of claims, `hold` leaves it to a human. Where
    the rule cannot tell, because nothing declared breaks a tie or a value is missing, it is held too.

    >>> ann = Claimant("Ann", dt.date(2026, 3, 1), (), None, ("L1",))
    >>> bo = Claimant("Bo", dt.date(2026, 3, 5), (), None, ("L2",))
    >>> settle([ann, bo], "first_claim").because
    'Ann claimed first, on 2026-03-01; Bo on 2026-03-05'
    """
    match rule:
        case "hold":
            return Decision((), f"a human decides between {_listed([each.who for each in claimants])}")
        case "first_claim":
            return _first_claim(claimants)
        case "last_activity":
            return _last_activity(claimants)
        case "split":
            return _split(claimants, shares)


def _first_claim(claimants: Sequence[Claimant]) -> Decision:
    first, *others = claimants
    same = [each for each in others if each.claimed == first.claimed]
    if undecided := _undecided(first, same):
        return undecided
    if same:
        tie = f"{_listed([first.who, *(each.who for each in same)])} claimed first, all {_on(first.claimed)}"
        return Decision(
            ((first.who, 1.0),), f"{tie}; {first.who} comes first by {_difference(first, same[0])}"
        )
    rest = ", ".join(f"{each.who} {_on(each.claimed)}" for each in others)
    return Decision(((first.who, 1.0),), f"{first.who} claimed first, {_on(first.claimed)}; {rest}")


def _last_activity(claimants: Sequence[Claimant]) -> Decision:
    known = [each.activity for each in claimants if each.activity is not None]
    if not known:
        return Decision((), "nobody has an activity; a human decides")
    last = max(known)
    winner, *same = [each for each in claimants if each.activity == last]
    if same:
        if undecided := _undecided(winner, [each for each in same if each.claimed == winner.claimed]):
            return undecided
        tie = f"{_listed([winner.who, *(each.who for each in same)])} were active last, all {_on(last)}"
        return Decision(((winner.who, 1.0),), f"{tie}; {winner.who} claimed first, {_on(winner.claimed)}")
    rest = ", ".join(
        f"{each.who} {_on(each.activity) if each.activity is not None else 'never'}"
        for each in claimants
        if each is not winner
    )
    return Decision(((winner.who, 1.0),), f"{winner.who} was active last, {_on(last)}; {rest}")


def _split(claimants: Sequence[Claimant], shares: Sequence[float]) -> Decision:
    people = [each.who for each in claimants]
    if not shares:
        equal = tuple((who, 1.0 / len(people)) for who in people)
        return Decision(equal, f"{_listed(people)} share equally")
    if len(shares) != len(people):
        said = f"{len(people)} people claim and {len(shares)} shares are declared; a human decides"
        return Decision((), said)
    for first, second in pairwise(claimants):
        if first.claimed == second.claimed and (undecided := _undecided(first, [second])):
            return undecided
    divided = tuple(zip(people, shares, strict=True))
    said = ", ".join(f"{who} {cell(100 * share)} %" for who, share in divided)
    return Decision(divided, f"shared in the order of claims: {said}")


def _undecided(first: Claimant, same: Sequence[Claimant]) -> Decision | None:
    if not any(each.ties == first.ties for each in same):
        return None
    tied = _listed([first.who, *(each.who for each in same if each.ties == first.ties)])
    return Decision((), f"{tied} claimed {_on(first.claimed)} and nothing declared tells who was first")


def _difference(first: Claimant, second: Claimant) -> str:
    mine, theirs = next(pair for pair in zip(first.ties, second.ties, strict=True) if pair[0] != pair[1])
    return f"{shown(whole(mine))} before {shown(whole(theirs))}"


def _on(moment: dt.date) -> str:
    if isinstance(moment, dt.datetime) and moment.time() == dt.time():
        moment = moment.date()
    return f"on {moment.isoformat(' ', 'minutes') if isinstance(moment, dt.datetime) else moment.isoformat()}"


def _listed(people: Sequence[str]) -> str:
    return " and ".join([", ".join(people[:-1]), people[-1]] if len(people) > 1 else people)
