"""Slack's token and signing secret: one secret in Secrets Manager, ``{"token": ..., "signing_secret": ...}``.

Kept for some minutes by the parameters utility of Powertools. When something signed or answered by Slack says
that what we hold is old, it is read anew, at most once a minute whoever asks.
"""

import functools
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tunestep.aws import Client
from tunestep.context import Context

MAX_AGE_SECONDS = 300
FRESH_EVERY = timedelta(minutes=1)


class SlackFault(Exception):  # noqa: N818
    """Slack, or the secret that opens it, could not be used. The message holds no secret."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class SlackSecret(msgspec.Struct, frozen=True):
    """``token`` is the bot's (xoxb-...), ``signing_secret`` what Slack signs its requests with."""

    token: str
    signing_secret: str

    def __repr__(self) -> str:
        return "SlackSecret(...)"


class Reader:
    """One client's view of the secret, with the moment of its last forced read."""

    def __init__(self, client: Client) -> None:
        # 25 ms that only a function which talks to Slack pays.
        from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415

        self._provider: Any = SecretsProvider(boto3_client=client)
        self._forced: datetime | None = None

    def read(self, name: str) -> SlackSecret:
        """The secret as kept, or as read now. Raises SlackFault."""
        return self._get(name, force=False)

    def renewed(self, name: str, now: datetime) -> SlackSecret | None:
        """The secret read anew; None when that was done less than a minute ago. Raises SlackFault."""
        if self._forced is not None and now - self._forced < FRESH_EVERY:
            return None
        self._forced = now
        return self._get(name, force=True)

    def _get(self, name: str, *, force: bool) -> SlackSecret:
        from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError  # noqa: PLC0415

        try:
            text = self._provider.get(name, max_age=MAX_AGE_SECONDS, force_fetch=force)
            secret = msgspec.json.decode(text, type=SlackSecret)
        except GetParameterError as fault:
            raise SlackFault(f"the secret {name} could not be read: {fault}", transient=True) from None
        except (msgspec.DecodeError, TypeError):
            # Nothing of the text may be shown, not even in the cause.
            raise SlackFault(
                f'the secret {name} is not a JSON object {{"token": TEXT, "signing_secret": TEXT}}'
            ) from None
        if not secret.token.strip() or not secret.signing_secret.strip():
            raise SlackFault(f"the secret {name} has an empty token or signing_secret")
        return secret


@functools.lru_cache(maxsize=4)
def _reader(client: Client) -> Reader:
    return Reader(client)


def reader(context: Context) -> Reader:
    """The reader of this process."""
    return _reader(context.clients.secretsmanager)
