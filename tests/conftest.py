"""What all tests share: how hypothesis runs, and where shared data lies."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).parents[1]

settings.register_profile("crmrules", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("crmrules")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of cases and data beside the project, which not every machine has."""
    folder = PROJECT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared beside the project")
    return folder
