"""Each mistake that a rulebook can have by itself: one problem, its code, its place and a hint."""

import copy
import textwrap
from typing import Any

import pytest

from crmrules import CrmRulesError, Rulebook, RulebookError, document

SOUND = textwrap.dedent(
    """\
    zone: Asia/Shanghai
    sources:
      orders:
        fields:
          number: {type: text, role: id}
          who: {type: text, role: subject}
          day: {type: date, role: date}
          kind: {type: text, one_of: [sample, standard]}
          amount: money(2)
      team:
        fields:
          who: {type: text, role: subject}
          manager: {type: text, role: manager}
    roster: team
    policies:
      counted:
        source: orders
        sequences:
          nth: {per: kind, by: day}
        rules:
          - {when: kind == 'sample', credit: 0, because: samples are free}
        default: 1
    measures:
      revenue: sum(amount)
      sold: {value: count(), policy: counted}
    models:
      sales:
        period: month
        indicators:
          revenue: {target: 100, weight: 1}
          sold: {}
        grades:
          - {grade: A, at_least: 100}
          - {grade: B}
      managers:
        subject: manager
        indicators:
          both: {value: revenue / sold}
    triggers:
      hit: {kind: reached, model: sales, indicator: revenue, share: 100%, tell: [subject, manager]}
      late: {kind: behind, model: sales, indicator: revenue, share: 0.5, by: {day: 20, time: "18:00"}}
    """
)

