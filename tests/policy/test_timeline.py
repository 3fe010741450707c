"""Dated facts: their days, their mistakes, and the same answer on every engine."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import FieldError, Source
from crmrules.binding import bind_frame
from crmrules.frames import ROW, columns_of
from crmrules.policy.timeline import FIRST, LAST, Span, Timeline, day_number, day_of, pieces
from crmrules.types import Type

Row = dict[str, Any]

OWNERS = Source(
    name="owners",
    fields={"customer": "text", "owner": "text", "since": "date", "until": "date", "rate": "number"},
)
FIELDS = {"key": "customer", "start": "since", "end": "until"}
ORDERS = Source(name="orders", fields={"customer": "text", "closed": "date", "at": "datetime"})


def d(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def row(customer: str | None, owner: str, since: str | None, until: str | None, rate: float = 1.0) -> Row:
    return {"customer": customer, "owner": owner, "since": d(since), "until": d(until), "rate": rate}


def timeline(*rows: Row, **options: Any) -> Timeline:
    return Timeline.of(OWNERS, [*rows], **{**FIELDS, "values": ["owner"], **options})


def test_the_last_day_is_the_last_one_that_counts() -> None:
    found = timeline(row("A", "Ann", "2026-01-01", "2026-03-31"), row("A", "Bo", "2026-04-01", None))
    days = ["2025-12-31", "2026-01-01", "2026-03-31", "2026-04-01", "9999-12-31"]
    assert [found.at("A", d(day)) for day in days] == [None, ("Ann",), ("Ann",), ("Bo",), ("Bo",)]


def test_ends_before_leaves_the_day_in_to_out() -> None:
    found = timeline(row("A", "Ann", "2026-01-01", "2026-03-31"), ends="before")
    assert found.at("A", d("2026-03-30")) == ("Ann",)
    assert found.at("A", d("2026-03-31")) is None


def test_a_row_may_hold_for_one_day_and_without_ends() -> None:
    found = timeline(row("A", "Ann", "2026-05-05", "2026-05-05"), row("B", "Bo", None, None))
    assert [found.at("A", d(f"2026-05-0{day}")) for day in (4, 5, 6)] == [None, ("Ann",), None]
    assert found.at("B", dt.date.min) == found.at("B", dt.date.max) == ("Bo",)


def test_the_last_day_of_the_calendar_stands_for_no_end() -> None:
    found = timeline(row("A", "Ann", "0001-01-01", "9999-12-31"))
    assert found.at("A", dt.date.min) == found.at("A", dt.date.max) == ("Ann",)


def test_a_timestamp_counts_as_its_day() -> None:
    found = timeline(row("A", "Ann", "2026-01-01", "2026-03-31"))
    assert found.at("A", dt.datetime(2026, 3, 31, 23, 59, 59)) == ("Ann",)
    assert found.at("A", dt.datetime(2026, 4, 1)) is None


def test_without_to_each_row_holds_until_the_next() -> None:
    rates = [row("EUR", "", "2026-01-01", None, 7.8), row("EUR", "", "2026-02-01", None, 7.9)]
    found = timeline(*rates, row("USD", "", "2026-01-01", None, 7.1), end=None, values=["rate"])
    assert found.at("EUR", d("2026-01-31")) == (7.8,)
    assert found.at("EUR", d("2026-02-01")) == (7.9,)
    assert found.at("EUR", d("2025-12-31")) is None


def test_what_held_is_told_in_words() -> None:
    found = timeline(row("A", "Ann", None, "2026-03-31"), row("A", "Bo", "2026-05-01", "2026-05-01"))
    assert found.history("A") == [("to 2026-03-31", ("Ann",)), ("on 2026-05-01", ("Bo",))]
    assert found.history("B") == []


def test_latest_start_decides_an_overlap_and_the_earlier_row_holds_again_afterwards() -> None:
    found = timeline(
        row("A", "Ann", "2026-01-01", None),
        row("A", "Bo", "2026-03-01", "2026-03-31"),
        overlap="latest_start",
    )
    days = ["2026-02-28", "2026-03-01", "2026-03-31", "2026-04-01"]
    assert [found.at("A", d(day)) for day in days] == [("Ann",), ("Bo",), ("Bo",), ("Ann",)]


@pytest.mark.parametrize(
    ("rows", "options", "code", "told"),
    [
        (
            [row("A", "Ann", "2026-01-01", "2026-03-31"), row("A", "Bo", "2026-03-31", None)],
            {},
            "D103",
            "table `owners`, rows 0 (from 2026-01-01 to 2026-03-31) and 1 (from 2026-03-31 on) "
            "are both about 'A' on 2026-03-31\n  = end row 0 on 2026-03-30, or write overlap: latest_start",
        ),
        (
            [row("A", "Ann", "2026-01-01", None), row("A", "Bo", "2026-01-01", "2026-01-31")],
            {"overlap": "latest_start"},
            "D103",
            "rows 0 (from 2026-01-01 on) and 1 (from 2026-01-01 to 2026-01-31) are both about 'A' "
            "from 2026-01-01 to 2026-01-31\n  = leave one of them out, since both start on the same day",
        ),
        (
            [row("A", "Ann", "2026-04-01", "2026-03-31")],
            {},
            "D102",
            "table `owners`, row 0: customer 'A' holds from 2026-04-01 to 2026-03-31, which is no day\n"
            "  = `to` is the last day and comes no earlier than `from`; leave it empty for what still holds",
        ),
        ([row("A", "Ann", "2026-04-01", "2026-04-01")], {"ends": "before"}, "D102", "comes after `from`"),
        ([row(None, "Ann", "2026-04-01", None)], {}, "D101", "table `owners`, row 0: `customer` is missing"),
        ([], {"key": "custmer"}, "F102", "has no field `custmer`\n  = did you mean `customer`?"),
        (
            [],
            {"start": "owner"},
            "D104",
            "field `owner` is text, expected date or datetime\n  = declare it as date",
        ),
        ([], {"key": "since"}, "D104", "field `since` is date, expected text or number"),
    ],
)
def test_mistakes_are_told_with_rows_days_and_what_to_write(
    rows: list[Row], options: Row, code: str, told: str
) -> None:
    with pytest.raises(FieldError) as caught:
        timeline(*rows, **options)
    assert caught.value.code == code
    assert told in str(caught.value)


def test_rows_are_named_by_their_id_where_they_have_one() -> None:
    source = Source(name="owners", fields={**OWNERS.fields, "number": {"type": "text", "role": "id"}})
    rows = [{**row("A", owner, "2026-01-01", None), "number": f"R{owner}"} for owner in ("Ann", "Bo")]
    for data in (rows, pl.DataFrame(rows)):
        with pytest.raises(FieldError, match=r"rows 'RAnn' .* and 'RBo'"):
            Timeline.of(source, data, **FIELDS, values=["owner"])


def test_rows_that_do_not_fit_are_set_aside_where_the_source_says_so() -> None:
    source = Source(name="owners", fields=OWNERS.fields, on_bad_row="quarantine")
    rows = [row("A", "Ann", "2026-01-01", None), {**row("B", "Bo", None, None), "since": "yesterday"}]
    found = Timeline.of(source, rows, **FIELDS, values=["owner"])
    assert [bad.row for bad in found.quarantined] == [1]
    assert found.at("A", d("2026-01-01")) == ("Ann",)
    assert "B" not in found


def test_without_a_source_the_fields_are_as_the_data_has_them() -> None:
    rows = [row("A", "Ann", "2026-01-01", None)]
    for data in (rows, pd.DataFrame(rows), pl.DataFrame(rows)):
        assert Timeline.of(None, data, **FIELDS, values=["owner"]).at("A", d("2026-01-01")) == ("Ann",)


def test_a_number_can_be_a_key_and_the_table_can_be_a_frame_of_any_engine(
    from_polars: Mapping[str, Callable[[pl.DataFrame], Any]],
) -> None:
    source = Source(name="owners", fields={**OWNERS.fields, "customer": "number"})
    table = pl.DataFrame(
        [{**row("", "Ann", "2026-01-01", None), "customer": 7}, row("", "Bo", None, None) | {"customer": 8}]
    )
    orders = pl.DataFrame({"customer": [8, 7, 9, None], "closed": [d("2026-01-01")] * 4})
    declared = Source(fields={"customer": "number", "closed": "date"})
    for engine in from_polars.values():
        found = Timeline.of(source, engine(table), **FIELDS, values=["owner"])
        assert found.at(7, d("2026-01-01")) == ("Ann",)
        frame = bind_frame(declared, engine(orders), declared.fields).frame
        assert columns_of(found.beside(frame, "customer", "closed", ["@owner"]))["@owner"] == [
            "Bo",
            "Ann",
            None,
            None,
        ]


def test_lazy_frames_of_engines_without_python_are_refused_with_what_to_do() -> None:
    duckdb = pytest.importorskip("duckdb")
    relation = duckdb.sql("select 'A' as customer, 1.0 as closed")
    with pytest.raises(FieldError, match="collect the frame") as caught:
        timeline(row("A", "Ann", None, None)).beside(
            nw.from_native(relation), "customer", "closed", ["@owner"]
        )
    assert caught.value.code == "F107"


DAYS = [dt.date.min, *(dt.date(2026, 1, 1) + dt.timedelta(days) for days in range(8)), dt.date.max]
KEYS = ["A", "B", "客户"]


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Rows that do not overlap, in any order, with open ends."""
    rows: list[Row] = []
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True)):
        bounds = sorted(draw(st.lists(st.sampled_from(range(len(DAYS))), unique=True, max_size=6)))
        for first, last in zip(bounds[::2], bounds[1::2], strict=False):
            since = None if first == 0 and draw(st.booleans()) else DAYS[first]
            until = None if last == len(DAYS) - 1 and draw(st.booleans()) else DAYS[last]
            owner, rate = draw(st.sampled_from(["Ann", "Bo", None])), draw(st.sampled_from([0.5, None]))
            rows.append({"customer": key, "owner": owner, "since": since, "until": until, "rate": rate})
    return draw(st.permutations(rows))


