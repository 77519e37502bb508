"""What a training job's description says about a run: times, phases, billing, the package it made."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from tunestep import estimate
from tunestep.context import Context
from tunestep.faults import describe, transient
from tunestep.plan_model import Plan
from tunestep.record_model import Cost, JobFacts, Phase, Used

Job = Mapping[str, Any]
"""DescribeTrainingJob's answer."""

_MOST_PHASES = 40

PACKAGE_SECONDS = 30.0
"""How long a package that the job does not name is looked for."""

_SECONDS_PER_HOUR = 3600


def stamp(moment: Any) -> str:
    """A time as ISO 8601 in UTC; empty for what is no time."""
    if not isinstance(moment, datetime):
        return ""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def phases(job: Job) -> list[Phase]:
    """Secondary statuses in order with their durations in seconds."""
    found = []
    for entry in job.get("SecondaryStatusTransitions", []):
        start, end = entry.get("StartTime"), entry.get("EndTime")
        seconds = round((end - start).total_seconds(), 1) if start and end else None
        found.append(Phase(status=entry.get("Status", ""), seconds=seconds))
    return found[:_MOST_PHASES]


def facts(job: Job) -> JobFacts:
    """The part of the description that a record keeps."""
    details = job.get("MlflowDetails", {})
    return JobFacts(
        name=job["TrainingJobName"],
        arn=job.get("TrainingJobArn", ""),
        status=job["TrainingJobStatus"],
        secondary_status=job.get("SecondaryStatus", ""),
        failure_reason=str(job.get("FailureReason", "")),
        created_at=stamp(job.get("CreationTime")),
        started_at=stamp(job.get("TrainingStartTime")),
        ended_at=stamp(job.get("TrainingEndTime")),
        training_seconds=job.get("TrainingTimeInSeconds"),
        output=job.get("OutputDataConfig", {}).get("S3OutputPath", ""),
        model_artifacts=job.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
        mlflow_experiment_id=details.get("MlflowExperimentId", ""),
        mlflow_run_id=details.get("MlflowRunId", ""),
        phases=phases(job),
    )


def cost(plan: Plan, dataset: Mapping[str, Any] | None, job: Job | None) -> Cost:
    """The estimate beside the bill. ``dataset`` is the short report on the data (see data_summary)."""
    made = estimate.make(plan, (dataset or {}).get("training"))
    by_time = estimate.paid_by_time(plan.recipe.metering, plan.technique)
    longest = plan.max_runtime_seconds or estimate.SERVICE_MAX_RUNTIME_SECONDS
    expected = Used(tokens=made.tokens, seconds=longest if by_time else None, usd=made.usd)
    billed = _billed(plan, job) if job else None
    return Cost(estimated=expected, billed=billed, share=_share(expected, billed), said=list(made.lines))


def _billed(plan: Plan, job: Job) -> Used | None:
    tokens, seconds = job.get("BillableTokenCount"), job.get("BillableTimeInSeconds")
    if tokens is None and seconds is None:
        return None
    usd = None
    if tokens is not None and plan.budget.usd_per_million_tokens is not None:
        usd = plan.budget.usd_per_million_tokens * tokens / 1_000_000
    elif seconds is not None and plan.budget.usd_per_hour is not None:
        usd = plan.budget.usd_per_hour * seconds / _SECONDS_PER_HOUR
    return Used(tokens=tokens, seconds=seconds, usd=None if usd is None else round(usd, 6))


def _share(expected: Used, billed: Used | None) -> float | None:
    """Billed over estimated, of tokens or else of time."""
    for name in ("tokens", "seconds"):
        wanted, had = getattr(expected, name), getattr(billed, name, None)
        if wanted and had is not None:
            return round(float(had) / float(wanted), 4)
    return None


def package(context: Context, plan: Plan, job: Job, gaps: list[str]) -> str:
    """The ARN of the job's model package: what the job says, or the one that provably came from it.

    Only for a job that completed: a failed one may name a package as well. Without one, ``gaps`` says why.
    Raises TransientFault when SageMaker is busy.
    """
    arn = str(job.get("OutputModelPackageArn") or "")
    if arn:
        return arn
    try:
        arn = _package_by_source(context, plan, job, gaps)
    except ClientError as fault:
        if passing := transient(fault):
            raise passing from fault
        gaps.append(f"model package unknown: {describe(fault)}")
        return ""
    if not arn:
        gaps.append("model package unknown: the job names none and none in the group came from its output")
    return arn


def _package_by_source(context: Context, plan: Plan, job: Job, gaps: list[str]) -> str:
    """The first package after the job, the earliest first, that lies below its output; empty for none.

    Looking ends with the time for it, which is then said in ``gaps``.
    """
    sagemaker = context.clients.sagemaker
    root = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/"
    end = context.now() + timedelta(seconds=PACKAGE_SECONDS)
    asked = {
        "ModelPackageGroupName": plan.group.name,
        "CreationTimeAfter": job["CreationTime"],
        "SortBy": "CreationTime",
        "SortOrder": "Ascending",
        "MaxResults": 100,
    }
    looked_at = 0
    while True:
        listed = sagemaker.list_model_packages(**asked)
        for summary in listed["ModelPackageSummaryList"]:
            if context.now() > end:
                gaps.append(f"only {looked_at:,} of the packages made after the job were looked at")
                return ""
            looked_at += 1
            arn = str(summary["ModelPackageArn"])
            if _lies_below(sagemaker.describe_model_package(ModelPackageName=arn), root):
                return arn
        if not listed.get("NextToken") or listed["NextToken"] == asked.get("NextToken"):
            return ""
        asked["NextToken"] = listed["NextToken"]


def _lies_below(package: Mapping[str, Any], root: str) -> bool:
    for container in package.get("InferenceSpecification", {}).get("Containers", []):
        source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
        if str(source or container.get("ModelDataUrl", "")).startswith(root):
            return True
    return False
