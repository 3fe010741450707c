"""How a policy fits a source: everything that does not, with the way to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from crmrules.errors import CrmRulesError, ExpressionError, FieldError
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.parse import parse
from crmrules.fields import Source
from crmrules.policy.condition import Condition
from crmrules.policy.payees import Payee, SplitTable
from crmrules.policy.rules import Policy, Rule
from crmrules.policy.sequence import schema_with

Located = tuple[tuple[str | int, ...], CrmRulesError]


def problems(policy: Policy, source: Source) -> Iterator[Located]:
    """Everything in a policy that does not fit a source; included policies and levels are taken as they are,
    since they are looked at by themselves."""
    schema = source.schema
    for name, sequence in policy.sequences.items():
        if name in schema:
            yield (
                ("sequences", name),
                FieldError("S102", f"`{name}` is a field already", hint="choose another name"),
            )
        for part in ("per", "by"):
            for field in getattr(sequence, part):
                if field not in schema:
                    yield ("sequences", name, part), source.unknown_field(field)
        if sequence.where is not None:
            yield from _tried(("sequences", name, "where"), lambda where=sequence.where: where.check(schema))
    wider = schema_with(source, policy.sequences)
    for position, rule in enumerate(policy.rules):
        yield from _rule_problems(rule, ("rules", position), policy, source, wider)
    for dimension, fields in policy.specificity.items():
        for field in fields:
            if field not in wider:
                yield ("specificity", dimension), source.unknown_field(field)
    if isinstance(policy.payees, SplitTable):
        yield from _need_id(source, ("payees",), "payees in a table of their own")
    elif policy.payees is not None:
        yield from _payees_problems(policy.payees, ("payees",), wider)
    if policy.returns is not None:
        yield from _need_id(source, ("returns",), "returns")
        yield from _tried(("returns", "when"), lambda: policy.returns.when.check(wider))
        if policy.returns.original not in schema:
            yield ("returns", "original"), source.unknown_field(policy.returns.original)


def _rule_problems(
    rule: Rule, path: tuple[str | int, ...], policy: Policy, source: Source, schema: Schema
) -> Iterator[Located]:
    try:
        rule.when.check(schema)
        rule.holds(source).check(schema)
    except ExpressionError as error:
        yield (*path, "when"), error
    except CrmRulesError as error:
        yield (*path, "effective"), error
    if isinstance(rule.credit, str):
        formula = rule.credit
        yield from _tried((*path, "credit"), lambda: share(formula, schema))
    elif isinstance(rule.credit, tuple):
        yield from _payees_problems(rule.credit, (*path, "credit"), schema)
        if policy.combine in ("product", "min", "max"):
            yield (
                (*path, "credit"),
                CrmRulesError(
                    "C202",
                    f"a list of payees does not go with `combine: {policy.combine}`",
                    hint="use combine: first or all, or put the payees into `payees:` of the policy",
                ),
            )


def _payees_problems(
    payees: Sequence[Payee], path: tuple[str | int, ...], schema: Schema
) -> Iterator[Located]:
    for position, each in enumerate(payees):
        yield from _tried((*path, position, "to"), lambda each=each: payee(each.to, schema))
        if isinstance(each.share, str):
            formula = each.share
            yield from _tried((*path, position, "share"), lambda formula=formula: share(formula, schema))
    fixed = [each.share for each in payees if not each.overlay and isinstance(each.share, float)]
    if math.fsum(fixed) > 1 + 1e-9:
        yield (
            path,
            CrmRulesError(
                "C203",
                f"the shares sum to {math.fsum(fixed):g}",
                hint="shares sum to 1 at most; write overlay: true for credit beside the 100 %",
            ),
        )


def _need_id(source: Source, path: tuple[str | int, ...], what: str) -> Iterator[Located]:
    if source.role("id") is None:
        yield (
            path,
            CrmRulesError(
                "C204",
                f"{what} need a field of `{source.name}` with the role `id`",
                hint="write `role: id` at the field that identifies a record",
            ),
        )


def _tried(path: tuple[str | int, ...], attempt: object) -> Iterator[Located]:
    try:
        attempt()  # type: ignore[operator]
    except CrmRulesError as error:
        yield path, error


def share(text: str, schema: Schema) -> Checked:
    """A formula that gives a share. Raises ExpressionError for one that does not fit, or gives no number."""
    checked = check(parse(text), schema, text=text)
    if checked.type.kind not in ("number", "null"):
        raise ExpressionError(
            "E102",
            f"a share is a number, and this is {checked.type}",
            text=text,
            span=checked.tree.span,
            hint="write for example paid / amount",
        )
    return checked


def payee(text: str, schema: Schema) -> Checked:
    """An expression that gives a payee. Raises ExpressionError for one that gives no text."""
    checked = check(parse(text), schema, text=text)
    if checked.type.kind not in ("text", "null"):
        raise ExpressionError(
            "E102",
            f"a payee is a text, and this is {checked.type}",
            text=text,
            span=checked.tree.span,
            hint="name a field that holds the payee, or put a name in quotes: 'House'",
        )
    return checked


def rank(condition: Condition, specificity: Mapping[str, Sequence[str]]) -> tuple[int, ...]:
    """How specific a condition is: for each dimension the place of the most specific field that it tests."""
    tested = tree.names(condition.tree)
    return tuple(
        next((place for place, field in enumerate(fields) if field in tested), len(fields))
        for fields in specificity.values()
    )


def names_read(policy: Policy) -> list[str]:
    """The fields that a policy reads, by name, where no source says what there is."""
    trees = [rule.when.tree for rule in policy.rules]
    texts = [rule.credit for rule in policy.rules if isinstance(rule.credit, str)]
    listed = [payee for rule in policy.rules if isinstance(rule.credit, tuple) for payee in rule.credit]
    listed += policy.payees if isinstance(policy.payees, tuple) else ()
    texts += [text for each in listed for text in (each.to, each.share) if isinstance(text, str)]
    trees += [each.where.tree for each in policy.sequences.values() if each.where is not None]
    trees += [parse(text) for text in texts]
    names = [name for node in trees for name in tree.names(node)]
    for sequence in policy.sequences.values():
        names += [*sequence.per, *sequence.by]
    for fields in policy.specificity.values():
        names += fields
    for each in (*policy.levels.values(), *policy.include):
        names += names_read(each) if isinstance(each, Policy) else []
    return [name for name in dict.fromkeys(names) if name not in policy.sequences]
