"""Scores and time become intents: who is to be told what, and why."""

from crmrules.triggers.context import Answer, Context, Surroundings
from crmrules.triggers.custom import CustomRule
from crmrules.triggers.deadline import Behind
from crmrules.triggers.decision import Decision
from crmrules.triggers.due import Distance, Due
from crmrules.triggers.engine import Engine, Report, Request
from crmrules.triggers.facts import Facts, Record
from crmrules.triggers.history import History
from crmrules.triggers.intent import Intent, Recipient
from crmrules.triggers.plugged import Plugin, allow, plugins
from crmrules.triggers.remind import evaluate, intents
from crmrules.triggers.threshold import Reached
from crmrules.triggers.trigger import KINDS, Trigger, TriggerRule

__all__ = [
    "KINDS",
    "Answer",
    "Behind",
    "Context",
    "CustomRule",
    "Decision",
    "Distance",
    "Due",
    "Engine",
    "Facts",
    "History",
    "Intent",
    "Plugin",
    "Reached",
    "Recipient",
    "Record",
    "Report",
    "Request",
    "Surroundings",
    "Trigger",
    "TriggerRule",
    "allow",
    "evaluate",
    "intents",
    "plugins",
]
