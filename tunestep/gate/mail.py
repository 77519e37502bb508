"""Asking by e-mail: one SNS topic per approver, so that the link in a mail tells who clicked."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from tunestep import names, notices
from tunestep.context import Context
from tunestep.faults import AWS_FAULTS
from tunestep.gate.wording import Question, facts
from tunestep.settings import Approver
from tunestep.text import one_line

logger = Logger(child=True)


def topic_arn(context: Context, approver_id: str) -> str:
    """The approver's topic; it lies beside the stack's topic of notices."""
    beside = context.env.topic_arn.rpartition(":")[0]
    return f"{beside}:{names.approver_topic_name(context.env.stack, approver_id)}"


def subscriptions(sns: Any, topic: str) -> list[Mapping[str, str]]:
    """Endpoint and SubscriptionArn of everybody on a topic; the ARN of one who has not confirmed is
    ``PendingConfirmation`` (SNS API, ListSubscriptionsByTopic)."""
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return [there for page in pages for there in page["Subscriptions"]]


def reaches(context: Context, approver: Approver) -> bool:
    """Whether a confirmed subscription carries mails to an approver; False when nobody can say."""
    try:
        return _subscribed(context, approver)
    except AWS_FAULTS as fault:
        logger.warning(
            "approver not reached", extra={"approver": approver.id, "channel": "email", "fault": _why(fault)}
        )
        return False


def unconfirmed(context: Context) -> frozenset[str]:
    """The ids of the approvers whose address carries no mails; a topic that cannot be read is no reason."""
    return frozenset(
        approver.id for approver in context.env.settings.approvers if _surely_not(context, approver)
    )


def _surely_not(context: Context, approver: Approver) -> bool:
    try:
        return bool(approver.email) and not _subscribed(context, approver)
    except AWS_FAULTS as fault:
        extra = {"approver": approver.id, "fault": _why(fault)}
        logger.warning("whether an address was confirmed is not known", extra=extra)
        return False


def _subscribed(context: Context, approver: Approver) -> bool:
    found = subscriptions(context.clients.sns, topic_arn(context, approver.id))
    return any(confirmed(there, approver.email or "") for there in found)


def _why(fault: Exception) -> str:
    return str(getattr(fault, "response", {}).get("Error", {}).get("Code", "")) or type(fault).__name__


def confirmed(there: Mapping[str, str], address: str) -> bool:
    """Whether a subscription is that of the address, and mails reach it."""
    return (
        there["Protocol"] == "email"
        and there["Endpoint"].lower() == address.lower()
        and there["SubscriptionArn"].startswith("arn:")
    )


def text(question: Question, link: str | None, reminder: bool) -> str:
    """The body. ``link`` is the approver's own, or None when an earlier mail has it."""
    run = one_line(question.get("run_id", ""), 200)
    first = "still waits" if reminder else "waits"
    how = (
        ["Read what it is about, then accept or decline:", link]
        if link
        else ["The link to accept or decline is in the first mail about this run."]
    )
    return "\n".join(
        [
            f"A fine-tuning run {first} for a decision that you may take.",
            "",
            *[fact.line for fact in facts(question)],
            "",
            *how,
            "",
            "The link is yours alone: whoever opens it can decide in your name, so do not pass this mail on.",
            "Opening it decides nothing.",
            f"From a command line: tunestep approve {run}" if _typable(run) else "",
            "",
        ]
    )


def _typable(run: str) -> bool:
    """Whether a run's name can stand in a command as it is; the console lets people name runs freely."""
    return run.replace("-", "").replace("_", "").isalnum() and run.isascii()


def send(
    context: Context, question: Question, approver: Approver, link: str | None, *, reminder: bool = False
) -> bool:
    """Mail one approver; False when no confirmed subscription would carry it. Raises what SNS raises."""
    if not _subscribed(context, approver):
        logger.warning("an approver has not confirmed the e-mail address", extra={"approver": approver.id})
        return False
    title = "Reminder, decision needed" if reminder else "Decision needed"
    context.clients.sns.publish(
        TopicArn=topic_arn(context, approver.id),
        Subject=notices.subject(f"[{context.env.stack}] {title}: {question.get('run_id', '')}"),
        Message=text(question, link, reminder),
    )
    return True
