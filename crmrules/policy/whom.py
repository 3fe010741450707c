"""For whom, ready to run: the payees of a record before the rules' credit, from fields or another table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, final

from crmrules import binding, frames
from crmrules.errors import FieldError, RecordError, did_you_mean, shown
from crmrules.expr.check import Schema
from crmrules.fields import Source
from crmrules.policy.level import SHARE_SLACK, Row, Slot, received, receiving, refuse_credit, slot_of
from crmrules.policy.payees import Payee, SplitTable
from crmrules.policy.verdict import Credit


class Whom(Protocol):
    """Gives the payees of each record, their shares before the rules' credit."""

    @property
    def fields(self) -> Sequence[str]:
        """The fields that are read."""
        ...

    @property
    def checked(self) -> bool:
        """Whether payees or shares come from data, so that each record has to be looked at."""
        ...

    def of(self, row: Row) -> list[Credit]:
        """The payees of a bound record, still to be looked at by `refuse_credit`."""
        ...

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        """A bound frame with what the slots read."""
        ...


@final
class Owner:
    """The one whom the record names as its subject gets all of it."""

    checked = False

    def __init__(self, field: str | None) -> None:
        self.field = field
        self.fields = [field] if field else []

    def of(self, row: Row) -> list[Credit]:
        owner = row[self.field] if self.field else None
        return [Credit(owner, 1.0)]  # type: ignore[arg-type]

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        import narwhals as nw

        to = nw.col(self.field) if self.field else nw.lit(None, nw.String)
        return frame, [Slot(to, nw.lit(1.0), False)]


@final
class Listed:
    """Payees in fields of the record, or fixed ones."""

    checked = True

    def __init__(self, payees: Sequence[Payee], schema: Schema) -> None:
        self.receivers = [received(each, schema) for each in payees]
        self.fields = [name for each in self.receivers for name in each.fields]
        self._receiving = [receiving(each) for each in self.receivers]

    def of(self, row: Row) -> list[Credit]:
        return [credit for receive in self._receiving if (credit := receive(row)) is not None]

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        return frame, [slot_of(each) for each in self.receivers]


@final
class Table:
    """Payees in a table of their own; a record without a row there belongs to its owner."""

    checked = True

    def __init__(self, declared: SplitTable, source: Source, data: object, owner: Owner) -> None:
        id_field = source.role("id")
        assert id_field is not None
        self.id = id_field
        self.owner = owner
        self.fields = [id_field, *owner.fields]
        self.credits = _credits_of_table(declared, data)
        self._data = data

    def of(self, row: Row) -> list[Credit]:
        return self.credits.get(str(row[self.id])) or self.owner.of(row)

    def on(self, frame: frames.Frame) -> tuple[frames.Frame, list[Slot]]:
        import narwhals as nw

        split, overlaid = _widths(self.credits.values())
        columns: dict[str, list[object]] = {"@record": [*self.credits]}
        dtypes = {"@record": "text"}
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
        joined: Any = frame.join(wide, left_on=self.id, right_on="@record", how="left")
        listed = ~nw.col("@part 0").is_null() if split else nw.lit(False)
        slots = [
            Slot(nw.col(f"@payee {at}"), nw.col(f"@part {at}"), overlay)
            for at, overlay in enumerate(overlays)
        ]
        for owned in self.owner.on(frame)[1]:
            slots.insert(0, Slot(owned.to, nw.when(~listed).then(owned.share), False))
        return joined, slots


def _widths(credits: Any) -> tuple[int, int]:
    split = max((sum(not each.overlay for each in listed) for listed in credits), default=0)
    overlaid = max((sum(each.overlay for each in listed) for listed in credits), default=0)
    return split, overlaid


def _credits_of_table(declared: SplitTable, data: object) -> dict[str, list[Credit]]:
    rows = rows_of_table(declared.table, data, declared.record, declared.to, declared.share, declared.overlay)
    found: dict[str, list[Credit]] = {}
    for row in rows:
        share, overlay = row[declared.share], row.get(declared.overlay or "")
        credit = Credit(
            None if row[declared.to] is None else str(row[declared.to]),
            float(share) if isinstance(share, int | float) else share,  # type: ignore[arg-type]
            bool(overlay),
        )
        refuse_credit(credit, f"`{declared.table}`", row[declared.record])
        found.setdefault(str(row[declared.record]), []).append(credit)
    return {
        record: sorted(credits, key=lambda credit: (credit.overlay, str(credit.to)))
        for record, credits in found.items()
    }


def rows_of_table(table: str, data: object, *fields: str | None) -> list[dict[str, object]]:
    """The rows of a table beside the records. Raises FieldError (F101) for a field that it does not have."""
    if binding.is_records(data):
        rows = [dict(row) for row in binding.records_of(data)]
        present = [*rows[0]] if rows else [name for name in fields if name]
    else:
        frame = frames.wrap(data, table)
        present = frame.collect_schema().names()
        rows = frames.rows_of(frame)
    for name in fields:
        if name is not None and name not in present:
            raise FieldError(
                "F101",
                f"table `{table}` has no column `{name}`",
                source=table,
                field=name,
                hint=did_you_mean(name, [each for each in present if isinstance(each, str)]),
            )
    return rows


def refuse_sum(credits: Sequence[Credit], exactly: bool, record: object) -> None:
    """Raises RecordError (C303) for shares within the whole that do not go together."""
    parts = [each.share for each in credits if not each.overlay]
    total = math.fsum(parts)
    if total > 1 + SHARE_SLACK or (exactly and parts and total < 1 - SHARE_SLACK):
        listed = ", ".join(map(str, credits))
        raise RecordError(
            "C303",
            f"record {shown(record)}: the shares of its payees sum to {total:g} ({listed})",
            hint=f"they sum to {'exactly 1' if exactly else '1 at most'}; overlay is beside them",
        )


__all__ = ["Listed", "Owner", "Table", "Whom", "refuse_sum", "rows_of_table"]
