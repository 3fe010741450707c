"""The same records in every engine."""

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

Engine = Callable[[list[dict[str, Any]]], Any]

SCHEMA = {
    "number": pl.String(),
    "who": pl.String(),
    "day": pl.Date(),
    "kind": pl.String(),
    "customer": pl.String(),
    "amount": pl.Decimal(18, 2),
    "hours": pl.Float64(),
}


def in_polars(records: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(records, schema=SCHEMA)


def in_pandas(records: list[dict[str, Any]]) -> pd.DataFrame:
    """As numpy has it: floats with NaN, timestamps, objects."""
    floats = in_polars(records).with_columns(pl.col("amount").cast(pl.Float64))
    return floats.to_pandas().astype({"who": object, "kind": object, "customer": object})


def as_text(records: list[dict[str, Any]]) -> pd.DataFrame:
    """As a CSV file is read."""
    texts = [
        {key: None if row[key] is None else str(row[key]) for key in ("number", *SCHEMA)} for row in records
    ]
    return pd.DataFrame(texts, columns=[*SCHEMA], dtype="str")


ENGINES: Mapping[str, Engine] = {
    "dicts": lambda records: records,
    "pandas": in_pandas,
    "pandas text": as_text,
    "pandas over Arrow": lambda records: in_polars(records).to_pandas(use_pyarrow_extension_array=True),
    "Polars": in_polars,
    "Polars lazy": lambda records: in_polars(records).lazy(),
    "PyArrow": lambda records: in_polars(records).to_arrow(),
    "DuckDB": lambda records: duckdb.from_arrow(in_polars(records).to_arrow()),
}


@pytest.fixture(scope="session")
def engines() -> Mapping[str, Engine]:
    """From the name of an engine to how it holds records."""
    return ENGINES


@pytest.fixture(params=[*ENGINES])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    return ENGINES[request.param]
