"""What a policy adds to records before its rules: together, in a rulebook, on every engine."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pytest

from crmrules import RecordError, Rulebook, RulebookError

BOOK = """
sources:
  bills:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      due: date
      state: {type: text, one_of: [draft, submitted, closed, cancelled]}
      document: text
      payment: text
      currency: text
      amount: money(2)
      cost: money(2)
      customer: text
  rates: {fields: {currency: text, from: date, rate: number}}
policies:
  counted:
    source: bills
    states: {field: state, counted: [submitted, closed]}
    documents: {field: document, counted: [invoice]}
    delay: {date: due, days: 10, when: payment == 'cheque'}
    conversions: {in_yuan: {amount: amount, currency: currency, to: CNY}}
    basis: in_yuan - cost
    fields: {large: in_yuan > 1000}
    sequences: {order_kind: {per: customer, by: day, kinds: {}}}
    combine: COMBINE
    rules:
      - {name: repeat, when: order_kind == 'repeat' and not large, credit: 0.5, because: repeat orders}
    default: 1
measures: {margin: sum(basis), bills: count()}
models:
  sales: {period: month, indicators: {margin: {}, bills: {}}}
"""
RATES = [{"currency": "USD", "from": dt.date(2026, 1, 1), "rate": 7.5}]


def bill(number: str, day: int, **other: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "number": number, "who": "Ann", "day": dt.date(2026, 1, day), "due": None, "state": "closed",
        "document": "invoice", "payment": "cash", "currency": "CNY", "amount": 7.0, "cost": 1.0,
        "customer": "Acme",
    }  # fmt: skip
    return {**plain, **other}


BILLS = [
    # 90.00 of margin, and the cheque counts ten days after 25 January.
    bill("1", 2, due=dt.date(2026, 1, 25), payment="cheque", amount=100.0, cost=10.0),
    # 50 dollars are 375.00; half of 365.00 counts.
    bill("2", 5, currency="USD", amount=50.0, cost=10.0),
    bill("3", 6, state="draft"),
    bill("4", 7, document="order", customer="Baker"),
    # Too large to count half.
    bill("5", 8, amount=1000.01, cost=0.01, state="submitted"),
]
ENGINES: dict[str, Any] = {
    "dicts": lambda rows: rows,
    "pandas": pd.DataFrame,
    "pandas over Arrow": lambda rows: pl.DataFrame(rows).to_pandas(use_pyarrow_extension_array=True),
    "Polars": pl.DataFrame,
    "Polars lazy": pl.LazyFrame,
    "PyArrow": lambda rows: pl.DataFrame(rows).to_arrow(),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("combine", ["first", "product", "min", "max", "all"])
def test_all_additions_together(engine: str, combine: str) -> None:
    book = Rulebook.parse(BOOK.replace("COMBINE", combine))
    card = book.score({"bills": ENGINES[engine](BILLS), "rates": RATES})
    found = {str(each.period): each.results for each in card.standings()}
    assert {period: str(results["margin"].actual) for period, results in found.items()} == {
        "2026-01": "1182.50",
        "2026-02": "90.00",
    }
    assert {period: results["bills"].actual for period, results in found.items()} == {
        "2026-01": 2,
        "2026-02": 1,
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cheque_counts_after_its_safety_days(engine: str) -> None:
    """OCA/commission@14.0, sale_commission_check_deposit (AC-15): due 1 January, 10 days; not on the 5th."""
    book = Rulebook.parse(BOOK.replace("COMBINE", "first"))
    bills = [bill("1", 1, due=dt.date(2026, 1, 1), payment="cheque", amount=100.0, cost=0.0)]
    for until, margin in (("2026-01-05", 0), ("2026-01-10", 0), ("2026-01-11", 100), ("2026-01-15", 100)):
        card = book.score({"bills": ENGINES[engine](bills), "rates": RATES}, now=until)
        assert card.standing("Ann", "2026-01").results["margin"].actual == margin if margin else True
        assert sum(each.results["margin"].actual for each in card.standings()) == margin


@pytest.mark.parametrize("engine", ENGINES)
def test_an_excluded_document_keeps_its_reason_whatever_combines(engine: str) -> None:
    for combine in ("first", "max", "all"):
        book = Rulebook.parse(BOOK.replace("COMBINE", combine))
        summary = book.policy("counted", {"rates": RATES}).summary(ENGINES[engine](BILLS), "in_yuan")
        found = {each.rule: (each.records, each.amount, each.credited) for each in summary.rules}
        assert found == {
            "state draft": (1, Decimal("7.00"), 0),
            "other document": (1, Decimal("7.00"), 0),
            "repeat": (1, Decimal("375.00"), Decimal("187.50")),
            "default": (2, Decimal("1100.01"), Decimal("1100.01")),
        }
        assert summary.total.credited + summary.total.left_out == summary.total.amount


@pytest.mark.parametrize("engine", ENGINES)
def test_a_missing_rate_is_an_error_that_names_the_record(engine: str) -> None:
    book = Rulebook.parse(BOOK.replace("COMBINE", "first"))
    with pytest.raises(
        RecordError, match="record '9': there is no rate from EUR to CNY on 2026-01-09"
    ) as error:
        book.score({"bills": ENGINES[engine]([*BILLS, bill("9", 9, currency="EUR")]), "rates": RATES})
    assert error.value.code == "X101"


def test_a_statement_tells_what_was_computed() -> None:
    book = Rulebook.parse(BOOK.replace("COMBINE", "first"))
    card = book.score({"bills": BILLS, "rates": RATES})
    statement = card.explain("Ann", "2026-01")
    assert [(line.id, str(line.adds["margin"])) for line in statement.counted] == [
        ("2", "182.50"),
        ("5", "1000.00"),
    ]
    assert [(line.id, line.verdict.rule) for line in statement.excluded] == [
        ("3", "state draft"),
        ("4", "other document"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("counted: [submitted, closed]", "counted: [submited, closed]", "did you mean `submitted`?"),
        ("field: document", "field: documnt", "did you mean `document`?"),
        ("date: due,", "date: dew,", "did you mean `due`?"),
        ("when: payment ==", "when: paymnt ==", "did you mean `payment`?"),
        ("currency: currency, to", "currency: curency, to", "did you mean `currency`?"),
        ("basis: in_yuan - cost", "basis: in_yuan - cots", "did you mean `cost`?"),
        ("{large: in_yuan > 1000}", "{large: in_yuan > 'x'}", "cannot be compared"),
        ("{large: in_yuan > 1000}", "{large: large}", "reads itself"),
        ("{large: in_yuan > 1000}", "{large: amount > 1, amount: cost}", "`amount` is a field already"),
        ("not large", "not larg", "did you mean `large`?"),
        ("days: 10", "days: -1", "greater than or equal to 0"),
        ("states: {field", "states: {fild", "did you mean `field`?"),
    ],
)
def test_a_mistake_is_told_once_where_it_stands(before: str, after: str, said: str) -> None:
    text = BOOK.replace("COMBINE", "first")
    assert before in text
    with pytest.raises(RulebookError) as error:
        Rulebook.parse(text.replace(before, after), "plan.yaml")
    assert said in str(error.value)
    line = text.split(before)[0].count("\n") + 1
    assert {each.place.line for each in error.value.problems if each.place} == {line}


def test_a_missing_rate_cannot_be_passed_over_in_a_policy() -> None:
    text = BOOK.replace("COMBINE", "first").replace("to: CNY}", "to: CNY, missing: quarantine}")
    with pytest.raises(RulebookError, match="a missing rate of `in_yuan` is an error in a policy"):
        Rulebook.parse(text)
