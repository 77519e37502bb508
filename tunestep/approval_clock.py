"""What time does to an open question: reminders before it expires, and its end when it does."""

from aws_lambda_powertools import Logger

from tunestep import approvals, durations, runs
from tunestep.approval_states import EXPIRED, PENDING
from tunestep.context import Context
from tunestep.gate import announce, channels, people
from tunestep.runs import Item, run_pk

logger = Logger(child=True)


def look(context: Context, run_id: str, question: Item) -> str:
    """Expire an open question whose time is over, else ask who was not asked, and remind who was."""
    if question["expires_at"] <= context.epoch():
        return _expire(context, run_id)
    approvals.ask(context, run_id, question)
    return "reminded" if _remind(context, run_id, question) else "waiting"


def _expire(context: Context, run_id: str) -> str:
    """Close the question and tell the run, unless somebody decided in the last moment.

    Deciding takes an open question before its time, expiring one after it: of the two conditional writes
    only one can find the question open, and what stands is what the run is told.
    """
    expired = context.runs.update(
        run_pk(run_id),
        runs.APPROVAL,
        {"state": EXPIRED, "closed_at": context.timestamp()},
        condition="#state = :pending AND #expires_at <= :now",
        values={":pending": PENDING, ":now": context.epoch()},
    )
    stands = expired or context.runs.approval(run_id)
    if stands is None or stands["state"] == PENDING:
        return "waiting"
    delivered = approvals.deliver(context, run_id, stands)
    announce.announce(context, run_id, stands)
    if not expired:
        return "delivered" if delivered else "gone"
    return "expired"


def _remind(context: Context, run_id: str, question: Item) -> bool:
    """Send the reminder that is due, once.

    It is marked before it is sent. A crash in between loses that reminder, which the next one makes up for;
    the other way round people would be written to every few minutes.
    """
    due = _due(context, question)
    if due is None:
        return False
    marked = context.runs.update(
        run_pk(run_id),
        runs.APPROVAL,
        {"reminded": due, "reminded_at": context.timestamp()},
        condition="#state = :pending AND (attribute_not_exists(#reminded) OR #reminded > :due)",
        values={":pending": PENDING, ":due": due},
    )
    if marked is None:
        return False
    for approver in people.approvers(context.env):
        reached = channels.remind(context, marked, approver, None)
        logger.info("reminded", extra={"run_id": run_id, "approver": approver.id, "channels": reached})
    return True


def _due(context: Context, question: Item) -> int | None:
    """The reminder to send now, in seconds before the expiry; None when it was sent or none is due.

    Reminders that were missed are not made up for one by one, and one as long before the expiry as the
    question is open would only repeat it.
    """
    left = question["expires_at"] - context.epoch()
    due = [
        seconds
        for reminder in context.env.settings.approval.reminders
        if left <= (seconds := durations.seconds(reminder)) < question["timeout_seconds"]
    ]
    sent = question.get("reminded")
    return None if not due or (sent is not None and sent <= min(due)) else min(due)
