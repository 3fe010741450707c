"""What a policy says, in plain Python from its description: no frames, nothing compiled, exact fractions.

A policy is the dict that `Policy` is made of. Its conditions and formulas come from the tables below, each
beside the same thing as a Python function; nothing of the library's execution is used.
"""

import datetime as dt
import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

Record = dict[str, Any]

FIELDS = {
    "number": {"type": "text", "role": "id"},
    "who": {"type": "text", "role": "subject"},
    "helper": "text",
    "part": "number",
    "day": {"type": "date", "role": "date"},
    "kind": "text",
    "customer": "text",
    "amount": "money(2)",
    "hours": "number",
    "original": "text",
}


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _or(left: bool | None, right: bool | None) -> bool | None:
    return _not(_and(_not(left), _not(right)))


def _is(name: str, wanted: str) -> Callable[[Record], bool | None]:
    return lambda row: None if row[name] is None else row[name] == wanted


def _over(name: str, bound: float) -> Callable[[Record], bool | None]:
    return lambda row: None if row[name] is None else row[name] > bound


CONDITIONS: dict[str, Callable[[Record], bool | None]] = {
    "kind == 'sample'": _is("kind", "sample"),
    "kind == 'order'": _is("kind", "order"),
    "not (kind == 'order')": lambda row: _not(_is("kind", "order")(row)),
    "customer == 'Acme'": _is("customer", "Acme"),
    "is_null(customer)": lambda row: row["customer"] is None,
    "amount < 0": lambda row: None if row["amount"] is None else row["amount"] < 0,
    "kind == 'order' and hours > 1": lambda row: _and(_is("kind", "order")(row), _over("hours", 1)(row)),
    "customer == 'Acme' or hours > 2": lambda row: _or(_is("customer", "Acme")(row), _over("hours", 2)(row)),
    "nth > 1": _over("nth", 1),
    "not is_null(number)": lambda row: True,
}
TESTED = {
    "kind == 'sample'": {"kind"}, "kind == 'order'": {"kind"}, "not (kind == 'order')": {"kind"},
    "customer == 'Acme'": {"customer"}, "is_null(customer)": {"customer"}, "amount < 0": {"amount"},
    "kind == 'order' and hours > 1": {"kind", "hours"}, "nth > 1": {"nth"}, "not is_null(number)": {"number"},
    "customer == 'Acme' or hours > 2": {"customer", "hours"},
}  # fmt: skip


def _quarter_hours(row: Record) -> float:
    return min(max((1.0 if row["hours"] is None else row["hours"]) / 4, 0.0), 1.0)


FORMULAS: dict[str, Callable[[Record], float | None]] = {
    "part": lambda row: row["part"],
    "coalesce(part, 0.25)": lambda row: 0.25 if row["part"] is None else row["part"],
    "clip(coalesce(hours, 1) / 4, 0, 1)": _quarter_hours,
    "0.5 if coalesce(hours, 0) > 2 else 1": lambda row: 0.5 if (row["hours"] or 0) > 2 else 1.0,
}
NAMES: dict[str, Callable[[Record], str | None]] = {
    "who": lambda row: row["who"],
    "helper": lambda row: row["helper"],
    "'House'": lambda row: "House",
    "coalesce(helper, 'House')": lambda row: row["helper"] or "House",
}


class Refused(Exception):
    """The code of the error that the first bad record is refused with."""

    def __init__(self, code: str, record: object) -> None:
        super().__init__(code, record)
        self.code = code
        self.record = record


@dataclass(frozen=True)
class Part:
    """What one payee gets of a record."""

    to: str | None
    share: Fraction
    overlay: bool = False


@dataclass(frozen=True)
class Said:
    """What is said of one record."""

    rules: tuple[tuple[str, ...], ...]
    because: tuple[str, ...]
    parts: tuple[Part, ...]
    day: dt.date | None

    @property
    def credit(self) -> Fraction:
        return sum((part.share for part in self.parts if not part.overlay), Fraction(0))


