"""The command: what it prints and writes, and how it ends."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as parquet
import pytest

from crmrules import __version__, document
from crmrules.cli import main

PROJECT = Path(__file__).parents[1]
BOOK = """\
sources:
  orders:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      kind: text
      amount: money(2)
      hours: number
  team:
    fields:
      who: {type: text, role: subject}
      manager: {type: text, role: manager}
roster: team
policies:
  counted:
    source: orders
    rules:
      - {name: sample, when: kind == 'sample', credit: 0, because: samples are free}
    default: 1
measures:
  revenue: sum(amount)
  cycle: mean(hours)
  last: max(day)
models:
  sales:
    indicators:
      revenue: {target: 100, weight: 1, curve: {cap: 150}}
      cycle: {}
      last: {}
triggers:
  hit: {kind: reached, indicator: revenue, tell: [subject, manager]}
"""
ORDERS = """\
number,who,day,kind,amount,hours
N1,Ann,2026-11-03,standard,50.00,
N2,王芳,2026-11-04,standard,120.50,3
N3,Ann,2026-11-05,sample,10.00,1
"""
TEAM = "who,manager\nAnn,Max\n王芳,Max\n李雷,Max\n"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    (tmp_path / "plan.yaml").write_text(BOOK, encoding="utf-8")
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "team.csv").write_text(TEAM, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["crmrules", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return command


DATA = ("-s", "orders=orders.csv", "-s", "team=team.csv")


def test_score_prints_everybody_the_best_first(run: Run) -> None:
    done = run("score", "plan.yaml", *DATA)
    assert (done.returncode, done.stderr) == (0, "")
    ranked = [line.split()[:2] for line in done.stdout.splitlines() if re.match(r" *\d+ ", line)]
    assert ranked == [["1", "王芳"], ["2", "Ann"], ["3", "李雷"]]
    assert "120.50" in done.stdout


EXPECTED = {
    "Ann": (50.0, 50.0, None, "2026-11-03", 2),
    "李雷": (0.0, 0.0, None, None, 3),
    "王芳": (120.5, 120.5, 3.0, "2026-11-04", 1),
}


def test_score_writes_csv(run: Run, tmp_path: Path) -> None:
    assert run("score", "plan.yaml", *DATA, "--out", "card.csv").returncode == 0
    with (tmp_path / "card.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    found = {row["subject"]: row for row in rows}
    assert found.keys() == EXPECTED.keys()
    for who, (revenue, score, cycle, last, rank) in EXPECTED.items():
        row = found[who]
        assert (float(row["revenue"]), float(row["score"]), int(row["rank"])) == (revenue, score, rank)
        assert row["cycle"] == ("" if cycle is None else str(cycle))
        assert row["last"] == (last or "")


def test_score_writes_json_that_every_reader_takes(run: Run, tmp_path: Path) -> None:
    assert run("score", "plan.yaml", *DATA, "--out", "card.json").returncode == 0

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    rows = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"), parse_constant=refuse)
    found = {
        row["subject"]: (row["revenue"], row["score"], row["cycle"], row["last"], row["rank"]) for row in rows
    }
    assert found == EXPECTED


def test_score_writes_parquet_with_types_and_nulls(run: Run, tmp_path: Path) -> None:
    assert run("score", "plan.yaml", *DATA, "--out", "card.parquet").returncode == 0
    table = parquet.read_table(tmp_path / "card.parquet")
    kinds = {name: str(table.schema.field(name).type) for name in ("revenue", "rank", "last", "grade")}
    assert (kinds["revenue"], kinds["rank"], kinds["last"]) == ("double", "int64", "date32[day]")
    assert "string" in kinds["grade"]
    found = {row["subject"]: row for row in table.to_pylist()}
    assert {who: row["cycle"] for who, row in found.items()} == {"Ann": None, "李雷": None, "王芳": 3.0}


def test_parquet_in_gives_the_same_as_csv(run: Run, tmp_path: Path) -> None:
    pl.read_csv(tmp_path / "orders.csv", try_parse_dates=True).write_parquet(tmp_path / "orders.parquet")
    typed = run("score", "plan.yaml", "-s", "orders=orders.parquet", "-s", "team=team.csv")
    assert typed.returncode == 0
    assert typed.stdout == run("score", "plan.yaml", *DATA).stdout


def test_a_rulebook_may_be_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(document.parse(BOOK).data), encoding="utf-8")
    assert run("score", "plan.json", *DATA).stdout == run("score", "plan.yaml", *DATA).stdout


def test_explain_shows_what_was_counted_and_what_was_not_and_why(run: Run) -> None:
    done = run("explain", "plan.yaml", *DATA, "--subject", "Ann", "--period", "2026-11")
    assert done.returncode == 0
    counted, _, excluded = done.stdout.partition("Not counted: 1")
    assert "N1" in counted
    assert "N3" in excluded
    assert "samples are free" in excluded


def test_explain_shows_every_record_when_asked(run: Run, tmp_path: Path) -> None:
    lines = [f"X{number:03},Ann,2026-11-06,standard,1.00,1" for number in range(30)]
    (tmp_path / "orders.csv").write_text("\n".join([ORDERS.strip(), *lines]), encoding="utf-8")
    some = run("explain", "plan.yaml", *DATA, "--subject", "Ann", "--period", "2026-11")
    every = run("explain", "plan.yaml", *DATA, "--subject", "Ann", "--period", "2026-11", "--all")
    assert "X029" not in some.stdout
    assert "X029" in every.stdout


def test_remind_lists_whom_to_tell(run: Run) -> None:
    done = run("remind", "plan.yaml", *DATA, "--now", "2026-11-20")
    assert done.returncode == 0
    assert "王芳" in done.stdout
    assert "2 reminders" in done.stdout
    assert "0 reminders" in run("remind", "plan.yaml", *DATA, "--now", "2026-11-03").stdout


def test_remind_names_the_roles_that_nobody_holds(run: Run, tmp_path: Path) -> None:
    done = run("remind", "plan.yaml", "-s", "orders=orders.csv", "--now", "2026-11-20")
    assert done.returncode == 0
    assert "1 reminder\nwithout `team`, nobody who has no record is on the card" in done.stdout
    assert done.stdout.endswith("hit: nobody is manager of 王芳\n")
    assert "nobody is" not in run("remind", "plan.yaml", *DATA, "--now", "2026-11-20").stdout
    more = "".join(f"X{place},P{place},2026-11-06,standard,200.00,1\n" for place in range(5))
    (tmp_path / "orders.csv").write_text(ORDERS + more, encoding="utf-8")
    found = run("remind", "plan.yaml", "-s", "orders=orders.csv", "--now", "2026-11-20")
    assert found.stdout.endswith("hit: nobody is manager of P0, P1, P2 and 3 more\n")


def test_a_reminder_fits_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = run("remind", "plan.yaml", *DATA, "--now", "2026-11-20").stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].startswith("● ")
    assert lines[1].startswith("  "), "it goes on below its beginning"


def test_remind_writes_a_cloudevent_a_line(run: Run) -> None:
    done = run("remind", "plan.yaml", *DATA, "--now", "2026-11-20", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == len({event["id"] for event in events}) == 2
    assert {event["specversion"] for event in events} == {"1.0"}
    assert run("remind", "plan.yaml", *DATA, "--now", "2026-11-20", "--json").stdout == done.stdout


def test_remind_tells_once_of_what_stands_beside_several_models(tmp_path: Path, run: Run) -> None:
    (tmp_path / "quiet.yaml").write_text(
        """
