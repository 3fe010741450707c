"""Models by every kind of period: declared in a rulebook, the same card from every engine."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from crmrules import CrmRulesError, Rulebook, RulebookError, document
from crmrules.kpi.calendar_periods import CalendarPeriods
from crmrules.kpi.model import Model
from crmrules.rulebook import schema

Engine = Callable[[list[dict[str, Any]]], Any]

DAYS = [dt.date(2023, 12, 27) + dt.timedelta(days=place * 5) for place in range(160)]
DAYS += [dt.date(2024, 2, 29), dt.date(2024, 2, 3), dt.date(2024, 2, 4), dt.date(2026, 1, 1)]

BOOK = """
sources:
  orders:
    fields:
      number: {{type: text, role: id}}
      who: {{type: text, role: subject}}
      day: {{type: {type}, role: date}}
measures: {{orders: count()}}
models:
  sales:
    period: {period}
    indicators: {{orders: {{target: 10, weight: 1}}}}
"""
TABLE = (
    "{table: [{key: T1, first: 2023-12-01, last: 2024-02-29, year: 2024}, "
    "{key: T2, first: 2024-03-01, last: 2025-06-30, year: 2024}, "
    "{key: T3, first: 2025-07-01, last: 2026-12-31, year: 2025}]}"
)


def iso_week(day: dt.date) -> str:
    return "{:04d}-W{:02d}".format(*day.isocalendar())


def semi_month(day: dt.date) -> str:
    return f"{day:%Y-%m}-{'A' if day.day <= 15 else 'B'}"


def fiscal(day: dt.date) -> str:
    return f"FY{day.year + (day.month >= 4)}-Q{(day.month - 4) % 12 // 3 + 1}"


def retail(day: dt.date) -> str:
    """Years that start on 29 January 2023 (53 weeks), 4 February 2024 and 2 February 2025."""
    starts = [dt.date(2023, 1, 29), dt.date(2024, 2, 4), dt.date(2025, 2, 2)]
    start = max(each for each in starts if each <= day)
    return f"FY{start.year}-Q{min((day - start).days // 91, 3) + 1}"


def term(day: dt.date) -> str:
    return "T1" if day < dt.date(2024, 3, 1) else "T2" if day < dt.date(2025, 7, 1) else "T3"


KINDS: Mapping[str, Callable[[dt.date], str]] = {
    "day": dt.date.isoformat,
    "week": iso_week,
    "{unit: week}": iso_week,
    "semi_month": semi_month,
    "month": lambda day: f"{day:%Y-%m}",
    "{unit: month, year_starts: 4}": lambda day: f"{day:%Y-%m}",
    "{unit: month, year_starts: 4, year_named: starts}": lambda day: (
        f"FY{day.year - (day.month < 4)}-P{(day.month - 4) % 12 + 1:02d}"
    ),
    "quarter": lambda day: f"{day.year}-Q{(day.month + 2) // 3}",
    "{unit: quarter, year_starts: 4, year_named: ends}": fiscal,
    "half": lambda day: f"{day.year}-H{(day.month + 5) // 6}",
    "year": lambda day: f"{day.year}",
    "{unit: year, year_starts: 4, year_named: ends}": lambda day: fiscal(day)[:6],
    "{weeks: 4-4-5, unit: quarter, year_ends: saturday nearest the end of january, year_named: starts}": (
        retail
    ),
    "{weeks: 13, unit: quarter, year_ends: saturday nearest the end of january, year_named: starts}": retail,
    TABLE: term,
}


def moments(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "day": dt.datetime.combine(row["day"], dt.time(23, 59, 59))} for row in records]


ENGINES: Mapping[str, Engine] = {
    "dicts": lambda records: records,
    "pandas": lambda records: pd.DataFrame(records).assign(
        day=lambda frame: pd.to_datetime(frame["day"]).astype("datetime64[ns]")
    ).set_index(pd.Index(range(100, 100 + len(records)))),
    "pandas over Arrow": lambda records: pl.DataFrame(records).to_pandas(use_pyarrow_extension_array=True),
    "pandas text": lambda records: pd.DataFrame(records).astype({"day": str}),
    "Polars": pl.DataFrame,
    "Polars lazy": pl.LazyFrame,
    "PyArrow": pa.Table.from_pylist,
    "DuckDB": lambda records: duckdb.from_arrow(pa.Table.from_pylist(records)),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("period", KINDS)
@pytest.mark.parametrize("type", ["date", "datetime"])
def test_every_engine_counts_records_in_the_periods_of_their_days(
    engine: str, period: str, type: str
) -> None:
    days = [day for day in DAYS if day.year < 2026] if period.startswith("{weeks") else DAYS
    records = [
        {"number": str(place), "who": "Bo" if place % 3 else "Ann", "day": day}
        for place, day in enumerate(days)
    ]
    data = ENGINES[engine](moments(records) if type == "datetime" else records)
    card = Rulebook.parse(BOOK.format(type=type, period=period)).score({"orders": data})
    expected = Counter((row["who"], KINDS[period](row["day"])) for row in records)
    found = {
        (standing.subject, str(standing.period)): standing.results["orders"].actual
        for standing in card.standings()
    }
    assert {key: value for key, value in found.items() if value} == expected
    keys = [*map(str, card.periods)]
    assert keys == sorted(keys)
    key = max(key for who, key in expected if who == "Bo")
    only = Rulebook.parse(BOOK.format(type=type, period=period)).score({"orders": data}, period=key)
    assert only.standing("Bo", key).results["orders"].actual == expected["Bo", key]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_record_in_a_gap_is_refused_by_its_name(engine: str) -> None:
    period = TABLE.replace("2024-03-01", "2024-03-05").replace("]}", "], gaps: allowed}")
    book = Rulebook.parse(BOOK.format(type="date", period=period))
    days = {"A1": dt.date(2024, 2, 29), "A2": dt.date(2024, 3, 4), "A3": dt.date(2024, 3, 5)}
    records = [{"number": number, "who": "Ann", "day": day} for number, day in days.items()]
    data = {"orders": ENGINES[engine](records)}
    with pytest.raises(CrmRulesError) as caught:
        book.score(data)
    assert caught.value.code == "P102"
    assert "'A2'" in caught.value.message
    assert "2024-03-04" in caught.value.message
    assert "T1 ends on 2024-02-29 and T2 begins on 2024-03-05" in caught.value.hint
    # Asked for one period, what lies outside it does not matter.
    assert book.score(data, period="T2").standing("Ann", "T2").results["orders"].actual == 1
    assert book.score(data, now=dt.date(2024, 3, 1)).standing("Ann", "T1").results["orders"].actual == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_sums_since_the_start_of_a_fiscal_year(engine: str) -> None:
    text = BOOK.replace("indicators: {{", "indicators: {{so_far: {{value: ytd(orders)}}, ")
    book = Rulebook.parse(text.format(type="date", period="{unit: month, year_starts: 4}"))
    days = [dt.date(2026, 2, 1), dt.date(2026, 3, 31), dt.date(2026, 4, 1), dt.date(2026, 6, 1)]
    records = [{"number": str(day), "who": "Ann", "day": day} for day in days]
    card = book.score({"orders": ENGINES[engine](records)})
    found = [card.standing("Ann", key).results["so_far"].actual for key in map(str, card.periods)]
    assert found == [1, 2, 1, 1, 2]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("period", ["week", "semi_month", TABLE])
def test_a_record_without_a_date_is_refused_by_its_name(engine: str, period: str) -> None:
    book = Rulebook.parse(BOOK.format(type="date", period=period))
    records = [{"number": "A1", "who": "Ann", "day": dt.date(2024, 2, 29)}]
    records += [{"number": "A2", "who": "Ann", "day": None}]
    with pytest.raises(CrmRulesError) as caught:
        book.score({"orders": ENGINES[engine](records)})
    assert caught.value.code == "M102"
    assert "'A2'" in caught.value.message


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("period", "keys"),
    [("week", ["2024-W05"]), ("semi_month", ["2024-01-B"]), ("month", ["2024-01"]), (TABLE, ["T1"])],
)
def test_a_return_counts_in_the_period_of_its_original(engine: str, period: str, keys: list[str]) -> None:
    text = BOOK.replace(
        "measures:",
        """\
      original: text
