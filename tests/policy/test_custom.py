"""Conditions and credits that integrators write in Python, from one record to every engine."""

import datetime as dt
import pickle
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmrules import (
    Condition,
    CrmRulesError,
    ExpressionError,
    Policy,
    RecordError,
    Rule,
    Rulebook,
    Source,
    field,
)
from crmrules.expr import PerRecordWarning
from crmrules.expr.functions import FUNCTIONS
from crmrules.policy import custom, custom_condition, custom_credit
from crmrules.policy.custom import by_record

pytestmark = pytest.mark.filterwarnings("ignore::crmrules.expr.PerRecordWarning")
SOURCE = Source(
    fields={
        "id": {"type": "text", "role": "id"},
        "customer": "text",
        "amount": "money(2)",
        "cost": "money(2)",
    }
)
RECORDS: list[dict[str, Any]] = [
    {"id": f"{at}", "customer": customer, "amount": amount, "cost": cost}
    for at, (customer, amount, cost) in enumerate(
        [
            ("Sun", Decimal("1000.10"), Decimal("400.04")),
            ("Sun", Decimal("0.30"), Decimal("0.20")),
            ("Moon", Decimal("5000.00"), None),
            (None, Decimal("5000.00"), Decimal("1.00")),
            ("Sea", None, Decimal("1.00")),
            ("Sand", Decimal("500.00"), Decimal("500.00")),
        ]
    )
]
HOST = pl.DataFrame(
    RECORDS,
    schema={
        "id": pl.String(),
        "customer": pl.String(),
        "amount": pl.Decimal(18, 2),
        "cost": pl.Decimal(18, 2),
    },
)
ENGINES: dict[str, tuple[Callable[[], Any], Callable[[Any], list[dict[str, Any]]]]] = {
    "dicts": (lambda: RECORDS, lambda rows: rows),
    "pandas": (lambda: pd.DataFrame(RECORDS), lambda frame: frame.to_dict("records")),
    "pandas over Arrow": (
        lambda: HOST.to_pandas(use_pyarrow_extension_array=True),
        lambda frame: frame.to_dict("records"),
    ),
    "Polars": (lambda: HOST, lambda frame: frame.to_dicts()),
    "Polars lazy": (HOST.lazy, lambda frame: frame.collect().to_dicts()),
    "PyArrow": (HOST.to_arrow, lambda table: table.to_pylist()),
}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    functions, known = dict(FUNCTIONS), dict(custom._CUSTOM)
    yield
    FUNCTIONS.clear()
    FUNCTIONS.update(functions)
    custom._CUSTOM.clear()
    custom._CUSTOM.update(known)


def strategic() -> custom.CustomCondition:
    @custom_condition("acme_strategic", fields={"customer": "text", "amount": "money(2)"})
    def acme_strategic(customer: str, amount: Decimal, *, least: float = 1000, letter: str = "S") -> bool:
        """Customers under a frame contract."""
        return customer.startswith(letter) and amount >= Decimal(least)

    return acme_strategic


def margin() -> custom.CustomCredit:
    @custom_credit("acme_margin", fields={"amount": "money(2)", "cost": "money(2)"}, nulls="own")
    def acme_margin(amount: Decimal | None, cost: Decimal | None) -> Decimal | int:
        return 0 if not amount or cost is None else (amount - cost) / amount

    return acme_margin


