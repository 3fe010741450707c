"""Reminders as tasks of a calendar: iCalendar VTODO, which calendars and task lists import."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from crmrules.errors import CrmRulesError

_PRIORITIES = {"ERROR": 1, "WARN": 5, "INFO": 9}
_LINE = 75


def vtodo(
    event: Mapping[str, Any], *, due: dt.datetime | None = None, revision: int = 0, cancelled: bool = False
) -> str:
    """A reminder as one task, from its CloudEvent (`Intent.as_cloudevent`).

    due: until when it is to be done. revision: raised for each change of the same task. cancelled: takes
    the task back, as a retraction does. All reminders of a trigger to a subject in a period are one task:
    the UID is the fingerprint and the period.

    Raises CrmRulesError (O103) for a due time without a zone.

    Source: RFC 5545, sections 3.1 (folding), 3.3.11 (text), 3.6.2; RFC 5546, 3.4.

    >>> print(vtodo({"id": "d1", "correlationid": "4f1c", "time": "2026-11-20T10:00:00+00:00", "data": {}}))
    BEGIN:VCALENDAR...UID:4f1c@crmrules...
    """
    data: Mapping[str, Any] = event.get("data") or {}
    message = data.get("message", "")
    text = message.get("text", "") if isinstance(message, Mapping) else message
    uid = "-".join(str(part) for part in (event["correlationid"], data.get("period")) if part)
    lines = {
        "UID": _text(f"{uid}@crmrules"),
        "DTSTAMP": _moment(dt.datetime.fromisoformat(event["time"])),
        "SEQUENCE": str(revision),
        "SUMMARY": _text(text or event.get("subject", uid)),
        "DESCRIPTION": _text(data.get("reason", "")),
        "DUE": "" if due is None else _moment(due),
        "PRIORITY": str(_PRIORITIES.get(event.get("severitytext", ""), "")),
        "CATEGORIES": _text(data.get("trigger", "")),
        "STATUS": "CANCELLED" if cancelled else "NEEDS-ACTION",
    }
    written = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//crmrules//reminders//EN",
        f"METHOD:{'CANCEL' if cancelled else 'PUBLISH'}",
        "BEGIN:VTODO",
        *(f"{name}:{value}" for name, value in lines.items() if value),
        "END:VTODO",
        "END:VCALENDAR",
    ]
    return "".join(f"{piece}\r\n" for line in written for piece in _folded(line))


def _moment(moment: dt.datetime) -> str:
    if moment.tzinfo is None:
        raise CrmRulesError("O103", f"the time {moment} has no zone", hint="moment.replace(tzinfo=…)")
    return moment.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(value: object) -> str:
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    for sign in ("\\", ";", ","):
        text = text.replace(sign, f"\\{sign}")
    return "".join(ch for ch in text.replace("\n", "\\n") if ch.isprintable() or ch == "\t")


def _folded(line: str) -> Iterator[str]:
    """Lines of at most 75 octets, none cut inside a character."""
    piece, size = "", 0
    for ch in line:
        octets = len(ch.encode(errors="replace"))
        if size + octets > _LINE:
            yield piece
            piece, size = " ", 1
        piece, size = piece + ch, size + octets
    yield piece
