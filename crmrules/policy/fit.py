"""How a policy fits a source: everything that does not, with the way to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from crmrules.errors import CrmRulesError, ExpressionError, FieldError, closest, did_you_mean
from crmrules.expr import tree
from crmrules.expr.check import Checked, Schema, check
from crmrules.expr.parse import parse
from crmrules.fields import Source
from crmrules.policy import compose
from crmrules.policy.additions import Additions
from crmrules.policy.compose import Located
from crmrules.policy.condition import Condition
from crmrules.policy.dated import DAY, KEY, Fallback, OwnershipRule, unfit
from crmrules.policy.payees import Owned, Payee, SplitTable
from crmrules.policy.rules import Policy, Rule


def problems(policy: Policy, source: Source, derived: Additions | None = None) -> Iterator[Located]:
    """Everything in a policy that does not fit a source, with the policies that are written in it; those
    that are only named are looked at by themselves."""
    for key, parts in (("include", enumerate(policy.include)), ("levels", policy.levels.items())):
        for name, part in parts:
            if isinstance(part, Policy):
                for path, error in problems(part, source):
                    yield (key, name, *path), error
    yield from compose.misfits(policy)
    yield from _own_problems(policy, source, derived or Additions.of(policy))


def _own_problems(policy: Policy, source: Source, derived: Additions) -> Iterator[Located]:
    schema = source.schema
    for name, sequence in policy.sequences.items():
        if name in schema:
            yield (
                ("sequences", name),
                FieldError("S102", f"`{name}` is a field already", hint="choose another name"),
            )
        for path, error in sequence.problems(source):
            yield ("sequences", name, *path), error
    own = Additions(policy.sequences, policy.fields, policy.conversions, policy.basis, policy.delay)
    whole = replace(derived, basis=own.basis or derived.basis, delay=own.delay or derived.delay)
    mine = {"fields": own.fields, "conversions": own.conversions}
    for where, problem in whole.problems(source):
        key = str(where[0])
        if (where[1] in mine[key]) if key in mine else getattr(own, key) is not None:
            yield where, problem
    wider = whole.schema(source)
    for part in ("states", "documents"):
        counted = getattr(policy, part)
        if counted is not None:
            yield from _tried((part,), lambda counted=counted: counted.rules(wider))
    for position, rule in enumerate(policy.rules):
        yield from _rule_problems(rule, ("rules", position), policy, source, wider)
    for name, change in policy.override.items():
        yield from _rule_problems(change.alone(), ("override", name), policy, source, wider)
    for dimension, fields in policy.specificity.items():
        for field in fields:
            if field not in wider:
                yield ("specificity", dimension), source.unknown_field(field)
    if isinstance(policy.payees, Owned):
        yield from _ownership_problems(policy.payees.ownership, source)
    elif isinstance(policy.payees, SplitTable):
        yield from _need_id(source, ("payees",), "payees in a table of their own")
    elif policy.payees is not None:
        yield from _payees_problems(policy.payees, ("payees",), policy, wider)
    if policy.returns is not None:
        yield from _need_id(source, ("returns",), "returns")
        yield from _tried(("returns", "when"), lambda: policy.returns.when.check(wider))
        yield from _original_problems(policy.returns.original, source)


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
        yield from _payees_problems(rule.credit, (*path, "credit"), policy, schema)
        if policy.combine in ("product", "min", "max"):
            yield (
                (*path, "credit"),
                CrmRulesError(
                    "C202",
                    f"a list of payees does not go with `combine: {policy.combine}`",
                    hint="use combine: first or all, or put the payees into `payees:` of the policy",
                ),
            )


def _original_problems(field: str, source: Source) -> Iterator[Located]:
    id_field = source.role("id")
    if field not in source.schema:
        yield ("returns", "original"), source.unknown_field(field)
    elif id_field is not None and source.schema[field].kind != source.schema[id_field].kind:
        yield ("returns", "original"), _other_type(source, field, source.schema[id_field].kind)


def table_problems(payees: SplitTable, table: Source, source: Source) -> Iterator[Located]:
    """What does not fit in a table of payees of the records of a source."""
    id_field = source.role("id")
    kinds = {"record": source.schema[id_field].kind if id_field else "text", "to": "text"}
    kinds |= {"share": "number", "overlay": "bool"}
    for key, kind in kinds.items():
        field = getattr(payees, key)
        if field is not None and field not in table.fields:
            yield ("payees", key), table.unknown_field(field)
        elif field is not None and table.schema[field].kind != kind:
            yield ("payees", key), _other_type(table, field, kind)


def _other_type(source: Source, field: str, kind: str) -> FieldError:
    return FieldError(
        "F113",
        f"field `{field}` of `{source.name}` is {source.fields[field].type}, where {kind} is needed",
        source=source.name,
        field=field,
        hint=f"name another field, or declare it as {kind}",
    )


def _payees_problems(
    payees: Sequence[Payee], path: tuple[str | int, ...], policy: Policy, schema: Schema
) -> Iterator[Located]:
    for position, each in enumerate(payees):
        yield from _tried((*path, position, "to"), lambda each=each: payee(each.to, schema))
        if isinstance(each.share, str):
            formula = each.share
            yield from _tried((*path, position, "share"), lambda formula=formula: share(formula, schema))
    fixed = [each.share for each in payees if not each.overlay and isinstance(each.share, float)]
    formulas = any(isinstance(each.share, str) and not each.overlay for each in payees)
    if policy.shares == "exactly_one" and not formulas and math.fsum(fixed) < 1 - 1e-9:
        yield (
            path,
            CrmRulesError(
                "C203",
                f"the shares sum to {math.fsum(fixed):g}, and `shares: exactly_one` is declared",
                hint="let them sum to 1, or leave `shares:` out",
            ),
        )
    if math.fsum(fixed) > 1 + 1e-9:
        yield (
            path,
            CrmRulesError(
                "C203",
                f"the shares sum to {math.fsum(fixed):g}",
                hint="shares sum to 1 at most; write overlay: true for credit beside the 100 %",
            ),
        )


def _ownership_problems(rule: OwnershipRule, source: Source) -> Iterator[Located]:
    """What the records lack for their owners to be looked up."""
    path = ("payees", "ownership")
    key = rule.record_key or rule.key
    if (error := unfit(source, key, KEY)) is not None:
        yield (*path, "record_key" if rule.record_key else "key"), error
    if isinstance(rule.fallback, Fallback) and rule.fallback.field is not None:
        error = unfit(source, rule.fallback.field, ("text",))
        if error is not None:
            yield (*path, "fallback", "field"), error
    if rule.record_date is not None:
        if (error := unfit(source, rule.record_date, DAY)) is not None:
            yield (*path, "record_date"), error
    elif source.role("date") is None:
        yield (
            path,
            CrmRulesError(
                "C201",
                f"an owner is looked up by day, and `{source.name}` has no field with the role `date`",
                hint="write record_date: and a field, or `role: date` at the field that tells the day",
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
    node = parse(text)
    if isinstance(node, tree.Name) and node.name not in schema:
        near = did_you_mean(node.name, schema) if closest(node.name, schema) else ""
        raise ExpressionError(
            "E101",
            f"unknown name `{node.name}`",
            text=text,
            span=node.span,
            hint=(f"{near}, or " if near else "") + f"put a payee's own name in quotes: \"'{node.name}'\"",
        )
    checked = check(node, schema, text=text)
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
    changed = [change.alone() for change in policy.override.values()]
    trees += [rule.when.tree for rule in changed]
    rules = [*policy.rules, *changed]
    texts = [rule.credit for rule in rules if isinstance(rule.credit, str)]
    listed = [payee for rule in rules if isinstance(rule.credit, tuple) for payee in rule.credit]
    listed += policy.payees if isinstance(policy.payees, tuple) else ()
    texts += [text for each in listed for text in (each.to, each.share) if isinstance(text, str)]
    trees += [each.tree for sequence in policy.sequences.values() for each in sequence.conditions.values()]
    trees += [parse(text) for text in texts]
    names = [name for node in trees for name in tree.names(node)]
    for sequence in policy.sequences.values():
        names += [*sequence.per, *sequence.by]
    if policy.returns is not None:
        names += [*tree.names(policy.returns.when.tree), policy.returns.original]
    for fields in policy.specificity.values():
        names += fields
    if isinstance(policy.payees, Owned):
        rule = policy.payees.ownership
        field = rule.fallback.field if isinstance(rule.fallback, Fallback) else None
        names += [name for name in (rule.record_key or rule.key, rule.record_date, field) if name]
    for each in (*policy.levels.values(), *policy.include):
        names += names_read(each) if isinstance(each, Policy) else []
    added = Additions.of(policy)
    for derived in (policy.fields, {"": policy.basis} if policy.basis and policy.basis.value else {}):
        names += [name for each in derived.values() for name in tree.names(parse(each.value or "0"))]
    names += [each.field for each in (policy.states, policy.documents) if each is not None]
    if policy.delay is not None:
        names.append(policy.delay.date)
        names += tree.names(policy.delay.when.tree) if policy.delay.when is not None else ()
    for conversion in policy.conversions.values():
        names += [each for each in (conversion.amount, conversion.currency, conversion.date) if each]
    own = {*added.sequences, *added.fields, *added.conversions}
    own |= {each.field for each in (added.basis, added.delay) if each is not None}
    return [name for name in dict.fromkeys(names) if name not in own]
