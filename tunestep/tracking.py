"""From a training job's state to the run that waits for it.

Events are hints and may be lost, late or repeated. The job's own description is the truth; the token in
the table says whether somebody still waits. Whoever finds both, an ended job and a token, delivers.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from tunestep import runs, tokens
from tunestep.context import Context, StepEvent
from tunestep.errors import CAUSE_LIMIT, ServiceFault, StoppedByUser
from tunestep.faults import AWS_FAULTS, describe, not_found
from tunestep.runs import Item, run_pk

IN_FLIGHT = frozenset({"InProgress", "Stopping"})
"""Statuses that a job leaves by itself; every other one, known or not, is an end."""

MISSING = "NotFound"
"""Stands in for the status of a job that SageMaker does not know (any more)."""

TOKEN_SLACK_SECONDS = 86_400
"""How long a pending item is worth looking at after the state that waits must have timed out."""

LATE_JOB_SECONDS = 900
"""How long after StartTraining began its job may still appear: five times as long as the function lives."""

logger = Logger(child=True)

Delivery = Literal["waiting", "missing", "delivered", "gone"]


def describe_job(context: Context, job_name: str) -> dict[str, Any] | None:
    """DescribeTrainingJob; None when there is no such job."""
    try:
        answer = context.clients.sagemaker.describe_training_job(TrainingJobName=job_name)
    except ClientError as fault:
        if not_found(fault):
            return None
        raise
    return dict(answer)


def may_still_appear(context: Context, run_id: str) -> bool:
    """Whether a StartTraining that is under way, or died, may have asked for a job that is not there yet.

    Not once it has had its answer (``answered``), nor once the run waits for the job.
    """
    pending = context.runs.pending(run_id, runs.PENDING_TRAINING)
    if pending is None or pending.get("token") or pending.get("answered"):
        return False
    return context.epoch() < int(pending.get("started_epoch", 0)) + LATE_JOB_SECONDS


def _cause(description: Mapping[str, Any], run_id: str) -> str:
    name, status = description.get("TrainingJobName"), description.get("TrainingJobStatus")
    secondary = description.get("SecondaryStatus") or "no secondary status"
    again = f"Run it again with `tunestep retry {run_id}`."
    reason = str(description.get("FailureReason") or "")
    if status == "Completed":
        return ""
    if status == "Failed":
        text = f"Training job {name} failed: {reason or 'SageMaker gave no reason.'}"
    elif status == "Stopped" and secondary == "MaxRuntimeExceeded":
        text = f"Training job {name} reached its time limit (limits.max_runtime). Raise it."
    elif status == "Stopped" and secondary == "MaxWaitTimeExceeded":
        text = f"Training job {name} waited for capacity longer than it may."
    elif status == "Stopped" and secondary == "Interrupted":
        text = f"SageMaker interrupted training job {name}. Nothing has to be changed."
    elif status == "Stopped":
        text = f"Training job {name} was stopped, but not through Tunestep."
    elif status == MISSING:
        text = f"SageMaker does not know training job {name}: it was deleted or never created."
    elif status == "Deleting":
        text = f"Training job {name} is being deleted, but not by Tunestep."
    else:
        text = (
            f"Training job {name} has the status {status} ({secondary}), which Tunestep does not know. "
            f"Look at it in the SageMaker console: Tunestep waits no longer and has it stopped. {reason}"
        ).strip()
    return f"{text[: CAUSE_LIMIT - len(again) - 1]} {again}"


def training_value(description: Mapping[str, Any], waiting: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """The document's ``training`` for a job as described; ``waiting`` adds what the run knows about it."""
    value: dict[str, Any] = {
        "job_name": description["TrainingJobName"],
        "job_arn": description.get("TrainingJobArn", ""),
        "status": description["TrainingJobStatus"],
        "secondary_status": description.get("SecondaryStatus", ""),
        "adopted": bool(waiting.get("adopted", False)),
        "wait_seconds": int(waiting.get("wait_seconds", 0)),
        "cause": _cause(description, run_id),
    }
    if description.get("FailureReason"):
        value["failure_reason"] = str(description["FailureReason"])[:CAUSE_LIMIT]
    return value