sources: {calls: {fields: {who: {type: text, role: subject}, day: {type: date, role: date}}}}
measures: {calls: count()}
models:
  months: {indicators: {calls: {target: 5, weight: 1}}}
  years: {period: year, indicators: {calls: {target: 50, weight: 1}}}
triggers: {silent: {kind: inactive, source: calls, silent: {days: 5}}}
""",
        encoding="utf-8",
    )
    (tmp_path / "calls.csv").write_text("who,day\nAnn,2026-11-03\n", encoding="utf-8")
    source = f"calls={tmp_path / 'calls.csv'}"
    done = run("remind", str(tmp_path / "quiet.yaml"), "--source", source, "--now", "2026-11-20")
    assert "Ann has been silent for 17 days" in done.stdout
    assert "1 reminder\n" in done.stdout


def test_check_counts_what_is_there(run: Run) -> None:
    done = run("check", "plan.yaml")
    assert done.returncode == 0
    assert "2 sources, 1 policy, 3 measures, 1 model, 1 trigger" in done.stdout


def test_check_notices_a_country_without_calendar(run: Run, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text("calendars: {here: {country: XX}}\n" + BOOK, encoding="utf-8")
    done = run("check", "far.yaml")
    assert done.returncode == 1
    assert "W102" in done.stderr


def test_the_command_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "crmrules", "--version"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout.strip()) == (0, f"crmrules {__version__}")


def test_check_warns_of_rules_that_can_never_decide(run: Run, tmp_path: Path) -> None:
    shadowed = "kind == 'sample' and hours > 1, credit: 0.5, because: never"
    again = BOOK.replace(
        "    default: 1\n", f"      - {{name: twice, when: {shadowed}}}\n    default: 1\n", 1
    )
    (tmp_path / "again.yaml").write_text(again, encoding="utf-8")
    done = run("check", "again.yaml")
    assert done.returncode == 0
    assert "warning: policy `counted`:" in done.stdout
    assert "twice" in done.stdout
    assert "sample" in done.stdout
    assert "warning" not in run("check", "plan.yaml").stdout


def test_check_prints_every_mistake_with_its_place(run: Run, tmp_path: Path) -> None:
    wrong = BOOK.replace("sum(amount)", "sum(amout)").replace("kind == 'sample'", "kind ==")
    (tmp_path / "wrong.yaml").write_text(wrong, encoding="utf-8")
    done = run("check", "wrong.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    for word in ("amout", "kind =="):
        line = 1 + wrong[: wrong.index(word)].count("\n")
        assert re.search(rf"^wrong\.yaml:{line}:\d+: error\[E\d+\]", done.stderr, re.M), done.stderr
    assert "^^^^^" in done.stderr
    assert "did you mean `amount`?" in done.stderr
    assert "2 problems" in done.stderr


def test_schema_prints_json(run: Run) -> None:
    done = run("schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["$schema"].startswith("https://json-schema.org/")


def test_demo_prints_card_explanation_and_reminders_in_under_five_seconds() -> None:
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r}); from crmrules.cli import main; main()"
    # Time on the processor: what else the machine does is not the demonstration's.
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code, "demo"], capture_output=True, encoding="utf-8")
    after = os.times()
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("Scorecard", "Not counted", "samples are free", "样品单不计", "Alice Turner"):
        assert part in done.stdout
    assert after.children_user + after.children_system - before.children_user - before.children_system < 5


FILES = {
    "broken.csv": b'number,who\nN1,"Ann\n',
    "empty.csv": b"",
    "latin.csv": "number,who,day,kind,amount,hours\nN1,J\xfcrgen,2026-11-03,a,1,1\n".encode("latin-1"),
    "short.csv": b"number,who,kind,amount,hours\nN1,Ann,a,1,1\n",
    "worded.csv": b"number,who,day,kind,amount,hours\nN7,Ann,2026-11-03,a,much,1\n",
    "no.parquet": b"PAR0",
    "orders.xlsx": b"PK",
}
WRONG = {
    "missing file": (["-s", "orders=nowhere.csv"], "nowhere.csv: No such file"),
    "broken CSV": (["-s", "orders=broken.csv"], "broken.csv"),
    "empty CSV": (["-s", "orders=empty.csv"], "empty.csv"),
    "not UTF-8": (["-s", "orders=latin.csv"], "is not UTF-8"),
    "broken Parquet": (["-s", "orders=no.parquet"], "no.parquet"),
    "another kind of file": (["-s", "orders=orders.xlsx"], "not a CSV or Parquet file"),
    "unknown source": (["-s", "order=orders.csv"], "did you mean `orders`?"),
    "missing source": (["-s", "team=team.csv"], "--source orders=FILE"),
    "missing column": (["-s", "orders=short.csv"], "no column `day`"),
    "wrong value": (["-s", "orders=worded.csv"], "column `amount`, row 'N7': 'much'"),
    "bad period": ([*DATA, "--period", "Nov"], "write it as 2026-11"),
    "period of another unit": ([*DATA, "--period", "2026-Q4"], "'2026-Q4' is not a month"),
    "bad moment": ([*DATA, "--now", "today"], "write 2026-11-20"),
    "unknown model": ([*DATA, "--model", "sale"], "did you mean `sales`?"),
}
USAGE = {
    "no source": ["score", "plan.yaml"],
    "source without a file": ["score", "plan.yaml", "-s", "orders"],
    "source twice": ["score", "plan.yaml", *DATA, *DATA],
    "unknown ending": ["score", "plan.yaml", *DATA, "--out", "card.xls"],
    "unknown folder": ["score", "plan.yaml", *DATA, "--out", "nowhere/card.csv"],
    "unknown command": ["scores"],
    "unknown option": ["score", "plan.yaml", *DATA, "--periods", "2026"],
    "no moment": ["remind", "plan.yaml", *DATA],
    "no subject": ["explain", "plan.yaml", *DATA, "--period", "2026-11"],
}


@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_data_ends_with_1_and_a_sentence(run: Run, tmp_path: Path, mistake: str) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    arguments, message = WRONG[mistake]
    done = run("score", "plan.yaml", *arguments)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert re.match(r"error\[[A-Z]\d{3}\]: ", done.stderr)


@pytest.mark.parametrize("mistake", USAGE)
def test_wrong_usage_ends_with_2_and_writes_nothing(run: Run, tmp_path: Path, mistake: str) -> None:
    before = {*tmp_path.iterdir()}
    done = run(*USAGE[mistake])
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage" in done.stderr
    assert "Traceback" not in done.stderr
    assert {*tmp_path.iterdir()} == before


def test_a_missing_rulebook_and_an_unknown_person_end_with_1(run: Run) -> None:
    book = run("check", "nowhere.yaml")
    assert (book.returncode, book.stdout) == (1, "")
    assert "nowhere.yaml" in book.stderr
    person = run("explain", "plan.yaml", *DATA, "--subject", "An", "--period", "2026-11")
    assert person.returncode == 1
    assert "did you mean `Ann`?" in person.stderr


def test_help_lists_the_commands(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in ("score", "explain", "remind", "check", "schema", "demo"):
        assert name in done.stdout


def test_the_version_is_that_of_the_package(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"crmrules {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("score",),
        ("score", "--out", "card.json"),
        ("explain", "--subject", "Ann", "--period", "2026-11"),
        ("remind", "--now", "2026-11-20"),
    ],
)
def test_rows_that_are_set_aside_are_named_once(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    book = tmp_path / "careful.yaml"
    careful = BOOK.replace("      hours: number\n", "      hours: number\n    on_bad_row: quarantine\n")
    book.write_text(careful, encoding="utf-8")
    bad = "".join(f"B{number},Ann,2026-11-31,standard,1.00,\n" for number in range(25))
    (tmp_path / "orders.csv").write_text(ORDERS + bad, encoding="utf-8")
    command, *rest = arguments
    done = run(command, "careful.yaml", "--source", "orders=orders.csv", *rest)
    assert done.returncode == 0
    named = [line for line in done.stderr.splitlines() if line.startswith("set aside")]
    assert named[0] == (
        "set aside: source `orders`, row 'B0', field `day`: '2026-11-31': expected a date like 2026-01-31"
    )
    assert len(named) == 20
    assert "and 5 more rows" in done.stderr
    assert "set aside: source" not in done.stdout
