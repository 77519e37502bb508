"""Nothing is left behind: the one clean-up of every run that does not succeed.

Called by the machine on its failure path, by EventBridge when an execution failed, timed out or was
aborted, by stop and by the reconciler. It finds the job through the table, never through the document,
and may run any number of times.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from tunestep import budgets, claims, failed_run, runs, tracking
from tunestep.approval_states import EXPIRED, PENDING
from tunestep.aws import error_code
from tunestep.context import Context, StepEvent, stored_plan
from tunestep.errors import CAUSE_LIMIT, TunestepError
from tunestep.failures import named_error, status_error
from tunestep.faults import STEP_FAULTS, describe
from tunestep.gate.announce import announce
from tunestep.names import TAG_RUN
from tunestep.run_files import ERROR
from tunestep.runs import ENDED, Item, run_pk
from tunestep.tracking import describe_job
from tunestep.training_job import ENDING, TERMINAL
from tunestep.training_job import job_name as make_job_name

logger = Logger(child=True)

OUTCOME_FAILED = "FAILED"

NO_JOB = "no job"
NOT_CREATED = "not created"

_STOP = "stop the training job"
_LOOK = "look at the training job again"


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    """EventBridge's "Step Functions Execution Status Change" of this stack's machine, or its "SageMaker
    Training Job State Change", of which only the job's name is believed."""

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

    @property
    def found_no_job(self) -> bool:
        return any(entry["detail"].endswith((NO_JOB, NOT_CREATED)) for entry in self.done)

    @property
    def job_goes_on(self) -> bool:
        """Whether the job was told to stop, now or before, and has still to end by itself when seen last."""
        seen = [entry["detail"] for entry in self.done if entry["step"] in (_STOP, _LOOK) and entry["ok"]]
        return bool(seen) and seen[-1].endswith((": stopping", ": Stopping"))


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
    """Stop the run's job unless it has ended or is ending; says what was found.

    A job in a status that nobody knows may cost money as well, so it is stopped like one that runs.
    """
    name = _owned_job(context, run_id, run)
    if name is None:
        return NO_JOB
    description = describe_job(context, name)
    if description is None:
        return f"{name}: {NOT_CREATED}"
    status = description["TrainingJobStatus"]
    if status in TERMINAL | ENDING:
        return f"{name}: {status}"
    try:
        context.clients.sagemaker.stop_training_job(TrainingJobName=name)
    except ClientError as fault:
        # It ended between the two calls: SageMaker answers ValidationException for a finished job.
        if error_code(fault) != "ValidationException":
            raise
        return f"{name}: had just ended" if status == "InProgress" else f"{name}: {status}, cannot be stopped"
    return f"{name}: stopping" if status in tracking.IN_FLIGHT else f"{name}: {status}, told to stop"


def _look_again(context: Context, run_id: str, run: Item) -> str:
    """What became of a job that was told to stop."""
    name = _owned_job(context, run_id, run)
    description = describe_job(context, name) if name else None
    status = description["TrainingJobStatus"] if description else "gone"
    return f"{name}: {'stopping' if status in tracking.IN_FLIGHT else status}"


