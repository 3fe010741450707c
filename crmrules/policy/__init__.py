"""Which records count, how much, and for whom."""

from crmrules.policy.basis import Basis, Counted, Delay, Margin, Net, Received
from crmrules.policy.condition import Condition, field
from crmrules.policy.crediting import Crediting
from crmrules.policy.currency import Conversion, Rates
from crmrules.policy.custom import custom_condition, custom_credit
from crmrules.policy.dead import Dead, dead_rules
from crmrules.policy.derived import DerivedField
from crmrules.policy.payees import Payee, Returns, SplitTable
from crmrules.policy.rules import Default, Policy, Rule
from crmrules.policy.sequence import Duration, Sequence
from crmrules.policy.verdict import Credit, Verdict

__all__ = [
    "Basis",
    "Condition",
    "Conversion",
    "Counted",
    "Credit",
    "Crediting",
    "Dead",
    "Default",
    "Delay",
    "DerivedField",
    "Duration",
    "Margin",
    "Net",
    "Payee",
    "Policy",
    "Rates",
    "Received",
    "Returns",
    "Rule",
    "Sequence",
    "SplitTable",
    "Verdict",
    "custom_condition",
    "custom_credit",
    "dead_rules",
    "field",
]
