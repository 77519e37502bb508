"""What a job has to say when it ends: where it started, where it got, and what was different here."""

from typing import Any

from tunestep.local.training.loop import Event


class Report:
    """Collects events into the ``report`` of the status file."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.samples: list[dict[str, Any]] = []
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._epochs: list[dict[str, float]] = []

    def add(self, event: Event) -> None:
        if event.epoch_end:
            self._epochs.append({"epoch": event.epoch, **event.metrics})
            return
        self._last |= event.metrics
        self._first = event.metrics | self._first

    def document(self) -> dict[str, Any]:
        """JSON-ready: facts, metrics' first and last values, epochs' means, notes, warnings, samples."""
        return {
            **self.facts,
            "metrics": {name: [self._first[name], last] for name, last in self._last.items()},
            "epochs": self._epochs,
            "notes": self.notes,
            "warnings": self.warnings,
            "samples": self.samples,
        }
