"""A policy on a source, ready to run: on records one by one, on lists of them, on frames."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, final

from crmrules import frames
from crmrules.errors import CrmRulesError, FieldError, did_you_mean
from crmrules.expr.check import Checked, Schema
from crmrules.expr.scalar import compile_first
from crmrules.fields import Source, bind_record
from crmrules.policy import whom, words
from crmrules.policy.additions import Adding, Additions
from crmrules.policy.compose import flat
from crmrules.policy.condition import Condition
from crmrules.policy.dead import Dead, dead_rules
from crmrules.policy.level import Level, Row, Slot
from crmrules.policy.payees import Owned, SplitTable, table_of
from crmrules.policy.rules import Policy
from crmrules.policy.verdict import Credit, Verdict
from crmrules.types import Scalar

if TYPE_CHECKING:
    from crmrules.policy.output import Judged
    from crmrules.policy.returns import TakingBack
    from crmrules.policy.summary import Summary

CREDIT = "@credit"
"""The column of the whole credit of a record, without overlay."""
DAY = "@day"
"""The column of the day on which a record counts, where that is not simply its date."""


@final
@dataclass(frozen=True, slots=True)
class Line:
    """The columns of one place for a payee beside each row of a frame: who, and which share."""

    to: str
    share: str
    overlay: bool


@final
@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided of one bound record: by which rules of each level, and who gets how much.

    day: on which it counts, None for its own date; takes_back: the id of the record whose credit it has.
    """

    positions: tuple[tuple[int, ...], ...]
    credits: tuple[Credit, ...]
    day: dt.date | None = None
    takes_back: object = None

    @property
    def credit(self) -> float:
        """The whole credit, without overlay."""
        return math.fsum(each.share for each in self.credits if not each.overlay)


