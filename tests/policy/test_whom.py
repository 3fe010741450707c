"""Payees in a table of their own, and what is refused of payees, in the same words on every engine."""

from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from crmrules import CrmRulesError, FieldError, Policy, RecordError, Source

SOURCE = Source(
    name="orders",
    fields={
        "number": {"type": "text", "role": "id"},
        "who": {"type": "text", "role": "subject"},
        "helper": "text",
        "part": "number",
    },
)
TABLE = {"table": "splits", "record": "record", "to": "payee", "share": "share", "overlay": "extra"}
BY_TABLE = Policy(default=1, payees=TABLE)
BY_FIELDS = Policy(default=1, payees=[{"to": "who", "share": 0.7}, {"to": "helper", "share": "part"}])
ROWS = [
    {"number": "N1", "who": "Ann", "helper": "Bo", "part": 0.3},
    {"number": "N2", "who": "Bo", "helper": None, "part": None},
]


def splits(*rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(("record", "payee", "share", "extra"), row, strict=True)) for row in rows]


def shares(policy: Policy, engine: Any, rows: Any = ROWS, table: Any = None) -> list[tuple[Any, ...]]:
    tables = {} if table is None else {"splits": table}
    lines = engine.back(policy.lines(engine(rows), SOURCE, tables))
    return [(line["number"], line["payee"], line["share"], line["overlay"]) for line in lines]


def refused(policy: Policy, engine: Any, rows: Any = ROWS, table: Any = None) -> CrmRulesError:
    with pytest.raises(CrmRulesError) as caught:
        shares(policy, engine, rows, table)
    return caught.value


def test_a_table_shares_out_its_records_and_the_others_stay_with_their_owner(engine: Any) -> None:
    table = engine(splits(("N1", "Di", 0.4, False), ("N1", "Cy", 0.6, False), ("N1", "Eve", 1.5, True)))
    assert shares(BY_TABLE, engine, table=table) == [
        ("N1", "Cy", 0.6, False), ("N1", "Di", 0.4, False), ("N1", "Eve", 1.5, True),
        ("N2", "Bo", 1.0, False),
    ]  # fmt: skip


def test_a_record_with_nothing_but_overlay_in_the_table_stays_with_its_owner(engine: Any) -> None:
    table = splits(("N1", "Eve", 0.2, True), ("N2", "Di", 1.0, False))
    assert shares(BY_TABLE, engine, table=table) == [
        ("N1", "Ann", 1.0, False), ("N1", "Eve", 0.2, True), ("N2", "Di", 1.0, False),
    ]  # fmt: skip


def test_an_empty_table_leaves_everything_with_the_owners(engine: Any) -> None:
    assert shares(BY_TABLE, engine, table=[]) == [("N1", "Ann", 1.0, False), ("N2", "Bo", 1.0, False)]


def test_the_order_of_the_table_changes_nothing(engine: Any) -> None:
    table = splits(("N1", "Di", 0.5, False), ("N1", "Cy", 0.5, False), ("N2", "Ann", 0.5, False))
    assert shares(BY_TABLE, engine, table=table) == shares(BY_TABLE, engine, table=table[::-1])


def test_a_table_is_read_as_fields_are(engine: Any) -> None:
    table = splits(("N1", "Di", " 0.5 ", "no"), ("N1", "Eve", "0.25", "yes"))
    assert shares(BY_TABLE, engine, table=table)[:2] == [("N1", "Di", 0.5, False), ("N1", "Eve", 0.25, True)]


def test_ids_may_be_numbers() -> None:
    source = Source(
        fields={"id": {"type": "number", "role": "id"}, "who": {"type": "text", "role": "subject"}}
    )
    rows = [{"id": 7, "who": "Ann"}, {"id": 8, "who": "Bo"}]
    table = splits((7, "Cy", 1.0, False))
    for made in (rows, pl.DataFrame(rows), pl.DataFrame(rows).to_pandas(), pl.DataFrame(rows).to_arrow()):
        lines = BY_TABLE.lines(made, source, {"splits": table})
        found = lines if isinstance(lines, list) else pl.DataFrame(lines).to_dicts()
        assert [(line["id"], line["payee"]) for line in found] == [(7, "Cy"), (8, "Bo")]
        with pytest.raises(RecordError, match=r"record 8: the shares of `payees` sum to 1\.2"):
            BY_TABLE.lines(made, source, {"splits": splits((8, "Cy", 0.6, False), (8, "Di", 0.6, False))})


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_either_kind_of_text_of_pyarrow_joins_the_table(kind: Any) -> None:
    rows = pa.table(
        {name: pa.array([row[name] for row in ROWS], kind) for name in ("number", "who", "helper")}
    )
    lines = BY_TABLE.lines(rows, SOURCE, {"splits": splits(("N1", "Di", 1.0, False))})
    assert lines.column("payee").to_pylist() == ["Di", "Bo"]  # type: ignore[attr-defined]


