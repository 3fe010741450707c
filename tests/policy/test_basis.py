"""What counts, on what amount and on which day: the short forms and what they stand for."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crmrules import CrmRulesError, FieldError, Policy, Source, frames, money
from crmrules.binding import bind_frame, bind_records
from crmrules.policy import Condition
from crmrules.policy.basis import Basis, BasisForm, Counted, Delay, Margin, Net, Received
from crmrules.policy.derived import DerivedField, derive_frame, derive_records

FIELDS: dict[str, Any] = {
    "id": {"type": "text", "role": "id"},
    "day": {"type": "date", "role": "date"},
    "due_date": "date",
    "payment": "text",
    "state": "text",
    "amount": "money(2)",
    "tax": "money(2)",
    "discount": "money(2)",
    "cost": "money(2)",
    "paid": "money(2)",
    "invoiced": "money(2)",
    "quantity": "number",
}
SOURCE = Source(name="invoices", fields=FIELDS)
KINDS = {"text": pl.String(), "date": pl.Date()}
SCHEMA = {name: KINDS.get(SOURCE.schema[name].kind, pl.Float64()) for name in FIELDS}
Made = Mapping[str, Callable[[pl.DataFrame], Any]]


def record(**known: Any) -> dict[str, Any]:
    return {**dict.fromkeys(FIELDS), "id": "R1", **known}


@pytest.fixture(scope="session")
def derived(from_polars: Made) -> Callable[..., list[Any]]:
    """The values of a derived field for records, which every engine has to agree on."""

    def values(declared: DerivedField, *records: dict[str, Any]) -> list[Any]:
        bound = bind_records(SOURCE, records, [*SOURCE.fields]).rows
        derive_records(bound, {"x": declared}, SOURCE.schema)
        found = [row["x"] for row in bound]
        for engine, convert in from_polars.items():
            frame = bind_frame(SOURCE, convert(pl.DataFrame([*records], SCHEMA)), [*SOURCE.fields]).frame
            columns = frames.columns_of(derive_frame(frame, {"x": declared}, SOURCE.schema).select("x"))
            assert columns["x"] == [frames.carried(value) for value in found], engine
        return found

    return values


@pytest.fixture(scope="session")
def base(derived: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """The same for the amounts of a basis."""

    def values(form: Any, *records: dict[str, Any]) -> list[Any]:
        basis: Basis = TypeAdapter(BasisForm).validate_python(form)
        return derived(basis.derived(SOURCE.schema), *records)

    return values


# states and documents


def test_what_is_not_counted_gets_no_credit_and_a_reason() -> None:
    states = Counted(
        field="state", counted=["submitted", "closed"], because={"draft": "a draft binds nobody"}
    )
    level = Policy(rules=states.rules(SOURCE.schema), default={"credit": 1, "because": "it counts"})
    records = [record(state=state) for state in ("submitted", "closed", "draft", "cancelled", None)]
    said = [(level.explain(each, SOURCE).credit, level.explain(each, SOURCE).because) for each in records]
    assert said == [
        (1.0, "it counts"),
        (1.0, "it counts"),
        (0.0, "a draft binds nobody"),
        (0.0, "only submitted and closed count"),
        (0.0, "`state` is missing"),
    ]


def test_each_value_of_an_enumerated_field_has_its_own_rule_and_none_is_dead() -> None:
    source = Source(
        fields={"document": {"type": "text", "one_of": ["order", "invoice", "payment"], "required": True}}
    )
    rules = Counted(field="document", counted=["invoice"]).rules(source.schema)
    assert [rule.name for rule in rules] == ["document order", "document payment"]
    assert rules[0].because == "only invoice counts"


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, unique=True), st.sampled_from("abcde"))
def test_a_record_counts_exactly_where_its_state_is_listed(counted: list[str], state: str) -> None:
    rules = Counted(field="state", counted=counted).rules(SOURCE.schema)
    assert Policy(rules=rules, default=1).credit_of(record(state=state), SOURCE) == float(state in counted)


def test_a_value_that_the_field_never_holds_is_refused() -> None:
    source = Source(fields={"document": {"type": "text", "one_of": ["order", "invoice"]}})
    with pytest.raises(FieldError, match="never holds 'invoise'") as caught:
        Counted(field="document", counted=["invoise"]).rules(source.schema)
    assert "`invoice`" in caught.value.hint
    with pytest.raises(FieldError, match="no field `stat`"):
        Counted(field="stat", counted=["a"]).rules(SOURCE.schema)
    with pytest.raises(ValidationError, match="counts and has a reason not to"):
        Counted(field="state", counted=["a"], because={"a": "so"})
    with pytest.raises(ValidationError, match="at least 1"):
        Counted(field="state", counted=[])


# the basis


def test_worked_case_ac_01_a_flag_of_the_product_makes_a_line_eligible() -> None:
    # worked_cases.md, AC-01: frappe/erpnext test_sales_commission. The share is a number from 0 to 1.
    source = Source(fields={"grants": "bool", "amount": "money(2)"})
    lines = [{"grants": True, "amount": Decimal(500)}, {"grants": False, "amount": Decimal(500)}]
    policy = Policy(
        rules=[{"when": "not grants", "credit": 0, "because": "the product grants none"}], default=1
    )
    eligible = sum(line["amount"] * Decimal(policy.credit_of(line, source)) for line in lines)
    assert eligible == 500
    assert [money.credited(500_00, rate) for rate in (0.0, 0.1, 1.0)] == [0, 50_00, 500_00]
    for rate in (1.01, -0.01):
        with pytest.raises(ValidationError):
            Policy(default=rate)


def test_worked_case_ac_19_credit_on_cash_received(base: Callable[..., list[Any]]) -> None:
    # worked_cases.md, AC-19: adempiere/adempiere#1592 and frappe/erpnext#25239
    whole = {"amount": 10_000, "invoiced": 10_000}
    found = base({"received": {}}, *(record(**whole, paid=paid) for paid in (8_000, 0, 5_000)))
    assert found == [8_000_00, 0, 5_000_00]
    assert money.credited(found[0], 0.04) == 320_00


@pytest.mark.parametrize(
    ("amount", "paid", "invoiced", "received"),
    [
        (100, 150, 100, 100_00),  # paid too much
        (100, -20, 100, 0),  # paid back
        (-100, -50, -100, -50_00),  # a credit note, half of it paid out
        (100, 50, 0, 0),
        (100, 50, None, 0),
        (100, None, 100, 0),
        (None, 50, 100, None),
        (0.01, 50, 100, 1),  # half a cent goes away from zero
        (-0.01, 50, 100, -1),
        (60, 119, 238, 30_00),  # a line of a larger invoice
        (100, 1, 3, 33_33),
    ],
)
def test_what_is_received_is_defined_for_every_payment(
    base: Callable[..., list[Any]],
    amount: float | None,
    paid: float | None,
    invoiced: float | None,
    received: int | None,
) -> None:
    assert base({"received": {}}, record(amount=amount, paid=paid, invoiced=invoiced)) == [received]


@given(
    amount=st.integers(-(10**9), 10**9),
    paid=st.integers(0, 10**9),
    more=st.integers(0, 10**9),
    invoiced=st.integers(1, 10**9),
)
def test_a_further_payment_never_takes_anything_away(
    amount: int, paid: int, more: int, invoiced: int
) -> None:
    declared = Basis(received=Received()).derived(SOURCE.schema)
    rows: list[Any] = [
        {"amount": amount, "paid": total, "invoiced": invoiced} for total in (0, paid, paid + more, invoiced)
    ]
    derive_records(rows, {"x": declared}, SOURCE.schema)
    none, some, further, whole = (row["x"] for row in rows)
    assert (none, whole) == (0, amount)
    assert abs(some) <= abs(further) <= abs(amount)


def test_net_margin_and_quantity(base: Callable[..., list[Any]]) -> None:
    sale = record(amount=119, tax=19, cost=70, quantity=3)
    assert base({"net": {"less": ["tax", "discount"]}}, sale) == [100_00]
    assert base({"margin": {}}, sale) == [49_00]
    assert base({"quantity": "quantity"}, sale) == [3.0]
    assert base("amount", sale) == [119_00]
    assert base({"value": "amount / 3", "type": "money(2)"}, sale) == [39_67]
    assert base({"margin": {}}, record(amount=119)) == [None]


def test_net_and_margin_stay_exact_money() -> None:
    for basis in (Basis(net=Net(less=["tax"])), Basis(margin=Margin())):
        bound: list[Any] = [{"amount": 2**49 + 1, "tax": 1, "cost": 1}]
        derive_records(bound, {"x": basis.derived(SOURCE.schema)}, SOURCE.schema)
        assert bound[0]["x"] == 2**49


def test_a_basis_is_exactly_one_thing_over_fields_that_there_are() -> None:
    with pytest.raises(ValidationError, match="say one of value, net"):
        Basis()
    with pytest.raises(ValidationError, match="not net and quantity"):
        Basis(net=Net(less=["tax"]), quantity="quantity")
    with pytest.raises(FieldError, match="no field `qty`"):
        Basis(quantity="qty").derived(SOURCE.schema)


# the delay


CHEQUES = Delay(date="due_date", days=10, when=Condition.parse("payment == 'cheque'"))


def test_worked_case_ac_15_eligible_only_after_a_safety_delay(derived: Callable[..., list[Any]]) -> None:
    # worked_cases.md, AC-15: OCA/commission sale_commission_check_deposit
    cheque = record(payment="cheque", day=dt.date(2025, 12, 1), due_date=dt.date(2026, 1, 1))
    [counts_on] = derived(CHEQUES.derived(SOURCE), cheque)
    assert counts_on == dt.date(2026, 1, 11)
    assert not counts_on <= dt.date(2026, 1, 5)
    assert counts_on <= dt.date(2026, 1, 15)


def test_only_records_that_are_known_to_be_delayed_are(derived: Callable[..., list[Any]]) -> None:
    day, due = dt.date(2025, 12, 1), dt.date(2026, 1, 1)
    cash, unknown = record(payment="cash", day=day, due_date=due), record(day=day, due_date=due)
    undated = record(payment="cheque", day=day)
    assert derived(CHEQUES.derived(SOURCE), cash, unknown, undated) == [day, day, None]
    everything = Delay(date="due_date", days=0).derived(SOURCE)
    assert derived(everything, cash) == [due]


def test_a_source_of_timestamps_is_delayed_by_days() -> None:
    source = Source(fields={**FIELDS, "day": {"type": "datetime", "role": "date"}})
    declared = CHEQUES.derived(source)
    rows: list[Any] = [
        {"payment": "cash", "day": dt.datetime(2026, 1, 1, 18), "due_date": None},
        {"payment": "cheque", "day": dt.datetime(2026, 1, 1, 18), "due_date": dt.date(2026, 2, 1)},
    ]
    derive_records(rows, {"x": declared}, source.schema)
    assert [row["x"] for row in rows] == [dt.date(2026, 1, 1), dt.date(2026, 2, 11)]


def test_a_delay_needs_fields_to_go_by() -> None:
    with pytest.raises(FieldError, match="no field `due`"):
        Delay(date="due", days=3).derived(SOURCE)
    undated = Source(fields={"due_date": "date", "payment": "text"})
    with pytest.raises(CrmRulesError, match="role: date"):
        CHEQUES.derived(undated)
    with pytest.raises(ValidationError):
        Delay(date="due_date", days=-1)


def test_names_that_are_no_identifiers_are_quoted() -> None:
    source = Source(fields={"Net amount": "money(2)", "bought for": "money(2)"})
    basis = Basis(margin=Margin(amount="Net amount", cost="bought for"))
    assert basis.derived(source.schema).value == "`Net amount` - `bought for`"
