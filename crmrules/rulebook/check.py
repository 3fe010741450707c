"""Everything that is wrong with a rulebook, at once, each mistake where it stands.

Reading goes in three steps that all report instead of stopping: the document's form, the shape of each
part (`shape`), and how the parts fit one another (`assemble`). A part that is misshapen is cut out for the
step after, and what refers to it is not reported as a second mistake.
"""

from __future__ import annotations

import copy

import pydantic

from crmrules.document import Document
from crmrules.errors import Problem, RulebookError
from crmrules.rulebook.assemble import Built, assembled
from crmrules.rulebook.book import Rulebook
from crmrules.rulebook.shape import Pruned, located, shape_problem

MOST_ROUNDS = 50
_UNKNOWN_NAMES = {"E101", "F102", "B213", "B217"}
_UNKNOWN_PARTS = {"B211", "B212", "B214", "B215", "T301", "T409"}


def check(document: Document) -> Rulebook:
    """The rulebook of a document. Raises RulebookError with all its problems, in the document's order."""
    problems = [*document.problems]
    pruned = Pruned(copy.deepcopy(document.data))
    book: Rulebook | None = None
    for _ in range(MOST_ROUNDS):
        try:
            book = Rulebook.model_validate(pruned.data)
            break
        except pydantic.ValidationError as shape:
            found = shape.errors(include_url=False)
            fresh = [each for each in found if not pruned.is_known(each, document)]
            problems += [shape_problem(document, pruned, each) for each in fresh]
            if not pruned.cut([tuple(each["loc"]) for each in found]):
                break
    if book is not None:
        built = assembled(book)
        unknown = pruned.names | built.broken
        for path, error in built.problems:
            quoted = _quoted(error.message)
            if error.code in _UNKNOWN_NAMES and unknown.intersection(quoted):
                continue
            if error.code == "B219" and "period" in pruned.names:
                continue  # what stands in for a period is another one than that of the models beside
            if error.code in _UNKNOWN_PARTS and pruned.names.intersection(quoted):
                continue
            problems.append(located(document, pruned.original(path), error))
        if not problems:
            book.__dict__["built"] = built
            return book
    raise RulebookError(sorted({str(each): each for each in problems}.values(), key=_order))


def build(book: Rulebook) -> Built:
    """The rules of a rulebook that was made in Python. Raises RulebookError if they do not fit."""
    built = assembled(book)
    if built.problems:
        nowhere = Document("<python>", "", {})
        raise RulebookError(located(nowhere, path, error) for path, error in built.problems)
    return built


def _order(problem: Problem) -> tuple[int, int]:
    return (problem.place.line, problem.place.column) if problem.place else (0, 0)


def _quoted(message: str) -> set[str]:
    return {*message.split("`")[1::2]}
