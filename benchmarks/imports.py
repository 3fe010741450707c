"""How long `import crmrules` takes, against `import pydantic`.

A fresh interpreter for each measurement, taken in turns so that a busy moment hits all alike; the median
counts. Prints milliseconds for people and, as its last line, the ratios as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

RUNS, QUICK_RUNS = 31, 7

STATEMENTS = {
    "pydantic": "import pydantic",
    "import": "import crmrules",
    "rulebook": "from crmrules import Rulebook",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="`import crmrules` against `import pydantic`.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs instead of {RUNS}")
    runs = QUICK_RUNS if parser.parse_args().quick else RUNS

    refuse_data_frames()
    statements = dict(STATEMENTS)
    if not answer("import crmrules; print(int(hasattr(crmrules, 'Rulebook')))"):
        del statements["rulebook"]

    medians = {name: statistics.median(times) for name, times in measured(statements, runs).items()}
    for name, seconds in medians.items():
        print(f"{statements[name]:32} {seconds * 1000:8.1f} ms (median of {runs})")
    print(
        json.dumps(
            {
                f"{name}_vs_pydantic": round(seconds / medians["pydantic"], 3)
                for name, seconds in medians.items()
                if name != "pydantic"
            }
        )
    )


def refuse_data_frames() -> None:
    """Ends the program if the plain import pulls in a data frame library: no ratio would excuse that."""
    for library in ("narwhals", "pandas", "polars"):
        if answer(f"import sys, crmrules; print(int({library!r} in sys.modules))"):
            sys.exit(f"`import crmrules` imports {library}")


def measured(statements: dict[str, str], runs: int) -> dict[str, list[float]]:
    """Seconds that each statement took in each run; the first run of each only warms the disk cache."""
    times: dict[str, list[float]] = {name: [] for name in statements}
    for run in range(runs + 1):
        for name, statement in statements.items():
            seconds = answer(
                f"from time import perf_counter as now; start = now(); {statement}; print(now() - start)"
            )
            if run:
                times[name].append(seconds)
    return times


def answer(program: str) -> float:
    """The number that a Python program prints, run in an interpreter of its own."""
    child = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    return float(child.stdout)


if __name__ == "__main__":
    main()
