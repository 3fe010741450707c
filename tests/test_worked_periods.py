"""Worked cases of periods, targets, proration, missing values and money, from a rulebook to the card."""

import textwrap
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from crmrules import Rulebook, RulebookError, Scorecard

HEAD = """
sources:
  entries:
    fields:
      number: {type: text, role: id}
      who: {type: text, role: subject}
      day: {type: date, role: date}
      amount: money(2)
      hours: number
  plan:
    fields: {since: date, until: date, target: number}
measures:
  total: {value: sum(amount), source: entries}
  mean_hours: {value: mean(hours), source: entries}
  longest: {value: max(hours), source: entries}
  shortest: {value: min(hours), source: entries}
models:
  sales:
"""


def book(model: str) -> Rulebook:
    return Rulebook.parse(HEAD + textwrap.indent(textwrap.dedent(model).strip("\n"), "    "))


def card_of(rules: Rulebook, amounts: Mapping[str, str | None], **more: Any) -> Scorecard:
    rows = [
        {"number": day, "who": "Ann", "day": day, "amount": amount, "hours": None}
        for day, amount in amounts.items()
    ]
    tables = {name: more.pop(name) for name in ("plan",) if name in more}
    return rules.score({"entries": rows, **tables}, **more)


def actuals(card: Scorecard, period: str) -> list[Any]:
    return [result.actual for result in card.standing("Ann", period).results.values()]


def test_ac_16_halves_of_a_month() -> None:
    # OCA commission, test_biweekly: three invoices fall into 2 settlements, 1 to 15 and 16 to the end.
    card = card_of(
        book("period: semi_month\nindicators: {total: {}}"),
        {"2022-01-01": "1", "2022-01-16": "2", "2022-01-31": "4"},
    )
    assert [str(period) for period in card.periods] == ["2022-01-A", "2022-01-B"]
    assert [actuals(card, str(period)) for period in card.periods] == [[1], [6]]
    # Executed, it ends the second on the 30th, which leaves the 31st out.
    assert str(card.periods[1].end) == "2022-01-31"


PLAN = [
    {"since": "2017-05-01", "until": "2017-05-10", "target": 10},
    {"since": "2017-05-11", "until": "2017-05-20", "target": 20},
    {"since": "2017-05-21", "until": "2017-05-25", "target": 30},
]


@pytest.mark.parametrize(
    ("first", "last", "target"),
    [
        ("2017-05-01", "2017-05-10", 10),
        ("2017-05-01", "2017-05-05", 10),
        ("2017-05-01", "2017-05-20", 15),
        ("2017-05-06", "2017-05-15", 15),
        # There it is 18, the mean of the 25 days that have one. A target that holds on 25 of 151 days is
        # the target of these alone: 10 x 10 + 20 x 10 + 30 x 5 over 151.
        ("2017-01-01", "2017-05-31", 450 / 151),
    ],
)
def test_ac_50_a_target_that_changes_is_weighed_by_days(first: str, last: str, target: float) -> None:
    # OCA mis-builder, test_kpi_data.py, AVG. (Its SUM spreads actuals over days; a record has one day here.)
    rules = book(
        f"""
        period: {{table: [{{key: asked, first: {first}, last: {last}}}]}}
        indicators:
          total: {{target: {{table: plan, value: target, from: since, to: until}}, weight: 1}}
        """
    )
    card = card_of(rules, {first: "5"}, plan=PLAN)
    result = card.standing("Ann", "asked").results["total"]
    assert result.target == pytest.approx(target, abs=0.005)


def test_ac_51_a_target_in_the_course_of_a_month_and_figures_in_any_order() -> None:
    # OCA mis-builder, test_mis_budget.py: of 20 for February 15 by the 21st; k2 = k1 + 1 declared before k1.
    rules = book(
        """
        pace: {}
        indicators:
          k2: {value: k1 + 1}
          k1: {value: total * 1, target: 20, weight: 1, accumulates: true}
        """
    )
    results = card_of(rules, {"2017-02-05": "10"}, now="2017-02-21").standing("Ann", "2017-02").results
    assert (results["k2"].actual, results["k1"].actual) == (11, 10)
    pace = results["k1"].pace
    assert pace is not None
    assert (pace.expected, pace.share) == (15, 0.75)


def test_ac_53_periods_that_are_told_from_another_one() -> None:
    # OCA mis-builder, test_period_dates.py. What lies ahead (month + 1) no record can tell, so that we have
    # only the ways back.
    days = {"2016-12-30": "1", "2016-12-31": "2", "2017-01-01": "4", "2017-01-02": "8", "2017-01-15": "16"}
    by_day = card_of(book("{period: day, indicators: {two_before: {value: 'prior(total, 2)'}}}"), days)
    assert actuals(by_day, "2017-01-01") == [1]
    weeks = book("{period: week, indicators: {two_weeks: {value: 'rolling(total, 2)'}}}")
    # Monday the 2nd to Sunday the 15th, and not Sunday the 1st.
    assert actuals(card_of(weeks, {**days, "2017-01-16": "32"}), "2017-W02") == [24]
    months = {"2018-12-31": "1", "2019-01-01": "2", "2019-04-30": "4", "2019-05-01": "8", "2019-05-31": "16"}
    to_date = card_of(
        book("indicators: {before: {value: prior(ytd(total))}, so_far: {value: ytd(total)}}"),
        months,
        period="2019-05",
    )
    assert actuals(to_date, "2019-05") == [6, 30]
    as_of = card_of(book("indicators: {so_far: {value: ytd(total)}}"), months, now="2019-05-01")
    assert actuals(as_of, "2019-05") == [14]


