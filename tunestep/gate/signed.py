"""What signed requests may ask and decide. IAM has checked who calls; the settings say who may decide."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response

from tunestep import approvals, runs
from tunestep.approval_states import PENDING
from tunestep.context import Context
from tunestep.errors import TunestepError
from tunestep.faults import AWS_FAULTS, describe
from tunestep.gate import people
from tunestep.gate.requests import Refused, body

_SHOWN = (
    *("run_id", "model_name", "model_version", "technique", "use_case", "licence", "reason_needed"),
    *("requester", "requester_assurance", "source", "created_at", "expires_at", "estimate", "dataset"),
    *("reward", "reward_verdict"),
)
"""What a list of open questions holds of each; never an approver's entry."""

_STATUS = {"ApprovalExpired": 410, "DecisionRefused": 403}

IAM_PRINCIPAL: Final = "IAM principal"
"""How somebody is known whose signature AWS has checked."""

_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

logger = Logger(child=True)


class Answer(NamedTuple):
    """HTTP status and the document that becomes JSON; faults are {"error": {"name", "message"}}."""

    status: int
    document: dict[str, Any]


class _Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    decision: Literal["APPROVED", "DECLINED"]
    reason: str = ""


def pending(context: Context) -> Answer:
    """{"approvals": [...]}: every open question, oldest first."""
    try:
        return Answer(200, {"approvals": list(_pending(context))})
    except AWS_FAULTS as fault:
        return _unavailable(fault)


def _pending(context: Context) -> list[dict[str, Any]]:
    found = []
    for hint in context.runs.by_kind(runs.KIND_APPROVAL):
        item = context.runs.approval(hint["pk"].removeprefix("RUN#")) or {}
        if item.get("state") == PENDING and item["expires_at"] > context.epoch():
            found.append({name: item[name] for name in _SHOWN if name in item})
    return found


def decide(context: Context, run_id: str, event: Mapping[str, Any]) -> Answer:
    """Record the decision of the principal who signed. ``event`` is the HTTP API's (payload 2.0).

    The body is {"decision": "APPROVED" | "DECLINED", "reason": text}. On a laptop nobody checks signatures,
    and the record says so.
    """
    try:
        said = msgspec.json.decode(body(event), type=_Decision)
    except Refused as refusal:
        return error(refusal.status, "DecisionRefused", refusal.message)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        return error(400, "DecisionRefused", f"The body is not a decision: {fault}")
    try:
        return Answer(200, approvals.decide(context, _event(context, run_id, said, principal(event))))
    except TunestepError as fault:
        return error(_STATUS.get(fault.name, 409), fault.name, str(fault))
    except AWS_FAULTS as fault:
        return _unavailable(fault)


def _event(context: Context, run_id: str, said: _Decision, principal: str) -> approvals.DecideEvent:
    approver = people.by_principal(context.env, principal)
    return approvals.DecideEvent(
        run=run_id,
        decision=said.decision,
        actor=principal,
        reason=said.reason,
        channel="api",
        assurance="unverified" if context.env.laptop else IAM_PRINCIPAL,
        approver=approver.id if approver else _on_a_laptop(context),
    )


def _on_a_laptop(context: Context) -> str:
    """Whoever signs on a laptop whose settings name nobody is the one at its keyboard."""
    return people.LOCAL.id if context.env.laptop and not context.env.settings.approvers else ""


def principal(event: Mapping[str, Any]) -> str:
    """The ARN of whoever signed, as API Gateway found it; empty when nobody did."""
    iam = (event["requestContext"].get("authorizer") or {}).get("iam") or {}
    return str(iam.get("userArn") or "")


def _unavailable(fault: Exception) -> Answer:
    logger.warning("a signed request met a fault", extra={"fault": describe(fault)})
    return error(
        503, "ServiceFault", "A service did not answer. Look whether it was recorded, then try again."
    )


def error(status: int, name: str, message: str) -> Answer:
    return Answer(status, {"error": {"name": name, "message": message}})


def response(answer: Answer) -> Response[str]:
    """The answer as the HTTP API takes it; nobody may keep it."""
    return Response(answer.status, "application/json", json.dumps(answer.document), dict(_PRIVATE))
