"""Run the test groups one after the other and print each one's share of the time.

``--fast`` runs what `make test` runs; ``--only NAME`` runs one group. Every group runs even when an earlier
one failed, and the exit code is 1 if any did.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
UNMARKED = "not slow and not faults and not sdk and not browser"

FAST: dict[str, list[list[str]]] = {
    "lint": [
        [PYTHON, "-m", "ruff", "check", "."],
        [PYTHON, "-m", "ruff", "format", "--check", "."],
        [PYTHON, "-m", "mypy"],
    ],
    "tests": [[PYTHON, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-m", UNMARKED]],
}
SLOW: dict[str, list[list[str]]] = {
    "slow": [[PYTHON, "-m", "pytest", "-m", "slow"]],
    "faults": [["make", "--no-print-directory", "test-faults"]],
    "browser": [["make", "--no-print-directory", "test-browser"]],
    "sdk": [["make", "--no-print-directory", "test-sdk"]],
    "transformers": [["make", "--no-print-directory", "test-transformers"]],
}


def run_group(commands: list[list[str]]) -> bool:
    """Run a group's commands; true when all passed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    results = []
    for command in commands:
        print(f"$ {' '.join(command).replace(PYTHON, 'python')}", flush=True)
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)  # noqa: S603 - fixed commands
        results.append(done.returncode)
    return not any(results)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="leave the slow groups out")
    parser.add_argument("--only", choices=[*FAST, *SLOW], help="run one group")
    options = parser.parse_args()
    groups = FAST if options.fast else {**FAST, **SLOW}
    if options.only:
        groups = {options.only: {**FAST, **SLOW}[options.only]}
    outcome: dict[str, tuple[float, bool]] = {}
    for name, commands in groups.items():
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        passed = run_group(commands)
        outcome[name] = (time.monotonic() - started, passed)
    return summary(outcome)


def summary(outcome: dict[str, tuple[float, bool]]) -> int:
    """Print the shares; the last line counts the groups."""
    total = sum(seconds for seconds, _ in outcome.values()) or 1.0
    print(f"\n{'group':14}{'seconds':>9}{'share':>8}")
    for name, (seconds, passed) in outcome.items():
        print(f"{name:14}{seconds:9.1f}{seconds / total:8.0%}{'' if passed else '  FAILED'}")
    failed = sum(not passed for _, passed in outcome.values())
    print(f"\ngroups: {len(outcome) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
