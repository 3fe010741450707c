"""A policy on every engine against a plain loop."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import FieldError, Policy, RecordError, Source

SOURCE = Source(
    fields={
        "number": {"type": "text", "role": "id"},
        "kind": "text",
        "value": "money(2)",
        "customer": "text",
    },
    on_bad_row="quarantine",
)
POLICY = Policy(
    rules=[
        {"name": "samples", "when": "kind == 'sample'", "credit": 0, "because": "samples are free"},
        {"name": "early", "when": "value > 1 and nth <= 2", "credit": 0.5, "because": "an early order"},
    ],
    default=1,
    sequences={"nth": {"per": "customer", "by": "number", "where": "kind != 'return'"}},
)
SCHEMA = {"number": pl.String(), "kind": pl.String(), "value": pl.Float64(), "customer": pl.String()}
Record = dict[str, Any]


def as_pandas(records: list[Record]) -> pd.DataFrame:
    pairs = [(row // 2, -row) for row in range(len(records))]
    frame = pd.DataFrame(records, columns=[*SCHEMA]).astype({"value": float})
    return frame.set_index(pd.MultiIndex.from_tuples(pairs, names=["a", "b"])) if records else frame


ENGINES: dict[str, tuple[Callable[[list[Record]], Any], Callable[[Any], list[Record]], type]] = {
    "dicts": (lambda records: records, lambda rows: rows, list),
    "pandas": (as_pandas, lambda frame: frame.to_dict("records"), pd.DataFrame),
    "pandas over Arrow": (
        lambda records: pl.DataFrame(records, SCHEMA).to_pandas(use_pyarrow_extension_array=True),
        lambda frame: frame.to_dict("records"),
        pd.DataFrame,
    ),
    "Polars": (lambda records: pl.DataFrame(records, SCHEMA), lambda frame: frame.to_dicts(), pl.DataFrame),
    "Polars lazy": (
        lambda records: pl.LazyFrame(records, SCHEMA),
        lambda frame: frame.collect().to_dicts(),
        pl.LazyFrame,
    ),
    "PyArrow": (
        lambda records: pl.DataFrame(records, SCHEMA).to_arrow(),
        lambda table: table.to_pylist(),
        pa.Table,
    ),
}

records = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["sample", "order", "return", None]),
            "value": st.sampled_from([None, -3.0, 0.5, 1.0, 1.01, 2.0, 0.001]),
            "customer": st.sampled_from(["Ann", "王芳", None]),
        }
    ),
    max_size=8,
).flatmap(
    lambda rows: st.permutations(range(len(rows))).map(
        lambda order: [{"number": f"o{at}", **row} for at, row in zip(order, rows, strict=True)]
    )
)


def by_hand(rows: list[Record]) -> list[tuple[str, float, str]]:
    good = [row for row in rows if row["value"] != 0.001]
    numbers: dict[str, int] = {}
    seen: Counter[str] = Counter()
    for row in sorted(good, key=lambda row: row["number"]):
        if row["kind"] not in (None, "return") and row["customer"] is not None:
            seen[row["customer"]] += 1
            numbers[row["number"]] = seen[row["customer"]]
    said = []
    for row in good:
        if row["kind"] == "sample":
            said.append((row["number"], 0.0, "samples"))
        elif row["value"] is not None and row["value"] > 1 and numbers.get(row["number"], 9) <= 2:
            said.append((row["number"], 0.5, "early"))
        else:
            said.append((row["number"], 1.0, "default"))
    return said


@pytest.mark.parametrize("engine", [*ENGINES])
@given(rows=records)
def test_the_first_rule_that_matches_decides_as_in_a_plain_loop(engine: str, rows: list[Record]) -> None:
    made, read, kind = ENGINES[engine]
    result = POLICY.credit(made(rows), SOURCE)
    assert isinstance(result, kind)
    assert [(row["number"], row["credit"], row["rule"]) for row in read(result)] == by_hand(rows)


@given(rows=records)
def test_pandas_keeps_the_index_of_the_rows(rows: list[Record]) -> None:
    frame = as_pandas(rows)
    kept = [label for label, row in zip(frame.index, rows, strict=True) if row["value"] != 0.001]
    assert POLICY.credit(frame, SOURCE).index.tolist() == kept


@pytest.mark.parametrize("engine", [*ENGINES])
def test_records_that_tie_are_refused_in_the_same_words(engine: str) -> None:
    row = {"number": "o1", "kind": "order", "value": 2.0, "customer": "Ann"}
    with pytest.raises(RecordError, match=r"two records tie \(customer 'Ann', number 'o1'\)"):
        ENGINES[engine][1](POLICY.credit(ENGINES[engine][0]([row, row]), SOURCE))


@pytest.mark.parametrize("engine", [*ENGINES])
def test_a_column_that_is_taken_is_refused(engine: str) -> None:
    made = {
        "dicts": lambda: [{"kind": "a", "credit": 1.0}],
        "pandas": lambda: pd.DataFrame({"kind": ["a"], "credit": [1.0]}),
    }
    frame = made.get(engine, lambda: pl.DataFrame({"kind": ["a"], "credit": [1.0]}))()
    with pytest.raises(FieldError, match="'credit' already"):
        Policy(default=1).credit(frame)


def test_columns_that_numbers_name_stay() -> None:
    frame = as_pandas([{"number": "o1", "kind": None, "value": 0.001, "customer": "Ann"}]).assign(x=5)
    result = POLICY.credit(frame.rename(columns={"x": 7}), SOURCE)
    assert [*result.columns] == [*SCHEMA, 7, "credit", "rule", "because"]
    assert len(result) == 0


def test_a_generator_is_gone_through_once() -> None:
    policy = Policy(rules=[{"when": "kind == 'a'", "credit": 0, "because": "so"}], default=1)
    assert [row["credit"] for row in policy.credit({"kind": kind} for kind in "ab")] == [0.0, 1.0]


@given(rows=records)
def test_an_explanation_decides_as_crediting_does(rows: list[Record]) -> None:
    policy = Policy(rules=POLICY.rules[:1], default=1)
    for row in rows:
        if row["value"] == 0.001:
            row["value"] = 1.0
        [credited] = policy.credit([row], SOURCE)
        verdict = policy.explain(row, SOURCE)
        assert (verdict.credit, verdict.rule) == (credited["credit"], credited["rule"])
        assert [each.decided for each in verdict.considered] == [verdict.rule == "samples"]
