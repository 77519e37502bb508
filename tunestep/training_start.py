"""StartTraining: proves the plan, then makes exactly one job for it, or adopts the one that is there.

CreateTrainingJob has no client token. The job's name follows from the execution, so that a repeated call
meets its own job, and a retry of the run meets the job of the attempt before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from tunestep import budgets, durations, runs, tracking, training_job
from tunestep.aws import error_code
from tunestep.clean_up import stop_job
from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import (
    BudgetExceeded,
    PlanChanged,
    QuotaReached,
    ServiceFault,
    StoppedByUser,
    TransientFault,
    TunestepError,
)
from tunestep.faults import AWS_FAULTS, describe, not_found, transient
from tunestep.gate import announce
from tunestep.names import TAG_REQUEST_HASH, TAG_RUN
from tunestep.plan_model import Plan
from tunestep.registry import evaluator_of
from tunestep.run_files import CREATE_TRAINING_JOB
from tunestep.runs import run_pk
from tunestep.same_job import differences, finished_before
from tunestep.training_checks import proven_acceptance, require_unchanged

SERVICE_MAX_RUNTIME_SECONDS = 86_400
"""A job's time limit when the request sets none (SageMaker API, StoppingCondition)."""

WAIT_MARGIN_SECONDS = 3600

logger = Logger(child=True)


@dataclass(frozen=True)
class _Job:
    """The job of this run: its name, the request that makes it, and what the run says about it."""

    name: str
    request: dict[str, Any]
    request_hash: str
    wait_seconds: int

    def value(self, description: Mapping[str, Any], run_id: str, *, adopted: bool) -> dict[str, Any]:
        waiting = {"adopted": adopted, "wait_seconds": self.wait_seconds}
        return tracking.training_value(description, waiting, run_id)


def start_training(context: Context, event: StepEvent) -> dict[str, Any]:
    """The document's ``training``: the job that was started or adopted.

    Raises PlanChanged, ApprovalDeclined, ApprovalExpired, BudgetExceeded or StoppedByUser before anything is
    started; TransientFault when trying again may help, QuotaReached after having told people that it waits;
    ServiceFault when the name is taken by another job, SageMaker refuses or the run has ended meanwhile.
    """
    run_id = event.run_id
    plan = plan_of(context, event)
    registered = event.part("registry").get("model_package_group_arn")
    if registered != plan.group.arn:
        raise PlanChanged(
            f"The model package group is {registered}, planned was {plan.group.arn}. "
            f"Start again with `tunestep retry {run_id}`."
        )
    evaluator_arn = _evaluator(context, event, plan)
    require_unchanged(context, run_id, plan, evaluator_arn)
    accepted = proven_acceptance(context, event, plan)
    job = _job(context, event, plan, accepted, evaluator_arn)
    earlier = finished_before(context, run_id, plan, accepted)
    if earlier:
        context.runs.update_run(run_id, {"job_name": earlier["TrainingJobName"]})
        return job.value(earlier, run_id, adopted=True)
    _write_down(context, event, job)
    try:
        budgets.reserve(context, plan, run_id, job.name)
        if over := _over(context.runs.run(run_id) or {}, run_id):
            raise over
        description, adopted = _create(context, job, plan)
    except (BudgetExceeded, QuotaReached, PlanChanged, ServiceFault, StoppedByUser) as fault:
        _nothing_comes(context, run_id)
        if isinstance(fault, QuotaReached):
            announce.waits_for_quota(context, run_id, str(fault))
        raise
    _undo_if_stopped(context, run_id)
    return job.value(description, run_id, adopted=adopted)


def _evaluator(context: Context, event: StepEvent, plan: Plan) -> str:
    """The evaluator on record; the document only may not contradict it."""
    if plan.reward is None:
        return ""
    arn = evaluator_of(context, event.run_id, plan)
    claimed = event.part("evaluator").get("evaluator_arn", "")
    if claimed != arn:
        raise PlanChanged(
            f"The document of run {event.run_id} names the evaluator {claimed or 'none'}, on record is "
            f"{arn or 'none'}. Start again with `tunestep retry {event.run_id}`."
        )
    return arn


def _job(context: Context, event: StepEvent, plan: Plan, accepted: bool, evaluator_arn: str) -> _Job:
    name = training_job.job_name(plan.base_job_name, event.execution.arn)
    request = training_job.build_request(
        plan, job_name=name, accept_eula=accepted, evaluator_arn=evaluator_arn
    )
    request["Tags"] = [
        *request.get("Tags", []),
        {"Key": TAG_RUN, "Value": event.run_id},
        {"Key": TAG_REQUEST_HASH, "Value": plan.request_hash},
    ]
    wait_seconds = (
        (plan.max_runtime_seconds or SERVICE_MAX_RUNTIME_SECONDS)
        + durations.seconds(context.env.settings.pending_allowance)
        + WAIT_MARGIN_SECONDS
    )
    return _Job(name, request, plan.request_hash, wait_seconds)


