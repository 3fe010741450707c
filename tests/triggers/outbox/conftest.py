"""Every store that the promises are tested with; a service that does not answer is skipped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crmrules.triggers.outbox.memory import MemoryStore
from crmrules.triggers.outbox.sqlite import SqliteStore

KINDS = ["memory", "sqlite"]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with SqliteStore(tmp_path / "reminders.db") as store:
        store.create_schema()
        yield store
