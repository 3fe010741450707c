"""A trigger's answers from another Python, whose hashes, and so whose sets, are in another order."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

_CHILD = """
import pickle, sys
paths, data = pickle.load(sys.stdin.buffer)
sys.path[:] = paths
from crmrules.testing.seeds import answers
answers(data)
"""


def with_seed(call: Callable[..., Any], told: Sequence[Any], seed: int) -> list[list[object]]:
    """What `call` gives for each, in a Python with this seed of hashes.

    Raises LookupError where that cannot be tried, because `call` cannot be imported elsewhere.
    """
    try:
        data = pickle.dumps((call, [*told]))
    except Exception as error:
        raise LookupError(f"it cannot be sent to another Python: {error}") from error
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=pickle.dumps((sys.path, data)),
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        check=False,
    )
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip().splitlines() or ["it ended"]
        raise LookupError(f"another Python could not run it: {said[-1]}")
    found: list[list[object]] = json.loads(child.stdout.splitlines()[-1])
    return found


def answers(data: bytes) -> None:
    """In the other Python: print what comes out."""
    call, told = pickle.loads(data)
    print(json.dumps([call(each) for each in told]))
