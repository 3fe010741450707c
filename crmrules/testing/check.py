"""Whether a custom trigger is sound: pure, deterministic, and at ease with what is missing."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import FrozenInstanceError, asdict, dataclass, field
from decimal import Decimal
from typing import Literal, final

import pydantic
from pydantic import BaseModel

from crmrules.errors import CrmRulesError, shown
from crmrules.testing.contexts import lacking, read, reordered
from crmrules.testing.seeds import with_seed
from crmrules.testing.watch import watched
from crmrules.triggers.asked import AskedRule
from crmrules.triggers.context import Answer, Context
from crmrules.triggers.custom import CustomRule, Function, NoParameters
from crmrules.triggers.trigger import KINDS, is_known

Check = Literal[
    "clock",
    "chance",
    "outside",
    "mutation",
    "determinism",
    "hash order",
    "order",
    "answer",
    "missing data",
    "failure",
    "time",
]
_PLAIN = (str, int, float, bool, Decimal, dt.date, type(None))


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a trigger: which check found it, and what was seen."""

    check: Check
    said: str

    def __str__(self) -> str:
        return f"{self.check}: {self.said}"


@final
@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. notes: what could not be tried."""

    name: str
    contexts: int
    variants: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        tried = f"{_counted(self.contexts, 'context')}, {_counted(self.variants, 'variant')}"
        verdict = _counted(len(self.findings), "finding") if self.findings else "sound"
        lines = [f"{self.name}: {verdict} ({tried})"]
        return "\n  ".join([*lines, *map(str, self.findings), *(f"note: {note}" for note in self.notes)])


@final
class UnsoundTrigger(CrmRulesError):
    """A trigger that is not sound; `report` lists everything that was found."""

    def __init__(self, report: Report) -> None:
        super().__init__("T406", str(report), hint="see docs/how-to-custom-triggers.md")
        self.report = report


def check_trigger(
    of: Function | str | AskedRule,
    contexts: Context | Iterable[Context],
    parameters: BaseModel | Mapping[str, object] | None = None,
    *,
    seconds: float = 0.1,
    hash_seeds: Sequence[int] = (1, 2),
) -> Report:
    """Try a trigger on contexts and on variants of them; see `crmrules.testing.context`.

    of: the function, the name of a kind, or a declared trigger. parameters: the function's.
    seconds: the most that one answer may take. hash_seeds: the seeds of other Pythons that are asked too.

    It must not look at the clock, at chance or at the world outside; must leave its input as it is; must
    answer the same each time, in every Python and whatever the order of what has none; must give an
    `Answer` with a reason and a basis of plain values; and must bear that records, fields, people and
    figures are missing, for which `Answer.no_data` is there.

    Returns the report of a sound trigger. Raises UnsoundTrigger (T406) with all findings.
    """
    tried = [contexts] if isinstance(contexts, Context) else [*contexts]
    name, asked = _asked(of, parameters)
    trial = _Trial(name, asked, seconds)
    for told in tried:
        trial.run(read(told))
    notes = [*trial.compare_seeds([read(told) for told in tried], hash_seeds)]
    report = Report(name, len(tried), trial.variants, tuple(dict.fromkeys(trial.findings)), tuple(notes))
    if report.findings:
        raise UnsoundTrigger(report)
    return report


@final
@dataclass(frozen=True, slots=True)
class _Asked:
    """A trigger as something to call; picklable where its parts are."""

    of: Function | AskedRule
    parameters: BaseModel

    def answers(self, told: Context) -> tuple[object, ...]:
        if isinstance(self.of, AskedRule):
            # One for each record, in no order that would mean anything.
            return tuple(sorted(self.of.answers(told), key=lambda answer: answer.anchor))
        return (self.of(told, self.parameters),)

    def __call__(self, told: Context) -> object:
        return [plain(answer) for answer in self.answers(told)]

    @property
    def file(self) -> str:
        code = getattr(self.of, "__code__", None)
        return code.co_filename if code else ""


def plain(answer: object) -> object:
    """An answer as texts that can be compared across Pythons."""
    if not isinstance(answer, Answer):
        return shown(answer)
    basis = [[name, type(value).__name__, str(value)] for name, value in answer.basis.items()]
    people = [[*pair] for pair in sorted(answer.people.items())]
    return [answer.outcome, answer.reason, sorted(basis), answer.anchor, str(answer.due), people]


@final
@dataclass(slots=True)
class _Trial:
    name: str
    asked: _Asked
    seconds: float
    variants: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, check: Check, said: str) -> None:
        self.findings.append(Finding(check, said))

    def run(self, told: Context) -> None:
        where = f"of {told.subject} at {told.as_of:%Y-%m-%d %H:%M}"
        before = self.picture(told)
        first = self.ask(told, where)
        if first is None:
            return
        if self.picture(told) != before:
            self.add("mutation", f"it changes its input, asked {where}")
            return
        for answer in first:
            self.check_answer(answer, where)
        again = self.watch(told)
        if again is not None and again != [*map(plain, first)]:
            self.add("determinism", f"asked twice {where}, it says {_two([*map(plain, first)], again)}")
        self.vary("order", "with what has no order turned round", reordered(told), told, [*map(plain, first)])
        for missing, variant in lacking(told):
            self.vary("missing data", missing, variant, told, None)

    def ask(self, told: Context, where: str) -> tuple[object, ...] | None:
        started = time.perf_counter()
        try:
            found = self.asked.answers(told)
        except Exception as error:
            self.add(*_failure(error, where))
            return None
        took = time.perf_counter() - started
        if took > self.seconds:
            self.add("time", f"an answer took longer than {self.seconds:g} s, asked {where}")
        return found

    def watch(self, told: Context) -> list[object] | None:
        try:
            found, calls = watched(lambda: self.asked.answers(told), self.asked.file)
        except Exception as error:
            self.add("determinism", f"asked again, it fails: {_error(error)}")
            return None
        for call in calls:
            said = {
                "clock": "it looks at the clock, where `context.as_of` is the moment",
                "chance": "it leaves its answer to chance",
                "outside": "it reaches outside, where `context.facts` are the records",
            }[call.reach]
            line = f", line {call.line}" if call.line else ""
            self.add(call.reach, f"{said}: {call.name}{line}")
        return [*map(plain, found)]

    def vary(
        self, check: Check, how: str, variant: Context, told: Context, expected: list[object] | None
    ) -> None:
        self.variants += 1
        try:
            found = self.asked.answers(variant)
        except Exception as error:
            self.add(check, f"{how}, it fails: {_error(error)}")
            return
        if expected is not None and [*map(plain, found)] != expected:
            self.add(check, f"{how}, it says {_two(expected, [*map(plain, found)])}")
        for answer in found:
            self.check_answer(answer, how)

    def check_answer(self, answer: object, where: str) -> None:
        if not isinstance(answer, Answer):
            self.add("answer", f"it gives {shown(answer)}, which is no Answer, {where}")
            return
        if not isinstance(answer.reason, str) or not answer.reason.strip():
            self.add("answer", f"it gives no reason, {where}")
        for name, value in answer.basis.items():
            if not isinstance(value, _PLAIN):
                what = f"`{name}` is of the type {type(value).__name__}"
                self.add("answer", f"its basis is not plain: {what}; give text, numbers, dates or None")
        if not isinstance(answer.anchor, str):
            self.add("answer", f"its anchor is {shown(answer.anchor)}, which is no text")

    def picture(self, told: Context) -> str:
        """The input in words, to notice a change."""
        records = {
            name: [*map(repr, told.facts.known.table(name).records)] for name in told.facts.known.sources
        }
        row = None if told.standing is None else asdict(told.standing)
        return repr((told.subject, records, row, dict(told.people), self.asked.parameters))

    def compare_seeds(self, tried: Sequence[Context], seeds: Sequence[int]) -> Iterator[str]:
        if self.findings or not seeds:
            return
        found: dict[int, list[list[object]]] = {}
        for seed in seeds:
            try:
                found[seed] = with_seed(self.asked, tried, seed)
            except LookupError as reason:
                yield f"hash seeds were not tried: {reason}"
                return
        first, *others = ([each for answers in lists for each in answers] for lists in found.values())
        for other in others:
            if other != first:
                self.add("hash order", f"in another Python it says {_two(first, other)}: sort what was a set")
                return


def _asked(
    of: Function | str | AskedRule, given: BaseModel | Mapping[str, object] | None
) -> tuple[str, _Asked]:
    if isinstance(of, AskedRule):
        return of.kind, _Asked(of, NoParameters())
    if isinstance(of, str):
        kind = KINDS[of] if is_known(of) else None
        if kind is None or not issubclass(kind, CustomRule):
            hint = "pass the function, or a declared trigger"
            raise CrmRulesError("T407", f"there is no custom trigger `{of}`", hint=hint)
        params = kind.model_fields["parameters"].annotation
        assert params is not None
        parameters = given if isinstance(given, BaseModel) else params.model_validate(given or {})
        return of, _Asked(kind.function, parameters)
    parameters = given if isinstance(given, BaseModel) else NoParameters()
    if isinstance(given, Mapping):
        hint = "pass NoVisit(days=3), or name the kind"
        raise CrmRulesError("T407", "a function takes its parameters as their own model", hint=hint)
    return getattr(of, "__name__", repr(of)), _Asked(of, parameters)


def _failure(error: Exception, where: str) -> tuple[Check, str]:
    frozen = isinstance(error, FrozenInstanceError) or (
        isinstance(error, pydantic.ValidationError)
        and any(each["type"] == "frozen_instance" for each in error.errors())
    )
    words = ("cannot be changed", "does not support item", "has no setter")
    unchangeable = isinstance(error, TypeError | AttributeError) and any(w in str(error) for w in words)
    if frozen or unchangeable:
        return "mutation", f"it changes its input, asked {where}: {_error(error)}"
    return "failure", f"it fails, asked {where}: {_error(error)}"


def _error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _two(first: Sequence[object], second: Sequence[object]) -> str:
    """The first difference of two lists of answers."""
    for one, other in zip(first, second, strict=False):
        if one != other:
            return f"{_brief(one)}, then {_brief(other)}"
    return f"{len(first)} answers, then {len(second)}"


def _brief(answer: object) -> str:
    if isinstance(answer, list):
        outcome, reason, basis = answer[:3]
        figures = ", ".join(f"{name}={value}" for name, _, value in basis)
        return f"{outcome} ({reason}{'; ' if figures else ''}{figures})"
    return str(answer)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
