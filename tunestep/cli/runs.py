"""Reading runs: the table for which there are, Step Functions for where each stands."""

import datetime
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tunestep.aws import error_code
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target

RUNNING = "RUNNING"


@dataclass(frozen=True, kw_only=True)
class StateVisit:
    """One state the execution entered; ``left`` is None while it is there."""

    name: str
    entered: datetime.datetime
    left: datetime.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run as the command shows it. ``document`` is the state machine's document so far."""

    run_id: str
    status: str
    started: datetime.datetime
    ended: datetime.datetime | None
    visits: tuple[StateVisit, ...]
    document: dict[str, Any]
    error: str = ""
    cause: str = ""
    job: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.visits[-1].name if self.visits else ""

    @property
    def live(self) -> bool:
        return self.status == RUNNING

    @property
    def job_name(self) -> str:
        return str(self.document.get("training", {}).get("job_name", ""))


def list_runs(target: Target, limit: int) -> list[dict[str, Any]]:
    """The latest runs, newest first: the table's run items as plain values."""
    return list(itertools.islice(every_run(target, page=limit), limit))


def every_run(target: Target, *, since: str = "", page: int = 100) -> Iterator[dict[str, Any]]:
    """The table's run items as plain values, newest first, read ``page`` at a time as they are asked for.

    ``since`` is an ISO 8601 time in UTC; runs that began earlier are left out.
    """
    condition, values = "#k = :k", {":k": {"S": "run"}}
    names = {"#k": "kind"}
    if since:
        condition, names["#c"], values[":c"] = f"{condition} AND #c >= :c", "created_at", {"S": since}
    start: dict[str, Any] = {}
    while True:
        with aws_errors(f"list the runs of stack {target.stack} in {target.region}"):
            answer = target.clients.dynamodb.query(
                TableName=target.table,
                IndexName="by_kind",
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ScanIndexForward=False,
                Limit=page,
                **start,
            )
        yield from ({k: next(iter(v.values())) for k, v in item.items()} for item in answer["Items"])
        if not answer.get("LastEvaluatedKey"):
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def resolve(target: Target, name: str | None) -> str:
    """The run id a person meant: the whole id, a unique beginning of one, or None for the latest."""
    if name is not None and not name.strip():
        raise CliError("the run id is empty; is a variable unset? The latest runs: tunestep status")
    if name:
        if ":" in name:
            name = name.rsplit(":", 1)[-1]
        if _exists(target, name):
            return name
    listed = list_runs(target, 100)
    known = [str(run["run_id"]) for run in listed]
    if not name:
        if not known:
            raise CliError(f"no run yet; start one: tunestep run REQUEST {target.flag}", code=1)
        # A duplicate has nothing to show; the run that it gave way to has.
        return str(listed[0].get("duplicate_of") or known[0])
    matches = [run_id for run_id in known if run_id.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CliError(f"{name!r} is the beginning of {len(matches)} runs: {', '.join(matches[:5])}")
    raise CliError(f"there is no run {name!r}; the latest ones: tunestep status {target.flag}")


def _exists(target: Target, run_id: str) -> bool:
    try:
        target.clients.stepfunctions.describe_execution(executionArn=target.execution_arn(run_id))
    except ClientError as error:
        if error_code(error) in {"ExecutionDoesNotExist", "InvalidArn", "ValidationException"}:
            return False
        raise CliError(f"could not look up run {run_id}: {error}", code=1) from error
    return True


def view(target: Target, run_id: str) -> RunView:
    """Read a run: status, the states it went through, its document and its training job."""
    arn = target.execution_arn(run_id)
    with aws_errors(f"read run {run_id}"):
        execution = target.clients.stepfunctions.describe_execution(executionArn=arn)
        events = _history(target, arn)
    document = _document(events)
    job_name = document.get("training", {}).get("job_name", "")
    return RunView(
        run_id=run_id,
        status=execution["status"],
        started=execution["startDate"],
        ended=execution.get("stopDate"),
        visits=tuple(_visits(events)),
        document=document,
        error=execution.get("error", ""),
        cause=execution.get("cause", ""),
        job=_job(target, job_name) if job_name else {},
    )


def _history(target: Target, arn: str) -> list[dict[str, Any]]:
    pages = target.clients.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=arn, PaginationConfig={"MaxItems": 5000, "PageSize": 500}
    )
    return [event for page in pages for event in page["events"]]


def _visits(events: list[dict[str, Any]]) -> list[StateVisit]:
    visits: list[StateVisit] = []
    for event in events:
        if "stateEnteredEventDetails" in event:
            visits.append(
                StateVisit(name=event["stateEnteredEventDetails"]["name"], entered=event["timestamp"])
            )
        elif "stateExitedEventDetails" in event and visits:
            visits[-1] = StateVisit(name=visits[-1].name, entered=visits[-1].entered, left=event["timestamp"])
    return visits


def _document(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The newest document the history holds: what the last state left behind or the current one got."""
    for event in reversed(events):
        text = event.get("stateExitedEventDetails", {}).get("output") or event.get(
            "stateEnteredEventDetails", {}
        ).get("input")
        if text:
            document = json.loads(text)
            return document if isinstance(document, dict) else {}
    return {}


def _job(target: Target, job_name: str) -> dict[str, Any]:
    """The training job as SageMaker describes it now; empty when it cannot be read."""
    try:
        job: dict[str, Any] = target.clients.sagemaker.describe_training_job(TrainingJobName=job_name)
    except ClientError:
        return {}
    return job