@final
class Crediting:
    """A policy checked against a source; see `Policy.on`.

    fields: the source's fields that it reads; schema: those and the derived ones.
    """

    def __init__(self, policy: Policy, source: Source, tables: Mapping[str, object] | None = None) -> None:
        self.declared = policy
        self.policy = flat(policy)
        self.source = source
        self.adding = Adding(Additions.of(self.policy), source, tables or {})
        self.schema: Schema = self.adding.schema
        self.levels = _levels(self.policy, source, self.schema)
        self.owner = whom.Owner(source.role("subject"))
        self.whom = self._whom(tables or {})

    def given(self, tables: Mapping[str, object]) -> Crediting:
        """The same policy over the data of the tables that `payees` names."""
        return Crediting(self.declared, self.source, tables) if self.needs else self

    @property
    def needs(self) -> tuple[str, ...]:
        """The tables beside the records that are read."""
        table = table_of(self.policy.payees)
        return (*((table,) if table is not None else ()), *self.adding.additions.tables)

    def _whom(self, tables: Mapping[str, object]) -> whom.Whom:
        payees = self.policy.payees
        if isinstance(payees, tuple):
            return whom.Listed(payees, self.schema)
        table = table_of(payees)
        if table is None:
            return self.owner
        if table not in tables:
            read: Sequence[str] = self.owner.fields
            if isinstance(payees, Owned):
                read = whom.fields_of_owned(payees.ownership, self.source)
            elif (id_field := self.source.role("id")) is not None:
                read = [id_field, *read]
            return _Unknown(table, tables, read)
        if isinstance(payees, Owned):
            return whom.Owners(payees.ownership, self.source, self.schema, tables[table])
        assert isinstance(payees, SplitTable)
        return whom.Table(payees, self.source, tables[table], self.owner)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The source's fields that the policy reads."""
        names = [name for level in self.levels for name in level.fields]
        names += self.whom.fields
        names += self.adding.reads
        if self.policy.returns is not None:
            names += self.taking_back.fields
            names.append(self.policy.returns.original)
        id_field = self.source.role("id")
        if id_field is not None and (self.checks or self.policy.returns is not None):
            names.append(id_field)
        return tuple(name for name in dict.fromkeys(names) if name in self.source.fields)

    @property
    def tested(self) -> tuple[str, ...]:
        """The fields that the rules look at."""
        return tuple(dict.fromkeys(name for level in self.levels for name in level.fields))

    @property
    def simple(self) -> bool:
        """Whether the first rule that matches gives a constant share to the record's subject."""
        return (
            len(self.levels) == 1
            and self.levels[0].constant
            and isinstance(self.whom, whom.Owner)
            and self.policy.returns is None
            and not self.adding.moves_day
        )

    @property
    def whole(self) -> bool:
        """Whether every record counts wholly or not at all, for one payee."""
        return self.simple and all(share in (0.0, 1.0) for share in self.levels[0].shares)

    @property
    def checks(self) -> bool:
        """Whether shares come from data, so that each record has to be looked at."""
        return (
            self.whom.checked
            or self.policy.shares == "exactly_one"
            or any(
                level.combine == "all" or isinstance(outcome.share, Checked) or outcome.receivers
                for level in self.levels
                for outcome in level.outcomes
            )
        )

    @cached_property
    def dead(self) -> tuple[Dead, ...]:
        """The rules that can never decide, as far as that can be proved, each with the reason."""
        return tuple(
            dead
            for level in self.levels
            for dead in dead_rules(
                [Condition(each.tree) for each in level.conditions],
                self.schema,
                combine=level.combine,
                names=[level.named(each.name) for each in level.outcomes[:-1]],
            )
        )

    # of one record

    def bound(self, record: Mapping[str, object]) -> dict[str, Scalar]:
        """A host's record as conditions read it; what a sequence says is taken from the record itself."""
        id_field = self.source.role("id")
        row = record.get(self.source.column(id_field), "?") if id_field else 0
        bound = bind_record(self.source, record, row, self.fields)
        self.adding.of_one(bound, record)
        return bound

    def decide(self, row: Row, record: object = None) -> Decided:
        """What is decided of a bound record by itself; a return is judged as any other record.

        record: how errors name it. Raises RecordError for shares that do not go together.
        """
        positions: list[tuple[int, ...]] = []
        factors: list[float] = []
        named: list[list[Credit]] = []
        exactly = self.policy.shares == "exactly_one"
        for level in self.levels:
            at = level.decided(row, record)
            positions.append(at)
            factors.append(level.factor(at, row, record))
            named.append(level.credits(at, row, record))
            if level.sums:
                by = f"`{words.said([level], [at])[0]}`"
                splits = any(level.outcomes[position].receivers for position in at)
                whom.refuse_sum(named[-1], exactly and splits, record, by, factors[-1])
        factor = together(self.policy.combine, factors)
        base = self.whom.of(row)
        if factor > 0.0 and self.whom.checked:
            self.whom.refuse(base, row, record)
            whom.refuse_sum(base, exactly, record, "`payees`")
        found = [Credit(each.to, (each.share or 0.0) * factor, each.overlay) for each in base]
        for number, credits in enumerate(named):
            others = math.prod(factors[:number] + factors[number + 1 :])
            found += [Credit(each.to, each.share * others, each.overlay) for each in credits]
        found.sort(key=lambda credit: credit.overlay)
        # One who gets nothing is named only where nobody gets anything.
        given = [each for each in found if each.share > 0.0]
        nobody = [each for each in found if not each.overlay and each.to is not None]
        return Decided(tuple(positions), tuple(given or nobody or [Credit(None, 0.0)]))

    def decide_all(self, rows: Sequence[Row], ids: Sequence[object]) -> list[Decided]:
        """What is decided of bound records, returns by what they take back."""
        if self.simple:
            return self._decide_simply(rows)
        if self.policy.returns is None:
            return [self.decide(row, record) for row, record in zip(rows, ids, strict=True)]
        return self.taking_back.records(rows, ids, self.decide)

    def _decide_simply(self, rows: Sequence[Row]) -> list[Decided]:
        """The same where the first match gives a constant share to the subject: a value for each of both."""
        first, shares, owner = self.levels[0].first, self.levels[0].shares, self.whom.fields
        known: dict[tuple[int, Scalar], Decided] = {}
        found = []
        for row in rows:
            key = first(row), row[owner[0]] if owner else None
            decided = known.get(key)
            if decided is None:
                credit = Credit(key[1], shares[key[0]])  # type: ignore[arg-type]
                decided = known[key] = Decided(((key[0],),), (credit,))
            found.append(decided)
        return found

    @cached_property
    def taking_back(self) -> TakingBack:
        """The policy's returns."""
        from crmrules.policy.returns import TakingBack

        assert self.policy.returns is not None
        return TakingBack(self.policy.returns, self.source, self.schema)

    def verdict(self, decided: Decided) -> Verdict:
        """What was decided, in words."""
        rule, because = words.said(self.levels, decided.positions)
        return Verdict(decided.credit, rule, because, decided.credits, takes_back=decided.takes_back)

    def credit_of(self, record: Mapping[str, object]) -> float:
        """How much of one host's record counts, 0 to 1. Raises FieldError for one that does not fit."""
        if self._quick is not None:
            decided, shares = self._quick
            try:
                return shares[decided(record)]
            except FieldError:
                pass  # text that has still to be read, or what the error of the source says better
        return self.decide(self.bound(record), self.named(record)).credit

    def of(self, record: Mapping[str, object]) -> Verdict:
        """What the policy says of one host's record."""
        return self.verdict(self.decide(self.bound(record), self.named(record)))

    @cached_property
    def _quick(self) -> tuple[Callable[[Mapping[str, object]], int], list[float]] | None:
        """From a host's record to the rule that decides, where records come as the fields are declared; and
        the rules' shares."""
        if not self.simple or self.adding:
            return None
        level = self.levels[0]
        read = [self.source.fields[name] for name in self.tested]
        if any(each.column or each.replace or each.format or each.one_of for each in read):
            return None
        if any(each.rounding != "error" for each in read):
            return None
        return compile_first(level.conditions, bound=False), level.shares

    def named(self, record: Mapping[str, object]) -> object:
        """What identifies a host's record in errors."""
        id_field = self.source.role("id")
        return record.get(self.source.column(id_field)) if id_field else 0

    def explain(self, record: Mapping[str, object]) -> Verdict:
        """The same with every rule's reasons."""
        return self.explain_bound(self.bound(record), self.named(record))

    def explain_bound(self, bound: Row, record: object = None) -> Verdict:
        """The same of a bound record."""
        decided = self.decide(bound, record)
        considered = [
            each
            for level, at in zip(self.levels, decided.positions, strict=True)
            for each in level.considered(at, bound)
        ]
        return replace(self.verdict(decided), considered=tuple(considered))

    # of a frame

    def credited(self, frame: frames.Frame, *, said: bool = False) -> tuple[frames.Frame, list[Line]]:
        """The bound, derived frame with `@credit` and what the lines name: payees and their shares.

        said: also with the columns `@rule` and `@because`.
        Raises RecordError for shares that do not go together.
        """
        from crmrules.policy.on_frame import OnFrame

        return OnFrame(self).credited(frame, said=said)

    @property
    def moves_day(self) -> bool:
        """Whether some records count on another day than their date, which is then in `@day`."""
        returns = self.policy.returns
        return self.adding.moves_day or (returns is not None and returns.period == "original")

    def derive(self, frame: frames.Frame) -> frames.Frame:
        """The bound frame with the derived fields."""
        return self.adding.of_frame(frame)

    def derive_records(self, rows: list[dict[str, Scalar]]) -> None:
        """The derived fields put into bound records."""
        self.adding.of_records(rows)

    # what comes out

    def credit(self, records: object) -> object:
        """Each record with `credit`, `rule` and `because`; see `Policy.credit`."""
        from crmrules.policy import output

        return output.credit(self, records)

    def lines(self, records: object) -> object:
        """A row for each record and payee; see `Policy.lines`."""
        from crmrules.policy import output

        return output.lines(self, records)

    def verdicts(
        self, records: object, needed: Sequence[str], payees: Collection[str] | None
    ) -> Iterator[Judged]:
        """What was decided of the records that name one of the payees; see `output.verdicts`."""
        from crmrules.policy import output

        return output.verdicts(self, records, needed, payees)

    def summary(self, records: object, amount: str | None = None) -> Summary:
        """Counted, partly counted and excluded records and money, by rule; see `Policy.summary`."""
        from crmrules.policy.summary import summarised

        return summarised(self, records, amount)


