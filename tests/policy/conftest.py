"""The same records in every engine, with a way back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pytest

Records = list[dict[str, Any]]
KNOWN = {
    "day": pl.Date(),
    "amount": pl.Decimal(18, 2),
    "hours": pl.Float64(),
    "part": pl.Float64(),
    "paid": pl.Decimal(18, 2),
    "share": pl.Float64(),
    "extra": pl.Boolean(),
}


@dataclass(frozen=True)
class Engine:
    """An engine: how it holds records, and how they come back, with None for whatever is missing."""

    name: str
    make: Callable[[Records], Any]
    back: Callable[[Any], Records]

    def __call__(self, records: Records) -> Any:
        return self.make(records)

    def __repr__(self) -> str:
        return self.name


def _polars(records: Records) -> pl.DataFrame:
    names = dict.fromkeys(name for record in records for name in record)
    return pl.DataFrame(records, schema={name: KNOWN.get(name, pl.String()) for name in names})


def _numpy(records: Records) -> pd.DataFrame:
    """As numpy has it: floats with NaN, timestamps, objects."""
    frame = _polars(records)
    money = [name for name in frame.columns if frame[name].dtype == pl.Decimal]
    texts = [name for name in frame.columns if frame[name].dtype == pl.String]
    return frame.with_columns(pl.col(money).cast(pl.Float64)).to_pandas().astype(dict.fromkeys(texts, object))


def _of_pandas(frame: pd.DataFrame) -> Records:
    rows = frame.to_dict("records")
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]


ENGINES = (
    Engine("dicts", lambda records: records, lambda records: records),
    Engine("pandas", _numpy, _of_pandas),
    Engine("pandas over Arrow", lambda r: _polars(r).to_pandas(use_pyarrow_extension_array=True), _of_pandas),
    Engine("Polars", _polars, lambda frame: frame.to_dicts()),
    Engine("Polars lazy", lambda r: _polars(r).lazy(), lambda frame: frame.collect().to_dicts()),
    Engine("PyArrow", lambda r: _polars(r).to_arrow(), lambda table: table.to_pylist()),
)


@pytest.fixture(scope="session")
def engines() -> Mapping[str, Engine]:
    """Every engine, by name."""
    return {engine.name: engine for engine in ENGINES}


@pytest.fixture(params=ENGINES, ids=repr)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    found: Engine = request.param
    return found


@pytest.fixture(scope="session")
def from_polars() -> Mapping[str, Callable[[pl.DataFrame], Any]]:
    """The same frame in every engine, for tests that declare its types themselves."""
    return {
        "pandas": lambda frame: pd.DataFrame(
            frame.to_dicts(), columns=frame.columns, index=range(frame.height, 0, -1)
        ),
        "pandas over Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
        "Polars": lambda frame: frame,
        "Polars lazy": lambda frame: frame.lazy(),
        "PyArrow": lambda frame: frame.to_arrow(),
    }
