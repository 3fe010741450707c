"""Returns, on every engine."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from crmrules import CrmRulesError, Model, Policy, RecordError, Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.score import Plan

SOURCE = Source(
    name="orders",
    fields={
        "number": {"type": "text", "role": "id"},
        "who": {"type": "text", "role": "subject"},
        "helper": "text",
        "part": "number",
        "day": {"type": "date", "role": "date"},
        "amount": "money(2)",
        "original": "text",
    },
)
RETURNS = {"when": "amount < 0", "original": "original"}


def policy(**more: Any) -> Policy:
    payees = [{"to": "who", "share": "part"}, {"to": "helper", "share": "1 - part"}]
    rules = [{"name": "small", "when": "amount < 10", "credit": 0.5, "because": "small ones count half"}]
    return Policy(rules=rules, default=1, payees=payees, returns={**RETURNS, **more})


def row(number: str, amount: str, **parts: Any) -> dict[str, Any]:
    record = {"who": "Ann", "helper": "Bo", "part": 0.25, "day": dt.date(2026, 1, 20), "original": None}
    return {"number": number, "amount": Decimal(amount), **record, **parts}


BACK: dict[str, Any] = {
    "who": "Cy", "helper": None, "part": None, "day": dt.date(2026, 2, 5), "original": "N1",
}  # fmt: skip


def lines(found: Policy, engine: Any, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    listed = engine.back(found.lines(engine(rows), SOURCE))
    return [(each["number"], each["payee"], each["share"], each["rule"]) for each in listed]


def card(found: Policy, data: Any, **options: Any) -> dict[tuple[str, str], Decimal]:
    plan = Plan("any", Model(period="month", indicators={"money": {}}))
    plan.add_measure("money", "sum(amount)", Feed(SOURCE, found.on(SOURCE)))
    plan.add_indicator("money", None)
    standings = plan.score({"orders": data}, **options).standings()
    return {(each.subject, str(each.period)): each.results["money"].actual for each in standings}


def test_a_return_has_the_payees_and_the_credit_of_its_original(engine: Any) -> None:
    rows = [row("R1", "-4.00", **BACK), row("N1", "100.00")]
    assert lines(policy(), engine, rows) == [
        ("R1", "Ann", 0.25, "default"), ("R1", "Bo", 0.75, "default"),
        ("N1", "Ann", 0.25, "default"), ("N1", "Bo", 0.75, "default"),
    ]  # fmt: skip


def test_what_a_return_says_of_payees_is_not_looked_at_unless_it_stands_alone(engine: Any) -> None:
    wrong = row("R1", "-4.00", **{**BACK, "part": 7.0})
    assert len(lines(policy(missing="own"), engine, [row("N1", "100.00"), wrong])) == 4
    with pytest.raises(RecordError, match="'R1'") as caught:
        lines(policy(missing="own"), engine, [row("N2", "100.00"), wrong])
    assert caught.value.code == "C301"


def test_a_return_whose_original_is_missing_may_be_judged_by_itself(engine: Any) -> None:
    back = row("R1", "-4.00", **{**BACK, "helper": "Di", "part": 0.5})
    assert lines(policy(missing="own"), engine, [back]) == [
        ("R1", "Cy", 0.25, "small"),
        ("R1", "Di", 0.25, "small"),
    ]


@pytest.mark.parametrize(
    ("original", "words"),
    [
        (None, "record 'R1' is a return and names no original"),
        ("N9", "record 'R1' is a return and takes back 'N9', which is not there"),
        # what is taken back once is not taken back a second time
        ("R0", "record 'R1' is a return and takes back 'R0', which is not there"),
    ],
)
def test_a_return_without_its_original_is_reported(original: str | None, words: str, engine: Any) -> None:
    rows = [
        row("N1", "100.00"),
        row("R0", "-4.00", **BACK),
        row("R1", "-4.00", **{**BACK, "original": original}),
    ]
    rows.append(row("R2", "-4.00", **{**BACK, "original": "N8"}))
    with pytest.raises(RecordError) as caught:
        lines(policy(), engine, rows)
    assert (caught.value.code, caught.value.message) == ("C305", words)
    assert "missing: own" in caught.value.hint


def test_an_id_that_two_records_have_cannot_be_taken_back(engine: Any) -> None:
    rows = [row("N1", "100.00"), row("N1", "50.00"), row("R1", "-4.00", **BACK)]
    with pytest.raises(RecordError, match="'N1', and two records have this id") as caught:
        lines(policy(), engine, rows)
    assert caught.value.code == "C306"
    assert len(lines(policy(), engine, rows[:2])) == 4


def test_a_return_counts_in_its_own_period_or_in_that_of_its_original(engine: Any) -> None:
    rows = [row("N1", "100.00"), row("R1", "-40.00", **BACK)]
    assert card(policy(), engine(rows)) == {
        ("Ann", "2026-01"): Decimal("25.00"), ("Bo", "2026-01"): Decimal("75.00"),
        ("Ann", "2026-02"): Decimal("-10.00"), ("Bo", "2026-02"): Decimal("-30.00"),
    }  # fmt: skip
    assert card(policy(period="original"), engine(rows)) == {
        ("Ann", "2026-01"): Decimal("15.00"), ("Bo", "2026-01"): Decimal("45.00"),
    }  # fmt: skip


def test_as_of_a_day_no_later_return_is_known_in_whatever_period_it_will_count(engine: Any) -> None:
    rows = [row("N1", "100.00"), row("R1", "-40.00", **BACK)]
    for day, amount in ((dt.date(2026, 2, 4), "25.00"), (dt.date(2026, 2, 5), "15.00")):
        found = card(policy(period="original"), engine(rows), until=day)
        assert found["Ann", "2026-01"] == Decimal(amount)


def test_originals_need_ids_of_the_same_kind() -> None:
    with pytest.raises(CrmRulesError) as caught:
        policy(original="part").on(SOURCE)
    assert (caught.value.code, caught.value.message) == (
        "F113",
        "field `part` of `orders` is number, where text is needed",
    )
    with pytest.raises(CrmRulesError, match="role `id`") as nameless:
        policy().on(Source(fields={name: kind for name, kind in SOURCE.fields.items() if name != "number"}))
    assert nameless.value.code == "C204"
