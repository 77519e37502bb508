"""``tunestep local slack``: what the laptop's Slack shows, and a hand to press its buttons."""

import datetime
import json
from typing import Any

import click

from tunestep.cli import render
from tunestep.cli.approvers import deployed_settings
from tunestep.cli.failure import CliError, aws_errors
from tunestep.cli.target import Target, json_option, open_target
from tunestep.local.control import running
from tunestep.local.fake_slack import Board, Message
from tunestep.local.slack_hand import BUTTONS, Hand
from tunestep.settings import Settings, Slack
from tunestep.text import visible

_LAPTOP: dict[str, Any] = {
    "local": True,
    "stack": None,
    "profile": None,
    "region": None,
    "settings_file": None,
    "start": False,
}


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def slack(ctx: click.Context, as_json: bool) -> None:
    """The messages of the laptop's Slack, oldest first."""
    if ctx.invoked_subcommand:
        return
    _, target = _open()
    messages = _board(target).all()
    if as_json:
        render.print_json(messages)
        return
    out = render.console()
    if not messages:
        out.print("No message yet.")
    for message in messages:
        for line in _lines(message):
            out.print(visible(line))


@slack.command()
@click.argument("number", type=int, metavar="N")
@click.argument("button", type=click.Choice(list(BUTTONS)))
@click.option(
    "--as", "user", metavar="USER", help="Member id of who presses it (default: the first approver)."
)
@click.option("--reason", default="", help="Why, for decline.")
@json_option
def press(number: int, button: str, user: str | None, reason: str, as_json: bool) -> None:
    """Press a button of message N, as a member of the team would."""
    chosen, target = _open()
    app = _app(chosen)
    if button == "decline" and not reason.strip():
        raise CliError("declining needs a reason: --reason TEXT")
    board = _board(target)
    message = board.get(number)
    if message is None:
        raise CliError(f"there is no message {number}; see them: tunestep local slack")
    before = {one["number"] for one in board.all()}
    hand = Hand(_url(target), board.folder, app, _signing_secret(target, app), user or _first(chosen))
    try:
        answer = hand.press(message, button, reason)
    except LookupError:
        raise CliError(f"message {number} has no button {button!r} any more", code=1) from None
    shown = [one for one in board.all() if one["number"] not in before and one["kind"] != "dialog"]
    if as_json:
        render.print_json({"status": answer.status, "answer": answer.document, "messages": shown})
    else:
        render.console().print(f"Slack was answered {answer.status} after {answer.seconds:.2f} s")
        for line in [line for one in shown for line in _lines(one)]:
            render.console().print(visible(line))
    if answer.status != 200:
        raise SystemExit(1)


def _open() -> tuple[Settings, Target]:
    target = open_target(**_LAPTOP)
    return deployed_settings(target), target


def _app(chosen: Settings) -> Slack:
    if chosen.slack is None:
        raise CliError("the laptop cloud runs without Slack: its settings have no `slack`", code=1)
    return chosen.slack


def _first(chosen: Settings) -> str:
    users = [approver.slack_user for approver in chosen.approvers if approver.slack_user]
    if not users:
        raise CliError("no approver has a slack_user; say who presses: --as USER")
    return users[0]


def _board(target: Target) -> Board:
    if target.home is None:
        raise CliError("the laptop's Slack is on a laptop")
    return Board(target.home / "slack")


def _url(target: Target) -> str:
    endpoint = running(target.home) if target.home else None
    if endpoint is None:
        raise CliError("the laptop cloud does not run any more", code=1)
    return endpoint.url


def _signing_secret(target: Target, app: Slack) -> str:
    with aws_errors(f"read the secret {app.secret}"):
        found = target.clients.secretsmanager.get_secret_value(SecretId=app.secret)
    return str(json.loads(found["SecretString"])["signing_secret"])


def _lines(message: Message) -> list[str]:
    """A message as lines of text, its buttons in brackets."""
    when = datetime.datetime.fromtimestamp(float(message["ts"]), datetime.UTC).strftime("%H:%M:%S UTC")
    to = f"only for {message['user']}" if message.get("user") else message["channel"]
    thread = ", in the thread" if message.get("thread_ts") else ""
    edited = ", edited" if message.get("edited") else ""
    blocks = message.get("blocks") or (message.get("view") or {}).get("blocks") or []
    kind = "dialog" if message["kind"] == "dialog" else "message"
    head = f"{kind} {message['number']}  {when}  {to}{thread}{edited}"
    return [head, *[f"  {line}" for block in blocks for line in _block(block)], ""]


def _block(block: dict[str, Any]) -> list[str]:
    match block["type"]:
        case "header" | "section":
            return str(block["text"]["text"]).splitlines()
        case "context":
            return [str(element["text"]) for element in block["elements"]]
        case "actions":
            return [_button(element) for element in block["elements"]]
        case "rich_text":
            return [line for part in block["elements"] for line in _rich(part).splitlines()]
        case "input":
            return [f"{block['label']['text']} ____"]
    return []


def _rich(part: dict[str, Any]) -> str:
    """The text of a part of rich text; a link with its address."""
    return "".join(
        f"{run.get('text', '')} <{run['url']}>" if run["type"] == "link" else str(run["text"])
        for run in part["elements"]
    )


def _button(element: dict[str, Any]) -> str:
    url = f" {element['url']}" if element.get("url") else ""
    return f"[{element['text']['text']}]{url}"
