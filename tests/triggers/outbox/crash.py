"""Processes that are killed, and what is left: a program, since a test must not kill itself.

`crash.py matrix URL FOLDER N`: SIGKILL at each n-th statement in turn, then a restart.
`crash.py soak URL FOLDER KILLS`: a host, two engines and four relays, killed at random and restarted.
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
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crmrules.triggers import Engine
from crmrules.triggers.outbox import DatabaseStore, Delivery, MemoryStore, Relay, SqliteStore
from crmrules.triggers.outbox.tables import TABLES
from tests.triggers.outbox.shop import CHANNELS, HALF, NOON, STEPS, TARGET, dirty, engine_of, ticked

HOUR = dt.timedelta(hours=1)
TWENTY_FIFTH = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
"""When those who have not sold half of it are told, without anybody saving anything."""
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

    def orders(self, subjects: Iterable[str] | None = None) -> list[tuple[str, int]]:
        """Who ordered, and how much, as the engine asks for it."""
        where = "" if subjects is None else f" WHERE subject IN ({', '.join(map(repr, [*subjects, '']))})"
        return [(who, amount) for who, amount in self._run(f"SELECT subject, amount FROM crash_order{where}")]

    def engine_of(self, batch: int = 10) -> Engine:
        return engine_of(self.store, self.orders, batch)

    def send(self, delivery: Delivery) -> None:
        boundary(f"send {delivery.id}")
        with open(self.sent, "a", encoding="utf-8") as file:
            file.write(f"{delivery.id}\n")
        boundary(f"sent {delivery.id}")

    def relay(self, **options: Any) -> Relay:
        senders = {"mail": self.send, "sms": self.send}
        return Relay(self.store, senders, at_most_once={"sms"}, **options)

    def left(self) -> dict[str, Any]:
        """What there is when all is quiet; deliveries by step, subject and channel, and how often each was
        sent under its id."""
        text = self.sent.read_text(encoding="utf-8") if self.sent.exists() else ""
        sent = Counter(text.splitlines())
        with self.store.transaction() as session:
            rows = {each.key: each for each in session.occurrences()}
            deliveries = session.deliveries()
            found = {
                "marks": len(session.claim(1_000)),
                "occurrences": sorted((each.step, each.subject, each.outcome) for each in rows.values()),
                "deliveries": sorted(
                    (rows[each.occurrence].step, each.recipient, each.channel, each.status)
                    for each in deliveries
                ),
                "sent": {
                    (rows[each.occurrence].step, each.recipient, each.channel): sent.pop(each.id, 0)
                    for each in deliveries
                },
            }
        assert not sent, f"sent under ids that nobody knows: {sent}"
        self.store.close()
        return found

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


def everybody(occurrences: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str, str]]:
    """The deliveries of what fired."""
    fired = [(step, who) for step, who, outcome in occurrences if outcome == "fired"]
    return sorted((step, who, channel, "delivered") for step, who in fired for channel in CHANNELS)


def expected_of(orders: Iterable[tuple[str, int]]) -> list[tuple[str, str, str]]:
    """What has to have occurred by the end, by ordinary sums."""
    totals: Counter[str] = Counter()
    for who, amount in orders:
        totals[who] += amount
    bounds = {"fire": TARGET, **STEPS}
    fired = [
        (step, who, "fired")
        for who, total in totals.items()
        for step, bound in bounds.items()
        if total >= bound
    ]
    due = [("due", who, "not_met" if total >= HALF else "fired") for who, total in totals.items()]
    return sorted(fired + due)


def matrix(url: str, folder: Path, each: int) -> dict[str, Any]:
    """Three orders of 400, which together reach 1,000, and one of 300, which is not half of it.

    Killed at each n-th step in turn."""

    def live(moments: list[dt.datetime], last: int = 0) -> None:
        place = Place(url, folder)
        engine = place.engine_of()
        boundary.seen.clear()
        boundary.last = last
        for number, (who, amount) in enumerate(orders):
            place.order(number, who, amount)
        for now in moments:
            ticked(engine, now)
            place.relay().run_once(now)

    orders = [("Ann", 400), ("Ann", 400), ("Bo", 300), ("Ann", 400)]
    kills, twice, lost_sms = 1 - each, 0, 0
    expected = expected_of(orders)
    parent = Place(url, folder)
    parent.make()
    while True:
        parent.clear()
        parent.store.close()
        if ended(forked(partial(live, [NOON, TWENTY_FIFTH], kills + each))):
            break
        kills += each
        assert ended(forked(partial(live, [TWENTY_FIFTH + HOUR])))
        left = parent.left()
        assert left["marks"] == 0, (kills, left)
        assert left["occurrences"] == expected, (kills, left)
        assert left["deliveries"] == everybody(expected), (kills, left)
        mails = [times for (_, _, channel), times in left["sent"].items() if channel == "mail"]
        texts = [times for (_, _, channel), times in left["sent"].items() if channel == "sms"]
        assert {*mails} <= {1, 2}, (kills, left)
        assert {*texts} <= {0, 1}, (kills, left)
        twice += 2 in mails
        lost_sms += 0 in texts
    parent.drop()
    return {"boundaries": kills, "mail_twice": twice, "sms_lost": lost_sms}


def soak(url: str, folder: Path, kills: int) -> dict[str, Any]:
    """Everybody's orders, two engines, four relays; a random process is killed again and again."""
    luck = random.Random(kills)
    Place(url, folder).make()
    stop = folder / "stop"
    amounts = [(number, luck.choice(PEOPLE), luck.randrange(50, 300)) for number in range(kills * 10)]
    begun = time.monotonic()

    def now() -> dt.datetime:
        return NOON + dt.timedelta(seconds=time.monotonic() - begun)

    def until_stopped(step: Callable[[], object]) -> None:
        while not stop.exists():
            step()
            time.sleep(0.002)

    def host() -> None:
        place = Place(url, folder)
        for each in amounts:
            place.order(*each)
            time.sleep(0.001)

    def evaluator() -> None:
        engine = Place(url, folder).engine_of(batch=3)
        until_stopped(lambda: ticked(engine, now()))

    def relay() -> None:
        its = Place(url, folder).relay(lease_seconds=0.3, most=3)
        until_stopped(lambda: its.run_once(now()))

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
    engine = place.engine_of()
    for moment in (now(), TWENTY_FIFTH):
        ticked(engine, moment)
    while place.relay().run_once(TWENTY_FIFTH + HOUR).taken:
        pass
    assert len(place.orders()) == len(amounts)
    expected = expected_of(place.orders())
    left = place.left()
    assert left["marks"] == 0
    assert left["occurrences"] == expected, (left["occurrences"], expected)
    assert left["deliveries"] == everybody(expected), left
    for (_, _, channel), times in left["sent"].items():
        assert times >= 1 if channel == "mail" else times <= 1, left
    place.drop()
    twice = sum(times > 1 for times in left["sent"].values())
    return {"kills": kills, "reached": sum(step == "fire" for step, _, _ in expected), "mail_twice": twice}


