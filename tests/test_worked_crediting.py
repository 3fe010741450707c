"""Worked figures of other systems: what counts, how much, for whom.

Each test names its source. The figures are typed in from the sources; policies, measures and models make
them, and every engine has to make the same.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pydantic
import pytest

from crmrules import Policy, RecordError, Rulebook, Scorecard, Source
from crmrules.policy.condition import Condition
from crmrules.policy.dead import dead_rules

FIELDS: dict[str, Any] = {
    "number": {"type": "text", "role": "id"},
    "who": {"type": "text", "role": "subject"},
    "day": {"type": "date", "role": "date"},
    "amount": "money(2)",
}
JANUARY = dt.date(2026, 1, 15)


def book(
    policies: dict[str, Any],
    measures: dict[str, Any],
    indicators: dict[str, Any],
    *,
    period: str = "month",
    **fields: Any,
) -> Rulebook:
    named = {name: {"source": "orders", **policy} for name, policy in policies.items()}
    return Rulebook.of(
        {
            "sources": {"orders": {"fields": {**FIELDS, **fields}}},
            "policies": named,
            "measures": measures,
            "models": {"result": {"period": period, "indicators": indicators}},
        }
    )


def row(number: str, amount: str, **parts: Any) -> dict[str, Any]:
    return {"number": number, "who": "Ann", "day": JANUARY, "amount": Decimal(amount), **parts}


def scored(rules: Rulebook, rows: list[dict[str, Any]], **options: Any) -> Scorecard:
    """The card of records as dicts, after the same from two kinds of frames."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    card = rules.score({"orders": rows}, **options)
    for other in (frame, frame.to_pandas()):
        again = rules.score({"orders": other}, **options)
        assert [each.results for each in again.standings()] == [each.results for each in card.standings()]
    return card


def actual(card: Scorecard, indicator: str, subject: str = "Ann", period: str = "2026-01") -> Any:
    return card.standing(subject, period).results[indicator].actual


ELIGIBLE = {"when": "not grants_commission", "credit": 0, "because": "the product grants no commission"}


@pytest.mark.parametrize(("rate", "commission"), [(0, "0.00"), (0.10, "50.00"), (1, "500.00")])
def test_ac_01_only_products_that_grant_commission_are_eligible(rate: float, commission: str) -> None:
    """AC-01: ERPNext, test_sales_invoice.py :: test_sales_commission. Eligible 500; at 10 %, 50.

    What the second line is worth is not on the page, and nothing depends on it.
    """
    rules = book(
        {
            "eligible": {"rules": [ELIGIBLE], "default": 1},
            "commission": {"rules": [ELIGIBLE], "default": {"credit": rate, "because": "the rate"}},
        },
        {
            "base": {"value": "sum(amount)", "policy": "eligible"},
            "commission": {"value": "sum(amount)", "policy": "commission"},
        },
        {"base": {}, "commission": {}},
        grants_commission="bool",
    )
    lines = [row("1", "500.00", grants_commission=True), row("2", "321.00", grants_commission=False)]
    card = scored(rules, lines)
    assert (actual(card, "base"), actual(card, "commission")) == (Decimal("500.00"), Decimal(commission))


@pytest.mark.parametrize("rate", [1.01, -0.01])
def test_ac_01_a_rate_beyond_the_whole_is_rejected(rate: float) -> None:
    """AC-01: rates of 101 % and -1 % are validation errors."""
    with pytest.raises(pydantic.ValidationError):
        Policy(default={"credit": rate, "because": "the rate"})


DOCUMENT_TYPES = ["Sales Order", "Sales Invoice", "Delivery Note", "POS Invoice"]


def documents(kind: str, *, pair: bool) -> list[dict[str, Any]]:
    def document(number: str, day: dt.date, amount: str, rate: float, **parts: Any) -> dict[str, Any]:
        state = {"state": "submitted", "granted": True, "original": None, "kind": kind}
        return row(f"{kind} {number}", amount, day=day, rate=rate, **{"who": "Partner", **state, **parts})

    january = [dt.date(2026, 1, day) for day in range(1, 32)]
    found = [
        document("1", january[13], "1000", 0.07),  # 10 x 100
        document("2a", january[14], "120", 0.05),  # 6 x 20
        document("2b", january[14], "120", 0.05),  # 4 x 30
        document("3", january[18], "500", 0.07, who=None),
        document("4", dt.date(2026, 2, 4), "600", 0.07),
        document("5", january[25], "800", 0.07, granted=False),
        document("6", january[25], "800", 0.07, state="draft"),
        document("7", january[25], "800", 0.07, state="cancelled"),
    ]
    if pair:
        found.append(document("8", january[17], "900", 0.05))
        found.append(document("9", january[18], "-900", 0.05, original=f"{kind} 8"))
    return found


