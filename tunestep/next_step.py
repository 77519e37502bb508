"""What to do about a run that failed: one rule for the command line, the report and the notices."""

from typing import NamedTuple

REFUSED = frozenset({"PrerequisitesNotMet", "BudgetExceeded", "RewardNotCertified"})
"""Errors that a repeated run meets again: the request, its data or its reward has to change."""


class NextStep(NamedTuple):
    """``command`` to type, and what comes before it (``first``, empty when nothing does)."""

    command: str
    first: str = ""


def after_failure(error: str, run_id: str, *, comes_first: str = "") -> NextStep:
    """By a run's error name; ``comes_first`` is the run that a duplicate gave way to."""
    if error in REFUSED:
        return NextStep("tunestep run REQUEST", "mend the request")
    if error == "DuplicateRun" and comes_first:
        return NextStep(f"tunestep status {comes_first}")
    retry = f"tunestep retry {run_id}"
    return NextStep(retry, "talk to whoever declined" if error == "ApprovalDeclined" else "")
