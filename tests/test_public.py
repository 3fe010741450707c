"""The public names: all there, all described, none that is not meant."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import crmrules
import crmrules.kpi

ALIASES = {"Curve", "Target"}
"""Names for one of several classes; what they are stands beside them in their modules."""
NAMES = [
    *[(crmrules, name) for name in crmrules.__all__],
    *[(crmrules.kpi, name) for name in crmrules.kpi.__all__ if name not in ALIASES],
]


@pytest.mark.parametrize(("room", "name"), NAMES, ids=lambda value: getattr(value, "__name__", value))
def test_a_public_name_is_there_and_says_what_it_is(room: ModuleType, name: str) -> None:
    value = getattr(room, name)
    assert inspect.isclass(value) or callable(value)
    assert value.__module__.startswith("crmrules.")
    # A pydantic model or dataclass without a docstring of its own gets one from its base.
    described = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    assert described
    assert not described.startswith(f"{name}(")


@pytest.mark.parametrize(("room", "name"), NAMES, ids=lambda value: getattr(value, "__name__", value))
def test_the_public_methods_of_a_public_class_are_described(room: ModuleType, name: str) -> None:
    value = getattr(room, name)
    if not inspect.isclass(value):
        return
    methods = [
        method
        for method, member in vars(value).items()
        if not method.startswith("_") and isinstance(member, classmethod | property | type(lambda: 0))
    ]
    # What is overridden is described where it is first declared.
    assert [method for method in methods if not inspect.getdoc(getattr(value, method))] == []


def test_names_are_sorted_unique_and_listed() -> None:
    assert [*crmrules.__all__] == sorted({*crmrules.__all__})
    assert [*crmrules.kpi.__all__] == sorted({*crmrules.kpi.__all__})
    assert {*crmrules.__all__, "__version__"} <= {*dir(crmrules)}
    assert dir(crmrules) == sorted(dir(crmrules))


def test_what_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Rulebok'"):
        crmrules.Rulebok  # noqa: B018
    assert not hasattr(crmrules, "pandas")


def test_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from crmrules import *", names)
    assert {*names} - {"__builtins__"} == {*crmrules.__all__}


def test_every_module_says_what_it_is_for() -> None:
    folder = str(Path(crmrules.__file__).parent)
    modules = [
        each.name for each in pkgutil.walk_packages([folder], "crmrules.") if "__main__" not in each.name
    ]
    assert len(modules) > 30
    assert [name for name in modules if not importlib.import_module(name).__doc__] == []


def test_the_version_is_that_of_the_package() -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert f'version = "{crmrules.__version__}"' in project.read_text(encoding="utf-8")
