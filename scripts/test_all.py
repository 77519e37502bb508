"""Run the test groups one after the other and print each one's share of the time.

``--fast`` runs what `make test` runs; ``--only NAME`` runs one group. Every group runs even when an earlier
one failed, and the exit code is 1 if any did. Lint and types are one process each, and the tests leave gaps
while they wait for a laptop cloud, so they run side by side, these with the lower priority and their output
at the end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
UNMARKED = "not slow and not faults and not sdk and not browser"

# Neighbours share a worker, and with it the clouds and templates that their modules set up. A third worker
# fills the cores while the others wait for a cloud.
SIDE_BY_SIDE = [PYTHON, "-m", "pytest", "-n", "3", "--dist", "worksteal", "-m"]
FILE_BY_FILE = [PYTHON, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-m"]
"""The commands of a page build on one another."""

USED = ROOT / "build" / "permissions-used.jsonl"
"""Which permissions of roles the tests have used, for the last group, which judges whether all were."""

DEPLOY = ("tests/infra", "tests/docs")
"""What a deployment rests on: synthesis, cdk-nag, cfn-lint, permissions, hashes, and the pages."""

FAST: dict[str, list[list[str]]] = {
    "lint": [
        [PYTHON, "-m", "ruff", "check", "."],
        [PYTHON, "-m", "ruff", "format", "--check", "."],
    ],
    "tests": [[*SIDE_BY_SIDE, UNMARKED]],
}
SLOW: dict[str, list[list[str]]] = {
    "types": [[PYTHON, "-m", "mypy"]],
    # The fast tests of these folders have run already; `make test-deploy` alone runs both kinds.
    "slow": [[*SIDE_BY_SIDE, "slow", *(f"--ignore={folder}" for folder in DEPLOY)]],
    "deploy": [[*FILE_BY_FILE, "slow", *DEPLOY], [PYTHON, "-m", "tests.docs.exempt"]],
    # All schedules, and runs killed at forty points; `make test-faults` alone kills at a hundred.
    "faults": [["make", "--no-print-directory", "test-faults", "KILLS=40"]],
    "browser": [["make", "--no-print-directory", "test-browser"]],
    "sdk": [["make", "--no-print-directory", "test-sdk"]],
    "transformers": [["make", "--no-print-directory", "test-transformers"]],
    # Of what the tests of all groups before have used; seconds.
    "permissions": [[PYTHON, "-m", "tests.support.permissions_used", str(USED)]],
}


Outcome = tuple[float, bool]
"""Seconds that a group took, and whether it passed."""


def run_group(name: str, output: IO[str] | None = None, before: Sequence[str] = ()) -> Outcome:
    """Run a group's commands. ``output`` None is this terminal; ``before`` goes in front of each command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TUNESTEP_PERMISSIONS_USED": str(USED)}
    started, results = time.monotonic(), []
    print(f"\n== {name}", file=output, flush=True)
    for command in {**FAST, **SLOW}[name]:
        print(f"$ {' '.join(command).replace(PYTHON, 'python')}", file=output, flush=True)
        done = subprocess.run(  # noqa: S603 - fixed commands
            [*before, *command], cwd=ROOT, env=environment, check=False, stdout=output, stderr=output
        )
        results.append(done.returncode)
    return time.monotonic() - started, not any(results)


def run_fast(*beside: str) -> dict[str, Outcome]:
    """The tests, and these groups side by side with them."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said, ThreadPoolExecutor(1) as others:
        submitted = {name: others.submit(run_group, name, said, ("nice", "-n", "10")) for name in beside}
        outcome = {"tests": run_group("tests")}
        outcome = {name: group.result() for name, group in submitted.items()} | outcome
        said.seek(0)
        print(said.read(), end="", flush=True)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="leave the slow groups out")
    parser.add_argument("--only", choices=[*FAST, *SLOW], help="run one group")
    options = parser.parse_args()
    begun = time.monotonic()
    USED.parent.mkdir(exist_ok=True)
    if options.only:
        outcome = {options.only: run_group(options.only)}
    else:
        USED.unlink(missing_ok=True)
        outcome = run_fast("lint") if options.fast else run_fast("lint", "types")
        if not options.fast:
            outcome |= {name: run_group(name) for name in SLOW if name not in outcome}
    return summary(outcome, time.monotonic() - begun)


def summary(outcome: dict[str, Outcome], total: float) -> int:
    """Print the shares of the whole time in seconds; the last line counts the groups."""
    print(f"\n{'group':14}{'seconds':>9}{'share':>8}")
    for name, (seconds, passed) in outcome.items():
        print(f"{name:14}{seconds:9.1f}{seconds / total:8.0%}{'' if passed else '  FAILED'}")
    print(f"{'in all':14}{total:9.1f}")
    failed = sum(not passed for _, passed in outcome.values())
    print(f"\ngroups: {len(outcome) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
