"""The roster: who is judged, and who stands around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from crmrules import binding
from crmrules.errors import CrmRulesError, FieldError, did_you_mean, shown
from crmrules.fields import BadRow, Source
from crmrules.kpi.grouping import Grouped, GroupedByDay, Grouping
from crmrules.policy.timeline import Timeline

FROM, TO = "from", "to"
"""The roles of the fields that say from and to which day a row of the roster holds."""


@final
@dataclass(frozen=True, slots=True)
class Roster:
    """For each subject the people and groups around it, by role or field name.

    by_day: the groups of a roster with dates. quarantined: the rows of the table that were set aside.

    >>> Roster({"Ann": {"manager": "Bo"}}).groups("manager")
    {'Ann': 'Bo'}
    """

    people: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    by_day: Mapping[str, Timeline] = field(default_factory=dict)
    quarantined: tuple[BadRow, ...] = ()

    @classmethod
    def of(cls, source: Source, data: object) -> Roster:
        """The roster of a table: the field with the role `subject`, and all other fields beside it.

        Where a field has the role `from`, each row holds from that day on, up to the one in the field with
        the role `to` or the next row of the subject; around a person is then who was so last.

        Raises FieldError (F111) for a subject that stands there twice or is missing, and what `Timeline.of`
        does.
        """
        name = source.role("subject")
        if name is None:
            raise CrmRulesError(
                "M101",
                f"source `{source.name}` has no field with the role `subject`",
                hint="write `role: subject` at the field that names who is judged",
            )
        table = binding.bind_table(source, data, source.fields)
        start, end = source.role(FROM), source.role(TO)
        around = [each for each in source.fields if each not in (name, start, end)]
        rows = [*zip(table.positions, table.rows, strict=True)]
        if start is not None:
            rows.sort(key=lambda each: str(each[1][start] or ""))
        people: dict[str, dict[str, str]] = {}
        for position, row in rows:
            subject = row[name]
            if subject is None or (start is None and str(subject) in people):
                what = "is missing" if subject is None else f"{shown(subject)} stands there twice"
                where = f"source `{source.name}`, column `{source.column(name)}`, row {position}"
                raise FieldError(
                    "F111",
                    f"{where}: the subject {what}",
                    source=source.name,
                    field=name,
                    hint=f"write one row for each subject; where people move, give a date the role `{FROM}`",
                )
            people[str(subject)] = {
                (source.fields[other].role or other): str(row[other])
                for other in around
                if row[other] is not None
            }
        by_day = {}
        if start is not None:
            for each in around:
                if source.schema[each].kind == "text":
                    by_day[source.fields[each].role or each] = Timeline.of(
                        source, table.rows, key=name, values=[each], start=start, end=end
                    )
        return cls(people, by_day, table.quarantined)

    def grouping(self, role: str) -> Grouping:
        """From each payee to whom it belongs by a role, on the day of a record where the roster has dates.

        Raises CrmRulesError (M104) for an unknown role.
        """
        return GroupedByDay(self.by_day[role]) if role in self.by_day else Grouped(self.groups(role))

    def groups(self, role: str) -> dict[str, str]:
        """From each subject to whom it belongs by a role. Raises CrmRulesError (M104) for an unknown role."""
        known = {name for around in self.people.values() for name in around}
        if role not in known:
            hint = (
                did_you_mean(role, known) if self.people else "pass the source that is declared as the roster"
            )
            raise CrmRulesError("M104", f"the roster knows no `{role}`", hint=hint)
        return {subject: around[role] for subject, around in self.people.items() if role in around}
