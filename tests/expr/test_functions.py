"""Every row of the table: its example, and both implementations against each other."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest

from crmrules import frames
from crmrules.binding import bind_frame
from crmrules.errors import ExpressionError
from crmrules.expr import Expression, Function, PerRecordWarning, functions, register
from crmrules.expr.functions import BUILT_IN, FUNCTIONS, round_half_away
from crmrules.expr.on_dates import SPANS
from crmrules.expr.signature import ANY, MOMENTS, NUMBERS, TEXTS
from crmrules.expr.traced import shown_value
from crmrules.fields import Source

EXAMPLES: dict[str, object] = {
    "abs": 3.0,
    "round": 3.0,
    "floor": 2.0,
    "ceil": 3.0,
    "min": 2.0,
    "max": 3.0,
    "clip": 100.0,
    "mod": 2.0,
    "power": 1024.0,
    "sqrt": 4.0,
    "ln": 0.0,
    "exp": 1.0,
    "coalesce": 3.0,
    "if_null": 3.0,
    "is_null": True,
    "days": 28.0,
    "months_between": 1.0,
    "add_days": dt.date(2026, 2, 10),
    "year": 2026.0,
    "quarter": 4.0,
    "month": 11.0,
    "day": 23.0,
    "weekday": 1.0,
    "start_of": dt.date(2026, 10, 1),
    "end_of": dt.date(2026, 12, 31),
    "date": dt.date(2026, 1, 31),
    "lower": "repeat",
    "upper": "REPEAT",
    "strip": "abc",
    "starts_with": True,
    "ends_with": True,
    "contains": True,
    "length": 2.0,
}
FIELDS = {"x": "number", "y": "number", "d": "date", "e": "date", "w": "datetime", "s": "text"}
NUMBERS_TRIED = (
    None,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.5,
    -2.5,
    0.49999999999999994,
    7.0,
    -7.5,
    1e15,
    1e308,
    -1e308,
    5e-324,
)
DATES_TRIED = (
    None,
    dt.date(1970, 1, 1),
    dt.date(1969, 12, 31),
    dt.date(2024, 2, 29),
    dt.date(2026, 1, 31),
    dt.date(2026, 2, 28),
    dt.date(1900, 3, 1),
    dt.date(2000, 12, 31),
    dt.date(1, 1, 1),
    dt.date(9999, 12, 31),
)
TEXTS_TRIED = (
    None,
    "",
    " abc\t",
    "ABC",
    "Straße",
    "İstanbul",
    "ΑΣ",
    "ŉ ﬁ",
    "订单 é",
    "a.c",
    "\u3000x\u00a0",
    "\x1fz",
)
TRIED = [
    "round(x)",
    "round(x, 2)",
    "floor(x)",
    "ceil(x)",
    "abs(x)",
    "clip(x, y, 2)",
    "mod(x, y)",
    "mod(x, 3)",
    "mod(7, x)",
    "power(x, 2)",
    "power(x, -3)",
    "power(x, 0)",
    "power(x, 0.5)",
    "sqrt(x)",
    "min(x, y, 1)",
    "max(x, y)",
    "if_null(x, y)",
    "year(d)",
    "quarter(d)",
    "month(d)",
    "day(d)",
    "weekday(d)",
    "day(w)",
    "weekday(w)",
    "year(d) * 100 + month(d)",
    "months_between(d, e)",
    "add_days(d, 10)",
    "add_days(w, x)",
    "add_days(e, days(d - e))",
    "months_between(w, d)",
    *(f"{name}(d, '{span}')" for name in ("start_of", "end_of") for span in SPANS),
    "end_of(w, 'month')",
    "date(x * 400, 2, 29)",
    "date(2026, y, 31)",
    "lower(s)",
    "upper(s)",
    "strip(s)",
    "length(s)",
    "starts_with(s, 'a')",
    "not starts_with(s, '')",
    "contains(s, '.')",
    "not contains(s, '.')",
    "ends_with(s, 'c')",
    "contains(s, 'ß') == ends_with(s, 'C')",
    "lower(strip(s)) in ('abc', 'a.c')",
    "length(s) > 2 and x > 0",
]  # fmt: skip
ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "Polars": lambda frame: frame,
    "Polars lazy": lambda frame: frame.lazy(),
    "PyArrow": lambda frame: frame.to_arrow(),
    "pandas": lambda frame: frame.to_pandas(),
    "pandas over Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
}


def records() -> list[dict[str, Any]]:
    rows = []
    for position in range(len(NUMBERS_TRIED) * 14):
        day = DATES_TRIED[position % len(DATES_TRIED)]
        late = DATES_TRIED[(position // 3) % len(DATES_TRIED)]
        within = late is not None and 1700 < late.year < 2200
        rows.append(
            {
                "x": NUMBERS_TRIED[position % len(NUMBERS_TRIED)],
                "y": NUMBERS_TRIED[position // len(NUMBERS_TRIED) % len(NUMBERS_TRIED)],
                "d": day,
                "e": late,
                "w": dt.datetime.combine(late, dt.time(23, 59)) if within and late else None,
                "s": TEXTS_TRIED[position % len(TEXTS_TRIED)],
            }
        )
    return rows


@pytest.fixture(scope="module")
def bound() -> dict[str, Any]:
    kinds: dict[str, Any] = {"text": pl.String, "date": pl.Date, "datetime": pl.Datetime("us")}
    frame = pl.DataFrame(
        records(), schema={name: kinds.get(kind, pl.Float64) for name, kind in FIELDS.items()}
    )
    source = Source.model_validate({"fields": FIELDS})
    return {engine: bind_frame(source, make(frame), FIELDS).frame for engine, make in ENGINES.items()}


@pytest.mark.parametrize("row", BUILT_IN, ids=lambda row: row.name)
def test_the_example_of_each_function_is_right(row: Function) -> None:
    expression = Expression.parse(row.example, {})
    assert expression({}) == EXAMPLES[row.name]
    assert expression.trace({}).value == EXAMPLES[row.name]
    assert row.doc.endswith(".")


@pytest.mark.parametrize("text", TRIED)
def test_all_engines_agree_on_edges(text: str, bound: dict[str, Any]) -> None:
    expression = Expression.parse(text, FIELDS)
    expected = [expression(record) for record in records()]
    assert expected == [expression.trace(record).value for record in records()]
    for engine, frame in bound.items():
        column = frames.columns_of(frame.select(expression.column().alias("v")))["v"]
        values = [shown_value(frames.delivered(each, expression.type), expression.type) for each in column]
        wrong = [each for each in zip(records(), expected, values, strict=True) if each[1] != each[2]]
        assert not wrong, (engine, wrong[:3])


@pytest.mark.parametrize("text", ["ln(x)", "exp(x)", "power(x, 1.5)", "power(x, -0.25)"])
def test_engines_agree_on_the_platforms_mathematics_to_fifteen_digits(
    text: str, bound: dict[str, Any]
) -> None:
    expression = Expression.parse(text, FIELDS)
    expected = [expression(record) for record in records()]
    for engine, frame in bound.items():
        column = frames.columns_of(frame.select(expression.column().alias("v")))["v"]
        for wanted, found in zip(expected, column, strict=True):
            missing = found is None or found != found
            assert missing if wanted is None else math.isclose(found, wanted, rel_tol=1e-14), engine


@pytest.mark.parametrize(
    ("number", "rounded"), [(0.5, 1.0), (2.5, 3.0), (-0.5, -1.0), (0.49999999999999994, 0.0), (1e300, 1e300)]
)
def test_a_half_is_rounded_away_from_zero(number: float, rounded: float) -> None:
    assert round_half_away(number) == rounded


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2026-01-31", "2026-02-27", 0),
        ("2026-01-31", "2026-02-28", 1),
        ("2026-01-31", "2026-03-30", 1),
        ("2025-12-01", "2026-12-01", 12),
        ("2026-03-15", "2026-03-14", 0),
        ("2026-03-15", "2026-01-15", -2),
    ],
)
def test_months_are_whole_and_reached_on_the_last_day(start: str, end: str, months: int) -> None:
    assert Expression.parse(f"months_between(date('{start}'), date('{end}'))", {})({}) == months


@pytest.fixture
def registry() -> Iterator[None]:
    before = dict(FUNCTIONS)
    yield
    FUNCTIONS.clear()
    FUNCTIONS.update(before)


def commission(scalar: Callable[..., object], name: str = "commission") -> Function:
    return Function(
        name, (NUMBERS,), "number", scalar, lambda x: x * 0.05, "Five per cent.", "commission(100)"
    )


def test_a_host_adds_its_own_function(registry: None) -> None:
    register(commission(lambda x: x * 0.05))
    expression = Expression.parse("commission(x) + 1", {"x": "number"})
    assert expression({"x": 100}) == 6.0
    assert expression({"x": None}) is None
    assert expression.trace({"x": 100}).value == 6.0


@pytest.mark.parametrize("name", ["abs", "sum", "datetime", "_own", "if", "a b"])
def test_a_host_cannot_take_a_name_that_is_taken_or_none(name: str, registry: None) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        register(commission(lambda x: x, name))


def test_names_for_hints_hold_functions_and_aggregates() -> None:
    assert {"abs", "sum", "lower"} <= set(functions.names_of_functions())


def slowly(
    function: Callable[..., object], kinds: tuple[frozenset[Any], ...], name: str = "", **more: Any
) -> Function:
    # Parsed expressions are kept, so no name is used twice.
    name = f"slowly_{name or more['result']}"
    return Function(name, kinds, column=None, scalar=function, doc="Slow.", example=f"{name}(1)", **more)


def later(day: dt.date, number: float) -> dt.date | None:
    ordinal = day.toordinal() + int(number % 7)
    return dt.date.fromordinal(ordinal) if number > 0 and ordinal <= dt.date.max.toordinal() else None


ALL_KINDS = {
    "number": slowly(lambda x, y: x * 2 + y, (NUMBERS, NUMBERS), result="number", required=2, partial=True),
    "text": slowly(lambda s, d: f"{s} {d}", (TEXTS, MOMENTS), result="text", required=2),
    "bool": slowly(lambda s: "b" in s.lower(), (TEXTS,), result="bool"),
    "date": slowly(later, (MOMENTS, NUMBERS), result="date", required=2, partial=True),
    "common": slowly(
        lambda x, y: y if x is None else x, (ANY, ANY), result="common", required=2, nulls="own"
    ),
}
CALLS = {
    "number": ["slowly(x, 2)", "slowly(1, slowly(y, x)) > 3", "sqrt(slowly(x, y))"],
    "text": ["slowly(s, d)", "upper(slowly(s, w))", "slowly('a', d) == 'a 2026-01-31'"],
    "bool": ["slowly(s)", "not slowly(s)", "slowly(s) or x > 0", "1 if slowly(s) else 2"],
    "date": ["slowly(d, x)", "year(slowly(d, 3))", "d < slowly(d, x)"],
    "common": ["slowly(x, y)", "slowly(d, e)", "slowly(s, 'x')", "slowly(x > 0, True)"],
}


@pytest.mark.filterwarnings("ignore::crmrules.expr.PerRecordWarning")
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_function_without_columns_runs_record_by_record(
    kind: str, bound: dict[str, Any], registry: None
) -> None:
    register(ALL_KINDS[kind])
    for call in CALLS[kind]:
        text = call.replace("slowly", f"slowly_{kind}")
        expression = Expression.parse(text, FIELDS)
        expected = [expression(record) for record in records()]
        assert expected == [expression.trace(record).value for record in records()]
        assert len({*expected}) > 1
        for engine, frame in bound.items():
            column = frames.columns_of(frame.select(expression.column().alias("v")))["v"]
            values = [
                shown_value(frames.delivered(each, expression.type), expression.type) for each in column
            ]
            assert values == expected, (engine, text)


def test_a_column_says_that_it_runs_record_by_record(registry: None) -> None:
    register(ALL_KINDS["bool"])
    with pytest.warns(PerRecordWarning, match="`slowly_bool`"):
        Expression.parse("slowly_bool(s)", FIELDS).column()


FAILING = {
    "raised ZeroDivisionError": lambda x: 1 / 0,
    "gave '5', expected a number": lambda x: "5",
    "gave a number of more than 60 digits": lambda x: 10**100,
    "gave nothing": lambda x: None,
    "gave True": lambda x: True,
}


@pytest.mark.parametrize("said", FAILING)
@pytest.mark.parametrize("interpreter", ["compile", "simpleeval"])
def test_a_hosts_function_that_fails_is_an_error_at_its_call(
    said: str, interpreter: Any, registry: None
) -> None:
    name = "".join(filter(str.isalpha, said))
    register(slowly(FAILING[said], (NUMBERS,), name, result="number"))
    expression = Expression.parse(f"1 + slowly_{name}(x)", FIELDS, interpreter=interpreter)
    for interpretation in (expression, expression.trace):
        with pytest.raises(ExpressionError, match=said) as caught:
            interpretation({"x": 1})
        assert (caught.value.code, caught.value.column) == ("E109", 5)


def test_what_is_not_finite_is_missing_from_a_hosts_function_too(registry: None) -> None:
    register(slowly(lambda x: x / 1e-300 * 1e300, (NUMBERS,), "huge", result="number", partial=True))
    assert Expression.parse("is_null(slowly_huge(x))", FIELDS)({"x": 1e300}) is True


@pytest.mark.filterwarnings("ignore::crmrules.expr.PerRecordWarning")
def test_a_hosts_function_that_fails_in_a_column_says_so(bound: dict[str, Any], registry: None) -> None:
    register(slowly(lambda x: 1 / 0, (NUMBERS,), "failing", result="number"))
    for text in ("slowly_failing(x)", "1 if slowly_failing(x + 1) > 3 else 2"):
        column = Expression.parse(text, FIELDS).column()
        for frame in bound.values():
            with pytest.raises(ExpressionError, match="`slowly_failing` raised ZeroDivisionError") as caught:
                frames.collected(frame.select(column.alias("v")))
            assert (caught.value.code, caught.value.text) == ("E109", text)
            assert "1:" in str(caught.value)
