"""How a trigger becomes reminders: waiting, repeating, escalating, quiet hours; the same for every kind."""

from __future__ import annotations

import datetime as dt
import json
from hashlib import sha256
from typing import Annotated, Literal, final

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from crmrules.fields import Frozen
from crmrules.triggers.duration import Duration, Lasting

Severity = Literal["info", "warning", "critical"]


def time_of_day(value: object) -> object:
    """YAML 1.2 leaves 18:00 a text; a time needs no seconds."""
    if isinstance(value, str):
        try:
            value = dt.time.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no time of day: write it as 18:00") from None
    if not isinstance(value, dt.time):
        # YAML 1.1 reads 18:00 as 1080, which would pass for seconds.
        raise ValueError('a time of day is a text: write it as "18:00", in quotes')
    if value.tzinfo is not None:
        raise ValueError("a time of day is local: write it without a zone")
    return value


Time = Annotated[dt.time, BeforeValidator(time_of_day, json_schema_input_type=str)]


@final
class After(BaseModel):
    """So long after the last time at the earliest."""

    model_config = Frozen

    after: Lasting


@final
class Repeat(BaseModel):
    """Telling again while it goes on.

    every: counted from the moment it fired, without drift. max: so often at most. until: what ends it.
    """

    model_config = Frozen

    every: Lasting
    max: Annotated[int, Field(ge=1, le=1000)] = 3
    until: Literal["resolved", "acknowledged"] = "acknowledged"

    @pydantic.field_validator("every")
    @classmethod
    def _moves(cls, every: Duration) -> Duration:
        if every.count == 0:
            raise ValueError("a reminder cannot repeat every 0 days: write 1 day or more")
        return every


@final
class Escalation(BaseModel):
    """Telling somebody else when it still goes on after a time.

    after: counted from the moment it fired. to: the role to tell. unless: `acknowledged` spares the role
    where somebody has taken it on, `resolved` tells it in any case while it goes on.
    """

    model_config = Frozen

    after: Lasting
    to: str
    unless: Literal["acknowledged", "resolved"] = "acknowledged"


@final
class Quiet(BaseModel):
    """Hours in which nobody is reached, by the recipient's own clock; past midnight where `from` is later.

    What falls into them waits until they end. release_check: `still_firing` withdraws it where the trigger
    has resolved by then, `none` delivers it all the same.
    """

    model_config = ConfigDict(**Frozen, validate_by_name=True, serialize_by_alias=True)

    start: Annotated[Time, Field(alias="from")]
    end: Annotated[Time, Field(alias="to")]
    release_check: Literal["still_firing", "none"] = "still_firing"

    @pydantic.model_validator(mode="after")
    def _some(self) -> Quiet:
        if self.start == self.end:
            raise ValueError("quiet hours that begin and end at the same time: write from 21:00 to 08:00")
        return self


@final
class Digest(BaseModel):
    """Telling once a day at a time, all together, by the recipient's own clock; critical ones go at once."""

    model_config = Frozen

    at: Time


class Options(BaseModel):
    """What every trigger can say about how it becomes reminders.

    for: how long the condition has to hold before it fires; keep: how long it may fail before it counts as
    over. rearm: `once_per_period`; `on_resolve`, as often as it comes true anew; {after: 3 days}, likewise,
    but so long after the last time at the earliest. initial: `arm` stays silent where the condition holds
    already when it is looked at first in a period.

    cooldown: so long nobody is told again of the same trigger and subject, across periods. repeat,
    escalation: what follows while it goes on. misfire: of several that came due while nothing was
    evaluated, the last alone (`coalesce`) or `each`. inhibited_by: triggers that keep this one silent while
    they fire for the same subject and period. quiet, digest: when it is delivered. expires: so long after
    it fired it is not delivered any more. channels: hints for the host.

    grace: so late after its time a deadline still fires, to the end of the period if not said.
    evaluate_as_of: a deadline that is evaluated late has to hold as things were when it was `due`, as they
    are `now`, or both. recheck: `on_change` lets a deadline that was met then fire later in the period.

    on_correction: what happens where it no longer holds and people were told: `silent`, or `notify` tells
    them. late_fire_within: so long after the end of its period it still fires for figures that came late.
    generation: a higher number begins anew, as if it had never fired.
    """

    model_config = ConfigDict(**Frozen, validate_by_name=True, serialize_by_alias=True)

    lasting: Annotated[Lasting | None, Field(alias="for")] = None
    keep: Lasting | None = None
    rearm: Literal["once_per_period", "on_resolve"] | After = "once_per_period"
    initial: Literal["fire", "arm"] = "fire"
    cooldown: Lasting | None = None
    repeat: Repeat | None = None
    escalation: tuple[Escalation, ...] = ()
    misfire: Literal["coalesce", "each"] = "coalesce"
    inhibited_by: tuple[str, ...] = ()
    quiet: Quiet | None = None
    digest: Digest | None = None
    expires: Lasting | None = None
    channels: tuple[str, ...] = ()
    grace: Lasting | None = None
    evaluate_as_of: Literal["due_and_now", "due", "now"] = "due_and_now"
    recheck: Literal["none", "on_change"] = "none"
    on_correction: Literal["silent", "notify"] = "silent"
    late_fire_within: Lasting | None = None
    generation: Annotated[int, Field(ge=0)] = 0

    @property
    def digest_of(self) -> str:
        """What changes when any of the declaration changes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
