"""Scores and time become intents: who is to be told what, and why."""

from crmrules.triggers.colliding import Collided
from crmrules.triggers.combined import AllOf, AnyOf, NotOf
from crmrules.triggers.context import Answer, Context, Surroundings
from crmrules.triggers.custom import CustomRule
from crmrules.triggers.deadline import Behind
from crmrules.triggers.decision import Decision
from crmrules.triggers.due import Distance, Due
from crmrules.triggers.engine import Engine
from crmrules.triggers.event import Happened
from crmrules.triggers.facts import Facts, Record
from crmrules.triggers.history import History
from crmrules.triggers.inactive import Inactive
from crmrules.triggers.intent import Intent, Recipient
from crmrules.triggers.offset import Offset
from crmrules.triggers.outbox.records import Event
from crmrules.triggers.pacing import OffPace
from crmrules.triggers.plugged import Plugin, allow, plugins
from crmrules.triggers.quality import DataQuality
from crmrules.triggers.relative import Relative
from crmrules.triggers.remind import evaluate, intents
from crmrules.triggers.report import Report, Request
from crmrules.triggers.schedule import Schedule
from crmrules.triggers.threshold import Reached
from crmrules.triggers.trigger import KINDS, Trigger, TriggerRule

__all__ = [
    "KINDS",
    "AllOf",
    "Answer",
    "AnyOf",
    "Behind",
    "Collided",
    "Context",
    "CustomRule",
    "DataQuality",
    "Decision",
    "Distance",
    "Due",
    "Engine",
    "Event",
    "Facts",
    "Happened",
    "History",
    "Inactive",
    "Intent",
    "NotOf",
    "OffPace",
    "Offset",
    "Plugin",
    "Reached",
    "Recipient",
    "Record",
    "Relative",
    "Report",
    "Request",
    "Schedule",
    "Surroundings",
    "Trigger",
    "TriggerRule",
    "allow",
    "evaluate",
    "intents",
    "plugins",
]
