"""The people and the orders of a made-up trading company in 2026.

Everything follows from the seed, on every Python and machine: the only randomness is `Random.random()`,
and only arithmetic that IEEE 754 fixes is done with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Literal, TypedDict, TypeVar

CustomerType = Literal["key", "retail", "house"]
OrderType = Literal["sample", "standard", "repeat", "return"]
ProductLine = Literal["Sensors", "Drives", "Service", "配件"]

T = TypeVar("T")


class Member(TypedDict):
    """A salesperson; the manager sells nothing and has no row."""

    salesperson: str
    manager: str
    region: str
    joined: dt.date


class Quota(TypedDict):
    """What somebody, or each member of a region, is to sell in a month."""

    salesperson: str | None
    region: str | None
    month: str
    amount: Decimal


class Order(TypedDict):
    """An order line.

    quote_date: when the customer got the first quote, None for a return; amount: without tax, in the
    company's one currency; original_order: the order that a return takes back from, None for all others.
    A return has a negative quantity and amount.
    """

    order_id: str
    order_date: dt.date
    quote_date: dt.date | None
    salesperson: str
    customer: str
    customer_type: CustomerType
    order_type: OrderType
    product_line: ProductLine
    quantity: int
    amount: Decimal
    original_order: str | None


@dataclass(frozen=True, slots=True)
class _Person:
    """skill: what the person sells in an average month, as a share of TYPICAL_MONTH; 0: nothing yet.

    patience: how long a sale takes, as a multiple of the usual.
    """

    name: str
    manager: str
    region: str
    joined: dt.date
    skill: float
    patience: float


@dataclass(frozen=True, slots=True)
class _Customer:
    name: str
    kind: CustomerType


@dataclass(frozen=True, slots=True)
class _Line:
    """An order before all orders are sorted by date and numbered."""

    order_date: dt.date
    quote_date: dt.date | None
    seller: _Person
    customer: _Customer
    order_type: OrderType
    product_line: ProductLine
    quantity: int
    price_cents: int
    original: _Line | None = None


YEAR = 2026
TYPICAL_MONTH = 120_000

_PEOPLE = (
    _Person("Alice Turner", "Grace Hill", "North", dt.date(2019, 3, 4), 1.20, 0.8),
    _Person("Ben Carter", "Grace Hill", "North", dt.date(2021, 9, 1), 0.88, 1.0),
    _Person("Chloe Evans", "Grace Hill", "North", dt.date(2024, 1, 15), 0.58, 1.1),
    _Person("David Reed", "Grace Hill", "North", dt.date(2022, 6, 1), 0.98, 0.9),
    _Person("Emma Walsh", "Grace Hill", "North", dt.date(2025, 10, 6), 0.38, 1.5),
    _Person("Frank Doyle", "Daniel Brooks", "North", dt.date(2017, 5, 2), 0.72, 1.3),
    _Person("Helen Price", "Daniel Brooks", "North", dt.date(2020, 2, 3), 1.12, 1.0),
    _Person("Jack Morris", "Daniel Brooks", "North", dt.date(2026, 5, 11), 0.46, 1.2),
    _Person("Laura Quinn", "Daniel Brooks", "North", dt.date(2023, 4, 3), 0.80, 0.9),
    _Person("Tom Fisher", "Daniel Brooks", "North", dt.date(2026, 11, 2), 0, 1),
    _Person("王芳", "周敏", "华东", dt.date(2018, 7, 2), 1.22, 0.7),
    _Person("李伟", "周敏", "华东", dt.date(2020, 3, 16), 0.93, 1.0),
    _Person("张丽", "周敏", "华东", dt.date(2022, 2, 14), 0.76, 1.0),
    _Person("刘洋", "周敏", "华东", dt.date(2023, 8, 1), 0.64, 1.2),
    _Person("陈静", "周敏", "华东", dt.date(2019, 11, 4), 1.04, 0.9),
    _Person("杨磊", "陈国强", "华东", dt.date(2025, 7, 1), 0.30, 1.6),
    _Person("赵敏", "陈国强", "华东", dt.date(2021, 5, 10), 1.16, 0.8),
    _Person("黄强", "陈国强", "华东", dt.date(2024, 3, 18), 0.50, 1.1),
    _Person("吴霞", "陈国强", "华东", dt.date(2022, 10, 10), 0.83, 1.0),
    _Person("徐鹏", "陈国强", "华东", dt.date(2026, 11, 9), 0, 1),
)

_SEASON = {
    "North": (0.88, 0.92, 1.08, 1.00, 0.98, 1.06, 0.86, 0.80, 1.06, 1.08, 1.10, 1.18),
    "华东": (1.04, 0.52, 1.06, 1.04, 1.02, 1.10, 0.94, 0.96, 1.08, 0.84, 1.16, 1.24),
}
"""How each month compares with the average one."""

_CLOSED = {
    "North": ((dt.date(YEAR, 1, 1), dt.date(YEAR, 1, 1)), (dt.date(YEAR, 12, 25), dt.date(YEAR, 12, 28))),
    "华东": (
        (dt.date(YEAR, 1, 1), dt.date(YEAR, 1, 3)),
        (dt.date(YEAR, 2, 15), dt.date(YEAR, 2, 23)),
        (dt.date(YEAR, 10, 1), dt.date(YEAR, 10, 7)),
    ),
}
"""First and last days of the holidays on which nobody orders."""

_NAMES = {
    "North": (
        ("Alder", "Beacon", "Calder", "Denholm", "Elmswood", "Fenwick", "Garrick", "Harrow", "Ironbridge",
         "Kestrel", "Larkfield", "Marlowe", "Norwood", "Oakley", "Pennine", "Redmire", "Selby", "Thornton",
         "Ullswater", "Westgate"),
        (" Automation", " Controls", " Foods", " Instruments", " Logistics", " Motion", " Packaging"),
        (" Ltd", " Group"),
    ),
    "华东": (
        ("上海", "苏州", "杭州", "南京", "宁波", "无锡", "常州", "合肥", "嘉兴", "绍兴", "南通", "温州",
         "扬州", "金华", "芜湖", "徐州", "泰州", "湖州", "镇江", "台州"),
        ("恒达", "华兴", "瑞丰", "中科", "明远", "天成", "博雅"),
        ("自动化有限公司", "机电有限公司"),
    ),
}  # fmt: skip
"""The parts of customers' names: 280 combinations a region, and 10 × 14 customers to name."""
_STRIDE = 83
"""How far apart in them two customers in a row are; no factor in common with 280, so none comes twice."""

