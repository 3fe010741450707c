"""The rulebook: sources, policies, measures, models and triggers as one document."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, final
from zoneinfo import ZoneInfo

import pydantic
from pydantic import BaseModel, BeforeValidator, Field

from crmrules import document
from crmrules.binding import declared_tables, is_records, records_of
from crmrules.errors import CrmRulesError, FieldError, did_you_mean, shown
from crmrules.fields import Frozen, Source, Zone
from crmrules.kpi.calendar import Calendar
from crmrules.kpi.calendar_rule import CalendarRule
from crmrules.kpi.figuring import Beside
from crmrules.kpi.measure import Measure
from crmrules.kpi.model import Model
from crmrules.kpi.period import Period
from crmrules.kpi.roster import Roster
from crmrules.kpi.score import Plan
from crmrules.kpi.scorecard import Scorecard
from crmrules.policy.dated import TreeRule
from crmrules.policy.rules import Policy
from crmrules.policy.tree import Tree
from crmrules.triggers import Decision, Intent, Trigger, evaluate, intents
from crmrules.triggers.context import Surroundings
from crmrules.triggers.outbox.records import Event

if TYPE_CHECKING:
    from crmrules.policy.crediting import Crediting
    from crmrules.rulebook.assemble import Built
    from crmrules.rulebook.running import Data
    from crmrules.triggers import Engine
    from crmrules.triggers.outbox import Store

Moment = dt.datetime | dt.date | str


def _named(sources: object) -> object:
    """A source is called what it is declared as."""
    if not isinstance(sources, Mapping):
        return sources
    return {
        name: {"name": name, **source} if isinstance(source, Mapping) else source
        for name, source in sources.items()
    }


def _measure(value: object) -> object:
    return {"value": value} if isinstance(value, str) else value


@final
class Rulebook(BaseModel):
    """All rules of a company as one document; see `load` for files.

    crmrules: the version of the document's form. locale: the language of messages for people whose
    roster row does not say another (`en`, `zh`). zone: where "the 20th, 18:00" is, and by whose days
    timestamps with a zone of their own are counted. roster: the source
    that tells who is judged and who stands around them. tree: the table of who reports to whom.
    """

    model_config = Frozen

    crmrules: Literal[1] = 1
    name: str = ""
    locale: str = "en"
    zone: Zone = "UTC"
    sources: Annotated[dict[str, Source], Field(min_length=1), BeforeValidator(_named)]
    calendars: dict[str, CalendarRule] = {}
    roster: str | None = None
    tree: TreeRule | None = None
    policies: dict[str, Policy] = {}
    measures: dict[
        str, Annotated[Measure, BeforeValidator(_measure, json_schema_input_type=str | Measure)]
    ] = {}
    models: Annotated[dict[str, Model], Field(min_length=1)]
    triggers: dict[str, Trigger] = {}

    @pydantic.model_validator(mode="after")
    def _local(self) -> Rulebook:
        """Where the rulebook says where it is, its sources are there, too."""
        if "zone" in self.model_fields_set:
            for name, source in self.sources.items():
                if source.zone is None:
                    self.sources[name] = Source(**{**dict(source), "zone": self.zone})
        return self

    # making one

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Rulebook:
        """The rulebook of a YAML 1.2 or JSON file.

        Raises RulebookError with everything that is wrong with it, each with file, line and column.
        """
        book = _checked(document.read(path))
        book.__dict__["folder"] = os.path.dirname(os.fspath(path)) or "."
        return book

    @classmethod
    def parse(cls, text: str, file: str = "<text>") -> Rulebook:
        """The rulebook of a text; `file` is its name in errors. Raises RulebookError."""
        return _checked(document.parse(text, file))

    @classmethod
    def of(cls, data: Mapping[str, object]) -> Rulebook:
        """The rulebook of plain data, as YAML holds it. Raises RulebookError."""
        return _checked(document.of(data))

    def bind(self, source: str, **fields: Mapping[str, object]) -> Rulebook:
        """The same rules over other host columns: for each field of a source, what is different there.

        `book.bind("deals", close_date={"format": "%d-%m-%Y"})` reads another export of the same table.
        Raises FieldError for a source or field that is not declared.
        """
        if source not in self.sources:
            raise FieldError(
                "F112",
                f"there is no source `{source}`",
                source=source,
                hint=did_you_mean(source, self.sources),
            )
        rebound = self.sources[source].rebound(**fields)
        changed = self.model_copy(update={"sources": {**self.sources, source: rebound}})
        # A copy takes over what was computed before, which was over the other columns.
        changed.__dict__.pop("built", None)
        changed.__dict__.pop("warnings", None)
        if "folder" in self.__dict__:
            changed.__dict__["folder"] = self.__dict__["folder"]
        return changed

    # using it

    @cached_property
    def built(self) -> Built:
        """The rules put together, once. Raises RulebookError if they do not fit one another."""
        from crmrules.rulebook.check import build

        return build(self)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What fits and is hardly meant: rules that can never decide, each with the reason."""
        return tuple(
            f"policy `{name}`: {dead.reason}"
            for name, crediting in self.built.policies.items()
            for dead in crediting.dead
        )

    @cached_property
    def working(self) -> Mapping[str, Calendar]:
        """The working calendars by name; files of days are looked for beside the rulebook.

        Raises what `CalendarRule.calendar` does.
        """
        folder = self.__dict__.get("folder", ".")
        return {name: rule.calendar(folder) for name, rule in self.calendars.items()}

    def policy(self, name: str, data: Mapping[str, object] | None = None) -> Crediting:
        """A policy on its source, ready to run: `credit`, `lines`, `summary`, `explain`.

        data: the tables that its payees come from, by name. Raises CrmRulesError (B211).
        """
        if name not in self.policies:
            raise CrmRulesError(
                "B211", f"there is no policy `{name}`", hint=did_you_mean(name, self.policies)
            )
        found = self.built.policies[name]
        return found.given(declared_tables(self.sources, data or {}, found.needs))

    def plan(self, model: str | None = None) -> Plan:
        """A model ready to run; the only one if none is named. Raises CrmRulesError (B301)."""
        if model is None and len(self.models) == 1:
            model = next(iter(self.models))
        if model not in self.models:
            listed = ", ".join(self.models)
            raise CrmRulesError(
                "B301",
                f"there is no model `{model}`" if model else "the rulebook has several models",
                hint=did_you_mean(model, self.models) if model else f"name one of {listed}",
            )
        return self.built.plans[model]

    def score(
        self,
        data: Mapping[str, object],
        *,
        model: str | None = None,
        period: str | Period | None = None,
        now: Moment | None = None,
    ) -> Scorecard:
        """How everybody stands.

        data: for each source by name a frame of any engine (pandas, Polars eager or lazy, PyArrow) or a
        list of dicts. model: which one, where there are several. period: only this one. now: records
        dated later than this day do not count yet; a time without zone is local in the rulebook's zone.

        Raises FieldError and RecordError for data that does not fit.

        >>> book = Rulebook.of({
        ...     "sources": {"deals": {"fields": {
        ...         "who": {"type": "text", "role": "subject"},
        ...         "day": {"type": "date", "role": "date"},
        ...         "value": "money(2)",
        ...     }}},
        ...     "measures": {"revenue": "sum(value)"},
        ...     "models": {"sales": {"indicators": {"revenue": {"target": 1000, "weight": 1}}}},
        ... })
        >>> card = book.score({"deals": [{"who": "Ann", "day": "2026-11-03", "value": "850.00"}]})
        >>> card.standing("Ann", "2026-11").score
        85.0
        """
        for name in data:
            if name not in self.sources:
                raise FieldError(
                    "F112", f"there is no source `{name}`", source=name, hint=did_you_mean(name, self.sources)
                )
        # A generator yields its records once, and they are gone through more often than that.
        data = {name: records_of(each) if is_records(each) else each for name, each in data.items()}
        plan = self.plan(model)
        wanted = plan.model.period.parse(period) if isinstance(period, str) else period
        until = self.local(now).date() if now is not None else None
        roster = self._roster(data)
        calendars = self.working if plan.uses_calendars else {}
        beside = Beside(roster, self._tree(data), self.sources, data, calendars)
        card = plan.score(data, beside, period=wanted, until=until)
        if self.roster is None or roster is not None:
            return card
        note = f"without `{self.roster}`, nobody who has no record is on the card, and managers are not known"
        return replace(card, notes=(*card.notes, note))

    def _roster(self, data: Mapping[str, object]) -> Roster | None:
        if self.roster is None or self.roster not in data:
            return None
        return Roster.of(self.sources[self.roster], data[self.roster])

    def _tree(self, data: Mapping[str, object]) -> Tree | None:
        if self.tree is None or self.tree.table not in data:
            return None
        return Tree.declared(self.tree, self.sources[self.tree.table], data[self.tree.table])

    def decide(self, card: Scorecard, *, now: Moment, events: Iterable[Event] = ()) -> list[Decision]:
        """What every trigger says of every row of a card, and why, whether it fires or not.

        now: the moment of the evaluation; nothing here looks at a clock. A card that counts records of a
        later day, or was scored without `now`, is scored again as of this one. events: what the host
        published, for triggers of the kind `event`.
        """
        moment = self.local(now)
        if card.until != moment.date():
            card = self.score(card.data, model=card.name, now=moment)
        mine = {name: each for name, each in self.triggers.items() if each.model in (None, card.name)}
        around = Surroundings.of(
            self.sources,
            card.data,
            card.roster.people,
            calendars=self.working if self.calendars else {},
            triggers=self.triggers,
            events=tuple(events),
        )
        return evaluate(mine, card.standings(), moment, ZoneInfo(self.zone), around=around)

    def remind(self, card: Scorecard, *, now: Moment, events: Iterable[Event] = ()) -> list[Intent]:
        """Whom to tell what, as of a moment: the intents of all triggers that fire.

        An intent's `id` stays the same however often it is asked for, so a host that has seen it can
        leave it. Delivery is the host's. See `decide` for `now` and `events`.
        """
        decisions = self.decide(card, now=now, events=events)
        return intents(decisions, self.triggers, card.roster.people, locale=self.locale)

    def engine(
        self,
        store: Store,
        data: Data,
        *,
        channels: Sequence[str] = ("default",),
        tenant: str = "",
        calendar: str | None = None,
        maintainers: Sequence[str] = (),
        batch: int = 500,
    ) -> Engine:
        """The engine that tells each thing once, over a host's tables.

        store: where it remembers what it has said. data: the table for each source as for `score`, or a
        function of a moment, local in the rulebook's zone, that reads them; it is asked several times in a
        tick, always after the subjects have been locked, so let it read anew each time. channels: of triggers
        that name none. tenant: whose rules these are, where several share a store. calendar: the one of the
        rulebook by which `3 working days` are counted, weekdays if none is named. maintainers: the ids of
        those who are told of a trigger that fails again and again. batch: how many subjects are looked at in
        one transaction.

        Raises CrmRulesError (W104) for a calendar that there is not.

        >>> from crmrules.triggers.outbox import Dirty, MemoryStore
        >>> book = Rulebook.of({
        ...     "sources": {"deals": {"fields": {
        ...         "who": {"type": "text", "role": "subject"},
        ...         "day": {"type": "date", "role": "date"},
        ...         "value": "money(2)",
        ...     }}},
        ...     "measures": {"revenue": "sum(value)"},
        ...     "models": {"sales": {"indicators": {"revenue": {"target": 1000, "weight": 1}}}},
        ...     "triggers": {"hit": {"kind": "reached", "indicator": "revenue"}},
        ... })
        >>> deals, store = [], MemoryStore()
        >>> engine = book.engine(store, lambda as_of: {"deals": deals}, channels=["mail"])
        >>> deals.append({"who": "Ann", "day": "2026-11-03", "value": "1200.00"})
        >>> store.mark([Dirty("Ann", "2026-11")])
        >>> [each.text for each in engine.tick(dt.datetime(2026, 11, 3, 18)).intents]
        ['Ann has reached 100% of the target for revenue in 2026-11: 1,200.00 of 1,000 (120%).']
        """
        from crmrules.rulebook.running import Host
        from crmrules.triggers import Engine

        host = Host(self, data)
        return Engine.of(
            self, store, read=host.read, tenant=tenant, calendar=host.calendar(calendar),
            people=host.people, around=host.around, channels=channels, maintainers=maintainers, batch=batch,
        )  # fmt: skip

    def local(self, moment: Moment) -> dt.datetime:
        """A moment in the rulebook's zone; a date is its last instant, so that its records count.

        Raises CrmRulesError (B302) for a text that is no ISO date or time.
        """
        zone = ZoneInfo(self.zone)
        if isinstance(moment, str):
            try:
                moment = (
                    dt.date.fromisoformat(moment) if len(moment) == 10 else dt.datetime.fromisoformat(moment)
                )
            except ValueError:
                raise CrmRulesError(
                    "B302", f"{shown(moment)} is no date or time", hint="write 2026-11-20 or 2026-11-20T18:00"
                ) from None
        if not isinstance(moment, dt.datetime):
            return dt.datetime.combine(moment, dt.time.max, zone)
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _checked(found: document.Document) -> Rulebook:
    from crmrules.rulebook.check import check

    return check(found)


def schema() -> dict[str, Any]:
    """The JSON Schema of rulebooks, for editors."""
    found = Rulebook.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "crmrules rulebook"}


__all__ = ["Moment", "Rulebook", "schema"]
