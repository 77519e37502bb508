"""Every start but the console's: who asked is written down before the execution begins."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tunestep import requester, runs
from tunestep.aws import error_code
from tunestep.context import Context
from tunestep.errors import PrerequisitesNotMet, ServiceFault
from tunestep.faults import AWS_FAULTS, describe, transient
from tunestep.findings import Finding
from tunestep.request import Request, RequestInvalid, parse, request_hash
from tunestep.runs import Item, run_pk
from tunestep.text import one_line

MOST_ATTEMPTS = 500
"""Names that may be taken by others under our eyes before the start gives up."""

SOURCES = frozenset({"cli", "console", "event", "schedule", "s3", "preset"})


class StartEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What to run and who asks. With ``retry_of`` the request is that of the earlier run.

    ``force`` takes the content's claim from whatever run holds it.
    """

    request: Any = None
    source: str = "cli"
    requester: str = "unknown"
    retry_of: str = ""
    force: bool = False


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What the function that starts knows by itself, and no caller can claim.

    ``known`` is how the requester is known; ``event`` identifies what asked, so that asking again with
    the same one starts nothing new; ``first`` is the attempt to begin at, the same each time it asks.
    """

    known: str = "unverified"
    event: str = ""
    first: int = 0


UNVERIFIED = Origin()
"""A person or a program whom nothing but its own word identifies."""


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


def _run_id(request: Request, attempt: int) -> str:
    return f"{slug(request.use_case)}-{request_hash(request)[:8]}-{attempt}"


def free_attempt(context: Context, request: Request, first: int = 1) -> int:
    """An attempt from ``first`` on that nobody has made; found in few looks however many there were."""

    def taken(attempt: int) -> bool:
        return context.runs.run(_run_id(request, attempt)) is not None

    if not taken(first):
        return first
    step = 1
    while taken(first + step):
        step *= 2
    last, free = first + step // 2, first + step
    while free - last > 1:
        middle = (last + free) // 2
        last, free = (middle, free) if taken(middle) else (last, middle)
    return free


def _item(
    context: Context, event: StartEvent, origin: Origin, request: Request, attempt: int
) -> dict[str, Any]:
    run_id = _run_id(request, attempt)
    return {
        "pk": run_pk(run_id),
        "sk": runs.RUN,
        "kind": runs.KIND_RUN,
        "run_id": run_id,
        "execution_arn": context.execution_arn(run_id),
        "source": event.source if event.source in SOURCES else "event",
        "requester": one_line(event.requester, requester.LONGEST) or "unknown",
        "requester_assurance": origin.known,
        "event": origin.event,
        "attempt": attempt,
        "force": event.force,
        "retry_of": event.retry_of or None,
        "created_at": context.timestamp(),
        "status": runs.STARTED,
        "technique": request.technique,
        "use_case": request.use_case,
        "base_model": request.base_model,
        "request_hash": request_hash(request),
    }


def start(context: Context, event: StartEvent, origin: Origin = UNVERIFIED) -> dict[str, Any]:
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
    after = int((earlier or {}).get("attempt", 0)) + 1
    first = origin.first or (after if origin.event else free_attempt(context, request, after))
    # Tells our own write from another's when its answer was lost and the client wrote again.
    origin = origin if origin.event else msgspec.structs.replace(origin, event=f"call {uuid.uuid4()}")
    for attempt in range(first, first + MOST_ATTEMPTS):
        item = _item(context, event, origin, request, attempt)
        arn = _begin_under(context, item, document)
        if arn:
            return {"run_id": item["run_id"], "execution_arn": arn}
    raise ServiceFault(f"Others took {MOST_ATTEMPTS} names of this run. Start it again.")


def _begin_under(context: Context, item: Item, document: Any) -> str | None:
    """Reserve the item's name and start the execution; None when the name is somebody else's.

    First of all what makes the reconciler look for the execution is written: a function that dies in
    between leaves no run that is listed as started for ever.
    """
    marker = runs.pending_run(item["run_id"], item["execution_arn"], item["created_at"])
    marked = context.runs.put_new(marker)
    reserved = context.runs.put_new(item)
    ours = not reserved and _asked_before(context, item)
    # A name may be free in the table and taken by an execution that the console started.
    arn = _begin(context, item, document, repeated=ours) if reserved or ours else None
    if marked and not arn:
        context.runs.delete_pending(item["run_id"], runs.PENDING_RUN)
    return arn


def _asked_before(context: Context, item: Mapping[str, Any]) -> bool:
    """Whether the name was reserved for this very event: by a delivery that may not have come to its end, or
    by ourselves, when the answer was lost and the client wrote again."""
    found = context.runs.run(item["run_id"]) or {}
    return bool(found.get("event") == item["event"])


def _begin(context: Context, item: Mapping[str, Any], document: Any, *, repeated: bool) -> str | None:
    """StartExecution with the plain request; None when the name is taken.

    ``repeated`` is a start that an earlier delivery of the same event may have made: then a name that is
    taken is its own, and a refusal says nothing about the run.
    """
    run_id = item["run_id"]
    if repeated:
        _take_up(context, run_id)
    try:
        answer = context.clients.stepfunctions.start_execution(
            stateMachineArn=context.env.machine_arn,
            name=run_id,
            input=msgspec.json.encode(document).decode(),
        )
    except AWS_FAULTS as fault:
        if isinstance(fault, ClientError) and error_code(fault) == "ExecutionAlreadyExists":
            if repeated:
                return str(item["execution_arn"])
            _give_back(context, run_id)
            return None
        if not repeated:
            mark_not_started(context, run_id, describe(fault))
        raise transient(fault) or ServiceFault(f"The run was not started. {describe(fault)}") from fault
    return str(answer["executionArn"])


def _take_up(context: Context, run_id: str) -> None:
    """Make a run that an earlier delivery could not start one that may start."""
    context.runs.update_run(
        run_id,
        {"status": runs.STARTED},
        remove=("outcome", "error", "cause", "ended_at"),
        condition="#outcome = :never",
        values={":never": runs.NOT_STARTED},
    )


def mark_not_started(context: Context, run_id: str, cause: str) -> None:
    """Mark the item of a run that has no execution as ended, so that no run is listed that never was."""
    context.runs.update_run(
        run_id,
        {
            "status": runs.ENDED,
            "outcome": runs.NOT_STARTED,
            "error": "ServiceFault",
            "cause": cause,
            "ended_at": context.timestamp(),
        },
    )
    context.runs.delete_pending(run_id, runs.PENDING_RUN)


def _give_back(context: Context, run_id: str) -> None:
    """Undo a reservation under the name of an execution that somebody else started."""
    context.runs.delete(run_pk(run_id), runs.RUN, condition="attribute_not_exists(#plan_sha256)")