MISTAKES = {
    "unknown key at the top": ("zone:", "zome:", "zome", "B201", "did you mean `zone`?"),
    "unknown key of a source": (
        "  orders:\n    fields:",
        "  orders:\n    on_bad_rows: error\n    fields:",
        "on_bad_rows",
        "B201",
        "did you mean `on_bad_row`?",
    ),
    "unknown key of a field": ("one_of:", "oneof:", "oneof", "B201", "did you mean `one_of`?"),
    "unknown key of a policy": (
        "    default: 1",
        "    default: 1\n    defalt: 2",
        "defalt",
        "B201",
        "did you mean `default`?",
    ),
    "unknown key of a rule": (
        "because: samples are free",
        "because: samples are free, credits: 1",
        "credits",
        "B201",
        "did you mean `credit`?",
    ),
    "unknown key of a sequence": (
        "by: day}",
        "by: day, wher: kind == 'sample'}",
        "wher",
        "B201",
        "did you mean `where`?",
    ),
    "unknown key of a measure": (
        "value: count(), policy",
        "value: count(), polcy",
        "polcy",
        "B201",
        "did you mean `policy`?",
    ),
    "unknown key of an indicator": (
        "weight: 1",
        "wieght: 1, weight: 1",
        "wieght",
        "B201",
        "did you mean `weight`?",
    ),
    "unknown key of a grade": (
        "- {grade: B}",
        "- {grade: B, at_last: 1}",
        "at_last",
        "B201",
        "did you mean `at_least`?",
    ),
    "no reason": (
        ", because: samples are free",
        "",
        "{when: kind == 'sample', credit: 0}",
        "B202",
        "because:",
    ),
    "no default": ("    default: 1\n", "", "source: orders", "B202", "default:"),
    "no value of a measure": (
        "{value: count(), policy: counted}",
        "{policy: counted}",
        "{policy: counted}",
        "B202",
        "value:",
    ),
    "unknown zone": ("Asia/Shanghai", "Asia/Shangai", "Asia/Shangai", "B203", "UTC"),
    "cap below the floor": ("weight: 1}", "weight: 1, curve: {floor: 5, cap: 2}}", "{floor: 5", "B203", ""),
    "lower without a cap": ("weight: 1}", "weight: 1, direction: lower}", "{target: 100", "B203", "cap"),
    "weight without a target": ("{target: 100, weight: 1}", "{weight: 2}", "{weight: 2}", "B203", ""),
    "one_of at a number": ("type: text, one_of", "type: number, one_of", "{type: number", "B203", ""),
    "last grade with a bound": ("{grade: B}", "{grade: B, at_least: 3}", "- {grade: A", "B203", "at_least"),
    "unknown period": ("period: month", "period: weak", "weak", "B204", "'month', 'quarter'"),
    "nearly a period": ("period: month", "period: moth", "moth", "B204", "did you mean `month`?"),
    "credit above one": ("credit: 0", "credit: 1.5", "1.5", "B204", ""),
    "target of zero": ("target: 100", "target: 0", "0, weight", "B204", ""),
    "weight as text": ("weight: 1", "weight: heavy", "heavy", "B204", ""),
    "unknown policy": ("policy: counted", "policy: countd", "countd", "B211", "did you mean `counted`?"),
    "unknown source": ("source: orders", "source: order", "order\n", "B212", "did you mean `orders`?"),
    "unknown roster": ("roster: team", "roster: teem", "teem", "B212", "did you mean `team`?"),
    "unknown group": ("subject: manager", "subject: manger", "manger", "B213", "did you mean `manager`?"),
    "trigger of an unknown model": (
        "reached, model: sales",
        "reached, model: sale",
        "sale,",
        "B214",
        "did you mean `sales`?",
    ),
    "trigger of an unknown indicator": (
        "indicator: revenue, share: 100%",
        "indicator: revenu, share: 100%",
        "revenu,",
        "B215",
        "did you mean `revenue`?",
    ),
    "trigger without a target": (
        "indicator: revenue, share: 100%",
        "indicator: sold, share: 100%",
        "sold, share",
        "B216",
        "give it one",
    ),
    "trigger for an unknown role": (
        "[subject, manager]",
        "[subject, manger]",
        "[subject, manger]",
        "B217",
        "did you mean `manager`?",
    ),
    "no weight": ("weight: 1", "weight: 0", "revenue: {target", "B218", "revenue"),
    "unknown kind of trigger": (
        "kind: reached",
        "kind: reach",
        "{kind: reach,",
        "T102",
        "did you mean `reached`?",
    ),
    "unknown kind of grades": (
        "grades:\n      - {grade: A, at_least: 100}\n      - {grade: B}",
        "grades: {kind: force, shares: {A: 40, B: 60}}",
        "{kind: force",
        "B204",
        "did you mean `forced`?",
    ),
    "ranks within an unknown team": (
        "    period: month",
        "    period: month\n    rank: {within: manger}",
        "manger}",
        "B213",
        "did you mean `manager`?",
    ),
    "grades within a team of teams": (
        "    subject: manager\n",
        "    subject: manager\n    grades: {kind: forced, within: manager, shares: {A: 40, B: 60}}\n",
        "manager, shares",
        "B213",
        "leave `within` out",
    ),
    "no table for a kind of pace": (
        "    period: month",
        "    period: month\n    pace: true",
        "true",
        "B204",
        "pace: {calendar: cn}",
    ),
    "sequence over an unknown field": ("per: kind", "per: kint", "kint", "F102", "did you mean `kind`?"),
    "unknown measure": ("revenue / sold", "revenue / slod", "slod", "E101", "did you mean `sold`?"),
    "unknown field": ("sum(amount)", "sum(amout)", "amout", "E101", "did you mean `amount`?"),
}
"""What is written in place of what, where the mistake stands, its code, and what the hint says."""


def test_without_a_mistake_there_is_no_problem() -> None:
    assert [*Rulebook.parse(SOUND).models] == ["sales", "managers"]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_by_itself_is_one_problem_at_its_place(mistake: str) -> None:
    before, after, at, code, hint = MISTAKES[mistake]
    assert before in SOUND
    text = SOUND.replace(before, after, 1)
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text, "plan.yaml")
    assert len(caught.value.problems) == 1, str(caught.value)
    (problem,) = caught.value.problems
    assert problem.code == code, str(problem)
    assert hint.strip(" ") in f"{problem.message} {problem.hint}", str(problem)
    offset = text.index(at)
    line, column = (
        1 + text[:offset].count("\n"),
        offset - text.rindex("\n", 0, offset) if "\n" in text[:offset] else offset + 1,
    )
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (line, column), str(problem)


def test_a_policy_that_is_meant_is_not_guessed() -> None:
    text = SOUND.replace("policies:\n", "policies:\n  other: {source: orders, default: 0}\n")
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text)
    (problem,) = caught.value.problems
    assert problem.code == "B211"
    assert problem.path == "measures.revenue.policy"
    assert "other, counted" in problem.hint


