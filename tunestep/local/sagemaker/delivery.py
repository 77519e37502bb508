"""Events on their way to EventBridge: best effort, and worse when a test says so."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec

Event = dict[str, Any]
_log = logging.getLogger(__name__)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of events: SageMaker sends them at least once, most of the time."""

    mode: Literal["once", "twice", "never"] = "once"
    late_seconds: float = 0.0


class Courier:
    """Hands events over in a thread of its own, in order, following the policy of the moment.

    What is undelivered when the service ends is lost, as on AWS nobody may rely on it.
    """

    def __init__(self, emit: Callable[[Event], None], delivery: Delivery) -> None:
        self.delivery = delivery
        self._emit = emit
        self._due: list[tuple[float, int, Event]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._open = True
        self._thread: threading.Thread | None = None

    def send(self, event: Event) -> None:
        """Take over an event; returns at once."""
        copies = {"once": 1, "twice": 2, "never": 0}[self.delivery.mode]
        due = time.monotonic() + self.delivery.late_seconds
        with self._changed:
            for _ in range(copies):
                heapq.heappush(self._due, (due, next(self._order), event))
            if copies and self._thread is None and self._open:
                self._thread = threading.Thread(target=self._run, name="sagemaker-events", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._open = False
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._emit(event)
            except Exception:
                _log.exception("a state-change event was not delivered")

    def _next(self) -> Event | None:
        with self._changed:
            while self._open:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None
