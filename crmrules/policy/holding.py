"""Who holds a customer, resolved from dated facts: a fold without a clock, and every step with its reason."""

from __future__ import annotations

import calendar
import datetime as dt
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, final

Event = Literal["register", "pick", "renew", "follow_up", "deposit", "deal", "transfer", "release", "expire"]
Outcome = Literal["granted", "refused", "noted", "lapsed"]


@final
@dataclass(frozen=True, slots=True)
class Window:
    """A length of time in days or in months, counted from a day that is not part of it.

    >>> Window(days=90).last_day(dt.date(2026, 6, 30)), Window(months=6).last_day(dt.date(2026, 8, 31))
    (datetime.date(2026, 9, 28), datetime.date(2027, 2, 28))
    """

    days: int = 0
    months: int = 0

    def last_day(self, after: dt.date) -> dt.date:
        """The last day of the window, which belongs to it; the calendar's last where it would go beyond."""
        try:
            month = after.year * 12 + after.month - 1 + self.months
            year, month = month // 12, month % 12 + 1
            day = min(after.day, calendar.monthrange(year, month)[1])
            return dt.date(year, month, day) + dt.timedelta(days=self.days)
        except (OverflowError, ValueError, calendar.IllegalMonthError):
            return dt.date.max

    def __str__(self) -> str:
        count, unit = (self.months, "month") if self.months else (self.days, "day")
        return f"{count} {unit}{'' if count == 1 else 's'}"


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """For how long a claim protects, and what a person may hold; None where nothing is declared."""

    valid: Window | None = None
    with_deposit: Window | None = None
    contact_within: Window | None = None
    after_contract: Window | None = None
    renewals: int | None = None
    reclaim_after: int = 0
    capacity: int | None = None
    capacities: Mapping[str, int] = field(default_factory=dict)
    picks_a_day: int | None = None
    substitute_share: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Fact:
    """What somebody did about a customer on a day.

    to: the new owner of a transfer. until: the end of a contract, or the deal's day if that is later; None
    for a deal that makes the customer the owner's for good. deposit: whether one was paid with it.
    effective: whether a follow-up reached the customer. hidden: whether the one who closed a deal kept the
    claim from its owner. exempt: whether the customer does not count against the capacity.
    """

    customer: str
    who: str
    day: dt.date
    event: Event
    to: str | None = None
    until: dt.date | None = None
    deposit: bool = False
    effective: bool = True
    hidden: bool = False
    exempt: bool = False
    record: object = None


@final
@dataclass(frozen=True, slots=True)
class Step:
    """What a fact, or a day that passed, did to a claim, and why. A lapse has no record."""

    day: dt.date
    customer: str
    who: str
    event: str
    outcome: Outcome
    because: str
    record: object = None

    def __str__(self) -> str:
        return f"{self.day}  {self.outcome:<7}  {self.event} by {self.who}: {self.because}"


@final
@dataclass(frozen=True, slots=True)
class Spell:
    """A person holds a customer from the first to the last day, both included; None while nothing ends it."""

    customer: str
    who: str
    first: dt.date
    last: dt.date | None
    began: str
    ended: str


@final
@dataclass(frozen=True, slots=True)
class Closing:
    """A deal that somebody else closed: for its day the owner and the substitutes share."""

    customer: str
    day: dt.date
    who: str


@final
@dataclass(slots=True)
class _Claim:
    who: str
    first: dt.date
    began: str
    exempt: bool
    valid_from: dt.date
    contact: dt.date
    deposit: dt.date | None = None
    contract_end: dt.date | None = None
    closed: bool = False
    renewed: int = 0


