"""Reporting lines with dates, and what rolls up along them, once for each member."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crmrules import FieldError, Source
from crmrules.binding import bind_frame
from crmrules.frames import columns_of
from crmrules.policy.dated import TreeRule
from crmrules.policy.timeline import Timeline
from crmrules.policy.tree import Tree, rolled_up, rolled_up_columns

Row = dict[str, Any]

TABLE = Source(name="lines", fields={"rep": "text", "boss": "text", "since": "date", "until": "date"})
FIELDS = {"member": "rep", "parent": "boss", "start": "since", "end": "until"}


def d(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def row(rep: str | None, boss: str | None, since: str | None = None, until: str | None = None) -> Row:
    return {"rep": rep, "boss": boss, "since": d(since), "until": d(until)}


def tree(*rows: Row, **options: Any) -> Tree:
    return Tree.of(TABLE, [*rows], **{**FIELDS, **options})


def above(found: Tree, member: str, *days: str) -> list[tuple[str, ...]]:
    return [found.ancestors(member, dt.date.fromisoformat(day)) for day in days]


def test_the_line_is_that_of_the_day() -> None:
    found = tree(
        row("Ann", "Mo", None, "2026-06-30"),
        row("Ann", "Flo", "2026-07-01", "2026-12-31"),
        row("Mo", "East"),
        row("Flo", "East", None, "2026-08-31"),
        row("Flo", "West", "2026-09-01"),
    )
    days = ["2026-06-30", "2026-07-01", "2026-08-31", "2026-09-01", "2026-12-31", "2027-01-01"]
    moved = [("Mo", "East"), ("Flo", "East"), ("Flo", "East"), ("Flo", "West"), ("Flo", "West"), ()]
    assert above(found, "Ann", *days) == moved
    assert found.depth == 3
    assert found.timeline().history("Mo") == [("on every day", ("East", "Mo", None))]


def test_who_has_no_row_or_no_parent_stands_at_the_top() -> None:
    found = tree(row("Ann", "Mo"), row("Bo", None))
    assert above(found, "Mo", "2026-01-01") == above(found, "Bo", "2026-01-01") == [()]
    assert "Mo" in found
    assert "Bo" in found
    assert "Cy" not in found
    day = dt.date(2026, 1, 1)
    assert [found.line(member, day) for member in ("Ann", "Bo", "Cy", None)] == [
        ("Ann", "Mo"),
        ("Bo",),
        (),
        (),
    ]


def test_a_tree_without_dates_holds_on_every_day() -> None:
    found = tree(row("Ann", "Mo"), row("Mo", "East"), start=None, end=None)
    assert found.ancestors("Ann", dt.date.min) == found.ancestors("Ann", dt.date.max) == ("Mo", "East")


def test_the_timeline_goes_from_the_top_down_as_far_as_wanted() -> None:
    found = tree(row("Ann", "Mo"), row("Mo", "East"))
    day = dt.date(2026, 1, 1)
    assert found.timeline().at("Ann", day) == ("East", "Mo", "Ann")
    assert found.timeline(levels=2).at("Ann", day) == ("East", "Mo")
    assert found.timeline(levels=9).at("East", day) == ("East", None, None)


def test_a_corrected_parent_moves_all_records_to_the_new_one() -> None:
    # frappe/hrms test_appraisal.py, test_goal_score_after_parent_goal_change (worked case AC-43): after
    # re-parenting, the old parent is left with 0 and the new one has what the child brings.
    before, after = tree(row("goal", "old")), tree(row("goal", "new"))
    for found, expected in ((before, {"goal": (0,), "old": (0,)}), (after, {"goal": (0,), "new": (0,)})):
        assert rolled_up([found.line("goal", dt.date(2026, 1, 1))]) == expected


@pytest.mark.parametrize(
    ("rows", "options", "code", "told"),
    [
        (
            [row("Ann", "Bo", "2026-01-01", "2026-03-31"), row("Bo", "Cy"), row("Cy", "Ann", "2026-03-01")],
            {},
            "D108",
            "'Ann' → 'Bo' → 'Cy' → 'Ann' is a cycle from 2026-03-01 to 2026-03-31\n"
            "  = give one of them another parent on these days, or none",
        ),
        ([row("Ann", "Ann")], {}, "D108", "table `lines`, row 0: 'Ann' → 'Ann' is a cycle on every day"),
        (
            [row("Eve", "Ann"), row("Ann", "Bo"), row("Bo", "Ann", "2026-05-05", "2026-05-05")],
            {},
            "D108",
            "table `lines`, row 2: 'Ann' → 'Bo' → 'Ann' is a cycle on 2026-05-05",
        ),
        (
            [row("Ann", "Mo", None, "2026-06-30"), row("Ann", "Flo", "2026-06-30")],
            {},
            "D103",
            "rows 0 (to 2026-06-30) and 1 (from 2026-06-30 on) are both about 'Ann' on 2026-06-30",
        ),
        (
            [row("Ann", "Mo"), row("Ann", "Flo")],
            {"start": None, "end": None},
            "D103",
            "about 'Ann' on every day",
        ),
        ([row(None, "Mo")], {}, "D101", "table `lines`, row 0: `rep` is missing"),
        ([], {"parent": "since"}, "D104", "field `since` is date, expected text"),
    ],
)
def test_mistakes_are_told_with_rows_days_and_what_to_write(
    rows: list[Row], options: Row, code: str, told: str
) -> None:
    with pytest.raises(FieldError) as caught:
        tree(*rows, **options)
    assert caught.value.code == code
    assert told in str(caught.value)


def test_what_would_be_a_cycle_on_no_day_is_none() -> None:
    found = tree(row("Ann", "Bo", None, "2026-06-30"), row("Bo", "Ann", "2026-07-01"))
    assert above(found, "Ann", "2026-06-30", "2026-07-01") == [("Bo",), ()]
    assert above(found, "Bo", "2026-06-30", "2026-07-01") == [(), ("Ann",)]


def test_the_rule_of_a_rulebook_gives_the_same_tree() -> None:
    rule = TreeRule.model_validate(
        {"table": "lines", "member": "rep", "parent": "boss", "from": "since", "to": "until"}
    )
    assert not [*rule.problems(TABLE)]
    found = Tree.declared(rule, TABLE, [row("Ann", "Mo", None, "2026-06-30")])
    assert above(found, "Ann", "2026-06-30", "2026-07-01") == [("Mo",), ()]
    assert {"from", "to", "member"} <= {*TypeAdapter(TreeRule).json_schema()["properties"]}
    assert [path for path, _ in rule.problems(Source(fields={"rep": "text", "boss": "date"}))] == [
        ("parent",),
        ("from",),
        ("to",),
    ]


def test_a_roster_with_levels_as_columns_is_a_timeline() -> None:
    source = Source(
        name="roster",
        fields={"rep": "text", "team": "text", "region": "text", "since": "date", "until": "date"},
    )
    rows = [
        {"rep": "Ann", "team": "T1", "region": "East", "since": None, "until": d("2026-06-30")},
        {"rep": "Ann", "team": "T2", "region": "West", "since": d("2026-07-01"), "until": None},
    ]
    roster = Timeline.of(
        source, rows, key="rep", values=["rep", "team", "region"], start="since", end="until"
    )
    assert roster.at("Ann", dt.date(2026, 6, 30)) == ("Ann", "T1", "East")
    assert roster.at("Ann", dt.date(2026, 7, 1)) == ("Ann", "T2", "West")


MEMBERS = ["A", "B", "C", "D", "E"]
DAYS = [dt.date(2026, 1, 1) + dt.timedelta(days) for days in range(-1, 9)]


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """One parent on each day, of which some may make cycles."""
    rows: list[Row] = []
    for member in draw(st.lists(st.sampled_from(MEMBERS), unique=True)):
        bounds = sorted(draw(st.lists(st.integers(1, 8), unique=True, max_size=4)))
        for first, last in zip(bounds[::2], bounds[1::2], strict=False):
            parent = draw(st.sampled_from([*MEMBERS, "Top", None]))
            rows.append({"rep": member, "boss": parent, "since": DAYS[first], "until": DAYS[last]})
    return draw(st.permutations(rows))


def line_by_hand(rows: list[Row], member: str, day: dt.date) -> tuple[str, ...] | None:
    """The line, going up day by day; None where it runs into itself."""
    line = [member]
    while True:
        parents = [
            each["boss"] for each in rows if each["rep"] == line[-1] and each["since"] <= day <= each["until"]
        ]
        if not parents or parents[0] is None:
            return tuple(line)
        if parents[0] in line:
            return None
        line.append(parents[0])


@given(tables())
def test_lines_are_those_found_by_going_up_day_by_day_and_a_cycle_on_any_day_is_refused(
    rows: list[Row],
) -> None:
    known = {name for each in rows for name in (each["rep"], each["boss"]) if name}
    expected = {(member, day): line_by_hand(rows, member, day) for member in known for day in DAYS}
    if None in expected.values():
        with pytest.raises(FieldError, match="D108"):
            tree(*rows)
        return
    found = tree(*rows)
    assert {(member, day): found.line(member, day) for member in known for day in DAYS} == expected
    assert found.depth == max((len(line) for line in expected.values() if line), default=0)


def shared_by_hand(found: Tree, payees: list[tuple[str | None, int]], day: dt.date) -> dict[str, int]:
    """What each member gets of one record: the sum of what those at or below it get."""
    totals: dict[str, int] = defaultdict(int)
    for payee, amount in payees:
        for member in found.line(payee, day):
            totals[member] += amount
    return dict(totals)


LINES = [
    row("Ann", "Mo", None, "2026-06-30"),
    row("Ann", "Flo", "2026-07-01"),
    row("Bo", "Mo"),
    row("Cy", "East"),
    row("Mo", "East"),
    row("Flo", "West"),
]
payees = st.sampled_from(["Ann", "Bo", "Cy", "Mo", "East", "Nobody", None])
orders = st.lists(
    st.fixed_dictionaries(
        {
            "one": payees,
            "two": payees,
            "three": payees,
            "day": st.sampled_from([dt.date(2026, 6, 30), dt.date(2026, 7, 1)]),
        }
    ),
    max_size=20,
)


@settings(max_examples=10)
@given(orders)
def test_a_record_counts_once_for_each_member_with_the_sum_of_its_payees_parts(
    from_polars: Mapping[str, Callable[[pl.DataFrame], Any]], records: list[Row]
) -> None:
    found = tree(*LINES)
    amounts = {"one": 1, "two": 10, "three": 100}
    expected = [
        shared_by_hand(found, [(each[payee], amount) for payee, amount in amounts.items()], each["day"])
        for each in records
    ]
    for each, by_hand in zip(records, expected, strict=True):
        rolled = rolled_up([found.line(each[payee], each["day"]) for payee in amounts])
        parts = [*amounts.values()]
        assert {member: sum(parts[at] for at in whose) for member, whose in rolled.items()} == by_hand
    source = Source(fields={**dict.fromkeys(amounts, "text"), "day": "date"})
    table = pl.DataFrame(records, {**dict.fromkeys(amounts, pl.String()), "day": pl.Date()})
    for name, engine in from_polars.items():
        frame = bind_frame(source, engine(table), source.fields).frame
        lines = [[f"{payee} {level}" for level in range(found.depth)] for payee in amounts]
        for payee, columns in zip(amounts, lines, strict=True):
            frame = found.timeline().beside(frame, payee, "day", columns)
        columns = []
        for place, (member, parts_of) in enumerate(rolled_up_columns(lines)):
            columns.append(member.alias(f"@member {place}"))
            columns += [part.alias(f"@part {place} {payee}") for payee, part in parts_of.items()]
        wide = columns_of(frame.select(*columns))
        for at, by_hand in enumerate(expected):
            got: dict[Any, float] = {}
            for place in range(len(amounts) * found.depth):
                member = wide[f"@member {place}"][at]
                if member is None:
                    continue
                assert member not in got, f"{name}: {member} counts twice"
                got[member] = sum(
                    amount
                    for payee, amount in enumerate(amounts.values())
                    if wide.get(f"@part {place} {payee}", [False] * len(records))[at]
                )
            assert got == by_hand, name