def exact(share: float) -> Fraction:
    """The number as it is written, and thirds as thirds."""
    near = Fraction(share).limit_denominator(1000)
    return near if abs(float(near) - share) < 1e-12 else Fraction(share)


def decide_all(
    policy: Mapping[str, Any], rows: Iterable[Record], table: list[Record] | None = None
) -> list[Said]:
    """What is said of each record. Raises Refused."""
    rows = [{**row, "nth": None} for row in rows]
    _number(policy, rows)
    returns = policy.get("returns")
    taking = [returns is not None and CONDITIONS[returns["when"]](row) is True for row in rows]
    originals = {row["number"]: at for at, row in enumerate(rows) if not taking[at]}
    own = []
    for at, row in enumerate(rows):
        by_original = taking[at] and (row["original"] in originals or returns.get("missing") != "own")
        own.append(None if by_original else decide(policy, row, table))
    found: list[Said] = []
    for at, row in enumerate(rows):
        said = own[at]
        if said is None:
            if row["original"] not in originals:
                raise Refused("C305", row["number"])
            original = originals[row["original"]]
            taken = own[original]
            assert taken is not None
            said = replace(taken, day=row["day"] if returns.get("period") != "original" else taken.day)
        found.append(said)
    return found


def _number(policy: Mapping[str, Any], rows: list[Record]) -> None:
    levels = [policy, *policy.get("levels", {}).values()]
    if not any("sequences" in level for level in levels):
        return
    counts: dict[str, int] = {}
    ordered = sorted(
        (row for row in rows if row["day"] is not None), key=lambda row: (row["day"], row["number"])
    )
    for row in ordered:
        if row["customer"] is not None:
            counts[row["customer"]] = counts.get(row["customer"], 0) + 1
            row["nth"] = counts[row["customer"]]


def decide(policy: Mapping[str, Any], row: Record, table: list[Record] | None = None) -> Said:
    """What is said of one record by itself."""
    levels = policy.get("levels") or {"": policy}
    exactly = policy.get("shares") == "exactly_one"
    factors, named, rules, because = [], [], [], []
    for level in levels.values():
        factor, parts, said, why = _level(level, row, exactly)
        factors.append(factor)
        named.append(parts)
        rules.append(said)
        because += why
    combine = policy.get("combine", "first")
    together = min(factors) if combine == "min" else max(factors) if combine == "max" else math.prod(factors)
    if not policy.get("levels"):
        together = factors[0]
    parts = []
    if together > 0:
        parts += [replace(part, share=part.share * together) for part in _whom(policy, row, table, exactly)]
    else:
        parts += [Part(name, Fraction(0)) for name in _names(policy, row, table)]
    for at, own in enumerate(named):
        others = math.prod(factors[:at] + factors[at + 1 :], start=Fraction(1))
        parts += [replace(part, share=part.share * others) for part in own]
    given = [part for part in parts if part.share > 0]
    nobody = [part for part in parts if part.to is not None and not part.overlay]
    return Said(
        tuple(rules),
        tuple(dict.fromkeys(because)),
        tuple(given or nobody or [Part(None, Fraction(0))]),
        row["day"],
    )


def _level(
    level: Mapping[str, Any], row: Record, exactly: bool
) -> tuple[Fraction, list[Part], tuple[str, ...], list[str]]:
    named = [(rule.get("name") or f"rule {at + 1}", rule) for at, rule in enumerate(level["rules"])]
    combine = level.get("combine", "first")
    if level.get("levels"):
        combine = "first"
    if combine == "most_specific":
        named.sort(key=lambda each: _rank(level["specificity"], TESTED[each[1]["when"]]))
        combine = "first"
    matching = [(name, rule) for name, rule in named if _holds(rule, row)]
    if combine == "first":
        matching = matching[:1]
    if not matching:
        return exact(level["default"]), [], ("default",), ["no rule says otherwise"]
    shares = {
        name: _share(rule["credit"], row) for name, rule in matching if not isinstance(rule["credit"], list)
    }
    if combine in ("min", "max"):
        best = (min if combine == "min" else max)(shares.values())
        matching = [next((name, rule) for name, rule in matching if shares[name] == best)]
        shares = {name: shares[name] for name, _ in matching}
    parts = [
        part
        for _, rule in matching
        if isinstance(rule["credit"], list)
        for part in _parts(rule["credit"], row)
    ]
    if combine == "all":
        factor = sum(shares.values(), Fraction(0))
    else:
        factor = math.prod(shares.values()) if shares else Fraction(0)
    named_here = any(isinstance(rule["credit"], list) for _, rule in matching)
    _refuse_sum(parts, exactly and named_here, row, factor)
    return factor, parts, tuple(name for name, _ in matching), [rule["because"] for _, rule in matching]


