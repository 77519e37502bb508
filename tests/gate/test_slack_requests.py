"""What is answered to requests that say they are Slack's: which decide, and which change nothing."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from tests.gate.hostile import HOSTILE
from tests.gate.slack_support import (
    ANN,
    APPROVAL_ID,
    EVE,
    SIGNING,
    SLACK,
    TASK_TOKEN,
    TOKEN,
    Gate,
    gate,
    nothing_was_decided,
    post,
    sent,
    told,
    waits_for_an_answer,
)
from tunestep.gate import channels, slack_api, slack_blocks, slack_secret
from tunestep.gate.slack_request import Refused, raw_body
from tunestep.local import fake_slack

PUBLISHED_BODY = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
PUBLISHED_TIME = 1531420618
PUBLISHED_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
"""docs.slack.dev/authentication/verifying-requests-from-slack"""

Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A question in the channel."""
    with gate(tmp_path, monkeypatch) as made:
        made.ask()
        assert channels.send(made.context, made.item, ANN, "https://link.example/?k=1") == ["slack"]
        yield made
        made.world.done()


# The signature


def test_the_signature_that_slack_publishes_verifies(asked: Gate) -> None:
    class Then(Clock):
        def now(self) -> float:
            return PUBLISHED_TIME + 60

    assert SignatureVerifier(SIGNING, Then()).is_valid(
        PUBLISHED_BODY, str(PUBLISHED_TIME), PUBLISHED_SIGNATURE
    )
    # Ours says so too: it is proved, and refused for what it is, a slash command.
    asked.world.clock.value = asked.world.clock.value.fromtimestamp(
        PUBLISHED_TIME + 60, asked.world.clock.value.tzinfo
    )
    headers = {
        "X-Slack-Request-Timestamp": str(PUBLISHED_TIME),
        "X-Slack-Signature": PUBLISHED_SIGNATURE,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert sent(asked, headers, PUBLISHED_BODY.encode())[0] == 400
    assert sent(asked, headers, PUBLISHED_BODY.replace("foobar", "foobaz").encode())[0] == 401


@pytest.mark.parametrize(("age", "status"), [(0, 200), (300, 200), (301, 401), (-300, 200), (-301, 401)])
def test_a_request_counts_for_five_minutes_either_way(asked: Gate, age: float, status: int) -> None:
    if status == 200:
        waits_for_an_answer(asked)
    assert post(asked, asked.click(slack_blocks.APPROVE), age=age)[0] == status
    assert asked.item["state"] == ("APPROVED" if status == 200 else "PENDING")


def test_the_raw_body_is_what_the_http_api_hands_on() -> None:
    body = b"payload=%7B%22a%22%3A1%7D"
    assert raw_body(base64.b64encode(body).decode(), True) == body
    assert raw_body(body.decode(), False) == body
    for wrong in ("%%%", "YQ", "Y Q=="):
        with pytest.raises(Refused):
            raw_body(wrong, True)


# Rotation


def test_a_rotated_signing_secret_is_read_anew_once_a_minute(asked: Gate) -> None:
    waits_for_an_answer(asked)
    reads: list[str] = []
    asked.secrets.meta.events.register("before-call.secretsmanager.*", lambda **_: reads.append("read"))
    new = "1" * 32
    asked.store(signing=new)
    reads.clear()
    body = fake_slack.form(asked.click(slack_blocks.APPROVE))
    forged = fake_slack.sign("f" * 32, body, asked.world.clock().timestamp())
    assert [sent(asked, forged, body)[0] for _ in range(20)] == [401] * 20
    assert len(reads) == 1
    # That one read has already brought the new secret.
    assert sent(asked, fake_slack.sign(new, body, asked.world.clock().timestamp()), body)[0] == 200
    assert asked.item["state"] == "APPROVED" and len(reads) == 1


def test_a_secret_that_cannot_be_read_is_a_fault_of_ours(asked: Gate) -> None:
    headers, body = asked.signed(asked.click(slack_blocks.APPROVE))
    slack_secret._reader.cache_clear()
    asked.secrets.delete_secret(SecretId=SLACK.secret, ForceDeleteWithoutRecovery=True)
    assert sent(asked, headers, body)[0] == 503
    nothing_was_decided(asked)


# Who


@pytest.mark.parametrize("action", [slack_blocks.APPROVE, slack_blocks.DECLINE, slack_blocks.REVIEW])
def test_somebody_who_is_no_approver_is_told_so_and_decides_nothing(asked: Gate, action: str) -> None:
    assert post(asked, asked.click(action, EVE))[0] == 200
    nothing_was_decided(asked)
    assert told(asked, EVE) == ["You are not one of the approvers of this stack, so nothing was decided."]
    assert asked.item["approvers"] == {}


# Shape


def test_a_question_that_is_not_known_is_said_to_be(asked: Gate) -> None:
    action = {"action_id": slack_blocks.APPROVE, "type": "button", "value": "B" * 22}
    assert post(asked, asked.click(slack_blocks.APPROVE, actions=[action]))[0] == 200
    assert told(asked, "U0ANN") == ["This question is not known here any more, so nothing was decided."]
    nothing_was_decided(asked)


# Deciding


def test_approve_is_written_with_who_and_how_before_the_answer(asked: Gate) -> None:
    waits_for_an_answer(asked)
    assert post(asked, asked.click(slack_blocks.APPROVE)) == (200, None)
    item = asked.item
    assert (item["state"], item["actor"], item["channel"], item["assurance"]) == (
        "APPROVED",
        "ann",
        "slack",
        "Slack user",
    )
    assert item["delivered"] is True
    assert [call["FunctionName"] for call in asked.invoked] == ["tunestep-notify"]


@pytest.mark.parametrize("headers", [{}, {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}])
def test_a_replay_finds_the_decision_that_stands_and_writes_nothing(
    asked: Gate, headers: dict[str, str]
) -> None:
    waits_for_an_answer(asked)
    signed, body = asked.signed(asked.click(slack_blocks.APPROVE))
    assert sent(asked, signed, body) == (200, None)
    before = asked.item
    assert sent(asked, {**signed, **headers}, body) == (200, None)
    assert asked.item == before and len(asked.invoked) == 1


def test_the_second_approver_is_told_who_was_first(asked: Gate) -> None:
    waits_for_an_answer(asked)
    post(asked, asked.click(slack_blocks.APPROVE, "U0BOB"))
    assert post(asked, asked.click(slack_blocks.APPROVE)) == (200, None)
    assert asked.item["actor"] == "bob.b"
    assert told(asked, "U0ANN") == ["This was decided already: Approved by bob.b at 2026-11-22T12:00:00Z."]


def test_a_click_after_the_time_is_over_is_told_so(asked: Gate) -> None:
    asked.world.clock.forward(3601)
    assert post(asked, asked.click(slack_blocks.APPROVE))[0] == 200
    assert "is over" in told(asked, "U0ANN")[0]
    nothing_was_decided(asked)


def test_decline_asks_for_the_reason_and_ends_with_it(asked: Gate) -> None:
    click = asked.click(slack_blocks.DECLINE, trigger_id=fake_slack.trigger_id())
    assert post(asked, click) == (200, None)
    nothing_was_decided(asked)
    (dialog,) = [message for message in asked.board.all() if message["kind"] == "dialog"]
    empty = fake_slack.submission(SLACK, dialog, {"reason": {"reason": "  "}}, "U0ANN")
    assert post(asked, empty) == (200, {"response_action": "errors", "errors": {"reason": "Please say why."}})
    nothing_was_decided(asked)
    waits_for_an_answer(asked)
    full = fake_slack.submission(SLACK, dialog, {"reason": {"reason": HOSTILE["mail header"]}}, "U0ANN")
    assert post(asked, full) == (200, {"response_action": "clear"})
    assert (asked.item["state"], asked.item["reason"]) == (
        "DECLINED",
        "x\\u000d Bcc: everybody@evil.example\\u000d Subject: Approved",
    )


def test_a_dialog_sent_off_after_somebody_else_decided_says_so(asked: Gate) -> None:
    post(asked, asked.click(slack_blocks.DECLINE, trigger_id=fake_slack.trigger_id()))
    (dialog,) = [message for message in asked.board.all() if message["kind"] == "dialog"]
    waits_for_an_answer(asked)
    post(asked, asked.click(slack_blocks.APPROVE, "U0BOB"))
    late = fake_slack.submission(SLACK, dialog, {"reason": {"reason": "No."}}, "U0ANN")
    status, answer = post(asked, late)
    assert (status, answer["response_action"]) == (200, "update")
    assert "Approved by bob.b" in json.dumps(answer["view"])
    assert asked.item["state"] == "APPROVED"


def test_a_dialog_that_does_not_open_is_explained(asked: Gate) -> None:
    assert post(asked, asked.click(slack_blocks.DECLINE, trigger_id="1.too-old")) == (200, None)
    assert "could not be opened" in told(asked, "U0ANN")[0]


def test_decline_after_the_decision_shows_it(asked: Gate) -> None:
    waits_for_an_answer(asked)
    post(asked, asked.click(slack_blocks.APPROVE, "U0BOB"))
    post(asked, asked.click(slack_blocks.DECLINE))
    assert "Decision: Approved." in told(asked, "U0ANN")[0]


def test_review_shows_the_one_who_clicked_a_link_of_their_own(asked: Gate) -> None:
    assert post(asked, asked.click(slack_blocks.REVIEW)) == (200, None)
    (shown,) = [message for message in asked.board.all() if message.get("user") == "U0ANN"]
    (button,) = [e for block in shown["blocks"] if block["type"] == "actions" for e in block["elements"]]
    assert button["url"].startswith(f"https://api.example/approvals/{APPROVAL_ID}?k=")
    secret = button["url"].rpartition("=")[2]
    assert list(asked.item["approvers"]) == ["ann"]
    assert secret not in json.dumps(asked.item)
    others = [message for message in asked.board.all() if message.get("user") != "U0ANN"]
    assert secret not in json.dumps(others)
    # The button is a link; Slack tells us that it was followed, and nothing happens.
    assert post(asked, fake_slack.click(SLACK, shown, slack_blocks.OPEN_LINK, "U0ANN")) == (200, None)


def test_a_repeated_review_or_decline_does_nothing(asked: Gate) -> None:
    for action in (slack_blocks.REVIEW, slack_blocks.DECLINE):
        assert post(asked, asked.click(action), **{"x-slack-retry-num": "1"}) == (200, None)
    assert len(asked.board.all()) == 1 and asked.item["approvers"] == {}


def test_no_answer_and_no_log_line_holds_a_secret(asked: Gate, caplog: pytest.LogCaptureFixture) -> None:
    waits_for_an_answer(asked)
    answers = [
        slack_api.handle(asked.context, *asked.signed(asked.click(action)))
        for action in (slack_blocks.REVIEW, slack_blocks.DECLINE, slack_blocks.APPROVE, "other")
        if action != "other"
    ]
    (shown,) = [
        message for message in asked.board.all() if message.get("user") == "U0ANN" and "url" in str(message)
    ]
    secret = str(shown).rpartition("?k=")[2][:22]
    everything = repr(answers) + caplog.text
    assert not [word for word in (secret, TOKEN, SIGNING, TASK_TOKEN) if word in everything]
