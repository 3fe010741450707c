"""Aggregates of credited records: every engine against plain Python."""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import Model, Period, Policy, RecordError, Source, money
from crmrules.kpi.feed import Feed
from crmrules.kpi.score import Plan

SOURCE = Source(
    name="orders",
    fields={
        "number": {"type": "text", "role": "id"},
        "who": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "kind": "text",
        "customer": "text",
        "amount": "money(2)",
        "hours": "number",
    },
)
CREDITS = {"nothing": 0.0, "half": 0.5, "third": 0.3}
POLICY = Policy(
    rules=[
        {"when": f"kind == '{kind}'", "credit": credit, "because": kind} for kind, credit in CREDITS.items()
    ],
    default={"credit": 1},
)
MEASURES = {
    "amount_sum": "sum(amount)",
    "amount_of_wholes": "sum(amount, where=kind == 'whole')",
    "hours_sum": "sum(hours)",
    "hours_of_large": "sum(hours, where=amount > 10)",
    "records": "count()",
    "large": "count(where=amount > 10)",
    "small_or_unknown": "count(where=not (amount > 10) or is_null(amount))",
    "amount_mean": "mean(amount)",
    "hours_mean": "mean(hours, where=kind == 'half')",
    "amount_min": "min(amount)",
    "amount_max": "max(amount, where=hours >= 0)",
    "hours_min": "min(hours)",
    "hours_max": "max(hours)",
    "first_day": "min(day)",
    "last_day": "max(day, where=kind == 'whole')",
    "customers": "nunique(customer)",
    "customers_of_halves": "nunique(customer, where=kind == 'half')",
    "days": "nunique(day)",
    "rate": "sum(amount) / sum(hours)",
}

records = st.builds(
    dict,
    who=st.sampled_from(["Ann", "Bo", "王芳"]),
    day=st.sampled_from([dt.date(2024, 1, 31), dt.date(2024, 2, 29), dt.date(2024, 3, 1)]),
    kind=st.sampled_from(["whole", "half", "third", "nothing", None]),
    customer=st.sampled_from(["Acme", "Birch", "Cole", None]),
    amount=st.none() | st.integers(-99_999, 99_999).map(lambda cents: Decimal(cents).scaleb(-2)),
    # Quarters of an hour, so that the order of a sum does not change it.
    hours=st.none() | st.integers(-400, 400).map(lambda quarters: quarters / 4),
)


def numbered(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"number": f"N{position}", **record} for position, record in enumerate(listed)]


def plan(measures: Mapping[str, str], policy: Policy | None = POLICY, unit: str = "month") -> Plan:
    feed = Feed(SOURCE, policy.on(SOURCE) if policy else None)
    found = Plan("any", Model(period=unit, indicators={name: {} for name in measures}))
    for name, text in measures.items():
        found.add_measure(name, text, feed)
    for name in measures:
        found.add_indicator(name, None)
    return found


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def mean(values: list[Any]) -> float | None:
    return float(sum(values)) / len(values) if values else None


def aggregates(group: list[dict[str, Any]]) -> dict[str, Any]:
    """The measures of records that count, from their definitions."""

    def credit(row: dict[str, Any]) -> Decimal:
        return Decimal(str(CREDITS.get(row["kind"], 1.0)))

    def known(name: str, where: Callable[[dict[str, Any]], bool] = lambda row: True) -> list[Any]:
        return [row[name] for row in group if where(row) and row[name] is not None]

    def amounts(where: Callable[[dict[str, Any]], bool] = lambda row: True) -> Decimal:
        chosen = [row for row in group if where(row) and row["amount"] is not None]
        return sum((cents(row["amount"] * credit(row)) for row in chosen), Decimal(0))

    def hours(where: Callable[[dict[str, Any]], bool] = lambda row: True) -> float:
        chosen = [row for row in group if where(row) and row["hours"] is not None]
        return math.fsum(row["hours"] * float(credit(row)) for row in chosen)

    def large(row: dict[str, Any]) -> bool:
        return row["amount"] is not None and row["amount"] > 10

    def half(row: dict[str, Any]) -> bool:
        return row["kind"] == "half"

    def whole(row: dict[str, Any]) -> bool:
        return row["kind"] == "whole"

    return {
        "amount_sum": amounts(),
        "amount_of_wholes": amounts(whole),
        "hours_sum": hours(),
        "hours_of_large": hours(large),
        "records": len(group),
        "large": len([row for row in group if large(row)]),
        "small_or_unknown": len([row for row in group if not large(row)]),
        "amount_mean": mean(known("amount")),
        "hours_mean": mean(known("hours", half)),
        "amount_min": min(known("amount"), default=None),
        "amount_max": max(
            known("amount", lambda row: row["hours"] is not None and row["hours"] >= 0), default=None
        ),
        "hours_min": min(known("hours"), default=None),
        "hours_max": max(known("hours"), default=None),
        "first_day": min(known("day"), default=None),
        "last_day": max(known("day", whole), default=None),
        "customers": len({*known("customer")}),
        "customers_of_halves": len({*known("customer", half)}),
        "days": len({*known("day")}),
        "rate": float(amounts()) / hours() if abs(hours()) > 1e-9 else None,
    }


