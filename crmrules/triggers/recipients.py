"""Whom a trigger tells: a role, a person by id, or everybody in the roster for whom an expression holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.expr import Expression
from crmrules.kpi.standing import Standing

SUBJECT = "subject"
ID = "id"
"""What an expression calls the person itself."""

_BY_ID, _WHERE = "id: ", "where: "
People = Mapping[str, Mapping[str, str]]


def holders(role: str, standing: Standing, people: People) -> list[str]:
    """Who is told: whoever has the role for the subject of a row, or the people that it names.

    people: the roster.

    >>> roster = {"Bo": {"office": "north"}, "Cy": {"office": "south"}}
    >>> from crmrules.kpi.period import Period
    >>> row = Standing("sales", "Ann", Period.parse("2026-11"), {}, people={"manager": "Bo"})
    >>> [holders(each, row, roster) for each in ("manager", "id: Di", "where: office == 'south'")]
    [['Bo'], ['Di'], ['Cy']]
    """
    if role.startswith(_BY_ID):
        return [role.removeprefix(_BY_ID)]
    if role.startswith(_WHERE):
        return _chosen(role.removeprefix(_WHERE), people)
    who = standing.subject if role == SUBJECT else standing.people.get(role)
    return [who] if who else []


def is_role(entry: str) -> bool:
    """Whether an entry is a role rather than people that it names."""
    return not entry.startswith((_BY_ID, _WHERE))


def problems(entries: Collection[str], roles: Collection[str]) -> Iterator[CrmRulesError]:
    """What does not fit in whom a trigger tells.

    roles: those that there are: `subject`, those of the roster, and the kind's own.
    """
    for entry in entries:
        if entry.startswith(_WHERE):
            try:
                _parsed(entry.removeprefix(_WHERE), {role for role in roles if role != SUBJECT})
            except CrmRulesError as error:
                yield error
        elif is_role(entry) and entry not in roles:
            yield CrmRulesError("B217", f"there is no role `{entry}`", hint=did_you_mean(entry, roles))


def _chosen(text: str, people: People) -> list[str]:
    names = {name for around in people.values() for name in around}
    expression = _parsed(text, names)
    return [
        who
        for who in sorted(people)
        if expression.function({**dict.fromkeys(names), **people[who], ID: who}) is True
    ]


def _parsed(text: str, names: Collection[str]) -> Expression:
    expression = Expression.parse(text, {**dict.fromkeys(sorted(names), "text"), ID: "text"})
    if expression.type.kind != "bool":
        hint = f"write a condition, such as {ID} == 'u2'"
        raise CrmRulesError("T410", f"{shown(text)} chooses nobody: it is no condition", hint=hint)
    return expression


def _entries(value: Any) -> Any:
    """Lists of people and expressions as entries: {ids: [u2, u9]}, {where: office == 'north'}."""
    if not isinstance(value, list | tuple):
        return value
    found: list[Any] = []
    for each in value:
        if not isinstance(each, Mapping):
            found.append(each)
        elif {*each} == {"ids"} and isinstance(each["ids"], list | tuple) and each["ids"]:
            found += [f"{_BY_ID}{who}" for who in each["ids"]]
        elif {*each} == {"where"} and isinstance(each["where"], str):
            found.append(f"{_WHERE}{each['where']}")
        else:
            raise ValueError(
                f"{shown(each)} is nobody: write a role, {{ids: [u2]}} or {{where: office == 'north'}}"
            )
    return found


_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"ids": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
                "required": ["ids"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"where": {"type": "string"}},
                "required": ["where"],
                "additionalProperties": False,
            },
        ]
    },
}

Told = Annotated[tuple[str, ...], BeforeValidator(_entries), WithJsonSchema(_SCHEMA)]
"""Roles, and people whom they name: `id: u2`, `where: office == 'north'`."""
