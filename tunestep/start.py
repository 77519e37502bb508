"""Every start but the console's: who asked is written down before the execution begins."""

import re
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tunestep import runs
from tunestep.aws import error_code
from tunestep.context import Context
from tunestep.errors import PrerequisitesNotMet, ServiceFault
from tunestep.faults import AWS_FAULTS, describe, transient
from tunestep.findings import Finding
from tunestep.request import Request, RequestInvalid, parse, request_hash
from tunestep.runs import run_pk
from tunestep.text import one_line

MOST_ATTEMPTS = 500
"""Attempts at one request that are counted before the start gives up."""

SOURCES = frozenset({"cli", "console", "event", "schedule", "s3"})


class StartEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What to run and who asks. With ``retry_of`` the request is that of the earlier run."""

    request: Any = None
    source: str = "cli"
    requester: str = "unknown"
    retry_of: str = ""


class InvalidRequest(PrerequisitesNotMet):
    """A request that cannot be run; ``findings`` holds every fault."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(finding.line() for finding in findings))
        self.findings = findings

    @property
    def name(self) -> str:
        return "PrerequisitesNotMet"


def slug(use_case: str) -> str:
    """The use case as the beginning of an execution name: at most 30 of [a-z0-9-], never empty."""
    text = use_case
    if text.startswith("s3://"):
        text = text.rsplit("/", 2)[-2] if text.count("/") > 3 else text.rsplit("/", 1)[-1]
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:30].strip("-") or "run"


def _earlier_request(context: Context, run_id: str) -> Any:
    """The input of an earlier execution. Raises PrerequisitesNotMet while it runs or when it is unknown."""
    try:
        found = context.clients.stepfunctions.describe_execution(executionArn=context.execution_arn(run_id))
    except ClientError as fault:
        if error_code(fault) not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        raise PrerequisitesNotMet(f"There is no run {run_id!r}. `tunestep status` lists the runs.") from None
    if found["status"] == "RUNNING":
        raise PrerequisitesNotMet(
            f"Run {run_id} is still running. Watch it with `tunestep watch {run_id}`, or stop it with "
            f"`tunestep stop {run_id}` first."
        )
    return msgspec.json.decode(found.get("input") or "null")


def _item(context: Context, event: StartEvent, request: Request, attempt: int) -> dict[str, Any]:
    digest = request_hash(request)
    run_id = f"{slug(request.use_case)}-{digest[:8]}-{attempt}"
    return {
        "pk": run_pk(run_id),
        "sk": runs.RUN,
        "kind": runs.KIND_RUN,
        "run_id": run_id,
        "execution_arn": context.execution_arn(run_id),
        "source": event.source if event.source in SOURCES else "event",
        "requester": one_line(event.requester, 200) or "unknown",
        "requester_assurance": "unverified",
        "attempt": attempt,
        "force": False,
        "retry_of": event.retry_of or None,
        "created_at": context.timestamp(),
        "status": runs.STARTED,
        "technique": request.technique,
        "use_case": request.use_case,
        "base_model": request.base_model,
        "request_hash": digest,
    }


def start(context: Context, event: StartEvent) -> dict[str, Any]:
    """Start a run; returns {run_id, execution_arn}.

    Raises InvalidRequest with all faults, PrerequisitesNotMet for a retry of a run that is not over,
    ServiceFault when Step Functions refuses.
    """
    document = _earlier_request(context, event.retry_of) if event.retry_of else event.request
    try:
        request = parse(document)
    except RequestInvalid as fault:
        raise InvalidRequest(list(fault.findings)) from None
    earlier = context.runs.run(event.retry_of) if event.retry_of else None
    first = int((earlier or {}).get("attempt", 0)) + 1
    for attempt in range(first, first + MOST_ATTEMPTS):
        item = _item(context, event, request, attempt)
        # A name may be free in the table and taken by an execution that the console started.
        arn = _begin(context, item["run_id"], document) if context.runs.put_new(item) else None
        if arn:
            return {"run_id": item["run_id"], "execution_arn": arn}
    raise ServiceFault(
        f"This request was started {MOST_ATTEMPTS} times. Change its use_case to start it again."
    )


def _begin(context: Context, run_id: str, document: Any) -> str | None:
    """StartExecution with the plain request; None when the name is taken.

    A refused start leaves its item marked as ended, so that no run is listed that never was.
    """
    try:
        answer = context.clients.stepfunctions.start_execution(
            stateMachineArn=context.env.machine_arn,
            name=run_id,
            input=msgspec.json.encode(document).decode(),
        )
    except AWS_FAULTS as fault:
        if isinstance(fault, ClientError) and error_code(fault) == "ExecutionAlreadyExists":
            _give_back(context, run_id)
            return None
        context.runs.update_run(
            run_id,
            {
                "status": runs.ENDED,
                "outcome": runs.NOT_STARTED,
                "error": "ServiceFault",
                "cause": describe(fault),
                "ended_at": context.timestamp(),
            },
        )
        raise transient(fault) or ServiceFault(f"The run was not started. {describe(fault)}") from fault
    return str(answer["executionArn"])


def _give_back(context: Context, run_id: str) -> None:
    """Undo a reservation under the name of an execution that somebody else started."""
    context.runs.delete(run_pk(run_id), runs.RUN, condition="attribute_not_exists(#plan_sha256)")
