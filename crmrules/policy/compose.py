"""Policies made of others: included rules, changed or left out by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crmrules.errors import CrmRulesError, did_you_mean
from crmrules.policy.additions import Additions
from crmrules.policy.rules import Policy, Rule

Located = tuple[tuple[str | int, ...], CrmRulesError]


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
    for part in policy.include:
        if isinstance(part, str):
            raise CrmRulesError(
                "B211", f"there is no policy `{part}`", hint="in Python, include the policy itself"
            )
        whole = flat(part)
        included += whole.rules
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
    added = Additions.of(policy)
    return policy.model_copy(
        update={
            "rules": tuple(rules),
            "include": (),
            "override": {},
            "disable": (),
            "sequences": added.sequences,
            "fields": added.fields,
            "conversions": added.conversions,
            "basis": added.basis,
            "delay": added.delay,
        }
    )


def misfits(policy: Policy) -> Iterator[Located]:
    """What does not go together in a policy and those that it is made of, with the way to the part.

    Parts that are only named, and those that do not fit by themselves, are left out.
    """
    for position, part in enumerate(policy.include):
        if isinstance(part, Policy):
            for error in (*_lost_by_including(part, policy), *_sequences_twice(part, policy)):
                yield ("include", position), error
    splitting: list[str] = []
    for name, part in policy.levels.items():
        if not isinstance(part, Policy):
            continue
        for error in (*_lost_in_level(part), *_sequences_twice(part, policy)):
            yield ("levels", name), error
        if not names_payees(part):
            continue
        splitting.append(name)
        if policy.combine in ("min", "max"):
            yield ("levels", name), _split("levels that are combined by " + policy.combine)
        elif len(splitting) > 1:
            yield ("levels", name), _split(f"another one in level `{splitting[0]}`")
    if policy.combine in ("product", "min", "max") and not policy.levels:
        for position, part in enumerate(policy.include):
            if isinstance(part, Policy) and names_payees(part):
                yield ("include", position), _split(f"`combine: {policy.combine}`")


def names_payees(policy: Policy) -> bool:
    """Whether a rule of a policy, or of one that it includes, names payees."""
    credits = [rule.credit for rule in policy.rules]
    credits += [change.credit for change in policy.override.values() if change.credit is not None]
    return any(isinstance(credit, tuple) for credit in credits) or any(
        isinstance(part, Policy) and names_payees(part) for part in policy.include
    )


def _split(what: str) -> CrmRulesError:
    return CrmRulesError(
        "C202",
        f"a list of payees does not go with {what}",
        hint="put the payees into `payees:` of the whole policy",
    )


def _lost_by_including(part: Policy, policy: Policy) -> Iterator[CrmRulesError]:
    if part.levels:
        yield CrmRulesError(
            "C214", "a policy with levels cannot be included", hint="include the policies of its levels"
        )
    for key in ("payees", "returns", "states", "documents"):
        if getattr(part, key) is not None and getattr(policy, key) is None:
            yield CrmRulesError(
                "C214",
                f"including brings the rules of a policy along, not its `{key}`",
                hint=f"write `{key}:` here too",
            )


def _lost_in_level(part: Policy) -> Iterator[CrmRulesError]:
    if part.levels:
        yield CrmRulesError(
            "C214", "a level has no levels of its own", hint="name the levels below it here instead"
        )
    for key in ("payees", "returns", "states", "documents"):
        if getattr(part, key) is not None:
            yield CrmRulesError(
                "C214",
                f"a level says how much counts, and `{key}` is about the whole policy",
                hint=f"write `{key}:` beside `levels:`",
            )


def _sequences_twice(part: Policy, policy: Policy) -> Iterator[CrmRulesError]:
    whole, own = Additions.of(policy), Additions.of(part)
    for what, known, mine in (
        ("sequence", whole.sequences, own.sequences),
        ("derived field", whole.fields, own.fields),
        ("conversion", whole.conversions, own.conversions),
    ):
        for name, each in mine.items():
            if known[name] != each:
                yield CrmRulesError(
                    "C215",
                    f"`{name}` is another {what} here than elsewhere in the policy",
                    hint="choose another name for one of them",
                )


__all__ = ["Located", "flat", "misfits", "names_payees", "resolved"]
