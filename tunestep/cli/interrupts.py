"""Ctrl-C at the one moment when there is nothing to stop yet and soon will be."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class HeldBack:
    """Keeps Ctrl-C back while a run is being started, so that the run it hits can be stopped by its name.

    ``came`` tells afterwards whether one was kept back. Outside the main thread nothing is kept back.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def __enter__(self) -> "HeldBack":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
