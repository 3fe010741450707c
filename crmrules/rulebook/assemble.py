"""How the parts of a rulebook fit one another: a plan for each model, and everything that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from crmrules.document import Path
from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.expr.check import has_aggregate
from crmrules.expr.parse import parse
from crmrules.fields import Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.judging import faults
from crmrules.kpi.measure import Measure
from crmrules.kpi.model import SUBJECT, TREE, Model
from crmrules.kpi.score import Plan
from crmrules.kpi.target import Figure
from crmrules.kpi.target import problems as target_problems
from crmrules.kpi.target import tables as target_tables
from crmrules.policy.additions import Additions
from crmrules.policy.compose import flat, misfits, resolved
from crmrules.policy.crediting import Crediting
from crmrules.policy.fit import table_problems
from crmrules.policy.payees import Owned, SplitTable, table_of
from crmrules.policy.rules import Policy
from crmrules.rulebook.book import Rulebook
from crmrules.triggers import Behind
from crmrules.triggers.asked import AskedRule
from crmrules.triggers.trigger import TriggerRule

Located = tuple[Path, CrmRulesError]
WHICH_SOURCE = "which source is meant?"


@final
@dataclass(slots=True)
class Built:
    """The rules put together: a plan for each model, each policy on its source, what did not fit, and the
    names that are therefore unknown to whatever reads them."""

    plans: dict[str, Plan] = field(default_factory=dict)
    policies: dict[str, Crediting] = field(default_factory=dict)
    problems: list[Located] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)


def assembled(book: Rulebook) -> Built:
    built = Built()
    report = built.problems.append
    feeds = _Feeds(book)
    for path, error in [*_roster_problems(book), *_tree_problems(book), *feeds.problems()]:
        report((path, error))
    for name in feeds.broken:
        built.broken |= {*Additions.of(book.policies[name]).names}
    if book.roster is not None and book.roster not in book.sources:
        built.broken |= {key for model in book.models.values() for key in model.keys}
        built.broken |= {role for trigger in book.triggers.values() for role in trigger.tell}
    measures: dict[str, Feed] = {}
    for name, measure in book.measures.items():
        try:
            feed = feeds.of(measure)
            Plan("", _ANY_MODEL).add_measure(name, measure.value, feed.empty())
            measures[name] = feed
        except CrmRulesError as error:
            built.broken.add(name)
            if not feeds.is_homeless(measure):
                report((("measures", name, *_field_of(error)), error))
    for name, model in book.models.items():
        plan, problems = _plan(book, name, model, measures, feeds)
        built.plans[name] = plan
        problems += _nested_problems(book, name, model)
        built.problems += [(("models", name, *path), error) for path, error in problems]
    for plan in built.plans.values():
        plan.nested = {name: built.plans[model] for name, model in plan.inner.items() if model in built.plans}
    built.policies = feeds.creditings
    built.problems += [*_trigger_problems(book)]
    if book.roster is not None and book.roster not in book.sources:
        # As long as nobody knows which source is the roster, there may be only one that is not.
        built.problems = [each for each in built.problems if each[1].message != WHICH_SOURCE]
    return built


_ANY_MODEL = Model(indicators={"any": Indicator()})


def _field_of(error: CrmRulesError) -> Path:
    """Which key of a measure an error is about."""
    return {"B211": ("policy",), "B212": ("source",)}.get(error.code, ("value",))


def _plan(
    book: Rulebook, name: str, model: Model, measures: Mapping[str, Feed], feeds: _Feeds
) -> tuple[Plan, list[Located]]:
    """A plan with the measures that the model reads, each feed with nothing else in it."""
    problems = list[Located]()
    fields = _key_fields(book, model)
    if model.weightless:
        targeted = ", ".join(each for each, declared in model.indicators.items() if declared.scored)
        weightless = CrmRulesError(
            "B218",
            "all weights are zero, so there is no composite",
            hint=f"give at least one of {targeted} a weight",
        )
        problems.append((("indicators",), weightless))
    probe = _filled(name, model, fields, book, measures, feeds, problems)
    problems += _subject_problems(book, model, fields, probe)
    problems += _target_problems(book, model)
    problems += _within_problems(book, model)
    if all(indicator in probe.indicators for indicator in model.indicators):
        problems += faults(model, probe.types)
    needed = {field for each in probe.indicators.values() if each.feed is None for field in each.reads}
    needed = needed.union(*(each.reads for each in probe.texts.values()))
    read = {measure: feed for measure, feed in measures.items() if measure in needed}
    return _filled(name, model, fields, book, read, feeds, []), problems


def _target_problems(book: Rulebook, model: Model) -> Iterator[Located]:
    roster = book.sources.get(book.roster) if book.roster else None
    for indicator, declared in model.indicators.items():
        for path, error in target_problems(declared.target, book.sources, roster):
            yield ("indicators", indicator, "target", *path), error
    named: list[tuple[Path, str | None]] = [(("calendar",), model.calendar)]
    named.append((("pace", "calendar"), model.pace.calendar if model.pace else None))
    for path, calendar in named:
        if calendar is not None and calendar not in book.calendars:
            yield path, _unknown("W104", "calendar", calendar, book.calendars)


def _within_problems(book: Rulebook, model: Model) -> Iterator[Located]:
    """Ranks and grades within a team are told by the rows of the roster."""
    if book.roster is not None and book.roster not in book.sources:
        return
    for part, role in (("rank", model.rank.within), ("grades", model.graded_within)):
        known = _roster_names(book)
        if role is None:
            continue
        if model.keys not in ((SUBJECT,), (TREE,)):
            whom = ", ".join(model.keys)
            what = f"the roster tells `{role}` of people, and the model is about each {whom}"
            yield (part, "within"), CrmRulesError("B213", what, hint="leave `within` out")
        elif role not in known:
            what = f"the roster has no `{role}`" if book.roster else f"there is no roster that tells `{role}`"
            hint = did_you_mean(role, known) if book.roster else "declare it, such as roster: team"
            yield (part, "within"), CrmRulesError("B213", what, hint=hint)


def _key_fields(book: Rulebook, model: Model) -> tuple[str, ...]:
    """Those keys of a model's subject that neither are payees nor stand around them."""
    around = (SUBJECT, TREE, *_roster_names(book))
    return tuple(key for key in model.keys if key not in around)


