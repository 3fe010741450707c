"""What a policy did to all records together: counted, counted in part, excluded, by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

from crmrules import binding, frames, money
from crmrules.errors import FieldError, did_you_mean
from crmrules.tables import Table, cell
from crmrules.types import Type

if TYPE_CHECKING:
    from crmrules.policy.crediting import Crediting

Amount = Decimal | float


@final
@dataclass(frozen=True, slots=True)
class Share:
    """What one rule did: how many records it decided, and their amount.

    counted, partly, excluded: records with the whole credit, with a part of it, and with none.
    amount: of all of them; credited: what counts of it; the rest is excluded.
    """

    rule: str
    because: str
    counted: int
    partly: int
    excluded: int
    amount: Amount
    credited: Amount

    @property
    def records(self) -> int:
        """How many records the rule decided."""
        return self.counted + self.partly + self.excluded

    @property
    def left_out(self) -> Amount:
        """What does not count of the amount."""
        return self.amount - self.credited  # type: ignore[operator]


@final
@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """Every record by the rule that decided: what is counted and what is excluded make the whole.

    field: what is summed, empty where the records have no amount.
    """

    field: str
    rules: tuple[Share, ...]

    @property
    def total(self) -> Share:
        """All rules together."""
        return Share(
            "all",
            "",
            sum(each.counted for each in self.rules),
            sum(each.partly for each in self.rules),
            sum(each.excluded for each in self.rules),
            _sum([each.amount for each in self.rules]),
            _sum([each.credited for each in self.rules]),
        )

    def table(self) -> Table:
        """The summary for reading."""
        heads = ["Rule", "Records", "Whole", "Part", "None"]
        heads += [self.field, "Counted", "Excluded"] if self.field else []
        table = Table("", [*heads, "Why"])
        for each in (*self.rules, self.total):
            numbers = [cell(each.records), cell(each.counted), cell(each.partly), cell(each.excluded)]
            if self.field:
                numbers += [cell(each.amount), cell(each.credited), cell(each.left_out)]
            table.add([each.rule, *numbers, each.because])
        return table

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def __rich__(self) -> object:
        return self.table()

    def _repr_html_(self) -> str:
        return self.table().html()


def _sum(amounts: Sequence[Amount]) -> Amount:
    return sum(amounts[1:], start=amounts[0]) if amounts else 0.0


def summarised(crediting: Crediting, records: object, amount: str | None) -> Summary:
    """The summary of records; see `Policy.summary`."""
    field = _amount_field(crediting, amount)
    found = _of_records if binding.is_records(records) else _of_frame
    tallies = found(crediting, records, field)
    order = [
        name for level in crediting.levels for name in (level.named(each.name) for each in level.outcomes)
    ]
    places = {name: place for place, name in enumerate(order)}
    of = crediting.schema[field] if field else Type("number")
    shares = [
        Share(rule, because, whole, part, none, _amount(units, of), _amount(credited, of))
        for (rule, because), (whole, part, none, units, credited) in tallies.items()
    ]
    shares.sort(key=lambda share: (places.get(share.rule, len(places)), share.rule, share.because))
    return Summary(field, tuple(shares))


def _amount(units: float, of: Type) -> Amount:
    return money.amount(int(units), of.digits) if of.kind == "money" else float(units)


def _amount_field(crediting: Crediting, amount: str | None) -> str:
    if amount is None:
        found = [name for name, each in crediting.source.schema.items() if each.kind == "money"]
        return found[0] if len(found) == 1 else ""
    declared = crediting.schema.get(amount)
    if declared is None or declared.kind not in ("money", "number"):
        known = [name for name, each in crediting.schema.items() if each.kind in ("money", "number")]
        raise FieldError(
            "F102", f"there is no amount `{amount}`", field=amount, hint=did_you_mean(amount, known)
        )
    return amount


Tallies = dict[tuple[str, str], list[Any]]


def _of_records(crediting: Crediting, records: Any, field: str) -> Tallies:
    needed = [*crediting.fields, *([field] if field in crediting.source.fields else [])]
    bound = binding.bind_records(crediting.source, binding.records_of(records), dict.fromkeys(needed))
    crediting.derive_records(bound.rows)
    tallies: Tallies = {}
    for row, decided in zip(bound.rows, crediting.decide_all(bound.rows, bound.ids), strict=True):
        verdict = crediting.verdict(decided)
        tally = tallies.setdefault((verdict.rule, verdict.because), [0, 0, 0, 0, 0])
        tally[0 if verdict.credit >= 1 - 1e-9 else 2 if verdict.credit <= 0 else 1] += 1
        value: Any = row[field] if field else None
        if value is not None:
            tally[3] += value
            exact = isinstance(value, int)
            tally[4] += money.credited(value, verdict.credit) if exact else value * verdict.credit
    return tallies


def _of_frame(crediting: Crediting, records: object, field: str) -> Tallies:
    import narwhals as nw

    from crmrules.policy.crediting import CREDIT
    from crmrules.policy.on_frame import BECAUSE, RULE

    needed = [*crediting.fields, *([field] if field in crediting.source.fields else [])]
    bound = binding.bind_frame(crediting.source, records, needed)
    frame, _ = crediting.credited(crediting.derive(bound.frame), said=True)
    credit = nw.col(CREDIT)
    value = nw.col(field) if field else nw.lit(0.0)
    exact = bool(field) and crediting.schema[field].kind == "money"
    credited = money.credited_column(value, credit) if exact else value * credit
    whole, none = credit >= 1.0 - 1e-9, credit <= 0.0
    marks = {"@whole": whole, "@part": ~whole & ~none, "@none": none}
    summed = {"@value": value, "@credited": credited}
    frame = frame.select(
        RULE,
        BECAUSE,
        *(nw.when(mark).then(nw.lit(1)).otherwise(nw.lit(0)).alias(name) for name, mark in marks.items()),
        *((_whole(each) if exact else each).alias(name) for name, each in summed.items()),
    )
    groups = frame.group_by(RULE, BECAUSE).agg(*(nw.col(name).sum() for name in (*marks, *summed)))
    return {
        (str(row[RULE]), str(row[BECAUSE])): [row[name] or 0 for name in (*marks, *summed)]
        for row in frames.rows_of(groups)
    }


def _whole(column: Any) -> Any:
    import narwhals as nw

    return nw.when(~column.is_null()).then(column).otherwise(0.0).cast(nw.Int64)


__all__ = ["Share", "Summary", "summarised"]
