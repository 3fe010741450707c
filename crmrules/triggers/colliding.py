"""`collision`: two people claim one customer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Literal, final

from pydantic import PrivateAttr

from crmrules.errors import CrmRulesError
from crmrules.fields import Source
from crmrules.kpi.standing import Figure
from crmrules.policy.collided import Collisions, Pair
from crmrules.policy.collision import Collision
from crmrules.triggers.asked import RecordRule
from crmrules.triggers.context import Answer, Context, Surroundings
from crmrules.triggers.options import Severity
from crmrules.triggers.trigger import kind

FIRST, WINNER = "first", "winner"


_CHINESE: Mapping[str, str] = {
    "tax_id": "税号", "phone": "电话", "email": "邮箱", "email_domain": "邮箱域名", "name": "名称",
}  # fmt: skip


@kind
@final
class Collided(RecordRule):
    """Fires once for each pair of claims on one customer, about whoever claims later.

    rule: how collisions are found and settled, see `Collision`. The roles `first` and `winner` are who
    claimed it first and who gets it.
    """

    kind: Literal["collision"] = "collision"
    rule: Collision
    severity: Severity = "warning"

    step: ClassVar[str] = "collision"
    own_roles: ClassVar[tuple[str, ...]] = (FIRST, WINNER)
    named: ClassVar[tuple[str, ...]] = ("record", "other", "other_record", "evidence", "days", "winner")
    messages: ClassVar[Mapping[str, str]] = {
        "en": "{record} of {subject} is the customer of {other_record} of {other}: {evidence}.",
        "zh": "{subject} 的 {record} 与 {other} 的 {other_record} 是同一客户：{evidence}。",
    }

    _found: Collisions | None = PrivateAttr(default=None)

    def problems(self, sources: Mapping[str, Source]) -> Iterator[tuple[tuple[str, ...], CrmRulesError]]:
        """Those of its own, and of how collisions are found."""
        yield from super().problems(sources)
        if self.source in sources:
            for path, error in self.rule.problems(sources[self.source]):
                yield ("rule", *map(str, path)), error

    def within(self, around: Surroundings) -> Collided:
        """The same trigger with the records in which it looks; what it finds is found once."""
        found = super().within(around)
        assert isinstance(found, Collided)
        found._found = None
        return found

    def subjects(self, around: Surroundings) -> Iterable[str]:
        """Those who claim what somebody claimed before them."""
        return {pair.second.who for pair in self._collisions(around).pairs}

    def answers(self, context: Context) -> Iterator[Answer]:
        """One for each claim of the subject on somebody else's customer."""
        collisions = self._collisions(self._around)
        for pair in collisions.pairs:
            if pair.second.who == context.subject:
                yield self._answer(context, pair, collisions)

    def in_language(self, basis: Mapping[str, Figure | None], language: str) -> Mapping[str, Figure | None]:
        """The evidence, in Chinese."""
        if language != "zh" or basis.get("evidence") is None:
            return {}
        said = [each.partition(" ") for each in str(basis["evidence"]).split("; ")]
        return {"evidence": "；".join(f"{_CHINESE.get(kind, kind)} {rest}" for kind, _, rest in said)}

    def _answer(self, context: Context, pair: Pair, collisions: Collisions) -> Answer:
        contested = collisions.of(pair.second.record, pair.second.source)
        shares = (
            {each.who: contested.decision.share(each.who) for each in contested.claimants}
            if contested
            else {}
        )
        winners = [who for who, share in shares.items() if share == 1]
        people = {FIRST: pair.first.who} | ({WINNER: winners[0]} if winners else {})
        basis: dict[str, Figure | None] = {
            "record": str(pair.second.record),
            "other": pair.first.who,
            "other_record": str(pair.first.record),
            "evidence": "; ".join(map(str, pair.evidence)),
            "days": pair.days_apart,
            "winner": winners[0] if winners else None,
        }
        anchor = f"{pair.first.source}:{pair.first.record}+{pair.second.source}:{pair.second.record}"
        return self.timed(
            context,
            _moment(context, pair.second.when),
            Answer.fired(str(pair), basis, anchor=anchor, people=people),
        )

    def _collisions(self, around: Surroundings) -> Collisions:
        if self._found is None:
            table = around.facts.table(self.source)
            self._found = self.rule.find(around.facts.raw(self.source), table.source)
        return self._found


def _moment(context: Context, day: dt.date) -> dt.datetime:
    if isinstance(day, dt.datetime):
        return day.replace(tzinfo=context.zone)
    return dt.datetime.combine(day, dt.time(), context.zone)