@final
class Fold:
    """Goes through facts in their order; `spells`, `steps` and `closings` are what came of them."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.spells: list[Spell] = []
        self.steps: list[Step] = []
        self.closings: list[Closing] = []
        self._claims: dict[str, _Claim] = {}
        self._before: dict[str, tuple[str, dt.date]] = {}
        self._owned: Counter[str] = Counter()
        self._picked: Counter[tuple[str, dt.date]] = Counter()
        self._ends: list[tuple[dt.date, str]] = []

    def run(self, facts: Iterable[Fact]) -> None:
        """All facts, in the order of their days, and what lapses after the last of them."""
        for fact in facts:
            self._lapse_before(fact.day)
            outcome, because = _EVENTS[fact.event](self, fact)
            self.steps.append(
                Step(fact.day, fact.customer, fact.who, fact.event, outcome, because, fact.record)
            )
        self._lapse_before(None)
        for customer, claim in self._claims.items():
            self.spells.append(Spell(customer, claim.who, claim.first, None, claim.began, ""))

    # time passes

    def _lapse_before(self, day: dt.date | None) -> None:
        """End the claims whose last day is over; all that ever end where no day is given."""
        while self._ends and (day is None or self._ends[0][0] < day):
            last, customer = heapq.heappop(self._ends)
            claim = self._claims.get(customer)
            if claim is None or (end := self._end(claim)) is None or end[0] != last:
                continue  # it was extended or has ended since
            if last == dt.date.max:
                continue
            pool = last + dt.timedelta(days=1)
            because = f"{end[1]}; in the pool from {pool}"
            self.steps.append(Step(pool, customer, claim.who, "lapse", "lapsed", because))
            self._close(customer, pool, end[1])

    def _end(self, claim: _Claim) -> tuple[dt.date, str] | None:
        """The last day of a claim and what ends it, None where nothing does."""
        terms = self.terms
        if claim.closed:
            return None
        if claim.contract_end is not None:
            assert terms.after_contract is not None
            last = terms.after_contract.last_day(claim.contract_end)
            return last, f"{terms.after_contract} after the contract's end on {claim.contract_end}"
        ends = []
        if terms.valid is not None:
            last = terms.valid.last_day(claim.valid_from)
            why = f"valid for {terms.valid} from {claim.valid_from}"
            if claim.deposit is not None and terms.with_deposit is not None:
                paid = terms.with_deposit.last_day(claim.deposit)
                if paid > last:
                    last, why = paid, f"valid for {terms.with_deposit} with the deposit of {claim.deposit}"
            ends.append((last, why))
        if terms.contact_within is not None:
            last = terms.contact_within.last_day(claim.contact)
            ends.append((last, f"no effective contact within {terms.contact_within} of {claim.contact}"))
        return min(ends, key=lambda end: end[0], default=None)

    def _watch(self, customer: str) -> None:
        if (end := self._end(self._claims[customer])) is not None:
            heapq.heappush(self._ends, (end[0], customer))

    def _open(self, fact: Fact, who: str, began: str, before: _Claim | None = None) -> None:
        """A new claim; of a claim before it, it takes over what the customer has paid and signed."""
        claim = _Claim(who, fact.day, began, fact.exempt, fact.day, fact.day)
        if before is not None:
            claim.exempt |= before.exempt
            claim.deposit, claim.contract_end, claim.closed = (
                before.deposit,
                before.contract_end,
                before.closed,
            )
        claim.deposit = fact.day if fact.deposit else claim.deposit
        self._claims[fact.customer] = claim
        self._owned[who] += not claim.exempt
        self._watch(fact.customer)

    def _close(self, customer: str, from_day: dt.date, ended: str) -> _Claim:
        claim = self._claims.pop(customer)
        self._owned[claim.who] -= not claim.exempt
        self._before[customer] = claim.who, from_day
        if claim.first < from_day:
            last = from_day - dt.timedelta(days=1)
            self.spells.append(Spell(customer, claim.who, claim.first, last, claim.began, ended))
        return claim

    # what people do

    def _register(self, fact: Fact) -> tuple[Outcome, str]:
        if held := self._held(fact):
            return "refused", held
        if early := self._too_early(fact):
            return "refused", early
        if full := self._full(fact.who):
            return "refused", full
        limit = self.terms.picks_a_day
        if fact.event == "pick":
            if limit is not None and self._picked[fact.who, fact.day] >= limit:
                return "refused", f"has picked {limit} on that day, which is the limit"
            self._picked[fact.who, fact.day] += 1
        self._open(fact, fact.who, f"{fact.event} on {fact.day}")
        return "granted", self._until(fact.customer)

    def _held(self, fact: Fact) -> str:
        claim = self._claims.get(fact.customer)
        if claim is None:
            return ""
        if claim.who == fact.who:
            return f"holds it already, {self._until(fact.customer)}; renew it"
        return f"{claim.who} holds it, {self._until(fact.customer)}"

    def _too_early(self, fact: Fact) -> str:
        """Why the last owner may not claim again yet."""
        who, lost = self._before.get(fact.customer, ("", fact.day))
        again = lost + dt.timedelta(days=self.terms.reclaim_after)
        if who != fact.who or fact.day >= again:
            return ""
        return f"held it until {lost - dt.timedelta(days=1)} and may claim it again from {again}"

    def _until(self, customer: str) -> str:
        end = self._end(self._claims[customer])
        return "without an end" if end is None else f"until {end[0]}"

    def _full(self, who: str) -> str:
        capacity = self.terms.capacities.get(who, self.terms.capacity)
        if capacity is None or self._owned[who] < capacity:
            return ""
        return f"{who} holds {self._owned[who]} customers that count, and the capacity is {capacity}"

    def _own(self, fact: Fact) -> _Claim | str:
        """The claim of the one who acts, or why there is none."""
        claim = self._claims.get(fact.customer)
        if claim is not None and claim.who == fact.who:
            return claim
        if claim is not None:
            return f"{claim.who} holds it"
        before = self._before.get(fact.customer)
        if before is not None and before[0] == fact.who:
            return f"the claim ended on {before[1] - dt.timedelta(days=1)}"
        return "nobody holds it"

    def _renew(self, fact: Fact) -> tuple[Outcome, str]:
        claim = self._own(fact)
        if isinstance(claim, str):
            return "refused", claim
        if self.terms.renewals is not None and claim.renewed >= self.terms.renewals:
            return "refused", f"it may be renewed {self.terms.renewals} times"
        claim.renewed += 1
        claim.valid_from = fact.day
        if fact.deposit:
            claim.deposit = fact.day
        self._watch(fact.customer)
        return "granted", self._until(fact.customer)

    def _follow_up(self, fact: Fact) -> tuple[Outcome, str]:
        claim = self._own(fact)
        if isinstance(claim, str):
            return "noted", claim
        if not fact.effective:
            return "noted", f"the customer was not reached; {self._until(fact.customer)}"
        claim.contact = fact.day
        self._watch(fact.customer)
        return "granted", self._until(fact.customer)

    def _deposit(self, fact: Fact) -> tuple[Outcome, str]:
        claim = self._own(fact)
        if isinstance(claim, str):
            return "refused", claim
        claim.deposit = fact.day
        self._watch(fact.customer)
        return "granted", self._until(fact.customer)

    def _deal(self, fact: Fact) -> tuple[Outcome, str]:
        claim = self._claims.get(fact.customer)
        if claim is None:
            return "noted", "nobody holds it; a deal by itself is no claim"
        claim.contact = fact.day
        if fact.until is None or self.terms.after_contract is None:
            claim.closed = True
        else:
            claim.contract_end = max(fact.until, fact.day, claim.contract_end or fact.until)
        self._watch(fact.customer)
        until = self._until(fact.customer)
        if claim.who == fact.who:
            return "granted", until
        if fact.hidden:
            return "noted", f"{claim.who} holds it and gets all, since the claim was kept from its owner"
        if self.terms.substitute_share is None:
            return "noted", f"{claim.who} holds it, {until}"
        self.closings.append(Closing(fact.customer, fact.day, fact.who))
        share = f"{100 * self.terms.substitute_share:.4g} %"
        return "granted", f"closed for {claim.who}, who holds it; {share} of the day go to the substitute"

    def _transfer(self, fact: Fact) -> tuple[Outcome, str]:
        assert fact.to is not None
        claim = self._claims.get(fact.customer)
        if claim is not None and claim.who == fact.to:
            return "noted", f"{fact.to} holds it already"
        if full := self._full(fact.to):
            return "refused", full
        before = self._close(fact.customer, fact.day, f"transferred to {fact.to}") if claim else None
        source = f"from {before.who}" if before else "from the pool"
        self._open(fact, fact.to, f"transfer {source} on {fact.day}", before)
        return "granted", f"{source} to {fact.to}, {self._until(fact.customer)}"

    def _release(self, fact: Fact) -> tuple[Outcome, str]:
        claim = self._own(fact)
        if isinstance(claim, str):
            return "refused", claim
        self._close(fact.customer, fact.day, f"released on {fact.day}")
        return "granted", f"in the pool from {fact.day}"

    def _expire(self, fact: Fact) -> tuple[Outcome, str]:
        if fact.customer not in self._claims:
            return "noted", "nobody holds it"
        claim = self._close(fact.customer, fact.day, f"expired on {fact.day}")
        return "granted", f"{claim.who} loses it; in the pool from {fact.day}"


_EVENTS: Mapping[str, Callable[[Fold, Fact], tuple[Outcome, str]]] = {
    "register": Fold._register,
    "pick": Fold._register,
    "renew": Fold._renew,
    "follow_up": Fold._follow_up,
    "deposit": Fold._deposit,
    "deal": Fold._deal,
    "transfer": Fold._transfer,
    "release": Fold._release,
    "expire": Fold._expire,
}
