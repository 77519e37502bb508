"""Talking to Slack with its own client: the question in the channel, one thread per run, words to one person.

slack_sdk is imported when something is sent: it costs 70 ms that no other function has to pay.
"""

import functools
import os
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from tunestep import runs
from tunestep.approval_states import PENDING
from tunestep.context import Context
from tunestep.gate import slack_blocks, slack_thread
from tunestep.gate.slack_secret import SlackFault, reader
from tunestep.gate.wording import Question
from tunestep.runs import run_pk
from tunestep.settings import Approver, Slack

if TYPE_CHECKING:
    from slack_sdk import WebClient

LONGEST_WAIT_SECONDS = 15
"""How long one call waits because Slack says so; what has to wait longer is given up for now."""

QUICK_SECONDS = 2
"""The limit of a call within the three seconds that Slack waits for our answer."""

PATIENT_SECONDS = 8

GIVEN_UP_SECONDS = 120
"""How long a question that Slack did not take is not tried for the next approver: whoever asks has other
people to tell, and a limited time."""

_OLD_TOKEN = frozenset({"invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_authed"})
_PASSING = frozenset(
    {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)

_given_up: dict[str, int] = {}
"""The question that this process could not put last, and when (epoch seconds)."""

logger = Logger(child=True)


def settings_of(context: Context) -> Slack:
    """The settings' Slack; raises SlackFault when there is none."""
    if context.env.settings.slack is None:
        raise SlackFault("the settings name no Slack app")
    return context.env.settings.slack


def base_url(context: Context) -> str:
    """Where Slack's Web API is: slack.com, except on a laptop, where the cloud has one of its own."""
    if context.env.laptop:
        return f"{os.environ['AWS_ENDPOINT_URL']}/fake-slack/api/"
    from slack_sdk.web.base_client import BaseClient  # noqa: PLC0415

    return BaseClient.BASE_URL


@functools.lru_cache(maxsize=8)
def _client(token: str, url: str, quick: bool) -> "WebClient":
    from slack_sdk import WebClient  # noqa: PLC0415
    from slack_sdk.http_retry import builtin_handlers, handler  # noqa: PLC0415

    class Patient(builtin_handlers.RateLimitErrorRetryHandler):
        """Waits as long as Slack asks for, if that is not too long."""

        def _can_retry(self, *, state: Any, request: Any, response: Any = None, error: Any = None) -> bool:
            if not super()._can_retry(state=state, request=request, response=response, error=error):
                return False
            named = {name.lower(): value for name, value in (response.headers or {}).items()}
            wait = str((named.get("retry-after") or ["1"])[0])
            return wait.isdigit() and int(wait) <= LONGEST_WAIT_SECONDS

    if quick:
        # Somebody waits, and can click again.
        return WebClient(token=token, base_url=url, timeout=QUICK_SECONDS, retry_handlers=[])
    handlers: list[handler.RetryHandler] = [
        builtin_handlers.ConnectionErrorRetryHandler(max_retry_count=1),
        builtin_handlers.ServerErrorRetryHandler(max_retry_count=1),
        Patient(max_retry_count=1),
    ]
    return WebClient(token=token, base_url=url, timeout=PATIENT_SECONDS, retry_handlers=handlers)


def call(context: Context, method: str, *, quick: bool = False, **arguments: Any) -> dict[str, Any]:
    """Call one method of the Web API and return its answer.

    A token that Slack no longer takes is read anew once. Raises SlackFault, without the arguments in it.
    """
    secrets, name = reader(context), settings_of(context).secret
    token = secrets.read(name).token
    try:
        return _called(context, token, method, quick, arguments)
    except SlackFault as fault:
        if str(fault).rpartition(" ")[2] not in _OLD_TOKEN:
            raise
        renewed = secrets.renewed(name, context.now())
        if renewed is None or renewed.token == token:
            raise
        return _called(context, renewed.token, method, quick, arguments)


def _called(
    context: Context, token: str, method: str, quick: bool, arguments: dict[str, Any]
) -> dict[str, Any]:
    from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415

    try:
        answer = _client(token, base_url(context), quick).api_call(method, json=arguments)
    except SlackApiError as fault:
        code = str(fault.response.get("error") or "unknown_error") if fault.response else "unknown_error"
        raise SlackFault(f"{method} was answered with {code}", transient=code in _PASSING) from None
    except (SlackClientError, OSError, HTTPException, ValueError) as fault:
        raise SlackFault(f"{method} did not get through: {type(fault).__name__}", transient=True) from None
    data: Any = answer.data
    return data if isinstance(data, dict) else {}


def post(context: Context, run_id: str, text: str, blocks: list[slack_blocks.Block]) -> dict[str, str]:
    """Post into the run's thread of the channel, and begin the thread with the first message.

    ``text`` is what a notification shows, a sentence of ours. Returns {channel, ts}. Raises SlackFault.
    """
    channel = settings_of(context).channel
    place = slack_thread.place(context, run_id)
    more: dict[str, Any] = {"thread_ts": place.thread, "reply_broadcast": True} if place.thread else {}
    try:
        answer = call(
            context,
            "chat.postMessage",
            channel=channel,
            text=text,
            blocks=blocks,
            mrkdwn=False,
            unfurl_links=False,
            unfurl_media=False,
            **more,
        )
    except Exception:
        slack_thread.given_up(context, run_id, place)
        raise
    sent = {"channel": str(answer.get("channel") or channel), "ts": str(answer.get("ts") or "")}
    slack_thread.begun(context, run_id, place, sent["ts"])
    return sent


def tell(context: Context, user: str, text: str, blocks: list[slack_blocks.Block]) -> None:
    """Show something to one person in the channel, and to nobody else. Raises SlackFault."""
    channel = settings_of(context).channel
    call(context, "chat.postEphemeral", quick=True, channel=channel, user=user, text=text, blocks=blocks)


def ask(context: Context, question: Question, _approver: Approver, _link: str | None) -> bool:
    """Put the question into the channel, once for all approvers. Raises SlackFault.

    The stored approval exists before the message does, so a click can never come too early for us.
    """
    run_id = str(question["run_id"])
    if (context.runs.approval(run_id) or {}).get("slack"):
        return True
    if context.epoch() - _given_up.get(run_id, 0) < GIVEN_UP_SECONDS:
        raise SlackFault("the question was not taken a moment ago", transient=True)
    users = [one.slack_user for one in context.env.settings.approvers if one.slack_user]
    try:
        sent = post(context, run_id, slack_blocks.ASKED, slack_blocks.question(question, users))
    except SlackFault:
        _given_up.clear()
        _given_up[run_id] = context.epoch()
        raise
    item = context.runs.update(run_pk(run_id), runs.APPROVAL, {"slack": sent}) or {}
    if item.get("state") not in (None, PENDING):
        # Decided between the message and the note of where it is.
        show_decision(context, item)
    return True


def remind(context: Context, question: Question, approver: Approver, _link: str | None) -> bool:
    """Remind one approver in the run's thread. Raises SlackFault."""
    if approver.slack_user:
        blocks = slack_blocks.reminder(question, approver.slack_user)
        post(context, str(question["run_id"]), slack_blocks.ASKED, blocks)
    return bool(approver.slack_user)


def show_decision(context: Context, item: Question) -> bool:
    """Take the buttons from the question and say how it ended; False when Slack was never asked.

    Raises SlackFault.
    """
    where = item.get("slack") or {}
    if not where:
        return False
    call(
        context,
        "chat.update",
        channel=where["channel"],
        ts=where["ts"],
        text=slack_blocks.DECIDED,
        blocks=slack_blocks.decided(item),
    )
    return True