policies:
  counted:
    returns: {{original: original, when: not is_null(original), period: original}}
    default: 1
measures:""",
    )
    book = Rulebook.parse(text.format(type="date", period=period))
    records = [
        {"number": "A1", "who": "Ann", "day": dt.date(2024, 1, 30), "original": None},
        {"number": "R1", "who": "Ann", "day": dt.date(2024, 5, 30), "original": "A1"},
    ]
    card = book.score({"orders": ENGINES[engine](records)})
    assert [*map(str, card.periods)] == keys
    assert card.standing("Ann", keys[0]).results["orders"].actual == 2


def test_the_published_schema_knows_every_kind() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra `dev`")
    validator = jsonschema.Draft202012Validator(schema())
    for period in KINDS:
        data = document.parse(BOOK.format(type="date", period=period), "book").data
        as_json = json.loads(json.dumps(data, default=str))
        assert [*validator.iter_errors(as_json)] == []


@pytest.mark.parametrize(
    ("period", "last"), [("day", "2026-01-10"), ("week", "2050-01-01"), ("semi_month", "2050-01-01")]
)
def test_a_date_far_from_the_others_is_taken_for_mistyped(period: str, last: str) -> None:
    book = Rulebook.parse(BOOK.format(type="date", period=period))
    records = [{"number": "A1", "who": "Ann", "day": "2016-01-10"}]
    assert len(book.score({"orders": [*records, {"number": "A2", "who": "Ann", "day": last}]})) > 800
    with pytest.raises(CrmRulesError) as caught:
        book.score({"orders": [*records, {"number": "A2", "who": "Ann", "day": "2226-01-10"}]})
    assert caught.value.code == "M106"


def test_a_key_asks_for_a_period_of_the_model() -> None:
    book = Rulebook.parse(BOOK.format(type="date", period="{unit: year, year_starts: 4, year_named: ends}"))
    with pytest.raises(CrmRulesError) as caught:
        book.score({"orders": []}, period="2026")
    assert (caught.value.code, caught.value.hint) == ("P101", "write it as FY2026")
    assert len(book.score({"orders": []}, period="FY2026")) == 0


@pytest.mark.parametrize(
    ("period", "code", "hint"),
    [
        ("monthly", "B204", "did you mean `month`?"),
        ("{unit: mnth}", "B204", "did you mean `month`?"),
        ("{unit: month, year_start: 4}", "B201", "did you mean `year_starts`?"),
        ("{unit: year, year_starts: 4}", "B203", "write year_named: ends, or year_named: starts"),
        ("{weeks: 4-4-6, year_ends: last saturday of december}", "B204", "4-4-5"),
        ("{weeks: 4-4-5}", "B202", "year_ends"),
        ("{weeks: 4-4-5, year_ends: last day of december}", "B203", "last saturday of january"),
        ("{table: []}", "B204", ""),
        ("{table: [{key: T1, first: 2026-01-01}]}", "B202", "last"),
        ("5", "B203", "write period: month"),
    ],
)
def test_a_mistyped_kind_of_period_is_said_where_it_stands(period: str, code: str, hint: str) -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(BOOK.format(type="date", period=period))
    (problem,) = caught.value.problems
    assert problem.code == code
    assert hint in problem.hint
    assert problem.place is not None
    assert problem.place.line == 11


def test_a_model_takes_periods_as_values() -> None:
    quarter = CalendarPeriods(unit="quarter", year_starts=4, year_named="ends")
    model = Model(period=quarter, indicators={"orders": {}})
    assert model.period == quarter
    assert Model.model_validate(model.model_dump()).period == quarter
