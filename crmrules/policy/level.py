"""One list of rules on a source, ready to decide: which of them match, and what they make of a record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from crmrules.errors import RecordError, named, shown
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema
from crmrules.expr.column import condition_column, value_column
from crmrules.expr.scalar import compile_first, compile_record
from crmrules.expr.traced import trace
from crmrules.fields import Source
from crmrules.policy import fit
from crmrules.policy.condition import Condition
from crmrules.policy.payees import Payee
from crmrules.policy.rules import Combine, Default, Rule
from crmrules.policy.verdict import Consideration, Credit
from crmrules.types import Scalar

if TYPE_CHECKING:
    import narwhals as nw

SHARE_SLACK = 1e-9
"""How far beyond 1 shares may sum, for thirds written as floats."""

Row = Mapping[str, Scalar]


@final
@dataclass(frozen=True, slots=True)
class Receiver:
    """A payee, checked against the fields."""

    to: Checked
    share: float | Checked
    overlay: bool

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.to.fields, *(self.share.fields if isinstance(self.share, Checked) else ()))


@final
@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a payee beside each row of a frame: the columns of payee and share, null where empty."""

    to: nw.Expr
    share: nw.Expr
    overlay: bool


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule makes of the records that it decides: a share, a formula for one, or receivers."""

    name: str
    because: str
    share: float | Checked
    receivers: tuple[Receiver, ...] = ()


@final
class Level:
    """The rules of a policy on a source.

    ahead: rules that decide before all others, however these are combined.
    conditions and outcomes go together; the last outcome is the default.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        default: Default,
        source: Source,
        schema: Schema,
        combine: Combine = "first",
        specificity: Mapping[str, Sequence[str]] | None = None,
        name: str = "",
        ahead: Sequence[Rule] = (),
    ) -> None:
        named = [(rule.name or f"rule {position + 1}", rule) for position, rule in enumerate(rules)]
        if combine == "most_specific":
            named.sort(key=lambda each: fit.rank(each[1].when, specificity or {}))
        self.name = name
        self.combine: Combine = "first" if combine == "most_specific" or not rules else combine
        conditions = [rule.holds(source) for _, rule in named]
        if ahead and self.combine != "first":
            excluded = tree.joined("or", [rule.when.tree for rule in ahead])
            no = tree.Constant(value=False)
            conditions = [Condition(tree.Choice(excluded, no, each.tree)) for each in conditions]
        conditions = [*(rule.when for rule in ahead), *conditions]
        named = [*((rule.name, rule) for rule in ahead), *named]
        self.conditions = [condition.check(schema) for condition in conditions]
        self.outcomes = [_outcome(each, rule, schema) for each, rule in named]
        self.outcomes.append(Outcome("default", default.because, default.credit))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read."""
        names = [name for condition in self.conditions for name in condition.fields]
        for outcome in self.outcomes:
            names += outcome.share.fields if isinstance(outcome.share, Checked) else ()
            names += [name for receiver in outcome.receivers for name in receiver.fields]
        return tuple(dict.fromkeys(names))

    @property
    def constant(self) -> bool:
        """Whether the first match decides, by a constant share."""
        return self.combine == "first" and all(
            isinstance(each.share, float) and not each.receivers for each in self.outcomes
        )

    @property
    def shares(self) -> list[float]:
        """The constant shares, the default's last."""
        return [each.share for each in self.outcomes if isinstance(each.share, float)]

    @property
    def sums(self) -> bool:
        """Whether several shares have to go together in a record: of payees, or of rules side by side."""
        return self.combine == "all" or any(each.receivers for each in self.outcomes)

    # of one record

    @cached_property
    def first(self) -> Callable[[Row], int]:
        """From a bound record to the position of the first rule that matches."""
        return compile_first(self.conditions)

    @cached_property
    def _tests(self) -> list[Callable[[Row], int]]:
        return [compile_first([condition]) for condition in self.conditions]

    @cached_property
    def _formulas(self) -> dict[int, Callable[[Row], Scalar]]:
        return {
            position: compile_record(outcome.share, bound=True)
            for position, outcome in enumerate(self.outcomes)
            if isinstance(outcome.share, Checked)
        }

    @cached_property
    def _receiving(self) -> dict[int, list[Callable[[Row], Credit | None]]]:
        return {
            position: [receiving(receiver) for receiver in outcome.receivers]
            for position, outcome in enumerate(self.outcomes)
            if outcome.receivers
        }

    def decided(self, row: Row, record: object) -> tuple[int, ...]:
        """The positions of the rules that decide of a bound record."""
        if self.combine == "first":
            return (self.first(row),)
        matching = tuple(position for position, test in enumerate(self._tests) if test(row) == 0)
        if not matching:
            return (len(self.conditions),)
        if self.combine in ("product", "all"):
            return matching
        chosen = min if self.combine == "min" else max
        return (chosen(matching, key=lambda position: self.share(position, row, record)),)

    def share(self, position: int, row: Row, record: object) -> float:
        """What one rule makes of a record; 1 where it names receivers."""
        share = self.outcomes[position].share
        if isinstance(share, float):
            return share
        found = self._formulas[position](row)
        if not isinstance(found, float) or not 0.0 <= found <= 1.0:
            raise bad_share(self.outcomes[position].name, found, record)
        return found

    def factor(self, positions: tuple[int, ...], row: Row, record: object) -> float:
        """The share of the record for those whom the rules do not name."""
        shares = [
            self.share(position, row, record)
            for position in positions
            if not self.outcomes[position].receivers
        ]
        if self.combine == "all":
            return math.fsum(shares)
        return math.prod(shares) if shares else 0.0

    def credits(self, positions: tuple[int, ...], row: Row, record: object) -> list[Credit]:
        """What those get whom the deciding rules name."""
        found: list[Credit] = []
        for position in positions:
            for receive in self._receiving.get(position, ()):
                if (credit := receive(row)) is not None:
                    refuse_credit(credit, f"`{self.outcomes[position].name}`", record)
                    found.append(credit)
        return found

    def named(self, rule: str) -> str:
        """A rule's name, with that of its level."""
        return f"{self.name}: {rule}" if self.name else rule

    def considered(self, positions: tuple[int, ...], row: Row) -> list[Consideration]:
        """Every rule with what it said of a bound record, and why."""
        found = []
        for position, condition in enumerate(self.conditions):
            matched, step = trace(condition, row)
            outcome = self.outcomes[position]
            found.append(
                Consideration(
                    self.named(outcome.name),
                    None if matched is None else bool(matched),
                    position in positions,
                    outcome.because,
                    step,
                )
            )
        return found

    # of a frame

    def chosen(self, values: Sequence[Any], dtype: Any) -> nw.Expr:
        """For each row of a bound frame, the value at the position of the first rule that matches."""
        import narwhals as nw

        result = nw.lit(values[-1], dtype)
        for condition, value in reversed([*zip(self.conditions, values, strict=False)]):
            result = nw.when(condition_column(condition)).then(nw.lit(value, dtype)).otherwise(result)
        return result

    def marked(self, frame: Any) -> Any:
        """The bound frame with columns from which `decides` tells which rules decide."""
        import narwhals as nw

        if self.combine == "first":
            position = self.chosen([float(at) for at in range(len(self.outcomes))], nw.Float64)
            return frame.with_columns(position.alias(self._at))
        matches = [
            _number(condition_column(each)).alias(self._match(at)) for at, each in enumerate(self.conditions)
        ]
        frame = frame.with_columns(*matches)
        any_match = nw.lit(0.0)
        for at in range(len(self.conditions)):
            any_match = any_match + nw.col(self._match(at))
        none = _number(any_match == 0.0).alias(self._match(len(self.conditions)))
        frame = frame.with_columns(none)
        return self._extreme(frame) if self.combine in ("min", "max") else frame

    def _extreme(self, frame: Any) -> Any:
        """With marks for the rules with the smallest, or largest, share of a row; of equal ones the first."""
        import narwhals as nw

        beyond = 2.0 if self.combine == "min" else -1.0
        best = f"{self._at} best"
        frame = frame.with_columns(nw.lit(beyond, nw.Float64).alias(best))
        for at in range(len(self.outcomes)):
            share = self.column(at)
            better = share < nw.col(best) if self.combine == "min" else share > nw.col(best)
            better = self.matches(at) & better
            frame = frame.with_columns(nw.when(better).then(share).otherwise(nw.col(best)).alias(best))
        taken = f"{self._at} taken"
        frame = frame.with_columns(nw.lit(0.0).alias(taken))
        for at in range(len(self.outcomes)):
            mark = self._mark(at)
            chosen = self.matches(at) & (self.column(at) == nw.col(best)) & (nw.col(taken) == 0.0)
            frame = frame.with_columns(_number(chosen).alias(mark))
            frame = frame.with_columns((nw.col(taken) + nw.col(mark)).alias(taken))
        return frame

    @property
    def _at(self) -> str:
        return f"@level {self.name}"

    def _match(self, position: int) -> str:
        return f"{self._at} match {position}"

    def _mark(self, position: int) -> str:
        return f"{self._at} mark {position}"

    def decides(self, position: int) -> nw.Expr:
        """Whether a rule decides of a row of a marked frame."""
        import narwhals as nw

        if self.combine in ("min", "max"):
            return nw.col(self._mark(position)) == 1.0
        return self.matches(position)

    def matches(self, position: int) -> nw.Expr:
        """Whether a rule is looked at for a row of a marked frame, although another may decide."""
        import narwhals as nw

        if self.combine == "first":
            return nw.col(self._at) == float(position)
        return nw.col(self._match(position)) == 1.0

    def column(self, position: int) -> nw.Expr:
        """What one rule makes of each row, null where a formula's value is missing."""
        import narwhals as nw

        share = self.outcomes[position].share
        return nw.lit(share, nw.Float64) if isinstance(share, float) else value_column(share)

    def factor_column(self) -> nw.Expr:
        """The share of each row of a marked frame for those whom the rules do not name."""
        import narwhals as nw

        product = self.combine == "product"
        result: nw.Expr | None = None
        for position, outcome in enumerate(self.outcomes):
            own = nw.lit(0.0) if outcome.receivers else self.column(position)
            part = nw.when(self.decides(position)).then(own).otherwise(nw.lit(1.0 if product else 0.0))
            result = part if result is None else result * part if product else result + part
        assert result is not None
        return result

    @property
    def names_payees(self) -> nw.Expr:
        """Whether a rule that names payees decides of a row of a marked frame."""
        import narwhals as nw

        found = nw.lit(1.0) < 0.0
        for at, outcome in enumerate(self.outcomes):
            found = found | self.decides(at) if outcome.receivers else found
        return found

    def slots(self) -> list[Slot]:
        """Places for those whom the rules name, in a marked frame: those within the whole before overlay."""
        import narwhals as nw

        found: list[Slot] = []
        for overlay in (False, True):
            named = {
                at: [each for each in outcome.receivers if each.overlay is overlay]
                for at, outcome in enumerate(self.outcomes)
            }
            if self.combine == "first":
                # Only one rule decides, so all can use the same places.
                places = [
                    {at: listed[place] for at, listed in named.items() if place < len(listed)}
                    for place in range(max(map(len, named.values())))
                ]
            else:
                places = [{at: each} for at, listed in named.items() for each in listed]
            for place in places:
                to, share = nw.lit(None, nw.String), nw.lit(None, nw.Float64)
                for at, receiver in place.items():
                    mark = self.decides(at)
                    own = slot_of(receiver)
                    to = nw.when(mark).then(own.to).otherwise(to)
                    share = nw.when(mark).then(own.share).otherwise(share)
                found.append(Slot(to, share, overlay))
        return found


