"""How the parts of a rulebook fit one another: a plan for each model, and everything that does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from crmrules.document import Path
from crmrules.errors import CrmRulesError
from crmrules.expr.check import has_aggregate
from crmrules.expr.parse import parse
from crmrules.kpi.feed import Feed
from crmrules.kpi.indicator import Indicator
from crmrules.kpi.judging import faults
from crmrules.kpi.model import Model
from crmrules.kpi.score import Plan
from crmrules.kpi.target import Figure
from crmrules.policy.additions import Additions
from crmrules.policy.crediting import Crediting
from crmrules.rulebook.around import Located, roster_misfits, tree_misfits, trigger_misfits
from crmrules.rulebook.book import Rulebook
from crmrules.rulebook.feeds import WHICH_SOURCE, Feeds
from crmrules.rulebook.of_models import (
    key_fields,
    nested_misfits,
    subject_misfits,
    target_misfits,
    within_misfits,
)


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
    feeds = Feeds(book)
    for path, error in [*roster_misfits(book), *tree_misfits(book), *feeds.problems()]:
        report((path, error))
    for name in feeds.broken:
        built.broken |= {*Additions.of(book.policies[name]).names}
    if book.roster is not None and book.roster not in book.sources:
        built.broken |= {key for model in book.models.values() for key in model.keys}
        built.broken |= {role for trigger in book.triggers.values() for role in trigger.roles}
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
        problems += nested_misfits(book, name, model)
        built.problems += [(("models", name, *path), error) for path, error in problems]
    for plan in built.plans.values():
        plan.nested = {name: built.plans[model] for name, model in plan.inner.items() if model in built.plans}
    built.policies = feeds.creditings
    built.problems += [*trigger_misfits(book)]
    if book.roster is not None and book.roster not in book.sources:
        # As long as nobody knows which source is the roster, there may be only one that is not.
        built.problems = [each for each in built.problems if each[1].message != WHICH_SOURCE]
    return built


_ANY_MODEL = Model(indicators={"any": Indicator()})


def _field_of(error: CrmRulesError) -> Path:
    """Which key of a measure an error is about."""
    return {"B211": ("policy",), "B212": ("source",)}.get(error.code, ("value",))


def _plan(
    book: Rulebook, name: str, model: Model, measures: Mapping[str, Feed], feeds: Feeds
) -> tuple[Plan, list[Located]]:
    """A plan with the measures that the model reads, each feed with nothing else in it."""
    problems = list[Located]()
    fields = key_fields(book, model)
    if model.weightless:
        targeted = ", ".join(each for each, declared in model.indicators.items() if declared.scored)
        weightless = CrmRulesError(
            "B218",
            "all weights are zero, so there is no composite",
            hint=f"give at least one of {targeted} a weight",
        )
        problems.append((("indicators",), weightless))
    probe = _filled(name, model, fields, book, measures, feeds, problems)
    problems += subject_misfits(book, model, fields, probe)
    problems += target_misfits(book, model)
    problems += within_misfits(book, model)
    if all(indicator in probe.indicators for indicator in model.indicators):
        problems += faults(model, probe.types)
    needed = {field for each in probe.indicators.values() if each.feed is None for field in each.reads}
    needed = needed.union(*(each.reads for each in probe.texts.values()))
    read = {measure: feed for measure, feed in measures.items() if measure in needed}
    return _filled(name, model, fields, book, read, feeds, []), problems


def _filled(
    name: str,
    model: Model,
    fields: Sequence[str],
    book: Rulebook,
    measures: Mapping[str, Feed],
    feeds: Feeds,
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
