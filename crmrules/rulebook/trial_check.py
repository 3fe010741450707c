"""What tests of rules name and the rulebook does not have, each mistake where it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from crmrules.document import Path
from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.rulebook.around import Located
from crmrules.rulebook.book import Rulebook
from crmrules.rulebook.trial import Case, TrialFile

Records = Mapping[str, list[dict[str, Any]]]


def misfits(tests: TrialFile, book: Rulebook) -> Iterator[Located]:
    """What a file of tests names that there is not, with the way to it."""
    if tests.calendar is not None and tests.calendar not in book.calendars:
        yield ("calendar",), _unknown("calendar", tests.calendar, book.calendars)
    yield from _of_records(book, tests.records, ("records",))
    for place, case in enumerate(tests.tests):
        for path, error in case_misfits(case, book):
            yield ("tests", place, *path), error


def case_misfits(case: Case, book: Rulebook) -> Iterator[Located]:
    """The same of one test. A step that changes the rules may bring triggers and sources of its own."""
    triggers = {*book.triggers}.union(*(each.rules.get("triggers", ()) for each in case.timeline))
    named: list[tuple[Path, str]] = [
        *((("expect", place, "trigger"), each.trigger) for place, each in enumerate(case.expect)),
        *((("ignore", place), each) for place, each in enumerate(case.ignore)),
    ]
    for place, step in enumerate(case.timeline):
        for key, told in (("acknowledge", step.acknowledge), ("silence", step.silence)):
            if told is not None and told.trigger:
                named.append((("timeline", place, key, "trigger"), told.trigger))
    for path, name in named:
        if name not in triggers:
            yield path, _unknown("trigger", name, triggers)
    if any("sources" in step.rules for step in case.timeline):
        return
    yield from _of_records(book, case.records, ("records",))
    for place, step in enumerate(case.timeline):
        above: Path = ("timeline", place)
        yield from _of_records(book, step.add, (*above, "add"))
        yield from _of_sources(book, step.remove, (*above, "remove"))
        yield from _of_sources(book, step.change, (*above, "change"))
        for source, changes in step.change.items():
            if source in book.sources:
                for id, row in changes.items():
                    yield from _of_row(book, source, row, (*above, "change", source, id))


def _of_sources(book: Rulebook, names: Iterable[str], path: Path) -> Iterator[Located]:
    for name in names:
        if name not in book.sources:
            yield (*path, name), _unknown("source", name, book.sources)


def _of_records(book: Rulebook, records: Records, path: Path) -> Iterator[Located]:
    yield from _of_sources(book, records, path)
    for source, rows in records.items():
        for place, row in enumerate(rows if source in book.sources else ()):
            yield from _of_row(book, source, row, (*path, source, place))


def _of_row(book: Rulebook, source: str, row: Mapping[str, Any], path: Path) -> Iterator[Located]:
    """A field that is mistyped would be a missing value, and the test one of something else."""
    declared = book.sources[source]
    columns = [declared.column(name) for name in declared.fields]
    for name in row:
        if name not in columns:
            hint = did_you_mean(name, columns)
            yield (*path, name), CrmRulesError("T501", f"`{source}` has no column `{name}`", hint=hint)


def _unknown(what: str, name: str, known: Collection[str]) -> CrmRulesError:
    hint = did_you_mean(name, known) if known else "declare it in the rulebook"
    return CrmRulesError("T501", f"there is no {what} `{name}`", hint=hint)