def _number(condition: nw.Expr) -> nw.Expr:
    import narwhals as nw

    return nw.when(condition).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def _outcome(name: str, rule: Rule, schema: Schema) -> Outcome:
    if isinstance(rule.credit, tuple):
        return Outcome(name, rule.because, 1.0, tuple(received(each, schema) for each in rule.credit))
    share = fit.share(rule.credit, schema) if isinstance(rule.credit, str) else rule.credit
    return Outcome(name, rule.because, share)


def received(payee: Payee, schema: Schema) -> Receiver:
    """A payee checked against the fields. Raises ExpressionError."""
    share = fit.share(payee.share, schema) if isinstance(payee.share, str) else payee.share
    return Receiver(fit.payee(payee.to, schema), share, payee.overlay)


def receiving(receiver: Receiver) -> Callable[[Row], Credit | None]:
    """A function from a bound record to what the receiver gets, which `refuse_credit` has still to look at;
    None where the record names neither payee nor share."""
    to = compile_record(receiver.to, bound=True)
    share = receiver.share
    if not isinstance(share, Checked):
        return lambda row: Credit(to(row), share, receiver.overlay)  # type: ignore[arg-type]
    formula = compile_record(share, bound=True)

    def receive(row: Row) -> Credit | None:
        payee, found = to(row), formula(row)
        if payee is None and found in (None, 0.0):
            return None
        return Credit(payee, found, receiver.overlay)  # type: ignore[arg-type]

    return receive


