"""Who collides with whom among 200,000 customers: tax ids, telephones, mail domains, near-identical names.

Customers are made up, in Chinese and English, with planted duplicates: the same tax id, telephone or name
written otherwise, or a name with a typing mistake. All runs on one thread, so its processor time is counted,
which a busy machine does not change much. Before anything is timed, on a sample: near names must be
those that comparing each with each finds, exact keys those of a plain loop over the keys that the customers
were made from, and every planted duplicate must be found. Prints seconds for people and, as its last line,
the seconds as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from crmrules import Source
from crmrules.policy.collided import Collisions
from crmrules.policy.collision import Collision
from crmrules.policy.identity import company_name, telling_parts
from crmrules.policy.near import allowed_distance, near_pairs

CUSTOMERS, QUICK_CUSTOMERS, SAMPLE = 200_000, 20_000, 4_000
PEOPLE, DAYS, DUPLICATES = 500, 365, 0.01
AT_LEAST = 0.88
RUNS, QUICK_RUNS = 3, 2

CITIES = "北京 上海 广州 深圳 杭州 南京 苏州 成都 武汉 西安 郑州 长沙 青岛 大连 厦门 宁波"
TRADES = "网络科技 信息技术 贸易 电子商务 机械设备 建筑工程 医疗器械 食品 物流 化工 环保科技 装饰设计"
HAN = (
    "华天地金银海江龙凤云星宇宏盛兴达通利丰德信诚康泰安平和美佳新恒远博雅智慧创展卓越联合众力源生科鑫瑞祥福隆"
)
CONSONANTS, VOWELS = "bcdfghjklmnprstvwz", "aeiou"
WORDS = "Global Pacific Northern United Advanced Premier Royal Golden Silver Modern Classic Alpine"
WORKS = "Tools Systems Foods Logistics Chemicals Pharma Electric Textiles Robotics Optics Software"
FORMS = ["Co., Ltd.", "Inc.", "GmbH", "LLC", "S.A.", "Limited"]
HAN_FORMS = ["有限公司", "股份有限公司", "有限责任公司", "集团有限公司"]


@dataclass
class Made:
    """Customers as people typed them, and beside each what it was made from."""

    columns: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    true: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    planted: list[tuple[int, int, str]] = field(default_factory=list)

    def add(
        self, rng: np.random.Generator, *, tax: str, phone: str, domain: str, core: str, name: str
    ) -> None:
        at = len(self.columns["id"])
        spaced = f"{phone[:3]}-{phone[3:7]}-{phone[7:]}" if rng.random() < 0.5 else f"+86 {phone}"
        typed = {
            "id": f"C{at:06d}",
            "agent": f"s{rng.integers(PEOPLE):03d}",
            "created": np.datetime64("2026-01-01") + rng.integers(DAYS),
            "tax": tax.lower() if rng.random() < 0.3 else f"{tax[:9]} {tax[9:]}",
            "phone": spaced,
            "email": f"info@{domain}" if rng.random() < 0.7 else f"{phone}@qq.com",
            "company": name,
        }
        for column, value in typed.items():
            self.columns[column].append(value)
        for column, value in {"tax": tax, "phone": phone, "domain": domain, "core": core}.items():
            self.true[column].append(value)


def customers(n: int, seed: int = 0) -> Made:
    """n customers, one in a hundred of them again under another person."""
    rng = np.random.default_rng(seed)
    made = Made()
    first = round(n * (1 - DUPLICATES))
    for at in range(first):
        core, form = named(rng)
        made.add(
            rng, tax=credit_code(rng), phone=f"1{rng.integers(3_000_000_000, 9_999_999_999)}",
            domain=f"company{at}.com", core=core, name=f"{core}{form}",
        )  # fmt: skip
    for at in range(n - first):
        of = int(rng.integers(first))
        how = ("tax", "phone", "core", "near")[at % 4]
        core, form = named(rng)
        if how == "near" and allowed_distance(len(company_name(made.true["core"][of]) or ""), AT_LEAST) == 0:
            how = "core"  # so short that no character may differ
        if how == "core":
            core = made.true["core"][of]
            form = f" {FORMS[at % 6]}" if core.isascii() else HAN_FORMS[at % 3]
        elif how == "near":
            core = mistyped(rng, made.true["core"][of])
        tax = made.true["tax"][of] if how == "tax" else credit_code(rng)
        phone = made.true["phone"][of] if how == "phone" else f"1{rng.integers(3_000_000_000, 9_999_999_999)}"
        made.planted.append((of, len(made.columns["id"]), how))
        made.add(rng, tax=tax, phone=phone, domain=f"other{at}.com", core=core, name=f"{core}{form}")
        person = made.columns["agent"][of]
        made.columns["agent"][-1] = f"s{(int(person[1:]) + 1) % PEOPLE:03d}"
    return made


def named(rng: np.random.Generator) -> tuple[str, str]:
    if rng.random() < 0.6:
        brand = "".join(HAN[each] for each in rng.integers(len(HAN), size=3))
        return f"{pick(rng, CITIES)}{brand}{pick(rng, TRADES)}", HAN_FORMS[rng.integers(4)]
    letters = [CONSONANTS, VOWELS, CONSONANTS, *[CONSONANTS, VOWELS] * int(rng.integers(1, 3)), CONSONANTS]
    brand = "".join(each[rng.integers(len(each))] for each in letters).capitalize()
    word = f" {pick(rng, WORDS)}" if rng.random() < 0.3 else ""
    return f"{brand}{word} {pick(rng, WORKS)}", f" {FORMS[rng.integers(6)]}"


def pick(rng: np.random.Generator, words: str) -> str:
    return str(rng.choice(words.split()))


def mistyped(rng: np.random.Generator, core: str) -> str:
    """One character of the brand is another one."""
    at = 3 if len(core) > 3 else 0
    others = "abcdefghijklmnopqrstuvwxyz" if core.isascii() else HAN
    return core[:at] + next(each for each in rng.permutation([*others]) if each != core[at]) + core[at + 1 :]


def credit_code(rng: np.random.Generator) -> str:
    """A unified social credit code with its check character (GB 32100-2015)."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    code = "91" + "".join(alphabet[each] for each in rng.integers(10, size=6))
    code += "".join(alphabet[each] for each in rng.integers(31, size=9))
    total = sum(alphabet.index(character) * 3**place for place, character in enumerate(code))
    return code + alphabet[-total % 31]


