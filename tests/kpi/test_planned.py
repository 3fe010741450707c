"""Small frames by a plan that is kept: the same figures, for other rows, in several threads at once."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import polars as pl
import pytest

from crmrules import FieldError, RecordError, Rulebook, route
from crmrules.kpi import of_frames
from crmrules.route import pandas_alone

FIELDS = {
    "number": {"type": "text", "role": "id"},
    "who": {"type": "text", "role": "subject"},
    "day": {"type": "date", "role": "date"},
    "kind": "text",
    "amount": "money(2)",
    "hours": "number",
}
MEASURES = {
    "revenue": "sum(amount)",
    "cycle": "mean(hours, where=month(day) == 2)",
    "kinds": "nunique(kind)",
    "largest": "max(amount)",
}
BOOK = Rulebook.of(
    {
        "sources": {"orders": {"fields": FIELDS}},
        "policies": {
            "counted": {
                "rules": [
                    {"when": "kind == 'sample'", "credit": 0, "because": "free"},
                    {"when": "kind == 'service'", "credit": 0.5, "because": "half"},
                ],
                "default": 1,
            }
        },
        "measures": MEASURES,
        "models": {"all": {"indicators": {name: {} for name in MEASURES}}},
    }
)


def records(count: int, seed: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "number": f"N{at}",
            "who": ("Ann", "Bo", "王芳")[(at + seed) % 3],
            "day": dt.date(2026, 1 + at % 3, 1 + at % 28),
            "kind": ("order", "sample", None, "service")[at % 4],
            "amount": None if at % 7 == 6 else float((at * 37 + seed) % 1000) + 0.25,
            "hours": None if at % 5 == 4 else at % 9 / 4,
        }
        for at in range(count)
    ]


def card(data: Any, **options: Any) -> list[tuple[str, object]]:
    found = BOOK.score({"orders": data}, **options)
    return [(str(each), found.measures_of(each)) for each in found.standings()]


@pytest.fixture
def small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "LEAST_ROWS", 1)


OPTIONS: list[dict[str, Any]] = [{}, {"period": "2026-02"}, {"now": dt.datetime(2026, 2, 10)}]


@pytest.mark.usefixtures("small_ones_too")
@pytest.mark.parametrize("options", OPTIONS)
def test_a_plan_gives_what_each_record_by_itself_gives(options: dict[str, Any]) -> None:
    for seed in (0, 1, 2):
        rows = records(60, seed)
        with pandas_alone():
            one_by_one = card(rows, **options)
        frame = pl.DataFrame(rows)
        for data in (rows, frame, frame.lazy(), pd.DataFrame(rows).astype({"day": "datetime64[s]"})):
            assert card(data, **options) == one_by_one


def test_the_way_is_taken_for_records_and_frames(
    small_ones_too: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def watched(*arguments: Any) -> Any:
        found = real(*arguments)
        taken.append(found is not None)
        return found

    real = of_frames.by_plan
    monkeypatch.setattr(of_frames, "by_plan", watched)
    rows = records(12)
    card(rows)
    card(pl.DataFrame(rows))
    card(pd.DataFrame(rows).astype({"day": "datetime64[s]"}))
    assert taken == [True, True, True]
    card(pl.DataFrame(rows).with_columns(pl.col("amount").cast(pl.String)))  # text has to be read
    card(pl.DataFrame(rows).lazy())
    card(pd.DataFrame(rows))  # dates as objects
    assert taken[3:] == [False, False, False]


@pytest.mark.usefixtures("small_ones_too")
def test_a_bad_value_and_a_missing_subject_are_named_as_ever() -> None:
    rows = records(40)
    rows[7]["amount"] = 1.005
    for data in (rows, pl.DataFrame(rows), pd.DataFrame(rows)):
        with pytest.raises(FieldError) as bad:
            card(data)
        assert (bad.value.code, bad.value.row) == ("F104", "N7")
    rows = records(40)
    rows[8]["who"] = None
    for data in (rows, pl.DataFrame(rows), pd.DataFrame(rows)):
        with pytest.raises(RecordError, match="`who` is missing") as caught:
            card(data)
        assert "'N8'" in str(caught.value)


@pytest.mark.usefixtures("small_ones_too")
@pytest.mark.parametrize("amount", [float("inf"), -1e30, 2.0**51])
def test_an_amount_beyond_whole_numbers_is_named_as_ever(amount: float) -> None:
    rows = records(40)
    rows[7]["amount"] = amount
    for data in (rows, pl.DataFrame(rows), pd.DataFrame(rows).astype({"day": "datetime64[s]"})):
        with pytest.raises(FieldError) as bad:
            card(data)
        assert (bad.value.code, bad.value.row) == ("F104", "N7")


@pytest.mark.usefixtures("small_ones_too")
def test_threads_do_not_see_the_rows_of_others() -> None:
    given = [records(30 + seed, seed) for seed in range(12)]
    with pandas_alone():
        wanted = [card(rows) for rows in given]
    frames = [pl.DataFrame(rows) for rows in given]
    with ThreadPoolExecutor(6) as pool:
        assert [*pool.map(card, frames)] == wanted


@pytest.mark.usefixtures("small_ones_too")
def test_amounts_that_may_not_fit_together_are_still_added_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_frames, "MOST_SURE", 2)
    rows = records(30)
    with pandas_alone():
        assert card(rows) == card(pl.DataFrame(rows))