def _subject_problems(book: Rulebook, model: Model, fields: Sequence[str], plan: Plan) -> Iterator[Located]:
    path: Path = ("subject",)
    of_payees = [key for key in model.keys if key not in fields]
    if len(of_payees) > 1:
        listed = " and ".join(f"`{key}`" for key in of_payees)
        hint = "leave one of them, beside fields of the records"
        yield path, CrmRulesError("B213", f"a record's subject cannot be by {listed} at once", hint=hint)
    if TREE in of_payees and book.tree is None:
        hint = "write tree: {table: …, member: …, parent: …}"
        yield path, CrmRulesError("B213", "the rulebook declares no tree", hint=hint)
    known = [SUBJECT, *_roster_names(book), *([TREE] if book.tree else [])]
    for key in fields:
        lacking = [feed for feed in plan.feeds if key not in feed.schema]
        if lacking:
            known += [name for name, of in lacking[0].schema.items() if of.kind == "text"]
            what = f"neither the roster nor `{lacking[0].source.name}` has `{key}`"
            yield path, CrmRulesError("B213", what, hint=did_you_mean(key, known))
        elif any(feed.schema[key].kind != "text" for feed in plan.feeds):
            hint = "declare it as text, or derive a text from it"
            yield path, CrmRulesError("B213", f"`{key}` is no text, as a subject must be", hint=hint)


def _filled(
    name: str,
    model: Model,
    fields: Sequence[str],
    book: Rulebook,
    measures: Mapping[str, Feed],
    feeds: _Feeds,
    problems: list[Located],
) -> Plan:
    plan = Plan(name, model, fields)
    own: dict[int, Feed] = {}

    def copied(feed: Feed) -> Feed:
        found = own.setdefault(id(feed), feed.empty())
        found.keys = plan.fields
        return found

    for measure, feed in measures.items():
        plan.add_measure(measure, book.measures[measure].value, copied(feed))
    default = feeds.default()
    for indicator, declared in model.indicators.items():
        if declared.model is not None:
            plan.add_nested(indicator)
    for indicator, declared in model.indicators.items():
        try:
            plan.add_indicator(indicator, copied(default) if default is not None else None)
        except CrmRulesError as misfit:
            path: Path = ("indicators", indicator)
            error = misfit
            if default is None and declared.value is not None and _aggregates(declared.value):
                error = CrmRulesError(
                    "B211",
                    "nothing says over which records this is summed up",
                    hint="declare it under `measures` with its `policy` or `source`, and write its name here",
                )
            problems.append(((*path, "value") if declared.value else path, error))
    for indicator in model.indicators:
        for where, problem in plan.add_texts(indicator):
            problems.append((("indicators", indicator, *_place_of_text(model, indicator, where)), problem))
    return plan


