"""Collision (撞单): records in which two people claim the same customer within a window of days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, final

import pydantic
from pydantic import BaseModel, Field

from crmrules import types
from crmrules.errors import FieldError, did_you_mean
from crmrules.fields import Frozen, Source
from crmrules.policy.claimed import Claimed, claimed
from crmrules.policy.collided import Collisions, Contested, Crowd, Evidence, Pair
from crmrules.policy.dated import unfit
from crmrules.policy.identity import KEYS, Kind
from crmrules.policy.matching import Matches, match
from crmrules.policy.near import LEAST_SIMILARITY, similarity
from crmrules.policy.sequence import Names
from crmrules.policy.settle import Claimant, Rule, settle

Share = Annotated[float, Field(gt=0, le=1)]


@final
class Collision(BaseModel):
    """How people's claims on the same customer are found in a source, and who gets the customer.

    >>> import datetime as dt
    >>> rule = Collision(
    ...     who="agent", when="created", keys={"phone": "phone"}, within_days=90, decide="first_claim"
    ... )
    >>> found = rule.find([
    ...     {"agent": "Ann", "created": dt.date(2026, 3, 1), "phone": "138-1234-5678"},
    ...     {"agent": "Bo", "created": dt.date(2026, 3, 5), "phone": "+86 13812345678"},
    ... ])
    >>> print(found.contested[0].decision.because)
    Ann claimed first, on 2026-03-01; Bo on 2026-03-05

    source: the source, or several (leads, customers, orders) that are looked at together; they name the
    fields alike, and where one lacks a field of `keys` it has no such key. who, when: the fields with the
    person and the day of the claim. keys: for each kind of key (tax_id, phone, email, email_domain, name)
    the field or fields that hold it. near_names: how similar two names must be to be one, 1 for equal
    ones; needs the extra `fuzzy`. within_days: how many days two claims may be apart; any if not said.

    decide: `first_claim` or `last_activity` (by the field `activity`) gets all, `split` shares equally or
    by the declared `shares` in the order of claims, `hold` leaves it to a human. ties: fields that tell
    claims of the same moment apart, the lowest first, then the record's id.

    ignore: keys that are no evidence, such as your own company's domain. most_people: a key that more
    people share (a switchboard, a made-up number) is no evidence either, and is noted. country: the
    calling code of telephone numbers written without one.
    """

    model_config = Frozen

    who: str
    when: str
    keys: dict[Kind, Names]
    decide: Rule
    source: Names = ()
    within_days: Annotated[int, Field(ge=0)] | None = None
    near_names: Annotated[float, Field(ge=LEAST_SIMILARITY, le=1)] | None = None
    activity: str | None = None
    shares: tuple[Share, ...] = ()
    ties: Names = ()
    ignore: dict[Kind, Names] = {}
    most_people: Annotated[int, Field(ge=2)] = 10
    country: Annotated[str, Field(pattern="^[1-9][0-9]{0,2}$")] = "86"

    @pydantic.model_validator(mode="after")
    def _check(self) -> Collision:
        if not self.keys:
            raise ValueError("`keys` is empty: name a field that tells customers, such as phone: mobile")
        if self.near_names is not None and "name" not in self.keys:
            raise ValueError("`near_names` goes with a key `name`: keys: {name: company}")
        if (self.decide == "last_activity") != (self.activity is not None):
            raise ValueError("`activity` goes with last_activity: name the field with the day")
        if self.shares and self.decide != "split":
            raise ValueError("`shares` goes with split: write decide: split")
        if sum(self.shares) > 1 + 1e-9:
            raise ValueError(f"`shares` sum to {sum(self.shares):g}: they must not exceed 1")
        return self

    def problems(self, source: Source) -> Iterator[tuple[tuple[str | int, ...], FieldError]]:
        """Everything that does not fit a source, with the way to it."""
        kinds: Mapping[str, tuple[types.Kind, ...]] = {
            "who": ("text", "number"),
            "when": ("date", "datetime"),
            "activity": ("date", "datetime"),
        }
        for part, allowed in kinds.items():
            name = getattr(self, part)
            if name is not None and (error := unfit(source, name, allowed)):
                yield (part,), error
        several = len(self.source) > 1
        for kind, names in self.keys.items():
            for name in names:
                if several and name not in source.fields:
                    continue
                if error := unfit(source, name, ("text", "number")):
                    yield ("keys", kind), error
        for name in self.ties:
            if name not in source.fields:
                yield ("ties",), source.unknown_field(name)

    def find(self, records: object, source: Source | Sequence[Source] | None = None) -> Collisions:
        """Who collides with whom, on what evidence, and who gets the customer.

        records: a frame of any engine or a list of dicts; for several sources, these by name. Without a
        source, the fields are taken as the data has them. The result does not depend on the order of rows
        where the source has a field with the role `id`.

        A record is held against the nearest earlier one of every other person who shares a key with it.
        Who shares a customer with whom is followed through all records within the window, so that three
        people on one customer are decided at once.

        Raises FieldError for a field that is missing or does not fit, MissingExtraError for near names
        without rapidfuzz.
        """
        given = () if source is None else (source,) if isinstance(source, Source) else tuple(source)
        sources = {each.name: each for each in given}
        if isinstance(records, Mapping):
            self._refuse_names(sources, records)
            return self._of_several(sources, records)
        if len(given) > 1 or len(self.source) > 1:
            names = ", ".join(f"{name}: …" for name in sources or self.source)
            raise FieldError(
                "L103", "several sources need their data by name", hint=f"pass a dict: {{{names}}}"
            )
        used = given[0] if given else self._inferred(records)
        return self._of_several({used.name: used}, {used.name: records})

    def _refuse_names(self, sources: Mapping[str, Source], records: Mapping[str, object]) -> None:
        for name in records:
            if name not in sources:
                raise FieldError(
                    "L103",
                    f"there is data for `{name}`, but no such source",
                    source=str(name),
                    hint=did_you_mean(str(name), sources) or "pass the declared sources",
                )
        for name in self.source or sources:
            if name not in records:
                raise FieldError(
                    "L103",
                    f"there is no data for source `{name}`",
                    source=name,
                    hint="pass it by its name, an empty list if there is nothing in it",
                )

    def _of_several(self, sources: Mapping[str, Source], data: Mapping[str, object]) -> Collisions:
        used = [sources[name] for name in data]
        for each in used:
            for _, error in self.problems(each):
                raise error
        timed = {
            name: name is not None and any(source.schema[name].kind == "datetime" for source in used)
            for name in (self.when, self.activity)
        }
        rows = [
            claimed(
                sources[name],
                records,
                who=self.who,
                when=self.when,
                activity=self.activity,
                ties=self.ties,
                keys=self.keys,
                timed=timed,
            )
            for name, records in data.items()
        ]
        return _found(self, Claimed.together(rows), next(iter(data.values())))

    def _inferred(self, records: object) -> Source:
        from crmrules.policy.infer import infer

        keys = [name for names in self.keys.values() for name in names]
        return infer(records, dict.fromkeys([*self.fields, *keys]))

    @property
    def fields(self) -> list[str]:
        """The fields that every source must have."""
        return [self.who, self.when, *([self.activity] if self.activity else []), *self.ties]


def find_collisions(records: object, source: Source | None = None, **declared: Any) -> Collisions:
    """The collisions in records, without a declaration of its own: see `Collision` and `Collision.find`."""
    return Collision(**declared).find(records, source)


def _found(rule: Collision, rows: Claimed, origin: object) -> Collisions:
    order, keys = rows.order(), _Keys(rule)
    matches = match(
        [rows.who[row] for row in order],
        [rows.when[row].toordinal() for row in order],
        {kind: keys.of_all(kind, rows, order) for kind in rule.keys},
        within=rule.within_days,
        near_names=rule.near_names,
        most_people=rule.most_people,
    )
    group_of = {at: number for number, group in enumerate(matches.groups) for at in group}
    pairs_of: list[list[Pair]] = [[] for _ in matches.groups]
    for earlier, later in matches.pairs:
        first, second = order[earlier], order[later]
        apart = rows.when[second].toordinal() - rows.when[first].toordinal()
        evidence = tuple(_evidence(rule.keys, keys, matches, rows, first, second))
        pairs_of[group_of[earlier]].append(Pair(rows.side(first), rows.side(second), apart, evidence))
    contested = []
    for number, (group, pairs) in enumerate(zip(matches.groups, pairs_of, strict=True)):
        members = [order[at] for at in group]
        claimants = _claimants(rows, members)
        decision = settle(claimants, rule.decide, rule.shares)
        sides = tuple(map(rows.side, members))
        contested.append(Contested(number + 1, sides, claimants, tuple(pairs), decision))
    return Collisions(
        tuple(pair for each in contested for pair in each.pairs),
        tuple(contested),
        len(order),
        tuple(Crowd(kind, key, people) for (kind, key), people in sorted(matches.crowded.items())),
        tuple(rows.left_out),
        tuple(rows.quarantined),
        len({*rows.source}) > 1,
        origin,
    )


@final
class _Keys:
    """The keys of texts, without those that are declared to be no evidence."""

    def __init__(self, rule: Collision) -> None:
        self.country = rule.country
        self.ignored = {
            kind: {key for text in texts for key in KEYS[kind](text, rule.country) or (text,)}
            for kind, texts in rule.ignore.items()
        }

    def of(self, kind: Kind, texts: Sequence[str]) -> tuple[str, ...]:
        ignored = self.ignored.get(kind)
        if len(texts) == 1 and not ignored:
            return KEYS[kind](texts[0], self.country)
        keys = dict.fromkeys(key for text in texts for key in KEYS[kind](text, self.country))
        return tuple(key for key in keys if not ignored or key not in ignored)

    def of_all(self, kind: Kind, rows: Claimed, order: Sequence[int]) -> Iterator[tuple[str, ...]]:
        return (self.of(kind, rows.text(kind, row)) for row in order)

    def written(self, kind: Kind, texts: Sequence[str], matches: Matches) -> dict[str, str]:
        """The keys of one claim that count, and the text that each came from."""
        written = {key: text for text in reversed(texts) for key in self.of(kind, [text])}
        return {key: text for key, text in written.items() if (kind, key) not in matches.crowded}


def _evidence(
    kinds: Iterable[Kind], keys: _Keys, matches: Matches, rows: Claimed, first: int, second: int
) -> Iterator[Evidence]:
    """For each kind of key the most similar one of two claims, as it was written."""
    for kind in kinds:
        ones, others = (keys.written(kind, rows.text(kind, row), matches) for row in (first, second))
        alike = [(_alike(kind, one, other, matches), one, other) for one in ones for other in others]
        most, one, other = max(alike, key=lambda found: found[0], default=(0.0, "", ""))
        if most > 0.0:
            yield Evidence(kind, ones[one], others[other], most)


def _alike(kind: Kind, one: str, other: str, matches: Matches) -> float:
    if one == other:
        return 1.0
    distance = matches.near.get((one, other) if one < other else (other, one)) if kind == "name" else None
    return 0.0 if distance is None else similarity(one, other, distance)


def _claimants(rows: Claimed, members: Sequence[int]) -> tuple[Claimant, ...]:
    """The people of a group in the order of their first claims."""
    claims: dict[str, list[int]] = {}
    for row in members:
        claims.setdefault(rows.who[row], []).append(row)
    return tuple(
        Claimant(
            who,
            rows.when[own[0]],
            rows.tie(own[0]),
            max((moment for row in own if (moment := rows.activity[row]) is not None), default=None),
            tuple(rows.record[row] for row in own),
        )
        for who, own in claims.items()
    )
