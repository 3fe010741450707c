"""The `crmrules` command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from crmrules import __version__, files, frames, triggers
from crmrules.errors import CrmRulesError, MissingExtraError, shown
from crmrules.kpi.scorecard import Scorecard
from crmrules.rulebook import Rulebook, schema
from crmrules.triggers.outbox.command import outbox

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(outbox, name="outbox")
MOST_BAD_ROWS = 20
output = Console()
errors = Console(stderr=True)

Book = Annotated[Path, typer.Argument(metavar="RULEBOOK", help="The rulebook, YAML or JSON.")]
Sources = Annotated[
    list[str],
    typer.Option(
        "--source",
        "-s",
        metavar="NAME=FILE",
        help="A CSV or Parquet file for each source: records, roster, quotas; repeat it.",
    ),
]
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="Which model, where there are several.")]
PeriodKey = Annotated[
    str | None,
    typer.Option("--period", "-p", help="Only this period: 2026-11, 2026-Q4, 2026-W05, FY2026-P01."),
]
Now = Annotated[
    str | None, typer.Option("--now", help="The moment of the evaluation: 2026-11-20 or 2026-11-20T18:00.")
]


def main() -> None:
    """Run the command; the exit status is 0, 1 where rules or data are wrong, 2 for wrong usage."""
    try:
        app()
    except CrmRulesError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what is wrong, and end with status 1."""
    errors.print(Text(message, style="red" if errors.is_terminal else ""), soft_wrap=True)
    sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crmrules {__version__}")
        raise typer.Exit


@app.callback()
def root(
    wanted: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave."),
    ] = False,
) -> None:
    """Sales-performance rules: score, explain and remind by a rulebook."""


@app.command()
def score(
    rulebook: Book,
    source: Sources,
    model: ModelName = None,
    period: PeriodKey = None,
    now: Now = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the wide table to a .csv, .parquet or .json file.")
    ] = None,
) -> None:
    """Score everybody, and print the card or write it to a file."""
    writer = _writer(out) if out is not None else None
    card = Rulebook.load(rulebook).score(_read(source), model=model, period=period, now=now)
    _list_bad_rows(card)
    if writer is None:
        output.print(card.table())
    else:
        writer(*card.columns())
        output.print(f"{len(card)} rows written to {out}", highlight=False)
    for note in card.notes:
        output.print(Text(note))


@app.command()
def explain(
    rulebook: Book,
    source: Sources,
    subject: Annotated[str, typer.Option("--subject", help="Whose score.")],
    period: Annotated[
        str, typer.Option("--period", "-p", help="Of which period: 2026-11, 2026-Q4, 2026-W05, FY2026-P01.")
    ],
    model: ModelName = None,
    now: Now = None,
    all_records: Annotated[
        bool, typer.Option("--all", help="Every record, not only the first dozen.")
    ] = False,
) -> None:
    """Explain one score, down to the records that were counted and those that were not."""
    card = Rulebook.load(rulebook).score(_read(source), model=model, now=now)
    _list_bad_rows(card)
    statement = card.explain(subject, period)
    output.print(statement.in_terminal(None) if all_records else statement)


@app.command()
def remind(
    rulebook: Book,
    source: Sources,
    now: Annotated[str, typer.Option("--now", help="As of when: 2026-11-20 or 2026-11-20T18:00.")],
    as_json: Annotated[bool, typer.Option("--json", help="CloudEvents, one JSON object a line.")] = False,
) -> None:
    """List whom to tell what, as of a moment. Nothing is sent, and no clock is looked at."""
    book = Rulebook.load(rulebook)
    data = _read(source)
    cards = [book.score(data, model=model, now=now) for model in book.models]
    _list_bad_rows(*cards)
    # A trigger about a source's subjects is asked beside every card, and means the same reminder.
    decisions = [each for card in cards for each in book.decide(card, now=now)]
    people = cards[0].roster.people
    found = {each.id: each for each in triggers.intents(decisions, book.triggers, people, locale=book.locale)}
    intents = [*found.values()]
    if as_json:
        for intent in intents:
            typer.echo(json.dumps(intent.as_cloudevent(), ensure_ascii=False))
        return
    for intent in intents:
        output.print(intent)
    output.print(_counted(len(intents), "reminder"), highlight=False)
    for note in dict.fromkeys(note for card in cards for note in card.notes):
        output.print(Text(note))
    for line in _untold(decisions):
        output.print(Text(line))


@app.command()
def check(rulebook: Book) -> None:
    """Check a rulebook: everything that is wrong, with file, line, column and a hint."""
    book = Rulebook.load(rulebook)
    _ = book.working  # a country that is not known is a mistake of the rulebook, too
    counts = {
        "source": len(book.sources),
        "policy": len(book.policies),
        "measure": len(book.measures),
        "model": len(book.models),
        "trigger": len(book.triggers),
    }
    for warning in book.warnings:
        output.print(Text(f"{rulebook}: warning: {warning}"), soft_wrap=True)
    listed = ", ".join(_counted(count, name) for name, count in counts.items())
    output.print(f"{rulebook}: no problems ({listed})", highlight=False, soft_wrap=True)


