"""Contexts to try a trigger on, and what a trigger has to bear in each of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import TypeVar
from zoneinfo import ZoneInfo

from crmrules.fields import Source
from crmrules.kpi.calendar import WEEKDAYS_ALONE, Calendar
from crmrules.kpi.period import Period
from crmrules.kpi.standing import Result, Standing
from crmrules.triggers.context import Context
from crmrules.triggers.facts import Facts, Record, SubjectFacts

Declared = Source | Mapping[str, object]
Value = TypeVar("Value")
KEPT = {"id", "subject"}
"""The roles of fields that no record that a trigger sees is without."""


def context(
    subject: str,
    as_of: str | dt.datetime,
    *,
    sources: Mapping[str, Declared] | None = None,
    records: Mapping[str, object] | None = None,
    figures: Mapping[str, Result] | None = None,
    people: Mapping[str, str] | None = None,
    model: str = "model",
    period: str | None = None,
    calendar: Calendar = WEEKDAYS_ALONE,
    zone: str = "UTC",
) -> Context:
    """What a trigger is told, for a test.

    sources: as they are declared, or their fields; a source without records has none. figures: the
    subject's indicators, for a trigger with a model. period: the month of `as_of` if not said.

    >>> visits = {"rep": {"type": "text", "role": "subject"}, "day": {"type": "date", "role": "date"}}
    >>> told = context(
    ...     "Ann", "2026-11-20T18:00", sources={"visits": visits},
    ...     records={"visits": [{"rep": "Ann", "day": "2026-11-03"}]},
    ... )
    >>> told.workdays_between(told.facts.last("visits"), told.today)
    13
    """
    moment = dt.datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    moment = moment.replace(tzinfo=ZoneInfo(zone)) if moment.tzinfo is None else moment
    declared = {name: _source(name, each) for name, each in (sources or {}).items()}
    around = people or {}
    open_now = Period.parse(period) if period else Period.of(moment.date(), "month")
    row = Standing(model, subject, open_now, figures, people=around) if figures is not None else None
    facts = Facts(declared, {**dict.fromkeys(declared, ()), **(records or {})})
    return Context(subject, open_now, moment, facts.of(subject, moment), row, around, calendar)


def _source(name: str, declared: Declared) -> Source:
    return (
        declared
        if isinstance(declared, Source)
        else Source.model_validate({"name": name, "fields": declared})
    )


def reordered(told: Context) -> Context:
    """The same, with everything that has no order in the opposite one: records of one moment, indicators,
    people."""

    def turned(records: tuple[Record, ...]) -> Iterator[Record]:
        for _, same in groupby(records, key=lambda record: record.day):
            yield from reversed([*same])

    row = told.standing
    if row is not None:
        row = replace(row, results=_backwards(row.results), people=_backwards(row.people))
    return replace(_with_facts(told, turned), standing=row, people=_backwards(told.people))


def lacking(told: Context) -> Iterator[tuple[str, Context]]:
    """The same with something missing, and what it is."""
    yield "without any record", _with_facts(told, lambda records: ())
    for name, source in told.facts.known.sources.items():
        for field, declared in source.fields.items():
            if declared.role not in KEPT and not declared.required:
                yield (
                    f"without `{field}` in `{name}`",
                    _with_facts(told, _without(name, field, declared.role)),
                )
    if told.people:
        row = replace(told.standing, people={}) if told.standing else None
        yield "without anybody around the subject", replace(told, people={}, standing=row)
    if told.standing is not None and told.standing.results:
        unknown = {name: Result(name, None) for name in told.standing.results}
        yield (
            "without any figure",
            replace(told, standing=replace(told.standing, results=unknown, score=None)),
        )


def _without(source: str, field: str, role: str | None) -> Callable[[tuple[Record, ...]], Iterable[Record]]:
    def change(records: tuple[Record, ...]) -> Iterator[Record]:
        for record in records:
            if record.source != source:
                yield record
                continue
            day = None if role == "date" else record.day
            yield Record(source, record.id, day, {**record, field: None})

    return change


def _with_facts(told: Context, change: Callable[[tuple[Record, ...]], Iterable[Record]]) -> Context:
    facts = told.facts
    return replace(told, facts=SubjectFacts(facts.known.changed(change), facts.subject, facts.as_of))


def read(told: Context) -> Context:
    """The same with all records read already, so that nothing of it depends on the host's data."""
    return _with_facts(told, lambda records: records)


def _backwards(mapping: Mapping[str, Value]) -> dict[str, Value]:
    return dict(reversed([*mapping.items()]))
