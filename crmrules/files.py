"""Tables in files: CSV as the text it is, Parquet with the types it has."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator

from crmrules.errors import FieldError, MissingExtraError, shown

LONGEST_CELL = 1_000_000


def read_file(path: str | os.PathLike[str]) -> object:
    """A CSV file as a pandas frame of text, so that the declared fields decide how it is read, or a Parquet
    file as a PyArrow table.

    An empty cell is missing. Raises FieldError (F108) for what cannot be read, such as a row of a CSV file
    that has more or fewer cells than the head.
    """
    file = os.fspath(path)
    ending = os.path.splitext(file)[1].lower()
    try:
        if ending == ".csv":
            return _read_csv(file)
        if ending in (".parquet", ".pq"):
            return _read_parquet(file)
    except OSError as reason:
        raise FieldError("F108", f"{file}: {reason.strerror or reason}") from None
    raise FieldError("F108", f"{file}: not a CSV or Parquet file", hint="its name ends with .csv or .parquet")


def _read_csv(file: str) -> object:
    import pandas as pd

    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            rows = _rows(file, stream)
            heads = next(rows)
            columns = [*zip(*rows, strict=True)] or [()] * len(heads)
    except UnicodeDecodeError as reason:
        hint = "save the file as UTF-8 (in Excel: CSV UTF-8)"
        raise FieldError("F108", f"{file}: byte {reason.start} is not UTF-8", hint=hint) from None
    except csv.Error as reason:
        raise FieldError("F108", f"{file}: {reason}") from None
    series = [pd.Series([cell or None for cell in column], dtype="str") for column in columns]
    return pd.DataFrame(dict(zip(heads, series, strict=True)))


def _rows(file: str, stream: Iterator[str]) -> Iterator[list[str]]:
    """The head and the rows, each as long as the head. pandas would shift or fill what is not."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(stream, strict=True)
    heads = next(reader, [])
    if not heads:
        raise FieldError("F108", f"{file}: the file is empty", hint="its first line names the columns")
    if len(twice := [head for head in dict.fromkeys(heads) if heads.count(head) > 1]):
        raise FieldError("F108", f"{file}: two columns are called {shown(twice[0])}", hint="rename one")
    yield heads
    for row in reader:
        if len(row) == len(heads):
            yield row
        elif row:
            raise FieldError(
                "F108",
                f"{file}, line {reader.line_num}: {len(row)} cells, and {len(heads)} in the head",
                hint='a cell that holds a comma stands in quotes: "1,000"',
            )


def _read_parquet(file: str) -> object:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "a Parquet file") from None
    try:
        return parquet.read_table(file)
    except pyarrow.ArrowInvalid as reason:
        raise FieldError("F108", f"{file}: {reason}") from None
