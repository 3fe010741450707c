"""Every case of the YAML files beside this module, by every interpretation and on every engine.

A case has a name, declared fields, a record (or records) and an expression, and either the value (values)
that must come out or the code of the error. How values are written stands at the top of each file; each
value is reasoned from the language's definition.

Values are equal when they are of the same type and the same value: floats exactly, where only the sign of
zero does not count, which the language cannot tell. A case with `about: true` allows a relative difference
of 1e-12: its function comes from the platform's mathematics library, or its value is a sum of floats in an
order that engines choose themselves.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from crmrules import Rulebook
from crmrules.binding import bind_frame
from crmrules.errors import CrmRulesError, ExpressionError, FieldError
from crmrules.expr import Expression
from crmrules.expr.column import is_in_sql
from crmrules.fields import Source
from crmrules.frames import columns_of, delivered, pulled
from crmrules.money import amount
from crmrules.types import Type

Record = dict[str, Any]
LEAST_CASES = 400
SECTIONS = {"arithmetic", "comparison", "logic", "null", "text", "date", "aggregate", "error"}
ABOUT = 1e-12


@dataclass(frozen=True, eq=False)
class Case:
    section: str
    name: str
    expression: str
    fields: dict[str, str] = field(default_factory=dict)
    records: tuple[Record, ...] = ({},)
    values: tuple[object, ...] = ()
    error: str = ""
    at: str = ""
    about: bool = False

    @property
    def id(self) -> str:
        return f"{self.section}: {self.name}"


def read(path: Path) -> list[Case]:
    document = YAML(typ="safe", pure=True).load(path)
    return [_case(document["section"], entry) for entry in document["cases"]]


def _case(section: str, entry: dict[str, Any]) -> Case:
    many = "records" in entry
    records = entry["records"] if many else [entry.get("record", {})]
    values = () if "error" in entry else entry["values"] if "values" in entry else (entry["value"],)
    known = {"name", "expression", "fields", "record", "records", "value", "values", "error", "at", "about"}
    assert {*entry} <= known, f"{entry['name']}: {sorted({*entry} - known)}"
    assert "error" in entry or section == "aggregate" or len(values) == len(records), entry["name"]
    return Case(
        section,
        entry["name"],
        entry["expression"],
        entry.get("fields", {}),
        tuple(records),
        tuple(values),
        entry.get("error", ""),
        entry.get("at", ""),
        entry.get("about", False),
    )


CASES = [case for path in sorted(Path(__file__).parent.glob("*.yaml")) for case in read(path)]
BY_RECORD = [case for case in CASES if case.section != "aggregate" and not case.error]
AGGREGATED = [case for case in CASES if case.section == "aggregate" and not case.error]
REFUSED = [case for case in CASES if case.error]


def ids(case: Case) -> str:
    return case.id


# values as the files write them


def given(value: object, declared: str) -> object:
    """A value of a record: money is written as a quoted decimal."""
    return Decimal(value) if declared.startswith("money") and isinstance(value, str) else value


def expected(value: object, of: Type) -> object:
    """A value that must come out, as an expression over a record gives it."""
    if value is None:
        return None
    if of.kind == "money":
        assert isinstance(value, str), "money is written as a quoted decimal"
        return Decimal(value)
    if of.kind in ("number", "duration"):
        assert type(value) in (int, float), f"{value!r} is no number"
        return float(value)  # type: ignore[arg-type]
    return value


def same(got: object, wanted: object, *, about: bool = False) -> bool:
    if type(got) is not type(wanted):
        return False
    if about and isinstance(got, float) and isinstance(wanted, float):
        return math.isclose(got, wanted, rel_tol=ABOUT, abs_tol=0.0)
    return got == wanted


def assert_same(case: Case, got: list[object], of: Type) -> None:
    wanted = [expected(value, of) for value in case.values]
    pairs = zip(got, wanted, strict=True)
    assert all(same(one, other, about=case.about) for one, other in pairs), f"{got!r}, expected {wanted!r}"


# frames


def arrow(fields: Mapping[str, str], records: list[Record]) -> pa.Table:
    types = {
        "text": pa.string(),
        "number": pa.float64(),
        "date": pa.date32(),
        "datetime": pa.timestamp("us"),
        "bool": pa.bool_(),
    }
    columns = {}
    for name, declared in fields.items():
        kind = declared.split()[0]
        values = [given(record[name], declared) for record in records]
        if kind not in types:
            digits = int(kind.removeprefix("money(").removesuffix(")"))
            floats = any(isinstance(value, float) for value in values)
            columns[name] = pa.array(values, pa.float64() if floats else pa.decimal128(30, digits))
            continue
        if kind == "number":
            values = [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
        columns[name] = pa.array(values, types[kind])
    return pa.table(columns)


def numpy(fields: Mapping[str, str], records: list[Record]) -> pd.DataFrame:
    """Everything as pandas with numpy has it: NaN or NaT where a value is missing, objects for the rest."""
    columns = {}
    for name, declared in fields.items():
        kind = declared.split()[0]
        values = [given(record[name], declared) for record in records]
        if kind in ("number", "text", "bool", "date", "datetime"):
            plain = kind == "bool" and None not in values
            dtype = {"number": "float64", "text": "object", "date": "datetime64[s]"}.get(kind)
            dtype = dtype or ("datetime64[us]" if kind == "datetime" else "bool" if plain else "object")
            columns[name] = pd.Series(values, dtype=dtype)
        else:
            # Decimals stay objects: the largest amounts have more digits than a float.
            columns[name] = pd.Series(values, dtype="object")
    return pd.DataFrame(columns)


ENGINES: dict[str, Callable[[Mapping[str, str], list[Record]], Any]] = {
    "pandas numpy": numpy,
    "pandas arrow": lambda fields, rows: arrow(fields, rows).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda fields, rows: pl.from_arrow(arrow(fields, rows)),
    "polars lazy": lambda fields, rows: pl.from_arrow(arrow(fields, rows)).lazy(),
    "pyarrow": arrow,
    "duckdb": lambda fields, rows: duckdb.from_arrow(arrow(fields, rows)),
}


@cache
def _bound(engine: str, fields: tuple[tuple[str, str], ...], records: str) -> Any:
    rows = _RECORDS[records]
    source = Source(fields=dict(fields))
    return bind_frame(source, ENGINES[engine](dict(fields), rows), dict(fields), in_sql=True).frame


_RECORDS: dict[str, list[Record]] = {}


def bound(engine: str, case: Case) -> Any:
    """The case's records bound, once for all cases with the same ones."""
    # An expression of constants alone still needs a column to stand beside.
    fields = {**case.fields, "row": "number"}
    rows = [{**record, "row": number} for number, record in enumerate(case.records)]
    key = repr(rows)
    _RECORDS[key] = rows
    return _bound(engine, tuple(fields.items()), key)


