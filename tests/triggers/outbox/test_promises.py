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
