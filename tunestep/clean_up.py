"""Nothing is left behind: the one clean-up of every run that does not succeed.

Called by the machine on its failure path, by EventBridge when an execution failed, timed out or was
aborted, by stop and by the reconciler. It finds the job through the table, never through the document,
and may run any number of times.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from tunestep import record, runs
from tunestep.approvals import EXPIRED, PENDING
from tunestep.aws import error_code
from tunestep.context import Context, StepEvent, stored_plan
from tunestep.errors import CAUSE_LIMIT, TunestepError
from tunestep.failures import named_error, status_error
from tunestep.faults import STEP_FAULTS, describe
from tunestep.names import TAG_RUN
from tunestep.run_files import ERROR
from tunestep.runs import ENDED, Item, run_pk
from tunestep.tracking import describe_job
from tunestep.training_job import job_name as make_job_name

logger = Logger(child=True)

OUTCOME_FAILED = "FAILED"


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    """EventBridge's "Step Functions Execution Status Change" of this stack's machine."""

    detail: dict[str, Any]


class _Steps:
    """Runs every step whatever became of the others, and keeps what each has to say."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []

    def run(self, step: str, action: Callable[[], str]) -> bool:
        """Do a step; False when it could not be done, which is then in ``done``."""
        try:
            detail = action()
        except STEP_FAULTS as fault:
            logger.exception("clean-up step failed", extra={"step": step})
            text = str(fault) if isinstance(fault, TunestepError) else describe(fault)
            self.done.append({"step": step, "ok": False, "detail": text[:300]})
            return False
        self.done.append({"step": step, "ok": True, "detail": detail})
        return True


def _owned_job(context: Context, run_id: str, run: Item) -> str | None:
    """The job that this run made: from the table, or else by the name it must have.

    A job of an earlier attempt that this run adopted belongs to that attempt.
    """
    name = run.get("job_name")
    if name:
        job = context.runs.job(name)
        return name if job is None or job["run_id"] == run_id else None
    if not run.get("plan_sha256"):
        return None
    base = stored_plan(context, run_id, run).base_job_name
    name = make_job_name(base, run.get("execution_arn") or context.execution_arn(run_id))
    description = describe_job(context, name)
    if description is None:
        return None
    tags = context.clients.sagemaker.list_tags(ResourceArn=description["TrainingJobArn"])["Tags"]
    return name if {"Key": TAG_RUN, "Value": run_id} in tags else None


def stop_job(context: Context, run_id: str, run: Item) -> str:
    """Stop the run's job if it is running; says what was found. A job that has ended is fine."""
    name = _owned_job(context, run_id, run)
    if name is None:
        return "no job"
    description = describe_job(context, name)
    if description is None:
        return f"{name}: not created"
    status = description["TrainingJobStatus"]
    if status != "InProgress":
        return f"{name}: {status}"
    try:
        context.clients.sagemaker.stop_training_job(TrainingJobName=name)
    except ClientError as fault:
        # It ended between the two calls: SageMaker answers ValidationException for a finished job.
        if error_code(fault) != "ValidationException":
            raise
        return f"{name}: had just ended"
    return f"{name}: stopping"


def _close_approval(context: Context, run_id: str) -> str:
    closed = context.runs.update(
        run_pk(run_id),
        runs.APPROVAL,
        {"state": EXPIRED, "closed_at": context.timestamp()},
        condition="#state = :pending",
        values={":pending": PENDING},
    )
    return "closed" if closed else "nothing to close"


def _mark_ended(context: Context, run_id: str, name: str, cause: str) -> str:
    changed = context.runs.update_run(
        run_id,
        {
            "status": ENDED,
            "outcome": OUTCOME_FAILED,
            "error": name,
            "cause": cause,
            "ended_at": context.timestamp(),
        },
    )
    return "ended" if changed else "no run item"


