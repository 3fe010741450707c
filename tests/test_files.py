"""Tables in files: read as they are, or refused with the line."""

from pathlib import Path

import polars as pl
import pytest

from crmrules import FieldError
from crmrules.files import read_file
from crmrules.frames import columns_of, wrap


def written(folder: Path, text: str | bytes, name: str = "deals.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def read(file: Path) -> dict[str, list[object]]:
    return columns_of(wrap(read_file(file), "deals"))


def test_cells_are_text_and_empty_ones_are_missing(tmp_path: Path) -> None:
    file = written(tmp_path, '\ufeffid,amount,note\r\n007,1.10,"a, b"\r\nNA,,\r\n')
    assert read(file) == {"id": ["007", "NA"], "amount": ["1.10", None], "note": ["a, b", None]}


def test_a_head_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert read(written(tmp_path, "id,amount\n")) == {"id": [], "amount": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,amount\na,1\nb,1,000\n", "line 3: 3 cells, and 2 in the head"),
        ("id,amount\na,1\nb\n", "line 3: 1 cells, and 2 in the head"),
        ("id,amount\na,1,\nb,2,\n", "line 2: 3 cells, and 2 in the head"),
        ("", "the file is empty"),
        ("id,id\n1,2\n", "two columns are called 'id'"),
        ('id,amount\na,"1\n', "deals.csv"),
        (b"id,amount\n\xff\xfe,1\n", "is not UTF-8"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        read_file(written(tmp_path, text))
    assert caught.value.code == "F108"
    assert message in caught.value.message


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["a"], "amount": [1.5]}).write_parquet(tmp_path / "deals.parquet")
    assert read(tmp_path / "deals.parquet") == {"id": ["a"], "amount": [1.5]}


@pytest.mark.parametrize("name", ["deals.txt", "nothing.csv", "folder.csv"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    written(tmp_path, "id\n", "deals.txt")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(FieldError) as caught:
        read_file(tmp_path / name)
    assert name in caught.value.message


def test_a_file_that_only_looks_like_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FieldError) as caught:
        read_file(written(tmp_path, "id,amount\n", "deals.parquet"))
    assert caught.value.code == "F108"
