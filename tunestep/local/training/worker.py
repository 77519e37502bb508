"""One training job in a process of its own: ``python -m tunestep.local.training.worker JOBDIR``.

Reads ``request.json`` and ``context.json``, keeps ``status.json`` current, logs to standard output.
SIGTERM ends the training after the current step and saves what there is. Exit code 0 means that the
job ended as it should (stopped included), 1 that it failed, 2 bad usage.
"""

import os

from tunestep.local.training import WORKER_ENV

# Before numpy is imported: its BLAS reads these once. The allocator's are for the launcher to set.
for _name, _value in WORKER_ENV.items():
    os.environ.setdefault(_name, _value)

import signal  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import boto3  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.config import Config  # noqa: E402

from tunestep.aws import Client  # noqa: E402
from tunestep.local.training.faults import PREFIX, TrainingFault  # noqa: E402
from tunestep.local.training.job import Job, read  # noqa: E402
from tunestep.local.training.patience import Patience  # noqa: E402
from tunestep.local.training.pipeline import Pipeline  # noqa: E402
from tunestep.local.training.status import StatusFile  # noqa: E402
from tunestep.local.training.stop import StopSignal  # noqa: E402
from tunestep.local.training.tracking import Send, Sign, Tracker, TrackingError, http_sender  # noqa: E402
from tunestep.metrics import MetricsUnavailable, signed, target  # noqa: E402

REASON_LIMIT = 1024
"""Longest FailureReason, in characters (the API's maximum)."""


def run(folder: Path, stop: StopSignal, log: Callable[[str], None]) -> int:
    """Runs the job in ``folder``; returns the process's exit code."""
    status = StatusFile(folder / "status.json")
    status.phase("Starting", "Starting the training job")
    pipeline: Pipeline | None = None
    try:
        job = read(folder)
        patience = Patience(job.context.endpoint_url, folder, log=log)
        pipeline = make_pipeline(job, status, stop, log, patience)
        pipeline.run()
    except Exception as error:
        reason = failure_reason(error)
        if not isinstance(error, TrainingFault):
            log(traceback.format_exc())
        log(reason)
        if pipeline:
            pipeline.close("FAILED")
        status.update(failure_reason=reason)
        status.phase("Failed", reason, status="Failed")
        return 1
    return 0


def make_pipeline(
    job: Job, status: StatusFile, stop: StopSignal, log: Callable[[str], None], patience: Patience
) -> Pipeline:
    """The job's pipeline with clients for the endpoint of its context."""
    config = Config(
        region_name=job.context.region,
        s3={"addressing_style": "path"},
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
    )

    def client(service: str) -> Client:
        # A reward function ends by its own timeout, which may be the longest that Lambda has.
        slow = config.merge(Config(read_timeout=910)) if service == "lambda" else config
        made = boto3.client(service, endpoint_url=job.context.endpoint_url, config=slow)
        made.meta.events.register("before-send", patience.wait)
        return made

    return Pipeline(
        job,
        s3=client("s3"),
        service=client,
        status=status,
        tracker=make_tracker(job, patience),
        stop=stop,
        log=log,
    )


def make_tracker(job: Job, patience: Patience) -> Tracker:
    """A tracker for the context's MLflow server, or one that does nothing when there is none.

    The laptop cloud's own server is waited for; another one is not, for training needs no tracking.
    """
    url = job.context.mlflow_url
    if not url:
        return Tracker(None)
    ours = patience.covers(url)
    try:
        send = http_sender(url, _signer(job, url) if ours else None)
    except (TrackingError, MetricsUnavailable) as error:
        tracker = Tracker(None)
        tracker.notes.append(f"MLflow: {error}; training goes on without it.")
        return tracker
    return Tracker(_patient(send, patience) if ours else send)


def _signer(job: Job, url: str) -> Sign | None:
    """Signs with the credentials of the job's role; None where there is none to sign with."""
    credentials = boto3.Session().get_credentials()
    if credentials is None or not job.mlflow_arn:
        return None
    _, partition, _, region, account, _ = job.mlflow_arn.split(":", 5)
    where = target(job.mlflow_arn, region=region, account=account, partition=partition)
    where = where._replace(base=url.rstrip("/"), host=urlsplit(url).netloc)
    frozen = credentials.get_frozen_credentials()

    def sign(method: str, path: str, body: Mapping[str, Any] | None) -> AWSRequest:
        return signed(where, job.mlflow_arn, frozen, method=method, path=path, body=body)

    return sign


def _patient(send: Send, patience: Patience) -> Send:
    def wait_and_send(method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        patience.wait()
        return send(method, path, body)

    return wait_and_send


def failure_reason(error: Exception) -> str:
    """A FailureReason as the service words them: the caller's fault, or the trainer's own."""
    if isinstance(error, TrainingFault):
        return f"{PREFIX}{error}"[:REASON_LIMIT]
    return f"InternalServerError: the laptop's trainer failed ({type(error).__name__}); see the job's log."


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m tunestep.local.training.worker JOBDIR", file=sys.stderr)
        return 2
    stop = StopSignal()
    signal.signal(signal.SIGTERM, lambda *_: stop.request())
    return run(Path(arguments[0]), stop, lambda line: print(line, flush=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