def same(ours: Any, theirs: Any) -> bool:
    if theirs is None or ours is None or isinstance(theirs, dt.date):
        return bool(ours == theirs)
    if isinstance(theirs, Decimal):
        return isinstance(ours, Decimal) and ours == theirs
    return bool(float(ours) == pytest.approx(float(theirs), rel=1e-12, abs=1e-10))


@settings(max_examples=12)
@given(listed=st.lists(records, min_size=1, max_size=25))
def test_every_aggregate_is_what_plain_python_says_on_every_engine(
    engines: Mapping[str, Any], listed: list[dict[str, Any]]
) -> None:
    rows = numbered(listed)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if CREDITS.get(row["kind"], 1.0) > 0:
            groups.setdefault((row["who"], f"{row['day']:%Y-%m}"), []).append(row)
    expected = {key: aggregates(group) for key, group in groups.items()}
    ready = plan(MEASURES)
    for engine, convert in engines.items():
        card = ready.score({"orders": convert(rows)})
        assert {(who, str(period)) for who, period in card.keys} >= {*expected}
        for standing in card.standings():
            wanted = expected.get((standing.subject, str(standing.period)), aggregates([]))
            for name, result in standing.results.items():
                if name == "rate" and wanted["rate"] is None:
                    continue
                assert same(result.actual, wanted[name]), (
                    engine,
                    standing.subject,
                    name,
                    result,
                    wanted[name],
                )


@settings(max_examples=6)
@given(listed=st.lists(records, min_size=2, max_size=20), data=st.data())
def test_sums_of_money_are_the_same_to_the_cent_in_any_order_of_the_records(
    engines: Mapping[str, Any], listed: list[dict[str, Any]], data: st.DataObject
) -> None:
    rows = numbered(listed)
    shuffled = data.draw(st.permutations(rows))
    ready = plan({"amount": "sum(amount)", "mean": "mean(amount)"})
    seen = set()
    for convert in engines.values():
        for order in (rows, shuffled):
            card = ready.score({"orders": convert(order)})
            seen.add(
                tuple(
                    (each.subject, each.results["amount"].actual, each.results["mean"].actual)
                    for each in card.standings()
                )
            )
    assert len(seen) == 1


def row(**parts: Any) -> dict[str, Any]:
    record = {
        "number": "N1", "who": "Ann", "day": dt.date(2024, 1, 1), "kind": "whole", "customer": "Acme",
        "amount": Decimal("1.00"), "hours": 1.0,
    }  # fmt: skip
    return {**record, **parts}


def test_half_a_cent_of_credit_is_rounded_away_from_zero_in_each_record(engine: Any) -> None:
    rows = [row(kind="half", amount=Decimal("0.01")), row(kind="half", amount=Decimal("-0.01"), number="N2")]
    rows += [row(kind="half", amount=Decimal("0.03"), number="N3")]
    standing = plan({"amount": "sum(amount)"}).score({"orders": engine(rows)}).standing("Ann", "2024-01")
    # 0.5 → 1, -0.5 → -1, 1.5 → 2 cents
    assert standing.results["amount"].actual == Decimal("0.02")


def test_a_group_whose_records_all_have_no_credit_is_not_on_the_card(engine: Any) -> None:
    rows = [row(kind="nothing"), row(who="Bo", number="N2")]
    card = plan({"records": "count()"}).score({"orders": engine(rows)})
    assert card.subjects == ["Bo"]


def test_without_a_policy_every_record_counts_whole(engine: Any) -> None:
    rows = [row(kind="nothing"), row(kind="half", number="N2")]
    card = plan({"amount": "sum(amount)", "records": "count()"}, policy=None).score({"orders": engine(rows)})
    results = card.standing("Ann", "2024-01").results
    assert (results["amount"].actual, results["records"].actual) == (Decimal("2.00"), 2)


def test_a_record_without_credit_needs_neither_date_nor_subject(engine: Any) -> None:
    rows = [row(), row(kind="nothing", day=None, number="N2"), row(kind="nothing", who=None, number="N3")]
    card = plan({"records": "count()"}).score({"orders": engine(rows)})
    assert card.standing("Ann", "2024-01").results["records"].actual == 1


@pytest.mark.parametrize("missing", ["day", "who"])
def test_a_record_that_counts_needs_date_and_subject(engine: Any, missing: str) -> None:
    rows = [row(), row(kind="nothing", number="N2"), row(number="N3", **{missing: None})]
    with pytest.raises(RecordError) as caught:
        plan({"records": "count()"}).score({"orders": engine(rows)})
    assert caught.value.code == "M102"
    assert "'N3'" in caught.value.message
    assert f"`{missing}`" in caught.value.message