_CUSTOMERS_EACH = 14
_CUSTOMER_TYPES: tuple[CustomerType, ...] = (
    "key", "retail", "retail", "key", "retail", "retail", "house",
    "retail", "key", "retail", "retail", "retail", "retail", "retail",
)  # fmt: skip
_VISITS = {"key": 3, "retail": 2, "house": 2}
"""How often a customer of each type orders, relative to the others."""
_SIZE = {"key": 1.3, "retail": 0.87, "house": 1.2}
"""How large their orders are, relative to the average."""

_FIRST: tuple[tuple[OrderType, int], ...] = (("standard", 6), ("sample", 4))
_LATER: tuple[tuple[OrderType, int], ...] = (("repeat", 78), ("standard", 16), ("sample", 6))
_LINES: tuple[tuple[ProductLine, int], ...] = (("Sensors", 38), ("Drives", 24), ("Service", 14), ("配件", 24))

_PRICES = {"Sensors": (60, 240), "Drives": (600, 2_400), "Service": (300, 900), "配件": (6, 48)}
"""Lowest and highest price of a piece (a service day), in whole units of currency."""
_CYCLE_DAYS = {"sample": (2, 20), "standard": (10, 50), "repeat": (2, 15)}
"""Shortest and longest time from the first quote to the order."""

_COUNTED_SHARE = 0.83
"""Roughly how much of what a person sells is neither sample nor house account nor returned."""
_RETURNED_SHARE = 0.05
_RETURN_DAYS = (4, 60)


def team() -> list[Member]:
    """The salespeople with their manager, region and first day; two of them have no order yet.

    >>> members = team()
    >>> len(members), len({member["manager"] for member in members})
    (20, 4)
    >>> members[10]
    {'salesperson': '王芳', 'manager': '周敏', 'region': '华东', 'joined': datetime.date(2018, 7, 2)}
    """
    return [
        {
            "salesperson": person.name,
            "manager": person.manager,
            "region": person.region,
            "joined": person.joined,
        }
        for person in _PEOPLE
    ]


def quotas() -> list[Quota]:
    """The quotas of November 2026: one for a region, and two people's own."""
    month = "2026-11"
    return [
        {"salesperson": None, "region": "华东", "month": month, "amount": Decimal("120000.00")},
        {"salesperson": "Alice Turner", "region": None, "month": month, "amount": Decimal("150000.00")},
        {"salesperson": "王芳", "region": None, "month": month, "amount": Decimal("160000.00")},
    ]


