"""All mistakes of a rulebook at once, each where it stands."""

import textwrap

import pytest

from crmrules import Rulebook, RulebookError

TEN_MISTAKES = textwrap.dedent(
    """\
    crmrules: 1
    sources:
      orders:
        fields:
          order_id: {type: text, role: id}
          salesperson: {type: text, role: subject}
          order_date: {type: date, role: date}
          order_type: {type: text, one_of: [sample, standard, repeat]}
          amount: money(2)
    policies:
      counted:
        source: orders
        rules:
          - {when: order_tipe == 'sample', credit: 0, because: samples are free}
          - {when: "amount > ", credit: 0, because: nothing to count}
          - {when: order_type > 5, credit: 0, because: no such order}
          - {when: "order_date < date('2026-02-30')", credit: 0, because: too early}
        default: {credit: 1, because: all others count}
    measures:
      revenue: {value: sum(amount), policy: countd}
      orders: {value: count(), policy: counted}
      visits: {value: count(), source: visits}
    models:
      sales:
        perriod: month
        indicators:
          orders: {target: 10, weight: 0}
          orders: {target: 20, weight: 0}
        grades:
          - {grade: A, at_least: 50}
          - {grade: B, at_least: 90}
          - {grade: C}
    """
)

EXPECTED = {
    "unknown field": ("order_tipe", "unknown name `order_tipe`", "did you mean `order_type`?"),
    "syntax error": ("amount > ", "cannot be read", "missing"),
    "wrong type": ("order_type > 5", "text cannot be compared with a number", "quotes"),
    "bad date": ("date('2026-02-30')", "there is no such date", "date('2026-01-31')"),
    "unknown policy": ("countd", "there is no policy `countd`", "did you mean `counted`?"),
    "missing source": ("visits}", "there is no source `visits`", "`orders`"),
    "unknown key": ("perriod", "unknown key `perriod`", "did you mean `period`?"),
    "duplicate indicator": ("orders: {target: 20", "`orders` is declared twice", "rename"),
    "weights of zero": ("orders: {target: 10", "all weights are zero", "give at least one"),
    "bad grade bands": ("- {grade: A", "grades go from the highest down", "90 cannot follow 50"),
}
"""What is written, what the message says, and what to write instead."""


@pytest.fixture(scope="module")
def error() -> RulebookError:
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(TEN_MISTAKES, "plan.yaml")
    return caught.value


def test_ten_mistakes_are_ten_problems(error: RulebookError) -> None:
    assert len(error.problems) == len(EXPECTED), str(error)


@pytest.mark.parametrize("mistake", [each for each in EXPECTED if each != "syntax error"])
def test_a_mistake_stands_at_the_column_where_it_is_written(error: RulebookError, mistake: str) -> None:
    written, message, _ = EXPECTED[mistake]
    offset = TEN_MISTAKES.index(written)
    (problem,) = [problem for problem in error.problems if message in problem.message]
    assert problem.place is not None
    assert problem.place.column == offset - TEN_MISTAKES.rindex("\n", 0, offset)


def test_problems_come_in_the_order_of_the_document(error: RulebookError) -> None:
    places = [(each.place.line, each.place.column) for each in error.problems if each.place]
    assert len(places) == len(EXPECTED)
    assert places == sorted(places)


@pytest.mark.parametrize("mistake", EXPECTED)
def test_a_mistake_is_named_with_its_line_and_a_hint(error: RulebookError, mistake: str) -> None:
    written, message, hint = EXPECTED[mistake]
    line = 1 + TEN_MISTAKES[: TEN_MISTAKES.index(written)].count("\n")
    found = [problem for problem in error.problems if message in problem.message]
    assert len(found) == 1, str(error)
    problem = found[0]
    assert problem.place is not None
    assert problem.place.line == line
    assert hint in f"{problem.message} {problem.hint}"
    assert str(problem).startswith(f"plan.yaml:{line}:{problem.place.column}: error[{problem.code}]: ")


@pytest.mark.parametrize("mistake", EXPECTED)
def test_what_is_written_is_underlined_where_it_is_wrong(error: RulebookError, mistake: str) -> None:
    message = EXPECTED[mistake][1]
    problem = next(problem for problem in error.problems if message in problem.message)
    assert problem.place is not None
    assert problem.span is not None
    document_line = TEN_MISTAKES.split("\n")[problem.place.line - 1]
    at_fault = problem.text[problem.span.start : problem.span.end]
    assert document_line[problem.place.column - 1 :].startswith(at_fault)
    assert at_fault
    shown = str(problem).split("\n")
    assert shown[3].strip("| ") == "^" * len(at_fault)
    assert shown[2][shown[3].index("^") :].startswith(at_fault)


CHINESE = """\
sources:
  订单:
    fields: {销售员: {type: text, role: subject}, 日期: {type: date, role: date}, 数量: number}
policies:
  计入:
    rules: [{when: 数两 > 1, credit: 0, because: 多}]
    default: 1
measures:
  件数: {value: sum(数量), policy: 记入}
models:
  销售: {indicators: {件数: {target: 1, weight: 1}}}
"""


@pytest.mark.parametrize(("written", "meant"), [("数两", "数量"), ("记入", "计入")])
def test_chinese_is_underlined_cell_by_cell_and_one_wrong_character_is_guessed(
    written: str, meant: str
) -> None:
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(CHINESE, "plan.yaml")
    (problem,) = [each for each in caught.value.problems if f"`{written}`" in each.message]
    assert problem.hint == f"did you mean `{meant}`?"
    line, carets = str(problem).split("\n")[2:4]
    assert carets.strip("| ") == "^^^^"  # two cells for each character
    before = line[: line.index(written)]
    assert carets.index("^") == sum(2 if ord(character) > 0x2E80 else 1 for character in before)


@pytest.mark.parametrize(
    ("by", "code", "hint"),
    [
        ("2026-11-31", "B110", "a day of the calendar"),
        ("20", "B204", "by: {day: 20"),
        ("{day: first}", "B204", ""),
        ("{dya: 20}", "B202", "day: 20"),
    ],
)
def test_a_mistake_in_a_date_brings_no_further_ones(by: str, code: str, hint: str) -> None:
    triggers = f"triggers:\n  late: {{kind: behind, indicator: orders, share: 50%, by: {by}}}\n"
    sound = """\
sources: {orders: {fields: {who: {type: text, role: subject}, day: {type: date, role: date}}}}
measures: {orders: count()}
models: {sales: {indicators: {orders: {target: 10, weight: 1}}}}
"""
    assert Rulebook.parse(sound)
    with pytest.raises(RulebookError) as caught:
        Rulebook.parse(sound + triggers)
    found = [each for each in caught.value.problems if each.code == code]
    assert len(found) == 1
    assert hint in found[0].hint
    assert {each.code for each in caught.value.problems} <= {code, "B201"}, str(caught.value)