def policy() -> Policy:
    return Policy(
        rules=[
            Rule(when=strategic()(least=500), credit=margin()(), because="a frame contract counts by margin"),
            Rule(when={"custom": "acme_strategic"}, credit=0.25, because="never reached"),
        ],
        default=1,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_policy_asks_them_on_every_engine(engine: str) -> None:
    made, read = ENGINES[engine]
    rows = read(policy().credit(made(), SOURCE))
    # (1000.10 - 400.04) / 1000.10 is 0.6 exactly; 500 of 500 is no margin; missing fields decide nothing.
    assert [(row["id"], row["credit"]) for row in rows] == [
        ("0", 0.6),
        ("1", 1.0),
        ("2", 1.0),
        ("3", 1.0),
        ("4", 1.0),
        ("5", 0.0),
    ]


def test_an_explanation_shows_what_they_said() -> None:
    said = str(policy().explain(RECORDS[0], SOURCE))
    assert "acme_strategic(customer, amount, 500) → yes" in said


WAYS: list[tuple[Callable[[], object], str]] = [
    (lambda: strategic()(), "acme_strategic(customer, amount)"),
    (lambda: Condition.of({"custom": "acme_strategic"}), "acme_strategic(customer, amount)"),
    (lambda: strategic()(least=5), "acme_strategic(customer, amount, 5)"),
    (
        lambda: Condition.of({"custom": {"acme_strategic": {"least": 5}}}),
        "acme_strategic(customer, amount, 5)",
    ),
    (lambda: strategic()(letter="T"), "acme_strategic(customer, amount, 1000, 'T')"),
    (lambda: strategic()(customer=field("client")), "acme_strategic(client, amount)"),
    (
        lambda: Condition.of({"custom": {"acme_strategic": {"customer": {"field": "client"}}}}),
        "acme_strategic(client, amount)",
    ),
    (lambda: strategic()() & (field("cost") > 1), "acme_strategic(customer, amount) and cost > 1"),
]


@pytest.mark.parametrize(("way", "text"), WAYS, ids=[text for _, text in WAYS])
def test_python_data_and_text_name_them_alike(way: Callable[[], Condition], text: str) -> None:
    strategic()
    assert way().tree == Condition.parse(text).tree
    assert str(way()) == text
    assert pickle.loads(pickle.dumps(way())) == way()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("acme_strategc", "did you mean `acme_strategic`?; or import the module"),
        ({"acme_strategic": {"lest": 5}}, "did you mean `least`?"),
        ({"acme_strategic": 5}, "is no custom condition"),
        (["acme_strategic"], "is no custom condition"),
        ({"acme_strategic": {"least": None}}, "nothing compares with a missing value"),
    ],
)
def test_a_mistake_in_data_is_named(data: object, message: str) -> None:
    strategic()
    with pytest.raises(CrmRulesError) as caught:
        Condition.of({"custom": data})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acme_strategic(customer)", "takes 2 to 4 values, not 1"),
        ("acme_strategic(amount, customer)", "`amount` is money, expected text"),
        ("acme_strategic(customer, amount, 'x')", "expected a number"),
        ("acme_strategic(customer, amount, cost)", "a constant"),
        ("acme_strategic(customr, amount)", "did you mean `customer`?"),
    ],
)
def test_a_text_is_checked_like_any_other(text: str, message: str) -> None:
    strategic()
    with pytest.raises(ExpressionError) as caught:
        Condition.parse(text).check(SOURCE.schema)
    assert message in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda customer, amount: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda customer, amount: customer, "gave 'Sun', expected True or False"),
        (lambda customer, amount: 1, "gave 1, expected True or False"),
    ],
)
def test_a_function_that_fails_is_named_with_its_record(engine: str, body: Any, message: str) -> None:
    made, read = ENGINES[engine]
    condition = custom_condition("acme_wrong", fields={"customer": "text", "amount": "money(2)"})(body)
    policy = Policy(rules=[Rule(when=condition(), credit=0, because="…")], default=1)
    with pytest.raises(RecordError) as caught:
        read(policy.credit(made(), SOURCE))
    assert caught.value.code == "C310"
    assert f"`acme_wrong` {message}" in str(caught.value)
    assert "for the record with customer 'Sun', amount 1000.10" in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("several", [False, True], ids=["one payee", "two payees"])
def test_measures_and_returns_ask_them_too(engine: str, several: bool) -> None:
    strategic()
    payees = [{"to": "rep", "share": 0.5}, {"to": "'House'", "share": 0.5}]
    book = Rulebook.model_validate(
        {
            "sources": {
                "orders": {
                    "fields": {
                        "id": {"type": "text", "role": "id"},
                        "rep": {"type": "text", "role": "subject"},
                        "day": {"type": "date", "role": "date"},
                        "customer": "text",
                        "amount": "money(2)",
                        "of": "text",
                    }
                }
            },
            "policies": {
                "counted": {
                    "default": 1,
                    "returns": {"when": {"custom": {"acme_strategic": {"letter": "X"}}}, "original": "of"},
                    **({"payees": payees} if several else {}),
                }
            },
            "measures": {
                "framed": "sum(amount if acme_strategic(customer, amount) else 0)",
                "orders": "count(where=not acme_strategic(customer, amount))",
            },
            "models": {"m": {"period": "year", "indicators": {"framed": {}, "orders": {}}}},
        }
    )
    day = dt.date(2026, 1, 31)
    rows = [{**row, "rep": "Ann", "day": day, "of": None} for row in RECORDS]
    made = {
        "dicts": lambda: rows,
        "pandas": lambda: pd.DataFrame(rows),
        "pandas over Arrow": lambda: frame.to_pandas(use_pyarrow_extension_array=True),
        "Polars": lambda: frame,
        "Polars lazy": lambda: frame.lazy(),
        "PyArrow": lambda: frame.to_arrow(),
    }
    texts = {"rep": pl.String(), "day": pl.Date(), "of": pl.String()}
    frame = pl.DataFrame(rows, schema={**HOST.schema, **texts})
    card = book.score({"orders": made[engine]()}, period="2026")
    found = card.measures_of(card.standing("Ann", "2026"))
    assert found == {"framed": 50_005 if several else 100_010, "orders": 3}  # in cents


