"""Asking people: every approver is asked once on each channel, whatever is repeated or breaks in between.

The hash of a secret is stored before its message is sent, and the message is marked as sent after. A crash
in between leaves a claim that ages; whoever asks next, after that, mints a new secret and sends again.
"""

from typing import Any

from aws_lambda_powertools import Logger

from tunestep import runs
from tunestep.approval_states import PENDING
from tunestep.context import Context
from tunestep.faults import STEP_FAULTS, describe
from tunestep.gate import channels, links, mail, people
from tunestep.gate.channels import EMAIL, SLACK
from tunestep.runs import Item, run_pk
from tunestep.settings import Approver

CLAIM_SECONDS = 300
"""How long a message may be on its way. Longer than any function that sends one may run."""

logger = Logger(child=True)


def ask(context: Context, run_id: str) -> dict[str, list[str]]:
    """Send a run's question on every channel that has not carried it to its approver yet.

    Returns the channels that reached each of those asked now, by approver id. A message that fails is
    logged and left for the next call; nothing else is raised than what the table raises.
    """
    item = context.runs.approval(run_id)
    if not item or item["state"] != PENDING or item["expires_at"] <= context.epoch():
        return {}
    links.publish(context, run_id, item["approval_id"])
    reached: dict[str, list[str]] = {}
    for approver in people.approvers(context.env):
        missing = _missing(context, item, approver)
        if not missing or _on_its_way(context, item, approver):
            continue
        # An address that nobody confirmed gets no secret: each new one would push out an older link.
        mailed = EMAIL in missing and mail.reaches(context, approver)
        secret = links.new_token() if mailed else None
        if _claim(context, run_id, item, approver, secret):
            link = links.url(context.env.api_url, item["approval_id"], secret) if secret else None
            by = missing if mailed else missing - {EMAIL}
            reached[approver.id] = _send(context, item, approver, link, by)
    return reached


def _missing(context: Context, item: Item, approver: Approver) -> frozenset[str]:
    """The channels that can carry a message to an approver and have not done so yet."""
    carrying = frozenset({EMAIL, SLACK}) & frozenset(channels.reachable(context.env.settings, approver))
    return carrying - frozenset(links.entry(item, approver.id).get("channels", []))


def _on_its_way(context: Context, item: Item, approver: Approver) -> bool:
    """Whether somebody is just sending to an approver."""
    claimed: int = links.entry(item, approver.id).get("claimed_at", 0)
    return claimed > context.epoch() - CLAIM_SECONDS


def _claim(context: Context, run_id: str, item: Item, approver: Approver, secret: str | None) -> bool:
    """Take on to send to an approver, with the hash of the link's secret; False when somebody else does."""
    known = links.entry(item, approver.id)
    return context.runs.swap_entry(
        run_pk(run_id),
        runs.APPROVAL,
        ("approvers", approver.id),
        known,
        {
            "channels": [],
            "delivered": False,
            **(links.with_secret(known, secret) if secret else known),
            "claimed_at": context.epoch(),
        },
    )


def _send(
    context: Context, item: Item, approver: Approver, link: str | None, by: frozenset[str]
) -> list[str]:
    try:
        reached = channels.send(context, item, approver, link, by)
    except STEP_FAULTS as fault:
        logger.warning("approver not reached", extra={"approver": approver.id, "fault": describe(fault)})
        return []
    if reached:
        now = context.timestamp()
        run_id = str(item["run_id"])
        links.change_entry(context, run_id, approver.id, lambda known: _told(known, reached, now))
    return reached


def _told(known: dict[str, Any], reached: list[str], now: str) -> dict[str, Any]:
    by = [*known.get("channels", []), *reached]
    return {**known, "sent_at": known.get("sent_at") or now, "channels": by, "delivered": True}
