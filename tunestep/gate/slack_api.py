"""What Slack is answered: the decision is written first, everything that can wait is done by notify."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from aws_lambda_powertools import Logger

from tunestep import approvals
from tunestep.approval_states import PENDING
from tunestep.context import Context
from tunestep.errors import TunestepError
from tunestep.faults import AWS_FAULTS
from tunestep.gate import links, people, slack, slack_blocks
from tunestep.gate.slack_request import Interaction, Refused, interaction
from tunestep.gate.slack_secret import SlackFault
from tunestep.gate.wording import facts, outcome
from tunestep.runs import Item
from tunestep.settings import Approver
from tunestep.text import visible

Answer = tuple[int, dict[str, str], str]
"""HTTP status, headers and body."""

_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_NOT_AN_APPROVER = "You are not one of the approvers of this stack, so nothing was decided."
_UNKNOWN = "This question is not known here any more, so nothing was decided."
_OTHERS_FIRST = "This was decided already: "

logger = Logger(child=True)


def handle(context: Context, headers: Mapping[str, str], body: bytes) -> Answer:
    """Answer one request of Slack's to POST /slack. ``body`` is the raw body, base64 undone.

    Slack waits three seconds. It repeats what it got no answer to, and so may anybody who recorded a request
    within five minutes: every decision is one conditional write, so a repetition finds the one that stands.
    """
    try:
        asked = interaction(context, headers, body)
        return _answer(context, asked, repeated="x-slack-retry-num" in {name.lower() for name in headers})
    except Refused as refusal:
        logger.warning("request to /slack refused", extra={"why": refusal.message})
        return refusal.status, dict(_HEADERS), _json({"error": refusal.message})
    except SlackFault as fault:
        logger.warning("Slack could not be served", extra={"fault": str(fault)})
        return 503, dict(_HEADERS), _json({"error": "Slack cannot be served at the moment"})


def _answer(context: Context, asked: Interaction, *, repeated: bool) -> Answer:
    approver = people.by_slack_user(context.env, asked.user)
    if approver is None:
        return _say(context, asked, _NOT_AN_APPROVER)
    found = context.runs.get(links.link_pk(asked.approval_id), links.LINK)
    item = context.runs.approval(str(found["run_id"])) if found else None
    if item is None or item.get("approval_id") != asked.approval_id:
        return _say(context, asked, _UNKNOWN)
    match asked.kind:
        case "approve" | "declined":
            return _decide(context, asked, approver, item)
        case "decline" if not repeated:
            return _ask_why(context, asked, item)
        case "review" if not repeated:
            return _review(context, asked, approver, item)
    return _done()


def _decide(context: Context, asked: Interaction, approver: Approver, item: Item) -> Answer:
    if asked.kind == "declined" and not asked.reason.strip():
        return _done({"response_action": "errors", "errors": {slack_blocks.REASON: "Please say why."}})
    wanted: Literal["APPROVED", "DECLINED"] = "APPROVED" if asked.kind == "approve" else "DECLINED"
    event = approvals.DecideEvent(
        run=str(item["run_id"]),
        decision=wanted,
        actor=approver.id,
        reason=asked.reason,
        channel="slack",
        assurance="Slack user",
        approver=approver.id,
    )
    try:
        stands = approvals.decide(context, event)
    except TunestepError as fault:
        return _say(context, asked, str(fault))
    except AWS_FAULTS as fault:
        logger.warning("the decision could not be written", extra={"fault": type(fault).__name__})
        return _say(context, asked, "The decision could not be written. Please try again.")
    if not stands["first"] and (stands["decision"], stands["actor"]) != (wanted, approver.id):
        told = f"{stands['decision'].capitalize()} by {stands['actor']} at {stands['decided_at']}."
        return _say(context, asked, _OTHERS_FIRST + told)
    if not stands["delivered"]:
        return _say(context, asked, "Recorded, but the run no longer waits for it.")
    return _done({"response_action": "clear"} if asked.kind == "declined" else None)


def _ask_why(context: Context, asked: Interaction, item: Item) -> Answer:
    if item["state"] != PENDING:
        return _say(context, asked, " ".join(fact.line + "." for fact in outcome(item)))
    run = next(fact for fact in facts(item) if fact.label == "Run")
    view = slack_blocks.decline_dialog(asked.approval_id, run)
    try:
        slack.call(context, "views.open", quick=True, trigger_id=asked.trigger_id, view=view)
    except SlackFault as fault:
        logger.warning("the dialog did not open", extra={"fault": str(fault)})
        return _say(context, asked, "The dialog could not be opened. Press Review and decline on the page.")
    return _done()


def _review(context: Context, asked: Interaction, approver: Approver, item: Item) -> Answer:
    url = links.mint(context, str(item["run_id"]), approver.id)
    if url is None:
        return _say(context, asked, _UNKNOWN)
    slack.tell(context, asked.user, "Your own link", slack_blocks.link(item, url))
    return _done()


def _say(context: Context, asked: Interaction, text: str) -> Answer:
    """Tell the one who clicked, in the dialog when there is one; nothing is lost when it cannot be said."""
    shown = visible(text, 1000)
    if asked.kind == "declined":
        return _done({"response_action": "update", "view": slack_blocks.result_dialog(shown)})
    try:
        slack.tell(context, asked.user, "About your click", slack_blocks.said(shown))
    except SlackFault as fault:
        logger.warning("a click could not be answered", extra={"fault": str(fault)})
    return _done()


def _done(body: dict[str, Any] | None = None) -> Answer:
    return 200, dict(_HEADERS), _json(body) if body else ""


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
