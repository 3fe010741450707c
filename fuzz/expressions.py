"""Coverage-guided fuzzing of expressions: nothing but ExpressionError leaves `parse`, nothing but FieldError
a call, and all interpretations agree. Needs atheris, which is no dependency: pip install atheris.

An input is a text in UTF-8, and behind its first zero byte what the record is made from."""

import datetime as dt
import math
import re
import sys
from decimal import Decimal

import atheris
import narwhals as nw
import polars as pl

with atheris.instrument_imports(include=["crmrules"]):
    from crmrules.errors import ExpressionError, FieldError
    from crmrules.expr import Expression
    from crmrules.expr.parse import parse
    from crmrules.expr.traced import shown_value
    from crmrules.frames import carried, columns_of, delivered
    from crmrules.types import Type, fit

FIELDS = {
    "a": "number",
    "n": "number not null",
    "m": "money(2)",
    "s": "text",
    "d": "date",
    "w": "datetime",
    "p": "bool",
    "订单额": "number",
}
TYPES = {name: Type.parse(declared) for name, declared in FIELDS.items()}
INEXACT = re.compile(r"\b(exp|ln|power)\b")
"""Functions whose last digit is the platform's."""


class Whole(int):
    """A number that is of no plain class."""

    __eq__ = __bool__ = __hash__ = __float__ = None  # type: ignore[assignment]


def value(data: atheris.FuzzedDataProvider) -> object:
    makers = (
        lambda: None,
        lambda: data.ConsumeFloat(),
        lambda: data.ConsumeRegularFloat(),
        lambda: float(data.ConsumeIntInRange(-3, 3)) / 2,
        lambda: data.ConsumeInt(12),
        lambda: Decimal(data.ConsumeIntInRange(-(10**6), 10**6)).scaleb(-2),
        lambda: data.ConsumeUnicodeNoSurrogates(12),
        lambda: data.ConsumeUnicode(12),
        lambda: data.ConsumeBool(),
        lambda: dt.date.fromordinal(data.ConsumeIntInRange(1, dt.date.max.toordinal())),
        lambda: dt.datetime(1970, 1, 1) + dt.timedelta(seconds=data.ConsumeIntInRange(-(10**9), 10**9)),
        lambda: data.ConsumeBytes(4),
        lambda: Whole(1),
    )
    return makers[data.ConsumeIntInRange(0, len(makers) - 1)]()


def fitting(name: str, found: object) -> object:
    """The value where it fits its field, so that most records can be computed."""
    of = TYPES[name]
    try:
        known = fit(found, of.kind, of.digits) is not None
    except ValueError:
        known = False
    return found if known else None if of.nullable else 1.0


def by_column(expression: Expression, record: dict[str, object]) -> object:
    columns = {
        name: pl.Series(
            [carried(fit(record[name], of.kind, of.digits))],
            dtype=pl.String if of.kind == "text" else pl.Float64,
        )
        for name, of in TYPES.items()
    }
    frame = nw.from_native(pl.DataFrame(columns)).select(expression.column().alias("@"))
    return shown_value(delivered(columns_of(frame)["@"][0], expression.type), expression.type)


def told(error: Exception, length: int) -> None:
    assert len(str(error)) < length


def one_input(raw: bytes) -> None:
    text, _, rest = raw.partition(b"\0")
    data = atheris.FuzzedDataProvider(rest)
    record = {name: value(data) for name in FIELDS}
    written = text.decode("utf-8", "surrogateescape")
    try:
        compiled = Expression.parse(written, FIELDS)
    except ExpressionError as error:
        told(error, 4_000)
        return
    assert parse(str(compiled)) == compiled.tree
    slow = Expression.parse(written, FIELDS, interpreter="simpleeval")
    for tried in (record, {name: fitting(name, found) for name, found in record.items()}):
        try:
            found = compiled(tried)
        except FieldError as error:
            told(error, 1_000)
            continue
        assert slow(tried) == found == compiled.trace(tried).value
        assert not isinstance(found, float) or math.isfinite(found)
    encodable = all(type(each) is not str or each.isprintable() for each in tried.values())
    if encodable and not INEXACT.search(written):
        assert by_column(compiled, tried) == found


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
