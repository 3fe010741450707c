"""What a policy gives back: every record, whoever gets something of it."""

from typing import Any

import pytest

from crmrules import FieldError, Policy, Source

SOURCE = Source(
    fields={
        "number": {"type": "text", "role": "id"}, "who": {"type": "text", "role": "subject"},
        "helper": "text", "part": "number",
    }
)  # fmt: skip
ROWS = [
    {"number": "N2", "who": "Ann", "helper": "Bo", "part": 0.5},
    {"number": "N1", "who": None, "helper": None, "part": None},
]


def lines(policy: Policy, engine: Any) -> list[tuple[Any, ...]]:
    found = engine.back(policy.lines(engine(ROWS), SOURCE))
    return [(line["number"], line["payee"], line["share"], line["overlay"]) for line in found]


def test_no_record_disappears_from_the_lines(engine: Any) -> None:
    nobody = ("N1", None, 0.0, False)
    to_helper = [{"to": "helper", "share": "part"}]
    assert lines(Policy(default=1, payees=to_helper), engine) == [("N2", "Bo", 0.5, False), nobody]
    assert lines(Policy(default=0, payees=to_helper), engine) == [("N2", "Bo", 0.0, False), nobody]
    assert lines(Policy(default=0), engine) == [("N2", "Ann", 0.0, False), nobody]


def test_one_who_gets_overlay_alone_is_named_and_the_record_counts_for_nobody(engine: Any) -> None:
    policy = Policy(default=1, payees=[{"to": "helper", "share": "part", "overlay": True}])
    assert lines(policy, engine) == [("N2", "Bo", 0.5, True), ("N1", None, 0.0, False)]
    excluded = policy.model_copy(update={"default": Policy(default=0).default})
    assert lines(excluded, engine) == [("N2", None, 0.0, False), ("N1", None, 0.0, False)]


def test_those_within_the_whole_come_before_overlay(engine: Any) -> None:
    payees = [{"to": "'Coach'", "share": 0.1, "overlay": True}, {"to": "'House'", "share": 1}]
    for policy in (
        Policy(default=1, payees=payees),
        Policy(rules=[{"when": "not is_null(number)", "credit": payees, "because": "so"}], default=1),
    ):
        assert [line[1] for line in lines(policy, engine)] == ["House", "Coach"] * 2


@pytest.mark.parametrize("column", ["payee", "share", "overlay", "rule"])
def test_columns_that_lines_would_have_are_not_overwritten(column: str, engine: Any) -> None:
    source = Source(fields={"who": {"type": "text", "role": "subject", "column": "helper"}})
    rows = [{"helper": "Ann", column: None}]
    with pytest.raises(FieldError, match=f"'{column}' already"):
        Policy(default=1).lines(engine(rows), source)


def test_the_frame_that_comes_in_stays_as_it_was(engine: Any) -> None:
    frame = engine(ROWS)
    before = [dict(row) for row in engine.back(frame)]
    Policy(default=1).credit(frame, SOURCE)
    Policy(default=1).lines(frame, SOURCE)
    assert engine.back(frame) == before
