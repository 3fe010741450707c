"""Random policies over random records: every engine against the same in plain Python."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from crmrules import CrmRulesError, Model, Policy, Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.figuring import Beside
from crmrules.kpi.roster import Roster
from crmrules.kpi.score import Plan
from crmrules.policy.summary import Summary
from tests.policy import by_hand
from tests.policy.by_hand import CONDITIONS, FORMULAS, MEASURES, Record, Refused, Said

SOURCE = Source(name="orders", fields=by_hand.FIELDS)
TABLE = Source(name="splits", fields={"record": "text", "payee": "text", "share": "number", "extra": "bool"})
PAYEES: list[list[dict[str, Any]]] = [
    [{"to": "who"}],
    [{"to": "coalesce(helper, 'House')", "share": 0.6}, {"to": "who", "share": 0.4}],
    [{"to": name, "share": 1 / 3} for name in ("who", "'House'", "coalesce(helper, 'House')")],
    [{"to": "who", "share": 0.5}, {"to": "helper", "share": "part"}],
    [{"to": "helper", "share": 1.5, "overlay": True}, {"to": "who", "share": 0.7}],
    [{"to": "coalesce(helper, 'House')", "share": 0.2, "overlay": True}],
    [{"to": "who", "share": 0}, {"to": "'House'", "share": "coalesce(part, 0.25)"}],
    [{"to": "who", "share": "part"}, {"to": "helper", "share": "part"}],
]
DAYS = [dt.date(2026, 1, 31), dt.date(2026, 2, 1), dt.date(2026, 2, 28), dt.date(2026, 3, 1)]
SHARES = [0.0, 0.25, 0.3, 0.5, 1 / 3, 1.0]

effective = st.sampled_from(
    [{"from": DAYS[1]}, {"to": DAYS[2]}, {"from": DAYS[1], "to": DAYS[1]}, {"from": DAYS[2]}]
)
credits = st.sampled_from(SHARES) | st.sampled_from([*FORMULAS])


@st.composite
def rules(draw: st.DrawFn, *, splits: bool, nth: bool) -> list[dict[str, Any]]:
    conditions = [condition for condition in CONDITIONS if nth or "nth" not in condition]
    found = []
    for position in range(draw(st.integers(0, 4))):
        rule: dict[str, Any] = {
            "when": draw(st.sampled_from(conditions)),
            "credit": draw(credits | st.sampled_from(PAYEES) if splits else credits),
            "because": draw(st.sampled_from(["so", f"because of {position}"])),
        }
        if draw(st.booleans()):
            rule["name"] = f"{'abcd'[position]} rule"
        if draw(st.integers(0, 4)) == 0:
            rule["effective"] = draw(effective)
        found.append(rule)
    return found


SEQUENCES = {"nth": {"per": "customer", "by": "day"}}


@st.composite
def plain_policies(draw: st.DrawFn, *, splits: bool = True) -> dict[str, Any]:
    """One list of rules, however it combines."""
    combines = ["first", "product", "min", "max", "all", "most_specific"]
    combine = draw(st.sampled_from(combines))
    nth = draw(st.integers(0, 3)) == 0
    policy: dict[str, Any] = {
        "rules": draw(rules(splits=splits and combine in ("first", "all", "most_specific"), nth=nth)),
        "combine": combine,
        "default": draw(st.sampled_from(SHARES)),
    }
    if nth:
        policy["sequences"] = SEQUENCES
    if combine == "most_specific":
        policy["specificity"] = {"what": ["kind", "customer"], "how much": ["hours"]}
    return policy


def lists_of(policy: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """All lists of payees in a policy."""
    levels = policy.get("levels", {"": policy}).values()
    found = [
        rule["credit"] for level in levels for rule in level["rules"] if isinstance(rule["credit"], list)
    ]
    return [*found, policy["payees"]] if isinstance(policy.get("payees"), list) else found


def falls_short(payees: list[dict[str, Any]]) -> bool:
    """Whether the shares of a list are all constant and sum to less than 1, which is refused beforehand."""
    shares = [each.get("share", 1.0) for each in payees if not each.get("overlay")]
    return not any(isinstance(share, str) for share in shares) and sum(shares) < 1 - 1e-9


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        policy = draw(plain_policies())
    else:
        combine = draw(st.sampled_from(["first", "product", "min", "max"]))
        # Names of levels that could be taken for columns of the library's own.
        names = draw(
            st.lists(
                st.sampled_from(["row", "to", "share", "month", "order"]), min_size=1, max_size=3, unique=True
            )
        )
        splitting = draw(st.sampled_from(names)) if combine in ("first", "product") else None
        policy = {
            "levels": {name: draw(plain_policies(splits=name == splitting)) for name in names},
            "combine": combine,
        }
    whom = draw(st.sampled_from(["owner", "owner", "listed", "table"]))
    if whom == "listed":
        policy["payees"] = draw(st.sampled_from(PAYEES))
    if whom == "table":
        policy["payees"] = {
            "table": "splits", "record": "record", "to": "payee", "share": "share", "overlay": "extra",
        }  # fmt: skip
    if draw(st.integers(0, 3)) == 0 and not any(map(falls_short, lists_of(policy))):
        policy["shares"] = "exactly_one"
    if draw(st.integers(0, 2)) == 0:
        policy["returns"] = {
            "when": draw(st.sampled_from(["amount < 0", "kind == 'sample'"])),
            "original": "original",
            "period": draw(st.sampled_from(["current", "original"])),
            "missing": draw(st.sampled_from(["error", "own"])),
        }
    return policy


def records(*, dirty: bool) -> st.SearchStrategy[list[Record]]:
    people = ["Ann", "Bo", "王芳"]
    gap = [None] if dirty else []
    record = st.fixed_dictionaries(
        {
            "who": st.sampled_from([*people, *gap]),
            "helper": st.sampled_from([*people, None] if dirty else people),
            "part": st.sampled_from([0.0, 0.25, 0.3, 0.5, *gap, *([1.25, -0.5] if dirty else [])]),
            "day": st.sampled_from([*DAYS, *gap]),
            "kind": st.sampled_from(["sample", "order", None]),
            "customer": st.sampled_from(["Acme", "Birch", None]),
            "amount": st.none() | st.integers(-99_999, 99_999).map(lambda units: Decimal(units).scaleb(-2))
            | st.sampled_from([Decimal("0.00"), Decimal("0.01"), Decimal("-0.01"), Decimal("100.00")]),
            "hours": st.none() | st.integers(-8, 24).map(lambda quarters: quarters / 4),
            "original": st.sampled_from(["N0", "N1", "N2", *gap]),
        }
    )  # fmt: skip
    return st.lists(record, max_size=7).flatmap(
        lambda listed: st.permutations(range(len(listed))).map(
            lambda order: [{"number": f"N{at}", **row} for at, row in zip(order, listed, strict=True)]
        )
    )


@st.composite
def tables(draw: st.DrawFn) -> list[Record]:
    return draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "record": st.sampled_from(["N0", "N1", "N2"]),
                    "payee": st.sampled_from(["Ann", "Cy", "王芳"]),
                    "share": st.sampled_from([0.0, 0.25, 1 / 3, 0.5]),
                    "extra": st.sampled_from([True, False, False]),
                }
            ),
            max_size=5,
            unique_by=lambda row: (row["record"], row["payee"], row["extra"]),
        )
    )


def reference(policy: Mapping[str, Any], rows: list[Record], table: list[Record]) -> list[Said] | Refused:
    try:
        return by_hand.decide_all(policy, rows, table)
    except Refused as refused:
        return refused


JOIN = " × "


def rule_of(policy: Mapping[str, Any], said: Said) -> str:
    levels = policy.get("levels")
    names = [f"{level}: " for level in levels] if levels else [""]
    return JOIN.join(
        prefix + rule for prefix, listed in zip(names, said.rules, strict=True) for rule in listed
    )


def refused_alike(expected: Refused, attempt: Any, *arguments: Any) -> str:
    with pytest.raises(CrmRulesError) as caught:
        attempt(*arguments)
    assert caught.value.code == expected.code, (caught.value, expected)
    return str(caught.value)


# Two engines with each example, and another one in turn: pandas takes a fifth of a second for two rows.
others = st.sampled_from(["pandas", "pandas over Arrow", "Polars lazy", "PyArrow"])


@settings(max_examples=30)
@given(policy=policies(), rows=records(dirty=False) | records(dirty=True), table=tables(), other=others)
def test_every_engine_says_of_every_record_what_plain_python_says(
    engines: Mapping[str, Any], policy: dict[str, Any], rows: list[Record], table: list[Record], other: str
) -> None:
    expected = reference(policy, rows, table)
    declared = Policy(**policy)
    event("refused" if isinstance(expected, Refused) else "said")
    messages = set()
    for name in ("dicts", "Polars", other):
        engine = engines[name]
        given = {"splits": engine(table)} if table else {"splits": []}
        if isinstance(expected, Refused):
            for ask in (declared.credit, declared.lines, declared.summary):
                messages.add(refused_alike(expected, ask, engine(rows), SOURCE, given))
            continue
        credited = engine.back(declared.credit(engine(rows), SOURCE, given)) if rows else []
        assert [(row["number"], row["rule"], row["because"]) for row in credited] == [
            (row["number"], rule_of(policy, said), "; ".join(said.because))
            for row, said in zip(rows, expected, strict=True)
        ], name
        assert [row["credit"] for row in credited] == pytest.approx(
            [float(said.credit) for said in expected], abs=1e-12
        ), name
        lines = engine.back(declared.lines(engine(rows), SOURCE, given)) if rows else []
        assert [
            (line["number"], line["payee"], round(line["share"], 12), line["overlay"]) for line in lines
        ] == [
            (row["number"], part.to, round(float(part.share), 12), part.overlay)
            for row, said in zip(rows, expected, strict=True)
            for part in sorted(said.parts, key=lambda part: part.overlay)
        ], name
        if rows:
            compare_summary(policy, declared.summary(engine(rows), SOURCE, given), rows, expected)
    if isinstance(expected, Refused):
        assert len(messages) == 1
        assert repr(expected.record) in messages.pop()


def compare_summary(
    policy: Mapping[str, Any], found: Summary, rows: list[Record], expected: list[Said]
) -> None:
    wanted: dict[tuple[str, str], list[Any]] = {}
    for row, said in zip(rows, expected, strict=True):
        tally = wanted.setdefault((rule_of(policy, said), "; ".join(said.because)), [0, 0, 0, 0, 0])
        tally[0 if said.credit > 1 - 1e-9 else 1 if said.credit > 0 else 2] += 1
        if row["amount"] is not None:
            tally[3] += by_hand.cents(row["amount"])
            tally[4] += by_hand.rounded(by_hand.cents(row["amount"]) * said.credit)
    assert {
        (each.rule, each.because): [
            each.counted, each.partly, each.excluded,
            by_hand.cents(each.amount), by_hand.cents(each.credited),
        ]
        for each in found.rules
    } == wanted  # fmt: skip
    total = found.total
    assert total.records == len(rows)
    assert total.credited + total.left_out == total.amount
    assert by_hand.cents(total.amount) == sum(
        by_hand.cents(row["amount"]) for row in rows if row["amount"] is not None
    )


def plan_of(declared: Policy, credits: str, subject: str = "subject") -> Plan:
    """A plan with every measure."""
    feed = Feed(SOURCE, declared.on(SOURCE), credits, {"splits": TABLE})
    plan = Plan("any", Model(period="month", subject=subject, indicators={name: {} for name in MEASURES}))
    for name, text in MEASURES.items():
        plan.add_measure(name, text, feed)
    for name in MEASURES:
        plan.add_indicator(name, None)
    return plan


EMPTY = {"sum": Decimal(0), "acme": Decimal(0), "hours": 0.0, "count": 0, "orders": 0, "customers": 0}
GROUPS = {"Ann": "North", "Bo": "North", "王芳": "South", "House": "South", "Cy": "North"}


@settings(max_examples=30)
@given(
    policy=policies(),
    rows=records(dirty=False) | records(dirty=True),
    table=tables(),
    credits=st.sampled_from(["split", "split", "overlay", "all"]),
    grouped=st.booleans(),
    other=others,
)
def test_sums_by_subject_and_period_are_those_of_plain_python(
    engines: Mapping[str, Any],
    policy: dict[str, Any],
    rows: list[Record],
    table: list[Record],
    credits: str,
    grouped: bool,
    other: str,
) -> None:
    if not rows:
        return
    expected = reference(policy, rows, table)
    wanted: dict[tuple[str, str], dict[str, Any]] | Refused
    try:
        if isinstance(expected, Refused):
            raise expected
        wanted = by_hand.measured(rows, expected, credits, GROUPS if grouped else None)
    except Refused as refused:
        wanted = refused
    event("refused" if isinstance(wanted, Refused) else "summed")
    plan = plan_of(Policy(**policy), credits, "team" if grouped else "subject")
    roster = Roster({person: {"team": team} for person, team in GROUPS.items()}) if grouped else None
    messages = set()
    for name in ("dicts", "Polars", other):
        engine = engines[name]
        data = {"orders": engine(rows), "splits": engine(table) if table else []}
        if isinstance(wanted, Refused):
            messages.add(refused_alike(wanted, plan.score, data, Beside(roster)))
            continue
        card = plan.score(data, Beside(roster))
        assert {(subject, str(period)) for subject, period in card.keys} >= {*wanted}, name
        for standing in card.standings():
            theirs = wanted.get((standing.subject, str(standing.period)), {})
            for measure, result in standing.results.items():
                place = (name, measure, standing.subject, str(standing.period))
                assert same(result.actual, theirs.get(measure, EMPTY.get(measure))), place
    assert len(messages) == isinstance(wanted, Refused)


def same(ours: Any, theirs: Any) -> bool:
    """Money and counts exactly; other numbers as sums of floats go."""
    if isinstance(theirs, float):
        return bool(ours == pytest.approx(theirs, abs=1e-9))
    return bool(ours == theirs)
