"""Which records count, how much and for whom, as it is declared: rules and policies. See `crediting`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import pydantic
from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag

from crmrules import binding
from crmrules.errors import CrmRulesError
from crmrules.expr import tree
from crmrules.fields import Day, Frozen, Source
from crmrules.policy.basis import BasisForm, Counted, Delay
from crmrules.policy.condition import Condition
from crmrules.policy.currency import Conversion
from crmrules.policy.derived import DerivedFields
from crmrules.policy.payees import Payee, Payees, Returns, Share, Shares
from crmrules.policy.sequence import Sequence

if TYPE_CHECKING:
    from crmrules.policy.additions import Additions
    from crmrules.policy.crediting import Crediting
    from crmrules.policy.summary import Summary
    from crmrules.policy.verdict import Verdict

Combine = Literal["first", "product", "min", "max", "all", "most_specific"]
Because = Annotated[str, Field(min_length=1)]


def _kind_of_credit(value: object) -> str:
    if isinstance(value, str):
        return "formula"
    return "split" if isinstance(value, list | tuple) else "share"


RuleCredit = Annotated[
    Annotated[Share, Tag("share")]
    | Annotated[str, Tag("formula")]
    | Annotated[tuple[Payee, ...], Field(min_length=1), Tag("split")],
    Discriminator(_kind_of_credit),
]
"""A share (0 to 1), an expression that gives one, or who gets how much."""


@final
class Effective(BaseModel):
    """From which day to which a rule holds, both included; the record's date decides."""

    model_config = pydantic.ConfigDict(**Frozen, populate_by_name=True)

    start: Annotated[Day | None, Field(alias="from")] = None
    end: Annotated[Day | None, Field(alias="to")] = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Effective:
        if self.start is None and self.end is None:
            raise ValueError("`effective` needs a day: from: 2026-01-01, to: 2026-12-31, or both")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"{self.start} comes after {self.end}: exchange `from` and `to`")
        return self


@final
class Rule(BaseModel):
    """One rule: when it matches, how much of the record counts and for whom, and why, in words for people.

    credit: a share (0 to 1); an expression that gives one, such as `0.5 if order_no > 1 else 1`; or a list
    of payees, `[{to: salesperson, share: 0.6}, {to: presales, share: 0.4}]`.
    name: by which verdicts, `override` and `disable` know it. effective: the days on which it holds.
    """

    model_config = Frozen

    when: Condition
    credit: RuleCredit
    because: Because
    name: str = ""
    effective: Effective | None = None

    def holds(self, source: Source) -> Condition:
        """The condition together with the days on which the rule holds."""
        if self.effective is None:
            return self.when
        date = source.role("date")
        if date is None:
            raise CrmRulesError(
                "C201",
                f"`effective` needs a day, and source `{source.name}` has no field with the role `date`",
                hint="write `role: date` at the field that tells the day of a record",
            )
        moment = source.fields[date].declared.kind == "datetime"
        parts: list[tree.Node] = []
        if self.effective.start is not None:
            parts.append(tree.Comparison(">=", tree.Name(date), _day(self.effective.start, moment)))
        if self.effective.end is not None:
            operator: tree.ComparisonOperator = "<" if moment else "<="
            last = self.effective.end + dt.timedelta(days=moment)
            parts.append(tree.Comparison(operator, tree.Name(date), _day(last, moment)))
        return Condition(tree.joined("and", [*parts, self.when.tree]))


def _day(day: dt.date, moment: bool) -> tree.Constant:
    return tree.Constant(dt.datetime.combine(day, dt.time()) if moment else day)


@final
class Default(BaseModel):
    """What holds for a record that no rule matches."""

    model_config = Frozen

    credit: Share
    because: Because = "no rule says otherwise"


