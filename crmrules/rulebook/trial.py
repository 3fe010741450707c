"""Tests of rules, as their authors write them: what happens when, and who is to be told."""

from __future__ import annotations

import copy
import datetime as dt
import os
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, BeforeValidator, Field

from crmrules import document
from crmrules.errors import CrmRulesError, RulebookError, shown
from crmrules.fields import Frozen, Zone
from crmrules.rulebook.book import Rulebook
from crmrules.rulebook.shape import Pruned, located, shape_problem
from crmrules.triggers.duration import Lasting

TESTS = "the tests"

Outcome = Literal[
    "fired", "not_met", "not_due", "no_data", "closed", "missed", "suppressed", "superseded", "withdrawn",
    "retracted", "resolved", "would_have_fired", "recovered_before_delivery", "acknowledged", "failed",
    "pending", "none",
]  # fmt: skip


def _moment(value: object) -> object:
    """A local time: YAML leaves 2026-11-20T18:00 a text; a day is its first moment."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{shown(value)} is no time: write 2026-11-20T18:00") from None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        raise ValueError("times are local here: write them without a zone")
    return value


Moment = Annotated[dt.datetime, BeforeValidator(_moment, json_schema_input_type=str)]
Row = dict[str, Any]


class Happened(BaseModel):
    """An event that the host publishes: see `crmrules.triggers.Event`."""

    model_config = Frozen

    id: str
    type: str
    subject: str = ""
    before: Row = {}
    after: Row = {}


class Acknowledged(BaseModel):
    """Somebody takes on what fires for a subject."""

    model_config = Frozen

    subject: str
    by: str
    trigger: str | None = None


class Silenced(BaseModel):
    """Nobody is told until a moment."""

    model_config = Frozen

    until: Moment
    trigger: str = ""
    subject: str = ""
    reason: str = ""


@final
class Step(BaseModel):
    """What happens at a moment.

    add: new records, by source. change: by source and id, the fields that become others: a correction.
    remove: the ids of records that go, by source. target: by model and indicator, `sales.revenue`, what it
    is from now on. rules: what else changes in the rulebook. event, acknowledge, silence: see there.
    """

    model_config = Frozen

    at: Moment
    add: dict[str, list[Row]] = {}
    change: dict[str, dict[str, Row]] = {}
    remove: dict[str, list[str]] = {}
    target: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    event: Happened | None = None
    acknowledge: Acknowledged | None = None
    silence: Silenced | None = None


@final
class Every(BaseModel):
    """Ticks in equal distances, from a moment to another one."""

    model_config = pydantic.ConfigDict(**Frozen, validate_by_name=True)

    every: Lasting
    start: Annotated[Moment | None, Field(alias="from")] = None
    until: Moment


@final
class Span(BaseModel):
    """From a moment until before another one."""

    model_config = pydantic.ConfigDict(**Frozen, validate_by_name=True)

    start: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="to")]


@final
class Expectation(BaseModel):
    """What should come of a trigger for a subject.

    at: at which tick; at any, if not said. outcome: `fired`, or why not; `none` where nothing at all may
    occur. to: everybody who is told, and nobody else. message: what the message contains. step, period: of
    the occurrence. late_by: how late it is.
    """

    model_config = Frozen

    trigger: str
    subject: str
    outcome: Outcome = "fired"
    at: Moment | None = None
    to: tuple[str, ...] | None = None
    message: str | None = None
    step: str | None = None
    period: str | None = None
    late_by: Lasting | None = None

    def __str__(self) -> str:
        more = [
            f"step {self.step}" if self.step else "",
            f"period {self.period}" if self.period else "",
            f"to {', '.join(self.to)}" if self.to else "",
            f"late by {self.late_by}" if self.late_by else "",
        ]
        return "  ".join([f"{self.outcome:<10}", self.trigger, self.subject, *filter(None, more)])


@final
class Case(BaseModel):
    """One test.

    records: what there is from the start, by source. timeline: what happens. ticks: when the engine looks;
    downtime: when it does not. deliver: whether all that is due is delivered at each tick, so that a later
    correction finds it read. expect: what should come of it. Whatever else fires is a failure, unless it is
    of a trigger that `ignore` names.
    """

    model_config = Frozen

    name: str
    start: Moment
    records: dict[str, list[Row]] = {}
    timeline: tuple[Step, ...] = ()
    ticks: Every | tuple[Moment, ...]
    downtime: tuple[Span, ...] = ()
    deliver: bool = True
    expect: tuple[Expectation, ...] = ()
    ignore: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> Case:
        times = [self.start, *(step.at for step in self.timeline)]
        for earlier, later in pairwise(times):
            if later < earlier:
                said = f"{later:%Y-%m-%dT%H:%M} stands after {earlier:%Y-%m-%dT%H:%M}"
                raise ValueError(f"{said}: write what happens in order")
        return self


@final
class TrialFile(BaseModel):
    """A file of tests: the rulebook that they are of, where they play, and the tests.

    rulebook: its path, from the folder of the file. zone: in place of the rulebook's. calendar: the name of
    the one by which working days are counted, in `for`, `repeat` and the like; weekdays if none is named.
    records: what there is from the start in every test.
    """

    model_config = Frozen

    rulebook: str
    zone: Zone | None = None
    calendar: str | None = None
    records: dict[str, list[Row]] = {}
    tests: Annotated[tuple[Case, ...], Field(min_length=1)]


def schema() -> dict[str, Any]:
    """The JSON Schema of files of tests, for editors."""
    found = TrialFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "crmrules tests"}


def read(path: str | os.PathLike[str]) -> tuple[TrialFile, Rules]:
    """The tests of a file, and the rules that they are of.

    Raises RulebookError with everything that is wrong with either, each with file, line and column.
    """
    from crmrules.rulebook.trial_check import misfits

    found = document.read(path)
    try:
        if found.problems:
            raise RulebookError(found.problems, TESTS)
        tests = TrialFile.model_validate(found.data)
    except pydantic.ValidationError as error:
        pruned = Pruned(copy.deepcopy(found.data))
        shapes = [shape_problem(found, pruned, each, TrialFile) for each in error.errors(include_url=False)]
        raise RulebookError(shapes, TESTS) from None
    where = os.path.join(os.path.dirname(os.fspath(path)), tests.rulebook)
    if not os.path.isfile(where):
        what = f"there is no file {shown(tests.rulebook)}"
        hint = "write the path of the rulebook from the folder of the tests"
        raise RulebookError([found.problem("T501", what, ("rulebook",), hint=hint)], TESTS)
    book = document.read(where)
    loaded = Rulebook.load(where)  # which tells all that is wrong with it, each where it stands
    problems = [located(found, way, error) for way, error in misfits(tests, loaded)]
    if problems:
        raise RulebookError(problems, TESTS)
    rules = Rules(book.data, os.path.dirname(where) or ".")
    return tests, rules.changed({"zone": tests.zone}) if tests.zone else rules


@final
class Rules:
    """The rulebook as plain data, which a test can change."""

    def __init__(self, data: Any, folder: str = ".") -> None:
        self.data, self.folder = data, folder
        self.book = Rulebook.of(data)
        self.book.__dict__["folder"] = folder

    def changed(self, changes: Mapping[str, Any]) -> Rules:
        """Other rules: what is given takes the place of what was, key by key. Raises RulebookError."""
        return Rules(_merged(self.data, changes), self.folder)

    def with_targets(self, targets: Mapping[str, Any]) -> Rules:
        """Other targets, by `model.indicator`. Raises CrmRulesError (T501) for one that there is not."""
        data = copy.deepcopy(self.data)
        for name, target in targets.items():
            model, _, indicator = name.rpartition(".")
            models = [model] if model else [*self.book.models]
            for each in models:
                known = self.book.models[each].indicators if each in self.book.models else {}
                if len(models) > 1 or indicator not in known:
                    listed = [f"{m}.{i}" for m, found in self.book.models.items() for i in found.indicators]
                    hint = f"write one of {', '.join(listed)}"
                    raise CrmRulesError("T501", f"there is no target `{name}`", hint=hint)
                declared = data["models"][each]["indicators"][indicator]
                declared["target"] = target
        return Rules(data, self.folder)


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return copy.deepcopy(new)
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
