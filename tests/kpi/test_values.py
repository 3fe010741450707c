"""Values over other periods, against plain Python that looks at all records again for each of them."""

import datetime as dt
import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Rulebook
from crmrules.errors import RulebookError

Records = list[dict[str, Any]]
MEASURES = {
    "revenue": "sum(amount)",
    "deals": "count(where=kind == 'won')",
    "average": "mean(hours)",
    "least": "min(hours)",
    "most": "max(amount)",
    "customers": "nunique(customer)",
    "middle": "median(hours)",
    "latest": "last(customer)",
}


def book(period: str = "month", **indicators: str) -> Rulebook:
    return Rulebook.of(
        {
            "sources": {
                "deals": {
                    "fields": {
                        "number": {"type": "text", "role": "id"},
                        "who": {"type": "text", "role": "subject"},
                        "day": {"type": "date", "role": "date"},
                        "kind": "text",
                        "customer": "text",
                        "amount": "money(2)",
                        "hours": "number",
                    }
                }
            },
            "measures": MEASURES,
            "models": {
                "m": {
                    "period": period,
                    "indicators": {name: {"value": value} for name, value in indicators.items()},
                }
            },
        }
    )


def plain(measure: str, records: Records) -> object:
    """A measure over records, by hand; None where nothing is known."""
    hours = [each["hours"] for each in records if each["hours"] is not None]
    match measure:
        case "revenue":
            return float(sum(round(each["amount"] * 100) for each in records) / 100)
        case "deals":
            return float(sum(each["kind"] == "won" for each in records))
        case "average":
            return statistics.fmean(hours) if hours else None
        case "least":
            return min(hours, default=None)
        case "most":
            return max((each["amount"] for each in records), default=None)
        case "customers":
            return float(len({each["customer"] for each in records}))
        case "middle":
            return statistics.median(hours) if hours else None
        case "latest":
            ordered = sorted(records, key=lambda each: (each["day"], each["number"]))
            return ordered[-1]["customer"] if ordered else None
    raise AssertionError(measure)


def month_of(day: dt.date) -> int:
    return day.year * 12 + day.month - 1


def expected(function: str, measure: str, records: Records, who: str) -> dict[int, object]:
    mine = [each for each in records if each["who"] == who]
    months = [month_of(each["day"]) for each in records]
    found: dict[int, object] = {}
    for month in range(min(months), max(months) + 1):
        match function:
            case "prior":
                first = last = month - 1
            case "same_period_last_year":
                first = last = month - 12
            case "ytd":
                first, last = month // 12 * 12, month
            case _:
                first, last = month - 2, month
        if function != "ytd" and first < min(months):
            found[month] = None
            continue
        found[month] = plain(measure, [each for each in mine if first <= month_of(each["day"]) <= last])
    return found


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.sampled_from(["Ann", "Bo"]),
            "day": st.dates(dt.date(2024, 10, 1), dt.date(2026, 3, 31)),
            "kind": st.sampled_from(["won", "lost"]),
            "customer": st.sampled_from(["x", "y", "z"]),
            "amount": st.integers(-500, 500).map(lambda cents: cents / 100),
            "hours": st.none() | st.integers(-8, 8).map(lambda eighths: eighths / 8),
        }
    ),
    min_size=1,
    max_size=12,
).map(lambda records: [{"number": f"{at:02}", **each} for at, each in enumerate(records)])
FUNCTIONS = {"prior": "{}", "same_period_last_year": "{}", "ytd": "{}", "rolling": "{}, 3"}
ALL = {
    f"{function}_{measure}": f"{function}({arguments.format(measure)})"
    for function, arguments in FUNCTIONS.items()
    for measure in MEASURES
}
BOOK = book(**ALL)


def alike(found: object, wanted: object) -> bool:
    if wanted is None or (isinstance(found, float) and math.isnan(found)):
        return wanted is None and (found is None or found != found)
    if isinstance(wanted, str):
        return found == wanted
    return math.isclose(float(found), wanted, rel_tol=1e-9, abs_tol=1e-9)  # type: ignore[arg-type]


def differences(records: Records, data: object) -> list[object]:
    card = BOOK.score({"deals": data})
    wrong: list[object] = []
    for function in FUNCTIONS:
        for measure in MEASURES:
            for who in {each["who"] for each in records}:
                for month, wanted in expected(function, measure, records, who).items():
                    key = f"{month // 12:04}-{month % 12 + 1:02}"
                    found = card.standing(who, key).results[f"{function}_{measure}"].actual
                    if not alike(found, wanted):
                        wrong.append((function, measure, who, key, found, wanted))
    return wrong


@given(RECORDS)
def test_values_of_other_periods_are_those_of_their_records(records: Records) -> None:
    assert not differences(records, records)


