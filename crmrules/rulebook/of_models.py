"""What of a rulebook's models does not fit: subjects, targets, calendars, and models within others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crmrules.document import Path
from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.kpi.model import SUBJECT, TREE, Model
from crmrules.kpi.score import Plan
from crmrules.kpi.target import problems as target_problems
from crmrules.rulebook.around import Located, roster_names, unknown
from crmrules.rulebook.book import Rulebook


def target_misfits(book: Rulebook, model: Model) -> Iterator[Located]:
    """Targets that do not fit their tables, and calendars that are not declared."""
    roster = book.sources.get(book.roster) if book.roster else None
    for indicator, declared in model.indicators.items():
        for path, error in target_problems(declared.target, book.sources, roster):
            yield ("indicators", indicator, "target", *path), error
    named: list[tuple[Path, str | None]] = [(("calendar",), model.calendar)]
    named.append((("pace", "calendar"), model.pace.calendar if model.pace else None))
    for path, calendar in named:
        if calendar is not None and calendar not in book.calendars:
            yield path, unknown("W104", "calendar", calendar, book.calendars)


def within_misfits(book: Rulebook, model: Model) -> Iterator[Located]:
    """Ranks and grades within a team are told by the rows of the roster."""
    if book.roster is not None and book.roster not in book.sources:
        return
    for part, role in (("rank", model.rank.within), ("grades", model.graded_within)):
        known = roster_names(book)
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


def key_fields(book: Rulebook, model: Model) -> tuple[str, ...]:
    """Those keys of a model's subject that neither are payees nor stand around them."""
    around = (SUBJECT, TREE, *roster_names(book))
    return tuple(key for key in model.keys if key not in around)


def subject_misfits(book: Rulebook, model: Model, fields: Sequence[str], plan: Plan) -> Iterator[Located]:
    """Keys of a subject that neither the records nor the roster have, or that do not go together."""
    path: Path = ("subject",)
    of_payees = [key for key in model.keys if key not in fields]
    if len(of_payees) > 1:
        listed = " and ".join(f"`{key}`" for key in of_payees)
        hint = "leave one of them, beside fields of the records"
        yield path, CrmRulesError("B213", f"a record's subject cannot be by {listed} at once", hint=hint)
    if TREE in of_payees and book.tree is None:
        hint = "write tree: {table: …, member: …, parent: …}"
        yield path, CrmRulesError("B213", "the rulebook declares no tree", hint=hint)
    known = [SUBJECT, *roster_names(book), *([TREE] if book.tree else [])]
    for key in fields:
        lacking = [feed for feed in plan.feeds if key not in feed.schema]
        if lacking:
            known += [name for name, of in lacking[0].schema.items() if of.kind == "text"]
            what = f"neither the roster nor `{lacking[0].source.name}` has `{key}`"
            yield path, CrmRulesError("B213", what, hint=did_you_mean(key, known))
        elif any(feed.schema[key].kind != "text" for feed in plan.feeds):
            hint = "declare it as text, or derive a text from it"
            yield path, CrmRulesError("B213", f"`{key}` is no text, as a subject must be", hint=hint)


def nested_misfits(book: Rulebook, name: str, model: Model) -> Iterator[Located]:
    """Models within a model that are not there, part of one another, or of other periods or subjects."""
    for indicator, declared in model.indicators.items():
        path: Path = ("indicators", indicator, "model")
        if declared.model is None:
            continue
        if declared.model not in book.models:
            yield path, unknown("B214", "model", declared.model, book.models)
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
