"""The engine over stores: interrupted anywhere, or several at once, each thing is still told once."""

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crmrules.triggers import Reached, TriggerRule
from crmrules.triggers.outbox import Dirty, MemoryStore, SqliteStore

START = "2025-03-03T09:00"
COURSE = (
    (START, "100000.00"),
    ("2025-03-04T08:00", "0.00"),
    ("2025-03-05T09:00", "100000.00"),
    ("2025-03-07T09:00", "110000.00"),
)


def hit(**options: Any) -> TriggerRule:
    return Reached.model_validate({"indicator": "sales", **options})


class Interrupted(Exception):
    """What a crash looks like from inside."""


class Fragile:
    """A store whose sessions break at the n-th thing that is asked of them."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.left = store, -1

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Interrupted

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self.store.transaction() as session:
            yield FragileSession(self, session)
            self.count()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class FragileSession:
    def __init__(self, fragile: Fragile, session: Any) -> None:
        self.fragile, self.session = fragile, session

    def __getattr__(self, name: str) -> Any:
        self.fragile.count()
        return getattr(self.session, name)


def test_i6_interrupted_at_any_step_nothing_is_lost_or_told_twice(host: Any) -> None:
    """Each step of four ticks: it fires, is withdrawn, fires again, and escalates."""

    def course(store: Any, interrupted: int) -> tuple[dict[str, tuple[str, str]], set[tuple[str, str]], bool]:
        at = host(
            {"hit": hit(rearm="on_resolve", escalation=[{"after": "1 day", "to": "director"}])}, store=store
        )
        at.people = {"u7": {"director": "u2"}}
        broke = False
        for when, value in COURSE:
            at.book("u7", value, when)
            if not broke:
                store.left = interrupted
            try:
                at.tick(when)
            except Interrupted:
                broke = True
                at.start()
                at.tick(when)
            interrupted, store.left = store.left if not broke else -1, -1
        rows = {each.key: (each.step, each.outcome) for each in store.occurrences.values()}
        return rows, {(each.id, each.status) for each in store.deliveries.values()}, broke

    rows, sent, _ = course(Fragile(MemoryStore()), -1)
    assert sorted(rows.values()) == [
        ("escalate:1", "fired"), ("fire", "fired"), ("fire", "fired"), ("withdraw", "withdrawn"),
    ]  # fmt: skip
    steps = 0
    while True:
        steps += 1
        again, also, broke = course(Fragile(MemoryStore()), steps)
        if not broke:
            break
        assert (again, also) == (rows, sent), f"interrupted at step {steps}"
    assert steps > 60


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_i1_several_engines_at_once_tell_each_thing_once(host: Any, kind: str, tmp_path: Path) -> None:
    """Orders come in one by one while four engines tick; in the end everybody has been told once."""

    def opened() -> Any:
        return SqliteStore(tmp_path / "reminders.db") if kind == "sqlite" else shared

    shared = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "reminders.db")
    if kind == "sqlite":
        shared.create_schema()
    people = [f"u{n}" for n in range(6)]
    hosts = [host({"hit": hit(), "some": hit(share="50%")}, store=opened()) for _ in range(4)]
    facts = hosts[0].sales
    for each in hosts:
        each.sales = facts
    for who in people:
        facts[who] = []
    errors: list[BaseException] = []
    over = threading.Event()

    def ticking(at: Any) -> None:
        try:
            while not over.is_set():
                at.tick("2025-03-03T12:00")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ticking, args=(each,)) for each in hosts]
    for each in threads:
        each.start()
    for percent in (30, 60, 90, 120):
        for who in people:
            facts[who].append((hosts[0].at(START), f"{percent * 1000}.00"))
            shared.mark([Dirty(who, "2025-03")])
    over.set()
    for each in threads:
        each.join()
    assert errors == []
    hosts[0].tick("2025-03-03T12:01")
    with shared.transaction() as session:
        rows = session.occurrences()
        sent = session.deliveries()
    fired = sorted((each.subject, each.trigger) for each in rows if each.outcome == "fired")
    assert fired == sorted((who, name) for who in people for name in ("hit", "some"))
    assert len(sent) == len(fired)


def test_what_a_sqlite_file_remembers_outlives_the_engine(host: Any, tmp_path: Path) -> None:
    file = tmp_path / "reminders.db"
    with SqliteStore(file) as store:
        store.create_schema()
        at = host({"hit": hit(repeat={"every": "1 day"})}, store=store)
        at.book("u7", "100000.00", START)
        assert len(at.tick(START).deliveries) == 1
    with SqliteStore(file) as store:
        again = host({"hit": hit(repeat={"every": "1 day"})}, store=store)
        again.sales = at.sales
        assert again.tick("2025-03-03T10:00").occurrences == []
        report = again.tick("2025-03-04T09:00")
        assert [each.step for each in report.occurrences] == ["repeat:1"]
        assert report.intents[0].late_by == dt.timedelta()
        assert [each.step for each in again.engine.history("u7")] == ["fire", "repeat:1"]
