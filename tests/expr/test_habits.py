"""What users of spreadsheets, SQL, C and others type: the code, the hint, and that its mend works."""

import pytest

from crmrules.errors import ExpressionError
from crmrules.expr import Expression
from crmrules.types import Type

FIELDS = {
    "x": Type("number"),
    "y": Type("number"),
    "p": Type("bool"),
    "q": Type("bool"),
    "stage": Type("text"),
    "kind": Type("text", values=("standard", "repeat")),
    "closed": Type("date"),
    "now_": Type("date"),
    "订单额(元)": Type("number"),
}

# What is typed, its error's code, what the hint must say, and the text with that hint followed.
HABITS = [
    # spreadsheets
    ("x = 1", "E004", "write ==", "x == 1"),
    ("=x + 1", "E004", "leave out the =", "x + 1"),
    ("x <> 1", "E003", "write !=", "x != 1"),
    ("IF(x > 1, 1, 2)", "E103", "a if condition else b", "1 if x > 1 else 2"),
    ("if(x > 1, 1, 2)", "E004", "a if condition else b", "1 if x > 1 else 2"),
    ("IF(x > 1; 1; 2)", "E003", "write ,", None),
    ("AND(p, q)", "E103", "p and q", "p and q"),
    ("OR(p, q)", "E103", "p or q", "p or q"),
    ("NOT(p)", "E103", "not p", "not p"),
    ("x * 5%", "E003", "write 0.05 for 5 %", "x * 0.05"),
    ("x * 12.5 %", "E003", "write 0.125 for 12.5 %", "x * 0.125"),
    ("1,000", "E005", "write 1000", "1000"),
    ("x > 1,234,567.5", "E005", "write 1234567.5", "x > 1234567.5"),
    ("x > 0,5", "E005", "write 0.5", "x > 0.5"),
    ("x > 1.000,5", "E005", "write 1000.5", "x > 1000.5"),
    ("x > $100", "E003", "write the number alone", "x > 100"),
    ("x > 10k", "E003", "write 10000", "x > 10000"),
    ("x^2", "E003", "power(x, 2)", "power(x, 2)"),
    ("TRUE", "E101", "write True", "True"),
    ("false", "E101", "write False", "False"),
    ("ROUND(x, 2)", "E103", "did you mean `round`?", "round(x, 2)"),
    ("ISBLANK(x)", "E103", "is_null(x)", "is_null(x)"),
    ("IFERROR(x / y, 0)", "E103", "if_null(x / y, 0)", "if_null(x / y, 0)"),
    ("AVERAGE(x)", "E103", "mean(x)", None),
    ("SUMIF(x, '>1')", "E103", "sum(x, where=condition)", None),
    ("EOMONTH(closed, 0)", "E103", "end_of(x, 'month')", "end_of(closed, 'month')"),
    ("CONCAT(stage, kind)", "E103", "texts are compared, not built", None),
    ("TODAY() - closed", "E103", "give the day as a field", "now_ - closed"),
    ("X + 1", "E101", "did you mean `x`?", "x + 1"),
    # SQL
    ("x > 1 AND p", "E004", "`and` in small letters", "x > 1 and p"),
    ("p OR q", "E004", "`or` in small letters", "p or q"),
    ("NOT p", "E004", "`not` in small letters", "not p"),
    ("x IS NULL", "E004", "is_null(x)", "is_null(x)"),
    ("x is null", "E003", "is_null(x)", "is_null(x)"),
    ("x IS NOT NULL", "E004", "not is_null(x)", "not is_null(x)"),
    ("x == NULL", "E101", "is_null(x)", "is_null(x)"),
    ("x BETWEEN 1 AND 2", "E004", "low <= x <= high", "1 <= x <= 2"),
    ("stage LIKE 'a%'", "E004", "starts_with(x, 'a')", "starts_with(stage, 'a')"),
    ("CASE WHEN x > 1 THEN 1 ELSE 2 END", "E004", "a if condition else b", "1 if x > 1 else 2"),
    ("COUNT(*)", "E004", "count()", None),
    ("COUNT(DISTINCT stage)", "E004", "nunique(x)", None),
    ("NVL(x, 0)", "E103", "if_null(x, 0)", "if_null(x, 0)"),
    ("x in (1)", "E005", "write (1,) with a comma, or x == 1", "x in (1,)"),
    ("[x] > 1", "E003", "write the name alone", "x > 1"),
    ("orders.x", "E003", "write x:", "x"),
    ("closed > '2026-01-31'", "E102", "date('2026-01-31')", "closed > date('2026-01-31')"),
    ("closed > 2026-01-31", "E004", "date('2026-01-31')", "closed > date('2026-01-31')"),
    ("closed > 2026/1/5", "E102", "date('2026-01-31')", "closed > date('2026-01-31')"),
    ("closed + 30 > now_", "E102", "days(later - earlier)", "days(now_ - closed) < 30"),
    # C, JavaScript and Python
    ("p && q", "E003", "write `and`", "p and q"),
    ("p || q", "E003", "write `or`", "p or q"),
    ("p & q", "E003", "write `and`", "p and q"),
    ("!p", "E003", "write `not`", "not p"),
    ("~p", "E003", "not p", "not p"),
    ("x === 1", "E003", "write ==", "x == 1"),
    ("x !== 1", "E003", "write !=", "x != 1"),
    ("x => 1", "E003", "write >=", "x >= 1"),
    ("x =< 1", "E003", "write <=", "x <= 1"),
    ("x > 1 ? 1 : 2", "E003", "a if condition else b", "1 if x > 1 else 2"),
    ("x ** 2", "E003", "power(x, 2)", "power(x, 2)"),
    ("x // y", "E003", "floor(x / y)", "floor(x / y)"),
    ("x % y", "E003", "mod(x, y)", "mod(x, y)"),
    ("x == null", "E101", "is_null(x)", "is_null(x)"),
    ("x == None", "E102", "is_null(x)", "is_null(x)"),
    ("x is not None", "E003", "not is_null(x)", "not is_null(x)"),
    ("p == true", "E101", "write True", "p == True"),
    ("p == 1", "E102", "stands alone", "p"),
    ("f'{x}'", "E003", "write the text alone", "'x'"),
    ("'a' + 'b'", "E102", "texts are not joined", None),
    ("stage.startswith('a')", "E003", "starts_with(x, 'a')", "starts_with(stage, 'a')"),
    ("stage.lower()", "E003", "lower(stage)", "lower(stage)"),
    ("x in [1, 2]", "E003", "round brackets", "x in (1, 2)"),
    ("len(stage)", "E103", "length(x)", "length(stage)"),
    ("int(x)", "E103", "floor(x)", "floor(x)"),
    ("x if p", "E004", "a if condition else b", "x if p else y"),
    ("x # note", "E003", "outside the expression", "x"),
    # the Chinese keyboard, and what word processors make of signs
    ("（x）", "E003", "write ( from the Latin keyboard", None),
    ("max(x，y)", "E003", "write , from the Latin keyboard", "max(x, y)"),
    ("x＋1", "E003", "write +", "x + 1"),
    ("x＝1", "E003", "write ==", "x == 1"),
    ("x × 2", "E003", "write *", "x * 2"),
    ("x ÷ 2", "E003", "write /", "x / 2"),
    ("x ≥ 2", "E003", "write >=", "x >= 2"),
    ("x − 2", "E003", "write -", "x - 2"),
    ("x – 2", "E003", "write -", "x - 2"),
    ("x\u3000+ 2", "E002", "a plain blank", "x + 2"),
    ("x\u00a0+ 2", "E002", "a plain blank", "x + 2"),
    ("１ + x", "E003", "write 1", "1 + x"),
    ("stage == “a”", "E003", "write ' around a text", "stage == 'a'"),
    ("stage == ’a’", "E003", "write ' around a text", "stage == 'a'"),
    ("p ＆＆ q", "E003", "write `and`", "p and q"),
    ("x > 100万", "E003", "write 1000000", "x > 1000000"),
    ("x > 1 且 p", "E004", "write `and`", "x > 1 and p"),
    ("如果(p, 1, 2)", "E103", "a if condition else b", "1 if p else 2"),
    ("订单额(元) + 1", "E103", "`订单额(元)`", "`订单额(元)` + 1"),
    # slips
    ("kind == 'standrad'", "E108", "did you mean 'standard'?", "kind == 'standard'"),
    ("kind == standard", "E101", "write 'standard' for a text", "kind == 'standard'"),
    ("rond(x)", "E103", "did you mean `round`?", "round(x)"),
    ("x 1", "E004", "write one of + - * /", "x + 1"),
    ("x +", "E004", "a value is missing behind it", "x + 1"),
    ("x > 1 or > 2", "E004", "write a value there", "x > 1 or x > 2"),
    ("stage == 'it's'", "E004", "in the other quotes", 'stage == "it\'s"'),
    ("stage == 'a' or 'b'", "E102", "x in ('abc', 'def')", "stage in ('a', 'b')"),
    ("stage > 1", "E102", "put the value in quotes: '1'", "stage > '1'"),
    ("x == 007", "E004", "write 7", "x == 7"),
    ("`x` + 1", "E003", "write x", "x + 1"),
    ("class > 1", "E003", "in backquotes: `class`", None),
]


@pytest.mark.parametrize(("typed", "code", "hint", "mended"), HABITS, ids=[row[0] for row in HABITS])
def test_a_habit_gets_its_code_and_a_hint_that_works(
    typed: str, code: str, hint: str, mended: str | None
) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(typed, FIELDS)
    error = caught.value
    assert error.code == code
    assert hint in error.hint
    assert 0 <= error.span.start < error.span.end <= len(typed)
    if mended is not None:
        Expression.parse(mended, FIELDS)


@pytest.mark.parametrize(
    "text",
    ["round(x, 2)", "x in (1, 200)", "clip(x, 0,100)", "max(1,200)", "x - -1", "x>-1", "x<-1", "p == (x>=1)"],
)
def test_what_looks_like_a_habit_and_is_none_is_read(text: str) -> None:
    Expression.parse(text, FIELDS)
