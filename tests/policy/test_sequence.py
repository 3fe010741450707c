"""Numbers and kinds from the order of records: every way of holding them against a plain loop."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crmrules import CrmRulesError, FieldError, Policy, RecordError, Source, frames
from crmrules.binding import bind_frame, bind_records
from crmrules.expr import Expression
from crmrules.policy import Sequence
from crmrules.policy.sequence import number_frame, number_records, schema_with

Record = dict[str, Any]
SCHEMA = {
    "id": pl.String(),
    "customer": pl.String(),
    "line": pl.String(),
    "branch": pl.Float64(),
    "day": pl.Date(),
    "moment": pl.Datetime("us"),
    "kind": pl.String(),
}
SOURCE = Source(
    fields={
        "id": {"type": "text", "role": "id"},
        "customer": "text",
        "line": "text",
        "branch": "number",
        "day": "date",
        "moment": "datetime",
        "kind": "text",
    }
)
ENGINES = ("pandas", "pandas over Arrow", "Polars", "Polars lazy", "PyArrow")
Made = Mapping[str, Callable[[pl.DataFrame], Any]]
MONTHS_BETWEEN = Expression.parse("months_between(a, b)", {"a": "date", "b": "date"})
DAYS = [dt.date(2024, 1, 31) + dt.timedelta(days=days) for days in (0, 1, 14, 28, 29, 30, 59, 60, 90, 366)]


def passed(one: dt.date, other: dt.date, length: dict[str, int]) -> bool:
    """Whether a length of time has passed from one day to another."""
    if "days" in length:
        return (other - one).days >= length["days"]
    months = MONTHS_BETWEEN({"a": one, "b": other})
    assert isinstance(months, float)
    return months >= length["months"]


def same_span(one: dt.date, other: dt.date, span: str) -> bool:
    return {
        "day": one == other,
        "week": one.isocalendar()[:2] == other.isocalendar()[:2],
        "month": (one.year, one.month) == (other.year, other.month),
        "quarter": (one.year, (one.month - 1) // 3) == (other.year, (other.month - 1) // 3),
        "year": one.year == other.year,
    }[span]


def day_of(row: Record, by: str) -> dt.date:
    value = row[by]
    return value.date() if isinstance(value, dt.datetime) else value


def by_hand(rows: list[Record], declared: dict[str, Any]) -> list[Any]:
    """The definition, record by record over all earlier records of its key."""
    per, by = declared["per"], declared["by"]
    kinds = declared.get("kinds")

    def counts(row: Record) -> bool:
        if declared.get("where") and row["kind"] == "return":
            return False
        if kinds and row["kind"] == "sample":
            return False
        if declared.get("where") and row["kind"] is None:
            return False
        return all(row[name] is not None for name in (*per, by, "id"))

    found: list[Any] = []
    for row in rows:
        if kinds and row["kind"] == "sample":
            found.append("sample")
            continue
        if not counts(row):
            found.append(None)
            continue
        chain = [each for each in rows if counts(each) and all(each[name] == row[name] for name in per)]
        chain.sort(key=lambda each: (each[by], each["id"]))
        chain = chain[: chain.index(row) + 1]
        if restart := declared.get("restart_after"):
            begin = 0
            for place in range(1, len(chain)):
                if passed(day_of(chain[place - 1], by), day_of(chain[place], by), restart):
                    begin = place
            chain = chain[begin:]
        if within := declared.get("within"):
            chain = [each for each in chain if not passed(day_of(each, by), day_of(row, by), within)]
        if kinds is None:
            found.append(float(len(chain)))
            continue
        first, new_for = day_of(chain[0], by), declared.get("new_for")
        if len(chain) == 1:
            new = True
        elif new_for is None:
            new = False
        elif isinstance(new_for, str):
            new = same_span(first, day_of(row, by), new_for)
        else:
            new = not passed(first, day_of(row, by), new_for)
        found.append("new" if new else "repeat")
    return found


records = st.lists(
    st.fixed_dictionaries(
        {
            "customer": st.sampled_from(["Acme", "王芳", None]),
            "line": st.sampled_from(["a", "b", None]),
            "branch": st.sampled_from([1.0, 2.0, None]),
            "day": st.none() | st.sampled_from(DAYS),
            "moment": st.none()
            | st.sampled_from(DAYS).map(lambda day: dt.datetime(day.year, day.month, day.day, 23)),
            "kind": st.sampled_from(["sample", "order", "return", None]),
        }
    ),
    max_size=12,
).flatmap(
    lambda rows: st.permutations(range(len(rows))).map(
        lambda order: [{"id": f"o{at}", **row} for at, row in zip(order, rows, strict=True)]
    )
)
lengths = st.sampled_from([{"months": 1}, {"months": 2}, {"days": 1}, {"days": 29}, {"days": 60}])
common = {
    "per": st.sampled_from([["customer"], ["customer", "line"], ["branch"], ["line", "branch", "customer"]]),
    "by": st.sampled_from(["day", "moment"]),
}
where = st.just("kind != 'return'")
numbers = st.fixed_dictionaries(
    common, optional={"where": where, "within": lengths, "restart_after": lengths}
)
kinds = st.fixed_dictionaries(
    {**common, "kinds": st.sampled_from([{}, {"sample": "kind == 'sample'"}])},
    optional={
        "where": where,
        "restart_after": lengths,
        "new_for": lengths | st.sampled_from(["day", "week", "month", "quarter", "year"]),
    },
)


def of_records(rows: list[Record], sequence: Sequence) -> list[Any]:
    bound = bind_records(SOURCE, rows, [*SOURCE.fields]).rows
    number_records(bound, "x", sequence, SOURCE)
    return [row["x"] for row in bound]


def of_frame(frame: Any, sequence: Sequence) -> dict[str, Any]:
    bound = bind_frame(SOURCE, frame, [*SOURCE.fields], numbered=True).frame
    numbered = number_frame(bound, "x", sequence, SOURCE)
    assert frames.is_lazy(numbered) == frames.is_lazy(bound)
    return {str(row["id"]): row["x"] for row in frames.rows_of(numbered)}


@settings(max_examples=300)
@given(rows=records, declared=numbers | kinds)
def test_records_are_numbered_as_the_definition_says(rows: list[Record], declared: dict[str, Any]) -> None:
    assert of_records(rows, Sequence(**declared)) == by_hand(rows, declared)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60)
@given(rows=records, declared=numbers | kinds)
def test_frames_are_numbered_as_the_definition_says(
    from_polars: Made, engine: str, rows: list[Record], declared: dict[str, Any]
) -> None:
    found = of_frame(from_polars[engine](pl.DataFrame(rows, SCHEMA)), Sequence(**declared))
    assert found == {row["id"]: value for row, value in zip(rows, by_hand(rows, declared), strict=True)}


@given(rows=records, declared=numbers | kinds, data=st.data())
def test_the_order_in_which_records_come_changes_nothing(
    rows: list[Record], declared: dict[str, Any], data: st.DataObject
) -> None:
    sequence = Sequence(**declared)
    plain = {row["id"]: value for row, value in zip(rows, of_records(rows, sequence), strict=True)}
    shuffled = data.draw(st.permutations(rows))
    assert {
        row["id"]: value for row, value in zip(shuffled, of_records(shuffled, sequence), strict=True)
    } == plain


@given(rows=records, per=common["per"], length=lengths)
def test_after_a_silence_the_count_starts_where_the_window_is_empty(
    rows: list[Record], per: list[str], length: dict[str, int]
) -> None:
    """A number is 1 under `restart_after` exactly where `within` the same time counts no earlier record."""
    restarted = of_records(rows, Sequence(per=per, by="day", restart_after=length))
    window = of_records(rows, Sequence(per=per, by="day", within=length))
    assert [number == 1.0 for number in restarted] == [number == 1.0 for number in window]


def orders(*days: str) -> list[Record]:
    blank = dict.fromkeys(SCHEMA)
    return [
        {**blank, "id": f"o{place}", "customer": "Acme", "day": dt.date.fromisoformat(day)}
        for place, day in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("first", "second", "restarts"),
    [
        ("2026-01-15", "2026-07-14", False),
        ("2026-01-15", "2026-07-15", True),
        ("2025-08-31", "2026-02-27", False),
        ("2025-08-31", "2026-02-28", True),  # the 31st is reached on a shorter month's last day
        ("2025-08-28", "2026-02-28", True),
        ("2026-02-28", "2026-08-27", False),
        ("2026-02-28", "2026-08-28", True),
    ],
)
def test_silence_ends_on_the_anniversary(first: str, second: str, restarts: bool) -> None:
    sequence = Sequence(per="customer", by="day", restart_after={"months": 6})
    assert of_records(orders(first, second), sequence) == [1.0, 1.0 if restarts else 2.0]


def test_the_last_twelve_months_do_not_reach_the_same_day_a_year_ago() -> None:
    sequence = Sequence(per="customer", by="day", within={"months": 12})
    assert of_records(orders("2025-03-15", "2025-03-16", "2026-03-15"), sequence) == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("new_for", "kinds_of"),
    [
        (None, ["new", "repeat", "repeat", "repeat"]),
        ({"days": 30}, ["new", "new", "repeat", "repeat"]),
        ({"days": 31}, ["new", "new", "new", "repeat"]),
        ({"months": 1}, ["new", "new", "new", "repeat"]),
        ("month", ["new", "new", "new", "repeat"]),
        ("quarter", ["new", "new", "new", "new"]),
    ],
)
def test_a_customer_stays_new_for_as_long_as_declared(new_for: Any, kinds_of: list[str]) -> None:
    sequence = Sequence(per="customer", by="day", kinds={}, new_for=new_for)
    days = ("2026-01-01", "2026-01-30", "2026-01-31", "2026-02-01")
    assert of_records(orders(*days), sequence) == kinds_of


def test_silence_is_since_the_previous_record_and_not_since_the_first() -> None:
    sequence = Sequence(per="customer", by="day", restart_after={"days": 30})
    assert of_records(orders("2026-01-01", "2026-01-30", "2026-02-28", "2026-03-30"), sequence) == [
        1.0,
        2.0,
        3.0,
        1.0,
    ]


def test_worked_case_ac_17_a_second_invoice_in_the_month_of_acquisition_makes_no_repeat_customer() -> None:
    # worked_cases.md, AC-17: frappe/erpnext customer_acquisition_and_loyalty
    from crmrules import Rulebook

    book = Rulebook.of(
        {
            "crmrules": 1,
            "sources": {
                "invoices": {
                    "fields": {
                        "number": {"type": "text", "role": "id"},
                        "company": {"type": "text", "role": "subject"},
                        "customer": "text",
                        "day": {"type": "date", "role": "date"},
                        "amount": "money(2)",
                    }
                }
            },
            "policies": {
                "counted": {
                    "default": 1,
                    "sequences": {
                        "order_kind": {"per": "customer", "by": "day", "kinds": {}, "new_for": "month"}
                    },
                }
            },
            "measures": {
                "new_customers": "nunique(customer, where=order_kind == 'new')",
                "repeat_customers": "nunique(customer, where=order_kind == 'repeat')",
                "new_revenue": "sum(amount, where=order_kind == 'new')",
                "repeat_revenue": "sum(amount, where=order_kind == 'repeat')",
            },
            "models": {
                "loyalty": {
                    "period": "month",
                    "indicators": {
                        "new_customers": {},
                        "repeat_customers": {},
                        "new_revenue": {},
                        "repeat_revenue": {},
                    },
                }
            },
        }
    )
    rows = [
        {"number": "S1", "company": "us", "customer": "new one", "day": dt.date(2017, 4, 5), "amount": 100},
        {"number": "S2", "company": "us", "customer": "new one", "day": dt.date(2017, 4, 20), "amount": 250},
    ]
    results = book.score({"invoices": rows}).standing("us", "2017-04").results
    assert {name: float(result.actual or 0) for name, result in results.items()} == {
        "new_customers": 1.0,
        "repeat_customers": 0.0,
        "new_revenue": 350.0,
        "repeat_revenue": 0.0,
    }


@pytest.mark.parametrize("engine", ["dicts", *ENGINES])
def test_a_rule_can_ask_for_the_kind(from_polars: Made, engine: str) -> None:
    policy = Policy(
        rules=[{"when": "order_kind == 'repeat'", "credit": 0.5, "because": "repeat orders count half"}],
        default=1,
        sequences={"order_kind": {"per": "customer", "by": "day", "kinds": {}}},
    )
    rows = orders("2026-01-02", "2026-01-01")
    made = from_polars[engine](pl.DataFrame(rows, SCHEMA)) if engine != "dicts" else rows
    result: Any = policy.credit(made, SOURCE)
    listed = result if engine == "dicts" else frames.rows_of(frames.wrap(result, "x"))
    assert [row["credit"] for row in listed] == [0.5, 1.0]


@pytest.mark.parametrize("engine", ["dicts", *ENGINES])
def test_a_tie_is_named_in_the_same_words(from_polars: Made, engine: str) -> None:
    rows = [{**row, "id": "same"} for row in orders("2026-01-01", "2026-01-01")]
    sequence = Sequence(per="customer", by="day")
    words = r"sequence `x`: two records tie \(customer 'Acme', day 2026-01-01, id 'same'\)"
    made = rows if engine == "dicts" else from_polars[engine](pl.DataFrame(rows, SCHEMA))
    number = of_records if engine == "dicts" else of_frame
    with pytest.raises(RecordError, match=words) as caught:
        number(made, sequence)
    assert caught.value.code == "S101"


def test_without_a_source_the_fields_of_the_kinds_are_found_and_a_record_may_bring_its_own() -> None:
    policy = Policy(
        rules=[{"when": "order_kind == 'sample'", "credit": 0, "because": "samples are free"}],
        default=1,
        sequences={"order_kind": {"per": "customer", "by": "day", "kinds": {"sample": "type == 'S'"}}},
    )
    rows = [
        {"customer": "Acme", "day": dt.date(2026, 1, day), "type": kind} for day, kind in ((1, "S"), (2, "O"))
    ]
    assert [row["credit"] for row in policy.credit(rows)] == [0.0, 1.0]
    assert policy.credit_of({**rows[1], "order_kind": "sample"}) == 0.0


def test_a_sequence_that_orders_by_nothing_but_its_key_ties() -> None:
    source = Source(fields={"customer": "text"})
    sequence = Sequence(per="customer", by="customer")
    rows: list[Any] = [{"customer": "Acme"}]
    number_records(rows, "x", sequence, source)
    assert rows[0]["x"] == 1.0
    with pytest.raises(RecordError, match=r"two records tie \(customer 'Acme'\)"):
        number_records([{"customer": "Acme"}, {"customer": "Acme"}], "x", sequence, source)


def test_a_misspelt_kind_is_refused_with_those_that_there_are() -> None:
    sequences = {"order_kind": Sequence(per="customer", by="day", kinds={"sample": "kind == 'sample'"})}
    assert schema_with(SOURCE, sequences)["order_kind"].values == ("sample", "new", "repeat")
    policy = Policy(
        rules=[{"when": "order_kind == 'repaet'", "credit": 0, "because": "so"}],
        default=1,
        sequences=sequences,
    )
    with pytest.raises(CrmRulesError, match="repeat"):
        policy.on(SOURCE)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"per": "customer", "by": "day", "new_for": "month"}, "`new_for` goes with `kinds`"),
        ({"per": "customer", "by": "day", "kinds": {}, "within": {"days": 3}}, "write restart_after"),
        ({"per": "customer", "by": "day", "kinds": {"new": "kind == 'x'"}}, "take another name"),
        ({"per": "customer", "by": "day", "within": {}}, "say how long"),
        ({"per": "customer", "by": "day", "within": {"days": 3, "months": 1}}, "say how long"),
        ({"per": "customer", "by": "day", "within": {"days": 0}}, "greater than or equal to 1"),
        ({"per": [], "by": "day"}, "`per` needs at least one field"),
        ({"per": "customer", "by": []}, "`by` needs at least one field"),
    ],
)
def test_what_makes_no_sense_is_refused(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Sequence(**declared)


@pytest.mark.parametrize(
    ("declared", "path", "said"),
    [
        ({"per": "custmer", "by": "day"}, ("per",), "did you mean `customer`"),
        (
            {"per": "customer", "by": "id", "within": {"days": 3}},
            ("within",),
            "needs a date, and `id` is text",
        ),
        ({"per": "customer", "by": "day", "where": "knd == 'x'"}, ("where",), "did you mean `kind`"),
        (
            {"per": "customer", "by": "day", "kinds": {"s": "knd == 'x'"}},
            ("kinds", "s"),
            "did you mean `kind`",
        ),
    ],
)
def test_what_does_not_fit_the_source_is_told_with_its_place(
    declared: dict[str, Any], path: tuple[str, ...], said: str
) -> None:
    sequence = Sequence(**declared)
    [(found, error)] = sequence.problems(SOURCE)
    assert found == path
    assert said in str(error)
    with pytest.raises(type(error)):
        of_records(orders("2026-01-01"), sequence)


def test_a_time_without_a_date_to_go_by_is_a_field_error() -> None:
    with pytest.raises(FieldError) as caught:
        of_records([], Sequence(per="customer", by="id", restart_after={"days": 3}))
    assert caught.value.code == "F113"


def test_a_single_record_may_bring_its_number_or_kind_along() -> None:
    number, kind = Sequence(per="customer", by="day"), Sequence(per="customer", by="day", kinds={})
    assert [number.given(value) for value in (2, 2.0, True, "new", None)] == [2.0, 2.0, None, None, None]
    assert [kind.given(value) for value in (2, "new", None)] == [None, "new", None]