@pytest.mark.parametrize("counts", DOCUMENT_TYPES)
@pytest.mark.parametrize("pair", [True, False])
def test_ac_02_window_state_revocation_house_and_return_in_one_report(counts: str, pair: bool) -> None:
    """AC-02: ERPNext, test_sales_partner_commission_summary.py. January 2026: 2040 / 82, with and without
    the sale and its return; the type of document that counts is a parameter."""
    listed = [
        {"when": f"kind != '{counts}'", "credit": 0, "because": "another type of document"},
        {"when": "state != 'submitted'", "credit": 0, "because": "not submitted"},
        {"name": "house", "when": "is_null(who)", "credit": 0, "because": "without a partner"},
    ]
    returns = {"when": "amount < 0", "original": "original"}
    revoked = {"when": "not granted", "credit": 0, "because": "the product's flag was revoked"}
    rules = book(
        {
            "listed": {"rules": listed, "default": 1, "returns": returns},
            "commission": {
                "levels": {
                    "eligible": {"rules": [*listed, revoked], "default": 1},
                    "rate": {
                        "rules": [{"when": "rate > 0", "credit": "rate", "because": "the partner's rate"}],
                        "default": 0,
                    },
                },
                "returns": returns,
            },
        },
        {
            "amount": {"value": "sum(amount)", "policy": "listed"},
            "commission": {"value": "sum(amount)", "policy": "commission"},
        },
        {"amount": {}, "commission": {}},
        kind="text",
        state="text",
        granted="bool",
        rate="number",
        original="text",
    )
    rows = [each for kind in DOCUMENT_TYPES for each in documents(kind, pair=pair)]
    card = scored(rules, rows, period="2026-01")
    assert actual(card, "amount", "Partner") == Decimal(2040)
    assert actual(card, "commission", "Partner") == Decimal(82)
    statement = card.explain("Partner", "2026-01")
    commissions = {
        line.id: line.adds["commission"] for line in statement.counted if "commission" in line.adds
    }
    wanted = {"1": "70", "2a": "6", "2b": "6"} | ({"8": "45", "9": "-45"} if pair else {})
    assert commissions == {f"{counts} {number}": Decimal(value) for number, value in wanted.items()}


HALVES = {"default": 1, "payees": [{"to": "'P1'", "share": 0.5}, {"to": "'P2'", "share": 0.5}]}
QUANTITIES: dict[str, Any] = {
    "measures": {"achieved": "sum(quantity)"},
    "indicators": {"achieved": {"target": 50, "weight": 1}, "variance": {"value": "achieved - 50"}},
    "period": "year",
    "quantity": "number",
}


def test_ac_03_a_split_halves_the_quantity_against_a_target() -> None:
    """AC-03: ERPNext, PR frappe/erpnext#40062. 20 shared by two: 10 each of 50, variance -40."""
    card = scored(book({"shared": HALVES}, **QUANTITIES), [row("1", "20000", quantity=20.0)])
    for person in ("P1", "P2"):
        result = card.standing(person, "2026").results
        assert (result["achieved"].target, result["achieved"].actual) == (50, 10)
        assert result["variance"].actual == -40


def test_ac_04_partners_and_territories_are_not_split() -> None:
    """AC-04: ERPNext, PR frappe/erpnext#40429. The order is one territory's: 20 of 50, variance -30."""
    card = scored(book({"whole": {"default": 1}}, **QUANTITIES), [row("1", "20000", quantity=20.0)])
    result = card.standing("Ann", "2026").results
    assert (result["achieved"].actual, result["variance"].actual) == (20, -30)


TEAM = {
    "rules": [],
    "default": 1,
    "shares": "exactly_one",
    "payees": [{"to": "who", "share": "share"}, {"to": "second", "share": "second_share"}],
}
TEAM_FIELDS = {"share": "number", "second": "text", "second_share": "number"}


def test_ac_06_contribution_and_incentive() -> None:
    """AC-06: ERPNext, calculate_contribution. 1000 at a share of 100 %: 1000; at 5 %, 50."""
    rules = book(
        {"team": TEAM},
        {"contribution": "sum(amount)"},
        {"contribution": {}, "incentive": {"value": "contribution * 0.05"}},
        **TEAM_FIELDS,
    )
    card = scored(rules, [row("1", "1000", share=1.0, second=None, second_share=None)])
    assert (actual(card, "contribution"), actual(card, "incentive")) == (Decimal(1000), 50)


