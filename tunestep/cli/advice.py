"""The next commands for a run, and only those that make sense in the state it is in."""

from tunestep.cli.runs import RunView
from tunestep.cli.target import Target
from tunestep.next_step import after_failure

ENDING = frozenset({"CleanUp", "NotifyFailure", "CollectResults", "Notify"})
"""States in which a run is about to end: there is nothing left to stop."""


def other_run(seen: RunView) -> str:
    """Id of the run that a duplicate gave way to; empty when the run is no duplicate."""
    claim = seen.document.get("claim")
    return str(claim.get("run_id", "")) if seen.error == "DuplicateRun" and isinstance(claim, dict) else ""


def next_commands(run: RunView, target: Target) -> list[str]:
    """Commands to paste, most useful first."""
    suffix = f"{run.run_id} {target.flag}"
    if run.live and run.state in ENDING:
        return [f"tunestep watch {suffix}"]
    if run.live:
        commands = [f"tunestep watch {suffix}", f"tunestep stop {suffix}"]
        if run.state == "AwaitApproval":
            return [
                f"tunestep approve {suffix}",
                f'tunestep decline {suffix} --reason "..."',
                commands[1],
            ]
        return commands
    if run.status == "SUCCEEDED":
        return [f"tunestep results {suffix}"]
    step = after_failure(run.error or "", run.run_id, comes_first=other_run(run))
    return [
        f"{f'{step.first}, then: ' if step.first else ''}{step.command} {target.flag}",
        f"tunestep report {suffix}",
    ]