SEASON = """
period: quarter
indicators:
  total:
    target: {value: 30000, per: year, spread: {SHARES}}
    weight: 1
"""


def season(shares: Mapping[int, float]) -> Rulebook:
    return book(SEASON.replace("SHARES", ", ".join(f'"{month}": {share}' for month, share in shares.items())))


def test_ac_55_a_distribution_over_months_totals_100() -> None:
    # ERPNext, monthly_distribution.py: twelve times 100 / 12 is accepted; a quarter of 30,000 is 7,500.
    card = card_of(season(dict.fromkeys(range(1, 13), 100 / 12)), {"2026-02-05": "3750"})
    result = card.standing("Ann", "2026-Q1").results["total"]
    assert (result.target, result.score) == (7_500, 50)
    with pytest.raises(RulebookError, match=r"the months' shares total 91\.6663, not 100"):
        season(dict.fromkeys(range(1, 12), 8.3333))


def test_ac_57_what_is_missing_stays_missing() -> None:
    # OCA mis-builder, accounting_none.py, where None + 1 is 1, None * 2 is 0 and 2 / None an error. What is
    # not known is not 0 here, since 0 would be judged; who wants that writes coalesce.
    rules = book(
        """
        indicators:
          plus: {value: mean_hours + 1}
          times: {value: mean_hours * 2}
          over: {value: 2 / mean_hours}
          rounded: {value: "round(mean_hours, 2)"}
          wanted: {value: "coalesce(mean_hours, 0) + 1"}
          over_nothing: {value: 1 / (total - total)}
          beside: {value: total + 1}
        """
    )
    card = card_of(rules, {"2026-01-05": "10"})
    # Dividing by nothing leaves the other figures as they are.
    assert actuals(card, "2026-01") == [None, None, None, None, 1, None, 11]


def test_ac_58_aggregates_over_nothing() -> None:
    # OCA mis-builder, aggregate.py: all of them are None. A sum over nothing is 0 here: nothing was sold.
    rules = book("indicators: {total: {}, mean_hours: {}, longest: {}, shortest: {}}")
    assert actuals(card_of(rules, {"2026-01-05": None}), "2026-01") == [0, None, None, None]


def test_w14_the_parts_of_an_amount_make_the_whole() -> None:
    # 100.00 in thirds. They give the cent to the first in order; over time it falls where the sum so far is
    # nearest to its share, so that each sum is right: 33.33, 66.67, 100.00.
    rules = book(
        "indicators: {total: {target: {value: 100, per: quarter, spread: even, digits: 2}, weight: 1}}"
    )
    card = card_of(rules, {f"2026-0{month}-05": "10" for month in (1, 2, 3)})
    targets = [card.standing("Ann", f"2026-0{month}").results["total"].target for month in (1, 2, 3)]
    assert targets == [33.33, 33.34, 33.33]
    assert sum(Decimal(str(each)) for each in targets) == 100


# money, and what people see

GRADED = """
COMPOSITEgrades: [{grade: A, at_least: 90}, {grade: B}]
rank: {ties: dense}
indicators: {total: {target: 1000, weight: 1}}
"""


@pytest.mark.parametrize(
    ("composite", "amount", "score", "grade"),
    [
        ("", "899.99", 89.999, "B"),
        ("", "900.00", 90, "A"),
        ("composite: {round: 1}\n", "899.49", 89.9, "B"),
        ("composite: {round: 1}\n", "899.50", 90, "A"),
        ("composite: {round: 0}\n", "895.00", 90, "A"),
        ("composite: {round: 0}\n", "894.99", 89, "B"),
    ],
)
def test_a_grade_goes_by_the_score_that_is_shown(
    composite: str, amount: str, score: float, grade: str
) -> None:
    standing = card_of(book(GRADED.replace("COMPOSITE", composite)), {"2026-01-05": amount}).standing(
        "Ann", "2026-01"
    )
    assert (standing.score, standing.grade) == (pytest.approx(score, rel=1e-12), grade)
    changed = sum(each.points for each in standing.adjustments)
    assert standing.results["total"].contribution == pytest.approx(score - changed)


def test_a_gate_looks_at_the_rounded_composite_and_a_cent_decides_where_nothing_is_rounded() -> None:
    gate = "{round: 1, gates: [{when: score < 90, score: 0, because: below 90}]}"
    rules = book(f"composite: {gate}\nindicators: {{total: {{target: 1000, weight: 1}}}}")
    found = [
        card_of(rules, {"2026-01-05": amount}).standing("Ann", "2026-01").score
        for amount in ("899.50", "899.49")
    ]
    assert found == [90, 0]


def test_amounts_are_exact_however_many_there_are() -> None:
    rules = book(
        """
        indicators:
          total:
            target: {value: 100.10, digits: 2}
            weight: 1
            curve: {kind: tiers, on: attainment, how: flat, boundary: lower,
              tiers: [{to: 100%, points: 0}, {points: 100}]}
          so_far: {value: ytd(total)}
          twice: {value: total + total}
        """
    )
    # A thousand and one times 0.10 is 100.10; as floats they would make 100.09999999999859.
    days = [f"2026-01-{day:02}" for day in range(1, 29)]
    rows = [
        {"number": str(n), "who": "Ann", "day": days[n % 28], "amount": 0.1, "hours": None}
        for n in range(1001)
    ]
    standing = rules.score({"entries": rows}).standing("Ann", "2026-01")
    assert [str(result.actual) for result in standing.results.values()] == ["100.10", "100.10", "200.20"]
    assert (standing.results["total"].attainment, standing.score) == (1, 100)
    short = rules.score({"entries": rows[1:]}).standing("Ann", "2026-01")
    assert (str(short.results["total"].actual), short.score) == ("100.00", 0)
