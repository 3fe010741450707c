"""Everything that is wrong with a rulebook, at once, each mistake where it stands.

Reading goes in three steps that all report instead of stopping: the document's form, the shape of each
part (pydantic), and how the parts fit one another. A part that is misshapen is cut out for the step after,
and what refers to it is not reported as a second mistake.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import pydantic
from pydantic_core import ErrorDetails

from crmrules.document import Document, Path
from crmrules.errors import CrmRulesError, ExpressionError, Problem, RulebookError, closest, did_you_mean
from crmrules.fields import Field, Source
from crmrules.kpi.curve import Linear
from crmrules.kpi.feed import Feed
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.measure import Measure
from crmrules.kpi.model import Grade, Model
from crmrules.kpi.score import Plan
from crmrules.policy.rules import Default, Policy, Rule
from crmrules.policy.sequence import Sequence, schema_with
from crmrules.rulebook.book import Rulebook
from crmrules.triggers import KINDS

MOST_ROUNDS = 50
_UNKNOWN_NAMES = {"E101", "F102", "B213", "B217"}
Located = tuple[Path, CrmRulesError]


@final
@dataclass(slots=True)
class Built:
    """The rules put together: a plan for each model, what did not fit, and the names that are therefore
    unknown to whatever reads them."""

    plans: dict[str, Plan] = field(default_factory=dict)
    problems: list[Located] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)


def check(document: Document) -> Rulebook:
    """The rulebook of a document. Raises RulebookError with all its problems, in the document's order."""
    problems = [*document.problems]
    pruned = _Pruned(copy.deepcopy(document.data))
    book: Rulebook | None = None
    for _ in range(MOST_ROUNDS):
        try:
            book = Rulebook.model_validate(pruned.data)
            break
        except pydantic.ValidationError as shape:
            found = shape.errors(include_url=False)
            problems += [_shape_problem(document, pruned, each) for each in found]
            if not pruned.cut([tuple(each["loc"]) for each in found]):
                break
    if book is not None:
        built = _assembled(book)
        unknown = pruned.names | built.broken
        for path, error in built.problems:
            if error.code in _UNKNOWN_NAMES and unknown.intersection(_quoted(error.message)):
                continue
            problems.append(_problem(document, pruned.original(path), error))
        if not problems:
            book.__dict__["built"] = built
            return book
    raise RulebookError(sorted({str(each): each for each in problems}.values(), key=_order))


def build(book: Rulebook) -> Built:
    """The rules of a rulebook that was made in Python. Raises RulebookError if they do not fit."""
    built = _assembled(book)
    if built.problems:
        nowhere = Document("<python>", "", {})
        raise RulebookError(_problem(nowhere, path, error) for path, error in built.problems)
    return built


def _order(problem: Problem) -> tuple[int, int]:
    return (problem.place.line, problem.place.column) if problem.place else (0, 0)


def _quoted(message: str) -> set[str]:
    return {*message.split("`")[1::2]}


def _problem(document: Document, path: Path, error: CrmRulesError) -> Problem:
    if isinstance(error, ExpressionError):
        return document.problem(
            error.code, error.message, path, hint=error.hint, text=error.text, span=error.span
        )
    return document.problem(error.code, error.message, path, hint=error.hint)


# the shape of each part


def _shape_problem(document: Document, pruned: _Pruned, error: ErrorDetails) -> Problem:
    path = pruned.original(pruned.existing(tuple(error["loc"])))
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, CrmRulesError):
        return _problem(document, path, cause)
    name = str(error["loc"][-1])
    match error["type"]:
        case "extra_forbidden":
            keys = _keys(path[:-1], document.data)
            return document.problem(
                "B201", f"unknown key `{name}`", path, key=True, hint=did_you_mean(name, keys)
            )
        case "missing":
            return document.problem("B202", f"`{name}` is missing", path, hint=_missing_hint(name))
        case "value_error":
            message = str(cause) if cause is not None else error["msg"]
            head, _, hint = message.partition(": ")
            return document.problem("B203", head, path, hint=hint)
    given = error["input"]
    message = error["msg"][:1].lower() + error["msg"][1:]
    shown_input = "" if isinstance(given, Mapping | list) else f"{given!r}: "
    return document.problem("B204", f"{shown_input}{message}", path, hint=_expected_hint(error))


_EXAMPLES = {
    "because": "because: samples are free",
    "credit": "credit: 0.5",
    "when": "when: order_type == 'sample'",
    "default": "default: {credit: 1, because: all other orders count}",
    "type": "type: text",
    "fields": "fields: {order_id: text}",
    "indicators": "indicators: {revenue: {target: 1000, weight: 1}}",
}


def _missing_hint(name: str) -> str:
    return f"write for example {_EXAMPLES[name]}" if name in _EXAMPLES else f"write {name}: …"


