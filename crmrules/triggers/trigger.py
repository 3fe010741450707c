"""What all kinds of triggers share, and how kinds are known by name."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

import pydantic
from pydantic import Field
from pydantic_core import core_schema

from crmrules.errors import CrmRulesError, closest, did_you_mean, shown
from crmrules.fields import Source
from crmrules.kpi.calendar import Calendar
from crmrules.kpi.period import Period, Periods
from crmrules.kpi.standing import Figure, Result, Standing
from crmrules.triggers import message
from crmrules.triggers.decision import Decision, Outcome
from crmrules.triggers.options import Options, Severity
from crmrules.triggers.recipients import Told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crmrules.kpi.indicator import Direction
    from crmrules.kpi.scorecard import Figures
    from crmrules.triggers.context import Surroundings

TOLERANCE = 1e-9
"""How far below its bound a float may be, relative to the bound, and still count as reached; the order in
which a sum was added up changes it by about 1e-14. Money is exact and compared exactly."""

_EXACT = decimal.Context(prec=1_000, rounding=decimal.ROUND_FLOOR)
"""The library's own, because the host's may round to fewer digits than an amount has."""

_SIGNS = {("higher", True): "≥", ("higher", False): "<", ("lower", True): "≤", ("lower", False): ">"}


class TriggerRule(Options):
    """The fields that every kind has, beside the `Options`.

    indicator: what is looked at; model: of which model, any that has the indicator if not said.
    tell: the roles to tell: `subject`, or a role of the roster; also {ids: [u2, u9]}, and {where: …} with an
    expression over the roster, in which `id` is the person. message: templates by language, in place
    of the shipped ones. severity: how urgent.
    """

    kind: str
    indicator: str
    model: str | None = None
    tell: Annotated[Told, Field(min_length=1)] = ("subject",)
    message: dict[str, str] = {}  # noqa: RUF012 - a field of pydantic, which copies it
    severity: Severity = "info"

    step: ClassVar[str] = "fire"
    by_time: ClassVar[bool] = False
    """Whether what it says can change though nothing was saved, as with days without a visit."""
    by_event: ClassVar[bool] = False
    """Whether it is about what the host publishes, and has nothing to say at other times."""
    own_roles: ClassVar[tuple[str, ...]] = ()
    """The roles of the kind's own, beside those of the roster."""
    named: ClassVar[tuple[str, ...]] = ()
    """What a message of the kind can name of the basis, beside `message.PARAMETERS`."""
    messages: ClassVar[Mapping[str, str]] = {}
    """The shipped messages of the kind, by language."""

    @pydantic.field_validator("tell")
    @classmethod
    def _each_once(cls, tell: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [role for role in tell if tell.count(role) > 1]:
            raise ValueError(f"the role `{twice[0]}` stands there twice: name each role once")
        return tell

    @pydantic.model_validator(mode="after")
    def _fitting(self) -> TriggerRule:
        lasting = {"repeat": self.repeat, "escalation": self.escalation, "for": self.lasting}
        if self.by_event and (named := [name for name, value in lasting.items() if value]):
            raise ValueError(
                f"`{named[0]}` is about what lasts, and an event is over as soon as it happened: leave it out"
            )
        fields = type(self).model_fields
        names = ("grace", "evaluate_as_of", "recheck")
        dated = [name for name in names if getattr(self, name) != fields[name].default]
        if dated and type(self).due_in is TriggerRule.due_in and not self.by_time:
            raise ValueError(f"`{dated[0]}` goes with deadlines: write kind: behind, or leave it out")
        if self.is_deadline and self.lasting is not None:
            raise ValueError("`for` does not go with a deadline, which is decided at its time: leave it out")
        return self

    @pydantic.field_validator("message")
    @classmethod
    def _templates(cls, templates: dict[str, str]) -> dict[str, str]:
        for template in templates.values():
            message.check(template, cls.named)
        return templates

    def evaluate(self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Decision:
        """What the trigger decides about one row of a card at a moment (with a time zone)."""
        raise NotImplementedError

    def concerns(self, standing: Standing) -> bool:
        """Whether it is asked about a row of a card: of its model, or of any that has its indicator."""
        return self.model == standing.model or (self.model is None and self.indicator in standing.results)

    def decisions(
        self, name: str, standing: Standing, now: dt.datetime, zone: ZoneInfo
    ) -> Iterable[Decision]:
        """What it decides about one row, one decision unless a kind has several things to say."""
        return (self.evaluate(name, standing, now, zone),)

    def own_rows(self, now: dt.datetime, zone: ZoneInfo) -> Iterable[Standing]:
        """Rows that are on no card, for a kind that is about other subjects than the card's."""
        return ()

    def within(self, around: Surroundings) -> TriggerRule:
        """The trigger with what there is beside the card; itself, unless a kind looks at more than that."""
        return self.with_calendars(around.calendars) if around.calendars else self

    def with_calendars(self, calendars: Mapping[str, Calendar]) -> TriggerRule:
        """The trigger by the calendars that it names; itself, unless a kind goes by calendars."""
        return self

    def in_language(self, basis: Mapping[str, Figure | None], language: str) -> Mapping[str, Figure | None]:
        """The parameters of a message that are words themselves, where the language is not English."""
        return {}

    @property
    def step_names(self) -> tuple[str, ...]:
        """What can occur when it fires, lowest level first; one step, unless a kind has levels."""
        return (self.step,)

    def due_in(self, period: Period, zone: ZoneInfo) -> dt.datetime | None:
        """When a deadline is due in a period; None for what can fire at any time."""
        return None

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles that it can tell, those of escalations too."""
        return tuple(dict.fromkeys([*self.tell, *(each.to for each in self.escalation)]))

    @property
    def is_deadline(self) -> bool:
        """Whether it is decided once in a period, at its time."""
        return type(self).due_in is not TriggerRule.due_in

    def screen(
        self, figures: Figures, direction: Direction
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """How many levels the rows of a card have reached, and how many hold; -1 where only `evaluate` can
        tell. None for a kind that has no such fast way; then every row is evaluated by itself.
        """
        return None

    def check(self, periods: Periods) -> None:
        """Raise CrmRulesError for what does not go with a model's periods; nothing, unless a kind says so."""

    def problems(self, sources: Mapping[str, Source]) -> Iterator[tuple[tuple[str, ...], CrmRulesError]]:
        """What does not fit the sources, with the way to it; nothing, unless a kind reads them."""
        yield from ()

    def result(self, standing: Standing) -> Result:
        """The indicator of a row. Raises CrmRulesError (T101) if the row has none of that name."""
        if self.indicator not in standing.results:
            raise CrmRulesError(
                "T101",
                f"the model `{standing.model}` has no indicator `{self.indicator}`",
                hint=did_you_mean(self.indicator, standing.results),
            )
        return standing.results[self.indicator]


def period_state(standing: Standing, now: dt.datetime, zone: ZoneInfo) -> Outcome | None:
    """`closed` or `not_due` for a period that is over or has not begun at a moment, None for an open one."""
    today = now.astimezone(zone).date()
    if today > standing.period.end:
        return "closed"
    return "not_due" if today < standing.period.start else None


def reached(result: Result, share: float) -> bool | None:
    """Whether the indicator is at or above a share of its target; None where nothing is known.

    Money (a Decimal) is compared exactly, all figures as the decimals they are written as:
    actual >= share x target, or where lower is better share x actual <= target. All else goes by the
    attainment, within `TOLERANCE`. Where lower is better, a value of 0 or less is beyond every attainment,
    and reached. NaN is unknown: it fires neither `reached` nor `behind`.
    """
    if _unknown(result.actual) or not has_target(result):
        return None
    if isinstance(result.actual, Decimal):
        if result.direction == "higher":
            return result.actual >= bound(result, share)
        return _EXACT.multiply(result.actual, Decimal(str(share))) <= Decimal(str(result.target))
    if result.attainment is None:
        return True if result.direction == "lower" and result.score is not None else None
    if math.isnan(result.attainment):
        return None
    return result.attainment >= share - TOLERANCE * share


def has_target(result: Result) -> bool:
    """Whether there is a target to hold the value against; 0 is none."""
    return result.target is not None and result.target != 0 and math.isfinite(result.target)


def bound(result: Result, share: float) -> Decimal:
    """The value at which the share of the target is reached, with at least as many decimals as the value.

    share x target, exactly. Where lower is better target / share, since attainment is target / actual; it
    is cut off, never rounded up, so that a value at the bound has reached the share.
    """
    digits = _decimals(result.actual) if isinstance(result.actual, Decimal) else None
    return _bound(str(result.target), share, result.direction, digits)


@lru_cache(maxsize=1024)
def _bound(written: str, share: float, direction: str, digits: int | None) -> Decimal:
    """The same for a value of so many decimals, None for a float; most subjects share theirs with others."""
    part, target = Decimal(str(share)), Decimal(written)
    if direction == "higher":
        return _at_least(_EXACT.multiply(part, target), digits or 0)
    places = digits if digits is not None else max(4, _decimals(target) + 2)
    quotient = _EXACT.divide(target, part)
    return _at_least(quotient.quantize(_unit(places), context=_EXACT), digits or 0)


def basis(result: Result, share: float) -> Mapping[str, Figure | None]:
    """The figures that a decision rests on."""
    limit = bound(result, share) if has_target(result) else None
    return {
        "value": result.actual,
        "target": result.target,
        "share": share,
        "bound": limit,
        "attainment": result.attainment,
    }


def figures(result: Result, share: float) -> str:
    """The same in words: `sales is 48,700.00 < 50,000.00, 50% of the target 100,000`."""
    value = message.written(result.actual, "number", "en")
    limit = message.written(bound(result, share), "number", "en")
    percent = message.written(share, "percent", "en")
    target = message.written(result.target, "number", "en")
    sign = _SIGNS[result.direction, bool(reached(result, share))]
    return f"{result.name} is {value} {sign} {limit}, {percent} of the target {target}"


def no_data(result: Result) -> str:
    """What is missing, in words."""
    return f"{result.name} has no {'value' if has_target(result) else 'target'}"


def _unknown(figure: Figure | None) -> bool:
    if isinstance(figure, Decimal):
        return figure.is_nan()
    return figure is None or (isinstance(figure, float) and math.isnan(figure))


def _at_least(value: Decimal, digits: int) -> Decimal:
    """The same value without idle zeros, but with so many decimals at least."""
    return value.quantize(_unit(max(digits, _decimals(value.normalize(_EXACT)))), context=_EXACT)


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _unit(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


KINDS: dict[str, type[TriggerRule]] = {}
"""The kinds of triggers by the name that `kind:` gives."""


def kind(rule: type[TriggerRule]) -> type[TriggerRule]:
    """Make a kind of trigger known by its name. Raises CrmRulesError (T103) for a name that is taken."""
    name = rule.model_fields["kind"].default
    if name in KINDS:
        raise CrmRulesError(
            "T103", f"there is a kind of trigger `{name}` already", hint="choose another name"
        )
    KINDS[name] = rule
    if rule.messages:
        message.TEMPLATES[name] = rule.messages
    return rule


def is_known(name: str) -> bool:
    """Whether there is a kind of a name, here or in a package that offers it, which is then loaded."""
    if name in KINDS:
        return True
    from crmrules.triggers.plugged import load

    return load(name)


def _kind_hint(name: str) -> str:
    """What is near, here or in a package; of somebody else's kind that is nowhere, where it comes from."""
    from crmrules.triggers.plugged import plugins

    known = [*dict.fromkeys([*KINDS, *(each.name for each in plugins())])]
    if "." in name and not closest(name, known):
        return "install the package that offers it, or import the module that defines it"
    return did_you_mean(name, known)


class _AnyKind:
    """A trigger of any known kind, for pydantic."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        def validated(data: object) -> TriggerRule:
            if isinstance(data, TriggerRule):
                return data
            if not isinstance(data, Mapping):
                raise CrmRulesError(
                    "T102", f"{shown(data)} is no trigger", hint="write kind: reached and its keys"
                )
            name = data.get("kind")
            if not isinstance(name, str) or not is_known(name):
                written = f"`{name}`" if isinstance(name, str) else shown(name)
                what = "a trigger needs a kind" if name is None else f"there is no kind of trigger {written}"
                raise CrmRulesError("T102", what, hint=_kind_hint(str(name)))
            return KINDS[name].model_validate(data)

        return core_schema.no_info_plain_validator_function(
            validated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda rule: rule.model_dump(mode="json")
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        from crmrules.triggers.plugged import load_all

        load_all()
        kinds = {name: rule.__pydantic_core_schema__ for name, rule in KINDS.items()}
        schema: dict[str, Any] = handler(core_schema.tagged_union_schema(kinds, discriminator="kind"))
        return schema


Trigger = Annotated[TriggerRule, _AnyKind]
