"""From a card's rows to decisions and intents: who is told, in which language, and who is not."""

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crmrules import Rulebook
from crmrules.errors import CrmRulesError
from crmrules.files import read_file
from crmrules.kpi import Period, Result, Standing
from crmrules.triggers import Behind, Due, Reached, evaluate, intents

UTC = ZoneInfo("UTC")
NOW = dt.datetime(2026, 11, 20, 18, tzinfo=UTC)
BOOK = Path(__file__).parents[2] / "examples" / "crm_pipeline.yaml"


def standing(subject: str, value: str, people: dict[str, str] | None = None) -> Standing:
    sales = Decimal(value)
    result = Result("sales", sales, 100_000.0, float(sales) / 100_000, float(sales) / 1_000)
    return Standing("people", subject, Period.parse("2026-11"), {"sales": result}, people=people or {})


HALF = Behind(indicator="sales", share="50%", by=Due(day=20, time="18:00"), tell=("subject", "manager"))


def test_everybody_in_a_role_is_told_with_the_figures() -> None:
    people = {"u7": {"locale": "zh-CN"}, "u2": {"locale": "en"}}
    decisions = evaluate({"half": HALF}, [standing("u7", "48700.00", {"manager": "u2"})], NOW, UTC)
    found = intents(decisions, {"half": HALF}, people)
    assert [(each.recipient.role, each.recipient.id, each.recipient.locale) for each in found] == [
        ("subject", "u7", "zh-CN"),
        ("manager", "u2", "en"),
    ]
    assert found[0].key == found[1].key
    assert found[0].id != found[1].id
    assert "48,700.00" in found[0].text
    assert "未达到" in found[0].text
    assert "below 50%" in found[1].text
    assert {each.severity for each in found} == {"warning"}
    assert "48,700.00" in found[0].reason


def test_the_language_of_somebody_without_a_row_is_that_which_the_subjects_row_tells() -> None:
    around = {"manager": "u2", "manager_locale": "zh"}
    decisions = evaluate({"half": HALF}, [standing("u7", "48700.00", around)], NOW, UTC)

    def languages(people: dict[str, dict[str, str]]) -> list[str]:
        found = intents(decisions, {"half": HALF}, people, locale="fr")
        return [each.recipient.locale for each in found]

    assert languages({"u7": {**around, "locale": "en"}}) == ["en", "zh"]
    assert languages({"u7": around}) == ["fr", "zh"]
    assert languages({"u2": {"locale": "en"}}) == ["fr", "en"], "a row of one's own comes first"


def test_a_role_that_nobody_holds_is_not_lost() -> None:
    (decision,) = evaluate({"half": HALF}, [standing("u7", "100.00")], NOW, UTC)
    assert decision.outcome == "fired"
    assert decision.unreached == ("manager",)
    assert [each.recipient.role for each in intents([decision], {"half": HALF}, {})] == ["subject"]


def test_an_intent_has_the_same_id_whenever_and_in_whatever_language_it_is_asked_for() -> None:
    def ask(value: str, now: dt.datetime, locale: str) -> str:
        decisions = evaluate({"half": HALF}, [standing("u7", value)], now, UTC)
        return intents(decisions, {"half": HALF}, {}, locale=locale)[0].id

    first = ask("48700.00", NOW, "en")
    assert ask("12.00", NOW + dt.timedelta(days=3), "zh") == first


def test_a_tenant_has_its_own_ids() -> None:
    decisions = evaluate({"half": HALF}, [standing("u7", "1.00")], NOW, UTC)
    one, other = (intents(decisions, {"half": HALF}, {}, tenant=tenant)[0] for tenant in ("a", "b c"))
    assert one.key != other.key
    assert other.as_cloudevent()["source"] == "/crmrules/b%20c"


def test_a_naive_moment_is_local() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    (early,) = evaluate({"half": HALF}, [standing("u7", "1.00")], dt.datetime(2026, 11, 20, 17, 59), shanghai)
    (due,) = evaluate({"half": HALF}, [standing("u7", "1.00")], dt.datetime(2026, 11, 20, 18, 0), shanghai)
    assert (early.outcome, due.outcome) == ("not_due", "fired")


def test_a_trigger_passes_over_rows_of_other_models_and_without_its_indicator() -> None:
    other = Reached(indicator="sales", model="teams")
    elsewhere = Reached(indicator="visits")
    assert evaluate({"a": other, "b": elsewhere}, [standing("u7", "1.00")], NOW, UTC) == []


