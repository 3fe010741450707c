"""What holds of every policy, whatever it says."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crmrules import CrmRulesError, Model, Policy, Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.figuring import Beside
from crmrules.kpi.roster import Roster
from crmrules.kpi.score import Plan
from crmrules.kpi.scorecard import Scorecard
from tests.policy.by_hand import Record, cents
from tests.policy.test_by_hand import DAYS, GROUPS, SOURCE, TABLE, plain_policies, policies, records, tables

MEASURES = {"money": "sum(amount)", "hours": "sum(hours)", "count": "count()"}


def card_of(
    policy: Policy, rows: Any, table: list[Record], credits: str = "split", subject: str = "subject"
) -> Scorecard:
    feed = Feed(SOURCE, policy.on(SOURCE), credits, {"splits": TABLE})  # type: ignore[arg-type]
    plan = Plan("any", Model(period="year", subject=subject, indicators={name: {} for name in MEASURES}))
    for name, text in MEASURES.items():
        plan.add_measure(name, text, feed)
    for name in MEASURES:
        plan.add_indicator(name, None)
    roster = Roster({person: {"team": team} for person, team in GROUPS.items()})
    return plan.score({"orders": rows, "splits": table}, Beside(roster))


def figures(card: Scorecard) -> dict[tuple[str, str], tuple[Any, ...]]:
    """The figures of everybody who has any; hours as sums of floats go."""
    found = {}
    for each in card.standings():
        results = each.results
        hours = round(results["hours"].actual, 6) + 0.0
        row = (results["money"].actual, hours, results["count"].actual)
        if any(row):
            found[each.subject, str(each.period)] = row
    return found


@given(policy=policies(), rows=records(dirty=False), table=tables())
def test_what_everybody_gets_within_the_whole_is_what_counts_to_the_cent(
    policy: dict[str, Any], rows: list[Record], table: list[Record]
) -> None:
    """Conservation: the parts of a record sum to its credited amount; counted and excluded to the total."""
    declared = Policy(**policy)
    try:
        summary = declared.summary(rows, SOURCE, {"splits": table})
        card = card_of(declared, rows, table)
    except CrmRulesError:
        assume(False)
    assert sum(each.results["money"].actual for each in card.standings()) == Decimal(summary.total.credited)
    assert summary.total.credited + summary.total.left_out == summary.total.amount
    assert sum(each.counted + each.partly + each.excluded for each in summary.rules) == len(rows)
    assert cents(Decimal(summary.total.amount)) == sum(cents(row["amount"] or Decimal(0)) for row in rows)


@given(
    policy=policies(),
    rows=records(dirty=False),
    table=tables(),
    period=st.sampled_from(["current", "original"]),
)
def test_a_sale_and_its_full_return_leave_nothing_to_anybody(
    policy: dict[str, Any], rows: list[Record], table: list[Record], period: str
) -> None:
    policy["returns"] = {"when": "kind == 'return'", "original": "original", "period": period}
    sales = [{**row, "day": DAYS[1]} for row in rows]
    back = [
        {
            **row,
            "number": f"R{row['number']}", "original": row["number"], "kind": "return", "day": DAYS[3],
            "amount": None if row["amount"] is None else -row["amount"],
            "hours": None if row["hours"] is None else -row["hours"],
            # what a return says of payees and shares is not looked at
            "who": None, "helper": None, "part": 7.0,
        }
        for row in sales
    ]  # fmt: skip
    if "nth" in str(policy):
        return  # a return would be the next record of its customer
    for credits in ("split", "overlay", "all"):
        try:
            card = card_of(Policy(**policy), sales, table, credits)
        except CrmRulesError:
            assume(False)
        both = card_of(Policy(**policy), [*back, *sales], table, credits)
        for standing in both.standings():
            assert standing.results["money"].actual == 0
            assert abs(standing.results["hours"].actual) < 1e-9
        counts = {key: row[2] for key, row in figures(card).items()}
        assert {key: row[2] for key, row in figures(both).items()} == {
            key: 2 * n for key, n in counts.items()
        }


@given(policy=policies(), rows=records(dirty=False), table=tables(), data=st.data())
def test_the_order_of_the_records_changes_nothing(
    policy: dict[str, Any], rows: list[Record], table: list[Record], data: st.DataObject
) -> None:
    declared = Policy(**policy)
    shuffled = data.draw(st.permutations(rows))
    try:
        before = figures(card_of(declared, rows, table))
    except CrmRulesError:
        assume(False)
    assert figures(card_of(declared, shuffled, data.draw(st.permutations(table)))) == before
    said = {row["number"]: row for row in declared.credit(rows, SOURCE, {"splits": table})}
    assert {row["number"]: row for row in declared.credit(shuffled, SOURCE, {"splits": table})} == said


@given(policy=plain_policies(), rows=records(dirty=False))
def test_including_everything_is_writing_the_rules_oneself(
    policy: dict[str, Any], rows: list[Record]
) -> None:
    written = Policy(**policy)
    kept = {key: value for key, value in policy.items() if key not in ("rules", "sequences")}
    including = Policy(**kept, include=[written])
    try:
        expected = written.credit(rows, SOURCE)
    except CrmRulesError as refused:
        words = str(refused)
        expected = None
    if expected is None:
        with pytest.raises(CrmRulesError) as also:
            including.credit(rows, SOURCE)
        assert str(also.value) == words
        return
    assert including.credit(rows, SOURCE) == expected
    assert including.lines(rows, SOURCE) == written.lines(rows, SOURCE)


@given(policy=plain_policies(), rows=records(dirty=False), data=st.data())
def test_disabling_a_rule_is_not_writing_it_and_overriding_it_is_writing_the_other(
    policy: dict[str, Any], rows: list[Record], data: st.DataObject
) -> None:
    policy["rules"] = [{**rule, "name": f"r{at}"} for at, rule in enumerate(policy["rules"])]
    assume(policy["rules"])
    kept = {key: value for key, value in policy.items() if key not in ("rules", "sequences")}
    chosen = data.draw(st.sampled_from(range(len(policy["rules"]))))
    name = f"r{chosen}"
    without = {**policy, "rules": [rule for rule in policy["rules"] if rule["name"] != name]}
    changed = [{**rule, "credit": 0.125} if rule["name"] == name else rule for rule in policy["rules"]]
    pairs = [
        (Policy(**kept, include=[Policy(**policy)], disable=[name]), Policy(**without)),
        (
            Policy(**kept, include=[Policy(**policy)], override={name: {"credit": 0.125}}),
            Policy(**{**policy, "rules": changed}),
        ),
    ]
    for made, written in pairs:
        try:
            expected = written.credit(rows, SOURCE)
        except CrmRulesError:
            continue
        assert made.credit(rows, SOURCE) == expected


@given(policy=policies(), rows=records(dirty=False), table=tables())
def test_a_groups_money_is_that_of_its_members_and_no_record_counts_twice_for_it(
    policy: dict[str, Any], rows: list[Record], table: list[Record]
) -> None:
    declared = Policy(**policy)
    for credits in ("split", "overlay", "all"):
        try:
            alone = figures(card_of(declared, rows, table, credits))
        except CrmRulesError:
            assume(False)
        groups = figures(card_of(declared, rows, table, credits, "team"))
        for team, period in {*groups, *((GROUPS[who], period) for who, period in alone)}:
            members = [row for (who, when), row in alone.items() if GROUPS[who] == team and when == period]
            group = groups.get((team, period), (Decimal(0), 0.0, 0))
            assert group[0] == sum(row[0] for row in members)
            assert abs(group[1] - sum(row[1] for row in members)) < 1e-6
            assert max((row[2] for row in members), default=0) <= group[2] <= sum(row[2] for row in members)


RECORD = {
    "number": "N1", "who": "Ann", "helper": "Bo", "part": None, "day": DAYS[1], "kind": "order",
    "customer": None, "amount": Decimal("100.01"), "hours": 1.0, "original": None,
}  # fmt: skip
SHARED = Policy(
    default=1,
    payees=[{"to": "who", "share": 0.5}, {"to": "helper", "share": 0.5}],
)


def test_a_record_of_two_payees_of_one_group_counts_once_for_it(engine: Any) -> None:
    rows = [{**RECORD, "amount": Decimal("0.01")}]
    rows.append({**rows[0], "number": "N2", "helper": "王芳"})
    found = figures(card_of(SHARED, engine(rows), [], "split", "team"))
    # North has Ann and Bo, South 王芳: a cent and a cent of N2's first half, and none of its second
    assert found == {
        ("North", "2026"): (Decimal("0.02"), 1.5, 2),
        ("South", "2026"): (Decimal("0.00"), 0.5, 1),
    }


@settings(max_examples=15)
@given(rows=records(dirty=False))
def test_without_ids_lists_and_frames_say_the_same_of_records_that_repeat(rows: list[Record]) -> None:
    source = Source(fields={name: kind for name, kind in SOURCE.fields.items() if name != "number"})
    twice = [{name: value for name, value in row.items() if name != "number"} for row in rows for _ in "ab"]
    policy = Policy(
        rules=[{"when": "kind == 'sample'", "credit": "coalesce(part, 0.25)", "because": "so"}], default=1
    )
    expected = policy.credit(twice, source)
    if twice:
        frame = pl.DataFrame(
            twice, schema_overrides={"amount": pl.Decimal(18, 2), "hours": pl.Float64, "part": pl.Float64}
        )
        assert policy.credit(frame, source).to_dicts() == expected  # type: ignore[attr-defined]
        assert policy.lines(frame, source).to_dicts() == policy.lines(twice, source)  # type: ignore[attr-defined]


@settings(max_examples=25)
@given(
    policy=policies(),
    rows=records(dirty=False),
    table=tables(),
    credits=st.sampled_from(["split", "overlay", "all"]),
    subject=st.sampled_from(["subject", "team"]),
    other=st.sampled_from(["dicts", "dicts", "pandas", "Polars", "Polars lazy", "PyArrow"]),
)
def test_what_the_lines_of_a_statement_add_is_the_indicator(
    engines: Mapping[str, Any],
    policy: dict[str, Any],
    rows: list[Record],
    table: list[Record],
    credits: str,
    subject: str,
    other: str,
) -> None:
    assume(rows)
    data = engines[other](rows)
    try:
        card = card_of(Policy(**policy), data, table, credits, subject)
    except CrmRulesError:
        assume(False)
    for standing in card.standings():
        statement = card.explain(standing.subject, standing.period)
        added = [line.adds["money"] or Decimal(0) for line in statement.counted]
        assert sum(added, Decimal(0)) == standing.results["money"].actual
        hours = sum(line.adds["hours"] or 0.0 for line in statement.counted)
        assert abs(hours - standing.results["hours"].actual) < 1e-9
        assert sum(line.adds["count"] for line in statement.counted) == standing.results["count"].actual
        assert all(line.share > 0 for line in statement.counted)
        assert all(line.share == 0 and not line.adds for line in statement.excluded)


def test_a_salesperson_reads_shares_overlay_and_returns_in_the_statement(engine: Any) -> None:
    policy = Policy(
        rules=[{"name": "half", "when": "kind == 'order'", "credit": 0.5, "because": "orders count half"}],
        default=1,
        payees=[
            {"to": "who", "share": 0.5},
            {"to": "helper", "share": 0.5},
            {"to": "who", "share": 0.2, "overlay": True},
        ],
        returns={"when": "amount < 0", "original": "original"},
    )
    taken = {"number": "R1", "original": "N1", "who": "Cy", "kind": None, "amount": Decimal("-40.00")}
    rows = [RECORD, {**RECORD, **taken}]
    statement = card_of(policy, engine(rows), []).explain("Ann", "2026")
    # a quarter of 100.01 is 25.0025, and Ann's half of 50.01 gets the odd cent
    assert [(line.id, line.share, line.adds["money"]) for line in statement.counted] == [
        ("N1", 0.25, Decimal("25.01")),
        ("R1", 0.25, Decimal("-10.00")),
    ]
    assert "half, taking back N1" in str(statement)
    beside = card_of(policy, engine(rows), [], "overlay").explain("Ann", "2026")
    assert [(line.share, line.overlay, line.adds["money"]) for line in beside.counted] == [
        (0.1, True, Decimal("10.00")),
        (0.1, True, Decimal("-4.00")),
    ]
    assert "0.1 overlay" in str(beside)
