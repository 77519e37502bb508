"""The ways to an approver, each tried by itself: one that fails never keeps the others from being tried."""

from collections.abc import Callable, Collection
from functools import partial

from aws_lambda_powertools import Logger

from tunestep.context import Context
from tunestep.faults import AWS_FAULTS
from tunestep.gate import mail, slack
from tunestep.gate.slack_secret import SlackFault
from tunestep.gate.wording import Question
from tunestep.settings import Approver, Settings

EMAIL, SLACK, API = "email", "slack", "api"

_Attempt = Callable[[], bool]

logger = Logger(child=True)


def reachable(settings: Settings, approver: Approver) -> list[str]:
    """The channels by which an approver can be asked or can answer, as far as the settings tell.

    ``api`` is the command line with an IAM principal: nobody is told that way, but a decision can be made.
    """
    ways = (
        (EMAIL, approver.email),
        (SLACK, approver.slack_user and settings.slack),
        (API, approver.iam_principal),
    )
    return [name for name, there in ways if there]


def send(
    context: Context,
    question: Question,
    approver: Approver,
    link: str | None,
    by: Collection[str] = (EMAIL, SLACK),
) -> list[str]:
    """Ask one approver ``by`` the channels that the settings name; returns those that took the message.

    ``question`` is the stored approval, ``link`` the approver's own and nobody else's. Never raises for a
    channel that fails: it is logged, without the message.
    """
    attempts: dict[str, _Attempt] = {
        EMAIL: partial(mail.send, context, question, approver, link),
        SLACK: partial(slack.ask, context, question, approver, link),
    }
    return _each(context, approver, {name: attempts[name] for name in attempts if name in by})


def remind(context: Context, question: Question, approver: Approver, link: str | None) -> list[str]:
    """Ask again, before the time is over; without a link the mail points to the first one."""
    return _each(
        context,
        approver,
        {
            EMAIL: partial(mail.send, context, question, approver, link, reminder=True),
            SLACK: partial(slack.remind, context, question, approver, link),
        },
    )


def _each(context: Context, approver: Approver, attempts: dict[str, _Attempt]) -> list[str]:
    named = reachable(context.env.settings, approver)
    return [name for name, attempt in attempts.items() if name in named and _try(name, approver, attempt)]


def _try(name: str, approver: Approver, attempt: _Attempt) -> bool:
    try:
        return attempt()
    except SlackFault as fault:
        why = str(fault)
    except AWS_FAULTS as fault:
        # botocore puts the parameters of a call into some of its messages, and one of them is the link.
        response = getattr(fault, "response", {})
        why = str(response.get("Error", {}).get("Code", "")) or type(fault).__name__
    logger.warning("approver not reached", extra={"approver": approver.id, "channel": name, "fault": why})
    return False
