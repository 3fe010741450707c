"""Custom triggers: a function becomes a kind, with its own parameters in rulebooks and their schema."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from crmrules import Answer, Context, CrmRulesError, Rulebook, RulebookError, Source, trigger
from crmrules.kpi import Period, Result, Standing
from crmrules.rulebook import schema
from crmrules.triggers import KINDS, Surroundings, TriggerRule, evaluate, intents

NOW = dt.datetime(2026, 11, 20, 18)
VISITS = Source(
    name="visits",
    fields={
        "rep": {"type": "text", "role": "subject"},
        "customer": "text",
        "day": {"type": "date", "role": "date"},
    },
)
ROWS = [
    {"rep": "Ann", "customer": "ACME", "day": "2026-11-02"},
    {"rep": "Bo", "customer": "Umbrella", "day": "2026-11-18"},
    {"rep": "Ann", "customer": "Umbrella", "day": "2026-11-05"},
]


class NoVisit(BaseModel):
    days: int


@pytest.fixture(autouse=True)
def _kinds() -> Iterator[None]:
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


def no_visit(context: Context, parameters: NoVisit) -> Answer:
    """Nobody was visited for some working days."""
    last = context.facts.last("visits")
    days = context.workdays_between(last, context.today)
    late = None if days is None else days >= parameters.days
    return Answer.when(late, f"{days} working days without a visit", {"days": days})


def defined(**written: Any) -> TriggerRule:
    trigger("acme.no_visit", params=NoVisit)(no_visit)
    return KINDS["acme.no_visit"].model_validate({"parameters": {"days": 10}, **written})


def around(**more: Any) -> Surroundings:
    return Surroundings.of({"visits": VISITS}, {"visits": ROWS}, **more)


def test_it_is_asked_about_every_subject_of_its_source() -> None:
    decisions = evaluate({"quiet": defined(source="visits")}, [], NOW, "UTC", around=around())
    assert [(each.standing.subject, each.outcome, each.basis) for each in decisions] == [
        ("Ann", "fired", {"days": 11}),  # 6 to 20 November, without two weekends
        ("Bo", "not_met", {"days": 2}),
    ]
    assert decisions[0].reason == "11 working days without a visit"


def test_subjects_are_of_any_kind_and_their_owner_is_told() -> None:
    class Nothing(BaseModel):
        pass

    @trigger("acme.known", params=Nothing)
    def known(context: Context, parameters: Nothing) -> Answer:
        last = context.facts.last("visits", by="customer")
        return Answer.fired(f"{context.subject} was seen", {"day": last and last.day})

    rule = KINDS["acme.known"].model_validate(
        {"source": "visits", "about": "customer", "owner": "subject", "tell": ["owner", "manager"]}
    )
    found = evaluate({"x": rule}, [], NOW, "UTC", around=around(people={"Bo": {"manager": "Cy"}}))
    told = intents(found, {"x": rule}, {})
    assert [(each.subject, each.recipient.role, each.recipient.id) for each in told] == [
        ("ACME", "owner", "Ann"),
        ("Umbrella", "owner", "Bo"),
        ("Umbrella", "manager", "Cy"),
    ]
    assert found[0].unreached == ("manager",)


def test_it_is_asked_about_the_open_rows_of_a_card() -> None:
    rows = [
        Standing("sales", "Ann", Period.parse(key), {"revenue": Result("revenue", 1.0, 2.0, 0.5)})
        for key in ("2026-10", "2026-11", "2026-12")
    ]
    rule = defined(model="sales")
    found = evaluate({"x": rule}, rows, NOW, "UTC", around=around())
    assert [(str(each.standing.period), each.outcome) for each in found] == [
        ("2026-10", "closed"),
        ("2026-11", "fired"),
        ("2026-12", "not_due"),
    ]
    assert evaluate({"x": defined(model="teams")}, rows, NOW, "UTC", around=around()) == []
    assert evaluate({"x": defined(indicator="margin")}, rows, NOW, "UTC", around=around()) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda context, parameters: 1 / 0, "acme.bad failed: ZeroDivisionError: division by zero"),
        (lambda context, parameters: True, "acme.bad gave True, which is no Answer"),
        (
            lambda context, parameters: context.facts.last("calls"),
            "acme.bad failed: there is no source `calls` (T401)",
        ),
    ],
)
def test_a_trigger_that_fails_does_not_disturb_the_others(body: Any, said: str) -> None:
    trigger("acme.bad")(body)
    bad = KINDS["acme.bad"].model_validate({"source": "visits"})
    found = evaluate({"bad": bad, "quiet": defined(source="visits")}, [], NOW, "UTC", around=around())
    assert [each.outcome for each in found] == ["no_data", "no_data", "fired", "not_met"]
    assert found[0].code == "TRIGGER_FAILED"
    assert found[0].reason == said


def test_an_anchor_and_a_due_day_tell_reminders_apart() -> None:
    @trigger("acme.due")
    def due(context: Context, parameters: BaseModel) -> Answer:
        return Answer.fired("so", anchor="D1", due=dt.datetime(2026, 10, 31, 9))

    rule = KINDS["acme.due"].model_validate({"source": "visits"})
    first = evaluate({"x": rule}, [], NOW, "Asia/Shanghai", around=around())[0]
    later = evaluate({"x": rule}, [], NOW + dt.timedelta(days=30), "Asia/Shanghai", around=around())[0]
    assert (str(first.standing.period), first.step) == ("2026-10", "fire:D1")
    assert first.late_by == dt.timedelta(days=20, hours=9)
    keys = [intents([each], {"x": rule}, {})[0].key for each in (first, later)]
    assert keys[0] == keys[1]


def book(**parameters: object) -> dict[str, Any]:
    return {
        "sources": {"visits": VISITS.model_dump()},
        "measures": {"visits": "count()"},
        "models": {"sales": {"indicators": {"visits": {"target": 3, "weight": 1}}}},
        "triggers": {"quiet": {"kind": "acme.no_visit", "indicator": "visits", "parameters": parameters}},
    }


def test_a_rulebook_names_it_with_its_parameters() -> None:
    trigger("acme.no_visit", params=NoVisit)(no_visit)
    found = Rulebook.of(book(days=3)).triggers["quiet"]
    assert found.model_dump()["parameters"] == {"days": 3}
    with pytest.raises(RulebookError) as caught:
        Rulebook.of(book(days="many"))
    assert "days" in str(caught.value)
    with pytest.raises(RulebookError):
        Rulebook.of(book())


def test_it_stands_in_the_json_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra `dev`")
    trigger("acme.no_visit", params=NoVisit)(no_visit)
    validator = jsonschema.Draft202012Validator(schema())
    sources = {"visits": {"fields": {"rep": "text"}}}
    assert not [*validator.iter_errors({**book(days=3), "sources": sources})]
    assert [*validator.iter_errors({**book(days="many"), "sources": sources})]
    assert [*validator.iter_errors({**book(), "sources": sources})]


def test_its_messages_name_its_basis() -> None:
    texts = {"en": "{subject}: {days} days", "zh": "{subject}：{days} 天"}
    trigger("acme.no_visit", params=NoVisit, named=("days",), messages=texts)(no_visit)
    rule = KINDS["acme.no_visit"].model_validate({"source": "visits", "parameters": {"days": 10}})
    found = evaluate({"x": rule}, [], NOW, "UTC", around=around())
    assert [intents(found, {"x": rule}, {}, locale=each)[0].text for each in ("en", "zh")] == [
        "Ann: 11 days",
        "Ann：11 天",
    ]
    own = KINDS["acme.no_visit"].model_validate(
        {"source": "visits", "parameters": {"days": 10}, "message": {"en": "{days}!"}}
    )
    assert intents(found, {"x": own}, {})[0].text == "11!"
    with pytest.raises(CrmRulesError) as caught:
        trigger("acme.no_visit", params=NoVisit, messages=texts)(no_visit)
    assert caught.value.code == "T202"


def test_names_are_taken_once() -> None:
    trigger("acme.no_visit", params=NoVisit)(no_visit)
    trigger("acme.no_visit", params=NoVisit)(no_visit)  # a notebook's cell that runs again

    def other(context: Context, parameters: NoVisit) -> Answer:
        raise NotImplementedError

    with pytest.raises(CrmRulesError, match="no_visit already") as caught:
        trigger("acme.no_visit", params=NoVisit)(other)
    assert caught.value.code == "T103"


@pytest.mark.parametrize("name", ["no_visit", "acme.", ".x", "acme..x", "Acme.x", "acme x.y", ""])
def test_a_name_has_its_author_in_front(name: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        trigger(name)
    assert caught.value.code == "T403"


class Lenient(BaseModel):
    """Parameters with a default, which a mistyped key would leave as it is."""

    days: int = Field(default=10, alias="working_days")
    more: int = 0


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize(
    ("params", "given", "hint"),
    [
        (NoVisit, {"day": 5}, "did you mean `days`?"),
        (Lenient, {"working_day": 5}, "did you mean `working_days`?"),
        (Lenient, {"working_days": 5, "more": 1}, None),
        (Lenient, {}, None),
        (Open, {"anything": 5}, None),
    ],
)
def test_a_mistyped_parameter_is_an_error_rather_than_its_default(
    params: type[BaseModel], given: dict[str, int], hint: str | None
) -> None:
    trigger("acme.no_visit", params=params)(no_visit)
    triggers = {"few": {"kind": "acme.no_visit", "source": "visits", "parameters": given}}
    fields = {"rep": {"type": "text", "role": "subject"}, "day": {"type": "date", "role": "date"}}
    book = {
        "sources": {"visits": {"fields": fields}},
        "measures": {"visits": "count()"},
        "models": {"people": {"indicators": {"visits": {}}}},
        "triggers": triggers,
    }
    if hint is None:
        assert Rulebook.of(book).triggers["few"]
        return
    with pytest.raises(RulebookError) as error:
        Rulebook.of(book)
    (problem,) = error.value.problems
    assert (problem.code, problem.path, problem.hint) == ("B201", "triggers.few.parameters", hint)
