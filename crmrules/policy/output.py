"""What a policy gives back to the host: its rows with their credit, a row for each payee, verdicts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crmrules import binding, frames
from crmrules.errors import FieldError, shown
from crmrules.expr.column import condition_column
from crmrules.policy.crediting import CREDIT, DAY, Crediting, Line
from crmrules.policy.on_frame import BECAUSE, RULE, added
from crmrules.policy.returns import taken_from
from crmrules.policy.verdict import Credit, Verdict
from crmrules.types import DATE, Scalar

if TYPE_CHECKING:
    import narwhals as nw

CREDITED = ("because", "credit", "rule")
LINED = ("overlay", "payee", "rule", "share")


def credit(crediting: Crediting, records: object) -> object:
    """Each record with `credit`, `rule` and `because`; see `Policy.credit`."""
    import narwhals as nw

    if binding.is_records(records):
        return [
            {**record, "credit": verdict.credit, "rule": verdict.rule, "because": verdict.because}
            for record, verdict in _judged(crediting, records, CREDITED)
        ]
    if (at_once := _at_once(crediting, records)) is not None:
        return at_once
    host, frame, _ = _over(crediting, records, CREDITED)
    new = {CREDIT: "credit", RULE: "rule", BECAUSE: "because"}
    derived = frame.select(frames.ROW, *(nw.col(name).alias(given) for name, given in new.items()))
    return frames.beside(host, derived).drop(frames.ROW).to_native()


def _at_once(crediting: Crediting, records: object) -> object:
    """The same where the rows stay as they are and one position says everything; None where they do not."""
    host = frames.wrap(records, crediting.source.name)
    if frames.is_lazy(host) or not crediting.simple or crediting.adding or not crediting.tested:
        return None  # without a field that is tested, nothing tells how many rows there are
    _refuse_taken(host.collect_schema().names(), CREDITED)
    bound = binding.bind_frame(crediting.source, frames.deferred(host), crediting.fields)
    if bound.quarantined:
        return None
    level = crediting.levels[0]
    positions = frames.first_true(bound.frame, [condition_column(each) for each in level.conditions])
    values: dict[str, list[Any]] = {
        "credit": level.shares,
        "rule": [each.name for each in level.outcomes],
        "because": [each.because for each in level.outcomes],
    }
    return frames.with_chosen(host, values, positions).to_native()


def lines(crediting: Crediting, records: object) -> object:
    """A row for each record and payee; see `Policy.lines`."""
    import narwhals as nw

    if binding.is_records(records):
        return [
            {**record, "payee": each.to, "share": each.share, "overlay": each.overlay, "rule": verdict.rule}
            for record, verdict in _judged(crediting, records, LINED)
            for each in verdict.credits
        ]
    host, frame, found = _over(crediting, records, LINED)
    frame = frame.with_columns(added([nw.col(line.share) for line in found]).alias("@given"))
    parts: list[Any] = []
    for at, line in enumerate(found):
        parts.append(
            frame.filter(_kept(line)).select(
                frames.ROW,
                nw.lit(float(at)).alias("@line"),
                nw.col(line.to).cast(nw.String).alias("payee"),
                nw.col(line.share).alias("share"),
                nw.lit(line.overlay).alias("overlay"),
                nw.col(RULE).alias("rule"),
            )
        )
    parts.append(
        frame.filter(_nobody(found)).select(
            frames.ROW,
            nw.lit(-1.0).alias("@line"),
            nw.lit(None, nw.String).alias("payee"),
            nw.lit(0.0).alias("share"),
            nw.lit(False).alias("overlay"),
            nw.col(RULE).alias("rule"),
        )
    )
    whole: Any = nw.concat(parts)
    host = host.with_columns(nw.col(frames.ROW).cast(nw.Float64))
    joined: Any = host.join(whole, on=frames.ROW, how="inner")
    return joined.sort(frames.ROW, "@line").drop(frames.ROW, "@line").to_native()


def _kept(line: Line) -> nw.Expr:
    """Whether a record has this line: one who gets nothing is named only where nobody gets anything."""
    import narwhals as nw

    gets = nw.col(line.share) > 0.0
    if line.overlay:
        return gets
    return gets | ((nw.col("@given") == 0.0) & ~nw.col(line.to).is_null())


def _nobody(lines: Sequence[Line]) -> nw.Expr:
    """Whether a record names nobody at all, so that a line to nobody stands for it."""
    import narwhals as nw

    found = nw.col("@given") == 0.0
    for line in lines:
        found = found & nw.col(line.to).is_null() if not line.overlay else found
    return found


def _judged(
    crediting: Crediting, records: Any, columns: Collection[str]
) -> Iterator[tuple[Mapping[str, object], Verdict]]:
    listed: list[Mapping[str, object]] = binding.records_of(records)
    bound = binding.bind_records(crediting.source, listed, crediting.fields)
    crediting.derive_records(bound.rows)
    for position in bound.positions:
        _refuse_taken(listed[position], columns)
    decided = crediting.decide_all(bound.rows, bound.ids)
    for position, each in zip(bound.positions, decided, strict=True):
        yield listed[position], crediting.verdict(each)


def _over(
    crediting: Crediting, records: object, columns: Collection[str]
) -> tuple[frames.Frame, frames.Frame, list[Line]]:
    """The host's frame with `@row`, and the bound one with what was decided."""
    wrapped = frames.wrap(records, crediting.source.name)
    if frames.is_relation(wrapped):
        raise frames.no_order()
    _refuse_taken(wrapped.collect_schema().names(), columns)
    bound = binding.bind_frame(crediting.source, records, crediting.fields, numbered=True)
    frame, found = crediting.credited(crediting.derive(bound.frame), said=True)
    return frames.numbered(wrapped), frame, found


