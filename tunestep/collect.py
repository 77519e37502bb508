"""What a completed job produced: status first, then the model package, metrics, numbers and the record."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tunestep import job_report, metric_series, record, runs, tracking
from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import ServiceFault, TrainingJobFailed
from tunestep.faults import describe, transient
from tunestep.metrics import MetricsUnavailable, MlflowReader, Point
from tunestep.plan_model import Plan
from tunestep.run_files import METRICS

SUCCEEDED = "SUCCEEDED"

_SHOWN_METRICS = 12
"""Most metrics whose numbers the document carries; all are in metrics.json."""

ReaderFactory = Callable[[Context, str], MlflowReader]


def mlflow_reader(context: Context, app_arn: str) -> MlflowReader:
    """A reader for one MLflow app, signing as this function. The laptop may name another host."""
    credentials = context.clients.session.get_credentials()
    if credentials is None:
        raise MetricsUnavailable("there are no credentials to sign with")
    return MlflowReader(
        app_arn,
        region=context.env.region,
        account=context.env.account,
        credentials=credentials.get_frozen_credentials(),
        endpoint=os.environ.get("SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT", "") if context.env.laptop else "",
    )


def phases(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Secondary statuses in order with their durations in seconds."""
    found = []
    for entry in description.get("SecondaryStatusTransitions", []):
        start, end = entry.get("StartTime"), entry.get("EndTime")
        seconds = round((end - start).total_seconds(), 1) if start and end else None
        found.append({"status": entry.get("Status", ""), "seconds": seconds})
    return found[:40]


def _package(context: Context, plan: Plan, job: Mapping[str, Any], gaps: list[str]) -> str:
    """The job's model package: what the job says, or the one that provably came from it."""
    arn = str(job.get("OutputModelPackageArn") or "")
    if arn:
        return arn
    try:
        arn = _package_by_source(context, plan, job)
    except ClientError as fault:
        if passing := transient(fault):
            raise passing from fault
        gaps.append(f"model package unknown: {describe(fault)}")
        return ""
    if not arn:
        gaps.append("model package unknown: the job names none and none in the group came from its output")
    return arn


def _package_by_source(context: Context, plan: Plan, job: Mapping[str, Any]) -> str:
    sagemaker = context.clients.sagemaker
    root = f"{job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job['TrainingJobName']}/"
    listed = sagemaker.list_model_packages(
        ModelPackageGroupName=plan.group.name,
        CreationTimeAfter=job["CreationTime"],
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=20,
    )
    for summary in listed["ModelPackageSummaryList"]:
        found = sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
        for container in found.get("InferenceSpecification", {}).get("Containers", []):
            source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", "")
            if str(source or container.get("ModelDataUrl", "")).startswith(root):
                return str(summary["ModelPackageArn"])
    return ""


def _series(
    context: Context, plan: Plan, job: Mapping[str, Any], reader: ReaderFactory, gaps: list[str]
) -> dict[str, list[Point]]:
    """The metric histories; whatever prevents reading them becomes a gap."""
    run_id = job.get("MlflowDetails", {}).get("MlflowRunId")
    if plan.mlflow is None:
        gaps.append("no metrics: the run has no MLflow app")
        return {}
    if not run_id:
        gaps.append("no metrics: the job names no MLflow run")
        return {}
    try:
        mlflow = reader(context, plan.mlflow.app_arn)
        known = mlflow.run(run_id).get("data", {}).get("metrics", [])
        available = [str(entry["key"]) for entry in known]
        series = {
            name: mlflow.history(run_id, name) for name in metric_series.chosen(plan.technique, available)
        }
    except (MetricsUnavailable, KeyError, TypeError, ValueError, AttributeError) as fault:
        gaps.append(f"no metrics: {fault}"[:400])
        return {}
    validated = plan.validation_data is not None
    lacking = metric_series.missing(plan.technique, available, validated=validated)
    if lacking:
        gaps.append(f"MLflow has no {' and no '.join(lacking)}")
    return {name: points for name, points in series.items() if points}


def _summary(plan: Plan, job: Mapping[str, Any], series: Mapping[str, list[Point]]) -> dict[str, Any]:
    progress = job.get("ProgressInfo", {})
    shown = dict(list(series.items())[:_SHOWN_METRICS])
    epochs = metric_series.per_epoch(
        shown, int(progress.get("TotalStepCountPerEpoch") or 0), int(progress.get("MaxEpoch") or 0)
    )
    details = job.get("MlflowDetails", {})
    numbers = {
        "billable_tokens": job.get("BillableTokenCount"),
        "billable_seconds": job.get("BillableTimeInSeconds"),
        "training_seconds": job.get("TrainingTimeInSeconds"),
    }
    return {
        "job_name": job["TrainingJobName"],
        "technique": plan.technique,
        "model": plan.model.name,
        "output": job.get("OutputDataConfig", {}).get("S3OutputPath", ""),
        "model_artifacts": job.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
        "mlflow_experiment_id": details.get("MlflowExperimentId", ""),
        "mlflow_run_id": details.get("MlflowRunId", ""),
        **{name: value for name, value in numbers.items() if value is not None},
        "phases": phases(job),
        "metrics": metric_series.overview(shown),
        "epochs": epochs,
    }


def collect_results(
    context: Context, event: StepEvent, *, reader: ReaderFactory = mlflow_reader
) -> dict[str, Any]:
    """The document's ``results``; also metrics.json, record.json and the run's item marked as ended.

    What could not be found out is a stated gap and never fails a run that was paid for. Raises
    TrainingJobFailed when the job has not completed after all, TransientFault when AWS is busy.
    """
    plan, run_id = plan_of(context, event), event.run_id
    name = (context.runs.run(run_id) or {}).get("job_name")
    job = tracking.describe_job(context, name) if name else None
    if job is None:
        raise ServiceFault(f"Run {run_id} has no training job that SageMaker knows ({name}).")
    if job["TrainingJobStatus"] != "Completed":
        raise TrainingJobFailed(f"Training job {name} is {job['TrainingJobStatus']}, not Completed.")
    gaps: list[str] = []
    package = _package(context, plan, job, gaps)
    series = _series(context, plan, job, reader, gaps)
    summary = _summary(plan, job, series)
    if context.env.laptop and plan.technique in ("RLVR", "RLAIF"):
        summary |= job_report.read(context.clients.s3, job)
    stored = context.files.put(
        run_id,
        METRICS,
        {
            "technique": plan.technique,
            "columns": ["step", "value", "timestamp_ms"],
            "metrics": {metric: [list(point) for point in points] for metric, points in series.items()},
            "epochs": summary["epochs"],
        },
    )
    results = {"model_package_arn": package, "metrics_uri": stored.uri, "summary": summary, "gaps": gaps}
    written = record.write(
        context,
        run_id,
        outcome=SUCCEEDED,
        request=event.document.get("request"),
        sections={"training": event.part("training"), "results": results},
    )
    # Last, so that a run that is listed as succeeded has its record.
    context.runs.update_run(
        run_id,
        {
            "status": runs.ENDED,
            "outcome": SUCCEEDED,
            "ended_at": context.timestamp(),
            "model_package_arn": package,
        },
        remove=("error", "cause"),
    )
    for sk in (runs.PENDING_TRAINING, runs.PENDING_APPROVAL, runs.PENDING_STOP):
        context.runs.delete_pending(run_id, sk)
    return results | {"record_uri": written.uri, "record_sha256": written.sha256}