def refuse_credit(credit: Credit, where: str, record: object) -> None:
    """Raises RecordError for a share without a payee, a payee without a share, and a share that is none."""
    share: object = credit.share
    if share is None:
        raise RecordError(
            "C304",
            f"record {named(record)}: {where} names {shown(credit.to)} without a share",
            hint="fill the share in, or leave the payee out",
        )
    if credit.to is None and share != 0.0:
        raise RecordError(
            "C304",
            f"record {named(record)}: {where} gives the share {share:g} to nobody",
            hint="fill the payee in, or name another: coalesce(…, 'House')",
        )
    if not 0.0 <= credit.share <= (math.inf if credit.overlay else 1.0 + SHARE_SLACK):
        raise RecordError(
            "C301",
            f"record {named(record)}: {where} gives the share {share:g} to {shown(credit.to)}",
            hint="a share is 0 to 1",
        )


def refused_slot(slot: Slot) -> nw.Expr:
    """Whether `refuse_credit` refuses what stands in a slot."""
    odd = (slot.to.is_null() & (slot.share != 0.0) & ~slot.share.is_null()) | (slot.share < 0.0)
    odd = odd | (~slot.to.is_null() & slot.share.is_null())
    return odd if slot.overlay else odd | (slot.share > 1.0 + SHARE_SLACK)


def slot_of(receiver: Receiver) -> Slot:
    """A receiver beside each row of a frame."""
    import narwhals as nw

    share = receiver.share
    column = value_column(share) if isinstance(share, Checked) else nw.lit(share, nw.Float64)
    return Slot(value_column(receiver.to), column, receiver.overlay)


def bad_share(rule: str, found: object, record: object) -> RecordError:
    """The error for a formula that gives no share."""
    if found is None:
        return RecordError(
            "C302",
            f"record {named(record)}: the credit of `{rule}` is not known, since a value is missing",
            hint="say what counts then: coalesce(…, 1)",
        )
    return RecordError(
        "C301",
        f"record {named(record)}: `{rule}` gives the credit {found:g}",
        hint="a credit is 0 to 1: write clip(…, 0, 1)",
    )
