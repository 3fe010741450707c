"""Amounts in the house's currency: exact, by the rate of the day, the same on every engine."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import CrmRulesError, FieldError, RecordError, Source, frames, money
from crmrules.binding import bind_frame, bind_records
from crmrules.policy.currency import Conversion, Rates

FIELDS: dict[str, Any] = {
    "id": {"type": "text", "role": "id"},
    "day": {"type": "date", "role": "date"},
    "amount": "money(2)",
    "currency": "text",
}
SOURCE = Source(name="orders", fields=FIELDS)
SCHEMA = {"id": pl.String(), "day": pl.Date(), "amount": pl.Decimal(20, 2), "currency": pl.String()}
ENGINES = ("pandas", "pandas over Arrow", "Polars", "Polars lazy", "PyArrow")
Convert = Callable[..., tuple[list[Any], Any]]
Made = Mapping[str, Callable[[pl.DataFrame], Any]]
HOUSE = Conversion(amount="amount", currency="currency", to="CNY")
RATES = [
    {"currency": "USD", "from": dt.date(2026, 1, 1), "rate": Decimal("7.1234")},
    {"currency": "USD", "from": dt.date(2026, 4, 1), "rate": Decimal("7.05")},
    {"currency": "JPY", "from": dt.date(2026, 1, 1), "rate": Decimal("0.0481235")},
    {"currency": "HALF", "from": dt.date(2026, 1, 1), "rate": Decimal("0.5")},
    {"currency": "CNY", "from": dt.date(2026, 1, 1), "rate": 1},
]


def record(amount: Any = "100.00", currency: str | None = "USD", day: str | None = "2026-02-01") -> Any:
    return {
        "id": "O1",
        "day": None if day is None else dt.date.fromisoformat(day),
        "amount": None if amount is None else Decimal(amount),
        "currency": currency,
    }


def of_records(rows: list[Any], house: Conversion = HOUSE, source: Source = SOURCE) -> tuple[list[Any], Any]:
    bound = bind_records(source, rows, [*source.fields]).rows
    aside = house.on(source, RATES).of_records(bound, "house")
    left_out = {each.position for each in aside}
    return [row["house"] for at, row in enumerate(bound) if at not in left_out], aside


@pytest.fixture(scope="session")
def converted(from_polars: Made) -> Convert:
    """The converted amounts of records in an engine, and what was set aside."""

    def convert(engine: str, rows: list[Any], house: Conversion = HOUSE) -> tuple[list[Any], Any]:
        if engine == "records":
            return of_records(rows, house)
        frame = from_polars[engine](pl.DataFrame(rows, SCHEMA))
        bound = bind_frame(SOURCE, frame, [*SOURCE.fields]).frame
        found, aside = house.on(SOURCE, RATES).of_frame(bound, "house")
        assert frames.is_lazy(found) == frames.is_lazy(bound)
        assert found.collect_schema().names() == [*SOURCE.fields, "house"]
        return frames.columns_of(found)["house"], aside

    return convert


def by_hand(row: Any, house: Conversion) -> int | None:
    if row["amount"] is None:
        return None
    rates = [each for each in RATES if each["currency"] == row["currency"] and each["from"] <= row["day"]]
    rate = Decimal(1) if row["currency"] == house.to else max(rates, key=lambda each: each["from"])["rate"]
    how = ROUND_HALF_EVEN if house.rounding == "half_even" else ROUND_HALF_UP
    return int((row["amount"] * rate).quantize(Decimal(1).scaleb(-house.digits), how).scaleb(house.digits))


amounts = st.none() | st.integers(-(10**13), 10**13).map(lambda units: Decimal(units).scaleb(-2))
records = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.just("O1"),
            "day": st.sampled_from([dt.date(2026, 1, 1), dt.date(2026, 3, 31), dt.date(2026, 4, 1)]),
            "amount": amounts,
            "currency": st.sampled_from(["USD", "JPY", "CNY", "HALF"]),
        }
    ),
    min_size=1,
    max_size=20,
)
houses = st.builds(
    lambda digits, rounding: HOUSE.model_copy(update={"digits": digits, "rounding": rounding}),
    st.sampled_from([0, 2, 3]),
    st.sampled_from(["half_away", "half_even"]),
)


@given(rows=records, house=houses)
def test_records_are_converted_as_decimals_are(rows: list[Any], house: Conversion) -> None:
    assert of_records(rows, house) == ([by_hand(row, house) for row in rows], ())


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=10)
@given(rows=records, house=houses)
def test_frames_are_converted_as_decimals_are(
    converted: Convert, engine: str, rows: list[Any], house: Conversion
) -> None:
    assert converted(engine, rows, house) == ([by_hand(row, house) for row in rows], ())


@pytest.mark.parametrize("engine", ["records", *ENGINES])
@pytest.mark.parametrize(("rounding", "units"), [("half_away", [1, -1, 2, -2]), ("half_even", [0, 0, 2, -2])])
def test_half_a_unit_is_rounded_as_declared(
    converted: Convert, engine: str, rounding: str, units: list[int]
) -> None:
    house = HOUSE.model_copy(update={"rounding": rounding})
    rows = [record(amount, "HALF") for amount in ("0.01", "-0.01", "0.03", "-0.03")]
    assert converted(engine, rows, house)[0] == units


@pytest.mark.parametrize("engine", ["records", *ENGINES])
def test_the_rate_in_force_on_the_day_counts_and_nothing_is_interpolated(
    converted: Convert, engine: str
) -> None:
    rows = [record(day=day) for day in ("2026-01-01", "2026-03-31", "2026-04-01", "2030-01-01")]
    assert converted(engine, rows)[0] == [712_34, 712_34, 705_00, 705_00]


@pytest.mark.parametrize("engine", ["records", *ENGINES])
def test_the_house_currency_needs_no_rate_on_any_day(converted: Convert, engine: str) -> None:
    assert converted(engine, [record("12.34", "CNY", "1999-01-01")])[0] == [12_34]


@pytest.mark.parametrize("engine", ["records", *ENGINES])
@pytest.mark.parametrize(
    ("row", "said", "hint"),
    [
        (
            record(currency="USD", day="2025-12-31"),
            "no rate from USD to CNY on 2025-12-31",
            "none that early",
        ),
        (record(currency="USB"), "no rate from USB to CNY on 2026-02-01", "did you mean `USD`"),
        (record(currency=None), "`currency` is missing", "fill it in"),
        (record(day=None), "`day` is missing", "fill it in"),
    ],
)
def test_a_missing_rate_is_an_error_that_names_the_record(
    converted: Convert, engine: str, row: Any, said: str, hint: str
) -> None:
    with pytest.raises(RecordError) as caught:
        converted(engine, [record(), {**row, "id": "O2"}])
    assert caught.value.code == "X101"
    assert "record 'O2'" in caught.value.message
    assert said in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("engine", ["records", *ENGINES])
def test_a_missing_rate_sets_the_record_aside_where_that_is_declared(converted: Convert, engine: str) -> None:
    house = HOUSE.model_copy(update={"missing": "quarantine"})
    rows = [record(), {**record(currency="XXX"), "id": "O2"}, record("1.00", "CNY")]
    found, [aside] = converted(engine, rows, house)
    assert found == [712_34, 1_00]
    assert (aside.source, aside.position, aside.row, aside.field) == ("orders", 1, "O2", "currency")
    assert aside.reason == "there is no rate from XXX to CNY on 2026-02-01"
    assert aside.record["amount"] == 100_00


@pytest.mark.parametrize("engine", ["records", *ENGINES])
def test_without_an_amount_no_rate_is_needed(converted: Convert, engine: str) -> None:
    assert converted(engine, [record(None, "XXX", None)])[0] == [None]


@pytest.mark.parametrize("engine", ["records", *ENGINES])
def test_a_result_that_cannot_be_carried_is_refused(converted: Convert, engine: str) -> None:
    largest = money.amount(money.LARGEST, 2)
    assert converted(engine, [record(largest, "CNY")])[0] == [money.LARGEST]
    with pytest.raises(RecordError, match="record 'O1': the amount in CNY is too large"):
        converted(engine, [record(largest, "USD")])


def test_a_timestamp_counts_with_its_day() -> None:
    source = Source(fields={**FIELDS, "day": {"type": "datetime", "role": "date"}})
    rows = [
        {**record(), "day": dt.datetime(2026, 3, 31, 23, 59)},
        {**record(), "day": dt.datetime(2026, 4, 1)},
    ]
    assert of_records(rows, source=source)[0] == [712_34, 705_00]
    frame = pl.DataFrame(rows, {**SCHEMA, "day": pl.Datetime("us")})
    bound = bind_frame(source, frame, [*source.fields]).frame
    found, _ = HOUSE.on(source, RATES).of_frame(bound, "house")
    assert frames.columns_of(found)["house"] == [712_34, 705_00]


def test_rates_come_as_a_frame_as_well_and_under_other_names() -> None:
    declared = Source(
        name="kurse", fields={"whg": "text", "ab": "date", "kurs": {"type": "money(6)", "column": "rate"}}
    )
    rates = pl.DataFrame({"whg": ["USD"], "ab": [dt.date(2026, 1, 1)], "rate": [7.1234]})
    house = HOUSE.model_copy(update={"rates": Rates(table="kurse", currency="whg", start="ab", rate="kurs")})
    rows = bind_records(SOURCE, [record()], [*SOURCE.fields]).rows
    house.on(SOURCE, rates, declared).of_records(rows, "house")
    assert rows[0]["house"] == 712_34


def rate(value: Any, currency: str = "USD") -> dict[str, Any]:
    return {"currency": currency, "from": dt.date(2026, 1, 1), "rate": value}


@pytest.mark.parametrize(
    ("rates", "code", "said"),
    [
        ([rate(0)], "X102", "0.0 is no rate of USD"),
        ([rate(-7.1)], "X102", "-7.1 is no rate of USD"),
        ([rate(None)], "X102", "None is no rate of USD"),
        ([rate(7.123456789012)], "X102", "more digits than can be computed exactly"),
        ([rate(1.1, "CNY")], "X103", "CNY is the house's own currency"),
        ([rate(7.1), rate(7.2)], "D103", "USD"),
    ],
)
def test_rates_that_are_none_are_refused(rates: list[Any], code: str, said: str) -> None:
    with pytest.raises(FieldError) as caught:
        HOUSE.on(SOURCE, rates)
    assert caught.value.code == code
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount": "amuont"}, "did you mean `amount`"),
        ({"amount": "currency"}, "expected money"),
        ({"currency": "day"}, "expected text"),
        ({"date": "currency"}, "expected date or datetime"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes: dict[str, str], said: str) -> None:
    with pytest.raises(FieldError) as caught:
        HOUSE.model_copy(update=changes).on(SOURCE, RATES)
    assert said in str(caught.value)
    undated = Source(fields={"amount": "money(2)", "currency": "text"})
    with pytest.raises(CrmRulesError, match="role `date`"):
        HOUSE.on(undated, RATES)