def _rank(specificity: Mapping[str, list[str]], tested: set[str]) -> list[int]:
    return [
        min((at for at, field in enumerate(fields) if field in tested), default=len(fields))
        for fields in specificity.values()
    ]


def _holds(rule: Mapping[str, Any], row: Record) -> bool:
    if CONDITIONS[rule["when"]](row) is not True:
        return False
    if not (effective := rule.get("effective")):
        return True
    day = row["day"]
    return day is not None and effective.get("from", dt.date.min) <= day <= effective.get("to", dt.date.max)


def _share(credit: Any, row: Record) -> Fraction:
    if not isinstance(credit, str):
        return exact(credit)
    found = FORMULAS[credit](row)
    if found is None:
        raise Refused("C302", row["number"])
    if not 0 <= found <= 1:
        raise Refused("C301", row["number"])
    return exact(found)


def _parts(payees: list[dict[str, Any]], row: Record) -> list[Part]:
    parts = []
    for each in payees:
        share = each.get("share", 1.0)
        formula = isinstance(share, str)
        part = (
            NAMES[each["to"]](row),
            FORMULAS[share](row) if formula else share,
            each.get("overlay", False),
        )
        if formula and part[0] is None and not part[1]:
            continue
        parts.append(_part(*part, row))
    return parts


def _part(to: str | None, share: float | None, overlay: bool, row: Record) -> Part:
    if share is None or (to is None and share != 0):
        raise Refused("C304", row["number"])
    if share < 0 or (share > 1 and not overlay):
        raise Refused("C301", row["number"])
    return Part(to, exact(share), overlay)


def _refuse_sum(parts: list[Part], exactly: bool, row: Record, factor: Fraction = Fraction(0)) -> None:
    total = sum((part.share for part in parts if not part.overlay), factor)
    if float(total) > 1 + 1e-9 or (exactly and float(total) < 1 - 1e-9):
        raise Refused("C303", row["number"])


def _of_table(table: list[Record], row: Record) -> list[Record]:
    rows = [each for each in table if each["record"] == row["number"]]
    return sorted(rows, key=lambda each: (bool(each["extra"]), str(each["payee"])))


def _whom(policy: Mapping[str, Any], row: Record, table: list[Record] | None, exactly: bool) -> list[Part]:
    payees = policy.get("payees")
    if payees is None:
        return [Part(row["who"], Fraction(1))]
    if isinstance(payees, list):
        parts = _parts(payees, row)
    else:
        assert table is not None
        parts = [
            _part(each["payee"], each["share"], bool(each["extra"]), row) for each in _of_table(table, row)
        ]
        if all(part.overlay for part in parts):
            parts = [Part(row["who"], Fraction(1)), *parts]
    _refuse_sum(parts, exactly, row)
    return parts


def _names(policy: Mapping[str, Any], row: Record, table: list[Record] | None) -> list[str | None]:
    payees = policy.get("payees")
    if payees is None:
        return [row["who"]]
    if isinstance(payees, list):
        return [NAMES[each["to"]](row) for each in payees if not each.get("overlay")]
    assert table is not None
    return [each["payee"] for each in _of_table(table, row) if not each["extra"]] or [row["who"]]


