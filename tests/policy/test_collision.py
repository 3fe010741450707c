"""Collisions on every engine, decided as a whole, with their evidence; what is not used is told."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import CrmRulesError, FieldError, Source
from crmrules.policy.collision import Collision, find_collisions

Record = dict[str, Any]
LEADS = Source(
    name="leads",
    fields={
        "id": {"type": "text", "role": "id"},
        "agent": "text",
        "created": "date",
        "active": "date",
        "tax": "text",
        "phone": "text",
        "email": "text",
        "company": "text",
    },
)
RULE = Collision(
    source="leads",
    who="agent",
    when="created",
    keys={"tax_id": "tax", "phone": "phone", "email_domain": "email", "name": "company"},
    within_days=90,
    near_names=0.88,
    decide="first_claim",
)
SCHEMA = {name: pl.Date() if name in ("created", "active") else pl.String() for name in LEADS.fields}

ENGINES = ("dicts", "pandas", "pandas over Arrow", "Polars", "Polars lazy", "PyArrow")
KINDS = {"Polars": pl.DataFrame, "Polars lazy": pl.DataFrame, "PyArrow": pa.Table}
Makers = Mapping[str, Callable[[pl.DataFrame], Any]]


def in_engine(engine: str, from_polars: Makers, rows: list[Record]) -> Any:
    return rows if engine == "dicts" else from_polars[engine](pl.DataFrame(rows, SCHEMA))


def rows_of(frame: Any) -> list[Record]:
    if isinstance(frame, pa.Table):
        return frame.to_pylist()  # type: ignore[no-any-return]
    return frame.to_dicts() if isinstance(frame, pl.DataFrame) else frame.to_dict("records")  # type: ignore[no-any-return]


def lead(id_: str, agent: str | None, day: str | None, **said: Any) -> Record:
    nothing = dict.fromkeys(("active", "tax", "phone", "email", "company"))
    created = None if day is None else dt.date.fromisoformat(day)
    return {"id": id_, "agent": agent, "created": created, **nothing, **said}


ROWS = [
    lead("L1", "Ann", "2026-03-01", tax="914403001922038216", company="华为技术有限公司"),
    lead("L2", "Bo", "2026-03-05", tax="9144 0300 1922 0382 16", phone="139 1234 5670"),
    lead("L3", "Cy", "2026-05-20", phone="+86 13912345670", email="wang@acme.com"),
    lead("L4", "Ann", "2026-03-02", company="Acme Precision Tools, Inc."),
    lead("L5", "Bo", "2026-03-02", company="ACME Precisoin Tools Co., Ltd."),
    lead("L6", "Bo", "2026-12-01", company="华为技术股份有限公司"),
    lead("L7", "Cy", "2026-03-03", company="中国工商银行股份有限公司北京分公司", email="a@qq.com"),
    lead("L8", "Bo", "2026-03-03", company="中国工商银行股份有限公司上海分公司", email="b@qq.com"),
    lead("L9", None, "2026-03-03", phone="139 1234 5670"),
]

values = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(["Ann", "Bo", "王芳", None]),
        "created": st.sampled_from([None, *(dt.date(2026, 3, day) for day in (1, 2, 9, 30))]),
        "active": st.sampled_from([None, dt.date(2026, 4, 1), dt.date(2026, 4, 2)]),
        "tax": st.sampled_from([None, "", "914403001922038216", "9144 0300 1922 0382 16"]),
        "phone": st.sampled_from([None, "139 1234 5670", "+86 13912345670", "13912345679"]),
        "email": st.sampled_from([None, "a@acme.com", "b@acme.com", "c@qq.com"]),
        "company": st.sampled_from([None, "华为技术有限公司", "华为技术", "Acme Tools Ltd", "Acme Toolz"]),
    }
)
records = st.lists(values, max_size=8).flatmap(
    lambda rows: st.permutations([{"id": f"L{at}", **row} for at, row in enumerate(rows)])
)


def test_a_worked_example() -> None:
    found = RULE.find(ROWS, LEADS)
    assert [(pair.first.record, pair.second.record, pair.days_apart) for pair in found.pairs] == [
        ("L1", "L2", 4),
        ("L2", "L3", 76),
        ("L4", "L5", 0),
    ]
    assert str(found.pairs[0].evidence[0]) == "tax_id 914403001922038216 = 9144 0300 1922 0382 16"
    near = found.pairs[2].evidence[0]
    assert (near.kind, near.first, near.second) == ("name", ROWS[3]["company"], ROWS[4]["company"])
    # acmeprecisiontools and acmeprecisointools: two of 18 characters differ.
    assert near.similarity == pytest.approx(1 - 2 / 18)
    three, two = found.contested
    assert [each.who for each in three.claimants] == ["Ann", "Bo", "Cy"]
    assert three.decision.shares == (("Ann", 1.0),)
    assert three.decision.because == "Ann claimed first, on 2026-03-01; Bo on 2026-03-05, Cy on 2026-05-20"
    # Same day: the record's id decides, as declared by its role.
    assert two.decision.shares == (("Ann", 1.0),)
    assert [(each.record, each.reason) for each in found.left_out] == [("L9", "`agent` is missing")]
    assert found.explain("L3") is three
    assert found.of("L7") is None


@pytest.mark.parametrize("engine", ENGINES)
@given(records)
def test_every_engine_finds_the_same(engine: str, from_polars: Makers, rows: list[Record]) -> None:
    expected, found = (
        RULE.find(sorted(rows, key=lambda row: row["id"]), LEADS),
        RULE.find(in_engine(engine, from_polars, rows), LEADS),
    )
    assert found.pairs == expected.pairs
    assert found.contested == expected.contested
    assert {*found.left_out} == {*expected.left_out}
    assert isinstance(found.to_native(), KINDS.get(engine, pd.DataFrame))


@pytest.mark.parametrize("engine", ENGINES)
def test_tables_come_back_as_the_kind_that_came_in(engine: str, from_polars: Makers) -> None:
    found = RULE.find(in_engine(engine, from_polars, ROWS), LEADS)
    pairs, decisions, payees = found.to_native(), found.decisions(), found.payees()
    assert {type(pairs), type(decisions), type(payees)} == {KINDS.get(engine, pd.DataFrame)}
    assert rows_of(pairs)[0] == {
        "customer": 1,
        "first_record": "L1",
        "first_who": "Ann",
        "first_when": dt.date(2026, 3, 1),
        "second_record": "L2",
        "second_who": "Bo",
        "second_when": dt.date(2026, 3, 5),
        "days_apart": 4,
        "keys": "tax_id",
        "evidence": "tax_id 914403001922038216 = 9144 0300 1922 0382 16",
        "similarity": 1.0,
    }
    assert [(row["customer"], row["who"], row["share"]) for row in rows_of(decisions)] == [
        (1, "Ann", 1.0),
        (1, "Bo", 0.0),
        (1, "Cy", 0.0),
        (2, "Ann", 1.0),
        (2, "Bo", 0.0),
    ]
    assert [tuple(row.values()) for row in rows_of(payees)] == [
        (record, "Ann", 1.0) for record in ("L1", "L2", "L3", "L4", "L5")
    ]


@given(records)
def test_each_contested_customer_is_decided_once_and_wholly(rows: list[Record]) -> None:
    for how in ("first_claim", "split", "hold"):
        found = RULE.model_copy(update={"decide": how}).find(rows, LEADS)
        members = [side.record for each in found.contested for side in each.sides]
        assert len(members) == len({*members})
        for each in found.contested:
            total = sum(share for _, share in each.decision.shares)
            assert each.decision.held if how == "hold" else total == pytest.approx(1)
            assert {who for who, _ in each.decision.shares} <= {side.who for side in each.sides}
            assert len({side.who for side in each.sides}) > 1


def test_the_last_activity_wins_where_that_is_declared() -> None:
    rule = RULE.model_copy(update={"decide": "last_activity", "activity": "active"})
    rows = [{**row, "active": dt.date(2026, 6, 1 + at)} for at, row in enumerate(ROWS[:3])]
    assert rule.find(rows, LEADS).contested[0].decision.shares == (("Cy", 1.0),)


def test_leads_and_orders_are_looked_at_together() -> None:
    orders = Source(
        name="orders",
        fields={
            "id": {"type": "number", "role": "id", "column": "number"},
            "agent": "text",
            "created": "datetime",
            "tax": "text",
        },
    )
    rule = RULE.model_copy(update={"source": ("leads", "orders")})
    order = {
        "number": 17,
        "agent": "Di",
        "created": dt.datetime(2026, 3, 1, 8),
        "tax": "914403001922038216",
    }
    found = rule.find({"leads": ROWS[:1], "orders": [order]}, [LEADS, orders])
    (pair,) = found.pairs
    assert (pair.first.source, pair.second.source, pair.second.record) == ("leads", "orders", 17)
    assert found.contested[0].decision.because == "Ann claimed first, on 2026-03-01; Di on 2026-03-01 08:00"
    assert [*found.to_native().columns][1:3] == ["first_source", "first_record"]  # type: ignore[attr-defined]
    assert found.of(17, "orders") is found.of("L1") is found.contested[0]
    with pytest.raises(FieldError, match="there is data for `lead`, but no such source") as error:
        rule.find({"lead": ROWS}, [LEADS, orders])
    assert error.value.hint == "did you mean `leads`?"
    with pytest.raises(FieldError, match="there is no data for source `orders`"):
        rule.find({"leads": ROWS}, [LEADS, orders])
    for source in (None, LEADS, [LEADS, orders]):
        with pytest.raises(FieldError, match="several sources need their data by name"):
            rule.find(ROWS, source)
    assert RULE.find(ROWS, [LEADS]).pairs == RULE.find(ROWS, LEADS).pairs


def test_ids_that_are_numbers_stay_numbers() -> None:
    rows = [
        {"nr": nr, "agent": who, "created": dt.date(2026, 3, 1), "phone": "139 1234 5670"}
        for nr, who in ((2, "Ann"), (1, "Bo"))
    ]
    source = Source(
        fields={"nr": {"type": "number", "role": "id"}, "agent": "text", "created": "date", "phone": "text"}
    )
    for data in (rows, pd.DataFrame(rows), pl.DataFrame(rows)):
        found = find_collisions(
            data, source, who="agent", when="created", keys={"phone": "phone"}, decide="first_claim"
        )
        assert [tuple(row.values()) for row in rows_of(found.payees())] == [(1, "Bo", 1.0), (2, "Bo", 1.0)]
        assert found.explain(2).decision.because == (
            "Bo and Ann claimed first, all on 2026-03-01; Bo comes first by 1 before 2"
        )


def test_without_an_id_the_order_of_rows_decides_nothing() -> None:
    rows = [{"agent": who, "created": dt.date(2026, 3, 1), "phone": "139 1234 5670"} for who in ("Ann", "Bo")]
    found = find_collisions(rows, who="agent", when="created", keys={"phone": "phone"}, decide="first_claim")
    assert found.contested[0].decision.held
    assert "nothing declared tells who was first" in found.contested[0].decision.because


def test_numbers_are_keys_as_their_digits() -> None:
    rows = [
        {"agent": 7, "created": dt.date(2026, 3, 1), "phone": 13912345670},
        {"agent": 8, "created": dt.date(2026, 3, 2), "phone": 13912345670},
    ]
    for data in (rows, pd.DataFrame(rows)):
        found = find_collisions(data, who="agent", when="created", keys={"phone": "phone"}, decide="hold")
        assert str(found.pairs[0].evidence[0]) == "phone 13912345670"
        assert [side.who for side in found.contested[0].sides] == ["7", "8"]


def test_what_is_declared_to_be_no_evidence_is_none() -> None:
    rows = [
        lead("L1", "Ann", "2026-03-01", email="a@ours.com"),
        lead("L2", "Bo", "2026-03-02", email="b@ours.com"),
    ]
    assert len(RULE.find(rows, LEADS)) == 1
    ours = {"email_domain": ("x@ours.com",)}
    assert len(RULE.model_copy(update={"ignore": ours}).find(rows, LEADS)) == 0
    bare = Collision(**{**RULE.model_dump(), "ignore": {"email_domain": "ours.com"}})
    assert len(bare.find(rows, LEADS)) == 0


def test_keys_of_a_crowd_are_told() -> None:
    rows = [lead(f"L{at}", f"s{at}", "2026-03-01", phone="400-810-8888") for at in range(11)]
    found = RULE.find(rows, LEADS)
    assert len(found) == 0
    assert found.notes == ["phone +864008108888 is shared by 11 people and was not used"]
    assert found.notes[0] in str(found)


def test_it_shows_itself() -> None:
    found = RULE.find(ROWS, LEADS)
    assert str(found).splitlines()[0] == "3 collisions: 2 contested customers, 8 records"
    assert "left out: 1 record, the first 'L9': `agent` is missing" in str(found)
    html = found._repr_html_()
    assert html.count("<tr") == 4
    hostile = [{**row, "company": "<script>" + (row["company"] or "")} for row in ROWS]
    assert "<script>" not in RULE.find(hostile, LEADS)._repr_html_()
    said = str(found.explain("L1"))
    assert said.splitlines()[0] == (
        "Contested customer 1: Ann claimed first, on 2026-03-01; Bo on 2026-03-05, Cy on 2026-05-20"
    )
    assert "Ann  100 %  2026-03-01  –       L1" in said
    assert "<td" in found.contested[0]._repr_html_()
    assert "Bo: L2, 2026-03-05 and Cy: L3, 2026-05-20, 76 days apart: phone" in said
    with pytest.raises(CrmRulesError, match="'L7' is in no collision"):
        found.explain("L7")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keys": {}}, "`keys` is empty"),
        ({"near_names": 0.9, "keys": {"phone": "phone"}}, "`near_names` goes with a key `name`"),
        ({"near_names": 0.5}, "greater than or equal to 0.7"),
        ({"decide": "last_activity"}, "`activity` goes with last_activity"),
        ({"shares": [0.5, 0.5]}, "`shares` goes with split"),
        ({"decide": "split", "shares": [0.8, 0.3]}, "`shares` sum to 1.1"),
        ({"decide": "first"}, "'first_claim', 'last_activity', 'split' or 'hold'"),
        ({"keys": {"tax": "tax"}}, "'tax_id', 'phone', 'email', 'email_domain' or 'name'"),
        ({"country": "+86"}, "should match pattern"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(changes: Record, said: str) -> None:
    declared = {"who": "agent", "when": "created", "keys": {"name": "company"}, "decide": "hold"}
    with pytest.raises(pydantic.ValidationError, match=said):
        Collision(**{**declared, **changes})


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"who": "agnt"}, ("who",), "has no field `agnt`"),
        ({"when": "company"}, ("when",), "source `leads`, field `company` is text"),
        (
            {"keys": {"phone": ("phone", "created")}},
            ("keys", "phone"),
            "source `leads`, field `created` is date, expected text or number",
        ),
        ({"keys": {"phone": ("mobile",)}}, ("keys", "phone"), "has no field `mobile`"),
        ({"ties": ("priority",)}, ("ties",), "has no field `priority`"),
    ],
)
def test_what_does_not_fit_the_source_is_told_with_its_place(changes: Record, path: Any, said: str) -> None:
    rule = RULE.model_copy(update={"near_names": None, **changes})
    ((found, error),) = rule.problems(LEADS)
    assert found == path
    assert said in error.message
    assert error.hint
    with pytest.raises(FieldError, match=said):
        rule.find(ROWS, LEADS)


def test_rows_that_do_not_fit_are_set_aside_as_declared() -> None:
    strict = {**LEADS.model_dump(), "fields": {n: f.model_dump() for n, f in LEADS.fields.items()}}
    lenient = Source(**{**strict, "on_bad_row": "quarantine"})
    rows = [*ROWS[:2], lead("L3", "Cy", "2026-03-09") | {"created": "soon"}]
    found = RULE.find(rows, lenient)
    assert [row.row for row in found.quarantined] == ["L3"]
    assert "set aside: 1 row" in str(found)
    with pytest.raises(FieldError, match="expected a date like 2026-01-31"):
        RULE.find(rows, LEADS)


def test_nothing_in_nothing_out() -> None:
    found = RULE.find([], LEADS)
    assert (len(found), found.contested, found.notes) == (0, (), [])
    assert len(found.to_native()) == 0  # type: ignore[arg-type]
