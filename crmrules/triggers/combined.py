"""`all`, `any`, `not`: triggers made of others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal, final
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr, WithJsonSchema

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.fields import Source
from crmrules.kpi.period import Periods
from crmrules.kpi.standing import Figure, Standing
from crmrules.triggers.context import Surroundings
from crmrules.triggers.decision import Decision, Outcome
from crmrules.triggers.options import Severity
from crmrules.triggers.trigger import Trigger, TriggerRule, kind

Part = str | Annotated[Trigger, WithJsonSchema({"type": "object", "required": ["kind"]})]
"""The name of another trigger, or one that is written here and tells nobody by itself."""


_CHINESE: Mapping[str, str] = {
    "fired": "成立", "not_met": "不成立", "no_data": "数据不足", "not_due": "未到期", "closed": "周期已结束",
}  # fmt: skip


class CombinedRule(TriggerRule):
    """A trigger made of others, which are asked about the same subject and period.

    What is not known stays so, unless the rest decides: `all` is not met as soon as one part is not met,
    `any` fires as soon as one fires; `not` fires where its part is not met. What is not due yet waits.
    """

    indicator: str = ""
    of: tuple[Part, ...]
    severity: Severity = "info"

    messages: ClassVar[Mapping[str, str]] = {
        "en": "{trigger} for {subject} in {period}: {reasons}.",
        "zh": "{subject} {period}：{trigger}（{reasons}）。",
    }
    named: ClassVar[tuple[str, ...]] = ("reasons",)
    by_time: ClassVar[bool] = True

    _parts: tuple[TriggerRule, ...] | None = PrivateAttr(default=None)

    def outcome(self, outcomes: Sequence[Outcome]) -> Outcome:
        """What comes of the parts' outcomes."""
        raise NotImplementedError

    @property
    def parts(self) -> tuple[TriggerRule, ...]:
        """The triggers that it is made of. Raises CrmRulesError (T409) before a name has been looked up."""
        if self._parts is not None:
            return self._parts
        if any(isinstance(each, str) for each in self.of):
            names = ", ".join(f"`{each}`" for each in self.of if isinstance(each, str))
            raise CrmRulesError(
                "T409", f"there is no trigger {names}", hint="pass all triggers: within(around)"
            )
        return tuple(each for each in self.of if isinstance(each, TriggerRule))

    @property
    def by_source(self) -> bool:
        """Whether it is about a source's subjects rather than the rows of a card, as all its parts are."""
        return all(getattr(each, "by_source", False) for each in self.parts)

    def within(self, around: Surroundings) -> CombinedRule:
        """The same trigger with its parts. Raises CrmRulesError (T409) for a part that there is not, and for
        a trigger that is made of itself."""
        return self._within(around, ())

    def _within(self, around: Surroundings, above: tuple[str, ...]) -> CombinedRule:
        parts: list[TriggerRule] = []
        for each in self.of:
            here = above
            if isinstance(each, str):
                if each not in around.triggers:
                    hint = did_you_mean(each, around.triggers) if around.triggers else "declare it"
                    raise CrmRulesError("T409", f"there is no trigger `{each}`", hint=hint)
                if each in above:
                    circle = " of ".join(f"`{name}`" for name in (*above[above.index(each) :], each))
                    raise CrmRulesError(
                        "T409", f"triggers are made of one another: {circle}", hint="break the circle"
                    )
                here = (*above, each)
                each = around.triggers[each]
            if isinstance(each, CombinedRule):
                parts.append(each._within(around, here))
            else:
                parts.append(each.within(around))
        found = self.model_copy()
        found._parts = tuple(parts)
        return found

    def check(self, periods: Periods) -> None:
        """Check the parts that are written here."""
        for each in self.of:
            if isinstance(each, TriggerRule):
                each.check(periods)

    def problems(self, sources: Mapping[str, Source]) -> Iterator[tuple[tuple[str, ...], CrmRulesError]]:
        """Those of the parts that are written here."""
        for each in self.of:
            if isinstance(each, TriggerRule):
                yield from ((("of", *path), error) for path, error in each.problems(sources))

    def concerns(self, standing: Standing) -> bool:
        """Whether all parts that are about rows of a card are asked about this one."""
        if self.model not in (None, standing.model):
            return False
        of_cards = [each for each in self.parts if not getattr(each, "by_source", False)]
        return bool(of_cards) and all(each.concerns(standing) for each in of_cards)

    def own_rows(self, now: dt.datetime, zone: ZoneInfo) -> Iterator[Standing]:
        """The rows of the parts, where all of them are about a source's subjects."""
        if not self.by_source:
            return
        seen = set()
        for part in self.parts:
            for row in part.own_rows(now, zone):
                if row.subject not in seen:
                    seen.add(row.subject)
                    yield row

    def in_language(self, basis: Mapping[str, Figure | None], language: str) -> Mapping[str, Figure | None]:
        """What came of the parts, in Chinese."""
        if language != "zh" or basis.get("outcomes") is None:
            return {}
        outcomes = str(basis["outcomes"]).split()
        said = [
            f"{_named(each)} {_CHINESE[outcome]}" for each, outcome in zip(self.of, outcomes, strict=True)
        ]
        return {"reasons": "；".join(said)}

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """What comes of the parts, with their reasons."""
        found = [part.evaluate(f"{name}/{n}", standing, now, zone) for n, part in enumerate(self.parts, 1)]
        outcomes: list[Outcome] = ["not_due" if each.outcome == "missed" else each.outcome for each in found]
        outcome: Outcome = "closed" if "closed" in outcomes else self.outcome(outcomes)
        reasons = "; ".join(f"{each.outcome}: {each.reason}" for each in found)
        basis = {"reasons": reasons, "outcomes": " ".join(outcomes)}
        code = {"fired": "HOLDS", "not_met": "NOT_MET"}.get(outcome, outcome.upper())
        return Decision(name, standing, self.step, outcome, code, reasons, now, basis)


