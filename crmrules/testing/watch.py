"""What a function calls that a pure one has no use for: the clock, chance, the world outside."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal, NamedTuple, TypeVar

Answer = TypeVar("Answer")
Reach = Literal["clock", "chance", "outside"]

_CLOCK = {
    "time": {
        "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
        "process_time_ns", "localtime", "gmtime", "ctime", "sleep",
    },
    "datetime": {"now", "utcnow", "today"},
}  # fmt: skip
_OUTSIDE = {
    "posix",
    "nt",
    "io",
    "_io",
    "_socket",
    "_sqlite3",
    "_ssl",
    "_posixsubprocess",
    "_winapi",
    "pyodbc",
}
_HARMLESS = {"fspath", "StringIO", "BytesIO", "getvalue", "write", "read", "text_encoding"}
"""Of the modules above: what touches nothing but memory."""


class Call(NamedTuple):
    """A call: what it reaches for, its name, and the line of the function's file that led to it."""

    reach: Reach
    name: str
    line: int


def watched(function: Callable[[], Answer], file: str) -> tuple[Answer, list[Call]]:
    """What a function gives, and which of such calls it makes, itself or through others.

    Calls from one C function to another are not seen, such as `map(time.time, …)`.
    """
    calls: list[Call] = []

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event != "c_call":
            return
        reach = _reach(argument)
        if reach is not None:
            calls.append(Call(reach, _name(argument), _line(frame, file)))

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        return function(), calls
    finally:
        sys.setprofile(before)


def _reach(called: Any) -> Reach | None:
    name, owner = called.__name__, getattr(called, "__self__", None)
    module = called.__module__ or (owner if isinstance(owner, type) else type(owner)).__module__
    if name in _CLOCK.get(module, ()):
        return "clock"
    if isinstance(owner, random.Random) or name in ("urandom", "getrandom"):
        return "chance"
    if name == "input" or (name == "open" and module in ("io", "_io", "builtins")):
        return "outside"
    return "outside" if module in _OUTSIDE and name not in _HARMLESS else None


def _name(called: Any) -> str:
    owner = getattr(called, "__self__", None)
    where = called.__module__ or (owner if isinstance(owner, type) else type(owner)).__module__
    return f"{where}.{called.__qualname__}".removeprefix("builtins.")


def _line(frame: FrameType | None, file: str) -> int:
    while frame is not None:
        if frame.f_code.co_filename == file:
            return frame.f_lineno
        frame = frame.f_back
    return 0
