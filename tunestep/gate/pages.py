"""What a link answers: GET shows, POST decides."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from aws_lambda_powertools import Logger

from tunestep import approvals
from tunestep.context import Context
from tunestep.errors import ApprovalExpired, TunestepError
from tunestep.faults import AWS_FAULTS, describe
from tunestep.gate import links, page
from tunestep.gate.links import Visit
from tunestep.gate.requests import Form, Refused, body, check_origin, form
from tunestep.runs import Item

logger = Logger(child=True)


class Answer(NamedTuple):
    """HTTP status and document; ``again`` sends the browser back to the link it came by."""

    status: int
    html: str
    again: bool = False


_AGAIN = Answer(303, "", again=True)


def show(context: Context, approval_id: str, secret: str) -> Answer:
    """The page of a link. Reads, and nothing else."""
    try:
        visit = links.open_link(context, approval_id, secret)
    except AWS_FAULTS as fault:
        logger.warning("the page could not be read", extra={"fault": describe(fault)})
        return Answer(*page.unavailable())
    return Answer(*(page.of_visit(visit, context.epoch()) if visit else page.unknown()))


def decide(context: Context, approval_id: str, secret: str, event: Mapping[str, Any]) -> Answer:
    """Record the decision of a form, once; the browser is sent back to the page, which then shows it.

    ``event`` is the HTTP API's (payload 2.0). What is wrong with the request is said before the first read,
    everything else before the first write.
    """
    headers = event.get("headers") or {}
    try:
        check_origin(headers, str(event["requestContext"]["domainName"]))
        sent = form(headers, body(event))
    except Refused as refusal:
        return Answer(*page.refused(refusal.status, refusal.message))
    try:
        visit = links.open_link(context, approval_id, secret)
        return _decide(context, visit, sent) if visit else Answer(*page.unknown())
    except AWS_FAULTS as fault:
        logger.warning("a decision met a fault", extra={"fault": describe(fault)})
        return Answer(*page.unavailable())


def _decide(context: Context, visit: Visit, sent: Form) -> Answer:
    if not page.is_open(visit.item, context.epoch()):
        return _stands(context, visit, sent)
    if faults := sent.faults():
        return Answer(*page.question(visit, faults, sent.typed))
    event = approvals.DecideEvent(
        run=visit.run_id,
        decision=cast(Any, sent.typed.decision),
        actor=visit.approver.id,
        reason=sent.typed.reason,
        channel="page",
        assurance="link holder",
        approver=visit.approver.id,
    )
    try:
        recorded = approvals.decide(context, event)
    except ApprovalExpired:
        return _stands(context, visit, sent)
    except TunestepError as fault:
        return Answer(*page.refused(403, str(fault)))
    return _AGAIN if recorded["first"] else _stands(context, visit, sent)


def _stands(context: Context, visit: Visit, sent: Form) -> Answer:
    """What the table says now, to somebody whose form changed nothing."""
    item = context.runs.approval(visit.run_id) or visit.item
    if "decided_at" not in item:
        return Answer(*page.of_visit(visit._replace(item=item), context.epoch()))
    return _AGAIN if _same(item, visit, sent) else Answer(*page.decided(item, late=True))


def _same(item: Item, visit: Visit, sent: Form) -> bool:
    """Whether the form is the one that was recorded: a second click, or a page that was sent again."""
    return (item["state"], item.get("approver")) == (sent.typed.decision, visit.approver.id)
