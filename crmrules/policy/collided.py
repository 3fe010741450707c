"""What was found of collisions: pairs with their evidence, contested customers, and who gets them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, final

from crmrules import frames
from crmrules.errors import CrmRulesError, shown
from crmrules.fields import BadRow
from crmrules.policy.facts import counted
from crmrules.policy.identity import Kind
from crmrules.policy.settle import Claimant, Decision
from crmrules.tables import MOST_ROWS, Shown, Table, cell


@final
@dataclass(frozen=True, slots=True)
class Side:
    """One claim: the record's id (its position where the source has none), who made it, and when."""

    source: str
    record: object
    who: str
    when: dt.date

    def __str__(self) -> str:
        return f"{self.who}: {self.record}, {_day(self.when)}"


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """Why two records are about one customer: which key, what each of them says, and how alike it is.

    similarity is 1 for an equal key; for names it may be less.
    """

    kind: Kind
    first: str
    second: str
    similarity: float = 1.0

    def __str__(self) -> str:
        if self.similarity < 1:
            return f"{self.kind} {self.first} ~ {self.second} ({100 * self.similarity:.0f} %)"
        return f"{self.kind} {self.first}" + (f" = {self.second}" if self.second != self.first else "")


@final
@dataclass(frozen=True, slots=True)
class Pair:
    """Two people who claim one customer: the earlier claim, the later one, and all that speaks for it."""

    first: Side
    second: Side
    days_apart: int
    evidence: tuple[Evidence, ...]

    def __str__(self) -> str:
        said = "; ".join(map(str, self.evidence))
        return f"{self.first} and {self.second}, {counted(self.days_apart, 'day')} apart: {said}"


@final
@dataclass(frozen=True, repr=False, slots=True)
class Contested(Shown):
    """A customer whom several people claim, all records of it, and who gets it."""

    number: int
    sides: tuple[Side, ...]
    claimants: tuple[Claimant, ...]
    pairs: tuple[Pair, ...]
    decision: Decision

    def table(self, most: int | None = None) -> Table:
        """The claimants and their shares, in the order of their claims."""
        title = f"Contested customer {self.number}: {self.decision.because}"
        table = Table(title, ["Who", "Share", "Claimed", "Active", "Records"], (4, 3))
        for each in self.claimants[:most]:
            share = None if self.decision.held else f"{100 * self.decision.share(each.who):.4g} %"
            active = cell(None) if each.activity is None else _day(each.activity)
            records = ", ".join(map(str, each.records))
            table.add([each.who, cell(share), _day(each.claimed), active, records])
        return table

    @property
    def notes(self) -> list[str]:
        """The evidence, pair by pair."""
        return [*map(str, self.pairs)]


@final
@dataclass(frozen=True, slots=True)
class LeftOut:
    """A record that claims nothing, and why."""

    source: str
    record: object
    reason: str


@final
@dataclass(frozen=True, slots=True)
class Crowd:
    """A key that so many people share that it is no evidence."""

    kind: Kind
    key: str
    people: int

    def __str__(self) -> str:
        return f"{self.kind} {self.key} is shared by {self.people} people and was not used"


