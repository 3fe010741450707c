"""Reading a record, which a stranger may have made: what is no plain value of the declared type is refused,
and nothing of a stranger's class is called."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import NoReturn

from crmrules import money
from crmrules.errors import FieldError, class_name, did_you_mean, shown
from crmrules.expr.check import Checked
from crmrules.types import EXPECTED, Scalar, Unfit, fit

_MOST_KEYS = 200
"""How many keys of a record are looked through for one that was meant."""


def unreadable(checked: Checked, record: object, reason: BaseException) -> NoReturn:
    """Say which field could not be taken out of a record, and why."""
    # `isinstance` would ask the error what it says its class is.
    if not issubclass(type(reason), KeyError):
        raise FieldError(
            "F103",
            f"the record cannot be read: {shown(record)} raised {class_name(type(reason))}",
            hint="pass a mapping of field names to values",
        ) from None
    keys = [key for key in islice(record, _MOST_KEYS) if type(key) is str] if type(record) is dict else []
    absent = [name for name in checked.fields if name not in keys]
    arguments = BaseException.__dict__["args"].__get__(reason)
    key = arguments[0] if len(arguments) == 1 else None
    name = key if type(key) is str and key in absent else absent[0] if absent else checked.fields[0]
    raise FieldError(
        "F103",
        f"the record has no field `{name}`",
        field=name,
        hint=did_you_mean(name, keys),
    ) from None


def loaded(checked: Checked, name: str, value: object) -> Scalar:
    """A field's value as expressions compute with it. Raises FieldError (F104, F105)."""
    declared = checked.schema[name]
    try:
        found = fit(value, declared.kind, declared.digits)
    except (Unfit, money.NotMoney) as reason:
        raise FieldError(
            "F104",
            f"field `{name}` holds {shown(value)}: {reason}",
            field=name,
            value=value,
            hint=f"it is declared as {EXPECTED[declared.kind]}",
        ) from None
    if found is None and not declared.nullable:
        raise FieldError("F105", f"field `{name}` is missing but declared `not null`", field=name)
    return found


def values_of(checked: Checked, record: Mapping[str, object]) -> dict[str, Scalar]:
    """All fields that an expression reads. Raises FieldError (F103, F104, F105)."""
    try:
        found = {name: record[name] for name in checked.fields}
    except Exception as reason:  # whatever a stranger's mapping raises
        unreadable(checked, record, reason)
    return {name: loaded(checked, name, value) for name, value in found.items()}
