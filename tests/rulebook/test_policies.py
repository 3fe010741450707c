"""Policies as a rulebook declares them: all there is, and each mistake once, in its place, with its mend."""

import datetime as dt
import json
import textwrap
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from crmrules import FieldError, Rulebook, RulebookError, document
from crmrules.rulebook import schema

HEAD = textwrap.dedent(
    """\
    sources:
      orders:
        fields:
          number: {type: text, role: id}
          who: {type: text, role: subject}
          helper: text
          day: {type: date, role: date}
          kind: text
          category: text
          paid: money(2)
          amount: money(2)
          original: text
      splits:
        fields:
          {record: text, payee: text, share: number, extra: bool, label: text, cents: money(2), no: number}
    policies:
      house_rules:
        source: orders
        rules:
          - {name: samples, when: kind == 'sample', credit: 0, because: samples are free}
          - {name: house, when: who == 'House', credit: 0, because: house accounts count for nobody}
        default: 1
    """
)
TAIL = textwrap.dedent(
    """\
    measures:
      revenue: {value: sum(amount), policy: sold}
      help: {value: sum(amount), policy: sold, credits: overlay}
      orders: {value: count(), policy: sold}
    models:
      sales: {indicators: {revenue: {}, help: {}, orders: {}}}
    """
)
SOUND = (
    HEAD.replace(", label: text, cents: money(2), no: number", "")
    + textwrap.indent(
        textwrap.dedent(
            """\
            product:
              source: orders
              combine: min
              rules:
                - {when: category == 'service', credit: 0.5, because: services count half}
                - {when: paid < amount, credit: "coalesce(paid / amount, 0)", because: as much as is paid}
              default: 1
            order:
              source: orders
              include: [house_rules]
              override:
                samples: {credit: 0.1, because: a tenth this year, effective: {from: 2026-01-01}}
              disable: [house]
              rules:
                - name: campaign
                  when: {kind: campaign}
                  credit: [{to: who, share: 0.6}, {to: helper, share: 0.4}]
                  because: a campaign is shared
                  effective: {from: 2026-01-01, to: 2026-06-30}
              default: {credit: 1, because: all others count}
            sold:
              source: orders
              combine: product
              levels: {order: order, product: product}
              payees: {table: splits, record: record, to: payee, share: share, overlay: extra}
              shares: exactly_one
              returns: {when: amount < 0, original: original, period: original, missing: own}
            """
        ),
        "  ",
    )
    + TAIL
)


def order(number: str, amount: str, **parts: Any) -> dict[str, Any]:
    value = Decimal(amount)
    record = {
        "who": "Ann", "helper": "Bo", "day": dt.date(2026, 3, 10), "kind": "order", "category": "goods",
        "paid": value, "amount": value, "original": None,
    }  # fmt: skip
    return {"number": number, **record, **parts}


ORDERS = [
    order("A1", "100.00"),
    order("A2", "100.00", kind="sample"),
    order("A3", "100.00", category="service", kind="campaign"),
    order("A4", "100.00", paid=Decimal("25.00")),
    order("A5", "100.01"),
    order("R5", "-100.01", original="A5", day=dt.date(2026, 4, 2), who="Cy"),
    order("A6", "10.00", kind="campaign", day=dt.date(2026, 7, 1), who="House"),
    order("R9", "-1.00", original="Z9"),
]
SPLITS = [
    {"record": "A5", "payee": "Ann", "share": 0.5, "extra": False},
    {"record": "A5", "payee": "Di", "share": 0.5, "extra": False},
    {"record": "A1", "payee": "Eve", "share": 0.2, "extra": True},
]
EXPECTED = {
    # 100 + a tenth of 100 + 0.6 x half of 100 + a quarter of 100 + 50.01 - 50.01 - 1.00
    ("Ann", "2026-03"): ("164.00", "0.00", 7),
    ("Bo", "2026-03"): ("20.00", "0.00", 1),
    ("Di", "2026-03"): ("0.00", "0.00", 2),
    ("Eve", "2026-03"): ("0.00", "20.00", 0),
    ("House", "2026-07"): ("10.00", "0.00", 1),
}


