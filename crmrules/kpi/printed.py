"""A card for reading: values, points, grade and rank as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmrules.kpi.period import Period
from crmrules.tables import Table, cell

if TYPE_CHECKING:
    from crmrules.kpi.scorecard import Figures, Scorecard
    from crmrules.kpi.standing import Standing

POINTS = "points"


def printed(card: Scorecard, period: Period | None, most: int | None) -> Table:
    """The rows of a card, best first within each period.

    period: only this one. most: at most so many rows.
    """
    ranks = [rank if rank == rank else len(card) + 1 for rank in card.rank.tolist()]
    rows = [row for row, key in enumerate(card.keys) if period is None or key[1] == period]
    rows.sort(key=lambda row: (card.keys[row][1], ranks[row], card.keys[row][0]))
    shown = rows if most is None else rows[:most]
    pointed = _pointed(card)
    heads = ["Rank", "Subject", "Period"]
    points, informing, paces, scored = list[int](), list[int](), list[int](), list[int]()
    for name, figures in card.figures.items():
        (informing if figures.points is None else scored).append(len(heads))
        heads.append(name)
        if name in pointed:
            points.append(len(heads))
            heads.append(POINTS)
        if figures.pace is not None:
            paces.append(len(heads))
            heads.append("pace")
    judged = ["Composite", *(["Change"] if card.movement is not None else [])]
    judged += ["Grade"] if card.model.grades is not None else []
    judged += ["Team rank"] if card.team_rank is not None else []
    beside = [len(heads) + place for place, head in enumerate(judged) if head in ("Change", "Team rank")]
    alone = {card.keys[row][1] for row in rows}
    title = f"Scorecard `{card.name}`" + (f" of {alone.pop()}" if len(alone) == 1 else "")
    if len(shown) < len(rows):
        title += f", the first {len(shown)} of {len(rows):,} rows"
    # A narrow terminal leaves out the indicators' points first, then what only informs, then the rest.
    said = [heads.index("Period")] if not alone else []  # what the title says already
    least = [points, informing, said, beside, paces, scored]
    table = Table(title, [*heads, *judged], [each for columns in least for each in reversed(columns)])
    digits = {name: _digits(figures) for name, figures in card.figures.items()}
    for row in shown:
        standing = card.standing(*card.keys[row])
        table.add(_cells(card, standing, pointed, digits), tone=_tone(card, standing))
    return table


def _cells(
    card: Scorecard, standing: Standing, pointed: list[str], digits: dict[str, int | None]
) -> list[str]:
    cells = [cell(standing.rank), standing.subject, str(standing.period)]
    for name, result in standing.results.items():
        cells.append(cell(result.actual, digits=digits[name]))
        if name in pointed:
            cells.append(cell(result.score, digits=1))
        if card.figures[name].pace is not None:
            pace = result.pace.pace if result.pace is not None else None
            cells.append(cell(None) if pace is None else f"{pace:.0%}")
    cells.append(cell(standing.score, digits=1))
    if card.movement is not None:
        cells.append(moved(standing.score_change))
    if card.model.grades is not None:
        cells.append(standing.grade or "")
    if card.team_rank is not None:
        cells.append(cell(standing.team_rank))
    return cells


def moved(change: float | None) -> str:
    """A change of points as a table shows it."""
    return cell(change, digits=1) if not change else f"{change:+,.1f}"


def _pointed(card: Scorecard) -> list[str]:
    """The indicators whose points are another figure than their value."""
    return [
        name
        for name, figures in card.figures.items()
        if figures.points is not None
        and (figures.target is not None or card.model.indicators[name].model is None)
    ]


def _digits(figures: Figures) -> int | None:
    """How many decimals a column of plain numbers is shown with: the same for all of it."""
    import numpy as np

    if figures.type.kind not in ("number", "duration") or not len(figures.actual):
        return None
    known = figures.actual[~np.isnan(figures.actual)]
    if (known == np.round(known)).all():
        return 0
    return 3 if (np.abs(known) < 1).all() else 2


def _tone(card: Scorecard, standing: Standing) -> str:
    grades = card.model.grades.names if card.model.grades is not None else ()
    if standing.grade is None or not grades:
        return ""
    position = grades.index(standing.grade)
    return "good" if position == 0 else "bad" if position == len(grades) - 1 else ""
