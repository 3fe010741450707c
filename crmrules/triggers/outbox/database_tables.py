"""The tables of a store as SQLAlchemy describes them, which Alembic can read."""

from __future__ import annotations

import datetime as dt
from typing import Any

from crmrules.errors import MissingExtraError
from crmrules.triggers.outbox.tables import (
    LOCKED,
    PREFIX,
    SCHEMA,
    TABLES,
    VERSION,
    Column,
    checked_prefix,
    index_name,
)

try:
    import sqlalchemy as sa
except ImportError:
    raise MissingExtraError("SQLAlchemy", "sqlalchemy", "a store in a database") from None
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

__all__ = ["MYSQL", "UtcTime", "metadata", "sa", "statements"]

MYSQL = ("mysql", "mariadb")
_BINARY = {"charset": "utf8mb4", "collate": "utf8mb4_bin"}
"""Without it, MySQL takes Ann and ann for one."""
_OPTIONS: dict[str, Any] = {
    f"{name}_{option}": value for name in MYSQL for option, value in {"engine": "InnoDB", **_BINARY}.items()
}


class UtcTime(sa.types.TypeDecorator[dt.datetime]):
    """A moment in UTC to the microsecond; a database without zones gets it without one."""

    impl = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *MYSQL)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        moment = value.astimezone(dt.UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def metadata(prefix: str = PREFIX) -> sa.MetaData:
    """The tables with this prefix, for `create_all` or as a target of Alembic.

    >>> sorted(metadata("crm_").tables)[:3]
    ['crm_delivery', 'crm_dirty', 'crm_event']
    """
    checked_prefix(prefix)
    found = sa.MetaData()
    for table in (*TABLES, LOCKED, SCHEMA):
        made = sa.Table(
            f"{prefix}{table.name}",
            found,
            *(_column(each, table.key) for each in table.columns),
            sqlite_autoincrement=table.columns[0].kind == "serial",
            **_OPTIONS,
        )
        if table.unique:
            name = f"{prefix}{table.name}_unique"
            made.append_constraint(sa.UniqueConstraint(*table.unique, name=name))
        for columns in table.indexes:
            sa.Index(index_name(prefix, table, columns), *(made.c[each] for each in columns))
    return found


def statements(dialect: str, prefix: str = PREFIX) -> list[str]:
    """The statements that make the tables in this database: postgresql, mysql, mariadb or sqlite."""
    speak: Any = {"postgresql": postgresql, "sqlite": sqlite}.get(dialect, mysql).dialect()
    made = []
    for table in metadata(prefix).sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=speak)).strip())
        made += [
            str(CreateIndex(each).compile(dialect=speak))
            for each in sorted(table.indexes, key=lambda index: str(index.name))
        ]
    return [*made, f"INSERT INTO {prefix}{SCHEMA.name} (version) VALUES ({VERSION})"]


def _column(column: Column, key: tuple[str, ...]) -> sa.Column[Any]:
    long = sa.Text().with_variant(mysql.LONGTEXT(), *MYSQL)
    kinds: dict[str, Any] = {
        "text": sa.String(column.length),
        "long": long,
        "json": long,
        "moment": UtcTime(),
        "number": sa.Integer(),
        "flag": sa.SmallInteger(),
        "serial": sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
    }
    return sa.Column(
        column.name,
        kinds[column.kind],
        primary_key=column.name in key,
        autoincrement=column.kind == "serial",
        nullable=column.null,
    )
