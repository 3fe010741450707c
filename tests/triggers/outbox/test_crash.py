"""No reminder is lost and none is repeated, whenever a process is killed (TRIGGERS: S29, I1 to I3, I6)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.triggers.outbox.conftest import url_of

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("crash.py")
DATABASES = [
    "file",
    pytest.param("postgresql", marks=pytest.mark.service),
    pytest.param("mariadb", marks=pytest.mark.service),
]


def run(name: str, database: str, folder: Path, *more: int) -> dict[str, Any]:
    url = database if database == "file" else url_of(database)
    done = subprocess.run(
        [sys.executable, PROGRAM, name, url, folder, *map(str, more)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_kill_at_any_statement_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """The real engine, over a real rulebook: a save, a tick, a relay, and a deadline that comes due."""
    found = run("matrix", "file", tmp_path, 5)
    assert found["boundaries"] >= 100


@pytest.mark.slow
def test_a_kill_at_each_statement_loses_and_repeats_nothing(tmp_path: Path) -> None:
    found = run("matrix", "file", tmp_path, 1)
    # What "at least once" and "at most once" mean, seen at the kills between sending and confirming.
    assert found["mail_twice"] >= 1
    assert found["sms_lost"] >= 1


@pytest.mark.parametrize("database", DATABASES[1:])
def test_a_kill_at_some_statements_loses_and_repeats_nothing(database: str, tmp_path: Path) -> None:
    assert run("matrix", database, tmp_path, 29)["boundaries"] >= 80


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES[1:])
def test_a_kill_at_any_statement_of_a_server_loses_and_repeats_nothing(database: str, tmp_path: Path) -> None:
    found = run("matrix", database, tmp_path, 1)
    assert found["mail_twice"] >= 1
    assert found["sms_lost"] >= 1


@pytest.mark.parametrize("database", DATABASES)
def test_eight_processes_answer_once_for_each_subject(database: str, tmp_path: Path) -> None:
    assert run("race", database, tmp_path) == {"occurrences": 4 * 12}


@pytest.mark.parametrize("database", DATABASES)
def test_kills_at_random_lose_and_repeat_nothing(database: str, tmp_path: Path) -> None:
    assert run("soak", database, tmp_path, 10)["reached"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("database", DATABASES)
def test_two_hundred_kills_at_random_lose_and_repeat_nothing(database: str, tmp_path: Path) -> None:
    assert run("soak", database, tmp_path, 200)["reached"] == 12