def _aggregates(text: str) -> bool:
    """Whether an expression sums up records."""
    try:
        return has_aggregate(parse(text))
    except CrmRulesError:
        return False


def _place_of_text(model: Model, indicator: str, path: Path) -> Path:
    """Where the text of a target stands: it may have terms beside it."""
    terms = path == ("target",) and isinstance(model.indicators[indicator].target, Figure)
    return ("target", "value") if terms else path


def _nested_problems(book: Rulebook, name: str, model: Model) -> Iterator[Located]:
    for indicator, declared in model.indicators.items():
        path: Path = ("indicators", indicator, "model")
        if declared.model is None:
            continue
        if declared.model not in book.models:
            yield path, _unknown("B214", "model", declared.model, book.models)
            continue
        inner = book.models[declared.model]
        if indicator in book.measures:
            what = f"`{indicator}` is a measure as well, and expressions could not tell which is meant"
            yield path, CrmRulesError("B219", what, hint="call the indicator otherwise")
        elif (way := _way_back(book, declared.model, name)) is not None:
            what = f"the models are part of one another: {' → '.join([name, *way])}"
            yield path, CrmRulesError("B219", what, hint="leave one of them out")
        elif inner.period != model.period:
            what = (
                f"`{declared.model}` goes by the {inner.period.name}, and `{name}` by the {model.period.name}"
            )
            yield path, CrmRulesError("B219", what, hint="give both the same period")
        elif len(inner.keys) > 1 and inner.keys != model.keys:
            what = f"`{declared.model}` is about other subjects than `{name}`"
            yield (
                path,
                CrmRulesError("B219", what, hint="nest a model of the same subject, or of one above"),
            )