def _named(part: str | TriggerRule) -> str:
    """What a part is called: by its name, or by what it looks at."""
    if isinstance(part, str):
        return part
    if isinstance(part, CombinedRule):
        return f"{part.kind}({', '.join(map(_named, part.of))})"
    about = part.indicator or getattr(part, "source", None) or ""
    return f"{about} {part.kind}".strip()


def _first(outcomes: Sequence[Outcome], order: Iterable[Outcome], otherwise: Outcome) -> Outcome:
    return next((each for each in order if each in outcomes), otherwise)


@kind
@final
class AllOf(CombinedRule):
    """Fires while every part fires."""

    kind: Literal["all"] = "all"
    of: Annotated[tuple[Part, ...], Field(min_length=2)]

    def outcome(self, outcomes: Sequence[Outcome]) -> Outcome:
        """Not met if one is not; else unknown or not due if one is; else fired."""
        return _first(outcomes, ("not_met", "no_data", "not_due"), "fired")


@kind
@final
class AnyOf(CombinedRule):
    """Fires while one part fires."""

    kind: Literal["any"] = "any"
    of: Annotated[tuple[Part, ...], Field(min_length=2)]

    def outcome(self, outcomes: Sequence[Outcome]) -> Outcome:
        """Fired if one is; else unknown or not due if one is; else not met."""
        return _first(outcomes, ("fired", "no_data", "not_due"), "not_met")


@kind
@final
class NotOf(CombinedRule):
    """Fires where its part is not met."""

    kind: Literal["not"] = "not"
    of: Annotated[tuple[Part, ...], Field(min_length=1, max_length=1)]

    def outcome(self, outcomes: Sequence[Outcome]) -> Outcome:
        """The opposite; what is unknown or not due stays so."""
        opposite: Mapping[Outcome, Outcome] = {"fired": "not_met", "not_met": "fired"}
        return opposite.get(outcomes[0], outcomes[0])
