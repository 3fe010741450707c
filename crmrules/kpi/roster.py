"""The roster: who is judged, and who stands around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from crmrules import binding
from crmrules.errors import CrmRulesError, FieldError, did_you_mean, shown
from crmrules.fields import BadRow, Source


@final
@dataclass(frozen=True, slots=True)
class Roster:
    """For each subject the people and groups around it, by role or field name.

    quarantined: the rows of the table that were set aside.

    >>> Roster({"Ann": {"manager": "Bo"}}).groups("manager")
    {'Ann': 'Bo'}
    """

    people: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    quarantined: tuple[BadRow, ...] = ()

    @classmethod
    def of(cls, source: Source, data: object) -> Roster:
        """The roster of a table: the field with the role `subject`, and all other fields beside it.

        Raises FieldError (F111) for a subject that stands there twice or is missing.
        """
        name = source.role("subject")
        if name is None:
            raise CrmRulesError(
                "M101",
                f"source `{source.name}` has no field with the role `subject`",
                hint="write `role: subject` at the field that names who is judged",
            )
        table = binding.bind_table(source, data, source.fields)
        people: dict[str, dict[str, str]] = {}
        for position, row in zip(table.positions, table.rows, strict=True):
            subject = row[name]
            if subject is None or str(subject) in people:
                what = "is missing" if subject is None else f"{shown(subject)} stands there twice"
                where = f"source `{source.name}`, column `{source.column(name)}`, row {position}"
                raise FieldError(
                    "F111",
                    f"{where}: the subject {what}",
                    source=source.name,
                    field=name,
                    hint="a roster has one row for each subject",
                )
            people[str(subject)] = {
                (source.fields[other].role or other): str(value)
                for other, value in row.items()
                if other != name and value is not None
            }
        return cls(people, table.quarantined)

    def groups(self, role: str) -> dict[str, str]:
        """From each subject to whom it belongs by a role. Raises CrmRulesError (M104) for an unknown role."""
        known = {name for around in self.people.values() for name in around}
        if role not in known:
            raise CrmRulesError("M104", f"the roster knows no `{role}`", hint=did_you_mean(role, known))
        return {subject: around[role] for subject, around in self.people.items() if role in around}