def stopped(run: Item | None, run_id: str) -> StoppedByUser | None:
    """The error that ends a run which somebody asked to stop; None when nobody did."""
    if run is None or run.get("status") != runs.STOPPING:
        return None
    return StoppedByUser(
        f"Stopped by {run.get('stopped_by', 'somebody')}. Run it again with `tunestep retry {run_id}`."
    )


def deliver(context: Context, run_id: str, pending: Item, *, missing_is_end: bool = False) -> Delivery:
    """Tell a waiting run how its job ended, if it has ended.

    Sent first, deleted second: a crash in between sends again, and Step Functions refuses the second
    answer. ``missing_is_end`` makes a job that SageMaker does not know an end as well.
    """
    token, job_name = pending.get("token"), pending["job_name"]
    description = describe_job(context, job_name)
    if description is None:
        if not missing_is_end:
            return "missing"
        description = {"TrainingJobName": job_name, "TrainingJobStatus": MISSING}
    if description["TrainingJobStatus"] in IN_FLIGHT or not token:
        return "waiting"
    stop = stopped(context.runs.run(run_id), run_id)
    sent = (
        tokens.fail(context, token, stop)
        if stop
        else tokens.succeed(context, token, training_value(description, pending, run_id))
    )
    context.runs.delete_pending(run_id, runs.PENDING_TRAINING, token)
    if not sent:
        logger.info("nothing waits for the job any more", extra={"run_id": run_id, "job_name": job_name})
    return "delivered" if sent else "gone"


def track_training(context: Context, event: StepEvent) -> dict[str, Any]:
    """Store the token of the waiting state, then answer at once if the job has already ended.

    Raises StoppedByUser when somebody asked to stop the run before it waited. Nothing that fails after
    the token is stored fails the run: the event or the reconciler delivers.
    """
    run = context.runs.run(event.run_id) or {}
    job_name = run.get("job_name")
    if not job_name:
        raise ServiceFault(f"Run {event.run_id} has no training job. Start it again with `tunestep retry`.")
    training = event.part("training")
    wait_seconds = int(training.get("wait_seconds", 0))
    pending = context.runs.update(
        run_pk(event.run_id),
        runs.PENDING_TRAINING,
        {"token": event.task_token, "kind": runs.KIND_TRAINING},
        defaults={
            "run_id": event.run_id,
            "job_name": job_name,
            "execution_arn": event.execution.arn,
            "created_at": context.timestamp(),
            "expires_at": context.epoch() + wait_seconds + TOKEN_SLACK_SECONDS,
            "adopted": bool(training.get("adopted", False)),
            "wait_seconds": wait_seconds,
        },
    )
    # Stop marks the run and then looks for a token; here the token is stored and then the mark looked
    # for. Whichever came second sees the other.
    if stop := stopped(context.runs.run(event.run_id), event.run_id):
        raise stop
    try:
        state = deliver(context, event.run_id, pending or {})
    except AWS_FAULTS as fault:
        logger.warning("left to the event or the reconciler", extra={"fault": describe(fault)})
        state = "waiting"
    return {"job_name": job_name, "state": state}


class TrainingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """EventBridge's "SageMaker Training Job State Change"; only the job's name is believed."""

    detail: dict[str, Any]


def training_event(context: Context, event: TrainingEvent) -> dict[str, Any]:
    """Look at the job that an event hints at. Unknown jobs and repeated events change nothing."""
    job_name = event.detail.get("TrainingJobName")
    job = context.runs.job(job_name) if isinstance(job_name, str) and job_name else None
    if job is None:
        return {"state": "unknown"}
    pending = context.runs.pending(job["run_id"], runs.PENDING_TRAINING)
    if pending is None or not pending.get("token"):
        return {"state": "nobody waits"}
    return {"state": deliver(context, job["run_id"], pending)}