def _default(value: object) -> object:
    return {"credit": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


@final
class RuleChange(BaseModel):
    """What is different in an included rule; what is not said stays."""

    model_config = Frozen

    when: Condition | None = None
    credit: RuleCredit | None = None
    because: Because | None = None
    effective: Effective | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> RuleChange:
        if not self.model_fields_set:
            raise ValueError("nothing is changed: write what is different, such as credit: 0.5")
        for name in self.model_fields_set - {"effective"}:
            if getattr(self, name) is None:
                raise ValueError(f"`{name}` has no value: write one, or leave it out to keep the rule's")
        return self

    def on(self, rule: Rule) -> Rule:
        """The rule with the change; `effective` without a value makes it hold always."""
        changes = {name: getattr(self, name) for name in self.model_fields_set}
        return rule.model_copy(update=changes)

    def alone(self) -> Rule:
        """A rule of nothing but the change."""
        return self.on(Rule(when=Condition.of(False), credit=0.0, because="the change alone"))


def _default_or_levels(schema: dict[str, Any]) -> None:
    """Levels have defaults of their own, so a policy that has levels needs none."""
    schema["required"].remove("default")
    levels = {"required": ["levels"], "properties": {"levels": {"minProperties": 1}}}
    schema["anyOf"] = [{"required": ["default"]}, levels]


@final
class Policy(BaseModel):
    """Which records of a source count, how much, and for whom.

    >>> from crmrules.policy import field
    >>> policy = Policy(
    ...     rules=[Rule(when=field("order_type") == "sample", credit=0, because="samples are free")],
    ...     default={"credit": 1, "because": "all other orders count"},
    ... )
    >>> print(policy.credit_of({"order_type": "sample"}))
    0.0

    rules: conditions with their credit; one that is unknown, because a value is missing, does not match.
    combine: `first` takes the first that matches; `product`, `min` and `max` look at all that match; `all`
    lets all that match stand side by side; `most_specific` takes the one that tests the most specific field
    of `specificity`, whatever the order of writing. default: for a record that no rule matches.
    levels: other policies, each of which gives its own credit; `combine` is then `product`, `min` or `max`.
    include: policies whose rules come after these; override, disable: included rules, by name.
    source: the source that it is about, by name; needed where there are several.
    sequences: fields derived from the order of records, which rules and measures may read; fields: those
    derived by expression; conversions: amounts in the house's currency; basis: on what a record counts.
    states, documents: which states and kinds of document count at all, whatever the rules say.
    delay: on which day records count that count later than their date.
    payees: for whom, where it is not simply the source's subject; shares: whether they must sum to 1.
    returns: records that take back what an earlier one gave.
    """

    model_config = pydantic.ConfigDict(**Frozen, json_schema_extra=_default_or_levels)

    rules: tuple[Rule, ...] = ()
    default: Annotated[Default, BeforeValidator(_default, json_schema_input_type=Share | Default)]
    source: str | None = None
    combine: Combine = "first"
    specificity: dict[str, tuple[str, ...]] = {}
    levels: dict[str, str | Policy] = {}
    include: tuple[str | Policy, ...] = ()
    override: dict[str, RuleChange] = {}
    disable: tuple[str, ...] = ()
    sequences: dict[str, Sequence] = {}
    fields: DerivedFields = {}
    conversions: dict[str, Conversion] = {}
    states: Counted | None = None
    documents: Counted | None = None
    basis: BasisForm | None = None
    delay: Delay | None = None
    payees: Payees | None = None
    shares: Shares = "at_most_one"
    returns: Returns | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _levels_have_defaults(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("levels") and "default" not in data:
            return {**data, "default": {"credit": 1, "because": "each level has its own default"}}
        return data

    @pydantic.model_validator(mode="after")
    def _check(self) -> Policy:
        if self.levels and (self.rules or self.include):
            raise ValueError("a policy has rules or levels, not both: make the rules a level of their own")
        if self.levels and self.combine not in ("first", "product", "min", "max"):
            raise ValueError(f"levels do not go with `{self.combine}`: combine: product, min or max")
        if bool(self.specificity) != (self.combine == "most_specific"):
            raise ValueError(
                "`specificity` goes with most_specific, and the other way round: write both or none of them"
            )
        for name, conversion in self.conversions.items():
            if conversion.missing != "error":
                raise ValueError(f"a missing rate of `{name}` is an error in a policy: leave `missing` out")
        names = [rule.name for rule in self.rules if rule.name]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"two rules are called {twice[0]!r}: choose another name")
        return self

    def rule_name(self, position: int) -> str:
        """The name of a rule: its own, or its number from 1; `default` behind the last."""
        if position == len(self.rules):
            return "default"
        return self.rules[position].name or f"rule {position + 1}"

    def on(self, source: Source, tables: Mapping[str, object] | None = None) -> Crediting:
        """The policy checked against a source, ready to run.

        tables: the data of other tables that `payees` names, each a frame or a list of dicts.
        Raises ExpressionError or FieldError for what does not fit.
        """
        from crmrules.policy.crediting import Crediting

        for _, error in self.problems(source):
            raise error
        return Crediting(self, source, tables or {})

    def problems(
        self, source: Source, derived: Additions | None = None
    ) -> Iterator[tuple[tuple[str | int, ...], CrmRulesError]]:
        """Everything that does not fit the source, with the way to it.

        derived: what the policies that are named in it add to the fields.
        """
        from crmrules.policy.fit import problems

        return problems(self, source, derived)

    def credit(
        self, records: object, source: Source | None = None, tables: Mapping[str, object] | None = None
    ) -> object:
        """How much of each record counts.

        records: a frame of any engine, or a list of dicts. Returns the same rows in the same order with
        `credit` (0 to 1), `rule` (the name of the one that decided) and `because`; a frame of the same
        engine, or a list of dicts. Without a source, the fields are taken as the frame has them.

        Raises FieldError if a field is missing or holds another type.
        """
        records, found = self._over(records, source, tables)
        return found.credit(records)

    def lines(
        self, records: object, source: Source | None = None, tables: Mapping[str, object] | None = None
    ) -> object:
        """Who gets how much of each record: a row for each record and payee.

        Returns the rows of the records, those of split ones several times, in their order, with `payee`,
        `share` (of the record; the credit is in it), `overlay` and `rule`. Records that do not count are
        there with the share 0, so that nothing disappears.

        Raises FieldError if a field is missing or holds another type, RecordError for shares that do not
        go together.
        """
        records, found = self._over(records, source, tables)
        return found.lines(records)

    def summary(
        self,
        records: object,
        source: Source | None = None,
        tables: Mapping[str, object] | None = None,
        *,
        amount: str | None = None,
    ) -> Summary:
        """How many records, and how much money, each rule counted, counted in part, or excluded.

        amount: the field that is summed; the only field of money if it is not said.
        """
        records, found = self._over(records, source, tables, amount)
        return found.summary(records, amount)

    def credit_of(self, record: Mapping[str, object], source: Source | None = None) -> float:
        """How much of one record counts, 0 to 1; for many, keep `policy.on(source)` and ask that.

        Raises FieldError as `credit` does.
        """
        _, found = self._over([record], source, None)
        return found.credit_of(record)

    def explain(
        self,
        record: Mapping[str, object],
        source: Source | None = None,
        tables: Mapping[str, object] | None = None,
    ) -> Verdict:
        """The credit of one record with the deciding rule, and what every other rule said and why."""
        _, found = self._over([record], source, tables)
        return found.explain(record)

    def _over(
        self,
        records: object,
        source: Source | None,
        tables: Mapping[str, object] | None,
        *also: str | None,
    ) -> tuple[object, Crediting]:
        from crmrules.policy.fit import names_read
        from crmrules.policy.infer import infer

        if binding.is_records(records):
            records = binding.records_of(records)
        wanted = [*names_read(self), *(name for name in also if name is not None)]
        return records, self.on(source or infer(records, wanted), tables)


__all__ = ["Combine", "Default", "Effective", "Policy", "Rule", "RuleChange"]
