"""What a policy says of one record, for people and for whatever sums it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from crmrules.expr.traced import Step


@final
@dataclass(frozen=True, slots=True)
class Credit:
    """What one payee gets of a record.

    to: the payee, None where the record names nobody. share: how much of the record counts for the payee,
    0 to 1. overlay: beside the 100 %, for help that must not count as revenue twice.
    """

    to: str | None
    share: float
    overlay: bool = False

    def __str__(self) -> str:
        return f"{self.share:g} to {self.to or 'nobody'}{' (overlay)' if self.overlay else ''}"


@final
@dataclass(frozen=True, slots=True)
class Consideration:
    """What a rule said of a record: `matched` is None where a missing value leaves it open."""

    rule: str
    matched: bool | None
    decided: bool
    because: str
    trace: Step


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of one record: the credit, the rule that decided, and why.

    credit: the share of the record that counts, 0 to 1, all payees together without overlay.
    rule, because: of the rule that decided; where several did, all of them. credits: who gets how much.
    considered: every rule with its reasons, where they were asked for. takes_back: the id of the record
    whose credit this is, for a return.
    """

    credit: float
    rule: str
    because: str
    credits: tuple[Credit, ...] = ()
    considered: tuple[Consideration, ...] = ()
    takes_back: object = None

    def __str__(self) -> str:
        lines = [f"credit {self.credit:g} by `{self.rule}`: {self.because}"]
        if self.takes_back is not None:
            lines.append(f"     as record {self.takes_back}, which it takes back")
        if len(self.credits) > 1:
            lines += [f"     {each}" for each in self.credits]
        for each in self.considered:
            said = {True: "matches", False: "does not match", None: "is not known to match"}[each.matched]
            mark = "→" if each.decided else " "
            lines.append(f" {mark} {each.rule} {said}")
            lines += [f"     {line}" for line in str(each.trace).split("\n")]
        return "\n".join(lines)


__all__ = ["Consideration", "Credit", "Verdict"]
