"""Policies made of others: included rules, changed or left out by name."""

from __future__ import annotations

from collections.abc import Mapping

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.policy.rules import Policy, Rule


def resolved(name: str, policies: Mapping[str, Policy]) -> Policy:
    """A policy of a rulebook with the policies that it names put in their places.

    Raises CrmRulesError: B211 no such policy, C211 one that includes itself.
    """
    return _resolved(policies[name], policies, (name,))


def _resolved(policy: Policy, policies: Mapping[str, Policy], trail: tuple[str, ...]) -> Policy:
    def named(part: str | Policy) -> Policy:
        if isinstance(part, Policy):
            return _resolved(part, policies, trail)
        if part not in policies:
            raise CrmRulesError("B211", f"there is no policy `{part}`", hint=did_you_mean(part, policies))
        if part in trail:
            way = " → ".join([*trail[trail.index(part) :], part])
            raise CrmRulesError(
                "C211", f"policy `{part}` is part of itself: {way}", hint="leave one of them out"
            )
        return _resolved(policies[part], policies, (*trail, part))

    if not policy.levels and not policy.include:
        return policy
    return policy.model_copy(
        update={
            "levels": {level: named(part) for level, part in policy.levels.items()},
            "include": tuple(named(part) for part in policy.include),
        }
    )


def flat(policy: Policy) -> Policy:
    """The policy with its included rules among its own, changed and left out as it says.

    Raises CrmRulesError: C212 for a change of a rule that is not there, C213 for two rules of one name.
    """
    if not policy.include and not policy.override and not policy.disable:
        return policy
    rules = [*policy.rules]
    included: list[Rule] = []
    sequences = {}
    for part in policy.include:
        if isinstance(part, str):
            raise CrmRulesError(
                "B211", f"there is no policy `{part}`", hint="in Python, include the policy itself"
            )
        whole = flat(part)
        included += whole.rules
        sequences.update(whole.sequences)
    names = [rule.name for rule in included if rule.name]
    for name in (*policy.override, *policy.disable):
        if name not in names:
            raise CrmRulesError(
                "C212",
                f"no included rule is called `{name}`",
                hint=did_you_mean(name, names) or "give the rule a name where it is written",
            )
    for rule in included:
        if rule.name in policy.disable:
            continue
        change = policy.override.get(rule.name)
        rules.append(change.on(rule) if change is not None else rule)
    taken = [rule.name for rule in rules if rule.name]
    if twice := [name for name in dict.fromkeys(taken) if taken.count(name) > 1]:
        raise CrmRulesError(
            "C213",
            f"two rules are called `{twice[0]}`",
            hint="use override to change an included rule, or disable to leave it out",
        )
    return policy.model_copy(
        update={
            "rules": tuple(rules),
            "include": (),
            "override": {},
            "disable": (),
            "sequences": {**sequences, **policy.sequences},
        }
    )


__all__ = ["flat", "resolved"]
