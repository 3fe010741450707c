"""A small host: it keeps sales and targets, and an engine looks at them."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crmrules.kpi import Period, Result, Standing
from crmrules.triggers import Engine, Report, Request
from crmrules.triggers.outbox import Dirty, MemoryStore
from crmrules.triggers.trigger import TriggerRule

SHANGHAI = ZoneInfo("Asia/Shanghai")


def row(
    subject: str, period: Period, value: str | None, target: float | None, people: Mapping[str, str]
) -> Standing:
    """How somebody stands: plain division, so that no other part of the library takes part."""
    sales = None if value is None else Decimal(value)
    known = sales is not None and target
    attainment = float(sales) / target if known else None  # type: ignore[arg-type,operator]
    points = None if attainment is None else attainment * 100
    result = Result("sales", sales, target, attainment, points)
    return Standing("people", subject, period, {"sales": result}, people=people)


@dataclass
class Host:
    """Facts with the moment from which they are known, so that the past can be read as it was."""

    triggers: dict[str, TriggerRule]
    zone: ZoneInfo = SHANGHAI
    store: Any = field(default_factory=MemoryStore)
    people: dict[str, dict[str, str]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    sales: dict[str, list[tuple[dt.datetime, str | None]]] = field(default_factory=dict)
    target: float | None = 100_000.0
    reads: list[Request] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.start()

    def start(self, **triggers: TriggerRule) -> None:
        """Start the engine anew, with the rules as they are now."""
        self.triggers |= triggers
        self.engine = Engine(
            self.triggers,
            self.store,
            read=self.read,
            zone=self.zone,
            people=lambda: self.people,
            channels=("mail",),
            **self.options,
        )

    def at(self, text: str) -> dt.datetime:
        return dt.datetime.fromisoformat(text).replace(tzinfo=self.zone)

    def book(self, subject: str, value: str | None, when: str, *, mark: bool = True) -> None:
        """From a moment on somebody has sold so much in the month of it."""
        self.sales.setdefault(subject, []).append((self.at(when), value))
        if mark:
            self.store.mark([Dirty(subject, when[:7], "order")])

    def read(self, request: Request) -> Iterable[Standing]:
        self.reads.append(request)
        for subject, facts in self.sales.items():
            if subject in self.gone:
                continue
            month = Period.of(request.period.start, "month")
            known = [
                value
                for when, value in facts
                if when <= request.as_of and when.astimezone(self.zone).date() in month
            ]
            value = known[-1] if known else "0.00"
            yield row(subject, request.period, value, self.target, self.people.get(subject, {}))

    def tick(self, when: str) -> Report:
        return self.engine.tick(self.at(when))

    def fired(self, report: Report) -> list[tuple[str, str, str]]:
        return [
            (each.subject, each.trigger, each.step) for each in report.occurrences if each.outcome == "fired"
        ]

    def outcomes(self, subject: str = "u7") -> list[tuple[str, str]]:
        return [(each.step, each.outcome) for each in self.engine.history(subject)]


@pytest.fixture(scope="session")
def host() -> type[Host]:
    """The class of the host, to be made with triggers."""
    return Host
