"""When training has to end before its last step."""

import time
from collections.abc import Callable


class StopSignal:
    """Why training has to end early, if it has to: ``Stopped`` or ``MaxRuntimeExceeded``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = float("inf")
        self._reason: str | None = None

    def request(self) -> None:
        """Asks for an end after the current step. Safe in a signal handler."""
        self._reason = self._reason or "Stopped"

    def limit(self, seconds: float) -> None:
        """Ends training ``seconds`` from now."""
        self._deadline = self._clock() + seconds

    def lift(self) -> None:
        """Ends the time limit: what was trained in time may be saved in peace."""
        if self.reason() is None:
            self._deadline = float("inf")

    def reason(self) -> str | None:
        """Why to end now; None to go on."""
        if self._reason is None and self._clock() >= self._deadline:
            self._reason = "MaxRuntimeExceeded"
        return self._reason
