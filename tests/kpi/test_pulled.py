"""Medians, deviations, first and last values and shares: every engine against plain Python."""

import datetime as dt
import statistics
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

from crmrules import RecordError, Rulebook
from crmrules.kpi.pulled import collapse

MEASURES = {
    "median_hours": "median(hours)",
    "median_amount": "median(amount, where=sold)",
    "deviation": "stddev(hours)",
    "deviation_of_amounts": "stddev(amount)",
    "first_stage": "first(stage)",
    "last_stage": "last(stage, where=sold)",
    "first_amount": "first(amount)",
    "last_day": "last(day)",
    "sold_share": "share(amount, where=sold)",
}
FIELDS = {
    "number": {"type": "text", "role": "id"},
    "who": {"type": "text", "role": "subject"},
    "day": {"type": "date", "role": "date"},
    "hours": "number",
    "amount": "money(2)",
    "stage": "text",
    "sold": "bool",
}
ENGINES = {
    "dicts": lambda frame: frame.to_dicts(),
    "Polars": lambda frame: frame,
    "Polars lazy": lambda frame: frame.lazy(),
    "PyArrow": lambda frame: frame.to_arrow(),
    "pandas": lambda frame: frame.to_pandas(),
    "pandas over Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
}


def records(count: int = 300) -> list[dict[str, Any]]:
    random = Random(3)
    rows = [
        {
            "number": f"N{position:04d}",
            "who": random.choice("abc"),
            "day": dt.date(2026, random.choice((1, 2, 3)), random.randrange(1, 28)),
            "hours": random.choice([None, *(round(random.uniform(-50, 50), 2) for _ in range(4))]),
            "amount": random.choice([None, 1.25, 3.5, 2.0, 10.01]),
            "stage": random.choice([None, "x", "y", "z"]),
            "sold": random.random() < 0.5,
        }
        for position in range(count)
    ]
    random.shuffle(rows)
    return rows


def book(fields: dict[str, Any] = FIELDS, measures: dict[str, str] = MEASURES) -> Rulebook:
    return Rulebook.of(
        {
            "sources": {"deals": {"fields": fields}},
            "measures": measures,
            "models": {"any": {"indicators": {name: {} for name in measures}}},
        }
    )


def expected(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: (row["day"], row["number"]))

    def known(name: str, *, sold: bool = False) -> list[Any]:
        return [row[name] for row in ordered if row[name] is not None and (row["sold"] or not sold)]

    sold_amounts, sold_stages = known("amount", sold=True), known("stage", sold=True)
    return {
        "median_hours": statistics.median(known("hours")),
        "median_amount": statistics.median(sold_amounts) if sold_amounts else None,
        "deviation": statistics.stdev(known("hours")),
        "deviation_of_amounts": statistics.stdev(known("amount")),
        "first_stage": known("stage")[0],
        "last_stage": sold_stages[-1] if sold_stages else None,
        "first_amount": known("amount")[0],
        "last_day": ordered[-1]["day"],
        "sold_share": sum(sold_amounts) / sum(known("amount")),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_values_that_are_fetched_agree_with_plain_python(engine: str) -> None:
    rows = records()
    card = book().score({"deals": ENGINES[engine](pl.DataFrame(rows))})
    assert len(card) == 9
    for subject, period in card.keys:
        mine = [row for row in rows if row["who"] == subject and row["day"] in period]
        results = card.standing(subject, period).results
        for name, value in expected(mine).items():
            found = results[name].actual
            if isinstance(value, float):
                assert float(found) == pytest.approx(value, rel=1e-12), (subject, period, name)
            else:
                assert found == value, (subject, period, name)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_value_has_a_median_and_no_deviation(engine: str) -> None:
    row = {**records(1)[0], "hours": 4.0, "amount": 0.0, "stage": None}
    frame = pl.DataFrame([row], schema_overrides={"stage": pl.String})
    (standing,) = book().score({"deals": ENGINES[engine](frame)}).standings()
    assert standing.results["median_hours"].actual == 4.0
    assert standing.results["deviation"].actual is None
    assert standing.results["first_stage"].actual is None
    # A part of nothing is not known.
    assert standing.results["sold_share"].actual is None


def test_first_and_last_need_to_know_which_record_is_which() -> None:
    fields = {**FIELDS, "number": "text"}
    with pytest.raises(RecordError, match="role `id`"):
        book(fields, {"first_stage": "first(stage)"}).score({"deals": records(3)})


def test_the_order_of_records_changes_no_digit_of_a_deviation() -> None:
    random = Random(7)
    values = np.array([random.uniform(-1e6, 1e6) for _ in range(1_000)])
    groups = np.array([random.randrange(5) for _ in values])
    shuffled = np.array(random.sample(range(len(values)), len(values)))
    one = collapse("stddev", groups, values, 5)
    other = collapse("stddev", groups[shuffled], values[shuffled], 5)
    assert one.tolist() == other.tolist()


def book_of(measure: str) -> Rulebook:
    indicators = {"found": {}}
    return Rulebook.of(
        {
            "sources": {"orders": {"fields": FIELDS}},
            "measures": {"found": measure},
            "models": {"m": {"indicators": indicators}},
        }
    )


@pytest.mark.parametrize("engine", [*ENGINES])
@pytest.mark.parametrize(
    ("measure", "tying"), [("first(hours)", ("N1", "N1", "N3")), ("last(hours)", ("N1", "N3", "N3"))]
)
def test_two_records_that_nothing_tells_apart_are_no_first_or_last(
    engine: str, measure: str, tying: tuple[str, ...]
) -> None:
    base = {"who": "a", "day": dt.date(2026, 1, 1), "amount": 1.0, "stage": "x", "sold": True}

    def scored(ids: tuple[str | None, ...]) -> Any:
        rows = [{**base, "number": each, "hours": float(at)} for at, each in enumerate(ids)]
        frame = pl.DataFrame(rows, schema_overrides={"number": pl.String()})
        return book_of(measure).score({"orders": ENGINES[engine](frame)})

    with pytest.raises(RecordError) as caught:
        scored(tying)
    assert caught.value.code == "M108"
    assert "day 2026-01-01" in caught.value.message
    # A tie elsewhere makes no difference, and a single missing id comes first.
    other = ("N1", "N3", "N3") if tying[0] == tying[1] else ("N1", "N1", "N3")
    expected = 0.0 if measure == "first(hours)" else 2.0
    assert scored(other).standing("a", "2026-01").results["found"].actual == expected
    assert scored((None, "N2", "N3")).standing("a", "2026-01").results["found"].actual == expected