def _refuse_taken(columns: Collection[object], new: Collection[str]) -> None:
    for name in new:
        if name in columns:
            raise FieldError("F110", f"there is a column {shown(name)} already", hint="rename it")


Judged = tuple[Mapping[str, Scalar], object, dt.date | None, Verdict]


def verdicts(
    crediting: Crediting, records: object, needed: Sequence[str], payees: Collection[str] | None
) -> Iterator[Judged]:
    """The bound records that name one of the payees, or all, whether they count or not: each with its place,
    the day on which it counts where that is not its date, and what was decided."""
    if binding.is_records(records):
        bound = binding.bind_records(crediting.source, binding.records_of(records), needed)
        crediting.derive_records(bound.rows)
        decided = crediting.decide_all(bound.rows, bound.ids)
        for row, where, each in zip(bound.rows, bound.ids, decided, strict=True):
            if payees is None or any(one.to in payees for one in each.credits):
                yield row, where, each.day, crediting.verdict(each)
        return
    yield from _verdicts_of_frame(crediting, records, needed, payees)


def _verdicts_of_frame(
    crediting: Crediting, records: object, needed: Sequence[str], payees: Collection[str] | None
) -> Iterator[Judged]:
    import narwhals as nw

    bound = binding.bind_frame(crediting.source, records, needed, numbered=True)
    frame, found = crediting.credited(crediting.derive(bound.frame), said=True)
    frame = frame.with_columns(added([nw.col(line.share) for line in found]).alias("@given"))
    if payees is not None:
        named = nw.col(found[0].to).is_in([*payees])
        for line in found[1:]:
            named = named | nw.col(line.to).is_in([*payees])
        frame = frame.filter(named)
    for row in frames.rows_of(frame.sort(frames.ROW)):
        credits = [
            Credit(row[line.to], row[line.share], line.overlay)  # type: ignore[arg-type]
            for line in found
            if row[line.share] or (not row["@given"] and not line.overlay and row[line.to] is not None)
        ]
        if payees is not None and not any(each.to in payees for each in credits):
            continue
        day: Any = frames.delivered(row[DAY], DATE) if DAY in row else None  # type: ignore[arg-type]
        values = {
            name: frames.delivered(row[name], crediting.schema[name])  # type: ignore[arg-type]
            for name in (*needed, *crediting.adding.names)
        }
        verdict = Verdict(
            float(row[CREDIT]),  # type: ignore[arg-type]
            str(row[RULE]),
            str(row[BECAUSE]),
            tuple(credits),
            takes_back=taken_from(row),
        )
        yield values, int(row[frames.ROW]), day, verdict  # type: ignore[call-overload]
