"""Coverage-guided fuzzing of expressions: nothing but ExpressionError leaves `parse`, nothing but FieldError
a call, and all interpretations agree. Needs atheris, which is no dependency: pip install atheris."""

import datetime as dt
import sys

import atheris

with atheris.instrument_imports(include=["crmrules"]):
    from crmrules.errors import ExpressionError, FieldError
    from crmrules.expr import Expression
    from crmrules.expr.parse import parse

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


def value(data: atheris.FuzzedDataProvider) -> object:
    makers = (
        lambda: None,
        lambda: data.ConsumeFloat(),
        lambda: data.ConsumeInt(12),
        lambda: data.ConsumeUnicode(12),
        lambda: data.ConsumeBool(),
        lambda: dt.date.fromordinal(data.ConsumeIntInRange(1, dt.date.max.toordinal())),
        lambda: dt.datetime(1970, 1, 1) + dt.timedelta(seconds=data.ConsumeIntInRange(-(10**9), 10**9)),
        lambda: data.ConsumeBytes(4),
    )
    return makers[data.ConsumeIntInRange(0, len(makers) - 1)]()


def one_input(raw: bytes) -> None:
    data = atheris.FuzzedDataProvider(raw)
    record = {name: value(data) for name in FIELDS}
    text = data.ConsumeUnicode(sys.maxsize)
    try:
        compiled = Expression.parse(text, FIELDS)
    except ExpressionError as error:
        str(error)
        return
    assert parse(str(compiled)) == compiled.tree
    slow = Expression.parse(text, FIELDS, interpreter="simpleeval")
    try:
        found = compiled(record)
    except FieldError as error:
        shown = str(error)
    else:
        shown = ""
    if shown:
        assert len(shown) < 1_000
        return
    assert slow(record) == found == compiled.trace(record).value
    compiled.column()


atheris.Setup(sys.argv, one_input)
atheris.Fuzz()
