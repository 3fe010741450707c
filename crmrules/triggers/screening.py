"""Who on a card has to be looked at one by one: those for whom something may have changed."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from crmrules.kpi.period import Period
from crmrules.triggers.group import Group, due_or_none
from crmrules.triggers.outbox.protocol import Session
from crmrules.triggers.outbox.records import Instance
from crmrules.triggers.trigger import TriggerRule

if TYPE_CHECKING:
    from crmrules.kpi.scorecard import Figures, Scorecard
    from crmrules.triggers.engine import Engine


def candidates(
    engine: Engine,
    session: Session,
    group: Group,
    card: Scorecard,
    period: Period,
    now: dt.datetime,
    unswept: set[str],
) -> list[tuple[str, set[str] | None]]:
    """The subjects of a period, and the triggers that have to look at them.

    unswept: the deadlines that have come due, and the triggers that are new; everybody is looked at by them.
    """
    keys = card.keys
    first = bisect_left(keys, period, key=lambda key: key[1])
    last = bisect_right(keys, period, key=lambda key: key[1])
    found: dict[str, set[str] | None] = {}
    for name, rule in engine.surrounded(group, now).items():
        figures = card.figures.get(rule.indicator)
        running = [each for each in session.active(name, tenant=engine.tenant) if each.period == str(period)]
        places = {
            each.subject: row for each in running if (row := card.grid.row(each.subject, period)) is not None
        }
        if figures is None and rule.indicator and rule.model is None:
            continue
        due = due_or_none(rule, period, engine.zone)
        if due is not None and name not in unswept:
            changed: Iterable[str] = [each.subject for each in running if each.subject in places]
        elif due is not None and due > now:
            continue
        else:
            new = name in unswept
            changed = _changed(rule, card, figures, slice(first, last), running, places, now, new)
        for subject in changed:
            names = found.setdefault(subject, set())
            if names is not None:
                names.add(name)
    return [*found.items()]


def _changed(
    rule: TriggerRule,
    card: Scorecard,
    figures: Figures | None,
    rows: slice,
    running: list[Instance],
    places: dict[str, int],
    now: dt.datetime,
    new: bool,
) -> Iterable[str]:
    import numpy as np

    keys = card.keys
    screened = None
    if figures is not None:
        whole = rows == slice(0, len(keys))
        part = figures if whole else replace(
            figures,
            actual=figures.actual[rows],
            attainment=None if figures.attainment is None else figures.attainment[rows],
        )  # fmt: skip
        screened = rule.screen(part, card.model.indicators[rule.indicator].direction)
    if screened is None:
        return [subject for subject, _ in keys[rows]]
    reached, held = screened
    open_rows = {*np.flatnonzero(reached).tolist()}
    for each in running:
        if each.subject not in places:
            continue
        row = places[each.subject] - rows.start
        level = each.data.get("level", 0)
        same = not new and each.state == "firing" and reached[row] <= level <= held[row] and reached[row] >= 0
        if same and each.wake is not None and each.wake > now and level == max(reached[row], 0):
            open_rows.discard(row)
        else:
            open_rows.add(row)
    return [keys[rows.start + row][0] for row in sorted(open_rows)]
