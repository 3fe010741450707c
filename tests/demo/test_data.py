"""The made-up company is believable, and the same every time."""

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from crmrules.demo.data import Order, orders, quotas, team

SEEDS = (2026, 1, 2)


@pytest.fixture(scope="module", params=SEEDS, ids="seed {}".format)
def lines(request: pytest.FixtureRequest) -> list[Order]:
    return orders(request.param)


def test_a_seed_gives_the_same_orders_on_every_python() -> None:
    listed = "\n".join(",".join(map(str, line.values())) for line in orders())
    assert hashlib.sha256(listed.encode()).hexdigest() == (
        "4403ce04c96fa128f119850241dbe14b23a540eb153ab571afc9a34633d603a0"
    )


def test_another_seed_gives_other_orders() -> None:
    assert orders(1) != orders(2)


def test_a_year_has_some_thousand_lines_by_date_with_numbers_in_order(lines: list[Order]) -> None:
    assert 2_500 <= len(lines) <= 4_000
    assert [line["order_date"] for line in lines] == sorted(line["order_date"] for line in lines)
    assert [line["order_id"] for line in lines] == [f"SO-26{n:04d}" for n in range(1, len(lines) + 1)]


def test_every_month_has_orders_and_every_order_is_on_a_weekday_of_2026(lines: list[Order]) -> None:
    assert {line["order_date"].month for line in lines} == set(range(1, 13))
    assert {line["order_date"].year for line in lines} == {2026}
    assert all(line["order_date"].weekday() < 5 for line in lines)


@pytest.mark.parametrize(
    ("field", "shares"),
    [
        (
            "order_type",
            {"sample": (0.05, 0.15), "standard": (0.1, 0.3), "repeat": (0.5, 0.8), "return": (0.02, 0.06)},
        ),
        ("customer_type", {"key": (0.15, 0.4), "retail": (0.5, 0.8), "house": (0.03, 0.12)}),
        (
            "product_line",
            {"Sensors": (0.3, 0.45), "Drives": (0.15, 0.35), "Service": (0.05, 0.25), "配件": (0.15, 0.35)},
        ),
    ],
)
def test_each_kind_has_a_plausible_share(
    lines: list[Order], field: str, shares: dict[str, tuple[float, float]]
) -> None:
    counts = Counter(dict(line)[field] for line in lines)
    assert set(counts) == set(shares)
    for kind, (least, most) in shares.items():
        assert least <= counts[kind] / len(lines) <= most, kind


def test_only_returns_are_negative_and_only_returns_name_an_original(lines: list[Order]) -> None:
    for line in lines:
        assert line["amount"] != 0
        is_return = line["order_type"] == "return"
        assert (line["amount"] < 0) is is_return
        assert (line["quantity"] < 0) is is_return
        assert (line["original_order"] is not None) is is_return


def test_a_return_takes_back_from_an_earlier_order_of_the_same_customer(lines: list[Order]) -> None:
    by_id = {line["order_id"]: line for line in lines}
    for line in returns(lines):
        original = by_id[line["original_order"] or ""]
        assert original["order_date"] < line["order_date"]
        assert original["order_type"] in ("standard", "repeat")
        for field in ("salesperson", "customer", "customer_type", "product_line"):
            assert dict(original)[field] == dict(line)[field]


def test_returns_never_exceed_the_original_order(lines: list[Order]) -> None:
    left = {line["order_id"]: (line["quantity"], line["amount"]) for line in lines}
    for line in returns(lines):
        original = line["original_order"] or ""
        quantity, amount = left[original]
        left[original] = quantity + line["quantity"], amount + line["amount"]
        assert left[original][0] >= 0
        assert left[original][1] >= 0


def test_amounts_are_decimals_with_two_digits(lines: list[Order]) -> None:
    assert {line["amount"].as_tuple().exponent for line in lines} == {-2}


def test_a_quote_is_never_later_than_its_order_and_a_return_has_none(lines: list[Order]) -> None:
    for line in lines:
        if line["quote_date"] is None:
            assert line["order_type"] == "return"
        else:
            assert dt.timedelta(0) < line["order_date"] - line["quote_date"] < dt.timedelta(days=100)


def test_the_first_order_of_a_customer_is_standard_or_sample_and_most_later_ones_repeat(
    lines: list[Order],
) -> None:
    by_customer = defaultdict(list)
    for line in lines:
        by_customer[line["customer"]].append(line["order_type"])
    assert {types[0] for types in by_customer.values()} == {"standard", "sample"}
    later = [order_type for types in by_customer.values() for order_type in types[1:]]
    assert later.count("repeat") / len(later) > 0.6


def test_a_customer_has_one_salesperson_and_one_type(lines: list[Order]) -> None:
    pairs = {(line["customer"], line["salesperson"], line["customer_type"]) for line in lines}
    assert len(pairs) == len({line["customer"] for line in lines})
    assert any(customer.isascii() for customer, _, _ in pairs)
    assert any(not customer.isascii() for customer, _, _ in pairs)


def test_the_team_is_twenty_people_under_four_managers_in_two_regions() -> None:
    members = team()
    assert len({member["salesperson"] for member in members}) == len(members) == 20
    assert len({member["manager"] for member in members}) == 4
    assert Counter(member["region"] for member in members) == {"North": 10, "华东": 10}
    assert sum(member["salesperson"].isascii() for member in members) == 10


def test_everybody_who_sells_is_in_the_team_and_sells_nothing_before_joining(lines: list[Order]) -> None:
    joined = {member["salesperson"]: member["joined"] for member in team()}
    assert all(joined[line["salesperson"]] <= line["order_date"] for line in lines)


def test_two_members_have_joined_but_have_no_order(lines: list[Order]) -> None:
    without = {member["salesperson"] for member in team()} - {line["salesperson"] for line in lines}
    assert without == {"Tom Fisher", "徐鹏"}


def test_quotas_are_for_people_and_regions_that_there_are() -> None:
    people, regions = ({member[key] for member in team()} for key in ("salesperson", "region"))
    for quota in quotas():
        assert quota["salesperson"] in people or quota["region"] in regions
        assert (quota["salesperson"] is None) is not (quota["region"] is None)


def test_attainment_of_120000_a_month_spreads_from_a_third_to_half_as_much_again() -> None:
    sold: dict[str, Decimal] = defaultdict(Decimal)
    for line in orders():
        if (
            line["order_date"].month == 11
            and line["order_type"] != "sample"
            and line["customer_type"] != "house"
        ):
            sold[line["salesperson"]] += line["amount"]
    attained = sorted(float(amount) / 120_000 for amount in sold.values())
    assert 0.2 < attained[0] < 0.45
    assert 1.4 < attained[-1] < 1.8
    assert 0.8 < attained[len(attained) // 2] < 1.2


def returns(lines: list[Order]) -> list[Order]:
    return [line for line in lines if line["order_type"] == "return"]
