"""How people are reached: addresses that are confirmed, and a Slack app that can write."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from tunestep import names
from tunestep.aws import error_code
from tunestep.gate import mail
from tunestep.gate.slack_secret import Reader, SlackFault
from tunestep.operate.doctor.diagnosis import Diagnosis, broken, ok, skipped, warning
from tunestep.operate.stack import Stack
from tunestep.settings import Slack

_TIMEOUT_SECONDS = 8


def subscriptions(stack: Stack) -> Iterator[Diagnosis]:
    """Every address of the settings, by whether SNS has it confirmed."""
    rules = stack.rules
    wanted = [
        (names.approver_topic_name(stack.name, one.id), one.email, f"approver {one.id}")
        for one in rules.approvers
        if one.email
    ]
    wanted += [(names.topic_name(stack.name), address, "notices") for address in rules.notice_emails]
    if not wanted:
        yield skipped("addresses", "the settings name none.")
    for topic, address, whose in wanted:
        yield _subscription(stack, stack.topic(topic), address, whose)


def _subscription(stack: Stack, topic: str, address: str, whose: str) -> Diagnosis:
    where = f"{address} ({whose})"
    try:
        there = mail.subscriptions(stack.clients.sns, topic)
    except ClientError as fault:
        if error_code(fault) in ("NotFound", "NotFoundException"):
            return broken(where, f"there is no topic {topic}.", "Deploy the stack.")
        return Diagnosis(
            state="unknown",
            where=where,
            message=f"its topic could not be read: {error_code(fault)}.",
            fix="Have sns:ListSubscriptionsByTopic allowed to yourself, if this is to be checked.",
        )
    if any(mail.confirmed(one, address) for one in there):
        return ok(where, "confirmed.")
    if any(one["Endpoint"].lower() == address.lower() for one in there):
        how = (
            "Ask them for the link in the mail from AWS, and: tunestep approvers confirm 'URL'"
            if whose.startswith("approver")
            else "Have them follow the link in the mail from AWS."
        )
        return broken(where, "waits to be confirmed, so no mail is sent.", how)
    return broken(where, "is not subscribed.", "Deploy the stack again; AWS then mails a new link.")


def deciders(stack: Stack) -> Iterator[Diagnosis]:
    """Whether anybody can be asked at all."""
    if stack.laptop and not stack.rules.approvers:
        yield ok("approvers", "whoever is at this keyboard decides.")
    elif not stack.rules.approvers:
        yield warning(
            "approvers",
            "the settings name none, so runs that need a decision are refused.",
            "Set approvers in tunestep.yaml and deploy.",
        )
    else:
        yield ok("approvers", ", ".join(one.id for one in stack.rules.approvers))


def slack(stack: Stack) -> Iterator[Diagnosis]:
    """The secret can be read, and Slack takes its token for the team of the settings."""
    chosen = stack.rules.slack
    if chosen is None:
        yield skipped("Slack", "the settings name no app.")
        return
    try:
        secret = Reader(stack.clients.secretsmanager).read(chosen.secret)
    except SlackFault as fault:
        yield broken(
            f"secret {chosen.secret}",
            f"{fault}.",
            "Store the app's token and signing secret there as JSON (docs/approvers.md, Slack), or have "
            "secretsmanager:GetSecretValue allowed to yourself.",
        )
        return
    yield ok(f"secret {chosen.secret}", "can be read and is whole.")
    yield _asked(stack, chosen, secret.token)


def _asked(stack: Stack, chosen: Slack, token: str) -> Diagnosis:
    from slack_sdk import WebClient  # noqa: PLC0415 - 70 ms that only a stack with Slack pays
    from slack_sdk.errors import SlackApiError, SlackClientError  # noqa: PLC0415

    where = "Slack"
    options: dict[str, Any] = {"base_url": _laptop_url(stack)} if stack.laptop else {}
    client = WebClient(token=token, timeout=_TIMEOUT_SECONDS, retry_handlers=[], **options)
    try:
        team = client.api_call("auth.test", json={}).get("team_id")
    except SlackApiError as fault:
        code = fault.response.get("error") if fault.response else "no reason"
        return broken(
            where,
            f"it refuses the token: {code}.",
            f"Install the app again and put its bot token into {chosen.secret}.",
        )
    except (SlackClientError, OSError, ValueError) as fault:
        return Diagnosis(
            state="unknown",
            where=where,
            message=f"it cannot be reached from here ({type(fault).__name__}).",
            fix="Check this machine's network; the functions have their own way.",
        )
    if team != chosen.team:
        return broken(where, f"the token is of team {team}, not {chosen.team}.", "Correct slack.team.")
    return ok(where, f"takes the token for team {team}.")


def _laptop_url(stack: Stack) -> str:
    return f"{stack.clients.sns.meta.endpoint_url}/fake-slack/api/"
