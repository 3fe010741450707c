"""Timestamps with a zone, or in UTC, fall on the day of the declared zone, as zoneinfo has it."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import polars as pl
import pydantic
import pytest

from crmrules import FieldError, Rulebook, Source
from crmrules.binding import MONTH, bind_frame, bind_records
from crmrules.frames import carried, rows_of

ZONES = ["America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Europe/Riga", "UTC"]

# The hours around the changes to and from summer time in 2026, and around midnight and the new year.
EDGES = [
    dt.datetime(2026, 3, 8, 7), dt.datetime(2026, 11, 1, 6), dt.datetime(2026, 4, 4, 15),
    dt.datetime(2026, 10, 3, 15, 30), dt.datetime(2026, 3, 29, 1), dt.datetime(2026, 10, 25, 1),
    dt.datetime(2025, 12, 31, 16), dt.datetime(2026, 1, 1, 5), dt.datetime(2024, 2, 29, 13),
]  # fmt: skip
MOMENTS = [
    (edge + dt.timedelta(minutes=minutes)).replace(tzinfo=dt.UTC)
    for edge in EDGES
    for minutes in (-90, -60, -31, -30, -1, 0, 1, 29, 30, 59, 60, 90)
]
MOMENTS += [
    dt.datetime(1972, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=4243, minutes=17, microseconds=1) * step
    for step in range(120)
]


def local(moment: dt.datetime, zone: str) -> dt.datetime:
    """The local time, by the offset that zoneinfo has for the moment."""
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return (moment + offset).replace(tzinfo=None)


def zoned(moments: list[dt.datetime | None], written: str) -> pl.DataFrame:
    return pl.DataFrame({"at": pl.Series(moments, dtype=pl.Datetime("us", "UTC"))}).with_columns(
        pl.col("at").dt.convert_time_zone(written)
    )


ENGINES: Mapping[str, Callable[[pl.DataFrame], Any]] = {
    "pandas": lambda frame: frame.to_pandas(),
    "pandas objects": lambda frame: pd.DataFrame({"at": pd.Series(frame["at"].to_list(), dtype=object)}),
    "pandas text": lambda frame: pd.DataFrame(
        {"at": [moment and moment.isoformat() for moment in frame["at"]]}
    ),
    "pandas over Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
    "Polars": lambda frame: frame,
    "Polars lazy": lambda frame: frame.lazy(),
    "PyArrow": lambda frame: frame.to_arrow(),
    "DuckDB": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("written", ["UTC", "America/New_York", "Etc/GMT+5"])
def test_a_timestamp_with_a_zone_comes_to_local_time(engine: str, zone: str, written: str) -> None:
    moments = [*MOMENTS, None]
    source = Source(fields={"at": {"type": "datetime", "role": "date"}}, zone=zone)
    expected = [None if moment is None else local(moment, zone) for moment in moments]
    rows = bind_records(source, zoned(moments, written).to_dicts(), ["at"]).rows
    assert [row["at"] for row in rows] == expected
    bound = bind_frame(source, ENGINES[engine](zoned(moments, written)), ["at"], month=True)
    found = rows_of(bound.frame)
    assert [row["at"] for row in found] == [carried(each) for each in expected]
    months = [each and float(each.year * 12 + each.month - 1) for each in expected]
    assert [row[MONTH] for row in found] == months


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("zone", ZONES)
def test_a_clock_of_utc_comes_to_local_time(engine: str, zone: str) -> None:
    source = Source(fields={"at": {"type": "datetime", "role": "date", "clock": "UTC"}}, zone=zone)
    naive = pl.DataFrame({"at": pl.Series([each.replace(tzinfo=None) for each in MOMENTS])})
    expected = [local(moment, zone) for moment in MOMENTS]
    assert [row["at"] for row in bind_records(source, naive.to_dicts(), ["at"]).rows] == expected
    bound = bind_frame(source, ENGINES[engine](naive), ["at"], month=True)
    found = rows_of(bound.frame)
    assert [row["at"] for row in found] == [carried(each) for each in expected]
    assert [row[MONTH] for row in found] == [each.year * 12.0 + each.month - 1 for each in expected]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_timestamp_without_a_zone_is_local_already(engine: str) -> None:
    source = Source(fields={"at": "datetime"}, zone="Asia/Shanghai")
    moment = dt.datetime(2026, 10, 31, 17)
    frame = pl.DataFrame({"at": [moment]})
    assert rows_of(bind_frame(source, ENGINES[engine](frame), ["at"]).frame) == [{"at": carried(moment)}]
    assert bind_records(source, [{"at": moment}], ["at"]).rows == [{"at": moment}]


@pytest.mark.parametrize("engine", ["dicts", *ENGINES])
@pytest.mark.parametrize(
    ("type", "hint"),
    [("datetime", "write zone: at the source or the rulebook"), ("date", "declare the field as datetime")],
)
def test_a_zone_that_nothing_is_said_about_is_refused(engine: str, type: str, hint: str) -> None:
    source = Source(fields={"at": type})
    frame = zoned([dt.datetime(2026, 10, 31, 17, tzinfo=dt.UTC)], "UTC")
    if type == "date" and engine == "pandas text":
        hint = "expected a date"
    bind: Any = bind_records if engine == "dicts" else bind_frame
    data = frame.to_dicts() if engine == "dicts" else ENGINES[engine](frame)
    with pytest.raises(FieldError, match=hint) as caught:
        bind(source, data, ["at"])
    assert caught.value.code == "F104"


def test_a_clock_of_utc_needs_a_zone() -> None:
    source = Source(fields={"at": {"type": "datetime", "clock": "UTC"}})
    with pytest.raises(FieldError, match="it is in UTC, and nothing says where its day is"):
        bind_records(source, [{"at": dt.datetime(2026, 1, 1)}], ["at"])
    with pytest.raises(FieldError, match="it is in UTC, and nothing says where its day is"):
        bind_frame(source, pl.DataFrame({"at": [dt.datetime(2026, 1, 1)]}), ["at"])


def test_a_clock_goes_with_timestamps_and_a_zone_is_one() -> None:
    with pytest.raises(pydantic.ValidationError, match="`clock` goes with timestamps"):
        Source(fields={"at": {"type": "date", "clock": "UTC"}})
    with pytest.raises(pydantic.ValidationError, match="is no time zone"):
        Source(fields={"at": "datetime"}, zone="Europe/Rega")


def test_a_moment_beyond_the_calendar_is_refused() -> None:
    source = Source(fields={"at": "datetime"}, zone="Asia/Shanghai")
    with pytest.raises(FieldError, match="its time zone cannot be read"):
        bind_records(source, [{"at": dt.datetime.max.replace(tzinfo=dt.UTC)}], ["at"])


BOOK = """
zone: {zone}
sources:
  orders:
    fields:
      who: {{type: text, role: subject}}
      at: {{type: datetime, role: date}}
