"""Scores: composite, grade and rank from the aggregates, and which rows and records are in a card."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmrules import CrmRulesError, FieldError, Model, Period, RecordError, Scorecard, Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.figuring import Beside
from crmrules.kpi.roster import Roster
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
MEASURES = {"revenue": "sum(amount)", "cycle": "mean(hours)", "visits": "count(where=kind == 'visit')"}
INDICATORS: dict[str, dict[str, Any]] = {
    "revenue": {"target": 100, "weight": 50, "curve": {"cap": 150}},
    "cycle": {"target": 10, "direction": "lower", "weight": 30, "curve": {"cap": 120}},
    "visit_hours": {"value": "cycle / visits", "target": 4, "weight": 20, "curve": {"cap": 150}},
    "visits": {"target": 5},
    "both": {"value": "revenue / visits"},
}
GRADES = [{"grade": "A", "at_least": 100}, {"grade": "B", "at_least": 50}, {"grade": "C"}]
DAY = dt.date(2026, 11, 20)


def plan(**parts: Any) -> Plan:
    model = Model(**{"indicators": INDICATORS, "grades": GRADES, **parts})
    feed = Feed(SOURCE, None)
    found = Plan("sales", model)
    for name, text in MEASURES.items():
        found.add_measure(name, text, feed)
    for name in model.indicators:
        found.add_indicator(name, None)
    return found


def row(who: str | None = "Ann", **parts: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "number": "N1", "day": DAY, "kind": "order", "customer": None, "amount": 100, "hours": 10.0,
    }  # fmt: skip
    return {**record, "who": who, **parts}


def scored(rows: Any, roster: Roster | None = None, **options: Any) -> Scorecard:
    return plan().score({"orders": rows}, Beside(roster), **options)


def test_a_score_by_hand() -> None:
    rows = [row(amount=80, hours=20.0), row(amount=40, hours=20.0, kind="visit", number="N2")]
    standing = scored(rows).standing("Ann", "2026-11")
    points = {name: result.score for name, result in standing.results.items()}
    # 120 / 100; 10 / 20; (20 / 1) / 4 = 5, capped at 150; 1 / 5; no target
    assert points == {"revenue": 120, "cycle": 50, "visit_hours": 150, "visits": 20, "both": None}
    assert standing.score == pytest.approx((50 * 120 + 30 * 50 + 20 * 150) / 100, rel=1e-15)
    assert (standing.grade, standing.rank) == ("A", 1)
    shares = {name: result.share for name, result in standing.results.items()}
    assert shares == {"revenue": 0.5, "cycle": 0.3, "visit_hours": 0.2, "visits": 0, "both": 0}
    assert standing.results["visits"].contribution is None


def test_what_is_missing_is_skipped_and_the_other_weights_fill_the_whole() -> None:
    # No visit: x / 0 is unknown. No hours: the mean is unknown.
    standing = scored([row(hours=None, amount=60)]).standing("Ann", "2026-11")
    assert standing.results["cycle"].actual is None
    assert standing.results["cycle"].contribution is None
    assert standing.results["revenue"].share == 1
    assert standing.score == 60
    no_visit = scored([row()]).standing("Ann", "2026-11")
    assert no_visit.results["visit_hours"].score is None
    assert no_visit.score == pytest.approx((50 * 100 + 30 * 100) / 80)
    assert no_visit.results["cycle"].share == 30 / 80


def test_where_nothing_that_weighs_is_known_there_is_no_score_grade_or_rank() -> None:
    indicators = {"cycle": INDICATORS["cycle"]}
    card = plan(indicators=indicators).score({"orders": [row(hours=None), row("Bo", number="N2")]})
    ann, bo = card.standing("Ann", "2026-11"), card.standing("Bo", "2026-11")
    assert (ann.score, ann.grade, ann.rank) == (None, None, None)
    assert (bo.score, bo.grade, bo.rank) == (100, "A", 1)


def test_without_weights_there_is_no_composite() -> None:
    card = plan(indicators={"revenue": {}}).score({"orders": [row()]})
    assert card.standing("Ann", "2026-11").score is None
    assert card.standing("Ann", "2026-11").results["revenue"].actual == 100


records = st.builds(
    row,
    who=st.sampled_from(["Ann", "Bo", "Cy", "王芳"]),
    day=st.sampled_from([dt.date(2026, 10, 31), DAY, dt.date(2026, 12, 1)]),
    kind=st.sampled_from(["visit", "order"]),
    amount=st.none() | st.integers(-50, 200),
    hours=st.none() | st.integers(-20, 80).map(lambda quarters: quarters / 4),
)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        {**each, "number": f"N{position}"}
        for position, each in enumerate(draw(st.lists(records, min_size=1, max_size=15)))
    ]


def by_hand(standing: Any) -> float | None:
    """The composite from a row's values alone, by the model's definition."""
    total = weights = 0.0
    for name, indicator in INDICATORS.items():
        actual, weight = standing.results[name].actual, indicator.get("weight", 0)
        if actual is None or not weight:
            continue
        value, cap = float(actual), indicator["curve"]["cap"]
        if indicator.get("direction") == "lower":
            points = cap if value <= 0 else 100 * indicator["target"] / value
        else:
            points = 100 * value / indicator["target"]
        total += weight * min(max(points, 0), cap)
        weights += weight
    return total / weights if weights else None


@settings(max_examples=25)
@given(tables())
def test_the_composite_is_the_weighted_mean_of_what_is_known(rows: list[dict[str, Any]]) -> None:
    for standing in scored(rows).standings():
        expected = by_hand(standing)
        assert (standing.score is None) == (expected is None)
        if expected is not None:
            assert standing.score == pytest.approx(expected, rel=1e-12, abs=1e-12)
            assert standing.grade == (
                "A" if round(expected, 9) >= 100 else "B" if round(expected, 9) >= 50 else "C"
            )


@settings(max_examples=25)
@given(tables())
def test_contributions_add_up_to_the_composite_and_shares_to_one(rows: list[dict[str, Any]]) -> None:
    for standing in scored(rows).standings():
        contributions = [
            each.contribution for each in standing.results.values() if each.contribution is not None
        ]
        if standing.score is None:
            assert contributions == []
            continue
        assert math.fsum(contributions) == pytest.approx(standing.score, rel=1e-12, abs=1e-12)
        assert math.fsum(each.share for each in standing.results.values()) == pytest.approx(1, rel=1e-12)


@settings(max_examples=25)
@given(tables())
def test_a_rank_is_one_more_than_how_many_are_better(rows: list[dict[str, Any]]) -> None:
    card = scored(rows)
    for standing in card.standings():
        if standing.score is None:
            assert standing.rank is None
            continue
        others = [
            each for each in card.standings() if each.period == standing.period and each.score is not None
        ]
        better = [each for each in others if each.score > standing.score + 1e-9]
        assert standing.rank == len(better) + 1


def test_scores_within_a_billionth_share_the_better_rank() -> None:
    # 0.1 + 0.2 is not 0.3 in floats: the scores differ in the last digit, the performance does not.
    hours = {"Ann": [0.1, 0.2], "Bo": [0.3], "Cy": [0.2]}
    rows = [row(who, hours=each) for who, listed in hours.items() for each in listed]
    found = Plan("sales", Model(indicators={"worked": {"target": 1, "weight": 1}}))
    found.add_measure("worked", "sum(hours)", Feed(SOURCE, None))
    found.add_indicator("worked", None)
    card = found.score({"orders": rows})
    assert card.standing("Ann", "2026-11").score != card.standing("Bo", "2026-11").score
    assert {each.subject: each.rank for each in card.standings()} == {"Ann": 1, "Bo": 1, "Cy": 3}


def figures(card: Scorecard) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (each.subject, str(each.period)): (
            each.score, each.grade, each.rank, *(result.actual for result in each.results.values()),
        )
        for each in card.standings()
    }  # fmt: skip


@settings(max_examples=30)
@given(rows=tables(), data=st.data())
def test_the_order_of_the_records_changes_nothing(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    assert figures(scored(data.draw(st.permutations(rows)))) == figures(scored(rows))


@settings(max_examples=30)
@given(rows=tables(), position=st.integers(0, 14), part=st.integers(-100, 100))
def test_an_amount_split_over_two_records_changes_no_sum(
    rows: list[dict[str, Any]], position: int, part: int
) -> None:
    split = rows[position % len(rows)]
    if split["amount"] is None:
        return
    pieces = [{**split, "amount": part}, {**split, "amount": split["amount"] - part, "number": "more"}]
    others = [each for each in rows if each is not split]
    whole = {key: values[3] for key, values in figures(scored(rows)).items()}
    assert {key: values[3] for key, values in figures(scored([*others, *pieces])).items()} == whole


@settings(max_examples=30)
@given(tables())
def test_other_names_change_nothing_but_the_names(rows: list[dict[str, Any]]) -> None:
    names = {"Ann": "zoe", "Bo": "<b>", "Cy": "李", "王芳": "Å"}
    renamed = [{**each, "who": names[each["who"]]} for each in rows]
    expected = {(names[who], period): values for (who, period), values in figures(scored(rows)).items()}
    assert figures(scored(renamed)) == expected


def test_everybody_on_the_roster_is_on_the_card_in_every_period(engine: Any) -> None:
    rows = [row(day=dt.date(2026, 9, 1)), row("Eve", number="N2", day=dt.date(2026, 11, 1))]
    card = scored(engine(rows), Roster({"Ann": {}, "Bo": {"manager": "Max"}}))
    assert card.subjects == ["Ann", "Bo", "Eve"]
    assert [*map(str, card.periods)] == ["2026-09", "2026-10", "2026-11"]
    assert len(card) == 9
    bo = card.standing("Bo", "2026-10")
    assert bo.results["revenue"].actual == 0
    assert bo.results["cycle"].actual is None
    assert (bo.score, bo.grade, bo.rank) == (0, "C", 1)
    assert dict(bo.people) == {"manager": "Max"}


def test_an_empty_table_gives_an_empty_card(engine: Any) -> None:
    card = scored(engine([]))
    assert (len(card), card.periods, card.subjects) == (0, [], [])
    assert "Scorecard" in str(card)
    with pytest.raises(CrmRulesError, match="not on the card"):
        card.standing("Ann", "2026-11")


def test_an_empty_table_with_a_roster_and_a_period_has_a_row_for_each_person(engine: Any) -> None:
    card = scored(engine([]), Roster({"Ann": {}, "Bo": {}}), period=Period.parse("2026-11"))
    assert [who for who, _ in card.keys] == ["Ann", "Bo"]
    assert all(each.results["revenue"].actual == 0 for each in card.standings())


def test_one_record_gives_one_row(engine: Any) -> None:
    card = scored(engine([row()]))
    assert card.keys == (("Ann", Period.parse("2026-11")),)
    assert card.standing("Ann", "2026-11").rank == 1


def test_records_of_a_later_day_do_not_count_yet(engine: Any) -> None:
    rows = [row(amount=10), row(amount=20, day=dt.date(2026, 11, 21), number="N2")]
    rows.append(row(amount=40, day=dt.date(2026, 12, 1), number="N3"))
    card = scored(engine(rows), until=DAY)
    assert [*map(str, card.periods)] == ["2026-11"]
    assert card.standing("Ann", "2026-11").results["revenue"].actual == 10
    later = scored(engine(rows), until=dt.date(2026, 11, 21))
    assert later.standing("Ann", "2026-11").results["revenue"].actual == 30


def test_the_period_of_the_cut_is_on_the_card_even_without_records(engine: Any) -> None:
    card = scored(engine([row(day=dt.date(2026, 9, 5))]), until=DAY)
    assert [*map(str, card.periods)] == ["2026-09", "2026-10", "2026-11"]


def test_only_the_wanted_period_is_on_the_card(engine: Any) -> None:
    rows = [row(), row(day=dt.date(2026, 12, 1), number="N2", amount=7)]
    card = scored(engine(rows), period=Period.parse("2026-12"))
    assert [*map(str, card.periods)] == ["2026-12"]
    assert card.standing("Ann", "2026-12").results["revenue"].actual == 7


@pytest.mark.parametrize("key", ["2026", "2026-Q4"])
def test_a_period_of_another_unit_is_refused_with_one_of_the_right_unit(key: str) -> None:
    with pytest.raises(RecordError) as caught:
        scored([row()], period=Period.parse(key))
    assert caught.value.code == "M105"
    assert "month" in caught.value.message


def test_the_cut_goes_by_days_for_timestamps_too(engines: Mapping[str, Any]) -> None:
    import pandas as pd
    import polars as pl

    source = SOURCE.rebound(day={"type": "datetime"})
    found = Plan("sales", Model(indicators={"n": {}}))
    found.add_measure("n", "count()", Feed(source, None))
    found.add_indicator("n", None)
    moments = [dt.datetime(2026, 11, 20, 0, 0), dt.datetime(2026, 11, 20, 23, 59, 59, 999_999)]
    moments.append(dt.datetime(2026, 11, 21, 0, 0))
    rows = [row(day=moment, number=f"N{position}") for position, moment in enumerate(moments)]
    frames = [
        rows,
        pl.DataFrame(rows),
        pl.DataFrame(rows).lazy(),
        pl.DataFrame(rows).to_arrow(),
        pd.DataFrame(rows),
    ]
    for frame in frames:
        assert found.score({"orders": frame}, until=DAY).standing("Ann", "2026-11").results["n"].actual == 2


def test_figures_roll_up_from_the_records_of_all_members(engine: Any) -> None:
    roster = Roster({"Ann": {"manager": "Max"}, "Bo": {"manager": "Max"}, "Cy": {"manager": "Ida"}})
    rows = [row(hours=2.0), row("Bo", hours=6.0, number="N2"), row("Bo", hours=6.5, number="N3")]
    card = plan(subject="manager").score({"orders": engine(rows)}, Beside(roster))
    assert card.subjects == ["Ida", "Max"]
    most = card.standing("Max", "2026-11").results
    # From the records, not the mean of the members' means.
    assert (most["revenue"].actual, most["cycle"].actual) == (300, 14.5 / 3)
    assert card.standing("Ida", "2026-11").results["revenue"].actual == 0


def test_a_subject_without_a_group_is_refused(engine: Any) -> None:
    with pytest.raises(RecordError) as caught:
        plan(subject="manager").score(
            {"orders": engine([row("Eve")])}, Beside(Roster({"Ann": {"manager": "Max"}}))
        )
    assert caught.value.code == "M103"
    assert "'Eve'" in caught.value.message


def test_a_roll_up_needs_a_roster_that_knows_the_role() -> None:
    with pytest.raises(RecordError) as caught:
        plan(subject="manager").score({"orders": [row()]})
    assert caught.value.code == "M104"
    with pytest.raises(CrmRulesError) as caught_other:
        plan(subject="manger").score({"orders": [row()]}, Beside(Roster({"Ann": {"manager": "Max"}})))
    assert "did you mean `manager`?" in caught_other.value.hint


def test_a_source_without_data_is_named() -> None:
    with pytest.raises(FieldError) as caught:
        plan().score({"order": [row()]})
    assert caught.value.code == "F112"
    assert "did you mean `order`?" in caught.value.hint
    with pytest.raises(FieldError, match="orders") as without:
        plan().score({})
    assert "--source orders=FILE" in without.value.hint


def test_a_mistyped_year_is_an_error_and_not_two_thousand_years_of_rows(engine: Any) -> None:
    rows = [row(), row(day=dt.date(206, 11, 3), number="N2")]
    with pytest.raises(RecordError) as caught:
        plan().score({"orders": engine(rows)})
    assert caught.value.code == "M106"
    assert "from 0206-11 to 2026-11" in caught.value.message