@pytest.mark.parametrize("engine", ["dicts", "pandas", "Polars", "Polars lazy", "PyArrow"])
def test_all_of_it_declared_gives_what_it_says(engine: str) -> None:
    book = Rulebook.parse(SOUND)
    made = {
        "dicts": lambda rows: rows,
        "pandas": lambda rows: pl.DataFrame(rows).to_pandas(),
        "Polars": pl.DataFrame,
        "Polars lazy": pl.LazyFrame,
        "PyArrow": lambda rows: pl.DataFrame(rows).to_arrow(),
    }[engine]
    card = book.score({"orders": made(ORDERS), "splits": made(SPLITS)})
    found = {
        (each.subject, str(each.period)): tuple(
            each.results[name].actual for name in ("revenue", "help", "orders")
        )
        for each in card.standings()
    }
    for key, (revenue, helped, orders) in EXPECTED.items():
        assert found[key] == (Decimal(revenue), Decimal(helped), orders), key
    assert all(key in EXPECTED or value == (0, 0, 0) for key, value in found.items())


def test_the_published_schema_accepts_what_the_loader_accepts() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema comes with the extra `dev`")
    data = document.parse(SOUND).data
    # an editor reads a day as its text
    jsonschema.validate(json.loads(json.dumps(data, default=str)), schema())
    assert Rulebook.of(data) == Rulebook.parse(SOUND)  # type: ignore[arg-type]


def rule(credit: str, more: str = "") -> str:
    return f"rules:\n  - {{when: kind == 'a', credit: {credit}, because: so{more}}}"


