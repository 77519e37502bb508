"""What is kept of a run that failed: as much of the record and the report as can still be found out.

Everything but the record itself is a courtesy: a service that does not answer becomes a stated gap.
"""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger

from tunestep import hints, metric_reading, outcome_files, record
from tunestep.context import Context
from tunestep.faults import AWS_FAULTS, describe
from tunestep.job_facts import Job
from tunestep.metrics import Point
from tunestep.names import TRAINING_LOG_GROUP
from tunestep.record_model import Outcome, RunRecord
from tunestep.run_files import RECORD
from tunestep.runs import Item
from tunestep.tracking import IN_FLIGHT, describe_job

FAILED: Outcome = "FAILED"

LOG_LINES = 15
_LONGEST_LINE = 300

METRICS_SECONDS = 20.0
"""How long the metrics of a failed run may take: the job is stopped, and people wait for the notice."""

logger = Logger(child=True)


def recorded(context: Context, run_id: str) -> bool:
    return context.files.get(run_id, RECORD) is not None


def settle(context: Context, run_id: str) -> bool:
    """Whether nothing on record waits for the job's end; a record that waited is written anew after it.

    Raises what SageMaker raises, and what S3 raises when the record cannot be written.
    """
    found = context.files.get(run_id, RECORD)
    made = msgspec.json.decode(found[0], type=RunRecord) if found else None
    if made is None or made.job is None or made.job.status not in IN_FLIGHT:
        return True
    job = describe_job(context, made.job.name)
    if job is None:
        return True
    if job["TrainingJobStatus"] in IN_FLIGHT:
        return False
    write(context, run_id, context.runs.run(run_id) or {}, made.request, made.error or {})
    return True


def write(context: Context, run_id: str, run: Item, request: Any, error: dict[str, Any]) -> str:
    """Write record and report of a failed run; returns the record's URI.

    ``error`` is {Error, Cause, cleaned}. Raises what S3 raises when the record cannot be written.
    """
    gaps: list[str] = []
    job = _job(context, run, gaps)
    reason = str((job or {}).get("FailureReason", ""))
    made = record.build(
        context,
        run_id,
        outcome=FAILED,
        request=request,
        sections={
            "error": error,
            "gaps": gaps,
            "hint": hints.hint(str(error.get("Error")), str(error.get("Cause")), reason),
        },
        job=job,
    )
    series: dict[str, list[Point]] = {}
    if job and made.plan:
        histories = metric_reading.read(context, made.plan, job, budget_seconds=METRICS_SECONDS)
        series = histories.series
        gaps += histories.gaps
        metrics = outcome_files.summarize(series, job)
        if series:
            metrics = outcome_files.put_metrics(context, run_id, made.plan.technique, series, metrics)
        made = msgspec.structs.replace(made, metrics=metrics, gaps=gaps)
    complete, stored = outcome_files.put_record(context, made)
    outcome_files.put_report(context, complete, series, log_tail=log_tail(context, job))
    return stored.uri


def _job(context: Context, run: Item, gaps: list[str]) -> Job | None:
    name = run.get("job_name")
    if not name:
        return None
    try:
        job = describe_job(context, name)
    except AWS_FAULTS as fault:
        gaps.append(f"training job {name} could not be looked at: {describe(fault)}"[:400])
        return None
    if job and job["TrainingJobStatus"] in IN_FLIGHT:
        gaps.append(
            "what was billed: the training job had not ended when this was written, and is added once it has"
        )
    return job


def log_tail(context: Context, job: Job | None) -> list[str]:
    """The last lines that the job logged, oldest first; empty when there are none or nobody may read them."""
    if job is None:
        return []
    logs, prefix = context.clients.logs, f"{job['TrainingJobName']}/"
    try:
        streams = logs.describe_log_streams(
            logGroupName=TRAINING_LOG_GROUP, logStreamNamePrefix=prefix, limit=10
        )
        named = [stream for stream in streams["logStreams"] if stream["logStreamName"].startswith(prefix)]
        if not named:
            return []
        latest = max(named, key=lambda stream: int(stream.get("lastEventTimestamp", 0)))
        answer = logs.get_log_events(
            logGroupName=TRAINING_LOG_GROUP,
            logStreamName=latest["logStreamName"],
            limit=LOG_LINES,
            startFromHead=False,
        )
    except AWS_FAULTS as fault:
        logger.info("no log lines of the job", extra={"fault": describe(fault)})
        return []
    return [str(event.get("message", ""))[:_LONGEST_LINE] for event in answer["events"]][-LOG_LINES:]
