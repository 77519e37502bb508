"""Pressing a button of the laptop's Slack: signed as Slack signs, sent where Slack would send it."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tunestep.gate import slack_blocks
from tunestep.local import fake_slack
from tunestep.local.fake_slack import Board, Message
from tunestep.settings import Slack

BUTTONS = {
    "approve": slack_blocks.APPROVE,
    "decline": slack_blocks.DECLINE,
    "review": slack_blocks.REVIEW,
}
_SECONDS = 30.0


class Answer(NamedTuple):
    """What Slack was answered: HTTP status, the document, and how long it took in seconds."""

    status: int
    document: Any
    seconds: float

    @property
    def in_time(self) -> bool:
        """Whether Slack would have waited for it."""
        return self.seconds < 3


class Hand:
    """One member of the team. ``url`` is the API's, ``folder`` the home's messages."""

    def __init__(self, url: str, folder: Path, slack: Slack, signing_secret: str, user: str) -> None:
        self._url, self._slack, self._secret, self._user = url, slack, signing_secret, user
        self._board = Board(folder)

    def press(self, message: Message, button: str, reason: str = "") -> Answer:
        """Press a button; declining fills in the dialog too. Raises LookupError without such a button."""
        payload = fake_slack.click(self._slack, message, BUTTONS[button], self._user)
        answer = self.send(payload)
        if button != "decline" or answer.status != 200:
            return answer
        dialog = self._dialog(payload["trigger_id"])
        if dialog is None:
            return answer
        values = {slack_blocks.REASON: {slack_blocks.REASON: reason}}
        return self.send(fake_slack.submission(self._slack, dialog, values, self._user))

    def _dialog(self, trigger_id: str) -> Message | None:
        found = (message for message in self._board.all() if message.get("trigger_id") == trigger_id)
        return next(found, None)

    def send(self, payload: dict[str, Any]) -> Answer:
        """Send an interaction, signed."""
        body = fake_slack.form(payload)
        headers = fake_slack.sign(self._secret, body, time.time())
        request = Request(f"{self._url}/slack", data=body, headers=headers, method="POST")  # noqa: S310 - loopback
        begun = time.monotonic()
        try:
            with urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
                status, text = response.status, response.read()
        except HTTPError as fault:
            status, text = fault.code, fault.read()
        return Answer(status, json.loads(text) if text else None, time.monotonic() - begun)
