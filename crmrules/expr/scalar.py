"""Tree to a Python function of one record, or of lists of values.

The function's source comes from the writer alone. A record has two ways through it: if every value has
just the type that is computed with and is of ordinary size, nothing needs a second look; any other record
goes the careful way, which tests and converts each value and knows of nulls and overflows. Both give the
same value to the last bit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NoReturn

from crmrules.expr import tree
from crmrules.expr.check import Checked
from crmrules.expr.record import loaded, unreadable
from crmrules.expr.writer import Writer
from crmrules.types import LARGEST_INTEGER, Kind, Scalar

Evaluate = Callable[[Mapping[str, object]], Scalar]
EvaluateMany = Callable[..., list[Scalar]]

_PLAIN: Mapping[Kind, str] = {"text": "str", "bool": "bool", "date": "date", "number": "float"}
# The square of `bounds.ORDINARY` and its reciprocal, with some room for rounding.
_LARGE, _SMALL = "9e35", "1.1e-18"
# Beyond so many fields a record is seldom without a missing one, and the second way is long to compile.
_MOST_SHORT_FIELDS = 12


def compile_record(checked: Checked, *, bound: bool = False) -> Evaluate:
    """A function from a record to the value of the expression.

    A record is any mapping; other keys than the fields are ignored. With `bound`, the values are taken to
    be what `fit` makes of them already (money as whole units) and are not looked at again. A record with
    a missing field or a value of another type raises FieldError (F103, F104).
    """
    careful = Writer(checked)
    lines = ["def evaluate(record):", *_reading(careful)]
    constants = careful.constants
    if not bound:
        if ordinary := _ordinary(checked):
            short = Writer(checked, short=True)
            returned = f"return {short.value(checked.tree).text}"
            lines += [f"    if {ordinary}:", *_indented(_indented([*short.ahead, returned]))]
            constants = short.constants | constants
        lines += _indented(line for name in checked.fields for line in _loading(careful, name))
    returned = f"return {careful.value(checked.tree).text}"
    lines += _indented([*careful.ahead, returned])
    return _compiled(checked, lines, constants | careful.constants)  # type: ignore[return-value]


def compile_first(
    conditions: Sequence[Checked], *, bound: bool = True
) -> Callable[[Mapping[str, object]], int]:
    """A function from a record to the position of the first condition that is true, or how many there are."""
    together = _together(conditions)
    schema = together.schema
    writer = Writer(together)
    lines = ["def evaluate(record):", *_reading(writer)]
    if not bound:
        lines += _indented(line for name in schema for line in _loading(writer, name))
    for position, condition in enumerate(conditions):
        test = writer.true(condition.tree)
        lines += _indented([*writer.ahead, f"if {test}:", f"    return {position}"])
        writer.ahead.clear()
    lines.append(f"    return {len(conditions)}")
    return _compiled(together, lines, writer.constants)  # type: ignore[return-value]


def compile_masked(
    parts: Sequence[tuple[Checked | None, Checked | None]],
) -> Callable[[Mapping[str, object]], Sequence[Scalar]]:
    """A function from a bound record to a value for each condition and expression: None where the condition
    is not true. Without a condition it always is; without an expression the value is 1.0."""
    every = [each for pair in parts for each in pair if each is not None]
    together = _together(every)
    writer = Writer(together)
    lines = ["def evaluate(record):", *_reading(writer)]
    for position, (where, argument) in enumerate(parts):
        inner = [f"slot{position} = {writer.value(argument.tree).text if argument is not None else '1.0'}"]
        inner = [*writer.ahead, *inner]
        writer.ahead.clear()
        if where is not None:
            test = writer.true(where.tree)
            inner = [*writer.ahead, f"slot{position} = None", f"if {test}:", *_indented(inner)]
            writer.ahead.clear()
        lines += _indented(inner)
    listed = ", ".join(f"slot{position}" for position in range(len(parts)))
    lines.append(f"    return ({listed}{',' if len(parts) == 1 else ''})")
    return _compiled(together, lines, writer.constants)  # type: ignore[return-value]


def _together(parts: Sequence[Checked]) -> Checked:
    """Several checked trees as one that reads what all of them read."""
    schema = {name: each.schema[name] for each in parts for name in each.fields}
    return Checked(
        tree.Constant(None),
        "",
        {key: found for each in parts for key, found in each.types.items()},
        {key: found for each in parts for key, found in each.operands.items()},
        tuple(schema),
        schema,
        sum(each.cost for each in parts),
    )


@lru_cache(maxsize=4096)
def compile_many(checked: Checked) -> EvaluateMany:
    """A function from one list of values for each name of `checked.fields` to a list of results."""
    writer = Writer(checked)
    result = writer.value(checked.tree).text
    names = [writer.locals[name] for name in checked.fields]
    columns = [f"c{position}" for position in range(len(names))]
    together = ", ".join(columns)
    over = f"{', '.join(names)}{',' if len(names) == 1 else ''} in zip({together}, strict=True)"
    lines = [f"def evaluate({together}):"]
    if not names:
        lines += [*_indented(writer.ahead), f"    return [{result}]"]
    elif not writer.ahead:
        lines.append(f"    return [{result} for {over}]")
    else:
        lines += ["    results = []", f"    for {over}:", *_indented(_indented(writer.ahead))]
        lines += [f"        results.append({result})", "    return results"]
    return _compiled(checked, lines, writer.constants)  # type: ignore[return-value]


def _compiled(checked: Checked, lines: Iterable[str], constants: Mapping[str, object]) -> object:
    def load(name: str, value: object) -> Scalar:
        return loaded(checked, name, value)

    def refuse(record: object, reason: BaseException) -> NoReturn:
        unreadable(checked, record, reason)

    space: dict[str, object] = {
        "__builtins__": {},
        "Exception": Exception,
        "zip": zip,
        "float": float,
        "str": str,
        "bool": bool,
        "int": int,
        "type": type,
        "date": dt.date,
        "refuse": refuse,
        "load": load,
        **constants,
    }
    exec(compile("\n".join(lines), "<crmrules expression>", "exec"), space)
    return space["evaluate"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _reading(writer: Writer) -> list[str]:
    """The lines that take the fields out of the record."""
    if not writer.locals:
        return []
    lines = ["try:", *(f"    {local} = record[{name!r}]" for name, local in writer.locals.items())]
    return _indented([*lines, "except Exception as reason:", "    refuse(record, reason)"])


def _ordinary(checked: Checked) -> str:
    """The test that no value needs a second look; nothing where one always does, as money and moments do."""
    schema = checked.schema
    if not 0 < len(checked.fields) <= _MOST_SHORT_FIELDS:
        return ""
    if not all(schema[name].kind in _PLAIN for name in checked.fields):
        return ""
    divisors = {
        part.right.name
        for part in tree.walk(checked.tree)
        if isinstance(part, tree.Arithmetic) and part.operator == "/" and isinstance(part.right, tree.Name)
    }
    local = {name: f"f{position}" for position, name in enumerate(checked.fields)}
    tests = [f"type({local[name]}) is {_PLAIN[schema[name].kind]}" for name in checked.fields]
    if squares := [f"{local[name]} * {local[name]}" for name in local if schema[name].kind == "number"]:
        tests.append(f"{' + '.join(squares)} < {_LARGE}")
    # Divisors are seldom negative; those that are go the careful way.
    tests += [f"{local[name]} > {_SMALL}" for name in local if name in divisors]
    return " and ".join(tests)


def _loading(writer: Writer, name: str) -> list[str]:
    """The lines that check one value; the common case costs one comparison of types."""
    local, declared = writer.locals[name], writer.checked.schema[name]
    plain = _PLAIN.get(declared.kind)
    load = f"{local} = load({name!r}, {local})"
    other = f"elif {local} is not None" if declared.nullable else "else"
    if plain == "float":
        within = f"{-LARGEST_INTEGER} <= {local} <= {LARGEST_INTEGER}"
        return [
            f"if type({local}) is float:",
            # What is not finite has no difference from itself.
            f"    if {local} - {local}: {load}",
            f"elif type({local}) is int and {within}: {local} = float({local})",
            f"{other}: {load}",
        ]
    known = f" and {local} is not None" if declared.nullable else ""
    test = f"type({local}) is not {plain}{known}" if plain else f"{local} is not None"
    return [f"if {test}: {load}"] if plain or declared.nullable else [load]