def test_large_sums_of_money_are_exact(engine: Any) -> None:
    rows = [row(amount=Decimal("9999999999.99"), number=f"N{position}") for position in range(1000)]
    rows.append(row(amount=Decimal("0.01")))
    standing = plan({"amount": "sum(amount)"}).score({"orders": engine(rows)}).standing("Ann", "2024-01")
    assert standing.results["amount"].actual == Decimal("9999999999990.01")


@pytest.mark.parametrize(
    ("unit", "keys"),
    [
        ("month", ["2024-01", "2024-02", "2024-03", "2024-04"]),
        ("quarter", ["2024-Q1", "2024-Q2"]),
        ("year", ["2024"]),
    ],
)
def test_records_fall_into_the_period_of_their_day(engine: Any, unit: str, keys: list[str]) -> None:
    days = [dt.date(2024, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 3, 31), dt.date(2024, 4, 1)]
    rows = [row(day=day, number=f"N{position}") for position, day in enumerate(days)]
    card = plan({"records": "count()"}, unit=unit).score({"orders": engine(rows)})
    found = {str(each.period): each.results["records"].actual for each in card.standings()}
    assert [*found] == keys
    assert sum(found.values()) == 4
    for key in keys:
        assert found[key] == sum(1 for day in days if day in card.standing("Ann", key).period)


@pytest.mark.parametrize("year", [1, 1582, 1900, 9999])
def test_days_far_from_today_fall_into_their_own_month(engines: Mapping[str, Any], year: int) -> None:
    # pandas' timestamps of nanoseconds do not reach these years; everything else holds them.
    for name in ("dicts", "pandas text", "pandas over Arrow", "Polars", "Polars lazy", "PyArrow"):
        rows = [row(day=dt.date(year, 12, 31))]
        card = plan({"records": "count()"}).score({"orders": engines[name](rows)})
        assert [str(period) for period in card.periods] == [f"{year:04d}-12"], name


def test_half_a_cent_is_rounded_up_although_its_float_is_below(engine: Any) -> None:
    # 0.50 x 0.29 is 0.145; as floats 14.499999999999998 cents.
    policy = Policy(rules=[{"when": "kind == 'x'", "credit": 0.29, "because": "a share"}], default=1)
    row = {"who": "Ann", "day": dt.date(2026, 11, 3), "customer": "Acme", "hours": 1.0, "kind": "x"}
    rows = numbered([{**row, "amount": Decimal("0.50")}, {**row, "amount": Decimal("-0.50")}])
    for record, cents in zip(rows, ("0.15", "-0.15"), strict=True):
        card = plan({"amount_sum": "sum(amount)"}, policy).score({"orders": engine([record])})
        assert card.standing("Ann", "2026-11").results["amount_sum"].actual == Decimal(cents)


@given(cents=st.integers(-10_000_000, 10_000_000), percent=st.integers(0, 100))
def test_a_percentage_of_money_is_rounded_as_people_do(cents: int, percent: int) -> None:
    exact = (Decimal(cents) * percent / 100).quantize(Decimal(1), ROUND_HALF_UP)
    assert money.credited(cents, percent / 100) == exact


def test_a_record_outside_the_asked_period_need_not_have_a_subject(engine: Any) -> None:
    rows = [row(), row(day=dt.date(2024, 3, 1), who=None, number="N2")]
    ready = plan({"records": "count()"})
    card = ready.score({"orders": engine(rows)}, period=Period.parse("2024-01"))
    assert card.standing("Ann", "2024-01").results["records"].actual == 1
    card = ready.score({"orders": engine(rows)}, until=dt.date(2024, 2, 29))
    assert card.standing("Ann", "2024-01").results["records"].actual == 1


def test_the_record_without_a_subject_that_is_named_lies_in_the_asked_period(engine: Any) -> None:
    rows = [row(day=dt.date(2024, 3, 1), who=None, number="N1"), row(who=None, number="N2")]
    with pytest.raises(RecordError) as caught:
        plan({"records": "count()"}).score({"orders": engine(rows)}, period=Period.parse("2024-01"))
    assert "'N2'" in caught.value.message


def test_amounts_that_add_up_to_more_than_whole_numbers_hold_are_refused(engine: Any) -> None:
    # 9,000 amounts of 2^50 cents are beyond 2^63, where whole numbers go on at the negative end.
    large = Decimal(2**50) / 100
    rows = [row(amount=large, number=f"N{position}") for position in range(9_000)]
    for measure in ("sum(amount)", "mean(amount)", "share(amount, where=hours > 0)"):
        with pytest.raises(RecordError) as caught:
            plan({"amount": measure}).score({"orders": engine(rows)})
        assert caught.value.code == "M107"
        assert "'Ann' in 2024-01" in caught.value.message


def test_many_amounts_are_summed_as_long_as_they_fit(engine: Any) -> None:
    large = Decimal(2**50) / 100
    rows = [row(amount=large if at % 2 else -large, number=f"N{at}") for at in range(8_000)]
    rows.append(row(amount=Decimal("0.01")))
    standing = plan({"amount": "sum(amount)"}).score({"orders": engine(rows)}).standing("Ann", "2024-01")
    assert standing.results["amount"].actual == Decimal("0.01")
