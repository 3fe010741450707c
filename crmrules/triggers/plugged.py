"""Triggers of other packages: found by entry points, loaded when they are named, set aside if broken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, final

from crmrules.errors import CrmRulesError
from crmrules.triggers.trigger import KINDS

GROUP = "crmrules.triggers"
Status = Literal["waiting", "loaded", "quarantined", "refused", "taken"]


@final
@dataclass(frozen=True, slots=True)
class Plugin:
    """A trigger of another package.

    name: the kind. target: what it points to. package: which one it belongs to, with its version. status:
    `waiting` until a rulebook names it; `loaded`; `quarantined`, it failed, and is tried again when it is
    named next; `refused`, it is not allowed; `taken`, the name belongs to another. problem: why.
    """

    name: str
    target: str
    package: str
    status: Status
    problem: str = ""


@final
class _Known:
    allowed: tuple[str, ...] | None = None
    problems: dict[tuple[str, str], str] = {}  # noqa: RUF012 - the one place that changes
    loaded: set[tuple[str, str]] = set()  # noqa: RUF012


def allow(names: Iterable[str] | None) -> None:
    """Let only these triggers of other packages be loaded, `acme.*` for all of one; None lets all.

    What is loaded already stays. For hosts that run what others install.
    """
    _Known.allowed = None if names is None else tuple(names)


def plugins() -> tuple[Plugin, ...]:
    """All triggers that other packages offer, and what became of them; nothing is loaded by asking."""
    found = _entries()
    return tuple(_plugin(each, found) for each in found)


def load(name: str) -> bool:
    """Load the trigger of a name from the package that offers it; False if none does.

    Raises CrmRulesError (T103) where several do, (T404) where it fails to load, (T405) where it is not
    allowed. A failure is not remembered: the next call tries again.
    """
    found = [each for each in _entries() if each.name == name]
    if not found:
        return False
    if len(found) > 1:
        listed = " and ".join(f"{each.value} of {_package(each)}" for each in found)
        raise CrmRulesError(
            "T103", f"the kind of trigger `{name}` is offered twice: {listed}", hint="uninstall one of them"
        )
    (entry,) = found
    if not _is_allowed(name):
        raise CrmRulesError(
            "T405",
            f"the trigger `{name}` of {_package(entry)} is not allowed here",
            hint=f'allow it: crmrules.triggers.allow(["{name}"])',
        )
    key = (entry.name, entry.value)
    try:
        entry.load()
        if name not in KINDS:
            raise LookupError(f'it defines no trigger of that name: write @trigger("{name}")')
    except Exception as error:
        _Known.problems[key] = problem = f"{type(error).__name__}: {error}"
        raise CrmRulesError(
            "T404",
            f"the trigger `{name}` of {_package(entry)} cannot be loaded: {problem}",
            hint=f"mend {entry.value}, which is tried again each time",
        ) from error
    _Known.problems.pop(key, None)
    _Known.loaded.add(key)
    return True


def load_all() -> None:
    """Load all that are allowed and sound, for the JSON Schema; what fails is set aside, see `plugins`."""
    for each in plugins():
        if each.status in ("waiting", "quarantined"):
            try:
                load(each.name)
            except CrmRulesError:
                continue


def _entries() -> list[EntryPoint]:
    # A package that is found twice on the path offers its triggers once.
    found = {(each.name, each.value): each for each in entry_points(group=GROUP)}
    return [found[key] for key in sorted(found)]


def _plugin(entry: EntryPoint, others: list[EntryPoint]) -> Plugin:
    key = (entry.name, entry.value)
    twice = [each for each in others if each.name == entry.name and each.value != entry.value]
    status: Status
    problem = ""
    if twice:
        status, problem = "taken", f"{twice[0].value} of {_package(twice[0])} has the same name"
    elif key in _Known.loaded:
        status = "loaded"
    elif not _is_allowed(entry.name):
        status, problem = "refused", "it is not on the list of allowed triggers"
    elif key in _Known.problems:
        status, problem = "quarantined", _Known.problems[key]
    elif entry.name in KINDS and not _is_its_own(entry):
        status, problem = "taken", f"there is a kind `{entry.name}` already"
    else:
        status = "loaded" if entry.name in KINDS else "waiting"
    return Plugin(entry.name, entry.value, _package(entry), status, problem)


def _is_its_own(entry: EntryPoint) -> bool:
    home = getattr(KINDS[entry.name], "home", "")
    return bool(home == f"{entry.module}.{entry.attr}")


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.module


def _is_allowed(name: str) -> bool:
    return _Known.allowed is None or any(fnmatchcase(name, pattern) for pattern in _Known.allowed)