def test_a_sum_over_records_that_nobody_chose_is_told_at_the_indicator() -> None:
    text = SOUND.replace("policies:\n", "policies:\n  other: {source: orders, default: 0}\n").replace(
        "revenue: sum(amount)", "revenue: {value: sum(amount), policy: counted}"
    )
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text.replace("sold: {}", "sold: {value: sum(amount)}"))
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("B211", "models.sales.indicators.sold.value")
    assert "`measures`" in problem.hint


def test_a_misspelt_period_is_not_told_again_of_the_models_beside() -> None:
    nested = SOUND.replace("both: {value: revenue / sold}", "both: {model: sales, weight: 1}")
    assert Rulebook.parse(nested)
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(nested.replace("subject: manager\n", "subject: manager\n    period: moth\n"))
    assert [problem.code for problem in caught.value.problems] == ["B204"]


def test_a_source_that_is_meant_is_not_guessed() -> None:
    text = SOUND.replace("    source: orders\n", "").replace(
        "  team:", "  visits: {fields: {who: text}}\n  team:"
    )
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text)
    problem = caught.value.problems[0]
    assert (problem.code, problem.path) == ("B212", "policies.counted")
    assert "orders, visits" in problem.hint
    assert len(caught.value.problems) == 1, str(caught.value)


def test_a_measure_of_another_source_than_its_policy_is_refused() -> None:
    text = SOUND.replace("policy: counted}", "policy: counted, source: team}")
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("B212", "measures.sold.source")
    assert "`orders`" in problem.message


def test_a_roster_without_subjects_is_one_problem() -> None:
    text = SOUND.replace(
        "  team:\n    fields:\n      who: {type: text, role: subject}",
        "  team:\n    fields:\n      who: text",
    )
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text)
    assert [problem.code for problem in caught.value.problems] == ["M101"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "just text", "sources: {}", "models: 5", "sources:\n  - a\nmodels: {m: {}}", "crmrules: 2"],
)
def test_what_is_no_rulebook_is_refused_with_its_problems(text: str) -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(text)
    assert caught.value.problems
    assert all(problem.code.startswith("B") for problem in caught.value.problems)


@pytest.mark.parametrize("value", [None, [], {}, 5, "text", True, [{}], {"a": None}, "2026-02-30"])
@pytest.mark.parametrize(
    "path",
    [
        ("sources",), ("sources", "orders"), ("sources", "orders", "fields"),
        ("sources", "orders", "fields", "kind"),
        ("policies",), ("policies", "counted"), ("policies", "counted", "rules"),
        ("policies", "counted", "default"),
        ("policies", "counted", "sequences", "nth"), ("measures",), ("measures", "sold"), ("models",),
        ("models", "sales"), ("models", "sales", "indicators"), ("models", "sales", "indicators", "revenue"),
        ("models", "sales", "grades"), ("triggers",), ("triggers", "late"), ("triggers", "late", "by"),
        ("roster",), ("zone",), ("crmrules",),
    ],
)  # fmt: skip
def test_whatever_stands_somewhere_is_taken_or_a_rulebook_error(path: tuple[str, ...], value: Any) -> None:
    data = copy.deepcopy(DATA)
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    try:
        problems = len(Rulebook.of(data).models)
    except RulebookError as error:
        problems = len(error.problems)
    assert problems


def as_data() -> dict[str, Any]:
    data = document.parse(SOUND).data
    assert isinstance(data, dict)
    return data


DATA = as_data()


def test_a_missing_file_is_a_problem() -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.load("/nowhere/plan.yaml")
    assert caught.value.code == "B100"
    assert "plan.yaml" in str(caught.value)


def test_a_model_has_to_be_named_where_there_are_several() -> None:
    book = Rulebook.parse(SOUND)
    with pytest.raises(CrmRulesError) as caught:
        book.plan()
    assert caught.value.code == "B301"
    assert "sales, managers" in caught.value.hint
    with pytest.raises(CrmRulesError) as unknown:
        book.plan("sale")
    assert "did you mean `sales`?" in unknown.value.hint


@pytest.mark.parametrize("moment", ["yesterday", "2026-02-30", "20.11.2026", "2026-11-20T25:00", ""])
def test_a_moment_that_is_none_is_refused(moment: str) -> None:
    with pytest.raises(CrmRulesError) as caught:
        Rulebook.parse(SOUND).local(moment)
    assert caught.value.code == "B302"