def _expected_hint(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if "expected" in context and error["type"] == "literal_error":
        near = closest(
            str(error["input"]), str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        )
        return f"did you mean `{near[0]}`?" if near else f"write one of {context['expected']}"
    return ""


def _keys(path: Path, data: object) -> Iterable[str]:
    """The keys that the document's form knows at a place."""
    model: type[pydantic.BaseModel] | None = None
    match path:
        case ():
            model = Rulebook
        case ("sources", _):
            return [key for key in Source.model_fields if key != "name"]
        case ("sources", _, "fields", _):
            model = Field
        case ("policies", _):
            model = Policy
        case ("policies", _, "rules", _):
            model = Rule
        case ("policies", _, "default"):
            model = Default
        case ("policies", _, "sequences", _):
            model = Sequence
        case ("measures", _):
            model = Measure
        case ("models", _):
            model = Model
        case ("models", _, "indicators", _):
            model = Indicator
        case ("models", _, "indicators", _, "curve"):
            model = Linear
        case ("models", _, "grades", _):
            model = Grade
        case ("triggers", name):
            trigger = _at(data, ("triggers", name))
            model = KINDS.get(str(trigger.get("kind"))) if isinstance(trigger, Mapping) else None
    return model.model_fields if model is not None else ()


def _at(data: object, path: Path) -> Any:
    for step in path:
        if (isinstance(data, Mapping) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        ):
            data = data[step]
        else:
            return None
    return data


@final
class _Pruned:
    """A document's data from which misshapen parts are cut; knows where what is left stood before."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.names: set[str] = set()
        self.positions: dict[Path, list[int]] = {}

    def existing(self, location: Path) -> Path:
        """A location that pydantic gives, without the steps that stand for alternatives of a type."""
        path: Path = ()
        for position, step in enumerate(location):
            at = _at(self.data, path)
            if (isinstance(at, Mapping) and step in at) or (isinstance(at, list) and isinstance(step, int)):
                path += (step,)
            elif position == len(location) - 1 and isinstance(at, Mapping):
                return path
        return path

    def original(self, path: Path) -> Path:
        """The same place in the document as it was written."""
        found: Path = ()
        here: Path = ()
        for step in path:
            moved = self.positions.get(here)
            found += (moved[step] if moved and isinstance(step, int) and step < len(moved) else step,)
            here += (step,)
        return found

    def cut(self, locations: list[Path]) -> bool:
        """Take the parts out, the deepest first; False if nothing is left to take."""
        paths = {self.existing(location) for location in locations}
        for path in sorted(paths, key=lambda path: (len(path), str(path)), reverse=True):
            if not path:
                return False
            above = _at(self.data, path[:-1])
            last = path[-1]
            if isinstance(above, list) and isinstance(last, int) and last < len(above):
                self.positions.setdefault(path[:-1], [*range(len(above))]).pop(last)
                del above[last]
            elif isinstance(above, dict) and last in above:
                self.names.add(str(last))
                del above[last]
        return True


# how the parts fit one another


def _assembled(book: Rulebook) -> Built:
    built = Built()
    report = built.problems.append
    feeds = _Feeds(book)
    for path, error in [*_roster_problems(book), *feeds.problems()]:
        report((path, error))
    if book.roster is not None and book.roster not in book.sources:
        built.broken |= {model.subject for model in book.models.values()}
        built.broken |= {role for trigger in book.triggers.values() for role in trigger.tell}
    measures: dict[str, Feed] = {}
    for name, measure in book.measures.items():
        try:
            feed = feeds.of(measure)
            Plan("", _ANY_MODEL).add_measure(name, measure.value, feed.empty())
            measures[name] = feed
        except CrmRulesError as error:
            built.broken.add(name)
            report((("measures", name, *error_field(error)), error))
    for name, model in book.models.items():
        plan, problems = _plan(book, name, model, measures, feeds)
        built.plans[name] = plan
        built.problems += [(("models", name, *path), error) for path, error in problems]
    built.problems += [*_trigger_problems(book)]
    return built


_ANY_MODEL = Model(indicators={"any": Indicator()})


def error_field(error: CrmRulesError) -> Path:
    """Which key of a measure an error is about."""
    return {"B211": ("policy",), "B212": ("source",)}.get(error.code, ("value",))


def _plan(
    book: Rulebook, name: str, model: Model, measures: Mapping[str, Feed], feeds: _Feeds
) -> tuple[Plan, list[Located]]:
    """A plan with the measures that the model reads, each feed with nothing else in it."""
    plan, problems = Plan(name, model), list[Located]()
    if model.subject != "subject" and not _on_roster(book, model.subject):
        known = _roster_names(book)
        problems.append(
            (
                ("subject",),
                CrmRulesError(
                    "B213",
                    f"the roster has no `{model.subject}`",
                    hint=did_you_mean(model.subject, ["subject", *known]),
                ),
            )
        )
    probe = _filled(name, model, book, measures, feeds, problems)
    needed = {
        field for each in probe.indicators.values() if each.feed is None for field in each.checked.fields
    }
    read = {measure: feed for measure, feed in measures.items() if measure in needed}
    return _filled(name, model, book, read, feeds, []), problems


def _filled(
    name: str,
    model: Model,
    book: Rulebook,
    measures: Mapping[str, Feed],
    feeds: _Feeds,
    problems: list[Located],
) -> Plan:
    plan = Plan(name, model)
    own: dict[int, Feed] = {}

    def copied(feed: Feed) -> Feed:
        return own.setdefault(id(feed), feed.empty())

    for measure, feed in measures.items():
        plan.add_measure(measure, book.measures[measure].value, copied(feed))
    default = feeds.default()
    for indicator, declared in model.indicators.items():
        try:
            plan.add_indicator(indicator, copied(default) if default is not None else None)
        except CrmRulesError as error:
            path: Path = ("indicators", indicator)
            problems.append(((*path, "value") if declared.value else path, error))
    return plan


def _roster_names(book: Rulebook) -> list[str]:
    if book.roster is None or book.roster not in book.sources:
        return []
    fields = book.sources[book.roster].fields
    return [each.role or name for name, each in fields.items() if each.role != "subject"]


def _on_roster(book: Rulebook, role: str) -> bool:
    return role in _roster_names(book)


def _roster_problems(book: Rulebook) -> Iterator[Located]:
    if book.roster is None:
        return
    if book.roster not in book.sources:
        yield ("roster",), _unknown("B212", "source", book.roster, book.sources)
    elif book.sources[book.roster].role("subject") is None:
        yield (
            ("sources", book.roster),
            CrmRulesError(
                "M101", "the roster has no field with the role `subject`", hint="write `role: subject` at one"
            ),
        )


def _trigger_problems(book: Rulebook) -> Iterator[Located]:
    roles = ["subject", *_roster_names(book)]
    for name, trigger in book.triggers.items():
        if trigger.model is not None and trigger.model not in book.models:
            yield ("triggers", name, "model"), _unknown("B214", "model", trigger.model, book.models)
            continue
        models = [book.models[trigger.model]] if trigger.model else [*book.models.values()]
        known = [indicator for model in models for indicator in model.indicators]
        if trigger.indicator not in known:
            yield ("triggers", name, "indicator"), _unknown("B215", "indicator", trigger.indicator, known)
        elif all(
            m.indicators[trigger.indicator].target is None
            for m in models
            if trigger.indicator in m.indicators
        ):
            yield (
                ("triggers", name, "indicator"),
                CrmRulesError(
                    "B216", f"the indicator `{trigger.indicator}` has no target", hint="give it one"
                ),
            )
        for role in trigger.tell:
            if role not in roles:
                yield ("triggers", name, "tell"), _unknown("B217", "role", role, roles)


def _unknown(code: str, what: str, name: str, known: Iterable[str]) -> CrmRulesError:
    return CrmRulesError(code, f"there is no {what} `{name}`", hint=did_you_mean(name, known))


@final
class _Feeds:
    """The passes over sources, one for each policy and each source without one."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.found: dict[tuple[str, str | None], Feed] = {}
        self.records = [name for name in book.sources if name != book.roster]
        self.broken: set[str] = set()

    def problems(self) -> Iterator[Located]:
        """What does not fit between policies and their sources."""
        for name, policy in self.book.policies.items():
            path: Path = ("policies", name)
            try:
                source = self.source(policy.source)
            except CrmRulesError as error:
                yield ((*path, "source") if policy.source else path), error
                self.broken.add(name)
                continue
            for where, problem in policy.problems(source):
                yield (*path, *where), problem
                self.broken.add(name)

    def source(self, name: str | None) -> Source:
        """A source by name, the only one with records if none is named."""
        if name is not None:
            if name not in self.book.sources:
                raise _unknown("B212", "source", name, self.book.sources)
            return self.book.sources[name]
        if len(self.records) != 1:
            listed = ", ".join(self.records)
            raise CrmRulesError("B212", "which source is meant?", hint=f"write `source:` and one of {listed}")
        return self.book.sources[self.records[0]]

    def of(self, measure: Measure) -> Feed:
        """The pass that a measure is part of; one without credits where its policy is broken."""
        policy = measure.policy
        if policy is not None and policy not in self.book.policies:
            raise _unknown("B211", "policy", policy, self.book.policies)
        if policy is None and measure.source is None and len(self.book.policies) == 1:
            policy = next(iter(self.book.policies))
        if policy is None and measure.source is None and len(self.book.policies) > 1:
            listed = ", ".join(self.book.policies)
            raise CrmRulesError("B211", "which policy is meant?", hint=f"write `policy:` and one of {listed}")
        rules = self.book.policies[policy] if policy is not None else None
        if rules is not None and measure.source not in (None, rules.source) and rules.source is not None:
            raise CrmRulesError(
                "B212", f"the policy `{policy}` is about `{rules.source}`", hint="leave `source` out"
            )
        source = self.source((rules.source if rules is not None else None) or measure.source)
        key = (source.name, policy)
        if key not in self.found:
            sound = rules is not None and policy not in self.broken
            self.found[key] = Feed(source, rules.on(source) if rules is not None and sound else None)
            if rules is not None:
                self.found[key].schema = schema_with(source, rules.sequences)
        return self.found[key]

    def default(self) -> Feed | None:
        """The pass for indicators with aggregates of their own, where there is only one to choose."""
        try:
            return self.of(Measure(value="count()"))
        except CrmRulesError:
            return None
