"""For whom, ready to run: the payees of a record before the rules' credit, from fields or another table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, final

from crmrules import binding, frames
from crmrules.errors import RecordError, named
from crmrules.expr.check import Schema
from crmrules.fields import BadRow, Source
from crmrules.policy.dated import Fallback, OwnershipRule
from crmrules.policy.level import SHARE_SLACK, Row, Slot, received, receiving, refuse_credit, slot_of
from crmrules.policy.ownership import Ownership
from crmrules.policy.payees import Payee, SplitTable
from crmrules.policy.verdict import Credit
from crmrules.types import Scalar


class Whom(Protocol):
    """Gives the payees of each record, their shares before the rules' credit."""

    @property
    def fields(self) -> Sequence[str]:
        """The fields that are read."""
        ...

    @property
    def checked(self) -> bool:
        """Whether shares come from data, so that their sum has to be looked at."""
        ...

    @property
    def of_fields(self) -> bool:
        """Whether payees and shares come from the record, so that each of them has to be looked at."""
        ...

    @property
    def quarantined(self) -> Sequence[BadRow]:
        """Rows of the table of payees that were set aside."""
        ...

    def of(self, row: Row) -> list[Credit]:
        """The payees of a bound record, still to be looked at by `refuse`."""
        ...

    def refuse(self, credits: Sequence[Credit], row: Row, record: object) -> None:
        """Raises RecordError for payees, of a record that counts, that do not fit."""
        ...

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        """A bound frame with what the slots read."""
        ...


@final
class Owner:
    """The one whom the record names as its subject gets all of it."""

    checked = False
    of_fields = False
    quarantined: Sequence[BadRow] = ()

    def __init__(self, field: str | None) -> None:
        self.field = field
        self.fields = [field] if field else []

    def of(self, row: Row) -> list[Credit]:
        owner = row[self.field] if self.field else None
        return [Credit(owner, 1.0)]  # type: ignore[arg-type]

    def refuse(self, credits: Sequence[Credit], row: Row, record: object) -> None:
        """A record without an owner is refused by whoever wants to sum it up."""

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        import narwhals as nw

        to = nw.col(self.field) if self.field else nw.lit(None, nw.String)
        return frame, [Slot(to, nw.lit(1.0), False)]


@final
class Listed:
    """Payees in fields of the record, or fixed ones."""

    checked = True
    of_fields = True
    quarantined: Sequence[BadRow] = ()

    def __init__(self, payees: Sequence[Payee], schema: Schema) -> None:
        self.receivers = [received(each, schema) for each in payees]
        self.fields = [name for each in self.receivers for name in each.fields]
        self._receiving = [receiving(each) for each in self.receivers]

    def of(self, row: Row) -> list[Credit]:
        return [credit for receive in self._receiving if (credit := receive(row)) is not None]

    def refuse(self, credits: Sequence[Credit], row: Row, record: object) -> None:
        for credit in credits:
            refuse_credit(credit, "`payees`", record)

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        return frame, [slot_of(each) for each in self.receivers]


@final
class Table:
    """Payees in a table of their own; a record without a row there belongs to its owner."""

    checked = True
    of_fields = False

    def __init__(self, declared: SplitTable, source: Source, data: object, owner: Owner) -> None:
        id_field = source.role("id")
        assert id_field is not None
        self.id = id_field
        self.owner = owner
        self.fields = [id_field, *owner.fields]
        self.kind = source.fields[id_field].declared.kind
        self.credits, self.quarantined = _credits_of_table(declared, self.kind, data)

    def of(self, row: Row) -> list[Credit]:
        credits = self.credits.get(row[self.id], [])
        if all(credit.overlay for credit in credits):
            return [*self.owner.of(row), *credits]
        return credits

    def refuse(self, credits: Sequence[Credit], row: Row, record: object) -> None:
        """The table was looked at as a whole."""

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        import narwhals as nw

        split, overlaid = _widths(self.credits.values())
        columns: dict[str, list[object]] = {"@record": [*self.credits]}
        dtypes = {"@record": self.kind}
        overlays = [False] * split + [True] * overlaid
        for at in range(len(overlays)):
            columns[f"@payee {at}"], dtypes[f"@payee {at}"] = [], "text"
            columns[f"@part {at}"], dtypes[f"@part {at}"] = [], "number"
        for credits in self.credits.values():
            ordered = [each for each in credits if not each.overlay]
            padded: list[Credit | None] = [*ordered, *[None] * (split - len(ordered))]
            extra = [each for each in credits if each.overlay]
            padded += [*extra, *[None] * (overlaid - len(extra))]
            for at, each in enumerate(padded):
                columns[f"@payee {at}"].append(each.to if each else None)
                columns[f"@part {at}"].append(each.share if each else math.nan)
        wide: Any = nw.from_native(frames.like(frame.to_native(), columns, dtypes))
        wide = wide.lazy() if frames.is_lazy(frame) else wide
        joined = frames.joined(frame, wide, self.id, "@record")
        listed = ~nw.col("@part 0").is_null() if split else nw.lit(False)
        slots = [
            Slot(nw.col(f"@payee {at}"), nw.col(f"@part {at}"), overlay)
            for at, overlay in enumerate(overlays)
        ]
        for owned in self.owner.on(frame)[1]:
            to, share = nw.when(~listed).then(owned.to), nw.when(~listed).then(owned.share)
            slots.insert(0, Slot(to, share, False))
        return joined, slots