records = st.lists(
    st.fixed_dictionaries(
        {
            "customer": st.sampled_from([*KEYS, "unknown", None]),
            "closed": st.sampled_from([*DAYS, None]),
            "at": st.sampled_from(
                [None, dt.datetime(2026, 1, 3), dt.datetime(2026, 1, 3, 23, 59, 59, 999999)]
            ),
        }
    ),
    max_size=8,
)


def by_hand(rows: list[Row], key: str | None, day: dt.date | None) -> tuple[Any, Any] | None:
    if key is None or day is None:
        return None
    day = day.date() if isinstance(day, dt.datetime) else day
    for each in rows:
        since, until = each["since"] or dt.date.min, each["until"] or dt.date.max
        if each["customer"] == key and since <= day <= until:
            return each["owner"], each["rate"]
    return None


@settings(max_examples=50)
@given(tables(), records)
def test_every_engine_finds_what_a_plain_loop_finds(
    from_polars: Mapping[str, Callable[[pl.DataFrame], Any]], rows: list[Row], orders: list[Row]
) -> None:
    found = timeline(*rows, values=["owner", "rate"])
    schema = {"customer": pl.String(), "closed": pl.Date(), "at": pl.Datetime("us")}
    expected = {at: [by_hand(rows, each["customer"], each[at]) for each in orders] for at in ("closed", "at")}
    for at, values in expected.items():
        assert [found.at(each["customer"], each[at]) for each in orders] == values
    for name, engine in from_polars.items():
        frame = bind_frame(ORDERS, engine(pl.DataFrame(orders, schema)), ORDERS.fields, numbered=True).frame
        frame = found.beside(frame, "customer", "closed", ["closed owner", "closed rate"])
        frame = found.beside(frame, "customer", "at", ["at owner", "at rate"], kind="datetime")
        wide = columns_of(frame)
        assert wide[ROW] == [*range(len(orders))], name
        for at, values in expected.items():
            assert wide[f"{at} owner"] == [each and each[0] for each in values], name
            assert wide[f"{at} rate"] == [each and each[1] for each in values], name


