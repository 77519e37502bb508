"""Requests to /slack that are not Slack's, not for us or not readable: a clear answer, nothing written."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.gate.slack_support import (
    ANN,
    APPROVAL_ID,
    SIGNING,
    Gate,
    gate,
    nothing_was_decided,
    post,
    sent,
)
from tunestep.gate import channels, slack_blocks
from tunestep.gate.slack_request import MAX_BODY, Refused, raw_body
from tunestep.local import fake_slack


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A question in the channel for the requests that may not change anything."""
    with pytest.MonkeyPatch.context() as patch, gate(tmp_path_factory.mktemp("slack"), patch) as made:
        made.ask()
        assert channels.send(made.context, made.item, ANN, "https://link.example/?k=1") == ["slack"]
        yield made


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"X-Slack-Signature": "v0=" + "0" * 64}, None),
        ({"X-Slack-Signature": ""}, None),
        ({"X-Slack-Signature": "v1=" + "0" * 64}, None),
        ({"X-Slack-Signature": "v0=" + "é" * 64}, None),
        ({"X-Slack-Request-Timestamp": ""}, None),
        ({"X-Slack-Request-Timestamp": "soon"}, None),
        ({"X-Slack-Request-Timestamp": "1" * 40}, None),
        ({"X-Slack-Request-Timestamp": "-1"}, None),
        ({"X-Slack-Request-Timestamp": "1531420618.5"}, None),
        ({}, b"payload=%7B%7D"),
        ({}, b""),
        ({}, b"\xff\xfe"),
    ],
)
def test_what_is_not_signed_by_slack_is_refused(
    untouched: Gate, headers: dict[str, str], body: bytes | None
) -> None:
    signed, sent_body = untouched.signed(untouched.click(slack_blocks.APPROVE))
    status, answer = sent(untouched, {**signed, **headers}, sent_body if body is None else body)
    assert status in (400, 401) and answer["error"]
    nothing_was_decided(untouched)


def test_without_any_header_nothing_is_read(untouched: Gate) -> None:
    assert sent(untouched, {}, b"payload=x")[0] == 401


def test_every_changed_byte_of_the_body_is_noticed(untouched: Gate) -> None:
    headers, body = untouched.signed(untouched.click(slack_blocks.APPROVE))
    for place in range(0, len(body), 41):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert sent(untouched, headers, changed)[0] == 401
    nothing_was_decided(untouched)


def test_a_large_body_is_refused_before_it_is_looked_at(untouched: Gate) -> None:
    headers, _ = untouched.signed({})
    assert sent(untouched, headers, b"x" * (MAX_BODY + 1))[0] == 413
    with pytest.raises(Refused) as refusal:
        raw_body("A" * (2 * MAX_BODY), True)
    assert refusal.value.status == 413


@pytest.mark.parametrize(
    "change",
    [
        {"team": {"id": "T0OTHER"}},
        {"team": None},
        {"team": {"id": 7}},
        {"api_app_id": "A0OTHER"},
        {"api_app_id": None},
        {"user": {"id": "U0ANN", "team_id": "T0OTHER"}},
    ],
)
def test_another_team_or_app_is_refused(untouched: Gate, change: dict[str, Any]) -> None:
    assert post(untouched, untouched.click(slack_blocks.APPROVE, **change))[0] == 403
    nothing_was_decided(untouched)


@pytest.mark.parametrize(
    "body",
    [
        "payload=%7B",
        "payload=[]",
        "payload=null",
        "payload=%22x%22",
        "payload=",
        "other=1",
        "payload=%7B%7D&payload=%7B%7D",
        "a=1&b=2&c=3&d=4&e=5&f=6&payload=%7B%7D",
        "payload=" + "%5B" * 20_000,
        "payload=NaN",
        "no form at all",
        "payload=%ff%fe",
        "payload=" + quote_plus(json.dumps({"type": "block_actions"})),
    ],
)
def test_a_payload_that_cannot_be_read_is_refused(untouched: Gate, body: str) -> None:
    headers = fake_slack.sign(SIGNING, body.encode(), untouched.world.clock().timestamp())
    status, answer = sent(untouched, headers, body.encode())
    assert status in (400, 403) and answer["error"]
    nothing_was_decided(untouched)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "shortcut"},
        {"type": None},
        {"user": {}},
        {"user": {"id": ["U0ANN"]}},
        {"actions": []},
        {"actions": None},
        {"actions": ["approve"]},
        {"actions": [{"action_id": "approve", "type": "button", "value": APPROVAL_ID}]},
        {"actions": [{"action_id": slack_blocks.APPROVE, "type": "static_select", "value": APPROVAL_ID}]},
        {"actions": [{"action_id": slack_blocks.APPROVE, "type": "button", "value": "../RUN#x"}]},
        {"actions": [{"action_id": slack_blocks.APPROVE, "type": "button"}]},
        {"actions": [{"action_id": slack_blocks.APPROVE, "type": "button", "value": APPROVAL_ID}] * 2},
        {"type": "view_submission", "view": {"callback_id": "other", "private_metadata": APPROVAL_ID}},
        {"type": "view_submission", "view": {"callback_id": slack_blocks.DECLINE_DIALOG}},
        {"type": "view_submission", "view": None},
    ],
)
def test_a_payload_that_is_none_of_ours_is_refused(untouched: Gate, change: dict[str, Any]) -> None:
    status, answer = post(untouched, untouched.click(slack_blocks.APPROVE, **change))
    assert status == 400 and answer["error"]
    nothing_was_decided(untouched)


def test_another_kind_of_body_is_refused(untouched: Gate) -> None:
    assert (
        post(untouched, untouched.click(slack_blocks.APPROVE), **{"Content-Type": "application/json"})[0]
        == 415
    )
    nothing_was_decided(untouched)