@final
class Owners:
    """Whoever owns the record's key on its day, by a table with dates."""

    checked = True
    of_fields = True

    def __init__(self, rule: OwnershipRule, source: Source, schema: Schema, table: object) -> None:
        self.key = rule.record_key or rule.key
        self.date = rule.record_date or source.role("date") or ""
        self.kind = schema[self.date].kind
        declared, data = table if isinstance(table, binding.Table) else (None, table)
        self.ownership = Ownership.declared(rule, declared, data)
        self.quarantined: Sequence[BadRow] = self.ownership.timeline.quarantined
        self.fields = fields_of_owned(rule, source)

    def of(self, row: Row) -> list[Credit]:
        return [Credit(owner, share) for owner, share in self.ownership.payees_of(row, self.key, self.date)]

    def refuse(self, credits: Sequence[Credit], row: Row, record: object) -> None:
        if any(each.to is None for each in credits):
            self.ownership.refuse(row[self.key], row[self.date], record)

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        import narwhals as nw

        frame, names = self.ownership.beside(frame, self.key, self.date, kind=self.kind)
        return frame, [Slot(nw.col(to), nw.col(share), False) for to, share in names]


def fields_of_owned(rule: OwnershipRule, source: Source) -> list[str]:
    """The record's fields by which its owners are looked up."""
    field = rule.fallback.field if isinstance(rule.fallback, Fallback) else None
    date = rule.record_date or source.role("date") or ""
    return [rule.record_key or rule.key, date, *([field] if field else [])]


def _widths(credits: Any) -> tuple[int, int]:
    split = max((sum(not each.overlay for each in listed) for listed in credits), default=0)
    overlaid = max((sum(each.overlay for each in listed) for listed in credits), default=0)
    return split, overlaid


def _credits_of_table(
    declared: SplitTable, kind: str, data: object
) -> tuple[dict[Scalar, list[Credit]], Sequence[BadRow]]:
    """The credits of each record, those within the whole before overlay, by the names of the payees; and
    the rows that were set aside."""
    fields: dict[str, Any] = {declared.record: kind, declared.to: "text", declared.share: "number"}
    fields |= {declared.overlay: "bool"} if declared.overlay else {}
    source = Source(name=declared.table, fields=fields)
    if isinstance(data, binding.Table):
        source, data = data
    table = binding.bind_table(source, data, fields)
    found: dict[Scalar, list[Credit]] = {}
    for place, row in enumerate(table.rows):
        record, to, share = row[declared.record], row[declared.to], row[declared.share]
        if record is None:
            raise RecordError(
                "C307",
                f"table `{declared.table}`, row {place}: `{declared.record}` is missing",
                hint="say of which record it is",
            )
        credit = Credit(to, share, bool(row.get(declared.overlay or "")))  # type: ignore[arg-type]
        refuse_credit(credit, f"`{declared.table}`", record)
        found.setdefault(record, []).append(credit)
    return {
        record: sorted(credits, key=lambda credit: (credit.overlay, str(credit.to)))
        for record, credits in found.items()
    }, table.quarantined


def refuse_sum(credits: Sequence[Credit], exactly: bool, record: object, by: str, rest: float = 0.0) -> None:
    """Raises RecordError (C303) for shares within the whole that do not go together.

    by: which rules give them; rest: what these give to those whom no rule names.
    """
    total = rest + sum(each.share for each in credits if not each.overlay)
    if total > 1 + SHARE_SLACK or (exactly and total < 1 - SHARE_SLACK):
        listed = ", ".join(map(str, credits))
        raise RecordError(
            "C303",
            f"record {named(record)}: the shares of {by} sum to {total:g}"
            + (f" ({listed})" if listed else ""),
            hint=f"they sum to {'exactly 1' if exactly else '1 at most'}; overlay is beside them",
        )


__all__ = ["Listed", "Owner", "Owners", "Table", "Whom", "refuse_sum"]
