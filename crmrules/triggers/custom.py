"""Custom triggers: a pure function becomes a kind, with parameters of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import pydantic
from pydantic import BaseModel, BeforeValidator, Field

from crmrules.errors import CrmRulesError, did_you_mean, shown
from crmrules.fields import Frozen
from crmrules.triggers import message
from crmrules.triggers.asked import AskedRule
from crmrules.triggers.context import Answer, Context
from crmrules.triggers.trigger import KINDS

Function = Callable[[Context, Any], Answer]
Written = TypeVar("Written", bound=Function)


_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class NoParameters(BaseModel):
    """The parameters of a trigger that has none."""

    model_config = Frozen


class CustomRule(AskedRule):
    """A trigger whose kind is somebody's function.

    parameters: what the function takes. A function that fails does not disturb the others: its decision
    is `no_data` with the code TRIGGER_FAILED and the error as its reason.
    """

    parameters: BaseModel

    function: ClassVar[Function]
    home: ClassVar[str] = ""

    def answers(self, context: Context) -> Iterable[Answer]:
        """What the function says."""
        return (answered(type(self).function, self.kind, context, self.parameters),)


def answered(function: Function, name: str, context: Context, parameters: BaseModel) -> Answer:
    """The answer of a function, no data where it fails or gives something else."""
    try:
        answer = function(context, parameters)
    except CrmRulesError as error:
        reason = f"{name} failed: {error.message} ({error.code})"
    except Exception as error:
        reason = f"{name} failed: {type(error).__name__}: {error}"
    else:
        if isinstance(answer, Answer):
            return answer
        reason = f"{name} gave {shown(answer)}, which is no Answer"
    return Answer("no_data", reason, code="TRIGGER_FAILED")


def trigger(
    name: str,
    *,
    params: type[BaseModel] = NoParameters,
    named: Sequence[str] = (),
    messages: Mapping[str, str] | None = None,
) -> Callable[[Written], Written]:
    """Make a function a kind of trigger, which rulebooks then name: `kind: acme.no_visit`.

    name: with the name of whoever writes it in front, so that it can never be one of the library's own.
    params: a pydantic model of the parameters, written under `parameters:` and checked when a rulebook is
    loaded. named: what of the basis a message can name. messages: those for rulebooks that have none of
    their own, by language.

    The function takes a `Context` and the parameters, and returns an `Answer`; it looks at nothing else,
    neither the clock nor a database. `crmrules.testing.check_trigger` finds out whether it does.

    Defining the same function again replaces it, as a notebook does. Raises CrmRulesError (T103) for a
    name that is taken, (T403) for one without a dot, (T201 to T203) for a message that names what it cannot.

    >>> class NoVisit(BaseModel):
    ...     days: int = 10
    >>> @trigger("docs.no_visit", params=NoVisit)
    ... def no_visit(context, parameters):
    ...     last = context.facts.last("visits")
    ...     days = context.workdays_between(last, context.today)
    ...     late = None if days is None else days >= parameters.days
    ...     return Answer.when(late, f"{days} working days without a visit", {"days": days})
    >>> KINDS["docs.no_visit"](kind="docs.no_visit", model="sales", parameters={"days": 5}).parameters
    NoVisit(days=5)
    """
    if not _NAME.fullmatch(name):
        hint = "write your own before it: acme.no_visit"
        raise CrmRulesError("T403", f"{shown(name)} is no name of a custom trigger", hint=hint)

    def registered(function: Written) -> Written:
        home = f"{function.__module__}.{function.__qualname__}"
        known = KINDS.get(name)
        if known is not None and not (issubclass(known, CustomRule) and known.home == home):
            other = known.home if issubclass(known, CustomRule) else "crmrules"
            raise CrmRulesError(
                "T103", f"the kind of trigger `{name}` is {other} already", hint="choose another name"
            )
        made = _kind(name, function, params, home)
        made.named, made.messages = tuple(named), dict(messages or {})
        for template in made.messages.values():
            message.check(template, made.named)
        message.TEMPLATES[name] = made.messages
        KINDS[name] = made
        return function

    return registered


def _keys_known(params: type[BaseModel]) -> Callable[[Any], Any]:
    """A check that parameters have no other keys than the model, unless it says what becomes of those.

    pydantic drops what it does not know, and a mistyped parameter would quietly be its default.
    """
    names: set[str] = set()
    for name, field in params.model_fields.items():
        names |= {each for each in (name, field.alias, field.validation_alias) if isinstance(each, str)}
    odd = any(not isinstance(each.validation_alias, str | None) for each in params.model_fields.values())

    def checked(given: Any) -> Any:
        if isinstance(given, Mapping) and params.model_config.get("extra") is None and not odd:
            for key in given:
                if key not in names:
                    hint = did_you_mean(str(key), names) if names else "leave it out"
                    raise CrmRulesError("B201", f"unknown key `{key}`", hint=hint)
        return given

    return checked


def _kind(name: str, function: Function, params: type[BaseModel], home: str) -> type[CustomRule]:
    try:
        params()
        default: Any = Field(default_factory=params)
    except pydantic.ValidationError:
        default = Field()
    # Types that are only known now, which a checker cannot follow.
    named: Any = Literal[name]
    taken: Any = Annotated[params, BeforeValidator(_keys_known(params)), default]
    made: type[CustomRule] = pydantic.create_model(
        "".join(part.title() for part in re.split("[._]", name)),
        __base__=CustomRule,
        __doc__=(function.__doc__ or f"The custom trigger `{name}`.").strip(),
        __module__=__name__,
        kind=(named, name),
        parameters=(taken, default),
    )
    made.function = staticmethod(function)
    made.home = home
    return made