def test_a_table_that_is_not_passed_is_asked_for(engine: Any) -> None:
    error = refused(BY_TABLE, engine)
    assert isinstance(error, FieldError)
    assert (error.code, error.message) == ("F112", "there is no data for table `splits`")
    assert "tables={'splits': frame}" in error.hint


def test_a_table_without_a_column_is_refused(engine: Any) -> None:
    table = [{"record": "N1", "payee": "Di", "shares": 1.0, "extra": False}]
    error = refused(BY_TABLE, engine, table=engine(table))
    assert (error.code, error.message) == ("F101", "source `splits` has no column `share`")
    assert "`shares`" in error.hint


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        ((None, "Di", 1.0, False), "C307", "table `splits`, row 0: `record` is missing"),
        (("N1", None, 0.5, False), "C304", "record 'N1': `splits` gives the share 0.5 to nobody"),
        (("N1", "Di", None, False), "C304", "record 'N1': `splits` names 'Di' without a share"),
        (("N1", "Di", 1.2, False), "C301", "record 'N1': `splits` gives the share 1.2 to 'Di'"),
        (("N1", "Di", -0.2, True), "C301", "record 'N1': `splits` gives the share -0.2 to 'Di'"),
    ],
)
def test_what_a_table_cannot_say_is_refused(row: tuple[Any, ...], code: str, words: str, engine: Any) -> None:
    error = refused(BY_TABLE, engine, table=engine(splits(row)))
    assert (error.code, error.message) == (code, words)
    assert error.hint


def test_shares_of_a_table_beyond_the_whole_name_the_record(engine: Any) -> None:
    error = refused(BY_TABLE, engine, table=splits(("N2", "Di", 0.6, False), ("N2", "Cy", 0.5, False)))
    assert (error.code, error.message) == (
        "C303",
        "record 'N2': the shares of `payees` sum to 1.1 (0.5 to Cy, 0.6 to Di)",
    )
    assert error.hint == "they sum to 1 at most; overlay is beside them"


@pytest.mark.parametrize("credit", [1, 0.5])
@pytest.mark.parametrize(
    ("part", "helper", "code", "words"),
    [
        (0.5, "Bo", "C303", "the shares of `payees` sum to 1.2 (0.7 to Ann, 0.5 to Bo)"),
        (0.3, None, "C304", "`payees` gives the share 0.3 to nobody"),
        (None, "Bo", "C304", "`payees` names 'Bo' without a share"),
        (1.5, "Bo", "C301", "`payees` gives the share 1.5 to 'Bo'"),
        (-0.1, "Bo", "C301", "`payees` gives the share -0.1 to 'Bo'"),
    ],
)
def test_payees_in_fields_are_refused_whatever_the_rules_leave_of_the_record(
    credit: float, part: float | None, helper: str | None, code: str, words: str, engine: Any
) -> None:
    """Half of shares that sum to 1.2 is 0.6, and the shares are wrong all the same."""
    policy = BY_FIELDS.model_copy(update={"default": Policy(default=credit).default})
    rows = [ROWS[1], {"number": "N3", "who": "Ann", "helper": helper, "part": part}, ROWS[0] | {"part": 9.0}]
    error = refused(policy, engine, rows)
    assert isinstance(error, RecordError)
    assert (error.code, error.message) == (code, f"record 'N3': {words}")


def test_payees_of_records_that_do_not_count_are_not_looked_at(engine: Any) -> None:
    policy = BY_FIELDS.model_copy(update={"default": Policy(default=0).default})
    rows = [{"number": "N3", "who": "Ann", "helper": "Bo", "part": 1.5}]
    assert shares(policy, engine, rows) == [("N3", "Ann", 0.0, False), ("N3", "Bo", 0.0, False)]


@pytest.mark.parametrize("credit", [1, 0.5])
def test_where_all_is_to_be_given_less_is_refused(credit: float, engine: Any) -> None:
    policy = Policy(default=credit, payees=BY_FIELDS.payees, shares="exactly_one")
    assert len(shares(policy, engine, ROWS[:1])) == 2
    error = refused(policy, engine, [{"number": "N3", "who": "Ann", "helper": "Bo", "part": 0.2}])
    assert (error.code, error.hint) == ("C303", "they sum to exactly 1; overlay is beside them")
    # a record that names nobody gives nothing to anybody, which is not all of it
    nobody = Policy(default=credit, payees=[{"to": "helper", "share": "part"}], shares="exactly_one")
    assert refused(nobody, engine, ROWS[1:]).message == "record 'N2': the shares of `payees` sum to 0"