def together(combine: str, factors: Sequence[float]) -> float:
    """The factors of several levels as one."""
    if combine in ("min", "max"):
        return min(factors) if combine == "min" else max(factors)
    return math.prod(factors)


def _levels(policy: Policy, source: Source, schema: Schema) -> list[Level]:
    counted = [each for each in (policy.states, policy.documents) if each is not None]
    ahead = [rule for each in counted for rule in each.rules(schema)]
    if not policy.levels:
        own = policy
        return [Level(own.rules, own.default, source, schema, own.combine, own.specificity, ahead=ahead)]
    found = []
    for name, each in policy.levels.items():
        if isinstance(each, str):
            raise CrmRulesError(
                "B211", f"there is no policy `{each}`", hint="in Python, pass the policy itself as the level"
            )
        own = flat(each)
        found.append(Level(own.rules, own.default, source, schema, own.combine, own.specificity, name, ahead))
    return found


@final
class _Unknown:
    """The payees of a table that is still to be passed."""

    checked = True
    of_fields = False

    def __init__(self, table: str, known: Collection[str], fields: Sequence[str]) -> None:
        self.table = table
        self.known = known
        self.quarantined = ()
        self.fields = fields

    def of(self, row: Row) -> list[Credit]:
        self.complain()

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        self.complain()

    def refuse(self, credits: Sequence[Credit], row: Row, record: object) -> None:
        self.complain()

    def complain(self) -> NoReturn:
        raise FieldError(
            "F112",
            f"there is no data for table `{self.table}`",
            source=self.table,
            hint=did_you_mean(self.table, self.known) or f"pass it: tables={{'{self.table}': frame}}",
        )


__all__ = ["CREDIT", "DAY", "Crediting", "Decided", "Line", "together"]