def _write_down(context: Context, event: StepEvent, job: _Job) -> None:
    """Everything that finds the job again, before the job can exist.

    First whose job it is, then the pending item without a token: if the function dies right after
    CreateTrainingJob, the reconciler knows where to look.
    """
    run_id = event.run_id
    item = {
        "pk": runs.job_pk(job.name),
        "sk": runs.JOB,
        "run_id": run_id,
        "request_hash": job.request_hash,
        "created_at": context.timestamp(),
    }
    if not context.runs.put_new(item):
        owner = (context.runs.job(job.name) or {}).get("run_id")
        if owner != run_id:
            raise ServiceFault(f"The job name {job.name} belongs to run {owner}. Tell the stack's owner.")
    context.runs.update_run(run_id, {"job_name": job.name})
    context.runs.update(
        run_pk(run_id),
        runs.PENDING_TRAINING,
        {"kind": runs.KIND_TRAINING, "started_epoch": context.epoch(), "answered": False},
        defaults={
            "run_id": run_id,
            "job_name": job.name,
            "execution_arn": event.execution.arn,
            "created_at": context.timestamp(),
            "expires_at": context.epoch() + job.wait_seconds + tracking.TOKEN_SLACK_SECONDS,
            "wait_seconds": job.wait_seconds,
        },
    )
    context.files.put(run_id, CREATE_TRAINING_JOB, job.request)


def _create(context: Context, job: _Job, plan: Plan) -> tuple[dict[str, Any], bool]:
    """Create the job; returns its description as far as known, and whether it was there already."""
    try:
        answer = context.clients.sagemaker.create_training_job(**job.request)
    except ClientError as fault:
        if error_code(fault) != "ResourceInUse":
            raise _refusal(fault, job, plan) from fault
        return _adopt(context, job), True
    description = {
        "TrainingJobName": job.name,
        "TrainingJobArn": answer["TrainingJobArn"],
        "TrainingJobStatus": "InProgress",
    }
    try:
        return tracking.describe_job(context, job.name) or description, False
    except AWS_FAULTS as fault:
        logger.warning("the job was created and cannot be described yet", extra={"fault": describe(fault)})
        return description, False


def _refusal(fault: ClientError, job: _Job, plan: Plan) -> TunestepError:
    if error_code(fault) == "ResourceLimitExceeded":
        return QuotaReached(
            f"SageMaker has no quota left for another job ({describe(fault)}). Wait for other jobs, or "
            "ask for more under Service Quotas in the console."
        )
    if passing := transient(fault):
        return passing
    if not_found(fault):
        return PlanChanged(f"Something that job {job.name} needs is gone: {describe(fault)}.")
    return ServiceFault(f"SageMaker refuses the training job on {plan.model.name}. {describe(fault)}")


def _adopt(context: Context, job: _Job) -> dict[str, Any]:
    """The job that already has our name, if it is the one that we would have made."""
    found = tracking.describe_job(context, job.name)
    if found is None:
        raise TransientFault(f"Training job {job.name} is in use and not found. It is being deleted.")
    clashes = differences(job.request, found)
    tags = context.clients.sagemaker.list_tags(ResourceArn=found["TrainingJobArn"])["Tags"]
    if {"Key": TAG_REQUEST_HASH, "Value": job.request_hash} not in tags:
        clashes.append(f"tag {TAG_REQUEST_HASH}")
    if clashes:
        raise ServiceFault(
            f"A training job named {job.name} exists and differs in {', '.join(clashes)}. It was not "
            "touched. Set base_job_name in the request and start it with `tunestep run`."
        )
    return found


def _over(run: Mapping[str, Any], run_id: str) -> TunestepError | None:
    """Why the run may have no job any more; None while it may."""
    if run.get("status") == runs.ENDED:
        return ServiceFault(f"Run {run_id} ended while its job was being created. No job is left.")
    return tracking.stopped(dict(run), run_id)


def _nothing_comes(context: Context, run_id: str) -> None:
    """Note that SageMaker has refused, so that nobody waits for a job that cannot appear any more."""
    try:
        context.runs.update(
            run_pk(run_id), runs.PENDING_TRAINING, {"answered": True}, condition="attribute_exists(#pk)"
        )
    except AWS_FAULTS as fault:
        logger.warning("others wait for a job that will not come", extra={"fault": describe(fault)})


def _undo_if_stopped(context: Context, run_id: str) -> None:
    """A stop that came while the job was being created did not see it: stop it here."""
    run = context.runs.run(run_id) or {}
    if over := _over(run, run_id):
        stop_job(context, run_id, run)
        raise over
