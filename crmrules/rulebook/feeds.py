"""The passes over a rulebook's sources, and what does not fit between policies and sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from crmrules.document import Path
from crmrules.errors import CrmRulesError
from crmrules.fields import Source
from crmrules.kpi.feed import Feed
from crmrules.kpi.measure import Measure
from crmrules.kpi.target import tables as target_tables
from crmrules.policy.additions import Additions
from crmrules.policy.compose import flat, misfits, resolved
from crmrules.policy.crediting import Crediting
from crmrules.policy.fit import table_problems
from crmrules.policy.payees import Owned, SplitTable, table_of
from crmrules.policy.rules import Policy
from crmrules.rulebook.around import Located, unknown
from crmrules.rulebook.book import Rulebook

WHICH_SOURCE = "which source is meant?"


@final
class Feeds:
    """The passes over sources, one for each policy and each source without one."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self.found: dict[tuple[str, str | None, str], Feed] = {}
        tables = {table_of(each.payees) for each in book.policies.values()}
        tables |= {name for each in book.policies.values() for name in Additions.of(each).tables}
        indicators = [each for model in book.models.values() for each in model.indicators.values()]
        tables |= {name for each in indicators for _, name in target_tables(each.target)}
        beside = {book.roster, book.tree.table if book.tree else None, *tables}
        self.records = [name for name in book.sources if name not in beside]
        self.creditings: dict[str, Crediting] = {}
        self.broken: set[str] = set()
        self.homeless: set[str] = set()

    def problems(self) -> Iterator[Located]:
        """What does not fit between policies and their sources."""
        for name, policy in self.book.policies.items():
            path: Path = ("policies", name)
            try:
                source = self.source(policy.source)
            except CrmRulesError as error:
                yield ((*path, "source") if policy.source else path), error
                self.broken.add(name)
                self.homeless.add(name)
                continue
            for where, problem in self.policy_problems(name, policy, source):
                yield (*path, *where), problem
                self.broken.add(name)

    def policy_problems(self, name: str, policy: Policy, source: Source) -> Iterator[Located]:
        """Everything that does not fit in one policy, by itself and with those that it is made of."""
        try:
            whole = resolved(name, self.book.policies)
        except CrmRulesError as error:
            yield from policy.problems(source)
            yield (_part_of_policy(error, policy),), error
            return
        found = {(path, str(error)): error for path, error in policy.problems(source, Additions.of(whole))}
        found |= {(path, str(error)): error for path, error in misfits(whole)}
        yield from ((path, error) for (path, _), error in found.items())
        yield from _table_problems(policy, self.book, source)
        try:
            flattened = flat(whole)
            if not found:
                self.creditings[name] = flattened.on(source)
        except CrmRulesError as error:
            yield (_part_of_policy(error, policy),), error

    def is_homeless(self, measure: Measure) -> bool:
        """Whether the policy of a measure has no source, which is said at the policy already."""
        only = [*self.book.policies] if measure.source is None and len(self.book.policies) == 1 else []
        return bool(self.homeless.intersection([measure.policy] if measure.policy else only))

    def source(self, name: str | None) -> Source:
        """A source by name, the only one with records if none is named."""
        if name is not None:
            if name not in self.book.sources:
                raise unknown("B212", "source", name, self.book.sources)
            return self.book.sources[name]
        if len(self.records) != 1:
            listed = ", ".join(self.records)
            raise CrmRulesError("B212", WHICH_SOURCE, hint=f"write `source:` and one of {listed}")
        return self.book.sources[self.records[0]]

    def of(self, measure: Measure) -> Feed:
        """The pass that a measure is part of; one without credits where its policy is broken."""
        policy = measure.policy
        if policy is not None and policy not in self.book.policies:
            raise unknown("B211", "policy", policy, self.book.policies)
        if policy is None and measure.source is None and len(self.book.policies) == 1:
            policy = next(iter(self.book.policies))
        if policy is None and measure.source is None and len(self.book.policies) > 1:
            listed = ", ".join(self.book.policies)
            raise CrmRulesError("B211", "which policy is meant?", hint=f"write `policy:` and one of {listed}")
        rules = self.book.policies[policy] if policy is not None else None
        if rules is not None and measure.source not in (None, rules.source) and rules.source is not None:
            raise CrmRulesError(
                "B212", f"the policy `{policy}` is about `{rules.source}`", hint="leave `source` out"
            )
        source = self.source((rules.source if rules is not None else None) or measure.source)
        key = (source.name, policy, measure.credits)
        if key not in self.found:
            sound = rules is not None and policy not in self.broken
            crediting = self.creditings.get(policy) if policy is not None and sound else None
            self.found[key] = Feed(source, crediting, measure.credits, self.book.sources)
            if rules is not None and crediting is None:
                self.found[key].schema = Additions.of(rules).schema(source)
        return self.found[key]

    def default(self) -> Feed | None:
        """The pass for indicators with aggregates of their own, where there is only one to choose."""
        try:
            return self.of(Measure(value="count()"))
        except CrmRulesError:
            return None


def _part_of_policy(error: CrmRulesError, policy: Policy) -> str:
    """Which key of a policy an error about its parts is about."""
    if error.code == "C212":
        return "override" if any(f"`{name}`" in error.message for name in policy.override) else "disable"
    return "levels" if policy.levels else "include"


def _table_problems(policy: Policy, book: Rulebook, source: Source) -> Iterator[Located]:
    """What does not fit in the table of payees."""
    payees, table = policy.payees, table_of(policy.payees)
    path: Path = ("payees", "ownership") if isinstance(payees, Owned) else ("payees",)
    if table is not None and table not in book.sources:
        yield (*path, "table"), unknown("B212", "source", table, book.sources)
        return
    if isinstance(payees, Owned):
        rule = payees.ownership
        said_already = rule.record_key is None and rule.key not in source.fields
        for where, problem in rule.problems(book.sources[rule.table]):
            if where != ("key",) or not said_already:
                yield (*path, *where), problem
    if not isinstance(payees, SplitTable):
        return
    yield from table_problems(payees, book.sources[payees.table], source)
