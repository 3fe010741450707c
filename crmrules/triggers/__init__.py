"""Scores and time become intents: who is to be told what, and why."""

from crmrules.triggers.deadline import Behind
from crmrules.triggers.decision import Decision
from crmrules.triggers.due import Distance, Due
from crmrules.triggers.intent import Intent, Recipient
from crmrules.triggers.remind import evaluate, intents
from crmrules.triggers.threshold import Reached
from crmrules.triggers.trigger import KINDS, Trigger, TriggerRule

__all__ = [
    "KINDS",
    "Behind",
    "Decision",
    "Distance",
    "Due",
    "Intent",
    "Reached",
    "Recipient",
    "Trigger",
    "TriggerRule",
    "evaluate",
    "intents",
]