def by_column(engine: str, case: Case, expression: Expression) -> list[object]:
    import narwhals as nw

    frame = bound(engine, case)
    frame = frame if is_in_sql(expression.tree) else pulled(frame)
    frame = frame.select(nw.col("row"), expression.column().alias("@value"))
    values = columns_of(frame)["@value"]
    of = expression.type
    found = [delivered(value, of) for value in values]  # type: ignore[arg-type]
    return [amount(v, of.digits) if of.kind == "money" and type(v) is int else v for v in found]


# the tests


def parsed(case: Case) -> tuple[Expression, list[Record]]:
    records = [
        {name: given(record[name], declared) for name, declared in case.fields.items()}
        for record in case.records
    ]
    return Expression.parse(case.expression, case.fields), records


@pytest.mark.parametrize("case", BY_RECORD, ids=ids)
def test_compiled_for_a_record(case: Case) -> None:
    expression, records = parsed(case)
    assert_same(case, [expression(record) for record in records], expression.type)


@pytest.mark.parametrize("case", BY_RECORD, ids=ids)
def test_traced_for_a_record(case: Case) -> None:
    expression, records = parsed(case)
    assert_same(case, [expression.trace(record).value for record in records], expression.type)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", BY_RECORD, ids=ids)
def test_as_a_column(case: Case, engine: str) -> None:
    expression, _ = parsed(case)
    assert_same(case, by_column(engine, case, expression), expression.type)