RULE = Collision(
    who="agent",
    when="created",
    keys={"tax_id": "tax", "phone": "phone", "email_domain": "email", "name": "company"},
    near_names=AT_LEAST,
    decide="first_claim",
)
SOURCE = Source(
    name="customers",
    fields={
        "id": {"type": "text", "role": "id"},
        "created": "date",
        **dict.fromkeys(("agent", "tax", "phone", "email", "company"), "text"),
    },
)
EXACT = RULE.model_copy(update={"near_names": None})


def main() -> None:
    parser = argparse.ArgumentParser(description="Collisions among made-up customers.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CUSTOMERS:,} instead of {CUSTOMERS:,}")
    quick = parser.parse_args().quick
    sample = customers(SAMPLE, seed=1)
    refuse_differences(sample, RULE.find(pd.DataFrame(sample.columns), SOURCE))

    made = customers(QUICK_CUSTOMERS if quick else CUSTOMERS)
    frame = pd.DataFrame(made.columns)
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(QUICK_RUNS if quick else RUNS):
        for name, rule in (("exact keys", EXACT), ("with near names", RULE)):
            start = process_time()
            found = rule.find(frame, SOURCE)
            seconds[name].append(process_time() - start)
    refuse_lost(made, found)
    for name, each in seconds.items():
        print(f"{len(frame):,} customers, {name:16} {float(np.median(each)):8.2f} s")
    print(f"{len(found.pairs):,} pairs, {len(found.contested):,} contested customers")
    result = {
        "collision_200k_s": float(np.median(seconds["with near names"])),
        "collision_exact_200k_s": float(np.median(seconds["exact keys"])),
    }
    print(json.dumps({name: round(each * CUSTOMERS / len(frame), 3) for name, each in result.items()}))


def refuse_differences(made: Made, found: Collisions) -> None:
    """Everything that comparing each customer with each finds, and nothing else."""
    from rapidfuzz.distance import Levenshtein

    names = [company_name(name) or "" for name in made.columns["company"]]
    unique = sorted({*names})
    telling = [telling_parts(name) for name in unique]
    allowed = [int((1 - AT_LEAST) * length + 1e-9) for length in range(100)]
    by_hand = [
        (one, other)
        for one, other in combinations(range(len(unique)), 2)
        if telling[one] == telling[other]
        and Levenshtein.distance(unique[one], unique[other])
        <= allowed[max(len(unique[one]), len(unique[other]))]
    ]
    first, second, _ = near_pairs(unique, telling, AT_LEAST)
    if by_hand != [*zip(first.tolist(), second.tolist(), strict=True)]:
        sys.exit("near names: the result differs from comparing each with each")
    people, true, ids = made.columns["agent"], made.true, made.columns["id"]
    expected = {"tax_id": set(), "phone": set(), "name": set()}
    for kind, column in (("tax_id", "tax"), ("phone", "phone"), ("name", "core")):
        for one, other in combinations(range(len(ids)), 2):
            if true[column][one] == true[column][other] and people[one] != people[other]:
                expected[kind].add(frozenset((ids[one], ids[other])))
    for kind, pairs in expected.items():
        got = {
            frozenset((str(pair.first.record), str(pair.second.record)))
            for pair in found.pairs
            for each in pair.evidence
            if each.kind == kind and each.similarity == 1
        }
        if got != pairs:
            sys.exit(f"{kind}: {len(got - pairs)} pairs too many, {len(pairs - got)} missing")
    refuse_lost(made, found)


def refuse_lost(made: Made, found: Collisions) -> None:
    """Every planted duplicate is part of a contested customer, together with what it duplicates."""
    number = {side.record: each.number for each in found.contested for side in each.sides}
    ids = made.columns["id"]
    lost = [
        (one, other, how)
        for one, other, how in made.planted
        if number.get(ids[one], -1) != number.get(ids[other], -2)
    ]
    if lost:
        sys.exit(f"{len(lost)} of {len(made.planted)} planted duplicates are lost, such as {lost[0]}")


if __name__ == "__main__":
    main()
