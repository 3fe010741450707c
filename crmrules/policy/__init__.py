"""Which records count, how much, and for whom."""

from crmrules.policy.condition import Condition, field
from crmrules.policy.rules import Crediting, Default, Policy, Rule, Verdict
from crmrules.policy.sequence import Sequence

__all__ = ["Condition", "Crediting", "Default", "Policy", "Rule", "Sequence", "Verdict", "field"]
