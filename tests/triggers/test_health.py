"""A trigger that fails again and again: those who keep the rules are told, once until it answers."""

from typing import Any

import pytest

from crmrules.triggers import Reached, TriggerRule
from crmrules.triggers.outbox import Relay


class Moody(Reached):  # type: ignore[misc]
    """A trigger that fails while its switch is down."""

    switch: dict[str, bool]

    def evaluate(self, name: str, standing: Any, now: Any, zone: Any) -> Any:
        if not self.switch["up"]:
            raise ZeroDivisionError("no target")
        return super().evaluate(name, standing, now, zone)


@pytest.fixture
def switch() -> dict[str, bool]:
    return {"up": False}


def codes(report: Any) -> list[str]:
    return [each.code for each in report.occurrences if each.subject == "@everybody"]


def moody(host: Any, switch: dict[str, bool], **options: Any) -> Any:
    rules: dict[str, TriggerRule] = {
        "moody": Moody.model_construct(kind="reached", indicator="sales", switch=switch),
        "hit": Reached(indicator="sales"),
    }
    at = host(rules, options={"maintainers": ["ops"], **options})
    at.book("u7", "100000.00", "2025-03-03T09:00")
    return at


def test_after_three_failures_running_the_maintainers_are_told_once(
    host: Any, switch: dict[str, bool]
) -> None:
    at = moody(host, switch)
    found = []
    for minute in range(0, 60, 11):
        found += codes(at.tick(f"2025-03-03T10:{minute:02}"))
    assert found == ["TRIGGER_FAILING"]
    (notice,) = [each for each in at.store.deliveries.values() if each.recipient == "ops"]
    assert notice.payload["data"]["trigger"] == "moody"
    assert "ZeroDivisionError: no target" in notice.payload["data"]["message"]
    sent: list[Any] = []
    Relay(at.store, {"mail": sent.append}).run_once(at.at("2025-03-03T11:00"))
    assert {each.recipient for each in sent} == {"ops", "u7"}, "its neighbour tells as ever"


def test_one_that_answers_again_has_recovered_and_would_be_told_of_anew(
    host: Any, switch: dict[str, bool]
) -> None:
    at = moody(host, switch)
    found = []
    for hour, up in enumerate([False, False, True, False, False, False, True, False, False, False]):
        switch["up"] = up
        at.book("u7", f"{1000 + hour}.00", f"2025-03-04T{hour:02}:00")
        found.append(codes(at.tick(f"2025-03-04T{hour:02}:00")))
    assert found == [[]] * 5 + [["TRIGGER_FAILING"], ["TRIGGER_RECOVERED"], [], [], ["TRIGGER_FAILING"]]


def test_a_tick_in_which_it_was_not_asked_counts_neither_way(host: Any, switch: dict[str, bool]) -> None:
    at = moody(host, switch)
    for minute in (0, 1, 2, 3, 4):
        assert codes(at.tick(f"2025-03-03T10:0{minute}")) == []