@final
@dataclass(frozen=True, repr=False, slots=True)
class Collisions(Shown):
    """The result of `Collision.find`: shows itself as a table of pairs in a terminal and a notebook.

    pairs, contested: in the order of their first claims. crowded: keys that were no evidence. left_out:
    records without person or day. quarantined: rows that did not fit their fields.
    """

    pairs: tuple[Pair, ...]
    contested: tuple[Contested, ...]
    records: int
    crowded: tuple[Crowd, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    quarantined: tuple[BadRow, ...] = ()
    several_sources: bool = False
    origin: object = field(default=None)

    def of(self, record: object, source: str | None = None) -> Contested | None:
        """The contested customer that a record belongs to, None where nobody else claims it."""
        for each in self.contested:
            if any(side.record == record and source in (None, side.source) for side in each.sides):
                return each
        return None

    def to_native(self) -> object:
        """The pairs as a frame of the engine that the records came in; pandas for lists of dicts.

        `customer` is the number of the contested customer, `keys` the kinds of keys that agree and
        `evidence` what they say; `similarity` is that of the most similar key.
        """
        rows = [(each.number, pair) for each in self.contested for pair in each.pairs]
        columns: dict[str, list[Any]] = {"customer": [number for number, _ in rows]}
        for name in ("first", "second"):
            sides = [pair.first if name == "first" else pair.second for _, pair in rows]
            if self.several_sources:
                columns[f"{name}_source"] = [side.source for side in sides]
            columns[f"{name}_record"] = [side.record for side in sides]
            columns[f"{name}_who"] = [side.who for side in sides]
            columns[f"{name}_when"] = [side.when for side in sides]
        columns["days_apart"] = [pair.days_apart for _, pair in rows]
        columns["keys"] = [", ".join(each.kind for each in pair.evidence) for _, pair in rows]
        columns["evidence"] = ["; ".join(map(str, pair.evidence)) for _, pair in rows]
        columns["similarity"] = [max(each.similarity for each in pair.evidence) for _, pair in rows]
        return frames.like(self.origin, *_columns(columns))

    def decisions(self) -> object:
        """A row for each contested customer and person: claims, share and why; the same kind of frame.

        `share` is missing while a human has to decide.
        """
        rows = [(each, claimant) for each in self.contested for claimant in each.claimants]
        columns: dict[str, list[Any]] = {
            "customer": [each.number for each, _ in rows],
            "who": [claimant.who for _, claimant in rows],
            "claimed": [claimant.claimed for _, claimant in rows],
            "records": [len(claimant.records) for _, claimant in rows],
            "share": [
                None if each.decision.held else each.decision.share(claimant.who) for each, claimant in rows
            ],
            "because": [each.decision.because for each, _ in rows],
        }
        return frames.like(self.origin, *_columns(columns))

    def payees(self) -> object:
        """A row for each record of a decided customer and person with a share: `record`, `to`, `share`.

        The table of splits that credit can be given by; records of customers that are held are not in it.
        """
        rows = [
            (side, who, share)
            for each in self.contested
            for side in each.sides
            for who, share in each.decision.shares
        ]
        columns: dict[str, list[Any]] = {"source": [side.source for side, _, _ in rows]}
        if not self.several_sources:
            columns = {}
        columns["record"] = [side.record for side, _, _ in rows]
        columns["to"] = [who for _, who, _ in rows]
        columns["share"] = [share for _, _, share in rows]
        return frames.like(self.origin, *_columns(columns))

    def table(self, most: int | None = None) -> Table:
        """The pairs for reading, at most so many."""
        pairs = [(each, pair) for each in self.contested for pair in each.pairs][:most]
        found = (counted(len(self.pairs), "collision"), counted(len(self.contested), "contested customer"))
        title = f"{found[0]}: {found[1]}, {counted(self.records, 'record')}"
        table = Table(title, ["Customer", "First", "When", "Second", "Days", "Evidence", "Goes to"], (2,))
        for each, pair in pairs:
            table.add(
                [
                    cell(each.number),
                    f"{pair.first.who} ({pair.first.record})",
                    _day(pair.first.when),
                    f"{pair.second.who} ({pair.second.record})",
                    cell(pair.days_apart),
                    "; ".join(map(str, pair.evidence)),
                    _goes_to(each.decision),
                ],
                tone="bad" if each.decision.held else "",
            )
        return table

    @property
    def notes(self) -> list[str]:
        """What was not used, in sentences."""
        said = [*map(str, self.crowded)]
        if self.left_out:
            first = self.left_out[0]
            why = f"{shown(first.record)}: {first.reason}"
            said.append(f"left out: {counted(len(self.left_out), 'record')}, the first {why}")
        if self.quarantined:
            said.append(f"set aside: {counted(len(self.quarantined), 'row')}; see `quarantined`")
        if len(self.pairs) > MOST_ROWS:
            said.append(f"the first {MOST_ROWS} pairs are shown; `table()` has all")
        return said

    def explain(self, record: object, source: str | None = None) -> Contested:
        """The contested customer of a record. Raises CrmRulesError (L102) where nobody else claims it."""
        found = self.of(record, source)
        if found is None:
            raise CrmRulesError(
                "L102",
                f"record {shown(record)} is in no collision",
                hint="`contested` lists the customers whom several people claim",
            )
        return found

    def __len__(self) -> int:
        return len(self.pairs)


_KINDS = {
    **dict.fromkeys(("customer", "days_apart", "records"), "integer"),
    **dict.fromkeys(("similarity", "share"), "number"),
}


def _columns(columns: dict[str, list[Any]]) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Columns as `frames.like` takes them, and their kinds: ids and moments as the source has them."""
    filled: dict[str, list[Any]] = {}
    kinds: dict[str, str] = {}
    for name, values in columns.items():
        kind = _KINDS.get(name, "text")
        types = {*map(type, values)}
        if name.endswith(("_when", "claimed")):
            kind = "datetime" if dt.datetime in types else "date"
        elif name.endswith("record"):
            kind = "integer" if types == {int} else "text"
            values = values if kind == "integer" else [*map(str, values)]
        if kind in ("integer", "number"):
            values = [float("nan") if value is None else float(value) for value in values]
        filled[name], kinds[name] = values, kind
    return filled, kinds


def _goes_to(decision: Decision) -> str:
    if decision.held:
        return "a human decides"
    if len(decision.shares) == 1:
        return decision.shares[0][0]
    return ", ".join(f"{who} {100 * share:.4g} %" for who, share in decision.shares)


def _day(moment: dt.date) -> str:
    if isinstance(moment, dt.datetime) and moment.time() != dt.time():
        return moment.isoformat(" ", "minutes")
    return moment.isoformat()[:10]
