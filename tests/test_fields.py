"""Declared fields: what each takes, and what a declaration refuses."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmrules import Field, FieldError, Source
from crmrules.binding import bind_frame, bind_records
from crmrules.fields import Number, Share
from crmrules.frames import rows_of

IDS = Source(name="orders", fields={"who": {"type": "text", "role": "subject"}, "customer": "text"})


@given(st.integers(-(2**70), 2**70))
def test_an_id_may_be_a_whole_number(number: int) -> None:
    assert Field(type="text", role="id").convert(number) == str(number)


@pytest.mark.parametrize("value", [7, np.int64(7), "7"])
def test_the_same_id_is_the_same_subject_however_it_comes(value: Any) -> None:
    assert Field(type="text", role="subject").convert(value) == "7"


@pytest.mark.parametrize("value", [7.0, True, b"7"])
def test_what_only_looks_like_a_whole_number_is_no_id(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected text|plain value"):
        Field(type="text", role="subject").convert(value)


def test_text_without_a_role_takes_no_numbers() -> None:
    with pytest.raises(ValueError, match="expected text"):
        Field(type="text").convert(7)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([7, 12, None], dtype=pl.Int64),
        pl.Series([7, 12, None], dtype=pl.UInt8),
        pd.Series([7, 12, None], dtype="Int64"),
        pd.Series([7, "12", None], dtype=object),
        pd.Series([7, 12, None], dtype="Int64").astype("category"),
    ],
)
def test_a_column_of_whole_numbers_names_subjects_as_its_rows_do(column: Any) -> None:
    frame = pl.DataFrame({"who": column}) if isinstance(column, pl.Series) else pd.DataFrame({"who": column})
    assert [row["who"] for row in rows_of(bind_frame(IDS, frame, ["who"]).frame)] == ["7", "12", None]
    rows = [{"who": 7}, {"who": "12"}, {"who": None}]
    assert [row["who"] for row in bind_records(IDS, rows, ["who"]).rows] == ["7", "12", None]


def test_a_float_among_ids_is_an_error_that_names_the_row() -> None:
    with pytest.raises(FieldError) as caught:
        bind_frame(IDS, pd.DataFrame({"who": [7, None]}), ["who"])
    assert "row 0: 7.0" in caught.value.message
    assert "whole number" in caught.value.hint


@pytest.mark.parametrize("kind", ["number", "date", "bool", "money(2)"])
def test_a_subject_is_declared_as_text(kind: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="declare it as text"):
        Source(name="orders", fields={"who": {"type": kind, "role": "subject"}})


NUMBER: pydantic.TypeAdapter[float] = pydantic.TypeAdapter(Number)
SHARE: pydantic.TypeAdapter[float] = pydantic.TypeAdapter(Share)


@pytest.mark.parametrize(
    ("written", "number"), [("80%", 0.8), (" 97.5 % ", 0.975), ("-5%", -0.05), (0.8, 0.8), (3, 3.0)]
)
def test_a_number_may_be_written_as_a_percent(written: object, number: float) -> None:
    assert NUMBER.validate_python(written) == number


@pytest.mark.parametrize("wrong", [True, "half", "5%%", None, float("nan"), float("inf")])
def test_what_is_no_number_is_refused(wrong: object) -> None:
    for kind in (NUMBER, SHARE):
        with pytest.raises(pydantic.ValidationError):
            kind.validate_python(wrong)


def test_a_share_is_above_zero() -> None:
    assert SHARE.validate_python("50%") == 0.5
    for wrong in ("0%", "-5%", -0.1, 0):
        with pytest.raises(pydantic.ValidationError, match="greater than 0"):
            SHARE.validate_python(wrong)