def test_a_trigger_of_the_model_without_its_indicator_is_an_error() -> None:
    wrong = Reached(indicator="sale", model="people")
    with pytest.raises(CrmRulesError, match="no indicator `sale`") as caught:
        evaluate({"a": wrong}, [standing("u7", "1.00")], NOW, UTC)
    assert caught.value.hint == "did you mean `sales`?"


def test_an_intent_is_a_cloud_event_that_json_can_hold() -> None:
    decisions = evaluate({"half": HALF}, [standing("王芳", "48700.00")], NOW, UTC)
    event = json.loads(json.dumps(intents(decisions, {"half": HALF}, {})[0].as_cloudevent()))
    assert {"specversion", "id", "source", "type"} <= set(event)
    assert all(name.isalnum() and name.islower() for name in event)
    assert event["data"]["basis"]["value"] == "48700.00"
    assert dt.datetime.fromisoformat(event["time"]) == NOW


def test_the_real_pipeline_reminds_exactly_those_above_and_below(shared_data: Path) -> None:
    folder = shared_data / "data" / "crm_pipeline"
    revenue: dict[str, float] = {}
    with (folder / "sales_teams.csv").open(newline="", encoding="utf-8") as file:
        managers = {row["sales_agent"]: row["manager"] for row in csv.DictReader(file)}
    with (folder / "sales_pipeline.csv").open(newline="", encoding="utf-8") as file:
        for deal in csv.DictReader(file):
            if deal["deal_stage"] == "Won" and "2017-10-01" <= deal["close_date"] <= "2017-12-20":
                share = 0.5 if deal["product"] == "MG Special" else 1.0
                seller = deal["sales_agent"]
                revenue[seller] = revenue.get(seller, 0.0) + share * float(deal["close_value"])
    expected = {("quarter_reached", name) for name in managers if revenue.get(name, 0.0) >= 80_000}
    late = "half_by_the_20th_of_the_last_month"
    expected |= {(late, name) for name in managers if revenue.get(name, 0.0) < 40_000}

    book = Rulebook.load(BOOK)
    data = {
        "deals": read_file(str(folder / "sales_pipeline.csv")),
        "team": read_file(str(folder / "sales_teams.csv")),
    }
    # Scored without a moment, the card counts deals up to the end of the year; remind must not.
    card = book.score(data, model="agents")
    found = book.remind(card, now="2017-12-20T18:00")
    assert {(each.trigger, each.subject) for each in found} == expected
    assert len(found) == 2 * len(expected)
    assert all(
        each.recipient.id == managers[each.subject] for each in found if each.recipient.role == "manager"
    )
    assert len({each.id for each in found}) == len(found)


@pytest.mark.parametrize("written", ["", None])
def test_who_has_no_language_is_told_in_that_of_the_rules(written: str | None) -> None:
    decisions = evaluate({"half": HALF}, [standing("u7", "1.00")], NOW, UTC)
    people = {"u7": {"locale": written}}
    (intent,) = intents(decisions, {"half": HALF}, people, locale="zh")  # type: ignore[arg-type]
    assert "未达到" in intent.text


def test_an_empty_name_on_the_roster_is_nobody() -> None:
    decisions = evaluate({"half": HALF}, [standing("u7", "1.00", {"manager": ""})], NOW, UTC)
    assert decisions[0].unreached == ("manager",)
    assert [each.recipient.role for each in intents(decisions, {"half": HALF}, {})] == ["subject"]


def test_a_zone_can_be_named() -> None:
    rows = [standing("u7", "1.00")]
    morning = dt.datetime(2026, 11, 20, 10, tzinfo=UTC)  # 18:00 in Shanghai
    assert [each.outcome for each in evaluate({"half": HALF}, rows, morning, "Asia/Shanghai")] == ["fired"]
    assert [each.outcome for each in evaluate({"half": HALF}, rows, morning, "UTC")] == ["not_due"]


def test_a_misspelt_zone_is_told_the_right_one() -> None:
    with pytest.raises(CrmRulesError, match="no time zone") as caught:
        evaluate({"half": HALF}, [standing("u7", "1.00")], NOW, "Asia/Shangai")
    assert (caught.value.code, caught.value.hint) == ("T105", "did you mean `Asia/Shanghai`?")