def _close_approval(context: Context, run_id: str) -> str:
    closed = context.runs.update(
        run_pk(run_id),
        runs.APPROVAL,
        {"state": EXPIRED, "closed_at": context.timestamp()},
        condition="#state = :pending",
        values={":pending": PENDING},
    )
    if closed is None:
        return "nothing to close"
    announce(context, run_id, closed)
    return "closed"


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
    is known to be absent for good or to have ended with its bill on record: until then the reconciler comes
    back, as it does for a run that could not be marked, or its content freed. Content is free for others
    once the job is known to have ended, or to be absent for good: one that is being stopped may go on for
    minutes, and a second would train the same beside it.
    """
    steps, run = _Steps(), context.runs.run(run_id) or {}
    job_safe = steps.run(_STOP, lambda: stop_job(context, run_id, run))
    steps.run("close the question", lambda: _close_approval(context, run_id))
    marked = bool(run.get("status") == ENDED and run.get("error"))
    if marked:
        name, cause = run["error"], run.get("cause", cause)
        steps.run("look after record.json", lambda: _record_again(context, run_id, run, request))
    else:
        error = {"Error": name, "Cause": cause, "cleaned": list(steps.done)}
        steps.run("write error.json", lambda: context.files.put(run_id, ERROR, error).uri)
        steps.run("write record.json", lambda: failed_run.write(context, run_id, run, request, error))
        marked = steps.run("mark the run as ended", lambda: _mark_ended(context, run_id, name, cause))
    # Looked at after the run was marked: a StartTraining that did not see the mark is seen here.
    gone = job_safe and not (steps.found_no_job and tracking.may_still_appear(context, run_id))
    if steps.job_goes_on:
        # The event of its end may have come before that mark, and found nothing to do.
        steps.run(_LOOK, lambda: _look_again(context, run_id, run))
    over = gone and not steps.job_goes_on
    freed = not over or steps.run("free the content", lambda: claims.release(context, run_id, run))
    steps.run("settle the budget", lambda: budgets.settle(context, run_id))
    settled = steps.run("settle the bill", lambda: _settle(context, run_id, run, steps.job_goes_on))
    forgotten = [runs.PENDING_APPROVAL, runs.PENDING_STOP, *([runs.PENDING_RUN] if marked and freed else [])]
    if over and freed and settled and not _still_bills(steps):
        forgotten.append(runs.PENDING_TRAINING)
    for sk in forgotten:
        steps.run(f"forget {sk}", partial(_forget, context, run_id, sk))
    return {"Error": name, "Cause": cause, "cleaned": steps.done}


def _record_again(context: Context, run_id: str, run: Item, request: Any) -> str:
    """Write the record of a run that ended before if that failed then."""
    if failed_run.recorded(context, run_id):
        return "there"
    error = {"Error": run["error"], "Cause": run.get("cause", ""), "cleaned": []}
    return failed_run.write(context, run_id, run, request, error)


_LATER = "the job has not ended"


def _settle(context: Context, run_id: str, run: Item, goes_on: bool) -> str:
    """Complete the record of a job that was still running when it was written.

    Until that job has ended, there is a pending item without a token, made anew where whoever woke the run
    has deleted it: the event of the job's end or the reconciler comes back here. Looked at after the run is
    marked as ended, which is what the event looks for.
    """
    if failed_run.settle(context, run_id) and not goes_on:
        return "nothing is open"
    context.runs.update(
        run_pk(run_id),
        runs.PENDING_TRAINING,
        {"kind": runs.KIND_TRAINING},
        defaults={
            "run_id": run_id,
            "job_name": run.get("job_name", ""),
            "execution_arn": run.get("execution_arn") or context.execution_arn(run_id),
            "created_at": context.timestamp(),
        },
        remove=("token",),
    )
    return _LATER


def _still_bills(steps: _Steps) -> bool:
    return any(entry["detail"] == _LATER for entry in steps.done)


def _forget(context: Context, run_id: str, sk: str) -> str:
    context.runs.delete_pending(run_id, sk)
    return "forgotten"


def clean_up_step(context: Context, event: StepEvent) -> dict[str, Any]:
    """The machine's CleanUp state: the document's ``error`` with a name and a cause to read."""
    name, cause = named_error(event.part("error"), event.run_id)
    run = context.runs.run(event.run_id)
    if run is None:
        _adopt_run(context, event.run_id, event.execution.arn, event.execution.started_at)
    return end_run(context, event.run_id, name, cause[:CAUSE_LIMIT], event.document.get("request"))


def _adopt_run(context: Context, run_id: str, execution_arn: str, started_at: str) -> None:
    """A run that failed before validate could write its item gets one, so that it can be listed."""
    context.runs.put_new(runs.console_run(run_id, execution_arn, started_at or context.timestamp()))


def clean_up_after(context: Context, event: StatusEvent) -> dict[str, Any]:
    """After the machine's own end (failed, timed out, aborted), which runs no Catch, or after the job's."""
    if "TrainingJobName" in event.detail:
        return _after_job(context, event.detail["TrainingJobName"])
    run_id = str(event.detail.get("name") or "")
    run = context.runs.run(run_id) if run_id else None
    if run is None and event.detail.get("executionArn") == context.execution_arn(run_id):
        _adopt_run(context, run_id, context.execution_arn(run_id), _started(event.detail))
        run = context.runs.run(run_id)
    if run is None:
        return {"run": run_id, "cleaned": [], "detail": "no such run"}
    name, cause = status_error(event.detail, run, run_id)
    return end_run(context, run_id, name, cause[:CAUSE_LIMIT], _input(event.detail))


def _after_job(context: Context, job_name: object) -> dict[str, Any]:
    """Complete what is on record of a run that failed before its job had ended."""
    job = context.runs.job(job_name) if isinstance(job_name, str) and job_name else None
    run_id = str((job or {}).get("run_id", ""))
    run = context.runs.run(run_id) if run_id else None
    if run is None or run.get("status") != ENDED or not run.get("error"):
        return {"run": run_id, "cleaned": [], "detail": "nothing is open"}
    return end_run(context, run_id, run["error"], run.get("cause", ""), None)


def _started(detail: dict[str, Any]) -> str:
    """When the execution began, from the event's milliseconds since 1970; empty when it does not say."""
    began = detail.get("startDate")
    if not isinstance(began, int | float):
        return ""
    moment = datetime.fromtimestamp(began / 1000, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _input(detail: dict[str, Any]) -> Any:
    """The request of the execution as the event carries it; None when it was too large to be there."""
    try:
        return msgspec.json.decode(detail["input"])
    except (KeyError, TypeError, msgspec.DecodeError):
        return None