DERIVED = (
    "{rules: [{when: nth == 1, credit: 0, because: so}], default: 1, sequences: {nth: {per: PER, by: day}}}"
)
SPLIT = "{rules: [{when: kind == 'a', credit: [{to: who}], because: so}], default: 1}"
MISTAKES = {
    "a policy that includes an unknown one": ("include: [hose_rules]", "[hose", "B211", "`house_rules`"),
    "a level that is an unknown policy": ("levels: {order: hose_rules}", "{order", "B211", "`house_rules`"),
    "a policy that includes itself": ("include: [sold]", "[sold]", "C211", "leave one of them out"),
    "a level that is the policy itself": ("levels: {a: sold}", "{a", "C211", "leave one of them out"),
    "payees in a product": (
        "combine: product\n" + rule("[{to: who, share: 0.5}]"), "[{to", "C202", "combine: first or all",
    ),
    "included payees in a product": (
        f"combine: product\ninclude: [{SPLIT}]", "{rules: [{when: kind", "C202", "payees:",
    ),
    "payees in a level that is not multiplied": (
        f"combine: max\nlevels: {{a: {SPLIT}, b: house_rules}}", "{rules: [{when: kind", "C202", "payees:",
    ),
    "payees in two levels": (
        f"levels: {{a: {SPLIT}, b: {SPLIT.replace('who', 'helper')}}}",
        "{rules: [{when: kind == 'a', credit: [{to: helper", "C202", "payees:",
    ),
    "shares of more than the whole": (
        "payees: [{to: who, share: 0.6}, {to: helper, share: 0.5}]", "[{to", "C203", "overlay: true",
    ),
    "shares of a rule of more than the whole": (
        rule("[{to: who, share: 0.6}, {to: helper, share: 0.5}]"), "[{to", "C203", "overlay: true",
    ),
    "shares of less than the whole where all is to be given": (
        "shares: exactly_one\npayees: [{to: who, share: 0.9}]", "[{to", "C203", "sum to 1",
    ),
    "a day that is a number": (rule("0", ", effective: {from: 20260101}"), "20260101", "B203", "2026-01-31"),
    "days the wrong way round": (
        rule("0", ", effective: {from: 2026-02-01, to: 2026-01-01}"), "{from", "B203", "exchange",
    ),
    "effective without a day": (rule("0", ", effective: {}"), "{}", "B203", "from: 2026-01-01"),
    "a key of effective": (
        rule("0", ", effective: {form: 2026-01-01}"), "form", "B201", "did you mean `from`?",
    ),
    "an unknown table": (
        "payees: {table: split, record: record, to: payee, share: share}", "split,", "B212", "`splits`",
    ),
    "an unknown field of the table": (
        "payees: {table: splits, record: recrd, to: payee, share: share}", "recrd", "F102", "`record`",
    ),
    "a share in the table that is a text": (
        "payees: {table: splits, record: record, to: payee, share: label}", "label}", "F113", "number",
    ),
    "a share in the table that is money": (
        "payees: {table: splits, record: record, to: payee, share: cents}", "cents}", "F113", "number",
    ),
    "an overlay in the table that is a text": (
        "payees: {table: splits, record: record, to: payee, share: share, overlay: label}",
        "label}", "F113", "bool",
    ),
    "a record in the table that is no id": (
        "payees: {table: splits, record: no, to: payee, share: share}", "no,", "F113", "text",
    ),
    "a table without shares": (
        "payees: {table: splits, record: record, to: payee}", "{table", "B202", "share: 0.5",
    ),
    "a payee that is a number": ("payees: [{to: 5}]", "5}", "B204", ""),
    "a payee that is a field of money": ("payees: [{to: amount}]", "amount}", "E102", "'House'"),
    "a payee's name without quotes": ("payees: [{to: House}]", "House}", "E101", "\"'House'\""),
    "a payee's field misspelt": ("payees: [{to: helpr}]", "helpr}", "E101", "did you mean `helper`?"),
    "a payee's share beyond the whole": (
        "payees: [{to: who, share: 1.5}]", "{to: who", "B203", "overlay: true",
    ),
    "a payee's share in percent": ("payees: [{to: who, share: 50%}]", "%}", "E003", "0.5 for 50 %"),
    "a payee that is not named": ("payees: [{share: 0.5}]", "{share", "B202", "to: "),
    "a key of a payee": ("payees: [{to: who, shar: 0.5}]", "shar:", "B201", "did you mean `share`?"),
    "no payees": ("payees: []", "[]", "B204", ""),
    "a formula that gives a text": (rule("kind"), "kind,", "E102", "paid / amount"),
    "a formula that gives yes or no": (rule("amount > 1"), "amount > 1", "E102", "paid / amount"),
    "a formula with an unknown name": (rule("paid / amont"), "amont", "E101", "`amount`"),
    "a formula with an aggregate": (rule("sum(amount)"), "sum(", "E102", ""),
    "credit that is yes": (rule("true"), "true", "B203", "0 to 1"),
    "credit of more than all": (rule("1.5"), "1.5", "B204", "from 0 to 1"),
    "credit of less than nothing": (rule("-0.5"), "-0.5", "B204", "from 0 to 1"),
    "credit of no payees": (rule("[]"), "[]", "B204", "from 0 to 1"),
    "credit of one payee without a list": (rule("{to: who}"), "{to: who", "B204", "a list such as"),
    "a rule without because": (
        "rules:\n  - {when: kind == 'a', credit: 0}", "{when: kind == 'a', credit: 0}", "B202", "because:",
    ),
    "a rule whose because is empty": (
        "rules:\n  - {when: kind == 'a', credit: 0, because: ''}", "''}", "B204", "",
    ),
    "a rule without when": ("rules:\n  - {credit: 0, because: s}", "{credit: 0, because: s", "B202", "when:"),
    "an override of no rule": (
        "include: [house_rules]\noverride: {sample: {credit: 1}}", "{sample:", "C212", "`samples`",
    ),
    "a disabled rule that is not there": (
        "include: [house_rules]\ndisable: [sample]", "[sample]", "C212", "`samples`",
    ),
    "an override whose condition does not fit": (
        "include: [house_rules]\noverride: {samples: {when: kin == 'b'}}", "kin ==", "E101", "`kind`",
    ),
    "an override whose formula gives a text": (
        "include: [house_rules]\noverride: {samples: {credit: kind}}", "kind}", "E102", "paid / amount",
    ),
    "an override of more than all": (
        "include: [house_rules]\noverride: {samples: {credit: 1.5}}", "1.5", "B204", "from 0 to 1",
    ),
    "an override of nothing": (
        "include: [house_rules]\noverride: {samples: {}}", "{}}", "B203", "such as credit: 0.5",
    ),
    "an override without a value": (
        "include: [house_rules]\noverride: {samples: {credit: }}", "{credit: }", "B203", "leave it out",
    ),
    "an override without an include": ("override: {samples: {credit: 1}}", "{samples:", "C212", "a name"),
    "two rules of one name": (
        "include: [house_rules]\n" + rule("0", ", name: samples"), "[house_rules]", "C213", "override",
    ),
    "a policy that is included twice": (
        "include: [house_rules, house_rules]", "[house_rules, ", "C213", "disable",
    ),
    "a level that is written out": (
        "levels: {a: {rules: [{when: kin == 'a', credit: 0, because: so}], default: 1}}",
        "kin ==", "E101", "`kind`",
    ),
    "an included policy that is written out": (
        "include:\n  - {rules: [{when: kin == 'a', credit: 0, because: so}], default: 1}",
        "kin ==", "E101", "`kind`",
    ),
    "levels of levels": ("levels: {a: {levels: {b: house_rules}}}", "{levels", "C214", "here instead"),
    "a level with payees": (
        "levels: {a: {default: 1, payees: [{to: helper}]}}", "{default: 1, payees", "C214", "`levels:`",
    ),
    "a level with returns": (
        "levels: {a: {default: 1, returns: {when: amount < 0, original: original}}}",
        "{default: 1, returns", "C214", "`levels:`",
    ),
    "an included policy with levels": (
        "include: [{levels: {b: house_rules}}]", "{levels", "C214", "policies of its levels",
    ),
    "an included policy with payees": (
        "include: [{default: 1, payees: [{to: helper}]}]", "{default: 1, payees", "C214", "here too",
    ),
    "levels that number differently": (
        f"levels: {{a: {DERIVED.replace('PER', 'who')}, b: {DERIVED.replace('PER', 'kind')}}}",
        "{rules: [{when: nth == 1, credit: 0, because: so}], default: 1, sequences: {nth: {per: who",
        "C215", "another name",
    ),
    "levels that stand side by side": ("levels: {a: house_rules}\ncombine: all", "source", "B203", "product"),
    "levels beside rules": ("levels: {a: house_rules}\n" + rule("0"), "source", "B203", "a level of"),
    "most specific of nothing": ("combine: most_specific", "source", "B203", "write both"),
    "most specific by an unknown field": (
        "combine: most_specific\nspecificity: {what: [kid]}", "[kid]", "F102", "`kind`",
    ),
    "an unknown way to combine": ("combine: frist", "frist", "B204", "did you mean `first`?"),
    "an unknown sum of shares": ("shares: exactly", "exactly", "B204", "`exactly_one`"),
    "returns by an unknown field": (
        "returns: {when: amount < 0, original: orignal}", "orignal", "F102", "`original`",
    ),
    "returns by a field that is no id": (
        "returns: {when: amount < 0, original: amount}", "amount}", "F113", "text",
    ),
    "returns of an unknown name": (
        "returns: {when: amont < 0, original: original}", "amont", "E101", "`amount`",
    ),
    "returns without an original": ("returns: {when: amount < 0}", "{when", "B202", "original:"),
    "returns in an unknown period": (
        "returns: {when: amount < 0, original: original, period: now}", "now}", "B204", "'current'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("written", "where", "code", "hint"), MISTAKES.values(), ids=[*MISTAKES])
def test_a_mistake_is_told_once_where_it_stands_with_what_to_write(
    written: str, where: str, code: str, hint: str
) -> None:
    sold = "sold:\n" + textwrap.indent(f"source: orders\n{written}\ndefault: 1\n", "  ")
    before = HEAD + "  sold:\n    "
    text = HEAD + textwrap.indent(sold, "  ") + TAIL
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text, "plan.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.file) == (code, "plan.yaml")
    at = text.index(where, len(before))
    assert problem.place.line == text.count("\n", 0, at) + 1
    assert problem.place.column == at - text.rfind("\n", 0, at)
    assert hint in (problem.hint or "")


def test_a_policy_without_anything_is_a_mistake() -> None:
    text = HEAD + "  sold: {source: orders}\n" + TAIL
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text, "plan.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("B202", "policies.sold")
    assert "default:" in problem.hint


def test_rules_may_read_what_an_included_policy_derives() -> None:
    policy = f"""\
  sold:
    source: orders
    include: [{DERIVED.replace("PER", "who")}]
    rules:
      - {{when: nth > 2, credit: 0.5, because: from the third order on half}}
    default: 1
"""
    book = Rulebook.parse(HEAD + policy + TAIL)
    rows = [order(f"A{day}", "10.00", day=dt.date(2026, 3, day)) for day in (1, 2, 3)]
    revenue = book.score({"orders": rows}).standing("Ann", "2026-03").results["revenue"].actual
    # the first counts for nothing, as the included rule says
    assert revenue == Decimal("15.00")


def test_a_table_that_is_not_passed_is_asked_for_in_the_words_of_a_rulebook() -> None:
    with pytest.raises(FieldError) as caught:
        Rulebook.parse(SOUND).score({"orders": ORDERS})
    assert caught.value.code == "F112"
    assert "`splits`" in caught.value.message
