"""Processes that are killed, and what is left: a program, since a test must not kill itself.

`crash.py matrix URL FOLDER N`: SIGKILL at each n-th statement in turn, then a restart.
`crash.py soak URL FOLDER KILLS`: hosts, evaluators and four relays, killed at random and restarted.
`crash.py race URL FOLDER`: eight processes answer for the same subjects.

Each ends with one line of JSON. URL is SQLAlchemy's, or `file` for the store of the standard library.
"""

import datetime as dt
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crmrules.triggers.outbox import Conflict, DatabaseStore, Delivery, Relay, SqliteStore, committed
from crmrules.triggers.outbox.tables import TABLES
from tests.triggers.outbox.small_engine import NOON, TARGET, answer, dirty, evaluate

HOUR = dt.timedelta(hours=1)
PEOPLE = [f"u{each}" for each in range(12)]


class Boundary:
    """Counts what a process does, and ends it before the n-th thing."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.last = 0

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        if len(self.seen) == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


boundary = Boundary()


class Place:
    """A store and the host's orders in one database."""

    def __init__(self, url: str, folder: Path) -> None:
        self.sent = folder / "sent"
        self.file = folder / "host.db" if url == "file" else None
        self.store: Any = SqliteStore(self.file) if self.file else DatabaseStore(url, prefix="crash_")
        if self.file:
            connect = sqlite3.connect

            def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
                connection = connect(*args, **kwargs)
                connection.set_trace_callback(boundary)
                return connection

            sqlite3.connect = traced  # type: ignore[assignment]
        else:
            self.engine = self.store.engine
            sa.event.listen(self.engine, "before_cursor_execute", lambda *its: boundary(its[2]))
            sa.event.listen(self.engine, "commit", lambda _: boundary("COMMIT"))

    def make(self) -> None:
        self.drop()
        self.store.create_schema()
        self._run(
            "CREATE TABLE crash_order (number INTEGER PRIMARY KEY, subject VARCHAR(40), amount INTEGER)"
        )
        self.store.close()

    def drop(self) -> None:
        if self.file is None:
            self.store.metadata.drop_all(self.engine)
            self._run("DROP TABLE IF EXISTS crash_order")
            self.store.close()

    def clear(self) -> None:
        """Take everything out of the tables."""
        self.sent.unlink(missing_ok=True)
        if self.file:
            self.store.close()
            for each in self.file.parent.glob("host.db*"):
                each.unlink()
            self.make()
            return
        with self.engine.begin() as connection:
            for name in ("crash_order", *(f"{self.store.prefix}{each.name}" for each in TABLES)):
                connection.exec_driver_sql(f"DELETE FROM {name}")

    def order(self, number: int, subject: str, amount: int) -> None:
        """One save of the host; it knows whether it was kept by looking."""
        if self._run(f"SELECT 1 FROM crash_order WHERE number = {number}"):
            return
        insert = f"INSERT INTO crash_order VALUES ({number}, '{subject}', {amount})"
        if self.file:
            with closing(sqlite3.connect(self.file, timeout=30)) as host:
                host.execute("BEGIN IMMEDIATE")
                host.execute(insert)
                self.store.mark([dirty(subject)], host)
                host.commit()
        else:
            with self.engine.begin() as connection:
                connection.exec_driver_sql(insert)
                self.store.mark([dirty(subject)], connection)

    def total(self, subject: str) -> int:
        rows = self._run(f"SELECT COALESCE(SUM(amount), 0) FROM crash_order WHERE subject = '{subject}'")
        return int(rows[0][0])

    def send(self, delivery: Delivery) -> None:
        boundary(f"send {delivery.id}")
        with open(self.sent, "a", encoding="utf-8") as file:
            file.write(f"{delivery.id}\n")
        boundary(f"sent {delivery.id}")

    def relay(self, **options: Any) -> Relay:
        senders = {"mail": self.send, "sms": self.send}
        return Relay(self.store, senders, at_most_once={"sms"}, **options)

    def left(self) -> dict[str, Any]:
        """What there is when all is quiet."""
        with self.store.transaction() as session:
            found = {
                "marks": len(session.claim(1_000)),
                "occurrences": sorted(each.subject for each in session.occurrences()),
                "deliveries": {each.id: each.status for each in session.deliveries()},
            }
        text = self.sent.read_text(encoding="utf-8") if self.sent.exists() else ""
        self.store.close()
        return {**found, "sent": dict(Counter(text.splitlines()))}

    def _run(self, statement: str) -> list[Any]:
        if self.file:
            with closing(sqlite3.connect(self.file, timeout=30, isolation_level=None)) as connection:
                return connection.execute(statement).fetchall()
        with self.engine.begin() as connection:
            rows = connection.exec_driver_sql(statement)
            return [*rows] if rows.returns_rows else []


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return child