@pytest.mark.parametrize("share", [1.5, -0.1, float("nan"), "half", True, None])
def test_a_credit_is_from_0_to_1(share: object) -> None:
    credit = custom_credit("acme_share", fields={"amount": "money(2)"}, nulls="own")(lambda amount: share)
    policy = Policy(rules=[Rule(when=True, credit=credit(), because="…")], default=1)
    with pytest.raises(RecordError, match="expected a credit from 0 to 1"):
        policy.credit_of(RECORDS[0], SOURCE)


def test_numpys_answers_are_taken_for_what_they_are() -> None:
    condition = custom_condition("acme_numpy", fields={"amount": "money(2)"})(
        lambda amount: np.bool_(amount > 1)
    )
    policy = Policy(rules=[Rule(when=condition(), credit=0, because="…")], default=1)
    assert [row["credit"] for row in policy.credit(RECORDS[:2], SOURCE)] == [0.0, 1.0]


def test_a_column_of_its_own_is_used_in_frames() -> None:
    def refuse(amount: Decimal) -> bool:
        raise AssertionError("frames have the column")

    decorate = custom_condition(
        "acme_large", fields={"amount": "money(2)"}, column=lambda amount: amount >= 1000.0
    )
    condition = decorate(refuse)
    assert by_record([condition()]) == []
    policy = Policy(rules=[Rule(when=condition(), credit=0, because="…")], default=1)
    for engine, (made, read) in ENGINES.items():
        if engine != "dicts":
            with warnings.catch_warnings():
                warnings.simplefilter("error", PerRecordWarning)
                rows = read(policy.credit(made(), SOURCE))
            assert [row["credit"] for row in rows] == [0.0, 1.0, 0.0, 0.0, 1.0, 1.0]


def test_it_is_said_what_runs_record_by_record() -> None:
    condition = strategic()
    assert by_record([condition(), ~condition(least=5), Condition.parse("length(s) > 3")]) == [
        "acme_strategic"
    ]
    assert repr(condition) == (
        "<custom condition acme_strategic(customer: text, amount: money(2)), record by record in frames>"
    )
    assert repr(margin()).startswith("<custom credit acme_margin(")
    with pytest.warns(PerRecordWarning, match="`acme_margin`"):
        policy().credit(HOST, SOURCE)


def test_a_cell_of_a_notebook_can_run_again() -> None:
    def cell(limit: int) -> custom.CustomCondition:
        @custom_condition("acme_again", fields={"amount": "money(2)"})
        def acme_again(amount: Decimal) -> bool:
            return amount > limit

        return acme_again

    policy = Policy(rules=[Rule(when=cell(1)(), credit=0, because="…")], default=1)
    ready = policy.on(SOURCE)
    assert ready.of(RECORDS[0]).credit == 0.0
    cell(2000)
    assert ready.of(RECORDS[0]).credit == policy.credit_of(RECORDS[0], SOURCE) == 1.0


def test_another_function_does_not_take_a_name_in_silence() -> None:
    declare = custom_condition("acme_twice", fields={"amount": "money(2)"})
    declare(lambda amount: True)
    with pytest.raises(CrmRulesError, match="is one already"):
        declare(lambda amount: False)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: custom_condition("acme.x", fields={"a": "text"})(lambda a: True), "acme_strategic"),
        (lambda: custom_condition("length", fields={"a": "text"})(lambda a: True), "is one already"),
        (lambda: custom_condition("acme_strategic", fields={"a": "text"})(lambda a: True), "is one already"),
        (lambda: custom_condition("acme_x", fields={})(lambda: True), "declares no field"),
        (lambda: custom_condition("acme_x", fields={"a": "txt"})(lambda a: True), "did you mean `text`"),
        (lambda: custom_condition("acme_x", fields={"a": "text"})(lambda b: True), "def acme_x(a)"),
        (lambda: custom_condition("acme_x", fields={"a": "text"})(lambda a, *b: True), "def acme_x(a)"),
        (
            lambda: custom_condition("acme_x", fields={"a": "text"})(lambda a, *, b=None: True),
            "missing value",
        ),
        (
            lambda: custom_condition("acme_x", fields={"a": "text"})(lambda a, *, b=1, c: True),
            "without default",
        ),
        (lambda: custom_condition("acme_x", fields={"a": "text"})(lambda a, *, b: True)(), "needs `b`"),
        (lambda: custom_condition("acme_x", fields={"a": "text"})(_generator), "no plain function"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(declare: Callable[[], object], message: str) -> None:
    strategic()
    with pytest.raises(CrmRulesError) as caught:
        declare()
    assert message in str(caught.value)


def _generator(a: str) -> Iterator[bool]:
    yield True