measures: {{orders: count()}}
models:
  sales: {{period: {period}, indicators: {{orders: {{}}}}}}
"""
MIDNIGHTS = [
    (dt.datetime(2026, month, day, tzinfo=ZoneInfo(zone)) + dt.timedelta(seconds=shift)).astimezone(dt.UTC)
    for zone in ZONES
    for month, day in [(3, 8), (3, 9), (11, 1), (11, 2), (4, 5), (4, 6), (10, 4), (10, 5)]
    for shift in (-1, 0)
]


@pytest.mark.parametrize("engine", ["dicts", *ENGINES])
@pytest.mark.parametrize("period", ["day", "week", "semi_month", "month"])
@pytest.mark.parametrize("zone", ZONES)
def test_records_count_in_the_period_of_the_local_day(engine: str, period: str, zone: str) -> None:
    """The second before midnight counts on the day before, on the days of the changes of the clock, too."""
    frame = zoned([*MIDNIGHTS], "UTC")
    data = ENGINES["pandas" if engine == "dicts" else engine](frame)
    if isinstance(data, pd.DataFrame):
        data = data.assign(who="Ann")
    elif isinstance(data, pl.DataFrame | pl.LazyFrame):
        data = data.with_columns(who=pl.lit("Ann"))
    elif isinstance(data, duckdb.DuckDBPyRelation):
        data = data.project("*, 'Ann' as who")
    else:
        data = data.append_column("who", [["Ann"] * len(MIDNIGHTS)])
    if engine == "dicts":
        data = [{"who": "Ann", "at": moment} for moment in MIDNIGHTS]
    card = Rulebook.parse(BOOK.format(zone=zone, period=period)).score({"orders": data})

    def key(day: dt.date) -> str:
        match period:
            case "day":
                return day.isoformat()
            case "week":
                return "{:04d}-W{:02d}".format(*day.isocalendar())
            case "semi_month":
                return f"{day:%Y-%m}-{'A' if day.day <= 15 else 'B'}"
        return f"{day:%Y-%m}"

    expected = Counter(key(local(moment, zone).date()) for moment in MIDNIGHTS)
    found = {str(each.period): each.results["orders"].actual for each in card.standings()}
    assert {each: count for each, count in found.items() if count} == expected


def test_a_source_may_be_elsewhere_and_a_rulebook_without_a_zone_says_nothing() -> None:
    data = {"orders": [{"who": "Ann", "at": dt.datetime(2026, 10, 31, 17, tzinfo=dt.UTC)}]}
    text = BOOK.format(zone="Asia/Shanghai", period="month")
    assert [*map(str, Rulebook.parse(text).score(data).periods)] == ["2026-11"]
    moved = text.replace("  orders:\n", "  orders:\n    zone: Europe/Riga\n", 1)
    assert [*map(str, Rulebook.parse(moved).score(data).periods)] == ["2026-10"]
    bound = Rulebook.parse(text).bind("orders", at={"column": "when"})
    renamed = {"orders": [{"who": "Ann", "when": data["orders"][0]["at"]}]}
    assert [*map(str, bound.score(renamed).periods)] == ["2026-11"]
    with pytest.raises(FieldError, match="nothing says where its day is"):
        Rulebook.parse(text.replace("zone: Asia/Shanghai\n", "")).score(data)
