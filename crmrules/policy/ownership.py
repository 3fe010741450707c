"""Who owns a customer on which day: handovers, transitions after them, owners side by side."""

from __future__ import annotations

import calendar
import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, final

from crmrules import frames
from crmrules.errors import FieldError, RecordError, shown
from crmrules.fields import Source
from crmrules.policy.dated import Ends, Fallback, Overlap, OwnershipRule, Shares, Transition, Unowned
from crmrules.policy.level import SHARE_SLACK
from crmrules.policy.timeline import (
    LAST,
    Key,
    Span,
    Timeline,
    by_key,
    day_number,
    day_of,
    holding_now,
    only,
    pieces,
    spans_of,
    stretch,
)
from crmrules.types import NUMBER, TEXT, Kind, Scalar

Owners = tuple[tuple[str | None, float], ...]
"""Owners and their shares, in the order of the table."""


@final
@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns what on which day, and with which shares.

    >>> day = dt.date(2026, 7, 1)
    >>> owners = Ownership.of(
    ...     None,
    ...     [{"customer": "ACME", "rep": "Ann", "since": dt.date(2026, 1, 1)},
    ...      {"customer": "ACME", "rep": "Bo", "since": day}],
    ...     key="customer", owner="rep", start="since",
    ...     transition=Transition(days=90, old=0.5),
    ... )
    >>> owners.payees_at("ACME", day + dt.timedelta(days=89))
    (('Ann', 0.5), ('Bo', 0.5))
    >>> owners.payees_at("ACME", day + dt.timedelta(days=90))
    (('Bo', 1.0),)

    timeline: owner and share by turns, `width` times, missing where there are fewer. key: what the table
    calls the thing that is owned. fallback: what becomes of a record that nobody owns.
    """

    timeline: Timeline
    width: int
    table: str
    key: str
    fallback: Unowned = "error"

    @classmethod
    def of(
        cls,
        source: Source | None,
        data: object,
        *,
        key: str,
        owner: str,
        start: str | None,
        end: str | None = None,
        share: str | None = None,
        shares: Shares = "exactly_one",
        transition: Transition | None = None,
        fallback: Unowned = "error",
        ends: Ends = "on",
        overlap: Overlap = "error",
        table: str = "",
    ) -> Ownership:
        """The owners in a table: a frame of any engine, or records. For its fields see `OwnershipRule`.

        After a handover, which is a day on which there are other owners than on the day before, those and
        the new ones share for the length of the transition: the first day of the new owner is its first
        day. A change of shares among the same owners, and a gap in which nobody owns, are no handover. A
        second handover during a transition ends it: the owner before the second one shares with the owner
        after it, and the first is out.

        Raises FieldError: D103 two owners on one day without shares, or one of them twice; D105 a missing
        owner, or a share that is none; D106 shares that do not sum as declared; and what `Timeline.of` does.
        """
        overlap = "latest_start" if end is None else overlap
        values = [owner] if share is None else [owner, share]
        kinds: dict[str, tuple[Kind, ...]] = {owner: ("text",)}
        if share is not None:
            kinds[share] = ("number",)
        source, spans, quarantined = spans_of(
            source, data, key=key, values=values, start=start, end=end, ends=ends, table=table, kinds=kinds
        )
        for span in spans:
            _refuse_row(source.name, values, span)
        owned = [
            Span(about, *each)
            for about, listed in by_key(spans).items()
            for each in _handed_over(_owners(listed, source.name, overlap, shares), transition)
        ]
        width = max((len(span.value) for span in owned), default=0) // 2
        padded = [
            Span(span.key, span.start, span.end, span.value + (None,) * (2 * width - len(span.value)))
            for span in owned
        ]
        types = (TEXT, NUMBER) * width
        timeline = Timeline.of_spans(padded, types, table=source.name, quarantined=quarantined)
        return cls(timeline, width, source.name, key, fallback)

    @classmethod
    def declared(cls, rule: OwnershipRule, source: Source | None, data: object) -> Ownership:
        """The owners in the data of the table that a rule names. Raises what `of` does."""
        options = rule.model_dump(exclude={"record_key", "record_date", "transition", "fallback"})
        return cls.of(source, data, transition=rule.transition, fallback=rule.fallback, **options)

    def payees_at(self, key: Key | None, day: dt.date | None) -> Owners:
        """The owners on a day and their shares; nobody, whatever the fallback, where there is none."""
        found = self.timeline.at(key, day) or ()
        pairs = zip(found[::2], found[1::2], strict=True)
        return tuple((owner, share) for owner, share in pairs if share is not None)  # type: ignore[misc]

    def payees_of(self, row: Mapping[str, Scalar], key: str, date: str) -> Owners:
        """The payees of a bound record, by its fields for key and date, with the fallback.

        Where nobody owns and that is an error, or the field to fall back on is empty, the payee is None;
        `refuse` says so of a record that counts.
        """
        found = self.payees_at(row[key], row[date])  # type: ignore[arg-type]
        if found or self.fallback == "nobody":
            return found
        if isinstance(self.fallback, Fallback):
            return ((self.fallback.payee or row[self.fallback.field], 1.0),)  # type: ignore[index, return-value]
        return ((None, 1.0),)

    def beside(
        self, frame: frames.Frame, key: str, date: str, *, kind: Kind = "date"
    ) -> tuple[frames.Frame, list[tuple[str, str]]]:
        """A bound frame with the payees of each row beside it; and the columns of payees and shares.

        key, date: its columns; kind: `date` or `datetime`. The first payee is missing and has share 1
        where `payees_of` gives None; a place that is not taken is missing and has no share.
        """
        import narwhals as nw

        names = [(f"@owner {at}", f"@owner share {at}") for at in range(max(self.width, 1))]
        first, whole = names[0]
        if self.width:
            flat = [name for pair in names for name in pair]
            frame = self.timeline.beside(frame, key, date, flat, kind=kind)
        else:
            nobody = nw.lit(None, nw.String).alias(first), nw.lit(None, nw.Float64).alias(whole)
            frame = frame.with_columns(*nobody)
        if self.fallback == "nobody":
            return frame, names
        other = nw.lit(None, nw.String)
        if isinstance(self.fallback, Fallback):
            payee, field = self.fallback.payee, self.fallback.field
            other = nw.lit(payee, nw.String) if field is None else nw.col(field)
        unowned = nw.col(whole).is_null()
        return frame.with_columns(
            nw.when(unowned).then(other).otherwise(nw.col(first)).alias(first),
            nw.when(unowned).then(nw.lit(1.0)).otherwise(nw.col(whole)).alias(whole),
        ), names

    def refuse(self, key: Scalar, day: Scalar, record: object) -> NoReturn:
        """Say of a record that counts that nobody owns what it is about, by its own key and date."""
        what = f"nobody owns {self.key} {shown(key)} on {day}"
        if key is None or day is None:
            what = f"it has no {self.key if key is None else 'date'}, so that nobody owns it"
        raise RecordError(
            "D107",
            f"record {shown(record)}: {what}",
            hint=f"add a row to `{self.table}`, or write fallback: {{payee: House}}, {{field: …}} or nobody",
        )


def _refuse_row(table: str, fields: Sequence[str], span: Span) -> None:
    owner, share = span.value if len(span.value) == 2 else (*span.value, 1.0)
    where = f"table `{table}`, row {shown(span.row)}"
    if owner is None:
        hint = "fill it in; to end an ownership, write its last day into the row before"
        raise FieldError(
            "D105",
            f"{where}: `{fields[0]}` is missing",
            source=table,
            field=fields[0],
            row=span.row,
            hint=hint,
        )
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise FieldError(
            "D105",
            f"{where}: `{fields[1]}` is {shown(share)}, which is no share",
            source=table,
            field=fields[1],
            row=span.row,
            value=share,
            hint="write 0 to 1, such as 0.5 for 50 %",
        )


Stretch = tuple[int, int, tuple[Scalar, ...]]
"""Start, end, and owner and share by turns."""


def _owners(spans: Sequence[Span], table: str, overlap: Overlap, shares: Shares) -> Iterator[Stretch]:
    """One after another who owns, checked, with a new stretch only where something changes."""
    last: Stretch | None = None
    for start, end, holding in pieces(spans):
        if len(spans[0].value) == 1:
            owners: tuple[Scalar, ...] = (*only(holding, start, end, table, overlap).value, 1.0)
        else:
            owners = _sharing(holding_now(holding, overlap), start, end, table, shares)
        if last and last[1] == start and last[2] == owners:
            last = (last[0], end, owners)
            continue
        if last:
            yield last
        last = (start, end, owners)
    if last:
        yield last


def _sharing(holding: Sequence[Span], start: int, end: int, table: str, shares: Shares) -> tuple[Scalar, ...]:
    """Owners side by side. Raises FieldError for one that stands twice, and for shares that sum wrongly."""
    by_owner: dict[Scalar, Span] = {}
    for span in holding:
        if other := by_owner.get(span.value[0]):
            raise FieldError(
                "D103",
                f"table `{table}`, rows {shown(other.row)} and {shown(span.row)}: {shown(span.value[0])} "
                f"owns {shown(span.key)} twice {stretch(start, end)}",
                source=table,
                row=span.row,
                value=span.key,
                hint="leave one of them out, or end the first before the second begins",
            )
        by_owner[span.value[0]] = span
    parts = [float(span.value[1]) for span in holding]  # type: ignore[arg-type]
    total = math.fsum(parts)
    if total > 1 + SHARE_SLACK or (shares == "exactly_one" and total < 1 - SHARE_SLACK):
        listed = ", ".join(
            f"{share:g} to {span.value[0]}" for span, share in zip(holding, parts, strict=True)
        )
        rows = ", ".join(shown(span.row) for span in holding)
        raise FieldError(
            "D106",
            f"table `{table}`, row{'s' if len(holding) > 1 else ''} {rows}: the shares of "
            f"{shown(holding[0].key)} sum to {total:g} {stretch(start, end)} ({listed})",
            source=table,
            row=holding[-1].row,
            value=holding[0].key,
            hint="they sum to 1 at most"
            if total > 1
            else "they sum to 1 on every day, or write shares: at_most_one",
        )
    return tuple(part for span in holding if span.value[1] for part in span.value)


def _handed_over(stretches: Iterable[Stretch], transition: Transition | None) -> Iterator[Stretch]:
    """The stretches, each with its transition before it if it begins with a handover."""
    if transition is None:
        yield from stretches
        return
    before: tuple[Scalar, ...] = ()
    shared_until = 0
    last: Stretch | None = None
    for start, end, owners in stretches:
        if last is None or last[1] < start:
            before = ()
        elif {*last[2][::2]} != {*owners[::2]}:
            before, shared_until = last[2], transition_end(transition, start)
        cut = min(shared_until, end) if before else start
        if start < cut:
            yield start, cut, _blended(before, owners, transition.old)
        if max(start, cut) < end:
            yield max(start, cut), end, owners
        last = start, end, owners


def _blended(before: tuple[Scalar, ...], after: tuple[Scalar, ...], old: float) -> tuple[Scalar, ...]:
    """Both owners with their parts, those before the handover first."""
    shares: dict[Scalar, float] = {}
    for owners, part in ((before, old), (after, 1.0 - old)):
        for owner, share in zip(owners[::2], owners[1::2], strict=True):
            shares[owner] = shares.get(owner, 0.0) + float(share) * part  # type: ignore[arg-type]
    # Rounded, so that 1 - 0.7 is 0.3.
    return tuple(part for owner, share in shares.items() if share > 0 for part in (owner, round(share, 12)))


def transition_end(transition: Transition, start: int) -> int:
    """The first day behind a transition, since 1970, after a handover on the day `start`.

    Months are counted from that day; where the month is too short for it, they end on its last day.
    """
    if transition.months is None:
        assert transition.days is not None
        return min(start + transition.days, LAST)
    first = day_of(start)
    year, month = divmod(first.year * 12 + first.month - 1 + transition.months, 12)
    if year > dt.MAXYEAR:
        return LAST
    return day_number(dt.date(year, month + 1, min(first.day, calendar.monthrange(year, month + 1)[1])))


__all__ = ["Owners", "Ownership"]