def test_every_engine_gives_the_same(engine: Callable[[Records], Any]) -> None:
    records = [
        {"number": number, "who": who, "day": dt.date.fromisoformat(day), "kind": kind} | rest
        for number, who, day, kind, rest in (
            ("1", "Ann", "2025-01-09", "won", {"customer": "x", "amount": 10.25, "hours": 2.0}),
            ("2", "Ann", "2025-02-09", "lost", {"customer": "y", "amount": -4.5, "hours": None}),
            ("3", "Bo", "2025-02-10", "won", {"customer": "x", "amount": 1.0, "hours": 0.5}),
            ("4", "Ann", "2025-05-01", "won", {"customer": "x", "amount": 7.0, "hours": 4.0}),
            ("5", "Ann", "2026-01-31", "won", {"customer": "z", "amount": 3.1, "hours": 1.0}),
        )
    ]
    assert not differences(records, engine(records))


def test_a_single_period_looks_back_as_far_as_the_records_go() -> None:
    sales = [
        {"number": "1", "who": "Ann", "day": "2026-01-05", "amount": "40"},
        {"number": "2", "who": "Ann", "day": "2026-02-05", "amount": "60"},
        {"number": "3", "who": "Ann", "day": "2026-03-05", "amount": "1000"},
    ]
    sales = [{**each, "kind": "won", "customer": "x", "hours": 1} for each in sales]
    up = book(up="growth(revenue)", so_far="ytd(revenue)").score({"deals": sales}, period="2026-02")
    assert [str(period) for period in up.periods] == ["2026-02"]
    results = up.standing("Ann", "2026-02").results
    assert (results["up"].actual, str(results["so_far"].actual)) == (0.5, "100.00")
    assert len(up.explain("Ann", "2026-02").counted) == 1


@pytest.mark.parametrize(
    ("before", "now", "growth"),
    [
        # AC-56: mis_builder/tests/test_render.py :: test_compare_num_pct
        (50, 100, 1.0),
        (50, 75, 0.5),
        (-50, -25, 0.5),
        (-50, 0, 1.0),
        (-50, 50, 2.0),
        (50, 25, -0.5),
        (50, 0, -1.0),
        (50, -50, -2.0),
        (-50, -75, -0.5),
        # It leaves no change blank; here it is no growth, since blank is what is not known.
        (50, 50, 0.0),
        (0, 50, None),
    ],
)
def test_growth_is_held_against_the_base_without_its_sign(
    before: int, now: int, growth: float | None
) -> None:
    shared = {"who": "Ann", "kind": "won", "customer": "x", "hours": 1}
    records = [
        {"number": "1", "day": "2026-01-05", "amount": str(before), **shared},
        {"number": "2", "day": "2026-02-05", "amount": str(now), **shared},
    ]
    card = book(up="growth(revenue)").score({"deals": records})
    assert card.standing("Ann", "2026-02").results["up"].actual == growth
    assert card.standing("Ann", "2026-01").results["up"].actual is None, "there is no base"


def test_an_indicator_may_read_another_one_declared_after_it() -> None:
    # AC-51: mis_builder_budget/tests/test_mis_budget.py: k2 = k1 + 1, declared before k1.
    records = [{"number": "1", "who": "Ann", "day": "2026-01-05", "amount": "10"}]
    records = [{**each, "kind": "won", "customer": "x", "hours": "1"} for each in records]
    card = book(k2="k1 + 1", k1="revenue * 1").score({"deals": records})
    results = card.standing("Ann", "2026-01").results
    assert (results["k1"].actual, results["k2"].actual) == (10.0, 11.0)


@pytest.mark.parametrize(
    ("indicators", "code", "said"),
    [
        # AC-57: mis_builder: cyclic KPIs stop, and never hang.
        ({"a": "b + 1", "b": "c * 2", "c": "a / 2"}, "E111", "a → b → c → a"),
        ({"a": "ytd(prior(revenue))"}, "E110", "prior(ytd(x))"),
        ({"a": "prior(revenue)", "b": "ytd(a)"}, "E110", "`a` looks at other periods already"),
        ({"a": "prior(revenue, 0)"}, "E104", "a whole number from 1 to 600"),
        ({"a": "rolling(revenue)"}, "E104", "write for example rolling(revenue, 3)"),
        ({"a": "ytd(revenue, 2)"}, "E104", "`ytd` takes one value"),
        ({"a": "prior(revenu)"}, "E101", "did you mean `revenue`?"),
    ],
)
def test_what_cannot_be_computed_is_refused(indicators: dict[str, str], code: str, said: str) -> None:
    with pytest.raises(RulebookError) as caught:
        book(**indicators)
    assert caught.value.problems[0].code == code
    assert said in str(caught.value)


def test_prior_values_may_be_of_the_year_so_far() -> None:
    shared = {"who": "Ann", "kind": "won", "customer": "x", "hours": 1}
    records = [
        {"number": str(month), "day": f"2026-{month:02}-05", "amount": "10", **shared} for month in (1, 2, 3)
    ]
    card = book(a="prior(ytd(revenue))", b="prior(revenue, 2)").score({"deals": records})
    results = card.standing("Ann", "2026-03").results
    assert (str(results["a"].actual), str(results["b"].actual)) == ("20.00", "10.00")
