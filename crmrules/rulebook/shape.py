"""The shape of each part of a rulebook: what pydantic found, where it stands, and what to write instead."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, final, get_args, get_origin

import pydantic
from pydantic_core import ErrorDetails

from crmrules.document import Document, Path, dotted
from crmrules.errors import CrmRulesError, ExpressionError, Problem, closest, did_you_mean
from crmrules.rulebook.book import Rulebook
from crmrules.triggers import KINDS


def located(document: Document, path: Path, error: CrmRulesError) -> Problem:
    """An error as a problem of the document, where it stands."""
    if isinstance(error, ExpressionError):
        return document.problem(
            error.code, error.message, path, hint=error.hint, text=error.text, span=error.span
        )
    return document.problem(error.code, error.message, path, hint=error.hint)


def shape_problem(
    document: Document, pruned: Pruned, error: ErrorDetails, form: type[pydantic.BaseModel] = Rulebook
) -> Problem:
    """What pydantic found as a problem of the document, which has the form of a rulebook or another one."""
    path = pruned.original(pruned.existing(tuple(error["loc"])))
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, CrmRulesError):
        return located(document, path, cause)
    name = str(error["loc"][-1])
    match error["type"]:
        case "extra_forbidden":
            keys = _keys(path[:-1], document.data, form)
            return document.problem(
                "B201", f"unknown key `{name}`", path, key=True, hint=did_you_mean(name, keys)
            )
        case "missing":
            return document.problem("B202", f"`{name}` is missing", path, hint=_missing_hint(name, path))
        case "value_error" | "unknown_kind":
            message = str(cause) if cause is not None else error["msg"]
            head, _, hint = message.partition(": ")
            return document.problem("B203", head, path, hint=hint)
    given = error["input"]
    if error["type"] == "union_tag_invalid":
        kinds = error["ctx"]["expected_tags"].replace("'", "").split(", ")
        tag = error["ctx"]["tag"]
        near = closest(tag, kinds)
        hint = f"did you mean `{near[0]}`?" if near else f"write one of {', '.join(kinds)}"
        return document.problem("B204", f"there is no kind `{tag}` of `{name}`", path, hint=hint)
    message = _SENTENCES.get(error["type"]) or error["msg"][:1].lower() + error["msg"][1:]
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
    "indicator": "indicator: revenue",
    "value": "value: sum(amount)",
    "grade": "grade: A",
    "by": 'by: {day: 20, time: "18:00"}',
    "day": "day: 20",
    "per": "per: customer",
    "to": "to: salesperson",
    "share": "share: 0.5",
    "original": "original: original_id",
    "year_ends": "year_ends: last saturday of january",
    "target": "target: 1000, or target: prior(revenue) * 1.1, or target: {table: quotas, …}",
    "weight": "weight: 60",
    "composite": "composite: {kind: mean, cap: 120}",
    "rank": "rank: {ties: dense}",
    "pace": "pace: {} for all days, or pace: {calendar: cn} for working days",
    "points": "points: 5",
    "shares": "shares: {A: 20, B: 70, C: 10}",
    "bands": "bands: [{grade: A, at_least: 90}, {grade: B}]",
}

_CURVE_EXAMPLES = {
    "on": "on: value, or on: attainment for shares of the target",
    "how": "how: marginal",
    "tiers": "tiers: [{from: 0, to: 10000, rate: 1%}, {rate: 2%}]",
    "by": "by: ytd(revenue)",
    "boundary": "boundary: lower",
    "through": "through: [[50%, 0], [100%, 100]]",
    "outside": "outside: hold",
    "from": "from: 28",
    "to": "to: 32",
    "below": "below: hold",
    "above": "above: {lose: 5, each: 1}",
    "lose": "lose: 5",
    "rows": "rows: [[30, 100], [35, 90]]",
    "match": "match: at_most",
    "otherwise": "otherwise: 0",
    "columns": "columns: {bounds: [90%, 100%], boundary: lower}",
    "bounds": "bounds: [90%, 100%]",
    "cells": "cells: [[0, 50], [50, 100]]",
}


_SENTENCES: Mapping[str, str] = {
    "model_type": "expected keys with values, as in `key: value`",
    "model_attributes_type": "expected keys with values, as in `key: value`",
    "dict_type": "expected keys with values, as in `key: value`",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "string_type": "expected text",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "too_short": "expected at least one",
    "string_too_short": "expected some text",
}
"""What pydantic says in words of Python, by its type of error, in words of documents."""

_HARMLESS: Mapping[str, Any] = {
    "when": False,
    "credit": 1,
    "because": "…",
    "default": {"credit": 1, "because": "…"},
    "type": "null",
    "target": 1.0,
    "weight": 1.0,
    "curve": {"cap": 100.0},
    "cap": 1e9,
}
"""What stands in for a part that is misshapen and that other parts need, so that the rest can still be
looked at."""

_HARMLESS_ON_VALUE = {"kind": "points", "on": "value", "through": [[0, 0], [1, 1]], "outside": "hold"}


def _harmless(name: str, above: Mapping[str, Any]) -> Any:
    """What stands in for a part; a curve over the value stays one, since it makes points without a target."""
    written = above.get(name)
    if name == "curve" and isinstance(written, Mapping):
        laid = "attainment" if written.get("kind", "linear") == "linear" else "value"
        return _HARMLESS_ON_VALUE if written.get("on", laid) == "value" else _HARMLESS[name]
    return _HARMLESS.get(name)


_OTHERWISE = {"model_type", "dict_type", "float_type", "float_parsing", "greater_than", "greater_than_equal"}
_NO_CREDIT = {"float_type", "less_than_equal", "greater_than_equal", "too_short"}
_WHOLE = {"effective", "payees", "returns", "credit", "override"}

_HARMLESS_FIELD = {"type": "null"}


def _missing_hint(name: str, path: Path) -> str:
    examples = _CURVE_EXAMPLES if path[4:5] == ("curve",) else _EXAMPLES
    return f"write for example {examples[name]}" if name in examples else f"write {name}: …"


def _expected_hint(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if "credit" in error["loc"] and error["type"] in _NO_CREDIT:
        return "write a share from 0 to 1, a formula such as paid / amount, or a list such as [{to: seller}]"
    named = [str(step) for step in error["loc"][-2:]]  # the last may name an alternative of a type
    example = next((_EXAMPLES[name] for name in reversed(named) if name in _EXAMPLES), None)
    if error["type"] in _OTHERWISE and example is not None:
        return f"write for example {example}"
    if "expected" in context and error["type"] == "literal_error":
        near = closest(
            str(error["input"]), str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        )
        return f"did you mean `{near[0]}`?" if near else f"write one of {context['expected']}"
    return ""


def _keys(path: Path, data: object, form: type[pydantic.BaseModel]) -> Iterable[str]:
    """The keys that the document's form knows at a place."""
    found: list[Any] = [form]
    for position, step in enumerate(path):
        if path[:position] == ("triggers",):
            kind = _at(data, (*path[: position + 1], "kind"))
            found = [KINDS[str(kind)]] if str(kind) in KINDS else []
            continue
        found = [each for form in found for each in _below(form, step)]
    keys: dict[str, None] = {}
    for each in _meant([each for form in found for each in _models(form)], _at(data, path)):
        keys |= dict.fromkeys(field.alias or name for name, field in each.model_fields.items())
    if len(path) == 2 and path[0] == "sources":
        keys.pop("name", None)
    return keys


