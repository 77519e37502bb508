"""Stopping a run so that it cleans up after itself."""

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tunestep import runs, tokens
from tunestep.aws import error_code
from tunestep.clean_up import StatusEvent, clean_up_after, stop_job
from tunestep.context import Context
from tunestep.errors import PrerequisitesNotMet, StoppedByUser
from tunestep.runs import Item, run_pk
from tunestep.text import one_line


class StopEvent(msgspec.Struct, frozen=True, kw_only=True):
    run: str
    actor: str = "unknown"


def _wake(context: Context, run_id: str, error: StoppedByUser) -> bool:
    """Fail the state that waits, if one does; the machine then cleans up itself."""
    for sk in (runs.PENDING_TRAINING, runs.PENDING_APPROVAL):
        token = (context.runs.pending(run_id, sk) or {}).get("token")
        if token and tokens.fail(context, token, error):
            context.runs.delete_pending(run_id, sk, token)
            return True
    return False


def _mark(context: Context, run_id: str, actor: str) -> Item | None:
    """RUN -> STOPPING unless it has ended, with a reminder for the reconciler; None when it has ended."""
    run = context.runs.update_run(
        run_id,
        {"status": runs.STOPPING, "stopped_by": actor, "stopping_at": context.timestamp()},
        condition="#status <> :ended",
        values={":ended": runs.ENDED},
    )
    if run:
        context.runs.put(
            {
                "pk": run_pk(run_id),
                "sk": runs.PENDING_STOP,
                "kind": runs.KIND_STOP,
                "run_id": run_id,
                "execution_arn": run.get("execution_arn") or context.execution_arn(run_id),
                "created_at": context.timestamp(),
            }
        )
    return run


def stop(context: Context, event: StopEvent) -> dict[str, Any]:
    """Stop a run; returns {run, status, message}.

    The mark comes first: a StartTraining that is under way sees it and stops the job it makes. Raises
    PrerequisitesNotMet for a run that does not exist.
    """
    run_id, actor = event.run, one_line(event.actor, 200) or "unknown"
    known = context.runs.run(run_id)
    if known is None:
        raise PrerequisitesNotMet(f"There is no run {run_id!r}. `tunestep status` lists the runs.")
    run = _mark(context, run_id, actor)
    if run is None:
        message = f"Run {run_id} has already ended. See `tunestep status {run_id}`."
        return {"run": run_id, "status": runs.ENDED, "message": message}
    job = stop_job(context, run_id, run)
    error = StoppedByUser(f"Stopped by {actor}. Run it again with `tunestep retry {run_id}`.")
    if _wake(context, run_id, error):
        return {
            "run": run_id,
            "status": runs.STOPPING,
            "message": f"The run is cleaning up after itself ({job}). See `tunestep watch {run_id}`.",
        }
    arn = run.get("execution_arn") or context.execution_arn(run_id)
    try:
        context.clients.stepfunctions.stop_execution(executionArn=arn, error=error.name, cause=str(error))
    except ClientError as fault:
        if error_code(fault) != "ExecutionDoesNotExist":
            raise
    detail = {"name": run_id, "status": "ABORTED"}
    cleaned = clean_up_after(context, StatusEvent(detail=detail))["cleaned"]
    return {
        "run": run_id,
        "status": runs.ENDED,
        "message": f"The run was stopped and cleaned up. Run it again with `tunestep retry {run_id}`.",
        "cleaned": cleaned,
    }
