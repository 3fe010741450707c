"""Payees by a table of owners with dates: on records and frames, in lines, sums and a rulebook."""

import datetime as dt
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import FieldError, Policy, RecordError, Rulebook, RulebookError, Source

SOURCE = Source.model_validate(
    {
        "name": "orders",
        "fields": {
            "number": {"type": "text", "role": "id"},
            "who": {"type": "text", "role": "subject"},
            "day": {"type": "date", "role": "date"},
            "customer": "text",
            "kind": "text",
        },
    }
)
OWNERS = [
    {"customer": "ACME", "rep": "Ann", "since": dt.date(2026, 1, 10), "until": dt.date(2026, 3, 31)},
    {"customer": "ACME", "rep": "Bo", "since": dt.date(2026, 4, 1), "until": None},
    {"customer": "Baker", "rep": "王芳", "since": None, "until": dt.date(2026, 2, 28)},
]
RULE = {"table": "owners", "key": "customer", "owner": "rep", "from": "since", "to": "until"}
SCHEMA = {"number": pl.String, "who": pl.String, "day": pl.Date, "customer": pl.String, "kind": pl.String}
ENGINES: dict[str, Any] = {
    "dicts": lambda rows: rows,
    "pandas": lambda rows: pl.DataFrame(rows, SCHEMA).to_pandas(),
    "pandas over Arrow": lambda rows: pl.DataFrame(rows, SCHEMA).to_pandas(use_pyarrow_extension_array=True),
    "Polars": lambda rows: pl.DataFrame(rows, SCHEMA),
    "Polars lazy": lambda rows: pl.LazyFrame(rows, SCHEMA),
    "PyArrow": lambda rows: pl.DataFrame(rows, SCHEMA).to_arrow(),
}


def policy(**more: Any) -> Policy:
    return Policy.model_validate(
        {
            "payees": {"ownership": {**RULE, **more}},
            "rules": [{"name": "sample", "when": "kind == 'sample'", "credit": 0, "because": "free"}],
            "default": 1,
        }
    )


def read(lines: Any) -> list[tuple[Any, ...]]:
    if isinstance(lines, pl.LazyFrame):
        lines = lines.collect()
    if isinstance(lines, pd.DataFrame):
        lines = pl.from_pandas(lines)
    rows = lines if isinstance(lines, list) else pl.DataFrame(lines).to_dicts()
    return [(row["number"], row["payee"], row["share"]) for row in rows]


rows = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.sampled_from(["Cy", None]),
            "day": st.dates(dt.date(2026, 1, 5), dt.date(2026, 7, 5)),
            "customer": st.sampled_from(["ACME", "Baker", "nobody's", None]),
            "kind": st.sampled_from(["order", "sample", None]),
        }
    ),
    max_size=6,
).map(lambda listed: [{"number": f"N{at}", **row} for at, row in enumerate(listed)])


