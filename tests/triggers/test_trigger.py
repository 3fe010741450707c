"""What all kinds share: shares, the comparison with the target, kinds by name."""

import datetime as dt
import decimal
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Rulebook, RulebookError
from crmrules.errors import CrmRulesError
from crmrules.kpi import Result, Standing
from crmrules.rulebook import schema
from crmrules.triggers import KINDS, Decision, Reached
from crmrules.triggers.trigger import TriggerRule, bound, kind, reached


@pytest.mark.parametrize(
    ("written", "share"), [("50%", 0.5), ("12.5 %", 0.125), (1, 1.0), (0.8, 0.8), ("100%", 1.0)]
)
def test_a_share_is_a_number_or_a_percentage(written: object, share: float) -> None:
    assert Reached(indicator="sales", share=written).share == share  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["half", "٥٠%", 0, -1, float("nan"), float("inf")])
def test_anything_else_is_no_share(written: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        Reached(indicator="sales", share=written)  # type: ignore[arg-type]


@given(cents=st.integers(0, 20_000_000))
def test_money_is_compared_to_the_cent(cents: int) -> None:
    value = Decimal(cents) / 100
    result = Result("sales", value, 100_000.0, float(value) / 100_000, 1.0)
    assert reached(result, 0.5) is (cents >= 5_000_000)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result("cycle", 0.0, 30.0, None, 150.0, direction="lower"), True),
        (Result("returns", Decimal("0.00"), 500.0, None, 150.0, direction="lower"), True),
        (Result("returns", Decimal("400.00"), 500.0, 1.25, 125.0, direction="lower"), True),
        (Result("returns", Decimal("600.00"), 500.0, 500 / 600, 83.3, direction="lower"), False),
        (Result("cycle", None, 30.0, None, None, direction="lower"), None),
        (Result("visits", 7.0, None), None),
        (Result("rate", 0.1 + 0.2, 0.3, (0.1 + 0.2) / 0.3, 100.0), True),
        (Result("rate", 0.3 * (1 - 1e-12), 0.3, 1 - 1e-12, 100.0), True),
        (Result("rate", 0.29, 0.3, 0.29 / 0.3, 96.0), False),
    ],
)
def test_what_counts_as_reached(result: Result, expected: bool | None) -> None:
    assert reached(result, 1.0) is expected


def document(trigger: dict[str, object]) -> dict[str, object]:
    fields = {
        "who": {"type": "text", "role": "subject"},
        "day": {"type": "date", "role": "date"},
        "value": "money(2)",
    }
    return {
        "sources": {"deals": {"fields": fields}},
        "measures": {"sales": "sum(value)"},
        "models": {"people": {"indicators": {"sales": {"target": 100, "weight": 1}}}},
        "triggers": {"mine": trigger},
    }


def test_a_kind_of_ones_own_is_a_kind_like_the_others() -> None:
    @kind
    class Always(TriggerRule):
        kind: Literal["always"] = "always"
        loudness: int = 1

        def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
            return Decision(name, standing, self.step, "fired", "ALWAYS", f"loudness {self.loudness}", now)

    try:
        book = Rulebook.of(document({"kind": "always", "indicator": "sales", "loudness": 11}))
        card = book.score({"deals": [{"who": "Ann", "day": "2026-11-03", "value": "1.00"}]})
        (intent,) = book.remind(card, now="2026-11-03")
        assert (intent.subject, intent.reason) == ("Ann", "loudness 11")
        with pytest.raises(CrmRulesError, match="already"):
            kind(Always)
    finally:
        del KINDS["always"]


def test_a_month_that_the_period_does_not_have_is_refused() -> None:
    late = {"kind": "behind", "indicator": "sales", "share": 0.5, "by": {"month": 2, "day": 20}}
    with pytest.raises(RulebookError) as caught:
        Rulebook.of(document(late))
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("T104", "triggers.mine")


def test_an_unknown_kind_is_told_the_known_ones() -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.of(document({"kind": "reachd", "indicator": "sales"}))
    (problem,) = caught.value.problems
    assert problem.path == "triggers.mine"
    assert problem.hint == "did you mean `reached`?"


def test_the_published_schema_knows_the_shipped_kinds() -> None:
    assert {"Reached", "Behind"} <= set(schema()["$defs"])


def test_a_bound_is_as_exact_whatever_the_hosts_decimals_are() -> None:
    result = Result("sales", Decimal("49999.995"), 99_999.99, 0.5)
    with decimal.localcontext(decimal.Context(prec=6)):
        assert (bound(result, 0.5), reached(result, 0.5)) == (Decimal("49999.995"), True)


def test_money_where_lower_is_better_is_compared_to_the_cent() -> None:
    def met(value: str) -> bool | None:
        actual = Decimal(value)
        attainment = 50_000_000 / float(actual)
        return reached(Result("returns", actual, 50_000_000.0, attainment, direction="lower"), 1.0)

    assert (met("50000000.00"), met("50000000.01")) == (True, False)


@pytest.mark.parametrize(
    ("result", "share", "expected"),
    [
        (Result("sales", Decimal("1.00"), 100_000.0), 0.5, "50000.00"),
        (Result("sales", Decimal("1.00"), 123_456.78), 0.35, "43209.873"),
        (Result("visits", 7.0, 10.0), 0.8, "8"),
        # 14 days are 10 / 14 = 71 % of a target of 10 days, 12.5 days are 80 %.
        (Result("cycle", 14.0, 10.0, direction="lower"), 0.8, "12.5"),
        (Result("returns", Decimal("1.00"), 500.0, direction="lower"), 0.9, "555.55"),
    ],
)
def test_the_bound_is_the_value_at_which_the_share_is_reached(
    result: Result, share: float, expected: str
) -> None:
    assert str(bound(result, share)) == expected


def test_a_role_is_told_once() -> None:
    with pytest.raises(pydantic.ValidationError, match="`manager` stands there twice"):
        Reached(indicator="sales", tell=("manager", "subject", "manager"))


def test_a_kind_that_is_no_name_is_an_error_of_the_document() -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.of(document({"kind": ["reached"], "indicator": "sales"}))
    assert [problem.code for problem in caught.value.problems] == ["T102"]