@pytest.mark.parametrize("shares", [(0.6, 0.3), (0.8, 0.3)])
def test_ac_06_shares_that_do_not_sum_to_the_whole_are_rejected(shares: tuple[float, float]) -> None:
    """AC-06: "Total allocated percentage for sales team should be 100"."""
    rules = book({"team": TEAM}, {"contribution": "sum(amount)"}, {"contribution": {}}, **TEAM_FIELDS)
    rows = [row("SO-7", "1000", share=shares[0], second="Bo", second_share=shares[1])]
    with pytest.raises(RecordError, match="'SO-7'") as caught:
        scored(rules, rows)
    assert caught.value.code == "C303"


DEAL: list[dict[str, Any]] = [
    {"to": "'Rep A'", "share": 0.5},
    {"to": "'Rep B'", "share": 0.5},
    {"to": "'Rep A'", "share": 0.2, "overlay": True},
]


def test_ac_07_overlay_is_beside_revenue() -> None:
    """AC-07: Salesforce, OpportunitySplitType. A deal of 10,000: A 5,000 and 2,000 of overlay, B 5,000;
    revenue is 10,000 exactly, and the 12,000 of all credits are never revenue."""
    measures = {
        name: {"value": "sum(amount)", "policy": "deal", "credits": name}
        for name in ("split", "overlay", "all")
    }
    rules = book(
        {"deal": {"default": 1, "payees": DEAL, "shares": "exactly_one"}},
        measures,
        {name: {} for name in measures},
    )
    card = scored(rules, [row("1", "10000")])
    found = {name: [actual(card, name, rep) for rep in ("Rep A", "Rep B")] for name in measures}
    assert found == {"split": [5000, 5000], "overlay": [2000, 0], "all": [7000, 5000]}
    assert sum(found["split"]) == 10_000
    assert sum(found["all"]) == 12_000


def test_ac_07_overlay_can_be_any_percentage() -> None:
    """AC-07: overlay splits "can total any percentage", each of them up to 1000 %."""
    payees = [*DEAL[:2], {"to": "'Coach'", "share": 10, "overlay": True}]
    verdict = Policy(default=1, payees=payees, shares="exactly_one").explain(
        row("1", "10000"), Source(fields=FIELDS)
    )
    assert [each.share for each in verdict.credits] == [0.5, 0.5, 10]
    with pytest.raises(pydantic.ValidationError):
        Policy(default=1, payees=[{"to": "'Coach'", "share": 10.01, "overlay": True}])


def test_ac_08_an_order_of_two_people_is_two_credits() -> None:
    """AC-08: Xactly's FAQ. An order of 1,000 and two people: 500 + 500."""
    card = scored(book({"shared": HALVES}, {"credit": "sum(amount)"}, {"credit": {}}), [row("1", "1000")])
    assert [actual(card, "credit", person) for person in ("P1", "P2")] == [500, 500]


PLAN = [
    {"when": "amount > 0", "credit": "10 / amount", "because": "10 for anything"},
    {"when": "category == 'C'", "credit": "20 / amount", "because": "20 in the category"},
    {"when": "template == 'T'", "credit": 0.05, "because": "5 % of the product"},
    {"when": "variant == 'V'", "credit": 0.15, "because": "15 % of the variant"},
]
PRODUCT = {"category": "other", "template": "other", "variant": "other", "free": False}


