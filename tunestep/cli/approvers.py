"""``tunestep approvers``: who may decide, how they are reached, and the confirmation of an address."""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import click
from rich.text import Text

from tunestep import names, settings
from tunestep.cli import render
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, json_option, open_target, target_options
from tunestep.gate import mail
from tunestep.gate.channels import API, EMAIL, SLACK
from tunestep.settings import Approver, Settings
from tunestep.text import one_line, visible

CONFIRMED, WAITING, MISSING = "confirmed", "waits to be confirmed", "no subscription"

_AWS_HOST = re.compile(r"sns\.(?P<region>[a-z]{2}(-[a-z]+)+-\d)\.amazonaws\.com(\.cn)?")
_LAPTOP_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")
_TOKEN = re.compile(r"[A-Za-z0-9]{1,1024}")


@click.group()
def approvers() -> None:
    """The people who may decide."""


@approvers.command(name="list")
@target_options
@json_option
def list_(as_json: bool, **options: Any) -> None:
    """Who may decide, by which channels they are asked, and whether their address is confirmed."""
    target = open_target(start=False, **options)
    deployed = deployed_settings(target)
    found = [_seen(target, deployed, one) for one in deployed.approvers]
    if as_json:
        render.print_json(found)
        return
    out = render.console()
    if not found:
        out.print(_nobody(target))
        return
    rows = [tuple(Text(one_line(cell, 320)) for cell in _cells(one)) for one in found]
    render.print_rows(out, ("approver", "e-mail", "slack", "command line"), rows)
    if any(one["email_state"] not in (None, CONFIRMED) for one in found):
        out.print("Copy the link out of the mail from AWS: tunestep approvers confirm 'URL' " + target.flag)


@approvers.command()
@click.argument("url", metavar="URL")
@target_options
@json_option
def confirm(url: str, as_json: bool, **options: Any) -> None:
    """Confirm an approver's address with the link of the mail that SNS sent.

    Opening the link in a browser would do it too; but then the link at the foot of every mail ends the
    subscription without asking, and mail scanners follow links. Confirmed like this, only a signed request
    ends it.
    """
    target = open_target(start=False, **options)
    asked = parse(url, laptop=target.local)
    approver = _whose(target, asked)
    with aws_errors(f"confirm the address of {approver.id}"):
        answer = target.clients.sns.confirm_subscription(
            TopicArn=asked.topic, Token=asked.token, AuthenticateOnUnsubscribe="true"
        )
    subscription = answer["SubscriptionArn"]
    if as_json:
        render.print_json({"approver": approver.id, "subscription": subscription})
    else:
        render.console().print(f"{visible(approver.id)}: {visible(approver.email or '')} is {CONFIRMED}")


class Confirmation(NamedTuple):
    """What a confirmation link asks for."""

    topic: str
    token: str


def parse(url: str, *, laptop: bool) -> Confirmation:
    """Read a confirmation link. Raises CliError for what is no link of SNS's own."""
    try:
        parts = urlsplit(url.strip())
        host, query = parts.netloc, parse_qs(parts.query, strict_parsing=True, max_num_fields=10)
    except ValueError:
        raise CliError("that is no link: put the whole of it in quotation marks") from None
    on_aws = _AWS_HOST.fullmatch(host) if parts.scheme == "https" else None
    on_laptop = _LAPTOP_HOST.fullmatch(host) if laptop and parts.scheme == "http" else None
    if not on_aws and not on_laptop:
        raise CliError(
            f"the link leads to {visible(host, 80) or 'no host'}, not to SNS "
            "(https://sns.REGION.amazonaws.com): do not open it, and take the one "
            "out of the mail from no-reply@sns.amazonaws.com"
        )
    topics, tokens = query.get("TopicArn", []), query.get("Token", [])
    if len(topics) != 1 or len(tokens) != 1 or not _TOKEN.fullmatch(tokens[0]):
        raise CliError("the link has no TopicArn and Token: copy the whole of it, in quotation marks")
    if on_aws and topics[0].split(":")[3:4] != [on_aws["region"]]:
        raise CliError("the link's host and topic are of different regions, so it is not one of SNS's")
    return Confirmation(topics[0], tokens[0])


def _whose(target: Target, asked: Confirmation) -> Approver:
    """The approver whose topic is asked for; raises CliError when it is nobody's of this stack."""
    service, region, account, name = (asked.topic.split(":") + [""] * 6)[2:6]
    ours = (service, region, account) == ("sns", target.region, target.account)
    for approver in deployed_settings(target).approvers if ours else ():
        if approver.email and names.approver_topic_name(target.stack, approver.id) == name:
            return approver
    raise CliError(
        f"{visible(asked.topic, 200)} is the topic of no approver of stack {target.stack} in "
        f"{target.region}. Who they are: tunestep approvers list {target.flag}"
    )


def deployed_settings(target: Target) -> Settings:
    """The settings that the stack runs with, which may be other ones than those in this folder."""
    function = names.function_name(target.stack, "request_approval")
    with aws_errors(f"read the settings of stack {target.stack}"):
        found = target.clients.lambda_.get_function_configuration(FunctionName=function)
    return settings.from_json(found["Environment"]["Variables"].get("TUNESTEP_SETTINGS", "{}"))


def _seen(target: Target, deployed: Settings, approver: Approver) -> dict[str, Any]:
    return {
        "id": approver.id,
        EMAIL: approver.email,
        "email_state": _state(target, approver) if approver.email else None,
        SLACK: approver.slack_user if deployed.slack else None,
        "slack_channel": deployed.slack.channel if deployed.slack and approver.slack_user else None,
        API: approver.iam_principal,
    }


def _state(target: Target, approver: Approver) -> str:
    partition = "aws-cn" if target.region.startswith("cn-") else "aws"
    name = names.approver_topic_name(target.stack, approver.id)
    topic = f"arn:{partition}:sns:{target.region}:{target.account}:{name}"
    with aws_errors(f"read the subscriptions of {topic}"):
        there = mail.subscriptions(target.clients.sns, topic)
    if any(mail.confirmed(one, approver.email or "") for one in there):
        return CONFIRMED
    return WAITING if any(one["SubscriptionArn"] == "PendingConfirmation" for one in there) else MISSING


def _cells(one: dict[str, Any]) -> tuple[str, str, str, str]:
    slack = f"{one[SLACK]} in {one['slack_channel']}" if one[SLACK] else "-"
    email = f"{one[EMAIL]} ({one['email_state']})" if one[EMAIL] else "-"
    return one["id"], email, slack, one[API] or "-"


def _nobody(target: Target) -> str:
    if target.local:
        return "The settings name no approver: whoever is at this keyboard decides (tunestep approve RUN)."
    return "The settings name no approver, so runs that need a decision are refused: set `approvers`."
