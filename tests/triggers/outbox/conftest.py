"""Every store that the promises are tested with; a service that does not answer is skipped."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from crmrules.triggers.outbox.database import DatabaseStore
from crmrules.triggers.outbox.memory import MemoryStore
from crmrules.triggers.outbox.sqlite import SqliteStore

URLS = {
    "postgresql": os.environ.get("CRMRULES_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"),
    "mariadb": os.environ.get("CRMRULES_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/test?charset=utf8mb4"),
}
SERVICES = [pytest.param(name, marks=pytest.mark.service) for name in URLS]
_without_answer: dict[str, str] = {}


def url_of(service: str) -> str:
    """Where a service answers, or the test is skipped with the reason."""
    if service not in _without_answer:
        engine = sa.create_engine(URLS[service], connect_args={"connect_timeout": 2})
        try:
            engine.connect().close()
            _without_answer[service] = ""
        except sa.exc.DBAPIError as error:
            _without_answer[service] = f"no {service} answers: {error.orig}".splitlines()[0]
        finally:
            engine.dispose()
    if reason := _without_answer[service]:
        pytest.skip(reason)
    return URLS[service]


@pytest.fixture(scope="session")
def made() -> Iterator[dict[str, DatabaseStore]]:
    """Stores on servers by their kind; their tables are made once, and dropped at the end."""
    stores: dict[str, DatabaseStore] = {}
    yield stores
    for store in stores.values():
        store.metadata.drop_all(store.engine)
        store.close()


@pytest.fixture(params=["memory", "sqlite", "sqlalchemy", *SERVICES])
def store(request: pytest.FixtureRequest, tmp_path: Path, made: Any) -> Iterator[Any]:
    """An empty store of each kind."""
    yield from opened(request.param, tmp_path, made)


@pytest.fixture(params=["sqlalchemy", *SERVICES])
def database(request: pytest.FixtureRequest, tmp_path: Path, made: Any) -> Iterator[Any]:
    """An empty store in a database of each kind."""
    yield from opened(request.param, tmp_path, made)


@pytest.fixture(params=SERVICES)
def server(request: pytest.FixtureRequest, tmp_path: Path, made: Any) -> Iterator[Any]:
    """An empty store in a database that many write to at once."""
    yield from opened(request.param, tmp_path, made)


def opened(kind: str, folder: Path, made: dict[str, DatabaseStore]) -> Iterator[Any]:
    if kind == "memory":
        yield MemoryStore()
    elif kind == "sqlite":
        with SqliteStore(folder / "reminders.db") as store:
            store.create_schema()
            yield store
    elif kind == "sqlalchemy":
        database = DatabaseStore(f"sqlite:///{folder / 'host.db'}")
        database.create_schema()
        yield database
        database.close()
    else:
        url = url_of(kind)
        if kind not in made:
            made[kind] = DatabaseStore(url, prefix=f"t{uuid4().hex[:12]}_")
            made[kind].create_schema()
        with made[kind].engine.begin() as connection:
            for table in made[kind].metadata.sorted_tables:
                if not table.name.endswith("_schema"):
                    connection.execute(table.delete())
        yield made[kind]