@app.command(name="test")
def test_rules(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The tests, YAML or JSON; they name the rulebook.")
    ],
) -> None:
    """Run tests of a rulebook's triggers: what happens when, and who is told.

    The exit status is 0 where all pass, 1 where one fails or names what there is not, 2 for wrong usage.
    """
    from crmrules.rulebook import trial, trial_run

    tests, rules = trial.read(file)
    outcomes = trial_run.run(tests, rules)
    for each in outcomes:
        output.print(Text(str(each)), soft_wrap=True)
    failed = sum(not each.passed for each in outcomes)
    output.print(f"{_counted(len(outcomes), 'test')}, {failed} failed", highlight=False)
    if failed:
        raise typer.Exit(1)


@app.command(name="schema")
def print_schema(
    tests: Annotated[bool, typer.Option("--tests", help="That of files of tests of rules.")] = False,
) -> None:
    """Print the JSON Schema of rulebooks, for editors."""
    from crmrules.rulebook import trial

    found = trial.schema() if tests else schema()
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


@app.command()
def demo() -> None:
    """Score, explain and remind on a year of generated orders."""
    from crmrules.demo.show import show

    show(output)


def _list_bad_rows(*cards: Scorecard) -> None:
    """Name the rows that were set aside, once each, beside what the command prints or writes."""
    rows = {(row.source, row.position): row for card in cards for row in card.quarantined}
    for row in [*rows.values()][:MOST_BAD_ROWS]:
        where = f"source `{row.source}`, row {shown(row.row)}, field `{row.field}`"
        errors.print(Text(f"set aside: {where}: {shown(row.value)}: {row.reason}"), soft_wrap=True)
    if len(rows) > MOST_BAD_ROWS:
        errors.print(Text(f"and {len(rows) - MOST_BAD_ROWS:,} more rows"))


def _untold(decisions: list[triggers.Decision]) -> Iterator[str]:
    """Whom nobody could tell what fires, so that it is not lost in silence."""
    missing: dict[tuple[str, str], list[str]] = {}
    for each in decisions:
        for role in each.unreached if each.outcome == "fired" else ():
            about = missing.setdefault((each.trigger, role), [])
            if each.standing.subject not in about:
                about.append(each.standing.subject)
    for (trigger, role), subjects in missing.items():
        more = f" and {len(subjects) - 3:,} more" if len(subjects) > 3 else ""
        yield f"{trigger}: nobody is {role} of {', '.join(subjects[:3])}{more}"


def _counted(count: int, name: str) -> str:
    plural = {"policy": "policies"}.get(name, f"{name}s")
    return f"{count} {name if count == 1 else plural}"


def _read(sources: list[str]) -> dict[str, object]:
    data: dict[str, object] = {}
    for each in sources:
        name, equals, file = each.partition("=")
        if not equals or not name or not file:
            raise typer.BadParameter(
                f"{each!r}: write NAME=FILE, such as deals=deals.csv", param_hint="--source"
            )
        if name in data:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint="--source")
        data[name] = files.read_file(file)
    return data


Columns = dict[str, Any]
Kinds = dict[str, str]


def _writer(out: Path) -> Callable[[Columns, Kinds], None]:
    """How to write a table to a file, by its ending; known before any work is done."""
    writers = {".csv": _write_csv, ".parquet": _write_parquet, ".json": _write_json}
    if out.suffix.lower() not in writers:
        raise typer.BadParameter(f"{out}: the name ends with {', '.join(writers)}", param_hint="--out")
    if not out.parent.is_dir():
        raise typer.BadParameter(f"{out.parent} is no folder", param_hint="--out")
    write = writers[out.suffix.lower()]
    return lambda columns, kinds: write(out, columns, kinds)


def _listed(columns: Columns, kinds: Kinds) -> Iterator[list[object]]:
    """The rows; what is missing is None, which both CSV and JSON can say, where NaN is no JSON."""
    lists = []
    for name, values in columns.items():
        plain = [*map(frames.plain, values if isinstance(values, list) else values.tolist())]
        whole = kinds[name] == "integer"
        lists.append([int(value) if whole and value is not None else value for value in plain])  # type: ignore[call-overload]
    yield from map(list, zip(*lists, strict=True))


def _write_csv(out: Path, columns: Columns, kinds: Kinds) -> None:
    import csv

    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(_listed(columns, kinds))


def _write_json(out: Path, columns: Columns, kinds: Kinds) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in _listed(columns, kinds)]
    out.write_text(json.dumps(rows, ensure_ascii=False, indent=1, default=str), encoding="utf-8")


def _write_parquet(out: Path, columns: Columns, kinds: Kinds) -> None:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "a Parquet file") from None
    parquet.write_table(frames.like(pyarrow.table({}), columns, kinds), out)
