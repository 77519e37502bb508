"""What notify tells people while a run goes on: called later and somewhere else.

Whoever decides must not wait for Slack, an answer to Slack has three seconds, and the function that starts
jobs may not write to people.
"""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger

from tunestep import names, run_notices
from tunestep.approval_states import PENDING
from tunestep.context import Context, StepEvent
from tunestep.errors import TransientFault
from tunestep.faults import AWS_FAULTS, describe
from tunestep.gate import slack
from tunestep.gate.slack_secret import SlackFault
from tunestep.gate.wording import Question

DECIDED = "ApprovalDecided"
"""What the event says in place of a state of the machine."""

WAITS_FOR_QUOTA = "WaitsForQuota"
"""Likewise; the document's ``waits`` says for what."""

logger = Logger(child=True)


def announce(context: Context, run_id: str, item: Question) -> None:
    """Have notify show a decision, or its absence in time, where the question was put. Never raises.

    ``item`` is the approval as it stands; nothing is done when it has no message to bring up to date.
    """
    if item.get("slack"):
        _later(context, run_id, DECIDED, {})


def waits_for_quota(context: Context, run_id: str, said: str) -> None:
    """Have notify tell people, once per run, that a run waits for quota. Never raises."""
    _later(context, run_id, WAITS_FOR_QUOTA, {"waits": said})


def _later(context: Context, run_id: str, state: str, document: dict[str, Any]) -> None:
    event = {
        "document": document,
        "execution": {"arn": context.execution_arn(run_id), "name": run_id},
        "state": state,
    }
    try:
        context.clients.lambda_.invoke(
            FunctionName=names.function_name(context.env.stack, "notify"),
            InvocationType="Event",
            Payload=msgspec.json.encode(event),
        )
    except AWS_FAULTS as fault:
        logger.warning("people are not told", extra={"about": state, "fault": describe(fault)})


def notify(context: Context, event: StepEvent) -> dict[str, Any]:
    """Tell people: how a run ended, or, when called from here, how it was decided on or that it waits.

    Raises TransientFault when Slack may take it later, and what run_notices.notify raises.
    """
    if event.state == WAITS_FOR_QUOTA:
        return run_notices.waits(context, event)
    if event.state != DECIDED:
        return run_notices.notify(context, event)
    item = context.runs.approval(event.run_id) or {}
    try:
        return {"shown": item.get("state") != PENDING and slack.show_decision(context, item)}
    except SlackFault as fault:
        if fault.transient:
            raise TransientFault(f"Slack: {fault}") from None
        logger.warning("the decision is not shown in Slack", extra={"fault": str(fault)})
        return {"shown": False}
