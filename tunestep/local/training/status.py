"""A job's status file: the one thing that whoever launched the worker reads."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class StatusFile:
    """``status.json``, replaced as a whole at each change, so that a reader never sees half of it.

    Times are seconds since the epoch. ``clock`` is injectable for tests.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._written = 0.0
        self.document: dict[str, Any] = {
            "status": "InProgress",
            "secondary_status": "Starting",
            "transitions": [],
            "progress": None,
            "mlflow": None,
            "billable_tokens": 0,
            "report": {},
        }

    def phase(self, secondary: str, message: str = "", *, status: str = "InProgress") -> None:
        """Ends the current phase and enters the next; a terminal ``status`` ends that one at once."""
        now = self._clock()
        transitions = self.document["transitions"]
        if transitions:
            transitions[-1]["EndTime"] = now
        entry = {"Status": secondary, "StartTime": now, "StatusMessage": message}
        transitions.append(entry if status == "InProgress" else entry | {"EndTime": now})
        self.document |= {"status": status, "secondary_status": secondary}
        self.write()

    def update(self, **fields: Any) -> None:
        """Changes fields without writing: :meth:`write` or the next phase does."""
        self.document |= fields

    def write_if_older(self, seconds: float) -> bool:
        """Writes unless the last write is younger than ``seconds``; says whether it did."""
        if self._clock() - self._written < seconds:
            return False
        self.write()
        return True

    def write(self) -> None:
        """Writes the file beside its place (0600) and moves it there."""
        self._written = self._clock()
        draft = self._path.with_suffix(".tmp")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self.document, file)
        draft.replace(self._path)
