"""A request from Slack: is it Slack's, is it for us, who did what? Nothing is parsed before it is proved.

Signature: docs.slack.dev/authentication/verifying-requests-from-slack, over the raw body. Payloads:
docs.slack.dev/reference/interaction-payloads.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec
from aws_lambda_powertools import Logger

from tunestep.context import Context
from tunestep.gate import slack_blocks
from tunestep.gate.slack import settings_of
from tunestep.gate.slack_secret import reader
from tunestep.settings import Slack

MAX_BODY = 128 * 1024
"""Bytes. A click brings the message with it, which is a few thousand at most."""

WINDOW_SECONDS = 300

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_KINDS: dict[str, Literal["approve", "decline", "review", "nothing"]] = {
    slack_blocks.APPROVE: "approve",
    slack_blocks.DECLINE: "decline",
    slack_blocks.REVIEW: "review",
    slack_blocks.OPEN_LINK: "nothing",
}

logger = Logger(child=True)


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The request goes no further: HTTP status, and what the log may say."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """What one member of the team did. ``reason`` is there only when the dialog was sent off."""

    kind: Literal["approve", "decline", "review", "declined", "nothing"]
    user: str
    approval_id: str
    trigger_id: str = ""
    reason: str = ""


def raw_body(body: str, encoded: bool) -> bytes:
    """The body as it was sent; the HTTP API hands on forms in base64. Raises Refused."""
    if len(body) > MAX_BODY * 4 // 3 + 4:
        raise Refused(413, "the body is too large")
    if not encoded:
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "the body is not base64") from None


def interaction(context: Context, headers: Mapping[str, str], body: bytes) -> Interaction:
    """The interaction that a request proves. Raises Refused; SlackFault when the secret cannot be read."""
    if len(body) > MAX_BODY:
        raise Refused(413, "the body is too large")
    named = {name.lower(): value for name, value in headers.items()}
    _check_signature(context, named, body)
    return _interaction(_payload(named, body), settings_of(context))


def _check_signature(context: Context, headers: Mapping[str, str], body: bytes) -> None:
    from slack_sdk.signature import Clock, SignatureVerifier  # noqa: PLC0415 - 70 ms, for Slack alone

    timestamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
        raise Refused(401, "there is no signature")
    if abs(context.epoch() - int(timestamp)) > WINDOW_SECONDS:
        raise Refused(401, "the signature is too old, or a clock is wrong")
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Refused(400, "the body is not UTF-8") from None

    class Now(Clock):
        def now(self) -> float:
            return context.now().timestamp()

    def holds(signing_secret: str) -> bool:
        return SignatureVerifier(signing_secret, Now()).is_valid(body, timestamp, signature)

    secrets, name = reader(context), settings_of(context).secret
    if holds(secrets.read(name).signing_secret):
        return
    # The signing secret may have been rotated since it was read.
    renewed = secrets.renewed(name, context.now())
    if renewed is None or not holds(renewed.signing_secret):
        raise Refused(401, "the signature does not match")


def _payload(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "the body is not a form")
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=5
        )
        (text,) = fields["payload"]
        payload = msgspec.json.decode(text)
    except (KeyError, ValueError, RecursionError):
        raise Refused(400, "the form has no payload that can be read") from None
    if not isinstance(payload, dict):
        raise Refused(400, "the payload is not an object")
    return payload


def _part(holder: object, key: str) -> dict[str, Any]:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def _text(holder: object, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""


def _interaction(payload: dict[str, Any], ours: Slack) -> Interaction:
    user = _part(payload, "user")
    place = "enterprise" if ours.team.startswith("E") else "team"
    if _text(_part(payload, place), "id") != ours.team:
        raise Refused(403, "the request is from another team")
    if _text(payload, "api_app_id") != ours.app_id:
        raise Refused(403, "the request is for another app")
    # Somebody of another organisation in a shared channel has a team of their own.
    if place == "team" and _text(user, "team_id") not in ("", ours.team):
        raise Refused(403, "the user is from another team")
    if not _text(user, "id"):
        raise Refused(400, "the payload names no user")
    match payload.get("type"):
        case "block_actions":
            return _click(payload, _text(user, "id"))
        case "view_submission":
            return _submission(payload, _text(user, "id"))
    raise Refused(400, "the payload is of a type that was never asked for")


def _click(payload: dict[str, Any], user: str) -> Interaction:
    actions = payload.get("actions")
    if not isinstance(actions, list) or len(actions) != 1:
        raise Refused(400, "the payload has not exactly one action")
    kind = _KINDS.get(_text(actions[0], "action_id"))
    if kind is None or _text(actions[0], "type") != "button":
        raise Refused(400, "the action is none of ours")
    return Interaction(
        kind=kind,
        user=user,
        approval_id=_approval_id(_text(actions[0], "value")),
        trigger_id=_text(payload, "trigger_id"),
    )


def _submission(payload: dict[str, Any], user: str) -> Interaction:
    view = _part(payload, "view")
    if _text(view, "callback_id") != slack_blocks.DECLINE_DIALOG:
        raise Refused(400, "the dialog is none of ours")
    values = _part(_part(view, "state"), "values")
    return Interaction(
        kind="declined",
        user=user,
        approval_id=_approval_id(_text(view, "private_metadata")),
        reason=_text(_part(_part(values, slack_blocks.REASON), slack_blocks.REASON), "value"),
    )


def _approval_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise Refused(400, "the payload names no question")
    return text
