"""docs/how-to-delivery.md names a test for each promise, and each of them is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_test_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "how-to-delivery.md").read_text(encoding="utf-8")
    modules = Path(__file__).parent.glob("test_*.py")
    there = {
        name for each in modules for name in re.findall(r"^def (test_\w+)", each.read_text("utf-8"), re.M)
    }
    named = {*re.findall(r"`(test_\w+)`", page)}
    assert len(named) > 10
    assert named <= there, named - there


def test_each_is_in_the_module_that_the_page_names() -> None:
    page = (ROOT / "docs" / "how-to-delivery.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|[^|]+\| (`test_\w+\.py`.*) \|$", page, re.M)
    assert len(rows) > 10
    for row in rows:
        for part in row.split("; "):
            modules = [Path(__file__).parent / each for each in re.findall(r"`(test_\w+\.py)`", part)]
            text = "".join(each.read_text("utf-8") for each in modules)
            tests = re.findall(r"`(test_\w+)`", part)
            assert tests
            assert [each for each in tests if f"def {each}(" not in text] == [], row
