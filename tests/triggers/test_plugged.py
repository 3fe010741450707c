"""Triggers of other packages: loaded when named, set aside when broken, tried again, never taken twice."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from crmrules import CrmRulesError
from crmrules.rulebook import schema
from crmrules.triggers import KINDS, Trigger, TriggerRule, allow, plugins
from crmrules.triggers.trigger import is_known

GOOD = """
from crmrules import Answer, trigger

@trigger("acme.good")
def good(context, parameters):
    return Answer.not_met("all is well")
"""
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    before = dict(KINDS)

    def installed(package: str, code: str, **points: str) -> Path:
        """A package as pip would leave it: a module, and what it offers."""
        folder = tmp_path / package
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{package}.py").write_text(code)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name.replace('__', '.')} = {package}:{target}" for name, target in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[crmrules.triggers]", *lines]))
        monkeypatch.syspath_prepend(folder)
        return folder / f"{package}.py"

    yield installed
    KINDS.clear()
    KINDS.update(before)
    allow(None)
    for name in [each for each in sys.modules if each.startswith("acme_")]:
        del sys.modules[name]


def mine() -> dict[str, tuple[str, str]]:
    return {each.name: (each.status, each.problem) for each in plugins() if "acme" in each.target}


def test_nothing_is_loaded_until_it_is_named(install: Install) -> None:
    install("acme_lazy", GOOD, acme__good="good")
    assert mine() == {"acme.good": ("waiting", "")}
    assert "acme_lazy" not in sys.modules
    assert is_known("acme.good")
    assert issubclass(KINDS["acme.good"], TriggerRule)
    assert mine() == {"acme.good": ("loaded", "")}
    (plugin,) = (each for each in plugins() if each.name == "acme.good")
    assert (plugin.target, plugin.package) == ("acme_lazy:good", "acme_lazy 1.0")
    assert not is_known("acme.other")


def test_a_broken_one_is_set_aside_and_tried_again(install: Install) -> None:
    file = install("acme_broken", "import nowhere_to_be_found", acme__good="good")
    for _ in range(2):
        with pytest.raises(CrmRulesError, match="cannot be loaded: ModuleNotFound") as caught:
            is_known("acme.good")
        assert caught.value.code == "T404"
    assert mine()["acme.good"][0] == "quarantined"
    assert "nowhere_to_be_found" in mine()["acme.good"][1]
    file.write_text(GOOD + "# mended\n")
    assert is_known("acme.good")
    assert mine() == {"acme.good": ("loaded", "")}


def test_one_that_defines_something_else_is_told(install: Install) -> None:
    install("acme_other", GOOD, acme__bad="good")
    with pytest.raises(CrmRulesError, match=r'write @trigger\("acme.bad"\)'):
        is_known("acme.bad")


def test_two_of_one_name_are_an_error(install: Install) -> None:
    install("acme_one", GOOD, acme__good="good")
    install("acme_two", GOOD, acme__good="good")
    with pytest.raises(CrmRulesError, match="acme_one:good of acme_one") as caught:
        is_known("acme.good")
    assert caught.value.code == "T103"
    assert [each.status for each in plugins() if each.name == "acme.good"] == ["taken", "taken"]


def test_the_name_of_a_kind_that_there_is_stays_with_it(install: Install) -> None:
    shipped = KINDS["reached"]
    install("acme_theft", GOOD, reached="good")
    assert mine()["reached"] == ("taken", "there is a kind `reached` already")
    assert is_known("reached")
    assert KINDS["reached"] is shipped


def test_a_host_can_list_what_it_allows(install: Install) -> None:
    install("acme_allowed", GOOD, acme__good="good")
    allow(["other.*"])
    assert mine()["acme.good"][0] == "refused"
    with pytest.raises(CrmRulesError, match="not allowed here") as caught:
        is_known("acme.good")
    assert caught.value.code == "T405"
    assert "acme_allowed" not in sys.modules
    allow(["acme.*"])
    assert is_known("acme.good")


def test_the_json_schema_has_the_sound_ones(install: Install) -> None:
    install("acme_sound", GOOD, acme__good="good")
    install("acme_ill", "raise SystemError('ill')", acme__ill="ill")
    kinds = str(schema())
    assert "acme.good" in kinds
    assert "acme.ill" not in kinds
    assert mine()["acme.ill"] == ("quarantined", "SystemError: ill")


def test_the_hint_knows_what_packages_offer(install: Install) -> None:
    install("acme_hints", GOOD, acme__good="good")

    def hint(kind: str) -> str:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(Trigger).validate_python({"kind": kind, "indicator": "sales"})
        cause = caught.value.errors()[0]["ctx"]["error"]
        assert isinstance(cause, CrmRulesError)
        assert cause.code == "T102"
        return cause.hint

    assert hint("acme.god") == "did you mean `acme.good`?"
    assert hint("other.quiet").startswith("install the package that offers it")
    assert hint("reachd") == "did you mean `reached`?"
