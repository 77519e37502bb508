"""The life of one training job, as pure functions from state to state.

Statuses are those of SageMaker serverless jobs: Starting, Pending, Downloading, Training, Uploading,
Completed; Failed with a reason; Stopping, Stopped; MaxRuntimeExceeded. The worker reports its own
progress; stopping, time limits and lost workers are the service's to say.
"""

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
DEFAULT_MAX_RUNTIME = 86_400
"""Seconds a job may run when its request sets no limit (API reference, StoppingCondition)."""

_REASON_LIMIT = 1024
_SERVICE_STATUSES = frozenset({"Starting", "Pending", "Stopping"})
_MESSAGES = {
    "Starting": "Starting the training job",
    "Pending": "Waiting for capacity",
    "Downloading": "Downloading input data",
    "Training": "Training in progress",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job stopped at its maximum runtime",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
}


class Transition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One secondary status, with epoch seconds; the names are the API's."""

    Status: str
    StartTime: float
    EndTime: float | None = None
    StatusMessage: str = ""


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The worker's status.json."""

    status: Literal["InProgress", "Completed", "Failed", "Stopped"] = "InProgress"
    secondary_status: str = "Starting"
    transitions: tuple[Transition, ...] = ()
    progress: dict[str, int] | None = None
    mlflow: dict[str, str] | None = None
    failure_reason: str | None = None
    model_s3_uri: str | None = None
    billable_tokens: int | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One training job; times in epoch seconds.

    ``pid_identity`` tells the worker from a later process with the same number. ``stop_cause`` is set
    when something asked for the end: ``user`` or ``runtime``.
    """

    name: str
    arn: str
    request: dict[str, Any]
    created: float
    modified: float
    base_model: str
    base_version: str
    recipe: str
    metering: str = ""
    status: str = "InProgress"
    secondary: str = "Starting"
    transitions: tuple[Transition, ...] = ()
    launched: float | None = None
    pid: int | None = None
    pid_identity: str = ""
    stop_cause: Literal["", "user", "runtime"] = ""
    stop_at: float | None = None
    failure_reason: str = ""
    progress: dict[str, int] | None = None
    mlflow: dict[str, str] | None = None
    model_s3_uri: str = ""
    billable_tokens: int | None = None
    package_arn: str = ""
    ended: float | None = None

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def max_runtime(self) -> int:
        limit = self.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        return int(limit or DEFAULT_MAX_RUNTIME)

    @property
    def training_started(self) -> float | None:
        return next((t.StartTime for t in self.transitions if t.Status == "Training"), None)


def launching(job: Job, now: float) -> Job:
    """About to start its worker: written down first, so that no crash can start two."""
    job = replace(job, launched=now)
    return job if job.secondary == "Pending" else _enter(job, "Pending", now)


def not_launched(job: Job) -> Job:
    """No worker came of it: the next one is the first."""
    return replace(job, launched=None)


def running(job: Job, pid: int, identity: str) -> Job:
    return replace(job, pid=pid, pid_identity=identity)


def stopping(job: Job, cause: Literal["user", "runtime"], now: float) -> Job:
    """Somebody asked, or the time is up; what comes first names the end."""
    if job.stop_cause or job.terminal:
        return job
    return _enter(replace(job, status="Stopping", stop_cause=cause, stop_at=now), "Stopping", now)


def absorb(job: Job, report: WorkerStatus, now: float) -> Job:
    """Take over what the worker reports. A job that has ended stays as it is."""
    if job.terminal:
        return job
    merged = replace(
        job,
        progress=report.progress or job.progress,
        mlflow=report.mlflow or job.mlflow,
        model_s3_uri=report.model_s3_uri or job.model_s3_uri,
        billable_tokens=report.billable_tokens if report.billable_tokens is not None else job.billable_tokens,
        transitions=_merged(job.transitions, report.transitions),
    )
    match report.status:
        case "Completed":
            return _end(merged, "Completed", "Completed", now)
        case "Failed":
            reason = report.failure_reason or "InternalServerError: the training process gave no reason"
            return _end(replace(merged, failure_reason=reason[:_REASON_LIMIT]), "Failed", "Failed", now)
        case "Stopped":
            return _stopped(merged, now)
    if not merged.stop_cause and merged.transitions:
        merged = replace(merged, secondary=merged.transitions[-1].Status)
    changed = (merged.secondary, merged.progress) != (job.secondary, job.progress)
    return replace(merged, modified=now) if changed else merged


def lost(job: Job, reason: str, now: float) -> Job:
    """The worker is gone without a last word: Stopped if that was asked for, Failed if not."""
    if job.terminal:
        return job
    if job.stop_cause:
        return _stopped(job, now)
    return _end(
        replace(job, failure_reason=f"InternalServerError: {reason}"[:_REASON_LIMIT]), "Failed", "Failed", now
    )


def steps(before: Job, after: Job) -> list[Job]:
    """The job at every status it entered on the way, the last as it is now; empty when it entered none.

    A worker may have gone through several since it was last looked at, and each is an event.
    """
    if (before.status, before.secondary) == (after.status, after.secondary):
        return []
    known = {t.Status for t in before.transitions}
    passed = [
        replace(
            after,
            status=before.status,
            secondary=entry.Status,
            transitions=(*after.transitions[:index], replace(entry, EndTime=None)),
            failure_reason="",
            model_s3_uri="",
            package_arn="",
            ended=None,
        )
        for index, entry in enumerate(after.transitions[:-1])
        if entry.Status not in known
    ]
    return [*passed, after]


def _stopped(job: Job, now: float) -> Job:
    return _end(job, "Stopped", "MaxRuntimeExceeded" if job.stop_cause == "runtime" else "Stopped", now)


def _end(job: Job, status: str, secondary: str, now: float) -> Job:
    earlier = tuple(t for t in job.transitions if t.Status not in TERMINAL)
    reported = (t.StartTime for t in job.transitions if t.Status in TERMINAL)
    latest = max((t.StartTime for t in earlier), default=job.created)
    at = max(next(reported, now), latest)
    entered = _enter(replace(job, transitions=earlier), secondary, at)
    last = replace(entered.transitions[-1], EndTime=at)
    if status == "Failed":
        last = replace(last, StatusMessage=job.failure_reason)
    return replace(
        entered, status=status, ended=at, modified=now, transitions=(*entered.transitions[:-1], last)
    )


def _enter(job: Job, secondary: str, now: float) -> Job:
    """Move to a secondary status, closing the one before."""
    entry = Transition(Status=secondary, StartTime=now, StatusMessage=_MESSAGES[secondary])
    return replace(job, secondary=secondary, modified=now, transitions=_closed((*job.transitions, entry)))


def _merged(own: tuple[Transition, ...], reported: tuple[Transition, ...]) -> tuple[Transition, ...]:
    """One history in the order of time: the service's word for its statuses, the worker's for the rest."""
    entered = {t.Status for t in own} & _SERVICE_STATUSES
    news = [t for t in reported if t.Status not in entered]
    told = {t.Status for t in news}
    entries = [t for t in own if t.Status not in told]
    entries += [t if t.StatusMessage else replace(t, StatusMessage=_MESSAGES.get(t.Status, "")) for t in news]
    return _closed(tuple(sorted(entries, key=lambda t: t.StartTime)))


def _closed(entries: tuple[Transition, ...]) -> tuple[Transition, ...]:
    """Every status ends where the next begins; the last is open."""
    following = (*(t.StartTime for t in entries[1:]), None)
    return tuple(
        replace(entry, EndTime=entry.EndTime if end is None else max(end, entry.StartTime))
        for entry, end in zip(entries, following, strict=True)
    )
