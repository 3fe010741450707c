"""`crmrules outbox init`: the tables are made, or printed."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crmrules.triggers.outbox import Dirty, SqliteStore


def outbox(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", "from crmrules.cli import main; main()", "outbox", "init", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_init_makes_the_tables_and_leaves_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "reminders.db"
    assert outbox("--url", f"sqlite:///{file}") == (0, "the tables crm_… are of version 1\n")
    with SqliteStore(file) as store:
        store.mark([Dirty("Ann")])
        assert outbox("--url", f"sqlite:///{file}")[0] == 0
        with store.transaction() as session:
            assert session.claim(10) == [Dirty("Ann")]


def test_what_is_printed_makes_the_tables(tmp_path: Path) -> None:
    status, printed = outbox("--url", "sqlite", "--print", "--prefix", "rules_")
    assert status == 0
    file = tmp_path / "reminders.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(printed)
    with SqliteStore(file, prefix="rules_") as store:
        store.mark([Dirty("Ann")])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "oracle://x/y", "--print"], "O104"),
        (["--url", "sqlite", "--print", "--prefix", "x-"], "O103"),
        (["--url", "sqlite:////nowhere/at/all/x.db"], "no folder /nowhere/at/all"),
        (["--url", "nonsense"], "O104"),
        (["--url", "sqlite:///"], "sqlite:///reminders.db"),
        (["--url", "sqlite://"], "gone at once"),
        (["--url", "sqlite:///:memory:"], "gone at once"),
        (["--url", "postgresql+psycopg://u:hidden@127.0.0.1:1/x"], "O104"),
    ],
)
def test_what_cannot_be_done_is_one_error(words: list[str], said: str) -> None:
    status, printed = outbox(*words)
    assert status == 1
    assert said in printed
    assert "Traceback" not in printed
    assert "hidden" not in printed
