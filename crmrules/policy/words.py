"""What decided, in words: the names of the rules, and each of their reasons once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals as nw

    from crmrules.policy.level import Level

JOIN, THEN = " × ", "; "
"""What stands between the names of rules, and between their reasons."""

Positions = Sequence[int]


def said(levels: Sequence[Level], positions: Sequence[Positions]) -> tuple[str, str]:
    """The names and reasons of the rules at the positions, level by level."""
    placed = [*zip(levels, positions, strict=True)]
    names = [level.named(level.outcomes[at].name) for level, decided in placed for at in decided]
    reasons = [level.outcomes[at].because for level, decided in placed for at in decided]
    return JOIN.join(names), THEN.join(dict.fromkeys(reasons))


def said_columns(levels: Sequence[Level]) -> tuple[nw.Expr, nw.Expr]:
    """The same for each row of a frame that all levels have marked."""
    names = [part for level in levels for part in _names(level)]
    return _joined(names, JOIN), _joined([*_reasons(levels)], THEN)


def _joined(parts: Sequence[nw.Expr], separator: str) -> nw.Expr:
    import narwhals as nw

    if len(parts) == 1:
        return parts[0]
    return nw.concat_str(*parts, separator=separator, ignore_nulls=True)


def _names(level: Level) -> Iterator[nw.Expr]:
    names = [level.named(each.name) for each in level.outcomes]
    if level.combine == "first":
        yield _of_first(level, names)
        return
    for at, name in enumerate(names):
        yield _where(level.decides(at), name)


def _reasons(levels: Sequence[Level]) -> Iterator[nw.Expr]:
    earlier: dict[str, list[nw.Expr]] = {}
    texts = [[each.because for each in level.outcomes] for level in levels]
    for number, level in enumerate(levels):
        others = {text for other, listed in enumerate(texts) if other != number for text in listed}
        if level.combine == "first" and others.isdisjoint(texts[number]):
            yield _of_first(level, texts[number])
            continue
        for at, text in enumerate(texts[number]):
            unsaid = level.decides(at)
            for other in earlier.get(text, ()):
                unsaid = unsaid & ~other
            yield _where(unsaid, text)
            earlier.setdefault(text, []).append(level.decides(at))


def _where(test: nw.Expr, text: str) -> nw.Expr:
    import narwhals as nw

    return nw.when(test).then(nw.lit(text, nw.String))


def _of_first(level: Level, texts: Sequence[str]) -> nw.Expr:
    """The text of the only rule that decides."""
    import narwhals as nw

    result = nw.lit(texts[-1], nw.String)
    for at in range(len(texts) - 2, -1, -1):
        result = nw.when(level.decides(at)).then(nw.lit(texts[at], nw.String)).otherwise(result)
    return result


__all__ = ["JOIN", "said", "said_columns"]
