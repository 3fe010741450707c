"""Statements and rows as SQLite takes and gives them."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from crmrules.triggers.outbox.tables import (
    LOCKED,
    PREFIX,
    SCHEMA,
    TABLES,
    VERSION,
    Record,
    Row,
    Table,
    index_name,
)

_TYPES = {
    "text": "VARCHAR({length})",
    "long": "TEXT",
    "json": "TEXT",
    "moment": "DATETIME",
    "number": "INTEGER",
    "flag": "INTEGER",
    "serial": "INTEGER",
}
_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
"""Of moments, which sort as they follow each other; it is SQLAlchemy's, so both can read one file."""


def ddl(prefix: str = PREFIX) -> list[str]:
    """The statements that make the tables, for a database that has none of them."""
    statements = []
    for table in (*TABLES, LOCKED, SCHEMA):
        name = f"{prefix}{table.name}"
        lines = [
            f"{each.name} {_TYPES[each.kind].format(length=each.length)}{'' if each.null else ' NOT NULL'}"
            for each in table.columns
        ]
        if table.columns[0].kind == "serial":
            lines[0] = f"{table.columns[0].name} INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
        else:
            lines.append(f"PRIMARY KEY ({', '.join(table.key)})")
        if table.unique:
            lines.append(f"UNIQUE ({', '.join(table.unique)})")
        statements.append(f'CREATE TABLE "{name}" (\n  ' + ",\n  ".join(lines) + "\n)")
        statements += [
            f'CREATE INDEX "{index_name(prefix, table, columns)}" ON "{name}" ({", ".join(columns)})'
            for columns in table.indexes
        ]
    return [*statements, f'INSERT INTO "{prefix}{SCHEMA.name}" (version) VALUES ({VERSION})']


UNLESS_THERE = " ON CONFLICT DO NOTHING"


def insert(name: str, rows: Sequence[Row]) -> str:
    columns = [*rows[0]] if rows else ["tenant"]
    values = ", ".join(f":{each}" for each in columns)
    return f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({values}){UNLESS_THERE}"


def update(name: str, table: Table[Any], row: Row) -> str:
    changed = ", ".join(f"{each} = :{each}" for each in row if each not in table.key)
    keys = " AND ".join(f"{each} = :{each}" for each in table.key)
    return f"UPDATE {name} SET {changed} WHERE {keys} AND revision = :revision - 1"


def text(moment: dt.datetime) -> str:
    return moment.strftime(_FORMAT)


def stored(table: Table[Record], record: Record) -> Row:
    row = table.row(record)
    return {name: text(each) if isinstance(each, dt.datetime) else each for name, each in row.items()}


def records(table: Table[Record], rows: Iterable[sqlite3.Row]) -> list[Record]:
    moments = [each.name for each in table.columns if each.kind == "moment"]
    read = []
    for found in rows:
        row = dict(found)
        for name in moments:
            if row[name] is not None:
                row[name] = dt.datetime.fromisoformat(row[name]).replace(tzinfo=dt.UTC)
        read.append(row)
    return [*table.records(read)]


@contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that is the only one to write from its beginning, so that it never has to give way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
