"""A Slack for the laptop: the methods of its Web API that this product calls, and somebody to press a button.

Messages are files in the home, ``slack/<number>.json``, to be looked at with ``tunestep local slack``. Tokens
are checked against the secret, arguments against fake_slack_rules.
"""

import contextlib
import hashlib
import hmac
import itertools
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tunestep.local import fake_slack_rules as rules
from tunestep.settings import Slack

PREFIX = "/fake-slack/api/"
TRIGGER_SECONDS = 3.0
"""How long a click may be answered with a dialog (docs.slack.dev/interactivity/handling-user-interaction)."""

_MAX_BODY = 1024 * 1024

Environ = dict[str, Any]
Message = dict[str, Any]


def new_secret() -> str:
    """A secret as an administrator would store it, for a team that exists on this machine alone."""
    token, signing = secrets.token_urlsafe(24), secrets.token_hex(16)
    return json.dumps({"token": f"xoxb-laptop-{token}", "signing_secret": signing})


class Board:
    """The messages in the home, oldest first; they survive the cloud."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[Message]:
        found = [json.loads(path.read_text()) for path in sorted(self.folder.glob("[0-9]*.json"))]
        return sorted(found, key=lambda message: int(message["number"]))

    def get(self, number: int) -> Message | None:
        path = self._path(number)
        return json.loads(path.read_text()) if path.is_file() else None

    def find(self, channel: str, ts: str) -> Message | None:
        return next((m for m in self.all() if (m["channel"], m["ts"]) == (channel, ts)), None)

    def save(self, message: Message) -> None:
        path = self._path(message["number"])
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(message, file, indent=1)
        partial.replace(path)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"


class FakeSlack:
    """WSGI application below PREFIX. ``token`` gives the token that is valid now, None when there is none."""

    def __init__(self, folder: Path, slack: Slack, token: Callable[[], str | None]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._board, self._slack, self._token = Board(folder), slack, token
        self._lock = threading.Lock()
        last = max((message["number"] for message in self._board.all()), default=0)
        self._numbers = itertools.count(last + 1)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        method = environ.get("PATH_INFO", "").removeprefix(PREFIX)
        answer = self._answer(method, environ)
        data = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(data)))]
        start_response("200 OK", headers)
        return [data]

    def _answer(self, method: str, environ: Environ) -> dict[str, Any]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > _MAX_BODY:
            return _error("request_too_large")
        body = environ["wsgi.input"].read(length)
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        valid = self._token()
        if scheme != "Bearer" or not valid or not hmac.compare_digest(token.encode(), valid.encode()):
            return _error("invalid_auth")
        try:
            # A method without arguments is sent nothing.
            arguments = json.loads(body or b"{}")
            rules.check(method, arguments)
        except KeyError:
            return _error("unknown_method")
        except (ValueError, RecursionError):
            return _error("invalid_json")
        except rules.Invalid as fault:
            return _error("invalid_arguments", messages=[f"[ERROR] {fault}"])
        with self._lock:
            return self._do(method, arguments)

    def _do(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if method == "auth.test":
            return {"ok": True, "team_id": self._slack.team, "user": "tunestep"}
        if method != "views.open" and arguments["channel"] != self._slack.channel:
            return _error("channel_not_found")
        match method:
            case "chat.postMessage":
                return self._posted({**arguments, "kind": "message"})
            case "chat.postEphemeral":
                posted = self._posted({**arguments, "kind": "only for you"})
                return {"ok": True, "message_ts": posted["ts"]}
            case "chat.update":
                return self._update(arguments)
        return self._open(arguments)

    def _posted(self, content: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        ts = f"{time.time():.4f}{number % 100:02d}"
        self._board.save({**content, "number": number, "ts": ts, "team": self._slack.team})
        return {"ok": True, "channel": self._slack.channel, "ts": ts, "message": {"ts": ts}}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        message = self._board.find(arguments["channel"], arguments["ts"])
        if message is None or message["kind"] != "message":
            return _error("message_not_found")
        self._board.save({**message, "blocks": None, **arguments, "edited": time.time()})
        return {"ok": True, "channel": arguments["channel"], "ts": arguments["ts"]}

    def _open(self, arguments: dict[str, Any]) -> dict[str, Any]:
        made = arguments["trigger_id"].partition(".")[0]
        with contextlib.suppress(ValueError):
            if time.time() - int(made) / 1000 <= TRIGGER_SECONDS:
                view = {**arguments["view"], "id": f"V{secrets.token_hex(5).upper()}"}
                self._posted(
                    {
                        "kind": "dialog",
                        "channel": self._slack.channel,
                        "trigger_id": arguments["trigger_id"],
                        "view": view,
                    }
                )
                return {"ok": True, "view": view}
        return _error("expired_trigger_id")


def _error(code: str, messages: list[str] | None = None) -> dict[str, Any]:
    more = {"response_metadata": {"messages": messages}} if messages else {}
    return {"ok": False, "error": code, **more}


def sign(signing_secret: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of a request as Slack sends it."""
    timestamp = str(int(now))
    signed = hmac.new(signing_secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={signed.hexdigest()}",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
    }


def form(payload: dict[str, Any]) -> bytes:
    """The body of an interaction."""
    return urlencode({"payload": json.dumps(payload)}).encode()


def trigger_id() -> str:
    return f"{int(time.time() * 1000)}.{secrets.token_hex(12)}"


def click(slack: Slack, message: Message, action_id: str, user: str) -> dict[str, Any]:
    """The payload of a click on a button of a message. Raises LookupError when there is no such button."""
    buttons = [
        element
        for block in message.get("blocks") or []
        if block["type"] == "actions"
        for element in block["elements"]
        if element.get("action_id") == action_id
    ]
    if not buttons:
        raise LookupError(action_id)
    shown = {
        key: buttons[0][key] for key in ("type", "action_id", "text", "value", "style") if key in buttons[0]
    }
    return {
        "type": "block_actions",
        **_who(slack, user),
        "container": {
            "type": "message",
            "message_ts": message["ts"],
            "channel_id": message["channel"],
            "is_ephemeral": message["kind"] != "message",
        },
        "trigger_id": trigger_id(),
        "channel": {"id": message["channel"], "name": "approvals"},
        "message": {"type": "message", "ts": message["ts"], "blocks": message["blocks"]},
        "actions": [{**shown, "block_id": "b1", "action_ts": f"{time.time():.6f}"}],
    }


def submission(slack: Slack, dialog: Message, values: dict[str, dict[str, str]], user: str) -> dict[str, Any]:
    """The payload of a dialog that is sent off with texts by block and action id."""
    state = {
        block: {action: {"type": "plain_text_input", "value": text} for action, text in actions.items()}
        for block, actions in values.items()
    }
    return {
        "type": "view_submission",
        **_who(slack, user),
        "trigger_id": trigger_id(),
        "view": {**dialog["view"], "team_id": slack.team, "state": {"values": state}},
    }


def _who(slack: Slack, user: str) -> dict[str, Any]:
    return {
        "team": {"id": slack.team, "domain": "laptop"},
        "user": {"id": user, "username": user.lower(), "team_id": slack.team},
        "api_app_id": slack.app_id,
        "enterprise": None,
        "is_enterprise_install": False,
    }
