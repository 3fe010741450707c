"""The `crmrules outbox` commands: the tables of reminders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crmrules.errors import CrmRulesError
from crmrules.triggers.outbox.tables import PREFIX, VERSION, checked_prefix

outbox = typer.Typer(no_args_is_help=True, help="The tables that reminders are kept in.")

SQLITE = "sqlite:///"


@outbox.callback()
def _group() -> None:
    """The tables that reminders are kept in."""


@outbox.command()
def init(
    url: Annotated[
        str,
        typer.Option(
            help="The database: sqlite:///reminders.db, postgresql+psycopg://…, mysql+pymysql://…; "
            "with --print its kind is enough: postgresql, mysql, sqlite."
        ),
    ],
    prefix: Annotated[str, typer.Option(help="Before each table's name.")] = PREFIX,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the statements, and change nothing.")
    ] = False,
) -> None:
    """Make the tables of reminders, or bring older ones to this version."""
    if print_only:
        for statement in _statements(url, checked_prefix(prefix)):
            typer.echo(f"{statement};\n")
        return
    if url.startswith("sqlite:") and url.removeprefix(SQLITE) in ("", "sqlite://", "sqlite:", ":memory:"):
        what = f"{url} names no file, and its tables would be gone at once"
        raise CrmRulesError("O104", what, hint=f"write {SQLITE}reminders.db")
    if url.startswith(SQLITE):
        from crmrules.triggers.outbox.sqlite import SqliteStore

        path = Path(url.removeprefix(SQLITE))
        if not path.parent.is_dir():
            raise CrmRulesError("O104", f"there is no folder {path.parent}", hint="make it first")
        with SqliteStore(path, prefix=prefix) as store:
            store.create_schema()
    else:
        _init_database(url, prefix)
    typer.echo(f"the tables {prefix}… are of version {VERSION}")


def _init_database(url: str, prefix: str) -> None:
    from crmrules.triggers.outbox.database import DatabaseStore
    from crmrules.triggers.outbox.database_tables import sa

    try:
        database = DatabaseStore(url, prefix=prefix)
        database.create_schema()
        database.close()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        hint = "write such as postgresql+psycopg://user:password@host/database, and install its driver"
        raise CrmRulesError(
            "O104", f"the address of the database cannot be used: {error}", hint=hint
        ) from None
    except sa.exc.DBAPIError as error:
        # The driver's own words: SQLAlchemy's repeat the statement, and none of them the password.
        raise CrmRulesError("O104", f"the database refused: {error.orig}", hint="look at --url") from None


def _statements(url: str, prefix: str) -> list[str]:
    dialect = url.split(":", 1)[0].split("+", 1)[0]
    if dialect == "sqlite":
        from crmrules.triggers.outbox.sqlite_rows import ddl

        return ddl(prefix)
    from crmrules.triggers.outbox.database import KNOWN
    from crmrules.triggers.outbox.database_tables import statements

    if dialect not in KNOWN:
        hint = f"there is {', '.join(KNOWN)}"
        raise CrmRulesError("O104", f"{dialect!r} is no database that reminders are kept in", hint=hint)
    return statements(dialect, prefix)
