"""The next commands for a run, and only those that make sense in the state it is in."""

from tunestep.cli.runs import RunView
from tunestep.cli.target import Target

ENDING = frozenset({"CleanUp", "NotifyFailure", "CollectResults", "Notify"})
"""States in which a run is about to end: there is nothing left to stop."""


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
    if run.error in {"PrerequisitesNotMet", "BudgetExceeded", "RewardNotCertified"}:
        return [f"mend the request, then: tunestep run REQUEST {target.flag}"]
    return [f"tunestep retry {suffix}"]
