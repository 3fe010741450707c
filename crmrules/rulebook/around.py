"""What stands around the models of a rulebook, and does not fit: roster, reporting tree and triggers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from crmrules.document import Path
from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.rulebook.book import Rulebook
from crmrules.triggers import Behind, OffPace, Reached, Surroundings
from crmrules.triggers.asked import AskedRule
from crmrules.triggers.combined import CombinedRule
from crmrules.triggers.group import groups_of_book
from crmrules.triggers.recipients import problems as tell_problems
from crmrules.triggers.trigger import TriggerRule

Located = tuple[Path, CrmRulesError]
"""A mistake, and the way to where it stands."""


def roster_names(book: Rulebook) -> list[str]:
    """What stands on the roster around a subject, by role or field name."""
    if book.roster is None or book.roster not in book.sources:
        return []
    fields = book.sources[book.roster].fields
    return [each.role or name for name, each in fields.items() if each.role != "subject"]


def roster_misfits(book: Rulebook) -> Iterator[Located]:
    """A roster that is no source, or has no field that names who is judged."""
    if book.roster is None:
        return
    if book.roster not in book.sources:
        yield ("roster",), unknown("B212", "source", book.roster, book.sources)
    elif book.sources[book.roster].role("subject") is None:
        yield (
            ("sources", book.roster),
            CrmRulesError(
                "M101", "the roster has no field with the role `subject`", hint="write `role: subject` at one"
            ),
        )


def tree_misfits(book: Rulebook) -> Iterator[Located]:
    """What does not fit in the declaration of the reporting tree."""
    if book.tree is None:
        return
    if book.tree.table not in book.sources:
        yield ("tree", "table"), unknown("B212", "source", book.tree.table, book.sources)
        return
    for path, problem in book.tree.problems(book.sources[book.tree.table]):
        yield ("tree", *path), problem


def trigger_misfits(book: Rulebook) -> Iterator[Located]:
    """What triggers name and there is not: models, indicators, sources, calendars, roles, other triggers."""
    around = Surroundings(sources=book.sources, triggers=book.triggers)
    for name, trigger in book.triggers.items():
        path: Path = ("triggers", name)
        yield from _misfits(book, trigger, path)
        roles = ["subject", *roster_names(book), *trigger.own_roles]
        yield from (((*path, "tell"), error) for error in tell_problems(trigger.tell, roles))
        for place, each in enumerate(trigger.escalation):
            where: Path = (*path, "escalation", place, "to")
            yield from ((where, error) for error in tell_problems([each.to], roles))
        if isinstance(trigger, CombinedRule):
            try:
                trigger.within(around)
            except CrmRulesError as error:
                yield (*path, "of"), error
    yield from _inhibition_misfits(book)


def _inhibition_misfits(book: Rulebook) -> Iterator[Located]:
    """Names under `inhibited_by` that the engine would refuse, one by one; then circles of those that fit."""
    alone = {name: _inhibited(trigger) for name, trigger in book.triggers.items()}
    sound = True
    for name, trigger in book.triggers.items():
        for place, other in enumerate(trigger.inhibited_by):
            if other not in book.triggers:
                error = unknown("T301", "trigger", other, [each for each in book.triggers if each != name])
            elif found := _refused(book, {**alone, name: _inhibited(trigger, other)}):
                error = found
            else:
                continue
            sound = False
            yield ("triggers", name, "inhibited_by", place), error
    if sound and (circle := _refused(book, book.triggers)):
        yield ("triggers", circle.message.split("`")[1], "inhibited_by"), circle


def _inhibited(trigger: TriggerRule, *by: str) -> TriggerRule:
    return trigger.model_copy(update={"inhibited_by": by})


def _refused(book: Rulebook, triggers: Mapping[str, TriggerRule]) -> CrmRulesError | None:
    """What the engine would say of them; what is wrong with them beside that is told elsewhere."""
    try:
        groups_of_book(triggers, book.models)
    except CrmRulesError as error:
        return error if error.code == "T301" else None
    return None


def _misfits(book: Rulebook, trigger: TriggerRule, path: Path) -> Iterator[Located]:
    """What does not fit in one trigger, and in those that are written inside it."""
    if trigger.model is not None and trigger.model not in book.models:
        yield (*path, "model"), unknown("B214", "model", trigger.model, book.models)
        return
    models = [book.models[trigger.model]] if trigger.model else [*book.models.values()]
    known = [indicator for model in models for indicator in model.indicators]
    if not trigger.indicator:
        pass
    elif trigger.indicator not in known:
        yield (*path, "indicator"), unknown("B215", "indicator", trigger.indicator, known)
    elif isinstance(trigger, Reached | Behind | OffPace) and all(
        m.indicators[trigger.indicator].target is None for m in models if trigger.indicator in m.indicators
    ):
        yield (
            (*path, "indicator"),
            CrmRulesError("B216", f"the indicator `{trigger.indicator}` has no target", hint="give it one"),
        )
    if isinstance(trigger, CombinedRule):
        for place, part in enumerate(trigger.of):
            if isinstance(part, TriggerRule):
                yield from _misfits(book, part, (*path, "of", place))
        return
    for periods in dict.fromkeys(model.period for model in models):
        try:
            trigger.check(periods)
        except CrmRulesError as error:
            yield path, error
    yield from (((*path, *where), error) for where, error in trigger.problems(book.sources))
    key: Path = ("calendar",)
    calendar = trigger.calendar if isinstance(trigger, AskedRule) else None
    if isinstance(trigger, Behind):
        key, calendar = ("by", "calendar"), trigger.by.calendar
    if calendar is not None and calendar not in book.calendars:
        yield (*path, *key), unknown("W104", "calendar", calendar, book.calendars)


def unknown(code: str, what: str, name: str, known: Iterable[str]) -> CrmRulesError:
    """The error for a name that nothing declared has, with the nearest ones."""
    return CrmRulesError(code, f"there is no {what} `{name}`", hint=did_you_mean(name, known))
