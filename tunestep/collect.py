"""What a completed job produced: status first, then model package, metrics, numbers, record and report."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tunestep import (
    budgets,
    job_facts,
    job_report,
    metric_reading,
    outcome_files,
    record,
    reward_drift,
    runs,
    tracking,
)
from tunestep.context import Context, StepEvent, plan_of
from tunestep.errors import ServiceFault, TrainingJobFailed
from tunestep.metric_reading import ReaderFactory, mlflow_reader
from tunestep.metrics import Point
from tunestep.plan_model import Plan
from tunestep.record_model import MetricsFound, Outcome

SUCCEEDED: Outcome = "SUCCEEDED"


def _summary(plan: Plan, job: Mapping[str, Any], metrics: MetricsFound) -> dict[str, Any]:
    """The document's part of the results: numbers and names, never content."""
    facts = job_facts.facts(job)
    numbers = {
        "billable_tokens": job.get("BillableTokenCount"),
        "billable_seconds": job.get("BillableTimeInSeconds"),
        "training_seconds": facts.training_seconds,
    }
    return {
        "job_name": facts.name,
        "technique": plan.technique,
        "model": plan.model.name,
        "output": facts.output,
        "model_artifacts": facts.model_artifacts,
        "mlflow_experiment_id": facts.mlflow_experiment_id,
        "mlflow_run_id": facts.mlflow_run_id,
        **{name: value for name, value in numbers.items() if value is not None},
        "phases": msgspec.to_builtins(facts.phases),
        "metrics": metrics.overview,
        "epochs": metrics.epochs,
    }


def collect_results(
    context: Context, event: StepEvent, *, reader: ReaderFactory = mlflow_reader
) -> dict[str, Any]:
    """The document's ``results``; also the run's files and its item marked as ended.

    What could not be found out is a stated gap and never fails a run that was paid for. Raises
    TrainingJobFailed when the job has not completed after all, TransientFault when AWS is busy.
    """
    plan, run_id = plan_of(context, event), event.run_id
    job = _completed(context, run_id)
    gaps: list[str] = []
    package = job_facts.package(context, plan, job, gaps)
    histories = metric_reading.read(context, plan, job, reader)
    gaps += histories.gaps
    metrics = outcome_files.put_metrics(
        context,
        run_id,
        plan.technique,
        histories.series,
        outcome_files.summarize(histories.series, job),
    )
    said = _trainer(context, plan, job, histories.series)
    answers = {name: value for name, value in said.items() if name in ("samples", "warnings")}
    told = outcome_files.summarize(histories.series, job, outcome_files.DOCUMENT_BYTES)
    summary = _summary(plan, job, told) | {k: v for k, v in said.items() if k != "samples"}
    results = {"model_package_arn": package, "metrics_uri": metrics.uri, "summary": summary, "gaps": gaps}
    made, written = outcome_files.put_record(
        context,
        record.build(
            context,
            run_id,
            outcome=SUCCEEDED,
            request=event.document.get("request"),
            sections={
                "training": event.part("training"),
                "results": results,
                "model_package_arn": package,
                "metrics": metrics,
                "gaps": gaps,
            },
            job=job,
        ),
    )
    if missed := outcome_files.put_report(context, made, histories.series, answers):
        results = results | {"gaps": [*gaps, missed]}
    budgets.settle(context, run_id)
    # Last, so that a run that is listed as succeeded has its record.
    context.runs.update_run(
        run_id,
        {
            "status": runs.ENDED,
            "outcome": SUCCEEDED,
            "ended_at": context.timestamp(),
            "model_package_arn": package,
            "record_sha256": written.sha256,
        },
        remove=("error", "cause"),
    )
    for sk in (runs.PENDING_TRAINING, runs.PENDING_APPROVAL, runs.PENDING_STOP):
        context.runs.delete_pending(run_id, sk)
    links = {"record_uri": written.uri, "record_sha256": written.sha256, "report_uri": made.files["report"]}
    return results | links


def _completed(context: Context, run_id: str) -> dict[str, Any]:
    """The run's job as SageMaker describes it, which has completed."""
    name = (context.runs.run(run_id) or {}).get("job_name")
    job = tracking.describe_job(context, name) if name else None
    if job is None:
        raise ServiceFault(f"Run {run_id} has no training job that SageMaker knows ({name}).")
    if job["TrainingJobStatus"] != "Completed":
        raise TrainingJobFailed(f"Training job {name} is {job['TrainingJobStatus']}, not Completed.")
    return job


def _trainer(
    context: Context, plan: Plan, job: Mapping[str, Any], series: Mapping[str, Sequence[Point]]
) -> dict[str, Any]:
    """What the laptop's trainer reports of a reinforcement run; AWS writes no such file, but metrics."""
    if plan.technique not in ("RLVR", "RLAIF"):
        return {}
    if context.env.laptop:
        return job_report.read(context.clients.s3, job)
    found = reward_drift.warnings(series)
    return {"warnings": found} if found else {}