spans = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 9)).map(lambda at: Span("A", at[0], at[0] + at[1], (at,))),
    max_size=6,
)


@given(spans)
def test_pieces_hold_on_each_day_exactly_what_the_spans_hold(listed: list[Span]) -> None:
    by_day = {day: holding for start, end, holding in pieces(listed) for day in range(start, end)}
    for day in range(-1, 20):
        assert by_day.get(day, []) == [span for span in listed if span.start <= day < span.end]


@given(st.dates())
def test_days_are_numbered_as_bound_frames_number_them(day: dt.date) -> None:
    assert day_of(day_number(day)) == day
    assert day_number(day) == (day - dt.date(1970, 1, 1)).days
    assert FIRST <= day_number(day) < LAST


def test_a_timeline_of_spans_needs_no_table() -> None:
    # irwmedia.com/Sales-Site (worked case AC-78): a prospect is reserved for 30 days; closed within them, the
    # registrant is the sole owner, else it is open.
    start = dt.date(2026, 6, 1)
    reserved = Timeline.of_spans(
        [Span("P", day_number(start), day_number(start) + 30, ("Ann",))], [Type("text")], table="claims"
    )
    assert reserved.at("P", d("2026-06-30")) == ("Ann",)
    assert reserved.at("P", d("2026-07-01")) is None