@pytest.mark.parametrize(
    ("product", "commission"),
    [
        ({}, "10"),
        ({"category": "C"}, "20"),
        ({"category": "C", "template": "T"}, "50"),
        ({"category": "C", "template": "T", "variant": "V"}, "150"),
        ({"category": "C", "template": "T", "variant": "V", "free": True}, "0"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_ac_09_the_most_specific_rule_decides(product: dict[str, Any], commission: str, turned: bool) -> None:
    """AC-09: OCA, sale_commission_product_criteria. Variant over product over category over all, in whatever
    order they are written.

    That a plan with confirmed orders keeps its type is the host's to see to, which knows of the orders.
    """
    rules = book(
        {
            "commission": {
                "levels": {
                    "free": {
                        "rules": [{"when": "free", "credit": 0, "because": "free of commission"}],
                        "default": 1,
                    },
                    "rate": {
                        "rules": PLAN[::-1] if turned else PLAN,
                        "combine": "most_specific",
                        "specificity": {"product": ["variant", "template", "category"]},
                        "default": 0,
                    },
                }
            }
        },
        {"commission": "sum(amount)"},
        {"commission": {}},
        category="text",
        template="text",
        variant="text",
        free="bool",
    )
    card = scored(rules, [row("1", "1000", **{**PRODUCT, **product}), row("2", "0", **PRODUCT)])
    if commission == "0":
        assert card.subjects == []  # nobody has a record that counts
    else:
        assert actual(card, "commission") == Decimal(commission)


def test_ac_09_a_plan_without_rules_pays_nothing() -> None:
    """AC-09: the `_discount` test: no rule, no commission."""
    summary = Policy(default=0).summary([row("1", "1000")], Source(fields=FIELDS))
    assert (summary.total.amount, summary.total.credited) == (1000, 0)


BANDS = [
    {"when": "discount >= 0 and discount <= 10", "credit": "15 / amount", "because": "0 to 10 %"},
    {"when": "discount >= 10.01 and discount <= 100", "credit": "7.5 / amount", "because": "10.01 to 100 %"},
]


@pytest.mark.parametrize(
    ("discount", "rule", "commission"),
    [(0.0, "rule 1", 15), (10.0, "rule 1", 15), (11.0, "rule 2", 7.5), (10.005, "default", 0)],
)
def test_ac_10_the_band_of_the_discount_decides(discount: float, rule: str, commission: float) -> None:
    """AC-10: OCA, sale_commission_product_criteria_discount. Discount 0: 15; 11: 7.50. Between 10 and 10.01
    is a hole, which the default fills by name."""
    source = Source(fields={**FIELDS, "discount": "number"})
    verdict = Policy(rules=BANDS, default=0).explain(row("1", "1000", discount=discount), source)
    assert (verdict.rule, 1000 * verdict.credit) == (rule, pytest.approx(commission))


def test_ac_10_a_band_that_ends_before_it_begins_is_found() -> None:
    """AC-10: `from` > `to` is rejected there; here the rule is proved never to match."""
    schema = Source(fields={**FIELDS, "discount": "number"}).schema
    found = dead_rules([Condition.parse("discount >= 11 and discount <= 10")], schema, combine="first")
    assert [(each.position, each.kind) for each in found] == [(0, "contradiction")]


REFUNDS = {"when": "amount < 0", "original": "original"}


def test_ac_12_a_formula_and_its_refund() -> None:
    """AC-12: OCA, test_commission_formula.py. 5 % of 750 and 10 % of that: 41.25; refunded: -41.25."""
    rules = book(
        {"five": {"default": {"credit": 0.05, "because": "5 %"}, "returns": REFUNDS}},
        {"five": "sum(amount)"},
        {"commission": {"value": "five * 1.1"}},
        original="text",
    )
    rows = [
        row("1", "750", original=None),
        row("2", "-750", original="1", day=dt.date(2026, 2, 3)),
    ]
    card = scored(rules, rows)
    assert actual(card, "commission") == pytest.approx(41.25, abs=1e-9)
    assert actual(card, "commission", period="2026-02") == pytest.approx(-41.25, abs=1e-9)


@pytest.mark.parametrize(
    ("period", "current", "previous"), [("current", "100", "-100"), ("original", "0", None)]
)
def test_ac_13_sale_and_refund_are_nothing_together(period: str, current: str, previous: str | None) -> None:
    """AC-13: OCA, test_negative_settlements_join_invoice. 1000 at 10 % this month, its refund dated in the
    month before: two settlements, together 0. In the original's period they are nothing there.

    That settled lines stay as they are is the host's, which keeps its settlements.
    """
    rules = book(
        {"ten": {"default": {"credit": 0.1, "because": "10 %"}, "returns": {**REFUNDS, "period": period}}},
        {"commission": "sum(amount)"},
        {"commission": {}},
        original="text",
    )
    rows = [
        row("1", "1000", original=None, day=dt.date(2026, 2, 10)),
        row("2", "-1000", original="1", day=dt.date(2026, 1, 20)),
    ]
    card = scored(rules, rows)
    found = {str(each.period): each.results["commission"].actual for each in card.standings()}
    assert found["2026-02"] == Decimal(current)
    assert found.get("2026-01") == (None if previous is None else Decimal(previous))
    assert sum(found.values()) == 0


def test_ac_17_a_second_invoice_does_not_turn_one_customer_into_two() -> None:
    """AC-17: ERPNext, customer_acquisition_and_loyalty. A new customer with invoices of 100 and 250 in April
    2017: one new customer, no repeat one."""
    rules = book(
        {"all": {"default": 1, "sequences": {"nth": {"per": "customer", "by": "day"}}}},
        {"new": "count(where=nth == 1)", "customers": "nunique(customer)", "revenue": "sum(amount)"},
        {"new": {}, "repeat": {"value": "customers - new"}, "revenue": {}},
        customer="text",
    )
    rows = [
        row(f"{day}", amount, day=dt.date(2017, 4, day), customer="C")
        for day, amount in ((5, "100"), (20, "250"))
    ]
    card = scored(rules, rows)
    found = [actual(card, name, period="2017-04") for name in ("new", "repeat", "revenue")]
    assert found == [1, 0, Decimal(350)]


@pytest.mark.parametrize(("threshold", "listed"), [(30, 1), (200, 0)])
def test_ac_18_an_inactive_customer_is_listed_with_the_last_amount(threshold: int, listed: int) -> None:
    """AC-18: ERPNext, test_inactive_customers.py. The last order, 5 x 200, is 120 days old: listed from 30
    days on with 1000, and not from 200."""
    today = dt.date(2026, 10, 1)
    rules = book(
        {"all": {"default": 1}},
        {"last_order": "max(day)", "last_amount": "last(amount)"},
        {
            "last_amount": {},
            "silent_days": {"value": f"days(date('{today}') - last_order)"},
            "listed": {"value": f"1 if days(date('{today}') - last_order) > {threshold} else 0"},
        },
        period="year",
    )
    rows = [row("1", "50", day=dt.date(2026, 1, 1)), row("2", "1000", day=today - dt.timedelta(days=120))]
    card = scored(rules, rows)
    found = [actual(card, name, period="2026") for name in ("last_amount", "silent_days", "listed")]
    assert found == [Decimal(1000), 120, listed]


RECEIVED = {"when": "amount > 0", "credit": "received / amount", "because": "as much as is received"}


@pytest.mark.parametrize(("received", "base"), [("0", None), ("5000", "5000"), ("8000", "8000")])
def test_ac_19_as_much_counts_as_is_received(received: str, base: str | None) -> None:
    """AC-19: adempiere#1592: of 10,000 invoiced 8,000 received, at 4 %: 320. frappe/erpnext#25239: of 10,000
    nothing is paid: 0; 5,000 is: 5,000."""
    rules = book(
        {"cash": {"rules": [RECEIVED], "default": 0}},
        {"base": "sum(amount)"},
        {"base": {}, "commission": {"value": "base * 0.04"}},
        received="money(2)",
    )
    card = scored(rules, [row("1", "10000", received=Decimal(received))])
    if base is None:
        assert card.subjects == []
        return
    assert actual(card, "base") == Decimal(base)
    assert received != "8000" or actual(card, "commission") == 320


def test_ac_19_a_payment_after_the_cut_does_not_count_yet() -> None:
    """AC-19: OCA, sale_commission_partial_settlement. A third paid two days ago: one settlement; a payment
    dated two days after the cut: none."""
    rules = book(
        {"all": {"default": 1}}, {"paid": "sum(amount)", "payments": "count()"}, {"paid": {}, "payments": {}}
    )
    today = dt.date(2026, 1, 20)
    rows = [
        row("1", "333.33", day=today - dt.timedelta(days=2)),
        row("2", "666.67", day=today + dt.timedelta(days=2)),
    ]
    card = scored(rules, rows, now=today)
    assert (actual(card, "payments"), actual(card, "paid")) == (1, Decimal("333.33"))


@pytest.mark.parametrize(
    ("amount", "shares", "parts"),
    [
        ("100.00", [1 / 3] * 3, ["33.34", "33.33", "33.33"]),
        ("-100.00", [1 / 3] * 3, ["-33.34", "-33.33", "-33.33"]),
        ("0.01", [0.5, 0.5], ["0.01", "0.00"]),
    ],
)
def test_w14_the_largest_remainder_gets_the_cent(amount: str, shares: list[float], parts: list[str]) -> None:
    """W14: 100.00 in thirds is 33.34 + 33.33 + 33.33, the first in declared order gets the cent; so with
    -100.00; 0.01 in halves is 0.01 and 0.00."""
    payees = [{"to": f"'P{at}'", "share": share} for at, share in enumerate(shares, 1)]
    rules = book({"shared": {"default": 1, "payees": payees}}, {"credit": "sum(amount)"}, {"credit": {}})
    card = scored(rules, [row("1", amount)])
    found = [actual(card, "credit", f"P{at}") for at in range(1, len(parts) + 1)]
    assert found == [Decimal(part) for part in parts]
    assert sum(found) == Decimal(amount)