def by_hand(listed: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Ninety days of half and half after the handover of ACME; what nobody owns goes to the house."""
    said: list[tuple[Any, ...]] = []
    for row in listed:
        day, customer = row["day"], row["customer"]
        owners = [("House", 1.0)]
        if customer == "ACME" and dt.date(2026, 1, 10) <= day <= dt.date(2026, 3, 31):
            owners = [("Ann", 1.0)]
        elif customer == "ACME" and day >= dt.date(2026, 4, 1):
            shared = (day - dt.date(2026, 4, 1)).days < 90
            owners = [("Ann", 0.5), ("Bo", 0.5)] if shared else [("Bo", 1.0)]
        elif customer == "Baker" and day <= dt.date(2026, 2, 28):
            owners = [("王芳", 1.0)]
        credit = 0.0 if row["kind"] == "sample" else 1.0
        said += [(row["number"], owner, share * credit) for owner, share in owners]
    return said


@settings(deadline=None, max_examples=40)
@given(listed=rows)
def test_the_owner_of_the_day_gets_the_record(listed: list[dict[str, Any]]) -> None:
    owned = policy(transition={"days": 90, "old": 0.5}, fallback={"payee": "House"})
    for engine, make in ENGINES.items():
        if listed or engine in ("dicts", "Polars"):
            assert read(owned.lines(make(listed), SOURCE, {"owners": OWNERS})) == by_hand(listed), engine


@pytest.mark.parametrize("engine", ENGINES)
def test_a_record_that_nobody_owns_is_an_error_that_names_it(engine: str) -> None:
    listed = [
        {"number": "N1", "who": "Cy", "day": dt.date(2026, 1, 9), "customer": "ACME", "kind": "sample"},
        {"number": "N2", "who": "Cy", "day": dt.date(2026, 1, 9), "customer": "ACME", "kind": "order"},
    ]
    with pytest.raises(RecordError, match="record 'N2': nobody owns customer 'ACME' on 2026-01-09") as error:
        read(policy().lines(ENGINES[engine](listed), SOURCE, {"owners": OWNERS}))
    assert error.value.code == "D107"
    assert "fallback" in error.value.hint


def test_the_table_has_to_be_passed() -> None:
    with pytest.raises(FieldError, match="no data for table `owners`"):
        policy().credit(
            [{"number": "N1", "who": "", "day": "2026-01-01", "customer": "A", "kind": "b"}], SOURCE
        )


BOOK = """
sources:
  orders:
    fields:
      number: {{type: text, role: id}}
      who: {{type: text, role: subject}}
      day: {{type: date, role: date}}
      customer: text
      amount: money(2)
  owners:
    fields: {{customer: text, rep: text, since: date, until: date, part: text}}
policies:
  counted:
    source: orders
    payees: {{ownership: {{{owned}}}}}
    default: 1
measures: {{revenue: sum(amount)}}
models:
  sales: {{period: quarter, indicators: {{revenue: {{target: 100, weight: 1}}}}}}
"""


def test_a_rulebook_scores_by_owners() -> None:
    book = Rulebook.parse(
        BOOK.format(owned="table: owners, key: customer, owner: rep, from: since, to: until")
    )
    orders = [
        {"number": "1", "who": None, "day": "2026-03-31", "customer": "ACME", "amount": "10.01"},
        {"number": "2", "who": None, "day": "2026-04-01", "customer": "ACME", "amount": "5.00"},
    ]
    for frame in (orders, pd.DataFrame(orders), pl.DataFrame(orders)):
        card = book.score({"orders": frame, "owners": OWNERS})
        actual = {
            each.subject: each.results["revenue"].actual
            for each in card.standings()
            if each.period.index % 4 == 0
        }
        assert {who: str(amount) for who, amount in actual.items()} == {"Ann": "10.01", "Bo": "0.00"}
        statement = card.explain("Bo", "2026-Q2")
        assert [line.id for line in statement.counted] == ["2"]


@pytest.mark.parametrize(
    ("owned", "said"),
    [
        ("table: owner, key: customer, owner: rep, from: since", "did you mean `owners`?"),
        ("table: owners, key: customr, owner: rep, from: since", "did you mean `customer`?"),
        ("table: owners, key: customer, owner: reps, from: since", "did you mean `rep`?"),
        ("table: owners, key: customer, owner: rep, from: part", "expected date or datetime"),
        ("table: owners, key: customer, owner: rep, frm: since", "unknown key `frm`"),
        ("table: owners, key: rep, owner: rep, from: since", "has no field `rep`"),
        (
            "table: owners, key: customer, owner: rep, transition: {days: 9, months: 3}",
            "one of `days` and `months`",
        ),
        ("table: owners, key: customer, owner: rep, fallback: {field: whoo}", "did you mean `who`?"),
    ],
)
def test_a_mistake_is_told_once_where_it_stands(owned: str, said: str) -> None:
    with pytest.raises(RulebookError) as error:
        Rulebook.parse(BOOK.format(owned=owned), "plan.yaml")
    assert said in str(error.value)
    assert len(error.value.problems) == 1
    assert error.value.problems[0].place.line == 15  # type: ignore[union-attr]
