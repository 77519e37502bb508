"""The laptop's Slack refuses what Slack refuses; otherwise a message that passes here could fail there."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gate.slack_support import SLACK
from tunestep.gate import slack_blocks
from tunestep.gate.slack_blocks import plain
from tunestep.local import fake_slack
from tunestep.local import fake_slack_rules as rules

TOKEN = "xoxb-laptop-1"
BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", "value": "v"}
SECTION = {"type": "section", "text": {"type": "plain_text", "text": "said"}}


def message(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {"channel": SLACK.channel, "text": "said", "blocks": list(blocks), **more}


def actions(**changes: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": [{**BUTTON, **changes}]}


def rich(element: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [element]}]}


def dialog(**changes: Any) -> dict[str, Any]:
    view = slack_blocks.decline_dialog("A" * 22, slack_blocks.facts({"run_id": "r"})[0])
    return {"trigger_id": fake_slack.trigger_id(), "view": {**view, **changes}}


def text(kind: str, length: int) -> dict[str, Any]:
    return {"type": kind, "text": "x" * length}


@pytest.mark.parametrize(
    "blocks",
    [
        [actions(text=text("plain_text", 76))],
        [actions(text=text("mrkdwn", 2))],
        [actions(value="x" * 2001)],
        [actions(url="x" * 3001)],
        [actions(style="green")],
        [actions(action_id="")],
        [actions(onclick="x")],
        [actions(confirm={"title": text("plain_text", 5)})],
        [actions(type="static_select")],
        [{"type": "actions", "elements": []}],
        [{"type": "actions", "elements": [BUTTON, BUTTON]}],
        [{"type": "section", "text": text("plain_text", 3001)}],
        [{"type": "section", "text": text("plain_text", 0)}],
        [{"type": "section", "text": "said"}],
        [{"type": "section"}],
        [{"type": "header", "text": text("plain_text", 151)}],
        [{"type": "header", "text": text("mrkdwn", 5)}],
        [{"type": "context", "elements": [text("mrkdwn", 5)] * 11}],
        [{"type": "rich_text", "elements": []}],
        [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": []}]}],
        [rich({"type": "text", "text": ""})],
        [rich({"type": "text", "text": "x" * 3001})],
        [rich({"type": "text", "text": "x", "style": {"code": "yes"}})],
        [rich({"type": "text", "text": "x", "style": {"blink": True}})],
        [rich({"type": "text", "text": "x", "emoji": False})],
        [rich({"type": "link", "text": "x"})],
        [rich({"type": "color", "value": "#fff"})],
        [{"type": "carousel"}],
        [{**SECTION, "emoji": True}],
        [{**SECTION, "block_id": "b"}, {**SECTION, "block_id": "b"}],
        [SECTION] * 51,
        ["section"],
        [],
    ],
)
def test_blocks_that_slack_refuses_are_refused(blocks: list[Any]) -> None:
    with pytest.raises(rules.Invalid):
        rules.check("chat.postMessage", message(*blocks))


@pytest.mark.parametrize(
    "changes", [{"channel": None}, {"text": ""}, {"as_user": True}, {"mrkdwn": "no"}, {"blocks": "x"}]
)
def test_arguments_that_slack_refuses_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(rules.Invalid):
        rules.check("chat.postMessage", {**message(SECTION), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"title": plain("x" * 25)},
        {"submit": plain("x" * 25)},
        {"private_metadata": "x" * 3001},
        {"type": "home"},
        {"blocks": []},
        {"ok": True},
    ],
)
def test_dialogs_that_slack_refuses_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(rules.Invalid):
        rules.check("views.open", dialog(**changes))


def test_a_dialog_with_an_input_needs_a_submit() -> None:
    asked = dialog()
    del asked["view"]["submit"]
    with pytest.raises(rules.Invalid, match="submit"):
        rules.check("views.open", asked)


@pytest.fixture
def slack(tmp_path: Path) -> fake_slack.FakeSlack:
    return fake_slack.FakeSlack(tmp_path / "slack", SLACK, lambda: TOKEN)


def call(slack: fake_slack.FakeSlack, method: str, arguments: Any, token: str = TOKEN) -> dict[str, Any]:
    body = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
    environ = {
        "PATH_INFO": fake_slack.PREFIX + method,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": io.BytesIO(body),
    }
    answer: dict[str, Any] = json.loads(b"".join(slack(environ, lambda *_: None)))
    return answer


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.delete", message(SECTION), "unknown_method"),
        ("chat.postMessage", b"{", "invalid_json"),
        ("chat.postMessage", message(SECTION, channel="C0OTHER"), "channel_not_found"),
        ("chat.postMessage", message(), "invalid_arguments"),
        ("chat.update", message(SECTION, ts="1.2"), "message_not_found"),
        ("views.open", {**dialog(), "trigger_id": "1.x"}, "expired_trigger_id"),
        ("views.open", {**dialog(), "trigger_id": "now"}, "expired_trigger_id"),
    ],
)
def test_each_fault_has_slack_s_own_name(
    slack: fake_slack.FakeSlack, method: str, arguments: Any, error: str
) -> None:
    answer = call(slack, method, arguments)
    assert (answer["ok"], answer["error"]) == (False, error)


def test_another_token_is_refused(slack: fake_slack.FakeSlack) -> None:
    assert call(slack, "chat.postMessage", message(SECTION), "xoxb-other")["error"] == "invalid_auth"


def test_messages_survive_and_are_numbered_on(slack: fake_slack.FakeSlack, tmp_path: Path) -> None:
    call(slack, "chat.postMessage", message(SECTION))
    again = fake_slack.FakeSlack(tmp_path / "slack", SLACK, lambda: TOKEN)
    call(again, "chat.postMessage", message(SECTION))
    board = fake_slack.Board(tmp_path / "slack")
    assert [one["number"] for one in board.all()] == [1, 2]
    assert (tmp_path / "slack" / "000001.json").stat().st_mode & 0o077 == 0