# money


def rounded(units: Fraction) -> int:
    """Half a unit away from zero."""
    whole = math.floor(abs(units) + Fraction(1, 2))
    return whole if units >= 0 else -whole


def cents(amount: Decimal) -> int:
    return int(amount.scaleb(2))


def split(amount: Decimal, parts: list[Part]) -> list[int]:
    """Cents for each part: within the whole by largest remainder, overlay each by itself."""
    units = cents(amount)
    within = [at for at, part in enumerate(parts) if not part.overlay]
    result = [rounded(units * part.share) if part.overlay else 0 for part in parts]
    whole = rounded(abs(units) * sum((parts[at].share for at in within), Fraction(0)))
    portions = {at: abs(units) * parts[at].share for at in within}
    floors = {at: math.floor(portion) for at, portion in portions.items()}
    left = whole - sum(floors.values())
    for at in sorted(within, key=lambda at: floors[at] - portions[at])[:left]:
        floors[at] += 1
    for at in within:
        result[at] = floors[at] if units >= 0 else -floors[at]
    return result


# sums by subject and period


def measured(
    rows: list[Record], said: list[Said], credits: str, group: Mapping[str, str] | None = None
) -> dict[tuple[str, str], dict[str, Any]]:
    """The measures of each subject and month."""
    groups: dict[tuple[str, str], list[tuple[Record, int, float]]] = {}
    for row, each in zip(rows, said, strict=True):
        parts = [
            part
            for part in each.parts
            if part.share > 0 and (credits == "all" or part.overlay == (credits == "overlay"))
        ]
        if not parts:
            continue
        money = split(row["amount"], parts) if row["amount"] is not None else [0] * len(parts)
        mine: dict[str, list[int]] = {}
        for at, part in enumerate(parts):
            to = part.to if group is None or part.to is None else group.get(part.to)
            if to is None or each.day is None:
                raise Refused("M102" if part.to is None or each.day is None else "M103", row["number"])
            mine.setdefault(to, []).append(at)
        for to, places in mine.items():
            share = float(sum((parts[at].share for at in places), Fraction(0)))
            groups.setdefault((to, f"{each.day:%Y-%m}"), []).append(
                (row, sum(money[at] for at in places), share)
            )
    return {key: _measures(listed) for key, listed in groups.items()}


def _measures(listed: list[tuple[Record, int, float]]) -> dict[str, Any]:
    rows = [row for row, _, _ in listed]

    def known(name: str) -> list[Any]:
        return [row[name] for row in rows if row[name] is not None]

    def in_order(pick: Callable[..., Record]) -> Any:
        amounts = [row for row in rows if row["amount"] is not None]
        return pick(amounts, key=lambda row: (row["day"], row["number"]))["amount"] if amounts else None

    amounts, hours = known("amount"), known("hours")
    return {
        "sum": Decimal(sum(units for _, units, _ in listed)).scaleb(-2),
        "acme": Decimal(sum(units for row, units, _ in listed if row["customer"] == "Acme")).scaleb(-2),
        "hours": math.fsum(row["hours"] * share for row, _, share in listed if row["hours"] is not None),
        "count": len(rows),
        "orders": sum(row["kind"] == "order" for row in rows),
        "mean": float(sum(amounts)) / len(amounts) if amounts else None,
        "min": min(amounts, default=None),
        "max": max(hours, default=None),
        "customers": len({*known("customer")}),
        "median": float(statistics.median(amounts)) if amounts else None,
        "first": in_order(min),
        "last": in_order(max),
    }


MEASURES = {
    "sum": "sum(amount)",
    "acme": "sum(amount, where=customer == 'Acme')",
    "hours": "sum(hours)",
    "count": "count()",
    "orders": "count(where=kind == 'order')",
    "mean": "mean(amount)",
    "min": "min(amount)",
    "max": "max(hours)",
    "customers": "nunique(customer)",
    "median": "median(amount)",
    "first": "first(amount)",
    "last": "last(amount)",
}
