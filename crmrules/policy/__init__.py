"""Which records count, how much, and for whom."""

from crmrules.policy.condition import Condition, field
from crmrules.policy.crediting import Crediting
from crmrules.policy.dead import Dead, dead_rules
from crmrules.policy.payees import Payee, Returns, SplitTable
from crmrules.policy.rules import Default, Policy, Rule
from crmrules.policy.sequence import Sequence
from crmrules.policy.verdict import Credit, Verdict

__all__ = [
    "Condition",
    "Credit",
    "Crediting",
    "Dead",
    "Default",
    "Payee",
    "Policy",
    "Returns",
    "Rule",
    "Sequence",
    "SplitTable",
    "Verdict",
    "dead_rules",
    "field",
]
