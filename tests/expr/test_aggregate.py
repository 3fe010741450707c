"""Aggregates pulled out of expressions."""

from crmrules.expr import tree
from crmrules.expr.aggregate import lower
from crmrules.expr.parse import parse


def test_each_aggregate_is_listed_once() -> None:
    lowered = lower(parse("sum(a) / (sum(a) + count(where=p))"))
    assert [tree.text(each) for each in lowered.aggregates.values()] == ["sum(a)", "count(where=p)"]
    assert tree.names(lowered.outer) == ("@0", "@1")


def test_several_expressions_share_aggregates() -> None:
    known: dict[str, tree.Aggregate] = {}
    lower(parse("sum(a)"), known)
    lower(parse("sum(a) + max(b)"), known)
    assert [*known] == ["@0", "@1"]
