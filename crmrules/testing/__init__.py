"""For the tests of hosts and integrators: `check_trigger` finds what is wrong with a custom trigger."""

from crmrules.testing.check import Finding, Report, UnsoundTrigger, check_trigger
from crmrules.testing.contexts import context

__all__ = ["Finding", "Report", "UnsoundTrigger", "check_trigger", "context"]