@pytest.mark.parametrize("case", BY_RECORD, ids=ids)
def test_canonical_text_says_the_same(case: Case) -> None:
    expression, _ = parsed(case)
    assert Expression.parse(str(expression), case.fields) == expression


@pytest.mark.parametrize("case", REFUSED, ids=ids)
def test_refused_with_a_stable_code(case: Case) -> None:
    if case.error.startswith("F"):
        expression = Expression.parse(case.expression, case.fields)
        for record in case.records:
            for interpretation in (expression, expression.trace):
                with pytest.raises(FieldError) as found:
                    interpretation(record)
                assert found.value.code == case.error
        return
    with pytest.raises(ExpressionError) as refused:
        Expression.parse(case.expression, Source(fields=case.fields) if case.fields else {})  # type: ignore[arg-type]
    error = refused.value
    assert error.code == case.error, str(error)
    if case.at:
        assert error.text[error.span.start : error.span.end] == case.at
    assert str(error)


def group(case: Case) -> str:
    """Aggregates of the same records are scored together: one pass, as the library would in a rulebook."""
    return f"{case.fields!r} {case.records!r}"


GROUPS = [*dict.fromkeys(map(group, AGGREGATED))]
SUBJECTS = ("one", "other")


@cache
def scored(engine: str, number: int) -> dict[str, list[tuple[object, Type]]] | CrmRulesError:
    """Each case's value for each of two subjects that have the same records."""
    cases = [case for case in AGGREGATED if group(case) == GROUPS[number]]
    fields = {"subject": "text", "day": "date", **cases[0].fields}
    roles = {"subject": "subject", "day": "date", "id": "id"}
    day = dt.date(2026, 3, 1)
    rows = [{"subject": who, "day": day, **record} for who in SUBJECTS for record in cases[0].records]
    for row in rows:
        if "id" in row:
            row["id"] = f"{row['id']} of {row['subject']}"
    declared = {
        name: {"type": kind, **({"role": roles[name]} if name in roles else {})}
        for name, kind in fields.items()
    }
    names = {f"m{position}": case for position, case in enumerate(cases)}
    book = Rulebook.of(
        {
            "sources": {"records": {"fields": declared}},
            "measures": {
                name: {"value": case.expression, "source": "records"} for name, case in names.items()
            },
            "models": {"all": {"period": "year", "indicators": {name: {} for name in names}}},
        }
    )
    data = ENGINES[engine](fields, rows) if engine in ENGINES else _plain(fields, rows)
    card = book.score({"records": data})
    found: dict[str, list[tuple[object, Type]]] = {case.id: [] for case in cases}
    for standing in card.standings():
        for name, value in card.measures_of(standing).items():
            found[names[name].id].append((value, card.measure_types[name]))
    return found


def _plain(fields: Mapping[str, str], rows: list[Record]) -> list[Record]:
    return [{name: given(row[name], fields[name]) for name in fields} for row in rows]


@pytest.mark.parametrize("engine", ["dicts", *ENGINES])
@pytest.mark.parametrize("case", AGGREGATED, ids=ids)
def test_aggregated(case: Case, engine: str) -> None:
    found = scored(engine, GROUPS.index(group(case)))
    assert isinstance(found, dict)
    assert len(found[case.id]) == len(SUBJECTS)
    for value, of in found[case.id]:
        if of.kind == "money" and type(value) is int:
            value = amount(value, of.digits)
        assert_same(case, [value], of)


def test_there_are_enough_cases_and_no_name_twice() -> None:
    assert len(CASES) >= LEAST_CASES
    assert {case.section for case in CASES} == SECTIONS
    assert len({case.id for case in CASES}) == len(CASES)
