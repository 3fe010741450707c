"""Imports run one way through the library, and `import crmrules` alone loads nothing heavy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "crmrules"

FRONT = "crmrules/__init__.py"
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "document",
        "types",
        "money",
        "tables",
        "fields",
        "files",
        "frames",
        "route",
        "plain",
        "binding",
    ),
    ("expr",),
    ("policy",),
    ("kpi",),
    ("triggers",),
    ("rulebook",),
    (FRONT,),
    ("cli", "demo", "testing", "__main__"),
)
"""The rooms, lowest first: a room may import its own floor and those before it, never one after it."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

HEAVY = ("narwhals", "numpy", "pandas", "polars", "pydantic", "simpleeval")


def test_rooms_import_only_what_stands_below_them() -> None:
    assert not (found := violations(PACKAGE)), "\n" + "\n".join(found)


def test_importing_the_library_loads_nothing_heavy() -> None:
    program = f"import sys, crmrules; print(*[name for name in {HEAVY} if name in sys.modules])"
    command = [sys.executable, "-c", program]
    child = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert child.returncode == 0, f"`import crmrules` failed:\n{child.stderr}"
    assert not child.stdout.split(), (
        f"`import crmrules` also imports {child.stdout.strip()}; "
        f"import it inside the function that needs it, or the public name on first use"
    )


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("expr/tree.py", "from crmrules.kpi.period import Period", "kpi stands above expr"),
        ("expr/tree.py", "import crmrules.kpi", "kpi stands above expr"),
        ("expr/tree.py", "from crmrules import kpi", "kpi stands above expr"),
        ("expr/tree.py", "from ..kpi import period", "kpi stands above expr"),
        ("expr/__init__.py", "from ..kpi import period", "kpi stands above expr"),
        ("money.py", "def later():\n    from crmrules.cli import main", "cli stands above money"),
        ("kpi/score.py", "from crmrules import Rulebook", "crmrules/__init__.py stands above kpi"),
        ("kpi/score.py", "import crmrules", "crmrules/__init__.py stands above kpi"),
        ("kpi/score.py", "from crmrules.expr.tree import _walk", "_walk is private to expr"),
        ("kpi/score.py", "from crmrules.expr._walk import walk", "_walk is private to expr"),
        ("kpi/score.py", "from crmrules.expr import tree\ntree._walk()", "tree._walk is private to expr"),
        ("fields.py", "from crmrules.money import _scale", "_scale is private to money"),
        ("helpers.py", "", "helpers has no place in the house"),
        ("kpi/score.py", "from crmrules.helpers import helped", "helpers has no place in the house"),
    ],
)
def test_a_wrong_import_is_noticed(tmp_path: Path, path: str, source: str, complaint: str) -> None:
    write(tmp_path, path, source)
    found = violations(tmp_path)
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("fields.py", "from crmrules import money\nfrom crmrules.errors import Span"),
        ("kpi/score.py", "from crmrules.kpi.period import _units\nfrom . import period\nperiod._units"),
        ("kpi/score.py", "from ..expr import tree\ntree.walk, tree.__name__"),
        ("__init__.py", "from crmrules.rulebook import Rulebook"),
        ("cli.py", "from crmrules import Rulebook\nfrom crmrules.demo import run"),
        ("rulebook/load.py", "from crmrules.document import Document\nimport pandas, crmrules_elsewhere"),
    ],
)
def test_a_right_import_passes(tmp_path: Path, path: str, source: str) -> None:
    write(tmp_path, path, source)
    assert violations(tmp_path) == []


def violations(package: Path) -> list[str]:
    """Each import against the one direction, as `file:line: what is wrong, what to do instead`."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        shown = f"crmrules/{inside.as_posix()}"
        room = room_of(inside)
        if room not in FLOOR_OF:
            found.append(f"{shown}:1: {homeless(room)}")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=shown)
        found += [f"{shown}:{line}: {complaint}" for line, complaint in complaints(tree, inside, room)]
    return found


def complaints(tree: ast.Module, inside: Path, room: str) -> Iterator[tuple[int, str]]:
    foreign: dict[str, str] = {}
    for line, target, bound in imports(tree, inside):
        other, rest = (target[0], target[1:]) if target and target[0] in FLOOR_OF else (FRONT, target)
        if other == FRONT and rest and rest[0].islower() and len(rest) > 1:
            yield line, homeless(rest[0])
        elif FLOOR_OF[other] > FLOOR_OF[room]:
            yield line, f"{other} stands above {room}; move what both need down, or the caller up"
        elif other != room:
            foreign[bound] = other
            for name in filter(is_private, rest):
                yield line, f"{name} is private to {other}; use or add a public name there"
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in foreign:
                if is_private(attribute):
                    yield node.lineno, f"{name}.{attribute} is private to {foreign[name]}; use a public name"


def imports(tree: ast.Module, inside: Path) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Line, dotted path inside crmrules, and the name it is bound to, of every import from crmrules."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    package, *target = alias.name.split(".")
                    if package == "crmrules":
                        yield node.lineno, tuple(target), alias.asname or package
            case ast.ImportFrom(module=module, names=names, level=level):
                start = ["crmrules", *inside.parts[: len(inside.parts) - level]] if level else []
                package, *target = [*start, *(module or "").split(".")] if module else start
                if package == "crmrules":
                    for alias in names:
                        yield node.lineno, (*target, alias.name), alias.asname or alias.name


def room_of(inside: Path) -> str:
    room = inside.parts[0].removesuffix(".py")
    return FRONT if room == "__init__" else room


def homeless(room: str) -> str:
    return f"{room} has no place in the house; put its code into a room, or give it a floor in FLOORS"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def write(package: Path, path: str, source: str) -> None:
    file = package / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")