def ended(child: int) -> bool:
    """Whether it came to its end; not, where it was killed."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0, "a process failed"
    return True


def matrix(url: str, folder: Path, each: int) -> dict[str, Any]:
    """Three orders of 400, which together reach 1,000; killed at each n-th step in turn."""

    def live(now: dt.datetime, last: int = 0) -> None:
        place = Place(url, folder)
        boundary.seen.clear()
        boundary.last = last
        for number in range(3):
            place.order(number, "Ann", 400)
        while evaluate(place.store, place.total):
            pass
        place.relay().run_once(now)

    kills, twice, lost_sms = 1 - each, 0, 0
    parent = Place(url, folder)
    parent.make()
    while True:
        parent.clear()
        parent.store.close()
        if ended(forked(partial(live, NOON, kills + each))):
            break
        kills += each
        assert ended(forked(partial(live, NOON + HOUR)))
        left = parent.left()
        assert left["marks"] == 0, (kills, left)
        assert left["occurrences"] == ["Ann"], (kills, left)
        assert left["deliveries"] == {"Ann mail": "delivered", "Ann sms": "delivered"}, (kills, left)
        assert left["sent"]["Ann mail"] in (1, 2), (kills, left)
        assert left["sent"].get("Ann sms", 0) <= 1, (kills, left)
        twice += left["sent"]["Ann mail"] == 2
        lost_sms += left["sent"].get("Ann sms", 0) == 0
    parent.drop()
    return {"boundaries": kills, "mail_twice": twice, "sms_lost": lost_sms}


def soak(url: str, folder: Path, kills: int) -> dict[str, Any]:
    """Everybody's orders, two evaluators, four relays; a random process is killed again and again."""
    luck = random.Random(kills)
    Place(url, folder).make()
    stop = folder / "stop"
    amounts = [(number, luck.choice(PEOPLE), luck.randrange(50, 300)) for number in range(kills * 10)]

    def until_stopped(step: Callable[[], object]) -> None:
        while not stop.exists():
            try:
                step()
            except Conflict:
                continue
            time.sleep(0.002)

    def host() -> None:
        place = Place(url, folder)
        for each in amounts:
            place.order(*each)
            time.sleep(0.001)

    def evaluator() -> None:
        place = Place(url, folder)
        until_stopped(lambda: evaluate(place.store, place.total, most=3))

    def relay() -> None:
        place = Place(url, folder)
        its = place.relay(lease_seconds=0.3, most=3)
        until_stopped(lambda: its.run_once(dt.datetime.now(dt.UTC)))

    works = [host, evaluator, evaluator, relay, relay, relay, relay]
    running = [forked(work) for work in works]
    for _ in range(kills):
        time.sleep(luck.uniform(0.01, 0.1))
        at = luck.randrange(len(works))
        os.kill(running[at], signal.SIGKILL)
        os.waitpid(running[at], 0)
        running[at] = forked(works[at])
    assert ended(running[0])
    stop.touch()
    for child in running[1:]:
        assert ended(child)

    place = Place(url, folder)
    while evaluate(place.store, place.total):
        pass
    later = dt.datetime.now(dt.UTC) + HOUR
    while place.relay().run_once(later).taken:
        pass
    reached = sorted(each for each in PEOPLE if place.total(each) >= TARGET)
    left = place.left()
    assert left["marks"] == 0
    assert left["occurrences"] == reached, (left["occurrences"], reached)
    mails, texts = ([f"{each} {channel}" for each in reached] for channel in ("mail", "sms"))
    assert left["deliveries"] == dict.fromkeys(mails + texts, "delivered"), left
    assert all(left["sent"].get(each, 0) >= 1 for each in mails), left
    assert all(left["sent"].get(each, 0) <= 1 for each in texts), left
    assert {*left["sent"]} <= {*mails, *texts}
    place.drop()
    return {
        "kills": kills,
        "reached": len(reached),
    }


def race(url: str, folder: Path) -> dict[str, Any]:
    """Eight processes at once; all have a mark for each subject, which has reached its target."""
    place = Place(url, folder)
    place.make()
    for number, subject in enumerate(PEOPLE):
        place.order(number, subject, 1_500)
    place.store.mark([dirty(each) for each in PEOPLE * 7])
    place.store.close()

    def runner() -> None:
        its = Place(url, folder)
        while committed(its.store, lambda session: answer(session, its.total, 2), attempts=500):
            pass

    children = [forked(runner) for _ in range(8)]
    for child in children:
        assert ended(child)
    left = Place(url, folder).left()
    assert left["marks"] == 0, left
    assert left["occurrences"] == sorted(PEOPLE), left
    assert len(left["deliveries"]) == 2 * len(PEOPLE), left
    Place(url, folder).drop()
    return {"occurrences": len(left["occurrences"])}


if __name__ == "__main__":
    name, url, folder, *more = sys.argv[1:]
    programs: dict[str, Callable[..., dict[str, Any]]] = {"matrix": matrix, "soak": soak, "race": race}
    print(json.dumps(programs[name](url, Path(folder), *map(int, more))))
