"""The backstop of events that are lost: every few minutes, look at what is pending and at nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from tunestep import approval_clock, approvals, budgets, runs, tokens, tracking
from tunestep.approval_states import APPROVED, DECLINED, EXPIRED
from tunestep.aws import error_code
from tunestep.clean_up import StatusEvent, clean_up_after, stop_job
from tunestep.context import Context
from tunestep.faults import STEP_FAULTS
from tunestep.runs import Item
from tunestep.start import mark_not_started

STOP_PATIENCE_SECONDS = 300
"""How long a stop may take before it is done again."""

START_PATIENCE_SECONDS = 1800
"""How long a start may take, its event delivered again included, before nobody can be in the middle of it."""

MISSING_PATIENCE_SECONDS = 900
"""How long SageMaker may not know a job that was just created."""

ITEM_FAULTS: tuple[type[Exception], ...] = (KeyError, *STEP_FAULTS)
"""What one pending item may fail with, a malformed one included, while the others are looked at."""

logger = Logger(child=True)


@dataclass
class Turn:
    """One look at everything; an execution that was seen running in it is not asked about again.

    Whatever it comes to meanwhile is there for the next turn, and an end that is missed costs nothing else.
    """

    context: Context
    _running: set[str] = field(default_factory=set)

    def detail(self, execution_arn: str) -> dict[str, Any] | None:
        """An execution in the form of its status event; None when there is no such execution."""
        if execution_arn in self._running:
            return {"status": "RUNNING"}
        try:
            found = self.context.clients.stepfunctions.describe_execution(executionArn=execution_arn)
        except ClientError as fault:
            if error_code(fault) != "ExecutionDoesNotExist":
                raise
            return None
        if found["status"] == "RUNNING":
            self._running.add(execution_arn)
        return {key: found[key] for key in ("name", "status", "error", "cause", "input") if key in found}


def _age(context: Context, item: Item) -> float:
    created = datetime.fromisoformat(item["created_at"])
    return (context.now().astimezone(UTC) - created).total_seconds()


def _leftover(turn: Turn, run_id: str, item: Item) -> str | None:
    """Clean up after a pending item whose execution is gone; None when it still runs.

    One that does not exist counts as aborted.
    """
    arn = item.get("execution_arn") or turn.context.execution_arn(run_id)
    detail = turn.detail(arn) or {"status": "ABORTED", "cause": "It does not exist."}
    return _over(turn.context, run_id, item, detail)


def _over(context: Context, run_id: str, item: Item, detail: dict[str, Any]) -> str | None:
    if detail["status"] in ("RUNNING", "PENDING_REDRIVE"):
        return None
    if detail["status"] == "SUCCEEDED":
        context.runs.delete_pending(run_id, item["sk"])
        return "cleared"
    clean_up_after(context, StatusEvent(detail={**detail, "name": run_id}))
    return "cleaned up"


def _training(turn: Turn, run_id: str, item: Item) -> str:
    context = turn.context
    if done := _leftover(turn, run_id, item):
        return done
    run = context.runs.run(run_id) or {}
    token = item.get("token")
    if (stop := tracking.stopped(run, run_id)) and token:
        stop_job(context, run_id, run)
        tokens.fail(context, token, stop)
        context.runs.delete_pending(run_id, runs.PENDING_TRAINING, token)
        return "stopped"
    if not token:
        return "starting"
    old = _age(context, item) > MISSING_PATIENCE_SECONDS
    return tracking.deliver(context, run_id, item, missing_is_end=old)


def _approval(turn: Turn, run_id: str, item: Item) -> str:
    context = turn.context
    if done := _leftover(turn, run_id, item):
        return done
    if stop := tracking.stopped(context.runs.run(run_id), run_id):
        tokens.fail(context, item["token"], stop)
        context.runs.delete_pending(run_id, runs.PENDING_APPROVAL, item["token"])
        return "stopped"
    question = context.runs.approval(run_id)
    if question and question["state"] in (APPROVED, DECLINED, EXPIRED):
        return "delivered" if approvals.deliver(context, run_id, question) else "gone"
    return approval_clock.look(context, run_id, question) if question else "waiting"


def _stop(turn: Turn, run_id: str, item: Item) -> str:
    """A stop that did not come to its end: the run is cleaned up once its execution is over."""
    context = turn.context
    if _age(context, item) < STOP_PATIENCE_SECONDS:
        return "stopping"
    run = context.runs.run(run_id) or {}
    if run.get("status") == runs.ENDED:
        context.runs.delete_pending(run_id, runs.PENDING_STOP)
        return "cleared"
    if done := _leftover(turn, run_id, item):
        return done
    stop_job(context, run_id, run)
    waits = any(
        (context.runs.pending(run_id, sk) or {}).get("token")
        for sk in (runs.PENDING_TRAINING, runs.PENDING_APPROVAL)
    )
    if waits:
        return "stopping"
    context.clients.stepfunctions.stop_execution(
        executionArn=item["execution_arn"],
        error="StoppedByUser",
        cause=f"Stopped by {run.get('stopped_by')}.",
    )
    return "stopped again"


def _run(turn: Turn, run_id: str, item: Item) -> str:
    """A run from its start to its end: it is there, or it is over, or it never will be and is marked so."""
    context = turn.context
    detail = turn.detail(item["execution_arn"])
    if detail is not None:
        done = _over(context, run_id, item, detail)
        if done and context.runs.run(run_id) is None:
            context.runs.delete_pending(run_id, runs.PENDING_RUN)
        return done or "running"
    if _age(context, item) < START_PATIENCE_SECONDS:
        return "starting"
    run = context.runs.run(run_id)
    if run is not None and run.get("status") == runs.STARTED:
        mark_not_started(context, run_id, "What starts runs ended before it had started this one.")
    context.runs.delete_pending(run_id, runs.PENDING_RUN)
    return "cleared"


_LOOKS: tuple[tuple[str, Callable[[Turn, str, Item], str]], ...] = (
    (runs.KIND_TRAINING, _training),
    (runs.KIND_APPROVAL, _approval),
    (runs.KIND_STOP, _stop),
    (runs.KIND_PENDING_RUN, _run),
)


def reconcile(context: Context) -> dict[str, Any]:
    """Look at every pending item once, and at what ended runs still hold of the budgets.

    Returns {looked_at, states: {state: count}, failed: [run ids]}; the state of the latter is ``settled``.

    One item's failure is logged and never keeps the others waiting.
    """
    turn = Turn(context)
    states: dict[str, int] = {}
    failed: list[str] = []
    looked_at = 0
    for kind, look in _LOOKS:
        for hint in context.runs.by_kind(kind):
            looked_at += 1
            # The index lags: what it shows may be gone, or hold an older token.
            item = context.runs.get(hint["pk"], hint["sk"])
            run_id = hint["pk"].removeprefix("RUN#")
            if item is None:
                continue
            try:
                state = look(turn, run_id, item)
            except ITEM_FAULTS:
                logger.exception("left for the next turn", extra={"run_id": run_id, "kind": kind})
                failed.append(run_id)
                continue
            states[state] = states.get(state, 0) + 1
    budget = budgets.settle_ended(context)
    failed += budget["failed"]
    if budget["settled"]:
        states["settled"] = len(budget["settled"])
    return {"looked_at": looked_at, "states": states, "failed": failed}