def orders(seed: int = 2026) -> list[Order]:
    """The order lines of 2026 by date, the same ones for the same seed.

    >>> lines = orders()
    >>> lines[0]["order_id"], lines[0]["order_date"], lines[0]["salesperson"], lines[0]["amount"]
    ('SO-260001', datetime.date(2026, 1, 2), 'Ben Carter', Decimal('5377.76'))
    >>> sum(line["amount"] for line in lines if line["order_type"] == "return")
    Decimal('-544397.86')
    """
    rng = Random(seed)
    lines: list[_Line] = []
    for place, person in enumerate(_PEOPLE):
        if person.skill:
            sold = list(_sales(rng, person, _customers(place, person.region)))
            lines += sold
            lines += _returns(rng, sold)
    lines.sort(key=lambda line: line.order_date)

    ids = {id(line): f"SO-{YEAR % 100}{number:04d}" for number, line in enumerate(lines, 1)}
    return [
        {
            "order_id": ids[id(line)],
            "order_date": line.order_date,
            "quote_date": line.quote_date,
            "salesperson": line.seller.name,
            "customer": line.customer.name,
            "customer_type": line.customer.kind,
            "order_type": line.order_type,
            "product_line": line.product_line,
            "quantity": line.quantity,
            "amount": Decimal(line.quantity * line.price_cents).scaleb(-2),
            "original_order": ids[id(line.original)] if line.original else None,
        }
        for line in lines
    ]


def _customers(place: int, region: str) -> list[_Customer]:
    """The customers of the salesperson at that place of the team, each with a name nobody else has."""
    firsts, seconds, endings = _NAMES[region]
    customers = []
    for offset, kind in enumerate(_CUSTOMER_TYPES):
        number = (place * _CUSTOMERS_EACH + offset) * _STRIDE % (len(firsts) * len(seconds) * len(endings))
        rest, first = divmod(number, len(firsts))
        ending, second = divmod(rest, len(seconds))
        customers.append(_Customer(firsts[first] + seconds[second] + endings[ending], kind))
    return customers


def _sales(rng: Random, person: _Person, customers: Sequence[_Customer]) -> Iterator[_Line]:
    """What a person sold in the year, by date: a customer's first order is never a repeat."""
    typical_lines = 9 + 6 * person.skill
    typical_amount = TYPICAL_MONTH * person.skill / typical_lines / _COUNTED_SHARE
    chances = [(customer, _VISITS[customer.kind]) for customer in customers]
    known: set[str] = set()
    for month, season in enumerate(_SEASON[person.region], 1):
        days = [day for day in _working_days(person.region, month) if day >= person.joined]
        if not days:
            continue
        for day in sorted(_one_of(rng, days) for _ in range(int(typical_lines * season + rng.random()))):
            customer = _weighted(rng, chances)
            order_type = _weighted(rng, _LATER if customer.name in known else _FIRST)
            known.add(customer.name)
            yield _sale(rng, person, customer, order_type, day, typical_amount)


def _sale(
    rng: Random,
    person: _Person,
    customer: _Customer,
    order_type: OrderType,
    day: dt.date,
    typical_amount: float,
) -> _Line:
    line = _weighted(rng, _LINES)
    lowest, highest = _PRICES[line]
    price_cents = int(_between(rng, lowest * 100, highest * 100))
    skewed = rng.random()
    # 0.5 to 2, mean 1: many small orders, few large ones.
    amount = typical_amount * _SIZE[customer.kind] * (0.5 + 1.5 * skewed * skewed)
    quantity = 1 if order_type == "sample" else max(1, int(amount * 100 / price_cents + 0.5))
    shortest, longest = _CYCLE_DAYS[order_type]
    cycle = dt.timedelta(days=int(_between(rng, shortest, longest) * person.patience))
    return _Line(day, day - cycle, person, customer, order_type, line, quantity, price_cents)


def _returns(rng: Random, sold: Sequence[_Line]) -> Iterator[_Line]:
    """Some of what was sold comes back, in whole pieces, at the price of the order, before the year ends."""
    for line in sold:
        if line.order_type == "sample" or rng.random() >= _RETURNED_SHARE:
            continue
        day = line.order_date + dt.timedelta(days=int(_between(rng, *_RETURN_DAYS)))
        pieces = 1 + int(rng.random() * line.quantity)
        while not _is_working_day(line.seller.region, day):
            day += dt.timedelta(days=1)
        if day.year == YEAR:
            yield _Line(
                day,
                None,
                line.seller,
                line.customer,
                "return",
                line.product_line,
                -pieces,
                line.price_cents,
                line,
            )


def _working_days(region: str, month: int) -> list[dt.date]:
    day = dt.date(YEAR, month, 1)
    month_of_days = [day + dt.timedelta(days=offset) for offset in range(31)]
    return [day for day in month_of_days if day.month == month and _is_working_day(region, day)]


def _is_working_day(region: str, day: dt.date) -> bool:
    return day.weekday() < 5 and not any(first <= day <= last for first, last in _CLOSED[region])


def _between(rng: Random, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def _one_of(rng: Random, choices: Sequence[T]) -> T:
    return choices[int(rng.random() * len(choices))]


def _weighted(rng: Random, choices: Sequence[tuple[T, int]]) -> T:
    """One of the choices, each as likely as its weight says."""
    left = rng.random() * sum(weight for _, weight in choices)
    for choice, weight in choices:
        left -= weight
        if left < 0:
            return choice
    return choices[-1][0]
