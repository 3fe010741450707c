"""What a trigger is told, and the answers that it can give."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from crmrules import Answer, Context, Period
from crmrules.kpi import Result, Standing
from crmrules.kpi.calendar import China
from crmrules.triggers import Facts, Record

SHANGHAI = ZoneInfo("Asia/Shanghai")
STANDING = Standing("sales", "Ann", Period.parse("2026-02"), {"revenue": Result("revenue", 5.0, 10.0, 0.5)})


def context(as_of: dt.datetime) -> Context:
    facts = Facts({}, {}).of("Ann", as_of)
    return Context("Ann", STANDING.period, as_of, facts, STANDING, calendar=China())


def test_days_and_working_days_between() -> None:
    # The Chinese New Year of 2026: the 15th to the 23rd of February are free, the 14th and 28th are worked.
    told = context(dt.datetime(2026, 2, 24, 9, tzinfo=SHANGHAI))
    assert told.today == dt.date(2026, 2, 24)
    assert told.zone == SHANGHAI
    assert told.days_between(dt.date(2026, 2, 14), told.today) == 10
    assert told.workdays_between(dt.date(2026, 2, 14), told.today) == 1
    visit = Record("visits", 1, dt.datetime(2026, 2, 13, 18), {})
    assert told.workdays_between(visit, told.today) == 2
    assert told.workdays_between(None, told.today) is None
    assert told.days_between(visit, Record("visits", 2, None, {})) is None


def test_indicators_of_the_row() -> None:
    told = context(dt.datetime(2026, 2, 24, tzinfo=SHANGHAI))
    found = told.result("revenue")
    assert found is not None
    assert found.attainment == 0.5
    assert told.result("margin") is None


@pytest.mark.parametrize(("holds", "outcome"), [(True, "fired"), (False, "not_met"), (None, "no_data")])
def test_an_answer_to_yes_no_and_unknown(holds: bool | None, outcome: str) -> None:
    answer = Answer.when(holds, "so it is", {"days": 3}, anchor="V1")
    assert (answer.outcome, answer.reason, answer.basis, answer.anchor) == (
        outcome, "so it is", {"days": 3}, "V1",
    )  # fmt: skip