def _models(annotation: Any) -> Iterable[type[pydantic.BaseModel]]:
    """The alternatives of a type that have keys."""
    for each in _forms(annotation):
        if isinstance(each, type) and issubclass(each, pydantic.BaseModel):
            yield each


def _meant(models: list[type[pydantic.BaseModel]], written: object) -> list[type[pydantic.BaseModel]]:
    """Of alternatives that are told apart by `kind`, the one that is written; the first where none is."""
    kinds = {str(each.model_fields["kind"].default): each for each in models if "kind" in each.model_fields}
    if len(kinds) < 2 or not isinstance(written, Mapping):
        return models
    meant = kinds.get(str(written.get("kind", next(iter(kinds)))))
    return [meant] if meant else models


def _forms(annotation: Any) -> Iterable[Any]:
    """The alternatives of a type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _forms(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [each for option in get_args(annotation) for each in _forms(option)]
    return [annotation]


def _below(annotation: Any, step: str | int) -> Iterable[Any]:
    """What may stand under a key of a type."""
    for form in _forms(annotation):
        origin, arguments = get_origin(form), get_args(form)
        if origin is dict:
            yield arguments[1]
        elif origin in (tuple, list):
            yield arguments[0]
        elif isinstance(form, type) and issubclass(form, pydantic.BaseModel):
            for name, field in form.model_fields.items():
                if step in (name, field.alias):
                    yield field.annotation
                elif isinstance(step, int):  # a list as the short form of what has one
                    lists = [each for each in _forms(field.annotation) if get_origin(each) in (tuple, list)]
                    yield from (get_args(each)[0] for each in lists)


def _at(data: Any, path: Path) -> Any:
    """What stands at a path, None where nothing does."""
    try:
        for step in path:
            data = data[step]
    except (LookupError, TypeError):
        return None
    return data


@final
class Pruned:
    """A document's data from which misshapen parts are cut; knows where what is left stood before."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.names: set[str] = set()
        self.positions: dict[Path, list[int]] = {}
        self.taken: set[Path] = set()

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

    def is_known(self, error: ErrorDetails, document: Document) -> bool:
        """Whether an error only follows from another: about a text that could not be read, or about a part
        that was taken out."""
        location = tuple(error["loc"])
        if error["type"] == "missing":
            return (*self.existing(location), location[-1]) in self.taken
        if error["type"] == "too_short" and error["input"]:
            return True  # none is left of those that have errors of their own
        return dotted(self.original(self.existing(location))) in {each.path for each in document.problems}

    def cut(self, locations: list[Path]) -> bool:
        """Take the parts out, the deepest first, or put something harmless in their place where a part is
        required; False if nothing is left to take."""
        parts = dict.fromkeys(
            self.part(location)
            for location in sorted(locations, key=lambda path: (len(path), str(path)), reverse=True)
        )
        for path, missing in parts:
            at = _at(self.data, path)
            if missing in _HARMLESS and isinstance(at, dict):
                at[missing] = copy.deepcopy(_harmless(str(missing), at))
            elif not self.take(path):
                return False
        return True

    def part(self, location: Path) -> tuple[Path, str | int | None]:
        """The part to take out for an error at a location, and what is missing in it, if that is the error:
        what is only understood as a whole, such as a list of payees, as a whole."""
        path = self.existing(location)
        for place, step in enumerate(path):
            if place > 1 and path[0] == "policies" and step in _WHOLE:
                return path[: place + 1], None
            if place == 4 and path[0] == "models" and step == "curve":
                return path[: place + 1], None
        return path, location[-1] if len(location) > len(path) else None

    def take(self, path: Path) -> bool:
        if not path:
            return False
        above, last = _at(self.data, path[:-1]), path[-1]
        if isinstance(above, list) and isinstance(last, int) and last < len(above):
            self.positions.setdefault(path[:-1], [*range(len(above))]).pop(last)
            del above[last]
        elif isinstance(above, dict) and last in above:
            self.names.add(str(last))
            harmless = _HARMLESS_FIELD if path[-2:-1] == ("fields",) else _harmless(str(last), above)
            if harmless is not None and above[last] != harmless:
                above[last] = copy.deepcopy(harmless)
            else:
                self.taken.add(path)
                del above[last]
        return True