def end_run(context: Context, run_id: str, name: str, cause: str, request: Any) -> dict[str, Any]:
    """Clean up after a run that ended with a named error.

    Returns what the document's ``error`` becomes: {Error, Cause, cleaned: [{step, ok, detail}]}. The
    job goes first, because it costs money; the pending items go last, and that of the job only when it
    is known to be stopped or absent: until then the reconciler comes back to them.
    """
    steps, run = _Steps(), context.runs.run(run_id) or {}
    job_safe = steps.run("stop the training job", lambda: stop_job(context, run_id, run))
    steps.run("close the question", lambda: _close_approval(context, run_id))
    if run.get("status") == ENDED and run.get("error"):
        name, cause = run["error"], run.get("cause", cause)
    else:
        error = {"Error": name, "Cause": cause, "cleaned": list(steps.done)}
        steps.run("write error.json", lambda: context.files.put(run_id, ERROR, error).uri)
        steps.run("write record.json", lambda: _write_record(context, run_id, request, error))
        steps.run("mark the run as ended", lambda: _mark_ended(context, run_id, name, cause))
    forgotten = [runs.PENDING_APPROVAL, runs.PENDING_STOP]
    if job_safe and not _may_still_appear(context, run_id, steps):
        forgotten.append(runs.PENDING_TRAINING)
    for sk in forgotten:
        steps.run(f"forget {sk}", partial(_forget, context, run_id, sk))
    return {"Error": name, "Cause": cause, "cleaned": steps.done}


def _write_record(context: Context, run_id: str, request: Any, error: dict[str, Any]) -> str:
    written = record.write(
        context, run_id, outcome=OUTCOME_FAILED, request=request, sections={"error": error}
    )
    return written.uri


def _forget(context: Context, run_id: str, sk: str) -> str:
    context.runs.delete_pending(run_id, sk)
    return "forgotten"


def _may_still_appear(context: Context, run_id: str, steps: _Steps) -> bool:
    """Whether a StartTraining in flight could still create the job that was not there a moment ago.

    Its pending item is then left: the reconciler looks again until the item is an hour old.
    """
    pending = context.runs.pending(run_id, runs.PENDING_TRAINING)
    if pending is None or not any("not created" in entry["detail"] for entry in steps.done):
        return False
    return context.epoch() < int(pending.get("started_epoch", 0)) + 3600


def clean_up_step(context: Context, event: StepEvent) -> dict[str, Any]:
    """The machine's CleanUp state: the document's ``error`` with a name and a cause to read."""
    name, cause = named_error(event.part("error"), event.run_id)
    run = context.runs.run(event.run_id)
    if run is None:
        _adopt_run(context, event)
    return end_run(context, event.run_id, name, cause[:CAUSE_LIMIT], event.document.get("request"))


def _adopt_run(context: Context, event: StepEvent) -> None:
    """A run that failed before validate could write its item gets one, so that it can be listed."""
    context.runs.put_new(
        {
            "pk": run_pk(event.run_id),
            "sk": runs.RUN,
            "kind": runs.KIND_RUN,
            "run_id": event.run_id,
            "execution_arn": event.execution.arn,
            "source": "console",
            "requester": "unknown",
            "requester_assurance": "unverified",
            "attempt": 1,
            "force": False,
            "created_at": event.execution.started_at or context.timestamp(),
            "status": runs.STARTED,
        }
    )


def clean_up_after(context: Context, event: StatusEvent) -> dict[str, Any]:
    """After the machine's own end (failed, timed out, aborted), which runs no Catch."""
    run_id = str(event.detail.get("name") or "")
    run = context.runs.run(run_id) if run_id else None
    if run is None:
        return {"run": run_id, "cleaned": [], "detail": "no such run"}
    name, cause = status_error(event.detail, run, run_id)
    return end_run(context, run_id, name, cause[:CAUSE_LIMIT], _input(event.detail))


def _input(detail: dict[str, Any]) -> Any:
    """The request of the execution as the event carries it; None when it was too large to be there."""
    try:
        return msgspec.json.decode(detail["input"])
    except (KeyError, TypeError, msgspec.DecodeError):
        return None