def race(url: str, folder: Path) -> dict[str, Any]:
    """Eight processes at once; all have a mark for each subject, which has reached its target."""
    place = Place(url, folder)
    place.make()
    for number, subject in enumerate(PEOPLE):
        place.order(number, subject, 1_500)
    place.store.mark([dirty(each) for each in PEOPLE * 7])
    place.store.close()

    def runner() -> None:
        ticked(Place(url, folder).engine_of(batch=2))

    children = [forked(runner) for _ in range(8)]
    for child in children:
        assert ended(child)
    left = Place(url, folder).left()
    assert left["marks"] == 0, left
    steps = ["fire", *STEPS]
    assert left["occurrences"] == sorted((step, who, "fired") for step in steps for who in PEOPLE), left
    assert len(left["deliveries"]) == 2 * len(steps) * len(PEOPLE), left
    Place(url, folder).drop()
    return {"occurrences": len(left["occurrences"])}


if __name__ == "__main__":
    engine_of(MemoryStore(), lambda _: [("Ann", 400)]).tick(NOON)  # loads all that it needs before any fork
    name, url, folder, *more = sys.argv[1:]
    programs: dict[str, Callable[..., dict[str, Any]]] = {"matrix": matrix, "soak": soak, "race": race}
    print(json.dumps(programs[name](url, Path(folder), *map(int, more))))
