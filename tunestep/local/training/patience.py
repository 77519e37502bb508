"""Waiting for the laptop cloud while it is restarted: the training goes on when it is back.

A worker outlives the cloud's process, and the next one listens on the same port. What cannot be read or
written meanwhile is not lost, only late.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

LIMIT_SECONDS = 12 * 3600.0
"""How long a worker waits for the cloud; after that its calls fail."""
PAUSE_SECONDS = 0.25


class Patience:
    """Waits until something listens at ``url`` (loopback), as long as the job's ``folder`` is there.

    ``clock`` is in seconds; ``pause`` waits a moment.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._folder, self._log, self._clock, self._pause = folder, log, clock, pause

    def wait(self, **_: object) -> None:
        """Return once the cloud listens, or when waiting has no sense any more. Fits botocore's events."""
        if self._listens():
            return
        self._log("The laptop cloud does not answer; waiting for its next start.")
        until = self._clock() + LIMIT_SECONDS
        while self._folder.is_dir() and self._clock() < until:
            self._pause(PAUSE_SECONDS)
            if self._listens():
                return

    def covers(self, url: str) -> bool:
        """Whether another URL leads to the same port."""
        parts = urlsplit(url)
        return (parts.hostname, parts.port) == self._address

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(self._address, timeout=5):
            return True
        return False
