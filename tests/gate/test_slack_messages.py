"""Asking in Slack: one message for all, its buttons, one thread per run, and what goes wrong on the way."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from slack_sdk.models.blocks import Block

from tests.gate.hostile import HOSTILE
from tests.gate.slack_support import ANN, APPROVAL_ID, BOB, SIGNING, SLACK, TASK_TOKEN, TOKEN, Gate, gate
from tests.support.run_world import RUN_ID
from tunestep.gate import announce, asking, channels, slack, slack_blocks
from tunestep.gate.slack_secret import SlackFault
from tunestep.local import fake_slack_rules as rules

LINK = "https://api.example/approvals/x?k=SECRETSECRETSECRETSECR"
RATE_LIMITED = ("429 Too Many Requests", [("Retry-After", "0"), ("Content-Type", "application/json")], b"{}")
BROKEN = ("503 Service Unavailable", [("Content-Type", "text/plain")], b"down")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    with gate(tmp_path, monkeypatch) as made:
        made.ask()
        yield made


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client would have waited."""
    waits: list[float] = []
    monkeypatch.setattr("slack_sdk.http_retry.builtin_handlers.time.sleep", waits.append)
    monkeypatch.setattr("slack_sdk.http_retry.handler.time.sleep", waits.append)
    return waits


def send(of: Gate, approver: Any = ANN) -> list[str]:
    return channels.send(of.context, of.item, approver, LINK)