def _way_back(book: Rulebook, start: str, goal: str, seen: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """The models from one to another by their indicators, None where there is no way."""
    way = (*seen, start)
    if start == goal:
        return way
    if start in seen or start not in book.models:
        return None
    inner = [each.model for each in book.models[start].indicators.values() if each.model is not None]
    return next((found for each in inner if (found := _way_back(book, each, goal, way)) is not None), None)


def _roster_names(book: Rulebook) -> list[str]:
    if book.roster is None or book.roster not in book.sources:
        return []
    fields = book.sources[book.roster].fields
    return [each.role or name for name, each in fields.items() if each.role != "subject"]


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


def _tree_problems(book: Rulebook) -> Iterator[Located]:
    if book.tree is None:
        return
    if book.tree.table not in book.sources:
        yield ("tree", "table"), _unknown("B212", "source", book.tree.table, book.sources)
        return
    for path, problem in book.tree.problems(book.sources[book.tree.table]):
        yield ("tree", *path), problem


def _trigger_problems(book: Rulebook) -> Iterator[Located]:
    roles = ["subject", *_roster_names(book)]
    for name, trigger in book.triggers.items():
        if trigger.model is not None and trigger.model not in book.models:
            yield ("triggers", name, "model"), _unknown("B214", "model", trigger.model, book.models)
            continue
        models = [book.models[trigger.model]] if trigger.model else [*book.models.values()]
        known = [indicator for model in models for indicator in model.indicators]
        if not trigger.indicator:
            pass
        elif trigger.indicator not in known:
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
        for periods in dict.fromkeys(model.period for model in models):
            try:
                trigger.check(periods)
            except CrmRulesError as error:
                yield ("triggers", name), error
        yield from ((("triggers", name, *path), error) for path, error in _named_by_trigger(book, trigger))
        for role in trigger.tell:
            if role not in roles:
                yield ("triggers", name, "tell"), _unknown("B217", "role", role, roles)


def _named_by_trigger(book: Rulebook, trigger: TriggerRule) -> Iterator[Located]:
    """The source and the calendar that a trigger names, where there are none such."""
    source = trigger.source if isinstance(trigger, AskedRule) else None
    if source is not None and source not in book.sources:
        yield ("source",), _unknown("B212", "source", source, book.sources)
    path: Path = ("calendar",)
    calendar = trigger.calendar if isinstance(trigger, AskedRule) else None
    if isinstance(trigger, Behind):
        path, calendar = ("by", "calendar"), trigger.by.calendar
    if calendar is not None and calendar not in book.calendars:
        yield path, _unknown("W104", "calendar", calendar, book.calendars)


def _unknown(code: str, what: str, name: str, known: Iterable[str]) -> CrmRulesError:
    return CrmRulesError(code, f"there is no {what} `{name}`", hint=did_you_mean(name, known))


def _part_of_policy(error: CrmRulesError, policy: Policy) -> str:
    """Which key of a policy an error about its parts is about."""
    if error.code == "C212":
        return "override" if any(f"`{name}`" in error.message for name in policy.override) else "disable"
    return "levels" if policy.levels else "include"


def _table_problems(policy: Policy, book: Rulebook, source: Source) -> Iterator[Located]:
    """What does not fit in the table of payees."""
    payees, table = policy.payees, table_of(policy.payees)
    path: Path = ("payees", "ownership") if isinstance(payees, Owned) else ("payees",)
    if table is not None and table not in book.sources:
        yield (*path, "table"), _unknown("B212", "source", table, book.sources)
        return
    if isinstance(payees, Owned):
        rule = payees.ownership
        said_already = rule.record_key is None and rule.key not in source.fields
        for where, problem in rule.problems(book.sources[rule.table]):
            if where != ("key",) or not said_already:
                yield (*path, *where), problem
    if not isinstance(payees, SplitTable):
        return
    yield from table_problems(payees, book.sources[payees.table], source)


@final
class _Feeds:
    """The passes over sources, one for each policy and each source without one."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.found: dict[tuple[str, str | None, str], Feed] = {}
        tables = {table_of(each.payees) for each in book.policies.values()}
        tables |= {name for each in book.policies.values() for name in Additions.of(each).tables}
        indicators = [each for model in book.models.values() for each in model.indicators.values()]
        tables |= {name for each in indicators for _, name in target_tables(each.target)}
        beside = {book.roster, book.tree.table if book.tree else None, *tables}
        self.records = [name for name in book.sources if name not in beside]
        self.creditings: dict[str, Crediting] = {}
        self.broken: set[str] = set()
        self.homeless: set[str] = set()

    def problems(self) -> Iterator[Located]:
        """What does not fit between policies and their sources."""
        for name, policy in self.book.policies.items():
            path: Path = ("policies", name)
            try:
                source = self.source(policy.source)
            except CrmRulesError as error:
                yield ((*path, "source") if policy.source else path), error
                self.broken.add(name)
                self.homeless.add(name)
                continue
            for where, problem in self.policy_problems(name, policy, source):
                yield (*path, *where), problem
                self.broken.add(name)

    def policy_problems(self, name: str, policy: Policy, source: Source) -> Iterator[Located]:
        """Everything that does not fit in one policy, by itself and with those that it is made of."""
        try:
            whole = resolved(name, self.book.policies)
        except CrmRulesError as error:
            yield from policy.problems(source)
            yield (_part_of_policy(error, policy),), error
            return
        found = {(path, str(error)): error for path, error in policy.problems(source, Additions.of(whole))}
        found |= {(path, str(error)): error for path, error in misfits(whole)}
        yield from ((path, error) for (path, _), error in found.items())
        yield from _table_problems(policy, self.book, source)
        try:
            flattened = flat(whole)
            if not found:
                self.creditings[name] = flattened.on(source)
        except CrmRulesError as error:
            yield (_part_of_policy(error, policy),), error

    def is_homeless(self, measure: Measure) -> bool:
        """Whether the policy of a measure has no source, which is said at the policy already."""
        only = [*self.book.policies] if measure.source is None and len(self.book.policies) == 1 else []
        return bool(self.homeless.intersection([measure.policy] if measure.policy else only))

    def source(self, name: str | None) -> Source:
        """A source by name, the only one with records if none is named."""
        if name is not None:
            if name not in self.book.sources:
                raise _unknown("B212", "source", name, self.book.sources)
            return self.book.sources[name]
        if len(self.records) != 1:
            listed = ", ".join(self.records)
            raise CrmRulesError("B212", WHICH_SOURCE, hint=f"write `source:` and one of {listed}")
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
        key = (source.name, policy, measure.credits)
        if key not in self.found:
            sound = rules is not None and policy not in self.broken
            crediting = self.creditings.get(policy) if policy is not None and sound else None
            self.found[key] = Feed(source, crediting, measure.credits, self.book.sources)
            if rules is not None and crediting is None:
                self.found[key].schema = Additions.of(rules).schema(source)
        return self.found[key]

    def default(self) -> Feed | None:
        """The pass for indicators with aggregates of their own, where there is only one to choose."""
        try:
            return self.of(Measure(value="count()"))
        except CrmRulesError:
            return None