def texts(value: Any) -> Iterator[dict[str, Any]]:
    """Every text object."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        if value.get("type") in ("plain_text", "mrkdwn"):
            yield value
        for item in value.values():
            yield from texts(item)


def test_all_approvers_are_asked_by_one_message_with_three_buttons(asked: Gate) -> None:
    assert send(asked) == ["slack"] and send(asked, BOB) == ["slack"]
    (message,) = asked.board.all()
    assert message["channel"] == SLACK.channel
    (actions,) = [block for block in message["blocks"] if block["type"] == "actions"]
    assert [button["text"]["text"] for button in actions["elements"]] == ["Approve", "Decline…", "Review"]
    assert {button["value"] for button in actions["elements"]} == {APPROVAL_ID}
    (people,) = [text["text"] for text in texts(message["blocks"]) if text["type"] == "mrkdwn"]
    assert people == "May decide: <@U0ANN> <@U0BOB>"
    assert asked.item["slack"] == {"channel": SLACK.channel, "ts": message["ts"]}


def test_the_message_holds_no_link_no_token_and_no_secret(asked: Gate) -> None:
    send(asked)
    said = json.dumps(asked.board.all())
    assert not [word for word in (LINK, "SECRETSECRET", TASK_TOKEN, TOKEN, SIGNING) if word in said]


def test_slack_s_own_library_finds_no_fault_in_any_block(asked: Gate) -> None:
    decided = {**asked.item, "state": "DECLINED", "actor": "ann", "assurance": "Slack user", "reason": "No."}
    run = slack_blocks.facts(asked.item)[0]
    for blocks in (
        slack_blocks.question(asked.item, ["U0ANN"]),
        slack_blocks.decided(decided),
        slack_blocks.reminder(asked.item, "U0ANN"),
        slack_blocks.link(asked.item, LINK),
        slack_blocks.decline_dialog(APPROVAL_ID, run)["blocks"],
        slack_blocks.result_dialog("said")["blocks"],
    ):
        for block in Block.parse_all(blocks):
            block.validate_json()


@pytest.mark.parametrize("name", HOSTILE)
def test_words_of_others_are_plain_text_without_links_and_never_too_long(name: str) -> None:
    words = HOSTILE[name]
    item = {
        "approval_id": APPROVAL_ID,
        "expires_at": 1_800_000_000,
        "requester": words,
        "run_id": words,
        "model_arn": words,
        "actor": words,
        "reason": words,
        "reason_needed": words,
        "state": "DECLINED",
        "dataset": {"said": [words] * 30},
        "licence": {"name": words, "url": words},
    }
    dialog = slack_blocks.decline_dialog(APPROVAL_ID, slack_blocks.facts(item)[0])
    for blocks in (slack_blocks.question(item, ["U0ANN"]), slack_blocks.decided(item)):
        rules.check("chat.postMessage", {"channel": "C1", "text": "x", "blocks": blocks})
    rules.check("views.open", {"trigger_id": "1", "view": dialog})
    for text in texts([slack_blocks.question(item, ["U0ANN"]), slack_blocks.decided(item), dialog]):
        if text["type"] == "mrkdwn":
            assert text["text"] == "May decide: <@U0ANN>"
        assert "evil.example" not in text["text"] and "://" not in text["text"]
        assert not set(text["text"]) & set("\x00\x07\x1b\r\u202e\u2066\u200b\u2028")
        assert text.get("emoji") in (None, False)


def test_the_second_message_of_a_run_goes_into_its_thread(asked: Gate) -> None:
    send(asked)
    assert channels.remind(asked.context, asked.item, BOB, None) == ["slack"]
    slack.post(asked.context, RUN_ID, "It ended.", slack_blocks.said("It ended."))
    question, *others = asked.board.all()
    assert "thread_ts" not in question
    assert [message["thread_ts"] for message in others] == [question["ts"]] * 2
    assert (asked.context.runs.run(RUN_ID) or {})["slack_thread"] == question["ts"]


def test_after_a_decision_the_message_has_no_buttons_and_says_who(asked: Gate) -> None:
    send(asked)
    asked.context.runs.update(
        f"RUN#{RUN_ID}",
        "APPROVAL",
        {"state": "DECLINED", "actor": "bob.b", "assurance": "Slack user", "reason": "<!channel> no"},
    )
    announce.announce(asked.context, RUN_ID, asked.item)
    (call,) = asked.invoked
    assert (call["FunctionName"], call["InvocationType"]) == ("tunestep-notify", "Event")
    event = asked.world.event(run_id=call["Payload"]["execution"]["name"])
    notified = announce.notify(
        asked.context, type(event)(document={}, execution=event.execution, state=call["Payload"]["state"])
    )
    assert notified == {"shown": True}
    (message,) = asked.board.all()
    said = "\n".join(text["text"] for text in texts(message["blocks"]))
    assert "actions" not in {block["type"] for block in message["blocks"]}
    assert 'Decision: Declined\nBy: "bob[.]b" (Slack user)' in said
    assert 'Reason: "<!channel> no"' in said


def test_a_decision_between_the_message_and_the_note_of_it_is_shown(asked: Gate) -> None:
    serve = asked.slack.__call__

    def decide_meanwhile(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"].endswith("chat.postMessage"):
            asked.context.runs.update(f"RUN#{RUN_ID}", "APPROVAL", {"state": "APPROVED", "actor": "ann"})
        return serve(environ, start_response)

    asked.slack = decide_meanwhile  # type: ignore[assignment]
    assert send(asked) == ["slack"]
    assert asked.calls == ["chat.postMessage", "chat.update"]


def test_nothing_is_announced_where_slack_was_never_asked(asked: Gate) -> None:
    announce.announce(asked.context, RUN_ID, {**asked.item, "state": "APPROVED"})
    assert asked.invoked == []


def test_a_rate_limit_is_waited_for_as_long_as_slack_says(asked: Gate, slept: list[float]) -> None:
    asked.answers = [("429 Too Many Requests", [("Retry-After", "7")], b'{"ok":false,"error":"ratelimited"}')]
    assert send(asked) == ["slack"]
    assert asked.calls == ["chat.postMessage"] * 2
    assert [7 <= wait < 8 for wait in slept] == [True]


def test_a_rate_limit_that_is_too_long_is_given_up(asked: Gate, slept: list[float]) -> None:
    asked.answers = [
        ("429 Too Many Requests", [("Retry-After", "900")], b'{"ok":false,"error":"ratelimited"}')
    ]
    assert send(asked) == []
    assert slept == []


def test_a_passing_fault_of_slack_is_tried_again(asked: Gate, slept: list[float]) -> None:
    asked.answers = [BROKEN]
    assert send(asked) == ["slack"]
    assert asked.calls == ["chat.postMessage"] * 2


@pytest.mark.parametrize("answer", [RATE_LIMITED, BROKEN])
def test_a_channel_that_fails_is_left_out_and_the_other_still_asks(
    asked: Gate, slept: list[float], answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    asked.topic(ANN)
    asked.answers = [answer] * 10
    assert send(asked) == ["email"]
    assert LINK not in caplog.text and TOKEN not in caplog.text


def test_a_slack_that_cannot_be_reached_is_no_fault_of_the_run(
    asked: Gate, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert send(asked) == []


def test_a_rotated_token_is_read_anew_once(asked: Gate) -> None:
    slack.call(asked.context, "chat.postMessage", channel=SLACK.channel, text="before")
    asked.store(token="xoxb-test-token-2")
    assert send(asked) == ["slack"]
    assert asked.calls == ["chat.postMessage"] * 3
    asked.store(token="xoxb-test-token-3")
    with pytest.raises(SlackFault, match="invalid_auth"):
        slack.call(asked.context, "chat.postMessage", channel=SLACK.channel, text="within a minute")
    asked.world.clock.forward(61)
    slack.call(asked.context, "chat.postMessage", channel=SLACK.channel, text="a minute later")


@pytest.mark.parametrize(
    "text", ["not json", '{"token": "x"}', '{"token": "", "signing_secret": "y"}', "[1]"]
)
def test_a_secret_that_is_wrong_is_named_and_never_shown(asked: Gate, text: str) -> None:
    asked.secrets.put_secret_value(SecretId=SLACK.secret, SecretString=text)
    with pytest.raises(SlackFault, match="tunestep/slack") as fault:
        slack.call(asked.context, "chat.postMessage", channel=SLACK.channel, text="x")
    assert "not json" not in str(fault.value)


def test_a_secret_that_is_absent_leaves_the_channel_out(asked: Gate) -> None:
    asked.secrets.delete_secret(SecretId=SLACK.secret, ForceDeleteWithoutRecovery=True)
    assert send(asked) == []


def test_only_a_laptop_talks_to_another_slack_than_slack_s(asked: Gate) -> None:
    deployed = msgspec.structs.replace(asked.context.env, laptop="")
    context = dataclasses.replace(asked.context, env=deployed)
    assert slack.base_url(context) == "https://slack.com/api/"


def test_a_slack_that_failed_is_not_tried_for_every_approver_in_turn(
    asked: Gate, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.answers = [BROKEN] * 2
    assert send(asked) == []
    tried = len(asked.calls)
    assert send(asked, BOB) == [] and len(asked.calls) == tried
    asked.world.clock.forward(slack.GIVEN_UP_SECONDS)
    assert send(asked, BOB) == ["slack"]


def test_slack_is_asked_again_until_it_took_the_question_though_mails_arrived(
    asked: Gate, slept: list[float]
) -> None:
    def unasked(item: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in item.items() if name not in ("slack", "approvers")}

    asked.world.runs.put({**unasked(asked.item), "approvers": {}})
    for approver in (ANN, BOB):
        asked.world.sns.subscribe(TopicArn=asked.topic(approver), Protocol="email", Endpoint=approver.email)
    asked.answers = [BROKEN] * 2
    assert asking.ask(asked.context, RUN_ID) == {"ann": ["email"], "bob.b": ["email"]}
    before = {who: entry["secret_sha256"] for who, entry in asked.item["approvers"].items()}
    assert asking.ask(asked.context, RUN_ID) == {}, "not at once"
    asked.world.clock.forward(asking.CLAIM_SECONDS)
    assert asking.ask(asked.context, RUN_ID) == {"ann": ["slack"], "bob.b": ["slack"]}
    assert {entry["secret_sha256"] for entry in asked.item["approvers"].values()} == set(before.values())
    asked.world.clock.forward(asking.CLAIM_SECONDS)
    assert asking.ask(asked.context, RUN_ID) == {}
    assert sorted(asked.item["approvers"]["ann"]["channels"]) == ["email", "slack"]
